//! One monitor's counting of one partition.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::Array;

use super::labels::label;
use super::{Axes, LabelPlan, Labelled, Learnt, OTHER_VERSIONS, Plan, Predicted, Progress, Resumed};
use crate::outcome::{Id, Prediction};
use crate::pane::{Pane, PaneKey, Partition};
use crate::rows::{Absent, Column, Reason, Rejected, Rows, Values};
use crate::tally::arrivals::Arrivals;
use crate::tally::outcome::OutcomeTally;
use crate::tally::{Chosen, FieldTally, Tally};
use crate::time::{Span, Time};

#[derive(Debug)]
pub(super) struct Counter {
    plan: Arc<Plan>,
    partition: Partition,
    latest: Option<Time>,
    /// Panes before this are closed. It only grows.
    frontier: Time,
    /// Rows before this offset were looked at before a restart.
    position: i64,
    /// Rows of panes before this may have been given away before a restart.
    given_before: Time,
    /// What is done with each version's rows; empty where all versions share the plan's axes.
    versions: BTreeMap<Arc<str>, Stage>,
    open: BTreeMap<(Time, Arc<str>), OpenPane>,
}

/// What is done with a version's rows.
#[derive(Debug)]
enum Stage {
    /// They are given away to learn a reference from; `given` is the latest event time of those.
    Learning { given: Option<Time> },
    /// They are counted, from a pane on.
    Counting(Learnt),
}

#[derive(Debug)]
struct OpenPane {
    axes: Axes,
    whole: Part,
    arrivals: Arrivals,
    /// By their place in the slicer, those that have rows.
    slices: BTreeMap<usize, Part>,
}

/// All rows of a pane, or those of a slice.
#[derive(Debug)]
struct Part {
    rows: u64,
    offsets: (i64, i64),
    /// Empty for a group, of which only outcomes are counted.
    fields: Vec<FieldTally>,
    outcomes: Option<OutcomeTally>,
}

impl Part {
    fn new(axes: &Axes, is_group: bool, first: i64) -> Part {
        let counted = if is_group { &[] } else { &*axes.axes };
        let outcomes = axes.answerer.as_ref().map(|answerer| OutcomeTally::empty(&answerer.axis));
        Part { rows: 0, offsets: (first, first), fields: counted.iter().map(FieldTally::empty).collect(), outcomes }
    }

    /// `predictions` are those of the group's rows, of which the ones at `places` are chosen.
    fn count(&mut self, axes: &Axes, columns: &[Column], chosen: Chosen, last: i64, said: Said) {
        self.rows += chosen.count();
        self.offsets.1 = last;
        for ((tally, axis), column) in self.fields.iter_mut().zip(axes.axes.iter()).zip(columns) {
            tally.observe(axis, column, chosen);
        }
        if let (Some(outcomes), Some(answerer)) = (&mut self.outcomes, &axes.answerer) {
            chosen.each(|row| {
                if let Some(prediction) = said.of(row) {
                    outcomes.add(&answerer.axis, prediction, None);
                }
            });
        }
    }
}

/// What the model said in a group's rows, which ascend.
#[derive(Clone, Copy)]
struct Said<'a> {
    rows: &'a [u32],
    predictions: &'a [Prediction],
}

impl<'a> Said<'a> {
    fn of(self, row: usize) -> Option<&'a Prediction> {
        // A batch of one pane and version has all its rows here, and each at its own place.
        let at = match self.rows.get(row) {
            Some(&there) if there as usize == row => row,
            _ => self.rows.binary_search(&(row as u32)).ok()?,
        };
        self.predictions.get(at)
    }
}

/// The rows of a batch that go to one pane of one version.
struct Group {
    pane: Time,
    version: Arc<str>,
    rows: Vec<u32>,
}

impl Counter {
    pub fn new(plan: Arc<Plan>, partition: &Partition, resumed: &Resumed) -> Counter {
        let latest = resumed.latest.get(&plan.model).copied();
        let frontier = latest.map_or(Time::MIN, |latest| plan.windowing.frontier(latest));
        let given_before = latest.map_or(Time::MIN, |latest| plan.windowing.pane(latest) + plan.windowing.every);
        // What was learnt does not matter to a monitor that has since been given a reference.
        let learnt = resumed.learnt.iter().filter(|((model, _), _)| *model == plan.model && plan.axes.is_none());
        let counting = |((_, version), learnt): (&(Arc<str>, Arc<str>), &Learnt)| {
            let from = if learnt.from == Time::MIN { given_before } else { learnt.from };
            (version.clone(), Stage::Counting(Learnt { axes: learnt.axes.clone(), from }))
        };
        let versions = learnt.map(counting).collect();
        let (partition, position, open) = (partition.clone(), resumed.position, BTreeMap::new());
        Counter { plan, partition, latest, frontier, position, given_before, versions, open }
    }

