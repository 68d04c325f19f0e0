//! A share of rows with its interval.

use super::Reading;

/// The 97.5th percentile of the standard normal distribution, which makes a two-sided interval of 95 %.
const Z: f64 = 1.959_963_984_540_054;

/// The share `hits / n` of a positive `n`, with its 95 % interval by Wilson's score method, which stays within 0 and 1
/// and is right for rare events too (Wilson, *Probable inference*, 1927).
pub fn proportion(hits: u64, n: u64) -> Reading {
    let value = hits as f64 / n as f64;
    let n = n as f64;
    let shrink = 1.0 + Z * Z / n;
    let centre = (value + Z * Z / (2.0 * n)) / shrink;
    let half = Z * (value * (1.0 - value) / n + Z * Z / (4.0 * n * n)).sqrt() / shrink;
    // At 0 and 1 one end is the value itself, which rounding may miss by a little.
    let (low, high) = ((centre - half).clamp(0.0, value), (centre + half).clamp(value, 1.0));
    Reading { value, low: Some(low), high: Some(high), ..Reading::default() }
}
