//! The share of rows in which a numeric field is not a number.

use super::{Answer, Case, Null, On, Statistic, Worse, proportion};
use crate::measurement::Family;

pub const ROW: Statistic = Statistic {
    name: "nan_rate",
    family: Family::Quality,
    on: On::Numeric,
    unit: "ratio",
    threshold: None,
    worse: Worse::Above,
    null: Null::Unknown,
    range: (0.0, 1.0),
    about: "Share of rows in which a numeric field is NaN, \
            with its 95 % Wilson interval; 0 to 1.",
    compute,
};

fn compute(case: &Case) -> Answer {
    let (_, tally) = case.numeric()?;
    let presence = case.present()?;
    Ok(proportion(tally.nan, presence.rows))
}
