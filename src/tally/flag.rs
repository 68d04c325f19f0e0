//! Counts of a yes or no, such as whether a call failed.

use serde::{Deserialize, Serialize};

use super::{Chosen, Presence, Tally, values};
use crate::grid::Axis;
use crate::rows::{Column, Values};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlagTally {
    pub presence: Presence,
    pub yes: u64,
}

impl Tally for FlagTally {
    fn empty(_: &Axis) -> FlagTally {
        FlagTally::default()
    }

    fn observe(&mut self, _: &Axis, column: &Column, chosen: Chosen) {
        let array = values!(column, Flag);
        let yes = &mut self.yes;
        self.presence.observe(column, chosen, |row| *yes += u64::from(array.value(row) != 0.0));
    }

    fn merge(&mut self, other: &FlagTally) {
        self.presence.merge(&other.presence);
        self.yes += other.yes;
    }
}
