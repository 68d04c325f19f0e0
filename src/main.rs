//! The command line: arguments, signals, exit codes.

use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use tidegauge::audit::Head;
use tidegauge::config::{self, Problems};
use tidegauge::daemon::{self, Daemon};
use tidegauge::source::table::TableError;
use tidegauge::time::Span;
use tidegauge::{auditor, check, compare, demo, explain, profile, replay};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tracing_subscriber::EnvFilter;

/// Watches machine-learning models in production: drift, quality, alerts and retrains, from their Kafka logs.
///
/// Exit codes: 0 good; 1 the answer is no, or the work failed; 2 wrong usage; 64 wrong configuration; 130 interrupted.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Writes logs as JSON, one object a line.
    #[arg(long, global = true)]
    log_json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the daemon.
    Run {
        /// The daemon's file, which names the monitors.
        #[arg(long, default_value = "tidegauge.yaml", value_name = "FILE")]
        config: PathBuf,
    },
    /// Runs the daemon on an embedded broker, with a simulated model that drifts: nothing to install.
    Demo {
        /// Ends after this long, such as 90s; the exit code says whether the story was complete.
        #[arg(long, value_parser = duration)]
        duration: Option<Duration>,
        /// Prints only what came of it, and ends when the story is complete.
        #[arg(long)]
        quiet: bool,
        /// Where to serve the page and the metrics.
        #[arg(long, default_value = "127.0.0.1:9909", value_name = "ADDRESS")]
        listen: SocketAddr,
    },
    /// Checks configuration and monitors, runs the tests beside monitors, and shows every problem with its place.
    ///
    /// The tests of rules/credit.yaml are in rules/credit.test.yaml.
    Check {
        /// Configuration files, monitors, tests, or folders of monitors; tidegauge.yaml, or else rules, when none is named.
        paths: Vec<PathBuf>,
    },
    /// Runs a monitor over files as if they came from Kafka, and shows what it would have said.
    Replay {
        /// NDJSON, CSV or Parquet; TOPIC=FILE where the monitor reads several topics.
        #[arg(required = true, value_name = "DATA")]
        data: Vec<String>,
        /// The monitor's file; nothing of the daemon's own is needed.
        #[arg(long, value_name = "FILE")]
        monitor: PathBuf,
        /// What turned out, as the monitor's topic of labels would have it; several files are one log.
        #[arg(long, value_name = "DATA")]
        labels: Vec<PathBuf>,
        /// For a person or for a program.
        #[arg(long, value_enum, default_value = "table")]
        format: replay::Format,
        /// Where the measurements go, with `--format parquet`.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Shows how many alerts a day other thresholds would have raised, such as drift.psi=0.1,0.2,0.3 or
        /// drift.psi=0.05..0.5:10, which is ten values. A name is one that conditions use; it is varied in all of them.
        #[arg(long, value_name = "NAME=VALUES", conflicts_with = "inject")]
        what_if: Vec<replay::Question>,
        /// Changes a field from some time on, or from one time to another, and shows what noticed it and how soon:
        /// income:shift=0.3sd@2024-05-01T00:00:00Z, or scale=1000, null=0.2, constant=5 or swap=OTHER in place of the
        /// shift; FROM..TO in place of the time.
        #[arg(long, value_name = "FEATURE:CHANGE@TIME")]
        inject: Vec<replay::Injection>,
    },
    /// Makes a monitor's reference of a data set of any size, and shows what is in it.
    ///
    /// The rows are read two times, and two or three times more where a numeric field has more than a hundred thousand
    /// distinct values; CSV once before, to see what its texts stand for. Memory does not grow with them: some 24 MiB
    /// for each field and 256 MiB for all. The numbers are those of all rows at once, however many there are; only of a
    /// category with hundreds of thousands of distinct values, those are left out that have less than one in 65,536 of
    /// the rows.
    ///
    /// A monitor uses the file with `reference: {dataset: FILE}`.
    Profile {
        /// NDJSON, CSV or Parquet; several files are one data set.
        #[arg(required = true, value_name = "DATA")]
        data: Vec<PathBuf>,
        /// The monitor's file; its reference need not be there yet.
        #[arg(long, value_name = "FILE")]
        monitor: PathBuf,
        /// Where to keep it; the .tidegauge file that the monitor names, or else MODEL.tidegauge in this folder.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Replaces an older reference; a file that is none is never replaced.
        #[arg(long)]
        force: bool,
    },
    /// Compares two data sets: which columns drifted, how far, and how sure that is.
    ///
    /// Ends with 0 when no column drifted and none is of worse quality, and with 1 when one did, when nothing could be
    /// told, or when the work failed, which standard error then says.
    Compare {
        /// What was trusted: Parquet, CSV or NDJSON, perhaps with .gz after it.
        reference: PathBuf,
        /// What is asked about.
        current: PathBuf,
        /// A monitor's file says what to measure and what matters; else every column that both have is compared.
        #[arg(long, value_name = "FILE")]
        monitor: Option<PathBuf>,
        /// For a person, a program or a browser; told by the output's name, or else a table.
        #[arg(long, value_enum)]
        format: Option<compare::Format>,
        /// Writes here instead of to standard output, whole or not at all.
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Computes an alert's numbers again from the rows in Kafka that they came of, and compares them to the last bit.
    ///
    /// The rows, and the numbers as they were told, are in the audit log. Nothing is changed, neither in Kafka nor in the
    /// daemon. Ends with 0 when every number is the same and the log is whole, and with 1 when a number is another, rows
    /// are no longer held, a number depends on more than these rows, or the work failed, which standard error then says.
    Explain {
        /// The id of the alert, as in events and the API.
        #[arg(value_name = "ALERT_ID")]
        alert: String,
        /// The daemon's file.
        #[arg(long, default_value = "tidegauge.yaml", value_name = "FILE")]
        config: PathBuf,
        /// Where the audit log is: a file of entries, `-` for standard input, or a store that no daemon uses, which is
        /// needed where versions learn what they are compared with. Without this, the daemon is asked where the
        /// configuration has it listen, and if there is none its store is opened.
        #[arg(long, value_name = "LOG", conflicts_with = "url")]
        audit: Option<PathBuf>,
        /// A running daemon to ask for the audit log, such as http://localhost:9909.
        #[arg(long, value_name = "URL")]
        url: Option<String>,
    },
    /// Reads the audit log: every alert, silence, reload, retrain, approval and change of a reference.
    #[command(subcommand)]
    Audit(AuditCommand),
}

