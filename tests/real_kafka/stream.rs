//! A steady stream of rows of which everything is known, and what the daemon has to say of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use tidegauge::measurement::Measurement;
use tidegauge::time::Time;

use super::broker::Broker;
use super::topics::{Seen, Writer};
use crate::elec2::{self, Replayed};

pub const LABELS: &str = "shaky.labels";
pub const LABEL_PARTITIONS: i32 = 2;
pub const TOPIC: &str = "shaky.rows";
pub const PARTITIONS: i32 = 4;
/// Windows follow one another, this many milliseconds each.
pub const WINDOW: i64 = 2000;
/// Event time from one row to the next, in milliseconds: with the clock's rate of rows, ten times as fast as the clock.
const STEP: i64 = 5;
/// A row may be this much behind an earlier one, which the monitor's lateness covers.
const DISORDER: u64 = 600;
const LATENESS: i64 = 1000;
/// Rows each ten milliseconds.
const BURST: usize = 20;

/// Windows come in blocks of ten: calm, with nulls, calm, drifted.
const MONITOR: &str = "
model: shaky
inputs: [{topic: shaky.rows}]
schema:
  time: ts
  version: version
  features: {x: numeric, c: categorical}
  prediction: {score: score}
reference: {dataset: reference.csv}
window: {size: 2s, lateness: 1s, idle: 5s, min_rows: 20}
alerts:
  - {alert: Nulls, when: quality.null_rate > 0.2, for: 2, severity: critical}
  - {alert: Drift, when: drift.psi > 0.5, for: 2, retrain: {name: again, cooldown: 30s}}
";

/// What the monitor says of labels, when there are any.
const OF_LABELS: &str = "
  - {alert: Wrong, when: performance.accuracy < 0.75 && coverage > 0.5}
labels: {topic: shaky.labels, id: id, time: ts, value: outcome, wait: 12s, lateness: 10s}
";
/// How long labels are waited for, in milliseconds, and longer than any takes to be written.
const WAIT: i64 = 12_000;
/// How many rows later than its prediction a label is written.
const LAG: usize = 1600;

/// Writes the monitor and its reference.
pub fn monitor(folder: &Path) -> PathBuf {
    write(folder, MONITOR.to_owned())
}

/// The same with labels.
pub fn labelled(folder: &Path) -> PathBuf {
    let scored = "prediction: {score: score, class: class, positive: bad}";
    let with_id = MONITOR.replace("prediction: {score: score}", scored).replace("  time: ts", "  time: ts\n  id: id");
    write(folder, with_id + OF_LABELS.trim_start_matches('\n'))
}

fn write(folder: &Path, monitor: String) -> PathBuf {
    let mut reference = String::from("x,c,score,class,outcome\n");
    for i in 0..2000 {
        let row = Row::new(i, 0);
        let (x, category, score) = (row.number(1), row.category(), row.number(2));
        writeln!(reference, "{x},{category},{score},{},{}", word(row.is_chosen()), word(row.is_bad()))
            .expect("a string takes all");
    }
    fs::write(folder.join("reference.csv"), reference).expect("the folder can be written to");
    let file = folder.join("shaky.yaml");
    fs::write(&file, monitor).expect("the folder can be written to");
    file
}

fn word(is_bad: bool) -> &'static str {
    if is_bad { "bad" } else { "good" }
}

/// One row, which is a function of its number.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    number: u64,
    pub at: i64,
}

impl Row {
    pub fn new(number: u64, start: i64) -> Row {
        let behind = (fastrand::Rng::with_seed(number).u64(0..DISORDER)) as i64;
        Row { number, at: start + number as i64 * STEP - behind }
    }

    fn random(&self, salt: u64) -> f64 {
        // Of seeds that are close together, numbers would not be independent.
        let mut random = fastrand::Rng::with_seed(self.number);
        random = (0..salt).fold(random, |mut random, _| random.fork());
        random.f64()
    }

    fn number(&self, salt: u64) -> f64 {
        (self.random(salt) * 1000.0).floor() / 1000.0
    }

