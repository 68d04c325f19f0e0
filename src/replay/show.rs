//! What a replay prints: tables for a person, or one JSON object a line.

use std::collections::BTreeMap;
use std::io::{self, Write};

use anyhow::Result;
use serde::Serialize;

use crate::measurement::{Family, Measurement};
use crate::rule::alert::{AlertEvent, RetrainRequest, State};
use crate::time::Time;

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For reading: alerts as they would have come, then each statistic's course.
    Table,
    /// One object a line: measurements, alerts, retrain requests and a summary, told apart by `type`.
    Json,
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
    pub seconds: f64,
    #[serde(skip)]
    last_end: Option<Time>,
}

impl Summary {
    pub fn measured(&mut self, measurements: &[Measurement]) {
        // A window is one, however many slices of it are measured apart.
        self.windows += u64::from(measurements.first().is_some_and(|first| first.slice.is_empty()));
        self.measurements += measurements.len() as u64;
        self.last_end = measurements.first().map(|measurement| measurement.window_end);
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
    pub fn new(format: Format) -> Show {
        Show { format, out: io::BufWriter::with_capacity(1 << 16, io::stdout()), courses: BTreeMap::new() }
    }

    pub fn measurements(&mut self, measurements: &[Measurement]) -> Result<()> {
        for measurement in measurements {
            match self.format {
                Format::Json => self.json("measurement", measurement)?,
                Format::Table => self.note(measurement),
            }
        }
        Ok(())
    }

    pub fn alert(&mut self, alert: &AlertEvent) -> Result<()> {
        match self.format {
            Format::Json => self.json("alert", alert),
            Format::Table if alert.state == State::Pending => Ok(()),
            Format::Table => {
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

    pub fn retrain(&mut self, request: &RetrainRequest) -> Result<()> {
        match self.format {
            Format::Json => self.json("retrain", request),
            Format::Table => {
                let subjects = request.subjects.join(", ");
                let (end, name, alert) = (request.window_end, &request.retrain, &request.alert);
                Ok(writeln!(self.out, "{end}  retrain   {name}  asked for by {alert} {subjects}")?)
            }
        }
    }

    pub fn summary(&mut self, summary: &Summary) -> Result<()> {
        match self.format {
            Format::Json => self.json("summary", summary)?,
            Format::Table => {
                self.courses()?;
                let rejected: u64 = summary.rejected.values().sum();
                let reasons: Vec<String> =
                    summary.rejected.iter().map(|(reason, rows)| format!("{rows} {reason}")).collect();
                let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
                writeln!(
                    self.out,
                    "\n{} rows, {rejected} rejected{reasons}, {} late; {} windows, {} measurements; {} alerts fired, {} resolved; \
                     {} retrains; {:.2} s",
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
