//! A model to show: its monitor, measurements and alerts.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::{Reload, View};
use crate::measurement::{Family, Measurement};
use crate::monitor::{Input, Monitor, Source};
use crate::rule::State;
use crate::rule::alert::AlertEvent;
use crate::rule::condition::{Condition, Subjects};
use crate::rule::life::Patience;
use crate::rule::{Rule, Severity};
use crate::schema::{Path, Plausible, Schema};
use crate::stat;
use crate::telemetry::Telemetry;
use crate::time::{Span, Time, Windowing};

/// A view of nothing yet, and where its reload requests arrive.
pub fn view() -> (View, mpsc::Receiver<Reload>) {
    let (reload, requests) = mpsc::channel(1);
    (View::new(Telemetry::new(1000), Time(0), reload), requests)
}

/// One measurement of the model `credit`, in the first hour of 1970.
pub fn measurement(statistic: &str, subject: &str, value: Option<f64>) -> Measurement {
    let row = stat::ALL.iter().find(|row| row.name == statistic).expect("a statistic of the table");
    let threshold = row.threshold;
    Measurement {
        model: "credit".to_owned(),
        version: "7".to_owned(),
        window_start: Time(0),
        window_end: Time(3_600_000),
        rows: 48_213,
        value,
        undefined: value.is_none().then(|| "too few rows: 12 of 100".to_owned()),
        p_value: (row.family == Family::Drift).then_some(3.2e-12),
        threshold,
        breached: threshold.zip(value).map(|(threshold, value)| row.worse.is_beyond(value, threshold)),
        ..Measurement::new(row.family, subject, statistic)
    }
}

pub fn event(subject: &str, state: State) -> AlertEvent {
    AlertEvent {
        id: subject.to_owned(),
        model: "credit".to_owned(),
        version: "7".to_owned(),
        subject: subject.to_owned(),
        window_end: Time(3_600_000),
        since: Time(3_600_000),
        condition: "drift.psi > 0.2".to_owned(),
        annotations: BTreeMap::from([("summary".to_owned(), format!("FeatureDrift: {subject} of credit version 7"))]),
        evidence: vec![measurement("psi", subject, Some(0.31))],
        notify: vec!["oncall".to_owned()],
        ..AlertEvent::bare("FeatureDrift", state, Severity::Critical)
    }
}

pub fn monitor() -> Monitor {
    let rule = Rule {
        name: "FeatureDrift".to_owned(),
        when: Condition::parse("rows > 0.0", &Subjects::default()).expect("a condition"),
        patience: Patience { windows: 2, of: 2, ..Patience::default() },
        severity: Severity::Critical,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        notify: vec!["oncall".to_owned()],
        retrain: None,
    };
    let plausible = Plausible { earliest: Time(0), ahead: Span(0) };
    Monitor {
        model: "credit".to_owned(),
        inputs: vec![Input { topic: "credit.predictions".to_owned(), fields: vec![] }],
        schema: Schema {
            time: Path("ts".to_owned()),
            plausible,
            version: None,
            id: None,
            fields: vec![],
            answers: None,
        },
        reference: Source::Dataset("/private/credit.parquet".into()),
        against: Default::default(),
        resolution: 100,
        slicing: Default::default(),
        labels: None,
        grouping: Default::default(),
        choices: Default::default(),
        windowing: Windowing {
            size: Span(3_600_000),
            every: Span(300_000),
            lateness: Span(120_000),
            idle: Span(0),
            min_rows: 100,
        },
        measures: vec![],
        judging: Default::default(),
        budget: None,
        challenge: None,
        rules: vec![Arc::new(rule)],
    }
}
