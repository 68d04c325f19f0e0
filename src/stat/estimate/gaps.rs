//! How far labels, once they have come, are from what was expected without them.

use statrs::function::erf::erfc;

use super::{Figure, Part, Ranked, choices, parts, reading, sober, stretched};
use crate::measurement::Family;
use crate::stat::{
    Answer, Asked, Case, Needs, Null, Of, On, Reading, Statistic, Task, Undefined, Worse, smallest_shift,
};
use crate::tally::outcome::Is;

pub const ACCURACY: Statistic = Statistic {
    name: "accuracy_gap",
    family: Family::Estimate,
    on: On::Outcomes(Asked { of: Of::Rows, task: Task::Classes, needs: Needs::Labels }),
    unit: "",
    threshold: None,
    worse: Worse::Below,
    null: Null::Formula,
    range: (-1.0, 1.0),
    about: "Accuracy that the labels show, less the one that was expected of the same rows without them; one that is \
            real says that scores no longer mean what they did, as under concept drift, and that estimates are off by \
            about as much; the p-value and the 95 % interval are normal, by the variance of the estimate, and take \
            labels to come for rows of one score alike; -1 to 1.",
    compute: accuracy,
};

pub const ROC_AUC: Statistic = Statistic {
    name: "roc_auc_gap",
    on: On::Outcomes(Asked { of: Of::Class, task: Task::Classes, needs: Needs::Labels }),
    about: "Area under the receiver operating characteristic that the labels show, less the one that was expected of the \
            same rows without them, like accuracy_gap; -1 to 1.",
    compute: area,
    ..ACCURACY
};

/// Rows whose label has come, if there are enough of them.
fn judged(case: &Case, parts: Vec<Part>) -> Result<Vec<Part>, Undefined> {
    let parts: Vec<Part> = parts.into_iter().filter(|part| part.rows.label != Is::Unknown).collect();
    match (parts.iter().map(|part| part.rows.rows as u64).sum(), case.min_rows.max(1)) {
        (0, _) => Err(Undefined::NoLabels { rows: case.predicted()?.tally.rows() }),
        (n, least) if n < least => Err(Undefined::TooFewLabels { n, least }),
        _ => Ok(parts),
    }
}

fn accuracy(case: &Case) -> Answer {
    let choices = choices(case)?.into_iter().filter(|part| part.rows.chosen != Is::Unknown).collect::<Vec<Part>>();
    if choices.is_empty() {
        return Err(Undefined::NoChoices);
    }
    let parts = judged(case, choices)?;
    let (expected, slopes, bound) = Figure::ACCURACY.of(&parts)?;
    let (right, n) = parts.iter().fold((0.0, 0.0), |(right, n), part| {
        let is_right = part.rows.chosen == part.rows.label;
        (right + if is_right { part.rows.rows } else { 0.0 }, n + part.rows.rows)
    });
    let sober = Figure::ACCURACY.of(&sober(case, &parts)).map_or(expected, |(sober, ..)| sober);
    let shown = right / n;
    Ok(gap(case, shown - expected, shown - sober, Figure::ACCURACY.variance(case, &parts, slopes), bound))
}

fn area(case: &Case) -> Answer {
    let class = case.outcomes.map_or(0, |outcomes| outcomes.class);
    let parts = judged(case, parts(case, Task::Classes, class)?)?;
    let expected = Ranked::new(&parts)?;
    let mut labels = parts.clone();
    for Part { rows, .. } in &mut labels {
        rows.positives = if rows.label == Is::It { rows.rows } else { 0.0 };
        rows.slack = 0.0;
    }
    let shown = Ranked::new(&labels).map_err(|_| Undefined::OneClass)?;
    // Rows in one gap of the grid are even in both.
    let bound = expected.bound + shown.bound;
    let sober = Ranked::new(&sober(case, &parts)).map_or(expected.area, |sober| sober.area);
    Ok(gap(case, shown.area - expected.area, shown.area - sober, expected.variance(case, &parts), bound))
}

/// A gap is real as far as it would be without what the fit exaggerates as well.
fn gap(case: &Case, value: f64, sober: f64, variance: f64, bound: f64) -> Reading {
    let error = variance.sqrt();
    let least = if value * sober <= 0.0 { 0.0 } else { value.abs().min(sober.abs()) };
    // Where nothing else could have come about, anything else is impossible; what is less is rounding.
    let p_value = if least < 1e-9 { 1.0 } else { erfc(least / error / std::f64::consts::SQRT_2).clamp(0.0, 1.0) };
    let detectable = smallest_shift(case.significance) * error;
    Reading {
        p_value: Some(p_value),
        detectable: (detectable > 0.0).then_some(detectable),
        ..stretched(reading(value, variance, bound, ACCURACY.range), sober, ACCURACY.range)
    }
}
