//! Traffic.

use super::{Answer, Case, Null, On, Reading, Statistic, Undefined, Worse};
use crate::measurement::Family;

pub const ROW: Statistic = Statistic {
    name: "rows_per_second",
    family: Family::Telemetry,
    on: On::Log,
    unit: "",
    threshold: None,
    worse: Worse::Above,
    null: Null::Unknown,
    range: (0.0, f64::INFINITY),
    about: "Rows whose event time is in the window, divided by the window's length in seconds; 0 and up.",
    compute,
};

fn compute(case: &Case) -> Answer {
    let seconds = case.window.seconds();
    if seconds > 0.0 { Ok(Reading::exact(case.rows as f64 / seconds)) } else { Err(Undefined::NotApplicable) }
}
