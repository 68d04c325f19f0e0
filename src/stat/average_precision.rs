//! Average precision: the area under the curve of precision over recall.

use statrs::function::gamma::digamma;

use super::{
    Answer, Asked, Case, Level, Levels, Needs, Null, Of, On, Reading, Statistic, Task, Undefined, Worse, Z, average,
    wilson,
};
use crate::measurement::Family;

pub const ROW: Statistic = Statistic {
    name: "average_precision",
    family: Family::Performance,
    on: On::Outcomes(Asked { of: Of::Class, task: Task::Classes, needs: Needs::Labels }),
    unit: "",
    threshold: None,
    worse: Worse::Below,
    null: Null::Unknown,
    range: (0.0, 1.0),
    about: "Average precision: for each row of the class, the share that is of the class among rows whose score is at \
            least as high, averaged, without interpolation; rows in one gap of the grid count as in random order, which \
            changes it by at most the error bound; undefined, where scikit-learn says 0, without rows of the class; \
            the 95 % interval is by the logit of the value with as many trials as there are rows of the class (Boyd, \
            Eng and Page, 2013), and Wilson's for a value of 1; 0 to 1, and the share of the class for scores that do \
            not depend on the label.",
    compute: |case| precision(&case.levels()?),
};

pub const MACRO: Statistic = Statistic {
    name: "average_precision_macro",
    on: On::Outcomes(Asked { of: Of::Rows, task: Task::Multiclass, needs: Needs::Labels }),
    about: "Mean of the listed classes' average precisions, each class against all others, without those of classes that \
            have no rows; the ends of the 95 % interval are the means of the classes' ends, which makes it too wide \
            rather than too narrow; 0 to 1.",
    compute: over_classes,
    ..ROW
};

/// The sum over the positives of a level of their precision, and the least and the greatest that it can be.
struct Part {
    value: f64,
    least: f64,
    most: f64,
}

impl Part {
    /// Of a level below so many positives and so many rows.
    fn of(level: &Level, positives: f64, rows: f64) -> Part {
        let (here, others) = (level.positives as f64, level.negatives as f64);
        let all = here + others;
        if level.is_known || here == 0.0 {
            let value = if here == 0.0 { 0.0 } else { here * (positives + here) / (rows + all) };
            return Part { value, least: value, most: value };
        }
        // With the row at place `i` positive, as many of the others before it are as is their share.
        let share = if all > 1.0 { (here - 1.0) / (all - 1.0) } else { 0.0 };
        let constant = positives + 1.0 - share - rows * share;
        let value = here / all * (all * share + constant * inverses(rows, all));
        // No precision is greater than with all the positives at one score before the others, and the sum is the least
        // with all of them apart behind the others.
        let most = here * (positives + here) / (rows + here);
        let least = here - (rows - positives + others) * inverses(rows + others, here);
        let most = most.max(value);
        Part { value, least: least.min(value), most }
    }
}

/// The sum of 1 / (start + i) for i from 1 to n.
fn inverses(start: f64, n: f64) -> f64 {
    const FEW: f64 = 64.0;
    if n <= FEW {
        return (1..=n as u64).map(|i| 1.0 / (start + i as f64)).sum();
    }
    digamma(start + n + 1.0) - digamma(start + 1.0)
}

fn precision(levels: &Levels) -> Answer {
    let n = levels.positives as f64;
    if levels.positives == 0 {
        return Err(Undefined::Nothing { what: "is positive" });
    }
    let (mut value, mut below, mut above) = (0.0, 0.0, 0.0);
    let (mut positives, mut rows) = (0.0, 0.0);
    for level in levels.levels.iter().rev() {
        let part = Part::of(level, positives, rows);
        value += part.value;
        below += part.value - part.least;
        above += part.most - part.value;
        positives += level.positives as f64;
        rows += level.rows() as f64;
    }
    let value = (value / n).min(1.0);
    let reading = Reading { error_bound: Some(f64::max(below, above) / n), ..Reading::exact(value) };
    // Short of 1 by no more than rounding.
    if value > 1.0 - 1e-12 {
        let (low, high) = wilson(1.0, n);
        return Ok(reading.between(low, high, ROW.range));
    }
    let logit = (value / (1.0 - value)).ln();
    let half = Z / (n * value * (1.0 - value)).sqrt();
    let expit = |x: f64| 1.0 / (1.0 + (-x).exp());
    Ok(reading.between(expit(logit - half), expit(logit + half), ROW.range))
}

fn over_classes(case: &Case) -> Answer {
    let outcomes = case.judged(Task::Multiclass)?;
    let mut precisions = Vec::new();
    for class in 0..outcomes.axis.classes.len() {
        match precision(&Levels::of(outcomes, class)?) {
            Ok(reading) => precisions.push((reading, 1.0)),
            Err(Undefined::Nothing { .. }) => {}
            Err(why) => return Err(why),
        }
    }
    if precisions.is_empty() {
        return Err(Undefined::Nothing { what: "is of a listed class" });
    }
    Ok(average(&precisions, ROW.range))
}
