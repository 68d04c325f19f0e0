//! Two files compared by the program: its answer, its forms and its exit codes.

use std::fs;
use std::process::Output;

use serde_json::Value;

use crate::support::program::Folder;

/// Loans of which incomes and purposes are as in all others, unless they moved.
fn loans(rows: usize, shift: usize, cars: usize) -> String {
    let row = |i: usize| {
        let (income, purpose) = (i * 73 % 997 + shift, if i % 10 < cars { "car" } else { "home" });
        format!("{income},{purpose},{}\n", i * 31 % 89)
    };
    std::iter::once("income,purpose,age\n".to_owned()).chain((0..rows).map(row)).collect()
}

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("trusted.csv", loans(1500, 0, 5));
    folder.write("same.csv", loans(1200, 0, 5));
    folder.write("moved.csv", loans(1200, 400, 5));
    folder
}

#[track_caller]
fn check(output: &Output, code: i32) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}\n{err}");
    assert_eq!(err, "");
    out.into_owned()
}

#[test]
fn the_exit_code_is_the_answer() {
    let folder = folder();
    let same = check(&folder.run(&["compare", "trusted.csv", "same.csv"]), 0);
    assert!(same.starts_with("None of 3 columns drifted; nearest to it: "), "{same}");
    let moved = check(&folder.run(&["compare", "trusted.csv", "moved.csv"]), 1);
    assert!(moved.starts_with("1 of 3 columns drifted: income (psi "), "{moved}");
    assert!(moved.contains("mean +1.39 sd"), "{moved}");
    // Nothing steers a terminal where there is none.
    assert!(!moved.contains('\u{1b}'));
    let missing = folder.run(&["compare", "trusted.csv", "missing.csv"]);
    assert_eq!(missing.status.code(), Some(1));
    let said = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(said.starts_with("tidegauge: missing.csv: "), "{said}");
    let directory = folder.run(&["compare", "trusted.csv", "."]);
    assert!(String::from_utf8_lossy(&directory.stderr).contains("it is a folder"));
}

#[test]
fn programs_get_one_object_a_line() {
    let folder = folder();
    let text = check(&folder.run(&["compare", "trusted.csv", "moved.csv", "--format", "json"]), 1);
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    let of = |name: &str| lines.iter().filter(|line| line["type"] == name).collect::<Vec<_>>();
    let psi = of("measurement").into_iter().find(|m| m["subject"] == "income" && m["statistic"] == "psi");
    let psi = psi.expect("it is measured");
    assert!(psi["breached"] == true && psi["threshold"] == 0.2 && psi["window_start"].is_null(), "{psi}");
    assert!(psi["q_value"].as_f64() >= psi["p_value"].as_f64(), "{psi}");
    let columns: Vec<&str> = of("column").iter().filter_map(|column| column["subject"].as_str()).collect();
    assert_eq!(columns.first(), Some(&"income"));
    assert_eq!(columns.len(), 3);
    let income = of("column")[0];
    assert_eq!((&income["reference"]["rows"], &income["current"]["rows"]), (&1500.into(), &1200.into()));
    assert_eq!(income["reference"]["max"], 996.0);
    let summary = lines.last().expect("there are lines");
    assert_eq!((&summary["type"], &summary["verdict"]), (&"summary".into(), &"changed".into()));
    assert_eq!(summary["drifted"], serde_json::json!(["income"]));
}

#[test]
fn an_output_is_named_by_what_it_is() {
    let folder = folder();
    for (name, first) in [("report.html", "<!doctype html>"), ("report.json", "{"), ("report.txt", "1 of 3 columns")] {
        assert_eq!(check(&folder.run(&["compare", "trusted.csv", "moved.csv", "--output", name]), 1), "");
        let text = fs::read_to_string(folder.path(name)).expect("it is written");
        assert!(text.starts_with(first), "{name}: {text:.80}");
    }
    let page = fs::read_to_string(folder.path("report.html")).expect("it is written");
    // It needs nobody else's files.
    assert!(!page.contains("http:") && !page.contains("https:") && !page.contains("src="), "{page}");
    let nowhere = folder.run(&["compare", "trusted.csv", "moved.csv", "--output", "no/such/folder.html"]);
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&nowhere.stderr).contains("write no/such/folder.html"));
}

#[test]
fn a_monitor_says_what_matters() {
    let folder = folder();
    let monitor = |drift: &str| {
        format!(
            "model: loan\ninputs: [{{topic: loans}}]\nreference: {{learnt: {{rows: 100}}}}\nwindow: {{size: 1h}}\n\
             schema: {{time: ts, features: {{income: {{path: features.income, type: numeric}}, purpose: categorical, \
             gone: numeric}}}}\n{drift}"
        )
    };
    let run = |drift: &str| {
        folder.write("loan.yaml", monitor(drift));
        folder.run(&["compare", "trusted.csv", "moved.csv", "--monitor", "loan.yaml", "--format", "json"])
    };
    let text = check(&run(""), 1);
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    let measured = lines.iter().filter(|line| line["type"] == "measurement");
    let drift: Vec<String> = measured
        .filter(|m| m["family"] == "drift" && m["model"] == "loan")
        .map(|m| format!("{} {}", m["subject"].as_str().unwrap_or(""), m["statistic"].as_str().unwrap_or("")))
        .collect();
    let expected = ["income psi", "income ks", "income wasserstein"];
    assert_eq!(drift[..3], expected);
    assert!(drift[3..].iter().all(|name| name.starts_with("purpose ")), "{drift:?}");
    let gone = lines.iter().find(|line| line["subject"] == "gone").expect("it is told");
    assert_eq!((&gone["type"], &gone["why"]), (&"column".into(), &"the reference does not have it".into()));
    // With thresholds that nothing reaches, the same change does not matter.
    let lax = "drift: {numeric: [psi, ks], thresholds: {psi: 90, ks: 0.99}}\n";
    check(&run(lax), 0);
    let wrong = run("drift: {numeric: [pso]}\n");
    assert_eq!(wrong.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("unknown statistic `pso`"));
}
