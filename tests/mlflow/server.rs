//! A real MLflow server, and what its users do with it.

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::ask;

/// It takes half a minute to start on a busy machine, and longer when it has still to be installed.
const PATIENCE: Duration = Duration::from_secs(600);

/// A server that is ended when dropped.
pub struct Server {
    child: Child,
    pub address: String,
    folder: TempDir,
}

impl Server {
    pub fn start() -> Server {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        let folder = tempfile::tempdir().expect("a folder");
        let log = std::fs::File::create(folder.path().join("log")).expect("the log can be written");
        let child = script()
            .arg(folder.path())
            .arg(port.to_string())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            // It has children of its own, which end with their group.
            .process_group(0)
            .spawn()
            .expect("it starts");
        let mut server = Server { child, address: format!("127.0.0.1:{port}"), folder };
        let begun = Instant::now();
        while ask(&server.address, "GET", "/health", &[], b"").0 != 200 {
            let ended = server.child.try_wait().expect("it can be asked");
            assert!(ended.is_none() && begun.elapsed() < PATIENCE, "MLflow did not start: {}", server.log());
            std::thread::sleep(Duration::from_millis(200));
        }
        server
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub fn post(&self, path: &str, body: Value) -> Value {
        let path = format!("/api/2.0/mlflow/{path}");
        let headers = [("content-type", "application/json")];
        let (status, answer) = ask(&self.address, "POST", &path, &headers, body.to_string().as_bytes());
        assert_eq!(status, 200, "{path}: {answer}");
        super::json(&answer)
    }

    pub fn get(&self, path: &str) -> Value {
        let (status, answer) = ask(&self.address, "GET", &format!("/api/2.0/mlflow/{path}"), &[], b"");
        assert_eq!(status, 200, "{path}: {answer}");
        super::json(&answer)
    }

    /// Makes a run with artifacts, and registers the part of them below `model` as the next version. Returns the run.
    pub fn register(&self, name: &str, artifacts: &[(&str, &str)]) -> String {
        let made = self.post("runs/create", json!({"experiment_id": "0", "start_time": 1}));
        let (run, root) = (&made["run"]["info"]["run_id"], &made["run"]["info"]["artifact_uri"]);
        let (run, root) = (run.as_str().expect("an id"), root.as_str().expect("an address"));
        let below = root.strip_prefix("mlflow-artifacts:/").expect("the server has the artifacts");
        for (path, content) in artifacts {
            let path = format!("/api/2.0/mlflow-artifacts/artifacts/{below}/{path}");
            assert_eq!(ask(&self.address, "PUT", &path, &[], content.as_bytes()).0, 200, "{path}");
        }
        let version = json!({"name": name, "source": format!("{root}/model"), "run_id": run});
        self.post("model-versions/create", version);
        run.to_owned()
    }

    /// Logs a model as people do, with the reference as an artifact of its run, and registers it as the next version.
    pub fn log_model(&self, name: &str, reference: &str) {
        let file = self.folder.path().join("reference.csv");
        std::fs::write(&file, reference).expect("it can be written");
        let done = script().args(["--log-model", &self.url(), name]).arg(file).output().expect("it can be run");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// Has the alias stand for this version.
    pub fn promote(&self, name: &str, alias: &str, version: &str) {
        self.post("registered-models/alias", json!({"name": name, "alias": alias, "version": version}));
    }

    /// The tags of a version that have to do with drift.
    pub fn tag(&self, name: &str, version: &str, key: &str) -> Option<String> {
        let version = self.get(&format!("model-versions/get?name={name}&version={version}"));
        let tags = version["model_version"]["tags"].as_array()?.clone();
        let tag = tags.iter().find(|tag| tag["key"] == key)?;
        tag["value"].as_str().map(str::to_owned)
    }

    /// The runs of an experiment.
    pub fn runs(&self, experiment: &str) -> Vec<Value> {
        let found = self.get(&format!("experiments/get-by-name?experiment_name={experiment}"));
        let search = json!({"experiment_ids": [found["experiment"]["experiment_id"]]});
        self.post("runs/search", search)["runs"].as_array().cloned().unwrap_or_default()
    }

    /// All that was ever written of a metric, as its time and value.
    pub fn history(&self, run: &str, metric: &str) -> Vec<(i64, f64)> {
        let found = self.get(&format!("metrics/get-history?run_id={run}&metric_key={metric}"));
        let metrics = found["metrics"].as_array().cloned().unwrap_or_default();
        let one = |m: &Value| (m["timestamp"].as_i64().unwrap_or(0), m["value"].as_f64().unwrap_or(f64::NAN));
        let mut history: Vec<(i64, f64)> = metrics.iter().map(one).collect();
        history.sort_by_key(|(at, _)| *at);
        history
    }
}

fn script() -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mlflow/server.sh"))
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", self.child.id())]).status();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("MLflow's log:\n{}", self.log());
        }
    }
}
