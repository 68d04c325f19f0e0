//! The Jensen-Shannon distance.

use std::f64::consts::LN_2;

use super::{Answer, Bins, Case, Null, On, Reading, Statistic, Worse, divergence};
use crate::measurement::Family;

pub const ROW: Statistic = Statistic {
    name: "js_distance",
    family: Family::Drift,
    on: On::Valued,
    unit: "",
    threshold: Some(0.1),
    worse: Worse::Above,
    null: Null::Root,
    range: (0.0, 1.0),
    about: "Jensen-Shannon distance: the square root of the Jensen-Shannon divergence in bits (logarithm to base 2) \
            of the window's shares from the reference's, over the same bins as psi and without smoothing; the p-value \
            is simulated from the reference or, where it has rare categories, chi-squared's over the same bins, rare \
            ones pooled; from 0 (equal) to 1 (disjoint) (Endres and Schindelin, 2003).",
    compute,
};

fn compute(case: &Case) -> Answer {
    let bins = Bins::of(case)?;
    // Shares that are close have an eighth of the squares as their divergence in nats.
    let detectable = (bins.detectable(case.significance) / (8.0 * LN_2)).sqrt().min(1.0);
    let reading = Reading::exact(divergence(&bins).sqrt());
    Ok(Reading { p_value: Some(bins.p_value()), detectable: Some(detectable), ..reading })
}

#[cfg(test)]
mod tests {
    use super::super::{Sample, case};
    use super::*;

    #[test]
    fn equal_shares_are_at_distance_zero_and_disjoint_ones_at_one() {
        let equal = Sample::categorical(&["a", "b", "b"], &["a", "a", "b", "b", "b", "b"]);
        assert_eq!(compute(&case(&equal)).map(|reading| reading.value), Ok(0.0));
        let disjoint = Sample::categorical(&["a", "b"], &["c"]);
        assert_eq!(compute(&case(&disjoint)).map(|reading| reading.value), Ok(1.0));
    }
}
