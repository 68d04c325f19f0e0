//! Kuiper's two-sample statistic.

use super::{Answer, Case, Null, On, POWER, Reading, Statistic, Worse, kuiper_quantile, kuiper_sf, normal_quantile};
use crate::measurement::Family;

pub const ROW: Statistic = Statistic {
    name: "kuiper",
    family: Family::Drift,
    on: On::Numeric,
    unit: "",
    threshold: Some(0.1),
    worse: Worse::Above,
    null: Null::Formula,
    range: (0.0, 1.0),
    about: "Kuiper's V: how far the window's cumulative share is at most above the reference's, plus how far it is at \
            most below it, so that it sees a change of spread as well as one of place; exact where the grid holds \
            every reference value and else too low by at most the error bound; the p-value is Stephens' (1970) \
            two-sided approximation, which takes values to be continuous; 0 to 1 (Kuiper, 1960).",
    compute,
};

/// Within a gap the difference may reach further than at its ends: see the same statistic of Kolmogorov and Smirnov.
/// Above and below are bounded apart, although one order of the values may not reach both.
fn compute(case: &Case) -> Answer {
    let numbers = case.two_numeric()?;
    let (n, m) = numbers.sizes();
    let (mut reached, mut reachable) = ((0, 0), (0, 0));
    for step in numbers.steps() {
        let start = step.start(n, m);
        let (rise, fall) = step.rise_and_fall(n, m);
        let end = start + rise - fall;
        reached = (reached.0.max(end), reached.1.min(end));
        if !step.is_point {
            reachable = (reachable.0.max(start + rise), reachable.1.min(start - fall));
        }
    }
    let (n, m) = (n as f64, m as f64);
    let sizes = n * m;
    let value = reached.0 - reached.1;
    let most = reachable.0.max(reached.0) - reachable.1.min(reached.1);
    let error_bound = (most - value) as f64 / sizes;
    let value = (value as f64 / sizes).min(1.0);
    let root = (n / (n + m) * m).sqrt();
    let scale = root + 0.155 + 0.24 / root;
    // Half is the largest standard deviation that the difference over any one interval can have.
    let detectable = (kuiper_quantile(case.significance) + 0.5 * normal_quantile(POWER)) / scale;
    Ok(Reading {
        p_value: Some(kuiper_sf(scale * value).clamp(0.0, 1.0)),
        error_bound: Some(error_bound.min(1.0 - value)),
        detectable: Some(detectable.min(1.0)),
        ..Reading::exact(value)
    })
}

#[cfg(test)]
mod tests {
    use super::super::drawn::{by_shares, on_any_grid, tied_values};
    use super::*;
    use proptest::prelude::*;

    fn by_definition(reference: &[f64], current: &[f64]) -> f64 {
        let (above, below) = by_shares(reference, current)
            .into_iter()
            .fold((0f64, 0f64), |(above, below), (r, c)| (above.max(c - r), below.max(r - c)));
        above + below
    }

    proptest! {
        #[test]
        fn it_is_within_its_bound_on_any_grid(drawn in on_any_grid(tied_values(), tied_values())) {
            let (reading, expected) = (drawn.reading(compute), drawn.by(by_definition));
            prop_assert!(reading.value <= expected + 1e-12);
            prop_assert!(expected <= reading.value + reading.error_bound.unwrap() + 1e-12);
        }
    }
}
