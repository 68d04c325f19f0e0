//! The router: which receivers are told of an alert, together with which others, and when.
//!
//! Alerts come in as they change, time comes in with them, and notices come out. An alert goes to the receivers that its
//! rule names and to those to which the routes lead, in groups; nobody is told of it while it is muted. What a receiver
//! knows of each alert is kept, so that nothing is told twice and nobody stays in the belief that something fires. What
//! has to outlive the process is handed out as it changes, to be stored in one step with what it follows from.

mod matcher;
mod tree;
mod mute;
mod group;
mod watchdog;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::notice::{Notice, labels};
use crate::rule::alert::{AlertEvent, stable_id};
use crate::rule::{Severity, State};
use crate::time::{Span, Time};
use group::Occasion;
pub use group::{Group, Member};
pub use matcher::{Labels, Matcher};
use mute::Mutes;
pub use mute::{Inhibition, Muted, Silence};
pub use tree::{Grouping, INCIDENT, Route, Timing};
pub use watchdog::{WATCHDOG, Watchdog};

/// How a receiver wants to be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    /// Of groups, as the routes have it: people.
    #[default]
    Grouped,
    /// Of each change of each alert, at once and once: programs.
    Each,
    /// Of each change at once, and of everything again after each such time, because it forgets.
    Forgets { resend: Span },
}

/// What it works by.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    pub root: Route,
    pub receivers: BTreeMap<String, Manner>,
    pub inhibitions: Vec<Inhibition>,
    /// Those of the configuration.
    pub silences: Vec<Silence>,
    pub watchdog: Option<Watchdog>,
}

/// What makes an alert the same from one episode to the next.
pub type Identity = String;

/// A part of what has to outlive the process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Kept {
    /// An alert that someone has been told of, or is still to be, as JSON: fields of it may be missing.
    Alert(String),
    Group(Group),
}

/// What has become of one such part; `None` when it is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub key: String,
    pub kept: Option<Kept>,
}

#[derive(Debug)]
struct Known {
    event: AlertEvent,
    labels: Labels,
}

/// Where a group is: its receiver, and what its alerts have in common.
type Place = (String, Labels);

#[derive(Debug)]
pub struct Router {
    config: Config,
    /// Those that were made while it runs.
    silences: Vec<Silence>,
    alerts: BTreeMap<Identity, Known>,
    groups: BTreeMap<Place, Group>,
    /// Changes that are to be told one by one, in order.
    prompt: Vec<(Place, Identity, AlertEvent)>,
    watched: Option<Time>,
    started: Time,
    changed_alerts: BTreeSet<Identity>,
    changed_groups: BTreeSet<Place>,
}

impl Router {
    /// Takes up what was kept, by a configuration that may be another one. `notified` says whom the rule of an alert
    /// names; `None` when there is no such rule any more, and the alert is over.
    pub fn new(
        config: Config,
        kept: impl IntoIterator<Item = Kept>,
        notified: impl Fn(&AlertEvent) -> Option<Vec<String>>,
        now: Time,
    ) -> Router {
        let mut router = Router {
            config,
            silences: Vec::new(),
            alerts: BTreeMap::new(),
            groups: BTreeMap::new(),
            prompt: Vec::new(),
            watched: None,
            started: now,
            changed_alerts: BTreeSet::new(),
            changed_groups: BTreeSet::new(),
        };
        for part in kept {
            match part {
                Kept::Alert(json) => {
                    let Ok(event) = serde_json::from_str::<AlertEvent>(&json) else { continue };
                    let labels = labels(&event);
                    router.alerts.insert(identity(&event), Known { event, labels });
                }
                Kept::Group(group) => drop(router.groups.insert((group.receiver.clone(), group.labels.clone()), group)),
            }
        }
        router.take_up(notified, now);
        router
    }

