//! `tidegauge run`: the daemon, from its configuration to its clean end.

mod counting;
mod offsets;
mod outlets;
mod pipeline;
mod round;
mod reports;
mod retraining;
mod registry;

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::audit::{Act, What};
use crate::config::{Config, Problems};
use crate::http;
use crate::notify::receiver::Receiver;
use crate::notify::{Courier, Delivered, Letter, Outcome, Schedule};
use crate::store::{Store, StoreError};
use crate::telemetry::Telemetry;
use crate::trigger::Action;
use outlets::{InForce, Outbox, Outlets, Prepared, now};
use pipeline::Pipeline;
use registry::{Followed, Following, Registry, Scribe};
pub use reports::Reports;
pub use retraining::{Retraining, Tools};

/// How long what is under way may take when it is to end; what is not done by then is done by whoever goes on, from the
/// store and the log.
const GRACE: Duration = Duration::from_secs(6);

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
/// When it cannot start, or can no longer make anything durable. Nothing is listened on before all that the
/// configuration names could be read.
pub async fn run<Load>(
    daemon: Daemon<Load>,
    shutdown: impl Future<Output = ()>,
    reload: mpsc::Receiver<http::Reload>,
    ask_reload: mpsc::Sender<http::Reload>,
) -> Result<()>
where
    Load: Fn() -> Result<Config, Problems>,
{
    let Daemon { config, load, listening } = daemon;
    let mut shutdown = pin!(shutdown);
    let nothing = Registry::default();
    // A reference may have to be brought, which nobody has to wait for who wants an end.
    let mut prepared = tokio::select! {
        prepared = Prepared::open(config, &nothing) => prepared?,
        () = &mut shutdown => return Ok(()),
    };
    let mut in_force = InForce::of(&prepared);
    let config = in_force.config.clone();
    let telemetry = Telemetry::new(config.limits.series);
    let store = Arc::new(Store::open(&config.store).context("open the store")?);
    let view = http::View::new(telemetry.clone(), now(), ask_reload);
    let (send_again, again) = mpsc::unbounded_channel();
    let desk = http::Desk::open(store.clone(), send_again, now()).context("read the store")?;
    let audited = store.clone();
    view.audited_by(Box::new(move |from| audit_page(&audited, from).map_err(|error| error.to_string())));
    let listener = tokio::net::TcpListener::bind(config.http.listen)
        .await
        .with_context(|| format!("listen on {}", config.http.listen))?;
    let address = listener.local_addr().context("listen")?;
    let (stop_serving, serving_stops) = oneshot::channel::<()>();
    let (retrain_desk, asked) = http::RetrainDesk::new();
    let server =
        tokio::spawn(http::serve(listener, http::router(view.clone(), desk.clone(), retrain_desk.clone()), async {
            let _ = serving_stops.await;
        }));
    let (told, delivered) = mpsc::unbounded_channel();
    let outbox = Outbox::new(telemetry.clone());
    let mut post = Post::open(std::mem::take(&mut prepared.receivers), &store, &outbox, told.clone())?;
    let tools = Tools {
        store: store.clone(),
        telemetry: telemetry.clone(),
        desk: retrain_desk,
        schedule: Schedule::default(),
        config_hash: String::new(),
    };
    let mut retraining = retraining(&config, std::mem::take(&mut prepared.actions), &tools, asked)?;
    let clerk = tokio::spawn(file_away(delivered, store.clone(), telemetry.clone(), outbox.clone()));
    let (letters, sequence) = (post.letters.clone(), post.sequence);
    let (promote, promoted) = mpsc::channel(1);
    let scribe = Scribe::new(telemetry.clone());
    let mut following = Following::new(scribe.clone(), view.hook().clone(), promote);
    let retrains = retraining.requests.clone();
    let mut outlets = Outlets {
        store,
        telemetry,
        view,
        desk,
        again,
        letters,
        retrains,
        scribe,
        outbox,
        sequence,
        config_hash: String::new(),
    };
    announce(&config, &mut outlets);
    record(&outlets, What::Start { version: env!("CARGO_PKG_VERSION").to_owned() })?;
    following.go_on(&in_force.registry, &config.kafka.group).await;
    let mut pipeline = Pipeline::start(prepared, &outlets)?;
    outlets.telemetry.reloaded(now());
    tracing::info!(%address, monitors = config.monitors.len(), "running");
    if let Some(listening) = listening {
        let _ = listening.send(address);
    }
    let mut asked = Asked { reload, promoted, load };
    let ending = loop {
        match one_round(&mut pipeline, &mut outlets, &mut shutdown, &mut asked, &in_force).await? {
            Turn::GoOn => {}
            Turn::End(ending) => break ending,
            Turn::Anew { mut prepared, answer, ending } => {
                stop(pipeline, &mut outlets, ending).await?;
                warn_of_what_stays(&in_force.config, &prepared.config);
                in_force = InForce::of(&prepared);
                let config = in_force.config.clone();
                announce(&config, &mut outlets);
                if answer.is_some() {
                    record(&outlets, What::Reload { accepted: true, problems: 0 })?;
                }
                following.go_on(&in_force.registry, &config.kafka.group).await;
                let receivers = std::mem::take(&mut prepared.receivers);
                let actions = std::mem::take(&mut prepared.actions);
                retraining = self::retraining(&config, actions, &tools, retraining.close().await?)?;
                outlets.retrains = retraining.requests.clone();
                pipeline = Pipeline::start(*prepared, &outlets)?;
                outlets.letters = post.reopen(receivers, &outlets.store, &outlets.outbox, told.clone()).await?;
                let Some(answer) = answer else { continue };
                outlets.telemetry.reloaded(now());
                tracing::info!(monitors = config.monitors.len(), "reloaded");
                let _ = answer.send(Ok(()));
            }
        }
    };
    tracing::info!("stopping");
    stop(pipeline, &mut outlets, ending).await?;
    record(&outlets, What::Stop { reason: "it was asked to".to_owned() })?;
    drop(outlets);
    drop(told);
    let _ = stop_serving.send(());
    let told = async {
        let (_, _) = tokio::join!(post.close(), retraining.end());
        let _ = clerk.await;
    };
    // None of them has to wait for another.
    let ended = async { tokio::join!(told, following.close(), server) };
    let _ = tokio::time::timeout(Duration::from_secs(1), ended).await;
    tracing::info!("stopped");
    Ok(())
}

