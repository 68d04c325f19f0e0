//! The daemon without its edges: logs in memory, lanes, engine, and a store that outlives them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use tidegauge::block::{Block, BlockKey};
use tidegauge::config;
use tidegauge::engine::{Effect, Engine, Event, Known, LearntKey, Start, State};
use tidegauge::lane::Lane;
use tidegauge::monitor::{Monitor, Source};
use tidegauge::pane::{Pane, PaneKey, Partition};
use tidegauge::plan::{Subscriber, TopicPlan, topics};
use tidegauge::reference::Reference;
use tidegauge::replay;
use tidegauge::rows::Rejected;
use tidegauge::shard::{Learnt, Report, Resumed};
use tidegauge::time::Time;

use crate::shelf::Shelf;

/// Reads a monitor that is written in a test, with the data set that it may name.
pub fn monitor(yaml: &str, dataset: Option<&str>) -> Subscriber {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("monitor.yaml");
    fs::write(&file, yaml).expect("the monitor is written");
    if let Some(dataset) = dataset {
        fs::write(folder.path().join("reference.csv"), dataset).expect("the data set is written");
    }
    read(&file)
}

fn read(file: &Path) -> Subscriber {
    let monitor = config::load_monitor(file).unwrap_or_else(|problems| panic!("{}", config::Problems(problems)));
    let reference = replay::reference(&monitor).expect("the reference can be read");
    Subscriber { monitor: Arc::new(monitor), reference }
}

/// A record's bytes, and when it was logged.
pub type Record = (Vec<u8>, Option<Time>);

/// What a partition's position is stored as.
#[derive(Clone, Debug, Default)]
pub struct Position {
    pub resume: i64,
    pub next: i64,
    pub latest: BTreeMap<Arc<str>, Time>,
}

impl Position {
    pub fn of(report: &Report) -> Option<Position> {
        let latest = report.progress.iter().filter_map(|p| Some((p.model.clone(), p.latest?))).collect();
        Some(Position { resume: report.resume?, next: report.next?, latest })
    }
}

/// What the store keeps.
#[derive(Clone, Default)]
pub struct Kept {
    positions: BTreeMap<Partition, Position>,
    panes: BTreeMap<PaneKey, Pane>,
    states: BTreeMap<Arc<str>, State>,
    learnt: BTreeMap<LearntKey, Arc<Reference>>,
    blocks: BTreeMap<BlockKey, Block>,
    pub shelf: Arc<Shelf>,
}

impl Kept {
    /// All that is kept, as it is written.
    pub fn bytes(&self) -> Vec<u8> {
        let panes = self.panes.values().map(postcard::to_stdvec);
        let blocks = self.blocks.values().map(postcard::to_stdvec);
        let states = self.states.values().map(postcard::to_stdvec);
        let learnt = self.learnt.values().map(postcard::to_stdvec);
        let bytes = panes.chain(blocks).chain(states).chain(learnt).flat_map(|one| one.expect("it can be written"));
        bytes.chain(self.shelf.bytes()).collect()
    }
}

/// What the daemon did, in order.
#[derive(Default)]
pub struct Told {
    pub effects: Vec<Effect>,
    pub rejected: Vec<Rejected>,
    pub late: u64,
}

pub struct Watch {
    subscribers: Vec<Subscriber>,
    plans: BTreeMap<Arc<str>, TopicPlan>,
    engine: Engine,
    lanes: BTreeMap<Partition, Lane>,
    logs: BTreeMap<Partition, Vec<Record>>,
    idle: BTreeSet<Partition>,
    /// Versions of which rows have been given away and nothing has been learnt yet.
    learning: BTreeSet<LearntKey>,
    pub kept: Kept,
    pub told: Told,
}

impl Watch {
    pub fn new(subscribers: Vec<Subscriber>, most_versions: usize) -> Watch {
        let plan = |topic: Arc<str>| (topic.clone(), TopicPlan::new(&topic, &subscribers, most_versions));
        let plans = topics(&subscribers).into_iter().map(plan).collect();
        let mut watch = Watch {
            engine: Engine::default(),
            subscribers,
            plans,
            lanes: BTreeMap::new(),
            logs: BTreeMap::new(),
            idle: BTreeSet::new(),
            learning: BTreeSet::new(),
            kept: Kept::default(),
            told: Told::default(),
        };
        watch.start();
        watch
    }

