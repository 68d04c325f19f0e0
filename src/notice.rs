//! A notice: what one receiver is told at once.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::rule::State;
use crate::rule::alert::AlertEvent;
use crate::time::Time;

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
}

impl Notice {
    /// That of one alert by itself.
    pub fn of_one(id: String, receiver: &str, alert: AlertEvent, made: Time) -> Notice {
        let (receiver, group_key) = (receiver.to_owned(), alert.id.clone());
        Notice { id, receiver, group: BTreeMap::new(), group_key, alerts: vec![alert], made }
    }

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
