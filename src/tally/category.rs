//! Counts of a categorical field over its vocabulary, and the commonest of the values outside it.

use datasketches::frequencies::{ErrorType, FrequentItemsSketch};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Chosen, Presence, Tally, values};
use crate::grid::Axis;
use crate::rows::{Column, Values};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CategoryTally {
    pub presence: Presence,
    /// Rows of each value of the vocabulary, and last, of all other values.
    #[serde(with = "super::runs")]
    pub counts: Vec<u64>,
    pub commonest: Commonest,
}

impl CategoryTally {
    /// Rows that have a value.
    pub fn n(&self) -> u64 {
        self.presence.present()
    }

    /// Rows whose value the vocabulary does not have.
    pub fn unseen(&self) -> u64 {
        self.counts.last().copied().unwrap_or(0)
    }
}

impl Tally for CategoryTally {
    fn empty(axis: &Axis) -> CategoryTally {
        let cells = match axis {
            Axis::Categorical(vocabulary) => vocabulary.cells(),
            _ => 1,
        };
        CategoryTally { presence: Presence::default(), counts: vec![0; cells], commonest: Commonest::default() }
    }

    fn observe(&mut self, axis: &Axis, column: &Column, chosen: Chosen) {
        let Axis::Categorical(vocabulary) = axis else { return };
        let array = values!(column, Categorical);
        let CategoryTally { presence, counts, commonest } = self;
        let unseen = counts.len() - 1;
        presence.observe(column, chosen, |row| {
            let value = array.value(row);
            match vocabulary.cell(value) {
                Some(cell) => counts[cell] += 1,
                None => {
                    counts[unseen] += 1;
                    commonest.add(value);
                }
            }
        });
    }

    fn merge(&mut self, other: &CategoryTally) {
        self.presence.merge(&other.presence);
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.commonest.merge(&other.commonest);
    }
}

/// How many values the sketch can hold before it has to forget the rarest.
const CAPACITY: usize = 64;
/// A longer value is cut, so that memory does not depend on what is sent.
const LONGEST: usize = 128;

/// The commonest values outside the vocabulary (Misra-Gries with purging, as in Apache DataSketches' frequent items).
///
/// Exact, and mergeable in any order, while no more than three quarters of its capacity of distinct values were seen;
/// beyond, each count is low by at most [`Commonest::error`], and which rare values are kept depends on the order.
#[derive(Clone, Debug, Default)]
pub struct Commonest(Option<Box<FrequentItemsSketch<String>>>);

impl Commonest {
    fn sketch(&mut self) -> &mut FrequentItemsSketch<String> {
        self.0.get_or_insert_with(|| {
            Box::new(FrequentItemsSketch::new(CAPACITY).expect("the capacity is a power of two"))
        })
    }

    fn add(&mut self, value: &str) {
        let mut end = value.len().min(LONGEST);
        while !value.is_char_boundary(end) {
            end -= 1;
        }
        self.sketch().update_ref(&value[..end]);
    }

    fn merge(&mut self, other: &Commonest) {
        if let Some(theirs) = &other.0 {
            self.sketch().merge(theirs);
        }
    }

    /// The values seen most often, commonest first, with the least that each was seen.
    pub fn top(&self, most: usize) -> Vec<(String, u64)> {
        let Some(sketch) = &self.0 else { return Vec::new() };
        let mut rows: Vec<(String, u64)> = sketch
            .frequent_items(ErrorType::NoFalseNegatives)
            .iter()
            .map(|row| (row.item().clone(), row.lower_bound()))
            .collect();
        rows.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        rows.truncate(most);
        rows
    }

    /// The most by which any count is too low.
    pub fn error(&self) -> u64 {
        self.0.as_ref().map_or(0, |sketch| sketch.maximum_error())
    }
}

impl PartialEq for Commonest {
    fn eq(&self, other: &Commonest) -> bool {
        self.error() == other.error() && self.top(usize::MAX) == other.top(usize::MAX)
    }
}

impl Serialize for Commonest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_ref().map(|sketch| sketch.serialize()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Commonest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Commonest, D::Error> {
        let bytes = Option::<Vec<u8>>::deserialize(deserializer)?;
        let sketch = bytes.map(|bytes| FrequentItemsSketch::deserialize(&bytes)).transpose();
        sketch.map(|sketch| Commonest(sketch.map(Box::new))).map_err(de::Error::custom)
    }
}
