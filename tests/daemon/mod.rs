//! The daemon as its operators meet it: a process beside a broker, with files, signals and HTTP.

mod challenging;
mod crash;
mod ending;
mod explaining;
mod labels;
mod notifying;
mod reload;
mod reporting;
mod telling;

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;

use crate::support::broker::Found;
use crate::support::program::Folder;

/// Where the rows' event time begins: long ago, so that windows are as fast as rows can be sent. It is a whole number
/// of windows after the epoch.
const BEGIN: i64 = 1_700_000_000_000;

/// The length of each window, in milliseconds.
const WINDOW: i64 = 10_000;

/// What the rows of one window in one partition look like.
#[derive(Clone, Copy)]
struct Rows {
    /// The number of the window, from 0.
    window: i64,
    partition: i32,
    count: i64,
    /// Whether incomes are higher than they were in the reference.
    drifted: bool,
}

impl Rows {
    /// One JSON row each. Of all rows a tenth has no income, a fiftieth failed, and two thirds took 20 ms, the others
    /// 40.
    fn lines(self) -> impl Iterator<Item = String> {
        (0..self.count).map(move |i| {
            let at = BEGIN + self.window * WINDOW + i * (WINDOW - 1) / self.count.max(2);
            let income = (i * 7 + i64::from(self.partition) * 13) % 100 + if self.drifted { 60 } else { 0 };
            let income = if i % 10 == 0 { "null".to_owned() } else { income.to_string() };
            let purpose = if i % 2 == 0 { "car" } else { "home" };
            let (error, latency) = (i % 50 == 0, if i % 3 == 2 { 40 } else { 20 });
            format!(
                r#"{{"ts":{at},"version":"1","income":{income},"purpose":"{purpose}","latency_ms":{latency},"error":{error}}}"#
            )
        })
    }
}

/// The monitor of such rows. What is particular to a test comes at its end.
fn monitor(model: &str, topic: &str, more: &str) -> String {
    format!(
        "model: {model}\ninputs: [{{topic: {topic}}}]\nschema:\n  time: ts\n  version: version\n  \
         features: {{income: numeric, purpose: categorical}}\n  latency: latency_ms\n  error: error\n\
         reference: {{dataset: reference.csv}}\nwindow: {{size: 10s, idle: 10m, min_rows: 100}}\n{more}"
    )
}

/// Writes the data set that the monitors compare with.
fn write_reference(folder: &Folder) {
    let mut text = "income,purpose\n".to_owned();
    for i in 0..1000 {
        let purpose = if i % 2 == 0 { "car" } else { "home" };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{},{purpose}", i % 100);
    }
    folder.write("rules/reference.csv", text);
}

/// The end of a window, as it is written.
fn end_of(window: i64) -> String {
    tidegauge::time::Time(BEGIN + (window + 1) * WINDOW).to_string()
}

/// What was told, by its id. What was told more than once was the same each time.
fn unique(found: &[Found], id: &str) -> BTreeMap<String, Value> {
    let mut unique = BTreeMap::new();
    for record in found {
        let told = record.json();
        let before = unique.insert(record.headers[id].clone(), told.clone());
        assert!(before.as_ref().is_none_or(|before| *before == told), "{before:?} is now {told}");
    }
    unique
}
