//! The program's face: its help, what it prints, how it ends, and what it says to somebody who made a mistake.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Output, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use polars::prelude::{DataFrame, IntoColumn, NamedFrom, ParquetWriter, Series};
use serde_json::Value;
use tidegauge::audit::{Act, What};
use tidegauge::store::{self, Commit, Store};
use tidegauge::time::Time;

use crate::support::program::{Folder, tidegauge};

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const MONITOR: &str = "model: loan
inputs: [{topic: loans}]
schema: {time: ts, features: {income: numeric, purpose: categorical}}
reference: {learnt: {rows: 100}}
window: {size: 10s, min_rows: 10}
alerts:
  - {alert: Rows, when: telemetry.rows > 0, retrain: nightly}
";

/// The rows of a small log: one each 100 ms, so a hundred in each window.
fn rows() -> impl Iterator<Item = (i64, i64, &'static str)> {
    (0..400).map(|i| (1_700_000_000_000 + i * 100, i % 50, if i % 2 == 0 { "car" } else { "home" }))
}

fn ndjson() -> String {
    rows()
        .map(|(ts, income, purpose)| format!("{{\"ts\":{ts},\"income\":{income},\"purpose\":\"{purpose}\"}}\n"))
        .collect()
}

#[test]
fn every_command_has_its_help() {
    let folder = Folder::new();
    let version = folder.run(&["--version"]);
    assert_eq!((code(&version), out(&version)), (Some(0), format!("tidegauge {}\n", env!("CARGO_PKG_VERSION"))));
    let whole = folder.run(&["--help"]);
    assert_eq!(code(&whole), Some(0));
    assert!(out(&whole).contains("Exit codes: 0 good; 1 "), "{}", out(&whole));
    for (command, options) in [
        ("run", &["--config"][..]),
        ("demo", &["--duration", "--quiet", "--listen"]),
        ("check", &["[PATHS]"]),
        ("replay", &["--monitor", "--format", "<DATA>"]),
        ("explain", &["<ALERT_ID>", "--config", "--audit", "--url"]),
        ("audit", &["verify", "show"]),
        ("compare", &["<REFERENCE>", "<CURRENT>", "--monitor", "--format", "--output"]),
    ] {
        let help = folder.run(&[command, "-h"]);
        assert_eq!(code(&help), Some(0));
        assert!(options.iter().chain([&"--log-json"]).all(|option| out(&help).contains(option)), "{}", out(&help));
        // Each option says what it is for.
        let bare = |line: &str| line.trim_start().starts_with("--") && line.trim_end().ends_with('>');
        assert!(!out(&help).lines().any(bare), "{}", out(&help));
        assert!(out(&whole).contains(command));
    }
}

#[test]
fn wrong_usage_ends_with_2() {
    let folder = Folder::new();
    for arguments in [
        &[][..],
        &["frobnicate"],
        &["replay"],
        &["replay", "rows.json"],
        &["compare", "rows.json"],
        &["compare", "a.csv", "b.csv", "--format", "xml"],
        &["run", "--listen", "x"],
        &["demo", "--duration", "soon"],
        &["replay", "rows.json", "--monitor", "m.yaml", "--format", "xml"],
    ] {
        let output = folder.run(arguments);
        assert_eq!((code(&output), out(&output).as_str()), (Some(2), ""), "{arguments:?}: {}", err(&output));
    }
}

#[test]
fn check_says_all_that_is_wrong_at_once() {
    let folder = Folder::new();
    let nothing = folder.run(&["check"]);
    assert_eq!(code(&nothing), Some(1));
    assert!(err(&nothing).contains("neither tidegauge.yaml nor rules"), "{}", err(&nothing));
    folder.write("rules/loan.yaml", MONITOR);
    let good = folder.run(&["check"]);
    assert_eq!((code(&good), out(&good).as_str()), (Some(0), "good: 0 configuration(s), 1 monitor(s)\n"));
    folder.configure("localhost:9092", "");
    let good = folder.run(&["check"]);
    assert_eq!((code(&good), out(&good).as_str()), (Some(0), "good: 1 configuration(s), 1 monitor(s)\n"));
    folder.write("rules/loan.yaml", MONITOR.replace("size: 10s", "size: 10").replace("rows > 0", "rowz > 0"));
    folder.write("rules/empty.yaml", "");
    let bad = folder.run(&["check", "rules", "tidegauge.yaml", "missing.yaml"]);
    assert_eq!((code(&bad), out(&bad).as_str()), (Some(64), ""));
    assert!(err(&bad).starts_with("missing.yaml:1:1: "), "{}", err(&bad));
    let bad = folder.run(&["check", "rules", "tidegauge.yaml"]);
    let said = err(&bad);
    assert_eq!(code(&bad), Some(64), "{said}");
    for place in ["rules/empty.yaml:1:1: ", "rules/loan.yaml:5:16: ", "rules/loan.yaml:7:"] {
        // Each is said once, although both arguments lead to it.
        assert_eq!(said.matches(place).count(), 1, "{place}\n{said}");
    }
}

