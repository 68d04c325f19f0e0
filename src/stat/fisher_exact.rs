//! Fisher's exact test of two categories.

use super::{Answer, Bins, Case, Null, On, Reading, Statistic, Worse};
use crate::measurement::Family;

pub const ROW: Statistic = Statistic {
    name: "fisher_exact",
    family: Family::Drift,
    on: On::Categorical,
    unit: "",
    threshold: None,
    worse: Worse::Above,
    null: Null::Formula,
    range: (0.0, f64::INFINITY),
    about: "Fisher's exact test: the odds of the second of two values, in the order of their bytes and an unseen one \
            last, in the window, over the same odds in the reference (the sample's odds ratio; where the divisor is \
            0, half a row is added to each of the four counts); undefined for other than two values; the p-value is \
            two-sided and exact: of all tables with the same margins, those no more probable; 0 and up, 1 where the \
            odds are equal (Fisher, 1935; Haldane, 1956).",
    compute,
};

fn compute(case: &Case) -> Answer {
    let (bins, [first, second]) = Bins::two(case)?;
    let ratio = |added: f64| {
        let [r1, c1, r2, c2] = [first.0, first.1, second.0, second.1].map(|count| count as f64 + added);
        (c2 / r2) * (r1 / c1)
    };
    let value = if first.1 == 0 || second.0 == 0 { ratio(0.5) } else { ratio(0.0) };
    let (n, m) = (bins.n_reference as f64, bins.n_current as f64);
    let share = (second.0 as f64 + second.1 as f64) / (n + m);
    // Woolf's standard error of the logarithm of the ratio, if both sides have the common share.
    let error = ((1.0 / n + 1.0 / m) / (share * (1.0 - share))).sqrt();
    let detectable = (bins.noncentrality(case.significance).sqrt() * error).exp();
    Ok(Reading {
        p_value: Some(two_sided(bins.n_reference, bins.n_current, second)),
        detectable: Some(detectable).filter(|ratio| ratio.is_finite()),
        ..Reading::exact(value)
    })
}

/// The probability, given all margins, of a table that is no more probable than the one in which the second value has
/// these counts: the sum over the hypergeometric distribution of `c`, from its mode outwards.
fn two_sided(n: u64, m: u64, (r, c): (u64, u64)) -> f64 {
    let total = r + c;
    let (least, most) = (total.saturating_sub(n), total.min(m));
    // The mode, or next to it where rounding leads there: weights are relative, so that is as good a place to start.
    let start = ((total as f64 + 1.0) * (m as f64 + 1.0) / (n as f64 + m as f64 + 2.0)) as u64;
    let start = start.clamp(least, most);
    // The probability of one more than `x`, over that of `x`.
    let ratio = |x: u64| (m - x) as f64 * (total - x) as f64 / ((x + 1) as f64 * ((n + x + 1) - total) as f64);
    let up = (start..most).scan(1.0, |weight, x| {
        *weight *= ratio(x);
        (*weight > 0.0).then_some((x + 1, *weight))
    });
    let down = (least..start).rev().scan(1.0, |weight, x| {
        *weight /= ratio(x);
        (*weight > 0.0).then_some((x, *weight))
    });
    let weights: Vec<(u64, f64)> = std::iter::once((start, 1.0)).chain(up).chain(down).collect();
    // A table whose weight is below the smallest double has no probability to speak of.
    let observed = weights.iter().find(|&&(x, _)| x == c).map_or(0.0, |&(_, weight)| weight);
    // Rounding must not part tables that are equally probable.
    let limit = observed * (1.0 + 1e-7);
    let all: f64 = weights.iter().map(|&(_, weight)| weight).sum();
    let extreme: f64 = weights.iter().map(|&(_, weight)| weight).filter(|&weight| weight <= limit).sum();
    (extreme / all).clamp(0.0, 1.0)
}
