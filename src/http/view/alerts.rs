//! The alerts that are pending or firing, and those that resolved not long ago.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::Serialize;

use crate::engine::Ongoing;
use crate::monitor::Monitor;
use crate::route::Muted;
use crate::rule::Rule;
use crate::rule::State;
use crate::rule::alert::{self, AlertEvent, AlertKey};
use crate::rule::life::Active;

/// Resolved alerts that are kept, over all models.
const RESOLVED_KEPT: usize = 200;

/// The last event of each alert.
#[derive(Default)]
pub(super) struct Alerts {
    /// By model and id.
    active: BTreeMap<(String, String), AlertEvent>,
    /// Newest first.
    resolved: VecDeque<AlertEvent>,
    /// What keeps those that fire from being told, by id.
    muted: BTreeMap<String, Muted>,
}

/// An alert as it is shown.
#[derive(Clone, Debug, Serialize)]
pub struct ShownAlert {
    #[serde(flatten)]
    pub event: AlertEvent,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub muted: Option<Muted>,
}

impl Alerts {
    pub fn told(&mut self, event: &AlertEvent) {
        let key = (event.model.clone(), event.id.clone());
        if event.state != State::Resolved {
            self.active.insert(key, event.clone());
            return;
        }
        self.active.remove(&key);
        self.resolved.retain(|resolved| resolved.id != event.id || resolved.model != event.model);
        self.resolved.push_front(event.clone());
        self.resolved.truncate(RESOLVED_KEPT);
    }

    /// These are the alerts of a monitor that are pending or firing, and no others.
    ///
    /// Events alone do not say it: a pending alert that comes to nothing ends without one, and after a restart there
    /// are alerts of which no event has been heard yet.
    pub fn set<'a>(&mut self, monitor: &Monitor, active: impl IntoIterator<Item = (&'a AlertKey, &'a Active)>) {
        let mut ids = BTreeSet::new();
        for (key, alert) in active {
            let Some(rule) = monitor.rules.iter().find(|rule| rule.name == key.rule) else { continue };
            let unheard = || event(monitor, rule, key, alert);
            let shown = self.active.entry((monitor.model.clone(), alert.id.clone())).or_insert_with(unheard);
            shown.state = alert.state();
            shown.unknown = alert.unknown.clone();
            ids.insert(alert.id.as_str());
        }
        self.active.retain(|(model, id), _| *model != monitor.model || ids.contains(id.as_str()));
    }

    /// These are the incidents of a monitor that go on.
    pub fn join<'a>(&mut self, monitor: &Monitor, incidents: impl IntoIterator<Item = &'a Ongoing>) {
        let incidents: Vec<&Ongoing> = incidents.into_iter().collect();
        for event in self.active.values_mut().filter(|event| event.model == monitor.model) {
            event.incident = incidents.iter().find(|one| one.holds(&event.id)).map(|one| one.told());
        }
    }

    /// These keep alerts from being told, and nothing else does.
    pub fn mute(&mut self, muted: BTreeMap<String, Muted>) {
        self.muted = muted;
    }

    /// An alert of the list as it is shown.
    pub fn shown(&self, event: &AlertEvent) -> ShownAlert {
        let muted = self.muted.get(&event.id).filter(|_| event.state == State::Firing);
        ShownAlert { event: event.clone(), muted: muted.cloned() }
    }

    /// Forgets the alerts of models that are not kept.
    pub fn retain(&mut self, keeps: impl Fn(&str) -> bool) {
        self.active.retain(|(model, _), _| keeps(model));
        self.resolved.retain(|event| keeps(&event.model));
    }

    /// Firing ones first, the more severe and then the newer before the others; at last what has resolved.
    pub fn list(&self) -> impl Iterator<Item = &AlertEvent> {
        let mut active: Vec<&AlertEvent> = self.active.values().collect();
        active.sort_by_key(|event| Reverse((event.state == State::Firing, event.severity, event.since)));
        active.into_iter().chain(&self.resolved)
    }

    /// How many are in a state.
    pub fn count(&self, state: State) -> usize {
        self.list().filter(|event| event.state == state).count()
    }
}

