//! From Kafka to effects: the consumer, the counting threads and the engine, until the rules change or the process
//! ends.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::sync::mpsc;

use super::counting::{Counting, Told};
use super::offsets::{Lane, commit_offsets};
use super::outlets::{Outlets, Prepared, now};
use super::round::Round;
use crate::audit::What;
use crate::config::Config;
use crate::engine::{Engine, Event, Known, Start};
use crate::monitor::Monitor;
use crate::notify::event::Record;
use crate::notify::publisher::{Attempt, Publisher};
use crate::notify::{self, Letter};
use crate::pane::{Pane, Partition};
use crate::plan::{Subscriber, TopicPlan, topics};
use crate::reference::Reference;
use crate::route::Router;
use crate::rule::alert::AlertEvent;
use crate::shard::{Learnt, Report};
use crate::source::kafka::{self, Running};
use crate::store::Position;
use crate::time::{Span, Time};

/// Reports that may wait for the engine; the threads that count wait when there are more.
const WAITING: usize = 256;
/// Reports that are taken in before their effects are carried out.
const AT_ONCE: usize = 256;
/// How often the position of a partition is stored when nothing else is.
const STORE_EVERY: Duration = Duration::from_secs(5);
/// For how long it is believed that a partition has nothing more, which is said every second while its broker is there
/// and this process is awake. After an outage or a standstill there may be much that nobody has said yet.
const HEARSAY: Duration = Duration::from_secs(5);
/// Joined records that wait in memory to be stored, at the most.
const MOST_UNSAVED: usize = 100_000;
/// How often what others see is brought up to date when nothing of note has happened.
const SHOW_EVERY: Duration = Duration::from_millis(250);

/// How often it is looked whether someone is to be told of something when no alert has changed.
const ROUTE_EVERY: Duration = Duration::from_millis(250);

pub struct Pipeline {
    config: Arc<Config>,
    monitors: BTreeMap<Arc<str>, Arc<Monitor>>,
    topics: Vec<Arc<str>>,
    engine: Engine,
    counting: Arc<Counting>,
    publisher: Publisher,
    /// `None` once it has been stopped.
    running: Option<Running>,
    told: mpsc::Receiver<Told>,
    /// Records that were stored before an earlier end and may not have been published.
    left: Vec<Record>,
    lanes: BTreeMap<Partition, Lane>,
    /// Some of our partitions were taken and the others are about to be: a rebalance takes all, one by one. What comes of
    /// these meanwhile must not be judged, since nobody would wait for those that are gone.
    is_rebalancing: bool,
    stored: Instant,
    shown: Instant,
    router: Router,
    routed: Instant,
}

