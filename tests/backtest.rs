//! `tidegauge replay` as a backtest: other thresholds, injected changes, a file of measurements, and an early end.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use polars::prelude::{DataType, ParquetReader, SerReader};
use serde_json::Value;

use crate::elec2;
use crate::support::program::{Folder, tidegauge};

const MONITOR: &str = "model: loan
inputs: [{topic: loans}]
schema: {time: ts, features: {income: numeric, age: numeric, purpose: categorical}}
reference: {dataset: reference.csv}
window: {size: 10s, min_rows: 10}
drift: {underpowered: told}
alerts:
  - {alert: Drift, when: drift.ks > 0.25, for: 2, retrain: {name: nightly, cooldown: 1h}}
  - {alert: Breached, when: drift.ks.breached}
  - {alert: Nulls, when: quality.null_rate > 0.1}
";

/// Rows of twenty windows, all like those of the reference but for the tenth and eleventh, which have one income.
fn write(folder: &Folder) {
    let row = |i: i64| {
        let drifted = (900..1100).contains(&i);
        let income = if drifted { 90 } else { i * 37 % 100 };
        let purpose = if i % 2 == 0 { "car" } else { "home" };
        (1_700_000_000_000 + i * 100, income, i * 53 % 100, purpose)
    };
    let json = |i| {
        let (ts, income, age, purpose) = row(i);
        format!("{{\"ts\":{ts},\"income\":{income},\"age\":{age},\"purpose\":\"{purpose}\"}}\n")
    };
    let csv = |i| {
        let (ts, income, age, purpose) = row(i);
        format!("{ts},{income},{age},{purpose}\n")
    };
    folder.write("monitor.yaml", MONITOR);
    folder.write("rows.ndjson", (0..2000).map(json).collect::<String>());
    folder.write("rows.csv", format!("ts,income,age,purpose\n{}", (0..2000).map(csv).collect::<String>()));
    folder.write("reference.csv", format!("ts,income,age,purpose\n{}", (0..800).map(csv).collect::<String>()));
}

