//! One monitor as it runs: which partitions it waits for, the panes it holds, and the references it learns.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::history::{Groups, History};
use super::judge::{Judged, judge};
use super::rules::Memory;
use super::{Effect, Known, LearntKey, Start, State, Surprises};
use crate::budget::{Account, Measured};
use crate::join::Join;
use crate::monitor::{Monitor, Source};
use crate::null::Nulls;
use crate::pane::{Pane, PaneKey, Partition};
use crate::reference::Reference;
use crate::rows::Rows;
use crate::rule::basis::OffsetRange;
use crate::shard::Progress;
use crate::time::{Span, Time};
use crate::verdict::Contest;

#[derive(Debug)]
pub(super) struct Watched {
    pub monitor: Arc<Monitor>,
    /// What all versions are compared with, for each topic; empty when each version learns its own.
    pub given: BTreeMap<Arc<str>, Known>,
    pub learnt: BTreeMap<LearntKey, Known>,
    samples: BTreeMap<LearntKey, Vec<(i32, Rows)>>,
    /// Shards that have not yet said from when they count what was learnt; until then no window is complete.
    awaited: BTreeSet<(LearntKey, Partition)>,
    /// Panes before this were learnt from in some partition, so no window may hold them.
    started: BTreeMap<LearntKey, Time>,
    pub lanes: BTreeMap<Partition, Lane>,
    /// Those of the log of labels, if it is another one. No window waits for them to be published first.
    pub label_lanes: BTreeMap<Partition, Lane>,
    pub join: Option<Join>,
    /// How far labels have come.
    pub matured: Time,
    panes: BTreeMap<PaneKey, Pane>,
    /// What has become of panes that no window needs any more.
    history: History,
    pub published: Time,
    pub memory: Memory,
    pub surprises: Option<Surprises>,
    pub contest: Option<Contest>,
    /// The rate of false alarms, and when it was measured.
    measured: Option<(Time, Option<Measured>)>,
    /// What does not have to outlive the process, since it would come out the same.
    pub nulls: Nulls,
}

/// How far a partition is.
#[derive(Debug)]
pub(super) struct Lane {
    pub frontier: Time,
    pub idle: bool,
}

impl Watched {
    pub fn new(start: Start) -> Watched {
        let monitor = start.monitor;
        let known = |reference: &Arc<Reference>, topic: &str| Known::new(reference.clone(), &monitor, topic);
        let topics = monitor.inputs.iter().map(|input| Arc::<str>::from(input.topic.as_str()));
        let given = start
            .reference
            .iter()
            .flat_map(|reference| topics.clone().map(|topic| (topic.clone(), known(reference, &topic))));
        let given = given.collect();
        let learnt: BTreeMap<_, _> =
            start.learnt.iter().map(|(key, reference)| (key.clone(), known(reference, &key.topic))).collect();
        // One that was stored before its shards had said from when they count was followed by no pane before it.
        let mut started: BTreeMap<_, _> = learnt.keys().map(|key| (key.clone(), Time::MIN)).collect();
        started.extend(start.state.started);
        let history = History::new(&monitor, start.blocks);
        let join = monitor.labels.as_ref().map(|labels| {
            let (sorts, ledger) = (start.sorts, start.ledger);
            Join::new(&monitor.model, labels.wait, &monitor.windowing, ledger, sorts, start.delays)
        });
        let surprises = Surprises::resume(start.state.surprises, &monitor, start.reference.as_deref());
        let contest = monitor.challenge.as_ref();
        let contest = contest.map(|it| Contest::resume(start.state.contest, it, monitor.windowing.size));
        Watched {
            monitor,
            given,
            learnt,
            samples: BTreeMap::new(),
            awaited: BTreeSet::new(),
            started,
            lanes: BTreeMap::new(),
            label_lanes: BTreeMap::new(),
            join,
            matured: start.state.matured,
            panes: start.panes.into_iter().map(|pane| (pane.key.clone(), pane)).collect(),
            history,
            published: start.state.published,
            memory: Memory {
                alerts: start.state.alerts.into_iter().collect(),
                quiet: start.state.quiet.into_iter().collect(),
                incidents: start.state.incidents,
                usuals: start.state.usuals.into_iter().collect(),
                ..Memory::default()
            },
            surprises,
            contest,
            measured: None,
            nulls: Nulls::default(),
        }
    }