impl Pipeline {
    /// Takes up the stored state, and subscribes.
    ///
    /// # Errors
    /// When the store cannot be read, or librdkafka refuses its configuration.
    pub fn start(prepared: Prepared, outlets: &Outlets) -> Result<Pipeline> {
        let Prepared { config, references, publisher, .. } = prepared;
        let mut subscribers = Vec::new();
        let (mut starts, mut learnt) = (Vec::new(), Vec::new());
        let (mut compared, mut acts) = (outlets.store.references().context("read the store")?, Vec::new());
        for (monitor, reference) in config.monitors.iter().zip(references) {
            let kept = outlets.store.monitor(&monitor.model).context("read the store")?;
            for (key, reference) in &kept.learnt {
                let known = Known::new(reference.clone(), monitor, &key.topic);
                let from =
                    kept.state.started.iter().find(|(started, _)| started == key).map_or(Time::MIN, |(_, at)| *at);
                learnt.push((key.clone(), Learnt { axes: known.axes, from }));
            }
            if let Some(reference) = &reference {
                outlets.view.reference(&monitor.model, "", "", reference);
                let from = compared.remove(&(monitor.model.clone(), String::new(), String::new())).unwrap_or_default();
                acts.extend((from != reference.hash).then(|| outlets.act(changed(&monitor.model, from, reference))));
            }
            for (key, reference) in &kept.learnt {
                outlets.view.reference(&monitor.model, &key.version, &key.topic, reference);
            }
            subscribers.push(Subscriber { monitor: monitor.clone(), reference: reference.clone() });
            let (state, panes, learnt, blocks) = (kept.state, kept.panes, kept.learnt, kept.blocks);
            let sorts = outlets.store.sorts(&monitor.model).context("read the store")?;
            let delays = outlets.store.delays(&monitor.model).context("read the store")?;
            let ledger = outlets.store.clone();
            starts.push(Start {
                monitor: monitor.clone(),
                reference,
                learnt,
                state,
                panes,
                blocks,
                sorts,
                delays,
                ledger,
            });
        }
        outlets.store.record(acts).context("write to the audit log")?;
        let topics = topics(&subscribers);
        let plan = |topic| TopicPlan::new(topic, &subscribers, config.limits.versions);
        let plans: Vec<TopicPlan> = topics.iter().map(plan).collect();
        let engine = Engine::new(starts);
        let (tell, told) = mpsc::channel(WAITING);
        let dead_letters = config.topics.dead_letters.is_some();
        let (store, telemetry) = (outlets.store.clone(), outlets.telemetry.clone());
        let counting = Counting::start(plans, store, telemetry, learnt, config.workers, dead_letters, tell)
            .context("start the counting threads")?;
        let names: Vec<&str> = topics.iter().map(|topic| &**topic).collect();
        let running = kafka::start(&config.kafka, &names, counting.clone()).context("start the Kafka consumer")?;
        let monitors = config.monitors.iter().map(|monitor| (monitor.model.as_str().into(), monitor.clone())).collect();
        let (running, lanes) = (Some(running), BTreeMap::new());
        let left = outlets.store.records().context("read the store")?;
        let kept = outlets.store.routed().context("read the store")?;
        let router = Router::new(config.route.clone(), kept, |alert| notified(&config, alert), now());
        let (stored, shown) = (Instant::now(), Instant::now());
        Ok(Pipeline {
            config,
            monitors,
            topics,
            engine,
            counting,
            publisher,
            running,
            told,
            left,
            lanes,
            is_rebalancing: false,
            stored,
            shown,
            router,
            routed: shown,
        })
    }

    /// Waits for something to happen, and carries out what follows from it and from what else has come meanwhile.
    ///
    /// It must not be dropped half-way but at the end of the process: what was told and not yet carried out is lost
    /// to this pipeline, though not to the log.
    pub async fn round(&mut self, outlets: &mut Outlets) -> Result<()> {
        if !self.left.is_empty() {
            let mut left = Round { records: self.left.clone(), ..Round::default() };
            self.publish(&mut left, outlets).await;
            outlets.store.published().context("store what is published")?;
            self.left.clear();
        }
        let mut round = Round::default();
        let mut waiting = Vec::new();
        if tokio::time::timeout(Duration::from_millis(250), self.told.recv_many(&mut waiting, AT_ONCE)).await.is_err() {
            waiting.clear();
        }
        for told in waiting {
            self.take(told, &mut round, outlets);
        }
        self.find_idle(&mut round, outlets);
        self.carry_out(round, outlets).await
    }

