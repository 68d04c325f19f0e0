//! A confidence sequence: an interval of a mean that may be looked at after each term.

use serde::{Deserialize, Serialize};

use crate::exact::ExactSum;

/// How large a difference is looked for first, in standard deviations of a single row. Others are found as well, only
/// with more rows: the price is logarithmic.
const EFFECT: f64 = 0.1;
/// A spread that is a smaller share of the squares than this may be nothing but rounding.
const ROUNDING: f64 = 1e-10;

/// The difference of two versions in one window.
#[derive(Clone, Copy, Debug)]
pub struct Term {
    pub difference: f64,
    /// How much it weighs: its variance is in proportion to the reciprocal.
    pub weight: f64,
    /// The variance that comes of sampling alone; zero where that is not known.
    pub sampling: f64,
}

/// All that has to be known of the terms. The sums are exact, so the terms may come in any order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sequence {
    terms: u64,
    weights: ExactSum,
    /// Sums of weight times difference, and of weight times its square.
    firsts: ExactSum,
    seconds: ExactSum,
    /// The same with the square of the weight.
    square_weights: ExactSum,
    square_firsts: ExactSum,
    square_seconds: ExactSum,
    sampling: ExactSum,
}

/// A mean, and the interval that it is in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    pub mean: f64,
    pub low: f64,
    pub high: f64,
}

impl Sequence {
    /// Takes in a term. One with numbers that are too large to be added up is left out.
    pub fn add(&mut self, term: Term) -> bool {
        let Term { difference, weight, sampling } = term;
        let square = weight * weight;
        let parts = [
            weight,
            weight * difference,
            weight * difference * difference,
            square,
            square * difference,
            square * difference * difference,
            square * sampling,
        ];
        if weight <= 0.0 || !parts.iter().all(|part| part.is_finite()) {
            return false;
        }
        let sums = [
            &mut self.weights,
            &mut self.firsts,
            &mut self.seconds,
            &mut self.square_weights,
            &mut self.square_firsts,
            &mut self.square_seconds,
            &mut self.sampling,
        ];
        sums.into_iter().zip(parts).for_each(|(sum, part)| sum.add(part));
        self.terms += 1;
        true
    }

    pub fn terms(&self) -> u64 {
        self.terms
    }

    /// The mean of the terms by their weights.
    pub fn mean(&self) -> Option<f64> {
        Some(self.firsts.value() / self.weights.value()).filter(|mean| mean.is_finite())
    }

    /// The interval that has the true mean after every term, with this probability. `None` as long as the terms are too
    /// few to say anything, or do not vary at all.
    pub fn interval(&self, confidence: f64) -> Option<Interval> {
        let mean = self.mean()?;
        let (n, weights) = (self.terms as f64, self.weights.value());
        let growth = 1.0 + weights * EFFECT * EFFECT;
        let most = (growth.sqrt() / (1.0 - confidence)).powf(2.0 / n);
        let variance = self.variance(mean).filter(|variance| *variance > 0.0)?;
        if most >= growth {
            return None;
        }
        // The ratio passes the bound where the squared mean is this many times the spread of the terms about it.
        let ratio = (most - 1.0) / (1.0 - most / growth);
        let half = (ratio * (n - 1.0) * variance / weights).sqrt();
        let interval = Interval { mean, low: mean - half, high: mean + half };
        (interval.low.is_finite() && interval.high.is_finite()).then_some(interval)
    }

    /// The variance of a term of weight one: as the terms vary if weights are right, as they do whatever the weights
    /// are, or as sampling alone would have it, whichever is the largest.
    fn variance(&self, mean: f64) -> Option<f64> {
        let n = self.terms as f64;
        if self.terms < 2 {
            return None;
        }
        let weights = self.weights.value();
        let about = |seconds: &ExactSum, firsts: &ExactSum, weights: f64| {
            let (seconds, spread) = (seconds.value(), seconds.value() - mean * (2.0 * firsts.value() - mean * weights));
            if spread <= seconds * ROUNDING { 0.0 } else { spread }
        };
        let weighted = about(&self.seconds, &self.firsts, weights) / (n - 1.0);
        let robust = about(&self.square_seconds, &self.square_firsts, self.square_weights.value());
        let robust = robust / weights * n / (n - 1.0);
        let sampled = self.sampling.value() / weights;
        Some(weighted.max(robust).max(sampled)).filter(|variance| variance.is_finite())
    }
}
