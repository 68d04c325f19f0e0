//! Labels find their predictions while the daemon is killed, again and again: none is lost, and none counts twice.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use serde_json::Value;

use super::{BEGIN, WINDOW, end_of, unique};
use crate::support::broker::Broker;
use crate::support::program::{Daemon, Folder};
use crate::support::{wait_for, wait_until};

const PARTITIONS: i32 = 3;
const LABEL_PARTITIONS: i32 = 2;
/// Predictions of each window.
const ROWS: i64 = 120;
const KILLS: usize = 5;
/// How many windows later than its prediction a label is sent.
const LAG: i64 = 2;
/// Longer than any label takes, which is three windows.
const WAIT: &str = "40s";

const MONITOR: &str = "
model: loan
inputs: [{topic: loans}]
labels: {topic: outcomes, id: id, time: ts, value: outcome, wait: 40s, lateness: 10s}
schema:
  time: ts
  id: id
  version: version
  features: {income: numeric, sex: categorical}
  prediction: {score: score, class: class, positive: bad}
  protected: [sex]
reference: {dataset: reference.csv}
window: {size: 10s, idle: 10m, min_rows: 10}
fairness: {min_rows: 10}
alerts:
  - {alert: Wrong, when: performance.accuracy < 0.3 && coverage > 0.5}
";

/// A prediction, which is a function of its window and number.
struct Row {
    window: i64,
    number: i64,
}

impl Row {
    fn mixed(&self, salt: i64) -> i64 {
        let mixed = (self.window * 1000 + self.number).wrapping_mul(2_654_435_761).wrapping_add(salt * 40_503);
        (mixed >> 7).rem_euclid(1000)
    }

    fn at(&self) -> i64 {
        BEGIN + self.window * WINDOW + self.number * (WINDOW - 1) / ROWS
    }

    fn id(&self) -> String {
        format!("loan-{}-{}", self.window, self.number)
    }

    fn score(&self) -> f64 {
        self.mixed(1) as f64 / 1000.0
    }

    fn is_chosen(&self) -> bool {
        self.score() >= 0.5
    }

    fn sex(&self) -> &'static str {
        if self.mixed(2) < 400 { "F" } else { "M" }
    }

    fn json(&self) -> String {
        format!(
            r#"{{"ts":{},"id":"{}","version":"1","income":{},"sex":"{}","score":{},"class":"{}"}}"#,
            self.at(),
            self.id(),
            self.mixed(3),
            self.sex(),
            self.score(),
            if self.is_chosen() { "bad" } else { "good" }
        )
    }

    /// What turns out; one in eight never tells.
    fn label(&self) -> Option<bool> {
        (self.mixed(4) >= 125).then(|| self.mixed(5) < 300 + 4 * self.mixed(1) / 10)
    }

    /// The records of its label: one in five is wrong at first, one in seven comes twice.
    fn labels(&self) -> Vec<String> {
        let record = |after: i64, is_bad: bool| {
            let (at, id) = (self.at() + after, self.id());
            format!(r#"{{"ts":{at},"id":"{id}","outcome":"{}"}}"#, if is_bad { "bad" } else { "good" })
        };
        let Some(is_bad) = self.label() else { return Vec::new() };
        let last = record(2000 + 20 * self.mixed(6), is_bad);
        let mut records = Vec::new();
        if self.mixed(7) < 200 {
            records.push(record(1000, !is_bad));
        }
        records.push(last.clone());
        if self.mixed(8) < 140 {
            records.push(last);
        }
        records
    }
}

fn rows(window: i64) -> impl Iterator<Item = Row> {
    (0..ROWS).map(move |number| Row { window, number })
}

fn send(broker: &Broker, window: i64) {
    for partition in 0..PARTITIONS {
        let here = rows(window).filter(|row| row.number % i64::from(PARTITIONS) == i64::from(partition));
        broker.produce("loans", partition, here.map(|row| row.json()));
    }
    for partition in 0..LABEL_PARTITIONS {
        // A correction is in the partition of what it corrects, or in the other one.
        let here =
            |at: usize, row: &Row| (row.mixed(9) + at as i64) % i64::from(LABEL_PARTITIONS) == i64::from(partition);
        let records = rows(window - LAG).flat_map(|row| {
            let records: Vec<String> = row.labels();
            records
                .into_iter()
                .enumerate()
                .filter(|(at, _)| here(*at, &row))
                .map(|(_, record)| record)
                .collect::<Vec<_>>()
        });
        broker.produce("outcomes", partition, records);
    }
}

