//! Expected precision, recall and F1 of several classes as one number each.

use super::{Figure, enough, of_calibration, parts, reading};
use crate::measurement::Family;
use crate::stat::{Answer, Asked, Case, Needs, Null, Of, On, Statistic, Task, Undefined, Worse};
use crate::tally::outcome::Is;

pub const PRECISION: Statistic = Statistic {
    name: "precision_macro",
    family: Family::Estimate,
    on: On::Outcomes(Asked { of: Of::Rows, task: Task::Multiclass, needs: Needs::Predictions }),
    unit: "ratio",
    threshold: None,
    worse: Worse::Below,
    null: Null::Unknown,
    range: (0.0, 1.0),
    about: "Mean of the classes' expected precisions, without labels and without those of classes that were never \
            chosen, by confidence-based performance estimation (NannyML's CBPE; see accuracy); what the scores of a \
            row mean, each by itself, is made to add up to one; the 95 % interval is by the delta method and takes \
            rows with the same choice to be alike; 0 to 1.",
    compute: |case| mean(case, &Figure::PRECISION),
};

pub const RECALL: Statistic = Statistic {
    name: "recall_macro",
    about: "Mean of the classes' expected recalls, without labels and without those of classes that no row is expected \
            to be of, like precision_macro; 0 to 1.",
    compute: |case| mean(case, &Figure::RECALL),
    ..PRECISION
};

pub const F1: Statistic = Statistic {
    name: "f1_macro",
    unit: "",
    about: "Mean of the classes' expected F1, without labels and without those of classes that are neither chosen nor \
            expected, like precision_macro; 0 to 1.",
    compute: |case| mean(case, &Figure::F1),
    ..PRECISION
};

fn mean(case: &Case, figure: &Figure) -> Answer {
    let of_first = parts(case, Task::Multiclass, 0)?;
    let Some(outcomes) = case.outcomes else { return Err(Undefined::NotApplicable) };
    let classes = outcomes.axis.classes.len();
    // By how much each class's figure grows with a row more of the class for which it was chosen, or was not.
    let mut slopes = vec![[0.0; 2]; classes];
    let (mut all, mut sum, mut bounds, mut known) = (Vec::new(), 0.0, 0.0, 0.0);
    for (class, slopes) in slopes.iter_mut().enumerate() {
        let parts = parts(case, Task::Multiclass, class)?;
        match figure.of(&parts) {
            Ok((value, own, bound)) => {
                (sum, bounds, known) = (sum + value, bounds + bound, known + 1.0);
                *slopes = own;
            }
            Err(Undefined::Nothing { .. }) => {}
            Err(why) => return Err(why),
        }
        all.extend(parts);
    }
    if known == 0.0 {
        return Err(Undefined::Nothing { what: figure.of });
    }
    enough(case, of_first.iter().filter(|part| part.rows.chosen != Is::Unknown))?;
    slopes.iter_mut().flatten().for_each(|slope| *slope /= known);
    let slope = |class: usize, is_chosen: bool| {
        slopes.get(class).map_or(0.0, |[chosen, other]| if is_chosen { *chosen } else { *other })
    };
    // A row turns out to be of one class, so what it adds to the figure is one of so many values. Rows for which the same
    // was chosen are taken to have the same chances, which can only add to the variance.
    let mut of_choice = vec![(0.0, 0.0, 0.0); classes + 1];
    for (chosen, class, rows) in outcomes.tally.expected_confusion() {
        let Some((n, first, second)) = of_choice.get_mut(chosen) else { continue };
        let (p, slope) = (rows.probability(), slope(class, chosen == class));
        *n = rows.rows as f64;
        *first += slope * p;
        *second += slope * slope * p;
    }
    let chosen = of_choice.iter().filter(|(n, ..)| *n > 0.0);
    let of_labels: f64 = chosen.map(|(n, first, second)| (second - first * first / n).max(0.0)).sum();
    let calibration = outcomes.axis.calibration.as_deref();
    let of_calibration = of_calibration(calibration, &all, |part| match part.rows.chosen {
        Is::It => slope(part.class, true),
        Is::Not => slope(part.class, false),
        Is::Unknown => 0.0,
    });
    Ok(reading(sum / known, of_labels + of_calibration, bounds / known, PRECISION.range))
}
