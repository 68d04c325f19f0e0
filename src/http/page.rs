//! The landing page: what is watched, how it is, and where to read more.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use minijinja::value::Serde;
use minijinja::{Environment, Error};
use serde::Serialize;

use super::view::{ShownAlert, drift_reference};
use super::{MonitorStatus, Status, View};
use crate::measurement::{Family, Measurement};
use crate::rule::State;
use crate::rule::alert::AlertEvent;
use crate::stat::{self, Statistic};
use crate::time::{Span, Time};

/// What a glance takes in. The rest is counted, and a link away.
const GROUPS_SHOWN: usize = 12;
const SUBJECTS_SHOWN: usize = 12;
const RESOLVED_SHOWN: usize = 10;

/// The name's ending makes the template escape every value that it shows.
const TEMPLATE: &str = "page.html";

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut templates = Environment::new();
    let added = templates.add_template(TEMPLATE, include_str!("page.html"));
    debug_assert!(added.is_ok(), "{added:?}");
    templates
});

/// The page as it is now.
pub(super) fn render(view: &View, now: Time) -> Result<String, Error> {
    TEMPLATES.get_template(TEMPLATE)?.render(Serde(Page::new(view, now)))
}

#[derive(Serialize)]
struct Page {
    status: Status,
    now: String,
    started: String,
    active: Vec<Alert>,
    resolved: Vec<Alert>,
    models: Vec<Model>,
}

#[derive(Serialize)]
struct Alert {
    event: AlertEvent,
    since: String,
    summary: String,
    /// Why nobody is told of it.
    muted: Option<&'static str>,
}

#[derive(Serialize)]
struct Model {
    monitor: MonitorStatus,
    watermark: Option<String>,
    groups: Vec<Group>,
    groups_left_out: usize,
}

/// The latest window of one version and slice.
#[derive(Serialize)]
struct Group {
    version: String,
    slice: String,
    /// Whether no other version has a later window.
    is_current: bool,
    window: String,
    rows: String,
    /// The hash of what drift was measured against, where that is not what fixed the axes.
    reference: Option<String>,
    breaches: usize,
    /// What there is beside subjects: traffic, latency, errors.
    figures: Vec<Figure>,
    statistics: Vec<Column>,
    subjects: Vec<Subject>,
    subjects_left_out: usize,
    link: String,
}

#[derive(Serialize)]
struct Figure {
    name: String,
    about: &'static str,
    cell: Cell,
}

#[derive(Serialize)]
struct Column {
    name: &'static str,
    about: &'static str,
}

#[derive(Serialize)]
struct Subject {
    name: String,
    /// One for each column; `None` for what is not measured of this subject.
    cells: Vec<Option<Cell>>,
}

#[derive(Serialize)]
struct Cell {
    text: String,
    /// What it is compared with, or why there is no value.
    detail: String,
    breached: bool,
}

impl Page {
    fn new(view: &View, now: Time) -> Page {
        let status = view.status();
        let alert = |ShownAlert { event, muted }: ShownAlert| Alert {
            since: ago(event.since, now),
            summary: event.annotations.get("summary").unwrap_or(&event.condition).clone(),
            muted: muted.map(|muted| if muted.silenced_by.is_empty() { "inhibited" } else { "silenced" }),
            event,
        };
        let active = view.alert_events(|event| event.state != State::Resolved);
        let resolved = view.alert_events(|event| event.state == State::Resolved);
        Page {
            now: clock(now.floor(Span(1000))),
            started: ago(status.started_at, now),
            active: active.into_iter().map(alert).collect(),
            resolved: resolved.into_iter().take(RESOLVED_SHOWN).map(alert).collect(),
            models: view.monitors().into_iter().map(|monitor| Model::new(view, monitor, now)).collect(),
            status,
        }
    }
}

impl Model {
    fn new(view: &View, monitor: MonitorStatus, now: Time) -> Model {
        let mut windows = view.latest_windows(&monitor.model);
        // First all rows of each version, then of the slices, which may be many, those with the most breaches.
        windows.sort_by_cached_key(|window| {
            let first = window.first()?;
            let is_slice = !first.slice.is_empty();
            let breaches = if is_slice { breaches(window) } else { 0 };
            let order = (is_slice, Reverse(first.window_end), Reverse(breaches));
            Some((order, first.slice.clone(), Reverse(first.rows), first.version.clone()))
        });
        let newest = windows.iter().filter_map(|window| window.first()).map(|m| m.window_end).max();
        Model {
            watermark: monitor.watermark.map(|at| format!("{} ({})", clock(at), ago(at, now))),
            groups: windows
                .iter()
                .take(GROUPS_SHOWN)
                .filter_map(|window| Group::new(window, newest, &monitor))
                .collect(),
            groups_left_out: windows.len().saturating_sub(GROUPS_SHOWN),
            monitor,
        }
    }
}

