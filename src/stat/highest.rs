//! What is found among the rows with the highest scores.

use super::{Answer, Asked, Case, Needs, Null, Of, On, Reading, Statistic, Task, Undefined, Worse, share};
use crate::measurement::Family;

pub const GAIN: Statistic = Statistic {
    name: "gain_at_k",
    family: Family::Performance,
    on: On::Outcomes(Asked { of: Of::Class, task: Task::Classes, needs: Needs::Labels }),
    unit: "ratio",
    threshold: None,
    worse: Worse::Below,
    null: Null::Unknown,
    range: (0.0, 1.0),
    about: "Share of the rows of the class that are among the rows with the highest scores, which are a tenth of all \
            where nothing is set; rows of one score at the cut are taken in proportion, and so are those of one gap of \
            the grid, which changes it by at most the error bound; with its 95 % Wilson interval; undefined without rows \
            of the class; 0 to 1.",
    compute: gain,
};

pub const LIFT: Statistic = Statistic {
    name: "lift_at_k",
    unit: "",
    range: (0.0, f64::INFINITY),
    about: "How many times as frequent the class is among the rows with the highest scores, which are a tenth of all where \
            nothing is set, as among all rows: gain_at_k divided by that share, and so is its interval; 0 and up, and \
            1 for scores that do not depend on the label.",
    compute: lift,
    ..GAIN
};

fn gain(case: &Case) -> Answer {
    let levels = case.levels()?;
    if levels.positives == 0 {
        return Err(Undefined::Nothing { what: "is positive" });
    }
    let mut room = top(case) * (levels.positives + levels.negatives) as f64;
    let (mut hits, mut unknown) = (0.0, 0.0);
    for level in levels.levels.iter().rev() {
        let (positives, rows) = (level.positives as f64, level.rows() as f64);
        let taken = rows.min(room);
        let found = positives * (taken / rows);
        hits += found;
        if !level.is_known {
            // Between as few and as many as can be among those that are taken.
            let least = (taken - level.negatives as f64).max(0.0);
            let most = positives.min(taken);
            unknown = f64::max(found - least, most - found);
        }
        room -= taken;
        if room <= 0.0 {
            break;
        }
    }
    Ok(Reading { error_bound: Some(unknown / levels.positives as f64), ..share(hits, levels.positives) })
}

fn lift(case: &Case) -> Answer {
    let gain = gain(case)?;
    let times = |share: f64| share / top(case);
    Ok(Reading {
        value: times(gain.value),
        low: gain.low.map(times),
        high: gain.high.map(times),
        error_bound: gain.error_bound.map(times),
        ..gain
    })
}

/// The share of rows that are looked at.
fn top(case: &Case) -> f64 {
    case.outcomes.map_or(1.0, |outcomes| outcomes.choices.top)
}
