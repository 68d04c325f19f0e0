//! The two-sample Anderson-Darling statistic.

use std::f64::consts::PI;

use super::{Answer, Case, Moments, Null, On, Reading, Statistic, Step, Undefined, Worse, anderson_darling_sf};
use crate::measurement::Family;

pub const ROW: Statistic = Statistic {
    name: "anderson_darling",
    family: Family::Drift,
    on: On::Numeric,
    unit: "",
    threshold: None,
    worse: Worse::Above,
    null: Null::Formula,
    range: (f64::NEG_INFINITY, f64::INFINITY),
    about: "Two-sample Anderson-Darling statistic, by midranks: the squared difference of the two cumulative shares, \
            weighted so that the tails count as much as the middle, less its mean and over its standard deviation when \
            nothing has changed; it grows with the sizes when something has; the p-value is that of the limiting \
            distribution, after its variance given which values are known to be equal; values in one gap of the \
            grid count as mixed evenly, which changes it by at most the error bound; above about -2 (Scholz and \
            Stephens, 1987).",
    compute,
};

/// Gaps are counted in so many lots of equal size; where a lot is one value, this is exact for values that differ.
const LOTS: u64 = 16;

/// There is no smallest detectable value: like Cramér and von Mises' T, it measures the change times the sizes.
fn compute(case: &Case) -> Answer {
    let numbers = case.two_numeric()?;
    let (n, m) = numbers.sizes();
    let total = n.saturating_add(m);
    if total < 4 {
        return Err(Undefined::TooFewRows { n: m, least: 4 - n.min(3) });
    }
    let of_all = total as f64;
    let (mut low, mut value, mut high) = (0.0, 0.0, 0.0);
    let (mut moments, mut is_tied) = (Moments::default(), false);
    for step in numbers.steps() {
        let count = step.r + step.c;
        if count == total {
            // All values are equal, or in one gap; if equal, the shares differ nowhere.
            high += if step.is_point { 0.0 } else { most_outside(n, m, step.r, step.c) };
            continue;
        }
        let start = step.start(n, m) as f64;
        let (rise, fall) = step.rise_and_fall(n, m);
        let (before, count_f) = ((step.below_r + step.below_c) as f64, count as f64);
        let (share, middle) = (count_f / of_all, step.middle() / of_all);
        let variance = middle * (1.0 - middle) - share / 4.0;
        moments.add(share, middle, variance, 1.0 / variance);
        is_tied |= step.is_point && count > 1;
        let lots = if step.is_point { 1 } else { count.min(LOTS) } as f64;
        let (size, pace) = (count_f / lots, (rise - fall) as f64 / lots);
        let term = |lot: u64| {
            let lot = lot as f64;
            let difference = start + pace * (lot + 0.5);
            size * difference * difference / weight(before + lot * size, size, of_all)
        };
        let at: f64 = (0..lots as u64).map(term).sum();
        value += at;
        if step.is_point {
            (low, high) = (low + at, high + at);
        } else {
            let (least, most) = bounds(&step, start, (rise as f64, fall as f64), (n, m));
            (low, high) = (low + least, high + most);
        }
    }
    let scale = (of_all - 1.0) / of_all / (n as f64 * m as f64);
    let deviation = deviation(n as f64, m as f64);
    let standard = |sum: f64| (sum * scale - 1.0) / deviation;
    let [low, value, high] = [low, value, high].map(standard);
    // The limit has this variance, and the mean 1 (Anderson and Darling, 1952).
    let limit = 2.0 * (PI * PI - 9.0) / 3.0;
    let wider = if is_tied { limit / moments.variance() } else { 1.0 };
    let p_value = anderson_darling_sf(1.0 + value * (limit * wider).sqrt());
    Ok(Reading {
        p_value: Some(p_value),
        error_bound: Some((high - value).max(value - low).max(0.0)),
        ..Reading::exact(value)
    })
}

/// The variance of the squared difference of shares in the middle of `count` equal values, in the unit of `compute`.
fn weight(before: f64, count: f64, of_all: f64) -> f64 {
    let after = of_all - before - count;
    before * after + count * (before + after) / 4.0
}

/// What the values of a gap add at least and at most, in whichever order and however equal they are: their number times
/// the least square of the difference over the largest weight, and the other way round.
fn bounds(step: &Step, start: f64, (rise, fall): (f64, f64), (n, m): (u64, u64)) -> (f64, f64) {
    let of_all = n as f64 + m as f64;
    let count = (step.r + step.c) as f64;
    let before = (step.below_r + step.below_c) as f64;
    let after = of_all - before - count;
    let (lowest, highest) = (start - fall, start + rise);
    let nearest = if lowest <= 0.0 && highest >= 0.0 { 0.0 } else { lowest.abs().min(highest.abs()) };
    let farthest = lowest.abs().max(highest.abs());
    let middle = (of_all / 2.0).clamp(before + 0.5, before + count - 0.5);
    let largest = middle * (of_all - middle) - of_all / 4.0;
    let smallest = weight(before, 1.0, of_all).min(weight(after, 1.0, of_all)).min(weight(before, count, of_all));
    let most = count * farthest * farthest / smallest;
    let most = if before == 0.0 || after == 0.0 { most.min(most_outside(n, m, step.r, step.c)) } else { most };
    (count * nearest * nearest / largest, most)
}

