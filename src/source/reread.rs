//! Reading parts of partitions once more, apart from whoever reads them all: nothing is joined, and nothing committed.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::kafka::{Batch, Config};
use crate::pane::Partition;
use crate::time::Time;

/// How long a broker may take to answer, or to send anything more.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Reader {
    consumer: BaseConsumer,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    #[error("{partition}: nothing has come for {} seconds", PATIENCE.as_secs())]
    Silent { partition: Partition },
}

impl Reader {
    /// # Errors
    /// When librdkafka refuses the configuration.
    pub fn new(config: &Config) -> KafkaResult<Reader> {
        let mut client = config.reader();
        client
            .set("enable.partition.eof", "true")
            // What is gone must not be passed over in silence.
            .set("auto.offset.reset", "error");
        Ok(Reader { consumer: client.create()? })
    }

    /// The offsets that a partition has: from the first on, up to the second. Both are the same where there is none.
    ///
    /// # Errors
    /// When no broker says so in time.
    pub fn held(&self, partition: &Partition) -> KafkaResult<(i64, i64)> {
        use RDKafkaErrorCode::{UnknownPartition, UnknownTopic, UnknownTopicOrPartition};
        match self.consumer.fetch_watermarks(&partition.topic, partition.partition, PATIENCE) {
            Err(error) => match error.rdkafka_error_code() {
                Some(UnknownPartition | UnknownTopic | UnknownTopicOrPartition) => Ok((0, 0)),
                _ => Err(error),
            },
            held => held,
        }
    }

    /// Reads from the first to the last offset, both included, and hands over what comes, in order.
    ///
    /// # Errors
    /// When Kafka does not give them, or no longer has the first.
    pub fn read(
        &self,
        partition: &Partition,
        (first, last): (i64, i64),
        mut take: impl FnMut(Batch),
    ) -> Result<(), Error> {
        let mut assignment = TopicPartitionList::new();
        assignment.add_partition_offset(&partition.topic, partition.partition, Offset::Offset(first))?;
        self.consumer.assign(&assignment)?;
        let (mut batch, mut heard) = (Batch::new(partition.clone()), Instant::now());
        loop {
            match self.consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) if message.offset() <= last => {
                    let logged = message.timestamp().to_millis().filter(|&at| at > 0).map(Time);
                    batch.push(message.payload().unwrap_or_default(), message.offset(), logged);
                    heard = Instant::now();
                    if batch.is_full() {
                        take(std::mem::replace(&mut batch, Batch::new(partition.clone())));
                    }
                    if message.offset() == last {
                        break;
                    }
                }
                // The last ones may have been compacted away, or be no records but marks of transactions.
                Some(Ok(_)) | Some(Err(KafkaError::PartitionEOF(_))) => break,
                Some(Err(error)) if is_final(&error) => return Err(error.into()),
                // The library goes on by itself.
                Some(Err(_)) | None => {
                    if heard.elapsed() > PATIENCE {
                        return Err(Error::Silent { partition: partition.clone() });
                    }
                }
            }
        }
        if !batch.is_empty() {
            take(batch);
        }
        self.consumer.unassign()?;
        Ok(())
    }
}

/// Whether it will not be otherwise the next time.
fn is_final(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{AutoOffsetReset, Fatal, OffsetOutOfRange, TopicAuthorizationFailed, UnknownPartition};
    matches!(
        error.rdkafka_error_code(),
        Some(AutoOffsetReset | Fatal | OffsetOutOfRange | TopicAuthorizationFailed | UnknownPartition)
    )
}