    fn take_up(&mut self, notified: impl Fn(&AlertEvent) -> Option<Vec<String>>, now: Time) {
        let mut led: BTreeSet<(Place, Identity)> = BTreeSet::new();
        let mut over = Vec::new();
        let identities: Vec<Identity> = self.alerts.keys().cloned().collect();
        for identity in identities {
            let Some(known) = self.alerts.get_mut(&identity) else { continue };
            match notified(&known.event) {
                Some(names) => known.event.notify = names,
                None if known.event.state == State::Firing => {
                    let reason = "its rule is no longer configured".to_owned();
                    over.push(AlertEvent { state: State::Resolved, reason, ..known.event.clone() });
                }
                None => {}
            }
            let known = &self.alerts[&identity];
            let (places, is_firing) = (places(&self.config, known), known.event.state == State::Firing);
            for (place, manner, timing) in places {
                led.insert((place.clone(), identity.clone()));
                // Who is told from now on is told of what fires already.
                if is_firing || self.groups.contains_key(&place) {
                    let group = self.group(&place, &identity, manner, timing, now);
                    if is_firing {
                        group.members.entry(identity.clone()).or_default();
                    }
                }
            }
        }
        let receivers = &self.config.receivers;
        for (place, group) in &mut self.groups {
            let before = group.members.len();
            // What is over is still told to whoever was told that it fires.
            group.members.retain(|identity, member| {
                member.is_led_elsewhere = !led.contains(&(place.clone(), identity.clone()));
                let is_told = !member.is_led_elsewhere || member.told == Some(State::Firing);
                self.alerts.contains_key(identity) && receivers.contains_key(&place.0) && is_told
            });
            if let Some(manner) = receivers.get(&place.0) {
                group.manner = *manner;
            }
            if group.members.len() < before || group.members.is_empty() {
                self.changed_groups.insert(place.clone());
            }
        }
        for event in over {
            self.take(&event, now);
        }
    }

    /// An alert has changed.
    pub fn take(&mut self, event: &AlertEvent, now: Time) {
        if event.state == State::Pending {
            return;
        }
        let identity = identity(event);
        let known = Known { event: event.clone(), labels: labels(event) };
        let mut places = places(&self.config, &known);
        self.changed_alerts.insert(identity.clone());
        self.alerts.insert(identity.clone(), known);
        // Whoever was told that it fires is told that it is over, wherever it would go now.
        let told = self.groups.iter().filter(|(_, group)| group.members.contains_key(&identity));
        let told = told.filter(|(place, _)| !places.iter().any(|(other, ..)| other == *place));
        let told: Vec<_> = told.map(|(place, group)| (place.clone(), group.manner, group.timing)).collect();
        let led = places.len();
        places.extend(told);
        for (index, (place, manner, timing)) in places.into_iter().enumerate() {
            let group = self.group(&place, &identity, manner, timing, now);
            let member = group.members.entry(identity.clone()).or_default();
            member.is_led_elsewhere = index >= led;
            // Of another episode nobody knows.
            member.told = member.told.filter(|told| event.state == State::Resolved || *told == State::Firing);
            member.ended = (event.state == State::Resolved).then_some(now);
            if manner != Manner::Grouped {
                self.prompt.push((place, identity.clone(), event.clone()));
            }
        }
    }

    fn group(&mut self, place: &Place, first: &str, manner: Manner, timing: Timing, now: Time) -> &mut Group {
        let Router { alerts, groups, changed_groups, .. } = self;
        changed_groups.insert(place.clone());
        let group = groups.entry(place.clone()).or_insert_with(|| {
            let (receiver, labels) = place.clone();
            // One that forgets is told of all in one order for good; else each life of a group has a name of its own.
            let episode = match manner {
                Manner::Forgets { .. } => String::new(),
                Manner::Grouped | Manner::Each => alerts.get(first).map_or(first, |known| &known.event.id).to_owned(),
            };
            let mut parts = vec![receiver.as_str(), &episode];
            parts.extend(labels.iter().flat_map(|(name, value)| [name.as_str(), value]));
            let key = stable_id(&parts);
            let members = BTreeMap::new();
            Group { receiver, labels, key, members, opened: now, told: None, repeats: 0, manner, timing }
        });
        (group.manner, group.timing) = (manner, timing);
        group
    }

    /// The silences that were made while it runs, in place of those that it had.
    pub fn silence(&mut self, silences: Vec<Silence>) {
        self.silences = silences;
    }

    /// What keeps alerts that fire from being told, by their ids.
    pub fn muted(&self, now: Time) -> BTreeMap<String, Muted> {
        let mutes = mutes(&self.config, &self.silences, &self.alerts, now);
        let firing = self.alerts.values().filter(|known| known.event.state == State::Firing);
        firing.filter_map(|known| Some((known.event.id.clone(), mutes.what_mutes(&known.labels)?))).collect()
    }

