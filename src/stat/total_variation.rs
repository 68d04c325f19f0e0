//! The total variation distance.

use super::{Answer, Bins, Case, Null, On, Reading, Statistic, Worse};
use crate::measurement::Family;

pub const ROW: Statistic = Statistic {
    name: "total_variation",
    family: Family::Drift,
    on: On::Valued,
    unit: "",
    threshold: Some(0.1),
    worse: Worse::Above,
    null: Null::Root,
    range: (0.0, 1.0),
    about: "Total variation distance: half the sum over bins of the absolute differences of the window's and the \
            reference's shares, which is the share of rows that would have to move, over the same bins as psi and \
            without smoothing; the p-value is simulated from the reference or, where it has rare categories, \
            chi-squared's over the same bins, rare ones pooled; from 0 (equal) to 1 (disjoint) (Levin and Peres, \
            Markov Chains and Mixing Times, 2017).",
    compute,
};

fn compute(case: &Case) -> Answer {
    let bins = Bins::of(case)?;
    let value = bins.differences().map(|(_, _, difference)| difference.abs()).sum::<f64>() / 2.0;
    // By the inequality of Cauchy and Schwarz, a distance has at least four times its square as the sum of squares.
    let detectable = (bins.detectable(case.significance).sqrt() / 2.0).min(1.0);
    Ok(Reading { p_value: Some(bins.p_value()), detectable: Some(detectable), ..Reading::exact(value.min(1.0)) })
}
