//! Rules change while the daemon runs: wrong ones change nothing, good ones lose nothing.

use serde_json::json;

use super::{Rows, end_of, monitor, write_reference};
use crate::support::broker::Broker;
use crate::support::program::{Daemon, Folder};
use crate::support::wait_until;

const PARTITIONS: i32 = 2;
const ROWS: usize = 200;

#[test]
fn wrong_rules_change_nothing_and_good_ones_lose_nothing() {
    let (broker, folder) = (Broker::start(&[("loans", PARTITIONS)]), Folder::new());
    folder.configure(&broker.address, "");
    folder.write("rules/loan.yaml", monitor("loan", "loans", ""));
    write_reference(&folder);
    let mut daemon = Daemon::start_ready(&folder);
    let rows = || daemon.course("loan", "", "rows");
    let successful = || daemon.metric("tidegauge_config_last_reload_successful", &[]);

    wrong_rules_are_refused(&daemon, &folder);
    // The old rules go on; the last window is half there, with a row that cannot be read.
    send(&broker, 0, ..);
    send(&broker, 1, ..ROWS / 2);
    broker.produce("loans", 0, ["no json"]);
    wait_until("the first window", || rows() == [(end_of(0), Some(400.0))]);
    wait_until("the half of the second", || {
        daemon.metric("tidegauge_rows_total", &[("topic", "loans")]) == Some(601.0)
    });

    let alerts = "alerts:\n  - {alert: Any, when: telemetry.rows > 0}\n";
    folder.write("rules/loan.yaml", monitor("loan", "loans", alerts));
    folder.write("rules/other.yaml", monitor("other", "loans", ""));
    assert_eq!(daemon.post("/-/reload"), (200, "reloaded\n".to_owned()));
    assert_eq!(successful(), Some(1.0));
    send(&broker, 1, ROWS / 2..);
    send(&broker, 2, ..);
    wait_until("the second window", || rows() == [(end_of(0), Some(400.0)), (end_of(1), Some(400.0))]);
    // The new rule was asked of it.
    wait_until("the new alert", || daemon.api("/api/v1/alerts").len() == 1);
    assert_eq!(daemon.api("/api/v1/alerts")[0]["since"], json!(end_of(1)));
    // The new monitor begins where the old one had open windows.
    wait_until("the other monitor", || daemon.course("other", "", "rows") == [(end_of(1), Some(400.0))]);
    // What was read once more was not counted once more.
    wait_until("all rows to be read", || daemon.metric("tidegauge_rows_total", &[("topic", "loans")]) == Some(1201.0));
    assert_eq!(daemon.metric("tidegauge_rejected_rows_total", &[("reason", "not_json")]), Some(1.0));
    assert_eq!(daemon.metric("tidegauge_late_rows_total", &[("model", "loan")]), Some(0.0));
    assert_eq!(broker.read("tidegauge.dead-letters").len(), 1);

    // A signal does the same, and what came of it is in the log.
    folder.write("rules/other.yaml", "model: [");
    daemon.signal("HUP");
    wait_until("the refusal", || successful() == Some(0.0));
    let said = |it: &serde_json::Value| it["message"].to_string().contains("other.yaml:1:");
    wait_until("the log to say why", || daemon.said("reload: the old rules stay").last().is_some_and(said));
    std::fs::remove_file(folder.path("rules/other.yaml")).expect("it is there");
    daemon.signal("HUP");
    wait_until("the reload", || successful() == Some(1.0));
    wait_until("the log to say so", || daemon.said("reloaded").len() == 2);
    assert!(daemon.api("/api/v1/monitors").iter().all(|monitor| monitor["model"] == "loan"));
    assert_eq!(daemon.metric("tidegauge_windows_total", &[("model", "other")]), None);
    assert_eq!(daemon.terminate().0.code(), Some(0));
}

fn wrong_rules_are_refused(daemon: &Daemon, folder: &Folder) {
    let good = monitor("loan", "loans", "");
    let wrong = good.replace("income: numeric", "income: numerical") + "alert: []\n";
    folder.write("rules/loan.yaml", wrong);
    let (status, body) = daemon.post("/-/reload");
    assert_eq!(status, 400);
    // Both mistakes are told, each with its place.
    assert!(body.contains("loan.yaml:6:22: "), "{body}");
    assert!(body.contains("loan.yaml:11:1: "), "{body}");
    assert_eq!(daemon.metric("tidegauge_config_last_reload_successful", &[]), Some(0.0));
    // A reference is only read when all else is right, and is as good a reason to stay with the old rules.
    folder.write("rules/loan.yaml", good.replace("reference.csv", "broken.parquet"));
    folder.write("rules/broken.parquet", "this is no Parquet");
    let (status, body) = daemon.post("/-/reload");
    assert_eq!(status, 400);
    assert!(body.contains("the monitor of loan") && body.contains("broken.parquet"), "{body}");
    assert_eq!(daemon.get("/-/ready").0, 200);
}

/// Sends a part of a window's rows to each partition.
fn send(broker: &Broker, window: i64, part: impl std::slice::SliceIndex<[String], Output = [String]> + Clone) {
    for partition in 0..PARTITIONS {
        let rows = Rows { window, partition, count: ROWS as i64, drifted: false };
        let lines: Vec<String> = rows.lines().collect();
        broker.produce("loans", partition, &lines[part.clone()]);
    }
}
