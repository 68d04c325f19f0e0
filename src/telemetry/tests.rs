//! What is exported, as Prometheus and its linter see it.

use std::io::Write;
use std::process::{Command, Stdio};

use super::*;
use crate::join::Fared;
use crate::measurement::Family;
use crate::monitor::{Input, Source};
use crate::rows::Rejected;
use crate::rule::Rule;
use crate::rule::alert::RetrainRequest;
use crate::rule::condition::{Condition, Subjects};
use crate::rule::life::Patience;
use crate::schema::{Path, Plausible, Schema};
use crate::shard::Progress;
use crate::stat;
use crate::time::{Span, Windowing};
use crate::verdict::Verdict;
use crate::verdict::sample::standing;

#[test]
fn every_metric_of_the_table_is_exported_with_its_help_type_and_labels() {
    let text = eventful().render();
    for metric in metrics() {
        let kind = if metric.kind == Kind::Counter { "counter" } else { "gauge" };
        assert!(text.contains(&format!("# HELP {} ", metric.name)), "{} has no help", metric.name);
        assert!(text.contains(&format!("# TYPE {} {kind}\n", metric.name)), "{} is no {kind}", metric.name);
        let sample = text.lines().find(|line| name_of_line(line) == metric.name).expect("a family has a series");
        for label in metric.labels {
            assert!(sample.contains(&format!("{label}=\"")), "{sample} has no label {label}");
        }
    }
    let exported = text.lines().filter(|line| !line.starts_with('#')).map(name_of_line);
    let known = names();
    exported.for_each(|name| assert!(known.iter().any(|known| known == name), "{name} is not in the table"));
}

#[test]
fn names_are_unique() {
    let all = names();
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
}

#[test]
fn promtool_finds_nothing_to_complain_of() {
    let started =
        Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut promtool) = started else {
        println!("promtool is not installed, so the names were not checked");
        return;
    };
    promtool.stdin.take().unwrap().write_all(eventful().render().as_bytes()).unwrap();
    let checked = promtool.wait_with_output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

#[test]
fn what_was_measured_of_another_reference_is_no_longer_shown() {
    let telemetry = Telemetry::new(1000);
    let budget = "2 pages per 30d".parse().expect("a budget");
    let measured = Some(Measured { pages: 1.5, low: 0.5, high: 3.5, periods: 2.0 });
    telemetry.account("credit", Some(&Account { budget, spent: 1, left: 1.0, measured }));
    assert!(telemetry.render().contains("tidegauge_false_alarms_measured{"));
    telemetry.account("credit", Some(&Account { budget, spent: 1, left: 1.0, measured: None }));
    let text = telemetry.render();
    assert!(
        text.contains("tidegauge_false_alarm_budget{") && !text.contains("tidegauge_false_alarms_measured{"),
        "{text}"
    );
}

