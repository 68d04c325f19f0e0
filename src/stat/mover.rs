//! Intervals of what is computed from several estimates, recovered from the intervals of the estimates themselves.
//!
//! The squares of the distances from the values to their ends add up as variances do, at each end by itself, so that
//! nothing has to be symmetric, and shares of 0 and 1 are no exception (Newcombe, *Interval estimation for the difference
//! between independent proportions*, 1998; Donner and Zou, *Closed-form confidence intervals for functions of the normal
//! mean and standard deviation*, 2012, who call it MOVER).

use super::{Reading, normal_quantile, wilson_at};

/// What is left to all intervals of a question together: they hold at once in 95 % of all windows.
const LEVEL: f64 = 0.05;

/// A value and the ends of its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounded {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

/// How many standard errors make `intervals` of them hold at once in 95 % of all windows (Bonferroni).
pub fn errors_of(intervals: usize) -> f64 {
    -normal_quantile(LEVEL / 2.0 / intervals.max(1) as f64)
}

/// How many pairs there are of so many.
pub fn pairs_of(n: usize) -> usize {
    n * n.saturating_sub(1) / 2
}

impl Bounded {
    /// The share `hits / n` of a positive `n` with Wilson's interval of so many standard errors.
    pub fn share((hits, n): (u64, u64), errors: f64) -> Bounded {
        let value = hits as f64 / n as f64;
        let (low, high) = wilson_at(errors, value, n as f64);
        Bounded { value, low, high }
    }

    /// A weighted sum of independent estimates. No weight is negative.
    pub fn sum(parts: &[(f64, Bounded)]) -> Bounded {
        let value = parts.iter().map(|(weight, part)| weight * part.value).sum::<f64>();
        let far = |end: fn(&Bounded) -> f64| {
            parts.iter().map(|(weight, part)| (weight * (end(part) - part.value)).powi(2)).sum::<f64>().sqrt()
        };
        Bounded { value, low: value - far(|part| part.low), high: value + far(|part| part.high) }
    }

    /// The difference of two independent estimates.
    pub fn minus(self, other: Bounded) -> Bounded {
        let value = self.value - other.value;
        Bounded {
            value,
            low: value - (self.value - self.low).hypot(other.high - other.value),
            high: value + (self.high - self.value).hypot(other.value - other.low),
        }
    }

    /// The ratio of two estimates that are not negative, correlated so: what multiple of the other could differ from this
    /// one by nothing. `None` where the other is zero.
    pub fn over(self, other: Bounded, correlation: f64) -> Option<Bounded> {
        if other.value <= 0.0 {
            return None;
        }
        let value = self.value / other.value;
        // The ends are the roots of (x - R y)^2 = a^2 - 2 r R a b + R^2 b^2, a and b being the distances of the two
        // estimates x and y to those ends that make the ratio smallest, or largest.
        let coefficients = |a: f64, b: f64| {
            let product = self.value * other.value - correlation * a * b;
            let (first, second) = (self.value.powi(2) - a * a, other.value.powi(2) - b * b);
            (product, first, second, (product * product - first * second).max(0.0).sqrt())
        };
        let (product, first, _, root) = coefficients(self.value - self.low, other.high - other.value);
        let low = if first > 0.0 && product + root > 0.0 { first / (product + root) } else { 0.0 };
        let (product, _, second, root) = coefficients(self.high - self.value, other.value - other.low);
        let high = if second > 0.0 { (product + root) / second } else { f64::INFINITY };
        Some(Bounded { value, low: low.clamp(0.0, value), high: high.max(value) })
    }

    /// The odds of a share below 1: how many hits there are for each miss.
    pub fn odds(self) -> Bounded {
        let odds = |share: f64| share / (1.0 - share);
        Bounded { value: odds(self.value), low: odds(self.low), high: odds(self.high) }
    }

    /// The largest difference among estimates: the value is between the two that are farthest apart, and the ends are the
    /// largest of those of all pairs, so that they hold where all pairs' do, whichever pair it truly is.
    pub fn widest(estimates: &[Bounded]) -> Bounded {
        let mut widest = Bounded { value: 0.0, low: 0.0, high: 0.0 };
        for (i, &one) in estimates.iter().enumerate() {
            for &other in &estimates[..i] {
                let difference = one.minus(other);
                widest.value = widest.value.max(difference.value.abs());
                widest.low = widest.low.max(difference.low).max(-difference.high);
                widest.high = widest.high.max(difference.high).max(-difference.low);
            }
        }
        widest
    }

    /// The least ratio among estimates, with the least of the ends of all pairs, for the same reason; at most 1. `None`
    /// where all are zero.
    pub fn narrowest(estimates: &[Bounded]) -> Option<Bounded> {
        let mut narrowest = Bounded { value: 1.0, low: 1.0, high: 1.0 };
        let mut is_known = false;
        for (i, &one) in estimates.iter().enumerate() {
            for &other in &estimates[..i] {
                let (less, more) = if one.value <= other.value { (one, other) } else { (other, one) };
                let Some(ratio) = less.over(more, 0.0) else {
                    // Of two zeros nothing is known.
                    narrowest.low = 0.0;
                    continue;
                };
                is_known = true;
                narrowest.value = narrowest.value.min(ratio.value);
                // The inverse is the ratio of the pair the other way round.
                narrowest.low = narrowest.low.min(ratio.low).min(1.0 / ratio.high);
                narrowest.high = narrowest.high.min(ratio.high).min(1.0 / ratio.low);
            }
        }
        is_known.then_some(narrowest)
    }

    /// What is told of it, within the range; an end that is not finite is not told.
    pub fn reading(self, (least, most): (f64, f64)) -> Reading {
        let value = self.value.clamp(least, most);
        let finite = |end: f64| end.is_finite().then_some(end);
        Reading {
            low: finite(self.low.clamp(least, value)),
            high: finite(self.high.clamp(value, most)),
            ..Reading::exact(value)
        }
    }
}
