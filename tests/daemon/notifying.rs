//! Alerts reach their receivers: soon, and none is lost or new when the daemon is killed and receivers fail.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tidegauge::audit::{Entry, What, verify};
use tidegauge::rule::State;
use tidegauge::rule::alert::stable_id;

use super::{BEGIN, Rows, WINDOW, end_of, monitor, write_reference};
use crate::support::broker::Broker;
use crate::support::hook::Hook;
use crate::support::program::{Daemon, Folder};
use crate::support::{PATIENCE, kills, wait_until};

const ALERTS: &str = "drift: {underpowered: told}\nalerts:\n  - {alert: IncomeDrift, when: drift.income.psi > 0.25, \
                      notify: [flaky, dead, people]}\n";

/// Every other window drifts, so that each window begins or ends an alert.
fn drifts(window: i64) -> bool {
    window % 2 == 1
}

/// Few rows, for the embedded broker forgets what is beyond 5 MiB.
fn send(broker: &Broker, window: i64) {
    broker.produce("loans", 0, Rows { window, partition: 0, count: 120, drifted: drifts(window) }.lines());
}

fn configure(folder: &Folder, broker: &Broker, flaky: &Hook, people: &Hook) {
    folder.configure_only_one(&broker.address);
    let file = folder.path("tidegauge.yaml");
    let text = std::fs::read_to_string(&file).expect("it was written");
    // Nobody listens at port 9.
    let receivers = format!(
        "receivers:\n  flaky: {{webhook: {{url: \"{}\", timeout: 300ms}}}}\n  \
         dead: {{webhook: {{url: \"http://127.0.0.1:9/\"}}}}\n  \
         people: {{webhook: {{url: \"{}\", format: alertmanager, timeout: 300ms}}}}\n\
         route: {{group_interval: 0s}}\n",
        flaky.url, people.url
    );
    folder.write("tidegauge.yaml", text + &receivers);
    folder.write("rules/loan.yaml", monitor("loan", "loans", ALERTS));
    write_reference(folder);
}

