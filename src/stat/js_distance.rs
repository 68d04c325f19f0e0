//! The Jensen-Shannon distance.

use std::f64::consts::LN_2;

use super::{Answer, Bins, Case, Null, On, Reading, Statistic, Worse};
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
            of the window's shares from the reference's, over the same bins as psi and without smoothing; the \
            p-value is chi-squared's over the same bins, rare ones pooled; from 0 (equal) to 1 (disjoint) (Endres and Schindelin, 2003).",
    compute,
};

fn compute(case: &Case) -> Answer {
    let bins = Bins::of(case)?;
    let (n, m) = (bins.n_reference as f64, bins.n_current as f64);
    let divergence: f64 = bins
        .counts
        .iter()
        .zip(bins.differences())
        .map(|(&(r, c), difference)| {
            let (r, c) = (r as f64 / n, c as f64 / m);
            let middle = (r + c) / 2.0;
            // With d = (r - c) / (r + c), r ln(r / middle) + c ln(c / middle) is this function of d times the middle.
            let d = difference as f64 / (n * m) / (r + c);
            middle * twice_information(d)
        })
        .sum();
    let value = (divergence / (2.0 * LN_2)).sqrt().clamp(0.0, 1.0);
    // Shares that are close have an eighth of the squares as their divergence in nats.
    let detectable = (bins.detectable(case.significance) / (8.0 * LN_2)).sqrt().min(1.0);
    Ok(Reading { p_value: Some(bins.p_value()), detectable: Some(detectable), ..Reading::exact(value) })
}

/// `(1 + d) ln(1 + d) + (1 - d) ln(1 - d)` for `d` from -1 to 1.
fn twice_information(d: f64) -> f64 {
    let d = d.abs();
    if d >= 1.0 {
        2.0 * LN_2
    } else if d < 0.5 {
        // Near zero the two logarithms nearly cancel; written so, the parts do not.
        (-d * d).ln_1p() + 2.0 * d * d.atanh()
    } else {
        (1.0 + d) * d.ln_1p() + (1.0 - d) * (-d).ln_1p()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Sample, case};
    use super::*;

    #[test]
    fn a_small_difference_keeps_its_digits() {
        // The series is d^2 + d^4 / 6 + ...
        for d in [1e-12, 1e-9, 1e-5] {
            assert!((twice_information(d) / (d * d) - 1.0).abs() < 1e-10);
        }
        // And so does one side that is nearly empty: with e = 1 - d it is 2 ln 2 - e (1 + ln 2 - ln e) + ...
        let e = 1e-10f64;
        assert!((twice_information(1.0 - e) - (2.0 * LN_2 - e * (1.0 + LN_2 - e.ln()))).abs() < 1e-14);
        assert!((twice_information(0.5 - 1e-15) - twice_information(0.5)).abs() < 1e-14);
    }

    #[test]
    fn equal_shares_are_at_distance_zero_and_disjoint_ones_at_one() {
        let equal = Sample::categorical(&["a", "b", "b"], &["a", "a", "b", "b", "b", "b"]);
        assert_eq!(compute(&case(&equal)).map(|reading| reading.value), Ok(0.0));
        let disjoint = Sample::categorical(&["a", "b"], &["c"]);
        assert_eq!(compute(&case(&disjoint)).map(|reading| reading.value), Ok(1.0));
    }
}
