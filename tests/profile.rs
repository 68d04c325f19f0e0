//! `tidegauge profile`: what it prints and keeps, that a monitor reads it, and what it says to somebody who made a
//! mistake.

use std::fs;
use std::process::{Output, Stdio};

use polars::prelude::{Column, DataFrame, IntoColumn, NamedFrom, ParquetWriter, Series};
use serde_json::Value;

use crate::support::program::{Folder, tidegauge};
use crate::support::wait_for;

const MONITOR: &str = "model: loan
inputs: [{topic: loans}]
schema: {time: ts, features: {income: numeric, amount: numeric, purpose: categorical}, error: failed}
reference: {dataset: loan.tidegauge, resolution: 256}
window: {size: 10s, min_rows: 10}
";

const ROWS: i64 = 5_000;

fn amount(row: i64) -> f64 {
    (row * 7_919 % 4_999) as f64 / 3.0
}

fn purpose(row: i64) -> &'static str {
    if row % 10 < 7 { "car" } else { "home" }
}

fn csv(rows: impl Iterator<Item = i64>) -> String {
    let line = |row: i64| {
        let income = if row % 50 == 0 { String::new() } else { (row % 40).to_string() };
        format!("{},{income},{},{}\n", 1_700_000_000_000 + row * 100, amount(row), purpose(row))
    };
    format!("ts,income,amount,purpose\n{}", rows.map(line).collect::<String>())
}

fn parquet(folder: &Folder, name: &str, rows: std::ops::Range<i64>) {
    let number = |row: i64| (row % 50 != 0).then_some((row % 40) as f64);
    let columns: [Column; 4] = [
        Series::new("ts".into(), rows.clone().map(|row| 1_700_000_000_000 + row * 100).collect::<Vec<_>>()),
        Series::new("income".into(), rows.clone().map(number).collect::<Vec<_>>()),
        Series::new("amount".into(), rows.clone().map(amount).collect::<Vec<_>>()),
        Series::new("purpose".into(), rows.clone().map(purpose).collect::<Vec<_>>()),
    ]
    .map(IntoColumn::into_column);
    let mut frame = DataFrame::new(rows.count(), columns.into()).expect("columns of one length");
    let file = fs::File::create(folder.path(name)).expect("the file can be made");
    ParquetWriter::new(file).with_row_group_size(Some(700)).finish(&mut frame).expect("the file can be written");
}

#[track_caller]
fn succeeds(folder: &Folder, arguments: &[&str]) -> String {
    let output = folder.run(arguments);
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""), "{arguments:?}");
    text(&output.stdout)
}

#[track_caller]
fn fails(folder: &Folder, arguments: &[&str], code: i32, saying: &str) {
    let output: Output = folder.run(arguments);
    let said = text(&output.stderr);
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(code), ""), "{arguments:?}: {said}");
    assert!(said.contains(saying), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What a replay measures, without what names the reference's source.
fn replayed(folder: &Folder, monitor: &str) -> Vec<Value> {
    let out = succeeds(folder, &["replay", "whole.csv", "--monitor", monitor, "--format", "json"]);
    let lines = out.lines().map(|line| serde_json::from_str::<Value>(line).expect("each line is JSON"));
    lines.filter(|line| line["type"] == "measurement").collect()
}

#[test]
fn a_profile_is_shown_kept_and_read_in_place_of_the_data() {
    let folder = Folder::new();
    folder.write("loan.yaml", MONITOR);
    folder.write("whole.csv", csv(0..ROWS));
    folder.write("half.csv", csv(0..1_234));
    parquet(&folder, "rest.parquet", 1_234..ROWS);
    let told = succeeds(&folder, &["profile", "half.csv", "rest.parquet", "--monitor", "loan.yaml"]);
    let line = |start: &str| {
        let line = told.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start}: {told}"));
        line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect::<Vec<_>>()
    };
    assert!(line("loan: ")[0].starts_with("loan: 5000 rows of half.csv and 1 more; 2 passes in "), "{told}");
    let heading = ["numeric", "rows", "null", "mean", "sd", "min", "1 %", "25 %", "50 %", "75 %", "99 %", "max"];
    assert_eq!(line("numeric")[..12], heading);
    assert_eq!(line("income")[..6], ["income", "5000", "100", "19.592", "11.534", "0"]);
    assert_eq!(line("income")[8..], ["19", "29", "39", "39", "40", "exact, 40"]);
    assert_eq!(line("amount")[line("amount").len() - 2..], ["4999", "quantiles, 256"]);
    assert_eq!(line("purpose")[1..], ["5000", "2", "2", "0.0 %", "car 70.0 %, home 30.0 %"]);
    assert_eq!(line("not in"), ["not in the data: error"]);
    let hash = line("wrote ")[0].rsplit(' ').next().expect("a hash");
    // The monitor names the file; it gives the numbers that the data gives.
    let kept = replayed(&folder, "loan.yaml");
    folder.write("direct.yaml", MONITOR.replace("loan.tidegauge", "whole.csv"));
    assert_eq!(kept, replayed(&folder, "direct.yaml"));
    assert!(kept.iter().any(|line| line["reference"] == hash && line["value"].is_number()), "{hash}");
    assert!(fs::metadata(folder.path("loan.tidegauge")).expect("it is there").len() < 10_000);
}

