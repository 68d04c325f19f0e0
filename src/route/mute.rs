//! What keeps an alert from being told: silences, and inhibition by another alert.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::matcher::{Labels, Matcher, all_match};
use crate::time::Time;

/// Alerts that nobody is to be told of for a while.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Silence {
    pub id: String,
    /// An alert is meant when all of them match.
    pub matchers: Vec<Matcher>,
    pub starts_at: Time,
    /// It is no longer silent at this time.
    pub ends_at: Time,
    pub created_by: String,
    pub comment: String,
}

impl Silence {
    pub fn is_active(&self, now: Time) -> bool {
        self.starts_at <= now && now < self.ends_at
    }
}

/// While an alert fires that is a source, those that are targets and agree with it in all of these labels are not told.
#[derive(Clone, Debug, PartialEq)]
pub struct Inhibition {
    pub source: Vec<Matcher>,
    pub target: Vec<Matcher>,
    pub equal: Vec<String>,
}

impl Inhibition {
    /// An alert that is both source and target is not inhibited by another such, or each would inhibit the other.
    fn inhibits(&self, source: &Labels, target: &Labels) -> bool {
        let is_target = all_match(&self.target, target) && !all_match(&self.source, target);
        let agree = |label: &String| source.get(label) == target.get(label);
        is_target && all_match(&self.source, source) && self.equal.iter().all(agree)
    }
}

/// All that may keep alerts from being told at a time.
pub(super) struct Mutes<'a> {
    pub silences: Vec<&'a Silence>,
    pub inhibitions: &'a [Inhibition],
    /// The labels of the alerts that fire.
    pub firing: BTreeMap<&'a str, &'a Labels>,
}

/// What keeps an alert that fires from being told.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Muted {
    /// The ids of silences.
    pub silenced_by: Vec<String>,
    /// Whether another alert that fires is told in its place.
    pub inhibited: bool,
}

impl Mutes<'_> {
    pub fn mutes(&self, labels: &Labels) -> bool {
        self.silences(labels).next().is_some() || self.inhibits(labels)
    }

    /// What mutes an alert, if anything does.
    pub fn what_mutes(&self, labels: &Labels) -> Option<Muted> {
        let silenced_by = self.silences(labels).map(|silence| silence.id.clone()).collect();
        Some(Muted { silenced_by, inhibited: self.inhibits(labels) }).filter(|muted| *muted != Muted::default())
    }

    fn silences(&self, labels: &Labels) -> impl Iterator<Item = &Silence> {
        self.silences.iter().copied().filter(|silence| all_match(&silence.matchers, labels))
    }

    fn inhibits(&self, target: &Labels) -> bool {
        let inhibited =
            |inhibition: &Inhibition| self.firing.values().any(|source| inhibition.inhibits(source, target));
        self.inhibitions.iter().any(inhibited)
    }
}
