//! `tidegauge explain`: an alert's numbers once more, from the very rows that they were computed of.

mod base;
mod compare;
mod log;
mod recompute;
mod rows;
mod show;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, bail};

use crate::audit::{Entry, Told, What};
use crate::config::{self, Config};
use crate::monitor::Monitor;
use crate::rule::basis::Stretch;
use base::Base;
use compare::{Number, Origin};
use recompute::{Recomputed, Window};
use rows::Rereader;
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
    let rereader = Rereader::new(monitor, &config)?;
    let version = entries.first().map_or("", version_of);
    let base = base::base(monitor, version, &config, &found, &rereader)?;
    let mut is_same = found.verdict.is_ok();
    for entry in &entries {
        is_same &= explain(entry, &config, monitor, &base, &rereader, &mut show)?;
    }
    Ok(is_same)
}

fn model_of(entry: &Entry) -> Option<String> {
    match &entry.what {
        What::Alert { model, .. } => Some(model.clone()),
        _ => None,
    }
}

fn version_of(entry: &Entry) -> &str {
    match &entry.what {
        What::Alert { version, .. } => version,
        _ => "",
    }
}

/// Explains one change of the alert. Returns whether all of its numbers are the same.
fn explain(
    entry: &Entry,
    config: &Config,
    monitor: &Arc<Monitor>,
    base: &Base,
    rereader: &Rereader,
    show: &mut Show<impl io::Write>,
) -> Result<bool> {
    let What::Alert { counted, compared, joined, recalled, evidence, window_end, version, slice, .. } = &entry.what
    else {
        return Ok(true);
    };
    show.change(entry, config)?;
    if evidence.is_empty() {
        show.nothing()?;
        return Ok(true);
    }
    let window = Window { monitor, base, rereader, end: *window_end, version, slice };
    let origins: Vec<Origin> = evidence.iter().map(|told| compare::origin(told, recalled)).collect();
    let (mut of_rows, mut of_labels) = (None, None);
    if origins.contains(&Origin::Rows) {
        show.records("rows", counted.iter().map(Stretch::range))?;
        show.records("compared with", compared.iter().map(Stretch::range))?;
        of_rows = again(window.of_rows(counted, compared, recalled)?, &window, show)?;
    }
    if origins.contains(&Origin::Labels) {
        if let Some(joined) = joined {
            show.records("predictions", joined.predictions.iter().map(Stretch::range))?;
            show.records("labels", joined.labels.iter().cloned())?;
        }
        let revision = evidence.iter().map(|told| told.revision).max().unwrap_or(0);
        of_labels = again(window.of_labels(joined.as_ref(), revision)?, &window, show)?;
    }
    show.references(evidence, of_rows.iter().chain(&of_labels).flatten())?;
    let number = |(told, origin): (&Told, Origin)| {
        let again = match origin {
            Origin::Rows => of_rows.as_ref(),
            Origin::Labels => of_labels.as_ref(),
            Origin::Before => None,
        };
        // What could not be computed again is shown as it was, and is the same as nothing.
        match again {
            Some(again) => compare::number(told, again.iter().find(|one| compare::is_of_the_same(told, one))),
            None => compare::alone(told, origin),
        }
    };
    let numbers: Vec<Number> = evidence.iter().zip(origins).map(number).collect();
    show.numbers(&numbers)?;
    Ok(numbers.iter().all(Number::is_same))
}

/// What was computed again of the window's version and slice, as it would be in the log; `None` where that cannot be.
fn again(recomputed: Recomputed, window: &Window, show: &mut Show<impl io::Write>) -> Result<Option<Vec<Told>>> {
    match recomputed {
        Recomputed::Measured { measurements, rows } => {
            show.read(rows)?;
            let here = measurements
                .iter()
                .filter(|m| (m.version.as_str(), m.slice.as_str()) == (window.version, window.slice));
            Ok(Some(here.filter(|m| m.window_end == window.end).map(Told::from).collect()))
        }
        Recomputed::Impossible(why) => {
            show.impossible(&why)?;
            Ok(None)
        }
    }
}
