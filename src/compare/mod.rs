//! `tidegauge compare`: two data sets, one answer.

mod side;
mod drawing;
mod infer;
mod count;
mod judge;
mod headline;
mod terminal;
mod json;
mod html;
#[cfg(test)]
mod tests;

use std::fs::{self, Permissions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::config;
use crate::measurement::Family;
use crate::monitor::{Judging, Measure, Monitor};
use crate::schema::Field;
use crate::source::table::{self, Survey};
use crate::stat::surprise;
use count::Both;
use judge::Compared;

/// What to compare, and how to show it.
#[derive(Debug)]
pub struct Options {
    pub reference: PathBuf,
    pub current: PathBuf,
    /// Says what to measure, and what matters. Without one, everything that both files have is compared.
    pub monitor: Option<PathBuf>,
    /// Without one, the output's name tells.
    pub format: Option<Format>,
    /// Where to write instead of the standard output.
    pub output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For reading: what matters first.
    Table,
    /// One object a line: measurements, columns and a summary, told apart by `type`.
    Json,
    /// One page with pictures, in one file.
    Html,
}

/// What is asked of the two files.
struct Question {
    model: String,
    fields: Vec<Field>,
    measures: Vec<Measure>,
    judging: Judging,
    min_rows: u64,
    resolution: usize,
    /// Whether nobody chose what to measure, so that a column may turn out to be nothing to measure.
    is_inferred: bool,
}

/// What has to be known of a column beside its numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Told {
    subject: String,
    /// Whether it is compared nevertheless.
    compared: bool,
    why: String,
}

impl Told {
    /// A column that is not compared.
    fn new(subject: &str, why: impl Into<String>) -> Told {
        Told { subject: subject.to_owned(), compared: false, why: why.into() }
    }

    /// A column that is, with something to say of it.
    fn beside(subject: &str, why: impl Into<String>) -> Told {
        Told { compared: true, ..Told::new(subject, why) }
    }
}

/// The whole answer.
struct Comparison {
    /// The files' names and rows.
    reference: (String, u64),
    current: (String, u64),
    hash: String,
    verdict: Verdict,
    /// Those that matter most first.
    columns: Vec<Compared>,
    told: Vec<Told>,
    seconds: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    /// No column drifted, and none is of worse quality.
    Same,
    Changed,
    /// No drift statistic of any column has a value.
    Unknown,
}

/// Compares two files and writes what came of it. Returns whether they are alike.
///
/// # Errors
/// When the monitor is wrong, a file cannot be read or has no rows, there is nothing in both, or the output cannot be
/// written.
pub fn run(options: &Options) -> Result<bool> {
    let begun = Instant::now();
    let progress = ProgressBar::no_length();
    let style = "{bar:40} {pos}/{len} columns  {elapsed}  {msg}";
    progress.set_style(ProgressStyle::with_template(style).context("set up the progress bar")?);
    let comparison = compare(options, &progress, begun)?;
    progress.finish_and_clear();
    let to_terminal = options.output.is_none() && io::stdout().is_terminal();
    let is_coloured = to_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let text = match format(options) {
        Format::Table => terminal::render(&comparison, is_coloured),
        Format::Json => json::render(&comparison)?,
        Format::Html => html::render(&comparison).context("make the page")?,
    };
    match &options.output {
        Some(path) => write(path, text.as_bytes()).with_context(|| format!("write {}", path.display()))?,
        None => {
            let mut out = io::stdout().lock();
            out.write_all(text.as_bytes()).and_then(|()| out.flush())?;
        }
    }
    Ok(comparison.verdict == Verdict::Same)
}

fn format(options: &Options) -> Format {
    let of_name = || match options.output.as_ref()?.extension()?.to_str()? {
        "html" | "htm" => Some(Format::Html),
        "json" | "jsonl" | "ndjson" => Some(Format::Json),
        _ => None,
    };
    options.format.or_else(of_name).unwrap_or(Format::Table)
}

