//! The change of the spread, with Brown and Forsythe's test.

use super::{Answer, Case, Null, On, Reading, Statistic, Undefined, Worse, smallest_shift, student_two_sided};
use crate::grid::Grid;
use crate::measurement::Family;
use crate::tally::numeric::NumericTally;

pub const ROW: Statistic = Statistic {
    name: "variance_shift",
    family: Family::Drift,
    on: On::Numeric,
    unit: "",
    threshold: Some(0.2),
    worse: Worse::Above,
    null: Null::Studentised,
    range: (0.0, f64::INFINITY),
    about: "Change of spread: the natural logarithm of the window's mean absolute deviation from its median over the \
            reference's from its own, without the sign, so that 0.2 is about a fifth more or less; exact where the \
            grid holds every value and else within the error bound; the p-value is of Brown and Forsythe's (1974) \
            test, which is Levene's about the median, set right by how small it comes out in simulations from the \
            reference; 0 and up.",
    compute,
};

fn compute(case: &Case) -> Answer {
    let numbers = case.two_numeric()?;
    let (reference, current) = (numbers.reference, numbers.current);
    if reference.infinite > 0 || current.infinite > 0 {
        return Err(Undefined::Infinite);
    }
    if reference.min == reference.max {
        return Err(Undefined::ReferenceIsConstant);
    }
    let (n, m) = numbers.sizes();
    if m < 2 {
        return Err(Undefined::TooFewRows { n: m, least: 2 });
    }
    if current.min == current.max {
        return Err(Undefined::WindowIsConstant);
    }
    let r = Spread::of(numbers.grid, reference).ok_or(Undefined::TooLarge)?;
    let c = Spread::of(numbers.grid, current).ok_or(Undefined::TooLarge)?;
    let (n, m) = (n as f64, m as f64);
    let change = (c.mean / r.mean).ln();
    let (least, most) = ((c.low / r.high).ln(), (c.high / r.low).ln());
    let value = change.abs();
    let nearest = if least <= 0.0 && most >= 0.0 { 0.0 } else { least.abs().min(most.abs()) };
    let farthest = least.abs().max(most.abs());
    let error_bound = (farthest - value).max(value - nearest).max(0.0);
    if !value.is_finite() || !error_bound.is_finite() {
        return Err(Undefined::TooLarge);
    }
    // Welch's case does not arise: the test pools the variance of the deviations.
    let pooled = (n * r.variance() + m * c.variance()) / (n + m - 2.0);
    let apart = (c.mean - r.mean).abs();
    let p_value = match apart / (pooled * (1.0 / n + 1.0 / m)).sqrt() {
        _ if apart == 0.0 => 1.0,
        t if t.is_nan() => 1.0,
        t => student_two_sided(t, n + m - 2.0),
    };
    // A logarithm of means errs by their coefficient of variation; the window's is taken to be the reference's. Where
    // all deviations of that are equal, nothing is known of it.
    let variation = r.variance() / (r.mean * r.mean);
    let detectable = smallest_shift(case.significance) * (variation * (1.0 / n + 1.0 / m)).sqrt();
    Ok(Reading {
        p_value: Some(p_value),
        error_bound: Some(error_bound),
        detectable: (detectable > 0.0 && detectable.is_finite()).then_some(detectable),
        ..Reading::exact(value)
    })
}

/// The absolute deviations of a sample from its median.
struct Spread {
    /// Their mean, and the limits that the counts put to it.
    mean: f64,
    low: f64,
    high: f64,
    /// The mean of their squares.
    square: f64,
}

impl Spread {
    /// `None` where squares are too large for a double, or so small that they are zero.
    fn of(grid: &Grid, side: &NumericTally) -> Option<Spread> {
        let n = side.finite() as f64;
        let median = Median::of(grid, side)?;
        let deviation = side.standard_deviation().filter(|&deviation| deviation > 0.0)? * ((n - 1.0) / n).sqrt();
        let [low, mean, high] = mean_distance(grid, side, median.at)?;
        // The mean deviation is least at the median, and changes by no more than the slope for each unit away from it.
        let low = low - median.slope * (median.high - median.low) / 2.0;
        // It is between the standard deviation, and its square over the range.
        let (floor, ceiling) = (deviation * (deviation / (side.max - side.min)), deviation);
        let low = low.clamp(floor.min(mean), mean);
        let high = high.min(ceiling).max(mean);
        let from_mean = side.mean_from_origin()? + side.origin - median.at;
        let square = deviation * deviation + from_mean * from_mean;
        let spread = Spread { mean: mean.clamp(low, high), low, high, square };
        (spread.low > 0.0 && spread.square.is_finite()).then_some(spread)
    }

    fn variance(&self) -> f64 {
        (self.square - self.mean * self.mean).max(0.0)
    }
}

