//! What is told about an alert, and about the retrain that it asks for.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::basis::{Basis, OffsetRange};
use super::life::{Active, Unknown};
use super::{Rule, Severity, State};
use crate::cause::Likely;
use crate::measurement::Measurement;
use crate::time::{Time, Window};

/// What makes an alert the same alert from window to window.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AlertKey {
    pub rule: String,
    pub version: Arc<str>,
    pub slice: Arc<str>,
    /// `""` when the rule is asked once a window.
    pub subject: String,
}

/// One change in an alert's life, as it is published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertEvent {
    pub id: String,
    pub alert: String,
    pub state: State,
    pub severity: Severity,
    pub model: String,
    pub version: String,
    pub slice: String,
    pub subject: String,
    pub window_start: Time,
    pub window_end: Time,
    pub since: Time,
    pub condition: String,
    /// Why it resolved; empty otherwise.
    pub reason: String,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    /// The measurements that the condition names.
    pub evidence: Vec<Measurement>,
    /// What keeps it from being known whether the condition still holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<Unknown>,
    /// How the subject is distributed, where it is a field that is compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<Shape>,
    /// What this alert is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<Incident>,
    /// The rows of the window and slice: for each partition, the first and the last offset. Empty where the window is
    /// told again with labels, or has no rows of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub offsets: Vec<OffsetRange>,
    /// By what its numbers can be computed again. It is for the audit log.
    #[serde(default, skip_serializing)]
    pub basis: Basis,
    /// Receivers to notify.
    #[serde(default, skip_serializing)]
    pub notify: Vec<String>,
}

/// A picture of a field: the shares of rows in bins that the reference fixes, for the reference and for the window. The
/// bins are in order, and their bounds are not told: values do not leave the daemon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shape {
    pub reference: Vec<f64>,
    pub current: Vec<f64>,
}

/// Alerts of one model and version that fire at the same time, and so probably for the same reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    pub id: String,
    /// The end of the window in which the first of them began to fire.
    pub opened: Time,
    /// How many of them fire.
    pub firing: usize,
    /// What they are about, what matters most first: it has drifted far, the model relies on it, and is estimated to do
    /// worse where it has.
    #[serde(default)]
    pub ranked: Vec<String>,
    /// What has probably happened, the likeliest first.
    pub likely: Vec<Likely>,
}

impl AlertEvent {
    /// One of which no more is said.
    pub fn bare(alert: &str, state: State, severity: Severity) -> AlertEvent {
        AlertEvent {
            id: String::new(),
            alert: alert.to_owned(),
            state,
            severity,
            model: String::new(),
            version: String::new(),
            slice: String::new(),
            subject: String::new(),
            window_start: Time(0),
            window_end: Time(0),
            since: Time(0),
            condition: String::new(),
            reason: String::new(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            evidence: Vec::new(),
            unknown: None,
            shape: None,
            incident: None,
            offsets: Vec::new(),
            basis: Basis::default(),
            notify: Vec::new(),
        }
    }

    /// What is known of an alert by itself, before the window's measurements and the rule's templates are filled in.
    pub fn new(model: &str, rule: &Rule, key: &AlertKey, active: &Active, window: Window, state: State) -> AlertEvent {
        AlertEvent {
            id: active.id.clone(),
            model: model.to_owned(),
            version: key.version.to_string(),
            slice: key.slice.to_string(),
            subject: key.subject.clone(),
            window_start: window.start,
            window_end: window.end,
            since: active.since,
            condition: rule.when.text().to_owned(),
            unknown: active.unknown.clone(),
            notify: rule.notify.clone(),
            ..AlertEvent::bare(&rule.name, state, rule.severity)
        }
    }
}

/// A request for a retrain, as it is published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RetrainRequest {
    /// The same whenever this request is computed again.
    pub id: String,
    pub retrain: String,
    pub model: String,
    pub version: String,
    /// Which rows it is about: `""` for all.
    pub slice: String,
    /// The rule that asks, and its condition.
    pub alert: String,
    pub condition: String,
    pub subjects: Vec<String>,
    pub window_start: Time,
    pub window_end: Time,
    /// The measurements that the condition names, for each subject.
    pub evidence: Vec<Measurement>,
    /// The rows of the window and slice: for each partition, the first and the last offset.
    pub offsets: Vec<OffsetRange>,
    /// Why, for a person.
    #[serde(default)]
    pub reason: String,
    /// Rows of the window and slice, in the log that has the most.
    #[serde(default)]
    pub rows: u64,
    /// How many of them have labels so far, where labels are read.
    #[serde(default)]
    pub labelled: Option<u64>,
    /// The share of them that has labels so far.
    #[serde(default)]
    pub coverage: Option<f64>,
    /// Where the daemon shows the model; empty if nobody said where that is.
    #[serde(default)]
    pub link: String,
    /// No further request of this name for this model and version before this event time.
    pub quiet_until: Time,
}

