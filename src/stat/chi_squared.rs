//! Pearson's chi-squared statistic of homogeneity.

use super::{Answer, Bins, Case, Null, On, Reading, Statistic, Undefined, Worse};
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
            with one column per value and one for all unseen ones, columns empty on both sides are dropped, and \
            there is no continuity correction; it grows with the number of rows, so read its p-value; 0 and up \
            (Pearson, 1911).",
    compute,
};

fn compute(case: &Case) -> Answer {
    let bins = Bins::categorical(case)?;
    if bins.counts.len() < 2 {
        return Err(Undefined::OneCategory);
    }
    let (statistic, p_value) = bins.homogeneity();
    Ok(Reading { p_value: Some(p_value), ..Reading::exact(statistic) })
}
