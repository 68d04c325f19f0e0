//! Counts over the cells of an axis, in a form that takes little memory where there are few rows.

use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// How many rows each cell of an axis has.
///
/// A grid has thousands of cells, of which the rows of a slice in a short pane reach few. So as long as there are no
/// more rows than cells it is the list of the cells that they fell in, and after that a count for each cell. The value
/// is the same in either form: what is equal, merged or stored does not depend on it.
///
/// It can be looked at as a slice of one count for each cell. Of a list, that slice is made at the first look and kept.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    cells: u32,
    /// The cell of each row, in any order; empty when only `dense` knows.
    hits: Vec<u32>,
    /// The count of each cell. Beside hits, it says the same.
    dense: OnceLock<Box<[u64]>>,
}

/// Where further rows are to be counted.
#[derive(Debug)]
pub enum Room<'a> {
    /// By pushing the cell of each.
    List(&'a mut Vec<u32>),
    /// By adding one to its cell.
    Dense(&'a mut [u64]),
}

impl Counts {
    /// No rows in any of so many cells.
    pub fn new(cells: usize) -> Counts {
        Counts { cells: u32::try_from(cells).unwrap_or(u32::MAX), ..Counts::default() }
    }

    /// How many cells there are.
    pub fn len(&self) -> usize {
        self.cells as usize
    }

    pub fn is_empty(&self) -> bool {
        self.cells == 0
    }

    /// Room for at most so many more rows. It is asked for once a batch, so that the form is not asked of every row.
    pub fn room_for(&mut self, more: u64) -> Room<'_> {
        // A list that grows by doubling then takes at most the memory of the counts, which are twice as wide.
        if self.is_list() && self.hits.len() as u64 + more <= u64::from(self.cells) {
            self.dense = OnceLock::new();
            Room::List(&mut self.hits)
        } else {
            Room::Dense(self)
        }
    }

    /// Moves one row from a cell, if it has any, to another.
    pub fn replace(&mut self, from: u32, to: u32) {
        if from == to {
            return;
        }
        if self.is_list() {
            self.dense = OnceLock::new();
            if let Some(hit) = self.hits.iter_mut().find(|hit| **hit == from) {
                *hit = to;
            }
        } else if let Some(count) = self.get_mut(from as usize).filter(|count| **count > 0) {
            *count -= 1;
            if let Some(count) = self.get_mut(to as usize) {
                *count += 1;
            }
        }
    }

    /// Takes out one row of a cell, if it has any.
    pub fn remove(&mut self, cell: u32) {
        if self.is_list() {
            self.dense = OnceLock::new();
            if let Some(at) = self.hits.iter().position(|&hit| hit == cell) {
                self.hits.swap_remove(at);
            }
        } else if let Some(count) = self.get_mut(cell as usize) {
            *count = count.saturating_sub(1);
        }
    }

    /// Lets go of what a look has made of a list.
    pub fn slim(&mut self) {
        if !self.hits.is_empty() {
            self.dense = OnceLock::new();
        }
    }

    pub fn merge(&mut self, other: &Counts) {
        if !other.is_list() {
            self.iter_mut().zip(other.iter()).for_each(|(mine, theirs)| *mine += theirs);
            return;
        }
        match self.room_for(other.hits.len() as u64) {
            Room::List(hits) => hits.extend(&other.hits),
            Room::Dense(counts) => other.hits.iter().for_each(|&cell| {
                if let Some(count) = counts.get_mut(cell as usize) {
                    *count += 1;
                }
            }),
        }
    }

    /// The cells that have rows, in ascending order, each with how many.
    pub fn filled(&self) -> Vec<(u32, u64)> {
        if !self.is_list() {
            return (0..).zip(self.iter().copied()).filter(|&(_, count)| count > 0).collect();
        }
        let mut hits = self.hits.clone();
        hits.sort_unstable();
        hits.chunk_by(|a, b| a == b).map(|run| (run[0], run.len() as u64)).collect()
    }

    /// The bytes that the counts take beside the struct itself.
    #[cfg(test)]
    fn bytes(&self) -> usize {
        size_of::<u32>() * self.hits.capacity() + self.dense.get().map_or(0, |dense| size_of_val(&**dense))
    }

    fn is_list(&self) -> bool {
        !self.hits.is_empty() || self.dense.get().is_none()
    }

    fn expanded(&self) -> Box<[u64]> {
        let mut counts = vec![0; self.cells as usize].into_boxed_slice();
        for &cell in &self.hits {
            if let Some(count) = counts.get_mut(cell as usize) {
                *count += 1;
            }
        }
        counts
    }
}

impl Deref for Counts {
    type Target = [u64];

    #[inline]
    fn deref(&self) -> &[u64] {
        self.dense.get_or_init(|| self.expanded())
    }
}

impl DerefMut for Counts {
    fn deref_mut(&mut self) -> &mut [u64] {
        if self.dense.get().is_none() {
            self.dense = OnceLock::from(self.expanded());
        }
        self.hits = Vec::new();
        self.dense.get_mut().map(|counts| &mut **counts).unwrap_or_default()
    }
}

