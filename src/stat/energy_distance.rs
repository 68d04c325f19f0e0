//! The energy distance.

use super::{Answer, Area, Case, Null, Numbers, On, Reading, Statistic, Undefined, Worse, outer_areas, within};
use crate::measurement::Family;
use crate::tally::numeric::NumericTally;

pub const ROW: Statistic = Statistic {
    name: "energy_distance",
    family: Family::Drift,
    on: On::Numeric,
    unit: "",
    threshold: None,
    worse: Worse::Above,
    null: Null::Root,
    range: (0.0, f64::INFINITY),
    about: "Energy distance: the root of twice the integral of the squared difference of the window's and the \
            reference's cumulative shares, in the root of the feature's unit; within a gap of the grid, or beyond its \
            ends, it is not known exactly how values lie, which changes it by at most the error bound; the p-value is \
            simulated from the reference; 0 and up (Székely, 2002; Cramér, 1928).",
    compute,
};

fn compute(case: &Case) -> Answer {
    let numbers = case.two_numeric()?;
    if numbers.reference.infinite > 0 || numbers.current.infinite > 0 {
        return Err(Undefined::Infinite);
    }
    let squares = squares(&numbers);
    let [low, value, high] = [squares.low, squares.value, squares.high].map(|square| (2.0 * square).sqrt());
    let error_bound = (high - value).max(value - low).max(0.0);
    if !value.is_finite() || !error_bound.is_finite() {
        return Err(Undefined::TooLarge);
    }
    Ok(Reading { error_bound: Some(error_bound), ..Reading::exact(value) })
}

/// The integral of the squared difference of the two cumulative shares.
fn squares(numbers: &Numbers) -> Area {
    let mut squares = outside(numbers);
    squares.join(within(numbers, |difference| difference * difference));
    squares
}

/// The part of the integral below the grid and above it. Each side's own integral is known within limits; that of the
/// difference is then at least the square of the difference of their roots, and at most their sum, since both are
/// positive.
fn outside(numbers: &Numbers) -> Area {
    let mut squares = Area::default();
    let values = numbers.grid.values();
    let (Some(&first), Some(&last)) = (values.first(), values.last()) else { return squares };
    let areas = outer_areas(numbers);
    let end = numbers.reference.counts.len() - 1;
    let sides = [numbers.reference, numbers.current];
    let reaches = [sides.map(|side| first - side.min), sides.map(|side| side.max - last)];
    for ((area, reach), cell) in areas.into_iter().zip(reaches).zip([0, end]) {
        let r = of_one_side(numbers.reference, cell, area.0, reach[0]);
        let c = of_one_side(numbers.current, cell, area.1, reach[1]);
        let apart = (r.0.sqrt() - c.1.sqrt()).max(c.0.sqrt() - r.1.sqrt()).max(0.0);
        let (low, high) = (apart * apart, r.1 + c.1);
        squares.add(low, low + (high - low) / 2.0, high);
    }
    squares
}

/// The limits of the integral of one side's squared share over an outer gap, of which the integral of the share is
/// `area` and the value farthest out is `reach` beyond the grid.
///
/// One row's share goes all the way. What the others add to it is a multiple of one row's share and at most that of all
/// of them, so its square is between these two times it; and a square's mean is at least the mean's square.
fn of_one_side(side: &NumericTally, cell: usize, area: f64, reach: f64) -> (f64, f64) {
    let count = side.counts[cell] as f64;
    if count == 0.0 || reach <= 0.0 {
        return (0.0, 0.0);
    }
    let row = 1.0 / side.n() as f64;
    let others = if count == 1.0 { 0.0 } else { (area - reach * row).max(0.0) };
    let certain = reach * row * row + 2.0 * row * others;
    let high = others * (count - 1.0) * row;
    let low = (others * row).max(others * (others / reach)).min(high);
    (certain + low, certain + high)
}

#[cfg(test)]
mod tests {
    use super::super::drawn::{finite_values, integral, on_any_grid};
    use super::super::{Sample, case};
    use super::*;
    use proptest::prelude::*;

    fn by_definition(reference: &[f64], current: &[f64]) -> f64 {
        (2.0 * integral(reference, current, |difference| difference * difference)).sqrt()
    }

    proptest! {
        #[test]
        fn it_is_within_its_bound_on_any_grid(drawn in on_any_grid(finite_values(), finite_values())) {
            let (reading, expected) = (drawn.reading(compute), drawn.by(by_definition));
            prop_assert!((reading.value - expected).abs() <= reading.error_bound.unwrap() + 1e-9 * (1.0 + expected));
        }

        #[test]
        fn it_is_exact_where_every_value_is_on_the_grid_or_the_only_one_beyond_an_end(
            reference in finite_values(),
            picks in prop::collection::vec(any::<prop::sample::Index>(), 1..60),
            above in prop::option::of(1e6..1e9f64),
            below in prop::option::of(-1e9..-1e6f64),
        ) {
            let mut current: Vec<f64> = picks.iter().map(|pick| *pick.get(&reference)).collect();
            current.extend(above.into_iter().chain(below));
            let sample = Sample::numeric(&reference, &current, 1000);
            let reading = compute(&case(&sample)).unwrap();
            let expected = by_definition(&reference, &current);
            prop_assert!((reading.value - expected).abs() <= 1e-9 * (1.0 + expected));
            prop_assert!(reading.error_bound.unwrap() <= 1e-6 * (1.0 + expected));
        }
    }
}
