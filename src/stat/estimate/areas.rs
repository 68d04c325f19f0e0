//! How well scores are expected to rank rows before labels have come.

use super::{Ranked, enough, parts, reading, sober, stretched};
use crate::measurement::Family;
use crate::stat::{Answer, Asked, Case, Needs, Null, Of, On, Reading, Statistic, Task, Undefined, Worse};

pub const ROC_AUC: Statistic = Statistic {
    name: "roc_auc",
    family: Family::Estimate,
    on: On::Outcomes(Asked { of: Of::Class, task: Task::Classes, needs: Needs::Predictions }),
    unit: "",
    threshold: None,
    worse: Worse::Below,
    null: Null::Unknown,
    range: (0.0, 1.0),
    about: "Area under the receiver operating characteristic that is expected without labels: each row is positive and \
            negative in part, as its score means by confidence-based performance estimation (NannyML's CBPE; see \
            accuracy), equal scores counting half; scores in one gap of the grid count as equal, which changes it by \
            at most the error bound; the 95 % interval is of the area that labels will show, by the delta method; 0 to \
            1, and 0.5 for scores that say nothing.",
    compute: |case| of_class(case, Task::Classes, case.outcomes.map_or(0, |outcomes| outcomes.class)),
};

pub const ROC_AUC_MACRO: Statistic = Statistic {
    name: "roc_auc_macro",
    on: On::Outcomes(Asked { of: Of::Rows, task: Task::Multiclass, needs: Needs::Predictions }),
    about: "Mean of the classes' expected areas under the receiver operating characteristic, each class against all \
            others, without labels and without those of classes that no row is expected to be of; the ends of the 95 % \
            interval are the means of the classes' ends, which makes it too wide rather than too narrow; 0 to 1.",
    compute: over_classes,
    ..ROC_AUC
};

fn of_class(case: &Case, task: Task, class: usize) -> Answer {
    let parts = parts(case, task, class)?;
    enough(case, parts.iter())?;
    let ranked = Ranked::new(&parts)?;
    let told = reading(ranked.area, ranked.variance(case, &parts), ranked.bound, ROC_AUC.range);
    Ok(stretched(told, Ranked::new(&sober(case, &parts)).map_or(told.value, |sober| sober.area), ROC_AUC.range))
}

fn over_classes(case: &Case) -> Answer {
    let classes = case.outcomes.map_or(1, |outcomes| outcomes.axis.classes.len().max(1));
    let mut areas = Vec::new();
    for class in 0..classes {
        match of_class(case, Task::Multiclass, class) {
            Ok(area) => areas.push(area),
            Err(Undefined::Nothing { .. }) => {}
            Err(why) => return Err(why),
        }
    }
    if areas.is_empty() {
        return Err(Undefined::Nothing { what: "is expected to be of a class and not all are" });
    }
    let mean = |figure: fn(&Reading) -> f64| areas.iter().map(figure).sum::<f64>() / areas.len() as f64;
    let value = mean(|area| area.value);
    let (low, high) = (mean(|area| area.low.unwrap_or(0.0)), mean(|area| area.high.unwrap_or(1.0)));
    let error_bound = Some(mean(|area| area.error_bound.unwrap_or(0.0)));
    Ok(Reading { low: Some(low.min(value)), high: Some(high.max(value)), error_bound, ..Reading::exact(value) })
}
