//! The Hellinger distance.

use super::{Answer, Bins, Case, Null, On, Reading, Statistic, Worse};
use crate::measurement::Family;

pub const ROW: Statistic = Statistic {
    name: "hellinger",
    family: Family::Drift,
    on: On::Valued,
    unit: "",
    threshold: Some(0.1),
    worse: Worse::Above,
    null: Null::Root,
    range: (0.0, 1.0),
    about: "Hellinger distance: the root of half the sum over bins of the squared differences of the square roots of \
            the window's and the reference's shares, over the same bins as psi and without smoothing; the p-value is \
            simulated from the reference or, where it has rare categories, chi-squared's over the same bins, rare \
            ones pooled; from 0 (equal) to 1 (disjoint) (Hellinger, 1909).",
    compute,
};

fn compute(case: &Case) -> Answer {
    let bins = Bins::of(case)?;
    // The difference of the roots by that of the shares, which has lost no digits.
    let squares: f64 = bins.differences().map(|(r, c, difference)| (difference / (r.sqrt() + c.sqrt())).powi(2)).sum();
    let value = (squares / 2.0).sqrt().min(1.0);
    // Shares that are close have an eighth of their squares as the square of this distance.
    let detectable = (bins.detectable(case.significance) / 8.0).sqrt().min(1.0);
    Ok(Reading { p_value: Some(bins.p_value()), detectable: Some(detectable), ..Reading::exact(value) })
}
