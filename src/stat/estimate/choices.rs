//! How right choices are expected to be before labels have come, of one class against all others.

use super::{Figure, choices, parts};
use crate::measurement::Family;
use crate::stat::{Answer, Asked, Case, Needs, Null, Of, On, Reading, Statistic, Task, Worse};

const fn on(of: Of, task: Task) -> On {
    On::Outcomes(Asked { of, task, needs: Needs::Predictions })
}

pub const ACCURACY: Statistic = Statistic {
    name: "accuracy",
    family: Family::Estimate,
    on: on(Of::Rows, Task::Classes),
    unit: "ratio",
    threshold: None,
    worse: Worse::Below,
    null: Null::Unknown,
    range: (0.0, 1.0),
    about: "Share of rows for which the right class is expected to be chosen, without labels, by confidence-based \
            performance estimation (NannyML's CBPE): scores mean what the labels of the reference say, by isotonic \
            regression where cross-validation finds that nearer to labels than the scores themselves; it holds while a \
            score means what it did then, so without concept drift; the 95 % interval is of the share that labels will \
            show, Poisson-binomial and with what is not known of the meaning of scores; 0 to 1.",
    compute: |case| Figure::ACCURACY.estimate(case, &choices(case)?, ACCURACY.range),
};

pub const PRECISION: Statistic = Statistic {
    name: "precision",
    on: on(Of::Class, Task::Classes),
    about: "Share of the rows for which the class was chosen that are expected to be of it, without labels, like the \
            accuracy; undefined, where NannyML says 0, when it was never chosen; 0 to 1.",
    compute: |case| of_class(case, Task::Classes, &Figure::PRECISION, PRECISION.range),
    ..ACCURACY
};

pub const RECALL: Statistic = Statistic {
    name: "recall",
    about: "Share of the rows expected to be of the class for which it was chosen, without labels, like the accuracy; \
            its interval is by the delta method; undefined, where NannyML says 0, when none is expected to be; 0 to 1.",
    compute: |case| of_class(case, Task::Classes, &Figure::RECALL, RECALL.range),
    ..PRECISION
};

pub const SPECIFICITY: Statistic = Statistic {
    name: "specificity",
    about: "Share of the rows expected not to be of the class for which it was not chosen, without labels, like the \
            accuracy; its interval is by the delta method; undefined, where NannyML says 0, when all are expected to \
            be; 0 to 1.",
    compute: |case| of_class(case, Task::Classes, &Figure::SPECIFICITY, SPECIFICITY.range),
    ..PRECISION
};

pub const F1: Statistic = Statistic {
    name: "f1",
    unit: "",
    about: "Harmonic mean of the expected precision and recall, without labels, like the accuracy; its interval is by \
            the delta method; undefined, where NannyML says 0, when the class is neither chosen nor expected; 0 to 1.",
    compute: |case| of_class(case, Task::Classes, &Figure::F1, F1.range),
    ..PRECISION
};

pub const TRUE_POSITIVES: Statistic = Statistic {
    name: "true_positives",
    unit: "",
    range: (0.0, f64::INFINITY),
    about: "How many of the rows for which the class was chosen are expected to be of it, without labels, like the \
            accuracy; 0 and up.",
    compute: |case| count(case, [1.0, 0.0, 0.0, 0.0]),
    ..PRECISION
};

pub const FALSE_POSITIVES: Statistic = Statistic {
    name: "false_positives",
    worse: Worse::Above,
    about: "How many of the rows for which the class was chosen are expected not to be of it, without labels, like the \
            accuracy; 0 and up.",
    compute: |case| count(case, [0.0, 1.0, 0.0, 0.0]),
    ..TRUE_POSITIVES
};

pub const FALSE_NEGATIVES: Statistic = Statistic {
    name: "false_negatives",
    worse: Worse::Above,
    about: "How many of the rows for which the class was not chosen are expected to be of it, without labels, like the \
            accuracy; 0 and up.",
    compute: |case| count(case, [0.0, 0.0, 1.0, 0.0]),
    ..TRUE_POSITIVES
};

pub const TRUE_NEGATIVES: Statistic = Statistic {
    name: "true_negatives",
    about: "How many of the rows for which the class was not chosen are expected not to be of it, without labels, like \
            the accuracy; 0 and up.",
    compute: |case| count(case, [0.0, 0.0, 0.0, 1.0]),
    ..TRUE_POSITIVES
};

pub const BUSINESS_VALUE: Statistic = Statistic {
    name: "business_value",
    on: on(Of::Rows, Task::Binary),
    unit: "",
    range: (f64::NEG_INFINITY, f64::INFINITY),
    about: "What a row is expected to be worth on average, by what a true positive, a false positive, a false negative \
            and a true negative are worth (0, -1, -1 and 0 where nothing is set), without labels, like the accuracy; \
            NannyML's divided by the rows; from the least of the four to the greatest.",
    compute: business_value,
    ..ACCURACY
};

fn of_class(case: &Case, task: Task, figure: &Figure, range: (f64, f64)) -> Answer {
    let class = case.outcomes.map_or(0, |outcomes| outcomes.class);
    figure.estimate(case, &parts(case, task, class)?, range)
}

fn count(case: &Case, top: [f64; 4]) -> Answer {
    let figure = Figure { top, bottom: None, of: "" };
    let reading = of_class(case, Task::Classes, &figure, TRUE_POSITIVES.range)?;
    // There cannot be more than there are rows.
    let rows = case.outcomes.map_or(0, |outcomes| outcomes.tally.rows()) as f64;
    Ok(Reading { high: reading.high.map(|high| high.min(rows).max(reading.value)), ..reading })
}

fn business_value(case: &Case) -> Answer {
    let values = case.outcomes.map_or([0.0; 4], |outcomes| outcomes.choices.values);
    let figure = Figure { top: values, bottom: Some([1.0; 4]), of: "has a choice" };
    let range = values.into_iter().fold((f64::MAX, f64::MIN), |(least, most), one| (least.min(one), most.max(one)));
    of_class(case, Task::Binary, &figure, range)
}
