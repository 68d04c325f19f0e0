//! One window's verdict: its measurements, what its rules say of them, and what follows.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::outcomes::{self, Tallies};
use super::rules::{Asking, Evidence, GroupKey, Memory, Past, Records};
use super::scene::Hand;
use super::{Effect, Known, Surprises, budgets};
use super::{clocks, incidents};
use crate::budget::{Series, Value};
use crate::finding::{Base, Finding, calibrate, correct};
use crate::measurement::{Family, Measurement};
use crate::monitor::{Correction, Input, Monitor};
use crate::null::Nulls;
use crate::pane::{Extent, Pane, PaneKey, Partition, together};
use crate::reference::Reference;
use crate::rule::alert::AlertEvent;
use crate::rule::basis::{Joined, Recalled};
use crate::schema::Role;
use crate::stat::{self, Attributed, Case, Needs, On, Side, surprise};
use crate::tally::arrivals::Arrivals;
use crate::tally::outcome::OutcomeTally;
use crate::tally::{FieldTally, Tally};
use crate::time::Window;

/// The rows of a window that are of one version and slice, by the log that they are in.
#[derive(Default)]
pub(super) struct Group {
    pub logs: BTreeMap<Arc<str>, Log>,
    /// What the model said, and what that is counted on.
    outcomes: Option<(Known, OutcomeTally)>,
    offsets: BTreeMap<Partition, Extent>,
    /// Where the earlier rows are that they are compared with, where that moves with the stream.
    pub compared: Past,
}

pub(super) struct Log {
    pub rows: u64,
    pub fields: Vec<FieldTally>,
    pub arrivals: Arrivals,
    /// What fixed the axes.
    pub known: Known,
    /// What drift is measured against, on the same axes, where that is something else.
    pub operand: Option<Arc<Reference>>,
}

impl Log {
    /// What a statistic compares with instead of what fixed the axes. Quality asks of the axes themselves, such as
    /// whether a value is beyond them.
    fn operand(&self, family: Family) -> Option<&Reference> {
        match family {
            Family::Telemetry | Family::Quality => None,
            Family::Drift | Family::Attribution => self.operand.as_deref(),
            Family::Performance | Family::Estimate | Family::Fairness => None,
        }
    }
}

impl Group {
    /// Whether no rows are at hand.
    pub fn is_empty(&self) -> bool {
        self.logs.is_empty()
    }

    /// Lets go of the memory that measuring has taken: there may be many slices.
    fn slim(&mut self) {
        self.logs.values_mut().flat_map(|log| &mut log.fields).for_each(FieldTally::slim);
    }

    pub fn add(
        &mut self,
        key: &PaneKey,
        pane: &Pane,
        fields: Vec<FieldTally>,
        outcomes: Option<OutcomeTally>,
        known: &Known,
    ) {
        let extent = pane.extent();
        self.offsets.entry(key.partition.clone()).and_modify(|mine| mine.merge(extent)).or_insert(extent);
        match (&mut self.outcomes, outcomes) {
            (Some((_, mine)), Some(theirs)) => mine.merge(&theirs),
            (empty @ None, Some(outcomes)) => *empty = Some((known.clone(), outcomes)),
            (_, None) => {}
        }
        // Of groups nothing but outcomes is counted.
        if fields.is_empty() && !key.slice.is_empty() {
            return;
        }
        match self.logs.get_mut(&key.partition.topic) {
            None => {
                let (rows, arrivals, known, operand) = (pane.rows, pane.arrivals.clone(), known.clone(), None);
                self.logs.insert(key.partition.topic.clone(), Log { rows, fields, arrivals, known, operand });
            }
            Some(log) => {
                log.rows += pane.rows;
                log.arrivals.merge(&pane.arrivals);
                log.fields.iter_mut().zip(&fields).for_each(|(mine, theirs)| mine.merge(theirs));
            }
        }
    }
}

/// What labels say of a window, by how long was waited for them.
pub(super) struct Labels {
    pub versions: BTreeMap<Arc<str>, (Known, Tallies)>,
    /// Where the records are by which that is known, and how many more labels will come.
    pub joined: Joined,
    pub revision: u32,
    /// The revision after which nothing changes any more.
    pub last: u32,
}

