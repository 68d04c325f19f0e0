//! What a replay prints: tables for a person, or one JSON object a line.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use super::Tell;
use super::parquet::Parquet;
use super::power::Power;
use super::what_if::Point;
use crate::join::Fared;
use crate::measurement::{Family, Measurement};
use crate::rule::State;
use crate::rule::alert::{AlertEvent, RetrainRequest};
use crate::time::{Span, Time};
use crate::verdict::Standing;

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For reading: alerts as they would have come, then each statistic's course.
    Table,
    /// One object a line: measurements, alerts, retrain requests, verdicts and a summary, told apart by `type`.
    Json,
    /// The measurements as a file, with one row each; alerts as in the table.
    Parquet,
}

/// A line of JSON: the record's own fields, and what it is.
#[derive(Serialize)]
struct Line<'a, T: Serialize> {
    r#type: &'a str,
    #[serde(flatten)]
    record: &'a T,
}

/// What came of the whole replay.
#[derive(Debug, Default, Serialize)]
pub struct Summary {
    pub rows: u64,
    pub rejected: BTreeMap<&'static str, u64>,
    pub late: u64,
    pub windows: u64,
    pub measurements: u64,
    pub fired: u64,
    pub resolved: u64,
    pub retrains: u64,
    /// How labels and predictions fared, where labels are waited for.
    pub labels: u64,
    pub labels_matched: u64,
    pub labels_corrected: u64,
    pub seconds: f64,
    /// Whether it was stopped before everything was read.
    pub interrupted: bool,
    #[serde(skip)]
    last_end: Option<Time>,
}

impl Summary {
    pub fn measured(&mut self, measurements: &[Measurement]) {
        // A window is one, however many slices of it are measured apart.
        self.windows += u64::from(measurements.first().is_some_and(|m| m.slice.is_empty() && m.revision == 0));
        self.measurements += measurements.len() as u64;
        self.last_end = measurements.first().map(|measurement| measurement.window_end);
    }

    pub fn joined(&mut self, fared: Fared) {
        self.labels += fared.labels;
        self.labels_matched += fared.matched;
        self.labels_corrected += fared.corrections;
    }

    pub fn alert(&mut self, alert: &AlertEvent) {
        match alert.state {
            State::Pending => {}
            State::Firing => self.fired += 1,
            State::Resolved => self.resolved += 1,
        }
    }

    /// A few words for the progress bar.
    pub fn headline(&self) -> String {
        let at = self.last_end.map_or(String::new(), |end| format!(" to {end}"));
        format!("{} windows{at}, {} alerts", self.windows, self.fired)
    }
}

/// Prints as the replay goes.
pub struct Show {
    format: Format,
    out: io::BufWriter<io::Stdout>,
    parquet: Option<Parquet>,
    has_courses: bool,
    /// For the table: the course of each statistic, by version, slice, family, subject and name.
    courses: BTreeMap<(String, String, Family, String, String), Course>,
}

#[derive(Default)]
struct Course {
    windows: u64,
    undefined: u64,
    breached: u64,
    first_breach: Option<Time>,
    values: Vec<f64>,
    threshold: Option<f64>,
}

impl Show {
    /// # Errors
    /// When the file for the measurements cannot be made.
    pub fn new(format: Format, output: Option<&Path>) -> Result<Show> {
        let out = io::BufWriter::with_capacity(1 << 16, io::stdout());
        let parquet = output.map(Parquet::create).transpose()?;
        Ok(Show { format, out, parquet, has_courses: format == Format::Table, courses: BTreeMap::new() })
    }
}

impl Tell for Show {
    fn measurements(&mut self, measurements: &[Measurement]) -> Result<()> {
        if let Some(parquet) = &mut self.parquet {
            parquet.measurements(measurements)?;
        }
        for measurement in measurements {
            match self.format {
                Format::Json => self.json("measurement", measurement)?,
                Format::Table => self.note(measurement),
                Format::Parquet => {}
            }
        }
        Ok(())
    }

