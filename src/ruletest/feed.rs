//! Feeds a test: its figures to the rules, or its rows to all that is done with rows.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use serde_json::Value;

use super::Came;
use crate::config::ruletest::{Content, Feed, Series};
use crate::engine::Again;
use crate::measurement::Measurement;
use crate::monitor::Monitor;
use crate::reference::Reference;
use crate::replay::{self, Tell};
use crate::rule::alert::{AlertEvent, RetrainRequest};
use crate::time::{Span, Time};

/// Judges window after window, as the daemon would have if it had measured this.
pub(super) fn measurements(start: Time, series: &[Series], monitor: &Monitor) -> Came {
    let groups = series.iter().map(|series| (series.version(), series.slice()));
    let mut again = Again::new(monitor).counting(groups);
    let mut came = Came::default();
    let windowing = &monitor.windowing;
    for at in 0..series.iter().map(Series::len).max().unwrap_or(0) {
        let window = windowing.window(start + windowing.size + Span(windowing.every.0 * at as i64));
        let mut groups: BTreeMap<(&str, &str), Vec<Measurement>> = BTreeMap::new();
        for series in series {
            if let Some(measured) = series.measured(at, window) {
                groups.entry((series.version(), series.slice())).or_default().push(measured);
            }
        }
        // Windows without any rows are not judged: nothing is known of them.
        if groups.is_empty() {
            continue;
        }
        let mut measured: Vec<Vec<Measurement>> = groups.into_values().collect();
        let (alerts, retrains) = again.judge(window, &mut measured);
        came.alerts.extend(alerts);
        came.retrains.extend(retrains);
    }
    came.unknown = again.unknown();
    came
}

/// Reads, counts, measures and judges rows, as `tidegauge replay` does.
pub(super) fn rows(feeds: &[Feed], monitor: &Arc<Monitor>, reference: Option<Arc<Reference>>) -> Result<Came> {
    let folder = tempfile::tempdir().context("make a folder for the rows")?;
    let mut inputs: Vec<(Arc<str>, PathBuf)> = Vec::new();
    for (number, topic) in feeds.iter().map(|feed| feed.topic.as_str()).collect::<BTreeSet<_>>().into_iter().enumerate()
    {
        let contents = || feeds.iter().filter(|feed| feed.topic == topic).map(|feed| &feed.content);
        let files = contents().filter_map(|content| match content {
            Content::File(path) => Some(path.clone()),
            Content::Records(_) => None,
        });
        inputs.extend(files.map(|path| (Arc::from(topic), path)));
        let records = contents().filter_map(|content| match content {
            Content::File(_) => None,
            Content::Records(records) => Some(records),
        });
        let mut records: Vec<&(Time, Value)> = records.flatten().collect();
        if records.is_empty() {
            continue;
        }
        // They come in the order of their times, whatever the order in which they are written down.
        records.sort_by_key(|(at, _)| *at);
        let path = folder.path().join(format!("{number}.ndjson"));
        write(&records, &path).context("write the rows down")?;
        inputs.push((Arc::from(topic), path));
    }
    let mut collect = Collect::default();
    let summary = replay::quietly(monitor.clone(), reference, &inputs, &mut collect)?;
    Ok(Came {
        rejected: summary.rejected.values().sum(),
        reasons: summary.rejected.iter().map(|(reason, rows)| format!("{rows} {reason}")).collect(),
        late: summary.late,
        ..collect.0
    })
}

fn write(records: &[&(Time, Value)], path: &PathBuf) -> Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for (_, record) in records {
        serde_json::to_writer(&mut file, record)?;
        file.write_all(b"\n")?;
    }
    Ok(file.flush()?)
}

/// Keeps what a replay tells.
#[derive(Default)]
struct Collect(Came);

impl Tell for Collect {
    fn alert(&mut self, alert: &AlertEvent) -> Result<()> {
        self.0.alerts.push(alert.clone());
        Ok(())
    }

    fn retrain(&mut self, request: &RetrainRequest) -> Result<()> {
        self.0.retrains.push(request.clone());
        Ok(())
    }
}
