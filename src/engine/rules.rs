//! What a monitor's rules say of a window, and what is remembered of that from one to the next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::clocks::Usuals;
use super::incidents::Ongoing;
use crate::measurement::Measurement;
use crate::monitor::Monitor;
use crate::pane::{Extent, Partition};
use crate::rule::alert::{self, AlertEvent, AlertKey, RetrainRequest};
use crate::rule::basis::{Basis, Joined, OffsetRange, Stretch};
use crate::rule::condition::Verdict;
use crate::rule::life::{self, Active, Lack};
use crate::rule::{Retrain, Rule, State};
use crate::shard::OTHER_VERSIONS;
use crate::time::{Time, Window};

/// The rows of a window that are of one version and slice.
pub(super) type GroupKey = (Arc<str>, Arc<str>);

/// Where earlier rows are that a window is compared with, by the start of the stretch of time that they are of.
pub(super) type Past = BTreeMap<(Time, Partition), Extent>;

/// What judging remembers from window to window.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub alerts: BTreeMap<AlertKey, Active>,
    /// For each retrain's name and version, until when no further one is requested.
    pub quiet: BTreeMap<(String, Arc<str>), Time>,
    /// Of what it was not known in the last window whether a condition holds, alert or none.
    pub lacking: BTreeMap<AlertKey, Lack>,
    /// The oldest first.
    pub incidents: Vec<Ongoing>,
    /// How long after their time rows usually come.
    pub usuals: Usuals,
}

/// Rules that are asked of one window.
pub(super) struct Asking<'a> {
    pub monitor: &'a Monitor,
    pub window: Window,
    /// How often the window was told before.
    pub revision: u32,
    pub memory: &'a mut Memory,
}

/// What there is of one version and slice of the window.
#[derive(Clone, Copy)]
pub(super) struct Evidence<'a> {
    pub version: &'a Arc<str>,
    pub slice: &'a Arc<str>,
    pub measurements: &'a [Measurement],
    /// Where its rows are.
    pub offsets: &'a BTreeMap<Partition, Extent>,
    /// Where the earlier rows are that they are compared with.
    pub compared: &'a Past,
    /// Where those of the whole window are.
    pub records: &'a Records,
}

impl Evidence<'_> {
    fn offsets(&self) -> Vec<OffsetRange> {
        let range = |(partition, &Extent { rows: (first, last), .. }): (&Partition, &Extent)| OffsetRange {
            partition: partition.clone(),
            first,
            last,
        };
        self.offsets.iter().map(range).collect()
    }

    fn basis(&self) -> Basis {
        Basis {
            counted: self.records.counted.iter().map(|(at, &extent)| Stretch::new(at, extent)).collect(),
            compared: self.compared.iter().map(|((_, at), &extent)| Stretch::new(at, extent)).collect(),
            joined: self.records.joined.clone(),
            recalled: Vec::new(),
        }
    }
}

/// The records that the numbers of a window come of.
#[derive(Default)]
pub(super) struct Records {
    /// Rows of all versions and slices.
    pub counted: BTreeMap<Partition, Extent>,
    pub joined: Option<Joined>,
}

