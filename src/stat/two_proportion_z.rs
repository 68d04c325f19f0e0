//! The z statistic of two proportions.

use super::{Answer, Bins, Case, Null, On, Reading, Statistic, Worse};
use crate::measurement::Family;

pub const ROW: Statistic = Statistic {
    name: "two_proportion_z",
    family: Family::Drift,
    on: On::Categorical,
    unit: "",
    threshold: None,
    worse: Worse::Above,
    null: Null::Formula,
    range: (0.0, f64::INFINITY),
    about: "Two-proportion z, without sign: the difference of the window's and the reference's share of one of two \
            values, in standard errors by their common share and without continuity correction, so the root of \
            chi_squared; undefined for other than two values, and where fewer than 5 rows of the smaller sample are \
            expected to have one of them (then fisher_exact tells); the p-value is two-sided and normal; 0 and up \
            (Agresti, Categorical Data Analysis, 2013).",
    compute,
};

fn compute(case: &Case) -> Answer {
    let (bins, _) = Bins::two(case)?;
    let bins = bins.tested()?;
    let squared = bins.chi_squared();
    // The statistic is in standard errors already, so what is found does not depend on the sizes.
    let detectable = Some(bins.noncentrality(case.significance).sqrt());
    Ok(Reading { p_value: Some(bins.probability(squared)), detectable, ..Reading::exact(squared.sqrt()) })
}
