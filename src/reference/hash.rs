//! The content hash of a reference, and of axes.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::Reference;
use crate::grid::Axis;
use crate::slice::Dimension;
use crate::tally::counts::Counts;
use crate::tally::{FieldTally, Presence};

pub(super) fn hash_of(reference: &Reference) -> String {
    let mut hash = Hash::default();
    hash.count(reference.rows);
    for (subject, counted) in &reference.fields {
        hash.text(subject);
        hash.axis(&counted.axis);
        hash.tally(&counted.tally);
    }
    // The names say which dimensions there are.
    for (name, slice) in &reference.slices.counts {
        hash.text(name);
        hash.counts(&[slice.rows, slice.tallies.len() as u64]);
        for (subject, tally) in &slice.tallies {
            hash.text(subject);
            hash.tally(tally);
        }
    }
    for name in reference.groups.iter().flat_map(Dimension::names) {
        hash.text(&name);
    }
    if let Some(outcomes) = &reference.outcomes {
        // Counts and exact sums have one form each, however they came about.
        let bytes = postcard::to_stdvec(outcomes).unwrap_or_default();
        hash.count(bytes.len() as u64);
        hash.0.update(bytes);
    }
    hash.finish()
}

/// A digest over values in a fixed form, each with its kind or length before it so that no two sequences run together.
///
/// It goes over the meaning and not over the serialised form: a sum has one value and many representations, and which
/// unseen categories a sketch names may depend on the order of rows.
#[derive(Default)]
pub(super) struct Hash(Sha256);

impl Hash {
    pub fn count(&mut self, count: u64) {
        self.0.update(count.to_le_bytes());
    }

    pub fn text(&mut self, text: &str) {
        self.count(text.len() as u64);
        self.0.update(text);
    }

    /// Both zeros are one number.
    pub fn number(&mut self, number: f64) {
        self.0.update((number + 0.0).to_bits().to_le_bytes());
    }

    pub fn counts(&mut self, counts: &[u64]) {
        self.count(counts.len() as u64);
        counts.iter().for_each(|&count| self.count(count));
    }

    pub fn cells(&mut self, counts: &Counts) {
        let filled = counts.filled();
        self.counts(&[counts.len() as u64, filled.len() as u64]);
        filled.into_iter().for_each(|(cell, count)| self.counts(&[u64::from(cell), count]));
    }

    pub fn axis(&mut self, axis: &Axis) {
        match axis {
            Axis::Numeric(grid) => {
                self.text("numeric");
                self.count(u64::from(grid.is_exact()));
                self.count(grid.values().len() as u64);
                grid.values().iter().for_each(|&value| self.number(value));
            }
            Axis::Categorical(vocabulary) => {
                self.text("categorical");
                self.count(vocabulary.values().len() as u64);
                vocabulary.values().iter().for_each(|value| self.text(value));
            }
            Axis::Flag => self.text("flag"),
        }
    }

    pub fn tally(&mut self, tally: &FieldTally) {
        let Presence { rows, null, missing, mistyped } = *tally.presence();
        self.counts(&[rows, null, missing, mistyped]);
        match tally {
            FieldTally::Numeric(tally) => {
                self.counts(&[tally.nan, tally.infinite]);
                self.cells(&tally.counts);
                for sum in [&tally.sum, &tally.negative, &tally.squares, &tally.sum_below, &tally.sum_above] {
                    self.number(sum.value());
                }
                self.number(tally.min);
                self.number(tally.max);
            }
            FieldTally::Categorical(tally) => self.cells(&tally.counts),
            FieldTally::Flag(tally) => self.count(tally.yes),
        }
    }

    pub fn finish(self) -> String {
        self.0.finalize().iter().take(8).fold(String::new(), |mut hex, byte| {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}
