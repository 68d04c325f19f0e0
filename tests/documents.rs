//! Holds the README, the rules, the dashboards and the deploy files to the code.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidegauge::config::{Problems, load, load_monitor, ruletest as tests};
use tidegauge::measurement::Family;
use tidegauge::{ruletest, stat, telemetry};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The README's table of statistics, made from the table in the code.
fn statistics() -> String {
    let mut text = String::from("| statistic | threshold | what it is |\n|---|---|---|\n");
    for family in Family::ALL {
        for row in stat::ALL.iter().filter(|row| row.family == family) {
            let threshold = row.threshold.map_or("–".to_owned(), |threshold| threshold.to_string());
            text += &format!("| `{}.{}` | {threshold} | {} |\n", family.name(), row.name, row.about);
        }
    }
    text
}

#[test]
fn the_readme_has_the_table_of_statistics() {
    let expected = statistics();
    assert!(read("README.md").contains(&expected), "the README's table should be:\n{expected}");
}

#[test]
fn the_readmes_monitor_is_a_good_one() {
    let readme = read("README.md");
    let yaml = readme.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("it has a monitor");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("monitor.yaml");
    fs::write(&file, yaml).unwrap();
    load_monitor(&file).unwrap_or_else(|problems| panic!("{problems:?}"));
}

#[test]
fn what_the_readme_links_to_is_there() {
    let readme = read("README.md");
    for link in readme.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        if !link.starts_with("http") && !link.starts_with('#') {
            assert!(root().join(link).exists(), "{link} is not there");
        }
    }
}

#[test]
fn what_is_shipped_loads() {
    for entry in fs::read_dir(root().join("rules")).unwrap() {
        let file = entry.unwrap().path();
        // A test is run with its monitor.
        if tests::is_test(&file) {
            continue;
        }
        let monitor = Arc::new(load_monitor(&file).unwrap_or_else(|problems| panic!("{problems:?}")));
        for test in tests::beside(&file) {
            let passed = ruletest::run(&test, &monitor).unwrap_or_else(|problems| panic!("{}", Problems(problems)));
            assert!(passed >= 3, "{}", test.display());
        }
    }
    load(&root().join("deploy/tidegauge.yaml")).unwrap_or_else(|problems| panic!("{problems:?}"));
}

#[test]
fn dashboards_and_alert_rules_name_only_metrics_that_there_are() {
    let known: BTreeSet<String> = telemetry::names().into_iter().collect();
    for path in ["dashboards/tidegauge.json", "deploy/alerts.yaml"] {
        let text = read(path);
        for (at, _) in text.match_indices("tidegauge_") {
            let name: String = text[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            // A prefix in a pattern over names is not a name.
            let is_pattern = text[at + name.len()..].starts_with(['.', '(', '*']);
            assert!(is_pattern || known.contains(&name), "{path} names {name}, which there is not");
        }
    }
}
