//! A broker inside this process, for the demo and for tests: librdkafka's mock cluster.
//!
//! It keeps 5 MiB of each partition in memory and has no transactions; it is spoken to over the loopback interface, so
//! whatever uses it goes the same way as to a real broker.

use rdkafka::error::KafkaResult;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

/// A running broker; it ends when dropped.
pub struct Embedded(MockCluster<'static, DefaultProducerContext>);

impl Embedded {
    /// Starts a broker with these topics and their numbers of partitions.
    pub fn start(topics: &[(&str, i32)]) -> KafkaResult<Embedded> {
        let cluster = MockCluster::new(1)?;
        for (topic, partitions) in topics {
            cluster.create_topic(topic, *partitions, 1)?;
        }
        Ok(Embedded(cluster))
    }

    pub fn brokers(&self) -> String {
        self.0.bootstrap_servers()
    }
}