    fn alert(&mut self, alert: &AlertEvent) -> Result<()> {
        match self.format {
            Format::Json => self.json("alert", alert),
            Format::Table | Format::Parquet if alert.state == State::Pending => Ok(()),
            Format::Table | Format::Parquet => {
                let (end, name) = (alert.window_end, &alert.alert);
                let summary = alert.annotations.get("summary").map_or("", String::as_str);
                // The summary tells of a state that is over by then, with numbers that there may no longer be.
                let written = match alert.state {
                    State::Resolved => {
                        writeln!(self.out, "{end}  resolved  {name}  {}: {}", alert.subject, alert.reason)
                    }
                    _ => writeln!(self.out, "{end}  firing    {name}  {summary}"),
                };
                Ok(written?)
            }
        }
    }

    fn retrain(&mut self, request: &RetrainRequest) -> Result<()> {
        match self.format {
            Format::Json => self.json("retrain", request),
            Format::Table | Format::Parquet => {
                let subjects = request.subjects.join(", ");
                let (end, name, alert) = (request.window_end, &request.retrain, &request.alert);
                Ok(writeln!(self.out, "{end}  retrain   {name}  asked for by {alert} {subjects}")?)
            }
        }
    }

    fn verdict(&mut self, standing: &Standing) -> Result<()> {
        match self.format {
            Format::Json => self.json("verdict", standing),
            Format::Table | Format::Parquet => {
                let end = standing.window_end;
                Ok(writeln!(self.out, "{end}  verdict   {}", standing.headline())?)
            }
        }
    }

    /// Shows what other thresholds would have done, in place of the course of each statistic.
    fn points(&mut self, points: &[Point]) -> Result<()> {
        self.has_courses = false;
        let mut name = "";
        for point in points {
            if self.format == Format::Json {
                self.json("what_if", point)?;
                continue;
            }
            if name != point.name {
                name = &point.name;
                let [alerts, breached] = ["alerts/day", "breached/day"];
                writeln!(
                    self.out,
                    "\n{name:<24} {:>8} {alerts:>11} {:>9} {breached:>13}  by rule",
                    "alerts", "breached"
                )?;
            }
            let value = point.value.map_or("as the monitor says".to_owned(), |value| format!("{value}"));
            let breached = point.breached_windows.map_or("-".to_owned(), |count| count.to_string());
            let per_day = point.breached_windows_per_day.map_or("-".to_owned(), |rate| format!("{rate:.3}"));
            let rules: Vec<String> = point.by_rule.iter().map(|(rule, count)| format!("{rule} {count}")).collect();
            let (alerts, rate) = (point.alerts, point.alerts_per_day);
            writeln!(
                self.out,
                "{value:<24} {alerts:>8} {rate:>11.3} {breached:>9} {per_day:>13}  {}",
                rules.join(", ")
            )?;
        }
        Ok(())
    }

    fn finish(&mut self, summary: &Summary, powers: &[Power]) -> Result<()> {
        if let Some(parquet) = self.parquet.take() {
            parquet.finish()?;
        }
        if self.has_courses {
            self.courses()?;
        }
        powers.iter().try_for_each(|power| self.power(power))?;
        match self.format {
            Format::Json => self.json("summary", summary)?,
            Format::Table | Format::Parquet => {
                let rejected: u64 = summary.rejected.values().sum();
                let reasons: Vec<String> =
                    summary.rejected.iter().map(|(reason, rows)| format!("{rows} {reason}")).collect();
                let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
                writeln!(
                    self.out,
                    "\n{}{} rows, {rejected} rejected{reasons}, {} late; {} windows, {} measurements; {} alerts fired, {} resolved; \
                     {} retrains; {:.2} s",
                    if summary.interrupted { "interrupted after " } else { "" },
                    summary.rows,
                    summary.late,
                    summary.windows,
                    summary.measurements,
                    summary.fired,
                    summary.resolved,
                    summary.retrains,
                    summary.seconds
                )?;
            }
        }
        Ok(self.out.flush()?)
    }
}

