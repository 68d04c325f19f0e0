//! The Kafka consumer: one polling thread, which hands batches of each partition to whoever counts them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaRespErr;

use crate::pane::Partition;
use crate::time::Time;

/// How Kafka is reached.
#[derive(Clone, PartialEq)]
pub struct Config {
    pub brokers: String,
    pub group: String,
    /// Where a partition is begun that was never read: at its earliest record, or only with what comes from now on.
    pub from_start: bool,
    /// Further librdkafka properties, such as `security.protocol`.
    pub properties: BTreeMap<String, String>,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Values of properties may be passwords.
        let properties: Vec<_> = self.properties.keys().collect();
        write!(f, "Kafka {{ brokers: {}, group: {}, properties: {properties:?} }}", self.brokers, self.group)
    }
}

impl Config {
    /// A client configuration with what producers and consumers have in common.
    pub fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", &self.brokers).set("client.id", "tidegauge");
        client.set_log_level(RDKafkaLogLevel::Warning);
        for (name, value) in &self.properties {
            client.set(name, value);
        }
        client
    }

    /// How to read by offsets that somebody else keeps: no group is joined, and nothing committed.
    pub fn reader(&self) -> ClientConfig {
        let mut client = self.client();
        client
            // Whoever may read as the daemon's group may read this too; only who subscribes becomes a member.
            .set("group.id", &self.group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false");
        client
    }

    fn consumer(&self) -> ClientConfig {
        let mut client = self.client();
        let defaults = [
            // Every member must get the same partition of every topic, so that logs of one model stay together.
            ("partition.assignment.strategy", "range"),
            ("statistics.interval.ms", "1000"),
            // What is fetched ahead is memory; this much is a few hundred milliseconds at full speed.
            ("queued.max.messages.kbytes", "32768"),
            // Once so much is waiting, the client would otherwise not fetch again for a whole second.
            ("fetch.queue.backoff.ms", "5"),
            ("fetch.wait.max.ms", "100"),
            // A topic or partition that is made while we run is seen this soon.
            ("topic.metadata.refresh.interval.ms", "10000"),
        ];
        for (name, value) in defaults {
            if !self.properties.contains_key(name) {
                client.set(name, value);
            }
        }
        client
            .set("group.id", &self.group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", if self.from_start { "earliest" } else { "latest" });
        client
    }
}

/// Records of one partition, in order; their bytes lie end to end.
#[derive(Debug)]
pub struct Batch {
    pub partition: Partition,
    bytes: Vec<u8>,
    records: Vec<Record>,
    begun: Instant,
}

#[derive(Debug)]
struct Record {
    end: usize,
    offset: i64,
    logged: Option<Time>,
}

impl Batch {
    pub fn new(partition: Partition) -> Batch {
        Batch { partition, bytes: Vec::new(), records: Vec::new(), begun: Instant::now() }
    }

    pub fn push(&mut self, payload: &[u8], offset: i64, logged: Option<Time>) {
        self.bytes.extend_from_slice(payload);
        self.records.push(Record { end: self.bytes.len(), offset, logged });
    }

    pub fn len(&self) -> usize {
        self.records.len()
    }

    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Each record's bytes, offset and time of logging.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], i64, Option<Time>)> {
        let starts = std::iter::once(0).chain(self.records.iter().map(|record| record.end));
        starts.zip(&self.records).map(|(start, record)| (&self.bytes[start..record.end], record.offset, record.logged))
    }

    /// The bytes of the record with this offset.
    pub fn record(&self, offset: i64) -> Option<&[u8]> {
        let at = self.records.binary_search_by_key(&offset, |record| record.offset).ok()?;
        let start = at.checked_sub(1).map_or(0, |before| self.records[before].end);
        Some(&self.bytes[start..self.records[at].end])
    }

    pub(super) fn is_full(&self) -> bool {
        self.records.len() >= MOST_RECORDS || self.bytes.len() >= MOST_BYTES
    }
}

/// A batch of these sizes is still in the processor's cache when it is decoded.
const MOST_RECORDS: usize = 1024;
const MOST_BYTES: usize = 1 << 20;
/// A record waits for others of its batch no longer than this.
const LONGEST_WAIT: Duration = Duration::from_millis(20);
/// How long a full queue may hold up all partitions before the one whose queue it is gets paused.
const PATIENCE: Duration = Duration::from_millis(100);

/// What the polling thread tells, on that thread; none of it may take long.
pub trait Handler: Send + Sync + 'static {
    /// A partition is ours from now on. Given the offset and metadata last committed to Kafka, returns the offset to
    /// begin at; `None` leaves it to the consumer's configuration.
    fn assigned(&self, partition: &Partition, committed: Option<(i64, String)>) -> Option<i64>;
    /// A partition is no longer ours.
    fn revoked(&self, partition: &Partition);
    /// Takes a batch, or gives it back when its queue stays full for `patience`.
    fn batch(&self, batch: Batch, patience: Duration) -> Result<(), Batch>;
    /// How much of each partition is left to read: zero at its end.
    fn lags(&self, lags: Vec<(Partition, i64)>);
    /// So many partitions are not read at the moment, because their queues are full.
    fn paused(&self, partitions: usize);
}

