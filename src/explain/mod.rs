//! `tidegauge explain`: an alert's numbers once more, from the very rows that they were computed of.

mod compare;
mod log;
mod recompute;
mod show;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};

use crate::audit::{Entry, Told, What};
use crate::config::{self, Config};
use crate::measurement::{Family, Measurement};
use crate::monitor::Monitor;
use crate::source::reread::Reader;
use crate::time::Time;
use compare::Number;
use recompute::{Base, Recomputed};
use show::Show;

/// What to explain, and by what.
#[derive(Debug)]
pub struct Options {
    /// The id of the episode.
    pub alert: String,
    /// The daemon's file.
    pub config: PathBuf,
    /// A store or a file of entries.
    pub audit: Option<PathBuf>,
    /// Where a daemon answers.
    pub url: Option<String>,
}

/// Computes every number of an alert again and shows it beside the one in the audit log. Returns whether all are the
/// same, to the last bit.
///
/// # Errors
/// When the configuration or the log cannot be read, the log has no such alert, or Kafka does not answer.
pub async fn run(options: &Options) -> Result<bool> {
    let config = config::load(&options.config).map_err(config::Problems)?;
    let mut found = log::find(options, &config).await?;
    let entries = std::mem::take(&mut found.entries);
    let Some(model) = entries.first().and_then(model_of) else {
        bail!("{} has no alert {}; ids are in events and at /api/v1/alerts", found.place, options.alert);
    };
    let mut show = Show::new(io::stdout());
    show.log(&found)?;
    let Some(monitor) = config.monitors.iter().find(|monitor| monitor.model == model) else {
        bail!("the configuration has no monitor of {model}");
    };
    let base = recompute::base(monitor, &config, &found)?;
    let reader = Reader::new(&config.kafka).context("start a Kafka consumer")?;
    let mut is_same = found.verdict.is_ok();
    for entry in &entries {
        is_same &= explain(entry, &config, monitor, &base, &reader, &mut show)?;
    }
    Ok(is_same)
}

fn model_of(entry: &Entry) -> Option<String> {
    match &entry.what {
        What::Alert { model, .. } => Some(model.clone()),
        _ => None,
    }
}

/// Explains one change of the alert. Returns whether all of its numbers are the same.
fn explain(
    entry: &Entry,
    config: &Config,
    monitor: &Arc<Monitor>,
    base: &Base,
    reader: &Reader,
    show: &mut Show<impl io::Write>,
) -> Result<bool> {
    let What::Alert { counted, evidence, window_end, version, slice, .. } = &entry.what else { return Ok(true) };
    show.change(entry, config)?;
    if evidence.is_empty() {
        show.nothing()?;
        return Ok(true);
    }
    let depends: Vec<Option<&str>> = evidence.iter().map(|told| compare::depends(told, monitor)).collect();
    let mut numbers = Vec::new();
    if depends.iter().any(Option::is_none) {
        let most_versions = config.limits.versions;
        match recompute::recompute(monitor, base, most_versions, reader, counted, *window_end)? {
            Recomputed::Measured { measurements, rows } => {
                show.rows(counted, rows)?;
                let again = placed(&measurements, version, slice, *window_end);
                show.references(evidence, &again)?;
                numbers = evidence.iter().map(|told| compare::number(told, again.get(&key(told)))).collect();
            }
            Recomputed::Impossible(why) => show.impossible(&why)?,
        }
    }
    // What could not be computed again is shown as it was, and is the same as nothing.
    let mut numbers = numbers.into_iter();
    let numbers: Vec<Number> = evidence
        .iter()
        .zip(depends)
        .map(|(told, depends)| match (depends, numbers.next()) {
            (None, Some(number)) => number,
            (depends, _) => compare::alone(told, depends),
        })
        .collect();
    show.numbers(&numbers)?;
    Ok(numbers.iter().all(Number::is_same))
}

/// What tells a number of an alert from its others.
type Key<'a> = (Family, &'a str, &'a str);

fn key(told: &Told) -> Key<'_> {
    (told.family, &told.subject, &told.statistic)
}

/// Those of one version, slice and window, as they would be in the log.
fn placed<'a>(measurements: &'a [Measurement], version: &str, slice: &str, end: Time) -> BTreeMap<Key<'a>, Told> {
    let is_there = |m: &&Measurement| m.version == version && m.slice == slice && m.window_end == end;
    // What labels say again of a window is no part of it.
    let first = measurements.iter().filter(is_there).filter(|m| m.revision == 0);
    first.map(|m| ((m.family, m.subject.as_str(), m.statistic.as_str()), Told::from(m))).collect()
}
