//! Reads the rows of a window again and computes what is measured of them, as the daemon did.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result};

use super::log::Found;
use crate::config::Config;
use crate::engine::{Effect, Known, LearntKey, Start, State};
use crate::join::Blank;
use crate::measurement::Measurement;
use crate::monitor::{Monitor, Registered, Source};
use crate::pane::Partition;
use crate::reference::Reference;
use crate::replay::{self, Watch};
use crate::rule::alert::Stretch;
use crate::shard::{Learnt, Report, Resumed};
use crate::source::reread::Reader;
use crate::time::Time;

/// What rows are counted on and compared with.
pub enum Base {
    Given(Option<Arc<Reference>>),
    /// What versions learnt, and from when they were counted on it.
    Learnt(Vec<(LearntKey, Arc<Reference>, Time)>),
    /// Why it is not at hand.
    Missing(String),
}

/// What came of it.
pub enum Recomputed {
    Measured {
        measurements: Vec<Measurement>,
        rows: u64,
    },
    /// Why it cannot be.
    Impossible(Vec<String>),
}

/// Finds what the monitor's windows are compared with.
pub fn base(monitor: &Monitor, config: &Config, found: &Found) -> Result<Base> {
    match &monitor.reference {
        Source::Dataset(_) => return Ok(Base::Given(replay::reference(monitor)?)),
        Source::Registered(registered) => return from_mlflow(monitor, registered, config),
        Source::Learnt { .. } => {}
    }
    let Some(kept) = found.kept(&config.store, &monitor.model) else {
        let why = "what its version had learnt is in the daemon's store: stop the daemon, or give a copy of the store \
                   with --audit";
        return Ok(Base::Missing(why.to_owned()));
    };
    let kept = kept.context("read the store")?;
    let started: BTreeMap<LearntKey, Time> = kept.state.started.into_iter().collect();
    let from = |key: &LearntKey| started.get(key).copied().unwrap_or(Time::MIN);
    Ok(Base::Learnt(
        kept.learnt
            .into_iter()
            .map(|(key, reference)| {
                let from = from(&key);
                (key, reference, from)
            })
            .collect(),
    ))
}

/// The reference that the daemon has brought from MLflow; its hash tells whether it was the same one then.
fn from_mlflow(monitor: &Monitor, registered: &Registered, config: &Config) -> Result<Base> {
    let shelf = config.shelf().transpose().context("read where MLflow is")?;
    let copy = shelf.and_then(|shelf| Some((shelf.last(&monitor.model, registered)?, shelf)));
    let Some((copy, shelf)) = copy else {
        return Ok(Base::Missing(format!("the store has no copy of the reference from MLflow ({registered})")));
    };
    let file = shelf.file(&monitor.model, &copy.version, registered);
    Ok(Base::Given(Some(Arc::new(replay::reference_in(&file, monitor)?))))
}

/// Reads what was counted for the window that ends then, and measures it. What the log no longer has it does not do
/// without.
pub fn recompute(
    monitor: &Arc<Monitor>,
    base: &Base,
    most_versions: usize,
    reader: &Reader,
    counted: &[Stretch],
    end: Time,
) -> Result<Recomputed> {
    if counted.is_empty() {
        return Ok(Recomputed::Impossible(vec!["the log does not say of which rows it was computed".to_owned()]));
    }
    let gone = gone(reader, counted)?;
    if !gone.is_empty() {
        return Ok(Recomputed::Impossible(gone));
    }
    let (start, learnt) = match start(monitor, base, end) {
        Ok(start) => start,
        Err(why) => return Ok(Recomputed::Impossible(vec![why.clone()])),
    };
    let mut watch = Watch::new(start, most_versions);
    for stretch in counted {
        let learnt = learnt.iter().filter(|(key, _)| key.topic == stretch.topic);
        let learnt = learnt.map(|(key, learnt)| ((key.model.clone(), key.version.clone()), learnt.clone())).collect();
        watch.assign(&partition(stretch), &Resumed { start: Some(stretch.first), learnt, ..Resumed::default() });
    }
    let (mut effects, mut rows) = (Vec::new(), 0);
    for stretch in counted {
        let at = partition(stretch);
        let read = reader.read(&at, (stretch.first, stretch.last), |batch| {
            rows += batch.len() as u64;
            let report = watch.lane(&at).map(|lane| lane.count(batch.iter()));
            effects.extend(report.map(|report| watch.take(as_told(report, stretch))).into_iter().flatten());
        });
        read.with_context(|| format!("read {at} again"))?;
        let report = watch.lane(&at).map(|lane| lane.finish()).map(|report| reaching(report, end));
        effects.extend(report.map(|report| watch.take(as_told(report, stretch))).into_iter().flatten());
        effects.extend(watch.end(&at));
    }
    let measured = effects.into_iter().filter_map(|effect| match effect {
        Effect::Measured(measurements) => Some(measurements),
        _ => None,
    });
    Ok(Recomputed::Measured { measurements: measured.flatten().collect(), rows })
}