/// The most that values beyond all others add. At the `k`-th the difference is at most `k` times the larger size, and
/// the weight at least `k ((n + m) / 2 - k)`.
fn most_outside(n: u64, m: u64, r: u64, c: u64) -> f64 {
    let (count, of_all) = ((r + c) as f64, n as f64 + m as f64);
    let pace = (if r > 0 { m } else { 0 }).max(if c > 0 { n } else { 0 }) as f64;
    let room = of_all / 2.0 - count;
    if room > 0.0 {
        pace * pace * count * count / (2.0 * room)
    } else {
        4.0 * count * (n as f64 * m as f64).powi(2) / (of_all - 1.0)
    }
}

/// The standard deviation when nothing has changed (Scholz and Stephens, 1987, equation 4, for two samples).
fn deviation(n: f64, m: f64) -> f64 {
    let total = n + m;
    let (first, second) = harmonic(total - 1.0);
    let (sizes, h) = (1.0 / n + 1.0 / m, first);
    // Their double sum over 1 / ((N - i) j), in closed form.
    let g = second - 2.0 * first / total;
    let a = (4.0 * g - 6.0) + (10.0 - 6.0 * g) * sizes;
    let b = (2.0 * g - 4.0) * 4.0 + 16.0 * h + (2.0 * g - 14.0 * h - 4.0) * sizes - 8.0 * h + 4.0 * g - 6.0;
    let c = (6.0 * h + 2.0 * g - 2.0) * 4.0 + (4.0 * h - 4.0 * g + 6.0) * 2.0 + (2.0 * h - 6.0) * sizes + 4.0 * h;
    let d = (2.0 * h + 6.0) * 4.0 - 8.0 * h;
    let numerator = a + b / total + c / (total * total) + d / (total * total * total);
    (numerator / ((1.0 - 1.0 / total) * (1.0 - 2.0 / total) * (1.0 - 3.0 / total))).sqrt()
}

/// The sums of `1 / i` and of `1 / i^2` up to `k`, by their series (Euler and Maclaurin) from 30 on.
fn harmonic(k: f64) -> (f64, f64) {
    const EULER: f64 = 0.577_215_664_901_532_9;
    const LEAST: f64 = 30.0;
    let (mut first, mut second, mut k) = (0.0, 0.0, k);
    while k < LEAST {
        k += 1.0;
        first -= 1.0 / k;
        second -= 1.0 / (k * k);
    }
    let (r, r2) = (1.0 / k, 1.0 / (k * k));
    first += k.ln() + EULER + r / 2.0 - r2 / 12.0 + r2 * r2 / 120.0 - r2 * r2 * r2 / 252.0;
    second += PI * PI / 6.0 - r + r2 / 2.0 - r * r2 / 6.0 + r * r2 * r2 / 30.0 - r * r2 * r2 * r2 / 42.0;
    (first, second)
}

#[cfg(test)]
mod tests {
    use super::super::drawn::{Drawn, on_any_grid, on_grid_of_both, tied_values};
    use super::*;
    use proptest::prelude::*;

    /// Scholz and Stephens' equation 7, over the distinct values, and their equation 4 term by term.
    fn by_definition(reference: &[f64], current: &[f64]) -> f64 {
        let mut distinct: Vec<f64> = reference.iter().chain(current).copied().collect();
        distinct.sort_unstable_by(f64::total_cmp);
        distinct.dedup();
        let total = (reference.len() + current.len()) as f64;
        let below = |sample: &[f64], x: f64| sample.iter().filter(|y| **y < x).count() as f64;
        let at = |sample: &[f64], x: f64| sample.iter().filter(|y| **y == x).count() as f64;
        let mut sum = 0.0;
        for &x in distinct.iter().filter(|_| distinct.len() > 1) {
            let l = at(reference, x) + at(current, x);
            let b = below(reference, x) + below(current, x) + l / 2.0;
            for sample in [reference, current] {
                let size = sample.len() as f64;
                let inside = below(sample, x) + at(sample, x) / 2.0;
                sum += l / total * (total * inside - b * size).powi(2) / (b * (total - b) - total * l / 4.0) / size;
            }
        }
        (sum * (total - 1.0) / total - 1.0) / deviation(reference.len() as f64, current.len() as f64)
    }

    /// With fewer values the statistic has no deviation.
    fn are_enough(drawn: &Drawn) -> bool {
        drawn.reference.len() + drawn.current.len() >= 4
    }

    proptest! {
        #[test]
        fn it_is_within_its_bound_on_any_grid(drawn in on_any_grid(tied_values(), tied_values())) {
            prop_assume!(are_enough(&drawn));
            let (reading, expected) = (drawn.reading(compute), drawn.by(by_definition));
            let slack = 1e-10 * (1.0 + expected.abs());
            prop_assert!((reading.value - expected).abs() <= reading.error_bound.unwrap() + slack);
        }

        #[test]
        fn it_is_exact_where_every_value_is_on_the_grid(drawn in on_grid_of_both(tied_values(), tied_values())) {
            prop_assume!(are_enough(&drawn));
            let reading = drawn.reading(compute);
            prop_assert!((reading.value - drawn.by(by_definition)).abs() < 1e-10);
            prop_assert!(reading.error_bound.unwrap() < 1e-10);
        }
    }

    #[test]
    fn the_sums_in_closed_form_are_those_term_by_term() {
        for total in [4u32, 5, 17, 40, 300] {
            let (first, second) = harmonic(f64::from(total - 1));
            let by_terms: f64 = (1..total).map(|i| 1.0 / f64::from(i)).sum();
            let double: f64 = (1..total - 1)
                .map(|i| (i + 1..total).map(|j| 1.0 / (f64::from(total - i) * f64::from(j))).sum::<f64>())
                .sum();
            assert!((first - by_terms).abs() < 1e-13);
            assert!((second - 2.0 * first / f64::from(total) - double).abs() < 1e-13);
        }
    }
}
