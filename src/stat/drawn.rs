//! Raw values with their counts on some grid, for the laws that every statistic of numbers keeps.

use proptest::prelude::*;

use super::{Answer, Case, Reading, Sample, case};
use crate::grid::Grid;

/// Two samples as they were drawn, and as they were counted.
#[derive(Clone, Debug)]
pub struct Drawn {
    pub reference: Vec<f64>,
    pub current: Vec<f64>,
    sample: Sample,
}

impl Drawn {
    fn on(grid: Grid, reference: Vec<f64>, current: Vec<f64>) -> Drawn {
        Drawn { sample: Sample::on(grid, &reference, &current), reference, current }
    }

    /// What a statistic says of the counts.
    pub fn reading(&self, compute: fn(&Case) -> Answer) -> Reading {
        compute(&case(&self.sample)).unwrap()
    }

    /// What a function of the raw values says.
    pub fn by(&self, definition: fn(&[f64], &[f64]) -> f64) -> f64 {
        definition(&self.reference, &self.current)
    }
}

type Values = BoxedStrategy<Vec<f64>>;

/// On the reference's grid or on that of other values, from coarse to exact.
pub fn on_any_grid(reference: Values, current: Values) -> impl Strategy<Value = Drawn> {
    let other = prop::option::of(reference.clone());
    let resolution = prop_oneof![2usize..12, 12usize..80];
    (reference, current, other, resolution).prop_map(|(reference, current, other, resolution)| {
        let mut column = other.unwrap_or_else(|| reference.clone());
        // A column of nothing but infinities has no grid.
        column.push(0.0);
        Drawn::on(Grid::of(column, resolution), reference, current)
    })
}

/// On a grid of every value of the reference, which are finite, while the window may have others.
pub fn on_exact_grid(reference: Values, current: Values) -> impl Strategy<Value = Drawn> {
    (reference, current).prop_map(|(mut reference, current)| {
        reference.push(0.0);
        reference.retain(|x| x.is_finite());
        Drawn::on(Grid::of(reference.clone(), 1000), reference, current)
    })
}

/// On a grid of every value of both sides.
pub fn on_grid_of_both(reference: Values, current: Values) -> impl Strategy<Value = Drawn> {
    (reference, current).prop_map(|(reference, current)| {
        let column = [0.0].iter().chain(&reference).chain(&current).copied().collect();
        Drawn::on(Grid::of(column, 1000), reference, current)
    })
}

/// Values with many ties, some of them infinite.
pub fn tied_values() -> Values {
    let value = prop_oneof![
        8 => (-20i32..20).prop_map(|i| f64::from(i) / 4.0),
        4 => -10.0..10.0,
        1 => Just(f64::INFINITY),
        1 => Just(f64::NEG_INFINITY),
    ];
    prop::collection::vec(value, 1..60).boxed()
}

/// Finite values with ties, of which a few are far out.
pub fn finite_values() -> Values {
    let value = prop_oneof![
        8 => (-20i32..20).prop_map(|i| f64::from(i) / 4.0),
        8 => -10.0..10.0,
        1 => -1e6..1e6,
    ];
    prop::collection::vec(value, 2..60).boxed()
}

/// The same, not all equal.
pub fn varied_values() -> Values {
    let add = |mut values: Vec<f64>| {
        values.extend([0.0, 1.0]);
        values
    };
    finite_values().prop_map(add).boxed()
}

/// The cumulative shares of two samples of raw values, at each of them.
pub fn by_shares(reference: &[f64], current: &[f64]) -> Vec<(f64, f64)> {
    let at = reference.iter().chain(current);
    at.map(|&x| (share(reference, x), share(current, x))).collect()
}

/// The area between the cumulative shares of two samples of raw values.
pub fn area_between(reference: &[f64], current: &[f64]) -> f64 {
    integral(reference, current, f64::abs)
}

/// The integral of a function of the difference of cumulative shares, over all numbers.
pub fn integral(reference: &[f64], current: &[f64], of: impl Fn(f64) -> f64) -> f64 {
    let mut at: Vec<f64> = reference.iter().chain(current).copied().collect();
    at.sort_unstable_by(f64::total_cmp);
    at.windows(2).map(|ends| (ends[1] - ends[0]) * of(share(reference, ends[0]) - share(current, ends[0]))).sum()
}

/// The share of a sample that is at most `x`.
fn share(sample: &[f64], x: f64) -> f64 {
    sample.iter().filter(|&&y| y <= x).count() as f64 / sample.len() as f64
}
