//! The share of calls that failed.

use super::{Answer, Case, Null, On, Statistic, Worse, proportion};
use crate::measurement::Family;

pub const ROW: Statistic = Statistic {
    name: "error_rate",
    family: Family::Telemetry,
    on: On::Flag,
    unit: "ratio",
    threshold: None,
    worse: Worse::Above,
    null: Null::Unknown,
    range: (0.0, 1.0),
    about: "Share of rows whose error flag is set, where no flag and a null one count as not set and flags of another kind are \
            left out, with its 95 % Wilson interval; 0 to 1.",
    compute,
};

fn compute(case: &Case) -> Answer {
    let tally = case.flag()?;
    let presence = case.present()?;
    // Nothing and null mean no, whether the decoder said so or left them absent.
    let n = case.valued(presence.rows - presence.mistyped)?;
    Ok(proportion(tally.yes, n))
}
