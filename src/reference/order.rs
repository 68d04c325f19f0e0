//! Exact order statistics of numbers that are seen several times over, in bounded memory.

use std::collections::HashMap;
use std::ops::Range;

use foldhash::fast::FixedState;

use crate::grid::{Grid, ordered_bits};

/// The grid of a column that does not fit in memory: the very one that [`Grid::of`] makes of the whole column.
///
/// The numbers are observed in passes. In the first one, distinct values are counted until there are too many; most
/// columns have few, and are done. All others are kept as they are, or, when they too are too many, counted in cells by
/// their leading bits. Each later pass does the same with the cells alone that hold a wanted rank. A cell shrinks by
/// half at least with each pass, so it ends; a hundred million different numbers take three or four passes.
pub struct Order {
    /// The most values of the grid.
    resolution: usize,
    /// How many numbers, or cells, are held at once.
    room: usize,
    /// Values that came early, with how often they came in the whole first pass. Whatever is common is among them.
    known: HashMap<u64, u64, FixedState>,
    /// The same in order, after the first pass.
    sorted: Vec<(u64, u64)>,
    is_first: bool,
    /// How many numbers there are.
    n: u64,
    /// The ranks of the wanted values, ascending, counted from 0.
    ranks: Vec<u64>,
    /// Where the values are that are not found yet, ascending.
    open: Vec<Open>,
    found: Vec<f64>,
    is_exact: bool,
    seen: Seen,
}

/// A range of keys whose leading bits are the same, and that holds some of the wanted ranks.
struct Open {
    first: u64,
    /// How many of the lowest bits are not determined.
    bits: u32,
    /// How many numbers lie below it.
    below: u64,
    /// Indices into the wanted ranks.
    ranks: Range<usize>,
}

impl Open {
    fn last(&self) -> u64 {
        self.first | 1u64.checked_shl(self.bits).map_or(u64::MAX, |end| end - 1)
    }

    /// By how many bits a key is shifted to become a cell, where there are 2^`cells` of them.
    fn shift(&self, cells: u32) -> u32 {
        self.bits.saturating_sub(cells)
    }
}

/// What this pass has seen in the open ranges, but for the values that are known.
enum Seen {
    Held(Vec<u64>),
    /// 2^`bits` cells for each open range.
    Counted {
        bits: u32,
        cells: Vec<u64>,
    },
}

impl Order {
    /// `room` numbers are held at once, and an eighth of that as distinct values, so it takes some 16 bytes for each.
    pub fn new(resolution: usize, room: usize) -> Order {
        let resolution = resolution.max(2);
        let open = vec![Open { first: 0, bits: u64::BITS, below: 0, ranks: 0..0 }];
        Order {
            resolution,
            room: room.max(4 * resolution).next_power_of_two(),
            known: HashMap::default(),
            sorted: Vec::new(),
            is_first: true,
            n: 0,
            ranks: Vec::new(),
            open,
            found: Vec::new(),
            is_exact: false,
            seen: Seen::Held(Vec::new()),
        }
    }

    /// Takes note of a finite number.
    #[inline]
    pub fn observe(&mut self, x: f64) {
        // Both zeros are one number.
        let key = ordered_bits(x + 0.0);
        if self.is_first {
            self.n += 1;
            if let Some(count) = self.known.get_mut(&key) {
                *count += 1;
                return;
            }
            if self.known.len() < (self.room / 8).max(self.resolution) {
                self.known.insert(key, 1);
                return;
            }
        }
        let place = self.open.partition_point(|open| open.last() < key);
        let Some(open) = self.open.get(place).filter(|open| open.first <= key) else { return };
        if !self.is_first && self.known.contains_key(&key) {
            return;
        }
        match &mut self.seen {
            Seen::Held(keys) if keys.len() < self.room => keys.push(key),
            Seen::Held(_) => self.count_instead(key),
            Seen::Counted { bits, cells } => {
                cells[(place << *bits) + ((key - open.first) >> open.shift(*bits)) as usize] += 1
            }
        }
    }

