//! A broker in the test's own process, which outlives the daemons that are started and killed beside it.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde_json::Value;
use tidegauge::source::embedded::Embedded;

use super::{PATIENCE, wait_for};

pub struct Broker {
    /// `None` once it was stopped.
    cluster: Option<Embedded>,
    pub address: String,
    producer: ThreadedProducer<DefaultProducerContext>,
    topics: BTreeMap<String, i32>,
}

/// A record as it is on its topic.
#[derive(Debug)]
pub struct Found {
    pub key: String,
    pub headers: BTreeMap<String, String>,
    pub value: Vec<u8>,
}

impl Found {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.value).expect("the record is JSON")
    }
}

/// The topics that the daemon writes to, unless it is told otherwise.
const OUTPUTS: [&str; 4] =
    ["tidegauge.measurements", "tidegauge.alerts", "tidegauge.retrain", "tidegauge.dead-letters"];

impl Broker {
    /// Starts with these topics, and those that the daemon writes to.
    pub fn start(inputs: &[(&str, i32)]) -> Broker {
        let topics: Vec<(&str, i32)> = inputs.iter().copied().chain(OUTPUTS.map(|topic| (topic, 1))).collect();
        let cluster = Embedded::start(&topics).expect("the broker starts");
        let address = cluster.brokers();
        let producer = ClientConfig::new()
            .set("bootstrap.servers", &address)
            .set("linger.ms", "5")
            .create()
            .expect("the producer starts");
        let topics = topics.into_iter().map(|(topic, partitions)| (topic.to_owned(), partitions)).collect();
        Broker { cluster: Some(cluster), address, producer, topics }
    }

    /// Returns when the records are in the partition, in this order.
    pub fn produce(&self, topic: &str, partition: i32, records: impl IntoIterator<Item = impl AsRef<[u8]>>) {
        for record in records {
            let record = BaseRecord::<(), [u8]>::to(topic).partition(partition).payload(record.as_ref());
            self.producer.send(record).expect("the record fits into the producer's queue");
        }
        self.producer.flush(PATIENCE).expect("the records arrive");
    }

    /// Returns when a record with these headers is in the first partition of the topic, which need not be there before.
    pub fn tell(&self, topic: &str, headers: &[(&str, &str)], value: &str) {
        let add = |headers: OwnedHeaders, (key, value): &(&str, &str)| {
            headers.insert(Header { key, value: Some(value.as_bytes()) })
        };
        let headers = headers.iter().fold(OwnedHeaders::new(), add);
        let record = BaseRecord::<(), [u8]>::to(topic).partition(0).payload(value.as_bytes()).headers(headers);
        self.producer.send(record).expect("the record fits into the producer's queue");
        self.producer.flush(PATIENCE).expect("the record arrives");
    }

    /// Everything that is on a topic.
    pub fn read(&self, topic: &str) -> Vec<Found> {
        let partitions = self.topics[topic];
        // The embedded broker does not wake a fetch that waits.
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.address)
            .set("group.id", "tests")
            .set("fetch.wait.max.ms", "20")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .create()
            .expect("the consumer starts");
        // With the leader known, the first fetch goes out at once.
        consumer.fetch_metadata(Some(topic), PATIENCE).expect("the broker knows the topic");
        let mut assignment = TopicPartitionList::new();
        for partition in 0..partitions {
            assignment.add_partition_offset(topic, partition, Offset::Beginning).expect("an offset");
        }
        consumer.assign(&assignment).expect("the partitions are assigned");
        let (mut found, mut ended) = (Vec::new(), 0);
        wait_for(&format!("the end of {topic}"), || {
            while let Some(polled) = consumer.poll(Duration::from_millis(100)) {
                match polled {
                    Ok(message) => found.push(Found {
                        key: String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned(),
                        headers: message.headers().map(headers).unwrap_or_default(),
                        value: message.payload().unwrap_or_default().to_vec(),
                    }),
                    Err(KafkaError::PartitionEOF(_)) => ended += 1,
                    // The library finds the broker again by itself.
                    Err(_) => {}
                }
                if ended == partitions {
                    return Some(());
                }
            }
            None
        });
        found
    }

    /// From now on nobody answers at the broker's address.
    pub fn stop(&mut self) {
        self.cluster = None;
    }
}

fn headers(headers: &impl Headers) -> BTreeMap<String, String> {
    let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
    headers.iter().map(|header| (header.key.to_owned(), text(header.value))).collect()
}