fn replay(folder: &Folder, more: &[&str]) -> Output {
    folder.run(&[&["replay", "--monitor", "monitor.yaml"], more].concat())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The lines of a replay that ends well, by their type.
fn lines(folder: &Folder, more: &[&str]) -> BTreeMap<String, Vec<Value>> {
    let output = replay(folder, &[more, &["--format", "json"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    by_type(&output.stdout)
}

fn by_type(stdout: &[u8]) -> BTreeMap<String, Vec<Value>> {
    let mut lines: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in text(stdout).lines() {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        lines.entry(value["type"].as_str().expect("a type").to_owned()).or_default().push(value);
    }
    lines
}

#[test]
fn what_if_says_what_a_replay_with_that_threshold_says() {
    let folder = Folder::new();
    write(&folder);
    let curve = lines(&folder, &["rows.ndjson", "--what-if", "drift.ks=0.05,0.25,0.9"]);
    assert_eq!(curve.keys().map(String::as_str).collect::<Vec<_>>(), ["summary", "what_if"]);
    let points = &curve["what_if"];
    assert_eq!(
        points.iter().map(|point| point["value"].as_f64()).collect::<Vec<_>>(),
        [None, Some(0.05), Some(0.25), Some(0.9)]
    );
    for point in points {
        // The same numbers by another way: a monitor in which the threshold is written, replayed by itself.
        let monitor = match point["value"].as_f64() {
            None => MONITOR.to_owned(),
            Some(value) => MONITOR
                .replace("drift.ks > 0.25", &format!("drift.ks > {value}"))
                .replace("underpowered: told", &format!("underpowered: told, thresholds: {{ks: {value}}}")),
        };
        folder.write("monitor.yaml", &monitor);
        let replayed = lines(&folder, &["rows.ndjson"]);
        let firing = |rule: &str| {
            let alerts = replayed.get("alert").into_iter().flatten();
            alerts.filter(|alert| alert["state"] == "firing" && alert["alert"] == rule).count()
        };
        let summary = &replayed["summary"][0];
        for rule in ["Drift", "Breached", "Nulls"] {
            assert_eq!(point["by_rule"][rule], firing(rule), "{rule} by {point}");
        }
        assert_eq!((&point["alerts"], &point["resolved"]), (&summary["fired"], &summary["resolved"]), "{point}");
        assert_eq!((&point["retrains"], &point["windows"]), (&summary["retrains"], &summary["windows"]), "{point}");
        let breached: BTreeSet<String> = replayed["measurement"]
            .iter()
            .filter(|m| m["statistic"] == "ks" && m["breached"] == true)
            .map(|m| m["window_end"].to_string())
            .collect();
        assert_eq!(point["breached_windows"], breached.len(), "{point}");
        let per_day = point["alerts"].as_f64().unwrap() / point["days"].as_f64().unwrap();
        assert!((point["alerts_per_day"].as_f64().unwrap() - per_day).abs() < 1e-9);
    }
    let fired = |at: usize| points[at]["alerts"].as_u64().expect("a count");
    assert!(fired(1) >= fired(2) && fired(2) > fired(3), "{points:?}");
    // The alert that waits for two windows has them.
    assert_eq!((&points[2]["by_rule"]["Drift"], &points[2]["retrains"]), (&1.into(), &1.into()));
    folder.write("monitor.yaml", MONITOR.replace("for: 2", "for: 4"));
    let curve = lines(&folder, &["rows.ndjson", "--what-if", "drift.ks=0.25"]);
    assert_eq!(curve["what_if"][1]["by_rule"]["Drift"], 0);
}

#[test]
fn a_range_of_thresholds_is_a_table_too() {
    let folder = Folder::new();
    write(&folder);
    let output =
        replay(&folder, &["rows.csv", "--what-if", "drift.ks=0.1..0.5:5", "--what-if", "quality.null_rate=0.5"]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    for start in ["drift.ks ", "0.1 ", "0.2 ", "0.5 ", "quality.null_rate ", "as the monitor says ", "2000 rows, "] {
        assert!(said.lines().any(|line| line.starts_with(start)), "{start}\n{said}");
    }
    assert!(!said.contains("first breach"), "{said}");
}

fn statistic<'a>(injection: &'a Value, subject: &str, name: &str) -> &'a Value {
    let all = injection["statistics"].as_array().expect("statistics");
    let found = all.iter().find(|it| it["subject"] == subject && it["statistic"] == name);
    found.unwrap_or_else(|| panic!("{subject} has {name}: {injection}"))
}

#[test]
fn an_injected_shift_is_noticed_and_told_how_soon() {
    let folder = Folder::new();
    write(&folder);
    // The 1201st row, which is the first of a window.
    let at = "2023-11-14T22:15:20Z";
    for data in ["rows.ndjson", "rows.csv"] {
        let replayed = lines(&folder, &[data, "--inject", &format!("income:shift=2sd@{at}")]);
        let injection = &replayed["injection"][0];
        let ks = statistic(injection, "income", "ks");
        assert_eq!((&ks["windows_before"], &ks["breached_before"]), (&12.into(), &2.into()), "{ks}");
        assert_eq!((&ks["windows_after"], &ks["breached_after"], &ks["power"]), (&8.into(), &8.into(), &1.0.into()));
        assert_eq!((&ks["first_breach"], &ks["delay_seconds"]), (&"2023-11-14T22:15:30Z".into(), &10.0.into()));
        let alerts = injection["alerts"].as_array().expect("alerts");
        let drift = alerts.iter().find(|it| it["alert"] == "Drift" && it["subject"] == "income").expect("an alert");
        assert_eq!((&drift["fired_before"], &drift["firing_before"]), (&1.into(), &false.into()));
        assert_eq!((&drift["first_fired"], &drift["delay_seconds"]), (&"2023-11-14T22:15:40Z".into(), &20.0.into()));
        // What was not touched says what it would have said anyway.
        let untouched = lines(&folder, &[data]);
        let of = |lines: &BTreeMap<String, Vec<Value>>| -> Vec<Value> {
            lines["measurement"].iter().filter(|m| m["subject"] != "income").cloned().collect()
        };
        assert_eq!(of(&replayed), of(&untouched));
    }
}

#[test]
fn every_change_changes_what_it_says() {
    let folder = Folder::new();
    write(&folder);
    let (from, until) = ("2023-11-14T22:15:20Z", "2023-11-14T22:15:40Z");
    let injected = |change: &str| {
        let inject = format!("{change}@{from}..{until}");
        lines(&folder, &["rows.ndjson", "--inject", &inject])["injection"][0].clone()
    };
    for (change, subject, name) in [
        ("income:scale=1000", "income", "wasserstein"),
        ("income:constant=5", "income", "ks"),
        ("purpose:constant=boat", "purpose", "js_distance"),
        ("income:shift=1e6", "income", "psi"),
    ] {
        let noticed = &injected(change);
        let it = statistic(noticed, subject, name);
        assert_eq!((&it["windows_after"], &it["breached_after"]), (&2.into(), &2.into()), "{change}: {it}");
        assert_eq!(it["delay_seconds"], 10.0, "{change}");
    }
    let nulls = injected("age:null=0.5");
    let raised = nulls["alerts"].as_array().expect("alerts").iter().find(|it| it["alert"] == "Nulls");
    assert_eq!(raised.map(|it| &it["delay_seconds"]), Some(&10.0.into()), "{nulls}");
    // Two fields of one distribution: nothing has changed but the names.
    let swapped = injected("income:swap=age");
    for subject in ["income", "age"] {
        assert_eq!(statistic(&swapped, subject, "ks")["breached_after"], 0, "{swapped}");
    }
    let both = replay(
        &folder,
        &["rows.csv", "--inject", &format!("income:shift=1sd@{from}"), "--inject", "age:null=1@2023-11-14"],
    );
    let said = text(&both.stdout);
    assert!(
        said.contains(&format!("\nincome:shift=1sd@{from}\n")) && said.contains("\nage:null=1@2023-11-14\n"),
        "{said}"
    );
    assert!(said.contains("drift.income.ks ") && said.contains("Nulls of age "), "{said}");
}

#[test]
fn what_cannot_be_asked_for_ends_with_2() {
    let folder = Folder::new();
    write(&folder);
    let at = "@2023-11-14T22:15:20Z";
    let inject = |what: &str| ["--inject".to_owned(), format!("{what}{at}")];
    let what_if = |what: &str| ["--what-if".to_owned(), what.to_owned()];
    let one = |what: &str| [what.to_owned(), String::new()];
    for (arguments, said) in [
        (inject("incom:shift=1"), "loan has no field `incom`\n  hint: did you mean `income`?"),
        (inject("income:swap=agee"), "hint: did you mean `age`?"),
        (inject("income:swap=purpose"), "`income` and `purpose` are not of one kind"),
        (inject("purpose:shift=1"), "`purpose` is not a number"),
        (inject("income:constant=high"), "`income` is a number, and `high` is not"),
        (inject("income:shift=much"), "`much` is not a number: write for example 0.3"),
        (
            ["--inject".to_owned(), "income:shift=1@soon".to_owned()],
            "`soon` is not a time: write for example 2024-05-01",
        ),
        (["--inject".to_owned(), "income:shift=1".to_owned()], "it has no @TIME"),
        (what_if("drift.pis=0.1"), "loan compares `drift.pis` with no number\n  hint: did you mean `drift.psi`?"),
        (what_if("drift.ks=2"), "2 is out of the range of `drift.ks`\n  hint: from 0 to 1"),
        (what_if("drift.ks=0..1"), "has no number of values"),
        (one("--format=parquet"), "hint: add `--output FILE`"),
        (one("--output=m.parquet"), "hint: add `--format parquet`"),
    ] {
        let given: Vec<&str> = arguments.iter().map(String::as_str).filter(|it| !it.is_empty()).collect();
        let output = replay(&folder, &[&["rows.csv"], given.as_slice()].concat());
        let found = text(&output.stderr);
        assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(2), ""), "{given:?}: {found}");
        assert!(found.contains(said), "{given:?}: {found}");
    }
}

#[test]
fn measurements_go_to_a_file_of_parquet() {
    let folder = Folder::new();
    write(&folder);
    let output = replay(&folder, &["rows.csv", "--format", "parquet", "--output", "m.parquet"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    assert!(said.contains("firing    Drift") && said.contains("\n2000 rows, "), "{said}");
    let expected = lines(&folder, &["rows.csv"]).remove("measurement").expect("measurements");
    let file = fs::File::open(folder.path("m.parquet")).expect("the file is there");
    let frame = ParquetReader::new(file).finish().expect("it can be read");
    assert_eq!(frame.height(), expected.len());
    let fields: BTreeSet<&str> = frame.get_column_names().iter().map(|name| name.as_str()).collect();
    let wanted: BTreeSet<&str> =
        expected[0].as_object().expect("an object").keys().map(String::as_str).filter(|key| *key != "type").collect();
    assert_eq!(fields, wanted);
    let column = |name: &str| frame.column(name).expect("the column").as_materialized_series().clone();
    let (values, breached) = (column("value"), column("breached"));
    let ends = column("window_end").cast(&DataType::Int64).expect("a time is a number");
    let rows = values.f64().expect("numbers").iter().zip(breached.bool().expect("flags").iter());
    let rows = rows.zip(ends.i64().expect("integers").iter());
    for (((value, breached), end), expected) in rows.zip(&expected) {
        assert_eq!((value, breached), (expected["value"].as_f64(), expected["breached"].as_bool()));
        let end = tidegauge::time::Time(end.expect("every window ends")).to_string();
        assert_eq!(Some(end.as_str()), expected["window_end"].as_str());
    }
    // Nothing is left behind.
    let left = fs::read_dir(folder.path("")).expect("the folder").count();
    assert_eq!(left, ["monitor.yaml", "rows.ndjson", "rows.csv", "reference.csv", "m.parquet"].len());
    let nowhere = replay(&folder, &["rows.csv", "--format", "parquet", "--output", "no/where/m.parquet"]);
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(text(&nowhere.stderr).contains("write no/where/m.parquet"), "{}", text(&nowhere.stderr));
}

/// Replays a log that never ends, and interrupts it once something was printed. Returns the exit code, and all that was
/// printed.
fn interrupted(folder: &Folder, more: &[&str], is_enough: impl Fn(&str) -> bool) -> (Option<i32>, Vec<u8>, String) {
    let pipe = folder.path("endless.ndjson");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo can be run").success());
    let mut child = tidegauge()
        .args([&["replay", "endless.ndjson", "--monitor", "monitor.yaml"], more].concat())
        .current_dir(folder.path(""))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program can be started");
    let writer = std::thread::spawn(move || {
        let mut pipe = fs::OpenOptions::new().write(true).open(pipe).expect("somebody reads");
        let row =
            |i: i64| format!("{{\"ts\":{},\"income\":{},\"age\":{}}}\n", 1_700_000_000_000 + i * 100, i % 100, i % 7);
        let mut at = 0;
        // It ends when nobody reads any more.
        while pipe.write_all((at..at + 1000).map(row).collect::<String>().as_bytes()).is_ok() {
            at += 1000;
        }
        at
    });
    let mut reader = BufReader::new(child.stdout.take().expect("it was asked for"));
    let mut printed = Vec::new();
    if more.contains(&"json") {
        let mut line = String::new();
        while !is_enough(&line) {
            line.clear();
            reader.read_line(&mut line).expect("it can be read");
            printed.extend_from_slice(line.as_bytes());
        }
    } else {
        // Tables come at the end; by then it has read more than a pipe holds.
        std::thread::sleep(std::time::Duration::from_secs(3));
    }
    let interrupt = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(interrupt.expect("kill can be run").success());
    reader.read_to_end(&mut printed).expect("it can be read");
    let ended = child.wait_with_output().expect("it ends");
    assert!(writer.join().expect("the writer ends") > 0);
    fs::remove_file(folder.path("endless.ndjson")).expect("it is there");
    (ended.status.code(), printed, text(&ended.stderr))
}

#[test]
fn an_interrupt_shows_what_is_known_by_then() {
    let folder = Folder::new();
    write(&folder);
    let at = "income:shift=1sd@2023-11-14T22:14:20Z";
    let (code, printed, said) = interrupted(&folder, &["--format", "json", "--inject", at], |line| !line.is_empty());
    assert_eq!((code, said.as_str()), (Some(1), "tidegauge: interrupted before everything was read\n"));
    assert!(printed.ends_with(b"\n"));
    let lines = by_type(&printed);
    let summary = &lines["summary"][0];
    assert_eq!((&summary["interrupted"], summary["rows"].as_u64() > Some(0)), (&true.into(), true));
    assert_eq!(summary["measurements"], lines["measurement"].len());
    // No window is told that was not over.
    assert!(lines["measurement"].iter().filter(|m| m["statistic"] == "rows").all(|m| m["value"] == 100.0));
    assert!(statistic(&lines["injection"][0], "income", "ks")["windows_after"].as_u64() > Some(0));
    let (code, printed, _) = interrupted(&folder, &["--what-if", "drift.ks=0.1,0.2"], |_| true);
    assert_eq!(code, Some(1));
    let said = text(&printed);
    assert!(said.contains("\ndrift.ks ") && said.contains("\ninterrupted after "), "{said}");
    let (code, printed, _) = interrupted(&folder, &["--format", "parquet", "--output", "m.parquet"], |_| true);
    assert_eq!(code, Some(1));
    assert!(text(&printed).contains("\ninterrupted after "), "{}", text(&printed));
    let file = fs::File::open(folder.path("m.parquet")).expect("the file is there");
    let frame = ParquetReader::new(file).finish().expect("it can be read");
    assert!(frame.height() > 0);
}

/// Prints the curve of a real log, for whoever reads the test's output, and holds it to the replay.
#[test]
fn the_curve_of_a_real_log_goes_through_its_replay() {
    let Some(data) = elec2::data() else { return };
    let folder = Folder::new();
    let monitor = elec2::monitor(&data, &folder.path(""));
    let predictions = data.join(elec2::PREDICTIONS);
    let run = |more: &[&str]| {
        let path = |path: &Path| path.to_str().expect("a path").to_owned();
        let (predictions, monitor) = (path(&predictions), path(&monitor));
        let arguments = [&["replay", &predictions, "--monitor", &monitor, "--format", "json"], more].concat();
        let output = folder.run(&arguments);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        by_type(&output.stdout)
    };
    let plain = run(&[]);
    let curve = run(&["--what-if", "drift.psi=0.1,0.25,0.5,2"]);
    let summary = &plain["summary"][0];
    for at in [0, 2] {
        // The monitor's own conditions say 0.25.
        let point = &curve["what_if"][at];
        for (ours, theirs) in [("alerts", "fired"), ("resolved", "resolved"), ("retrains", "retrains")] {
            assert_eq!(point[ours], summary[theirs], "{ours} of {point}");
        }
    }
    let alerts: Vec<u64> = curve["what_if"].iter().filter_map(|point| point["breached_windows"].as_u64()).collect();
    assert!(alerts[1..].is_sorted_by(|a, b| a >= b), "{alerts:?}");
    curve["what_if"].iter().for_each(|point| println!("{point}"));
    let injected = run(&["--inject", "nswprice:shift=1sd@1998-06-01"]);
    let injection = &injected["injection"][0];
    assert!(statistic(injection, "nswprice", "ks")["power"].as_f64() > Some(0.5), "{injection}");
    println!("{injection}");
}
