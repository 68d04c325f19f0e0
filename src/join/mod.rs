//! The join of predictions and labels by id: what is kept of each, and the counts that follow from it.
//!
//! What is kept under an id is the least upper bound of all records that had it: of predictions the earliest, of labels
//! the latest, and among those of one time the one whose content sorts first, or last. So it does not matter in which
//! order records come, how often, or whether they come again after a restart. Counts are a function of what is kept:
//! when that changes, its former part in them is taken out and its new one put in.

mod delays;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Debug;
use std::sync::Arc;

use foldhash::fast::FixedState;
use serde::{Deserialize, Serialize};

use crate::outcome::{Id, OutcomeAxis, Prediction, Truth};
use crate::shard::{Labelled, Predicted};
use crate::tally::outcome::OutcomeTally;
use crate::time::{Span, Time, Windowing};
pub use delays::{At, DelayTally, Delays, Records};

/// What is kept of an id.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    prediction: Option<Held>,
    label: Option<Label>,
    /// Where both are.
    prediction_at: At,
    label_at: At,
}

/// A prediction that waits for its label, or has it.
#[derive(Clone, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
struct Held {
    time: Time,
    /// The place of its version and axes in the list of sorts.
    sort: u16,
    slices: Box<[u16]>,
    prediction: Prediction,
}

#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
struct Label {
    time: Time,
    truth: Truth,
}

impl Entry {
    /// When it happened, by which it is forgotten.
    pub fn time(&self) -> Time {
        let of_label = self.label.map(|label| label.time);
        self.prediction.as_ref().map(|held| held.time).or(of_label).unwrap_or(Time::MIN)
    }

    /// The label, if it came near enough to the prediction to belong to it.
    fn truth(&self, wait: Span) -> Option<Truth> {
        let (held, label) = (self.prediction.as_ref()?, self.label?);
        ((label.time.0 - held.time.0).abs() <= wait.0).then_some(label.truth)
    }

    /// How long the label took. One that was there before the prediction took no time.
    fn delay(&self) -> Option<Span> {
        Some(Span((self.label?.time.0 - self.prediction.as_ref()?.time.0).max(0)))
    }
}

/// A version and the hash of the axes that its rows were counted on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sort {
    pub version: Arc<str>,
    pub axes: Arc<str>,
}

/// Which rows are counted together: those of a pane, of one sort, in one slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    pub pane: Time,
    pub sort: u16,
    /// The place of a slice in the slicer of the sort's axes; [`WHOLE`] is all rows.
    pub slice: u16,
}

/// All rows of a pane and sort.
pub const WHOLE: u16 = u16::MAX;

/// What is kept for longer than in memory. It says nothing of what has changed since it was last written to.
pub trait Ledger: Debug + Send + Sync {
    /// What is kept of these ids, in their order.
    fn entries(&self, model: &str, ids: &[Id]) -> Vec<Option<Entry>>;
    fn outcomes(&self, model: &str, place: Place) -> Option<OutcomeTally>;
    /// The places of these panes that have outcomes.
    fn places(&self, model: &str, from: Time, to: Time) -> Vec<Place>;
}

/// A ledger that keeps nothing: all stays in memory.
#[derive(Debug, Default)]
pub struct Blank;

impl Ledger for Blank {
    fn entries(&self, _: &str, ids: &[Id]) -> Vec<Option<Entry>> {
        vec![None; ids.len()]
    }

    fn outcomes(&self, _: &str, _: Place) -> Option<OutcomeTally> {
        None
    }

    fn places(&self, _: &str, _: Time, _: Time) -> Vec<Place> {
        Vec::new()
    }
}

/// What has changed since the last time that was asked, to be written in one step with all else that followed from the
/// same records.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// All versions and axes that entries are of, when there are more of them: an entry has only its place in the list.
    pub sorts: Option<Vec<Sort>>,
    pub entries: Vec<(Id, Entry)>,
    pub outcomes: Vec<(Place, OutcomeTally)>,
    pub delays: Vec<(Time, DelayTally)>,
    /// Entries of a time before the first, and outcomes of panes before the second, are no longer needed.
    pub forgotten: Option<(Time, Time)>,
}

