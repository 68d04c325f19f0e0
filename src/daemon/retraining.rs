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
use crate::audit::{Act, What};
use crate::http::{Asked, RetrainDesk};
use crate::notify::Schedule;
use crate::retrain::{Effect, Event, Guards, Retrains, Run, State};
use crate::store::{Store, StoreError};
use crate::telemetry::Telemetry;
use crate::trigger::{Action, Dispatcher};

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
    fn acts(&self, effects: &[Effect]) -> Vec<Act> {
        let changed = effects.iter().filter_map(|effect| match effect {
            Effect::Changed(run) => Some(self.act("tidegauge", (&**run).into())),
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
    ) -> Result<Retraining> {
        let runs = tools.store.runs().context("read the retrains")?;
        let (retrains, effects) = Retrains::resume(guards, runs, now());
        let (requests, requested) = mpsc::unbounded_channel();
        let (triggers, coming) = mpsc::unbounded_channel();
        let (tell, told) = mpsc::unbounded_channel();
        let dispatcher = Dispatcher { actions, schedule: tools.schedule.clone() };
        let dispatcher = tokio::spawn(dispatcher.run(coming, tell));
        tools.store.keep_runs(&effects, &tools.acts(&effects)).context("store the retrains")?;
        let clerk = Clerk { retrains, tools, triggers: Some(triggers) };
        clerk.pass_on(effects);
        let (stop, stopped) = oneshot::channel();
        let clerk = tokio::spawn(clerk.run(requested, told, asked, stopped));
        Ok(Retraining { requests, stop, clerk, dispatcher })
    }

    /// Ends, and gives back who is heard. What is left is in the store.
    pub async fn close(self) -> Result<mpsc::Receiver<Asked>> {
        let _ = self.stop.send(());
        let asked = self.clerk.await.context("look after retrains")?;
        self.dispatcher.abort();
        Ok(asked)
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
        mut stopped: oneshot::Receiver<()>,
    ) -> mpsc::Receiver<Asked> {
        let mut look = interval(LOOK_EVERY);
        loop {
            let done = tokio::select! {
                _ = &mut stopped => break,
                Some(run) = requested.recv() => self.take(Event::Requested(Box::new(run.request))).await,
                Some(event) = told.recv() => self.take(event).await,
                Some(asked) = asked.recv() => self.answer(asked).await,
                _ = look.tick() => self.take(Event::Tick).await,
            };
            if let Err(error) = done {
                // Nothing may be begun that is not stored. The pipeline ends when it cannot store either.
                tracing::error!(%error, "retrains are no longer looked after");
                return asked;
            }
        }
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
        self.carry_out(effects, decided).await?;
        if let Some(run) = changed {
            let _ = answer.send(Ok(run));
        }
        Ok(())
    }

    async fn take(&mut self, event: Event) -> Result<(), StoreError> {
        let effects = self.retrains.step(event, now());
        self.carry_out(effects, None).await
    }

    /// Stores, then acts.
    async fn carry_out(&self, effects: Vec<Effect>, decided: Option<Act>) -> Result<(), StoreError> {
        if effects.is_empty() {
            return Ok(());
        }
        let store = self.tools.store.clone();
        let acts: Vec<Act> = decided.into_iter().chain(self.tools.acts(&effects)).collect();
        let stored = tokio::task::spawn_blocking(move || store.keep_runs(&effects, &acts).map(|()| effects)).await;
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
