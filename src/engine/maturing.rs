//! Windows that mature: labels come in, and what was told of a window is told again with them.
//!
//! A window is told again when labels have come as far as its end and 1/64, 1/32, … 1/2 of the time that they are waited
//! for, and a last time when that has passed whole. So each window is told eight times in all, whatever the number of
//! labels and panes, and the number of the revision says how long was waited.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::judge::{Judged, Labels, judge};
use super::outcomes::Tallies;
use super::watched::{Watched, known_of};
use super::{Effect, Known, LearntKey, Start};
use crate::join::{Fared, Join, WHOLE, merged};
use crate::measurement::Measurement;
use crate::monitor::Monitor;
use crate::outcome::OutcomeAxis;
use crate::pane::{Extent, Partition, together};
use crate::rule::basis::{Joined, OffsetRange, Stretch};
use crate::shard::{Labelled, Predicted};
use crate::stat::Needs;
use crate::time::{Span, Time, Window};

/// The last revision of a window.
pub(super) const LAST: u32 = 7;

/// How long after a window's end a revision of it is due.
fn due(wait: Span, revision: u32) -> Span {
    Span(wait.0 >> (LAST - revision))
}

/// The revision that a window has which ended so long ago.
fn revision(wait: Span, age: Span) -> u32 {
    (1..=LAST).rev().find(|&revision| age >= due(wait, revision)).unwrap_or(0)
}

impl Watched {
    /// Takes in predictions and labels of a partition.
    pub(super) fn join(
        &mut self,
        partition: i32,
        predictions: Vec<Predicted>,
        labels: &[Labelled],
        effects: &mut Vec<Effect>,
    ) {
        let Some(join) = &mut self.join else { return };
        if predictions.is_empty() && labels.is_empty() {
            return;
        }
        let (given, learnt, monitor) = (&self.given, &self.learnt, &self.monitor);
        let axis = |version: &str, axes: &str| -> Option<&OutcomeAxis> {
            let known = answering(monitor, given, learnt, version)?;
            known.axes.answerer.as_ref().filter(|_| *known.axes.hash == *axes).map(|answerer| &answerer.axis)
        };
        join.take(partition, predictions, labels, axis);
        let fared = join.fared();
        if fared != Fared::default() {
            effects.push(Effect::Joined { model: self.monitor.model.as_str().into(), fared });
        }
    }

    /// How far labels have come: to where no log that is waited for is behind.
    fn labelled_until(&self) -> Option<Time> {
        let waited_for = self.lanes().filter(|(_, lane)| !lane.idle).map(|(_, lane)| lane.frontier).min();
        waited_for.or_else(|| self.lanes().map(|(_, lane)| lane.frontier).max())
    }

    /// Tells every window again that is due.
    pub(super) fn mature(&mut self, effects: &mut Vec<Effect>) {
        let (Some(labels), Some(join)) = (&self.monitor.labels, &self.join) else { return };
        let Some(now) = self.labelled_until().filter(|now| *now > self.matured) else { return };
        let (wait, windowing) = (labels.wait, self.monitor.windowing.clone());
        let mut due_now: BTreeMap<Time, u32> = BTreeMap::new();
        for number in 1..=LAST {
            // Windows whose end is in here are due by this revision.
            let (after, until) = (self.matured - due(wait, number), (now - due(wait, number)).min(self.published));
            if after >= until {
                continue;
            }
            for pane in join.delays().panes(after - windowing.size, until) {
                let mut end = pane + windowing.every;
                while end <= pane + windowing.size {
                    if end > after && end <= until {
                        due_now.insert(end, number);
                    }
                    end = end + windowing.every;
                }
            }
        }
        self.matured = now;
        for (end, number) in due_now {
            self.revise(end, number, effects);
        }
        if let Some(join) = &mut self.join {
            let entries = (now - wait).min(self.published);
            join.forget(entries, entries - windowing.size);
        }
    }

    /// Tells a window again.
    fn revise(&mut self, end: Time, number: u32, effects: &mut Vec<Effect>) {
        let window = self.monitor.windowing.window(end);
        let labels = self.labels(window).map(|labels| Labels { revision: number, ..labels });
        let (nulls, memory, groups) = (&mut self.nulls, &mut self.memory, BTreeMap::new());
        let told = judge(Judged { monitor: &self.monitor, window, groups, labels, nulls, memory, surprises: None });
        let verdicts = self.compare_versions(window, &told);
        effects.extend(told.into_iter().chain(verdicts));
    }

