//! The two-sample Kolmogorov-Smirnov statistic.

use super::{
    Answer, Case, Null, On, POWER, Reading, Statistic, Worse, kolmogorov_quantile, kolmogorov_sf, normal_quantile,
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
            error bound; the p-value is two-sided and asymptotic; 0 to 1 (Smirnov, 1939).",
    compute,
};

/// Between two neighbouring cell ends lies a gap, or a value. Over a gap the cumulative share of a side that has
/// nothing there is flat, so the difference moves one way and is largest at an end. Where both sides have something,
/// the worst order of it is all of one side before all of the other: then the difference reaches the one side's share
/// at the gap's end less the other's at its start.
fn compute(case: &Case) -> Answer {
    let numbers = case.two_numeric()?;
    let (n, m) = (i128::from(numbers.reference.n()), i128::from(numbers.current.n()));
    // Differences of shares, times both sample sizes, are integers: D is rounded once.
    let (mut reached, mut reachable) = (0, 0);
    let (mut below_r, mut below_c) = (0, 0);
    for (cell, (&r, &c)) in numbers.reference.counts.iter().zip(&numbers.current.counts).enumerate() {
        let (r, c) = (i128::from(r) * m, i128::from(c) * n);
        let in_a_gap = cell % 2 == 0;
        if in_a_gap && r > 0 && c > 0 {
            reachable = reachable.max(below_r + r - below_c).max(below_c + c - below_r);
        }
        below_r += r;
        below_c += c;
        reached = reached.max((below_r - below_c).abs());
    }
    let sizes = n as f64 * m as f64;
    let value = (reached as f64 / sizes).min(1.0);
    let error_bound = (reachable - reached).max(0) as f64 / sizes;
    let scale = (n as f64 / (n + m) as f64 * m as f64).sqrt();
    let p_value = kolmogorov_sf(scale * value).clamp(0.0, 1.0);
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
    use super::super::{Sample, case};
    use super::*;
    use crate::grid::Grid;
    use proptest::prelude::*;

    /// D by its definition, on the raw values.
    fn by_definition(reference: &[f64], current: &[f64]) -> f64 {
        let share = |sample: &[f64], x: f64| sample.iter().filter(|&&y| y <= x).count() as f64 / sample.len() as f64;
        let at = reference.iter().chain(current);
        at.map(|&x| (share(reference, x) - share(current, x)).abs()).fold(0.0, f64::max)
    }

    /// Values with many ties, some of them infinite.
    fn values() -> impl Strategy<Value = Vec<f64>> {
        let value = prop_oneof![
            8 => (-20i32..20).prop_map(|i| f64::from(i) / 4.0),
            4 => -10.0..10.0,
            1 => Just(f64::INFINITY),
            1 => Just(f64::NEG_INFINITY),
        ];
        prop::collection::vec(value, 1..60)
    }

    proptest! {
        #[test]
        fn it_is_exact_on_an_exact_grid_of_finite_values(mut reference in values(), current in values()) {
            reference.push(0.0);
            reference.retain(|x| x.is_finite());
            let sample = Sample::numeric(&reference, &current, 1000);
            let reading = compute(&case(&sample)).unwrap();
            prop_assert!((reading.value - by_definition(&reference, &current)).abs() < 1e-12);
            prop_assert_eq!(reading.error_bound, Some(0.0));
        }

        #[test]
        fn it_is_within_its_bound_on_any_grid(
            reference in values(),
            current in values(),
            other in prop::option::of(values()),
            resolution in 2usize..12,
        ) {
            let mut column = other.unwrap_or_else(|| reference.clone());
            column.push(0.0);
            let sample = Sample::on(Grid::of(column, resolution), &reference, &current);
            let reading = compute(&case(&sample)).unwrap();
            let expected = by_definition(&reference, &current);
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
