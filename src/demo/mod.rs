//! `tidegauge demo`: the daemon on an embedded broker, with a simulated model that drifts.

mod model;
mod story;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::{mpsc, oneshot};

use crate::config;
use crate::daemon::{self, Daemon};
use crate::source::embedded::Embedded;
use story::Story;

/// How the demo is run.
#[derive(Debug)]
pub struct Options {
    /// Ends the demo after this long; without it the demo goes on until it is interrupted, or, if quiet, until the
    /// story is told.
    pub duration: Option<Duration>,
    /// Prints nothing but what came of it.
    pub quiet: bool,
    pub listen: SocketAddr,
}

/// The monitor that the demo runs, as it is shipped.
const MONITOR: &str = include_str!("../../rules/credit.yaml");
/// Long enough for the story, even on a slow machine.
const QUIET_LIMIT: Duration = Duration::from_secs(120);

/// Runs the demo; returns whether its story was told to the end.
///
/// # Errors
/// When the daemon or the embedded broker cannot start.
pub async fn run(options: Options, interrupted: impl Future<Output = ()>) -> Result<bool> {
    let folder = tempfile::tempdir().context("make a temporary folder")?;
    let broker = Embedded::start(&[
        ("credit.predictions", 4),
        ("credit.labels", 2),
        ("tidegauge.measurements", 1),
        ("tidegauge.alerts", 1),
        ("tidegauge.retrain", 1),
        ("tidegauge.dead-letters", 1),
    ])
    .context("start the embedded broker")?;
    let file = write_configuration(folder.path(), &broker.brokers(), options.listen)?;
    let config = config::load(&file).map_err(config::Problems)?;
    let over = Arc::new(AtomicBool::new(false));
    let (listening, address) = oneshot::channel();
    let (ask_reload, reload) = mpsc::channel(1);
    let (end, ended) = oneshot::channel::<()>();
    let load = move || config::load(&file).map_err(config::Problems);
    let daemon = Daemon { config, load, listening: Some(listening) };
    let daemon = tokio::spawn(async move {
        let ended = async {
            let _ = ended.await;
        };
        daemon::run(daemon, ended, reload, ask_reload).await
    });
    let Ok(address) = address.await else {
        // It ended before it listened, so it can say why.
        daemon.await.context("run the daemon")??;
        return Ok(false);
    };
    let story = Story::new(broker.brokers(), address, options.quiet);
    let limit = options.duration.or(options.quiet.then_some(QUIET_LIMIT));
    let telling = {
        let over = over.clone();
        tokio::task::spawn_blocking(move || story.tell(&over, options.duration.is_none() && options.quiet))
    };
    let timer = async {
        match limit {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    let told = async {
        let told = telling.await;
        over.store(true, Ordering::Relaxed);
        told
    };
    let stop = async {
        tokio::select! {
            () = timer => {}
            () = interrupted => {}
        }
        over.store(true, Ordering::Relaxed);
        std::future::pending::<()>().await;
    };
    let outcome = tokio::select! {
        told = told => told.context("tell the story")?,
        () = stop => unreachable!("it waits for ever"),
    };
    let _ = end.send(());
    daemon.await.context("run the daemon")??;
    outcome
}

fn write_configuration(folder: &Path, brokers: &str, listen: SocketAddr) -> Result<std::path::PathBuf> {
    let rules = folder.join("rules");
    std::fs::create_dir(&rules).context("write the monitor")?;
    std::fs::write(rules.join("credit.yaml"), MONITOR).context("write the monitor")?;
    let file = folder.join("tidegauge.yaml");
    // The embedded broker does not wake a waiting fetch, so it must not be asked to wait long.
    let text = format!(
        "kafka:\n  brokers: \"{brokers}\"\n  group: tidegauge-demo\n  properties: {{fetch.wait.max.ms: \"20\"}}\n\
         rules: [rules]\nhttp: {{listen: \"{listen}\"}}\nstore: {{path: data}}\n\
         topics: {{dead_letters: tidegauge.dead-letters}}\n"
    );
    std::fs::write(&file, text).context("write the configuration")?;
    Ok(file)
}
