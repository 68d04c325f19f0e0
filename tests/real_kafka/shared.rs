//! A second copy that joins and leaves does no lasting harm.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tidegauge::measurement::Measurement;
use tidegauge::time::Time;

use super::broker::Broker;
use super::daemon::Home;
use super::stream::{self, PARTITIONS, Steady, TOPIC};
use super::topics::{OUTPUTS, Reader, Seen, create};
use super::versions;

#[test]
fn the_copy_that_stays_ends_with_complete_windows() {
    let Some((versions, _turn)) = versions("the_copy_that_stays_ends_with_complete_windows") else { return };
    for version in &versions {
        joined_and_left(version);
    }
}

fn joined_and_left(version: &str) {
    let begun = Instant::now();
    let folder = TempDir::new().expect("a temporary folder");
    let monitor = stream::monitor(folder.path());
    let broker = Broker::start(version);
    create(&broker, &OUTPUTS, 1);
    create(&broker, &[TOPIC], PARTITIONS);
    let first = Home::new(&folder.path().join("first"), &broker, &monitor, false);
    let second = Home::new(&folder.path().join("second"), &broker, &monitor, false);
    let steady = Steady::start(&broker);
    let mut staying = first.start();
    wait_for(&first, "assigned", PARTITIONS as usize);
    std::thread::sleep(Duration::from_secs(3));
    let leaving = second.start();
    wait_for(&second, "assigned", 1);
    std::thread::sleep(Duration::from_secs(3));
    let before = first.log().matches(" assigned").count();
    assert!(leaving.stop().success(), "{}", second.last_words());
    wait_for(&first, "assigned", before + PARTITIONS as usize);
    let mut reader = Reader::new(&broker, OUTPUTS[0]);
    let seen = reader.read_all().iter().map(|record| record.json::<Measurement>().window_end).max();
    let shared_until = seen.expect("windows were published");
    std::thread::sleep(Duration::from_secs(4));
    let rows = steady.finish();
    let end = stream::last_end(&rows);
    let there = reader.read_until(Duration::from_secs(60), |seen| stream::is_complete(seen, end));
    assert!(there, "the last window is not published\n{}", first.last_words());
    assert!(staying.is_running(), "{}", first.last_words());
    assert!(staying.stop().success(), "{}", first.last_words());

    let published = rows_of(reader.read_all());
    let counts = stream::counts(&rows);
    let expected = |(window, version): &(Time, &str)| counts[&(*window, *version)].0;
    let alone: Vec<_> = counts.keys().filter(|(window, _)| *window > shared_until).collect();
    assert!(alone.len() > 10, "there were windows after the second copy");
    for window in alone {
        assert_eq!(published[&(window.0, window.1.to_owned())].last(), Some(&expected(window)), "{window:?}");
    }
    let told = |window: &(Time, &str)| published.get(&(window.0, window.1.to_owned()));
    let parts = counts.keys().filter(|window| told(window).and_then(|rows| rows.last()) != Some(&expected(window)));
    println!(
        "Kafka {version}: {} of {} windows are in parts, one from each copy; {:.1?}",
        parts.count(),
        counts.len(),
        begun.elapsed()
    );
}

/// For each window's end and version, the rows in the order in which they were told.
fn rows_of(seen: &[Seen]) -> BTreeMap<(Time, String), Vec<u64>> {
    let mut rows: BTreeMap<_, Vec<u64>> = BTreeMap::new();
    for measurement in seen.iter().map(Seen::json::<Measurement>).filter(|m| m.statistic == "rows") {
        rows.entry((measurement.window_end, measurement.version)).or_default().push(measurement.rows);
    }
    rows
}

/// Waits until a daemon has logged a word so often.
fn wait_for(home: &Home, word: &str, times: usize) {
    let begun = Instant::now();
    while home.log().matches(&format!(" {word}")).count() < times {
        assert!(begun.elapsed() < Duration::from_secs(60), "not {word}\n{}", home.last_words());
        std::thread::sleep(Duration::from_millis(50));
    }
}