    /// What is to be told by now.
    pub fn due(&mut self, now: Time) -> Vec<Notice> {
        let Router { config, silences, alerts, groups, prompt, changed_groups, .. } = self;
        let mutes = mutes(config, silences, alerts, now);
        let mut notices = Vec::new();
        for (place, identity, event) in prompt.drain(..) {
            let is_muted = mutes.mutes(&labels(&event));
            let Some(group) = groups.get_mut(&place) else { continue };
            let Some(member) = group.members.get_mut(&identity) else { continue };
            let is_told = match event.state {
                State::Firing => !is_muted,
                State::Resolved | State::Pending => member.told == Some(State::Firing),
            };
            if is_told {
                member.told = Some(event.state);
                group.told.get_or_insert(now);
                notices.push(notice(group, vec![event], None, now));
            }
        }
        for (place, group) in groups {
            let told = tell(group, alerts, &mutes, now);
            let before = group.members.len();
            group.forget(now);
            if told.is_some() || group.members.len() < before {
                changed_groups.insert(place.clone());
            }
            notices.extend(told);
        }
        notices.extend(self.watch(now));
        self.sweep();
        notices
    }

    /// Lets go of groups without members, and of alerts that are over and of which nobody is to be told any more.
    fn sweep(&mut self) {
        for place in &self.changed_groups {
            if self.groups.get(place).is_some_and(|group| group.members.is_empty()) {
                self.groups.remove(place);
            }
        }
        let over = self.alerts.iter().filter(|(_, known)| known.event.state == State::Resolved);
        let over =
            over.filter(|(identity, _)| !self.groups.values().any(|group| group.members.contains_key(*identity)));
        let over: Vec<Identity> = over.map(|(identity, _)| identity.clone()).collect();
        for identity in over {
            self.alerts.remove(&identity);
            self.changed_alerts.insert(identity);
        }
    }

    /// The notices of the alert that always fires, which nothing mutes.
    fn watch(&mut self, now: Time) -> Vec<Notice> {
        let Some(watchdog) = &self.config.watchdog else { return Vec::new() };
        if self.watched.is_some_and(|last| last.min(now) + watchdog.every > now) {
            return Vec::new();
        }
        self.watched = Some(now);
        watchdog.notices(self.started, now)
    }

    /// What has changed since this was last asked for of what has to outlive the process.
    pub fn changes(&mut self) -> Vec<Change> {
        let alert = |identity: &Identity| Change {
            key: format!("alert/{identity}"),
            kept: self
                .alerts
                .get(identity)
                .and_then(|known| Some(Kept::Alert(serde_json::to_string(&known.event).ok()?))),
        };
        let group = |place: &Place| {
            let (receiver, labels) = place;
            let labels = labels.iter().flat_map(|(name, value)| [name.as_str(), value]);
            let parts: Vec<&str> = std::iter::once(receiver.as_str()).chain(labels).collect();
            Change {
                key: format!("group/{}", stable_id(&parts)),
                kept: self.groups.get(place).cloned().map(Kept::Group),
            }
        };
        let changes = self.changed_alerts.iter().map(alert).chain(self.changed_groups.iter().map(group)).collect();
        self.changed_alerts.clear();
        self.changed_groups.clear();
        changes
    }
}

/// All that may keep alerts from being told now.
fn mutes<'a>(
    config: &'a Config,
    silences: &'a [Silence],
    alerts: &'a BTreeMap<Identity, Known>,
    now: Time,
) -> Mutes<'a> {
    let firing = alerts.iter().filter(|(_, known)| known.event.state == State::Firing);
    Mutes {
        silences: config.silences.iter().chain(silences).filter(|silence| silence.is_active(now)).collect(),
        inhibitions: &config.inhibitions,
        firing: firing.map(|(identity, known)| (identity.as_str(), &known.labels)).collect(),
    }
}

fn identity(event: &AlertEvent) -> Identity {
    stable_id(&[&event.model, &event.alert, &event.version, &event.slice, &event.subject])
}

/// The groups that an alert belongs to: one for each receiver that its rule names, and for each that a route leads to
/// and that is not named.
fn places(config: &Config, known: &Known) -> Vec<(Place, Manner, Timing)> {
    let mut places: Vec<(Place, Manner, Timing)> = Vec::new();
    let named = known.event.notify.iter().map(|name| (name, &config.root));
    let led = config.root.lead(&known.labels).into_iter().filter_map(|route| Some((route.receiver.as_ref()?, route)));
    for (receiver, route) in named.chain(led) {
        let Some(&manner) = config.receivers.get(receiver) else { continue };
        let by_name = known.event.notify.contains(receiver) && !std::ptr::eq(route, &config.root);
        let place = (receiver.clone(), common(&route.grouping, manner, known));
        if !by_name && !places.iter().any(|(other, ..)| *other == place) {
            places.push((place, manner, route.timing));
        }
    }
    places
}

