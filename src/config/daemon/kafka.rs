//! Reads how Kafka is reached.

use std::collections::BTreeMap;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;

use crate::config::{Item, all, shown};
use crate::source::kafka::Config;

/// Properties that have a key of their own here, or on which the daemon's guarantees rest, and what to do instead.
const OWN: [(&str, &str); 26] = [
    ("bootstrap.servers", "write the addresses under `kafka` as `brokers`"),
    ("metadata.broker.list", "write the addresses under `kafka` as `brokers`"),
    ("group.id", "write it under `kafka` as `group`"),
    ("auto.offset.reset", "write `start: earliest` or `start: latest` under `kafka`"),
    ("enable.auto.commit", COMMITS),
    ("auto.commit.enable", COMMITS),
    ("auto.commit.interval.ms", COMMITS),
    ("enable.auto.offset.store", COMMITS),
    ("offset.store.method", COMMITS),
    ("offset.store.path", COMMITS),
    ("offset.store.sync.interval.ms", COMMITS),
    ("enable.partition.eof", "leave it out: the daemon sets it, to know when a partition is drained"),
    ("partition.assignment.strategy", GROUP),
    ("group.protocol", GROUP),
    ("group.remote.assignor", GROUP),
    ("group.protocol.type", GROUP),
    ("enable.idempotence", PUBLISHES),
    ("compression.type", PUBLISHES),
    ("compression.codec", PUBLISHES),
    ("linger.ms", PUBLISHES),
    ("queue.buffering.max.ms", PUBLISHES),
    ("message.timeout.ms", PUBLISHES),
    ("delivery.timeout.ms", PUBLISHES),
    ("acks", PUBLISHES),
    ("transactional.id", "leave it out: the daemon does not use transactions"),
    ("plugin.library.paths", "leave it out: the daemon loads no code of others"),
];
const COMMITS: &str = "leave it out: the daemon commits offsets itself, once what they count is stored";
const PUBLISHES: &str = "leave it out: the daemon chooses how it publishes";
const GROUP: &str = "leave it out: the daemon chooses how a group shares partitions";

pub fn read(item: Item<'_>) -> Option<Config> {
    const STARTS: [(&str, bool); 2] = [("earliest", true), ("latest", false)];
    let map = item.map()?;
    let brokers = map.need("brokers", "localhost:9092", brokers);
    let group = map.or("group", "tidegauge", |item| item.text_like("a name such as tidegauge"));
    let from_start = map.or("start", true, |item| item.choice(&STARTS));
    let properties = map.or("properties", BTreeMap::new(), properties);
    Some(Config {
        brokers: brokers?.join(","),
        group: group?.to_owned(),
        from_start: from_start?,
        properties: properties?,
    })
}

/// A list, or one text with commas between the addresses.
fn brokers(item: Item<'_>) -> Option<Vec<String>> {
    const LIKE: &str = "host:port, such as localhost:9092";
    let addresses: Vec<(Item<'_>, &str)> = if item.is_scalar() {
        item.text_like(LIKE)?.split(',').map(|address| (item, address)).collect()
    } else {
        all(item.list()?.into_iter().map(|item| Some((item, item.text_like(LIKE)?))))?
    };
    if addresses.is_empty() {
        item.report("`brokers` is empty", Some(format!("write {LIKE}")));
    }
    all(addresses.into_iter().map(|(item, address)| {
        let address = address.trim();
        if !is_address(address) {
            item.report(format!("`{}` is not the address of a broker", shown(address)), Some(format!("write {LIKE}")));
            return None;
        }
        Some(address.to_owned())
    }))
}

/// Whether it is `host:port` or `[host]:port`.
fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') || bare.is_some() && c == ':';
    let host = bare.unwrap_or(host);
    !host.is_empty() && host.chars().all(legal) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

fn properties(item: Item<'_>) -> Option<BTreeMap<String, String>> {
    let map = item.map()?;
    let properties = all(map.entries().map(|(name, item, at)| {
        let value = item.text_or_content()?;
        let report = |message: String, hint: &str| item.reader().report(at, message, Some(hint.to_owned()));
        if let Some((_, hint)) = OWN.iter().find(|(own, _)| *own == name) {
            report(format!("the property `{name}` is the daemon's own"), hint);
            return None;
        }
        // librdkafka's own words may repeat the value, and a value may be a password.
        match ClientConfig::new().set(name, &value).create_native_config() {
            Ok(_) => Some((name.to_owned(), value)),
            Err(KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..)) => {
                let hint = "the properties are those of librdkafka, as its CONFIGURATION.md lists them";
                report(format!("unknown property `{}`", shown(name)), hint);
                None
            }
            Err(_) => {
                let hint = "librdkafka's CONFIGURATION.md lists the values of each property";
                item.report(format!("librdkafka does not take this value of `{}`", shown(name)), Some(hint.to_owned()));
                None
            }
        }
    }));
    Some(properties?.into_iter().collect())
}
