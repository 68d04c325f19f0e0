//! Rows a second from a broker in another process: a bare consumer that discards, and the daemon, in turn on one topic.
//!
//! `cargo bench --bench end_to_end`. With `TIDEGAUGE_KAFKA=3.9.1` (or 4.1.1) the broker is Apache Kafka, otherwise the
//! embedded one, spread over many partitions because it keeps only 5 MiB of each. `TIDEGAUGE_ROWS` sets how many.

#[allow(dead_code, reason = "only what makes the log is used here")]
mod credit;
mod process;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use process::{cpu_seconds, peak_memory_mib};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use tidegauge::source::embedded::Embedded;

const TOPIC: &str = "credit.predictions";
const START: u64 = 1_772_000_000_000;
const ROUNDS: usize = 3;

fn main() {
    if std::env::var_os("TIDEGAUGE_HOLD_BROKER").is_some() {
        return hold_broker();
    }
    let rows: u64 = std::env::var("TIDEGAUGE_ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(1_000_000);
    let folder = tempfile::tempdir().expect("make a temporary folder");
    let broker = Broker::start(folder.path());
    println!(
        "broker: {}; {rows} records of about 700 bytes, 20 features, in {} partitions",
        broker.name, broker.partitions
    );
    produce(&broker, rows);
    let mut ratios = Vec::new();
    for round in 1..=ROUNDS {
        let bare = bare(&broker, rows, round);
        let daemon = daemon(&broker, rows, round, folder.path());
        ratios.push(daemon.rate / bare.rate);
        println!(
            "{round}: bare consumer {:>9.0} rows/s, {:.2} CPU-s a million | daemon {:>9.0} rows/s, {:.2} CPU-s a million, {} MiB \
             resident at most | ratio {:.2}",
            bare.rate,
            bare.cpu,
            daemon.rate,
            daemon.cpu,
            daemon.memory_mib,
            daemon.rate / bare.rate,
        );
    }
    ratios.sort_by(f64::total_cmp);
    println!("median ratio of daemon to bare consumer: {:.2}", ratios[ratios.len() / 2]);
}

/// What one run took.
struct Run {
    rate: f64,
    /// Of the consuming process, for a million rows.
    cpu: f64,
    memory_mib: u64,
}

struct Broker {
    name: String,
    brokers: String,
    partitions: i32,
    child: Child,
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Broker {
    fn start(folder: &Path) -> Broker {
        match std::env::var("TIDEGAUGE_KAFKA") {
            Ok(version) => Broker::kafka(&version, folder),
            Err(_) => Broker::embedded(),
        }
    }

    fn kafka(version: &str, folder: &Path) -> Broker {
        let port = free_port();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kafka/run.sh");
        let child = Command::new(script)
            .args([version, &port.to_string()])
            .arg(folder.join("kafka"))
            .stderr(Stdio::null())
            .spawn()
            .expect("start Kafka");
        let deadline = Instant::now() + Duration::from_secs(120);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "Kafka does not listen");
            std::thread::sleep(Duration::from_millis(200));
        }
        let (name, brokers) = (format!("Apache Kafka {version}"), format!("127.0.0.1:{port}"));
        // The start script's topics have four partitions.
        Broker { name, brokers, partitions: 4, child }
    }

    fn embedded() -> Broker {
        let itself = std::env::current_exe().expect("know this program");
        let mut child = Command::new(itself)
            .env("TIDEGAUGE_HOLD_BROKER", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start the broker's process");
        let mut brokers = String::new();
        let output = child.stdout.take().expect("its output is piped");
        BufReader::new(output).read_line(&mut brokers).expect("read its address");
        let brokers = brokers.trim().to_owned();
        Broker { name: "librdkafka's mock cluster".to_owned(), brokers, partitions: EMBEDDED_PARTITIONS, child }
    }
}

const EMBEDDED_PARTITIONS: i32 = 192;

/// The other process: holds the embedded broker until its input ends.
fn hold_broker() {
    let broker = Embedded::start(&[
        (TOPIC, EMBEDDED_PARTITIONS),
        ("tidegauge.measurements", 1),
        ("tidegauge.alerts", 1),
        ("tidegauge.retrain", 1),
    ])
    .expect("start the embedded broker");
    println!("{}", broker.brokers());
    let _ = std::io::stdout().flush();
    let _ = std::io::stdin().read(&mut [0]);
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("find a free port").port()
}

fn produce(broker: &Broker, rows: u64) {
    let begun = Instant::now();
    let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
        .set("bootstrap.servers", &broker.brokers)
        .set("linger.ms", "50")
        .set("batch.size", "900000")
        .set("queue.buffering.max.messages", "200000")
        .create()
        .expect("make a producer");
    for row in 0..rows {
        let record = credit::record(row, START + row / 10);
        let partition = (row % broker.partitions as u64) as i32;
        loop {
            match producer.send(BaseRecord::<str, str>::to(TOPIC).partition(partition).payload(&record)) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                    std::thread::sleep(Duration::from_millis(2));
                }
                Err((error, _)) => panic!("produce: {error}"),
            }
        }
    }
    producer.flush(Duration::from_secs(120)).expect("flush");
    println!("produced in {:.1} s", begun.elapsed().as_secs_f64());
}

