//! Reads what is wanted of predictions and labels beside what is measured of them without being asked for.

use super::measures::{Thresholds, thresholds};
use crate::config::Item;
use crate::measurement::Family;
use crate::schema::Answers;
use crate::stat::{Choices, Needs, Of, Statistic, Task};

/// What of a monitor decides which statistics of outcomes there are.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// What the model answers, if anything; `None` when that could not be read, and nothing can be said.
    pub answers: Option<Option<&'a Answers>>,
    pub has_labels: bool,
    pub has_groups: bool,
}

impl Known<'_> {
    /// Why a statistic of outcomes is not measured, as a hint that says what to do; `None` when it is.
    pub fn lacks(&self, row: &Statistic) -> Option<String> {
        let asked = row.on.outcomes()?;
        let Some(answers) = self.answers? else {
            let hint = "write what the model answers under `prediction`: `positive`, `classes` or `value`";
            return Some(hint.to_owned());
        };
        if !asked.task.is_of(answers.classes.len()) {
            let of = match asked.task {
                Task::Any => "any answers",
                Task::Classes => "classes",
                Task::Binary => "`positive`, one class out of two",
                Task::Multiclass => "`classes`, of which there are several",
                Task::Numbers => "`value`, a number",
            };
            return Some(format!("it is of {of}"));
        }
        if row.family == Family::Estimate && answers.scores.is_empty() {
            return Some("it is estimated from the scores of classes: write where they are".to_owned());
        }
        // What scores mean is learnt from the labels of the reference.
        if !self.has_labels && (asked.needs == Needs::Labels || row.family == Family::Estimate) {
            return Some("write where labels come from as `labels`".to_owned());
        }
        if !self.has_groups && matches!(asked.of, Of::Attribute | Of::Group) {
            return Some("write `fairness: {}`, and what is `protected` under `schema`".to_owned());
        }
        None
    }
}

/// Reads `performance`: thresholds, and what is chosen of those statistics that leave a choice.
pub fn performance(item: Item<'_>, known: &Known<'_>) -> Option<(Choices, Thresholds)> {
    const PARTS: (&str, &str) = ("a number above 0 and below 1", "a number such as 0.1");
    let is_part = |x: f64| x > 0.0 && x < 1.0;
    let default = Choices::default();
    let map = item.map()?;
    if !known.has_labels {
        let hint = "write where labels come from as `labels`".to_owned();
        item.report("without labels there is no `performance`", Some(hint));
    }
    let thresholds = map.or("thresholds", Vec::new(), |item| outcome_thresholds(item, Family::Performance, known));
    let beta = map.or("beta", default.beta, |item| item.number("a number above 0", "a number such as 2", |x| x > 0.0));
    let top = map.or("top", default.top, |item| item.number(PARTS.0, PARTS.1, is_part));
    let quantile = map.or("quantile", default.quantile, |item| item.number(PARTS.0, "a number such as 0.9", is_part));
    let values = map.or("values", default.values, values);
    let choices = Choices { beta: beta?, top: top?, quantile: quantile?, values: values?, ..default };
    Some((choices, thresholds?))
}

/// What a row is worth, by what was chosen and what turned out.
fn values(item: Item<'_>) -> Option<[f64; 4]> {
    let map = item.map()?;
    let value = |item: Item<'_>| item.number("a number", "a number such as -10", |_| true);
    let values = [
        map.need("true_positive", "5", value),
        map.need("false_positive", "-1", value),
        map.need("false_negative", "-10", value),
        map.need("true_negative", "0", value),
    ];
    let [Some(tp), Some(fp), Some(fn_), Some(tn)] = values else { return None };
    Some([tp, fp, fn_, tn])
}

/// Reads `estimate`, of which there are only thresholds.
pub fn estimate(item: Item<'_>, known: &Known<'_>) -> Option<Thresholds> {
    let map = item.map()?;
    let has_scores = known.answers.is_none_or(|answers| answers.is_some_and(|answers| !answers.scores.is_empty()));
    if !has_scores || !known.has_labels {
        let hint = "write where the scores are under `prediction`, and where labels come from as `labels`".to_owned();
        item.report("performance is estimated from scores, and from the labels of the reference", Some(hint));
    }
    map.or("thresholds", Vec::new(), |item| outcome_thresholds(item, Family::Estimate, known))
}

/// Thresholds of statistics of outcomes, all of which have to be measured.
pub fn outcome_thresholds(item: Item<'_>, family: Family, known: &Known<'_>) -> Option<Thresholds> {
    thresholds(item, family, |row, item| {
        if let Some(hint) = known.lacks(row) {
            item.report(format!("`{}` has a threshold, but is not measured", row.name), Some(hint));
        }
    })
}
