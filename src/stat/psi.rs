//! The population stability index.

use super::{Answer, Bins, Case, Null, On, Reading, Statistic, Worse};
use crate::measurement::Family;

pub const ROW: Statistic = Statistic {
    name: "psi",
    family: Family::Drift,
    on: On::Valued,
    unit: "",
    threshold: Some(0.2),
    worse: Worse::Above,
    null: Null::Linear,
    range: (0.0, f64::INFINITY),
    about: "Population stability index: the sum over bins of (c - r) ln(c / r), c and r being the window's and the \
            reference's shares, smoothed by half a row per bin (Jeffreys); bins are the reference's deciles with one \
            below and one above them, values of a tenth or more by themselves, or the vocabulary with one for all \
            else, without those empty on both sides; the p-value is simulated from the reference or, where it has \
            rare categories, chi-squared's over the same bins, rare ones pooled; 0 and up (Siddiqi, Credit Risk \
            Scorecards, 2006).",
    compute,
};

fn compute(case: &Case) -> Answer {
    let bins = Bins::of(case)?;
    let detectable = Some(bins.detectable(case.significance));
    Ok(Reading { p_value: Some(bins.p_value()), detectable, ..Reading::exact(bins.stability_index()) })
}
