//! The limiting distributions of the Cramér-von Mises and the Anderson-Darling statistic.

use std::f64::consts::PI;

/// The probability that the limit of Cramér and von Mises' statistic, a sum of squared standard normal variables with
/// the weights `1 / (j pi)^2`, exceeds `x`.
pub fn cramer_von_mises_sf(x: f64) -> f64 {
    // Below this the probability differs from one by less than a double can say.
    const ONE: f64 = 0.0015;
    if x < ONE {
        return 1.0;
    }
    alternating(|k, part| {
        let y = (2.0 * k - 1.0 + part) * PI;
        (-x * y * y / 2.0).exp() / y.sqrt()
    })
}

/// The probability that the limit of Anderson and Darling's statistic, the same with the weights `1 / (j (j + 1))`,
/// exceeds `x`.
pub fn anderson_darling_sf(x: f64) -> f64 {
    const ONE: f64 = 0.03;
    if x < ONE {
        return 1.0;
    }
    alternating(|k, part| {
        let s = 4.0 * k - 1.0 + 2.0 * part;
        let square = (s - 1.0) * (s + 1.0);
        s * (-x * square / 8.0).exp() / (PI * square).sqrt()
    })
}

/// Mean and variance, in the limit and when nothing has changed, of a weighted sum of the squared differences of two
/// cumulative shares, half-way through each run of equal values.
///
/// Scipy takes both as if no two values were equal. Its test of Cramér and von Mises then calls every window of 200
/// counts (Poisson, with mean 3) significant at 1 % against 2,000 others of the same distribution.
#[derive(Default)]
pub struct Moments {
    pub mean: f64,
    squares: f64,
    products: f64,
    below: f64,
}

impl Moments {
    /// Takes in the next run of equal values: its share of all of them, how much is below its middle, the variance of
    /// the difference there, and the weight of the difference's square.
    pub fn add(&mut self, share: f64, middle: f64, variance: f64, weight: f64) {
        let weight = share * weight;
        self.mean += weight * variance;
        self.squares += (weight * variance).powi(2);
        // The covariance of the differences at two places is what is below the lower times what is above the upper.
        self.products += self.below * weight * (1.0 - middle).powi(2);
        self.below += weight * middle * middle;
    }

    pub fn variance(&self) -> f64 {
        2.0 * (self.squares + 2.0 * self.products)
    }
}

/// The tail of a sum of squared standard normal variables with descending weights `w_j` is an alternating sum of
/// integrals of `exp(-x u / 2) / (pi u sqrt |D(u)|)`, from `1 / w_(2k-1)` to `1 / w_2k`, where `D` is the product of
/// all `1 - u w_j` (Smirnov, 1937). For both statistics `D` is a sine or cosine over a power: `term` is the integrand
/// at a part of the way through the integral `k`, after a change of variable and without the root of `sin(pi part)`, by
/// which it becomes infinite at both ends. Steps that are equal in the angle of `part = (1 - cos angle) / 2` take that
/// in, and the sum over them converges as the integral of a periodic function does.
fn alternating(term: impl Fn(f64, f64) -> f64) -> f64 {
    const STEPS: usize = 128;
    const MOST: usize = 60;
    let steps: Vec<(f64, f64)> = (0..STEPS)
        .map(|i| {
            let angle = (i as f64 + 0.5) * PI / STEPS as f64;
            let part = (angle / 2.0).sin().powi(2);
            (part, angle.sin() / (PI * part).sin().sqrt() * PI / STEPS as f64)
        })
        .collect();
    let mut sum = 0.0;
    for k in 1..=MOST {
        let integral: f64 = steps.iter().map(|&(part, weight)| weight * term(k as f64, part)).sum();
        sum += if k % 2 == 1 { integral } else { -integral };
        if integral <= 1e-18 * sum {
            break;
        }
    }
    sum.clamp(0.0, 1.0)
}
