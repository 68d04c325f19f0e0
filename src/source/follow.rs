//! Following a topic as a whole: all its partitions, whoever else reads it, from offsets that the caller keeps. Nothing is
//! committed to Kafka, and no group is joined.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::kafka::Config;

/// How long a broker may take to say which partitions there are.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it is asked: while there is nothing to read, and while there is.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const LOOK_AGAIN_EVERY: Duration = Duration::from_secs(10);
/// How long to wait for a first record, and for others to come with it.
const WAIT: Duration = Duration::from_millis(100);
const GATHER: Duration = Duration::from_millis(50);
/// Records that are taken at once.
const MOST: usize = 1000;

pub struct Follower {
    consumer: BaseConsumer,
    topic: String,
    /// The offset at which a partition goes on. One that is not here is read from its earliest record.
    next: BTreeMap<i32, i64>,
    /// The partitions that are read.
    read: BTreeSet<i32>,
    looked: Option<Instant>,
    /// What was last complained of, so that it is not said each second.
    complaint: Option<String>,
}

impl Follower {
    /// Nothing is asked of Kafka before something is to be taken.
    ///
    /// # Errors
    /// When librdkafka refuses the configuration.
    pub fn new(config: &Config, topic: &str, next: BTreeMap<i32, i64>) -> KafkaResult<Follower> {
        let mut client = config.reader();
        if !config.properties.contains_key("queued.max.messages.kbytes") {
            client.set("queued.max.messages.kbytes", "4096");
        }
        client
            .set("enable.partition.eof", "false")
            // Where an offset is gone there is a gap, and what comes after it is still of use.
            .set("auto.offset.reset", "earliest");
        let (consumer, topic) = (client.create()?, topic.to_owned());
        Ok(Follower { consumer, topic, next, read: BTreeSet::new(), looked: None, complaint: None })
    }

    /// Takes what comes within a moment, in the order of each partition. Neither that there is no such topic nor that no
    /// broker answers is an error: it is tried again by the next call.
    pub fn take(&mut self, mut each: impl FnMut(&BorrowedMessage<'_>)) {
        self.look();
        let begun = Instant::now();
        let mut taken = 0;
        while taken < MOST && begun.elapsed() < if taken == 0 { WAIT } else { WAIT + GATHER } {
            match self.consumer.poll(if taken == 0 { WAIT } else { GATHER }) {
                Some(Ok(message)) => {
                    self.next.insert(message.partition(), message.offset() + 1);
                    self.complaint = None;
                    each(&message);
                    taken += 1;
                }
                Some(Err(error)) => complain(&mut self.complaint, &self.topic, &error),
                None => return,
            }
        }
    }

    /// Looks for partitions that are not read yet.
    fn look(&mut self) {
        let every = if self.read.is_empty() { LOOK_EVERY } else { LOOK_AGAIN_EVERY };
        if self.looked.is_some_and(|looked| looked.elapsed() < every) {
            return;
        }
        let outcome = self.partitions().and_then(|partitions| self.read_also(partitions));
        if let Err(error) = outcome {
            complain(&mut self.complaint, &self.topic, &error);
        }
        self.looked = Some(Instant::now());
    }

    fn partitions(&self) -> KafkaResult<BTreeSet<i32>> {
        let metadata = self.consumer.fetch_metadata(Some(&self.topic), PATIENCE)?;
        let mut partitions = BTreeSet::new();
        for topic in metadata.topics().iter().filter(|topic| topic.name() == self.topic) {
            match topic.error() {
                Some(error) => return Err(KafkaError::MetadataFetch(error.into())),
                None => partitions.extend(topic.partitions().iter().map(|partition| partition.id())),
            }
        }
        Ok(partitions)
    }

    fn read_also(&mut self, partitions: BTreeSet<i32>) -> KafkaResult<()> {
        if partitions.is_subset(&self.read) {
            return Ok(());
        }
        let all = &self.read | &partitions;
        let mut assignment = TopicPartitionList::new();
        for &partition in &all {
            let offset = self.next.get(&partition).map_or(Offset::Beginning, |&next| Offset::Offset(next));
            assignment.add_partition_offset(&self.topic, partition, offset)?;
        }
        self.consumer.assign(&assignment)?;
        self.read = all;
        Ok(())
    }
}

/// Says what is wrong once for as long as it is.
fn complain(last: &mut Option<String>, topic: &str, error: &KafkaError) {
    let text = error.to_string();
    if last.as_ref() == Some(&text) {
        return;
    }
    use RDKafkaErrorCode::{UnknownTopic, UnknownTopicOrPartition};
    match error.rdkafka_error_code() {
        Some(UnknownTopic | UnknownTopicOrPartition) => tracing::warn!(topic, "follow: there is no such topic yet"),
        _ => tracing::warn!(topic, %error, "follow"),
    }
    *last = Some(text);
}