    pub fn state(&self) -> State {
        State {
            published: self.published,
            alerts: self.memory.alerts.iter().map(|(key, active)| (key.clone(), active.clone())).collect(),
            quiet: self.memory.quiet.iter().map(|(key, until)| (key.clone(), *until)).collect(),
            started: self.started.iter().map(|(key, from)| (key.clone(), *from)).collect(),
            matured: self.matured,
            incidents: self.memory.incidents.clone(),
            usuals: self.memory.usuals.iter().map(|(topic, usual)| (topic.clone(), *usual)).collect(),
            surprises: self.surprises.clone(),
            contest: self.contest.clone(),
        }
    }

    pub fn account(&mut self) -> Option<Account> {
        let surprises = self.surprises.as_ref()?;
        surprises.measure(self.published, self.monitor.windowing.size, &mut self.measured);
        Some(surprises.account(self.published, self.measured.and_then(|(_, measured)| measured)))
    }

    /// Whether it wants anything of a topic.
    pub fn reads(&self, topic: &str) -> bool {
        self.monitor.reads(topic)
    }

    /// Whether a topic has rows to be counted, and not just labels.
    fn has_rows(&self, topic: &str) -> bool {
        self.monitor.inputs.iter().any(|input| input.topic == topic)
    }

    pub fn lanes(&self) -> impl Iterator<Item = (&Partition, &Lane)> {
        self.lanes.iter().chain(&self.label_lanes)
    }

    pub fn assign(&mut self, partition: &Partition, latest: Option<Time>) {
        if !self.has_rows(&partition.topic) {
            let lateness = self.monitor.labels.as_ref().map_or(Span(0), |labels| labels.lateness);
            let frontier = latest.map_or(Time::MIN, |latest| latest - lateness);
            self.label_lanes.insert(partition.clone(), Lane { frontier, idle: false });
            return;
        }
        let frontier = latest.map_or(Time::MIN, |latest| self.monitor.windowing.frontier(latest));
        self.lanes.insert(partition.clone(), Lane { frontier, idle: false });
        let learnt = self.learnt.keys().filter(|key| key.topic == partition.topic && self.given.is_empty());
        self.awaited.extend(learnt.map(|key| (key.clone(), partition.clone())));
    }

    /// Publishes nothing yet: a rebalance takes partitions one by one, and may give back the slowest in the end.
    pub fn revoke(&mut self, partition: &Partition) {
        self.lanes.remove(partition);
        self.label_lanes.remove(partition);
        self.awaited.retain(|(_, awaited)| awaited != partition);
    }

    pub fn idle(&mut self, partition: &Partition, effects: &mut Vec<Effect>) {
        if let Some(lane) = self.lanes.get_mut(partition).filter(|lane| !lane.idle) {
            lane.idle = true;
            self.publish(effects);
        } else if let Some(lane) = self.label_lanes.get_mut(partition).filter(|lane| !lane.idle) {
            lane.idle = true;
        } else {
            return;
        }
        self.mature(effects);
    }