/// What the alerts of a group have in common, of this alert.
fn common(grouping: &Grouping, manner: Manner, known: &Known) -> Labels {
    let names = match (manner, grouping) {
        (Manner::Forgets { .. }, _) => return Labels::new(),
        (Manner::Each, _) | (_, Grouping::None) => {
            let own = ["alertname", "model", "model_version", "slice", "subject"];
            return known.labels.iter().filter(|(name, _)| own.contains(&name.as_str())).map(pair).collect();
        }
        (Manner::Grouped, Grouping::By(names)) => names,
    };
    let mut common = Labels::new();
    for name in names {
        match &known.event.incident {
            Some(incident) if name == INCIDENT => drop(common.insert(name.clone(), incident.id.clone())),
            None if name == INCIDENT => {
                let whose = known.labels.iter().filter(|(name, _)| ["model", "model_version"].contains(&name.as_str()));
                common.extend(whose.map(pair));
            }
            _ => common.extend(known.labels.get_key_value(name).map(pair)),
        }
    }
    common
}

fn pair((name, value): (&String, &String)) -> (String, String) {
    (name.clone(), value.clone())
}

/// What is to be told of a group by now.
fn tell(group: &mut Group, alerts: &BTreeMap<Identity, Known>, mutes: &Mutes, now: Time) -> Option<Notice> {
    let is_news = |identity: &Identity, member: &Member| {
        member.is_news(|| alerts.get(identity).is_some_and(|known| mutes.mutes(&known.labels)))
    };
    let has_news = group.members.iter().any(|(identity, member)| is_news(identity, member));
    let occasion = group.occasion(has_news, now)?;
    let is_told = |identity: &Identity, member: &Member| {
        let is_muted = || alerts.get(identity).is_some_and(|known| mutes.mutes(&known.labels));
        match (occasion, group.manner) {
            // Those that keep each change have no use for what they know already.
            (Occasion::News, Manner::Each | Manner::Forgets { .. }) => is_news(identity, member),
            (_, Manner::Forgets { .. }) if !member.is_firing() => member.told.is_some(),
            _ => is_news(identity, member) || member.is_firing() && !member.is_led_elsewhere && !is_muted(),
        }
    };
    let told: Vec<Identity> =
        group.members.iter().filter(|(identity, member)| is_told(identity, member)).map(|(id, _)| id.clone()).collect();
    let mut events: Vec<AlertEvent> = Vec::new();
    for identity in told {
        let (Some(known), Some(member)) = (alerts.get(&identity), group.members.get_mut(&identity)) else { continue };
        member.told = Some(known.event.state);
        events.push(known.event.clone());
    }
    if events.is_empty() {
        return None;
    }
    group.told = Some(now);
    events.sort_by(|one, other| {
        (urgency(one), &one.alert, &one.subject).cmp(&(urgency(other), &other.alert, &other.subject))
    });
    let repeat = (occasion == Occasion::Repeat).then(|| {
        group.repeats += 1;
        match group.manner {
            Manner::Forgets { resend } => resend,
            Manner::Grouped | Manner::Each => group.timing.repeat,
        }
    });
    Some(notice(group, events, repeat, now))
}

/// Those that fire come first, the severest before the others.
fn urgency(event: &AlertEvent) -> (bool, std::cmp::Reverse<Severity>) {
    (event.state != State::Firing, std::cmp::Reverse(event.severity))
}

/// The notice of these alerts of a group. Its id follows from what it tells: which episodes are in which state, and how
/// often the group was told without a change before.
fn notice(group: &Group, alerts: Vec<AlertEvent>, lives: Option<Span>, made: Time) -> Notice {
    let mut parts = vec![group.key.clone(), group.repeats.to_string()];
    parts.extend(
        alerts.iter().flat_map(|alert| [alert.id.clone(), format!("{:?}", alert.state), alert.window_end.to_string()]),
    );
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    Notice {
        id: stable_id(&parts),
        receiver: group.receiver.clone(),
        group: group.labels.clone(),
        group_key: group.key.clone(),
        alerts,
        made,
        lives,
    }
}
