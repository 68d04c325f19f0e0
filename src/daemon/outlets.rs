//! What the pipeline is made of and works with: prepared before it starts, or kept when it is made anew.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use anyhow::{Context, Result};
use tokio::sync::mpsc;

use super::registry::{Registry, Scribe};
use crate::audit::{Act, What};
use crate::config::Config;
use crate::http::{Desk, View};
use crate::monitor::Monitor;
use crate::notify::publisher::Publisher;
use crate::notify::receiver::Receiver;
use crate::notify::{Letter, LetterId};
use crate::reference::Reference;
use crate::replay;
use crate::retrain::Run;
use crate::store::Store;
use crate::telemetry::Telemetry;
use crate::time::Time;
use crate::trigger::Action;

/// A configuration with everything that could still turn out to be wrong with it, read and opened before anything that
/// runs is touched.
pub struct Prepared {
    pub config: Arc<Config>,
    /// The references that all versions share, in the order of the monitors.
    pub references: Vec<Option<Arc<Reference>>>,
    pub publisher: Publisher,
    pub receivers: BTreeMap<String, Receiver>,
    pub actions: BTreeMap<String, Action>,
    pub registry: Registry,
}

impl Prepared {
    /// Opens what a configuration names; `in_use` is what there is of MLflow already.
    ///
    /// # Errors
    /// When a reference cannot be had or read, a receiver or action cannot be used, or librdkafka refuses its configuration.
    pub async fn open(config: Config, in_use: &Registry) -> Result<Prepared> {
        let registry = Registry::open(&config, in_use).await?;
        let reference = |monitor: &Arc<Monitor>| match registry.reference(&monitor.model) {
            Some(reference) => Ok(Some(reference)),
            None => replay::reference(monitor).with_context(|| format!("start the monitor of {}", monitor.model)),
        };
        let references = config.monitors.iter().map(reference).collect::<Result<_>>()?;
        Prepared::new(Arc::new(config), references, registry)
    }

    /// The same as is in force, but for the references that come from MLflow.
    ///
    /// # Errors
    /// When a receiver or action cannot be used any more, or librdkafka refuses its configuration.
    pub fn anew(in_force: &InForce, registry: Registry) -> Result<Prepared> {
        let InForce { config, references, .. } = in_force;
        let known = config.monitors.iter().zip(references);
        let references = known.map(|(monitor, known)| registry.reference(&monitor.model).or_else(|| known.clone()));
        Prepared::new(config.clone(), references.collect(), registry)
    }

    fn new(config: Arc<Config>, references: Vec<Option<Arc<Reference>>>, registry: Registry) -> Result<Prepared> {
        let publisher = Publisher::new(config.kafka.client()).context("start the Kafka producer")?;
        let (mut receivers, origin) = (BTreeMap::new(), config.origin());
        for (name, receiver) in &config.receivers {
            let made = Receiver::new(receiver.clone(), &origin);
            receivers.insert(name.clone(), made.with_context(|| format!("set up the receiver {name}"))?);
        }
        let mut actions = BTreeMap::new();
        for (name, action) in &config.actions {
            let made = Action::new(action.trigger.clone());
            actions.insert(name.clone(), made.with_context(|| format!("set up the action {name}"))?);
        }
        Ok(Prepared { config, references, publisher, receivers, actions, registry })
    }
}

/// What the pipeline at work was made of, as far as the next one may be made of it too.
pub struct InForce {
    pub config: Arc<Config>,
    /// The references that all versions share, in the order of the monitors.
    pub references: Vec<Option<Arc<Reference>>>,
    pub registry: Registry,
}

impl InForce {
    pub fn of(prepared: &Prepared) -> InForce {
        let Prepared { config, references, registry, .. } = prepared;
        InForce { config: config.clone(), references: references.clone(), registry: registry.clone() }
    }
}

/// What the pipeline does its work with, which outlives it.
pub struct Outlets {
    pub store: Arc<Store>,
    pub telemetry: Telemetry,
    pub view: View,
    pub desk: Desk,
    /// Letters that were given up and are to be delivered after all.
    pub again: mpsc::UnboundedReceiver<Letter>,
    pub letters: mpsc::Sender<Letter>,
    /// Takes retrains that are stored.
    pub retrains: mpsc::UnboundedSender<Run>,
    pub outbox: Outbox,
    pub scribe: Scribe,
    /// The sequence number of the next letter.
    pub sequence: u64,
    /// What tells the configuration in force from others.
    pub config_hash: String,
}

impl Outlets {
    /// What this program does now of itself, for the audit log.
    pub fn act(&self, what: What) -> Act {
        Act { at: now(), who: "tidegauge".to_owned(), config_hash: self.config_hash.clone(), what }
    }
}

/// The letters that are stored and still to be delivered. Clones share it.
#[derive(Clone)]
pub struct Outbox {
    letters: Arc<Mutex<HashSet<LetterId>>>,
    telemetry: Telemetry,
}

impl Outbox {
    pub fn new(telemetry: Telemetry) -> Outbox {
        Outbox { letters: Arc::default(), telemetry }
    }

    pub fn add<'a>(&self, letters: impl IntoIterator<Item = &'a Letter>) {
        self.change(|known| known.extend(letters.into_iter().map(|letter| letter.id.clone())));
    }

    pub fn remove(&self, letter: &LetterId) {
        self.change(|known| {
            known.remove(letter);
        });
    }

    fn change(&self, change: impl FnOnce(&mut HashSet<LetterId>)) {
        let mut letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut letters);
        self.telemetry.outbox(letters.len());
    }
}

/// The time by the clock.
pub fn now() -> Time {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Time(since.as_millis() as i64)
}
