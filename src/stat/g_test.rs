//! The likelihood-ratio statistic of homogeneity.

use super::{Answer, Bins, Case, Null, On, Reading, Statistic, Worse};
use crate::measurement::Family;

pub const ROW: Statistic = Statistic {
    name: "g_test",
    family: Family::Drift,
    on: On::Categorical,
    unit: "",
    threshold: None,
    worse: Worse::Above,
    null: Null::Formula,
    range: (0.0, f64::INFINITY),
    about: "G, the log-likelihood ratio of homogeneity: twice the sum over the cells of observed ln(observed / \
            expected), of the same table as chi_squared, whose rare columns are pooled; its p-value is by chi- \
            squared's distribution, without correction; it grows with the number of rows, so read its p-value; 0 and \
            up (Wilks, 1938; Sokal and Rohlf, Biometry, 2012).",
    compute,
};

fn compute(case: &Case) -> Answer {
    let bins = Bins::categorical(case)?.tested()?;
    let (n, m) = (bins.n_reference as f64, bins.n_current as f64);
    let cells = bins.pooled.iter().map(|&(r, c)| {
        let share = (r as f64 + c as f64) / (n + m);
        // How far the observed rows are from the expected ones, in parts of the expected.
        let difference = bins.difference((r, c)) as f64 / (r as f64 + c as f64);
        n * share * excess(difference / n) + m * share * excess(-difference / m)
    });
    let statistic = 2.0 * cells.sum::<f64>();
    // The mean of the statistic under the smallest change that is found, nearly chi-squared's.
    let detectable = Some(bins.degrees() + bins.noncentrality(case.significance));
    Ok(Reading { p_value: Some(bins.probability(statistic)), detectable, ..Reading::exact(statistic.max(0.0)) })
}

/// `(1 + x) ln(1 + x) - x`, from -1 on. The last term adds up to nothing over a table, and without it those of observed
/// and expected counts that are close would nearly cancel.
fn excess(x: f64) -> f64 {
    if x <= -1.0 { 1.0 } else { (1.0 + x) * x.ln_1p() - x }
}
