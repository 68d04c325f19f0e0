//! How far apart two distributions are, beside how far apart samples of one are.

use statrs::distribution::{ChiSquared, ContinuousCDF};

/// A distance, and what it is measured in: errors of sampling.
///
/// For numbers it is Kolmogorov and Smirnov's D, and an error the root of `1/n + 1/m`. For categories it is the total
/// variation; an error is set so that of samples of one distribution, too, one in a hundred is beyond [`CHANCE`] of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gap {
    pub distance: f64,
    pub noise: f64,
}

/// Errors beyond which one pair of samples in a hundred is, if nothing has changed.
const CHANCE: f64 = 1.63;
/// Errors beyond which one in some thousands is.
pub const SURELY: f64 = 2.1;

/// How well a cause explains what it contradicts, at the most.
pub const CONTRADICTED: f64 = 0.3;

impl Gap {
    pub fn errors(&self) -> f64 {
        if self.distance > 0.0 && self.noise > 0.0 { self.distance / self.noise } else { 0.0 }
    }

    /// Whether chance alone does not make it.
    pub fn is_real(&self) -> bool {
        self.errors() > SURELY
    }

    /// What is left of it above what chance makes.
    fn excess(&self) -> f64 {
        (self.distance - CHANCE * self.noise).max(0.0)
    }

    /// The gap between a reference's shares of categories and a window's, by counts of the same cells.
    ///
    /// An error is what the total variation is expected to be if nothing has changed, and as much more as it varies by
    /// where there are few categories.
    pub fn of_categories(reference: &[f64], current: &[f64], n: f64, m: f64) -> Gap {
        let mut distance = 0.0;
        let (mut expected, mut squares) = (0.0, 0.0);
        for (r, c) in reference.iter().zip(current) {
            let pooled = ((r * n + c * m) / (n + m)).clamp(0.0, 1.0);
            distance += (r - c).abs() / 2.0;
            expected += (pooled * (1.0 - pooled)).sqrt();
            squares += pooled * pooled;
        }
        let expected = 0.5 * expected * (2.0 / std::f64::consts::PI * (1.0 / n + 1.0 / m)).sqrt();
        let as_if = if squares > 0.0 { (1.0 / squares - 1.0).max(1.0) } else { 1.0 };
        Gap { distance, noise: expected * (1.0 + 2.2 / as_if.sqrt()) / CHANCE }
    }
}

/// How much of a gap is gone once something is taken into account, from 0 to 1.
pub fn explained(before: &Gap, after: &Gap) -> f64 {
    let (before, after) = (before.excess(), after.excess());
    if after <= 0.0 {
        1.0
    } else if before <= after {
        0.0
    } else {
        1.0 - after / before
    }
}

/// How much a finding of so many errors can be trusted: not at all where chance makes as many, and never quite.
pub fn trust(errors: f64) -> f64 {
    if errors > CHANCE { (1.0 - 1.5 / errors).clamp(0.0, 1.0) } else { 0.0 }
}

/// In the errors of a [`Gap`], how far a share of `m` rows is from one of `n`.
pub fn share_errors(reference: f64, n: f64, current: f64, m: f64) -> f64 {
    // A row is added on either side, so that no share is surely nought.
    let pooled = ((reference * n + current * m + 1.0) / (n + m + 2.0)).clamp(0.0, 1.0);
    let error = (pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m)).sqrt();
    if error > 0.0 { (current - reference) / error / 1.58 } else { 0.0 }
}

/// The errors of a p-value: as many as a numeric [`Gap`] of this p-value has, by Kolmogorov's tail.
pub fn errors_of(p_value: f64) -> f64 {
    // A p-value that is rounded to nought is a very small one.
    let p = if p_value.is_nan() { 1.0 } else { p_value.clamp(1e-300, 1.0) };
    (-(p / 2.0).ln() / 2.0).sqrt()
}

/// The errors by which shares of categories are apart by Pearson's chi-squared, which sees one category that has changed
/// among many that have not. Those of which fewer than five rows are expected are taken together.
pub fn errors_of_categories(reference: &[f64], current: &[f64], n: f64, m: f64) -> f64 {
    const LEAST: f64 = 5.0;
    let smaller = n.min(m) / (n + m);
    let (mut value, mut cells, mut rare) = (0.0, 0.0, (0.0, 0.0));
    let mut add = |r: f64, c: f64| {
        if r + c > 0.0 {
            value += (r / n - c / m).powi(2) * n * m / (r + c);
            cells += 1.0;
        }
    };
    for (r, c) in reference.iter().zip(current).map(|(r, c)| (r * n, c * m)) {
        if (r + c) * smaller < LEAST {
            rare = (rare.0 + r, rare.1 + c);
        } else {
            add(r, c);
        }
    }
    add(rare.0, rare.1);
    errors_of(ChiSquared::new((cells - 1.0f64).max(1.0)).map_or(1.0, |distribution| distribution.sf(value.max(0.0))))
}
