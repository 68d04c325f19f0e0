//! A share of rows with its interval.

use super::{Reading, Z};

/// The share `hits / n` of a positive `n`, with its 95 % interval by Wilson's score method.
pub fn proportion(hits: u64, n: u64) -> Reading {
    share(hits as f64, n)
}

/// The same where hits are a part of a number of rows that are not told apart.
pub fn share(hits: f64, n: u64) -> Reading {
    let value = (hits / n as f64).min(1.0);
    let (low, high) = wilson(value, n as f64);
    Reading { value, low: Some(low), high: Some(high), ..Reading::default() }
}

/// The 95 % interval of a share of `n` by Wilson's score method.
pub fn wilson(value: f64, n: f64) -> (f64, f64) {
    wilson_at(Z, value, n)
}

/// The interval of so many standard errors of a share of `n` by Wilson's score method, which stays within 0 and 1 and is
/// right for rare events too (Wilson, *Probable inference*, 1927).
pub fn wilson_at(errors: f64, value: f64, n: f64) -> (f64, f64) {
    let square = errors * errors;
    let shrink = 1.0 + square / n;
    let centre = (value + square / (2.0 * n)) / shrink;
    let half = errors * (value * (1.0 - value) / n + square / (4.0 * n * n)).sqrt() / shrink;
    // At 0 and 1 one end is the value itself, which rounding may miss by a little.
    ((centre - half).clamp(0.0, value), (centre + half).clamp(value, 1.0))
}
