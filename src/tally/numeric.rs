//! Counts of a numeric field on its grid, with exact moments.

use serde::{Deserialize, Serialize};

use super::counts::{Counts, Room};
use super::{Chosen, Presence, Tally, values};
use crate::exact::ExactSum;
use crate::grid::{Axis, Grid};
use crate::rows::{Column, Values};

/// How many values fell in each cell of a grid, and what is needed of their size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NumericTally {
    pub presence: Presence,
    /// Values that are not a number; they are in no cell.
    pub nan: u64,
    /// Values in each cell of the grid, infinities in the outermost.
    pub counts: Counts,
    pub infinite: u64,
    /// The smallest and the largest finite value; positive and negative infinity when there is none.
    pub min: f64,
    pub max: f64,
    /// The sum of the finite values.
    pub sum: ExactSum,
    /// The sum of those below zero; the sum of all magnitudes is `sum` less twice this.
    pub negative: ExactSum,
    /// The middle grid value, and the sum of the squared distances of the finite values from it (each rounded to a
    /// double). Squares of the values themselves would drown the deviation of numbers far from zero, such as times.
    pub origin: f64,
    pub squares: ExactSum,
    /// The sum of the finite values below the grid, and of those above it.
    pub sum_below: ExactSum,
    pub sum_above: ExactSum,
}

impl NumericTally {
    /// Values that have a cell: finite and infinite ones.
    pub fn n(&self) -> u64 {
        self.presence.present() - self.nan
    }

    pub fn finite(&self) -> u64 {
        self.n() - self.infinite
    }

    /// The mean of the finite values, `None` without any.
    pub fn mean(&self) -> Option<f64> {
        (self.finite() > 0).then(|| self.sum.value() / self.finite() as f64)
    }

    /// The mean of the finite values' magnitudes, `None` without any.
    pub fn mean_magnitude(&self) -> Option<f64> {
        (self.finite() > 0).then(|| (self.sum.value() - 2.0 * self.negative.value()) / self.finite() as f64)
    }

    /// The standard deviation of the finite values, with `n - 1` in the denominator; `None` below two values, and where
    /// the values are too far apart for their squares to be doubles.
    pub fn standard_deviation(&self) -> Option<f64> {
        let n = self.finite() as f64;
        let from_origin = self.mean_from_origin()?;
        let farthest = (self.max - self.origin).abs().max((self.min - self.origin).abs());
        let variance = (self.squares.value() - n * from_origin * from_origin).max(0.0) / (n - 1.0);
        (n > 1.0 && (farthest * farthest).is_finite() && variance.is_finite()).then(|| variance.sqrt())
    }

    /// The mean of the distances from the origin, which the difference of mean and origin would lose to rounding.
    pub fn mean_from_origin(&self) -> Option<f64> {
        let n = self.finite() as f64;
        let whole = n * self.origin;
        let mut sum = self.sum.clone();
        sum.add(-whole);
        sum.add(-n.mul_add(self.origin, -whole));
        (n > 0.0 && whole.is_finite()).then(|| sum.value() / n)
    }

    /// The ends of the cell that holds the smallest value at or below which lies at least the share `q` of the values:
    /// the true quantile is neither below the first nor above the second. `None` without values.
    pub fn quantile(&self, grid: &Grid, q: f64) -> Option<(f64, f64)> {
        let n = self.n();
        let rank = ((q * n as f64).ceil() as u64).clamp(1, n.max(1));
        let mut seen = 0;
        let cell = self.counts.iter().position(|&count| {
            seen += count;
            count > 0 && seen >= rank
        })?;
        let (low, high) = grid.bounds(cell);
        let outermost = cell == 0 || cell + 1 == self.counts.len();
        // The extremes are those of the finite values, and say nothing where an infinity may be.
        if outermost && self.infinite > 0 { Some((low, high)) } else { Some((low.max(self.min), high.min(self.max))) }
    }

    /// Takes in the chosen values but for their counts, and tells the cell of each that has one.
    #[inline]
    fn each(&mut self, grid: &Grid, array: &[f64], column: &Column, chosen: Chosen, mut hit: impl FnMut(usize)) {
        let NumericTally { presence, nan, infinite, min, max, sum, negative, origin, squares, .. } = self;
        let (sum_below, sum_above) = (&mut self.sum_below, &mut self.sum_above);
        let last = grid.cells() - 1;
        presence.observe(column, chosen, |row| {
            let x = array[row];
            if x.is_nan() {
                *nan += 1;
                return;
            }
            let cell = grid.cell(x);
            hit(cell);
            if x.is_infinite() {
                *infinite += 1;
                return;
            }
            *min = min.min(x);
            *max = max.max(x);
            sum.add(x);
            if x < 0.0 {
                negative.add(x);
            }
            let distance = x - *origin;
            squares.add(distance * distance);
            if cell == 0 {
                sum_below.add(x);
            } else if cell == last {
                sum_above.add(x);
            }
        });
    }
}

impl Tally for NumericTally {
    fn empty(axis: &Axis) -> NumericTally {
        let (cells, origin) = match axis {
            Axis::Numeric(grid) => (grid.cells(), grid.values().get(grid.values().len() / 2).copied()),
            _ => (0, None),
        };
        NumericTally {
            presence: Presence::default(),
            nan: 0,
            counts: Counts::new(cells),
            infinite: 0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            sum: ExactSum::default(),
            negative: ExactSum::default(),
            origin: origin.unwrap_or(0.0),
            squares: ExactSum::default(),
            sum_below: ExactSum::default(),
            sum_above: ExactSum::default(),
        }
    }

    fn observe(&mut self, axis: &Axis, column: &Column, chosen: Chosen) {
        let Axis::Numeric(grid) = axis else { return };
        let array = values!(column, Numeric).values();
        let mut counts = std::mem::take(&mut self.counts);
        match counts.room_for(chosen.count()) {
            Room::List(hits) => self.each(grid, array, column, chosen, |cell| hits.push(cell as u32)),
            Room::Dense(counts) => self.each(grid, array, column, chosen, |cell| counts[cell] += 1),
        }
        self.counts = counts;
    }

    fn merge(&mut self, other: &NumericTally) {
        self.presence.merge(&other.presence);
        self.nan += other.nan;
        self.counts.merge(&other.counts);
        self.infinite += other.infinite;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.sum.merge(&other.sum);
        self.negative.merge(&other.negative);
        self.squares.merge(&other.squares);
        self.sum_below.merge(&other.sum_below);
        self.sum_above.merge(&other.sum_above);
    }
}