fn compare(options: &Options, progress: &ProgressBar, begun: Instant) -> Result<Comparison> {
    let Options { reference, current, monitor, .. } = options;
    let monitor = monitor.as_ref().map(|path| config::load_monitor(path).map_err(config::Problems)).transpose()?;
    for path in [reference, current] {
        if path.is_dir() {
            bail!("{}: it is a folder; name a file", path.display());
        }
    }
    progress.set_message("looking at the files");
    let surveys = match monitor {
        Some(_) => (rows_only(reference)?, rows_only(current)?),
        None => (table::survey(reference)?, table::survey(current)?),
    };
    let rows = surveys.0.rows.max(surveys.1.rows);
    let (question, mut told) = match monitor {
        Some(monitor) => (of_monitor(monitor), Vec::new()),
        None => {
            for (path, survey) in [(reference, &surveys.0), (current, &surveys.1)] {
                if survey.rows == 0 {
                    bail!("{}: there are no rows in it", path.display());
                }
            }
            infer::question(&surveys.0, &surveys.1)
        }
    };
    progress.set_message("");
    let mut both = count::count(&question, reference, current, rows, progress)?;
    told.append(&mut both.told);
    told.extend(absent(&question, &both, &told));
    told.sort();
    if question.is_inferred && question.fields.is_empty() {
        let why: Vec<String> = told.iter().take(5).map(|told| format!("{}: {}", told.subject, told.why)).collect();
        bail!("there is no column to compare in both files ({})", why.join("; "));
    }
    for (path, rows) in [(reference, both.reference.rows), (current, both.rows)] {
        if rows == 0 {
            bail!("{}: there are no rows in it", path.display());
        }
    }
    if both.current.is_empty() && !question.is_inferred {
        let names: Vec<&str> = question.fields.iter().map(|field| field.path.0.as_str()).collect();
        bail!("neither of the files' columns is both in the monitor and in the other file: {}", names.join(", "));
    }
    let columns = judge::compare(&question, &both);
    Ok(Comparison {
        reference: (shown(reference), both.reference.rows),
        current: (shown(current), both.rows),
        hash: both.reference.hash,
        verdict: verdict(&columns),
        columns,
        told,
        seconds: begun.elapsed().as_secs_f64(),
    })
}

fn shown(path: &Path) -> String {
    side::cut(&path.to_string_lossy(), 500)
}

/// A survey that need not know the columns, because a monitor does.
fn rows_only(path: &Path) -> Result<Survey> {
    Ok(if table::is_columnar(path)? { table::survey(path)? } else { Survey::default() })
}

/// What a monitor asks of its fields. What it asks of its logs, and of their course in time, files do not answer.
fn of_monitor(monitor: Monitor) -> Question {
    let is_of_two_files =
        |m: &&Measure| m.field.is_some() && m.statistic.family != Family::Telemetry && !surprise::is(m.statistic);
    let measures = monitor.measures.iter().filter(is_of_two_files);
    Question {
        measures: measures.copied().collect(),
        judging: monitor.judging,
        min_rows: monitor.windowing.min_rows,
        resolution: monitor.resolution,
        is_inferred: false,
        fields: monitor.schema.fields,
        model: monitor.model,
    }
}

/// The fields that one of the files does not have.
fn absent(question: &Question, both: &Both, told: &[Told]) -> Vec<Told> {
    let is_told = |subject: &str| told.iter().any(|told| !told.compared && told.subject == subject);
    let why = |subject: &str| match (both.reference.fields.contains_key(subject), both.current.contains_key(subject)) {
        (false, _) => Some("the reference does not have it"),
        (true, false) => Some("the current data does not have it"),
        (true, true) => None,
    };
    let subjects = question.fields.iter().map(|field| &field.subject).filter(|subject| !is_told(subject));
    subjects.filter_map(|subject| Some(Told::new(subject, why(subject)?))).collect()
}

fn verdict(columns: &[Compared]) -> Verdict {
    let is_known =
        |column: &Compared| column.measurements.iter().any(|m| m.family == Family::Drift && m.value.is_some());
    if columns.iter().any(|column| column.drifted || column.worse_quality) {
        Verdict::Changed
    } else if columns.iter().any(is_known) {
        Verdict::Same
    } else {
        Verdict::Unknown
    }
}

/// Writes a file whole or not at all: under another name first, so that nobody who looks, and no interruption, finds
/// half of it.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // What is there and no ordinary file, such as a pipe, cannot be replaced.
    if fs::metadata(path).is_ok_and(|file| !file.is_file()) {
        return fs::write(path, bytes);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // As the mask of the process allows, not for its owner alone.
    let mut file = tempfile::Builder::new().permissions(Permissions::from_mode(0o666)).tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
