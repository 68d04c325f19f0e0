//! What a window of some size could have shown: the smallest effects that are found with a stated probability.

use statrs::distribution::{ContinuousCDF, Normal};

/// The probability with which an effect as large as `detectable` is found significant.
pub const POWER: f64 = 0.8;

/// The standard normal quantile of a probability.
pub fn normal_quantile(p: f64) -> f64 {
    Normal::standard().inverse_cdf(p)
}

/// The smallest shift, in standard errors, that a two-sided test at this significance finds with [`POWER`].
pub fn smallest_shift(significance: f64) -> f64 {
    normal_quantile(1.0 - significance / 2.0) + normal_quantile(POWER)
}

/// The smallest noncentrality of a chi-squared statistic that a test at this significance finds with [`POWER`].
///
/// The quantile is approximated after Wilson and Hilferty (1931), the noncentral distribution after Sankaran (1959),
/// which together are within one and a half per cent of the tables of Cohen (1988).
pub fn smallest_noncentrality(significance: f64, degrees: f64) -> f64 {
    if degrees <= 1.0 {
        return smallest_shift(significance).powi(2);
    }
    let spread = 2.0 / (9.0 * degrees);
    let critical = degrees * (1.0 - spread + normal_quantile(1.0 - significance) * spread.sqrt()).max(0.0).powi(3);
    let miss = normal_quantile(1.0 - POWER);
    let is_found = |noncentrality: f64| {
        let (mean, second) = (degrees + noncentrality, degrees + 2.0 * noncentrality);
        let power = 1.0 - 2.0 * mean * (degrees + 3.0 * noncentrality) / (3.0 * second * second);
        let (p, m) = (second / (mean * mean), (power - 1.0) * (1.0 - 3.0 * power));
        let centre = 1.0 + power * p * (power - 1.0 - 0.5 * (2.0 - power) * m * p);
        let spread = power * (2.0 * p).sqrt() * (1.0 + 0.5 * m * p);
        ((critical / mean).powf(power) - centre) / spread <= miss
    };
    let (mut low, mut high) = (0.0, 1.0);
    while !is_found(high) {
        (low, high) = (high, 2.0 * high);
    }
    for _ in 0..40 {
        let middle = (low + high) / 2.0;
        if is_found(middle) { high = middle } else { low = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cohen, *Statistical Power Analysis for the Behavioral Sciences*, 1988, table 7.4 and its like: the noncentrality
    /// for a power of 80 %.
    #[test]
    fn noncentralities_are_those_of_the_tables() {
        let table = [(0.05, 1.0, 7.85), (0.05, 2.0, 9.63), (0.05, 5.0, 12.83), (0.05, 10.0, 16.24), (0.01, 1.0, 11.68)];
        for (significance, degrees, expected) in table {
            let actual = smallest_noncentrality(significance, degrees);
            assert!((actual / expected - 1.0).abs() < 0.015, "{degrees} at {significance}: {actual}, not {expected}");
        }
    }

    #[test]
    fn a_shift_of_two_eight_standard_errors_is_found_at_five_per_cent() {
        assert!((smallest_shift(0.05) - 2.801_585).abs() < 1e-6);
    }
}
