//! The program itself: its files, its processes, and what it says over HTTP, on its outputs and in its log.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::{PATIENCE, wait_for};

/// The program, with nothing in its environment that could change what it says.
pub fn tidegauge() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegauge"));
    command.env_remove("TIDEGAUGE_LOG").env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// A folder with configuration, and whatever a test puts there.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Folder {
        let mut folder = tempfile::tempdir().expect("a temporary folder");
        folder.disable_cleanup(std::env::var_os("TIDEGAUGE_KEEP").is_some());
        Folder(folder)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("it is in the folder")).expect("the folder can be made");
        fs::write(&path, content).expect("the file can be written");
        path
    }

    /// Writes the daemon's file, with what is particular to a test at its end.
    pub fn configure(&self, brokers: &str, more: &str) {
        // The embedded broker does not wake a fetch that waits, misses a member that was killed after a session, and
        // needs a session longer than the three seconds for which it waits for the first members of a group.
        let text = format!(
            "kafka:\n  brokers: \"{brokers}\"\n  properties: {{fetch.wait.max.ms: 20, session.timeout.ms: 3500, \
             heartbeat.interval.ms: 200}}\nrules: [rules]\nhttp: {{listen: \"127.0.0.1:0\"}}\nstore: {{path: data}}\n\
             topics: {{dead_letters: tidegauge.dead-letters}}\n{more}"
        );
        self.write("tidegauge.yaml", text);
    }

    /// The same for a daemon that is the only one of its group: one that takes the place of another that was killed is
    /// given all partitions at once, and not only its share until the other's session has ended.
    pub fn configure_only_one(&self, brokers: &str) {
        self.configure(brokers, "");
        let file = self.0.path().join("tidegauge.yaml");
        let text = std::fs::read_to_string(&file).expect("it was written");
        self.write("tidegauge.yaml", text.replace("properties: {", "properties: {group.instance.id: only, "));
    }

    /// Runs the program here, to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        tidegauge().args(arguments).current_dir(self.0.path()).output().expect("the program can be started")
    }
}

/// A running daemon; it is killed when dropped.
pub struct Daemon {
    child: Child,
    log: PathBuf,
    pub address: SocketAddr,
}

impl Daemon {
    /// Starts the daemon on the folder's configuration; returns when it listens.
    pub fn start(folder: &Folder) -> Daemon {
        let log = folder.path(&format!("log-{}.jsonl", fastrand::u64(..)));
        let errors = fs::File::create(&log).expect("the log can be written");
        let child = tidegauge()
            .args(["run", "--log-json"])
            .current_dir(folder.0.path())
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()
            .expect("the program can be started");
        let mut daemon = Daemon { child, log, address: SocketAddr::from(([0, 0, 0, 0], 0)) };
        daemon.address = wait_for("the daemon to listen", || {
            if let Some(status) = daemon.child.try_wait().expect("it can be asked") {
                panic!("it ended with {status}: {}", daemon.log_text());
            }
            let running = daemon.said("running").into_iter().next()?;
            running["address"].as_str()?.parse().ok()
        });
        daemon
    }

    /// Returns when it says that it is ready.
    pub fn start_ready(folder: &Folder) -> Daemon {
        let daemon = Daemon::start(folder);
        daemon.wait_ready();
        daemon
    }

    pub fn wait_ready(&self) {
        wait_for("the daemon to be ready", || (self.get("/-/ready").0 == 200).then_some(()));
    }

    pub fn log_text(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The fields of the log's lines whose message begins so.
    pub fn said(&self, message: &str) -> Vec<Value> {
        let text = self.log_text();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let fields = lines.map(|line| line["fields"].clone());
        fields.filter(|fields| fields["message"].as_str().is_some_and(|said| said.starts_with(message))).collect()
    }

    pub fn get(&self, path: &str) -> (u16, String) {
        request(self.address, "GET", path)
    }

    pub fn post(&self, path: &str) -> (u16, String) {
        request(self.address, "POST", path)
    }

    /// The `data` of an answer of the API.
    pub fn api(&self, path: &str) -> Vec<Value> {
        let (status, body) = self.get(path);
        assert_eq!(status, 200, "{path}: {body}");
        let answer: Value = serde_json::from_str(&body).expect("the API answers in JSON");
        answer["data"].as_array().expect("it is a list").clone()
    }

    /// The values of one statistic by window, oldest first.
    pub fn course(&self, model: &str, subject: &str, statistic: &str) -> Vec<(String, Option<f64>)> {
        let path = format!("/api/v1/measurements?limit=20000&model={model}&subject={subject}&statistic={statistic}");
        let one = |m: &Value| (m["window_end"].as_str().unwrap_or_default().to_owned(), m["value"].as_f64());
        self.api(&path).iter().rev().map(one).collect()
    }

    /// The sum of a metric over all its series with these labels; `None` when there are none.
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        metric(&self.get("/metrics").1, name, labels)
    }

    pub fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{signal}"), &id]).status().expect("kill can be run");
        assert!(sent.success(), "the process is gone");
    }

    /// Kills it as a power cut would.
    pub fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }

    /// Asks it to end. Returns how, and how long it took.
    pub fn terminate(&mut self) -> (ExitStatus, Duration) {
        self.signal("TERM");
        let begun = Instant::now();
        let status = wait_for("the daemon's end", || self.child.try_wait().expect("it can be asked"));
        (status, begun.elapsed())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // The test that failed will want to know.
        if std::thread::panicking() {
            eprintln!("the daemon's log:\n{}", self.log_text());
        }
    }
}

/// The sum of a metric over all its series with these labels.
pub fn metric(text: &str, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let of_name = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
    let has = |line: &str, (label, value): &(&str, &str)| line.contains(&format!("{label}=\"{value}\""));
    let series = text.lines().filter(of_name).filter(|line| labels.iter().all(|label| has(line, label)));
    let values = series.map(|line| line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok()));
    values.fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value.expect("a metric has a number")))
}

/// Asks over a connection of its own. A daemon that is gone answers with the status 0.
fn request(address: SocketAddr, method: &str, path: &str) -> (u16, String) {
    let ask = || -> std::io::Result<String> {
        let mut connection = TcpStream::connect_timeout(&address, PATIENCE)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        let path = path.replace(' ', "%20");
        write!(
            connection,
            "{method} {path} HTTP/1.1\r\nhost: tests\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        )?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = ask().unwrap_or_default();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, body.to_owned())
}
