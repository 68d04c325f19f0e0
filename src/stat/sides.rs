//! What a statistic is given, checked: the right kind, on one axis, and enough of it.

use super::{Case, Side, Undefined};
use crate::grid::{Axis, Grid};
use crate::tally::category::CategoryTally;
use crate::tally::flag::FlagTally;
use crate::tally::numeric::NumericTally;
use crate::tally::{FieldTally, Presence};

/// Two samples of a numeric field, counted on one grid that has at least one value.
pub struct Numbers<'a> {
    pub grid: &'a Grid,
    pub reference: &'a NumericTally,
    pub current: &'a NumericTally,
}

impl<'a> Case<'a> {
    /// The presence of a field of any kind, of which there are rows.
    pub(super) fn present(&self) -> Result<&'a Presence, Undefined> {
        let presence = self.current.ok_or(Undefined::NotApplicable)?.tally.presence();
        if presence.rows == 0 { Err(Undefined::NoRows) } else { Ok(presence) }
    }

    /// How many of the rows have a value, when any has.
    pub(super) fn valued(&self, n: u64) -> Result<u64, Undefined> {
        self.present()?;
        if n == 0 { Err(Undefined::TooFewRows { n, least: 1 }) } else { Ok(n) }
    }

    pub(super) fn numeric(&self) -> Result<(&'a Grid, &'a NumericTally), Undefined> {
        match self.current {
            Some(Side { axis: Axis::Numeric(grid), tally: FieldTally::Numeric(tally) })
                if tally.counts.len() == grid.cells() =>
            {
                Ok((grid, tally))
            }
            _ => Err(Undefined::NotApplicable),
        }
    }

    pub(super) fn categorical(&self) -> Result<&'a CategoryTally, Undefined> {
        match self.current {
            Some(Side { axis: Axis::Categorical(vocabulary), tally: FieldTally::Categorical(tally) })
                if tally.counts.len() == vocabulary.cells() =>
            {
                Ok(tally)
            }
            _ => Err(Undefined::NotApplicable),
        }
    }

    pub(super) fn flag(&self) -> Result<&'a FlagTally, Undefined> {
        match self.current {
            Some(Side { tally: FieldTally::Flag(tally), .. }) => Ok(tally),
            _ => Err(Undefined::NotApplicable),
        }
    }

    /// The grid and the window's counts on it, when the grid is a reference's. A grid without values means that the
    /// reference has no number to compare with.
    pub(super) fn numeric_on_reference(&self) -> Result<(&'a Grid, &'a NumericTally), Undefined> {
        let (grid, current) = self.numeric()?;
        if self.reference.is_none() || grid.values().is_empty() {
            return Err(Undefined::NotInReference);
        }
        Ok((grid, current))
    }

    /// Both sides of a numeric field, each with enough values to compare.
    pub(super) fn two_numeric(&self) -> Result<Numbers<'a>, Undefined> {
        let (grid, current) = self.numeric_on_reference()?;
        match self.reference {
            Some(FieldTally::Numeric(reference)) if reference.counts.len() == current.counts.len() => {
                self.enough(current.presence.rows, current.n(), reference.n())?;
                Ok(Numbers { grid, reference, current })
            }
            _ => Err(Undefined::NotApplicable),
        }
    }

    /// The reference's and the window's counts of a categorical field, each with enough values to compare.
    pub(super) fn two_categorical(&self) -> Result<(&'a CategoryTally, &'a CategoryTally), Undefined> {
        let current = self.categorical()?;
        match self.reference {
            None => Err(Undefined::NotInReference),
            Some(FieldTally::Categorical(reference)) if reference.counts.len() == current.counts.len() => {
                self.enough(current.presence.rows, current.n(), reference.n())?;
                Ok((reference, current))
            }
            Some(_) => Err(Undefined::NotApplicable),
        }
    }

    fn enough(&self, rows: u64, n: u64, n_reference: u64) -> Result<(), Undefined> {
        let least = self.min_rows.max(1);
        if rows == 0 {
            Err(Undefined::NoRows)
        } else if n < least {
            Err(Undefined::TooFewRows { n, least })
        } else if n_reference < least {
            Err(Undefined::TooFewReferenceRows { n: n_reference, least })
        } else {
            Ok(())
        }
    }
}
