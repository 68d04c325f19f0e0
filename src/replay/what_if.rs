//! The same measurements by other thresholds: how many alerts a day each would have raised.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use serde::Serialize;

use super::Usage;
use crate::config;
use crate::engine::Again;
use crate::measurement::Measurement;
use crate::monitor::{Measure, Monitor};
use crate::rule::Rule;
use crate::rule::State;
use crate::time::Window;

/// A number of the monitor, and what it could be instead: `drift.psi=0.1,0.2` or `drift.psi=0.05..0.5:10`.
///
/// The name is one that conditions use. The number is what it is compared with in every condition, and, unless the name
/// ends with a field such as `p_value`, the statistic's threshold.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    pub name: String,
    pub values: Vec<f64>,
}

impl FromStr for Question {
    type Err = String;

    fn from_str(text: &str) -> Result<Question, String> {
        const LIKE: &str = "write for example drift.psi=0.1,0.2,0.3 or drift.psi=0.05..0.5:10";
        /// No curve needs more points.
        const MOST: usize = 1000;
        let (name, values) = text.split_once('=').ok_or(format!("it has no values: {LIKE}"))?;
        let number = |text: &str| {
            let number = text.trim().parse().ok().filter(|number: &f64| number.is_finite());
            number.ok_or_else(|| format!("`{text}` is not a number: {LIKE}"))
        };
        let values = match values.split_once("..") {
            None => values.split(',').map(number).collect::<Result<Vec<f64>, String>>()?,
            Some((from, rest)) => {
                let (to, count) = rest.split_once(':').ok_or(format!("`{values}` has no number of values: {LIKE}"))?;
                let count = count.parse().ok().filter(|count| (2..=MOST).contains(count));
                let count = count.ok_or(format!("a range has from 2 to {MOST} values: {LIKE}"))?;
                let (from, to) = (number(from)?, number(to)?);
                let share = |i: usize| i as f64 / (count - 1) as f64;
                (0..count).map(|i| from * (1.0 - share(i)) + to * share(i)).collect()
            }
        };
        if values.len() > MOST {
            return Err(format!("there are more than {MOST} values"));
        }
        Ok(Question { name: name.trim().to_owned(), values })
    }
}

/// What would have come of one value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    pub name: String,
    /// `None` for what the monitor says.
    pub value: Option<f64>,
    /// The time from the first window's start to the last one's end.
    pub days: f64,
    pub windows: u64,
    /// Times that an alert began to fire.
    pub alerts: u64,
    pub alerts_per_day: f64,
    /// The same by rule.
    pub by_rule: BTreeMap<String, u64>,
    pub resolved: u64,
    pub retrains: u64,
    /// Windows, each version and slice apart, in which a measurement with this threshold was breached; `None` where the
    /// name is no threshold.
    pub breached_windows: Option<u64>,
    pub breached_windows_per_day: Option<f64>,
}

/// All that was measured, to be judged by each value in turn.
pub struct WhatIf {
    monitor: Monitor,
    questions: Vec<Question>,
    /// For each window the measurements of each version and slice.
    windows: Vec<(Window, Vec<Vec<Measurement>>)>,
}

impl WhatIf {
    /// # Errors
    /// When a name is of nothing that the monitor compares with a number, or a value is not possible.
    pub fn new(monitor: &Monitor, questions: &[Question]) -> Result<WhatIf, Usage> {
        for question in questions {
            check(monitor, question)?;
        }
        Ok(WhatIf { monitor: monitor.clone(), questions: questions.to_vec(), windows: Vec::new() })
    }

    /// The monitor to measure with: it keeps every value, whatever could have been seen, and asks no rules, since both
    /// are a matter of thresholds.
    pub fn measuring(monitor: &Monitor) -> Monitor {
        let mut monitor = monitor.clone();
        monitor.judging.tells_underpowered = true;
        monitor.rules.clear();
        monitor
    }

    /// Takes note of the measurements of one window, version and slice.
    pub fn measured(&mut self, measurements: Vec<Measurement>) {
        let Some(first) = measurements.first() else { return };
        let window = Window { start: first.window_start, end: first.window_end };
        match self.windows.last_mut() {
            Some((last, groups)) if *last == window => groups.push(measurements),
            _ => self.windows.push((window, vec![measurements])),
        }
    }

    /// What the monitor as it is would have said, then each question's values in turn.
    pub fn points(&self) -> Vec<Point> {
        let mut points = Vec::new();
        for question in &self.questions {
            points.push(self.point(&self.monitor, &question.name, None));
            for &value in &question.values {
                points.push(self.point(&varied(&self.monitor, &question.name, value), &question.name, Some(value)));
            }
        }
        points
    }