/// A part of the audit log. The head is read first, so that it is never of an entry that comes only later.
fn audit_page(store: &Store, from: u64) -> Result<http::AuditPage, StoreError> {
    const ENTRIES: usize = 10_000;
    let head = store.audit_head();
    let (entries, next) = store.audit_from(from, ENTRIES)?;
    Ok(http::AuditPage { head, entries, next })
}

enum Turn {
    GoOn,
    End(Ending),
    /// The pipeline is to be made anew of this, as somebody has asked for who may want an answer.
    Anew {
        prepared: Box<Prepared>,
        answer: Option<http::Reload>,
        ending: Ending,
    },
}

/// What the pipeline may be made anew for.
struct Asked<Load> {
    /// The configuration is to be read again.
    reload: mpsc::Receiver<http::Reload>,
    /// Models have newer references, and all else is to stay.
    promoted: mpsc::Receiver<Vec<Followed>>,
    load: Load,
}

/// The end of a pipeline: whether its last round was carried out to its end, and until when the rest has to be.
struct Ending {
    finished: bool,
    deadline: Instant,
}

/// One round of the pipeline. One that is dropped half-way loses what it took in, so nothing may be stored after that.
///
/// It also waits for whoever asks for an end or a reload, because a round lasts for as long as Kafka cannot be reached.
async fn one_round<Load>(
    pipeline: &mut Pipeline,
    outlets: &mut Outlets,
    shutdown: &mut (impl Future<Output = ()> + Unpin),
    asked: &mut Asked<Load>,
    in_force: &InForce,
) -> Result<Turn>
where
    Load: Fn() -> Result<Config, Problems>,
{
    let (telemetry, view, store) = (outlets.telemetry.clone(), outlets.view.clone(), outlets.store.clone());
    let refused = outlets.act(What::Reload { accepted: false, problems: 0 });
    let mut round = pin!(pipeline.round(outlets));
    let next = loop {
        let answer = tokio::select! {
            outcome = &mut round => return outcome.map(|()| Turn::GoOn),
            () = &mut *shutdown => break None,
            Some(answer) = asked.reload.recv() => answer,
            Some(newer) = asked.promoted.recv() => match take_up(newer, in_force, &telemetry) {
                Some(prepared) => break Some((prepared, None)),
                None => continue,
            },
        };
        let loaded = (asked.load)();
        let problems = loaded.as_ref().err().map_or(1, |problems| problems.0.len() as u64);
        let opening = async { Prepared::open(loaded?, &in_force.registry).await };
        let prepared = tokio::select! {
            prepared = alive(opening, &view) => prepared,
            () = &mut *shutdown => break None,
        };
        match prepared {
            Ok(prepared) => break Some((Box::new(prepared), Some(answer))),
            Err(error) => {
                telemetry.reload_failed();
                let what = What::Reload { accepted: false, problems };
                store.record(vec![Act { at: now(), what, ..refused.clone() }]).context("write to the audit log")?;
                tracing::error!("reload: the old rules stay\n{error:#}");
                let _ = answer.send(Err(format!("{error:#}")));
            }
        }
    };
    let deadline = Instant::now() + GRACE;
    let finished = timeout_at(deadline, round).await;
    let ending = Ending { finished: finished.is_ok(), deadline };
    finished.unwrap_or(Ok(()))?;
    Ok(match next {
        None => Turn::End(ending),
        Some((prepared, answer)) => Turn::Anew { prepared, answer, ending },
    })
}

