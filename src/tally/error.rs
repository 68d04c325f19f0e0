//! Sums and counts of how far predicted numbers were off.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::exact::ExactSum;

/// Errors of predictions, prediction less label, in sums that do not depend on the order of adding and from which what
/// was added can be taken out again. A term beyond all doubles counts as the largest of them, so that its sum cannot pass
/// for one of usual size.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ErrorTally {
    pub n: u64,
    /// Of the errors, of their magnitudes, and of their powers.
    pub sum: ExactSum,
    pub magnitudes: ExactSum,
    pub squares: ExactSum,
    pub fourths: ExactSum,
    /// Of the errors' squares, with the errors' signs.
    pub signed_squares: ExactSum,
    /// Of the labels and, without rounding, of their squares.
    pub labels: ExactSum,
    pub label_squares: ExactSum,
    /// Rows whose label is not zero; of the errors' magnitudes divided by those of the labels, and of their squares.
    pub relative_n: u64,
    pub relative: ExactSum,
    pub relative_squares: ExactSum,
    /// Of twice the error's magnitude divided by the magnitudes of prediction and label (0 where both are zero), and of
    /// their squares.
    pub symmetric: ExactSum,
    pub symmetric_squares: ExactSum,
    /// Errors by the bucket of their size, see [`bucket`].
    buckets: BTreeMap<i32, u64>,
}

/// Buckets of a factor of two of an error's size: an error is known to within 1 part in 64.
const BUCKETS_PER_OCTAVE: i32 = 32;

/// Errors closer to zero than two to this power share the bucket of zero.
const SMALLEST: i32 = -1000;

/// The bucket of an error: 0 for zero, and else the farther from zero the larger the error, with its sign.
fn bucket(error: f64) -> i32 {
    let magnitude = error.abs();
    let octaves = magnitude.log2();
    if octaves < f64::from(SMALLEST) {
        return 0;
    }
    // An infinite error is with the largest.
    let octaves = octaves.min(f64::from(f64::MAX_EXP));
    let place = ((octaves - f64::from(SMALLEST)) * f64::from(BUCKETS_PER_OCTAVE)).floor() as i32 + 1;
    if error < 0.0 { -place } else { place }
}

/// The ends of a bucket, in ascending order.
fn ends(bucket: i32) -> (f64, f64) {
    let edge = |place: i32| (f64::from(SMALLEST) + f64::from(place) / f64::from(BUCKETS_PER_OCTAVE)).exp2();
    match bucket {
        0 => (-edge(0), edge(0)),
        1.. => (edge(bucket - 1), edge(bucket)),
        _ => (-edge(-bucket), -edge(-bucket - 1)),
    }
}

impl ErrorTally {
    pub fn add(&mut self, predicted: f64, label: f64) {
        self.n += 1;
        self.relative_n += u64::from(label != 0.0);
        self.put(predicted, label, 1.0);
        *self.buckets.entry(bucket(predicted - label)).or_default() += 1;
    }

    /// Takes out what was added before.
    pub fn remove(&mut self, predicted: f64, label: f64) {
        self.n = self.n.saturating_sub(1);
        self.relative_n = self.relative_n.saturating_sub(u64::from(label != 0.0));
        self.put(predicted, label, -1.0);
        let place = bucket(predicted - label);
        if let Some(count) = self.buckets.get_mut(&place) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.buckets.remove(&place);
            }
        }
    }

    fn put(&mut self, predicted: f64, label: f64, sign: f64) {
        let add = |sum: &mut ExactSum, term: f64| sum.add(sign * term.clamp(f64::MIN, f64::MAX));
        let error = predicted - label;
        let magnitude = error.abs();
        let square = error * error;
        add(&mut self.sum, error);
        add(&mut self.magnitudes, magnitude);
        add(&mut self.squares, square);
        add(&mut self.fourths, square * square);
        add(&mut self.signed_squares, error * magnitude);
        add(&mut self.labels, label);
        // A product and what its rounding lost.
        let label_square = label * label;
        add(&mut self.label_squares, label_square);
        if label_square.is_finite() {
            add(&mut self.label_squares, label.mul_add(label, -label_square));
        }
        if label != 0.0 {
            let relative = magnitude / label.abs();
            add(&mut self.relative, relative);
            add(&mut self.relative_squares, relative * relative);
        }
        let both = predicted.abs() + label.abs();
        if both > 0.0 {
            // Halves of numbers so large that their sum is beyond all doubles are not.
            let symmetric = if both.is_finite() {
                2.0 * (magnitude / both)
            } else {
                2.0 * ((predicted / 2.0 - label / 2.0).abs() / (predicted.abs() / 2.0 + label.abs() / 2.0))
            };
            add(&mut self.symmetric, symmetric);
            add(&mut self.symmetric_squares, symmetric * symmetric);
        }
    }

    pub fn merge(&mut self, other: &ErrorTally) {
        self.n += other.n;
        self.relative_n += other.relative_n;
        let sums = [
            (&mut self.sum, &other.sum),
            (&mut self.magnitudes, &other.magnitudes),
            (&mut self.squares, &other.squares),
            (&mut self.fourths, &other.fourths),
            (&mut self.signed_squares, &other.signed_squares),
            (&mut self.labels, &other.labels),
            (&mut self.label_squares, &other.label_squares),
            (&mut self.relative, &other.relative),
            (&mut self.relative_squares, &other.relative_squares),
            (&mut self.symmetric, &other.symmetric),
            (&mut self.symmetric_squares, &other.symmetric_squares),
        ];
        sums.into_iter().for_each(|(mine, theirs)| mine.merge(theirs));
        for (place, count) in &other.buckets {
            *self.buckets.entry(*place).or_default() += count;
        }
    }

    /// The ends of the bucket that holds the smallest error at or below which lies at least the share `q` of all.
    pub fn quantile(&self, q: f64) -> Option<(f64, f64)> {
        let rank = ((q * self.n as f64).ceil() as u64).clamp(1, self.n.max(1));
        let mut seen = 0;
        self.buckets.iter().find_map(|(&place, count)| {
            seen += count;
            (seen >= rank).then(|| ends(place))
        })
    }
}