    /// Starts again with other monitors.
    pub fn change(&mut self, subscribers: Vec<Subscriber>) {
        let plan = |topic: Arc<str>| (topic.clone(), TopicPlan::new(&topic, &subscribers, usize::MAX));
        self.plans = topics(&subscribers).into_iter().map(plan).collect();
        self.subscribers = subscribers;
        self.restart();
    }

    /// Ends the process at once and starts another one on what is stored.
    pub fn restart(&mut self) {
        let (ours, idle): (Vec<Partition>, BTreeSet<Partition>) =
            (self.lanes.keys().cloned().collect(), self.idle.clone());
        self.lanes.clear();
        self.learning.clear();
        self.start();
        self.assign(&ours);
        idle.into_iter().for_each(|partition| self.silence(partition));
    }

    fn start(&mut self) {
        let start = |subscriber: &Subscriber| {
            let model: Arc<str> = subscriber.monitor.model.as_str().into();
            let learnt = self.kept.learnt.iter().filter(|(key, _)| key.model == model);
            Start {
                monitor: subscriber.monitor.clone(),
                reference: subscriber.reference.clone(),
                learnt: learnt.map(|(key, reference)| (key.clone(), reference.clone())).collect(),
                state: self.kept.states.get(&model).cloned().unwrap_or_default(),
                panes: self.kept.panes.values().filter(|pane| pane.key.model == model).cloned().collect(),
                blocks: self.kept.blocks.values().filter(|block| block.key.model == model).cloned().collect(),
                sorts: self.kept.shelf.sorts(&model),
                delays: self.kept.shelf.delays(&model),
                ledger: self.kept.shelf.clone(),
            }
        };
        self.engine = Engine::new(self.subscribers.iter().map(start).collect::<Vec<_>>());
    }

    /// Has partitions counted here, from where they were left.
    pub fn assign(&mut self, partitions: &[Partition]) {
        partitions.iter().for_each(|partition| self.take_up(partition));
        partitions.iter().for_each(|partition| self.read_on(partition));
    }

    fn take_up(&mut self, partition: &Partition) {
        let learnt = self.learnt_of(partition);
        let resumed = match self.kept.positions.get(partition).cloned() {
            None => Resumed { learnt, ..Resumed::default() },
            Some(Position { resume, next, latest }) => Resumed { start: Some(resume), position: next, latest, learnt },
        };
        self.step(Event::Assigned { partition: partition.clone(), latest: resumed.latest.clone() });
        let mut lane = Lane::new(partition.clone(), &self.plans[&partition.topic], &resumed);
        let keys: Vec<LearntKey> =
            self.kept.learnt.keys().filter(|key| key.topic == partition.topic).cloned().collect();
        let mut started = Vec::new();
        for learnt in keys {
            let axes = self.known(&learnt).axes;
            let from = lane.learnt(&learnt.model, &learnt.version, axes);
            started.push(Event::Started { learnt, partition: partition.clone(), from });
        }
        self.lanes.insert(partition.clone(), lane);
        started.into_iter().for_each(|event| self.step(event));
    }

    fn learnt_of(&self, partition: &Partition) -> BTreeMap<(Arc<str>, Arc<str>), Learnt> {
        let keys = self.kept.learnt.keys().filter(|key| key.topic == partition.topic);
        let learnt = keys.map(|key| {
            let started = self.kept.states.get(&key.model).map(|state| state.started.as_slice()).unwrap_or_default();
            let from = started.iter().find(|(known, _)| known == key).map_or(Time::MIN, |(_, from)| *from);
            ((key.model.clone(), key.version.clone()), Learnt { axes: self.known(key).axes, from })
        });
        learnt.collect()
    }

    fn known(&self, key: &LearntKey) -> Known {
        let is_it = |subscriber: &&Subscriber| subscriber.monitor.model == *key.model;
        let monitor: &Monitor = &self.subscribers.iter().find(is_it).expect("its monitor").monitor;
        Known::new(self.kept.learnt[key].clone(), monitor, &key.topic)
    }

    /// Counts what of the log has not been counted.
    fn read_on(&mut self, partition: &Partition) {
        let from = self.kept.positions.get(partition).map_or(0, |position| position.resume);
        let length = self.logs.get(partition).map_or(0, Vec::len) as i64;
        if from < length {
            self.count(partition, from..length);
        }
    }

    /// Appends records to a partition's log, and has them counted together if the partition is read here.
    pub fn load(&mut self, partition: &Partition, records: Vec<Record>) {
        let log = self.logs.entry(partition.clone()).or_default();
        let first = log.len() as i64;
        log.extend(records);
        let next = log.len() as i64;
        if self.lanes.contains_key(partition) {
            self.count(partition, first..next);
        }
    }