/// Why a retrain is asked for, for a person: the rule, and what its condition found.
pub fn reason(rule: &str, subjects: &[String], evidence: &[Measurement]) -> String {
    /// More are in the evidence.
    const NAMED: usize = 3;
    let of = |measurement: &&Measurement| subjects.is_empty() || subjects.contains(&measurement.subject);
    let found: Vec<&Measurement> = evidence.iter().filter(of).collect();
    let told = found.iter().take(NAMED).map(|m| match m.subject.as_str() {
        "" => in_words(m),
        subject => format!("{subject} has {}", in_words(m)),
    });
    let mut text = told.collect::<Vec<_>>().join(", ");
    if found.len() > NAMED {
        text.push_str(&format!(" and {} more", found.len() - NAMED));
    }
    if text.is_empty() { rule.to_owned() } else { format!("{rule}: {text}") }
}

/// The identity of an episode or request: the first 128 bits of the SHA-256 of its parts, in hexadecimal.
pub fn stable_id(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Fills in a rule's label and annotation templates. One that fails shows its error, since an alert with a poor text is
/// better than none.
pub fn render(event: &mut AlertEvent, rule: &Rule, window: Window) {
    let environment = minijinja::Environment::new();
    let values: BTreeMap<&str, Option<minijinja::Value>> =
        event.evidence.iter().map(|m| (m.statistic.as_str(), m.value.map(in_template))).collect();
    let context = minijinja::context! {
        alert => event.alert.as_str(), state => event.state.name(), severity => event.severity.name(),
        model => event.model.as_str(), version => event.version.as_str(), slice => event.slice.as_str(),
        subject => event.subject.as_str(), condition => event.condition.as_str(), reason => event.reason.as_str(),
        window_start => window.start.to_string(), window_end => window.end.to_string(),
        since => event.since.to_string(), values => values,
    };
    let fill = |(name, template): (&String, &String)| {
        let text = environment.render_str(template, &context).unwrap_or_else(|error| format!("({error})"));
        (name.clone(), text)
    };
    event.labels = rule.labels.iter().map(fill).collect();
    event.annotations = rule.annotations.iter().map(fill).collect();
    let summary = summary(event);
    event.annotations.entry("summary".to_owned()).or_insert(summary);
}

/// A line for a person: what, where, how much.
fn summary(event: &AlertEvent) -> String {
    let slice = if event.slice.is_empty() { String::new() } else { format!(", {}", event.slice) };
    let subject = if event.subject.is_empty() { String::new() } else { format!("{} of ", event.subject) };
    let version = if event.version.is_empty() { String::new() } else { format!(" version {}", event.version) };
    let mut text = format!("{}: {subject}{}{version}{slice}", event.alert, event.model);
    if event.state == State::Resolved {
        text.push_str(&format!(" is resolved: {}", event.reason));
        return text;
    }
    let values: Vec<String> = event.evidence.iter().map(in_words).collect();
    if !values.is_empty() {
        text.push_str(&format!(" has {}", values.join(", ")));
    }
    text
}

/// A measurement for a person: its statistic, value, threshold and p-value.
pub fn in_words(measurement: &Measurement) -> String {
    let value = measurement.value.map_or("no value".to_owned(), |value| rounded(value).to_string());
    match (measurement.threshold, measurement.p_value) {
        (Some(threshold), None) => format!("{} {value} (threshold {threshold})", measurement.statistic),
        (Some(threshold), Some(p)) => {
            format!("{} {value} (threshold {threshold}, p = {})", measurement.statistic, short(p))
        }
        (None, Some(p)) => format!("{} {value} (p = {})", measurement.statistic, short(p)),
        (None, None) => format!("{} {value}", measurement.statistic),
    }
}

/// A value for templates: a count is shown as `3` and not as `3.0`.
fn in_template(value: f64) -> minijinja::Value {
    const WHOLE_UP_TO: f64 = 9_007_199_254_740_992.0;
    let value = rounded(value);
    if value.fract() == 0.0 && value.abs() < WHOLE_UP_TO { (value as i64).into() } else { value.into() }
}

/// Four significant digits, which is what a person reads.
fn rounded(x: f64) -> f64 {
    if x == 0.0 || !x.is_finite() {
        return x;
    }
    let scale = 10f64.powi(3 - x.abs().log10().floor() as i32);
    if scale.is_finite() && scale > 0.0 { (x * scale).round() / scale } else { x }
}

fn short(p: f64) -> String {
    if p < 1e-4 { format!("{p:.0e}") } else { format!("{p:.4}") }
}
