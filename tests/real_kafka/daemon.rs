//! The real binary as a child process.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::broker::{Broker, terminate};

/// Where a daemon is configured, and what it keeps.
pub struct Home {
    config: PathBuf,
    log: PathBuf,
}

impl Home {
    /// Writes a configuration for one monitor. A copy that is the only one has a fixed name in the group, so that after
    /// it was killed the next one takes its place at once; any other leaves the group when it ends.
    pub fn new(folder: &Path, broker: &Broker, monitor: &Path, is_only_one: bool) -> Home {
        fs::create_dir_all(folder).expect("the folder can be made");
        let config = folder.join("tidegauge.yaml");
        let properties = if is_only_one { "group.instance.id: only" } else { "" };
        let text = format!(
            "kafka:\n  brokers: \"{}\"\n  group: tests\n  properties: {{{properties}}}\n\
             rules: [\"{}\"]\nhttp: {{listen: \"127.0.0.1:0\"}}\nstore: {{path: data}}\n\
             topics: {{dead_letters: tidegauge.dead-letters}}\nworkers: 2\n",
            broker.address(),
            monitor.display()
        );
        fs::write(&config, text).expect("the folder can be written to");
        Home { config, log: folder.join("daemon.log") }
    }

    pub fn start(&self) -> Daemon {
        let log: File = OpenOptions::new().create(true).append(true).open(&self.log).expect("the log can be written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegauge"));
        let command = command.arg("run").arg("--config").arg(&self.config);
        Daemon(Some(command.stdout(Stdio::null()).stderr(log).spawn().expect("the binary can be started")))
    }

    /// All that its daemons have logged.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The last lines of the log, for the message of a test that fails.
    pub fn last_words(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }
}

/// A running daemon; it is killed when dropped.
pub struct Daemon(Option<Child>);

impl Daemon {
    /// Ends it as a power cut would.
    pub fn kill(mut self) {
        self.die();
    }

    /// Ends it as an operator would, and says how it ended.
    pub fn stop(mut self) -> ExitStatus {
        let mut child = self.0.take().expect("it was not ended yet");
        terminate(&child);
        let begun = Instant::now();
        loop {
            if let Some(status) = child.try_wait().expect("the child is ours") {
                return status;
            }
            if begun.elapsed() > Duration::from_secs(60) {
                let _ = child.kill();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn is_running(&mut self) -> bool {
        self.0.as_mut().is_some_and(|child| child.try_wait().expect("the child is ours").is_none())
    }

    fn die(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.die();
    }
}
