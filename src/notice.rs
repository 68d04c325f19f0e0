//! A notice: what one receiver is told at once.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::rule::State;
use crate::rule::alert::AlertEvent;
use crate::time::{Span, Time};

/// A group of alerts that belong together, as one receiver is told of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// The same for every attempt to deliver it, and when it is made again after a crash.
    pub id: String,
    /// The receiver's name.
    pub receiver: String,
    /// What the group's alerts have in common, by label.
    pub group: BTreeMap<String, String>,
    /// Stable as long as the group is: a receiver that keeps one thing for each group, such as an incident, calls it
    /// by this.
    pub group_key: String,
    /// Those that fire, the severest first, and those that were resolved since the last notice.
    pub alerts: Vec<AlertEvent>,
    /// By the clock, when it was made.
    pub made: Time,
    /// How long it is worth telling, when another one will follow that says as much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lives: Option<Span>,
}

impl Notice {
    pub fn is_firing(&self) -> bool {
        self.firing().next().is_some()
    }

    pub fn firing(&self) -> impl Iterator<Item = &AlertEvent> {
        self.alerts.iter().filter(|alert| alert.state == State::Firing)
    }

    pub fn resolved(&self) -> impl Iterator<Item = &AlertEvent> {
        self.alerts.iter().filter(|alert| alert.state == State::Resolved)
    }
}

/// What tells an alert from all others: the rule's labels, and what it is about, which no label of a rule can replace.
/// Labels without a value are as if they were not there, and Alertmanager drops them.
pub fn labels(alert: &AlertEvent) -> BTreeMap<String, String> {
    let own = [
        ("alertname", alert.alert.as_str()),
        ("severity", alert.severity.name()),
        ("model", &alert.model),
        ("model_version", &alert.version),
        ("slice", &alert.slice),
        ("subject", &alert.subject),
    ];
    let mut labels = alert.labels.clone();
    labels.retain(|name, _| is_name(name));
    labels.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
    labels.retain(|_, value| !value.is_empty());
    labels
}

/// Whether every Alertmanager takes it as the name of a label.
pub fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