/// Where the median lies: the middle value, or the mean of the two middle ones.
struct Median {
    low: f64,
    at: f64,
    high: f64,
    /// The largest slope of the mean distance from a number that lies between the two limits: by how much the share on
    /// one side of it can exceed the share on the other.
    slope: f64,
}

impl Median {
    fn of(grid: &Grid, side: &NumericTally) -> Option<Median> {
        let n = side.finite();
        let ranks = [n.div_ceil(2), n / 2 + 1];
        let mut below = 0;
        let mut cells = [None; 2];
        let mut shares = (0.0, 0.0);
        for (cell, &count) in side.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            for (rank, found) in ranks.into_iter().zip(&mut cells) {
                if below < rank && rank <= below + count {
                    shares.0 = if found.is_none() && rank == ranks[0] { below as f64 } else { shares.0 };
                    shares.1 = (below + count) as f64;
                    *found = Some(cell);
                }
            }
            below += count;
        }
        let [first, second] = [cells[0]?, cells[1]?].map(|cell| clipped(grid, side, cell));
        let (low, high) = (first.0 / 2.0 + second.0 / 2.0, first.1 / 2.0 + second.1 / 2.0);
        let lean = |below: f64| (2.0 * below / n as f64 - 1.0).abs().min(1.0);
        let slope = lean(shares.0).max(lean(shares.1));
        Some(Median { low, at: low / 2.0 + high / 2.0, high, slope })
    }
}

/// The ends of a cell, or the extreme values where these are nearer.
fn clipped(grid: &Grid, side: &NumericTally, cell: usize) -> (f64, f64) {
    let (low, high) = grid.bounds(cell);
    (low.max(side.min), high.min(side.max))
}

/// The mean distance of the values from a number: at least, as if they lay in the middle of their gaps, and at most.
fn mean_distance(grid: &Grid, side: &NumericTally, from: f64) -> Option<[f64; 3]> {
    let (last, n) = (side.counts.len() - 1, side.finite() as f64);
    let [mut low, mut middle, mut high] = [0.0; 3];
    for (cell, &count) in side.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let count = count as f64;
        let ends = clipped(grid, side, cell);
        let outer = if cell == 0 { &side.sum_below } else { &side.sum_above };
        let is_beside = from <= ends.0 || from >= ends.1;
        let (nearest, farthest) = if (cell == 0 || cell == last) && is_beside {
            let distance = (outer.value() / count - from).abs();
            (distance, distance)
        } else {
            let distances = ((ends.0 - from).abs(), (ends.1 - from).abs());
            (if is_beside { distances.0.min(distances.1) } else { 0.0 }, distances.0.max(distances.1))
        };
        low += count / n * nearest;
        middle += count / n * (nearest / 2.0 + farthest / 2.0);
        high += count / n * farthest;
    }
    high.is_finite().then_some([low, middle, high])
}

#[cfg(test)]
mod tests {
    use super::super::drawn::{Drawn, finite_values, on_any_grid, on_grid_of_both};
    use super::super::{Sample, case};
    use super::*;
    use proptest::prelude::*;

    fn mean_deviation(sample: &[f64]) -> f64 {
        let mut sorted = sample.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let median = (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]) / 2.0;
        sample.iter().map(|x| (x - median).abs()).sum::<f64>() / sample.len() as f64
    }

    fn by_definition(reference: &[f64], current: &[f64]) -> f64 {
        (mean_deviation(current) / mean_deviation(reference)).ln().abs()
    }

    /// What is stuck has no spread, and of what nearly is rounding is all there is.
    fn are_varied(drawn: &Drawn) -> bool {
        let is_varied = |sample: &[f64]| sample.iter().any(|x| (x - sample[0]).abs() > 1e-3);
        is_varied(&drawn.reference) && is_varied(&drawn.current)
    }

    proptest! {
        #[test]
        fn it_is_within_its_bound_on_any_grid(drawn in on_any_grid(finite_values(), finite_values())) {
            prop_assume!(are_varied(&drawn));
            let (reading, expected) = (drawn.reading(compute), drawn.by(by_definition));
            prop_assert!((reading.value - expected).abs() <= reading.error_bound.unwrap() + 1e-9 * (1.0 + expected));
        }

        #[test]
        fn it_is_exact_where_every_value_is_on_the_grid(drawn in on_grid_of_both(finite_values(), finite_values())) {
            prop_assume!(are_varied(&drawn));
            let (reading, expected) = (drawn.reading(compute), drawn.by(by_definition));
            prop_assert!((reading.value - expected).abs() <= 1e-9 * (1.0 + expected));
            prop_assert!(reading.error_bound.unwrap() <= 1e-9);
        }
    }

    #[test]
    fn a_window_that_is_stuck_has_no_spread_to_compare() {
        let stuck = Sample::numeric(&[1.0, 2.0, 3.0], &[2.0; 9], 10);
        assert_eq!(compute(&case(&stuck)), Err(Undefined::WindowIsConstant));
    }
}