    fn take(&mut self, told: Told, round: &mut Round, outlets: &mut Outlets) {
        let event = match told {
            Told::Assigned { partition, assignment, latest } => {
                let lane =
                    Lane { assignment, idle: false, drained: None, position: None, moved: false, committed: None };
                self.lanes.insert(partition.clone(), lane);
                self.is_rebalancing = false;
                Event::Assigned { partition, latest }
            }
            Told::Revoked(partition) => {
                self.lanes.remove(&partition);
                self.is_rebalancing = !self.lanes.is_empty();
                outlets.telemetry.revoked(&partition);
                outlets.view.revoked(&partition);
                Event::Revoked(partition)
            }
            Told::Counted { report, assignment, rows, dead } => {
                // What was counted under an assignment that is over is read again under the next one. Were it let
                // through while a rebalance hands out partitions, it would not be waited for those still to come.
                let is_over = self.lanes.get(&report.partition).is_none_or(|lane| lane.assignment != assignment);
                if is_over || self.is_rebalancing {
                    return;
                }
                outlets.telemetry.read(&report.partition.topic, rows as u64);
                outlets.telemetry.reported(&report);
                let topic = self.config.topics.dead_letters.as_deref().unwrap_or_default();
                round.dead.extend(dead.iter().map(|letter| (letter.partition.topic.clone(), letter.record(topic))));
                self.note(&report, round);
                Event::Report(report)
            }
            Told::Started { learnt, partition, from } => {
                round.touched.insert(learnt.model.clone());
                self.counting.started(&learnt, from);
                Event::Started { learnt, partition, from }
            }
            Told::Lags(lags) => {
                for (partition, lag) in lags {
                    // One that was revoked a moment ago is another's to tell of.
                    let Some(lane) = self.lanes.get_mut(&partition) else { continue };
                    let (now, said) = (Instant::now(), lane.drained.filter(|(_, last)| last.elapsed() < HEARSAY));
                    lane.drained = (lag == 0).then(|| (said.map_or(now, |(since, _)| since), now));
                    outlets.telemetry.lag(&partition, lag as u64);
                    outlets.view.lag(&partition, lag as u64);
                }
                return;
            }
        };
        for effect in self.engine.step(event) {
            round.effect(effect, &self.config, &mut self.router, outlets);
        }
    }

    /// Remembers how far a partition is, and keeps its closed panes.
    fn note(&mut self, report: &Report, round: &mut Round) {
        let panes = report.progress.iter().flat_map(|progress| &progress.closed);
        let before = round.commit.panes.len();
        round.commit.panes.extend(panes.cloned().collect::<Vec<Pane>>());
        round.is_due |= round.commit.panes.len() > before;
        if let (Some(lane), Some(resume), Some(next)) =
            (self.lanes.get_mut(&report.partition), report.resume, report.next)
        {
            let latest = report.progress.iter().filter_map(|p| p.latest.map(|latest| (p.model.clone(), latest)));
            lane.position = Some(Position { resume, next, latest: latest.collect() });
            lane.moved = true;
            lane.idle = false;
            lane.drained = None;
        }
    }

    /// Lets the others go on without partitions that were read to their end and are silent.
    fn find_idle(&mut self, round: &mut Round, outlets: &mut Outlets) {
        if self.is_rebalancing {
            return;
        }
        let patience = |partition: &Partition| {
            let readers = self.monitors.values().filter(|m| m.reads(&partition.topic));
            readers.map(|monitor| monitor.windowing.idle).max().unwrap_or(Span(i64::MAX))
        };
        let silent = |partition: &Partition, lane: &Lane| {
            let known = lane.drained.filter(|(_, last)| !lane.idle && last.elapsed() < HEARSAY);
            known.is_some_and(|(since, last)| (last - since).as_millis() as i64 >= patience(partition).0)
        };
        let idle: Vec<Partition> =
            self.lanes.iter().filter(|(partition, lane)| silent(partition, lane)).map(|(p, _)| p.clone()).collect();
        for partition in idle {
            if let Some(lane) = self.lanes.get_mut(&partition) {
                lane.idle = true;
            }
            for effect in self.engine.step(Event::Idle(partition)) {
                round.effect(effect, &self.config, &mut self.router, outlets);
            }
        }
    }

