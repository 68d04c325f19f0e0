//! What the tests write to topics and read from them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Headers, Message};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::broker::Broker;

/// The topics that the daemon writes to.
pub const OUTPUTS: [&str; 4] =
    ["tidegauge.measurements", "tidegauge.alerts", "tidegauge.retrain", "tidegauge.dead-letters"];

/// Makes topics with so many partitions.
pub fn create(broker: &Broker, names: &[&str], partitions: i32) {
    let admin: AdminClient<DefaultClientContext> = broker.client().create().expect("an admin client");
    let topics: Vec<NewTopic> =
        names.iter().map(|name| NewTopic::new(name, partitions, TopicReplication::Fixed(1))).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let made = runtime.block_on(admin.create_topics(&topics, &AdminOptions::new())).expect("the broker answers");
    made.into_iter().for_each(|topic| assert!(topic.is_ok(), "{topic:?}"));
}

/// Counts what the broker did not take.
#[derive(Clone, Default)]
struct Failures(Arc<AtomicU64>);

impl ClientContext for Failures {}

impl ProducerContext for Failures {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if result.is_err() {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Writes each record once, in order, however often the broker is away.
pub struct Writer {
    producer: ThreadedProducer<Failures>,
    failures: Failures,
}

impl Writer {
    pub fn new(broker: &Broker, compression: &str) -> Writer {
        let failures = Failures::default();
        let mut client = broker.client();
        client.set("enable.idempotence", "true").set("linger.ms", "5").set("compression.type", compression);
        client.set("message.timeout.ms", "300000");
        Writer { producer: client.create_with_context(failures.clone()).expect("a producer"), failures }
    }

    /// Writes to a partition, or to that of the key; without a value it is a tombstone.
    pub fn write(&self, topic: &str, partition: Option<i32>, key: &str, value: Option<&[u8]>) {
        let mut record = BaseRecord::<str, [u8], ()>::to(topic).key(key);
        record.partition = partition;
        record.payload = value;
        while let Err((error, back)) = self.producer.send(record) {
            let is_full = matches!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull));
            assert!(is_full, "{error}");
            std::thread::sleep(Duration::from_millis(5));
            record = back;
        }
    }

    /// Waits until the broker has all.
    pub fn finish(&self) {
        self.producer.flush(Duration::from_secs(120)).expect("the broker takes the records");
        assert_eq!(self.failures.0.load(Ordering::Relaxed), 0, "records that the broker did not take");
    }
}

/// A record as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub partition: i32,
    pub key: String,
    pub headers: BTreeMap<String, String>,
    pub value: Vec<u8>,
}

impl Seen {
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> T {
        let text = String::from_utf8_lossy(&self.value);
        serde_json::from_slice(&self.value).unwrap_or_else(|error| panic!("{error}: {text}"))
    }
}

/// Reads a topic from its beginning.
pub struct Reader {
    consumer: BaseConsumer,
    topic: String,
    pub seen: Vec<Seen>,
}

impl Reader {
    pub fn new(broker: &Broker, topic: &str) -> Reader {
        let mut client = broker.client();
        let consumer: BaseConsumer =
            client.set("group.id", "reader").set("fetch.wait.max.ms", "20").create().expect("a consumer");
        let topics = consumer.fetch_metadata(Some(topic), Duration::from_secs(20)).expect("the broker answers");
        let mut all = TopicPartitionList::new();
        for partition in topics.topics()[0].partitions() {
            all.add_partition_offset(topic, partition.id(), Offset::Beginning).expect("an offset");
        }
        consumer.assign(&all).expect("an assignment");
        Reader { consumer, topic: topic.to_owned(), seen: Vec::new() }
    }

    /// Reads until there are such records, or the time is over; returns whether there are.
    pub fn read_until(&mut self, at_most: Duration, mut enough: impl FnMut(&[Seen]) -> bool) -> bool {
        let begun = Instant::now();
        loop {
            // Asking may be slow, so it is not done for every record.
            while self.poll(Duration::ZERO) {}
            if enough(&self.seen) {
                return true;
            }
            if begun.elapsed() > at_most {
                return false;
            }
            self.poll(Duration::from_millis(20));
        }
    }

    /// Reads to the end of what is there now.
    pub fn read_all(&mut self) -> &[Seen] {
        let assigned = self.consumer.assignment().expect("an assignment");
        let end = |partition| {
            let ends = self.consumer.fetch_watermarks(&self.topic, partition, Duration::from_secs(20));
            ends.expect("the broker answers").1
        };
        let ends: BTreeMap<i32, i64> =
            assigned.elements().iter().map(|e| (e.partition(), end(e.partition()))).collect();
        let (topic, begun) = (self.topic.clone(), Instant::now());
        let is_at_end = |consumer: &BaseConsumer| {
            let position = consumer.position().expect("a position");
            let at = |partition| match position.find_partition(&topic, partition).map(|e| e.offset()) {
                Some(Offset::Offset(at)) => at,
                _ => 0,
            };
            ends.iter().all(|(&partition, &end)| at(partition) >= end)
        };
        while !is_at_end(&self.consumer) {
            assert!(begun.elapsed() < Duration::from_secs(60), "{topic} can be read");
            while self.poll(Duration::from_millis(50)) {}
        }
        &self.seen
    }

    fn poll(&mut self, wait: Duration) -> bool {
        // An error is that the broker is away, and it comes back.
        let Some(Ok(message)) = self.consumer.poll(wait) else { return false };
        let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
        let headers = message.headers().into_iter().flat_map(|headers| {
            headers.iter().map(|header| (header.key.to_owned(), text(header.value))).collect::<Vec<_>>()
        });
        self.seen.push(Seen {
            partition: message.partition(),
            key: text(message.key()),
            headers: headers.collect(),
            value: message.payload().unwrap_or_default().to_vec(),
        });
        true
    }
}
