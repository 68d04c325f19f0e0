//! Reads the tests of a monitor's rules: `credit.test.yaml` beside `credit.yaml`.

mod expected;
mod measurements;
mod rows;
mod values;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::config::{Item, Map, Position, Reader, all, shown};
use crate::monitor::Monitor;
use crate::time::{Span, Time, Windowing};
pub use expected::{Alert, Retrain, Text};
pub use measurements::Series;
pub use rows::{Content, Feed};

/// One test: what goes in, and what has to come of it.
pub struct RuleTest {
    pub name: String,
    pub at: Position,
    /// Where the first window begins.
    pub start: Time,
    pub given: Given,
    pub alerts: Vec<Alert>,
    /// Where they stand, for what comes and is not among them.
    pub alerts_at: Position,
    /// The requests and where they stand; `None` when it is not asked which come.
    pub retrains: Option<(Vec<Retrain>, Position)>,
}

/// What goes in.
pub enum Given {
    /// Figures, as if they had been measured: the rules are all that is tested.
    Measurements(Vec<Series>),
    /// Rows, which are decoded, counted and measured; and how many of them are no good.
    Rows { feeds: Vec<Feed>, rejected: u64 },
}

/// What a test is read by.
struct Known<'a> {
    monitor: &'a Monitor,
    start: Time,
    /// The version that is meant where none is written.
    version: String,
}

/// Reads all tests of a file. They are only to be used if there is no problem.
pub fn read(reader: &Reader, monitor: &Monitor) -> Option<Vec<RuleTest>> {
    let map = reader.root().and_then(Item::map)?;
    map.need("tests", "[{name: a drifted amount pages, measurements: […], alerts: […]}]", |item| {
        let items = item.list()?;
        let mut names = BTreeSet::new();
        all(items.into_iter().map(|item| test(item, monitor, &mut names)))
    })
}

fn test<'a>(item: Item<'a>, monitor: &Monitor, names: &mut BTreeSet<&'a str>) -> Option<RuleTest> {
    const START: Time = Time(1_767_225_600_000);
    let map = item.map()?;
    let name = map.need("name", "a drifted amount pages", |item| {
        let name = item.text_like("what the rules should do")?;
        if !names.insert(name) {
            item.report(format!("a second test is called `{}`", shown(name)), None);
        }
        Some(name)
    });
    let start = map.or("start", START, |item| start(item, &monitor.windowing));
    let version = map.or("version", String::new(), |item| version(item, monitor));
    let known = Known { monitor, start: start.unwrap_or(START), version: version.unwrap_or_default() };
    let given = given(&map, &known);
    let alerts = map.need("alerts", "[]", |item| Some((expected::alerts(item, &known)?, item.at())));
    let retrains = map.maybe("retrains", |item| Some((expected::retrains(item, &known)?, item.at())));
    let (alerts, alerts_at) = alerts?;
    start?;
    let (name, given, retrains) = (name?.to_owned(), given?, retrains?);
    Some(RuleTest { name, at: item.at(), start: known.start, given, alerts, alerts_at, retrains })
}

fn start(item: Item<'_>, windowing: &Windowing) -> Option<Time> {
    let start = item.time()?;
    let before = start.floor(windowing.every);
    if before != start {
        let hint = format!("write {before} or {}", before + windowing.every);
        item.report(format!("no window of this monitor begins at {start}"), Some(hint));
        return None;
    }
    Some(start)
}

/// What goes in: one of two, and only one.
fn given(map: &Map<'_>, known: &Known<'_>) -> Option<Given> {
    let measurements = map.find("measurements").map(|item| measurements::read(item, known));
    let rows = map.find("rows").map(|item| rows::read(item, known));
    let rejected = map.find("rejected");
    let is_of_rows = rows.is_some() || measurements.is_none();
    if let Some(rejected) = rejected.filter(|_| !is_of_rows) {
        rejected.report("only `rows` can be rejected, and this test has none", None);
    }
    match (measurements, rows) {
        (Some(series), None) => Some(Given::Measurements(series?)),
        (None, Some(feeds)) => {
            let rejected = rejected.map_or(Some(0), |item| item.count(0..=u64::MAX));
            Some(Given::Rows { feeds: feeds?, rejected: rejected? })
        }
        (both, _) => {
            let message = match both {
                Some(_) => "a test has both `measurements` and `rows`",
                None => "a test has neither `measurements` nor `rows`",
            };
            let hint = "write `measurements` to test the rules alone, or `rows` to test all that is done with rows";
            map.item().report(message, Some(hint.to_owned()));
            None
        }
    }
}

