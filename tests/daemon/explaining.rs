//! An alert's numbers come out the same when they are computed again from its rows, or it is said why they do not.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::process::Output;
use std::time::Duration;

use tidegauge::audit::{Entry, What};
use tidegauge::rule::State;

use super::{BEGIN, write_reference};
use crate::support::broker::Broker;
use crate::support::program::{Daemon, Folder};
use crate::support::wait_until;

const PARTITIONS: i32 = 3;
/// Rows of each partition, ten in a second.
const ROWS: i64 = 1200;

/// Windows overlap, rows come late and in any order, and slices are told apart.
const RULES: &str = r#"window: {size: 30s, every: 10s, lateness: 5s, idle: 10m, min_rows: 30}
slices: {by: [purpose], min_rows: 30}
drift: {numeric: [ks, psi, wasserstein], correction: benjamini_hochberg, underpowered: told}
alerts:
  - {alert: Drift, when: drift.psi > 0.3 && drift.ks > 0.1 && drift.wasserstein > 0}
  - {alert: Nulls, when: quality.null_rate > 0.12}
  - {alert: Either, when: quality.income.null_rate > 0.12 || drift.income.psi > 99}
  - {alert: Busy, when: telemetry.rows > 600 && telemetry.rows_per_second > 0}
"#;

/// What the model says of the same rows, and what turns out of them, with a budget of false alarms.
const LABELLED: &str = r#"model: score
inputs: [{topic: loans}]
labels: {topic: outcomes, id: id, time: ts, value: outcome, wait: 40s, lateness: 5s}
schema:
  time: ts
  id: id
  version: version
  features: {income: numeric, purpose: categorical}
  prediction: {class: class, positive: bad}
  protected: [purpose]
reference: {dataset: labelled.csv}
window: {size: 30s, every: 10s, lateness: 5s, idle: 10m, min_rows: 30}
slices: {by: [purpose], min_rows: 30}
fairness: {min_rows: 30}
drift: {numeric: [psi], underpowered: told}
budget: 2 pages per 30d
alerts:
  - {alert: Wrong, when: performance.accuracy < 0.9 && coverage > 0.1}
  - {alert: Unfair, when: fairness.selection_rate > 0.4 && performance.accuracy < 0.95}
  - {alert: Surprise, when: drift.surprise >= 1}
"#;

fn rules(model: &str, topic: &str, reference: &str) -> String {
    format!(
        "model: {model}\ninputs: [{{topic: {topic}}}]\nschema:\n  time: ts\n  version: version\n  \
         features: {{income: numeric, purpose: categorical}}\n  error: error\nreference: {reference}\n{RULES}"
    )
}

/// Rows of twenty seconds are calm, those of the next twenty have higher incomes and more nulls; the last ones are as nobody has seen them before. Some are up to twenty
/// seconds behind the others. In the last partition the first one is far ahead, so that many come too late for panes of
/// which that partition has no other rows.
fn rows(partition: i32) -> Vec<String> {
    let row = |at: i64, i: i64| {
        let drifts = at / 20_000 % 2 == 1;
        let income = (i * 7 + i64::from(partition) * 13) % 100 + if drifts { 45 } else { 0 };
        let income = income + if i >= 1000 { 1000 } else { 0 };
        let is_null = i % if drifts { 4 } else { 20 } == 0;
        let income = if is_null { "null".to_owned() } else { format!("{income}.{}", i % 9) };
        let purpose = if i % 3 == 0 { "car" } else { "home" };
        let (ts, id, class) = (BEGIN + at, id(partition, i), class(i));
        format!(
            r#"{{"ts":{ts},"id":"{id}","version":"1","income":{income},"purpose":"{purpose}","class":"{class}","error":false}}"#
        )
    };
    let ahead = if partition == PARTITIONS - 1 { vec![row(41_000, 1)] } else { Vec::new() };
    let others = (0..ROWS).map(|i| {
        let behind = if i % 7 == 0 { i * 7919 % 20_000 } else { 0 };
        if i % 111 == 110 { "not JSON".to_owned() } else { row((i * 100 - behind).max(0), i) }
    });
    ahead.into_iter().chain(others).collect()
}

