//! The two-sample Kolmogorov-Smirnov statistic.

use super::{
    Answer, Case, Null, On, POWER, Reading, Statistic, Worse, kolmogorov_quantile, kolmogorov_sf, normal_quantile,
    smirnov_sf,
};
use crate::measurement::Family;

pub const ROW: Statistic = Statistic {
    name: "ks",
    family: Family::Drift,
    on: On::Numeric,
    unit: "",
    threshold: Some(0.1),
    worse: Worse::Above,
    null: Null::Formula,
    range: (0.0, 1.0),
    about: "Two-sample Kolmogorov-Smirnov D: the largest difference between the window's and the reference's \
            cumulative shares, exact where the grid holds every reference value and else too low by at most the \
            error bound; the p-value is two-sided, exact (Hodges, 1957) while the product of the two sizes is at \
            most 250,000 and else asymptotic, and takes values to be continuous: ties make it too large; 0 to 1 \
            (Smirnov, 1939).",
    compute,
};

/// The largest product of the sample sizes for which the p-value is exact; it takes about a millisecond then.
const MOST_PAIRS: u64 = 250_000;

/// Between two neighbouring cell ends lies a gap, or a value. Over a gap the cumulative share of a side that has
/// nothing there is flat, so the difference moves one way and is largest at an end. Where both sides have something,
/// the worst order of it is all of one side before all of the other: then the difference reaches the one side's share
/// at the gap's end less the other's at its start.
fn compute(case: &Case) -> Answer {
    let numbers = case.two_numeric()?;
    let (n, m) = numbers.sizes();
    // Differences of shares, times both sample sizes, are integers: D is rounded once.
    let (mut reached, mut reachable) = (0, 0);
    for step in numbers.steps() {
        let start = step.start(n, m);
        let (rise, fall) = step.rise_and_fall(n, m);
        reached = reached.max((start + rise - fall).abs());
        if !step.is_point {
            reachable = reachable.max(start + rise).max(fall - start);
        }
    }
    let sizes = n as f64 * m as f64;
    let value = (reached as f64 / sizes).min(1.0);
    let error_bound = (reachable - reached).max(0) as f64 / sizes;
    let scale = (n as f64 / (n as f64 + m as f64) * m as f64).sqrt();
    let p_value = if n.saturating_mul(m) <= MOST_PAIRS {
        smirnov_sf(n, m, reached)
    } else {
        kolmogorov_sf(scale * value).clamp(0.0, 1.0)
    };
    // Half is the largest standard deviation that the difference of the shares can have at any one point.
    let detectable = (kolmogorov_quantile(case.significance) + 0.5 * normal_quantile(POWER)) / scale;
    Ok(Reading {
        p_value: Some(p_value),
        error_bound: Some(error_bound),
        detectable: Some(detectable.min(1.0)),
        ..Reading::exact(value)
    })
}

#[cfg(test)]
mod tests {
    use super::super::drawn::{by_shares, on_any_grid, on_exact_grid, tied_values};
    use super::super::{Sample, case};
    use super::*;
    use proptest::prelude::*;

    /// D by its definition, on the raw values.
    fn by_definition(reference: &[f64], current: &[f64]) -> f64 {
        by_shares(reference, current).into_iter().map(|(r, c)| (r - c).abs()).fold(0.0, f64::max)
    }

    proptest! {
        #[test]
        fn it_is_exact_on_an_exact_grid_of_finite_values(drawn in on_exact_grid(tied_values(), tied_values())) {
            let reading = drawn.reading(compute);
            prop_assert!((reading.value - drawn.by(by_definition)).abs() < 1e-12);
            prop_assert_eq!(reading.error_bound, Some(0.0));
        }

        #[test]
        fn it_is_within_its_bound_on_any_grid(drawn in on_any_grid(tied_values(), tied_values())) {
            let (reading, expected) = (drawn.reading(compute), drawn.by(by_definition));
            prop_assert!(reading.value <= expected + 1e-12);
            prop_assert!(expected <= reading.value + reading.error_bound.unwrap() + 1e-12);
        }
    }

    #[test]
    fn the_bound_is_reached_by_the_worst_order() {
        // One gap holds all but the two ends; in it the reference comes wholly before the window.
        let reference = [0.0, 1.0, 1.0, 1.0, 1.0, 10.0];
        let sample = Sample::numeric(&reference, &[0.0, 5.0, 5.0, 5.0, 5.0, 10.0], 2);
        let reading = compute(&case(&sample)).unwrap();
        assert_eq!((reading.value, reading.error_bound), (0.0, Some(4.0 / 6.0)));
    }
}
