//! The Mann-Whitney test, as a rank-biserial correlation.

use std::f64::consts::SQRT_2;

use statrs::function::erf::erfc;

use super::{Answer, Case, Null, On, Reading, Statistic, Worse, smallest_shift};
use crate::measurement::Family;

pub const ROW: Statistic = Statistic {
    name: "mann_whitney",
    family: Family::Drift,
    on: On::Numeric,
    unit: "",
    threshold: Some(0.1),
    worse: Worse::Above,
    null: Null::Formula,
    range: (0.0, 1.0),
    about: "Rank-biserial correlation |2 U / (n m) - 1| of Mann and Whitney's U: of all pairs of a window's value and \
            a reference's, by how much the share in which one of them is larger exceeds the share in which the other \
            is; two values in one gap of the grid count as equal, which changes it by at most the error bound; it sees \
            values moving one way, not spreading; the p-value is two-sided, exact where one side has at most 8 values, \
            no two are known to be equal and the product of the sizes is at most 20,000, and else normal, with the \
            corrections for ties and continuity; 0 to 1 (Mann and Whitney, 1947; Cureton, 1956).",
    compute,
};

/// The most values of the smaller side, and the largest product of both sizes, for which the p-value is exact.
const FEW: u64 = 8;
const MOST_PAIRS: u64 = 20_000;

fn compute(case: &Case) -> Answer {
    let numbers = case.two_numeric()?;
    let (n, m) = numbers.sizes();
    // Twice U: twice the pairs in which the window's value is the larger, and once those in which both are equal.
    let (mut pairs, mut unsure, mut cubes, mut is_tied) = (0i128, 0i128, 0.0, false);
    for step in numbers.steps() {
        let equal = i128::from(step.r) * i128::from(step.c);
        pairs += 2 * i128::from(step.below_r) * i128::from(step.c) + equal;
        let count = (step.r + step.c) as f64;
        if step.is_point {
            is_tied |= count > 1.0;
            cubes += count * count * count - count;
        } else {
            unsure += equal;
        }
    }
    let excess = (pairs - i128::from(n) * i128::from(m)).unsigned_abs();
    let is_exact = n.min(m) <= FEW && n.saturating_mul(m) <= MOST_PAIRS && !is_tied && unsure == 0;
    let (n_f, m_f) = (n as f64, m as f64);
    let (product, total) = (n_f * m_f, n_f + m_f);
    let value = (excess as f64 / product).min(1.0);
    let p_value = if is_exact {
        exact_p_value(n, m, excess)
    } else {
        let variance = product / 12.0 * (total + 1.0 - cubes / (total * (total - 1.0)));
        normal_p_value(excess as f64 / 2.0, variance)
    };
    let detectable = smallest_shift(case.significance) * ((total + 1.0) / (3.0 * product)).sqrt();
    Ok(Reading {
        p_value: Some(p_value),
        error_bound: Some(unsure as f64 / product),
        detectable: Some(detectable.min(1.0)),
        ..Reading::exact(value)
    })
}

/// Twice the probability that a normal variable is at least half a pair less than this far above its mean.
fn normal_p_value(above: f64, variance: f64) -> f64 {
    // Where all values are equal there is neither a distance nor a variance.
    if variance <= 0.0 { 1.0 } else { erfc((above - 0.5) / variance.sqrt() / SQRT_2).min(1.0) }
}

/// Twice the share of the orders of `n` and `m` different values that give a U at least so far above its mean, when
/// twice that distance is `excess`.
///
/// How many orders give each U are the coefficients of the Gaussian binomial, the product of
/// `(1 - q^(m + i)) / (1 - q^i)` up to the smaller size. They are the same from both ends.
fn exact_p_value(n: u64, m: u64, excess: u128) -> f64 {
    let (few, many) = (n.min(m) as usize, n.max(m) as usize);
    let end = (few * many - excess as usize) / 2;
    let mut orders = vec![0i128; end + 1];
    orders[0] = 1;
    let mut all = 1.0;
    for i in 1..=few {
        for u in (many + i..=end).rev() {
            orders[u] -= orders[u - many - i];
        }
        for u in i..=end {
            orders[u] += orders[u - i];
        }
        all *= (many + i) as f64 / i as f64;
    }
    let extreme: i128 = orders.iter().sum();
    (2.0 * extreme as f64 / all).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::super::drawn::{on_any_grid, on_exact_grid, tied_values};
    use super::*;
    use proptest::prelude::*;

    fn by_definition(reference: &[f64], current: &[f64]) -> f64 {
        let sign = |r: f64, c: f64| {
            if c > r {
                1.0
            } else if c < r {
                -1.0
            } else {
                0.0
            }
        };
        let sum: f64 = reference.iter().flat_map(|&r| current.iter().map(move |&c| sign(r, c))).sum();
        sum.abs() / (reference.len() * current.len()) as f64
    }

    proptest! {
        #[test]
        fn it_is_within_its_bound_on_any_grid(drawn in on_any_grid(tied_values(), tied_values())) {
            let reading = drawn.reading(compute);
            prop_assert!((reading.value - drawn.by(by_definition)).abs() <= reading.error_bound.unwrap() + 1e-12);
        }

        #[test]
        fn it_is_exact_on_an_exact_grid_of_finite_values(drawn in on_exact_grid(tied_values(), tied_values())) {
            let reading = drawn.reading(compute);
            prop_assert!((reading.value - drawn.by(by_definition)).abs() < 1e-12);
            prop_assert_eq!(reading.error_bound, Some(0.0));
        }
    }
}