struct Context {
    handler: Arc<dyn Handler>,
    /// Counts rebalances.
    generation: AtomicU64,
}

impl ClientContext for Context {
    fn stats(&self, statistics: Statistics) {
        let mut lags = Vec::new();
        // While its leader cannot be reached, nobody knows whether a partition has come to its end.
        let is_up = |leader| statistics.brokers.values().any(|broker| broker.nodeid == leader && broker.state == "UP");
        for (topic, stats) in &statistics.topics {
            let topic: Arc<str> = topic.as_str().into();
            for (&number, stats) in stats.partitions.iter().filter(|(number, stats)| **number >= 0 && stats.desired) {
                let at_end = is_up(stats.leader) && stats.eof_offset >= 0 && stats.eof_offset == stats.next_offset;
                let left = (stats.hi_offset - stats.app_offset.max(stats.query_offset).max(0)).max(0);
                let partition = Partition { topic: topic.clone(), partition: number };
                lags.push((partition, if at_end && stats.fetchq_cnt == 0 { 0 } else { left.max(1) }));
            }
        }
        self.handler.lags(lags);
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical | RDKafkaLogLevel::Error => {
                tracing::error!(facility, "kafka: {message}");
            }
            RDKafkaLogLevel::Warning | RDKafkaLogLevel::Notice => tracing::warn!(facility, "kafka: {message}"),
            _ => tracing::debug!(facility, "kafka: {message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        match error.rdkafka_error_code() {
            // Every partition comes to its end again and again.
            Some(RDKafkaErrorCode::PartitionEOF) => {}
            // The log has it already, with more of its cause.
            Some(RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::Resolve) => {}
            _ => tracing::warn!(%error, "kafka: {reason}"),
        }
    }
}

impl ConsumerContext for Context {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, change: RDKafkaRespErr, tpl: &mut TopicPartitionList) {
        self.generation.fetch_add(1, Ordering::Relaxed);
        let outcome = if change == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            self.assign(consumer, tpl)
        } else {
            for element in tpl.elements() {
                self.handler.revoked(&partition(element.topic(), element.partition()));
            }
            consumer.unassign()
        };
        if let Err(error) = outcome {
            tracing::error!(%error, "rebalance");
        }
    }
}

impl Context {
    fn assign(&self, consumer: &BaseConsumer<Self>, tpl: &TopicPartitionList) -> KafkaResult<()> {
        let committed = match consumer.committed_offsets(tpl.clone(), Duration::from_secs(10)) {
            Ok(committed) => committed,
            Err(error) => {
                tracing::warn!(%error, "read committed offsets");
                tpl.clone()
            }
        };
        let mut assignment = TopicPartitionList::new();
        for element in committed.elements() {
            let committed = match element.offset() {
                Offset::Offset(offset) => Some((offset, element.metadata().to_owned())),
                _ => None,
            };
            let begin = self.handler.assigned(&partition(element.topic(), element.partition()), committed);
            let offset = begin.map_or(Offset::Stored, Offset::Offset);
            assignment.add_partition_offset(element.topic(), element.partition(), offset)?;
        }
        consumer.assign(&assignment)
    }
}

/// Whether it only says that brokers cannot be reached at the moment.
fn is_outage(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{AllBrokersDown, BrokerTransportFailure, Resolve};
    matches!(error.rdkafka_error_code(), Some(AllBrokersDown | BrokerTransportFailure | Resolve))
}

fn partition(topic: &str, partition: i32) -> Partition {
    Partition { topic: topic.into(), partition }
}

/// A running consumer. Dropping it ends the polling and leaves the group, which may take some seconds: not on a thread
/// that others wait for.
pub struct Running {
    consumer: Arc<BaseConsumer<Context>>,
    stopping: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

/// Subscribes and begins to poll.
///
/// # Errors
/// When librdkafka refuses the configuration. That no broker answers is not an error: it is tried again for ever.
pub fn start(config: &Config, topics: &[&str], handler: Arc<dyn Handler>) -> KafkaResult<Running> {
    let context = Context { handler: handler.clone(), generation: AtomicU64::new(0) };
    let consumer: Arc<BaseConsumer<Context>> = Arc::new(config.consumer().create_with_context(context)?);
    consumer.subscribe(topics)?;
    let stopping = Arc::new(AtomicBool::new(false));
    let (polled, stop) = (consumer.clone(), stopping.clone());
    let thread = thread::Builder::new()
        .name("kafka-poll".to_owned())
        .spawn(move || {
            let (open, stalled) = (Vec::new(), Vec::new());
            Poll { consumer: polled, handler, open, current: 0, stalled, generation: 0 }.run(&stop);
        })
        .map_err(|error| KafkaError::ClientCreation(error.to_string()))?;
    Ok(Running { consumer, stopping, thread: Some(thread) })
}

impl Running {
    /// Commits where reading has to begin again, with the metadata that says how far counting was.
    pub fn commit(&self, offsets: &[(Partition, i64, String)], wait: bool) -> KafkaResult<()> {
        if offsets.is_empty() {
            return Ok(());
        }
        let mut list = TopicPartitionList::new();
        for (partition, offset, metadata) in offsets {
            let mut element = list.add_partition(&partition.topic, partition.partition);
            element.set_offset(Offset::Offset(*offset))?;
            element.set_metadata(metadata);
        }
        self.consumer.commit(&list, if wait { CommitMode::Sync } else { CommitMode::Async })
    }

