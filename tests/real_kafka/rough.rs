//! What comes besides good rows: garbage, tombstones, every compression, and a topic that is made late.

use std::time::{Duration, Instant};

use tempfile::TempDir;
use tidegauge::measurement::Measurement;

use super::broker::Broker;
use super::daemon::Home;
use super::stream::{self, PARTITIONS, Row, TOPIC, WINDOW, now};
use super::topics::{OUTPUTS, Reader, Seen, Writer, create};
use super::versions;

/// Garbage, and the reason for which it is turned away.
const GARBAGE: [(&str, &str); 5] = [
    ("\u{0}\u{1}\u{2}", "not_json"),
    ("[1, 2, 3]", "not_json"),
    ("{\"x\": 1.0}", "no_time"),
    ("{\"ts\": \"soon\", \"x\": 1.0}", "bad_time"),
    ("{\"ts\": 32503680000000, \"x\": 1.0}", "time_out_of_range"),
];

#[test]
fn good_rows_count_whatever_comes_with_them() {
    let Some((versions, _turn)) = versions("good_rows_count_whatever_comes_with_them") else { return };
    for version in &versions {
        among_garbage(version);
    }
}

fn among_garbage(version: &str) {
    let begun = Instant::now();
    let folder = TempDir::new().expect("a temporary folder");
    let monitor = stream::monitor(folder.path());
    let broker = Broker::start(version);
    create(&broker, &OUTPUTS, 1);
    let home = Home::new(&folder.path().join("home"), &broker, &monitor, true);
    let mut daemon = home.start();
    // The daemon has asked for a topic that is not there, and goes on asking.
    std::thread::sleep(Duration::from_secs(5));
    assert!(daemon.is_running(), "{}", home.last_words());
    create(&broker, &[TOPIC], PARTITIONS);

    let made = Instant::now();
    let start = (now().0 - 86_400_000) / WINDOW * WINDOW;
    let rows: Vec<Row> = (0..10_000).map(|number| Row::new(number, start + 1000)).collect();
    let codecs = ["none", "gzip", "snappy", "lz4", "zstd"];
    for (part, codec) in rows.chunks(rows.len() / codecs.len()).zip(codecs) {
        let writer = Writer::new(&broker, codec);
        for (row, (garbage, _)) in part.iter().zip(GARBAGE.iter().cycle()) {
            writer.write(TOPIC, Some(row.partition()), "", Some(row.json().as_bytes()));
            if row.at % 100 == 0 {
                writer.write(TOPIC, Some(row.partition()), "key", Some(garbage.as_bytes()));
                writer.write(TOPIC, Some(row.partition()), "gone", None);
            }
        }
        writer.finish();
    }
    let writer = Writer::new(&broker, "none");
    let end = stream::last_end(&rows);
    for partition in 0..PARTITIONS {
        let closing = Row::new(0, end.0 + 2000).json();
        writer.write(TOPIC, Some(partition), "", Some(closing.as_bytes()));
    }
    writer.finish();

    let mut reader = Reader::new(&broker, OUTPUTS[0]);
    let there = reader.read_until(Duration::from_secs(60), |seen| stream::is_complete(seen, end));
    assert!(there, "the last window is not published\n{}", home.last_words());
    let took = made.elapsed();
    assert!(daemon.stop().success(), "{}", home.last_words());
    let replayed = stream::replay(&rows, &monitor, folder.path());
    let published: Vec<Measurement> = reader.read_all().iter().map(Seen::json).collect();
    stream::compare(&replayed.measurements, published);
    let turned_away = check_dead_letters(&broker, &rows);
    println!(
        "Kafka {version}: {} rows of {} codecs are counted among {turned_away} that are not, {took:.1?} after their topic \
         was made; {:.1?}",
        rows.len(),
        codecs.len(),
        begun.elapsed()
    );
    assert!(took < Duration::from_secs(40), "a new topic is noticed soon");
}

/// Each is kept as it came, with where it came from and why it was turned away.
fn check_dead_letters(broker: &Broker, rows: &[Row]) -> usize {
    let mut original = Reader::new(broker, TOPIC);
    let mut dead = Reader::new(broker, OUTPUTS[3]);
    let (original, dead) = (original.read_all(), dead.read_all());
    let garbage = rows.iter().filter(|row| row.at % 100 == 0).count();
    let tombstones = dead.iter().filter(|letter| letter.value.is_empty()).count();
    assert_eq!((dead.len(), tombstones), (2 * garbage, garbage));
    for letter in dead.iter().filter(|letter| !letter.value.is_empty()) {
        let reason = GARBAGE.iter().find(|(garbage, _)| garbage.as_bytes() == letter.value).map(|(_, reason)| *reason);
        assert_eq!(reason, Some(letter.headers["tidegauge_reason"].as_str()));
        let (partition, offset) = (&letter.headers["tidegauge_partition"], &letter.headers["tidegauge_offset"]);
        let partition: i32 = partition.parse().expect("a number");
        let there = original.iter().filter(|record| record.partition == partition);
        let at: usize = offset.parse().expect("a number");
        assert_eq!(there.clone().nth(at).map(|record| &record.value), Some(&letter.value));
    }
    dead.len()
}
