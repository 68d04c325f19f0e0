//! The commonest texts of a column, in bounded memory.

use std::collections::HashMap;

use foldhash::fast::FixedState;

/// Bytes that an entry takes beside its text.
const ENTRY: usize = 56;
/// Where not all texts were counted, those with a smaller share of the rows than one in so many are left out. What the
/// first pass may have missed is rarer than that by far.
const RARE: u64 = 1 << 16;

/// Counts of distinct texts. They are exact, and one pass is enough, as long as the texts fit in memory; only a column
/// of identifiers has more.
///
/// When they do not fit, the rarer half is forgotten as often as need be, which takes from no count more than a known
/// number (Misra and Gries, 1982), and a second pass counts again what has remained. The outcome then has every text
/// with a share of more than one in 65,536 of the rows, and no other.
pub struct Census {
    /// The most bytes that the texts may take.
    room: usize,
    bytes: usize,
    counts: HashMap<Box<str>, u64, FixedState>,
    rows: u64,
    /// The most that the first pass may have taken from a count.
    lost: u64,
    is_first: bool,
}

impl Census {
    pub fn new(room: usize) -> Census {
        Census { room, bytes: 0, counts: HashMap::default(), rows: 0, lost: 0, is_first: true }
    }

    #[inline]
    pub fn observe(&mut self, text: &str) {
        self.rows += u64::from(self.is_first);
        if let Some(count) = self.counts.get_mut(text) {
            *count += 1;
        } else if self.is_first {
            self.bytes += text.len() + ENTRY;
            self.counts.insert(text.into(), 1);
            if self.bytes > self.room {
                self.forget();
            }
        }
    }

    #[cold]
    fn forget(&mut self) {
        let mut counts: Vec<u64> = self.counts.values().copied().collect();
        let middle = counts.len() / 2;
        let median = *counts.select_nth_unstable(middle).1;
        self.lost += median;
        self.counts.retain(|_, count| {
            *count = count.saturating_sub(median);
            *count > 0
        });
        self.bytes = self.counts.keys().map(|text| text.len() + ENTRY).sum();
    }

    /// Draws the conclusions from a pass over all the texts. Returns whether it takes another.
    pub fn end_pass(&mut self) -> bool {
        let again = self.is_first && self.lost > 0;
        self.is_first = false;
        if again {
            self.counts.values_mut().for_each(|count| *count = 0);
        }
        again
    }

    /// The texts with their counts, in no particular order, after the last pass.
    pub fn counts(&self) -> impl Iterator<Item = (&str, u64)> {
        let least = if self.lost > 0 { self.lost.max(self.rows / RARE) + 1 } else { 0 };
        self.counts.iter().filter(move |(_, count)| **count >= least).map(|(text, count)| (&**text, *count))
    }

    /// How many distinct texts there are; `None` when there are more than were counted.
    pub fn distinct(&self) -> Option<usize> {
        (self.lost == 0).then_some(self.counts.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn counted(texts: &[String], room: usize) -> (Census, usize) {
        let mut census = Census::new(room);
        for pass in 1.. {
            texts.iter().for_each(|text| census.observe(text));
            if !census.end_pass() {
                return (census, pass);
            }
        }
        unreachable!("it ends")
    }

    #[test]
    fn what_fits_is_counted_in_one_pass() {
        let texts: Vec<String> = (0..1000).map(|i| (i % 100).to_string()).collect();
        let (census, passes) = counted(&texts, 1 << 16);
        assert_eq!((passes, census.distinct()), (1, Some(100)));
        assert!(census.counts().all(|(_, count)| count == 10));
    }

    #[test]
    fn identifiers_do_not_hide_what_is_common() {
        let mut random = fastrand::Rng::with_seed(3);
        // Half of the rows have one of twenty values; the others, one of their own each.
        let text = |row: u32| if random.bool() { format!("common {}", random.u32(..20)) } else { format!("row {row}") };
        let texts: Vec<String> = (0..200_000).map(text).collect();
        let mut exact: BTreeMap<&str, u64> = BTreeMap::new();
        texts.iter().for_each(|text| *exact.entry(text).or_default() += 1);
        exact.retain(|text, _| text.starts_with("common"));
        let forwards = counted(&texts, 100 * 1024);
        let backwards = counted(&texts.iter().rev().cloned().collect::<Vec<_>>(), 100 * 1024);
        for (census, passes) in [forwards, backwards] {
            assert_eq!((passes, census.distinct()), (2, None));
            assert!(census.bytes <= 100 * 1024);
            assert_eq!(census.counts().collect::<BTreeMap<_, _>>(), exact);
        }
    }
}
