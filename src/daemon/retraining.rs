//! Looks after retrains: one clerk steps their state machine, stores what has changed, and only then has the dispatcher
//! begin runs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval, timeout_at};

use super::outlets::now;
use super::reports::{Heard, Reports};
use crate::audit::{Act, What};
use crate::http::{Asked, RetrainDesk};
use crate::notify::Schedule;
use crate::pane::Partition;
use crate::retrain::report::Unheard;
use crate::retrain::{Effect, Event, Guards, Retrains, Run, State};
use crate::store::{Store, StoreError};
use crate::telemetry::Telemetry;
use crate::trigger::{Action, Dispatcher};

/// Who does what nobody else has said.
const OURSELVES: &str = "tidegauge";
/// How often runs are looked through for those that are lost.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How long attempts under way may take when this is to end.
const GRACE: Duration = Duration::from_secs(1);

/// The clerk and the dispatcher at work.
pub struct Retraining {
    /// Takes requests that are stored.
    pub requests: mpsc::UnboundedSender<Run>,
    stop: oneshot::Sender<()>,
    clerk: JoinHandle<mpsc::Receiver<Asked>>,
    dispatcher: JoinHandle<()>,
    /// Completes when no more reports are read.
    unread: oneshot::Receiver<()>,
}

/// What retrains are looked after with, which outlives a reload.
#[derive(Clone)]
pub struct Tools {
    pub store: Arc<Store>,
    pub telemetry: Telemetry,
    pub desk: RetrainDesk,
    pub schedule: Schedule,
    /// What tells the configuration in force from others.
    pub config_hash: String,
}

impl Tools {
    fn act(&self, who: &str, what: What) -> Act {
        Act { at: now(), who: who.to_owned(), config_hash: self.config_hash.clone(), what }
    }

    /// What the audit log is told of these.
    fn acts(&self, who: &str, effects: &[Effect]) -> Vec<Act> {
        let changed = effects.iter().filter_map(|effect| match effect {
            Effect::Changed(run) => Some(self.act(who, (&**run).into())),
            Effect::Trigger(_) | Effect::Forgotten(_) => None,
        });
        changed.collect()
    }
}

impl Retraining {
    /// Takes up what is stored, and goes on with it.
    ///
    /// # Errors
    /// When the store cannot be read or written to.
    pub fn open(
        guards: BTreeMap<String, Guards>,
        actions: BTreeMap<String, Action>,
        tools: Tools,
        asked: mpsc::Receiver<Asked>,
        reports: Reports,
    ) -> Result<Retraining> {
        let runs = tools.store.runs().context("read the retrains")?;
        let (retrains, effects) = Retrains::resume(guards, runs, now());
        let (requests, requested) = mpsc::unbounded_channel();
        let (triggers, coming) = mpsc::unbounded_channel();
        let (tell, told) = mpsc::unbounded_channel();
        let dispatcher = Dispatcher { actions, schedule: tools.schedule.clone() };
        let dispatcher = tokio::spawn(dispatcher.run(coming, tell));
        let acts = tools.acts(OURSELVES, &effects);
        tools.store.keep_runs(&effects, &acts, &BTreeMap::new()).context("store the retrains")?;
        let clerk = Clerk { retrains, tools, triggers: Some(triggers) };
        clerk.pass_on(effects);
        let (stop, stopped) = oneshot::channel();
        let clerk = tokio::spawn(clerk.run(requested, told, asked, reports.heard, stopped));
        Ok(Retraining { requests, stop, clerk, dispatcher, unread: reports.ended })
    }

    /// Ends, and gives back who is heard. What is left is in the store.
    pub async fn close(self) -> Result<mpsc::Receiver<Asked>> {
        let _ = self.stop.send(());
        let asked = self.clerk.await.context("look after retrains")?;
        self.dispatcher.abort();
        Ok(asked)
    }

    /// Ends for good, and waits for what lets go of Kafka.
    pub async fn end(mut self) -> Result<()> {
        let unread = std::mem::replace(&mut self.unread, oneshot::channel().1);
        self.close().await?;
        let _ = unread.await;
        Ok(())
    }
}

struct Clerk {
    retrains: Retrains,
    tools: Tools,
    /// `None` once this is to end.
    triggers: Option<mpsc::UnboundedSender<Run>>,
}

impl Clerk {
    async fn run(
        mut self,
        mut requested: mpsc::UnboundedReceiver<Run>,
        mut told: mpsc::UnboundedReceiver<Event>,
        mut asked: mpsc::Receiver<Asked>,
        mut heard: mpsc::Receiver<Vec<Heard>>,
        mut stopped: oneshot::Receiver<()>,
    ) -> mpsc::Receiver<Asked> {
        let mut look = interval(LOOK_EVERY);
        loop {
            let done = tokio::select! {
                _ = &mut stopped => break,
                Some(run) = requested.recv() => self.take(Event::Requested(Box::new(run.request))).await,
                Some(event) = told.recv() => self.take(event).await,
                Some(asked) = asked.recv() => self.answer(asked).await,
                Some(batch) = heard.recv() => self.hear(batch).await,
                _ = look.tick() => self.take(Event::Tick).await,
            };
            if let Err(error) = done {
                // Nothing may be begun that is not stored. The pipeline ends when it cannot store either.
                tracing::error!(%error, "retrains are no longer looked after");
                return asked;
            }
        }
        // What it has not taken is read again from where the store says.
        drop(heard);
        let end = Instant::now() + GRACE;
        while let Ok(run) = requested.try_recv() {
            if self.take(Event::Requested(Box::new(run.request))).await.is_err() {
                return asked;
            }
        }
        self.triggers = None;
        while let Ok(Some(event)) = timeout_at(end, told.recv()).await {
            if self.take(event).await.is_err() {
                break;
            }
        }
        asked
    }

