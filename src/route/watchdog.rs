//! The alert that always fires: who no longer hears of it knows that alerts no longer arrive.

use std::collections::BTreeMap;

use crate::notice::Notice;
use crate::rule::alert::{AlertEvent, stable_id};
use crate::rule::{Severity, State};
use crate::time::{Span, Time};

/// The name of the alert that always fires.
pub const WATCHDOG: &str = "Watchdog";

/// Who hears of it, and how often.
#[derive(Clone, Debug, PartialEq)]
pub struct Watchdog {
    pub receivers: Vec<String>,
    pub every: Span,
}

impl Watchdog {
    /// What is told at this time by a daemon that runs since then.
    pub(super) fn notices(&self, since: Time, now: Time) -> Vec<Notice> {
        let notice = |receiver: &String| {
            let key = stable_id(&[WATCHDOG, receiver]);
            Notice {
                id: stable_id(&[&key, &now.to_string()]),
                receiver: receiver.clone(),
                group: BTreeMap::from([("alertname".to_owned(), WATCHDOG.to_owned())]),
                group_key: key,
                alerts: vec![alive(since, now)],
                made: now,
                lives: Some(self.every),
            }
        };
        self.receivers.iter().map(notice).collect()
    }
}

/// The alert that always fires, as it is told at this time.
pub(super) fn alive(since: Time, now: Time) -> AlertEvent {
    let summary =
        "tidegauge is alive, and what it tells arrives here. If this stops coming, alerts do not come either.";
    AlertEvent {
        id: stable_id(&[WATCHDOG]),
        model: "tidegauge".to_owned(),
        window_start: since,
        window_end: now,
        since,
        condition: "true".to_owned(),
        annotations: BTreeMap::from([("summary".to_owned(), summary.to_owned())]),
        ..AlertEvent::bare(WATCHDOG, State::Firing, Severity::Info)
    }
}