/// How records fared, to be told as numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fared {
    pub labels: u64,
    /// Labels that have found their prediction, or been found by it.
    pub matched: u64,
    /// Labels that said what was known already.
    pub duplicates: u64,
    /// Labels in place of an earlier one, and labels that were out of date when they came.
    pub corrections: u64,
    /// Labels too far from their prediction in time.
    pub too_late: u64,
    pub predictions: u64,
    /// Predictions under an id that had one already.
    pub repeated: u64,
}

/// The join of one monitor.
#[derive(Debug)]
pub struct Join {
    model: Arc<str>,
    wait: Span,
    windowing: Windowing,
    ledger: Arc<dyn Ledger>,
    sorts: Vec<Sort>,
    has_new_sorts: bool,
    /// Entries that have changed since they were last written.
    entries: HashMap<Id, Entry, FixedState>,
    outcomes: HashMap<Place, Kept, FixedState>,
    delays: Delays,
    forgotten: (Time, Time),
    is_forgetting: bool,
    fared: Fared,
}

#[derive(Debug)]
struct Kept {
    tally: OutcomeTally,
    is_changed: bool,
}

/// The most tallies that stay in memory when they are written.
const MOST_KEPT: usize = 4096;

impl Join {
    pub fn new(
        model: &str,
        wait: Span,
        windowing: &Windowing,
        ledger: Arc<dyn Ledger>,
        sorts: Vec<Sort>,
        delays: Vec<(Time, DelayTally)>,
    ) -> Join {
        Join {
            model: model.into(),
            wait,
            windowing: windowing.clone(),
            ledger,
            sorts,
            has_new_sorts: false,
            entries: HashMap::default(),
            outcomes: HashMap::default(),
            delays: Delays::new(wait, delays),
            forgotten: (Time::MIN, Time::MIN),
            is_forgetting: false,
            fared: Fared::default(),
        }
    }

    pub fn sorts(&self) -> &[Sort] {
        &self.sorts
    }

    /// How records have fared since this was last asked.
    pub fn fared(&mut self) -> Fared {
        std::mem::take(&mut self.fared)
    }

    /// How long labels take.
    pub fn delays(&self) -> &Delays {
        &self.delays
    }

