//! Cumulative shares of numbers, as far as counts on a grid say what they are.

use super::Gap;
use crate::grid::Grid;
use crate::tally::numeric::NumericTally;

/// A share that is at least the one and at most the other.
pub type Range = (f64, f64);

#[derive(Debug)]
pub struct Curve<'a> {
    pub grid: &'a Grid,
    pub tally: &'a NumericTally,
    pub n: f64,
    /// For each cell the share of the values in it and below, after a nought.
    sums: Vec<f64>,
}

impl<'a> Curve<'a> {
    pub fn new(grid: &'a Grid, tally: &'a NumericTally) -> Curve<'a> {
        let n = (tally.n() as f64).max(1.0);
        let mut sum = 0;
        let mut sums = Vec::with_capacity(tally.counts.len() + 1);
        sums.push(0.0);
        sums.extend(tally.counts.iter().map(|count| {
            sum += count;
            sum as f64 / n
        }));
        Curve { grid, tally, n, sums }
    }

    pub fn cells(&self) -> usize {
        self.sums.len() - 1
    }

    /// The share of the values in a cell and all below it.
    pub fn through(&self, cell: usize) -> f64 {
        self.sums.get(cell + 1).copied().unwrap_or(1.0)
    }

    /// The share of the values below a cell.
    pub fn before(&self, cell: usize) -> f64 {
        self.sums.get(cell).copied().unwrap_or(1.0)
    }

    /// The share of the values in a cell.
    pub fn share(&self, cell: usize) -> f64 {
        self.through(cell) - self.before(cell)
    }

    /// What the share at or below a number can be. A number that is all but equal to a grid value may be on either side
    /// of it, since it may have been reckoned.
    pub fn at(&self, x: f64) -> Range {
        if x.is_nan() || self.cells() == 0 {
            return (0.0, 1.0);
        }
        let near = 1e-9 * x.abs();
        let (from, to) = (x - near, x + near);
        let (first, last) = (self.grid.cell(from), self.grid.cell(to));
        if first != last {
            let low = if first % 2 == 0 { self.through(first) } else { self.before(first) };
            let high = if last % 2 == 0 { self.before(last) } else { self.through(last) };
            return (low, high);
        }
        if first % 2 == 1 {
            return (self.through(first), self.through(first));
        }
        // The extremes are those of finite values.
        let is_bounded = self.tally.infinite == 0;
        let low = if is_bounded && x >= self.tally.max { 1.0 } else { self.before(first) };
        let high = if is_bounded && x < self.tally.min { 0.0 } else { self.through(first) };
        (low, high)
    }

    /// The share below a number, as if values were spread evenly over a gap.
    pub fn guess(&self, x: f64) -> f64 {
        let cell = self.grid.cell(x);
        let (low, high) = self.grid.bounds(cell);
        let (low, high) = (low.max(self.tally.min), high.min(self.tally.max));
        let part = if high > low { ((x - low) / (high - low)).clamp(0.0, 1.0) } else { 0.0 };
        self.before(cell) + part * self.share(cell)
    }

    /// The distance from what is expected through each cell of the same grid.
    pub fn gap_from(&self, expected: impl Fn(usize) -> f64, noise: f64) -> Gap {
        let apart = |cell: usize| (self.through(cell) - expected(cell)).abs();
        Gap { distance: (0..self.cells()).map(apart).fold(0.0, f64::max), noise }
    }

    /// The distance from what is expected at or below these numbers, as far as both are known.
    pub fn gap_from_ranges(&self, expected: impl Fn(f64) -> Range, at: &[f64], noise: f64) -> Gap {
        let apart = |&x: &f64| {
            let ((low, high), (expected_low, expected_high)) = (self.at(x), expected(x));
            (low - expected_high).max(expected_low - high).max(0.0)
        };
        Gap { distance: at.iter().map(apart).fold(0.0, f64::max), noise }
    }
}

/// Numbers at which to compare: some values of a grid, evenly over their ranks, and what is between them.
pub fn points(grid: &Grid) -> Vec<f64> {
    const MOST: usize = 150;
    let values = grid.values();
    let step = values.len().div_ceil(MOST).max(1);
    let chosen: Vec<f64> = values.iter().step_by(step).chain(values.last()).copied().collect();
    let between = chosen.windows(2).map(|pair| pair[0] / 2.0 + pair[1] / 2.0);
    chosen.iter().copied().chain(between).collect()
}