#[test]
fn no_alert_is_lost_or_new_when_it_is_killed_and_receivers_fail() {
    let (broker, folder) = (Broker::start(&[("loans", 1)]), Folder::new());
    let (flaky, people) = (Hook::flaky(), Hook::flaky());
    configure(&folder, &broker, &flaky, &people);
    let mut windows = 0;
    thread::scope(|scope| {
        let killing = scope.spawn(|| {
            for _ in 0..kills(8) {
                let daemon = Daemon::start(&folder);
                thread::sleep(Duration::from_millis(fastrand::u64(0..1500)));
                daemon.kill();
            }
        });
        while !killing.is_finished() {
            send(&broker, windows);
            windows += 1;
            thread::sleep(Duration::from_millis(300));
        }
    });
    // An even number of windows ends with one that drifts. The row that completes it is in none that is complete.
    let last = windows + i64::from(!drifts(windows - 1));
    (windows..last).for_each(|window| send(&broker, window));
    broker.produce("loans", 0, [format!(r#"{{"ts":{},"version":"1"}}"#, BEGIN + last * WINDOW)]);
    let expected: BTreeSet<String> = (1..last).map(|window| event(window).1).collect();
    flaky.heal();
    people.heal();
    let mut daemon = Daemon::start(&folder);
    let told = || flaky.told().iter().map(|told| told.id.clone()).collect::<BTreeSet<_>>();
    let missing = || expected.difference(&told()).count();
    let begun = Instant::now();
    while missing() > 0 && begun.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(25));
    }
    let (told, left) = (told(), daemon.metric("tidegauge_outbox_messages", &[]));
    let late: Vec<i64> = (1..last).filter(|window| !told.contains(&event(*window).1)).collect();
    assert!(late.is_empty(), "windows {late:?} of {last} were not told; {left:?} messages are left");
    assert_eq!(told, expected);
    each_was_told_in_order(&flaky);
    wait_until("people to know that it fires", || {
        people.told().last().is_some_and(|told| told.event["status"] == "firing")
    });
    the_audit_log_has_each_change_once(&daemon, last);
    // Those of the dead receiver still wait, and hold up nothing else.
    let waiting = daemon.metric("tidegauge_outbox_messages", &[]);
    assert!(waiting >= Some(expected.len() as f64), "{waiting:?}");
    assert_eq!(daemon.terminate().0.code(), Some(0));
}

/// The episode that a window begins or ends, and the event that says so.
fn event(window: i64) -> (String, String) {
    let begun = if drifts(window) { window } else { window - 1 };
    let episode = stable_id(&["loan", "IncomeDrift", "1", "", "", &end_of(begun)]);
    let state = if drifts(window) { "firing" } else { "resolved" };
    let id = stable_id(&[&episode, state, &end_of(window)]);
    (episode, id)
}

/// What was told more than once was the same each time, and no alert was over before it began.
fn each_was_told_in_order(hook: &Hook) {
    let mut events: BTreeMap<String, Value> = BTreeMap::new();
    let mut firing = BTreeSet::new();
    for told in hook.told() {
        let before = events.insert(told.id.clone(), told.event.clone());
        assert!(before.as_ref().is_none_or(|before| *before == told.event), "{before:?} is now {:?}", told.event);
        let (alert, state) = (told.event["data"]["id"].clone(), told.event["data"]["state"].clone());
        if state == "firing" {
            firing.insert(alert.to_string());
        } else {
            assert!(firing.contains(&alert.to_string()), "{alert} is over and had not begun");
        }
    }
}

/// What was changed is in the audit log, once and in order however often the daemon was killed, and the log is whole.
fn the_audit_log_has_each_change_once(daemon: &Daemon, windows: i64) {
    let mut lines: Vec<String> = Vec::new();
    loop {
        let (status, page) = daemon.get(&format!("/api/v1/audit?from={}", lines.len()));
        assert_eq!(status, 200, "{page}");
        if page.is_empty() {
            break;
        }
        lines.extend(page.lines().map(str::to_owned));
    }
    let entries: Vec<Entry> = lines.iter().map(|line| Entry::from_json(line).expect("an entry")).collect();
    verify(entries.iter().cloned().map(Ok), None, &[]).expect("the chain is whole");
    let changes = entries.iter().filter_map(|entry| match &entry.what {
        What::Alert { id, state, window_end, .. } => Some((id.clone(), *state, window_end.to_string())),
        _ => None,
    });
    let state = |window| if drifts(window) { State::Firing } else { State::Resolved };
    let expected: Vec<_> = (1..windows).map(|window| (event(window).0, state(window), end_of(window))).collect();
    assert_eq!(changes.collect::<Vec<_>>(), expected);
    let starts = entries.iter().filter(|entry| matches!(entry.what, What::Start { .. })).count();
    assert!(starts > kills(8) / 2, "{starts}");
}

/// What becomes known with the row that completes a window is told at once.
#[test]
fn an_alert_reaches_its_receiver_within_two_seconds() {
    let (broker, folder) = (Broker::start(&[("loans", 1)]), Folder::new());
    let (hook, people) = (Hook::start(), Hook::start());
    configure(&folder, &broker, &hook, &people);
    let daemon = Daemon::start_ready(&folder);
    let mut waits = Vec::new();
    for window in 0..20 {
        send(&broker, window);
        // Rows are late by nothing, so the next window's first row completes this one.
        let (before, complete) = (hook.told().len(), Instant::now());
        broker.produce("loans", 0, [format!(r#"{{"ts":{},"version":"1"}}"#, BEGIN + (window + 1) * WINDOW)]);
        if window > 0 {
            wait_until("it to be told", || hook.told().len() > before && people.told().len() > before);
            waits.push(complete.elapsed());
        }
    }
    waits.sort();
    println!(
        "alerts reached both receivers {:?} after their window was complete, the slowest {:?}",
        waits[9], waits[18]
    );
    // A busy machine may stop for longer now and then, but not each time.
    assert!(waits[9] < Duration::from_secs(2), "{waits:?}");
    drop(daemon);
}
