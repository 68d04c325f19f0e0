//! The two-sample Cramér-von Mises statistic.

use super::{Answer, Case, Moments, Null, On, Reading, Statistic, Step, Worse, cramer_von_mises_sf};
use crate::measurement::Family;

pub const ROW: Statistic = Statistic {
    name: "cramer_von_mises",
    family: Family::Drift,
    on: On::Numeric,
    unit: "",
    threshold: None,
    worse: Worse::Above,
    null: Null::Formula,
    range: (0.0, f64::INFINITY),
    about: "Two-sample Cramér-von Mises T, by midranks: the squared difference of the two cumulative shares, averaged \
            over all values and times n m / (n + m), so that it grows with the sizes when something has changed and is \
            about 1/6 when nothing has; values in one gap of the grid count as mixed evenly, \
            which changes T by at most the error bound; the p-value is asymptotic; midranks make T too large where \
            many values are equal and the sizes differ, so where some are, the p-value is of T without what midranks \
            add, by its own mean and variance; 0 and up (Anderson, 1962).",
    compute,
};

/// Anderson's T is a difference of sums of cubes that cancel almost wholly. Per step, it is this instead: the number of
/// values times the square of the difference of shares half-way, plus what that square varies by within the step. Every
/// term is positive, and whole numbers make it up, times `n m (n + m)^2`.
///
/// There is no smallest detectable value: T measures the change times the sizes, so its true value is not one number.
fn compute(case: &Case) -> Answer {
    let numbers = case.two_numeric()?;
    let (n, m) = numbers.sizes();
    let total = n as f64 + m as f64;
    let (mut low, mut value, mut high) = (0.0, 0.0, 0.0);
    let (mut half_way, mut moments, mut is_tied) = (0.0, Moments::default(), false);
    for step in numbers.steps() {
        let start = step.start(n, m);
        let (rise, fall) = step.rise_and_fall(n, m);
        let count = (step.r + step.c) as f64;
        let (n, m) = (n as f64, m as f64);
        let middle = (start as f64 + (start + rise - fall) as f64) / 2.0;
        let square = count * middle * middle;
        half_way += square;
        let share = step.middle() / total;
        moments.add(count / total, share, share * (1.0 - share) - count / total / 4.0, 1.0);
        is_tied |= step.is_point && count > 1.0;
        if step.is_point {
            let at = square + spread(&step, n, m, true);
            (low, value, high) = (low + at, value + at, high + at);
        } else {
            // The difference goes in a straight line, by steps of one value.
            let change = (rise - fall) as f64;
            let apart = (step.r as f64 * m * m + step.c as f64 * n * n) / 4.0;
            let (least, most) = ((start - fall) as f64, (start + rise) as f64);
            let nearest = if least <= 0.0 && most >= 0.0 { 0.0 } else { least.abs().min(most.abs()) };
            let farthest = least.abs().max(most.abs());
            low += count * nearest * nearest;
            value += square + change * change * (count - 1.0 / count) / 12.0 + apart;
            high += count * farthest * farthest + spread(&step, n, m, false);
        }
    }
    let (n, m) = (n as f64, m as f64);
    let scale = |sum: f64| sum / (n * m) / (total * total);
    let [low, value, high, half_way] = [low, value, high, half_way].map(scale);
    let p_value = if is_tied {
        p_value(half_way, n, m, moments.mean * total / (total - 1.0), moments.variance())
    } else {
        p_value(value, n, m, (1.0 + 1.0 / total) / 6.0, 1.0 / 45.0)
    };
    Ok(Reading {
        p_value: Some(p_value),
        error_bound: Some((high - value).max(value - low).max(0.0)),
        ..Reading::exact(value)
    })
}

/// What midranks add to the square half-way when all values of a step are equal, times `n m (n + m)^2`; without `both`,
/// the most that it can be when some of them are.
fn spread(step: &Step, n: f64, m: f64, both: bool) -> f64 {
    let (r, c) = (step.r as f64, step.c as f64);
    let (cubes_r, cubes_c) = (r * (r * r - 1.0), c * (c * c - 1.0));
    let cubes = cubes_r + cubes_c;
    let crossed = if both { 3.0 * r * c * (r + c) } else { 0.0 };
    ((m * m * (cubes + 3.0 * r) + n * n * (cubes + 3.0 * c) + n * m * (cubes - crossed)) / 12.0).max(0.0)
}

/// The limiting probability, after mean and variance are made those of the limit; the variance, given in the limit, is
/// less at these sizes (Anderson, 1962).
fn p_value(t: f64, n: f64, m: f64, mean: f64, variance: f64) -> f64 {
    let total = n + m;
    let at_these_sizes = (total + 1.0) / (total * total) * (total - 0.75 * (n / m + m / n) - 0.5);
    let spread = 45.0 * variance * at_these_sizes;
    // Where all values are equal, or there is one on each side, nothing varies.
    if spread <= 0.0 {
        return 1.0;
    }
    cramer_von_mises_sf(1.0 / 6.0 + (t - mean) / spread.sqrt())
}

#[cfg(test)]
mod tests {
    use super::super::drawn::{on_any_grid, on_grid_of_both, tied_values};
    use super::super::{Sample, case};
    use super::*;
    use proptest::prelude::*;

    /// Anderson's definition: T from the ranks in the pooled sample, equal values having the mean of theirs.
    fn by_definition(reference: &[f64], current: &[f64]) -> f64 {
        let rank = |x: f64| {
            let pooled = || reference.iter().chain(current);
            pooled().filter(|y| **y < x).count() as f64 + (pooled().filter(|y| **y == x).count() as f64 + 1.0) / 2.0
        };
        let squares = |sample: &[f64]| {
            let mut sorted = sample.to_vec();
            sorted.sort_unstable_by(f64::total_cmp);
            sorted.iter().enumerate().map(|(i, &x)| (rank(x) - (i as f64 + 1.0)).powi(2)).sum::<f64>()
        };
        let (n, m) = (reference.len() as f64, current.len() as f64);
        let u = n * squares(reference) + m * squares(current);
        u / (n * m * (n + m)) - (4.0 * n * m - 1.0) / (6.0 * (n + m))
    }

    proptest! {
        #[test]
        fn it_is_within_its_bound_on_any_grid(drawn in on_any_grid(tied_values(), tied_values())) {
            let (reading, expected) = (drawn.reading(compute), drawn.by(by_definition));
            prop_assert!((reading.value - expected).abs() <= reading.error_bound.unwrap() + 1e-12 * (1.0 + expected));
        }

        #[test]
        fn it_is_exact_where_every_value_is_on_the_grid(drawn in on_grid_of_both(tied_values(), tied_values())) {
            let reading = drawn.reading(compute);
            prop_assert!((reading.value - drawn.by(by_definition)).abs() < 1e-11);
            prop_assert_eq!(reading.error_bound, Some(0.0));
        }
    }

    #[test]
    fn two_values_show_nothing() {
        let reading = compute(&case(&Sample::numeric(&[0.0], &[-1.0], 100))).unwrap();
        assert_eq!(reading.p_value, Some(1.0));
    }

    #[test]
    fn a_constant_that_stays_the_same_is_no_change() {
        let sample = Sample::numeric(&[4.0; 200], &[4.0; 10], 100);
        let reading = compute(&case(&sample)).unwrap();
        assert!(reading.value > 1.0 && reading.p_value.unwrap() > 0.99, "{reading:?}");
    }
}