impl<'a> IntoIterator for &'a Counts {
    type Item = &'a u64;
    type IntoIter = std::slice::Iter<'a, u64>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl From<Vec<u64>> for Counts {
    fn from(counts: Vec<u64>) -> Counts {
        let empty = Counts::new(counts.len());
        Counts { dense: OnceLock::from(counts.into_boxed_slice()), ..empty }
    }
}

impl PartialEq for Counts {
    fn eq(&self, other: &Counts) -> bool {
        self.cells == other.cells && self.filled() == other.filled()
    }
}

/// It is stored as the number of cells and, for each that has rows, how many without rows are before it, and its count.
impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut next = 0;
        let runs = self.filled().into_iter().map(|(cell, count)| {
            let gap = cell - next;
            next = cell + 1;
            (u64::from(gap), count)
        });
        (self.cells as u64, runs.collect::<Vec<_>>()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Counts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Counts, D::Error> {
        // More cells than any configuration makes are a sign of a damaged record, not a reason to run out of memory.
        const MOST: u64 = 1 << 24;
        let (cells, runs) = <(u64, Vec<(u64, u64)>)>::deserialize(deserializer)?;
        if cells > MOST {
            return Err(de::Error::custom("too many cells"));
        }
        let mut counts = Counts::new(cells as usize);
        let rows = runs.iter().fold(0u64, |sum, run| sum.saturating_add(run.1));
        let mut room = counts.room_for(rows);
        let mut at = 0u64;
        for (gap, count) in runs {
            at = at.saturating_add(gap);
            if at >= cells {
                return Err(de::Error::custom("a count beyond the last cell"));
            }
            match &mut room {
                Room::List(hits) => hits.extend(std::iter::repeat_n(at as u32, count as usize)),
                Room::Dense(counts) => counts[at as usize] = count,
            }
            at += 1;
        }
        Ok(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Counts of these cells, added in batches of this size.
    fn counted(cells: usize, hits: &[u32], batch: usize) -> Counts {
        let mut counts = Counts::new(cells);
        for hits in hits.chunks(batch) {
            match counts.room_for(hits.len() as u64) {
                Room::List(list) => list.extend(hits),
                Room::Dense(counts) => hits.iter().for_each(|&cell| counts[cell as usize] += 1),
            }
        }
        counts
    }

    fn hits() -> impl Strategy<Value = (usize, Vec<u32>, Vec<u32>)> {
        (1..40usize).prop_flat_map(|cells| {
            let hits = || prop::collection::vec(0..cells as u32, 0..60);
            (Just(cells), hits(), hits())
        })
    }

    proptest! {
        #[test]
        fn the_form_does_not_matter((cells, a, b) in hits(), batch in 1..70usize, looks in any::<[bool; 2]>()) {
            let mut naive = vec![0u64; cells];
            a.iter().chain(&b).for_each(|&cell| naive[cell as usize] += 1);
            let both: Vec<u32> = a.iter().chain(&b).copied().collect();
            let whole = counted(cells, &both, batch);
            let (mut left, right) = (counted(cells, &a, batch), counted(cells, &b, batch));
            // To look at counts makes them another form, and must change nothing else.
            prop_assert!(!looks[0] || left.iter().sum::<u64>() == a.len() as u64);
            prop_assert!(!looks[1] || right.iter().sum::<u64>() == b.len() as u64);
            let mut other_way = right.clone();
            other_way.merge(&left);
            left.merge(&right);
            let mut less = whole.clone();
            a.iter().for_each(|&cell| less.remove(cell));
            prop_assert_eq!(&less, &right);
            let mut moved = right.clone();
            b.iter().for_each(|&cell| moved.replace(cell, 0));
            prop_assert_eq!(moved.first().copied(), Some(b.len() as u64));
            prop_assert_eq!(moved.iter().sum::<u64>(), b.len() as u64);
            for counts in [&whole, &left, &other_way, &Counts::from(naive.clone())] {
                prop_assert_eq!(counts, &whole);
                let bytes = postcard::to_stdvec(counts).unwrap();
                prop_assert_eq!(&bytes, &postcard::to_stdvec(&whole).unwrap());
                prop_assert_eq!(&postcard::from_bytes::<Counts>(&bytes).unwrap(), &whole);
                prop_assert_eq!(&counts[..], &naive[..]);
                prop_assert_eq!(counts.len(), cells);
            }
        }
    }

    #[test]
    fn few_rows_take_little_memory_and_many_no_more_than_a_count_for_each_cell() {
        let cells = 4097;
        let spread: Vec<u32> = (0..100_000u32).map(|row| row.wrapping_mul(2_654_435_761) % cells as u32).collect();
        assert!(counted(cells, &spread[..100], 10).bytes() <= 8 * 100);
        for rows in (0..spread.len()).step_by(997) {
            assert!(counted(cells, &spread[..rows], 100).bytes() <= 8 * cells, "{rows}");
        }
    }

    #[test]
    fn a_damaged_record_is_refused() {
        for damaged in [(1u64 << 40, vec![]), (3, vec![(0u64, 1u64), (2, 1)]), (3, vec![(u64::MAX, 1), (1, 1)])] {
            assert!(postcard::from_bytes::<Counts>(&postcard::to_stdvec(&damaged).unwrap()).is_err());
        }
    }
}
