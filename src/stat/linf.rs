//! The largest difference of shares.

use super::{Answer, Bins, Case, Null, On, Reading, Statistic, Worse};
use crate::measurement::Family;

pub const ROW: Statistic = Statistic {
    name: "linf",
    family: Family::Drift,
    on: On::Valued,
    unit: "",
    threshold: Some(0.1),
    worse: Worse::Above,
    null: Null::Root,
    range: (0.0, 1.0),
    about: "L-infinity distance: the largest absolute difference over bins of the window's and the reference's \
            shares, over the same bins as psi and without smoothing, as SageMaker's for categories (its L-infinity \
            for numbers is that of cumulative shares, here ks); the p-value is simulated from the reference or, where \
            it has rare categories, chi-squared's over the same bins, rare ones pooled; from 0 (equal) to 1 (one \
            value for another).",
    compute,
};

fn compute(case: &Case) -> Answer {
    let bins = Bins::of(case)?;
    let value = bins.differences().map(|(_, _, difference)| difference.abs()).fold(0.0, f64::max);
    // What one bin gains the others lose, so the sum of squares is at least four times that of the difference.
    let detectable = (bins.detectable(case.significance).sqrt() / 2.0).min(1.0);
    Ok(Reading { p_value: Some(bins.p_value()), detectable: Some(detectable), ..Reading::exact(value.min(1.0)) })
}
