//! The mean of numbers, how far they spread, and how well both are known.

use crate::grid::Grid;
use crate::tally::numeric::NumericTally;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    pub n: f64,
    pub mean: f64,
    pub deviation: f64,
    /// The mean of the magnitudes, and their standard deviation.
    pub magnitude: f64,
    pub magnitude_deviation: f64,
    pub min: f64,
    pub max: f64,
}

impl Moments {
    /// `None` with fewer than two finite numbers, or with too large ones.
    pub fn of(tally: &NumericTally) -> Option<Moments> {
        let n = tally.finite() as f64;
        let deviation = tally.standard_deviation()?;
        let mean = tally.origin + tally.mean_from_origin()?;
        let magnitude = tally.mean_magnitude()?;
        let magnitude_deviation = (deviation * deviation + mean * mean - magnitude * magnitude).max(0.0).sqrt();
        let moments = Moments { n, mean, deviation, magnitude, magnitude_deviation, min: tally.min, max: tally.max };
        [mean, deviation, magnitude].iter().all(|x| x.is_finite()).then_some(moments)
    }

    /// Whether there is one value only.
    pub fn is_constant(&self) -> bool {
        self.min == self.max
    }
}

/// The fourth central moment over the square of the second, by the cells that values are in: 3 for a normal
/// distribution, more for heavier tails. It says how well a standard deviation is known.
pub fn kurtosis(tally: &NumericTally, grid: &Grid, moments: &Moments) -> f64 {
    let mut fourth = 0.0;
    for (cell, count) in tally.counts.filled() {
        let (low, high) = grid.bounds(cell as usize);
        let x = (low.max(moments.min) + high.min(moments.max)) / 2.0;
        fourth += count as f64 * ((x - moments.mean) / moments.deviation.max(f64::MIN_POSITIVE)).powi(4);
    }
    let kurtosis = fourth / moments.n;
    if kurtosis.is_finite() { kurtosis.max(1.5) } else { 3.0 }
}
