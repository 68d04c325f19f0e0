//! The Wasserstein distance in the feature's own unit.

use super::{Answer, Case, Null, On, Reading, Statistic, Undefined, Worse, area};
use crate::measurement::Family;

pub const ROW: Statistic = Statistic {
    name: "wasserstein_raw",
    family: Family::Drift,
    on: On::Numeric,
    unit: "",
    threshold: None,
    worse: Worse::Above,
    null: Null::Root,
    range: (0.0, f64::INFINITY),
    about: "First Wasserstein (earth mover's) distance in the unit of the feature: the area between the window's and \
            the reference's cumulative shares, which is how far values moved on average; within a gap of the grid \
            they count as in the middle, which changes the value by at most the error bound; the p-value is simulated \
            from the reference; 0 and up (Vallender, 1974).",
    compute,
};

fn compute(case: &Case) -> Answer {
    let numbers = case.two_numeric()?;
    if numbers.reference.infinite > 0 || numbers.current.infinite > 0 {
        return Err(Undefined::Infinite);
    }
    let area = area(&numbers);
    let (value, error_bound) = (area.value, area.error());
    if !value.is_finite() || !error_bound.is_finite() {
        return Err(Undefined::TooLarge);
    }
    Ok(Reading { error_bound: Some(error_bound), ..Reading::exact(value) })
}

#[cfg(test)]
mod tests {
    use super::super::drawn::{area_between, finite_values, on_any_grid};
    use super::super::{Sample, case};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_within_its_bound_on_any_grid(drawn in on_any_grid(finite_values(), finite_values())) {
            let (reading, expected) = (drawn.reading(compute), drawn.by(area_between));
            prop_assert!((reading.value - expected).abs() <= reading.error_bound.unwrap() + 1e-9 * (1.0 + expected));
        }
    }

    #[test]
    fn a_constant_has_a_distance_from_another() {
        let sample = Sample::numeric(&[4.0; 20], &[6.5; 10], 100);
        assert_eq!(compute(&case(&sample)), Ok(Reading { error_bound: Some(0.0), ..Reading::exact(2.5) }));
    }
}