    /// What labels say of a window so far; `None` where none are waited for.
    pub(super) fn labels(&self, window: Window) -> Option<Labels> {
        let (labels, join) = (self.monitor.labels.as_ref()?, self.join.as_ref()?);
        let mut versions: BTreeMap<Arc<str>, (Known, Tallies)> = BTreeMap::new();
        for ((sort, slice), tally) in merged(join, window.start, window.end) {
            let Some(sort) = join.sorts().get(usize::from(sort)) else { continue };
            let known = answering(&self.monitor, &self.given, &self.learnt, &sort.version);
            // What was counted on other axes is in no window any more.
            let Some(known) = known.filter(|known| known.axes.hash == sort.axes) else { continue };
            let names = known.axes.slicer.names();
            let name = if slice == WHOLE { Some("".into()) } else { names.get(usize::from(slice)).cloned() };
            let version = versions.entry(sort.version.clone()).or_insert_with(|| (known.clone(), Tallies::new()));
            version.1.extend(name.map(|name| (name, tally)));
        }
        let now = self.matured;
        let every = self.monitor.windowing.every;
        let coming = join.delays().coming((window.start, window.end), every, now);
        let joined = Joined { coming, ..joined(&self.monitor, join, window) };
        let age = Span(now.0.saturating_sub(window.end.0));
        Some(Labels { versions, joined, revision: revision(labels.wait, age), last: LAST })
    }
}

/// What labels say of a window by some records, the predictions and labels of partitions, when so many more labels are
/// expected.
pub fn rejoined(
    start: Start,
    end: Time,
    records: Vec<(i32, Vec<Predicted>, Vec<Labelled>)>,
    coming: Option<f64>,
    revision: u32,
) -> Vec<Measurement> {
    let mut watched = Watched::new(start);
    for (partition, predictions, labels) in records {
        watched.join(partition, predictions, &labels, &mut Vec::new());
    }
    let window = watched.monitor.windowing.window(end);
    let Some(labels) = watched.labels(window) else { return Vec::new() };
    let labels = Labels { joined: Joined { coming, ..labels.joined.clone() }, revision, ..labels };
    let mut measured = Vec::new();
    for (version, (_, tallies)) in &labels.versions {
        for slice in tallies.keys() {
            let place = (&*watched.monitor, window, &**version, &**slice);
            measured.extend([Needs::Predictions, Needs::Labels].into_iter().flat_map(|needs| labels.ask(place, needs)));
        }
    }
    measured
}

/// Where the records are by which a window's labels are known.
fn joined(monitor: &Monitor, join: &Join, window: Window) -> Joined {
    let (mut predicted, mut labelled) = (Vec::new(), Vec::new());
    for records in join.delays().records(window.start, window.end) {
        predicted.extend(records.predictions.clone());
        labelled.extend(records.labels.clone());
    }
    let at = |topic: Option<&str>, partition| Partition { topic: topic.unwrap_or_default().into(), partition };
    let (log, labels) = (monitor.answering(), monitor.labels.as_ref().map(|labels| labels.topic.as_str()));
    let range = |(partition, Extent { rows: (first, last), .. })| {
        let partition = at(labels, partition);
        OffsetRange { partition, first, last }
    };
    let stretch = |(partition, extent)| Stretch::new(&at(log, partition), extent);
    Joined {
        predictions: together(predicted).into_iter().map(stretch).collect(),
        labels: together(labelled).into_iter().map(range).collect(),
        coming: None,
    }
}

/// What the rows of a version are counted on in the log that says what the model says.
fn answering<'a>(
    monitor: &Monitor,
    given: &'a BTreeMap<Arc<str>, Known>,
    learnt: &'a BTreeMap<LearntKey, Known>,
    version: &str,
) -> Option<&'a Known> {
    let topic = Arc::from(monitor.answering()?);
    let key = LearntKey { model: monitor.model.as_str().into(), version: version.into(), topic };
    known_of(given, learnt, &key)
}
