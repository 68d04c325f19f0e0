//! The audit log: what happened, by whom and under which configuration, each entry bound to all before it.
//!
//! An entry has the hash of the one before and its own, which is the SHA-256 of its canonical JSON (RFC 8785) without
//! `hash`, so that whoever wants to check a log needs nothing of this program. To change, take out or reorder one entry
//! is to break the chain there. To cut the log at its end, or to forge all of it from some entry on, leaves a chain that
//! is whole: that is found by a head, which is how many entries there were and the hash of the last, kept where the log
//! is not.

mod canonical;
mod hash;
mod told;
mod verify;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::retrain;
use crate::rule::alert::{AlertEvent, RetrainRequest};
use crate::rule::basis::{Joined, OffsetRange, Recalled, Stretch};
use crate::rule::{Severity, State};
use crate::time::Time;
use crate::verdict::{Standing, Verdict};
pub use hash::{Hash, Head};
pub use told::Told;
pub use verify::{Broken, Summary, Why, verify};

/// The form of entries and of what is hashed; written into the first one.
pub const FORMAT: u8 = 1;

/// What somebody did, before it has its place in the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Act {
    pub at: Time,
    /// A person, as far as one is known, or the place in Kafka where it was said, as `topic[partition]@offset`, or
    /// `tidegauge` for what it did of itself.
    pub who: String,
    /// What tells the configuration in force from others.
    pub config_hash: String,
    pub what: What,
}

/// An act in its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Counts from 0.
    pub sequence: u64,
    pub at: Time,
    pub who: String,
    pub config_hash: String,
    pub what: What,
    /// The hash of the entry before; zeros for the first.
    pub previous: Hash,
    pub hash: Hash,
}

/// What was done. There are names and numbers of things in it, but no value of any row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum What {
    /// The log begins. Its name tells it from another that is put in its place.
    Genesis {
        format: u8,
        log: String,
    },
    Start {
        version: String,
    },
    Stop {
        reason: String,
    },
    /// The configuration was read again; one that was refused changes nothing.
    Reload {
        accepted: bool,
        problems: u64,
    },
    /// An alert has changed; with all by which its numbers can be computed again.
    Alert {
        id: String,
        alert: String,
        state: State,
        severity: Severity,
        model: String,
        version: String,
        slice: String,
        subject: String,
        window_start: Time,
        window_end: Time,
        condition: String,
        /// What the evidence comes of, as are the next three: see [`crate::rule::basis::Basis`].
        counted: Vec<Stretch>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        compared: Vec<Stretch>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        joined: Option<Joined>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        recalled: Vec<Recalled>,
        evidence: Vec<Told>,
    },
    /// A retrain was asked for.
    Retrain {
        id: String,
        retrain: String,
        model: String,
        version: String,
        slice: String,
        alert: String,
        window_end: Time,
    },
    /// A version was found better or worse than the champion, or as good.
    Verdict {
        model: String,
        version: String,
        champion: String,
        metric: String,
        verdict: Verdict,
        window_end: Time,
    },
    /// Somebody has kept alerts from being told.
    Silence {
        id: String,
        change: Change,
        matchers: String,
        until: Time,
        comment: String,
    },
    /// Somebody has decided on something that waited for it, such as a request for a retrain.
    Approval {
        of: String,
        approved: bool,
        comment: String,
    },
    /// A run of a retrain has come further, in whatever way.
    Run {
        id: String,
        action: String,
        model: String,
        state: retrain::State,
        why: String,
        /// The version that was trained, once that is known.
        version: Option<String>,
    },
    /// Windows are compared with something else; a hash is empty where there was, or is, nothing.
    Reference {
        model: String,
        version: String,
        topic: String,
        from: String,
        to: String,
        /// Where the rows are, of all versions, among which those are that it was learnt from.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        learnt_from: Vec<OffsetRange>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    Created,
    Changed,
    Ended,
}

impl From<&AlertEvent> for What {
    fn from(event: &AlertEvent) -> What {
        What::Alert {
            id: event.id.clone(),
            alert: event.alert.clone(),
            state: event.state,
            severity: event.severity,
            model: event.model.clone(),
            version: event.version.clone(),
            slice: event.slice.clone(),
            subject: event.subject.clone(),
            window_start: event.window_start,
            window_end: event.window_end,
            condition: event.condition.clone(),
            counted: event.basis.counted.clone(),
            compared: event.basis.compared.clone(),
            joined: event.basis.joined.clone(),
            recalled: event.basis.recalled.clone(),
            evidence: event.evidence.iter().map(Told::from).collect(),
        }
    }
}

impl From<&RetrainRequest> for What {
    fn from(request: &RetrainRequest) -> What {
        What::Retrain {
            id: request.id.clone(),
            retrain: request.retrain.clone(),
            model: request.model.clone(),
            version: request.version.clone(),
            slice: request.slice.clone(),
            alert: request.alert.clone(),
            window_end: request.window_end,
        }
    }
}

impl From<&retrain::Run> for What {
    fn from(run: &retrain::Run) -> What {
        What::Run {
            id: run.id.clone(),
            action: run.action.clone(),
            model: run.request.model.clone(),
            state: run.state,
            why: run.why.clone(),
            version: run.new_version.clone(),
        }
    }
}

impl From<&Standing> for What {
    fn from(standing: &Standing) -> What {
        What::Verdict {
            model: standing.model.clone(),
            version: standing.version.clone(),
            champion: standing.champion.clone(),
            metric: standing.metric.clone(),
            verdict: standing.verdict,
            window_end: standing.window_end,
        }
    }
}

impl Entry {
    /// Gives an act its place, after everything that the head is of.
    pub fn new(head: Head, act: Act) -> Entry {
        let Act { at, who, config_hash, what } = act;
        let (sequence, previous) = (head.count, head.hash);
        let mut entry = Entry { sequence, at, who, config_hash, what, previous, hash: Hash::ZERO };
        entry.hash = entry.content_hash();
        entry
    }

    /// The first entry of a log with this name, under the first act.
    pub fn genesis(log: String, first: &Act) -> Entry {
        let what = What::Genesis { format: FORMAT, log };
        Entry::new(Head::NONE, Act { who: "tidegauge".to_owned(), what, ..first.clone() })
    }

    /// What its hash has to be.
    pub fn content_hash(&self) -> Hash {
        Hash::of(canonical::json(self, Some("hash")).as_bytes())
    }

    /// As it is stored and shown: canonical JSON on one line.
    pub fn to_json(&self) -> String {
        canonical::json(self, None)
    }

    /// Reads what [`Entry::to_json`] wrote, with blanks or in another order of keys as it may be.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_json(text: &str) -> Result<Entry, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }
}
