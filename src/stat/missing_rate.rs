//! The share of rows that do not have the field.

use super::{Answer, Case, Null, On, Statistic, Worse, proportion};
use crate::measurement::Family;

pub const ROW: Statistic = Statistic {
    name: "missing_rate",
    family: Family::Quality,
    on: On::Field,
    unit: "ratio",
    threshold: None,
    worse: Worse::Above,
    null: Null::Unknown,
    range: (0.0, 1.0),
    about: "Share of rows in which no key leads to the field, \
            with its 95 % Wilson interval; 0 to 1.",
    compute,
};

fn compute(case: &Case) -> Answer {
    let presence = case.present()?;
    Ok(proportion(presence.missing, presence.rows))
}
