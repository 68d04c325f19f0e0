//! The Kullback-Leibler divergence.

use super::{Answer, Bins, Case, Null, On, Reading, Statistic, Worse};
use crate::measurement::Family;

pub const ROW: Statistic = Statistic {
    name: "kl_divergence",
    family: Family::Drift,
    on: On::Valued,
    unit: "",
    threshold: Some(0.1),
    worse: Worse::Above,
    null: Null::Linear,
    range: (0.0, f64::INFINITY),
    about: "Kullback-Leibler divergence of the window from the reference in nats: the sum over bins of c ln(c / r), c \
            and r being the window's and the reference's shares, over the same bins as psi and smoothed as it is by \
            half a row per bin (Jeffreys), since it is infinite where the reference has nothing; it is not symmetric; \
            the p-value is simulated from the reference or, where it has rare categories, chi-squared's over the same \
            bins, rare ones pooled; 0 and up (Kullback and Leibler, 1951).",
    compute,
};

fn compute(case: &Case) -> Answer {
    let bins = Bins::of(case)?;
    let value: f64 = bins.smoothed().map(|(r, c)| c * (c / r).ln()).sum();
    // Shares that are close have half of the squares as their divergence.
    let detectable = Some(bins.detectable(case.significance) / 2.0);
    Ok(Reading { p_value: Some(bins.p_value()), detectable, ..Reading::exact(value.max(0.0)) })
}