#[derive(Subcommand)]
enum AuditCommand {
    /// Finds any entry that was changed, added, taken out or moved, and shows the log's head.
    ///
    /// A head that was noted elsewhere, at any time, also finds a log that was cut or written anew since. Ends with 0
    /// when the log is whole and with 1 when it is not.
    Verify {
        /// The store's directory while no daemon uses it; or a file of entries, `-` for standard input.
        #[arg(default_value = "data")]
        log: PathBuf,
        /// A head that was noted before, and that the log has to lead to: COUNT:HASH.
        #[arg(long = "head", value_name = "HEAD")]
        heads: Vec<Head>,
    },
    /// Shows the entries as JSON, one a line.
    Show {
        /// The store's directory while no daemon uses it; or a file of entries, `-` for standard input.
        #[arg(default_value = "data")]
        log: PathBuf,
        /// The number of the first entry to show.
        #[arg(long, default_value_t = 0, value_name = "NUMBER")]
        from: u64,
    },
}

/// What a shell makes of a process that a signal has ended.
const INTERRUPTED: u8 = 130;

fn duration(text: &str) -> Result<Duration, String> {
    let span: Span = text.parse().map_err(str::to_owned)?;
    Ok(Duration::from_millis(span.0 as u64))
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let quiet = !matches!(arguments.command, Command::Run { .. });
    start_log(arguments.log_json, if quiet { "error" } else { "info" });
    match perform(arguments.command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            let broken_pipe = |cause: &(dyn std::error::Error + 'static)| {
                let io = cause.downcast_ref::<io::Error>().map(io::Error::kind);
                let json = cause.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind);
                io.or(json) == Some(io::ErrorKind::BrokenPipe)
            };
            // Whoever reads our output has seen enough.
            if error.chain().any(broken_pipe) {
                return ExitCode::SUCCESS;
            }
            if matches!(error.downcast_ref(), Some(TableError::Interrupted)) {
                return ExitCode::from(INTERRUPTED);
            }
            if let Some(usage) = error.downcast_ref::<replay::Usage>() {
                eprintln!("tidegauge: {usage}");
                return ExitCode::from(2);
            }
            if let Some(problems) = error.downcast_ref::<Problems>() {
                eprintln!("{problems}");
                return ExitCode::from(64);
            }
            eprintln!("tidegauge: {error:#}");
            ExitCode::from(1)
        }
    }
}

