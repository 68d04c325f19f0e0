//! The number of rows.

use super::{Answer, Case, Null, On, Reading, Statistic, Worse};
use crate::measurement::Family;

pub const ROW: Statistic = Statistic {
    name: "rows",
    family: Family::Telemetry,
    on: On::Log,
    unit: "",
    threshold: None,
    worse: Worse::Above,
    null: Null::Unknown,
    range: (0.0, f64::INFINITY),
    about: "Rows whose event time is in the window; 0 and up.",
    compute,
};

fn compute(case: &Case) -> Answer {
    Ok(Reading::exact(case.rows as f64))
}