#[test]
fn an_older_file_is_replaced_only_where_that_is_meant() {
    let folder = Folder::new();
    folder.write("loan.yaml", MONITOR.replace("{dataset: loan.tidegauge, resolution: 256}", "{learnt: {rows: 100}}"));
    folder.write("whole.csv", csv(0..100));
    let profile = ["profile", "whole.csv", "--monitor", "loan.yaml"];
    succeeds(&folder, &profile);
    assert!(folder.path("loan.tidegauge").is_file());
    fails(&folder, &profile, 1, "loan.tidegauge: there is a reference already; --force replaces it");
    succeeds(&folder, &[&profile[..], &["--force"]].concat());
    let thesis = folder.write("thesis.txt", "never saved elsewhere");
    fails(&folder, &[&profile[..], &["--force", "--output", "thesis.txt"]].concat(), 1, "is not overwritten");
    fails(&folder, &[&profile[..], &["--output", "whole.csv", "--force"]].concat(), 1, "is not overwritten");
    fails(&folder, &[&profile[..], &["--output", "no/such/folder.tidegauge"]].concat(), 1, "No such file");
    fails(&folder, &[&profile[..], &["--output", "."]].concat(), 1, "this is a folder");
    assert_eq!(fs::read_to_string(thesis).expect("it is there"), "never saved elsewhere");
    let names = fs::read_dir(folder.path("")).expect("a folder").count();
    assert_eq!(names, 4, "something was left behind");
}

#[test]
fn what_cannot_be_profiled_is_said_in_a_line() {
    let folder = Folder::new();
    folder.write("loan.yaml", MONITOR);
    let check = |data: &str, saying: &str| {
        fails(&folder, &["profile", data, "--monitor", "loan.yaml"], 1, saying);
        assert!(!folder.path("loan.tidegauge").exists());
    };
    folder.write("empty.csv", "");
    folder.write("header.csv", "income,amount\n");
    folder.write("empty.parquet", "");
    folder.write("empty.json", "");
    folder.write("other.csv", "a,b\n1,2\n");
    folder.write("table.xlsx", "PK");
    folder.write("bad.json", "{\"income\":1}\n[]\n");
    check("missing.csv", "missing.csv: no such file");
    check(".", "this is a folder; name the files in it");
    check("empty.csv", "not a readable CSV file");
    check("header.csv", "there are no rows in it");
    check("empty.parquet", "not a readable Parquet file: it is empty");
    check("empty.json", "there are no rows in it");
    check("other.csv", "none of the columns that are looked for: income, amount, purpose, failed; it has a, b");
    check("table.xlsx", "the name must end in .parquet");
    check("bad.json", "line 2 is not a JSON object");
    fails(&folder, &["profile", "bad.json"], 2, "--monitor");
    folder.write("wrong.yaml", "model: loan\n");
    fails(&folder, &["profile", "bad.json", "--monitor", "wrong.yaml"], 64, "wrong.yaml:1:1");
}