fn partition(stretch: &Stretch) -> Partition {
    Partition { topic: stretch.topic.clone(), partition: stretch.partition }
}

/// Which rows Kafka no longer has.
fn gone(reader: &Reader, counted: &[Stretch]) -> Result<Vec<String>> {
    let mut gone = Vec::new();
    for stretch in counted {
        let at = partition(stretch);
        let (low, high) = reader.held(&at).with_context(|| format!("ask Kafka what {at} holds"))?;
        let missing = missing((stretch.first, stretch.last), (low, high)).into_iter();
        gone.extend(missing.map(|(from, to)| {
            let Stretch { topic, partition, first, last, .. } = stretch;
            format!("{topic}/{partition}: offsets {from}-{to} of {first}-{last} are no longer held")
        }));
    }
    Ok(gone)
}

/// Of the offsets from the first to the last those that are not held, which are those from `low` on and before `high`.
fn missing((first, last): (i64, i64), (low, high): (i64, i64)) -> Vec<(i64, i64)> {
    if high <= first || low > last {
        return vec![(first, last)];
    }
    let before = (low > first).then_some((first, low - 1));
    let after = (high <= last).then_some((high, last));
    before.into_iter().chain(after).collect()
}

/// A learnt reference that rows are counted on, and from when.
type Counted = (LearntKey, Learnt);

/// An engine that is about to tell the window and has told all before; or else why what to count on is not known.
fn start<'a>(monitor: &Arc<Monitor>, base: &'a Base, end: Time) -> Result<(Start, Vec<Counted>), &'a String> {
    let (reference, known) = match base {
        Base::Given(reference) => (reference.clone(), &[][..]),
        Base::Learnt(known) => (None, &known[..]),
        Base::Missing(why) => return Err(why),
    };
    let learnt = known.iter().map(|(key, reference, from)| {
        let axes = Known::new(reference.clone(), monitor, &key.topic).axes;
        (key.clone(), Learnt { axes, from: *from })
    });
    let started = known.iter().map(|(key, _, from)| (key.clone(), *from)).collect();
    let state = State { published: end - monitor.windowing.every, started, ..State::default() };
    let start = Start {
        monitor: monitor.clone(),
        reference,
        learnt: known.iter().map(|(key, reference, _)| (key.clone(), reference.clone())).collect(),
        state,
        panes: Vec::new(),
        blocks: Vec::new(),
        sorts: Vec::new(),
        delays: Vec::new(),
        ledger: Arc::new(Blank),
    };
    Ok((start, learnt.collect()))
}

/// A report without panes that the window did not have when it was told: earlier ones had been closed before the first
/// of these rows, so that what comes of them came too late, and later ones were open.
fn as_told(mut report: Report, stretch: &Stretch) -> Report {
    let had = stretch.first_pane..=stretch.last_pane;
    for progress in &mut report.progress {
        progress.closed.retain(|pane| had.contains(&pane.key.start));
    }
    report
}

/// A report as if a row after the window had come, as one had: the window's last panes may have no rows.
fn reaching(mut report: Report, end: Time) -> Report {
    for progress in &mut report.progress {
        progress.frontier = progress.frontier.max(end);
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_which_offsets_are_gone() {
        let of = |held| missing((100, 912), held);
        assert_eq!(of((0, 913)), []);
        assert_eq!(of((100, 2000)), []);
        assert_eq!(of((181, 2000)), [(100, 180)]);
        assert_eq!(of((0, 900)), [(900, 912)]);
        assert_eq!(of((101, 912)), [(100, 100), (912, 912)]);
        for held in [(913, 2000), (0, 0), (0, 100), (50, 50)] {
            assert_eq!(of(held), [(100, 912)], "{held:?}");
        }
    }
}
