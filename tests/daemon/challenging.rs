//! A verdict on a challenger is told once, and outlives the process.

use super::{BEGIN, WINDOW, end_of, monitor, write_reference};
use crate::support::broker::{Broker, Found};
use crate::support::program::{Daemon, Folder};
use crate::support::wait_until;

const ROWS: i64 = 300;
const WINDOWS: i64 = 16;

/// The rows of a window, half of them of either version. The first fails in a fifth of them, and the other in a tenth.
fn rows(window: i64) -> impl Iterator<Item = String> {
    (0..2 * ROWS).map(move |row| {
        let at = BEGIN + window * WINDOW + row * (WINDOW - 1) / (2 * ROWS);
        let mixed = ((window * 1000 + row).wrapping_mul(2_654_435_761) >> 7).rem_euclid(1000);
        let version = 1 + row % 2;
        let error = mixed < if version == 1 { 200 } else { 100 };
        format!(r#"{{"ts":{at},"version":"{version}","income":50,"purpose":"car","latency_ms":20,"error":{error}}}"#)
    })
}

fn verdicts(broker: &Broker) -> Vec<Found> {
    let found = broker.read("tidegauge.alerts");
    found.into_iter().filter(|it| it.headers["ce_type"] == "io.tidegauge.challenger.verdict.v1").collect()
}

fn is_shown(daemon: &Daemon) -> bool {
    let labels = [("model", "loan"), ("version", "2"), ("champion", "1"), ("verdict", "better")];
    daemon.metric("tidegauge_challenger_verdict", &labels) == Some(1.0)
}

#[test]
fn a_challenger_that_is_better_is_told_once() {
    let (broker, folder) = (Broker::start(&[("loans", 1)]), Folder::new());
    folder.configure(&broker.address, "");
    folder.write("rules/loan.yaml", monitor("loan", "loans", "challenge: {metric: telemetry.error_rate}\n"));
    write_reference(&folder);
    let mut daemon = Daemon::start_ready(&folder);
    (0..WINDOWS).for_each(|window| broker.produce("loans", 0, rows(window)));
    wait_until("the verdict to be shown", || is_shown(&daemon));
    let told = verdicts(&broker);
    assert_eq!(told.len(), 1, "{told:?}");
    let event = told[0].json();
    assert_eq!(
        (&event["version"], &event["champion"], &event["verdict"]),
        (&"2".into(), &"1".into(), &"better".into())
    );
    assert!(event["high"].as_f64().is_some_and(|high| high < 0.0), "less is better: {event}");
    assert_eq!((told[0].key.as_str(), &told[0].headers["ce_subject"]), ("loan", &"loan/2".to_owned()));
    let last = end_of(WINDOWS - 2);
    let shows_all = |daemon: &Daemon| {
        let monitors = daemon.api("/api/v1/monitors");
        let versions = monitors[0]["versions"].as_array().cloned().unwrap_or_default();
        let verdict = versions.iter().find(|it| it["version"] == "2").map(|it| it["verdict"].clone());
        verdict.is_some_and(|it| it["verdict"] == "better" && it["window_end"] == last.as_str())
    };
    wait_until("all windows to be compared", || shows_all(&daemon));
    assert!(daemon.terminate().0.success());
    let daemon = Daemon::start_ready(&folder);
    wait_until("the verdict to be shown again", || is_shown(&daemon));
    broker.produce("loans", 0, rows(WINDOWS));
    let labels = [("model", "loan"), ("version", "2"), ("slice", "")];
    let is_measured = || daemon.metric("tidegauge_window_end_timestamp_seconds", &labels).is_some();
    wait_until("another window", is_measured);
    assert_eq!(verdicts(&broker).len(), 1);
}