#[test]
fn check_runs_the_tests_beside_monitors() {
    const TEST: &str = "tests:
  - name: rows are told
    version: ''
    measurements: [{statistic: telemetry.rows, values: 3}]
    alerts: [{at: 10s, alert: Rows, state: firing}]
";
    let good = TEST.replace("    version: ''\n", "");
    let folder = Folder::new();
    folder.write("rules/loan.yaml", MONITOR);
    folder.write("rules/loan.test.yaml", &good);
    for named in [&["rules"][..], &["rules/loan.yaml"], &["rules/loan.test.yaml", "rules"]] {
        let output = folder.run(&[&["check"], named].concat());
        let expected = (Some(0), "good: 0 configuration(s), 1 monitor(s), 1 test(s)\n".to_owned());
        assert_eq!((code(&output), out(&output)), expected, "{named:?}: {}", err(&output));
    }
    folder.configure("localhost:9092", "");
    // The daemon's monitors are tested as well, and no test is taken for one of them.
    let output = folder.run(&["check", "tidegauge.yaml"]);
    assert_eq!(out(&output), "good: 1 configuration(s), 1 monitor(s), 1 test(s)\n", "{}", err(&output));

    folder.write("rules/loan.test.yaml", good.replace("firing", "resolved"));
    folder.write("rules/gone.test.yaml", &good);
    let failed = folder.run(&["check", "rules"]);
    assert_eq!((code(&failed), out(&failed).as_str()), (Some(64), ""));
    let expected = "rules/gone.test.yaml:1:1: there is no monitor beside it
  hint: the tests of credit.yaml are in credit.test.yaml
rules/loan.test.yaml:4:14: `rows are told`: expected Rows to be resolved at 2026-01-01T00:00:10Z; got firing at 2026-01-01T00:00:10Z
";
    assert_eq!(err(&failed), expected);
    folder.write("rules/loan.test.yaml", TEST);
    let wrong = folder.run(&["check", "rules/loan.yaml"]);
    let expected = "rules/loan.test.yaml:3:14: `version` is empty\n  hint: write a version such as 3\n";
    assert_eq!((code(&wrong), err(&wrong)), (Some(64), expected.to_owned()));
}

#[test]
fn the_audit_log_is_shown_and_checked() {
    let folder = Folder::new();
    let config = store::Config { path: folder.path("data"), cache: store::CACHE };
    let act = |at, what| Act { at: Time(at), who: "ada".to_owned(), config_hash: "c0ffee".to_owned(), what };
    let started = act(1_767_225_600_000, What::Start { version: "1".to_owned() });
    let stopped = act(1_767_225_660_000, What::Stop { reason: "asked to".to_owned() });
    let store = Store::open(&config).unwrap();
    store.commit(&Commit { audit: vec![started, stopped], ..Commit::default() }).unwrap();
    let locked = folder.run(&["audit", "verify"]);
    assert!(code(&locked) == Some(1) && err(&locked).contains("/api/v1/audit"), "{}", err(&locked));
    drop(store);

    let whole = folder.run(&["audit", "verify"]);
    let said = out(&whole);
    let head = said.trim().rsplit("head: ").next().unwrap_or_default().to_owned();
    let expected = format!("good: 3 entries, from 2026-01-01T00:00:00Z to 2026-01-01T00:01:00Z\nhead: {head}\n");
    assert_eq!((code(&whole), said), (Some(0), expected));
    assert!(head.starts_with("3:") && head.len() == 66, "{head}");
    let shown = out(&folder.run(&["audit", "show", "data"]));
    assert_eq!(shown.lines().count(), 3);
    let last = out(&folder.run(&["audit", "show", "--from", "2"]));
    assert_eq!(shown.lines().last(), last.lines().next());

    let check = |text: &str, head: &str| {
        folder.write("log.jsonl", text);
        let output = folder.run(&["audit", "verify", "log.jsonl", "--head", head]);
        (code(&output), out(&output))
    };
    assert_eq!(check(&shown, &head).0, Some(0));
    let cut: String = shown.lines().take(2).map(|line| format!("{line}\n")).collect();
    let said = "broken: entry 2: it is not there, and a head says that there were 3 entries: the log was cut\n";
    assert_eq!(check(&cut, &head), (Some(1), said.to_owned()));
    let said = "broken: entry 2: it was changed: its hash is of something else\n";
    assert_eq!(check(&shown.replace("asked to", "bored"), &head), (Some(1), said.to_owned()));
    assert_eq!(code(&folder.run(&["audit", "verify", "--head", "3:abc"])), Some(2));
    let nowhere = folder.run(&["audit", "verify", "nowhere"]);
    assert!(err(&nowhere).contains("neither a store nor a file"), "{}", err(&nowhere));
    assert!(!folder.path("nowhere").exists(), "to look is not to make");
}