impl Group {
    fn new(window: &[Measurement], newest: Option<Time>, monitor: &MonitorStatus) -> Option<Group> {
        let first = window.first()?;
        let (figures, compared): (Vec<_>, Vec<_>) =
            window.iter().partition(|m| [Family::Telemetry, Family::Attribution].contains(&m.family));
        let statistics = columns(&compared);
        let mut by_subject: BTreeMap<&str, Vec<&Measurement>> = BTreeMap::new();
        compared.iter().for_each(|m| by_subject.entry(&m.subject).or_default().push(m));
        let mut subjects: Vec<_> = by_subject.into_iter().collect();
        subjects.sort_by_cached_key(|(_, measurements)| Reverse(alarm(measurements)));
        let subject = |(name, measurements): &(&str, Vec<&Measurement>)| Subject {
            name: (*name).to_owned(),
            cells: statistics.iter().map(|column| Cell::find(measurements, column)).collect(),
        };
        Some(Group {
            version: first.version.clone(),
            slice: first.slice.clone(),
            is_current: Some(first.window_end) == newest,
            window: interval(first.window_start, first.window_end),
            rows: grouped(window.iter().map(|m| m.rows).max().unwrap_or(0)),
            reference: drift_reference(window)
                .filter(|hash| monitor.references.iter().all(|known| known.hash != *hash))
                .map(str::to_owned),
            breaches: breaches(window),
            figures: figures.iter().filter_map(|m| Figure::new(m)).collect(),
            subjects: subjects.iter().take(SUBJECTS_SHOWN).map(subject).collect(),
            subjects_left_out: subjects.len().saturating_sub(SUBJECTS_SHOWN),
            statistics: statistics.iter().map(|row| Column { name: row.name, about: row.about }).collect(),
            link: link(first),
        })
    }
}

impl Figure {
    fn new(m: &Measurement) -> Option<Figure> {
        let row = stat::find(m.family, &m.statistic)?;
        // A latency's name says what it is of; of several logs, the topic tells which one.
        let is_plain = m.subject.is_empty() || ["latency", "error"].contains(&m.subject.as_str());
        let name = if is_plain { row.name.to_owned() } else { format!("{} {}", m.subject, row.name) };
        Some(Figure { name, about: row.about, cell: Cell::new(m, row) })
    }
}

impl Cell {
    fn find(measurements: &[&Measurement], row: &Statistic) -> Option<Cell> {
        measurements.iter().find(|m| is_of(m, row)).map(|m| Cell::new(m, row))
    }

    fn new(m: &Measurement, row: &Statistic) -> Cell {
        let text = m.value.map_or("–".to_owned(), |value| shown(value, row.unit));
        let threshold = m.threshold.map(|threshold| format!("threshold {threshold}"));
        let p_value = m.p_value.map(|p| format!("p = {}", significant(p)));
        let rows = Some(format!("{} rows", grouped(m.rows)));
        let detectable = m.detectable.map(|least| format!("shows {} and more", significant(least)));
        let known = [m.undefined.clone(), threshold, p_value, detectable, rows];
        Cell {
            text,
            detail: known.into_iter().flatten().collect::<Vec<_>>().join(", "),
            breached: m.breached == Some(true),
        }
    }
}

fn breaches(window: &[Measurement]) -> usize {
    window.iter().filter(|m| m.breached == Some(true)).count()
}

/// The statistics worth a column, in the order of their table: where nothing is null, none is needed to say so.
fn columns(measurements: &[&Measurement]) -> Vec<&'static Statistic> {
    let says_something = |m: &Measurement| m.family == Family::Drift || m.value.is_some_and(|value| value != 0.0);
    let is_column = |row: &Statistic| measurements.iter().any(|m| is_of(m, row) && says_something(m));
    stat::ALL.iter().copied().filter(|row| is_column(row)).collect()
}