    pub fn model(&self) -> &str {
        &self.plan.model
    }

    /// The offset of the first row of any open pane.
    pub fn first_open(&self) -> Option<i64> {
        self.open.values().map(|pane| pane.whole.offsets.0).min()
    }

    pub fn observe(&mut self, rows: &Rows, rejected: &mut Vec<Rejected>) -> Progress {
        let (groups, late) = self.sort_out(rows, rejected);
        let columns: Vec<Column> = self.plan.fields.iter().map(|field| scaled(rows, field)).collect();
        let (mut counted, mut given, mut predictions) = (0, BTreeMap::new(), Vec::new());
        for group in groups {
            counted += self.count(rows, &columns, group, &mut given, &mut predictions);
        }
        let labels = self.labels(rows, rejected);
        let samples = given.into_iter().map(|(version, mut chosen): (_, Vec<u32>)| {
            // Groups are by pane; what is learnt from are the first rows of the log.
            chosen.sort_unstable();
            (version, sample(rows, &columns, &chosen))
        });
        let samples = samples.collect();
        let closed = self.close(self.frontier);
        Progress { late, counted, samples, predictions, labels, ..self.progress(closed) }
    }

    /// The labels that are in this log too.
    fn labels(&self, rows: &Rows, rejected: &mut Vec<Rejected>) -> Vec<Labelled> {
        let Some(plan) = self.plan.joined.as_ref().and_then(|joined| joined.labels.as_ref()) else { return Vec::new() };
        let mut labels = Vec::new();
        for row in (0..rows.len()).filter(|&row| has_label(plan, rows, row)) {
            match label(plan, &self.plan.plausible, rows, row, self.position) {
                Ok(label) => labels.push(label),
                Err(reason) => rejected.push(Rejected { offset: rows.offsets[row], reason }),
            }
        }
        labels
    }

    /// Whether a row has a label and nothing that the model said, so that it is no row to be counted.
    fn is_label_alone(&self, rows: &Rows, row: usize) -> bool {
        let labels = self.plan.joined.as_ref().and_then(|joined| joined.labels.as_ref());
        // A flag that is not there says no, which is nothing by itself.
        let says = |field: &super::Counted| {
            let column = &rows.columns[field.column];
            !matches!(column.values, Values::Flag(_)) && column.absent(row) != Some(Absent::Missing)
        };
        labels.is_some_and(|plan| has_label(plan, rows, row)) && !self.plan.fields.iter().any(says)
    }

    /// Decides for each row, in the log's order, where it belongs, and moves the frontier along.
    fn sort_out(&mut self, rows: &Rows, rejected: &mut Vec<Rejected>) -> (Vec<Group>, u64) {
        let plan = self.plan.clone();
        let time = &rows.columns[plan.time];
        let Values::Time(instants) = &time.values else { return (Vec::new(), 0) };
        let mut groups: Vec<Group> = Vec::new();
        let (mut current, mut late) = (0, 0);
        for row in 0..rows.len() {
            if self.is_label_alone(rows, row) {
                continue;
            }
            let offset = rows.offsets[row];
            let reason = match time.absent(row) {
                Some(Absent::Mistyped) => Some(Reason::BadTime),
                Some(_) => Some(Reason::NoTime),
                None if !plan.plausible.holds(Time(instants.value(row)), rows.logged[row]) => {
                    Some(Reason::TimeOutOfRange)
                }
                None => None,
            };
            if let Some(reason) = reason {
                rejected.push(Rejected { offset, reason });
                continue;
            }
            let at = Time(instants.value(row));
            if at < self.frontier {
                // A row that was looked at before a restart is in a stored pane, or was late already then.
                late += u64::from(offset >= self.position);
                continue;
            }
            // What claims to be later than its own log does not speak for how far the stream is.
            let believed = rows.logged[row].map_or(at, |logged| at.min(logged));
            if self.latest.is_none_or(|latest| believed > latest) {
                self.latest = Some(believed);
                self.frontier = self.frontier.max(plan.windowing.frontier(believed));
            }
            let text = version_of(&plan, rows, row);
            let fits =
                |group: &Group| group.pane <= at && at < group.pane + plan.windowing.every && *group.version == *text;
            if !groups.get(current).is_some_and(fits) {
                current = groups.iter().position(fits).unwrap_or_else(|| {
                    let pane = plan.windowing.pane(at);
                    let version = self.counted_as(pane, text, &groups);
                    let is_it = |group: &Group| group.pane == pane && group.version == version;
                    groups.iter().position(is_it).unwrap_or_else(|| {
                        groups.push(Group { pane, version: version.clone(), rows: Vec::new() });
                        groups.len() - 1
                    })
                });
            }
            groups[current].rows.push(row as u32);
        }
        (groups, late)
    }

