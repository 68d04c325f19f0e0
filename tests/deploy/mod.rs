//! What is deployed beside the daemon asks only for metrics that the daemon exports.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The dashboard, the alerts, and what the alerts are tested with.
const ASKING: [&str; 3] = ["dashboards/tidegauge.json", "deploy/alerts.yaml", "tests/deploy/alerts.test.yaml"];

/// Every metric that a text names.
fn named(text: &str) -> BTreeSet<String> {
    let starts = text.match_indices("tidegauge_").map(|(at, _)| &text[at..]);
    starts.map(|rest| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()).collect()
}

#[test]
fn every_metric_that_is_asked_for_is_exported() {
    let exported: BTreeSet<String> = tidegauge::telemetry::names().into_iter().collect();
    for file in ASKING {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect("the file can be read");
        let named = named(&text);
        let missing: Vec<&String> = named.difference(&exported).collect();
        assert!(missing.is_empty(), "{file} asks for metrics that are not exported: {missing:?}");
        assert!(named.len() >= 10, "{file} asks for hardly anything: {named:?}");
    }
}