/// Does what may take a while, such as bringing a reference, and says all that time that the loop is alive.
async fn alive<T>(work: impl Future<Output = T>, view: &http::View) -> T {
    let mut work = pin!(work);
    loop {
        match tokio::time::timeout(Duration::from_secs(1), &mut work).await {
            Ok(done) => return done,
            Err(_) => view.beat(std::time::Instant::now()),
        }
    }
}

/// The same configuration with newer references, if there are any.
fn take_up(found: Vec<Followed>, in_force: &InForce, telemetry: &Telemetry) -> Option<Box<Prepared>> {
    let newer = in_force.registry.news(found);
    if newer.is_empty() {
        return None;
    }
    let models: Vec<String> = newer.iter().map(|followed| followed.model().to_owned()).collect();
    match Prepared::anew(in_force, in_force.registry.with(newer)) {
        Ok(prepared) => {
            models.iter().for_each(|model| telemetry.promoted(model));
            Some(Box::new(prepared))
        }
        Err(error) => {
            tracing::error!(models = models.join(", "), "take up newer references: the old ones stay: {error:#}");
            None
        }
    }
}

/// Ends a pipeline, cleanly if there is time.
async fn stop(pipeline: Pipeline, outlets: &mut Outlets, ending: Ending) -> Result<()> {
    let stopped = if ending.finished { timeout_at(ending.deadline, pipeline.stop(outlets)).await.ok() } else { None };
    stopped.unwrap_or_else(|| {
        tracing::warn!("could not finish in time: what goes on goes on from the store and the log");
        Ok(())
    })
}

/// Puts into the audit log what this program does of itself, in no step of the pipeline. The head goes to the program's
/// own log, which is kept elsewhere: by it one can tell later that nothing was cut off or forged before.
fn record(outlets: &Outlets, what: What) -> Result<()> {
    outlets.store.record(vec![outlets.act(what)]).context("write to the audit log")?;
    tracing::info!(head = %outlets.store.audit_head(), "the audit log is kept");
    Ok(())
}

/// Says what a reload does not change, so that nobody waits for it.
fn warn_of_what_stays(before: &Config, after: &Config) {
    let changed = [
        ("http", before.http != after.http),
        ("store", before.store != after.store),
        ("limits.series", before.limits.series != after.limits.series),
    ];
    for (key, _) in changed.iter().filter(|(_, changed)| *changed) {
        tracing::warn!("the change of `{key}` takes effect when the daemon is started again");
    }
}

