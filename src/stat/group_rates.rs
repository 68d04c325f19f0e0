//! What was decided about one group of people, and how right it was.

use super::{
    Answer, Asked, Case, Needs, Null, Of, On, Outcomes, Probability, Rate, Reading, Statistic, Task, Undefined, Worse,
    probabilities, proportion,
};
use crate::measurement::Family;

const LABELS: On = On::Outcomes(Asked { of: Of::Group, task: Task::Binary, needs: Needs::Labels });

pub const SELECTION_RATE: Statistic = Statistic {
    name: "selection_rate",
    family: Family::Fairness,
    on: On::Outcomes(Asked { of: Of::Group, task: Task::Binary, needs: Needs::Predictions }),
    unit: "ratio",
    threshold: None,
    worse: Worse::Below,
    null: Null::Unknown,
    range: (0.0, 1.0),
    about: "Share of the group that was chosen, of rows that say whether they were, with a label or without, with its \
            95 % Wilson interval; 0 to 1.",
    compute: |case| rate(case, &Rate::SELECTION),
};

pub const TRUE_POSITIVE_RATE: Statistic = Statistic {
    name: "true_positive_rate",
    on: LABELS,
    about: "Share of the group's positive rows that were chosen, with its 95 % Wilson interval; undefined, where others \
            say 0, without positive rows; 0 to 1.",
    compute: |case| rate(case, &Rate::TRUE_POSITIVE),
    ..SELECTION_RATE
};

pub const FALSE_POSITIVE_RATE: Statistic = Statistic {
    name: "false_positive_rate",
    worse: Worse::Above,
    about: "Share of the group's negative rows that were chosen, with its 95 % Wilson interval; undefined without \
            negative rows; 0 to 1.",
    compute: |case| rate(case, &Rate::FALSE_POSITIVE),
    ..TRUE_POSITIVE_RATE
};

pub const TRUE_NEGATIVE_RATE: Statistic = Statistic {
    name: "true_negative_rate",
    about: "Share of the group's negative rows that were not chosen, with its 95 % Wilson interval; undefined without \
            negative rows; 0 to 1.",
    compute: |case| rate(case, &Rate::TRUE_NEGATIVE),
    ..TRUE_POSITIVE_RATE
};

pub const FALSE_NEGATIVE_RATE: Statistic = Statistic {
    name: "false_negative_rate",
    worse: Worse::Above,
    about: "Share of the group's positive rows that were not chosen, with its 95 % Wilson interval; undefined without \
            positive rows; 0 to 1.",
    compute: |case| rate(case, &Rate::FALSE_NEGATIVE),
    ..TRUE_POSITIVE_RATE
};

pub const POSITIVE_PREDICTIVE_VALUE: Statistic = Statistic {
    name: "positive_predictive_value",
    about: "Share of the group's chosen rows that are positive, of those with a label, with its 95 % Wilson interval; \
            undefined where none was chosen; 0 to 1.",
    compute: |case| rate(case, &Rate::POSITIVE_PREDICTIVE),
    ..TRUE_POSITIVE_RATE
};

pub const NEGATIVE_PREDICTIVE_VALUE: Statistic = Statistic {
    name: "negative_predictive_value",
    about: "Share of the group's rows that were not chosen that are negative, of those with a label, with its 95 % \
            Wilson interval; undefined where all were chosen; 0 to 1.",
    compute: |case| rate(case, &Rate::NEGATIVE_PREDICTIVE),
    ..TRUE_POSITIVE_RATE
};

pub const ACCURACY_OF_GROUP: Statistic = Statistic {
    name: "accuracy",
    about: "Share of the group's rows that were decided as they turned out, with its 95 % Wilson interval; 0 to 1.",
    compute: |case| rate(case, &Rate::ACCURACY),
    ..TRUE_POSITIVE_RATE
};

pub const CALIBRATION_GAP: Statistic = Statistic {
    name: "calibration_gap",
    unit: "",
    worse: Worse::Above,
    range: (-1.0, 1.0),
    about: "Mean score of the group less its share of positive rows, of rows with both a score and a label: above 0, the \
            group is thought more positive than it is, and below 0, less; a breach is above the threshold; scores in a \
            gap of the grid count as in its middle, which changes the value by at most the error bound; the 95 % \
            interval is Wilson's, of the share, at these scores; -1 to 1.",
    compute: calibration_gap,
    ..TRUE_POSITIVE_RATE
};

fn rate(case: &Case, rate: &Rate) -> Answer {
    let (hits, n) = (rate.share)(&case.decided(rate.needs)?);
    if n == 0 { Err(Undefined::Nothing { what: rate.nothing }) } else { Ok(proportion(hits, n)) }
}

fn calibration_gap(case: &Case) -> Answer {
    let (outcomes, group) = case.group(Needs::Labels)?;
    let scored = probabilities(&Outcomes { tally: group.tally, ..*outcomes }, outcomes.class)?;
    let rows_of = |is_asked: fn(&Probability) -> bool| -> u64 {
        scored.iter().filter(|cell| is_asked(cell)).map(|cell| cell.rows).sum()
    };
    let (n, positives) = (rows_of(|_| true), rows_of(|cell| cell.is_it));
    let least = outcomes.choices.min_group;
    if n < least {
        return Err(Undefined::Withheld { least });
    }
    let mean_of =
        |of: fn(&Probability) -> f64| scored.iter().map(|cell| cell.rows as f64 * of(cell)).sum::<f64>() / n as f64;
    let mean = mean_of(|cell| cell.value).clamp(0.0, 1.0);
    let share = proportion(positives, n);
    Ok(Reading {
        low: share.high.map(|high| mean - high),
        high: share.low.map(|low| mean - low),
        error_bound: Some(mean_of(|cell| cell.doubt(|score| score))),
        ..Reading::exact(mean - share.value)
    })
}
