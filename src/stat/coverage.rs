//! How many of a window's rows have their label, and how many will have it.

use super::{Answer, Asked, Case, Needs, Null, Of, On, Reading, Statistic, Task, Undefined, Worse, proportion};
use crate::measurement::Family;

const ASKED: On = On::Outcomes(Asked { of: Of::Rows, task: Task::Any, needs: Needs::Labels });

pub const COVERAGE: Statistic = Statistic {
    name: "coverage",
    family: Family::Performance,
    on: ASKED,
    unit: "ratio",
    threshold: None,
    worse: Worse::Below,
    null: Null::Unknown,
    range: (0.0, 1.0),
    about: "Share of the predictions whose label has come; 0 to 1.",
    compute: |case| {
        let tally = case.predicted()?.tally;
        Ok(Reading::exact(tally.labelled() as f64 / tally.rows() as f64))
    },
};

pub const EXPECTED_COVERAGE: Statistic = Statistic {
    name: "expected_coverage",
    about: "Share of the predictions whose label will have come when the monitor stops waiting for it: those that are \
            here, and of the others as many as is usual at their age, by the Kaplan-Meier estimate over all predictions \
            that are waited for, with the 95 % Wilson interval of the share that is still open; 0 to 1 (Kaplan and \
            Meier, 1958).",
    compute: expected,
    ..COVERAGE
};

fn expected(case: &Case) -> Answer {
    let outcomes = case.predicted()?;
    let expected = outcomes.expected_coverage.ok_or(Undefined::NoDelays)?;
    let (rows, labelled) = (outcomes.tally.rows(), outcomes.tally.labelled());
    let open = rows - labelled.min(rows);
    if open == 0 {
        return Ok(Reading::exact(1.0));
    }
    // Of what is known there is no doubt; what is still open comes or does not.
    let here = labelled as f64 / rows as f64;
    let coming = ((expected - here) * rows as f64).round().clamp(0.0, open as f64) as u64;
    let of_open = proportion(coming, open);
    let of_all = |share: f64| here + share * open as f64 / rows as f64;
    let value = of_all(of_open.value).min(1.0);
    Ok(Reading {
        low: of_open.low.map(|low| of_all(low).min(value)),
        high: of_open.high.map(|high| of_all(high).clamp(value, 1.0)),
        ..Reading::exact(value)
    })
}
