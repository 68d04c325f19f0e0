//! What the daemon counts is what was sent, and what it finds out reaches everyone who is to know.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tidegauge::rule::alert::stable_id;
use tidegauge::time::Time;

use super::{BEGIN, Rows, WINDOW, end_of, monitor, write_reference};
use crate::support::broker::{Broker, Found};
use crate::support::hook::{Hook, Told};
use crate::support::program::{Daemon, Folder};
use crate::support::wait_until;

const PARTITIONS: i32 = 3;
/// Rows of each window in each partition.
const ROWS: i64 = 300;

const ALERTS: &str = r#"drift: {underpowered: told, thresholds: {psi: 0.25}}
alerts:
  - alert: IncomeDrift
    when: drift.psi > 0.25
    for: 2
    labels: {team: "risk of {{ model }}"}
    notify: [hook]
    retrain: {name: nightly, cooldown: 12h}
"#;

/// Records that are turned away, and why.
fn rejected() -> Vec<(&'static str, Vec<u8>)> {
    let row = |ts: &str| format!(r#"{{"ts":{ts},"version":"1","income":1,"purpose":"car"}}"#).into_bytes();
    vec![
        ("not_json", b"{\"ts\": 17000000".to_vec()),
        ("not_json", vec![0xff, 0xfe, 0x00, 0x22]),
        ("not_json", Vec::new()),
        ("no_time", br#"{"version":"1","income":1}"#.to_vec()),
        ("no_time", row("null")),
        ("bad_time", row("\"yesterday\"")),
        ("time_out_of_range", row("4102444800000")),
        ("time_out_of_range", row("5")),
    ]
}

#[test]
fn what_is_sent_is_counted_and_what_is_found_is_told() {
    let (broker, hook, folder) = (
        Broker::start(&[("loans", PARTITIONS), ("clicks", 2), ("features", 1), ("predictions", 2)]),
        Hook::start(),
        Folder::new(),
    );
    folder.configure(&broker.address, &format!("receivers: {{hook: {{webhook: {{url: \"{}\"}}}}}}\n", hook.url));
    folder.write("rules/loan.yaml", monitor("loan", "loans", ALERTS));
    folder.write("rules/click.yaml", monitor("click", "clicks", ""));
    folder.write("rules/pair.yaml", PAIR);
    write_reference(&folder);
    let mut daemon = Daemon::start(&folder);
    assert_eq!(daemon.get("/-/healthy"), (200, "ok\n".to_owned()));
    daemon.wait_ready();

    send_loans(&broker, 0..5);
    alert_fires(&daemon, &broker, &hook);
    send_loans(&broker, 5..6);
    close(&broker, "loans", PARTITIONS, 6);
    alert_resolves(&daemon, &broker, &hook);
    loans_are_exact(&daemon);
    other_models_are_counted_apart(&daemon, &broker);
    rejected_rows_are_kept(&daemon, &broker);
    the_topic_has_what_the_api_has(&daemon, &broker);
    the_metrics_are_sound(&daemon);
    assert_eq!(daemon.terminate().0.code(), Some(0));
    let log = daemon.log_text();
    assert!(!log.contains(r#""level":"ERROR""#), "{log}");
}

/// An Alertmanager that hears no more of an alert takes it for resolved, so it is told of it again, also by a daemon that
/// has only the store to know it from; and once that it is over.
#[test]
fn an_alertmanager_is_told_again_of_what_fires() {
    let (broker, hook, folder) = (Broker::start(&[("loans", PARTITIONS)]), Hook::start(), Folder::new());
    let receivers = format!("receivers: {{hook: {{alertmanager: {{urls: [\"{}\"], resend: 300ms}}}}}}\n", hook.url);
    folder.configure(&broker.address, &receivers);
    folder.write("rules/loan.yaml", monitor("loan", "loans", ALERTS));
    write_reference(&folder);
    let mut daemon = Daemon::start(&folder);
    send_loans(&broker, 0..5);
    let told_since = |before: usize| wait_until("it to be told again", || hook.told().len() >= before + 3);
    told_since(0);
    assert_eq!(daemon.terminate().0.code(), Some(0));
    let before = hook.told().len();
    let daemon = Daemon::start(&folder);
    told_since(before);
    let told = hook.told();
    let alerts: Vec<&Value> = told.iter().map(|told| &told.event[0]).collect();
    let time = |alert: &Value, field: &str| -> Time {
        alert[field].as_str().and_then(|text| text.parse().ok()).expect("a time")
    };
    for alert in &alerts {
        // The labels are what makes it the same alert to an Alertmanager.
        assert_eq!(alert["labels"], alerts[0]["labels"]);
        assert_eq!(alert["labels"]["team"], "risk of loan");
        assert_eq!(time(alert, "startsAt"), time(alerts[0], "startsAt"));
    }
    assert!(time(alerts[told.len() - 1], "endsAt") > time(alerts[0], "endsAt"));
    send_loans(&broker, 5..6);
    close(&broker, "loans", PARTITIONS, 6);
    let resolved = |told: &Told| time(&told.event[0], "endsAt").to_string() == end_of(4);
    wait_until("it to be told that it is over", || hook.told().last().is_some_and(resolved));
    std::thread::sleep(Duration::from_secs(1));
    assert!(hook.told().last().is_some_and(resolved), "what is over is not told as firing again");
    drop(daemon);
}

/// Two windows are calm, two drift, and then all is calm again.
fn send_loans(broker: &Broker, windows: std::ops::Range<i64>) {
    for window in windows {
        for partition in 0..PARTITIONS {
            let drifted = (2..4).contains(&window);
            broker.produce("loans", partition, Rows { window, partition, count: ROWS, drifted }.lines());
        }
    }
}

/// One row of a later window in each partition, by which all earlier ones are complete.
fn close(broker: &Broker, topic: &str, partitions: i32, window: i64) {
    let at = BEGIN + window * WINDOW;
    (0..partitions).for_each(|partition| broker.produce(topic, partition, [format!(r#"{{"ts":{at},"version":"1"}}"#)]));
}

/// The id of the one episode, by what EVENTS.md and its makers say of it.
fn episode() -> String {
    stable_id(&["loan", "IncomeDrift", "1", "", "income", &end_of(2)])
}

fn event_id(state: &str, window: i64) -> String {
    stable_id(&[&episode(), state, &end_of(window)])
}

fn alert_fires(daemon: &Daemon, broker: &Broker, hook: &Hook) {
    wait_until("the alert to fire", || {
        daemon.api("/api/v1/alerts").first().is_some_and(|alert| alert["state"] == "firing")
    });
    let alerts = daemon.api("/api/v1/alerts?state=firing&model=loan");
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    let alert = &alerts[0];
    assert_eq!((&alert["id"], &alert["subject"]), (&json!(episode()), &json!("income")));
    assert_eq!(alert["labels"], json!({"team": "risk of loan"}));
    let labels = [("model", "loan"), ("alert", "IncomeDrift"), ("state", "firing")];
    // The page of metrics follows once the round is carried out.
    wait_until("the metrics to show it", || daemon.metric("tidegauge_alerts", &labels) == Some(1.0));
    assert_eq!(daemon.metric("tidegauge_alert_transitions_total", &labels), Some(1.0));
    wait_until("the receiver to be told", || !hook.told().is_empty());
    let told = &hook.told()[0];
    assert_eq!(told.id, event_id("firing", 3));
    assert_eq!(told.content_type, "application/cloudevents+json");
    assert_eq!(told.event["data"], *alert);
    let said = daemon.said("firing: ");
    assert_eq!((said.len(), &said[0]["id"]), (1, &json!(episode())));
    assert!(said[0]["message"].as_str().unwrap_or_default().contains("income of loan version 1"), "{said:?}");
    the_retrain_request_has_its_evidence(daemon, broker);
}

fn the_retrain_request_has_its_evidence(daemon: &Daemon, broker: &Broker) {
    let found = broker.read("tidegauge.retrain");
    assert_eq!(found.len(), 1, "{found:?}");
    let (record, request) = (&found[0], found[0].json());
    assert_eq!(record.headers["ce_type"], "io.tidegauge.retrain.requested.v1");
    assert_eq!(json!(record.headers["ce_id"]), request["id"]);
    assert_eq!(record.headers["ce_subject"], "loan/1");
    let expected = json!({
        "retrain": "nightly", "model": "loan", "version": "1", "alert": "IncomeDrift",
        "condition": "drift.psi > 0.25", "subjects": ["income"],
        "window_start": end_of(2), "window_end": end_of(3),
    });
    for (field, value) in expected.as_object().expect("it is an object") {
        assert_eq!(request[field], *value, "{field}");
    }
    let evidence = request["evidence"].as_array().expect("a list");
    assert_eq!((evidence.len(), &evidence[0]["statistic"]), (1, &json!("psi")));
    assert_eq!((&evidence[0]["threshold"], &evidence[0]["breached"]), (&json!(0.25), &json!(true)));
    let psi = daemon.course("loan", "income", "psi");
    assert_eq!(evidence[0]["value"].as_f64(), psi[3].1);
    // The window is the fourth, and before it each partition had three of as many rows.
    let offsets =
        |partition| json!({"topic": "loans", "partition": partition, "first": 3 * ROWS, "last": 4 * ROWS - 1});
    assert_eq!(request["offsets"], json!((0..PARTITIONS).map(offsets).collect::<Vec<_>>()));
}

fn alert_resolves(daemon: &Daemon, broker: &Broker, hook: &Hook) {
    wait_until("the receiver to hear the end of it", || hook.told().len() == 2);
    let told = hook.told();
    let ids: Vec<&str> = told.iter().map(|told| told.id.as_str()).collect();
    assert_eq!(ids, [event_id("firing", 3), event_id("resolved", 4)]);
    let alerts = daemon.api("/api/v1/alerts");
    assert_eq!((alerts.len(), &alerts[0]["state"]), (1, &json!("resolved")));
    assert_eq!(alerts[0]["reason"], "the condition no longer holds");
    wait_until("nothing to be left in the outbox", || daemon.metric("tidegauge_outbox_messages", &[]) == Some(0.0));
    assert_eq!(daemon.metric("tidegauge_notifications_total", &[("receiver", "hook")]), Some(2.0));
    let found = broker.read("tidegauge.alerts");
    let states = ["pending", "firing", "resolved"];
    for ((record, state), window) in found.iter().zip(states).zip([2, 3, 4]) {
        let expected = [
            ("ce_specversion", "1.0".to_owned()),
            ("ce_id", event_id(state, window)),
            ("ce_source", "/tidegauge/tidegauge".to_owned()),
            ("ce_type", format!("io.tidegauge.alert.{state}.v1")),
            ("ce_time", end_of(window)),
            ("ce_subject", "loan/1".to_owned()),
            ("content-type", "application/json".to_owned()),
        ];
        let expected: BTreeMap<String, String> = expected.map(|(name, value)| (name.to_owned(), value)).into();
        assert_eq!(record.headers, expected);
        assert_eq!(record.key, "loan");
        assert_eq!((&record.json()["id"], &record.json()["state"]), (&json!(episode()), &json!(state)));
    }
    assert_eq!(found.len(), states.len());
    assert_eq!(found[2].json(), alerts[0]);
    let data: Vec<Value> = told.iter().map(|told| told.event["data"].clone()).collect();
    assert_eq!(data, found[1..].iter().map(Found::json).collect::<Vec<_>>());
}

fn loans_are_exact(daemon: &Daemon) {
    let rows = ROWS * i64::from(PARTITIONS);
    wait_until("the last window", || daemon.course("loan", "", "rows").len() == 6);
    let expect = |subject: &str, statistic: &str, value: f64| {
        let course = daemon.course("loan", subject, statistic);
        let expected: Vec<_> = (0..6).map(|window| (end_of(window), Some(value))).collect();
        assert_eq!(course, expected, "{statistic} of {subject}");
    };
    expect("", "rows", rows as f64);
    expect("income", "null_rate", 0.1);
    expect("income", "missing_rate", 0.0);
    expect("error", "error_rate", 0.02);
    expect("", "rows_per_second", rows as f64 / 10.0);
    // The latency's grid is logarithmic, so the median is the end of the cell that 20 ms are in.
    for m in daemon.api("/api/v1/measurements?model=loan&statistic=latency_p50") {
        let (p50, error) = (m["value"].as_f64().expect("a value"), m["error_bound"].as_f64().expect("a bound"));
        assert!(p50 - error <= 0.02 && 0.02 <= p50, "{m}");
    }
    wait_until("the metrics to show it", || {
        daemon.metric("tidegauge_window_rows", &[("model", "loan")]) == Some(rows as f64)
    });
    let null_rate = daemon.metric("tidegauge_quality_null_rate_ratio", &[("model", "loan"), ("subject", "income")]);
    assert_eq!(null_rate, Some(0.1));
    // Six windows, and one row in each partition that closed the last.
    let counted = 6 * rows + i64::from(PARTITIONS);
    assert_eq!(daemon.metric("tidegauge_rows_total", &[("topic", "loans")]), Some(counted as f64));
    assert_eq!(daemon.metric("tidegauge_late_rows_total", &[("model", "loan")]), Some(0.0));
}

const PAIR: &str = "model: pair
inputs:
  - {topic: features, fields: [age]}
  - {topic: predictions}
schema:
  time: ts
  features: {age: numeric}
  prediction: {score: score}
  latency: {path: took, unit: us}
reference: {learnt: {rows: 100}}
window: {size: 10s, idle: 10m, min_rows: 10}
drift: {underpowered: told}
";

fn other_models_are_counted_apart(daemon: &Daemon, broker: &Broker) {
    for partition in 0..2 {
        broker.produce("clicks", partition, Rows { window: 0, partition, count: 150, drifted: false }.lines());
    }
    close(broker, "clicks", 2, 1);
    let send_pair = |window: i64| {
        let at = |i: i64| BEGIN + window * WINDOW + i * 10;
        broker.produce("features", 0, (0..200).map(|i| format!(r#"{{"ts":{},"age":{}}}"#, at(i), 20 + i % 50)));
        for partition in 0..2 {
            let row = |i: i64| format!(r#"{{"ts":{},"score":0.{:02},"took":1500}}"#, at(i), i);
            broker.produce("predictions", partition, (0..90).map(row));
        }
    };
    // The first window is what each log is learnt from. Rows that come before the counting threads have heard of what was
    // learnt, which is a moment after it is logged, are not counted.
    send_pair(0);
    wait_until("both logs to be learnt from", || daemon.said("learnt a reference").len() == 2);
    std::thread::sleep(Duration::from_millis(500));
    (1..3).for_each(send_pair);
    close(broker, "features", 1, 3);
    close(broker, "predictions", 2, 3);
    wait_until("the windows of the others", || {
        daemon.course("pair", "predictions", "rows").len() == 2 && !daemon.course("click", "", "rows").is_empty()
    });
    let course = |model, subject, statistic| daemon.course(model, subject, statistic);
    assert_eq!(course("click", "", "rows"), [(end_of(0), Some(300.0))]);
    assert_eq!(course("pair", "features", "rows"), [(end_of(1), Some(200.0)), (end_of(2), Some(200.0))]);
    assert_eq!(course("pair", "predictions", "rows"), [(end_of(1), Some(180.0)), (end_of(2), Some(180.0))]);
    // The same values as in what was learnt have not drifted.
    for subject in ["age", "score"] {
        let psi = course("pair", subject, "psi")[1].1;
        assert!(psi.is_some_and(|psi| psi < 0.25), "{subject}: {psi:?}");
    }
    let p50 = course("pair", "latency", "latency_p50")[1].1.expect("a value");
    assert!((0.0015..0.00154).contains(&p50), "{p50}");
    assert_eq!(course("loan", "", "rows").len(), 6);
}

fn rejected_rows_are_kept(daemon: &Daemon, broker: &Broker) {
    let rejected = rejected();
    broker.produce("loans", 1, rejected.iter().map(|(_, payload)| payload));
    let dead = ("topic", "loans");
    wait_until("the rejected rows to be copied", || {
        daemon.metric("tidegauge_dead_letters_total", &[dead]) == Some(rejected.len() as f64)
    });
    for (reason, count) in [("not_json", 3.0), ("no_time", 2.0), ("bad_time", 1.0), ("time_out_of_range", 2.0)] {
        let metric = daemon.metric("tidegauge_rejected_rows_total", &[dead, ("reason", reason)]);
        assert_eq!(metric, Some(count), "{reason}");
    }
    assert_eq!(daemon.metric("tidegauge_dead_letter_failures_total", &[dead]), Some(0.0));
    let found = broker.read("tidegauge.dead-letters");
    assert_eq!(found.len(), rejected.len());
    // They came after six windows and the row that closed the last.
    for ((record, (reason, payload)), offset) in found.iter().zip(&rejected).zip(6 * ROWS + 1..) {
        let expected = [("reason", *reason), ("topic", "loans"), ("partition", "1"), ("offset", &offset.to_string())];
        let expected = expected.map(|(name, value)| (format!("tidegauge_{name}"), value.to_owned()));
        assert_eq!(record.headers, BTreeMap::from(expected));
        assert_eq!(record.value, *payload);
    }
}

fn the_topic_has_what_the_api_has(daemon: &Daemon, broker: &Broker) {
    let count = daemon.api("/api/v1/measurements?limit=20000").len();
    let labels = [("topic", "tidegauge.measurements")];
    wait_until("all to be published", || {
        daemon.metric("tidegauge_produced_records_total", &labels) == Some(count as f64)
    });
    let found = broker.read("tidegauge.measurements");
    let in_order = |values: Vec<Value>| values.iter().map(Value::to_string).collect::<BTreeSet<_>>();
    let api = daemon.api("/api/v1/measurements?limit=20000");
    assert_eq!(found.len(), api.len());
    assert_eq!(in_order(found.iter().map(Found::json).collect()), in_order(api));
    let ids: BTreeSet<&str> = found.iter().map(|record| record.headers["id"].as_str()).collect();
    assert_eq!(ids.len(), found.len());
}

fn the_metrics_are_sound(daemon: &Daemon) {
    let text = daemon.get("/metrics").1;
    assert_eq!(daemon.metric("tidegauge_config_last_reload_successful", &[]), Some(1.0));
    assert_eq!(daemon.metric("tidegauge_paused_partitions", &[]), Some(0.0));
    let promtool =
        Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut promtool) = promtool else {
        eprintln!("promtool is not there, so the form of the metrics was not checked");
        return;
    };
    let mut input = promtool.stdin.take().expect("it was asked for");
    input.write_all(text.as_bytes()).expect("promtool reads");
    drop(input);
    let checked = promtool.wait_with_output().expect("promtool ends");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}
