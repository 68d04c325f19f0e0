//! How one class was chosen against how it turned out.

use super::{
    Answer, Asked, Case, Confusion, Needs, Null, Of, On, Reading, Statistic, Task, Undefined, Worse, normal, proportion,
};
use crate::measurement::Family;

const ASKED: Asked = Asked { of: Of::Class, task: Task::Classes, needs: Needs::Labels };

pub const PRECISION: Statistic = Statistic {
    name: "precision",
    family: Family::Performance,
    on: On::Outcomes(ASKED),
    unit: "ratio",
    threshold: None,
    worse: Worse::Below,
    null: Null::Unknown,
    range: (0.0, 1.0),
    about: "Share of the rows for which the class was chosen that are of it, with its 95 % Wilson interval; undefined, \
            where scikit-learn says 0, when it was never chosen; 0 to 1.",
    compute: |case| {
        let Confusion { true_positives, false_positives, .. } = confusion(case)?;
        share_of(true_positives, true_positives + false_positives, "was chosen")
    },
};

pub const RECALL: Statistic = Statistic {
    name: "recall",
    about: "Share of the rows of the class for which it was chosen, with its 95 % Wilson interval; undefined, where \
            scikit-learn says 0, without such rows; 0 to 1.",
    compute: |case| {
        let Confusion { true_positives, false_negatives, .. } = confusion(case)?;
        share_of(true_positives, true_positives + false_negatives, "is positive")
    },
    ..PRECISION
};

pub const SPECIFICITY: Statistic = Statistic {
    name: "specificity",
    about: "Share of the rows that are not of the class for which it was not chosen, with its 95 % Wilson interval; \
            undefined without such rows; 0 to 1.",
    compute: |case| {
        let Confusion { true_negatives, false_positives, .. } = confusion(case)?;
        share_of(true_negatives, true_negatives + false_positives, "is negative")
    },
    ..PRECISION
};

pub const F1: Statistic = Statistic {
    name: "f1",
    unit: "",
    about: "Harmonic mean of precision and recall; undefined, where scikit-learn says 0, when the class was neither \
            chosen nor turned out; the 95 % interval is that of the share of hits among rows for which it was or did \
            (Wilson), of which F1 is a function; 0 to 1 (van Rijsbergen, 1979).",
    compute: |case| f_score(&confusion(case)?, 1.0),
    ..PRECISION
};

pub const FBETA: Statistic = Statistic {
    name: "fbeta",
    unit: "",
    about: "Weighted harmonic mean of precision and recall, in which recall matters beta times as much (2 where nothing \
            is set); undefined, where scikit-learn says 0, when the class was neither chosen nor turned out; the 95 % \
            interval is Newcombe's (1998), of the Wilson intervals of the share of hits among rows for which it was or \
            did and of that of misses among the others of those; 0 to 1 (van Rijsbergen, 1979).",
    compute: |case| f_score(&confusion(case)?, case.judged(ASKED.task)?.choices.beta),
    ..PRECISION
};

pub const TRUE_POSITIVES: Statistic = Statistic {
    name: "true_positives",
    unit: "",
    range: (0.0, f64::INFINITY),
    about: "Rows for which the class was chosen and turned out, of those that have a choice and a label: a count, \
            without an interval; 0 and up.",
    compute: |case| Ok(Reading::exact(confusion(case)?.true_positives as f64)),
    ..PRECISION
};

pub const FALSE_POSITIVES: Statistic = Statistic {
    name: "false_positives",
    worse: Worse::Above,
    about: "Rows for which the class was chosen and another turned out, of those that have a choice and a label: a \
            count, without an interval; 0 and up.",
    compute: |case| Ok(Reading::exact(confusion(case)?.false_positives as f64)),
    ..TRUE_POSITIVES
};