    /// Turns what is held into counts, and counts one more.
    #[cold]
    fn count_instead(&mut self, key: u64) {
        let bits = (self.room / self.open.len().max(1)).max(2).ilog2();
        let counted = Seen::Counted { bits, cells: vec![0; self.open.len() << bits] };
        if let Seen::Held(keys) = std::mem::replace(&mut self.seen, counted)
            && let Seen::Counted { cells, .. } = &mut self.seen
        {
            for key in keys.into_iter().chain([key]) {
                let place = self.open.partition_point(|open| open.last() < key);
                let open = &self.open[place];
                cells[(place << bits) + ((key - open.first) >> open.shift(bits)) as usize] += 1;
            }
        }
    }

    /// Draws the conclusions from a pass over all the numbers. Returns whether it takes another.
    pub fn end_pass(&mut self) -> bool {
        if self.is_first {
            self.end_first_pass();
        }
        let open = std::mem::take(&mut self.open);
        match std::mem::replace(&mut self.seen, Seen::Held(Vec::new())) {
            Seen::Held(mut keys) => {
                keys.sort_unstable();
                for open in open {
                    let (first, last) = (open.first, open.last());
                    let start = keys.partition_point(|key| *key < first);
                    let held = keys[start..].iter().take_while(|key| **key <= last).map(|key| (*key, 1));
                    self.find(held, self.known_in(first, last), open.below, open.ranks);
                }
            }
            Seen::Counted { bits, cells } => {
                for (open, cells) in open.iter().zip(cells.chunks(1 << bits)) {
                    self.narrow(open, cells, bits);
                }
            }
        }
        !self.open.is_empty()
    }

    fn end_first_pass(&mut self) {
        self.is_first = false;
        self.sorted = self.known.iter().map(|(key, count)| (*key, *count)).collect();
        self.sorted.sort_unstable();
        let is_all = matches!(&self.seen, Seen::Held(keys) if keys.is_empty());
        self.is_exact = is_all && self.sorted.len() <= self.resolution;
        if self.is_exact {
            self.found = self.sorted.iter().map(|(key, _)| number(*key)).collect();
            self.open.clear();
        } else {
            let (last, steps) = (u128::from(self.n - 1), self.resolution as u128 - 1);
            self.ranks = (0..=steps).map(|step| (last * step / steps) as u64).collect();
            self.open[0].ranks = 0..self.ranks.len();
        }
    }

    /// Which of the known values lie in a range of keys.
    fn known_in(&self, first: u64, last: u64) -> Range<usize> {
        let start = self.sorted.partition_point(|(key, _)| *key < first);
        start..start + self.sorted[start..].partition_point(|(key, _)| *key <= last)
    }

    /// Finds the values of ranks among keys that are all here, in order.
    fn find(&mut self, held: impl Iterator<Item = (u64, u64)>, known: Range<usize>, below: u64, ranks: Range<usize>) {
        let mut held = held.peekable();
        let mut known = self.sorted[known].iter().copied().peekable();
        let (mut end, mut ranks) = (below, self.ranks[ranks].iter().peekable());
        loop {
            let is_held = match (held.peek(), known.peek()) {
                (Some((held, _)), Some((known, _))) => held < known,
                (held, _) => held.is_some(),
            };
            let Some((key, count)) = (if is_held { held.next() } else { known.next() }) else { return };
            end += count;
            while ranks.next_if(|rank| **rank < end).is_some() {
                self.found.push(number(key));
            }
        }
    }

    /// Opens the cells of a range that hold a wanted rank.
    fn narrow(&mut self, open: &Open, cells: &[u64], bits: u32) {
        let (shift, mut below, mut ranks) = (open.shift(bits), open.below, open.ranks.clone());
        let mut known = self.known_in(open.first, open.last());
        for (cell, &others) in (0u64..).zip(cells) {
            if ranks.is_empty() || cell << shift > open.last() - open.first {
                return;
            }
            let part = Open { first: open.first + (cell << shift), bits: shift, below, ranks: ranks.clone() };
            let here = &self.sorted[known.clone()];
            let length = here.partition_point(|(key, _)| *key <= part.last());
            let (here, count) = (known.start..known.start + length, here[..length].iter().map(|(_, n)| n).sum::<u64>());
            known.start = here.end;
            below += others + count;
            let wanted = self.ranks[ranks.clone()].partition_point(|rank| *rank < below);
            let part = Open { ranks: ranks.start..ranks.start + wanted, ..part };
            ranks.start = part.ranks.end;
            if wanted == 0 {
                continue;
            }
            if others == 0 {
                self.find(std::iter::empty(), here, part.below, part.ranks);
            } else if shift == 0 {
                self.found.extend(part.ranks.map(|_| number(part.first)));
            } else {
                self.open.push(part);
            }
        }
    }