#[test]
fn nothing_is_listened_on_with_a_wrong_configuration() {
    let folder = Folder::new();
    let missing = folder.run(&["run"]);
    assert_eq!(code(&missing), Some(64));
    assert!(err(&missing).starts_with("tidegauge.yaml:1:1: cannot read the file"), "{}", err(&missing));
    // The port is taken, so whoever listens first fails in another way.
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("it is bound").port();
    let file = |rules: &str| {
        let kafka = "kafka: {brokers: \"localhost:9092\"}";
        format!("{kafka}\nrules: {rules}\nhttp: {{listen: \"127.0.0.1:{port}\"}}\nstore: {{path: data}}\n")
    };
    folder.write("rules/loan.yaml", MONITOR);
    folder.write("bad.yaml", "model: loan\n");
    folder.write("tidegauge.yaml", file("bad.yaml"));
    let bad = folder.run(&["run"]);
    assert_eq!(code(&bad), Some(64));
    assert!(err(&bad).contains("bad.yaml:1:1: "), "{}", err(&bad));
    // Nor before a reference was read.
    folder.write("broken.parquet", "no Parquet");
    folder.write("broken.yaml", MONITOR.replace("{learnt: {rows: 100}}", "{dataset: broken.parquet}"));
    folder.write("tidegauge.yaml", file("broken.yaml"));
    let broken = folder.run(&["run"]);
    assert_eq!(code(&broken), Some(1));
    assert!(err(&broken).contains("monitor of loan") && err(&broken).contains("broken.parquet"), "{}", err(&broken));
    assert!(!folder.path("data").exists());
    folder.write("tidegauge.yaml", file("rules"));
    let busy = folder.run(&["run"]);
    assert_eq!(code(&busy), Some(1));
    let listen = format!("listen on 127.0.0.1:{port}: Address already in use");
    assert!(err(&busy).contains(&listen), "{}", err(&busy));
}

#[test]
fn replay_gives_the_same_of_every_format() {
    let folder = Folder::new();
    folder.write("loan.yaml", MONITOR.replace("{learnt: {rows: 100}}", "{dataset: rows.csv}"));
    folder.write("rows.ndjson", ndjson());
    let mut zipped = GzEncoder::new(Vec::new(), Compression::fast());
    zipped.write_all(ndjson().as_bytes()).expect("memory can be written to");
    folder.write("rows.ndjson.gz", zipped.finish().expect("memory can be written to"));
    let lines: String = rows().map(|(ts, income, purpose)| format!("{ts},{income},{purpose}\n")).collect();
    folder.write("rows.csv", format!("ts,income,purpose\n{lines}"));
    let parquet = std::fs::File::create(folder.path("rows.parquet")).expect("the file can be made");
    let columns = [
        Series::new("ts".into(), rows().map(|row| row.0).collect::<Vec<_>>()),
        Series::new("income".into(), rows().map(|row| row.1).collect::<Vec<_>>()),
        Series::new("purpose".into(), rows().map(|row| row.2).collect::<Vec<_>>()),
    ];
    let mut frame = DataFrame::new(400, columns.map(IntoColumn::into_column).into()).expect("columns of one length");
    ParquetWriter::new(parquet).finish(&mut frame).expect("the file can be written");
    let mut before: Option<Vec<Value>> = None;
    for data in ["rows.ndjson", "rows.ndjson.gz", "rows.csv", "rows.parquet", "loans=rows.csv"] {
        let output = folder.run(&["replay", data, "--monitor", "loan.yaml", "--format", "json"]);
        assert_eq!(code(&output), Some(0), "{data}: {}", err(&output));
        let mut lines: Vec<Value> =
            out(&output).lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
        let mut summary = lines.pop().expect("a summary");
        summary["seconds"] = Value::Null;
        assert_eq!((&summary["type"], &summary["rows"]), (&"summary".into(), &400.into()));
        assert_eq!((&summary["windows"], &summary["fired"], &summary["retrains"]), (&4.into(), &1.into(), &1.into()));
        assert_eq!(summary["measurements"], lines.iter().filter(|line| line["type"] == "measurement").count());
        let types: BTreeSet<&str> = lines.iter().filter_map(|line| line["type"].as_str()).collect();
        assert_eq!(types, BTreeSet::from(["alert", "measurement", "retrain"]));
        lines.iter().filter(|line| line["type"] == "measurement").for_each(has_the_fields);
        lines.push(summary);
        assert!(before.as_ref().is_none_or(|before| *before == lines), "{data} gives something else");
        before = Some(lines);
    }
    let table = folder.run(&["replay", "rows.csv", "--monitor", "loan.yaml"]);
    let last = out(&table).lines().last().unwrap_or_default().to_owned();
    assert!(last.starts_with("400 rows, 0 rejected, 0 late; 4 windows, "), "{last}");
    assert!(out(&table).contains("firing    Rows"), "{}", out(&table));
}

