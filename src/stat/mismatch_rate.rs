//! The share of rows in which the field is of another kind.

use super::{Answer, Case, Null, On, Statistic, Worse, proportion};
use crate::measurement::Family;

pub const ROW: Statistic = Statistic {
    name: "mismatch_rate",
    family: Family::Quality,
    on: On::Field,
    unit: "ratio",
    threshold: None,
    worse: Worse::Above,
    null: Null::Unknown,
    range: (0.0, 1.0),
    about: "Share of rows in which the field is of another kind than the schema says, such as a text for a number, \
            with its 95 % Wilson interval; 0 to 1.",
    compute,
};

fn compute(case: &Case) -> Answer {
    let presence = case.present()?;
    Ok(proportion(presence.mistyped, presence.rows))
}
