//! Retrains: what becomes of a request for one, and what has to hold before an action is taken for it.
//!
//! A rule asks, see [`RetrainRequest`]; guards say whether that is to be acted upon; and a run is what comes of it. All of
//! it is a function of events, the clock's time among them, and of the runs that there were, so it goes on from what was
//! stored as if there had been no pause.

mod guards;
mod life;
pub mod report;

#[cfg(test)]
pub(crate) mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::rule::alert::RetrainRequest;
use crate::time::{Span, Time};
pub use life::Retrains;

/// What has to hold before an action is taken for a model. Each action has its own, and they count for each model by
/// itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Guards {
    /// How long after one run was triggered the next may be.
    pub cooldown: Span,
    /// How many runs may be triggered within 24 hours.
    pub most_per_day: u32,
    /// How long after the last news of a run it is no longer waited for. Until then, or until it ends, no other one is
    /// triggered.
    pub lost_after: Span,
    /// How many rows of the window that asks must have labels.
    pub min_labels: u64,
    /// What share of the rows of the window that asks must have labels.
    pub min_coverage: f64,
    /// A person has to agree.
    pub approval: bool,
    /// Everything is done but the action.
    pub dry_run: bool,
}

impl Default for Guards {
    fn default() -> Guards {
        Guards {
            cooldown: DAY,
            most_per_day: 1,
            lost_after: DAY,
            min_labels: 0,
            min_coverage: 0.0,
            approval: false,
            dry_run: false,
        }
    }
}

const DAY: Span = Span(86_400_000);

/// Where a run is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is stored, and nobody has looked at it yet.
    Requested,
    /// A guard does not let it through. It stays so, unless somebody approves of it when the guard would.
    Held,
    AwaitingApproval,
    Denied,
    /// It would have been triggered.
    DryRun,
    /// The action is under way, or is tried again.
    Triggering,
    /// Whoever trains has taken it.
    Triggered,
    Started,
    Succeeded,
    Failed,
    /// It was triggered, and nothing was heard of it again.
    Lost,
}

impl State {
    pub const ALL: [State; 11] = [
        State::Requested,
        State::Held,
        State::AwaitingApproval,
        State::Denied,
        State::DryRun,
        State::Triggering,
        State::Triggered,
        State::Started,
        State::Succeeded,
        State::Failed,
        State::Lost,
    ];

    pub fn name(self) -> &'static str {
        match self {
            State::Requested => "requested",
            State::Held => "held",
            State::AwaitingApproval => "awaiting_approval",
            State::Denied => "denied",
            State::DryRun => "dry_run",
            State::Triggering => "triggering",
            State::Triggered => "triggered",
            State::Started => "started",
            State::Succeeded => "succeeded",
            State::Failed => "failed",
            State::Lost => "lost",
        }
    }

    /// Whether a model may just now be being trained.
    pub fn is_in_flight(self) -> bool {
        matches!(self, State::Triggering | State::Triggered | State::Started)
    }

    /// Whether nothing more is waited for.
    pub fn is_over(self) -> bool {
        !self.is_in_flight() && !matches!(self, State::Requested | State::AwaitingApproval)
    }
}

/// What has become of one request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// That of the request, and what the action is told to be known by.
    pub id: String,
    /// The action's name, which is that of the retrain.
    pub action: String,
    pub state: State,
    /// Why it is held, or has failed; empty otherwise.
    pub why: String,
    /// By the clock, like all times of a run.
    pub requested: Time,
    pub changed: Time,
    /// When the action was begun, or would have been in a dry run.
    pub triggered: Option<Time>,
    /// What whoever trains calls it.
    pub run: Option<String>,
    /// The version that was trained.
    pub new_version: Option<String>,
    /// Who has approved or denied it.
    pub who: Option<String>,
    /// What the guards had to go by when they were last asked.
    pub guards: Figures,
    #[serde(with = "by_name")]
    pub request: RetrainRequest,
}

impl Run {
    /// One that nobody has looked at yet.
    pub fn requested(request: RetrainRequest, now: Time) -> Run {
        Run {
            id: request.id.clone(),
            action: request.retrain.clone(),
            state: State::Requested,
            why: String::new(),
            requested: now,
            changed: now,
            triggered: None,
            run: None,
            new_version: None,
            who: None,
            guards: Figures::default(),
            request,
        }
    }
}

/// What guards go by.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Runs that were triggered in the 24 hours before.
    pub triggered_within_a_day: u32,
    pub most_per_day: u32,
    /// Until when the last run that was triggered keeps others away.
    pub quiet_until: Option<Time>,
    /// The run that was in flight.
    pub in_flight: Option<String>,
    pub labelled: Option<u64>,
    pub coverage: Option<f64>,
}

/// What happens to runs.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A rule asks. The same request again changes nothing.
    Requested(Box<RetrainRequest>),
    /// A person wants it: one that waits for that, or one that was held or could not be triggered.
    Approved {
        id: String,
        who: String,
    },
    Denied {
        id: String,
        who: String,
    },
    /// The action was taken, by one attempt or several.
    Triggered {
        id: String,
        run: Option<String>,
    },
    /// The action was given up.
    TriggerFailed {
        id: String,
        why: String,
    },
    Started {
        id: String,
    },
    Succeeded {
        id: String,
        version: Option<String>,
    },
    Failed {
        id: String,
        why: String,
    },
    /// Time has passed.
    Tick,
}

/// What follows, in this order. What has changed is to be stored before the action is begun.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    Changed(Box<Run>),
    /// The action is to be taken, until it is accepted or given up.
    Trigger(Box<Run>),
    /// It was long ago, and is not needed any more.
    Forgotten(String),
}

/// Why what a person wants of a run cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    Unknown,
    /// It is in this state, in which that means nothing.
    Not(State),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Unknown => f.write_str("there is no retrain of this id"),
            Refusal::Not(state) => write!(f, "the retrain is {}", state.name()),
        }
    }
}

/// The store's own form has no names, and a request has parts that need them.
mod by_name {
    use serde::de::Error as _;
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::rule::alert::RetrainRequest;

    pub fn serialize<S: Serializer>(request: &RetrainRequest, to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() {
            return request.serialize(to);
        }
        to.serialize_str(&serde_json::to_string(request).map_err(S::Error::custom)?)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<RetrainRequest, D::Error> {
        if from.is_human_readable() {
            return RetrainRequest::deserialize(from);
        }
        serde_json::from_str(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}