/// Consumes all rows in this process, and does nothing with them.
fn bare(broker: &Broker, rows: u64, round: usize) -> Run {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &broker.brokers)
        .set("group.id", format!("bare-{round}"))
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .set("queued.max.messages.kbytes", "32768")
        .create()
        .expect("make a consumer");
    consumer.subscribe(&[TOPIC]).expect("subscribe");
    let (mut seen, mut begun) = (0, Instant::now());
    let cpu = cpu_seconds("self");
    while seen < rows {
        if let Some(Ok(_)) = consumer.poll(Duration::from_millis(100)) {
            if seen == 0 {
                begun = Instant::now();
            }
            seen += 1;
        }
    }
    let rate = rows as f64 / begun.elapsed().as_secs_f64();
    Run { rate, cpu: (cpu_seconds("self") - cpu) * 1e6 / rows as f64, memory_mib: 0 }
}

/// Runs the daemon on all rows, and asks its metrics how far it is.
fn daemon(broker: &Broker, rows: u64, round: usize, folder: &Path) -> Run {
    let port = free_port();
    let configuration = configuration(broker, round, port, folder);
    let mut child = Command::new(env!("CARGO_BIN_EXE_tidegauge"))
        .arg("run")
        .arg("--config")
        .arg(configuration)
        .stderr(Stdio::null())
        .spawn()
        .expect("start the daemon");
    let process = child.id().to_string();
    let deadline = Instant::now() + Duration::from_secs(300);
    let (mut begun, mut first) = (None, 0);
    let ended = loop {
        let counted = counted(port);
        if counted > 0 && begun.is_none() {
            (begun, first) = (Some(Instant::now()), counted);
        }
        if counted >= rows {
            break Instant::now();
        }
        assert!(Instant::now() < deadline, "the daemon counted only {counted} of {rows} rows");
        std::thread::sleep(Duration::from_millis(20));
    };
    let seconds = ended.duration_since(begun.expect("it has begun")).as_secs_f64();
    let run = Run {
        rate: (rows - first) as f64 / seconds,
        cpu: cpu_seconds(&process) * 1e6 / rows as f64,
        memory_mib: peak_memory_mib(&process),
    };
    let _ = child.kill();
    let _ = child.wait();
    run
}

fn configuration(broker: &Broker, round: usize, port: u16, folder: &Path) -> PathBuf {
    let home = folder.join(format!("daemon-{round}"));
    fs::create_dir_all(home.join("rules")).expect("make the daemon's folder");
    let reference: String = (0..20_000).map(|row| credit::record(10_000_000 + row, START) + "\n").collect();
    fs::write(home.join("rules/reference.ndjson"), reference).expect("write the reference");
    let monitor = credit::monitor(1000).replace("{learnt: {rows: 1000}}", "{dataset: reference.ndjson}");
    fs::write(home.join("rules/credit.yaml"), monitor).expect("write the monitor");
    let file = home.join("tidegauge.yaml");
    let text = format!(
        "kafka:\n  brokers: \"{}\"\n  group: bench-{round}\nrules: [rules]\nhttp: {{listen: \"127.0.0.1:{port}\"}}\nstore: {{path: data}}\n",
        broker.brokers
    );
    fs::write(&file, text).expect("write the configuration");
    file
}

/// Rows that the daemon says it has counted; zero while it does not answer.
fn counted(port: u16) -> u64 {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return 0 };
    let mut answer = String::new();
    let asked = stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    if asked.and_then(|()| stream.read_to_string(&mut answer)).is_err() {
        return 0;
    }
    let line = answer.lines().find(|line| line.starts_with("tidegauge_counted_rows_total{"));
    line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).map_or(0, |rows| rows as u64)
}
