//! Alerts that move together are one incident: which ones belong to it, when it is over, and what it is told as.
//!
//! An alert that begins to fire joins an incident of the same version if they share time and place. They share time if
//! the incident still goes on, or went on in the window that the alert is about: what labels say comes late, and is about
//! a window of the past. They share a place if they are of the same slice, or if any log is upstream of both. Upstream of
//! a feature is the log that carries it. All logs are upstream of what the model says and of how right it is, so that
//! what follows from a bad feature joins the feature's incident. An alert that joins none opens one.
//!
//! An incident is over when none of its alerts fires. One alert that fires for months therefore keeps its incident open
//! for months, and whatever else befalls the same log joins it; its causes are those of the window that it last grew in.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::judge::Group;
use super::rules::Memory;
use super::scene::Hand;
use crate::cause::Likely;
use crate::measurement::Family;
use crate::monitor::Monitor;
use crate::rule::alert::{self, AlertEvent, AlertKey, Incident};
use crate::rule::condition::Per;
use crate::rule::{Rule, State};
use crate::schema::Role;
use crate::time::{Span, Time, Window};

/// An incident that goes on, or is over but may still be joined by what late labels say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ongoing {
    id: String,
    version: Arc<str>,
    /// The end of the window in which the first of its alerts began to fire.
    opened: Time,
    /// The end of the window in which the last of them was resolved.
    over: Option<Time>,
    /// The ids of those that fire.
    firing: BTreeSet<String>,
    /// The topics of the logs that are upstream of any of them, and the slices that they are of.
    upstream: BTreeSet<String>,
    slices: BTreeSet<Arc<str>>,
    ranked: Vec<String>,
    likely: Vec<Likely>,
}

impl Ongoing {
    /// Its identity is that of the alert that opens it, which is made of the model, the version and the window's end.
    fn opened_by(event: &AlertEvent) -> Ongoing {
        Ongoing {
            id: alert::stable_id(&["incident", &event.id]),
            version: event.version.as_str().into(),
            opened: event.window_end,
            over: None,
            firing: BTreeSet::new(),
            upstream: BTreeSet::new(),
            slices: BTreeSet::new(),
            ranked: Vec::new(),
            likely: Vec::new(),
        }
    }

    /// Whether an alert that begins to fire is part of it. `size` is how long windows are.
    fn takes(&self, event: &AlertEvent, upstream: &BTreeSet<&str>, size: Span) -> bool {
        let shares_time =
            event.window_end > self.opened - size && self.over.is_none_or(|over| event.window_start < over);
        let shares_log = self.upstream.iter().any(|topic| upstream.contains(topic.as_str()));
        let shares_slice = !event.slice.is_empty() && self.slices.contains(event.slice.as_str());
        *self.version == event.version && shares_time && (shares_log || shares_slice)
    }

    fn join(&mut self, event: &AlertEvent, upstream: &BTreeSet<&str>) {
        self.firing.insert(event.id.clone());
        self.upstream.extend(upstream.iter().map(|topic| (*topic).to_owned()));
        self.slices.insert(event.slice.as_str().into());
        self.over = None;
    }

    /// Lets go of the alerts that no longer fire, for whatever reason.
    fn keep(&mut self, fires: impl Fn(&str) -> bool, window: Window) {
        self.firing.retain(|id| fires(id));
        if self.firing.is_empty() && self.over.is_none() {
            self.over = Some(window.end.max(self.opened));
        }
    }

    pub fn goes_on(&self) -> bool {
        self.over.is_none()
    }

    /// Whether the alert of this id is part of it and fires.
    pub fn holds(&self, id: &str) -> bool {
        self.firing.contains(id)
    }

    pub fn told(&self) -> Incident {
        Incident {
            id: self.id.clone(),
            opened: self.opened,
            firing: self.firing.len(),
            ranked: self.ranked.clone(),
            likely: self.likely.clone(),
        }
    }
}