impl Asking<'_> {
    /// Asks a rule of every subject it concerns, moves its alerts on, and requests a retrain where one is due.
    pub fn ask(&mut self, rule: &Rule, of: Evidence) -> (Vec<AlertEvent>, Option<RetrainRequest>) {
        let monitor = self.monitor;
        let measured: BTreeSet<&str> = of.measurements.iter().map(|m| m.subject.as_str()).collect();
        let subjects =
            monitor.asked_of(&rule.when).into_iter().filter(|subject| subject.is_empty() || measured.contains(subject));
        let mut events = Vec::new();
        for subject in subjects {
            events.extend(self.ask_of(rule, of, subject));
        }
        let retrain = rule.retrain.as_ref().and_then(|retrain| self.request(rule, retrain, of, &events));
        (events, retrain)
    }

    fn ask_of(&mut self, rule: &Rule, of: Evidence, subject: &str) -> Option<AlertEvent> {
        let (monitor, window, revision) = (self.monitor, self.window, self.revision);
        let (version, slice) = (of.version.clone(), of.slice.clone());
        let key = AlertKey { rule: rule.name.clone(), version, slice, subject: subject.to_owned() };
        let log = monitor.log_at(&rule.when, subject);
        let verdict = rule.when.ask(of.measurements, subject, log, monitor.min_coverage());
        let mut slot = self.memory.alerts.remove(&key);
        let before = slot.clone();
        let id = || {
            let (end, again) = (window.end.to_string(), revision.to_string());
            let parts: [&str; 7] = [&monitor.model, &rule.name, of.version, of.slice, subject, &end, &again];
            // What is resolved by one revision and raised again by the next is another episode.
            alert::stable_id(&parts[..if revision == 0 { 6 } else { 7 }])
        };
        let change = life::step(&mut slot, rule.patience, &verdict, window.end, id);
        let event = change.zip(slot.as_ref().or(before.as_ref())).map(|(state, active)| {
            let reason = if state == State::Resolved { "the condition no longer holds" } else { "" };
            let event = AlertEvent::new(&monitor.model, rule, &key, active, window, state);
            let event = AlertEvent { offsets: of.offsets(), basis: of.basis(), ..event };
            told(event, rule, window, reason, named(monitor, rule, of.measurements, subject))
        });
        match verdict {
            Verdict::Unknown(_) => drop(self.memory.lacking.insert(key.clone(), Lack::InsufficientData)),
            Verdict::Holds | Verdict::Fails => drop(self.memory.lacking.remove(&key)),
        }
        self.memory.alerts.extend(slot.map(|active| (key, active)));
        event
    }

    /// The request for a retrain that follows when alerts of a rule begin to fire, unless one was made not long ago.
    fn request(
        &mut self,
        rule: &Rule,
        retrain: &Retrain,
        of: Evidence,
        events: &[AlertEvent],
    ) -> Option<RetrainRequest> {
        events.iter().find(|event| event.state == State::Firing)?;
        let Evidence { version, slice, measurements, .. } = of;
        let (monitor, window) = (self.monitor, self.window);
        let quiet = self.memory.quiet.entry((retrain.name.clone(), version.clone())).or_insert(Time::MIN);
        if window.end < *quiet {
            return None;
        }
        *quiet = window.end + retrain.cooldown;
        let firing = self.memory.alerts.iter().filter(|(key, active)| {
            active.firing && key.rule == rule.name && key.version == *version && key.slice == *slice
        });
        let subjects: Vec<String> = firing.map(|(key, _)| key.subject.clone()).collect();
        let evidence: Vec<Measurement> =
            subjects.iter().flat_map(|subject| named(monitor, rule, measurements, subject)).collect();
        let labels = measurements.iter().filter(|m| m.coverage.is_some()).max_by_key(|m| m.rows);
        Some(RetrainRequest {
            id: alert::stable_id(&["retrain", &monitor.model, &retrain.name, version, slice, &window.end.to_string()]),
            retrain: retrain.name.clone(),
            model: monitor.model.clone(),
            version: version.to_string(),
            slice: slice.to_string(),
            alert: rule.name.clone(),
            condition: rule.when.text().to_owned(),
            reason: alert::reason(&rule.name, &subjects, &evidence),
            evidence,
            subjects,
            rows: measurements.iter().map(|m| m.rows).max().unwrap_or(0),
            labelled: labels.map(Measurement::covered),
            coverage: labels.and_then(|m| m.coverage),
            link: String::new(),
            window_start: window.start,
            window_end: window.end,
            offsets: of.offsets(),
            quiet_until: *quiet,
        })
    }

    /// What comes of the window as a whole, once its rules were asked of all that it has: alerts that are over because
    /// nobody asks of them any more, and what there were no rows of.
    pub fn finish(
        &mut self,
        seen: &BTreeSet<GroupKey>,
        sliced: &BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
    ) -> Vec<AlertEvent> {
        let events = self.obsolete(seen, sliced);
        let end = self.window.end;
        let is_gone = |key: &AlertKey| !seen.contains(&(key.version.clone(), key.slice.clone()));
        for (key, active) in self.memory.alerts.iter_mut().filter(|(key, _)| is_gone(key)) {
            active.lacks(Lack::NoData, "the window has no rows of it", end);
            self.memory.lacking.insert(key.clone(), Lack::NoData);
        }
        let Memory { alerts, lacking, .. } = &mut *self.memory;
        lacking.retain(|key, _| !is_gone(key) || alerts.contains_key(key));
        events
    }

    /// Resolves the alerts of which no rule asks any more, since the monitor has changed, those of slices that are no
    /// longer counted, and those of versions that no longer serve, because another one does. Silence alone resolves
    /// nothing.
    fn obsolete(
        &mut self,
        seen: &BTreeSet<GroupKey>,
        sliced: &BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
    ) -> Vec<AlertEvent> {
        let serving: BTreeSet<Arc<str>> =
            seen.iter().map(|(version, _)| version.clone()).filter(|version| !version.is_empty()).collect();
        // Where there are too many versions, one that is not seen may be among the others.
        let successor = serving.last().filter(|_| !serving.contains(OTHER_VERSIONS));
        let (monitor, window) = (self.monitor, self.window);
        let why = |key: &AlertKey| {
            let rule = monitor.rules.iter().find(|rule| rule.name == key.rule);
            if !rule.is_some_and(|rule| monitor.asked_of(&rule.when).contains(&key.subject.as_str())) {
                return Some((rule, "the rule no longer asks of it".to_owned()));
            }
            let gone = |slices: &BTreeSet<Arc<str>>| !key.slice.is_empty() && !slices.contains(&key.slice);
            if sliced.get(&key.version).is_some_and(gone) {
                return Some((rule, "the slice is no longer measured".to_owned()));
            }
            let successor = successor.filter(|_| !key.version.is_empty() && !serving.contains(&key.version))?;
            Some((rule, format!("version {} no longer serves, version {successor} does", key.version)))
        };
        let gone: Vec<_> = self.memory.alerts.keys().filter_map(|key| Some((key.clone(), why(key)?))).collect();
        let mut events = Vec::new();
        for (key, (rule, reason)) in gone {
            // A rule that is gone altogether has nobody left to be told.
            if let (Some(active), Some(rule)) = (self.memory.alerts.remove(&key).filter(|active| active.firing), rule) {
                let event = AlertEvent::new(&monitor.model, rule, &key, &active, window, State::Resolved);
                events.push(told(event, rule, window, &reason, Vec::new()));
            }
        }
        events
    }
}

/// The measurements that a rule's condition names.
fn named(monitor: &Monitor, rule: &Rule, measurements: &[Measurement], subject: &str) -> Vec<Measurement> {
    let log = monitor.log_at(&rule.when, subject);
    let named = |m: &&Measurement| rule.when.names().iter().any(|name| name.means(m, subject, log));
    measurements.iter().filter(named).cloned().collect()
}

/// Fills in why an event comes, what shows it, and the rule's templates.
fn told(mut event: AlertEvent, rule: &Rule, window: Window, reason: &str, evidence: Vec<Measurement>) -> AlertEvent {
    event.reason = reason.to_owned();
    event.evidence = evidence;
    alert::render(&mut event, rule, window);
    event
}
