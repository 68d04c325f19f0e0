//! The share of values that the reference does not know.

use super::{Answer, Case, Null, On, Statistic, Undefined, Worse, proportion};
use crate::measurement::Family;

pub const ROW: Statistic = Statistic {
    name: "unseen_rate",
    family: Family::Quality,
    on: On::Categorical,
    unit: "ratio",
    threshold: None,
    worse: Worse::Above,
    null: Null::Unknown,
    range: (0.0, 1.0),
    about: "Share of categorical values that are not in the reference's vocabulary, \
            with its 95 % Wilson interval; 0 to 1.",
    compute,
};

fn compute(case: &Case) -> Answer {
    let tally = case.categorical()?;
    if case.reference.is_none() {
        return Err(Undefined::NotInReference);
    }
    let n = case.valued(tally.n())?;
    Ok(proportion(tally.unseen(), n))
}