/// Moves a model's incidents on by one window, and says of which incident each alert is that has changed, by its id.
pub(super) fn settle(hand: &Hand, memory: &mut Memory, is_told_first: bool) -> BTreeMap<String, Incident> {
    let Memory { alerts, incidents, .. } = memory;
    let size = hand.monitor.windowing.size;
    let began = hand.alerts().filter(|event| event.state == State::Firing);
    let mut began: Vec<(BTreeSet<&str>, &AlertEvent)> =
        began.map(|event| (upstream(hand.monitor, &event.alert, &event.subject), event)).collect();
    // Those with the most upstream come first, since they tie the others together.
    began.sort_by_key(|(upstream, _)| Reverse(upstream.len()));
    let mut grown = BTreeSet::new();
    for (upstream, event) in began {
        let known = incidents.iter().position(|incident| incident.takes(event, &upstream, size));
        let at = known.unwrap_or_else(|| {
            incidents.push(Ongoing::opened_by(event));
            incidents.len() - 1
        });
        incidents[at].join(event, &upstream);
        grown.insert(at);
    }
    // What was resolved is still told with its incident.
    let of_event = |event: &AlertEvent| {
        let at = incidents.iter().position(|incident| incident.holds(&event.id))?;
        Some((event.id.clone(), at))
    };
    let parts: Vec<(String, usize)> = hand.alerts().filter_map(of_event).collect();
    let firing: BTreeMap<&str, &AlertKey> =
        alerts.iter().filter(|(_, active)| active.firing).map(|(key, active)| (active.id.as_str(), key)).collect();
    for (at, incident) in incidents.iter_mut().enumerate() {
        incident.keep(|id| firing.contains_key(id), hand.window);
        if grown.contains(&at) {
            let keys: Vec<&AlertKey> =
                incident.firing.iter().filter_map(|id| firing.get(id.as_str()).copied()).collect();
            explain(hand, incident, &keys);
        }
    }
    let told = parts.into_iter().map(|(id, at)| (id, incidents[at].told())).collect();
    if is_told_first {
        let wait = hand.monitor.labels.as_ref().map_or(Span(0), |labels| labels.wait);
        incidents.retain(|incident| incident.over.is_none_or(|over| over + size + wait > hand.window.end));
    }
    told
}

/// Says what has probably happened, and what to look at first.
///
/// When labels have a window told again, its fields are no longer at hand. What was found when they were stays.
fn explain(hand: &Hand, incident: &mut Ongoing, firing: &[&AlertKey]) {
    let has_fields = !hand.groups.values().all(Group::is_empty);
    let mut of_subjects: Vec<(&str, &str)> = Vec::new();
    for key in firing {
        let about = about(hand.monitor, &key.rule, &key.subject);
        of_subjects.extend(about.into_iter().map(|subject| (subject, &*key.slice)));
    }
    if has_fields || incident.likely.is_empty() {
        let alarmed = of_subjects.iter().map(|(subject, _)| *subject).collect();
        let likely = hand.likely(&incident.version, most_of(firing), alarmed);
        if !likely.is_empty() {
            incident.likely = likely;
        }
    }
    let ranked = hand.ranked(&incident.version, &of_subjects);
    if has_fields {
        incident.ranked = ranked;
    } else {
        let more = ranked.into_iter().filter(|subject| !incident.ranked.contains(subject)).collect::<Vec<_>>();
        incident.ranked.extend(more);
    }
}

/// The slice by which an incident is explained: all rows, or if no alert is of them, the slice that most alerts are of.
fn most_of<'a>(firing: &[&'a AlertKey]) -> &'a str {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    firing.iter().for_each(|key| *counts.entry(&key.slice).or_default() += 1);
    let most = counts.iter().max_by_key(|(slice, count)| (slice.is_empty(), **count, Reverse(**slice)));
    most.map_or("", |(slice, _)| slice)
}

/// What an alert is about, as causes call it: fields, and what is measured of outcomes.
fn about<'a>(monitor: &'a Monitor, rule: &str, subject: &'a str) -> Vec<&'a str> {
    if is_field(monitor, subject) {
        return vec![subject];
    }
    let is_of_outcomes = |family| matches!(family, Family::Performance | Family::Estimate | Family::Fairness);
    let names = rule_of(monitor, rule).map_or(&[][..], |rule| rule.when.names());
    let about: BTreeSet<&str> = names
        .iter()
        .filter_map(|name| match name.subject.as_deref() {
            Some(subject) if is_field(monitor, subject) => Some(subject),
            _ => is_of_outcomes(name.family).then_some(name.statistic),
        })
        .collect();
    about.into_iter().collect()
}

