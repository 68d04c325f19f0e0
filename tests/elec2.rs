//! Replays a real production log, whose numbers are known from outside.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use tempfile::TempDir;
use tidegauge::measurement::{Family, Measurement};
use tidegauge::rule::State;
use tidegauge::rule::alert::{AlertEvent, RetrainRequest};

const GOLDEN: &str = include_str!("golden/elec2.json");
const MONITOR: &str = include_str!("elec2/monitor.yaml");
/// The monitor that also knows the labels.
const TRUTH: &str = include_str!("elec2/truth.yaml");
/// Milliseconds.
const DAY: i64 = 86_400_000;
const REFERENCE: &str = "elec2-reference.parquet";
pub const PREDICTIONS: &str = "elec2-predictions.jsonl.gz";
const LABELS: &str = "elec2-labels.jsonl.gz";

/// The folder with the Elec2 files, which are not part of this repository. `None`, and a word about it, without them.
pub fn data() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let folder = std::env::var_os("TIDEGAUGE_DATA").map_or_else(beside, PathBuf::from);
    if [REFERENCE, PREDICTIONS, LABELS].iter().all(|name| folder.join(name).is_file()) {
        return Some(folder);
    }
    eprintln!("did not run: the Elec2 files are not in {}; TIDEGAUGE_DATA names their folder", folder.display());
    None
}

/// Writes the monitor into a folder, with its reference at the place where the data is.
pub fn monitor(data: &Path, folder: &Path) -> PathBuf {
    monitor_of(MONITOR, data, folder)
}

fn monitor_of(text: &str, data: &Path, folder: &Path) -> PathBuf {
    let reference = data.join(REFERENCE).canonicalize().expect("the reference is there");
    assert!(text.contains(REFERENCE), "the monitor names the reference");
    let file = folder.join("elec2.yaml");
    let quoted = format!("\"{}\"", reference.display());
    fs::write(&file, text.replace(REFERENCE, &quoted)).expect("the folder can be written to");
    file
}

/// One line of what a replay prints.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Line {
    Measurement(Box<Measurement>),
    Alert(Box<AlertEvent>),
    Retrain(Box<RetrainRequest>),
    Summary(Summary),
}

#[derive(Debug, Default, Deserialize)]
pub struct Summary {
    pub rows: u64,
    pub rejected: BTreeMap<String, u64>,
    pub late: u64,
    pub windows: u64,
}

/// What a replay says.
#[derive(Debug, Default)]
pub struct Replayed {
    pub measurements: Vec<Measurement>,
    pub alerts: Vec<AlertEvent>,
    pub retrains: Vec<RetrainRequest>,
    pub summary: Summary,
}

/// Runs `tidegauge replay` and reads all that it prints.
pub fn replay(monitor: &Path, data: &Path) -> Replayed {
    replay_with(monitor, data, &[])
}

/// The same, with labels from files.
pub fn replay_with(monitor: &Path, data: &Path, labels: &[PathBuf]) -> Replayed {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegauge"));
    let command = command.arg("replay").arg(data).arg("--monitor").arg(monitor).args(["--format", "json"]);
    let command = labels.iter().fold(command, |command, labels| command.arg("--labels").arg(labels));
    let output = command.output().expect("the binary can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut replayed = Replayed::default();
    for line in String::from_utf8(output.stdout).expect("JSON is UTF-8").lines() {
        match serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")) {
            Line::Measurement(measurement) => replayed.measurements.push(*measurement),
            Line::Alert(alert) => replayed.alerts.push(*alert),
            Line::Retrain(request) => replayed.retrains.push(*request),
            Line::Summary(summary) => replayed.summary = summary,
        }
    }
    replayed
}

#[derive(Deserialize)]
struct Golden {
    rows: BTreeMap<String, u64>,
    windows: Vec<GoldenWindow>,
    ks_breaches: Vec<GoldenBreaches>,
    performance: Vec<GoldenPerformance>,
}

