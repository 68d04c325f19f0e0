//! The counting threads: each owns the shards of some partitions, and is fed by the consumer.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, SendTimeoutError, Sender, bounded, select_biased, unbounded};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::engine::LearntKey;
use crate::lane::Lane;
use crate::notify::event::Record;
use crate::pane::Partition;
use crate::plan::TopicPlan;
use crate::rows::{Reason, Rejected};
use crate::shard::{Learnt, Report, Resumed};
use crate::source::kafka::{Batch, Handler};
use crate::store::{Position, Store};
use crate::telemetry::Telemetry;
use crate::time::Time;

/// Batches that may wait for a thread; together with those being filled they bound the memory between Kafka and shards.
const QUEUE: usize = 8;

/// What the threads tell the daemon.
pub enum Told {
    Assigned {
        partition: Partition,
        assignment: u64,
        latest: BTreeMap<Arc<str>, Time>,
    },
    Revoked(Partition),
    /// `assignment` says under which one it was read: by the next, a partition is read again.
    Counted {
        report: Report,
        assignment: u64,
        rows: usize,
        dead: Vec<DeadLetter>,
    },
    Started {
        learnt: LearntKey,
        partition: Partition,
        from: Time,
    },
    Lags(Vec<(Partition, i64)>),
}

/// A record that was turned away.
pub struct DeadLetter {
    pub partition: Partition,
    pub offset: i64,
    pub reason: Reason,
    pub payload: Vec<u8>,
}

impl DeadLetter {
    /// As it came, with why it was turned away and where it was.
    pub fn record(&self, topic: &str) -> Record {
        let header = |name: &str, value: String| (name.to_owned(), value);
        Record {
            topic: topic.to_owned(),
            key: format!("{}/{}", self.partition.topic, self.partition.partition),
            headers: vec![
                header("tidegauge_reason", self.reason.name().to_owned()),
                header("tidegauge_topic", self.partition.topic.to_string()),
                header("tidegauge_partition", self.partition.partition.to_string()),
                header("tidegauge_offset", self.offset.to_string()),
            ],
            value: self.payload.clone(),
        }
    }
}

/// What is committed to Kafka beside the offset, so that a copy without our store goes on where we were.
#[derive(Debug, Serialize, Deserialize)]
pub struct Mark {
    pub next: i64,
    pub latest: BTreeMap<Arc<str>, Time>,
}

enum Work {
    Assign(Partition, u64, Resumed),
    Revoke(Partition),
    Batch(Batch),
}

/// The threads, seen from outside.
pub struct Counting {
    plans: BTreeMap<Arc<str>, TopicPlan>,
    store: Arc<Store>,
    telemetry: Telemetry,
    learnt: Mutex<Vec<(LearntKey, Learnt)>>,
    /// How many assignments of partitions there were.
    assignments: AtomicU64,
    queues: Vec<Sender<Work>>,
    controls: Vec<Sender<(LearntKey, Learnt)>>,
    told: mpsc::Sender<Told>,
}

impl Counting {
    /// Starts the threads. They end when the returned value is dropped and their queues are empty.
    pub fn start(
        plans: Vec<TopicPlan>,
        store: Arc<Store>,
        telemetry: Telemetry,
        learnt: Vec<(LearntKey, Learnt)>,
        workers: usize,
        dead_letters: bool,
        told: mpsc::Sender<Told>,
    ) -> std::io::Result<Arc<Counting>> {
        let plans: BTreeMap<Arc<str>, TopicPlan> = plans.into_iter().map(|plan| (plan.topic.clone(), plan)).collect();
        let (mut queues, mut controls) = (Vec::new(), Vec::new());
        for number in 0..workers {
            let (queue, work) = bounded(QUEUE);
            let (control, orders) = unbounded();
            let worker = Worker {
                plans: plans.clone(),
                lanes: HashMap::new(),
                learnt: learnt.clone(),
                dead_letters,
                told: told.clone(),
            };
            thread::Builder::new().name(format!("count-{number}")).spawn(move || worker.run(&work, &orders))?;
            queues.push(queue);
            controls.push(control);
        }
        let learnt = Mutex::new(learnt);
        Ok(Arc::new(Counting {
            plans,
            store,
            telemetry,
            learnt,
            assignments: AtomicU64::new(0),
            queues,
            controls,
            told,
        }))
    }