/// What a window is judged with.
pub(super) struct Judged<'a> {
    pub monitor: &'a Monitor,
    pub window: Window,
    /// Empty when only what labels say is told again.
    pub groups: BTreeMap<GroupKey, Group>,
    pub labels: Option<Labels>,
    pub nulls: &'a mut Nulls,
    pub memory: &'a mut Memory,
    /// `None` also for a window that is told again.
    pub surprises: Option<&'a mut Surprises>,
}

pub(super) fn judge(mut judged: Judged) -> Vec<Effect> {
    let mut effects = Vec::new();
    let sliced = sliced(&judged.groups);
    let said = said(&mut judged.groups);
    let labels = judged.labels.take();
    let offsets =
        judged.groups.values().flat_map(|group| group.offsets.iter().map(|(at, &extent)| (at.clone(), extent)));
    let records = Records { counted: together(offsets), joined: labels.as_ref().map(|labels| labels.joined.clone()) };
    let is_told_first = !judged.groups.is_empty();
    let of_labels = labels
        .iter()
        .flat_map(|labels| &labels.versions)
        .flat_map(|(version, (_, tallies))| tallies.keys().map(|slice| (version.clone(), slice.clone())));
    let seen: BTreeSet<GroupKey> = judged.groups.keys().cloned().collect();
    let keys: BTreeSet<GroupKey> = seen.iter().cloned().chain(of_labels).collect();
    let revision = labels.as_ref().map_or(0, |labels| labels.revision);
    let (mut measured, memories) = measure_all(&mut judged);
    let clocks = clocks::told(&mut judged.memory.usuals, &judged.groups);
    let Judged { monitor, window, ref mut memory, .. } = judged;
    let mut asking = Asking { monitor, window, revision, memory };
    let mut counted = BTreeMap::new();
    for key in keys {
        let mut group = judged.groups.remove(&key).unwrap_or_default();
        let (version, slice) = key;
        let place = (judged.monitor, judged.window, &*version, &*slice);
        let mut told = measured.remove(&(version.clone(), slice.clone())).unwrap_or_default();
        // What needs no labels is told once; rules may ask of it together with what is told again.
        let mut known_already = Vec::new();
        let of_predictions = if is_told_first { &mut told } else { &mut known_already };
        if let Some((known, tallies)) = said.get(&version).filter(|_| is_told_first) {
            of_predictions.extend(ask(place, (known, tallies), Needs::Predictions, None, "said"));
        }
        if let Some(labels) = &labels {
            if !is_told_first {
                known_already.extend(labels.ask(place, Needs::Predictions));
            }
            told.extend(labels.ask(place, Needs::Labels));
        }
        let measurements: Vec<Measurement> = told.iter().chain(&known_already).cloned().collect();
        let mut following = Vec::new();
        let evidence = Evidence {
            version: &version,
            slice: &slice,
            measurements: &measurements,
            offsets: &group.offsets,
            compared: &group.compared,
            records: &records,
        };
        let rules = judged.monitor.rules.iter().filter(|rule| is_told_first || rule.when.needs_labels());
        for rule in rules {
            let (events, retrain) = asking.ask(rule, evidence);
            following.extend(events.into_iter().map(|event| Effect::Alert(Box::new(event))));
            following.extend(retrain.map(|request| Effect::Retrain(Box::new(request))));
        }
        effects.extend((!told.is_empty()).then_some(Effect::Measured(told)));
        effects.append(&mut following);
        group.slim();
        counted.insert((version, slice), group);
    }
    if is_told_first {
        effects.extend(asking.finish(&seen, &sliced).into_iter().map(|event| Effect::Alert(Box::new(event))));
    }
    let (labels, effects_so_far) = (labels.as_ref(), &effects[..]);
    let hand =
        Hand { monitor, window, groups: &counted, said: &said, labels, clocks: &clocks, effects: effects_so_far };
    let (shapes, told) = (hand.shapes(), incidents::settle(&hand, judged.memory, is_told_first));
    for event in effects.iter_mut().filter_map(Effect::alert) {
        event.shape = shapes.get(&event.id).cloned();
        event.incident = told.get(&event.id).cloned();
        event.basis.recalled = recalled(event, &memories);
    }
    effects
}