impl Show {
    /// Shows what noticed an injected change.
    fn power(&mut self, power: &Power) -> Result<()> {
        if self.format == Format::Json {
            return self.json("injection", power);
        }
        let delay =
            |seconds: Option<f64>| seconds.map_or("-".to_owned(), |seconds| Span((seconds * 1e3) as i64).to_string());
        writeln!(self.out, "\n{}", power.injection)?;
        writeln!(
            self.out,
            "  {:<40} {:>16} {:>16} {:>7} {:>9}  first breach",
            "statistic", "breached before", "breached after", "power", "delay"
        )?;
        for n in &power.statistics {
            writeln!(
                self.out,
                "  {:<40} {:>16} {:>16} {:>7} {:>9}  {}",
                format!("{}.{}.{}", n.family.name(), n.subject, n.statistic),
                format!("{} of {}", n.breached_before, n.windows_before),
                format!("{} of {}", n.breached_after, n.windows_after),
                n.power.map_or("-".to_owned(), |power| format!("{power:.3}")),
                delay(n.delay_seconds),
                n.first_breach.map_or("-".to_owned(), |at| at.to_string()),
            )?;
        }
        writeln!(
            self.out,
            "  {:<40} {:>16} {:>16} {:>7} {:>9}  first fired",
            "alert", "fired before", "", "", "delay"
        )?;
        for r in &power.alerts {
            let subject = if r.subject.is_empty() { String::new() } else { format!(" of {}", r.subject) };
            let version = if r.version.is_empty() { String::new() } else { format!(" version {}", r.version) };
            let first = match r.first_fired {
                Some(at) => at.to_string(),
                None if r.firing_before => "it was firing already".to_owned(),
                None => "-".to_owned(),
            };
            writeln!(
                self.out,
                "  {:<40} {:>16} {:>16} {:>7} {:>9}  {first}",
                format!("{}{subject}{version}", r.alert),
                r.fired_before,
                "",
                "",
                delay(r.delay_seconds),
            )?;
        }
        Ok(())
    }

    fn json<T: Serialize>(&mut self, r#type: &str, record: &T) -> Result<()> {
        serde_json::to_writer(&mut self.out, &Line { r#type, record })?;
        Ok(self.out.write_all(b"\n")?)
    }

    fn note(&mut self, m: &Measurement) {
        let key = (m.version.clone(), m.slice.clone(), m.family, m.subject.clone(), m.statistic.clone());
        let course = self.courses.entry(key).or_default();
        course.windows += 1;
        course.undefined += u64::from(m.value.is_none());
        course.values.extend(m.value);
        course.threshold = m.threshold;
        if m.breached == Some(true) {
            course.breached += 1;
            course.first_breach = course.first_breach.or(Some(m.window_end));
        }
    }

    fn courses(&mut self) -> Result<()> {
        writeln!(
            self.out,
            "\n{:<8} {:<10} {:<16} {:<18} {:>7} {:>9} {:>10} {:>10} {:>10} {:>9}  first breach",
            "version",
            "family",
            "subject",
            "statistic",
            "windows",
            "undefined",
            "median",
            "max",
            "threshold",
            "breached"
        )?;
        let mut before = "";
        for ((version, slice, family, subject, statistic), course) in &mut self.courses {
            if before != slice {
                writeln!(self.out, "{}", if slice.is_empty() { "all rows" } else { slice })?;
                before = slice;
            }
            course.values.sort_by(f64::total_cmp);
            let median = course.values.get(course.values.len() / 2);
            let shown = |number: Option<&f64>| number.map_or("-".to_owned(), |number| format!("{number:.4}"));
            writeln!(
                self.out,
                "{version:<8} {:<10} {subject:<16} {statistic:<18} {:>7} {:>9} {:>10} {:>10} {:>10} {:>9}  {}",
                family.name(),
                course.windows,
                course.undefined,
                shown(median),
                shown(course.values.last()),
                shown(course.threshold.as_ref()),
                course.breached,
                course.first_breach.map_or(String::new(), |at| at.to_string()),
            )?;
        }
        Ok(())
    }
}