    fn point(&self, monitor: &Monitor, name: &str, value: Option<f64>) -> Point {
        let mut again = Again::new(monitor);
        let is_threshold = monitor.measures.iter().any(|measure| is_named(monitor, measure, name));
        let (mut windows, mut breached, mut resolved, mut retrains) = (0, 0, 0, 0);
        let mut by_rule: BTreeMap<String, u64> = monitor.rules.iter().map(|rule| (rule.name.clone(), 0)).collect();
        for (window, groups) in &self.windows {
            let mut groups = groups.clone();
            let (events, requests) = again.judge(*window, &mut groups);
            for measurements in &groups {
                let is_breach = |m: &Measurement| {
                    let measure = again.measure(m);
                    m.breached == Some(true) && measure.is_some_and(|measure| is_named(monitor, measure, name))
                };
                windows += 1;
                breached += u64::from(measurements.iter().any(is_breach));
            }
            for event in events {
                match event.state {
                    State::Firing => *by_rule.entry(event.alert).or_default() += 1,
                    State::Resolved => resolved += 1,
                    State::Pending => {}
                }
            }
            retrains += requests.len() as u64;
        }
        let start = self.windows.first().map_or(0, |(window, _)| window.start.0);
        let end = self.windows.last().map_or(0, |(window, _)| window.end.0);
        let days = (end - start) as f64 / 86_400_000.0;
        let per_day = |count: u64| if days > 0.0 { count as f64 / days } else { 0.0 };
        let alerts = by_rule.values().sum();
        let breached_windows = is_threshold.then_some(breached);
        Point {
            name: name.to_owned(),
            value,
            days,
            windows,
            alerts,
            alerts_per_day: per_day(alerts),
            by_rule,
            resolved,
            retrains,
            breached_windows,
            breached_windows_per_day: breached_windows.map(per_day),
        }
    }
}

/// What conditions call a measure: for every subject, and for its own.
fn names(monitor: &Monitor, measure: &Measure) -> (String, Option<String>) {
    let (family, statistic) = (measure.statistic.family.name(), measure.statistic.name);
    let subject = measure.field.map(|field| monitor.fields()[field].subject.as_str());
    (format!("{family}.{statistic}"), subject.map(|subject| format!("{family}.{subject}.{statistic}")))
}

fn is_named(monitor: &Monitor, measure: &Measure, name: &str) -> bool {
    let (every, own) = names(monitor, measure);
    let name = name.strip_suffix(".value").unwrap_or(name);
    every == name || own.as_deref() == Some(name)
}

/// The monitor with another number.
fn varied(monitor: &Monitor, name: &str, value: f64) -> Monitor {
    let mut other = monitor.clone();
    for measure in other.measures.iter_mut().filter(|measure| is_named(monitor, measure, name)) {
        measure.threshold = Some(value);
    }
    for rule in &mut other.rules {
        if let Some(when) = rule.when.with_number(name, value) {
            *rule = Arc::new(Rule {
                name: rule.name.clone(),
                when,
                patience: rule.patience,
                severity: rule.severity,
                labels: rule.labels.clone(),
                annotations: rule.annotations.clone(),
                notify: rule.notify.clone(),
                retrain: rule.retrain.clone(),
            });
        }
    }
    other
}

fn check(monitor: &Monitor, question: &Question) -> Result<(), Usage> {
    let name = question.name.as_str();
    let measured: Vec<&Measure> = monitor.measures.iter().filter(|measure| is_named(monitor, measure, name)).collect();
    let is_compared = monitor.rules.iter().any(|rule| rule.when.with_number(name, 0.0).is_some());
    if measured.is_empty() && !is_compared {
        let compared = monitor.rules.iter().flat_map(|rule| rule.when.names()).map(|name| name.text.clone());
        let mut known: Vec<String> = monitor.measures.iter().map(|measure| names(monitor, measure).0).collect();
        known.extend(
            compared.filter(|name| monitor.rules.iter().any(|rule| rule.when.with_number(name, 0.0).is_some())),
        );
        known.sort();
        known.dedup();
        let message = format!("{} compares `{name}` with no number", monitor.model);
        return Err(Usage { message, hint: config::hint(name, known.iter().map(String::as_str)) });
    }
    for measure in measured {
        let (least, most) = measure.statistic.range;
        if let Some(value) = question.values.iter().find(|value| !(least..=most).contains(*value)) {
            let message = format!("{value} is out of the range of `{name}`");
            let hint = if most.is_finite() { format!("from {least} to {most}") } else { format!("{least} and up") };
            return Err(Usage { message, hint: Some(hint) });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_a_list_or_a_range() {
        let values = |text: &str| text.parse::<Question>().map(|question| question.values);
        assert_eq!(values("drift.psi=0.1, 0.2,1e-3"), Ok(vec![0.1, 0.2, 0.001]));
        assert_eq!(values("drift.psi=0..1:5"), Ok(vec![0.0, 0.25, 0.5, 0.75, 1.0]));
        assert_eq!(values("drift.psi=0.05..0.5:2"), Ok(vec![0.05, 0.5]));
        for wrong in ["drift.psi", "drift.psi=", "drift.psi=a", "drift.psi=0..1", "drift.psi=0..1:1", "x=0..inf:3"] {
            assert!(values(wrong).is_err(), "{wrong}");
        }
    }
}
