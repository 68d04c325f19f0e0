//! The normed Wasserstein distance.

use super::{Answer, Case, Null, On, Reading, Statistic, Undefined, Worse, area};
use crate::measurement::Family;

pub const ROW: Statistic = Statistic {
    name: "wasserstein",
    family: Family::Drift,
    on: On::Numeric,
    unit: "",
    threshold: Some(0.1),
    worse: Worse::Above,
    null: Null::Root,
    range: (0.0, f64::INFINITY),
    about: "First Wasserstein (earth mover's) distance, the area between the window's and the reference's cumulative \
            shares, in standard deviations of the reference (n - 1 in the denominator): how far values moved on \
            average; within a gap of the grid they count as in the middle, which changes the value by at most the \
            error bound; the p-value is simulated from the reference; 0 and up (Vallender, 1974).",
    compute,
};

fn compute(case: &Case) -> Answer {
    let numbers = case.two_numeric()?;
    if numbers.reference.infinite > 0 || numbers.current.infinite > 0 {
        return Err(Undefined::Infinite);
    }
    if numbers.reference.min == numbers.reference.max {
        return Err(Undefined::ReferenceIsConstant);
    }
    let deviation = numbers.reference.standard_deviation().ok_or(Undefined::TooLarge)?;
    if deviation == 0.0 {
        return Err(Undefined::ReferenceIsConstant);
    }
    let area = area(&numbers);
    let value = area.value / deviation;
    let error_bound = area.error() / deviation;
    if !value.is_finite() || !error_bound.is_finite() {
        return Err(Undefined::TooLarge);
    }
    Ok(Reading { error_bound: Some(error_bound), ..Reading::exact(value) })
}

#[cfg(test)]
mod tests {
    use super::super::drawn::{area_between, finite_values, on_any_grid, varied_values};
    use super::super::{Sample, case};
    use super::*;
    use proptest::prelude::*;

    fn deviation(sample: &[f64]) -> f64 {
        let mean = sample.iter().sum::<f64>() / sample.len() as f64;
        (sample.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (sample.len() as f64 - 1.0)).sqrt()
    }

    fn by_definition(reference: &[f64], current: &[f64]) -> f64 {
        area_between(reference, current) / deviation(reference)
    }

    proptest! {
        #[test]
        fn it_is_within_its_bound_on_any_grid(drawn in on_any_grid(varied_values(), finite_values())) {
            let (reading, expected) = (drawn.reading(compute), drawn.by(by_definition));
            let slack = 1e-9 * (1.0 + expected);
            prop_assert!((reading.value - expected).abs() <= reading.error_bound.unwrap() + slack);
        }

        #[test]
        fn it_is_exact_where_every_value_is_on_the_grid_or_beyond_its_ends(
            reference in varied_values(),
            picks in prop::collection::vec(any::<prop::sample::Index>(), 1..60),
            beyond in prop::collection::vec(1e6..1e9f64, 0..5),
        ) {
            let mut current: Vec<f64> = picks.iter().map(|pick| *pick.get(&reference)).collect();
            current.extend(beyond.iter().enumerate().map(|(i, x)| if i % 2 == 0 { *x } else { -x }));
            let sample = Sample::numeric(&reference, &current, 1000);
            let reading = compute(&case(&sample)).unwrap();
            let expected = by_definition(&reference, &current);
            prop_assert!((reading.value - expected).abs() <= 1e-9 * (1.0 + expected));
            prop_assert!(reading.error_bound.unwrap() <= 1e-9 * (1.0 + expected));
        }
    }

    #[test]
    fn values_that_cannot_be_subtracted_have_no_distance() {
        let huge = Sample::numeric(&[-1e308, 0.0, 1e308], &[0.0, 1.0], 1000);
        assert_eq!(compute(&case(&huge)), Err(Undefined::TooLarge));
        let infinite = Sample::numeric(&[0.0, 1.0], &[f64::INFINITY], 1000);
        assert_eq!(compute(&case(&infinite)), Err(Undefined::Infinite));
        let constant = Sample::numeric(&[0.1; 9], &[0.1, 0.2], 1000);
        assert_eq!(compute(&case(&constant)), Err(Undefined::ReferenceIsConstant));
    }
}
