//! The loop closes: a model drifts for good, a project of MLflow trains it anew on the rows that the request names, and
//! from then on it is compared with what it has learnt from. Nobody lifts a hand.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::Output;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tidegauge::audit::{Entry, What};
use tidegauge::config::load_monitor;
use tidegauge::replay::reference_in;

use super::server::Server;
use super::{BEGIN, WINDOW, compared_with, end_of, hash_in_use};
use crate::support::broker::Broker;
use crate::support::program::{Daemon, Folder};
use crate::support::wait_until;

/// From this window on incomes are others.
const DRIFT: i64 = 3;
/// The window in which the alert fires, since it takes two.
const FIRES: i64 = DRIFT + 1;
const ROWS: i64 = 400;
/// MLflow takes many seconds to begin anything, and longer on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

#[test]
fn a_model_that_drifts_is_trained_anew_without_a_hand_on_it() {
    if std::env::var_os("TIDEGAUGE_PEERS").is_none() {
        eprintln!("a_model_that_drifts_is_trained_anew_without_a_hand_on_it did not run: it needs TIDEGAUGE_PEERS");
        return;
    }
    let server = Server::shared();
    server.post("registered-models/create", json!({"name": "loan"}));
    server.register("loan", &[("model/tidegauge/reference.ndjson", &text(0, "1"))]);
    server.promote("loan", "champion", "1");
    let (broker, folder) = (Broker::start(&[("loans", 2)]), Folder::new());
    configure(&folder, &broker, &server.url());
    let mut daemon = Daemon::start_ready(&folder);
    let (first, second) = (hash(&folder, 0), hash(&folder, FIRES));
    assert_ne!(second, hash(&folder, FIRES + 1), "it tells one window from the next");
    assert_eq!(hash_in_use(&daemon).as_ref(), Some(&first));

    let mut production = Production { broker: &broker, version: "1".to_owned(), windows: 0 };
    let is = |state: &str| {
        let run = daemon.api("/api/v1/retrains").into_iter().next().unwrap_or_default();
        assert_ne!(run["state"], "failed", "{run}");
        run["state"] == state
    };
    production.goes_on_until("the training to begin", || is("started"));
    // It was trained on the rows of the window that the alert is about, all of them and no others.
    production.goes_on_until("the reference of the new version", || hash_in_use(&daemon).as_ref() == Some(&second));
    production.goes_on_until("the end of the training", || is("succeeded"));
    // What serves takes up the champion as well, and takes longer than the daemon, as it does in life.
    let champion = server.get("registered-models/alias?name=loan&alias=champion");
    production.version = champion["model_version"]["version"].as_str().expect("it has a version").to_owned();
    let served = production.windows;
    production.goes_on_until("windows of the new version", || compared_with(&daemon, served + 1).is_some());

    nothing_drifts_any_more(&daemon, &broker, (served, &second));
    it_was_trained_once(&daemon, &server);
    the_audit_log_tells_it_in_order(&daemon, &folder);
    assert_eq!(daemon.terminate().0.code(), Some(0));
    let verified = folder.run(&["audit", "verify"]);
    assert!(verified.status.success(), "{}", said(&verified));
}

/// A row. No two windows have the same incomes, so a reference tells which of them it was made of.
fn line(window: i64, version: &str, i: i64) -> String {
    let at = BEGIN + window * WINDOW + i * (WINDOW - 1) / ROWS;
    let from = if window < DRIFT { 0 } else { 60 };
    let income = (from + i % 100) as f64 + window as f64 / 100.0;
    format!(r#"{{"ts":{at},"version":"{version}","income":{income}}}"#)
}

/// The rows of a window.
fn text(window: i64, version: &str) -> String {
    (0..ROWS).fold(String::new(), |mut text, i| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", line(window, version, i));
        text
    })
}

/// The content hash that the reference of a window's rows has.
fn hash(folder: &Folder, window: i64) -> String {
    let file = folder.write("expected.ndjson", text(window, "1"));
    let monitor = load_monitor(&folder.path("rules/loan.yaml")).expect("the monitor is right");
    reference_in(&file, &monitor).expect("it can be read").hash
}

/// What serves the model and logs what it is asked, one window after the other.
struct Production<'a> {
    broker: &'a Broker,
    version: String,
    windows: i64,
}

impl Production<'_> {
    /// Serves on until it is so.
    fn goes_on_until(&mut self, what: &str, is_so: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}");
            for partition in 0..2 {
                let rows = (0..ROWS).filter(|i| i % 2 == i64::from(partition));
                let lines = rows.map(|i| line(self.windows, &self.version, i));
                self.broker.produce("loans", partition, lines);
            }
            self.windows += 1;
            sleep(Duration::from_millis(500));
        }
    }
}