fn version(item: Item<'_>, monitor: &Monitor) -> Option<String> {
    let version = item.text_like("a version such as 3")?;
    if monitor.schema.version.is_none() {
        let hint = "leave it out, or say under `schema` in the monitor where the version is".to_owned();
        item.report("this monitor knows no versions", Some(hint));
        return None;
    }
    Some(version.to_owned())
}

/// Which slice: pairs of a subject and a value, as figures and alerts name it.
fn slice(item: Item<'_>, monitor: &Monitor) -> Option<String> {
    let text = item.text_like("a slice such as country=NL")?;
    let subjects: Vec<&str> =
        text.split(',').map(|pair| pair.split_once('=').map_or(pair, |(subject, _)| subject)).collect();
    let groups = monitor.grouping.dimensions();
    let dimensions: Vec<&Vec<String>> = monitor.slicing.by.iter().chain(&groups).collect();
    if !text.split(',').all(|pair| pair.contains('=')) || !dimensions.iter().any(|by| **by == subjects) {
        let named = |by: &&Vec<String>| by.iter().map(|subject| format!("{subject}=…")).collect::<Vec<_>>().join(",");
        let known: Vec<String> = dimensions.iter().map(named).collect();
        let hint = match known.as_slice() {
            [] => "say in the monitor what to slice by, or leave it out".to_owned(),
            known => format!("write `{}`", known.join("` or `")),
        };
        item.report(format!("this monitor has no slice `{}`", shown(text)), Some(hint));
        return None;
    }
    Some(text.to_owned())
}

/// An instant, or how long after the start of the test it is.
fn instant(item: Item<'_>, start: Time) -> Option<Time> {
    const LIKE: &str = "a time such as 2026-01-01T12:00:00Z, or how long after `start` it is, such as 12h";
    let text = item.text_like(LIKE)?;
    let after = text.parse().ok().map(|span: Span| start + span);
    match after.or_else(|| text.parse().ok()) {
        Some(at) => Some(at),
        None => {
            item.report(format!("{item} is not a time"), Some(format!("write {LIKE}")));
            None
        }
    }
}

/// The end of a window, since what comes of a window comes with its end.
fn end(item: Item<'_>, known: &Known<'_>) -> Option<Time> {
    let at = instant(item, known.start)?;
    let Windowing { size, every, .. } = known.monitor.windowing;
    let (first, before) = (known.start + size, at.floor(every));
    if at < first {
        let hint = format!("the first window of this test ends at {first}, {size} after `start`");
        item.report(format!("no window of this test ends at {at}"), Some(hint));
        return None;
    }
    if before != at {
        let hint = format!("write {} or {}, the ends of windows", before.max(first), before + every);
        item.report(format!("no window ends at {at}"), Some(hint));
        return None;
    }
    Some(at)
}

/// Whether a name is that of a test of rules.
pub fn is_test(file: &Path) -> bool {
    stem(file).is_some()
}

/// A test's name without what makes it one.
fn stem(file: &Path) -> Option<&str> {
    let name = file.file_name()?.to_str()?;
    [".test.yaml", ".test.yml"].iter().find_map(|ending| name.strip_suffix(ending))
}

const ENDINGS: [&str; 2] = ["yaml", "yml"];

/// The tests that stand beside a monitor.
pub fn beside(monitor: &Path) -> Vec<PathBuf> {
    let tests = ENDINGS.map(|ending| monitor.with_extension(format!("test.{ending}")));
    tests.into_iter().filter(|test| test.is_file()).collect()
}

/// The monitor that a test is of, if it is there.
pub fn monitor_of(test: &Path) -> Option<PathBuf> {
    let stem = stem(test)?;
    let monitors = ENDINGS.map(|ending| test.with_file_name(format!("{stem}.{ending}")));
    monitors.into_iter().find(|monitor| monitor.is_file())
}