#[test]
fn columns_without_a_value_are_an_answer() {
    let folder = Folder::new();
    folder.write("loan.yaml", MONITOR);
    folder.write("null.json", "{\"income\":null,\"amount\":\"NaN\",\"purpose\":null}\n".repeat(3));
    let told = succeeds(&folder, &["profile", "null.json", "--monitor", "loan.yaml", "--output", "null.tidegauge"]);
    let cells = |start: &str| {
        let line = told.lines().find(|line| line.starts_with(start)).expect("a line of the field");
        line.split_whitespace().collect::<Vec<_>>()
    };
    assert_eq!(cells("income")[..5], ["income", "3", "3", "0", "-"]);
    assert_eq!(cells("amount")[..5], ["amount", "3", "0", "3", "-"]);
    assert_eq!(cells("purpose")[..4], ["purpose", "3", "3", "0"]);
}

#[test]
fn a_reference_file_that_does_not_fit_is_refused_with_the_reason() {
    let folder = Folder::new();
    folder.write("loan.yaml", MONITOR);
    folder.write("whole.csv", csv(0..200));
    fails(&folder, &["check", "loan.yaml"], 64, "there is no file");
    succeeds(&folder, &["profile", "whole.csv", "--monitor", "loan.yaml"]);
    succeeds(&folder, &["check", "loan.yaml"]);
    let replay = ["replay", "whole.csv", "--monitor", "loan.yaml"];
    succeeds(&folder, &replay);
    folder.write("loan.yaml", MONITOR.replace("resolution: 256", "resolution: 100"));
    fails(&folder, &replay, 1, "its resolution is 256 and the monitor's is 100");
    folder.write("loan.yaml", MONITOR.replace("purpose: categorical", "purpose: numeric, age: numeric"));
    fails(&folder, &replay, 1, "`purpose` is categorical in it and numeric in the monitor; it was made without `age`");
    folder.write("loan.yaml", MONITOR);
    let mut bytes = fs::read(folder.path("loan.tidegauge")).expect("it is there");
    bytes[100] ^= 1;
    folder.write("loan.tidegauge", &bytes);
    fails(&folder, &replay, 1, "loan.tidegauge: it is damaged: its checksum is another");
    folder.write("loan.tidegauge", &bytes[..50]);
    fails(&folder, &replay, 1, "loan.tidegauge: it is damaged: it is not as long as it says");
    folder.write("loan.tidegauge", "PAR1");
    fails(&folder, &replay, 1, "loan.tidegauge: it is not a reference file");
}

#[test]
fn an_interrupt_leaves_nothing_behind() {
    let folder = Folder::new();
    folder.write("loan.yaml", MONITOR);
    folder.write("large.csv", csv((0..40).flat_map(|_| 0..ROWS)));
    let mut child = tidegauge()
        .args(["profile", "large.csv", "large.csv", "large.csv", "large.csv", "--monitor", "loan.yaml"])
        .current_dir(folder.path(""))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program can be started");
    let id = child.id().to_string();
    // It listens for signals before it opens any data.
    wait_for("the data to be read", || {
        let open = fs::read_dir(format!("/proc/{id}/fd")).ok()?;
        let reads = |link: std::path::PathBuf| fs::read_link(link).is_ok_and(|path| path.ends_with("large.csv"));
        open.flatten().any(|entry| reads(entry.path())).then_some(())
    });
    let sent = std::process::Command::new("kill").args(["-INT", &id]).status().expect("kill can be run");
    assert!(sent.success(), "it ended too early");
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(130));
    assert_eq!(fs::read_dir(folder.path("")).expect("a folder").count(), 2, "something was left behind");
}

#[test]
fn the_help_says_what_it_costs() {
    let help = succeeds(&Folder::new(), &["profile", "--help"]);
    for word in ["<DATA>...", "--monitor", "--output", "--force", "read two times", "Memory does not grow"] {
        assert!(help.contains(word), "{word}: {help}");
    }
}
