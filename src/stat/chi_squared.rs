//! Pearson's chi-squared statistic of homogeneity.

use super::{Answer, Bins, Case, Null, On, Reading, Statistic, Worse};
use crate::measurement::Family;

pub const ROW: Statistic = Statistic {
    name: "chi_squared",
    family: Family::Drift,
    on: On::Categorical,
    unit: "",
    threshold: None,
    worse: Worse::Above,
    null: Null::Formula,
    range: (0.0, f64::INFINITY),
    about: "Pearson's chi-squared statistic of homogeneity: the window and the reference are two samples of a table \
            with one column per value and one for all unseen ones, columns empty on both sides are dropped, the \
            rarest pooled until the smaller sample is expected to have 5 rows in each and twice the root of their \
            number, and there is no continuity correction; it grows with the number of rows, so read its p-value; 0 \
            and up (Pearson, 1911; Cochran, 1954).",
    compute,
};

fn compute(case: &Case) -> Answer {
    let bins = Bins::categorical(case)?.tested()?;
    let statistic = bins.chi_squared();
    // The mean of the statistic under the smallest change that is found.
    let detectable = Some(bins.degrees() + bins.noncentrality(case.significance));
    Ok(Reading { p_value: Some(bins.probability(statistic)), detectable, ..Reading::exact(statistic) })
}
