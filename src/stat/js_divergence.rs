//! The Jensen-Shannon divergence.

use std::f64::consts::LN_2;

use super::{Answer, Bins, Case, Null, On, Reading, Statistic, Worse, divergence};
use crate::measurement::Family;

pub const ROW: Statistic = Statistic {
    name: "js_divergence",
    family: Family::Drift,
    on: On::Valued,
    unit: "",
    threshold: Some(0.01),
    worse: Worse::Above,
    null: Null::Linear,
    range: (0.0, 1.0),
    about: "Jensen-Shannon divergence in bits (logarithm to base 2) of the window's shares from the reference's, the \
            square of js_distance, over the same bins as psi and without smoothing; the p-value is simulated from the \
            reference or, where it has rare categories, chi-squared's over the same bins, rare ones pooled; from 0 \
            (equal) to 1 (disjoint) (Lin, 1991).",
    compute,
};

fn compute(case: &Case) -> Answer {
    let bins = Bins::of(case)?;
    // Shares that are close have an eighth of the squares as their divergence in nats.
    let detectable = (bins.detectable(case.significance) / (8.0 * LN_2)).min(1.0);
    let reading = Reading::exact(divergence(&bins));
    Ok(Reading { p_value: Some(bins.p_value()), detectable: Some(detectable), ..reading })
}