    fn category(&self) -> &'static str {
        ["a", "a", "a", "b", "b", "c"][(self.random(3) * 6.0) as usize]
    }

    fn block(&self) -> i64 {
        self.at.div_euclid(10 * WINDOW) % 4
    }

    pub fn is_null(&self) -> bool {
        self.block() == 1 && self.random(4) < 0.4
    }

    pub fn version(&self) -> &'static str {
        if self.random(5) < 0.7 { "1" } else { "2" }
    }

    pub fn partition(&self) -> i32 {
        (self.random(6) * f64::from(PARTITIONS)) as i32
    }

    /// The end of its window.
    pub fn window_end(&self) -> i64 {
        (self.at.div_euclid(WINDOW) + 1) * WINDOW
    }

    pub fn json(&self) -> String {
        let shift = if self.block() == 3 { 0.5 } else { 0.0 };
        let x = if self.is_null() { "null".to_owned() } else { (self.number(1) + shift).to_string() };
        let (at, version, category, score) = (self.at, self.version(), self.category(), self.number(2));
        let (id, class) = (self.number, word(self.is_chosen()));
        format!(
            r#"{{"ts":{at},"id":{id},"version":"{version}","x":{x},"c":"{category}","score":{score},"class":"{class}"}}"#
        )
    }

    pub fn is_chosen(&self) -> bool {
        self.number(2) >= 0.5
    }

    pub fn is_bad(&self) -> bool {
        self.random(7) < 0.1 + 0.8 * self.number(2)
    }

    /// One in eight rows never has a label.
    pub fn is_labelled(&self) -> bool {
        self.random(8) >= 0.125
    }

    /// The records of its label, each with its partition: one in five is wrong at first and corrected, maybe in another
    /// partition, and one in seven comes twice.
    pub fn labels(&self) -> Vec<(i32, String)> {
        if !self.is_labelled() {
            return Vec::new();
        }
        let record = |after: i64, is_bad: bool, salt: u64| {
            let (at, id) = (self.at + after, self.number);
            let text = format!(r#"{{"ts":{at},"id":{id},"outcome":"{}"}}"#, word(is_bad));
            ((self.random(salt) * f64::from(LABEL_PARTITIONS)) as i32, text)
        };
        let last = record(2000 + (5000.0 * self.random(9)) as i64, self.is_bad(), 10);
        let first = (self.random(11) < 0.2).then(|| record(1000, !self.is_bad(), 12));
        let again = (self.random(13) < 1.0 / 7.0).then(|| last.clone());
        first.into_iter().chain([last]).chain(again).collect()
    }
}

/// Rows that are being written.
pub struct Steady {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Row>>,
}

impl Steady {
    /// Begins to write, two thousand rows a second.
    pub fn start(broker: &Broker) -> Steady {
        Steady::begin(broker, false)
    }

    /// The same with labels, which come later.
    pub fn labelled(broker: &Broker) -> Steady {
        Steady::begin(broker, true)
    }

    fn begin(broker: &Broker, has_labels: bool) -> Steady {
        let writer = Writer::new(broker, "lz4");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            // Yesterday, so that no row is ever ahead of the clock.
            let start = (now().0 - 86_400_000) / (40 * WINDOW) * (40 * WINDOW) + 1000;
            let (mut rows, begun): (Vec<Row>, _) = (Vec::new(), Instant::now());
            let label = |row: &Row| {
                for (partition, text) in row.labels() {
                    writer.write(LABELS, Some(partition), "", Some(text.as_bytes()));
                }
            };
            while !stopped.load(Ordering::Relaxed) {
                let due = (begun.elapsed().as_millis() / 10) as usize * BURST;
                while rows.len() < due {
                    let row = Row::new(rows.len() as u64, start);
                    writer.write(TOPIC, Some(row.partition()), "", Some(row.json().as_bytes()));
                    rows.push(row);
                    rows.len().checked_sub(LAG + 1).filter(|_| has_labels).into_iter().for_each(|at| label(&rows[at]));
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            // One more in each partition, late enough to complete all windows before.
            let last = rows.iter().map(|row| row.window_end()).max().unwrap_or(start);
            let wait = if has_labels { 2 * WAIT } else { 0 };
            for partition in 0..PARTITIONS {
                let closing = Row { number: u64::MAX, at: last + LATENESS + wait };
                writer.write(TOPIC, Some(partition), "", Some(closing.json().as_bytes()));
            }
            if has_labels {
                rows.iter().skip(rows.len().saturating_sub(LAG)).for_each(label);
                for partition in 0..LABEL_PARTITIONS {
                    let nobodys = format!(r#"{{"ts":{},"id":"nobody","outcome":"bad"}}"#, last + LATENESS + wait);
                    writer.write(LABELS, Some(partition), "", Some(nobodys.as_bytes()));
                }
            }
            writer.finish();
            rows
        });
        Steady { stop, thread }
    }

    /// Writes what is due, then a row in each partition that completes every window; returns all but those last ones.
    pub fn finish(self) -> Vec<Row> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("all rows were written")
    }
}