fn is_of(m: &Measurement, row: &Statistic) -> bool {
    m.family == row.family && m.statistic == row.name
}

/// What subjects are sorted by: how many breaches there are, and how close the closest value is to its threshold.
fn alarm(measurements: &[&Measurement]) -> (usize, u64) {
    let (mut breaches, mut closest) = (0, 0.0_f64);
    for m in measurements {
        breaches += usize::from(m.breached == Some(true));
        let (value, threshold) = (m.value.unwrap_or(0.0), m.threshold.unwrap_or(f64::INFINITY));
        closest = closest.max(value / threshold);
    }
    (breaches, (closest * 1e6) as u64)
}

/// Where all measurements of a group are.
fn link(m: &Measurement) -> String {
    let [model, version, slice] = [&m.model, &m.version, &m.slice].map(|text| encoded(text));
    format!("/api/v1/measurements?model={model}&version={version}&slice={slice}")
}

/// A text as a parameter's value in an address.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// A value with its unit, to the precision at which a person compares.
fn shown(value: f64, unit: &str) -> String {
    match unit {
        "ratio" => format!("{} %", significant(value * 100.0)),
        "seconds" if value.abs() < 1.0 => format!("{} ms", significant(value * 1e3)),
        "seconds" => format!("{} s", significant(value)),
        _ => significant(value),
    }
}

/// Three significant digits, and all of those before the point.
fn significant(value: f64) -> String {
    let magnitude = value.abs();
    let is_whole = value.fract() == 0.0 || magnitude >= 100.0;
    if magnitude >= 1e15 {
        format!("{value:.2e}")
    } else if is_whole {
        let sign = if value < 0.0 { "-" } else { "" };
        format!("{sign}{}", grouped(magnitude.round() as u64))
    } else if magnitude < 1e-3 {
        format!("{value:.1e}")
    } else {
        let decimals = (2.0 - magnitude.log10().floor()) as usize;
        format!("{value:.decimals$}")
    }
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|group| str::from_utf8(group).ok()).collect();
    groups.join(",")
}

/// Date and time of day in UTC, without what is zero anyway.
fn clock(at: Time) -> String {
    let text = at.to_string().replace('T', " ");
    let text = text.trim_end_matches('Z');
    text.strip_suffix(":00").unwrap_or(text).to_owned()
}

fn interval(start: Time, end: Time) -> String {
    let (start, end) = (clock(start), clock(end));
    match (start.split_once(' '), end.split_once(' ')) {
        (Some((day, _)), Some((same, time))) if day == same => format!("{start} – {time}"),
        _ => format!("{start} – {end}"),
    }
}

fn ago(at: Time, now: Time) -> String {
    let seconds = (now.0 - at.0) / 1000;
    let (number, unit) = match seconds.abs() {
        ..120 => (seconds.abs(), "s"),
        120..7_200 => (seconds.abs() / 60, "min"),
        7_200..172_800 => (seconds.abs() / 3_600, "h"),
        _ => (seconds.abs() / 86_400, "d"),
    };
    if seconds < 0 { format!("{number} {unit} ahead") } else { format!("{number} {unit} ago") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let cases =
            [(0.0, "0"), (0.2, "0.200"), (12.0, "12"), (-12.34, "-12.3"), (3.4e-9, "3.4e-9"), (1234567.8, "1,234,568")];
        for (value, text) in cases {
            assert_eq!(significant(value), text);
        }
        assert_eq!((shown(0.0123, "ratio"), shown(0.25, "seconds")), ("1.23 %".to_owned(), "250 ms".to_owned()));
        assert_eq!((grouped(0), grouped(1_000)), ("0".to_owned(), "1,000".to_owned()));
    }

    #[test]
    fn times_are_short() {
        assert_eq!(interval(Time(0), Time(3_600_000)), "1970-01-01 00:00 – 01:00");
        assert_eq!(interval(Time(0), Time(86_400_500)), "1970-01-01 00:00 – 1970-01-02 00:00:00.500");
        assert_eq!(
            (ago(Time(0), Time(300_000)), ago(Time(5_000), Time(0))),
            ("5 min ago".to_owned(), "5 s ahead".to_owned())
        );
    }

    #[test]
    fn addresses_are_encoded() {
        assert_eq!(encoded("a=b&c\"é"), "a%3Db%26c%22%C3%A9");
    }
}
