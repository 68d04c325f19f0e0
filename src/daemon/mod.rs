//! `tidegauge run`: the daemon, from its configuration to its clean end.

mod counting;
mod pipeline;

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::config::{Config, Problems};
use crate::http;
use crate::notify::webhook::Webhook;
use crate::notify::{Courier, Delivered, Letter, Outcome, Schedule};
use crate::rule::alert::stable_id;
use crate::store::Store;
use crate::telemetry::Telemetry;
use pipeline::{Outlets, Pipeline, now};

/// How long the end may take; what is not done by then is done by the next start, from the log.
const GRACE: Duration = Duration::from_secs(8);

/// How the daemon is started.
pub struct Daemon<Load> {
    pub config: Config,
    /// Reads the configuration again, for a reload.
    pub load: Load,
    /// Is told the address that is listened on.
    pub listening: Option<oneshot::Sender<SocketAddr>>,
}

/// Runs until `shutdown` completes. `reload` yields once for each time that the configuration is to be read again.
///
/// # Errors
/// When it cannot start, or can no longer make anything durable.
pub async fn run<Load>(
    daemon: Daemon<Load>,
    shutdown: impl Future<Output = ()>,
    mut reload: mpsc::Receiver<http::Reload>,
    ask_reload: mpsc::Sender<http::Reload>,
) -> Result<()>
where
    Load: Fn() -> Result<Config, Problems>,
{
    let Daemon { config, load, listening } = daemon;
    let mut config = Arc::new(config);
    let telemetry = Telemetry::new(config.limits.series);
    let store = Arc::new(Store::open(&config.store).context("open the store")?);
    let view = http::View::new(telemetry.clone(), now(), ask_reload);
    let listener = tokio::net::TcpListener::bind(config.http.listen)
        .await
        .with_context(|| format!("listen on {}", config.http.listen))?;
    let address = listener.local_addr().context("listen")?;
    let (stop_serving, serving_stops) = oneshot::channel::<()>();
    let server = tokio::spawn(http::serve(listener, http::router(view.clone()), async {
        let _ = serving_stops.await;
    }));
    let (told, delivered) = mpsc::unbounded_channel();
    let clerk = tokio::spawn(file_away(delivered, store.clone(), telemetry.clone()));
    let mut post = Post::open(&config, &store, told.clone())?;
    let (letters, sequence) = (post.letters.clone(), post.sequence);
    let mut outlets = Outlets { store, telemetry, view, letters, sequence };
    announce(&config, &outlets);
    let mut pipeline = Pipeline::start(config.clone(), &outlets)?;
    tracing::info!(%address, monitors = config.monitors.len(), "running");
    if let Some(listening) = listening {
        let _ = listening.send(address);
    }
    let mut shutdown = pin!(shutdown);
    let finished = loop {
        match one_round(&mut pipeline, &mut outlets, &mut shutdown).await? {
            Turn::GoOn => {}
            Turn::End { finished } => break finished,
        }
        let Ok(request) = reload.try_recv() else { continue };
        match load() {
            Ok(new) => {
                pipeline.stop(&mut outlets).await?;
                config = Arc::new(new);
                announce(&config, &outlets);
                pipeline = Pipeline::start(config.clone(), &outlets)?;
                outlets.letters = post.reopen(&config, &outlets.store, told.clone()).await?;
                outlets.telemetry.reloaded(now());
                tracing::info!(monitors = config.monitors.len(), "reloaded");
                let _ = request.send(Ok(()));
            }
            Err(problems) => {
                outlets.telemetry.reload_failed();
                tracing::error!("reload: the old rules stay\n{problems}");
                let _ = request.send(Err(problems.to_string()));
            }
        }
    };
    tracing::info!("stopping");
    let stopped = if finished { tokio::time::timeout(GRACE / 2, pipeline.stop(&mut outlets)).await.ok() } else { None };
    match stopped {
        Some(outcome) => outcome?,
        None => tracing::warn!("could not finish in time; the next start goes on from the log"),
    }
    drop(outlets);
    drop(told);
    let _ = stop_serving.send(());
    let ended = async {
        post.close().await;
        let _ = clerk.await;
        let _ = server.await;
    };
    let _ = tokio::time::timeout(Duration::from_secs(1), ended).await;
    tracing::info!("stopped");
    Ok(())
}