    /// Has every shard of a topic count a version on the axes that were learnt for it.
    pub fn learnt(&self, key: LearntKey, learnt: Learnt) {
        self.learnt.lock().unwrap_or_else(PoisonError::into_inner).push((key.clone(), learnt.clone()));
        for control in &self.controls {
            // A thread that is gone has no shards left to tell.
            let _ = control.send((key.clone(), learnt.clone()));
        }
    }

    /// Remembers from when a version is counted, for partitions that are assigned after that.
    pub fn started(&self, key: &LearntKey, from: Time) {
        let mut learnt = self.learnt.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, learnt) in learnt.iter_mut().filter(|(known, _)| known == key) {
            learnt.from = learnt.from.max(from);
        }
    }

    fn queue(&self, partition: &Partition) -> &Sender<Work> {
        let topic = self.plans.keys().position(|topic| *topic == partition.topic).unwrap_or(0);
        &self.queues[(partition.partition.unsigned_abs() as usize + topic) % self.queues.len()]
    }

    /// Where counting goes on: by our store, or else by what was committed to Kafka.
    fn resumed(&self, partition: &Partition, committed: Option<(i64, String)>) -> Resumed {
        let stored = self.store.position(partition).unwrap_or_else(|error| {
            tracing::error!(%error, %partition, "read the stored position");
            None
        });
        let committed = committed.and_then(|(offset, metadata)| {
            let mark: Mark = serde_json::from_str(&metadata).ok()?;
            Some(Position { resume: offset, next: mark.next, latest: mark.latest })
        });
        let learnt = self.learnt.lock().unwrap_or_else(PoisonError::into_inner);
        let learnt = learnt
            .iter()
            .filter(|(key, _)| key.topic == partition.topic)
            .map(|(key, learnt)| ((key.model.clone(), key.version.clone()), learnt.clone()))
            .collect();
        match stored.or(committed) {
            None => Resumed { learnt, ..Resumed::default() },
            Some(Position { resume, next, latest }) => Resumed { start: Some(resume), position: next, latest, learnt },
        }
    }
}

impl Handler for Counting {
    fn assigned(&self, partition: &Partition, committed: Option<(i64, String)>) -> Option<i64> {
        let resumed = self.resumed(partition, committed);
        let (start, latest) = (resumed.start, resumed.latest.clone());
        tracing::info!(%partition, ?start, "assigned");
        // Neither send fails but at shutdown, when nobody needs to know.
        let assignment = 1 + self.assignments.fetch_add(1, Ordering::Relaxed);
        let _ = self.told.blocking_send(Told::Assigned { partition: partition.clone(), assignment, latest });
        let _ = self.queue(partition).send(Work::Assign(partition.clone(), assignment, resumed));
        start
    }

    fn revoked(&self, partition: &Partition) {
        tracing::info!(%partition, "revoked");
        let _ = self.queue(partition).send(Work::Revoke(partition.clone()));
        let _ = self.told.blocking_send(Told::Revoked(partition.clone()));
    }

    fn batch(&self, batch: Batch, patience: Duration) -> Result<(), Batch> {
        let queue = self.queue(&batch.partition);
        match queue.send_timeout(Work::Batch(batch), patience) {
            Ok(()) => Ok(()),
            Err(SendTimeoutError::Timeout(Work::Batch(batch)) | SendTimeoutError::Disconnected(Work::Batch(batch))) => {
                Err(batch)
            }
            Err(_) => Ok(()),
        }
    }