/// What was remembered of earlier windows, of the series that an alert's surprises are of.
fn recalled(event: &AlertEvent, memories: &[budgets::Memory]) -> Vec<Recalled> {
    let surprises = event.evidence.iter().filter(|m| stat::find(m.family, &m.statistic).is_some_and(surprise::is));
    let subjects: BTreeSet<&str> = surprises.map(|m| m.subject.as_str()).collect();
    let is_shown = |Series { version, slice, subject, .. }: &Series| {
        **version == event.version && **slice == event.slice && subjects.contains(&**subject)
    };
    memories.iter().filter(|memory| is_shown(&memory.series)).map(budgets::Memory::written).collect()
}

/// What the model said, by version and then by slice and group.
fn said(groups: &mut BTreeMap<(Arc<str>, Arc<str>), Group>) -> BTreeMap<Arc<str>, (Known, Tallies)> {
    let mut said: BTreeMap<Arc<str>, (Known, Tallies)> = BTreeMap::new();
    for ((version, slice), group) in groups {
        if let Some((known, tally)) = group.outcomes.take() {
            said.entry(version.clone()).or_insert_with(|| (known, Tallies::new())).1.insert(slice.clone(), tally);
        }
    }
    said
}

impl Labels {
    /// Measures what needs just that of a version and slice.
    pub fn ask(&self, place: Place, needs: Needs) -> Vec<Measurement> {
        let (_, _, version, _) = place;
        let Some((known, tallies)) = self.versions.get(version) else { return Vec::new() };
        let (revision, provisional) = (self.revision, self.revision < self.last);
        let coming = self.joined.coming.filter(|_| needs == Needs::Labels);
        let measured = ask(place, (known, tallies), needs, coming, &revision.to_string());
        measured.into_iter().map(|m| Measurement { revision, provisional, ..m }).collect()
    }
}

/// Measures what needs just that of a version and slice; `told` tells this telling of the window from its others.
fn ask(
    place: Place,
    (known, tallies): (&Known, &Tallies),
    needs: Needs,
    coming: Option<f64>,
    told: &str,
) -> Vec<Measurement> {
    let (monitor, window, version, slice) = place;
    let identity = format!("{}/{version}/{}/{told}", monitor.model, window.end);
    let version = outcomes::Version { monitor, known, tallies, coming, identity };
    outcomes::measure(&version, slice, needs).into_iter().map(|m| placed(place, m)).collect()
}

/// Of which window, version and slice something is.
pub(super) type Place<'a> = (&'a Monitor, Window, &'a str, &'a str);

/// A measurement in its place.
fn placed((monitor, window, version, slice): Place, measurement: Measurement) -> Measurement {
    Measurement {
        model: monitor.model.clone(),
        version: version.to_owned(),
        slice: slice.to_owned(),
        window_start: window.start,
        window_end: window.end,
        ..measurement
    }
}

/// Computes all that the monitor measures of the window's rows, and how surprising that is, by what was remembered.
fn measure_all(judged: &mut Judged) -> (BTreeMap<GroupKey, Vec<Measurement>>, Vec<budgets::Memory>) {
    let Judged { monitor, window, .. } = *judged;
    let mut values = Vec::new();
    let mut measured = BTreeMap::new();
    for ((version, slice), group) in &judged.groups {
        let of_group = measure(monitor, judged.nulls, window, version, slice, group, &mut values);
        measured.insert((version.clone(), slice.clone()), of_group);
    }
    let memories = match judged.surprises.as_mut().filter(|_| !measured.is_empty()) {
        Some(surprises) => surprises.judge(window, values, measured.values_mut().flatten()),
        None => Vec::new(),
    };
    (measured, memories)
}