    async fn answer(&mut self, (event, answer): Asked) -> Result<(), StoreError> {
        if let Err(refusal) = self.retrains.allows(&event) {
            let _ = answer.send(Err(refusal));
            return Ok(());
        }
        let decided = match &event {
            Event::Approved { id, who } => Some((id.clone(), who.clone(), true)),
            Event::Denied { id, who } => Some((id.clone(), who.clone(), false)),
            _ => None,
        };
        let decided = decided
            .map(|(of, who, approved)| self.tools.act(&who, What::Approval { of, approved, comment: String::new() }));
        let effects = self.retrains.step(event, now());
        let changed = effects.iter().find_map(|effect| match effect {
            Effect::Changed(run) => Some((**run).clone()),
            _ => None,
        });
        let acts = decided.into_iter().chain(self.tools.acts(OURSELVES, &effects)).collect();
        self.carry_out(effects, acts, BTreeMap::new()).await?;
        if let Some(run) = changed {
            let _ = answer.send(Ok(run));
        }
        Ok(())
    }

    async fn take(&mut self, event: Event) -> Result<(), StoreError> {
        let effects = self.retrains.step(event, now());
        let acts = self.tools.acts(OURSELVES, &effects);
        self.carry_out(effects, acts, BTreeMap::new()).await
    }

    /// Takes what a topic says, and that it is read so far, as one step.
    async fn hear(&mut self, batch: Vec<Heard>) -> Result<(), StoreError> {
        self.tools.telemetry.heard(batch.len() as u64);
        let (mut effects, mut acts) = (Vec::new(), Vec::new());
        let mut next: BTreeMap<Partition, i64> = BTreeMap::new();
        let mut unheard: BTreeMap<Unheard, (u64, String)> = BTreeMap::new();
        for Heard { partition, offset, said } in batch {
            let place = format!("{partition}@{offset}");
            let allowed = said.and_then(|event| self.retrains.allows(&event).map(|()| event).map_err(Unheard::from));
            match allowed {
                Ok(event) => {
                    let followed = self.retrains.step(event, now());
                    acts.extend(self.tools.acts(&place, &followed));
                    effects.extend(followed);
                }
                Err(why) => unheard.entry(why).or_insert((0, place)).0 += 1,
            }
            next.insert(partition, offset + 1);
        }
        for (why, (reports, first)) in unheard {
            self.tools.telemetry.unheard(why, reports);
            let reason = why.name();
            match why {
                // As it should be where several daemons share a group.
                Unheard::UnknownRun => tracing::info!(reason, reports, first, "reports on retrains of others"),
                _ => tracing::warn!(reason, reports, first, "reports on retrains that mean nothing"),
            }
        }
        self.carry_out(effects, acts, next).await
    }

    /// Stores, then acts.
    async fn carry_out(
        &self,
        effects: Vec<Effect>,
        acts: Vec<Act>,
        heard: BTreeMap<Partition, i64>,
    ) -> Result<(), StoreError> {
        if effects.is_empty() && heard.is_empty() {
            return Ok(());
        }
        let store = self.tools.store.clone();
        let store = move || store.keep_runs(&effects, &acts, &heard).map(|()| effects);
        let stored = tokio::task::spawn_blocking(store).await;
        match stored {
            Ok(effects) => self.pass_on(effects?),
            Err(failed) if failed.is_panic() => std::panic::resume_unwind(failed.into_panic()),
            // Only when the process ends.
            Err(_) => {}
        }
        Ok(())
    }

    fn pass_on(&self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Changed(run) => {
                    let (state, model) = (run.state.name(), &run.request.model);
                    tracing::info!(id = run.id, action = run.action, model, state, why = run.why, "retrain");
                    self.tools.telemetry.retrain_moved(model, run.state);
                    // One that is triggering is passed on when it is to be, and any other is not to be tried again.
                    if run.state != State::Triggering {
                        self.dispatch(*run);
                    }
                }
                Effect::Trigger(run) => self.dispatch(*run),
                Effect::Forgotten(_) => {}
            }
        }
        self.tools.desk.show(self.retrains.runs().cloned().collect());
    }

    /// While this ends nothing is begun; it is in the store.
    fn dispatch(&self, run: Run) {
        self.triggers.iter().for_each(|triggers| drop(triggers.send(run.clone())));
    }
}