/// Says which monitors, topics and receivers there are, so that their series are there before anything happens to them.
fn announce(config: &Config, outlets: &mut Outlets) {
    outlets.config_hash = config.hash();
    let topics = &config.topics;
    let monitors = || config.monitors.iter().map(|monitor| &**monitor);
    outlets.telemetry.watching(monitors());
    outlets.desk.configured(&config.route.silences, &outlets.config_hash);
    outlets.view.watching(&outlets.config_hash, monitors());
    outlets.telemetry.producing(&[&topics.measurements, &topics.alerts, &topics.retrain]);
    if config.retrain_reports.is_some() {
        outlets.telemetry.hearing();
    }
    outlets.telemetry.notifying(&config.receivers.keys().map(String::as_str).collect::<Vec<_>>());
}

/// Retrains looked after as the configuration has it.
fn retraining(
    config: &Config,
    actions: BTreeMap<String, Action>,
    tools: &Tools,
    asked: mpsc::Receiver<http::Asked>,
) -> Result<Retraining> {
    let guards = config.actions.iter().map(|(name, action)| (name.clone(), action.guards.clone())).collect();
    let reports = match &config.retrain_reports {
        Some(topic) => Reports::read(topic, &config.kafka, &tools.store)?,
        None => Reports::none(),
    };
    Retraining::open(guards, actions, Tools { config_hash: config.hash(), ..tools.clone() }, asked, reports)
}

/// The courier at work.
struct Post {
    letters: mpsc::Sender<Letter>,
    /// The sequence number of the next letter, when it was opened.
    sequence: u64,
    courier: JoinHandle<()>,
}

impl Post {
    fn open(
        receivers: BTreeMap<String, Receiver>,
        store: &Store,
        outbox: &Outbox,
        told: mpsc::UnboundedSender<Delivered>,
    ) -> Result<Post> {
        let waiting = store.letters().context("read the outbox")?;
        let dead = store.dead_letters().context("read the outbox")?;
        let taken = waiting.iter().chain(dead.iter().map(|dead| &dead.letter));
        let sequence = taken.map(|letter| letter.id.sequence() + 1).max().unwrap_or(0);
        let (letters, coming) = mpsc::channel(1024);
        let courier = Courier { receivers, schedule: Schedule::default(), grace: Duration::from_secs(1) };
        outbox.add(&waiting);
        Ok(Post { letters, sequence, courier: tokio::spawn(courier.run(waiting, coming, told)) })
    }

    /// Opens again with other receivers; letters that are left over are in the store.
    async fn reopen(
        &mut self,
        receivers: BTreeMap<String, Receiver>,
        store: &Store,
        outbox: &Outbox,
        told: mpsc::UnboundedSender<Delivered>,
    ) -> Result<mpsc::Sender<Letter>> {
        self.courier.abort();
        let _ = (&mut self.courier).await;
        *self = Post::open(receivers, store, outbox, told)?;
        Ok(self.letters.clone())
    }

    async fn close(self) {
        drop(self.letters);
        let _ = self.courier.await;
    }
}

/// Takes letters out of the store that have arrived, and apart those that were given up.
async fn file_away(
    mut delivered: mpsc::UnboundedReceiver<Delivered>,
    store: Arc<Store>,
    telemetry: Telemetry,
    outbox: Outbox,
) {
    while let Some(letter) = delivered.recv().await {
        telemetry.notified(&letter.receiver, letter.outcome == Outcome::Arrived);
        let (store, id) = (store.clone(), letter.id.clone());
        let outcome = tokio::task::spawn_blocking(move || match letter.outcome {
            Outcome::Arrived | Outcome::Outlived(_) => store.delivered(&[letter.id]),
            Outcome::GivenUp(why) => store.give_up(&letter.id, &why, now()),
        });
        match outcome.await {
            Ok(Err(error)) => tracing::error!(%error, "take a letter out of the store"),
            _ => outbox.remove(&id),
        }
    }
}