    pub fn progress(&mut self, partition: &Partition, progress: Progress, effects: &mut Vec<Effect>) {
        // A partition that was revoked in the meantime no longer counts here.
        let lane = self.lanes.get_mut(partition).or_else(|| self.label_lanes.get_mut(partition));
        let Some(lane) = lane else { return };
        lane.frontier = lane.frontier.max(progress.frontier);
        lane.idle = false;
        for pane in progress.closed {
            let is_new = self.panes.get(&pane.key) != Some(&pane);
            // A row is in a pane of the whole, and may be in some of slices beside.
            if is_new && pane.key.start < self.published && pane.key.slice.is_empty() {
                effects.push(Effect::Late { model: progress.model.clone(), rows: pane.rows });
            }
            self.panes.insert(pane.key.clone(), pane);
        }
        for (version, rows) in progress.samples {
            self.learn(partition, version, rows, effects);
        }
        self.join(partition.partition, progress.predictions, &progress.labels, effects);
        self.publish(effects);
        self.mature(effects);
    }

    /// Takes in rows to learn from; when there are enough, makes the reference.
    fn learn(&mut self, partition: &Partition, version: Arc<str>, rows: Rows, effects: &mut Vec<Effect>) {
        let Source::Learnt { rows: wanted } = self.monitor.reference else { return };
        let (model, topic) = (Arc::from(self.monitor.model.as_str()), partition.topic.clone());
        let key = LearntKey { model, version, topic };
        if self.learnt.contains_key(&key) {
            return;
        }
        let sample = self.samples.entry(key.clone()).or_default();
        // Exactly so many, so that it does not matter how the log was cut into batches.
        let lacking = wanted - sample.iter().map(|(_, rows)| rows.len()).sum::<usize>();
        let is_enough = rows.len() >= lacking;
        sample.push((partition.partition, if rows.len() > lacking { rows.head(lacking) } else { rows }));
        if !is_enough {
            return;
        }
        let sample = self.samples.remove(&key).unwrap_or_default();
        let (partitions, sample): (Vec<_>, Vec<Rows>) = sample.into_iter().unzip();
        let learnt_from = offsets(&key.topic, &partitions, &sample);
        let known = Known::new(Arc::new(learn(&self.monitor, &key.topic, &sample)), &self.monitor, &key.topic);
        self.learnt.insert(key.clone(), known.clone());
        let readers = self.lanes.keys().filter(|lane| lane.topic == key.topic);
        self.awaited.extend(readers.map(|lane| (key.clone(), lane.clone())));
        effects.push(Effect::Learnt { learnt: key, known, learnt_from });
    }

    /// Publishes nothing yet: on a start, partitions come one by one and say this before the next one is there.
    pub fn started(&mut self, learnt: LearntKey, partition: &Partition, from: Time) {
        self.awaited.remove(&(learnt.clone(), partition.clone()));
        let start = self.started.entry(learnt).or_insert(from);
        *start = from.max(*start);
    }

    /// Publishes every window that is complete, in order.
    fn publish(&mut self, effects: &mut Vec<Effect>) {
        let before = self.published;
        while let Some(end) = self.next_complete() {
            // What came too late for every window is past all the same, and the window may be compared with that.
            self.expire(self.monitor.windowing.window(end).start);
            self.publish_one(end, effects);
            self.published = end;
            self.expire(self.needed_from());
        }
        if self.published > before {
            let model = Arc::from(self.monitor.model.as_str());
            self.history.settle(&model, self.needed_from(), effects);
            effects.push(Effect::Expired { model, before: self.needed_from() });
        }
    }

    /// The end of the next window that has rows, if all partitions that are waited for have passed it.
    fn next_complete(&self) -> Option<Time> {
        if !self.awaited.is_empty() {
            return None;
        }
        let waited_for = self.lanes.values().filter(|lane| !lane.idle).map(|lane| lane.frontier).min();
        // When all are silent nothing is waited for, in whichever order they fell silent.
        let passed = waited_for.or_else(|| self.lanes.values().map(|lane| lane.frontier).max())?;
        let every = self.monitor.windowing.every;
        // Expired panes are gone, so the earliest pane is in the earliest window that has any rows.
        let (first, _) = self.panes.first_key_value()?;
        let end = (first.start + every).max(self.published + every);
        (end <= passed).then_some(end)
    }

