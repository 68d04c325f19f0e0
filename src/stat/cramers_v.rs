//! Cramer's V, corrected for bias.

use super::{Answer, Bins, Case, Null, On, Reading, Statistic, Worse};
use crate::measurement::Family;

pub const ROW: Statistic = Statistic {
    name: "cramers_v",
    family: Family::Drift,
    on: On::Categorical,
    unit: "",
    threshold: Some(0.1),
    worse: Worse::Above,
    null: Null::Formula,
    range: (0.0, 1.0),
    about: "Cramer's V, corrected for bias: how strongly a row's value tells window from reference, from chi_squared \
            over the same table, whose rare columns are pooled, less what sampling alone adds; of one change it is \
            the smaller the more the sizes of the two differ, since V is of the rows and not of the shares; its \
            p-value is chi_squared's; from 0 (not at all) to 1 (wholly) (Bergsma, 2013).",
    compute,
};

fn compute(case: &Case) -> Answer {
    let bins = Bins::categorical(case)?.tested()?;
    let statistic = bins.chi_squared();
    let rows = bins.n_reference as f64 + bins.n_current as f64;
    let degrees = bins.degrees();
    // What sampling alone is expected to add, of the statistic a row and of the table's sides.
    let excess = (statistic / rows - degrees / (rows - 1.0)).max(0.0);
    let columns = degrees - degrees * degrees / (rows - 1.0);
    let sides = 1.0 - 1.0 / (rows - 1.0);
    let value = (excess / columns.min(sides)).sqrt().min(1.0);
    // The square of the uncorrected V is chi-squared a row, which has the noncentrality as its excess.
    let detectable = (bins.noncentrality(case.significance) / rows).sqrt().min(1.0);
    let p_value = Some(bins.probability(statistic));
    Ok(Reading { p_value, detectable: Some(detectable), ..Reading::exact(value) })
}
