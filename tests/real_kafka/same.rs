//! A log that is read from Kafka gives the measurements that its replay gives.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Deserialize;
use tempfile::TempDir;
use tidegauge::measurement::Measurement;
use tidegauge::rule::alert::AlertEvent;
use tidegauge::time::{Span, Time};

use super::broker::Broker;
use super::daemon::Home;
use super::stream::{compare, identity};
use super::topics::{OUTPUTS, Reader, Seen, Writer, create};
use super::versions;
use crate::elec2;

const TOPIC: &str = "elec2.predictions";
const DAY: Span = Span(86_400_000);
const LATENESS: Span = Span(21_600_000);

#[derive(Deserialize)]
struct Row {
    id: String,
    ts: i64,
}

#[test]
fn elec2_through_kafka_is_elec2_replayed() {
    let Some(data) = elec2::data() else { return };
    let Some((versions, _turn)) = versions("elec2_through_kafka_is_elec2_replayed") else { return };
    for version in versions {
        through_kafka(&version, &data);
    }
}

fn through_kafka(version: &str, data: &Path) {
    let begun = Instant::now();
    let folder = TempDir::new().expect("a temporary folder");
    let monitor = elec2::monitor(data, folder.path());
    let log = data.join(elec2::PREDICTIONS);
    let broker = Broker::start(version);
    create(&broker, &OUTPUTS, 1);
    create(&broker, &[TOPIC], 4);
    produce(&broker, &log);
    let home = Home::new(&folder.path().join("home"), &broker, &monitor, true);
    let daemon = home.start();

    let replayed = elec2::replay(&monitor, &log);
    let watermark = watermark(&broker);
    let complete = |end: Time| end <= watermark;
    let expected: Vec<Measurement> = replayed.measurements.into_iter().filter(|m| complete(m.window_end)).collect();
    let mut reader = Reader::new(&broker, OUTPUTS[0]);
    let wanted = expected.len();
    let there = reader.read_until(Duration::from_secs(120), |seen| seen.len() >= wanted);
    assert!(there, "Kafka {version}: {} of {wanted} measurements\n{}", reader.seen.len(), home.last_words());
    assert!(daemon.stop().success(), "{}", home.last_words());

    let published: Vec<Measurement> = reader.read_all().iter().map(Seen::json).collect();
    assert_eq!(published.len(), wanted, "Kafka {version}: nothing is told twice, and nothing beyond the watermark");
    compare(&expected, published);
    let mut alerts = Reader::new(&broker, OUTPUTS[1]);
    let told: Vec<AlertEvent> = alerts.read_all().iter().map(Seen::json).collect();
    let expected: Vec<_> = replayed.alerts.into_iter().filter(|alert| complete(alert.window_end)).collect();
    assert!(!expected.is_empty());
    let by_identity = |alerts: Vec<AlertEvent>| {
        let key = |alert: &AlertEvent| (alert.id.clone(), alert.state.name());
        // Offsets are those of the topic, of which a replay knows nothing.
        let without_offsets = |alert: AlertEvent| AlertEvent { offsets: vec![], basis: Default::default(), ..alert };
        alerts.into_iter().map(|alert| (key(&alert), without_offsets(alert))).collect::<BTreeMap<_, _>>()
    };
    assert_eq!(told.len(), expected.len(), "nothing is told twice");
    assert_eq!(by_identity(told), by_identity(expected));
    println!("Kafka {version}: {wanted} measurements to {watermark} are the same, {:.1?}", begun.elapsed());
}

/// Writes the log, as a service would that keys each row by its id.
fn produce(broker: &Broker, log: &Path) {
    let writer = Writer::new(broker, "zstd");
    let file = std::fs::File::open(log).expect("the log is there");
    for line in BufReader::new(flate2::read::MultiGzDecoder::new(file)).lines() {
        let line = line.expect("the log can be read");
        let row: Row = serde_json::from_str(&line).expect("a row");
        writer.write(TOPIC, None, &row.id, Some(line.as_bytes()));
    }
    writer.finish();
}

/// Up to when every partition has passed.
fn watermark(broker: &Broker) -> Time {
    let mut latest: BTreeMap<i32, i64> = BTreeMap::new();
    for row in Reader::new(broker, TOPIC).read_all() {
        let at = latest.entry(row.partition).or_insert(i64::MIN);
        *at = (*at).max(row.json::<Row>().ts);
    }
    assert_eq!(latest.len(), 4, "the keys reach every partition");
    let least = latest.into_values().min().map_or(Time::MIN, Time);
    (least - LATENESS).floor(DAY)
}

#[test]
fn measurements_have_one_identity_each() {
    let Some(data) = elec2::data() else { return };
    let folder = TempDir::new().expect("a temporary folder");
    let replayed = elec2::replay(&elec2::monitor(&data, folder.path()), &data.join(elec2::PREDICTIONS));
    let identities: BTreeSet<_> = replayed.measurements.iter().map(identity).collect();
    assert_eq!(identities.len(), replayed.measurements.len());
}