/// Computes all that the monitor measures of one version and slice; `values` takes what surprises are told from.
fn measure(
    monitor: &Monitor,
    nulls: &mut Nulls,
    window: Window,
    version: &str,
    slice: &str,
    group: &Group,
    values: &mut Vec<Value>,
) -> Vec<Measurement> {
    let mut measurements = Vec::new();
    for input in &monitor.inputs {
        let Some((topic, log)) = group.logs.get_key_value(input.topic.as_str()) else { continue };
        let of_log = monitor.subject_of(topic);
        let references = references(monitor, input, slice, &log.known.reference);
        let attributed = attributed(monitor, input, log, &references);
        let mut findings = Vec::new();
        for measure in &monitor.measures {
            let operand = log.operand(measure.statistic.family);
            let (subject, current, reference) = match measure.field {
                None if measure.statistic.on == On::Attributions => match attributed.first() {
                    Some(first) => (of_log, None, first.reference),
                    None => continue,
                },
                None if measure.statistic.on.outcomes().is_some() => continue,
                None => (of_log, None, None),
                Some(field) => {
                    let Some(at) = input.fields.iter().position(|&carried| carried == field) else { continue };
                    let subject = monitor.fields()[field].subject.as_str();
                    let (Some(axis), Some(tally)) = (log.known.axes.axes.get(at), log.fields.get(at)) else { continue };
                    let reference = match operand {
                        Some(operand) => operand.tally(subject),
                        None => references[at].as_deref(),
                    };
                    (subject, Some(Side { axis, tally }), reference)
                }
            };
            let case = Case {
                rows: log.rows,
                window: monitor.windowing.size,
                current,
                reference,
                attributions: &attributed,
                outcomes: None,
                min_rows: monitor.windowing.min_rows,
                significance: measure.significance,
            };
            let answer = (measure.statistic.compute)(&case);
            if surprise::is(measure.statistic) {
                values.extend(budgets::values(&case, version, slice, subject));
            }
            let hash = &operand.unwrap_or(&log.known.reference).hash;
            let sizes = current.zip(reference).map(|(current, reference)| (current.tally.valued(), reference.valued()));
            let reference = reference.map(|_| hash.clone());
            findings.push(Finding { measure, subject, answer, q_value: None, rows: log.rows, sizes, reference });
        }
        let base = Base {
            hash: &log.known.reference.hash,
            slice,
            fixes_axes: slice.is_empty() && log.operand.is_none(),
            counted: &|subject| {
                let at = input.fields.iter().position(|&field| monitor.fields()[field].subject == subject)?;
                log.known.axes.axes.get(at).zip(references[at].as_deref())
            },
        };
        calibrate(nulls, &base, &mut findings);
        if monitor.judging.correction == Correction::BenjaminiHochberg {
            correct(&mut findings);
        }
        let place = (monitor, window, version, slice);
        measurements.extend(findings.into_iter().map(|finding| placed(place, finding.told(&monitor.judging))));
    }
    measurements
}

/// What each field of a log is compared with: the reference's rows of the same slice.
fn references<'a>(
    monitor: &Monitor,
    input: &Input,
    slice: &str,
    reference: &'a Reference,
) -> Vec<Option<Cow<'a, FieldTally>>> {
    let of_field = |&field: &usize| {
        let tally = reference.tally_in(slice, &monitor.fields()[field].subject)?;
        // To look at a slice's counts makes them dense, which is for this window only: there may be many slices.
        Some(if slice.is_empty() { Cow::Borrowed(tally) } else { Cow::Owned(tally.clone()) })
    };
    input.fields.iter().map(of_field).collect()
}

/// The attributions that a log carries, each with what it is compared with.
fn attributed<'a>(
    monitor: &Monitor,
    input: &Input,
    log: &'a Log,
    references: &'a [Option<Cow<FieldTally>>],
) -> Vec<Attributed<'a>> {
    let operand = log.operand(Family::Attribution);
    let attribution = |((&field, current), reference): ((&usize, &'a FieldTally), &'a Option<Cow<FieldTally>>)| {
        let field = monitor.fields().get(field).filter(|field| field.role == Role::Attribution)?;
        let reference = match operand {
            Some(operand) => operand.tally(&field.subject),
            None => reference.as_deref(),
        };
        Some(Attributed { current, reference })
    };
    input.fields.iter().zip(&log.fields).zip(references).filter_map(attribution).collect()
}

/// The slices that each version is counted in.
fn sliced(groups: &BTreeMap<(Arc<str>, Arc<str>), Group>) -> BTreeMap<Arc<str>, BTreeSet<Arc<str>>> {
    let mut sliced: BTreeMap<Arc<str>, BTreeSet<Arc<str>>> = BTreeMap::new();
    for ((version, _), group) in groups {
        let names = group.logs.values().flat_map(|log| log.known.axes.slicer.names().iter().cloned());
        sliced.entry(version.clone()).or_default().extend(names);
    }
    sliced
}