    /// Asks the polling thread to end. Offsets can be committed until this is dropped.
    pub fn halt(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    pub fn is_halted(&self) -> bool {
        self.thread.as_ref().is_none_or(thread::JoinHandle::is_finished)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.halt();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the polling thread panicked");
        }
    }
}

/// The polling thread's own state.
struct Poll {
    consumer: Arc<BaseConsumer<Context>>,
    handler: Arc<dyn Handler>,
    /// Batches that are being filled, and which of them took the last record.
    open: Vec<Batch>,
    current: usize,
    /// Batches whose queue is full, oldest first; their partitions are paused.
    stalled: Vec<Batch>,
    /// The assignment that those batches were read under.
    generation: u64,
}

impl Poll {
    fn run(mut self, stopping: &AtomicBool) {
        let consumer = self.consumer.clone();
        let (mut swept, mut taken) = (Instant::now(), 0u32);
        while !stopping.load(Ordering::Relaxed) {
            let polled = consumer.poll(LONGEST_WAIT / 2);
            // A rebalance happens inside `poll`. What was read before it will be read again, so it must not be counted.
            let generation = consumer.context().generation.load(Ordering::Relaxed);
            if generation != self.generation {
                self.generation = generation;
                self.open.clear();
                self.stalled.clear();
                self.tell_paused();
            }
            match polled {
                Some(Ok(message)) => {
                    self.take(&message);
                    // At full speed the clock would cost as much as the message.
                    taken = taken.wrapping_add(1);
                    if !taken.is_multiple_of(64) {
                        continue;
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) | None => self.hand_over(|_| true),
                // The library goes on by itself, and has said what is wrong.
                Some(Err(error)) if is_outage(&error) => {}
                Some(Err(error)) => tracing::warn!(%error, "consume"),
            }
            if swept.elapsed() >= LONGEST_WAIT {
                swept = Instant::now();
                self.hand_over(|batch| batch.begun.elapsed() >= LONGEST_WAIT);
                self.retry_stalled();
            }
        }
    }

    fn take(&mut self, message: &BorrowedMessage) {
        let (topic, number) = (message.topic(), message.partition());
        let same = |batch: &Batch| batch.partition.partition == number && *batch.partition.topic == *topic;
        if !self.open.get(self.current).is_some_and(same) {
            self.current = self.open.iter().position(same).unwrap_or_else(|| {
                self.open.push(Batch::new(partition(topic, number)));
                self.open.len() - 1
            });
        }
        let batch = &mut self.open[self.current];
        let logged = message.timestamp().to_millis().filter(|&at| at > 0).map(Time);
        batch.push(message.payload().unwrap_or_default(), message.offset(), logged);
        if batch.is_full() {
            self.hand_over(Batch::is_full);
        }
    }

    fn hand_over(&mut self, ready: impl Fn(&Batch) -> bool) {
        let (due, open) = std::mem::take(&mut self.open).into_iter().partition(ready);
        self.open = open;
        for batch in due {
            let waits = self.stalled.iter().any(|stalled| stalled.partition == batch.partition);
            let outcome = if waits { Err(batch) } else { self.handler.batch(batch, PATIENCE) };
            if let Err(batch) = outcome {
                if !waits {
                    self.set_paused(&batch.partition, true);
                }
                self.stalled.push(batch);
                self.tell_paused();
            }
        }
    }

    fn tell_paused(&self) {
        let partitions: BTreeSet<&Partition> = self.stalled.iter().map(|batch| &batch.partition).collect();
        self.handler.paused(partitions.len());
    }

    fn retry_stalled(&mut self) {
        let stalled = std::mem::take(&mut self.stalled);
        let waiting: BTreeSet<Partition> = stalled.iter().map(|batch| batch.partition.clone()).collect();
        for batch in stalled {
            // A later batch of a partition must not overtake an earlier one.
            let waits = self.stalled.iter().any(|earlier| earlier.partition == batch.partition);
            let outcome = if waits { Err(batch) } else { self.handler.batch(batch, Duration::ZERO) };
            self.stalled.extend(outcome.err());
        }
        for partition in waiting {
            if !self.stalled.iter().any(|batch| batch.partition == partition) {
                self.set_paused(&partition, false);
                self.tell_paused();
            }
        }
    }

    fn set_paused(&self, partition: &Partition, paused: bool) {
        let mut list = TopicPartitionList::new();
        list.add_partition(&partition.topic, partition.partition);
        let outcome = if paused { self.consumer.pause(&list) } else { self.consumer.resume(&list) };
        if let Err(error) = outcome {
            tracing::warn!(%error, %partition, paused, "pause or resume");
        }
    }
}