    /// Takes in records of a partition. `axis` says on what rows of a version are counted that have axes with this hash, if they are
    /// still wanted.
    pub fn take<'a>(
        &mut self,
        partition: i32,
        predictions: Vec<Predicted>,
        labels: &[Labelled],
        axis: impl Fn(&str, &str) -> Option<&'a OutcomeAxis>,
    ) {
        let ids = predictions.iter().map(|predicted| predicted.id).chain(labels.iter().map(|label| label.id));
        let mut unknown: Vec<Id> = ids.filter(|id| !self.entries.contains_key(id)).collect();
        // In order, they are found with less reading.
        unknown.sort_unstable();
        unknown.dedup();
        let known = self.ledger.entries(&self.model, &unknown);
        let read: HashMap<Id, Entry, FixedState> =
            unknown.into_iter().zip(known).filter_map(|(id, entry)| Some((id, entry?))).collect();
        let sorts: Vec<u16> = predictions.iter().map(|one| self.sort(&one.version, &one.axes)).collect();
        let axes: Vec<Option<&OutcomeAxis>> = self.sorts.iter().map(|sort| axis(&sort.version, &sort.axes)).collect();
        for (predicted, sort) in predictions.into_iter().zip(sorts) {
            let (id, again, at) = (predicted.id, predicted.again, (partition, predicted.offset));
            let held = Held { time: predicted.time, sort, slices: predicted.slices, prediction: predicted.prediction };
            self.change(id, &read, |join, entry| {
                join.fared.predictions += u64::from(!again && entry.prediction.is_none());
                join.fared.repeated += u64::from(!again && entry.prediction.is_some());
                let pane = join.windowing.pane(held.time);
                if let Some(other) = entry.prediction.as_ref().filter(|other| held >= **other) {
                    let others = join.windowing.pane(other.time);
                    if pane != others {
                        join.delays.records_of(pane).add_prediction(entry.prediction_at, others);
                    }
                    return false;
                }
                let was_matched = entry.truth(join.wait).is_some();
                if let Some(records) = join.part(entry, &axes, false) {
                    records.add_prediction(at, pane);
                }
                (entry.prediction, entry.prediction_at) = (Some(held), at);
                let label_at = entry.label.map(|_| entry.label_at);
                if let Some(records) = join.part(entry, &axes, true) {
                    records.add_prediction(at, pane);
                    label_at.into_iter().for_each(|at| records.add_label(at, pane));
                }
                let is_matched = entry.truth(join.wait).is_some();
                join.fared.matched += u64::from(is_matched && !was_matched);
                join.fared.too_late += u64::from(entry.label.is_some() && !is_matched);
                true
            });
        }
        for &Labelled { id, offset, time, truth, again } in labels {
            let label = Label { time, truth };
            self.change(id, &read, |join, entry| {
                if !again {
                    join.fared.labels += 1;
                    join.fared.duplicates += u64::from(entry.label == Some(label));
                    join.fared.corrections += u64::from(entry.label.is_some_and(|other| other != label));
                }
                if entry.label.is_some_and(|other| label <= other) {
                    return false;
                }
                let (before, delay) = (entry.truth(join.wait), entry.delay());
                (entry.label, entry.label_at) = (Some(label), (partition, offset));
                let after = entry.truth(join.wait);
                join.fared.matched += u64::from(after.is_some() && before.is_none());
                join.fared.too_late += u64::from(entry.prediction.is_some() && after.is_none() && before.is_none());
                join.relabel(entry, (before, before.and(delay)), &axes);
                true
            });
        }
    }

    /// Has an entry changed, which says whether it was.
    fn change(
        &mut self,
        id: Id,
        read: &HashMap<Id, Entry, FixedState>,
        change: impl FnOnce(&mut Join, &mut Entry) -> bool,
    ) {
        let unsaved = self.entries.remove(&id);
        let is_unsaved = unsaved.is_some();
        let mut entry = unsaved.or_else(|| read.get(&id).cloned()).unwrap_or_default();
        if change(self, &mut entry) || is_unsaved {
            self.entries.insert(id, entry);
        }
    }

    /// The place of a sort in the list.
    fn sort(&mut self, version: &Arc<str>, axes: &Arc<str>) -> u16 {
        let known = self.sorts.iter().rposition(|sort| sort.version == *version && sort.axes == *axes);
        let place = known.unwrap_or_else(|| {
            self.sorts.push(Sort { version: version.clone(), axes: axes.clone() });
            self.has_new_sorts = true;
            self.sorts.len() - 1
        });
        place.min(usize::from(u16::MAX)) as u16
    }

    /// Puts an entry's part into the counts, or takes it out. Returns where the records are of the pane that it is
    /// counted in.
    fn part(&mut self, entry: &Entry, axes: &[Option<&OutcomeAxis>], is_in: bool) -> Option<&mut Records> {
        let truth = entry.truth(self.wait);
        let held = entry.prediction.as_ref()?;
        let change = if is_in { OutcomeTally::add } else { OutcomeTally::remove };
        let is_counted = self.each_tally(held, axes, |tally, axis| change(tally, axis, &held.prediction, truth));
        let pane = self.windowing.pane(held.time);
        if !is_counted {
            return None;
        }
        self.delays.count(pane, truth.and(entry.delay()), is_in);
        Some(self.delays.records_of(pane))
    }

    /// Moves an entry's part in the counts to where its label belongs, which had been another one, or none.
    fn relabel(&mut self, entry: &Entry, before: (Option<Truth>, Option<Span>), axes: &[Option<&OutcomeAxis>]) {
        let truth = entry.truth(self.wait);
        let Some(held) = &entry.prediction else { return };
        if self.each_tally(held, axes, |tally, axis| tally.relabel(axis, &held.prediction, before.0, truth)) {
            let pane = self.windowing.pane(held.time);
            self.delays.count(pane, before.1, false);
            self.delays.count(pane, truth.and(entry.delay()), true);
            self.delays.records_of(pane).add_label(entry.label_at, pane);
        }
    }

    /// Changes the tallies that a prediction is counted in. Returns whether it is still counted.
    fn each_tally(
        &mut self,
        held: &Held,
        axes: &[Option<&OutcomeAxis>],
        change: impl Fn(&mut OutcomeTally, &OutcomeAxis),
    ) -> bool {
        let Some(axis) = axes.get(usize::from(held.sort)).copied().flatten() else { return false };
        let pane = self.windowing.pane(held.time);
        for &slice in held.slices.iter().chain([&WHOLE]) {
            let place = Place { pane, sort: held.sort, slice };
            let kept = self.outcomes.entry(place).or_insert_with(|| {
                let stored = self.ledger.outcomes(&self.model, place).filter(|tally| tally.fits(axis));
                Kept { tally: stored.unwrap_or_else(|| OutcomeTally::empty(axis)), is_changed: true }
            });
            kept.is_changed = true;
            change(&mut kept.tally, axis);
        }
        true
    }

    /// The places of these panes that have outcomes.
    pub fn places(&self, from: Time, to: Time) -> BTreeSet<Place> {
        let mut places: BTreeSet<Place> = self.ledger.places(&self.model, from, to).into_iter().collect();
        places.extend(self.outcomes.keys().filter(|place| from <= place.pane && place.pane < to));
        places
    }

    /// What was counted in a place.
    pub fn outcomes(&self, place: Place) -> Option<OutcomeTally> {
        match self.outcomes.get(&place) {
            Some(kept) => Some(kept.tally.clone()),
            None => self.ledger.outcomes(&self.model, place),
        }
    }

    /// How many changes wait to be written.
    pub fn unsaved(&self) -> usize {
        self.entries.len()
    }

    /// Forgets entries of a time before the first, and outcomes of panes before the second.
    pub fn forget(&mut self, entries: Time, panes: Time) {
        // Little by little would be a great many steps of little use.
        let step = Span(self.wait.0 / 16);
        if entries < self.forgotten.0 + step && panes < self.forgotten.1 + step {
            return;
        }
        self.forgotten = (entries, panes);
        self.is_forgetting = true;
        self.entries.retain(|_, entry| entry.time() >= entries);
        self.outcomes.retain(|place, _| place.pane >= panes);
        self.delays.forget(panes);
    }

    /// What has changed since the last writing.
    pub fn changes(&mut self) -> Changes {
        let changed = self.outcomes.iter().filter(|(_, kept)| kept.is_changed);
        let mut entries: Vec<(Id, Entry)> = self.entries.iter().map(|(id, entry)| (*id, entry.clone())).collect();
        entries.sort_unstable_by_key(|(id, _)| *id);
        Changes {
            sorts: self.has_new_sorts.then(|| self.sorts.clone()),
            entries,
            outcomes: changed.map(|(place, kept)| (*place, kept.tally.clone())).collect(),
            delays: self.delays.changed(),
            forgotten: self.is_forgetting.then_some(self.forgotten),
        }
    }

    /// The last changes have been written, and nothing has been taken in since.
    pub fn written(&mut self) {
        self.has_new_sorts = false;
        self.entries.clear();
        self.is_forgetting = false;
        self.delays.written();
        self.outcomes.values_mut().for_each(|kept| kept.is_changed = false);
        if self.outcomes.len() > MOST_KEPT {
            // The newest panes are those whose labels come next.
            let mut panes: Vec<Time> = self.outcomes.keys().map(|place| place.pane).collect();
            panes.sort_unstable();
            let oldest = panes[panes.len() - MOST_KEPT / 2];
            self.outcomes.retain(|place, _| place.pane >= oldest);
        }
    }
}

/// The outcomes of a stretch of panes by sort and slice, merged.
pub fn merged(join: &Join, from: Time, to: Time) -> BTreeMap<(u16, u16), OutcomeTally> {
    let mut merged: BTreeMap<(u16, u16), OutcomeTally> = BTreeMap::new();
    for place in join.places(from, to) {
        let Some(tally) = join.outcomes(place) else { continue };
        match merged.get_mut(&(place.sort, place.slice)) {
            Some(mine) => mine.merge(&tally),
            None => drop(merged.insert((place.sort, place.slice), tally)),
        }
    }
    merged
}