#[test]
fn a_window_replaces_the_one_before_it() {
    let telemetry = Telemetry::new(1000);
    let (mut psi, mut ks) = (measurement("psi", "income"), measurement("ks", "income"));
    (psi.breached, ks.p_value) = (Some(true), Some(0.25));
    telemetry.measured(&[psi.clone(), ks]);
    let text = telemetry.render();
    let labels = r#"{model="credit",version="7",slice="",subject="income"}"#;
    assert!(text.contains(&format!("tidegauge_drift_psi{labels} 0.5\n")), "{text}");
    assert!(text.contains(&format!("tidegauge_drift_ks_p_value{labels} 0.25\n")), "{text}");
    assert!(text.contains(r#"family="drift",subject="income",statistic="psi"} 1"#), "{text}");
    assert!(
        text.contains(r#"tidegauge_window_end_timestamp_seconds{model="credit",version="7",slice=""} 3600"#),
        "{text}"
    );

    psi.value = None;
    psi.breached = None;
    psi.rows = 900;
    telemetry.measured(&[psi]);
    let text = telemetry.render();
    assert!(!text.contains("income"), "{text}");
    assert!(text.contains(r#"tidegauge_window_rows{model="credit",version="7",slice=""} 900"#), "{text}");
    assert!(text.contains("tidegauge_series 2\n"), "{text}");
}

#[test]
fn what_is_not_a_number_is_not_shown() {
    let telemetry = Telemetry::new(1000);
    let mut psi = measurement("psi", "income");
    psi.value = Some(f64::NAN);
    telemetry.measured(&[psi]);
    assert!(!telemetry.render().contains("tidegauge_drift_psi"));
}

#[test]
fn series_beyond_the_limit_are_dropped_and_counted() {
    let telemetry = Telemetry::new(4);
    let subjects: Vec<String> = (0..10).map(|n| format!("f{n}")).collect();
    let window: Vec<Measurement> = subjects.iter().map(|subject| measurement("psi", subject)).collect();
    telemetry.measured(&window);
    let text = telemetry.render();
    assert_eq!(text.matches("tidegauge_drift_psi{").count(), 2, "{text}");
    assert!(text.contains("tidegauge_series_dropped_total 8\n"), "{text}");
    assert!(text.contains("tidegauge_series 4\n") && text.contains("tidegauge_series_limit 4\n"), "{text}");
}

#[test]
fn label_values_are_escaped() {
    let telemetry = Telemetry::new(1000);
    let mut psi = measurement("psi", "a\"} 1\nevil{b=\"\\");
    psi.slice = "</script>".to_owned();
    telemetry.measured(&[psi]);
    let text = telemetry.render();
    assert!(text.contains(r#"slice="</script>",subject="a\"} 1\nevil{b=\"\\"} 0.5"#), "{text}");
    assert!(!text.lines().any(|line| line.starts_with("evil")));
}

#[test]
fn a_reload_forgets_what_is_no_longer_configured() {
    let telemetry = eventful();
    let mut other = monitor();
    other.model = "other".to_owned();
    other.rules.clear();
    other.inputs[0].topic = "other.predictions".to_owned();
    telemetry.watching([&other]);
    telemetry.producing(&["drift"]);
    telemetry.notifying(&["mail"]);
    let text = telemetry.render();
    assert!(!text.contains("credit") && !text.contains("pager") && !text.contains("measurements\""), "{text}");
    assert!(text.contains(r#"tidegauge_rejected_rows_total{reason="not_json",topic="other.predictions"} 0"#), "{text}");
    assert!(text.contains(r#"tidegauge_produced_records_total{topic="drift"} 0"#), "{text}");
    assert!(text.contains(r#"tidegauge_notification_failures_total{receiver="mail"} 0"#), "{text}");
}

#[test]
fn a_rule_whose_severity_changes_is_not_counted_twice() {
    let telemetry = Telemetry::new(10);
    let mut monitor = monitor();
    telemetry.alerts(&monitor, []);
    if let Some(rule) = Arc::get_mut(&mut monitor.rules[0]) {
        rule.severity = Severity::Info;
    }
    telemetry.watching([&monitor]);
    telemetry.alerts(&monitor, []);
    let text = telemetry.render();
    assert!(text.contains(r#"severity="info""#) && !text.contains(r#"severity="critical""#), "{text}");
}

#[test]
fn a_revoked_partition_is_no_longer_told_of() {
    let telemetry = eventful();
    telemetry.revoked(&partition(0));
    let text = telemetry.render();
    assert!(!text.contains(r#"partition="0""#), "{text}");
    assert!(text.contains(r#"tidegauge_consumer_lag_rows{partition="1",topic="credit.predictions"} 7"#), "{text}");
}

#[test]
fn alerts_are_counted_by_rule_and_state() {
    let telemetry = Telemetry::new(10);
    let monitor = monitor();
    let key = |subject: &str| AlertKey {
        rule: "FeatureDrift".to_owned(),
        version: "7".into(),
        slice: "".into(),
        subject: subject.to_owned(),
    };
    let active = Active {
        id: "1".to_owned(),
        since: Time(0),
        recent: vec![(Time(0), true)],
        held: Time(0),
        firing: true,
        unknown: None,
    };
    let keys = [key("income"), key("age")];
    telemetry.alerts(&monitor, keys.iter().map(|key| (key, &active)));
    let line = |state: &str, n: u8| {
        format!(r#"tidegauge_alerts{{alert="FeatureDrift",model="credit",severity="critical",state="{state}"}} {n}"#)
    };
    let text = telemetry.render();
    assert!(text.contains(&line("firing", 2)) && text.contains(&line("pending", 0)), "{text}");
    telemetry.alerts(&monitor, []);
    assert!(telemetry.render().contains(&line("firing", 0)));
}

/// Telemetry to which everything has happened that can.
fn eventful() -> Telemetry {
    let telemetry = Telemetry::new(100_000);
    let monitor = monitor();
    telemetry.watching([&monitor]);
    telemetry.producing(&["measurements"]);
    telemetry.hearing();
    telemetry.notifying(&["pager"]);
    telemetry.read("credit.predictions", 10);
    let progress = Progress {
        model: "credit".into(),
        latest: None,
        frontier: Time(0),
        closed: vec![],
        late: 1,
        counted: 8,
        samples: vec![],
        predictions: vec![],
        labels: vec![],
    };
    telemetry.reported(&Report {
        partition: partition(0),
        next: Some(10),
        resume: Some(0),
        rejected: vec![Rejected { offset: 3, reason: Reason::BadTime }],
        progress: vec![progress],
    });
    telemetry.dead_letters("credit.predictions", 1);
    telemetry.dead_letters_failed("credit.predictions", 1);
    for number in [0, 1] {
        telemetry.lag(&partition(number), 7);
        telemetry.watermark("credit", &partition(number), Time(1_767_225_600_000));
    }
    telemetry.paused(1);
    let everything: Vec<Measurement> = stat::ALL
        .iter()
        .map(|row| Measurement {
            family: row.family,
            p_value: Some(1e-30),
            breached: Some(false),
            ..measurement(row.name, "income")
        })
        .collect();
    telemetry.measured(&everything);
    let fared = Fared { labels: 5, matched: 3, corrections: 1, predictions: 8, ..Fared::default() };
    telemetry.joined("credit", &fared);
    telemetry.polled("credit", false);
    telemetry.promoted("credit");
    telemetry.signature_differences("credit", 1);
    telemetry.recorded("credit", 2);
    telemetry.unrecorded("credit", 1);
    telemetry.record_failed("credit");
    telemetry.evaluated("credit", Time(1_767_225_601_500));
    telemetry.alerts(&monitor, []);
    telemetry.lacking(&monitor, []);
    let budget = "2 pages per 30d".parse().expect("a budget");
    let measured = Some(Measured { pages: 1.5, low: 0.5, high: 3.5, periods: 2.0 });
    telemetry.account("credit", Some(&Account { budget, spent: 1, left: 1.0, measured }));
    telemetry.standings("credit", &[standing(Verdict::Better)]);
    telemetry.incidents("credit", 1);
    telemetry.alerted(&event());
    telemetry.retrain_requested(&request());
    telemetry.retrain_moved("credit", crate::retrain::State::Held);
    telemetry.notified("pager", false);
    telemetry.outbox(1);
    telemetry.produced("measurements", 17);
    telemetry.produce_failed("measurements", 1);
    telemetry.committed(false);
    telemetry.reload_failed();
    telemetry.reloaded(Time(1_767_225_600_000));
    telemetry
}

#[test]
fn a_challenger_stands_in_one_way_at_a_time() {
    let telemetry = Telemetry::new(100);
    telemetry.standings("credit", &[standing(Verdict::Undecided)]);
    telemetry.standings("credit", &[standing(Verdict::Better)]);
    let told = || {
        let text = telemetry.render();
        let lines = text.lines().filter(|line| line.starts_with("tidegauge_challenger_"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let lines = told();
    let of = |verdict: &str, value: u8| {
        let labels = format!(r#"champion="7",model="credit",verdict="{verdict}",version="8""#);
        format!("tidegauge_challenger_verdict{{{labels}}} {value}")
    };
    for (verdict, value) in [("better", 1), ("worse", 0), ("equivalent", 0), ("undecided", 0)] {
        assert!(lines.contains(&of(verdict, value)), "{lines:#?}");
    }
    let low = r#"tidegauge_challenger_difference{bound="low",champion="7",model="credit",version="8"} 0.02"#;
    assert!(lines.iter().any(|line| line == low), "{lines:#?}");
    telemetry.standings("other", &[]);
    assert_eq!(told(), lines);
    telemetry.standings("credit", &[]);
    assert_eq!(told(), [""; 0]);
}

fn name_of_line(line: &str) -> &str {
    line.split(['{', ' ']).next().unwrap_or_default()
}

fn partition(partition: i32) -> Partition {
    Partition { topic: "credit.predictions".into(), partition }
}

fn measurement(statistic: &str, subject: &str) -> Measurement {
    Measurement {
        model: "credit".to_owned(),
        version: "7".to_owned(),
        window_start: Time(0),
        window_end: Time(3_600_000),
        rows: 1000,
        value: Some(0.5),
        ..Measurement::new(Family::Drift, subject, statistic)
    }
}

fn event() -> AlertEvent {
    AlertEvent {
        id: "1".to_owned(),
        model: "credit".to_owned(),
        version: "7".to_owned(),
        subject: "income".to_owned(),
        window_end: Time(3_600_000),
        since: Time(3_600_000),
        condition: "drift.psi > 0.2".to_owned(),
        ..AlertEvent::bare("FeatureDrift", State::Firing, Severity::Critical)
    }
}

fn request() -> RetrainRequest {
    RetrainRequest {
        id: "2".to_owned(),
        retrain: "nightly".to_owned(),
        model: "credit".to_owned(),
        version: "7".to_owned(),
        slice: String::new(),
        alert: "FeatureDrift".to_owned(),
        condition: "drift.psi > 0.2".to_owned(),
        subjects: vec![],
        window_start: Time(0),
        window_end: Time(3_600_000),
        evidence: vec![],
        offsets: vec![],
        reason: String::new(),
        rows: 0,
        labelled: None,
        coverage: None,
        link: String::new(),
        quiet_until: Time(0),
    }
}

fn monitor() -> Monitor {
    let rule = Rule {
        name: "FeatureDrift".to_owned(),
        when: Condition::parse("rows > 0.0", &Subjects::default()).expect("a condition"),
        patience: Patience::default(),
        severity: Severity::Critical,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        notify: vec![],
        retrain: None,
    };
    Monitor {
        model: "credit".to_owned(),
        inputs: vec![Input { topic: "credit.predictions".to_owned(), fields: vec![] }],
        schema: Schema {
            time: Path("ts".to_owned()),
            plausible: Plausible { earliest: Time(0), ahead: Span(0) },
            version: None,
            id: None,
            fields: vec![],
            answers: None,
        },
        reference: Source::Learnt { rows: 100 },
        against: Default::default(),
        resolution: 100,
        slicing: Default::default(),
        labels: None,
        grouping: Default::default(),
        choices: Default::default(),
        windowing: Windowing {
            size: Span(3_600_000),
            every: Span(300_000),
            lateness: Span(0),
            idle: Span(0),
            min_rows: 1,
        },
        measures: vec![],
        judging: Default::default(),
        budget: None,
        challenge: None,
        rules: vec![Arc::new(rule)],
    }
}
