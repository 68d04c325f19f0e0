//! Tallies: what a window keeps of its rows, which is counts.

pub mod counts;

pub mod arrivals;
pub mod category;
pub mod error;
pub mod expected;
pub mod flag;
pub mod numeric;
pub mod outcome;

#[cfg(test)]
mod laws;

use serde::{Deserialize, Serialize};

use crate::grid::Axis;
use crate::rows::{Absent, Column};
use category::CategoryTally;
use flag::FlagTally;
use numeric::NumericTally;

/// A summary of rows that can be added up.
///
/// Laws, which the tests hold every tally to: `merge` is associative and commutative, a new tally is its neutral
/// element, and observing rows in parts and merging gives exactly what observing them at once gives. The one exception
/// is which of many unseen categories are named (see [`category::Commonest`]).
///
/// Two tallies may be merged only if they count on the same axis.
pub trait Tally: Clone + PartialEq {
    /// A tally of no rows.
    fn empty(axis: &Axis) -> Self;
    /// Counts the chosen rows of a column.
    fn observe(&mut self, axis: &Axis, column: &Column, chosen: Chosen);
    /// Takes in what another tally counted.
    fn merge(&mut self, other: &Self);
}

/// Which rows of a batch are meant.
#[derive(Clone, Copy, Debug)]
pub enum Chosen<'a> {
    /// The first so many, which is all of them.
    All(usize),
    /// Those with these indices.
    Some(&'a [u32]),
}

impl Chosen<'_> {
    #[inline]
    pub fn each(self, mut visit: impl FnMut(usize)) {
        match self {
            Chosen::All(rows) => (0..rows).for_each(visit),
            Chosen::Some(indices) => indices.iter().for_each(|&row| visit(row as usize)),
        }
    }

    pub fn count(self) -> u64 {
        match self {
            Chosen::All(rows) => rows as u64,
            Chosen::Some(indices) => indices.len() as u64,
        }
    }
}

/// How many rows there were, and how many of them had no usable value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    pub rows: u64,
    pub null: u64,
    pub missing: u64,
    pub mistyped: u64,
}

impl Presence {
    /// Rows that had a value.
    pub fn present(&self) -> u64 {
        self.rows - self.null - self.missing - self.mistyped
    }

    fn absent(&mut self, why: Absent) {
        match why {
            Absent::Null => self.null += 1,
            Absent::Missing => self.missing += 1,
            Absent::Mistyped => self.mistyped += 1,
        }
    }

    fn merge(&mut self, other: &Presence) {
        self.rows += other.rows;
        self.null += other.null;
        self.missing += other.missing;
        self.mistyped += other.mistyped;
    }

    /// Counts the chosen rows and visits those that have a value.
    #[inline]
    fn observe(&mut self, column: &Column, chosen: Chosen, mut visit: impl FnMut(usize)) {
        self.rows += chosen.count();
        if column.marks.is_empty() {
            chosen.each(visit);
        } else {
            chosen.each(|row| match column.absent(row) {
                None => visit(row),
                Some(why) => self.absent(why),
            });
        }
    }
}

/// The tally of one field, of whatever kind it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FieldTally {
    Numeric(NumericTally),
    Categorical(CategoryTally),
    Flag(FlagTally),
}

impl FieldTally {
    pub fn presence(&self) -> &Presence {
        match self {
            FieldTally::Numeric(tally) => &tally.presence,
            FieldTally::Categorical(tally) => &tally.presence,
            FieldTally::Flag(tally) => &tally.presence,
        }
    }

    /// Rows whose value can be compared with others: those that have one, and not NaN.
    pub fn valued(&self) -> u64 {
        match self {
            FieldTally::Numeric(tally) => tally.n(),
            FieldTally::Categorical(tally) => tally.n(),
            FieldTally::Flag(tally) => tally.presence.present(),
        }
    }

    /// Lets go of the memory that looking at it has taken, where there are few rows.
    pub fn slim(&mut self) {
        match self {
            FieldTally::Numeric(tally) => tally.counts.slim(),
            FieldTally::Categorical(tally) => tally.counts.slim(),
            FieldTally::Flag(_) => {}
        }
    }
}

impl Tally for FieldTally {
    fn empty(axis: &Axis) -> FieldTally {
        match axis {
            Axis::Numeric(_) => FieldTally::Numeric(NumericTally::empty(axis)),
            Axis::Categorical(_) => FieldTally::Categorical(CategoryTally::empty(axis)),
            Axis::Flag => FieldTally::Flag(FlagTally::empty(axis)),
        }
    }

    fn observe(&mut self, axis: &Axis, column: &Column, chosen: Chosen) {
        match self {
            FieldTally::Numeric(tally) => tally.observe(axis, column, chosen),
            FieldTally::Categorical(tally) => tally.observe(axis, column, chosen),
            FieldTally::Flag(tally) => tally.observe(axis, column, chosen),
        }
    }

    fn merge(&mut self, other: &FieldTally) {
        match (self, other) {
            (FieldTally::Numeric(mine), FieldTally::Numeric(theirs)) => mine.merge(theirs),
            (FieldTally::Categorical(mine), FieldTally::Categorical(theirs)) => mine.merge(theirs),
            (FieldTally::Flag(mine), FieldTally::Flag(theirs)) => mine.merge(theirs),
            _ => debug_assert!(false, "tallies of two kinds cannot be on one axis"),
        }
    }
}

/// The values of a column whose kind is the axis's; shards pair them, so any other is a fault of ours.
macro_rules! values {
    ($column:expr, $kind:ident) => {
        match &$column.values {
            Values::$kind(array) => array,
            _ => {
                debug_assert!(false, "a column of another kind than its axis");
                return;
            }
        }
    };
}
use values;
