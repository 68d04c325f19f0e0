//! The area under the receiver operating characteristic.

use super::{
    Answer, Asked, Levels, Needs, Null, Of, On, Outcomes, Reading, Statistic, Task, Undefined, Worse, average, normal,
};
use crate::measurement::Family;

pub const ROW: Statistic = Statistic {
    name: "roc_auc",
    family: Family::Performance,
    on: On::Outcomes(Asked { of: Of::Class, task: Task::Classes, needs: Needs::Labels }),
    unit: "",
    threshold: None,
    worse: Worse::Below,
    null: Null::Unknown,
    range: (0.0, 1.0),
    about: "Area under the receiver operating characteristic: the probability that a row of the class has a higher \
            score than one that is not, equal scores counting half; scores in one gap of the grid count as equal, \
            which changes it by at most the error bound; undefined with labels of only one class; the 95 % interval is \
            DeLong's (1988), and where every pair is in order, or one class has a single row, Wilson's of as many rows \
            as the smaller class has; 0 to 1, and 0.5 for scores that do not depend on the label (Hanley and McNeil, \
            1982).",
    compute: |case| area(&case.levels()?),
};

pub const MACRO: Statistic = Statistic {
    name: "roc_auc_macro",
    on: On::Outcomes(Asked { of: Of::Rows, task: Task::Multiclass, needs: Needs::Labels }),
    about: "Mean of the listed classes' areas under the receiver operating characteristic, each class against all \
            others, without those of classes that have no rows; the ends of the 95 % interval are the means of the \
            classes' ends, which makes it too wide rather than too narrow; 0 to 1.",
    compute: |case| over_classes(case.judged(Task::Multiclass)?, |_| 1.0),
    ..ROW
};

pub const WEIGHTED: Statistic = Statistic {
    name: "roc_auc_weighted",
    about: "Mean of the listed classes' areas under the receiver operating characteristic, each class against all \
            others and weighted by how many rows are of it; the ends of the 95 % interval are the means of the \
            classes' ends, which makes it too wide rather than too narrow; 0 to 1.",
    compute: |case| over_classes(case.judged(Task::Multiclass)?, |levels| levels.positives as f64),
    ..MACRO
};

fn area(levels: &Levels) -> Answer {
    let (n, m) = (levels.positives, levels.negatives);
    if n == 0 || m == 0 {
        return Err(Undefined::OneClass);
    }
    // Twice the number of pairs in order, and twice of how many that is not known, both exactly.
    let (mut in_order, mut unknown, mut below) = (0u128, 0u128, 0u64);
    for level in &levels.levels {
        in_order += u128::from(level.positives) * (2 * u128::from(below) + u128::from(level.negatives));
        if !level.is_known {
            unknown += u128::from(level.positives) * u128::from(level.negatives);
        }
        below += level.negatives;
    }
    let of_pairs = |twice: u128| twice as f64 / (2 * u128::from(n) * u128::from(m)) as f64;
    let value = of_pairs(in_order);
    let reading = normal(value, variance(levels, value), n.min(m), ROW.range);
    Ok(Reading { error_bound: Some(of_pairs(unknown)), ..reading })
}

/// The variance by the structural components: the share of negatives below each positive, and of positives above each
/// negative. Of a single row there is none, and it is 0.
fn variance(levels: &Levels, area: f64) -> f64 {
    let (n, m) = (levels.positives as f64, levels.negatives as f64);
    if n < 2.0 || m < 2.0 {
        return 0.0;
    }
    let (mut of_positives, mut of_negatives) = (0.0, 0.0);
    let (mut below, mut above) = (0.0, n);
    for level in &levels.levels {
        let (positives, negatives) = (level.positives as f64, level.negatives as f64);
        above -= positives;
        of_positives += positives * ((below + negatives / 2.0) / m - area).powi(2);
        of_negatives += negatives * ((above + positives / 2.0) / n - area).powi(2);
        below += negatives;
    }
    of_positives / (n - 1.0) / n + of_negatives / (m - 1.0) / m
}

fn over_classes(outcomes: &Outcomes, weight: fn(&Levels) -> f64) -> Answer {
    let mut areas = Vec::new();
    for class in 0..outcomes.axis.classes.len() {
        let levels = Levels::of(outcomes, class)?;
        match area(&levels) {
            Ok(reading) => areas.push((reading, weight(&levels))),
            Err(Undefined::OneClass) => {}
            Err(why) => return Err(why),
        }
    }
    if areas.is_empty() { Err(Undefined::OneClass) } else { Ok(average(&areas, ROW.range)) }
}