/// A measurement has these fields, and no others.
fn has_the_fields(line: &Value) {
    const FIELDS: &str = "type model version slice window_start window_end rows family subject statistic value undefined \
                          p_value q_value low high error_bound detectable threshold breached reference coverage revision \
                          provisional";
    let fields: BTreeSet<&str> = line.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(fields, FIELDS.split_whitespace().collect::<BTreeSet<_>>());
}

#[test]
fn replay_says_what_is_wrong_with_a_file() {
    let folder = Folder::new();
    folder.write("loan.yaml", MONITOR);
    let replay = |data: &str| folder.run(&["replay", data, "--monitor", "loan.yaml"]);
    folder.write("rows.parquet", "no Parquet");
    folder.write("empty.csv", "");
    folder.write("cut.json.gz", b"\x1f\x8b\x08\x00");
    folder.write("folder.json/rows.json", ndjson());
    for (data, said) in [
        ("missing.json", "missing.json: no such file"),
        ("folder.json", "folder.json: this is a folder"),
        ("loan.yaml", "loan.yaml: the name must end in .parquet, .csv, "),
        ("rows.parquet", "rows.parquet: not a readable Parquet file"),
        ("empty.csv", "empty.csv: not a readable CSV file"),
        ("cut.json.gz", "cut.json.gz: "),
    ] {
        let output = replay(data);
        assert_eq!((code(&output), out(&output).as_str()), (Some(1), ""), "{data}");
        assert!(err(&output).starts_with("tidegauge: ") && err(&output).contains(said), "{}", err(&output));
    }
    // A log without records is short, but not wrong; one with records that cannot be read says why.
    folder.write("empty.json", "");
    let empty = replay("empty.json");
    assert_eq!(code(&empty), Some(0));
    assert!(out(&empty).contains("\n0 rows, 0 rejected, 0 late; 0 windows"), "{}", out(&empty));
    folder.write("bad.json", "nonsense\n{\"income\":1}\n");
    let bad = replay("bad.json");
    assert!(out(&bad).contains("\n2 rows, 2 rejected (1 no_time, 1 not_json), "), "{}", out(&bad));
    let wrong = folder.run(&["replay", "empty.json", "--monitor", "missing.yaml"]);
    assert_eq!(code(&wrong), Some(64));
    assert!(err(&wrong).starts_with("missing.yaml:1:1: "), "{}", err(&wrong));
}

#[test]
fn a_reader_who_has_seen_enough_is_no_error() {
    let folder = Folder::new();
    folder.write("loan.yaml", MONITOR.replace("size: 10s", "size: 1s"));
    // Much more than fits into a pipe that nobody reads from.
    let rows = (0..20_000).map(|i| format!("{{\"ts\":{},\"income\":{}}}\n", 1_700_000_000_000_i64 + i * 100, i % 50));
    folder.write("rows.json", rows.collect::<String>());
    let mut child = tidegauge()
        .args(["replay", "rows.json", "--monitor", "loan.yaml", "--format", "json"])
        .current_dir(folder.path(""))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program can be started");
    let mut first = String::new();
    BufReader::new(child.stdout.take().expect("it was asked for")).read_line(&mut first).expect("it can be read");
    assert!(first.starts_with("{\"type\":"), "{first}");
    let ended = child.wait_with_output().expect("it ends");
    assert_eq!((code(&ended), err(&ended).as_str()), (Some(0), ""));
    // The answer of a check, too, may go to somebody who has gone.
    let mut child = tidegauge()
        .args(["check", "loan.yaml"])
        .current_dir(folder.path(""))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program can be started");
    drop(child.stdout.take());
    let ended = child.wait_with_output().expect("it ends");
    assert_eq!((code(&ended), err(&ended).as_str()), (Some(0), ""));
}

#[test]
fn the_demo_tells_its_story() {
    let demo = Folder::new().run(&["demo", "--quiet", "--listen", "127.0.0.1:0"]);
    assert_eq!(code(&demo), Some(0), "{}{}", out(&demo), err(&demo));
    assert!(out(&demo).ends_with("\nthe story is complete\n"), "{}", out(&demo));
    assert_eq!(err(&demo), "");
}
