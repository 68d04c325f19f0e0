//! What a window of some size could have shown: the smallest effects that are found with a stated probability.

use statrs::distribution::{ChiSquared, Continuous, ContinuousCDF, Normal};

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
/// The noncentral distribution is approximated by the power of it that is most nearly normal (Sankaran, 1963), which is
/// within half a per cent of the exact one. With one degree of freedom it is the square of a normal value.
pub fn smallest_noncentrality(significance: f64, degrees: f64) -> f64 {
    if degrees <= 1.0 {
        return smallest_shift(significance).powi(2);
    }
    let critical = chi_squared_quantile(significance, degrees);
    let miss = normal_quantile(1.0 - POWER);
    let is_found = |noncentrality: f64| {
        let mean = degrees + noncentrality;
        let half_variance = degrees + 2.0 * noncentrality;
        let h = 1.0 - 2.0 / 3.0 * mean * (degrees + 3.0 * noncentrality) / (half_variance * half_variance);
        let p = half_variance / (mean * mean);
        let m = (h - 1.0) * (1.0 - 3.0 * h);
        let expected = 1.0 + h * p * (h - 1.0 - 0.5 * (2.0 - h) * m * p);
        let deviation = h * (2.0 * p).sqrt() * (1.0 + 0.5 * m * p);
        ((critical / mean).powf(h) - expected) / deviation <= miss
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

/// The value that chi-squared exceeds with this probability: from the approximation of Wilson and Hilferty (1931), by
/// Newton's method on the logarithm of the probability, which is nearly straight.
fn chi_squared_quantile(probability: f64, degrees: f64) -> f64 {
    let spread = 2.0 / (9.0 * degrees);
    let mut x = degrees * (1.0 - spread + normal_quantile(1.0 - probability) * spread.sqrt()).max(0.1).powi(3);
    let Ok(distribution) = ChiSquared::new(degrees) else { return x };
    for _ in 0..20 {
        let tail = distribution.sf(x);
        let step = (tail / probability).ln() * tail / distribution.pdf(x);
        // Where the tail is below the smallest double, the approximation has to do.
        if !step.is_finite() || x + step <= 0.0 {
            break;
        }
        x += step;
        if step.abs() <= 1e-10 * x {
            break;
        }
    }
    x
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
            assert!((actual / expected - 1.0).abs() < 0.005, "{degrees} at {significance}: {actual}, not {expected}");
        }
    }

    #[test]
    fn a_shift_of_two_eight_standard_errors_is_found_at_five_per_cent() {
        assert!((smallest_shift(0.05) - 2.801_585).abs() < 1e-6);
    }
}
