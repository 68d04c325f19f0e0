//! What fixes an axis, found in passes over rows of which only a few are in memory.

use arrow_array::Array;

use super::census::Census;
use super::order::Order;
use super::{default_axis, finite, is_missing, vocabulary};
use crate::grid::Axis;
use crate::rows::{Column, Values};
use crate::schema::{Field, Kind};

/// The most numbers of one field that are held at once; there is nothing to gain from more.
const MOST_ROOM: usize = 1 << 20;
/// Bytes that a number takes, with all that is held beside it.
const NUMBER: usize = 16;

/// Finds the axis of a field: the same that [`super::Counted::of`] fixes with all rows in memory.
///
/// The one exception is a category with more distinct values than fit (see [`Census`]).
pub struct Survey {
    field: Field,
    /// Whether any row has the field.
    is_there: bool,
    found: Found,
}

enum Found {
    Numbers(Order),
    Texts(Census),
    Flags,
}

impl Survey {
    /// `memory` is in bytes, and kept to as far as the resolution allows.
    pub fn new(field: &Field, resolution: usize, memory: usize) -> Survey {
        let found = match field.kind {
            Kind::Numeric | Kind::Confidence | Kind::Entropy => {
                Found::Numbers(Order::new(resolution, power_below(memory / NUMBER).min(MOST_ROOM)))
            }
            Kind::Categorical => Found::Texts(Census::new(memory)),
            Kind::Flag | Kind::Time => Found::Flags,
        };
        Survey { field: field.clone(), is_there: false, found }
    }

    /// Takes note of some rows, the same in each pass and in any order.
    pub fn observe(&mut self, column: &Column) {
        self.is_there = self.is_there || !is_missing(column);
        match (&mut self.found, &column.values) {
            (Found::Numbers(order), _) => finite(column).for_each(|number| order.observe(number)),
            (Found::Texts(census), Values::Categorical(texts)) => {
                let present = (0..texts.len()).filter(|&row| column.absent(row).is_none());
                present.for_each(|row| census.observe(texts.value(row)));
            }
            _ => {}
        }
    }

    /// Draws the conclusions from a pass over all the rows. Returns whether it takes another.
    pub fn end_pass(&mut self) -> bool {
        match &mut self.found {
            Found::Numbers(order) => order.end_pass(),
            Found::Texts(census) => census.end_pass(),
            Found::Flags => false,
        }
    }

    pub fn field(&self) -> &Field {
        &self.field
    }

    /// The axis, after the last pass; `None` when no row has the field, or the field is a time.
    pub fn axis(&self) -> Option<Axis> {
        match &self.found {
            _ if !self.is_there || self.field.kind == Kind::Time => None,
            Found::Numbers(order) => Some(order.grid().map_or_else(|| default_axis(&self.field), Axis::Numeric)),
            Found::Texts(census) => Some(Axis::Categorical(vocabulary(census.counts()))),
            Found::Flags => Some(Axis::Flag),
        }
    }

    /// How many distinct values the field has, where they were counted.
    pub fn distinct(&self) -> Option<usize> {
        match &self.found {
            Found::Numbers(order) => order.distinct(),
            Found::Texts(census) => census.distinct(),
            Found::Flags => None,
        }
    }
}

/// The largest power of two that is not above a number.
fn power_below(number: usize) -> usize {
    number.checked_ilog2().map_or(0, |power| 1 << power)
}
