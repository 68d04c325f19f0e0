//! Quantiles of the latency.

use super::{Answer, Case, Null, On, Reading, Statistic, Undefined, Worse};
use crate::measurement::Family;

pub const P50: Statistic = Statistic {
    name: "latency_p50",
    about: "Median latency in seconds: the smallest latency that at least half of the rows do not exceed, rounded up \
            to the end of its grid cell, which makes it too high by at most the error bound.",
    compute: |case| quantile(case, 0.5),
    ..ROW
};

pub const P95: Statistic = Statistic {
    name: "latency_p95",
    about: "95th percentile of the latency in seconds: the smallest latency that at least 95 % of the rows do not \
            exceed, rounded up to the end of its grid cell, which makes it too high by at most the error bound.",
    compute: |case| quantile(case, 0.95),
    ..ROW
};

pub const P99: Statistic = Statistic {
    name: "latency_p99",
    about: "99th percentile of the latency in seconds: the smallest latency that at least 99 % of the rows do not \
            exceed, rounded up to the end of its grid cell, which makes it too high by at most the error bound.",
    compute: |case| quantile(case, 0.99),
    ..ROW
};

/// What the three have in common.
const ROW: Statistic = Statistic {
    name: "",
    family: Family::Telemetry,
    on: On::Latency,
    unit: "seconds",
    threshold: None,
    worse: Worse::Above,
    null: Null::Unknown,
    range: (f64::NEG_INFINITY, f64::INFINITY),
    about: "",
    compute: |_| Err(Undefined::NotApplicable),
};

fn quantile(case: &Case, q: f64) -> Answer {
    let (grid, tally) = case.numeric()?;
    case.valued(tally.n())?;
    let (low, high) = tally.quantile(grid, q).ok_or(Undefined::NoRows)?;
    if low.is_infinite() || high.is_infinite() {
        return Err(Undefined::Infinite);
    }
    let width = high - low;
    if width.is_infinite() {
        return Err(Undefined::TooLarge);
    }
    Ok(Reading { error_bound: Some(width), ..Reading::exact(high) })
}

#[cfg(test)]
mod tests {
    use super::super::{Sample, case};
    use super::*;
    use crate::grid::{Axis, Grid};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_at_most_its_bound_above_the_true_quantile(
            mut latencies in prop::collection::vec(prop_oneof![0.0..1.0f64, 1e-7..1e5f64], 1..200),
            q in prop::sample::select(vec![0.5, 0.95, 0.99]),
        ) {
            let sample = Sample::alone(Axis::Numeric(Grid::logarithmic(-4, 3, 20)), &latencies);
            let reading = quantile(&case(&sample), q).unwrap();
            latencies.sort_unstable_by(f64::total_cmp);
            let expected = latencies[(q * latencies.len() as f64).ceil() as usize - 1];
            prop_assert!(expected <= reading.value);
            // The bound is a difference of doubles, and rounded like one.
            prop_assert!(reading.value - reading.error_bound.unwrap() <= expected * (1.0 + 1e-12) + 1e-18);
        }
    }

    #[test]
    fn an_infinite_latency_is_told_only_by_the_quantiles_that_reach_it() {
        let sample = Sample::alone(Axis::Numeric(Grid::logarithmic(-4, 3, 20)), &[0.1, 0.1, 0.1, f64::INFINITY]);
        assert_eq!(quantile(&case(&sample), 0.5).map(|reading| reading.value), Ok(0.1));
        assert_eq!(quantile(&case(&sample), 0.99), Err(Undefined::Infinite));
    }
}