    /// The version under which to count a row, which is another once there are too many.
    ///
    /// Those that come first in a pane are measured apart. So it does not matter what came before the pane, of which a
    /// restart knows nothing, and versions that are gone make room. Learnt versions are remembered, and count for ever.
    fn counted_as(&mut self, pane: Time, version: &str, groups: &[Group]) -> Arc<str> {
        let mut known: BTreeSet<&Arc<str>> = match self.plan.axes {
            None => self.versions.keys().collect(),
            Some(_) => {
                let of_pane = (pane, "".into())..(pane + self.plan.windowing.every, "".into());
                let open = self.open.range(of_pane).map(|((_, version), _)| version);
                open.chain(groups.iter().filter(|group| group.pane == pane).map(|group| &group.version)).collect()
            }
        };
        known.remove(&Arc::from(OTHER_VERSIONS));
        let version: Arc<str> = match known.get(&Arc::from(version)) {
            Some(known) => Arc::clone(known),
            None if known.len() < self.plan.most_versions => version.into(),
            None => OTHER_VERSIONS.into(),
        };
        if self.plan.axes.is_none() {
            self.versions.entry(version.clone()).or_insert(Stage::Learning { given: None });
        }
        version
    }

    /// Counts a group's rows, or gives them away to be learnt from. Returns how many were counted for the first time.
    fn count(
        &mut self,
        rows: &Rows,
        columns: &[Column],
        group: Group,
        samples: &mut BTreeMap<Arc<str>, Vec<u32>>,
        predictions: &mut Vec<Predicted>,
    ) -> u64 {
        let axes = match (&self.plan.axes, self.versions.get_mut(&group.version)) {
            (Some(axes), _) => axes,
            (None, Some(Stage::Counting(learnt))) if group.pane >= learnt.from => &learnt.axes,
            (None, Some(Stage::Counting(_)) | None) => return 0,
            (None, Some(Stage::Learning { given })) => {
                let end = group.pane + self.plan.windowing.every;
                *given = (*given).max(Some(end));
                samples.entry(group.version).or_default().extend(group.rows);
                return 0;
            }
        };
        let offsets =
            |chosen: &[u32]| (rows.offsets[chosen[0] as usize], rows.offsets[chosen[chosen.len() - 1] as usize]);
        let (first, last) = offsets(&group.rows);
        let version = group.version.clone();
        let pane = self.open.entry((group.pane, group.version)).or_insert_with(|| OpenPane {
            axes: axes.clone(),
            whole: Part::new(axes, false, first),
            arrivals: Arrivals::default(),
            slices: BTreeMap::new(),
        });
        let OpenPane { axes, whole, arrivals, slices } = pane;
        let count = group.rows.len();
        let said: Vec<Prediction> = axes
            .answerer
            .iter()
            .flat_map(|answerer| group.rows.iter().map(|&row| answerer.prediction(columns, row as usize)))
            .collect();
        let said = Said { rows: &group.rows, predictions: &said };
        let chosen = if count == rows.len() { Chosen::All(count) } else { Chosen::Some(&group.rows) };
        whole.count(axes, columns, chosen, last, said);
        let times = &rows.columns[self.plan.time];
        if let Values::Time(instants) = &times.values {
            for &row in &group.rows {
                if let Some(logged) = rows.logged[row as usize] {
                    arrivals.add(Span(logged.0.saturating_sub(instants.value(row as usize))));
                }
            }
        }
        let apart = axes.slicer.apart(group.rows.iter().copied(), |place| columns.get(place));
        for (slice, chosen) in apart.into_iter().enumerate().filter(|(_, chosen)| !chosen.is_empty()) {
            let (first, last) = offsets(&chosen);
            let is_group = axes.slicer.is_group(slice);
            let part = slices.entry(slice).or_insert_with(|| Part::new(axes, is_group, first));
            part.count(axes, columns, Chosen::Some(&chosen), last, said);
        }
        if let (Some(answerer), Some(id)) = (&axes.answerer, self.plan.joined.as_ref().and_then(|joined| joined.id)) {
            let of_rows = axes.slicer.of_rows(group.rows.iter().copied(), |place| columns.get(place));
            let Values::Time(instants) = &rows.columns[self.plan.time].values else { return 0 };
            for ((&row, slices), prediction) in group.rows.iter().zip(of_rows).zip(said.predictions) {
                let Some(id) = rows.columns[id].text(row as usize).filter(|_| prediction.says_anything(&answerer.axis))
                else {
                    continue;
                };
                predictions.push(Predicted {
                    id: Id::of(id),
                    offset: rows.offsets[row as usize],
                    time: Time(instants.value(row as usize)),
                    version: version.clone(),
                    axes: axes.hash.clone(),
                    slices,
                    prediction: prediction.clone(),
                    again: rows.offsets[row as usize] < self.position,
                });
            }
        }
        let again = group.rows.partition_point(|&row| rows.offsets[row as usize] < self.position);
        (count - again) as u64
    }