    fn count(&mut self, partition: &Partition, offsets: std::ops::Range<i64>) {
        self.idle.remove(partition);
        let lane = self.lanes.get_mut(partition).expect("the partition is read");
        let log = &self.logs[partition];
        let records = offsets.map(|offset| (log[offset as usize].0.as_slice(), offset, log[offset as usize].1));
        let report = lane.count(records);
        self.take(report);
    }

    fn take(&mut self, report: Report) {
        self.told.rejected.extend(report.rejected.iter().copied());
        self.told.late += report.progress.iter().map(|progress| progress.late).sum::<u64>();
        if let Some(position) = Position::of(&report) {
            self.kept.positions.insert(report.partition.clone(), position);
        }
        for progress in &report.progress {
            self.kept.panes.extend(progress.closed.iter().map(|pane| (pane.key.clone(), pane.clone())));
            let key = |version: &Arc<str>| LearntKey {
                model: progress.model.clone(),
                version: version.clone(),
                topic: report.partition.topic.clone(),
            };
            self.learning.extend(progress.samples.iter().map(|(version, _)| key(version)));
        }
        self.step(Event::Report(report));
    }

    /// Passes an event through the engine, and stores what it asks for.
    fn step(&mut self, event: Event) {
        for effect in self.engine.step(event) {
            match &effect {
                Effect::Expired { model, before } => {
                    self.kept.panes.retain(|key, _| key.model != *model || key.start >= *before);
                }
                Effect::Folded(block) => {
                    let bytes = postcard::to_stdvec(block).expect("a block can be written");
                    let block: Block = postcard::from_bytes(&bytes).expect("and read");
                    self.kept.blocks.insert(block.key.clone(), block);
                }
                Effect::Forgotten { model, before } => {
                    self.kept.blocks.retain(|key, _| key.model != *model || key.start >= *before);
                }
                Effect::Late { rows, .. } => self.told.late += rows,
                Effect::Learnt { learnt, known, .. } => {
                    let (learnt, known) = (learnt.clone(), known.clone());
                    self.learn(&learnt, &known);
                }
                _ => {}
            }
            self.told.effects.push(effect);
        }
        for (model, changes) in self.engine.changes() {
            self.kept.shelf.keep(&model, changes);
        }
        self.engine.written();
        for model in self.engine.models() {
            let state = self.engine.state(model).expect("its state");
            // It has to outlive a trip to the disk.
            let bytes = postcard::to_stdvec(&state).expect("a state can be written");
            self.kept.states.insert(model.clone(), postcard::from_bytes(&bytes).expect("and read"));
        }
    }

    fn learn(&mut self, learnt: &LearntKey, known: &Known) {
        self.learning.remove(learnt);
        self.kept.learnt.insert(learnt.clone(), known.reference.clone());
        let mut started = Vec::new();
        for (partition, lane) in self.lanes.iter_mut().filter(|(partition, _)| partition.topic == learnt.topic) {
            let from = lane.learnt(&learnt.model, &learnt.version, known.axes.clone());
            started.push(Event::Started { learnt: learnt.clone(), partition: partition.clone(), from });
        }
        started.into_iter().for_each(|event| self.step(event));
    }

    pub fn silence(&mut self, partition: Partition) {
        self.idle.insert(partition.clone());
        self.step(Event::Idle(partition));
    }

    pub fn revoke(&mut self, partition: &Partition) {
        self.lanes.remove(partition);
        self.idle.remove(partition);
        self.step(Event::Revoked(partition.clone()));
    }

    /// Whether a restart now would begin some learning anew.
    pub fn is_learning(&self) -> bool {
        let learns = |key: &LearntKey| {
            self.subscribers
                .iter()
                .any(|s| s.monitor.model == *key.model && matches!(s.monitor.reference, Source::Learnt { .. }))
        };
        self.learning.iter().any(learns)
    }

    /// How many incidents of a model go on.
    pub fn incidents(&self, model: &str) -> usize {
        self.engine.incidents(model).count()
    }

    /// Ends all logs.
    pub fn finish(&mut self) {
        let reports: Vec<Report> = self.lanes.values_mut().map(Lane::finish).collect();
        let partitions: Vec<Partition> = reports.iter().map(|report| report.partition.clone()).collect();
        reports.into_iter().for_each(|report| self.take(report));
        partitions.into_iter().for_each(|partition| self.silence(partition));
    }
}
