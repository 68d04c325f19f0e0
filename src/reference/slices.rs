//! The reference's rows slice by slice, so that a slice is compared with rows of its own kind.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::grid::Axis;
use crate::rows::Column;
use crate::slice::{Dimension, Slicer, Slicing};
use crate::tally::{Chosen, FieldTally, Tally};

/// The slices that a reference fixes, and what it counts in each.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Slices {
    pub dimensions: Vec<Dimension>,
    /// By name.
    pub counts: BTreeMap<String, SliceCounts>,
}

/// What a reference counts in one slice.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SliceCounts {
    pub rows: u64,
    /// By subject, on the axes of the whole.
    pub tallies: BTreeMap<String, FieldTally>,
}

/// Counts a reference's rows by slice, one field after another.
#[derive(Default)]
pub struct SliceCounter {
    dimensions: Vec<Dimension>,
    /// For each batch, the rows of each slice.
    rows: Vec<Vec<Vec<u32>>>,
    /// In the order of the slicer.
    counts: Vec<(String, SliceCounts)>,
}

impl SliceCounter {
    /// Fixes the slices by the columns of the dimensions' subjects, each cut into the same batches.
    pub fn new(slicing: &Slicing, columns: &BTreeMap<&str, Vec<&Column>>) -> SliceCounter {
        let dimensions = slicing.choose(columns);
        let in_order: Vec<(&str, &Vec<&Column>)> = columns.iter().map(|(subject, column)| (*subject, column)).collect();
        let slicer = Slicer::new(&dimensions, |subject| in_order.iter().position(|(known, _)| *known == subject));
        let batches = in_order.first().map_or(0, |(_, column)| column.len());
        let rows: Vec<Vec<Vec<u32>>> = (0..batches)
            .map(|batch| {
                let column = |place: usize| in_order.get(place).and_then(|(_, column)| column.get(batch).copied());
                slicer.apart(0..column(0).map_or(0, Column::len) as u32, column)
            })
            .collect();
        let count = |slice: usize| rows.iter().map(|batch| batch[slice].len() as u64).sum();
        let counts = slicer
            .names()
            .iter()
            .enumerate()
            .map(|(slice, name)| (name.to_string(), SliceCounts { rows: count(slice), tallies: BTreeMap::new() }));
        let counts = counts.collect();
        SliceCounter { dimensions, rows, counts }
    }

    /// Counts a field, whose columns are cut into the same batches, in every slice.
    pub fn count(&mut self, subject: &str, axis: &Axis, columns: &[&Column]) {
        for (slice, (_, counts)) in self.counts.iter_mut().enumerate() {
            let mut tally = FieldTally::empty(axis);
            for (column, rows) in columns.iter().zip(&self.rows) {
                tally.observe(axis, column, Chosen::Some(&rows[slice]));
            }
            counts.tallies.insert(subject.to_owned(), tally);
        }
    }

    pub fn finish(self) -> Slices {
        Slices { dimensions: self.dimensions, counts: self.counts.into_iter().collect() }
    }
}

/// Counts one field in every slice, batch by batch, where not all rows are in memory.
pub struct SliceTallies(Vec<FieldTally>);

impl SliceTallies {
    pub fn new(axis: &Axis, slices: usize) -> SliceTallies {
        SliceTallies((0..slices).map(|_| FieldTally::empty(axis)).collect())
    }

    /// `rows` are those of each slice, as [`Slicer::apart`] tells them.
    pub fn observe(&mut self, axis: &Axis, column: &Column, rows: &[Vec<u32>]) {
        for (tally, rows) in self.0.iter_mut().zip(rows) {
            tally.observe(axis, column, Chosen::Some(rows));
        }
    }
}

impl Slices {
    /// What was counted batch by batch: of each slice, in the order of the slicer, how many rows there were, and of
    /// each subject its tallies.
    pub fn gathered(
        dimensions: Vec<Dimension>,
        names: &[Arc<str>],
        rows: &[u64],
        tallies: Vec<(String, SliceTallies)>,
    ) -> Slices {
        let empty =
            |(name, &rows): (&Arc<str>, &u64)| (name.to_string(), SliceCounts { rows, ..SliceCounts::default() });
        let mut counts: BTreeMap<String, SliceCounts> = names.iter().zip(rows).map(empty).collect();
        for (subject, SliceTallies(tallies)) in tallies {
            for (name, tally) in names.iter().zip(tallies) {
                if let Some(counts) = counts.get_mut(&**name) {
                    counts.tallies.insert(subject.clone(), tally);
                }
            }
        }
        Slices { dimensions, counts }
    }
}