    pub fn learnt(&mut self, version: &str, axes: Axes) -> Time {
        if self.plan.axes.is_some() {
            return Time::MIN;
        }
        let from = match self.versions.get(version) {
            Some(Stage::Counting(learnt)) => return learnt.from,
            Some(Stage::Learning { given: Some(end) }) => self.given_before.max(*end),
            Some(Stage::Learning { given: None }) | None => self.given_before,
        };
        self.versions.insert(version.into(), Stage::Counting(Learnt { axes, from }));
        from
    }

    pub fn finish(&mut self) -> Progress {
        if let Some(((last, _), _)) = self.open.last_key_value() {
            self.frontier = self.frontier.max(*last + self.plan.windowing.every);
        }
        let closed = self.close(self.frontier);
        let waits_for_labels = self.plan.joined.as_ref().is_some_and(|joined| joined.labels.is_some());
        // Labels that were to come in this log are waited for in vain.
        let frontier = if waits_for_labels { Time::MAX } else { self.frontier };
        Progress { frontier, ..self.progress(closed) }
    }

    fn progress(&self, closed: Vec<Pane>) -> Progress {
        Progress {
            model: self.plan.model.clone(),
            latest: self.latest,
            frontier: self.frontier,
            closed,
            late: 0,
            counted: 0,
            samples: Vec::new(),
            predictions: Vec::new(),
            labels: Vec::new(),
        }
    }

    /// Takes out the panes that end at or before the frontier.
    fn close(&mut self, frontier: Time) -> Vec<Pane> {
        let still_open = self.open.split_off(&(frontier, "".into()));
        let closed = std::mem::replace(&mut self.open, still_open);
        let mut panes = Vec::new();
        for ((start, version), OpenPane { axes, whole, arrivals, slices }) in closed {
            let sliced = slices.into_iter().map(|(slice, part)| (axes.slicer.names()[slice].clone(), part, None));
            for (slice, part, arrivals) in std::iter::once(("".into(), whole, Some(arrivals))).chain(sliced) {
                let (model, partition) = (self.plan.model.clone(), self.partition.clone());
                let key = PaneKey { model, start, version: version.clone(), slice, partition };
                let pane =
                    Pane::new(key, axes.hash.clone(), part.rows, part.offsets, &part.fields, part.outcomes.as_ref());
                panes.push(pane.arrived(arrivals.unwrap_or_default()));
            }
        }
        panes
    }
}

/// Whether anything stands where a label should be.
fn has_label(plan: &LabelPlan, rows: &Rows, row: usize) -> bool {
    !matches!(rows.columns[plan.value].absent(row), Some(Absent::Missing | Absent::Null))
}

fn version_of<'a>(plan: &Plan, rows: &'a Rows, row: usize) -> &'a str {
    match plan.version.map(|column| &rows.columns[column].values) {
        Some(Values::Categorical(versions)) if versions.is_valid(row) => versions.value(row),
        _ => "",
    }
}

/// A field's column in the unit in which it is measured.
fn scaled(rows: &Rows, field: &super::Counted) -> Column {
    let column = rows.columns[field.column].clone();
    match column.values {
        Values::Numeric(numbers) if field.scale != 1.0 => {
            Column { values: Values::Numeric(numbers.unary(|x| x * field.scale)), marks: column.marks }
        }
        _ => column,
    }
}

/// Some rows of a batch by themselves.
fn sample(rows: &Rows, columns: &[Column], chosen: &[u32]) -> Rows {
    let pick = |row: &u32| *row as usize;
    Rows {
        offsets: chosen.iter().map(|row| rows.offsets[pick(row)]).collect(),
        logged: chosen.iter().map(|row| rows.logged[pick(row)]).collect(),
        columns: columns.iter().map(|column| column.take(chosen)).collect(),
    }
}