/// The topics of the logs that what an alert is about depends on.
fn upstream<'a>(monitor: &'a Monitor, rule: &str, subject: &str) -> BTreeSet<&'a str> {
    let all = || monitor.inputs.iter().map(|input| input.topic.as_str());
    let about = about(monitor, rule, subject);
    if about.is_empty() {
        let is_of_log = rule_of(monitor, rule).is_some_and(|rule| rule.when.per() == Per::Log);
        return all().filter(|topic| !is_of_log || monitor.subject_of(topic) == subject).collect();
    }
    let of_one = |subject: &&str| -> Vec<&'a str> {
        let at = monitor.fields().iter().position(|field| field.subject == *subject);
        let is_own = |at: &usize| matches!(monitor.fields()[*at].role, Role::Feature | Role::Latency | Role::Error);
        let own = at.filter(is_own).and_then(|at| monitor.inputs.iter().find(|input| input.fields.contains(&at)));
        own.map_or_else(|| all().collect(), |input| vec![input.topic.as_str()])
    };
    about.iter().flat_map(of_one).collect()
}

fn is_field(monitor: &Monitor, subject: &str) -> bool {
    monitor.fields().iter().any(|field| field.subject == subject)
}

fn rule_of<'a>(monitor: &'a Monitor, name: &str) -> Option<&'a Rule> {
    monitor.rules.iter().find(|rule| rule.name == name).map(|rule| &**rule)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::Severity;

    const SIZE: Span = Span(10);

    /// An alert that begins to fire in the window that ends then.
    fn event(slice: &str, end: i64) -> AlertEvent {
        AlertEvent {
            id: format!("{slice} at {end}"),
            model: "m".into(),
            version: "7".into(),
            slice: slice.into(),
            subject: "x".into(),
            window_start: Time(end) - SIZE,
            window_end: Time(end),
            since: Time(end),
            ..AlertEvent::bare("Drift", State::Firing, Severity::Warning)
        }
    }

    fn opened(slice: &str, end: i64) -> Ongoing {
        let mut incident = Ongoing::opened_by(&event(slice, end));
        incident.join(&event(slice, end), &BTreeSet::from(["a"]));
        incident
    }

    #[test]
    fn what_shares_time_with_an_incident_joins_it_and_late_labels_do_by_their_window() {
        let mut incident = opened("", 50);
        let takes = |incident: &Ongoing, end| incident.takes(&event("", end), &BTreeSet::from(["a"]), SIZE);
        assert_eq!([30, 40, 41, 50, 60, 900].map(|end| takes(&incident, end)), [false, false, true, true, true, true]);
        incident.keep(|_| false, Window { start: Time(70), end: Time(80) });
        assert!(!incident.goes_on());
        assert_eq!([40, 41, 80, 89, 90].map(|end| takes(&incident, end)), [false, true, true, true, false]);
        let other = AlertEvent { version: "8".into(), ..event("", 50) };
        assert!(!incident.takes(&other, &BTreeSet::from(["a"]), SIZE));
        incident.join(&event("", 60), &BTreeSet::from(["a"]));
        assert_eq!((incident.goes_on(), incident.told().firing), (true, 1));
    }

    #[test]
    fn what_shares_a_log_or_a_slice_with_an_incident_joins_it() {
        let takes = |incident: &Ongoing, slice, upstream: &[&str]| {
            incident.takes(&event(slice, 50), &upstream.iter().copied().collect(), SIZE)
        };
        let (whole, sliced) = (opened("", 50), opened("country=US", 50));
        assert!(takes(&whole, "country=US", &["a"]) && takes(&whole, "", &["a", "b"]));
        assert!(!takes(&whole, "", &["b"]), "all rows are no slice");
        assert!(takes(&sliced, "country=US", &["b"]) && !takes(&sliced, "country=FR", &["b"]));
        assert_ne!(whole.told().id, opened("", 60).told().id);
        assert_eq!(whole.told().id, opened("", 50).told().id);
    }

    #[test]
    fn the_slice_that_explains_is_the_whole_or_the_one_with_the_most_alerts() {
        let key = |slice: &str| AlertKey {
            rule: "Drift".into(),
            version: "7".into(),
            slice: slice.into(),
            subject: "x".into(),
        };
        let keys = ["b", "b", "a", "a", "c", ""].map(key);
        assert_eq!(most_of(&keys.iter().collect::<Vec<_>>()), "");
        assert_eq!(most_of(&keys[..5].iter().collect::<Vec<_>>()), "a");
        assert_eq!(most_of(&keys[..3].iter().collect::<Vec<_>>()), "b");
        assert_eq!(most_of(&[]), "");
    }
}
