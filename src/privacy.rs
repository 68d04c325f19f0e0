//! Differential privacy of what is told of groups of people.
//!
//! To each count of a group, by choice and label, a number from Laplace's distribution is added (Dwork and others, 2006).
//! What is promised: all that is ever told of groups is at most `e^epsilon` times as probable with a row as without it.
//! A row is in one group of each dimension by which groups are told apart, in one of its counts, in each window that holds
//! it, and in each telling of that window; `epsilon` is divided evenly among all of these. The numbers are drawn by a
//! secret from what they are for, so that the same count is always told with the same noise, and a replay with the secret
//! says the same. Whoever has the secret can take the noise away.

use crate::monitor::Noise;
use crate::tally::outcome::OutcomeTally;
use crate::time::Windowing;

/// How often a window is told: what the model said, and eight revisions of what labels say.
const TELLINGS: u64 = 9;

/// In how many counts that are told a row is.
pub fn releases(windowing: &Windowing, dimensions: usize) -> u64 {
    let windows = (windowing.size.0 / windowing.every.0.max(1)).max(1) as u64;
    windows * TELLINGS * dimensions.max(1) as u64
}

/// A group's counts with noise, and without its scores, of which there would be too many counts to make private.
/// `identity` tells the group, its window and its revision from all others.
pub fn noisy(tally: &OutcomeTally, noise: &Noise, releases: u64, identity: &str) -> OutcomeTally {
    let scale = releases as f64 / noise.epsilon;
    tally.with_counts(|place, count| {
        let drawn = noise.secret.draw(&format!("{identity}/{place}"));
        (count as f64 + laplace(uniform(drawn), scale)).round().max(0.0) as u64
    })
}

/// A number strictly between 0 and 1.
fn uniform(drawn: u64) -> f64 {
    ((drawn >> 11) as f64 + 0.5) / (1u64 << 53) as f64
}

/// The quantile of Laplace's distribution about zero.
fn laplace(share: f64, scale: f64) -> f64 {
    let from_middle = share - 0.5;
    -scale * from_middle.signum() * (-2.0 * from_middle.abs()).ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{OutcomeAxis, Truth};
    use crate::schema::Secret;
    use crate::time::Span;

    fn tally(rows: usize) -> OutcomeTally {
        let axis = OutcomeAxis { classes: ["yes".to_owned()].into(), grids: [].into(), calibration: None };
        let mut tally = OutcomeTally::empty(&axis);
        (0..rows).for_each(|_| tally.add(&axis, &axis.prediction(Some("yes"), [], None), Some(Truth::Class(0))));
        tally
    }

    /// `scipy.stats.laplace(scale=2).ppf` of these shares.
    #[test]
    fn quantiles_are_laplaces() {
        for (share, expected) in
            [(0.025, -5.991464547107982), (0.25, -1.3862943611198906), (0.5, 0.0), (0.9, 3.2188758248682006)]
        {
            assert!((laplace(share, 2.0) - expected).abs() < 1e-9, "{share}: {}", laplace(share, 2.0));
        }
    }

    #[test]
    fn noise_is_as_large_as_it_says_and_always_the_same() {
        let noise = Noise { epsilon: 0.5, secret: Secret::new(b"a long secret") };
        let tally = tally(10_000);
        let error = |identity: usize, releases| {
            let noisy = noisy(&tally, &noise, releases, &identity.to_string());
            noisy.confusion(0).true_positives as f64 - 10_000.0
        };
        assert_eq!(error(1, 10), error(1, 10));
        // The mean of the magnitudes is the scale, here 20, to within four standard errors.
        let mean = (0..4000).map(|identity| error(identity, 10).abs()).sum::<f64>() / 4000.0;
        assert!((mean - 20.0).abs() < 4.0 * 20.0 / 4000f64.sqrt(), "{mean}");
        let other = Noise { secret: Secret::new(b"another"), ..noise.clone() };
        assert!((0..20).any(|identity| {
            let other = super::noisy(&tally, &other, 10, &identity.to_string());
            other.confusion(0).true_positives as f64 - 10_000.0 != error(identity, 10)
        }));
    }

    #[test]
    fn every_telling_of_every_window_and_dimension_takes_its_part() {
        let windowing =
            Windowing { size: Span(3_600_000), every: Span(300_000), lateness: Span(0), idle: Span(0), min_rows: 1 };
        assert_eq!(releases(&windowing, 2), 12 * 9 * 2);
    }
}