fn start_log(json: bool, level: &str) {
    let filter = EnvFilter::try_from_env("TIDEGAUGE_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let colour = io::stderr().is_terminal();
    let log =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false).with_ansi(colour);
    if json { log.json().init() } else { log.init() }
}

/// Returns whether the answer is good.
fn perform(command: Command) -> Result<bool> {
    match command {
        Command::Run { config } => {
            let load = move || config::load(&config).map_err(Problems);
            let config = load()?;
            let runtime = Runtime::new().context("start the runtime")?;
            let ended = runtime.block_on(run(config, load));
            // What still waits for Kafka or a disk on a thread of its own has had its time.
            runtime.shutdown_timeout(Duration::from_secs(1));
            ended.map(|()| true)
        }
        Command::Demo { duration, quiet, listen } => {
            let options = demo::Options { duration, quiet, listen };
            let runtime = Runtime::new().context("start the runtime")?;
            runtime.block_on(async { demo::run(options, interrupted()?).await })
        }
        Command::Check { paths } => check::run(&paths),
        Command::Replay { data, monitor, labels, format, output, what_if, inject } => {
            let (_runtime, stop) = stop_when_interrupted()?;
            replay::run(&replay::Options { data, labels, monitor, format, output, what_if, inject }, &stop)
        }
        Command::Profile { data, monitor, output, force } => {
            let runtime = Runtime::new().context("start the runtime")?;
            let stop = Arc::new(AtomicBool::new(false));
            let asked = runtime.block_on(async { interrupted() })?;
            let heard = stop.clone();
            runtime.spawn(async move {
                asked.await;
                heard.store(true, Ordering::Relaxed);
                // What has not come to an end by itself, such as reading from a disk that is gone, ends here.
                tokio::time::sleep(Duration::from_secs(2)).await;
                process::exit(INTERRUPTED.into());
            });
            profile::run(&profile::Options { data, monitor, output, force }, &stop).map(|()| true)
        }
        Command::Explain { alert, config, audit, url } => {
            let runtime = Runtime::new().context("start the runtime")?;
            runtime.block_on(explain::run(&explain::Options { alert, config, audit, url }))
        }
        Command::Audit(AuditCommand::Verify { log, heads }) => auditor::verify(&log, &heads),
        Command::Audit(AuditCommand::Show { log, from }) => auditor::show(&log, from).map(|()| true),
        Command::Compare { reference, current, monitor, format, output } => {
            compare::run(&compare::Options { reference, current, monitor, format, output })
        }
    }
}

/// What tells the work of a command to stop when the process is asked to end; asked again, it ends at once. It lasts as
/// long as the runtime.
fn stop_when_interrupted() -> Result<(Runtime, Arc<AtomicBool>)> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("start the runtime")?;
    let stop = Arc::new(AtomicBool::new(false));
    let first = runtime.block_on(async { interrupted() })?;
    let asked = stop.clone();
    runtime.spawn(async move {
        first.await;
        asked.store(true, Ordering::Relaxed);
        // Work that is stuck in reading or writing does not look whether it should stop.
        if let Ok(second) = interrupted() {
            second.await;
            std::process::exit(1);
        }
    });
    Ok((runtime, stop))
}

async fn run(config: config::Config, load: impl Fn() -> Result<config::Config, Problems>) -> Result<()> {
    let (ask, reload) = mpsc::channel(4);
    let mut hangup = signal(SignalKind::hangup()).context("listen for signals")?;
    let ask_by_signal = ask.clone();
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            // What came of it is in the log.
            let _ = ask_by_signal.send(oneshot::channel().0).await;
        }
    });
    daemon::run(Daemon { config, load, listening: None }, interrupted()?, reload, ask).await
}

/// Completes when the process is asked to end.
fn interrupted() -> Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("listen for signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for signals")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