/// Writes the monitor, and the configuration of a daemon whose action is the project beside this file.
fn configure(folder: &Folder, broker: &Broker, mlflow: &str) {
    folder.write(
        "rules/loan.yaml",
        "model: loan\ninputs: [{topic: loans}]\nschema: {time: ts, version: version, features: {income: numeric}}\n\
         reference: {mlflow: models:/loan@champion, artifact: tidegauge/reference.ndjson}\n\
         window: {size: 10s, idle: 10m, min_rows: 100}\n\
         alerts:\n- {alert: FeatureDrift, when: drift.psi > 0.2, for: 2, retrain: {name: retrain}}\n",
    );
    let address = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port");
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mlflow");
    let (project, programs) = (here.join("retrain"), here.join(".venv/bin"));
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
    let command = json!([
        "mlflow",
        "run",
        ".",
        "--env-manager",
        "local",
        "--experiment-name",
        "training",
        "-P",
        format!("brokers={}", broker.address),
        "-P",
        format!("daemon=http://{address}"),
    ]);
    let environment = json!({"PATH": path, "MLFLOW_TRACKING_URI": mlflow, "MLFLOW_DISABLE_TELEMETRY": "true"});
    let action = json!({"exec": {"command": command, "directory": project, "environment": environment}});
    folder.configure(
        &broker.address,
        &format!("mlflow: {{url: {mlflow}, poll: 200ms, timeout: 60s}}\nactions: {{retrain: {action}}}\n"),
    );
    // The project has to know where the daemon is.
    let file = folder.path("tidegauge.yaml");
    let text = std::fs::read_to_string(&file).expect("it was written");
    folder.write("tidegauge.yaml", text.replace("127.0.0.1:0", &address.to_string()));
}

/// From the first window that was served by the new version on, and the old one's alert is over.
fn nothing_drifts_any_more(daemon: &Daemon, broker: &Broker, (served, reference): (i64, &str)) {
    assert_eq!(compared_with(daemon, served).as_deref(), Some(reference));
    let course = daemon.course("loan", "income", "psi");
    let drifted = |from: i64, to: i64| {
        let ends: Vec<String> = (from..to).map(end_of).collect();
        let values =
            course.iter().filter(|(end, _)| ends.contains(end)).map(|(_, psi)| psi.is_some_and(|psi| psi > 0.2));
        values.collect::<Vec<_>>()
    };
    assert_eq!(drifted(0, FIRES + 1), [false, false, false, true, true], "{course:?}");
    assert_eq!(drifted(served, served + 2), [false, false], "{course:?}");
    wait_until("the alert's end to be told", || broker.read("tidegauge.alerts").len() >= 3);
    let alerts: Vec<Value> = broker.read("tidegauge.alerts").iter().map(|found| found.json()).collect();
    let told = alerts.iter().map(|alert| (alert["version"].as_str(), alert["state"].as_str()));
    let expected = ["pending", "firing", "resolved"].map(|state| (Some("1"), Some(state)));
    assert_eq!(told.collect::<Vec<_>>(), expected, "{alerts:?}");
    assert_eq!(alerts[1]["window_end"], end_of(FIRES).as_str());
}

fn it_was_trained_once(daemon: &Daemon, server: &Server) {
    let retrains = daemon.api("/api/v1/retrains");
    assert_eq!(retrains.len(), 1, "{retrains:?}");
    let (run, request) = (&retrains[0], &retrains[0]["request"]);
    assert_eq!((&run["state"], &run["new_version"]), (&json!("succeeded"), &json!("2")));
    assert_eq!(request["window_end"], end_of(FIRES).as_str());
    let rows = ROWS / 2;
    let range = |partition: i64| {
        let (first, last) = (FIRES * rows, (FIRES + 1) * rows - 1);
        json!({"topic": "loans", "partition": partition, "first": first, "last": last})
    };
    assert_eq!(request["offsets"], json!([range(0), range(1)]));

    let runs = server.runs("training");
    assert_eq!(runs.len(), 1, "{runs:?}");
    let id = runs[0]["info"]["run_id"].as_str().expect("an id");
    assert_eq!(server.history(id, "rows").iter().map(|(_, rows)| *rows).collect::<Vec<_>>(), [ROWS as f64]);
    assert!(runs[0].to_string().contains(run["id"].as_str().expect("an id")), "{runs:?}");
}

fn the_audit_log_tells_it_in_order(daemon: &Daemon, folder: &Folder) {
    let (status, log) = daemon.get("/api/v1/audit");
    assert_eq!(status, 200, "{log}");
    let verified = folder.run(&["audit", "verify", &folder.write("audit.jsonl", &log).to_string_lossy()]);
    assert!(verified.status.success(), "{}", said(&verified));
    let word = |line: &str| match Entry::from_json(line).expect("an entry").what {
        What::Alert { state, .. } => format!("alert {state:?}"),
        What::Retrain { .. } => "request".to_owned(),
        What::Run { state, .. } => format!("run {state:?}"),
        What::Reference { from, .. } if !from.is_empty() => "reference".to_owned(),
        _ => String::new(),
    };
    let words: Vec<String> = log.lines().map(word).collect();
    // That the project says that it is done, and that the daemon has seen the champion, may come in any order.
    let in_order = |expected: &[&str]| {
        let found: Vec<&str> = words.iter().map(String::as_str).filter(|word| expected.contains(word)).collect();
        assert_eq!(found, expected, "{words:?}");
    };
    in_order(&["alert Pending", "alert Firing", "request", "run Triggering", "run Started", "run Succeeded"]);
    in_order(&["alert Firing", "request", "run Triggering", "run Started", "reference", "alert Resolved"]);
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}
