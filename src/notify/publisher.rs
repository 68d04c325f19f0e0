//! The Kafka producer: records are either taken by the broker, or tried again.

use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};

use super::event::Record;

/// How long to wait before records that failed are tried again.
const PAUSE: Duration = Duration::from_secs(1);

pub struct Publisher(FutureProducer);

/// What came of one attempt to publish a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The broker has it.
    Taken,
    /// It failed, and is made again.
    Failed,
    /// No broker will ever take the record, because it is too large or not allowed: it is lost.
    Refused,
}

impl Publisher {
    /// # Errors
    /// When librdkafka refuses the configuration.
    pub fn new(mut client: ClientConfig) -> KafkaResult<Publisher> {
        client.set("enable.idempotence", "true").set("linger.ms", "5").set("compression.type", "lz4");
        // Long enough to outlast a leader election; longer outages are seen here, logged, and tried again.
        client.set("message.timeout.ms", "30000");
        Ok(Publisher(client.create()?))
    }

    /// Returns when every record is with the broker. While Kafka cannot be reached it does not return, and so holds up
    /// what must not be acknowledged before; drop it to give up. Each attempt is told as it ends, with the index of its
    /// record, so that an outage is seen while it lasts.
    pub async fn publish(&self, records: &[Record], told: impl Fn(usize, Attempt)) {
        let mut left: Vec<(usize, &Record)> = records.iter().enumerate().collect();
        while !left.is_empty() {
            let sent: Vec<_> = left.iter().map(|(_, record)| self.send(record)).collect();
            let mut failed = Vec::new();
            for ((index, record), sent) in left.into_iter().zip(sent) {
                let error = match sent {
                    Ok(delivery) => match delivery.await {
                        Ok(Ok(_)) => {
                            told(index, Attempt::Taken);
                            continue;
                        }
                        Ok(Err((error, _))) => error,
                        Err(_) => KafkaError::Canceled,
                    },
                    Err(error) => error,
                };
                if is_final(&error) {
                    tracing::error!(%error, topic = record.topic, "publish: the record is lost");
                    told(index, Attempt::Refused);
                } else {
                    if !is_full(&error) {
                        if failed.is_empty() {
                            tracing::warn!(%error, topic = record.topic, "publish: trying again");
                        }
                        told(index, Attempt::Failed);
                    }
                    failed.push((index, record));
                }
            }
            left = failed;
            if !left.is_empty() {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    fn send(&self, record: &Record) -> Result<DeliveryFuture, KafkaError> {
        let headers = record
            .headers
            .iter()
            .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
        let message = FutureRecord::to(&record.topic).key(&record.key).payload(&record.value).headers(headers);
        self.0.send_result(message).map_err(|(error, _)| error)
    }

    /// Waits for what is still on its way.
    pub fn flush(&self, at_most: Duration) {
        if let Err(error) = self.0.flush(at_most) {
            tracing::warn!(%error, "flush");
        }
    }
}

fn is_full(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull)
}

fn is_final(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{InvalidMessage, InvalidMessageSize, InvalidTopic, MessageSizeTooLarge};
    matches!(error.rdkafka_error_code(), Some(MessageSizeTooLarge | InvalidMessage | InvalidMessageSize | InvalidTopic))
}