enum Turn {
    GoOn,
    /// It was asked to end; `finished` says whether the round was carried out to its end.
    End {
        finished: bool,
    },
}

/// One round of the pipeline. One that is dropped half-way loses what it took in, so nothing may be stored after that.
async fn one_round(
    pipeline: &mut Pipeline,
    outlets: &mut Outlets,
    shutdown: &mut (impl Future<Output = ()> + Unpin),
) -> Result<Turn> {
    let mut round = pin!(pipeline.round(outlets));
    tokio::select! {
        outcome = &mut round => outcome.map(|()| Turn::GoOn),
        () = shutdown => match tokio::time::timeout(GRACE / 2, round).await {
            Ok(outcome) => outcome.map(|()| Turn::End { finished: true }),
            Err(_) => Ok(Turn::End { finished: false }),
        },
    }
}

/// Says which monitors, topics and receivers there are, so that their series are there before anything happens to them.
fn announce(config: &Config, outlets: &Outlets) {
    let topics = &config.topics;
    let monitors = || config.monitors.iter().map(|monitor| &**monitor);
    outlets.telemetry.watching(monitors());
    outlets.view.watching(&stable_id(&[&format!("{config:?}")]), monitors());
    outlets.telemetry.producing(&[&topics.measurements, &topics.alerts, &topics.retrain]);
    outlets.telemetry.notifying(&config.receivers.keys().map(String::as_str).collect::<Vec<_>>());
}

/// The courier at work.
struct Post {
    letters: mpsc::Sender<Letter>,
    /// The sequence number of the next letter, when it was opened.
    sequence: u64,
    courier: JoinHandle<()>,
}

impl Post {
    fn open(config: &Config, store: &Store, told: mpsc::UnboundedSender<Delivered>) -> Result<Post> {
        let waiting = store.letters().context("read the outbox")?;
        let sequence = waiting.iter().map(|letter| letter.id.sequence() + 1).max().unwrap_or(0);
        let (letters, coming) = mpsc::channel(1024);
        let mut receivers = BTreeMap::new();
        for (name, receiver) in &config.receivers {
            let webhook = Webhook::new(receiver.clone()).with_context(|| format!("set up the receiver {name}"))?;
            receivers.insert(name.clone(), webhook);
        }
        let courier = Courier { receivers, schedule: Schedule::default(), grace: Duration::from_secs(1) };
        Ok(Post { letters, sequence, courier: tokio::spawn(courier.run(waiting, coming, told)) })
    }

    /// Opens again with other receivers; letters that are left over are in the store.
    async fn reopen(
        &mut self,
        config: &Config,
        store: &Store,
        told: mpsc::UnboundedSender<Delivered>,
    ) -> Result<mpsc::Sender<Letter>> {
        self.courier.abort();
        let _ = (&mut self.courier).await;
        *self = Post::open(config, store, told)?;
        Ok(self.letters.clone())
    }

    async fn close(self) {
        drop(self.letters);
        let _ = self.courier.await;
    }
}

/// Takes letters out of the store that have arrived or were given up.
async fn file_away(mut delivered: mpsc::UnboundedReceiver<Delivered>, store: Arc<Store>, telemetry: Telemetry) {
    while let Some(letter) = delivered.recv().await {
        if let Outcome::GivenUp(reason) = &letter.outcome {
            tracing::error!(receiver = letter.receiver, id = %letter.id, reason, "gave up a notification");
        }
        telemetry.notified(&letter.receiver, letter.outcome == Outcome::Arrived);
        let (store, id) = (store.clone(), letter.id);
        let outcome = tokio::task::spawn_blocking(move || store.delivered(&[id])).await;
        if let Ok(Err(error)) = outcome {
            tracing::error!(%error, "take a letter out of the store");
        }
    }
}
