//! The shift of the mean, with Welch's t-test.

use super::{Answer, Case, Null, On, Reading, Statistic, Undefined, Worse, smallest_shift, student_two_sided};
use crate::measurement::Family;

pub const ROW: Statistic = Statistic {
    name: "mean_shift",
    family: Family::Drift,
    on: On::Numeric,
    unit: "",
    threshold: Some(0.1),
    worse: Worse::Above,
    null: Null::Studentised,
    range: (0.0, f64::INFINITY),
    about: "How far the window's mean is from the reference's, on either side, in standard deviations of the \
            reference (n - 1 in the denominator; Glass, 1976); exact on every grid, since sums are counted exactly; \
            the p-value is of Welch's (1947) two-sided t-test, which allows for different variances, set right for \
            values that are not normal by how small it comes out in simulations from the reference; 0 and up.",
    compute,
};

/// A shift that has a sign, in standard deviations of the reference.
pub struct Shift {
    pub value: f64,
    /// How many values the reference and the window have.
    n: f64,
    m: f64,
    /// What each of them adds to the square of the standard error.
    error_r: f64,
    error_c: f64,
}

impl Shift {
    pub fn of(case: &Case) -> Result<Shift, Undefined> {
        let numbers = case.two_numeric()?;
        let (reference, current) = (numbers.reference, numbers.current);
        if reference.infinite > 0 || current.infinite > 0 {
            return Err(Undefined::Infinite);
        }
        let (n, m) = numbers.sizes();
        if m < 2 {
            return Err(Undefined::TooFewRows { n: m, least: 2 });
        }
        if reference.min == reference.max {
            return Err(Undefined::ReferenceIsConstant);
        }
        let (n, m) = (n as f64, m as f64);
        let deviation = reference.standard_deviation().ok_or(Undefined::TooLarge)?;
        let deviation_c = current.standard_deviation().ok_or(Undefined::TooLarge)?;
        if deviation == 0.0 {
            return Err(Undefined::ReferenceIsConstant);
        }
        // Both are counted from one origin: the difference of two means far from zero would lose digits.
        let from_origin = reference.mean_from_origin().zip(current.mean_from_origin()).ok_or(Undefined::TooLarge)?;
        let value = (from_origin.1 - from_origin.0) / deviation;
        if !value.is_finite() {
            return Err(Undefined::TooLarge);
        }
        // In deviations of the reference, so that no square is too large or too small for a double.
        let (error_r, error_c) = (1.0 / n, (deviation_c / deviation).powi(2) / m);
        Ok(Shift { value, n, m, error_r, error_c })
    }

    /// The square of its standard error.
    pub fn error(&self) -> f64 {
        self.error_r + self.error_c
    }
}

fn compute(case: &Case) -> Answer {
    let shift = Shift::of(case)?;
    let Shift { n, m, error_r, error_c, .. } = shift;
    let (value, error) = (shift.value.abs(), shift.error());
    let degrees = (error * error) / (error_r * error_r / (n - 1.0) + error_c * error_c / (m - 1.0));
    // An error too large for a double is of a window whose spread hides any shift.
    let p_value = if degrees.is_finite() { student_two_sided(value / error.sqrt(), degrees) } else { 1.0 };
    Ok(Reading {
        p_value: Some(p_value),
        error_bound: Some(0.0),
        detectable: Some(smallest_shift(case.significance) * (1.0 / n + 1.0 / m).sqrt()),
        ..Reading::exact(value)
    })
}

#[cfg(test)]
mod tests {
    use super::super::drawn::finite_values;
    use super::super::{Sample, case};
    use super::*;
    use crate::grid::Grid;
    use proptest::prelude::*;

    fn mean(sample: &[f64]) -> f64 {
        sample.iter().sum::<f64>() / sample.len() as f64
    }

    proptest! {
        #[test]
        fn it_does_not_depend_on_the_grid(
            reference in finite_values(),
            current in finite_values(),
            other in prop::collection::vec(-10.0..10.0, 1..20),
            resolution in 2usize..80,
        ) {
            prop_assume!(reference.iter().any(|x| (x - reference[0]).abs() > 1e-3));
            let sample = Sample::on(Grid::of(other, resolution), &reference, &current);
            let reading = compute(&case(&sample)).unwrap();
            let centre = mean(&reference);
            let squares: f64 = reference.iter().map(|x| (x - centre).powi(2)).sum();
            let expected = (mean(&current) - centre).abs() / (squares / (reference.len() as f64 - 1.0)).sqrt();
            prop_assert!((reading.value - expected).abs() <= 1e-6 * (1.0 + expected));
        }
    }

    #[test]
    fn one_value_or_one_repeated_has_no_deviation_to_measure_in() {
        let one = Sample::numeric(&[1.0, 2.0], &[1.5], 10);
        assert_eq!(compute(&case(&one)), Err(Undefined::TooFewRows { n: 1, least: 2 }));
        let constant = Sample::numeric(&[1.0, 1.0], &[1.5, 2.5], 10);
        assert_eq!(compute(&case(&constant)), Err(Undefined::ReferenceIsConstant));
        let infinite = Sample::numeric(&[1.0, 2.0], &[1.5, f64::INFINITY], 10);
        assert_eq!(compute(&case(&infinite)), Err(Undefined::Infinite));
    }
}