    /// Panes that start before this are in no window that is still to come.
    fn needed_from(&self) -> Time {
        self.published + self.monitor.windowing.every - self.monitor.windowing.size
    }

    /// Moves panes that start before this from the windows to the history.
    fn expire(&mut self, before: Time) {
        let mut expired = Vec::new();
        while let Some(first) = self.panes.first_entry().filter(|first| first.key().start < before) {
            expired.push(first.remove());
        }
        let counted = expired.iter().filter_map(|pane| {
            let known = self.known(&pane.key)?;
            (pane.axes == known.axes.hash).then(|| (pane, known.clone()))
        });
        let counted: Vec<(&Pane, Known)> = counted.collect();
        self.history.fold(counted.iter().map(|(pane, known)| (*pane, known)));
    }

    fn publish_one(&mut self, end: Time, effects: &mut Vec<Effect>) {
        let window = self.monitor.windowing.window(end);
        let mut groups = Groups::new();
        for (key, pane) in self.panes.iter().take_while(|(key, _)| key.start < end) {
            let Some(known) = self.known(key) else { continue };
            let counts_here = key.start >= window.start && pane.axes == known.axes.hash;
            if counts_here && let Some((fields, outcomes)) = pane.tallies() {
                let group = groups.entry((key.version.clone(), key.slice.clone())).or_default();
                group.add(key, pane, fields, outcomes, known);
            }
        }
        self.history.compare(&self.monitor, window, &mut groups);
        let labels = self.labels(window);
        let (nulls, memory, surprises) = (&mut self.nulls, &mut self.memory, self.surprises.as_mut());
        let told = judge(Judged { monitor: &self.monitor, window, groups, labels, nulls, memory, surprises });
        let verdicts = self.compare_versions(window, &told);
        effects.extend(told.into_iter().chain(verdicts));
    }

    /// What a pane is to be compared with; `None` for one that lies in the time that was learnt from.
    fn known(&self, pane: &PaneKey) -> Option<&Known> {
        let topic = pane.partition.topic.clone();
        let key = LearntKey { model: pane.model.clone(), version: pane.version.clone(), topic };
        let is_counted = !self.given.is_empty() || self.started.get(&key).is_some_and(|&from| pane.start >= from);
        known_of(&self.given, &self.learnt, &key).filter(|_| is_counted)
    }
}

/// The reference that a version learns of rows of a topic.
pub fn learn(monitor: &Monitor, topic: &str, sample: &[Rows]) -> Reference {
    let fields = monitor.fields_of(topic);
    let Monitor { resolution, slicing, grouping, .. } = monitor;
    let reference = Reference::build_in_slices("learnt", &fields, sample, *resolution, slicing);
    reference.grouped_by(&fields, sample, &grouping.slicing())
}

/// Where the rows of batches are, each of the partition that stands at its place.
fn offsets(topic: &Arc<str>, partitions: &[i32], batches: &[Rows]) -> Vec<OffsetRange> {
    let mut ranges: BTreeMap<i32, (i64, i64)> = BTreeMap::new();
    for (&partition, rows) in partitions.iter().zip(batches) {
        for &offset in &rows.offsets {
            let (first, last) = ranges.entry(partition).or_insert((offset, offset));
            (*first, *last) = ((*first).min(offset), (*last).max(offset));
        }
    }
    let at = |partition| Partition { topic: topic.clone(), partition };
    ranges.into_iter().map(|(partition, (first, last))| OffsetRange { partition: at(partition), first, last }).collect()
}

/// What rows of a version in a topic are counted on.
pub(super) fn known_of<'a>(
    given: &'a BTreeMap<Arc<str>, Known>,
    learnt: &'a BTreeMap<LearntKey, Known>,
    key: &LearntKey,
) -> Option<&'a Known> {
    given.get(&key.topic).or_else(|| learnt.get(key))
}