fn write_reference(folder: &Folder) {
    let mut text = "income,sex,score,class,outcome\n".to_owned();
    for row in rows(-50).chain(rows(-49)).chain(rows(-48)) {
        let word = |is_bad: bool| if is_bad { "bad" } else { "good" };
        let label = row.label().map_or("", word);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{},{},{},{},{label}", row.mixed(3), row.sex(), row.score(), word(row.is_chosen()));
    }
    folder.write("rules/reference.csv", text);
}

#[test]
fn no_label_is_lost_and_none_counts_twice_when_it_is_killed() {
    assert!(MONITOR.contains(WAIT));
    let (broker, folder) = (Broker::start(&[("loans", PARTITIONS), ("outcomes", LABEL_PARTITIONS)]), Folder::new());
    folder.configure_only_one(&broker.address);
    folder.write("rules/loan.yaml", MONITOR);
    write_reference(&folder);
    let mut daemon = Daemon::start(&folder);
    let (mut window, mut kills) = (0, 0);
    while kills < KILLS {
        wait_for("the daemon to join something", || {
            send(&broker, window);
            window += 1;
            daemon.metric("tidegauge_matched_labels_total", &[]).filter(|&matched| matched > 0.0)
        });
        std::thread::sleep(Duration::from_millis(fastrand::u64(0..300)));
        daemon.kill();
        kills += 1;
        daemon = Daemon::start(&folder);
    }
    let windows = window - LAG;
    // What comes after closes the last windows, and ends the waiting for their labels.
    let end = BEGIN + (window + 20) * WINDOW;
    (0..PARTITIONS).for_each(|p| broker.produce("loans", p, [format!(r#"{{"ts":{end},"id":"end","version":"1"}}"#)]));
    (0..LABEL_PARTITIONS).for_each(|p| {
        broker.produce("outcomes", p, [format!(r#"{{"ts":{end},"id":"nobody","outcome":"bad"}}"#)]);
    });
    let last = (BEGIN + windows * WINDOW) as f64 / 1e3;
    wait_until("the last window to be told for the last time", || {
        daemon.metric("tidegauge_labelled_window_end_timestamp_seconds", &[("model", "loan"), ("slice", "")])
            >= Some(last)
    });
    assert_eq!(daemon.terminate().0.code(), Some(0));

    // What was told again was told in the same words.
    let told = unique(&broker.read("tidegauge.measurements"), "id");
    let last_word = |slice: &str, subject: &str, statistic: &str| -> BTreeMap<String, f64> {
        let is_it = |m: &&Value| {
            let is_known = m["family"] != "estimate" && m["provisional"] == false;
            m["slice"] == slice && m["subject"] == subject && m["statistic"] == statistic && is_known
        };
        let found = told.values().filter(is_it);
        found
            .map(|m| (m["window_end"].as_str().expect("a time").to_owned(), m["value"].as_f64().unwrap_or(-1.0)))
            .collect()
    };
    let count = |window: i64, is_counted: &dyn Fn(&Row, Option<bool>) -> bool| {
        rows(window).filter(|row| is_counted(row, row.label())).count() as f64
    };
    let expected = |is_counted: &dyn Fn(&Row, Option<bool>) -> bool| -> BTreeMap<String, f64> {
        (0..windows).map(|window| (end_of(window), count(window, is_counted))).collect()
    };
    let until = |found: BTreeMap<String, f64>| -> BTreeMap<String, f64> {
        found.into_iter().filter(|(end, _)| *end <= end_of(windows - 1)).collect()
    };
    assert_eq!(
        until(last_word("", "", "true_positives")),
        expected(&|row, label| row.is_chosen() && label == Some(true))
    );
    assert_eq!(
        until(last_word("", "", "false_negatives")),
        expected(&|row, label| !row.is_chosen() && label == Some(true))
    );
    let coverage: BTreeMap<String, f64> =
        expected(&|_, label| label.is_some()).into_iter().map(|(end, count)| (end, count / ROWS as f64)).collect();
    assert_eq!(until(last_word("", "", "coverage")), coverage);
    let women = |window: i64| {
        let positive = count(window, &|row, label| row.sex() == "F" && label == Some(true));
        let found = count(window, &|row, label| row.sex() == "F" && label == Some(true) && row.is_chosen());
        found / positive
    };
    let rates: BTreeMap<String, f64> = (0..windows).map(|window| (end_of(window), women(window))).collect();
    assert_eq!(until(last_word("sex=F", "sex", "true_positive_rate")), rates);
}