    /// The grid, after the last pass; `None` when there was no number.
    pub fn grid(&self) -> Option<Grid> {
        (self.n > 0).then(|| Grid::new(self.found.iter().copied(), self.is_exact))
    }

    /// How many distinct numbers there are; `None` when there are more than were counted.
    pub fn distinct(&self) -> Option<usize> {
        (self.known.len() < (self.room / 8).max(self.resolution)).then_some(self.known.len())
    }
}

/// The number whose ordered bits these are.
fn number(key: u64) -> f64 {
    f64::from_bits(key ^ (if key >> 63 == 1 { 1 << 63 } else { u64::MAX }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The grid, and how many passes it took.
    fn grid(values: &[f64], resolution: usize, room: usize) -> (Option<Grid>, usize) {
        let mut order = Order::new(resolution, room);
        for pass in 1.. {
            values.iter().for_each(|&x| order.observe(x));
            if !order.end_pass() {
                return (order.grid(), pass);
            }
        }
        unreachable!("it ends")
    }

    fn values() -> impl Strategy<Value = Vec<f64>> {
        let number = prop_oneof![
            3 => -1e3..1e3,
            1 => any::<f64>().prop_filter("finite", |x| x.is_finite()),
            1 => (0..40i32).prop_map(|i| f64::from(i) / 4.0),
            1 => (0..1000u32).prop_map(|i| 1.0 + f64::from(i) * f64::EPSILON),
            1 => Just(-0.0),
            1 => Just(0.0),
        ];
        prop::collection::vec(number, 1..600)
    }

    proptest! {
        #[test]
        fn the_grid_is_that_of_the_whole_column(values in values(), resolution in 0..40usize, room in 0..200usize) {
            prop_assert_eq!(grid(&values, resolution, room).0, Some(Grid::of(values, resolution)));
        }

        #[test]
        fn a_key_is_the_number(x in any::<f64>().prop_filter("not zero", |x| *x != 0.0 && !x.is_nan())) {
            prop_assert_eq!(number(ordered_bits(x)), x);
        }
    }

    #[test]
    fn many_numbers_take_few_passes() {
        let mut random = fastrand::Rng::with_seed(7);
        let uniform: Vec<f64> = (0..300_000).map(|_| random.f64()).collect();
        let (found, passes) = grid(&uniform, 64, 1 << 12);
        assert_eq!(found, Some(Grid::of(uniform.clone(), 64)));
        assert!(passes <= 4, "{passes} passes");
        // What is common is known from the first pass on, however much there is of it.
        let mixed: Vec<f64> = uniform.iter().map(|x| if *x < 0.4 { 0.0 } else { x.powi(20) }).collect();
        let (found, passes) = grid(&mixed, 64, 1 << 12);
        assert_eq!(found, Some(Grid::of(mixed, 64)));
        assert!(passes <= 4, "{passes} passes");
        let few: Vec<f64> = uniform.iter().map(|x| (x * 500.0).floor()).collect();
        assert_eq!(grid(&few, 64, 1 << 12).1, 1);
        assert_eq!(Order::new(64, 0).grid(), None);
    }

    #[test]
    fn a_column_that_changes_between_passes_is_not_the_end() {
        let mut order = Order::new(4, 16);
        (0..1000).for_each(|x| order.observe(f64::from(x)));
        while order.end_pass() {
            (2000..2100).for_each(|x| order.observe(f64::from(x)));
        }
        assert!(order.grid().is_some());
        let mut empty = Order::new(4, 16);
        assert!(!empty.end_pass());
    }
}
