//! What the rows of an alert are counted on and compared with.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result};

use super::log::{Found, Lesson};
use super::rows::Rereader;
use crate::config::Config;
use crate::engine::{self, Known, LearntKey};
use crate::monitor::{Against, Monitor, Registered, Source};
use crate::reference::Reference;
use crate::replay;
use crate::rows::Rows;
use crate::shard::{Learnt, Resumed};
use crate::time::Time;

pub enum Base {
    Given(Option<Arc<Reference>>),
    /// What versions learnt, and from when they were counted on it.
    Learnt(Vec<(LearntKey, Arc<Reference>, Time)>),
    /// Why it is not at hand.
    Missing(Vec<String>),
}

/// Finds what the monitor's windows are compared with; of one that learns, what this version learnt.
pub fn base(
    monitor: &Arc<Monitor>,
    version: &str,
    config: &Config,
    found: &Found,
    rereader: &Rereader,
) -> Result<Base> {
    match &monitor.reference {
        Source::Dataset(_) => return Ok(Base::Given(replay::reference(monitor)?)),
        Source::Registered(registered) => return from_mlflow(monitor, registered, config),
        Source::Learnt { .. } => {}
    }
    let Some(kept) = found.kept(&config.store, &monitor.model) else {
        return learn(monitor, version, found, rereader);
    };
    let kept = kept.context("read the store")?;
    let started: BTreeMap<LearntKey, Time> = kept.state.started.into_iter().collect();
    let from = |key: &LearntKey| started.get(key).copied().unwrap_or(Time::MIN);
    let learnt = kept.learnt.into_iter().map(|(key, reference)| {
        let from = from(&key);
        (key, reference, from)
    });
    Ok(Base::Learnt(learnt.collect()))
}

/// The reference that the daemon has brought from MLflow; its hash tells whether it was the same one then.
fn from_mlflow(monitor: &Monitor, registered: &Registered, config: &Config) -> Result<Base> {
    let shelf = config.shelf().transpose().context("read where MLflow is")?;
    let copy = shelf.and_then(|shelf| Some((shelf.last(&monitor.model, registered)?, shelf)));
    let Some((copy, shelf)) = copy else {
        return Ok(Base::Missing(vec![format!("the store has no copy of the reference from MLflow ({registered})")]));
    };
    let file = shelf.file(&monitor.model, &copy.version, registered);
    Ok(Base::Given(Some(Arc::new(replay::reference_in(&file, monitor)?))))
}

/// Learns of the same rows again, as when a daemon has the store.
fn learn(monitor: &Arc<Monitor>, version: &str, found: &Found, rereader: &Rereader) -> Result<Base> {
    const ELSEWHERE: &str =
        "it is also in the daemon's store: stop the daemon, or give a copy of the store with --audit";
    let champion = match &monitor.against {
        Against::Version(champion) => Some(champion.as_str()),
        _ => None,
    };
    let is_wanted = |lesson: &&Lesson| lesson.version == version || Some(lesson.version.as_str()) == champion;
    let mut learnt = Vec::new();
    for lesson in found.lessons.iter().filter(|lesson| lesson.model == monitor.model).filter(is_wanted) {
        let gone = rereader.gone(lesson.from.iter().cloned())?;
        if !gone.is_empty() {
            let why = |gone: String| format!("{gone}, of which version {} had learnt; {ELSEWHERE}", lesson.version);
            return Ok(Base::Missing(gone.into_iter().map(why).collect()));
        }
        let mut sample: Vec<Rows> = Vec::new();
        for range in &lesson.from {
            rereader.read(range, &Base::Learnt(Vec::new()), |report| {
                let samples = report.progress.into_iter().flat_map(|progress| progress.samples);
                sample.extend(samples.filter(|(of, _)| **of == *lesson.version).map(|(_, rows)| rows));
            })?;
        }
        let reference = engine::learn(monitor, &lesson.topic, &sample);
        if reference.hash != lesson.hash {
            let why = format!("what version {} had learnt comes out otherwise than then; {ELSEWHERE}", lesson.version);
            return Ok(Base::Missing(vec![why]));
        }
        let [model, version, topic] = [&lesson.model, &lesson.version, &lesson.topic].map(|name| name.as_str().into());
        // That panes before were learnt from is told by what was counted.
        learnt.push((LearntKey { model, version, topic }, Arc::new(reference), Time::MIN));
    }
    if learnt.is_empty() {
        return Ok(Base::Missing(vec![format!("the log does not say of which rows version {version} had learnt")]));
    }
    Ok(Base::Learnt(learnt))
}

impl Base {
    /// What the rows of a version in a topic are counted on.
    pub fn known(&self, monitor: &Monitor, version: &str, topic: &str) -> Option<Known> {
        let is_it = |key: &LearntKey| *key.version == *version && *key.topic == *topic;
        let reference = match self {
            Base::Given(reference) => reference.clone()?,
            Base::Learnt(learnt) => learnt.iter().find(|(key, ..)| is_it(key))?.1.clone(),
            Base::Missing(_) => return None,
        };
        Some(Known::new(reference, monitor, topic))
    }

    /// The reference of all versions.
    pub fn given(&self) -> Option<Arc<Reference>> {
        match self {
            Base::Given(reference) => reference.clone(),
            Base::Learnt(_) | Base::Missing(_) => None,
        }
    }

    /// What versions have learnt, and from when they were counted on it.
    pub fn learnt(&self) -> &[(LearntKey, Arc<Reference>, Time)] {
        match self {
            Base::Learnt(learnt) => learnt,
            Base::Given(_) | Base::Missing(_) => &[],
        }
    }

    /// How a topic's partition is counted from an offset on.
    pub fn resumed(&self, monitor: &Monitor, topic: &str, first: i64) -> Resumed {
        let learnt = self.learnt().iter().filter(|(key, ..)| *key.topic == *topic).map(|(key, reference, from)| {
            let axes = Known::new(reference.clone(), monitor, topic).axes;
            ((key.model.clone(), key.version.clone()), Learnt { axes, from: *from })
        });
        Resumed { start: Some(first), learnt: learnt.collect(), ..Resumed::default() }
    }
}
