//! Configuration: read and checked whole, with every error at its place, before anything starts.

mod daemon;
mod monitor;
pub mod ruletest;
mod yaml;

#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::monitor::Monitor;
pub use daemon::{Action, Config, Limits, Topics, tests_in};
use ruletest::RuleTest;
use yaml::{Giver, Item, Map, Reader, all, alternatives, shown};
pub use yaml::{Position, hint};

/// One thing that is wrong with a configuration file, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    pub file: PathBuf,
    /// Counts from 1, like the column, which is in characters.
    pub line: usize,
    pub column: usize,
    pub message: String,
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file.display(), self.line, self.column, self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// All that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            write!(f, "{}{problem}", if index == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Reads the daemon's file and all monitors that it names.
///
/// # Errors
/// Everything that is wrong with any of the files, sorted by file and position.
pub fn load(file: &Path) -> Result<Config, Vec<Problem>> {
    let (config, problems) = daemon::read(Reader::open(file), monitor::read);
    whole(config, problems)
}

/// Reads one monitor alone. The receivers that it names are not looked for.
///
/// # Errors
/// Everything that is wrong with the file, sorted by position.
pub fn load_monitor(file: &Path) -> Result<Monitor, Vec<Problem>> {
    let reading = monitor::read(Reader::open(file), None);
    whole(reading.monitor, reading.problems)
}

/// Reads one monitor alone, whose data sets need not be there yet.
///
/// # Errors
/// Everything else that is wrong with the file, sorted by position.
pub fn load_monitor_without_data(file: &Path) -> Result<Monitor, Vec<Problem>> {
    let mut reader = Reader::open(file);
    reader.needs_data = false;
    let reading = monitor::read(reader, None);
    whole(reading.monitor, reading.problems)
}

/// Reads the tests of a monitor's rules.
///
/// # Errors
/// Everything that is wrong with the file, sorted by position.
pub fn load_rule_tests(file: &Path, monitor: &Monitor) -> Result<Vec<RuleTest>, Vec<Problem>> {
    let reader = Reader::open(file);
    let tests = ruletest::read(&reader, monitor);
    whole(tests, reader.into_problems())
}

/// The files of the monitors that the daemon's file names.
pub fn monitors_of(file: &Path) -> Vec<PathBuf> {
    Reader::open(file).root().and_then(Item::map).map_or(Vec::new(), |map| daemon::monitors_of(&map))
}

/// The files that are meant by files and folders: of a folder, all that are configuration.
///
/// # Errors
/// Each path that is not there.
pub fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Vec<Problem>> {
    let (mut files, mut problems) = (Vec::new(), Vec::new());
    for path in paths {
        let found = if path.is_dir() { daemon::in_folder(path) } else { path.metadata().map(|_| vec![path.clone()]) };
        let message = match found {
            Ok(found) if !found.is_empty() => {
                files.extend(found);
                continue;
            }
            Ok(_) => "there is no configuration in this folder".to_owned(),
            Err(error) => format!("cannot read it: {error}"),
        };
        problems.push(Problem { file: path.clone(), line: 1, column: 1, message, hint: None });
    }
    whole(Some(files), problems)
}

/// Whether a file is the daemon's, and not a monitor: its keys tell, or its name if there are none.
pub fn is_daemon(file: &Path) -> bool {
    const OF_DAEMON: [&str; 15] = [
        "kafka",
        "rules",
        "http",
        "store",
        "topics",
        "receivers",
        "actions",
        "limits",
        "workers",
        "external_url",
        "route",
        "inhibit",
        "silences",
        "watchdog",
        "mlflow",
    ];
    const OF_MONITOR: [&str; 6] = ["model", "inputs", "schema", "reference", "window", "alerts"];
    let reader = Reader::open(file);
    let count = |known: &[&str]| reader.keys().filter(|key| known.contains(key)).count();
    let by_name = || file.file_stem().is_some_and(|name| name == "tidegauge");
    match count(&OF_DAEMON).cmp(&count(&OF_MONITOR)) {
        Ordering::Greater => true,
        Ordering::Less => false,
        Ordering::Equal => by_name(),
    }
}

/// What reading a monitor's file gave.
struct Reading {
    /// There unless a value is missing or wrong; with any problem at all it is not to be used.
    monitor: Option<Monitor>,
    /// The model's name and where it stands, for finding two monitors of one name.
    model: Option<(String, Position)>,
    problems: Vec<Problem>,
}

/// Reads a monitor; the names are those of the daemon's receivers, if they are known.
type ReadMonitor = fn(Reader, Option<&BTreeSet<String>>) -> Reading;

/// What was read, if nothing at all is wrong.
fn whole<T>(value: Option<T>, mut problems: Vec<Problem>) -> Result<T, Vec<Problem>> {
    problems.sort();
    problems.dedup();
    match value {
        Some(value) if problems.is_empty() => Ok(value),
        _ => Err(problems),
    }
}
