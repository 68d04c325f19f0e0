//! Rules: when measurements are worth telling someone.

pub mod alert;
pub mod basis;
pub mod condition;
pub mod life;

use std::collections::BTreeMap;

use crate::time::Span;
use condition::Condition;
use life::Patience;
use serde::{Deserialize, Serialize};

/// One alert rule of a monitor.
#[derive(Debug)]
pub struct Rule {
    pub name: String,
    pub when: Condition,
    pub patience: Patience,
    pub severity: Severity,
    /// Templates by label and annotation name.
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    /// Names of receivers.
    pub notify: Vec<String>,
    pub retrain: Option<Retrain>,
}

/// That a firing alert asks for a retrain.
#[derive(Clone, Debug, PartialEq)]
pub struct Retrain {
    /// What the request is called, for its receiver to choose by.
    pub name: String,
    /// No second request of this name for the same model and version within this much event time.
    pub cooldown: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The condition holds, but not yet for long enough.
    Pending,
    Firing,
    Resolved,
}

impl State {
    pub const ALL: [State; 3] = [State::Pending, State::Firing, State::Resolved];

    pub fn name(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Firing => "firing",
            State::Resolved => "resolved",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Info,
    Warning,
    Critical,
}

impl Severity {
    pub const ALL: [Severity; 3] = [Severity::Info, Severity::Warning, Severity::Critical];

    pub fn name(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }
}
