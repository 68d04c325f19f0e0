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
use super::{Effect, Known, LearntKey};
use crate::join::{Fared, WHOLE, merged};
use crate::outcome::OutcomeAxis;
use crate::shard::{Labelled, Predicted};
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
    /// Takes in predictions and labels.
    pub(super) fn join(&mut self, predictions: Vec<Predicted>, labels: &[Labelled], effects: &mut Vec<Effect>) {
        let Some(join) = &mut self.join else { return };
        if predictions.is_empty() && labels.is_empty() {
            return;
        }
        let (given, learnt, monitor) = (&self.given, &self.learnt, &self.monitor);
        let axis = |version: &str, axes: &str| -> Option<&OutcomeAxis> {
            let known = answering(monitor, given, learnt, version)?;
            known.axes.answerer.as_ref().filter(|_| *known.axes.hash == *axes).map(|answerer| &answerer.axis)
        };
        join.take(predictions, labels, axis);
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
        let age = Span(now.0.saturating_sub(window.end.0));
        Some(Labels { versions, coming, revision: revision(labels.wait, age), last: LAST })
    }
}

/// What the rows of a version are counted on in the log that says what the model says.
fn answering<'a>(
    monitor: &crate::monitor::Monitor,
    given: &'a BTreeMap<Arc<str>, Known>,
    learnt: &'a BTreeMap<LearntKey, Known>,
    version: &str,
) -> Option<&'a Known> {
    let topic = Arc::from(monitor.answering()?);
    let key = LearntKey { model: monitor.model.as_str().into(), version: version.into(), topic };
    known_of(given, learnt, &key)
}