    fn lags(&self, lags: Vec<(Partition, i64)>) {
        // Lags come every second, so one that finds no room is not missed.
        let _ = self.told.try_send(Told::Lags(lags));
    }

    fn paused(&self, partitions: usize) {
        // Said at once: while partitions are paused, the way to the daemon is full.
        self.telemetry.paused(partitions);
    }
}

/// A partition as a thread has it.
struct Assigned {
    lane: Lane,
    assignment: u64,
    /// The offset up to which its rows were looked at, and told of, before they are read once more.
    told_of: i64,
}

/// One thread's own state.
struct Worker {
    plans: BTreeMap<Arc<str>, TopicPlan>,
    lanes: HashMap<Partition, Assigned>,
    learnt: Vec<(LearntKey, Learnt)>,
    dead_letters: bool,
    told: mpsc::Sender<Told>,
}

impl Worker {
    fn run(mut self, work: &Receiver<Work>, orders: &Receiver<(LearntKey, Learnt)>) {
        loop {
            // An order comes before the batches that are waiting, whose rows it concerns.
            let going = select_biased! {
                recv(orders) -> order => order.ok().map(|(key, learnt)| self.learn(key, learnt)),
                recv(work) -> work => work.ok().map(|work| self.work(work)),
            };
            if !going.unwrap_or(false) {
                return;
            }
        }
    }

    /// Returns whether anyone still listens.
    fn work(&mut self, work: Work) -> bool {
        match work {
            Work::Assign(partition, assignment, resumed) => {
                if let Some(plan) = self.plans.get(&partition.topic) {
                    let mut lane = Lane::new(partition.clone(), plan, &resumed);
                    // What was learnt after the assignment was made has come by another way, maybe before it.
                    for (key, learnt) in self.learnt.iter().filter(|(key, _)| key.topic == partition.topic) {
                        let from = lane.learnt(&key.model, &key.version, learnt.axes.clone());
                        let started = Told::Started { learnt: key.clone(), partition: partition.clone(), from };
                        if self.told.blocking_send(started).is_err() {
                            return false;
                        }
                    }
                    self.lanes.insert(partition, Assigned { lane, assignment, told_of: resumed.position });
                }
                true
            }
            Work::Revoke(partition) => {
                self.lanes.remove(&partition);
                true
            }
            Work::Batch(batch) => self.count(&batch),
        }
    }

    fn count(&mut self, batch: &Batch) -> bool {
        let Some(Assigned { lane, assignment, told_of }) = self.lanes.get_mut(&batch.partition) else { return true };
        let mut report = lane.count(batch.iter());
        // After a restart or a reload the rows of open panes come again, and are neither counted nor copied twice.
        report.rejected.retain(|rejected| rejected.offset >= *told_of);
        let rows = batch.iter().filter(|(_, offset, _)| *offset >= *told_of).count();
        let dead = |rejected: &Rejected| {
            batch.record(rejected.offset).map(|payload| DeadLetter {
                partition: batch.partition.clone(),
                offset: rejected.offset,
                reason: rejected.reason,
                payload: payload.to_vec(),
            })
        };
        let dead = if self.dead_letters { report.rejected.iter().filter_map(dead).collect() } else { Vec::new() };
        self.told.blocking_send(Told::Counted { report, assignment: *assignment, rows, dead }).is_ok()
    }

    fn learn(&mut self, key: LearntKey, learnt: Learnt) -> bool {
        for (partition, Assigned { lane, .. }) in
            self.lanes.iter_mut().filter(|(partition, _)| partition.topic == key.topic)
        {
            let from = lane.learnt(&key.model, &key.version, learnt.axes.clone());
            let started = Told::Started { learnt: key.clone(), partition: partition.clone(), from };
            if self.told.blocking_send(started).is_err() {
                return false;
            }
        }
        self.learnt.push((key, learnt));
        true
    }
}
