//! How a series wanders: what its last values say of the next.

use serde::{Deserialize, Serialize};

/// How many past windows a prediction is made from.
pub const ORDER: usize = 6;

/// The autocovariances of a series around its level and season, and the autoregression that follows from them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Wander {
    /// At lags of 0 to [`ORDER`] windows.
    covariances: [f64; ORDER + 1],
    /// The last deviations, the latest first.
    past: [f64; ORDER],
    /// By how much each of them goes into the prediction.
    coefficients: [f64; ORDER],
}

impl Wander {
    /// The deviation that the last ones lead to expect.
    pub fn predicted(&self) -> f64 {
        self.coefficients.iter().zip(&self.past).map(|(coefficient, past)| coefficient * past).sum()
    }

    /// The variance of deviations, predictions apart.
    pub fn variance(&self) -> f64 {
        self.covariances[0]
    }

    /// What part of a lasting shift is still a surprise so many windows after its onset, when the prediction has
    /// taken up the rest.
    pub fn signature(&self) -> [f64; ORDER + 1] {
        let mut left = 1.0;
        let mut signature = [1.0; ORDER + 1];
        for (place, coefficient) in self.coefficients.iter().enumerate() {
            left -= coefficient;
            signature[place + 1] = left;
        }
        signature
    }

    /// Takes in a deviation, with the weight that the newest has among all.
    pub fn learn(&mut self, deviation: f64, weight: f64) {
        if weight > 0.0 {
            let others = std::iter::once(&deviation).chain(&self.past);
            for (covariance, other) in self.covariances.iter_mut().zip(others) {
                *covariance += weight * (deviation * other - *covariance);
            }
            self.coefficients = levinson(&self.covariances);
        }
    }

    /// Moves on by one window.
    pub fn push(&mut self, deviation: f64) {
        self.past.rotate_right(1);
        self.past[0] = deviation;
    }

    /// Takes the mean of the last deviations for the new zero, and gives it.
    pub fn settle(&mut self) -> f64 {
        let mean = self.past.iter().sum::<f64>() / ORDER as f64;
        self.past.iter_mut().for_each(|past| *past -= mean);
        mean
    }

    /// Forgets the last values, which a gap has made worthless, and keeps how the series goes on from such values.
    pub fn interrupt(&mut self) {
        self.past = [0.0; ORDER];
    }
}

/// The coefficients of the best linear prediction by the Levinson-Durbin recursion. A fraction is added to the
/// variance, which keeps predictions stable where the covariances are those of a series that has hardly been seen.
fn levinson(covariances: &[f64; ORDER + 1]) -> [f64; ORDER] {
    let mut coefficients = [0.0; ORDER];
    let mut error = covariances[0] * 1.001;
    for step in 0..ORDER {
        if error <= 0.0 || !error.is_finite() {
            break;
        }
        let explained: f64 = (0..step).map(|place| coefficients[place] * covariances[step - place]).sum();
        let reflection = ((covariances[step + 1] - explained) / error).clamp(-0.99, 0.99);
        let before = coefficients;
        coefficients[step] = reflection;
        for place in 0..step {
            coefficients[place] = before[place] - reflection * before[step - 1 - place];
        }
        error *= 1.0 - reflection * reflection;
    }
    coefficients
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prediction_of_an_autoregression_is_its_own() {
        let powers = |ratio: f64| std::array::from_fn(|lag| ratio.powi(lag as i32));
        for ratio in [-0.7, 0.0, 0.5, 0.9] {
            let found = levinson(&powers(ratio));
            assert!((found[0] - ratio).abs() < 0.02, "{found:?}");
            assert!(found[1..].iter().all(|coefficient| coefficient.abs() < 0.02), "{found:?}");
        }
        assert_eq!(levinson(&[0.0; ORDER + 1]), [0.0; ORDER]);
    }

    #[test]
    fn predictions_solve_the_normal_equations() {
        let covariances = [2.0, 1.2, 0.9, 0.5, 0.4, 0.2, 0.1];
        let found = levinson(&covariances);
        for lag in 1..=ORDER {
            let sum: f64 = (1..=ORDER).map(|other| found[other - 1] * covariances[lag.abs_diff(other)]).sum();
            assert!((sum - covariances[lag]).abs() < 5e-3, "{lag}: {sum}");
        }
    }
}