/// What scikit-learn says of a week, or of all that a version said.
#[derive(Deserialize)]
struct GoldenPerformance {
    version: String,
    window_end: Option<String>,
    rows: u64,
    values: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
struct GoldenWindow {
    version: String,
    window_end: String,
    rows: u64,
    values: BTreeMap<String, BTreeMap<String, f64>>,
}

#[derive(Deserialize)]
struct GoldenBreaches {
    version: String,
    subject: String,
    breached: usize,
    first: Option<String>,
    largest: f64,
}

/// Equal but for the bound that the measurement gives itself, and for the rounding of sums in another order; what is
/// far out in a tail has fewer digits.
#[track_caller]
fn check_close(what: &str, ours: Option<f64>, bound: f64, golden: f64) {
    let ours = ours.unwrap_or_else(|| panic!("{what} is undefined"));
    let tolerance = if what.ends_with("p_value") { 1e-6 } else { 1e-9 };
    let within = bound + tolerance * golden.abs() + 1e-12;
    assert!((ours - golden).abs() <= within, "{what}: {ours} give or take {bound}, but scipy says {golden}");
}

#[test]
fn the_numbers_are_those_of_scipy() {
    let Some(data) = data() else { return };
    let folder = TempDir::new().expect("a temporary folder");
    let replayed = replay(&monitor(&data, folder.path()), &data.join(PREDICTIONS));
    let golden: Golden = serde_json::from_str(GOLDEN).expect("the golden file can be read");

    let summary = &replayed.summary;
    assert_eq!(summary.rows, golden.rows.values().sum::<u64>());
    assert_eq!((summary.late, summary.rejected.len()), (0, 0));
    let last = replayed.measurements.iter().map(|m| m.window_end.0).max().expect("there are windows");
    for (version, rows) in &golden.rows {
        // Every seventh of the daily windows of a week: each row is in one of them.
        let is_seventh = |m: &&Measurement| (last - m.window_end.0) % (7 * DAY) == 0;
        let counted = replayed.measurements.iter().filter(|m| m.statistic == "rows" && m.version == *version);
        assert_eq!(counted.filter(is_seventh).map(|m| m.rows).sum::<u64>(), *rows, "version {version}");
    }
    for window in &golden.windows {
        check_window(&replayed, window);
    }
    for breaches in &golden.ks_breaches {
        check_breaches(&replayed, breaches);
    }
    tell(&replayed);
}

fn check_window(replayed: &Replayed, golden: &GoldenWindow) {
    let of_window: Vec<&Measurement> = replayed
        .measurements
        .iter()
        .filter(|m| m.version == golden.version && m.window_end.to_string() == golden.window_end)
        .collect();
    for (subject, values) in &golden.values {
        for (name, value) in values {
            let statistic = name.strip_suffix("_p_value").unwrap_or(name);
            let found = of_window.iter().find(|m| m.subject == *subject && m.statistic == statistic);
            let found = found.unwrap_or_else(|| panic!("{subject} has {statistic}"));
            assert_eq!(found.rows, golden.rows);
            let ours = if statistic == name { found.value } else { found.p_value };
            let bound = found.error_bound.unwrap_or(0.0);
            check_close(&format!("{} {subject} {name}", golden.window_end), ours, bound, *value);
        }
    }
}

fn check_breaches(replayed: &Replayed, golden: &GoldenBreaches) {
    let course = || {
        let of_version = replayed.measurements.iter().filter(|m| m.version == golden.version && m.statistic == "ks");
        of_version.filter(|m| m.subject == golden.subject)
    };
    let ends: Vec<String> = course().filter(|m| m.breached == Some(true)).map(|m| m.window_end.to_string()).collect();
    let what = format!("KS of {} {}", golden.subject, golden.version);
    assert_eq!((ends.len(), ends.first()), (golden.breached, golden.first.as_ref()), "{what}");
    check_close(&what, course().filter_map(|m| m.value).reduce(f64::max), 0.0, golden.largest);
    assert!(course().all(|m| m.error_bound.is_none_or(|bound| bound == 0.0)), "{what} is exact");
}

/// Prints what is found, for whoever reads the test's output.
fn tell(replayed: &Replayed) {
    for alert in replayed.alerts.iter().filter(|alert| alert.state == State::Firing) {
        println!("{}  {}", alert.window_end, alert.annotations["summary"]);
    }
    for request in &replayed.retrains {
        println!("{}  retrain {} of version {}", request.window_end, request.retrain, request.version);
    }
    println!("{} windows, {} measurements", replayed.summary.windows, replayed.measurements.len());
}

/// What is worth knowing of this log: three features that were stuck when the reference was made fire at once, those
/// that cannot drift do not, and the score follows.
#[test]
fn the_alerts_tell_the_story() {
    let Some(data) = data() else { return };
    let folder = TempDir::new().expect("a temporary folder");
    let replayed = replay(&monitor(&data, folder.path()), &data.join(PREDICTIONS));
    let first = |subject: &str, version: &str| {
        let mut firing = replayed.alerts.iter().filter(|alert| alert.state == State::Firing);
        firing.find(|a| a.subject == subject && a.version == version).map(|alert| alert.window_end.to_string())
    };
    // Since version 1 served a day, 96 rows were too few to tell; then it takes seven windows.
    for stuck in ["vicprice", "vicdemand", "transfer"] {
        assert_eq!(first(stuck, "1").as_deref(), Some("1997-05-16T00:00:00Z"), "{stuck}");
        assert_eq!(first(stuck, "2").as_deref(), Some("1998-01-31T00:00:00Z"), "{stuck}");
    }
    for calm in ["period", "weekday", "daypart"] {
        assert_eq!(first(calm, "1").or(first(calm, "2")), None, "{calm}");
    }
    let requests: Vec<(&str, String)> =
        replayed.retrains.iter().map(|request| (request.version.as_str(), request.window_end.to_string())).collect();
    assert_eq!(requests[0], ("1", "1997-05-31T00:00:00Z".to_owned()));
    assert!(requests.windows(2).all(|pair| pair[0].1 < pair[1].1), "{requests:?}");
    // Each episode has one identity, and ends once.
    let mut states: BTreeMap<&str, Vec<State>> = BTreeMap::new();
    replayed.alerts.iter().for_each(|alert| states.entry(&alert.id).or_default().push(alert.state));
    let order = [State::Pending, State::Firing, State::Resolved];
    assert!(states.values().all(|states| order.starts_with(states)), "{states:?}");
}

/// Labels say in the end what scikit-learn says of the raw rows, and when it would have been known that the model is
/// wrong more often than it was.
#[test]
fn labels_tell_how_wrong_the_model_is() {
    let Some(data) = data() else { return };
    let folder = TempDir::new().expect("a temporary folder");
    let monitor = monitor_of(TRUTH, &data, folder.path());
    let replayed = replay_with(&monitor, &data.join(PREDICTIONS), &[data.join(LABELS)]);
    let golden: Golden = serde_json::from_str(GOLDEN).expect("the golden file can be read");
    // The last revision of each window, which knows all labels.
    let last: Vec<&Measurement> =
        replayed.measurements.iter().filter(|m| m.family == Family::Performance && !m.provisional).collect();
    assert!(last.iter().filter(|m| m.statistic == "coverage").all(|m| m.value == Some(1.0)));
    let newest = last.iter().map(|m| m.window_end.0).max().expect("there are windows");
    for one in &golden.performance {
        let of_version = || last.iter().filter(|m| m.version == one.version);
        let Some(end) = &one.window_end else {
            // Every seventh of the daily windows of a week: each row is in one of them.
            let sevenths = || of_version().filter(|m| (newest - m.window_end.0) % (7 * DAY) == 0);
            let sum = |name: &str| sevenths().filter(|m| m.statistic == name).filter_map(|m| m.value).sum::<f64>();
            let right = sum("true_positives") + sum("true_negatives");
            let all = right + sum("false_positives") + sum("false_negatives");
            println!("version {}: {:.4} of {all} are right", one.version, right / all);
            // Windows with fewer rows than the monitor wants say nothing; there are such at a version's two ends.
            assert!((right / all - one.values["accuracy"]).abs() < 0.005 && one.rows as f64 - all < 200.0);
            continue;
        };
        for (name, value) in &one.values {
            let found = of_version().find(|m| m.window_end.to_string() == *end && m.statistic == *name);
            let found = found.unwrap_or_else(|| panic!("{name} is measured"));
            assert_eq!(found.rows, one.rows);
            // Where nothing was chosen there is no correlation; scikit-learn calls that 0.
            if found.value.is_some() || *value != 0.0 {
                check_close(&format!("{end} {name}"), found.value, found.error_bound.unwrap_or(0.0), *value);
            }
        }
    }
    let first = |alert: &str| {
        let mut firing = replayed.alerts.iter().filter(|a| a.state == State::Firing && a.version == "1");
        firing.find(|a| a.alert == alert).map(|alert| alert.window_end.to_string())
    };
    let told = ["ScoreDrift", "EstimatedAccuracy", "Accuracy"].map(first);
    println!("first said by drift {:?}, by CBPE {:?}, by labels {:?}", told[0], told[1], told[2]);
    assert_eq!(told[0].as_deref(), Some("1997-05-25T00:00:00Z"));
    // What a score means has changed, which CBPE supposes that it does not; the gap to the truth tells.
    assert_eq!(told[1], None);
    assert_eq!(told[2].as_deref(), Some("1997-06-10T00:00:00Z"));
    let gap = replayed.measurements.iter().find(|m| {
        m.statistic == "accuracy_gap" && m.window_end.to_string() == "1997-06-10T00:00:00Z" && !m.provisional
    });
    let gap = gap.expect("it is measured");
    assert!(gap.value < Some(-0.25) && gap.p_value < Some(1e-50), "{gap:?}");
}
