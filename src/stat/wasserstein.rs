//! The normed Wasserstein distance.

use super::{Answer, Case, Null, Numbers, On, Reading, Statistic, Undefined, Worse};
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
            error bound; 0 and up (Vallender, 1974).",
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

/// An area that is known to lie between two others.
#[derive(Default)]
struct Area {
    low: f64,
    value: f64,
    high: f64,
}

impl Area {
    fn add(&mut self, low: f64, value: f64, high: f64) {
        self.low += low;
        self.value += value;
        self.high += high;
    }

    fn error(&self) -> f64 {
        (self.high - self.value).max(self.value - self.low).max(0.0)
    }
}

/// The area between the two cumulative shares.
fn area(numbers: &Numbers) -> Area {
    let Numbers { grid, reference, current } = numbers;
    let (n, m) = (reference.n(), current.n());
    let mut area = Area::default();
    for (r, c) in outer_areas(numbers) {
        // Beyond one end of the grid the two may differ by as little as these areas do, or not overlap at all.
        area.add((r - c).abs(), r.max(c), r + c);
    }
    // Differences of shares, times both sample sizes, are integers, and so are exactly zero where shares are equal.
    let share = |difference: i128| difference as f64 / (n as f64 * m as f64);
    let of_cell = |cell: usize| {
        (i128::from(reference.counts[cell]) * i128::from(m), i128::from(current.counts[cell]) * i128::from(n))
    };
    let (r, c) = of_cell(0);
    let mut difference = r - c;
    for (i, ends) in grid.values().windows(2).enumerate() {
        let width = ends[1] - ends[0];
        let (on_r, on_c) = of_cell(2 * i + 1);
        let (in_r, in_c) = of_cell(2 * i + 2);
        let start = difference + on_r - on_c;
        let end = start + in_r - in_c;
        // Whatever the order within the gap, the difference stays between these two.
        let (least, most) = (start - in_c, start + in_r);
        let smallest = if least <= 0 && most >= 0 { 0 } else { least.abs().min(most.abs()) };
        let largest = least.abs().max(most.abs());
        let middle = (share(start).abs() + share(end).abs()) / 2.0;
        area.add(width * share(smallest), width * middle, width * share(largest));
        difference = end;
    }
    area
}

/// For the gap below the grid and the gap above it, the areas that the reference's and the window's cumulative shares
/// enclose there with 0 or 1: how far out of the grid values are, summed and divided by the sample's size.
fn outer_areas(numbers: &Numbers) -> [(f64, f64); 2] {
    let values = numbers.grid.values();
    let (Some(&first), Some(&last)) = (values.first(), values.last()) else { return [(0.0, 0.0); 2] };
    let sides = [numbers.reference, numbers.current];
    let [below_r, below_c] = sides.map(|side| {
        let inside = side.counts[0] as f64 * first;
        ((inside - side.sum_below.value()) / side.n() as f64).max(0.0)
    });
    let [above_r, above_c] = sides.map(|side| {
        let inside = side.counts[side.counts.len() - 1] as f64 * last;
        ((side.sum_above.value() - inside) / side.n() as f64).max(0.0)
    });
    [(below_r, below_c), (above_r, above_c)]
}

#[cfg(test)]
mod tests {
    use super::super::{Sample, case};
    use super::*;
    use crate::grid::Grid;
    use proptest::prelude::*;

    /// W1 by its definition: the area between the two empirical distribution functions of the raw values.
    fn by_definition(reference: &[f64], current: &[f64]) -> f64 {
        let mut at: Vec<f64> = reference.iter().chain(current).copied().collect();
        at.sort_unstable_by(f64::total_cmp);
        let share = |sample: &[f64], x: f64| sample.iter().filter(|&&y| y <= x).count() as f64 / sample.len() as f64;
        at.windows(2)
            .map(|ends| (ends[1] - ends[0]) * (share(reference, ends[0]) - share(current, ends[0])).abs())
            .sum()
    }

    fn deviation(sample: &[f64]) -> f64 {
        let mean = sample.iter().sum::<f64>() / sample.len() as f64;
        (sample.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (sample.len() as f64 - 1.0)).sqrt()
    }

    fn values() -> impl Strategy<Value = Vec<f64>> {
        let value = prop_oneof![
            8 => (-20i32..20).prop_map(|i| f64::from(i) / 4.0),
            8 => -10.0..10.0,
            1 => -1e6..1e6,
        ];
        prop::collection::vec(value, 2..60)
    }

    proptest! {
        #[test]
        fn it_is_within_its_bound_on_any_grid(
            mut reference in values(),
            current in values(),
            other in prop::option::of(values()),
            resolution in 2usize..80,
        ) {
            reference.extend([0.0, 1.0]);
            let column = other.unwrap_or_else(|| reference.clone());
            let sample = Sample::on(Grid::of(column, resolution), &reference, &current);
            let reading = compute(&case(&sample)).unwrap();
            let expected = by_definition(&reference, &current) / deviation(&reference);
            let slack = 1e-9 * (1.0 + expected);
            prop_assert!((reading.value - expected).abs() <= reading.error_bound.unwrap() + slack);
        }

        #[test]
        fn it_is_exact_where_every_value_is_on_the_grid_or_beyond_its_ends(
            mut reference in values(),
            picks in prop::collection::vec(any::<prop::sample::Index>(), 1..60),
            beyond in prop::collection::vec(1e6..1e9f64, 0..5),
        ) {
            reference.extend([0.0, 1.0]);
            let mut current: Vec<f64> = picks.iter().map(|pick| *pick.get(&reference)).collect();
            current.extend(beyond.iter().enumerate().map(|(i, x)| if i % 2 == 0 { *x } else { -x }));
            let sample = Sample::numeric(&reference, &current, 1000);
            let reading = compute(&case(&sample)).unwrap();
            let expected = by_definition(&reference, &current) / deviation(&reference);
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