/// The time by the clock.
pub fn now() -> Time {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970");
    Time(since.as_millis() as i64)
}

/// The end of the last window that has any of these rows.
pub fn last_end(rows: &[Row]) -> Time {
    Time(rows.iter().map(Row::window_end).max().expect("there are rows"))
}

/// What the replay of the same rows says.
pub fn replay(rows: &[Row], monitor: &Path, folder: &Path) -> Replayed {
    check(rows, elec2::replay(monitor, &written(folder, "rows.ndjson", rows.iter().map(Row::json))))
}

/// The same with their labels.
pub fn replay_labelled(rows: &[Row], monitor: &Path, folder: &Path) -> Replayed {
    let data = written(folder, "rows.ndjson", rows.iter().map(Row::json));
    let labels = rows.iter().flat_map(Row::labels).map(|(_, text)| text);
    check(rows, elec2::replay_with(monitor, &data, &[written(folder, "labels.ndjson", labels)]))
}

fn written(folder: &Path, name: &str, lines: impl Iterator<Item = String>) -> PathBuf {
    let file = folder.join(name);
    let text: String = lines.flat_map(|line| [line, "\n".to_owned()]).collect();
    fs::write(&file, text).expect("the folder can be written to");
    file
}

fn check(rows: &[Row], replayed: Replayed) -> Replayed {
    assert_eq!((replayed.summary.rows, replayed.summary.late), (rows.len() as u64, 0));
    replayed
}

/// For each window's end and version, its rows and how many of them have no `x`.
pub fn counts(rows: &[Row]) -> BTreeMap<(Time, &'static str), (u64, u64)> {
    let mut counts = BTreeMap::new();
    for row in rows {
        let count: &mut (u64, u64) = counts.entry((Time(row.window_end()), row.version())).or_default();
        count.0 += 1;
        count.1 += u64::from(row.is_null());
    }
    counts
}

/// What makes a measurement the same measurement.
pub fn identity(m: &Measurement) -> (Time, String, &'static str, String, String) {
    (m.window_end, m.version.clone(), m.family.name(), m.subject.clone(), m.statistic.clone())
}

/// Compares every field of every measurement; of those told more than once, the last.
#[track_caller]
pub fn compare(expected: &[Measurement], published: Vec<Measurement>) {
    let mut published: BTreeMap<_, _> = published.into_iter().map(|m| (identity(&m), m)).collect();
    let (mut missing, mut different) = (0, Vec::new());
    let told: BTreeSet<_> = expected.iter().map(|m| (identity(m), m.revision)).collect();
    assert_eq!(told.len(), expected.len(), "a replay tells each revision once");
    let expected: BTreeMap<_, _> = expected.iter().map(|m| (identity(m), m)).collect();
    for (identity, expected) in expected {
        match published.remove(&identity) {
            None => missing += 1,
            Some(found) if found != *expected => different.push((expected.clone(), found)),
            Some(_) => {}
        }
    }
    let (count, first) = (different.len(), different.first());
    assert!(
        missing == 0 && different.is_empty() && published.is_empty(),
        "{missing} missing, {} too many, {count} different, such as (expected, published) {first:#?}",
        published.len()
    );
}

/// Whatever was told more than once was told in the same words. `id` is the header with the identity. Returns how many
/// records were told again.
#[track_caller]
pub fn check_repeats(seen: &[Seen], id: &str) -> usize {
    let mut first: BTreeMap<(&str, &str), &Seen> = BTreeMap::new();
    for record in seen {
        let earlier = first.entry((&record.key, &record.headers[id])).or_insert(record);
        assert_eq!(
            (String::from_utf8_lossy(&earlier.value), &earlier.headers),
            (String::from_utf8_lossy(&record.value), &record.headers),
            "what is told again is the same"
        );
    }
    seen.len() - first.len()
}

/// Whether the measurements of the last window are there.
pub fn is_complete(seen: &[Seen], end: Time) -> bool {
    let text = format!("\"window_end\":\"{end}\"");
    seen.iter().rev().take(2000).any(|record| String::from_utf8_lossy(&record.value).contains(&text))
}

/// Whether labels have had their last word on the last window.
pub fn is_matured(seen: &[Seen], end: Time) -> bool {
    let text = format!("\"window_end\":\"{end}\"");
    seen.iter().rev().take(2000).any(|record| {
        let told = String::from_utf8_lossy(&record.value);
        [&text, "\"statistic\":\"coverage\"", "\"provisional\":false"].iter().all(|part| told.contains(*part))
    })
}