    /// Publishes, then stores, then commits: whatever is stored or committed has been told, and whatever is told again
    /// after a crash has the same id. What labels say goes the other way round: it is stored as it is to be told, since
    /// it would be told otherwise if labels came faster or slower the next time.
    async fn carry_out(&mut self, mut round: Round, outlets: &mut Outlets) -> Result<()> {
        outlets.store.check().context("read the store")?;
        self.route(&mut round, outlets);
        if round.is_of_labels {
            round.commit.records = round.records.clone();
        } else {
            self.publish(&mut round, outlets).await;
        }
        let overdue = self.stored.elapsed() >= STORE_EVERY && self.lanes.values().any(|lane| lane.moved);
        round.is_due |= overdue || !round.touched.is_empty() || !round.commit.learnt.is_empty();
        round.is_due |= round.is_of_labels || self.engine.unsaved() >= MOST_UNSAVED;
        if round.is_due {
            self.keep(&mut round, outlets).await?;
        }
        if round.is_of_labels {
            self.publish(&mut round, outlets).await;
            outlets.store.published().context("store what is published")?;
        }
        for (key, learnt) in round.learnt {
            self.counting.learnt(key, learnt);
        }
        // Whoever takes them ends only with the process, and finds them in the store next time.
        round.commit.runs.drain(..).for_each(|run| drop(outlets.retrains.send(run)));
        let again = std::iter::from_fn(|| outlets.again.try_recv().ok());
        let letters: Vec<Letter> = round.commit.letters.into_iter().chain(again).collect();
        outlets.outbox.add(&letters);
        for letter in letters {
            // The courier ends only with the process, and takes the letter from the store next time.
            let _ = outlets.letters.send(letter).await;
        }
        if round.is_due || self.shown.elapsed() >= SHOW_EVERY {
            self.show(outlets);
        }
        Ok(())
    }

    /// Makes letters of what is to be told by now.
    fn route(&mut self, round: &mut Round, outlets: &mut Outlets) {
        if !round.has_alerts && self.routed.elapsed() < ROUTE_EVERY {
            return;
        }
        self.routed = Instant::now();
        self.router.silence(outlets.desk.silences());
        let now = now();
        for notice in self.router.due(now) {
            let Some(receiver) = self.config.receivers.get(&notice.receiver) else { continue };
            round.commit.letters.extend(notify::letters(&notice, receiver, now, &mut outlets.sequence));
        }
        outlets.view.muted(self.router.muted(now));
        round.commit.routed = self.router.changes();
        round.is_due |= !round.commit.letters.is_empty() || !round.commit.routed.is_empty();
    }

    /// Returns when all is with the broker, which takes as long as Kafka is away. The loop is alive all that time, and
    /// says so, since starting the process again would not bring Kafka back.
    async fn publish(&self, round: &mut Round, outlets: &Outlets) {
        let telemetry = &outlets.telemetry;
        let (sources, dead): (Vec<Arc<str>>, Vec<Record>) = std::mem::take(&mut round.dead).into_iter().unzip();
        let dead_told = |index: usize, attempt| match attempt {
            Attempt::Taken => telemetry.dead_letters(&sources[index], 1),
            Attempt::Failed | Attempt::Refused => telemetry.dead_letters_failed(&sources[index], 1),
        };
        let told = |index: usize, attempt| match attempt {
            Attempt::Taken => telemetry.produced(&round.records[index].topic, 1),
            Attempt::Failed | Attempt::Refused => telemetry.produce_failed(&round.records[index].topic, 1),
        };
        let mut publishing = pin!(async {
            self.publisher.publish(&dead, dead_told).await;
            self.publisher.publish(&round.records, told).await;
        });
        while tokio::time::timeout(Duration::from_secs(1), &mut publishing).await.is_err() {
            outlets.view.beat(Instant::now());
        }
    }

    async fn keep(&mut self, round: &mut Round, outlets: &Outlets) -> Result<()> {
        for model in std::mem::take(&mut round.touched) {
            if let Some(state) = self.engine.state(&model) {
                round.commit.states.push((model, state));
            }
        }
        let moved = self.lanes.iter().filter(|(_, lane)| lane.moved);
        round.commit.positions =
            moved.filter_map(|(partition, lane)| Some((partition.clone(), lane.position.clone()?))).collect();
        round.commit.joined = self.engine.changes();
        let (store, commit) = (outlets.store.clone(), std::mem::take(&mut round.commit));
        let (commit, outcome) = tokio::task::spawn_blocking(move || {
            let outcome = store.commit(&commit);
            (commit, outcome)
        })
        .await
        .context("store")?;
        round.commit = commit;
        outlets.telemetry.committed(outcome.is_ok());
        // Going on without the store would acknowledge what is not durable; a restart reads it all again.
        outcome.context("store the panes")?;
        self.engine.written();
        self.stored = Instant::now();
        self.lanes.values_mut().for_each(|lane| lane.moved = false);
        if let Some(running) = &self.running {
            commit_offsets(running, &mut self.lanes, false);
        }
        Ok(())
    }

