//! The 95 % intervals of what is not a single share of rows.

use super::{Reading, student_two_sided, wilson};

/// The 97.5th percentile of the standard normal distribution, which makes a two-sided interval of 95 %.
pub const Z: f64 = 1.959_963_984_540_054;

impl Reading {
    /// The same with an interval, which is cut at the ends of the range and holds the value.
    pub(super) fn between(self, low: f64, high: f64, (least, most): (f64, f64)) -> Reading {
        let value = self.value.clamp(least, most);
        // What is not a number is no end that is known.
        let end = |end: f64, from: f64, to: f64| (!end.is_nan()).then(|| end.clamp(from, to));
        let (low, high) = (end(low, least, value), end(high, value, most));
        Reading { value, low: low.filter(|end| end.is_finite()), high: high.filter(|end| end.is_finite()), ..self }
    }
}

/// A value of this variance, normally distributed.
///
/// A variance of zero is of a model that is always right or always wrong, and does not say that the next row will be as
/// all before: then the interval is Wilson's, as if `n` rows had shown a share of the range, which is finite.
pub fn normal(value: f64, variance: f64, n: u64, range: (f64, f64)) -> Reading {
    let (least, most) = range;
    let width = most - least;
    let reading = Reading::exact(value);
    if width <= 0.0 {
        return reading.between(value, value, (value, value));
    }
    // What is less is the rounding of zero.
    if variance * n as f64 <= 1e-20 * width * width {
        let (low, high) = wilson(((value - least) / width).clamp(0.0, 1.0), n as f64);
        return reading.between(least + width * low, least + width * high, range);
    }
    let half = Z * variance.sqrt();
    reading.between(value - half, value + half, range)
}

/// The mean of `n` terms of this variance (n in the denominator), with Student's interval. Of a single term there is
/// none, and neither is there for a variance that is not finite.
pub fn mean(value: f64, variance: f64, n: u64, range: (f64, f64)) -> Reading {
    let reading = Reading::exact(value.clamp(range.0, range.1));
    if n < 2 || !variance.is_finite() {
        return reading;
    }
    let degrees = (n - 1) as f64;
    let half = student_quantile(degrees) * (variance.max(0.0) / degrees).sqrt();
    reading.between(value - half, value + half, range)
}

/// The mean of terms, of which there are some, each of so many rows.
pub fn mean_of(terms: &[(f64, u64)], range: (f64, f64)) -> Reading {
    let n: u64 = terms.iter().map(|term| term.1).sum();
    let rows = n as f64;
    let value = terms.iter().map(|&(term, rows)| term * rows as f64).sum::<f64>() / rows;
    let variance = terms.iter().map(|&(term, rows)| (term - value).powi(2) * rows as f64).sum::<f64>() / rows;
    mean(value, variance, n, range)
}

/// A weighted sum of shares that do not depend on one another: the distances to their ends add up as their squares do
/// (Newcombe, *Interval estimation for the difference between independent proportions*, 1998).
pub fn recovered(parts: &[Reading], weight: f64) -> Reading {
    let value: f64 = parts.iter().map(|part| weight * part.value).sum();
    let distance = |end: fn(&Reading) -> Option<f64>| {
        let squares = parts.iter().map(|part| (weight * (end(part).unwrap_or(part.value) - part.value)).powi(2));
        squares.sum::<f64>().sqrt()
    };
    let (below, above) = (distance(|part| part.low), distance(|part| part.high));
    Reading::exact(value).between(value - below, value + above, (0.0, 1.0))
}

/// The average of figures of the same rows, whose weights add up to a positive number. How they depend on one another is
/// not known, so the ends are averaged, as if all erred together: the interval is too wide rather than too narrow.
pub fn average(parts: &[(Reading, f64)], range: (f64, f64)) -> Reading {
    let total: f64 = parts.iter().map(|(_, weight)| weight).sum();
    let of =
        |figure: fn(&Reading) -> f64| parts.iter().map(|(part, weight)| weight * figure(part)).sum::<f64>() / total;
    let bounded = Reading {
        error_bound: Some(of(|part| part.error_bound.unwrap_or(0.0))),
        ..Reading::exact(of(|part| part.value))
    };
    bounded.between(of(|part| part.low.unwrap_or(f64::NAN)), of(|part| part.high.unwrap_or(f64::NAN)), range)
}

/// The 97.5th percentile of Student's distribution.
pub fn student_quantile(degrees: f64) -> f64 {
    const MANY: f64 = 100.0;
    if degrees >= MANY {
        // Abramowitz and Stegun, 26.7.5.
        let z = Z;
        let terms = [
            z.powi(3) + z,
            5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z,
            3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z,
            79.0 * z.powi(9) + 776.0 * z.powi(7) + 1482.0 * z.powi(5) - 1920.0 * z.powi(3) - 945.0 * z,
        ];
        let scales = [4.0 * degrees, 96.0 * degrees.powi(2), 384.0 * degrees.powi(3), 92_160.0 * degrees.powi(4)];
        return z + terms.iter().zip(scales).map(|(term, scale)| term / scale).sum::<f64>();
    }
    // With one degree it is 12.7, and it falls with more.
    let (mut low, mut high) = (Z, 13.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if student_two_sided(middle, degrees) > 0.05 { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}