/// What can be said of an alert without its event: its window is the first for which the condition held.
fn event(monitor: &Monitor, rule: &Rule, key: &AlertKey, alert: &Active) -> AlertEvent {
    let window = monitor.windowing.window(alert.since);
    let mut event = AlertEvent::new(&monitor.model, rule, key, alert, window, alert.state());
    alert::render(&mut event, rule, window);
    event
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::sample;
    use crate::time::Time;

    fn states(alerts: &Alerts) -> Vec<(&str, State)> {
        alerts.list().map(|event| (event.subject.as_str(), event.state)).collect()
    }

    #[test]
    fn an_alert_fires_and_resolves() {
        let mut alerts = Alerts::default();
        alerts.told(&sample::event("income", State::Pending));
        alerts.told(&sample::event("age", State::Firing));
        assert_eq!(states(&alerts), [("age", State::Firing), ("income", State::Pending)]);
        alerts.told(&sample::event("age", State::Resolved));
        alerts.told(&sample::event("age", State::Resolved));
        assert_eq!(states(&alerts), [("income", State::Pending), ("age", State::Resolved)]);
        assert_eq!(alerts.count(State::Resolved), 1);
        alerts.retain(|_| false);
        assert_eq!(alerts.list().count(), 0);
    }

    #[test]
    fn one_that_fires_shows_what_mutes_it() {
        let mut alerts = Alerts::default();
        for subject in ["income", "age"] {
            alerts.told(&sample::event(subject, State::Firing));
        }
        let id = sample::event("age", State::Firing).id;
        let muted = Muted { silenced_by: vec!["s1".to_owned()], inhibited: false };
        alerts.mute(BTreeMap::from([(id, muted)]));
        let shown = |alerts: &Alerts| -> Vec<serde_json::Value> {
            let json = |event| serde_json::to_value(alerts.shown(event)).expect("it can be written");
            alerts.list().map(json).collect()
        };
        let age =
            |all: Vec<serde_json::Value>| all.into_iter().find(|alert| alert["subject"] == "age").expect("it is there");
        assert_eq!(age(shown(&alerts))["muted"], serde_json::json!({"silenced_by": ["s1"], "inhibited": false}));
        assert_eq!(shown(&alerts).iter().filter(|alert| alert.get("muted").is_some()).count(), 1);
        alerts.told(&sample::event("age", State::Resolved));
        assert!(age(shown(&alerts)).get("muted").is_none(), "it is told that it is over");
    }

    #[test]
    fn what_the_engine_holds_is_what_is_active() {
        let mut alerts = Alerts::default();
        alerts.told(&sample::event("came to nothing", State::Pending));
        let monitor = sample::monitor();
        let key = AlertKey {
            rule: monitor.rules[0].name.clone(),
            version: "7".into(),
            slice: "".into(),
            subject: "income".to_owned(),
        };
        let restored = Active {
            id: "r".to_owned(),
            since: Time(3_600_000),
            recent: vec![(Time(3_600_000), true)],
            held: Time(3_600_000),
            firing: true,
            unknown: None,
        };
        alerts.set(&monitor, [(&key, &restored)]);
        assert_eq!(states(&alerts), [("income", State::Firing)]);
        let shown = alerts.list().next().expect("an alert");
        assert_eq!((shown.window_start, shown.window_end), (Time(0), Time(3_600_000)));
        alerts.set(&monitor, []);
        assert_eq!(alerts.list().count(), 0);
    }

    #[test]
    fn an_alert_shows_the_incident_that_it_is_part_of_as_it_is_now() {
        let mut alerts = Alerts::default();
        alerts.told(&sample::event("income", State::Firing));
        alerts.told(&sample::event("age", State::Pending));
        let incident = serde_json::json!({
            "id": "i", "version": "7", "opened": "2026-01-01T00:00:00Z", "over": null, "firing": ["income", "debt"],
            "upstream": ["log"], "slices": [""], "ranked": ["debt", "income"], "likely": [],
        });
        let incident: Ongoing = serde_json::from_value(incident).expect("an incident");
        alerts.join(&sample::monitor(), [&incident]);
        let shown: Vec<_> = alerts.list().map(|event| event.incident.as_ref().map(|one| one.firing)).collect();
        assert_eq!(shown, [Some(2), None]);
        alerts.join(&sample::monitor(), []);
        assert!(alerts.list().all(|event| event.incident.is_none()));
    }
}