fn id(partition: i32, i: i64) -> String {
    format!("{partition}-{i}")
}

fn class(i: i64) -> &'static str {
    if i % 2 == 0 { "bad" } else { "good" }
}

/// Rows of an hour before, which later windows may be compared with.
fn earlier(partition: i32) -> impl Iterator<Item = String> {
    rows(partition).into_iter().filter(|row| row.starts_with('{')).take(300).enumerate().map(move |(i, row)| {
        let (_, rest) = row.split_once(r#","version""#).expect("it has one");
        format!(
            r#"{{"ts":{},"id":"{}","version"{rest}"#,
            BEGIN - 3_600_000 + 100 * i as i64,
            id(partition + 10, i as i64)
        )
    })
}

/// Labels of a partition's rows from 1 s to 12 s later. Where rows drift many turn out otherwise than was said; some are
/// said twice, and some are corrected.
fn labels(partition: i32) -> Vec<String> {
    let label = |i: i64, after: i64, is_as_said: bool| {
        let outcome = class(if is_as_said { i } else { i + 1 });
        let ts = BEGIN + i * 100 + after;
        format!(r#"{{"ts":{ts},"id":"{}","outcome":"{outcome}"}}"#, id(partition, i))
    };
    let of = |i: i64| {
        let (drifts, after) = (i / 200 % 2 == 1, 1000 + i * 977 % 11_000);
        let first = label(i, after, !drifts || i % 3 != 0);
        let second = (i % 5 == 0).then(|| label(i, after + 500, i % 10 == 0));
        std::iter::once(first).chain(second)
    };
    (0..ROWS).filter(|i| i % 4 != 3).flat_map(of).collect()
}

fn write_labelled_reference(folder: &Folder) {
    let row = |i: i64| {
        let purpose = if i % 2 == 0 { "car" } else { "home" };
        format!("{},{purpose},{},{}\n", i % 100, class(i / 2), class(i / 2 + i64::from(i % 20 == 0)))
    };
    folder.write(
        "rules/labelled.csv",
        format!("income,purpose,class,outcome\n{}", (0..1000).map(row).collect::<String>()),
    );
}

/// The ids of a model's alerts that have fired by now, from the log that the daemon has.
fn fired(log: &str, model: &str) -> BTreeSet<String> {
    let entries = log.lines().map(|line| Entry::from_json(line).expect("an entry"));
    let ids = entries.filter_map(|entry| match entry.what {
        What::Alert { id, model: of, state: State::Firing, .. } if of == model => Some(id),
        _ => None,
    });
    ids.collect()
}

/// Of those one of each rule and slice.
fn one_of_each(log: &str, model: &str) -> BTreeSet<String> {
    let of = |id: &String| {
        let entry = Entry::from_json(firing(log, id)).expect("an entry");
        let What::Alert { alert, slice, .. } = entry.what else { panic!("it is an alert") };
        ((alert, slice), id.clone())
    };
    fired(log, model).iter().map(of).collect::<BTreeMap<_, _>>().into_values().collect()
}

fn said(output: &Output) -> (Option<i32>, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

#[test]
fn an_alert_is_explained_from_its_rows_or_it_is_said_why_not() {
    let topics = [("loans", PARTITIONS), ("clicks", PARTITIONS), ("outcomes", PARTITIONS)];
    let (broker, folder) = (Broker::start(&topics), Folder::new());
    folder.configure(&broker.address, "");
    write_reference(&folder);
    folder.write("rules/loan.yaml", rules("loan", "loans", "{dataset: reference.csv}"));
    folder.write("rules/trail.yaml", rules("trail", "loans", "{dataset: reference.csv, trailing: {last: 1h}}"));
    folder.write("rules/click.yaml", rules("click", "clicks", "{learnt: {rows: 300}}"));
    write_labelled_reference(&folder);
    folder.write("rules/score.yaml", LABELLED);
    let mut daemon = Daemon::start_ready(&folder);
    (0..PARTITIONS).for_each(|partition| broker.produce("loans", partition, earlier(partition)));
    let send = |topic: &str, part: Range<usize>| {
        (0..PARTITIONS).for_each(|partition| broker.produce(topic, partition, &rows(partition)[part.clone()]));
    };
    send("loans", 0..600);
    let labels: Vec<Vec<String>> = (0..PARTITIONS).map(labels).collect();
    let tell = |part: usize| {
        // A label may be of another partition than its prediction.
        let of = |at: usize| labels[at].chunks(labels[at].len() / 2 + 1).nth(part).expect("it has two parts").to_vec();
        (0..PARTITIONS).for_each(|at| broker.produce("outcomes", (at + 1) % PARTITIONS, of(at as usize)));
    };
    tell(0);
    // Rows that come before the counting threads have heard of what was learnt, a moment after it is logged, are not
    // counted. Two of the partitions have enough, for of the last one nearly all may be too late.
    send("clicks", 0..200);
    wait_until("it to be learnt from", || daemon.said("learnt a reference").len() == 1);
    std::thread::sleep(Duration::from_millis(500));
    send("clicks", 200..600);
    wait_until("the first alerts", || !fired(&daemon.get("/api/v1/audit").1, "loan").is_empty());
    // What is counted on both sides of a restart is counted as without one.
    assert_eq!(daemon.terminate().0.code(), Some(0));
    let mut daemon = Daemon::start_ready(&folder);
    let end = format!(r#"{{"ts":{},"id":"0","version":"1","outcome":"bad"}}"#, BEGIN + 200_000);
    tell(1);
    for (topic, partitions) in topics {
        for partition in 0..partitions {
            if topic != "outcomes" {
                broker.produce(topic, partition, &rows(partition)[600..]);
            }
            broker.produce(topic, partition, [&end]);
        }
    }
    let last = tidegauge::time::Time(BEGIN + 120_000).to_string();
    let is_told = |model| daemon.course(model, "income", "psi").last().is_some_and(|(end, _)| *end >= last);
    wait_until("the last windows", || ["loan", "trail", "click", "score"].into_iter().all(is_told));
    // What is told is seen a moment before it is in the log.
    let is_kept = |log: &str| daemon.said("firing").iter().all(|said| log.contains(said["id"].as_str().unwrap_or("?")));
    wait_until("the log to have it", || is_kept(&daemon.get("/api/v1/audit").1));
    let url = format!("http://{}", daemon.address);
    let log = daemon.get("/api/v1/audit").1;

    let loans = one_of_each(&log, "loan");
    assert!(loans.len() >= 6, "{loans:?}");
    for id in &loans {
        let (code, text) = said(&folder.run(&["explain", id, "--url", &url]));
        assert_eq!(code, Some(0), "{text}");
        assert!(text.contains("entries, whole") && text.contains(", as then") && text.contains("identical"), "{text}");
    }
    what_is_no_such_alert(&folder, &url);
    what_depends_on_more_than_its_rows(&folder, &url, &log);
    let clicks = fired(&log, "click");
    let id = clicks.first().expect("one has fired");
    let (code, text) = said(&folder.run(&["explain", id, "--url", &url]));
    assert_eq!(code, Some(0), "{text}");

    assert_eq!(daemon.terminate().0.code(), Some(0));
    for id in clicks.iter().chain(loans.first()) {
        let (code, text) = said(&folder.run(&["explain", id]));
        assert_eq!(code, Some(0), "{text}");
        let (code, text) = said(&folder.run(&["explain", id, "--audit", "data"]));
        assert_eq!(code, Some(0), "{text}");
    }
    // What is gone is of this partition, among others.
    let is_wanted = |id: &&String| firing(&log, id).contains(SHARE) && firing(&log, id).contains(r#""partition":2"#);
    let id = loans.iter().find(is_wanted).expect("one is of a share");
    what_was_tampered_with(&folder, &log, id);
    what_is_gone(&broker, &folder, &log, id);
}

fn what_is_no_such_alert(folder: &Folder, url: &str) {
    let (code, text) = said(&folder.run(&["explain", "0123", "--url", url]));
    assert!(code == Some(1) && text.contains("has no alert 0123"), "{text}");
    let (code, text) = said(&folder.run(&["explain", "0123", "--url", "http://127.0.0.1:9"]));
    assert!(code == Some(1) && text.contains("ask http://127.0.0.1:9 for its audit log"), "{text}");
}

/// Earlier rows that these are compared with, labels, and what was remembered of earlier windows.
fn what_depends_on_more_than_its_rows(folder: &Folder, url: &str, log: &str) {
    let mut shown = BTreeSet::new();
    for id in one_of_each(log, "trail").iter().chain(&one_of_each(log, "score")) {
        let (code, text) = said(&folder.run(&["explain", id, "--url", url]));
        assert_eq!(code, Some(0), "{text}");
        assert!(!text.contains("DIFFERS") && text.contains("identical"), "{text}");
        let numbers = ["compared with", "labels", "performance.accuracy", "fairness.selection_rate", "drift.surprise"];
        shown.extend(numbers.into_iter().filter(|number| text.contains(&format!("\n  {number}"))));
        let revision = firing(log, id).contains(r#""revision":0"#);
        shown.extend((!revision).then_some("told again"));
    }
    assert_eq!(shown.len(), 6, "{shown:?}");
}

/// The beginning of a value between 0 and 1.
const SHARE: &str = r#""value":0."#;

/// The entry that an alert fires.
fn firing<'a>(log: &'a str, id: &str) -> &'a str {
    let is_it = |line: &&str| line.contains(id) && line.contains(r#""state":"firing""#);
    log.lines().find(is_it).expect("it is in the log")
}

fn what_was_tampered_with(folder: &Folder, log: &str, id: &str) {
    let line = firing(log, id);
    let (before, rest) = line.split_once(SHARE).expect("it has a value");
    let digit = if rest.starts_with('1') { "2" } else { "1" };
    let forged = format!("{before}{SHARE}{digit}{}", &rest[1..]);
    folder.write("forged.jsonl", log.replace(line, &forged));
    let (code, text) = said(&folder.run(&["explain", id, "--audit", "forged.jsonl"]));
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("BROKEN: entry ") && text.contains("it was changed"), "{text}");
    let differing: Vec<&str> = text.lines().filter(|line| line.contains("DIFFERS")).collect();
    assert!(matches!(differing[..], [only] if only.trim_start().starts_with("value")), "{text}");
}

/// The embedded broker keeps five mebibytes of each partition; another broker never had the rows.
fn what_is_gone(broker: &Broker, folder: &Folder, log: &str, id: &str) {
    broker.produce("loans", 1, (0..60).map(|_| vec![b' '; 100_000]));
    let (code, text) = said(&folder.run(&["explain", id]));
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains(", as then") && !text.contains("DIFFERS"), "{text}");
    assert!(text.contains("NOT COMPUTED   loans/1: offsets ") && text.contains(" are no longer held"), "{text}");
    assert!(!text.contains("NOT COMPUTED   loans/0") && !text.contains("NOT COMPUTED   loans/2"), "{text}");
    let shown =
        |text: &str, verdict: &str| text.lines().any(|line| line.starts_with("    ") && line.ends_with(verdict));
    assert!(shown(&text, "not computed") && !shown(&text, "identical"), "{text}");

    let other = Broker::start(&[("loans", PARTITIONS)]);
    for partition in [0, 1] {
        other.produce("loans", partition, earlier(partition));
        other.produce("loans", partition, rows(partition));
    }
    folder.write("whole.jsonl", log);
    folder.configure(&other.address, "");
    let (code, text) = said(&folder.run(&["explain", id, "--audit", "whole.jsonl"]));
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("configuration  DIFFERS"), "{text}");
    let gone: Vec<&str> = text.lines().filter(|line| line.contains("NOT COMPUTED")).collect();
    assert!(!gone.is_empty() && gone.iter().all(|line| line.contains("loans/2: offsets ")), "{text}");
    // Of a change of the alert in which that partition has a part nothing is computed.
    assert!(shown(&text, "not computed") && text.contains("\n  0 of "), "{text}");
}
