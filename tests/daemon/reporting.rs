//! What training jobs say of their runs on a topic: it is heard once, whatever befalls the daemon meanwhile.

use serde_json::{Value, json};

use super::{Rows, monitor, write_reference};
use crate::support::broker::Broker;
use crate::support::program::{Daemon, Folder};
use crate::support::{wait_for, wait_until};

const TOPIC: &str = "ml.retrains";
const MORE: &str = "actions: {nightly: {exec: {command: [\"true\"]}}}\nretrain_reports: {topic: ml.retrains}\n";
const ALERTS: &str = "alerts:\n  - {alert: Any, when: telemetry.rows > 0, retrain: nightly}\n";

/// The only run, once it is in this state.
fn becomes(daemon: &Daemon, state: &str) -> Value {
    wait_for(&format!("the run to be {state}"), || {
        let runs = daemon.api("/api/v1/retrains");
        runs.into_iter().find(|run| run["state"] == state)
    })
}

fn kind(what: &str) -> String {
    format!("io.tidegauge.retrain.{what}.v1")
}

fn say_structured(broker: &Broker, what: &str, data: &Value) {
    let event = json!({"specversion": "1.0", "id": "1", "source": "/trainer", "type": kind(what), "data": data});
    broker.tell(TOPIC, &[("content-type", "application/cloudevents+json; charset=UTF-8")], &event.to_string());
}

fn say_binary(broker: &Broker, what: &str, data: &Value) {
    let kind = kind(what);
    let attributes = [("ce_specversion", "1.0"), ("ce_id", "2"), ("ce_source", "/trainer"), ("ce_type", &kind)];
    broker.tell(TOPIC, &attributes, &data.to_string());
}

fn unheard(daemon: &Daemon, reason: &str) -> Option<f64> {
    daemon.metric("tidegauge_unheard_retrain_reports_total", &[("reason", reason)])
}

#[test]
fn a_run_is_reported_on_though_the_daemon_is_killed_meanwhile() {
    let (broker, folder) = (Broker::start(&[("loans", 1)]), Folder::new());
    folder.configure(&broker.address, MORE);
    folder.write("rules/loan.yaml", monitor("loan", "loans", ALERTS));
    write_reference(&folder);
    let daemon = Daemon::start_ready(&folder);
    for window in 0..2 {
        broker.produce("loans", 0, Rows { window, partition: 0, count: 100, drifted: false }.lines());
    }
    let id = becomes(&daemon, "triggered")["id"].as_str().expect("it has an id").to_owned();
    wait_until("the topic to be missed", || !daemon.said("follow: there is no such topic yet").is_empty());

    // The first record makes the topic.
    say_structured(&broker, "started", &json!({"id": id}));
    becomes(&daemon, "started");
    assert_eq!(unheard(&daemon, "unknown_run"), Some(0.0));
    say_binary(&broker, "failed", &json!({"id": "nobody", "why": "no rows"}));
    broker.tell(TOPIC, &[], "no event");
    wait_until("the unknown run", || unheard(&daemon, "unknown_run") == Some(1.0));
    wait_until("what is no event", || unheard(&daemon, "not_an_event") == Some(1.0));
    daemon.kill();

    let succeeded = json!({"id": id, "version": "8"});
    (0..2).for_each(|_| say_binary(&broker, "succeeded", &succeeded));
    let mut daemon = Daemon::start(&folder);
    assert_eq!(becomes(&daemon, "succeeded")["new_version"], "8");
    wait_until("the repeated report", || unheard(&daemon, "wrong_state") == Some(1.0));
    // What was read before it was killed is not read again.
    assert_eq!(daemon.metric("tidegauge_retrain_reports_total", &[]), Some(2.0));

    assert_eq!(daemon.post("/-/reload"), (200, "reloaded\n".to_owned()));
    say_structured(&broker, "failed", &json!({"id": id, "why": "too late"}));
    wait_until("what is said too late", || unheard(&daemon, "wrong_state") == Some(2.0));
    assert_eq!(daemon.metric("tidegauge_retrain_reports_total", &[]), Some(3.0));
    assert_eq!(becomes(&daemon, "succeeded")["why"], "");
    assert_eq!(said_by(&daemon), [("started".to_owned(), place(0)), ("succeeded".to_owned(), place(3))]);
    assert_eq!(daemon.terminate().0.code(), Some(0));
    assert!(!daemon.log_text().contains("too late"), "what is said is not logged");
}

fn place(offset: i64) -> String {
    format!("{TOPIC}[0]@{offset}")
}

/// What the audit log has by others than the daemon itself.
fn said_by(daemon: &Daemon) -> Vec<(String, String)> {
    let log = daemon.get("/api/v1/audit").1;
    let entries = log.lines().map(|line| serde_json::from_str::<Value>(line).expect("an entry is JSON"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let by_others = entries.filter(|entry| entry["who"] != "tidegauge");
    by_others.map(|entry| (text(&entry["what"]["state"]), text(&entry["who"]))).collect()
}
