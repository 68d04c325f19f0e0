//! The daemon is killed, again and again: nothing is lost, nothing is counted twice, and ids stay what they were.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tidegauge::rule::alert::stable_id;

use super::{BEGIN, Rows, WINDOW, end_of, monitor, unique, write_reference};
use crate::support::broker::Broker;
use crate::support::program::{Daemon, Folder};
use crate::support::{wait_for, wait_until};

const PARTITIONS: i32 = 3;
/// Rows of each window in each partition.
const ROWS: i64 = 50;
const KILLS: usize = 4;

const ALERTS: &str = "drift: {underpowered: told}\nalerts:\n  - {alert: IncomeDrift, when: drift.income.psi > 0.25}\n";

/// Three windows are calm and three drift, by turns.
fn drifts(window: i64) -> bool {
    window.rem_euclid(6) >= 3
}

#[test]
fn no_row_is_lost_and_none_counted_twice_when_it_is_killed() {
    let (broker, folder) = (Broker::start(&[("loans", PARTITIONS)]), Folder::new());
    folder.configure(&broker.address, "");
    folder.write("rules/loan.yaml", monitor("loan", "loans", ALERTS));
    write_reference(&folder);
    let mut daemon = Daemon::start(&folder);
    let (mut windows, mut kills) = (0, 0);
    let mut send = || {
        for partition in 0..PARTITIONS {
            let rows = Rows { window: windows, partition, count: ROWS, drifted: drifts(windows) };
            broker.produce("loans", partition, rows.lines());
        }
        windows += 1;
    };
    while kills < KILLS {
        // It is killed in the midst of its work, at no particular point of it.
        wait_for("the daemon to measure something", || {
            send();
            daemon.metric("tidegauge_windows_total", &[]).filter(|&measured| measured > 0.0)
        });
        std::thread::sleep(Duration::from_millis(fastrand::u64(0..200)));
        daemon.kill();
        kills += 1;
        daemon = Daemon::start(&folder);
    }
    // The row that completes the last window is in none that is complete.
    let end = BEGIN + windows * WINDOW;
    (0..PARTITIONS).for_each(|p| broker.produce("loans", p, [format!(r#"{{"ts":{end},"version":"1"}}"#)]));
    let ends = [("model", "loan")];
    wait_until("the last window", || {
        daemon.metric("tidegauge_window_end_timestamp_seconds", &ends) == Some(end as f64 / 1e3)
    });
    // It ends only when what it has measured is published.
    assert_eq!(daemon.terminate().0.code(), Some(0));

    let measurements = unique(&broker.read("tidegauge.measurements"), "id");
    let rows: BTreeMap<&str, f64> = measurements
        .values()
        .filter(|m| m["statistic"] == "rows")
        .map(|m| (m["window_end"].as_str().expect("a time"), m["value"].as_f64().expect("a number")))
        .collect();
    let each = (ROWS * i64::from(PARTITIONS)) as f64;
    let expected: Vec<(String, f64)> = (0..windows).map(|window| (end_of(window), each)).collect();
    assert_eq!(rows.into_iter().map(|(end, rows)| (end.to_owned(), rows)).collect::<Vec<_>>(), expected);

    let alerts = unique(&broker.read("tidegauge.alerts"), "ce_id");
    assert_eq!(alerts.keys().cloned().collect::<BTreeSet<_>>(), events(windows));
}

/// The ids of the events that an undisturbed daemon tells of.
fn events(windows: i64) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for window in 0..windows {
        let first = window - window.rem_euclid(6) + 3;
        let episode = |first| stable_id(&["loan", "IncomeDrift", "1", "", "", &end_of(first)]);
        if window == first {
            ids.insert(stable_id(&[&episode(first), "firing", &end_of(window)]));
        } else if window > 0 && window.rem_euclid(6) == 0 {
            ids.insert(stable_id(&[&episode(window - 3), "resolved", &end_of(window)]));
        }
    }
    ids
}