    /// Brings what is shown to others up to date.
    fn show(&mut self, outlets: &Outlets) {
        self.shown = Instant::now();
        for (model, monitor) in &self.monitors {
            let active: Vec<_> = self.engine.alerts().filter(|(of, ..)| *of == model).map(|(_, k, a)| (k, a)).collect();
            outlets.telemetry.alerts(monitor, active.iter().copied());
            outlets.telemetry.lacking(monitor, self.engine.lacking(model));
            outlets.view.alerts(monitor, active);
            outlets.view.incidents(monitor, self.engine.incidents(model));
            outlets.telemetry.incidents(model, self.engine.incidents(model).count());
            let account = self.engine.account(model);
            outlets.telemetry.account(model, account.as_ref());
            outlets.view.account(model, account);
            let standings: Vec<_> = self.engine.standings(model).collect();
            outlets.telemetry.standings(model, &standings);
            outlets.view.standings(model, standings);
            for (partition, frontier, _) in self.engine.frontiers(model) {
                outlets.telemetry.watermark(model, partition, frontier);
            }
            if let Some(passed) = self.engine.frontiers(model).map(|(_, frontier, _)| frontier).min() {
                outlets.view.watermark(model, passed);
            }
        }
        let unread = self.topics.iter().filter(|topic| !self.lanes.keys().any(|partition| partition.topic == **topic));
        outlets.view.waiting_for(unread.map(|topic| format!("a partition of {topic}")).collect());
        outlets.view.beat(Instant::now());
    }

    /// Stops reading, carries out what has been counted, stores and commits. What was read and not yet counted is read
    /// again by whoever goes on, as is everything else when this is dropped half-way.
    pub async fn stop(mut self, outlets: &mut Outlets) -> Result<()> {
        if let Some(running) = &self.running {
            running.halt();
        }
        // The polling thread may be waiting for a counting thread, and that one for us: so go on taking while it ends.
        while self.running.as_ref().is_some_and(|running| !running.is_halted()) {
            self.round(outlets).await?;
        }
        let mut round = Round { is_due: self.lanes.values().any(|lane| lane.moved), ..Round::default() };
        if round.is_due {
            self.keep(&mut round, outlets).await?;
        }
        self.told.close();
        let mut lanes = std::mem::take(&mut self.lanes);
        for partition in lanes.keys() {
            outlets.telemetry.revoked(partition);
            outlets.view.revoked(partition);
        }
        let Some(running) = self.running.take() else { return Ok(()) };
        tokio::task::spawn_blocking(move || {
            commit_offsets(&running, &mut lanes, true);
            drop(running);
        })
        .await
        .context("leave the consumer group")
    }
}

/// All versions of a model are compared with another reference from now on.
fn changed(model: &str, from: String, to: &Reference) -> What {
    let (version, topic) = (String::new(), String::new());
    What::Reference { model: model.to_owned(), version, topic, from, to: to.hash.clone(), learnt_from: Vec::new() }
}

/// Whom the rule of an alert names; `None` when there is no such rule.
fn notified(config: &Config, alert: &AlertEvent) -> Option<Vec<String>> {
    let monitor = config.monitors.iter().find(|monitor| monitor.model == alert.model)?;
    monitor.rules.iter().find(|rule| rule.name == alert.alert).map(|rule| rule.notify.clone())
}

impl Drop for Pipeline {
    /// Lets go without waiting: leaving the group can take as long as Kafka takes to answer.
    fn drop(&mut self) {
        self.told.close();
        if let Some(running) = self.running.take() {
            std::thread::spawn(move || drop(running));
        }
    }
}