pub const FALSE_NEGATIVES: Statistic = Statistic {
    name: "false_negatives",
    worse: Worse::Above,
    about: "Rows for which another class was chosen and this one turned out, of those that have a choice and a label: a \
            count, without an interval; 0 and up.",
    compute: |case| Ok(Reading::exact(confusion(case)?.false_negatives as f64)),
    ..TRUE_POSITIVES
};

pub const TRUE_NEGATIVES: Statistic = Statistic {
    name: "true_negatives",
    about: "Rows for which the class was not chosen and did not turn out, of those that have a choice and a label: a \
            count, without an interval; 0 and up.",
    compute: |case| Ok(Reading::exact(confusion(case)?.true_negatives as f64)),
    ..TRUE_POSITIVES
};

pub const BUSINESS_VALUE: Statistic = Statistic {
    name: "business_value",
    on: On::Outcomes(Asked { of: Of::Rows, task: Task::Binary, needs: Needs::Labels }),
    unit: "",
    range: (f64::NEG_INFINITY, f64::INFINITY),
    about: "What a row is worth on average, of those that have a choice and a label, by what a true positive, a false \
            positive, a false negative and a true negative are worth (0, -1, -1 and 0 where nothing is set), with its \
            95 % normal interval, and for a variance of zero Wilson's; from the least of the four to the greatest.",
    compute: business_value,
    ..PRECISION
};

fn confusion(case: &Case) -> Result<Confusion, Undefined> {
    case.judged(ASKED.task)?;
    case.confusion()
}

fn share_of(hits: u64, n: u64, what: &'static str) -> Answer {
    if n == 0 { Err(Undefined::Nothing { what }) } else { Ok(proportion(hits, n)) }
}

/// Rows that are positive or were chosen are hits, misses and false alarms. The share of hits among them and that of
/// misses among the rest do not depend on one another, and the score is a function of the two.
fn f_score(confusion: &Confusion, beta: f64) -> Answer {
    let &Confusion { true_positives, false_positives, false_negatives, .. } = confusion;
    let wrong = false_positives + false_negatives;
    let hits = share_of(true_positives, true_positives + wrong, "is positive or was chosen")?;
    let score = |hits: f64, misses: f64| {
        let right = (1.0 + beta * beta) * hits;
        right / (right + (1.0 - hits) * (beta * beta * misses + 1.0 - misses))
    };
    let least_hits = hits.low.unwrap_or(0.0);
    if wrong == 0 {
        // What kind the errors would be is not known.
        let low = score(least_hits, 0.0).min(score(least_hits, 1.0));
        return Ok(Reading::exact(1.0).between(low, 1.0, PRECISION.range));
    }
    let misses = proportion(false_negatives, wrong);
    let value = score(hits.value, misses.value);
    let by_misses = [misses.low, misses.high].map(|end| score(hits.value, end.unwrap_or(misses.value)));
    let least = value - by_misses[0].min(by_misses[1]);
    let most = by_misses[0].max(by_misses[1]) - value;
    let below = (value - score(least_hits, misses.value)).hypot(least);
    let above = (score(hits.high.unwrap_or(1.0), misses.value) - value).hypot(most);
    Ok(Reading::exact(value).between(value - below, value + above, PRECISION.range))
}

fn business_value(case: &Case) -> Answer {
    let outcomes = case.judged(Task::Binary)?;
    let confusion = case.confusion()?;
    let Confusion { true_positives, false_positives, false_negatives, true_negatives } = confusion;
    let shares = [true_positives, false_positives, false_negatives, true_negatives]
        .map(|rows| rows as f64 / confusion.n() as f64);
    let values = outcomes.choices.values;
    let each = || shares.into_iter().zip(values);
    let value: f64 = each().map(|(share, worth)| share * worth).sum();
    let spread: f64 = each().map(|(share, worth)| share * (worth - value).powi(2)).sum();
    let range = (values.into_iter().fold(f64::MAX, f64::min), values.into_iter().fold(f64::MIN, f64::max));
    Ok(normal(value, spread / confusion.n() as f64, confusion.n(), range))
}
