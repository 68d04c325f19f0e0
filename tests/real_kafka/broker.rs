//! A real broker as a child process, for as long as a test needs it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::TopicPartitionList;
use tempfile::TempDir;

/// A broker under heavy load may take this long to start or to end.
const PATIENCE: Duration = Duration::from_secs(90);

pub struct Broker {
    version: String,
    port: u16,
    data: TempDir,
    child: Option<Child>,
}

impl Broker {
    /// Starts a broker, and returns when it serves groups.
    pub fn start(version: &str) -> Broker {
        let fetched = Command::new(script()).args(["--fetch", version]).status().expect("bash is there");
        assert!(fetched.success(), "fetch Kafka {version}");
        let data = TempDir::new().expect("a temporary folder");
        let mut broker = Broker { version: version.to_owned(), port: free_ports(), data, child: None };
        broker.resume();
        broker
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A client configuration that tells the tests' log nothing about brokers which are away on purpose.
    pub fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", self.address()).set_log_level(RDKafkaLogLevel::Emerg);
        client
    }

    /// Starts it again on the data that it left.
    pub fn resume(&mut self) {
        let log = std::fs::File::create(self.data.path().join("broker.log")).expect("the folder can be written to");
        let child = Command::new(script())
            .args([&self.version, &self.port.to_string()])
            .arg(self.data.path().join("kafka"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("bash is there");
        self.child = Some(child);
        self.wait();
    }

    /// An open port says little: the coordinator of groups comes later.
    fn wait(&mut self) {
        let mut config = self.client();
        let consumer: BaseConsumer = config.set("group.id", "ready").create().expect("a consumer");
        let mut asked = TopicPartitionList::new();
        asked.add_partition("ready", 0);
        let begun = Instant::now();
        while let Err(error) = consumer.committed_offsets(asked.clone(), Duration::from_secs(2)) {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            let log = || std::fs::read_to_string(self.data.path().join("broker.log")).unwrap_or_default();
            assert!(ended.is_none(), "Kafka {} ended at its start: {}", self.version, log());
            assert!(begun.elapsed() < PATIENCE, "Kafka {} is not ready: {error}", self.version);
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Ends it as an operator would.
    pub fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        terminate(&child);
        let begun = Instant::now();
        while child.try_wait().expect("the child is ours").is_none() {
            if begun.elapsed() > PATIENCE {
                child.kill().expect("the child is ours");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Nobody needs what it would save.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Asks a process to end.
pub fn terminate(child: &Child) {
    let asked = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(asked.expect("kill is there").success(), "the process is there");
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kafka/run.sh")
}

/// A free port, with the one after it, which the controller takes.
fn free_ports() -> u16 {
    let bind = |port| TcpListener::bind(("127.0.0.1", port));
    loop {
        // Below the ports that systems hand out by themselves, so that no client takes it while the broker is away.
        let port = fastrand::u16(10_000..32_000);
        if bind(port).is_ok() && bind(port + 1).is_ok() {
            return port;
        }
    }
}
