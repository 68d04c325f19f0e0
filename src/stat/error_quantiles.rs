//! Quantiles of how far predicted numbers were off.

use super::{Answer, Asked, Case, Needs, Null, Of, On, Reading, Statistic, Task, Undefined, Worse, wilson};
use crate::measurement::Family;

pub const P05: Statistic = Statistic {
    name: "error_p05",
    worse: Worse::Below,
    about: "5th percentile of prediction less label: the smallest that at least 5 % of the rows do not exceed, by buckets \
            of a 32nd of a factor of two, which change it by at most the error bound; the 95 % interval is \
            Woodruff's (1952), of the ranks at the ends of Wilson's, and open where rows so few might all lie to one \
            side.",
    compute: |case| quantile(case, 0.05),
    ..ROW
};

pub const P50: Statistic = Statistic {
    name: "error_p50",
    about: "Median of prediction less label: the smallest that at least half of the rows do not exceed, by buckets of a \
            32nd of a factor of two, which change it by at most the error bound; the 95 % interval is Woodruff's \
            (1952), of the ranks at the ends of Wilson's, and open where rows so few might all lie to one side.",
    compute: |case| quantile(case, 0.5),
    ..ROW
};

pub const P95: Statistic = Statistic {
    name: "error_p95",
    about: "95th percentile of prediction less label: the smallest that at least 95 % of the rows do not exceed, by \
            buckets of a 32nd of a factor of two, which change it by at most the error bound; the 95 % interval is \
            Woodruff's (1952), of the ranks at the ends of Wilson's, and open where rows so few might all lie to one \
            side.",
    compute: |case| quantile(case, 0.95),
    ..ROW
};

/// What the three have in common.
const ROW: Statistic = Statistic {
    name: "",
    family: Family::Performance,
    on: On::Outcomes(Asked { of: Of::Rows, task: Task::Numbers, needs: Needs::Labels }),
    unit: "",
    threshold: None,
    worse: Worse::Above,
    null: Null::Unknown,
    range: (f64::NEG_INFINITY, f64::INFINITY),
    about: "",
    compute: |_| Err(Undefined::NotApplicable),
};

/// How likely rows may lie all to one side of a quantile before that side is left open.
const RARE: f64 = 0.025;

fn quantile(case: &Case, q: f64) -> Answer {
    let errors = case.judged(Task::Numbers)?.tally.errors().ok_or(Undefined::NotApplicable)?;
    let (least, most) = errors.quantile(q).ok_or(Undefined::NoPredictions)?;
    let (value, width) = (f64::midpoint(least, most), most - least);
    if !value.is_finite() {
        return Err(Undefined::TooLarge);
    }
    let n = errors.n as f64;
    let (low, high) = wilson(q, n);
    let end = |q: f64, beyond: f64, of: fn((f64, f64)) -> f64| {
        let is_told = beyond.powf(n) <= RARE;
        errors.quantile(q).filter(|_| is_told).map_or(f64::NAN, of)
    };
    let (low, high) = (end(low, 1.0 - q, |ends| ends.0), end(high, q, |ends| ends.1));
    Ok(Reading { error_bound: Some(width / 2.0), ..Reading::exact(value) }.between(low, high, ROW.range))
}
