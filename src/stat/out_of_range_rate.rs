//! The share of values outside the range of the reference.

use super::{Answer, Case, Null, On, Statistic, Worse, proportion};
use crate::measurement::Family;

pub const ROW: Statistic = Statistic {
    name: "out_of_range_rate",
    family: Family::Quality,
    on: On::Numeric,
    unit: "ratio",
    threshold: None,
    worse: Worse::Above,
    null: Null::Unknown,
    range: (0.0, 1.0),
    about: "Share of numeric values (not NaN) below the smallest or above the largest value of the reference, infinities \
            included, with its 95 % Wilson interval; 0 to 1.",
    compute,
};

fn compute(case: &Case) -> Answer {
    let (_, tally) = case.numeric_on_reference()?;
    let n = case.valued(tally.n())?;
    // The outermost cells; a grid with values has a third between them.
    let outside = [tally.counts.first(), tally.counts.last()].into_iter().flatten().sum();
    Ok(proportion(outside, n))
}
