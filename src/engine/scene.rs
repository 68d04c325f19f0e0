//! What is at hand of a window when its alerts are to be explained: its rows beside what they are compared with.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use statrs::function::erf::erfc;

use super::judge::{Group, Labels, Log};
use super::outcomes::{Tallies, is_of_people, reference_of, slicer_dimensions};
use super::rules::GroupKey;
use super::{Effect, Known, picture};
use crate::cause::{self, Change, Clock, Compared, Likely, Outcomes, Scene, Sliced, Weight};
use crate::measurement::{Family, Measurement};
use crate::monitor::{Input, Monitor};
use crate::rule::alert::{AlertEvent, Shape};
use crate::schema::Role;
use crate::slice::Dimension;
use crate::tally::outcome::OutcomeTally;
use crate::tally::{FieldTally, Tally};
use crate::time::Window;

pub(super) struct Hand<'a> {
    pub monitor: &'a Monitor,
    pub window: Window,
    pub groups: &'a BTreeMap<GroupKey, Group>,
    /// What the model said, by version and slice.
    pub said: &'a BTreeMap<Arc<str>, (Known, Tallies)>,
    pub labels: Option<&'a Labels>,
    /// When rows came, by version.
    pub clocks: &'a BTreeMap<Arc<str>, Clock>,
    /// What has come of the window so far.
    pub effects: &'a [Effect],
}

/// A field of a log, on both sides.
struct Sides<'a> {
    reference: &'a FieldTally,
    current: &'a FieldTally,
}

/// A log whose rows are told apart by a dimension.
struct Cut<'a> {
    input: &'a Input,
    log: &'a Log,
    /// The dimension's subjects, joined.
    dimension: String,
    names: Vec<String>,
    /// What stands for a slice that has no rows.
    empty: Vec<FieldTally>,
}

impl<'a> Hand<'a> {
    pub fn alerts(&self) -> impl Iterator<Item = &'a AlertEvent> {
        self.effects.iter().filter_map(|effect| match effect {
            Effect::Alert(event) => Some(&**event),
            _ => None,
        })
    }

    /// The pictures of the alerts whose subject is a field that is compared, by their ids. Where rows are told apart by
    /// who people are, there may be too few of them for a picture.
    pub fn shapes(&self) -> BTreeMap<String, Shape> {
        let shape = |event: &AlertEvent| {
            let is_told = !self.tells_people_apart(&event.version, &event.slice);
            let sides = self.sides(&event.version, &event.slice, &event.subject).filter(|_| is_told)?;
            Some((event.id.clone(), sides.shape()?))
        };
        self.alerts().filter_map(shape).collect()
    }

    /// What has probably happened to what is alarmed, as far as the rows of a slice say; all rows, where the slice is of
    /// people, of whom there may be too few to be told of.
    pub fn likely(&self, version: &Arc<str>, slice: &str, alarmed: BTreeSet<&str>) -> Vec<Likely> {
        let slice = if self.tells_people_apart(version, slice) { "" } else { slice };
        // To look at the reference's counts of a slice makes them dense for good, so they are copied.
        let reference = |log: &'a Log, &field: &usize| {
            let tally = compared_with(log, slice, &self.monitor.fields()[field].subject)?;
            Some(if slice.is_empty() { Cow::Borrowed(tally) } else { Cow::Owned(tally.clone()) })
        };
        let with_references = |(input, log): (&'a Input, &'a Log)| {
            (input, log, input.fields.iter().map(|field| reference(log, field)).collect::<Vec<_>>())
        };
        let compared: Vec<_> = self.logs(version, slice).map(with_references).collect();
        let whole = slice.is_empty();
        let cut: Vec<Cut> =
            self.logs(version, "").filter(|_| whole).flat_map(|(input, log)| self.cuts(input, log)).collect();
        let scene = Scene {
            fields: compared
                .iter()
                .flat_map(|(input, log, references)| self.compared(input, log, references))
                .collect(),
            alarmed,
            slices: cut.iter().flat_map(|cut| self.sliced(version, cut)).collect(),
            clock: self.clocks.get(version).copied(),
            outcomes: self.outcomes(version, slice),
        };
        cause::likely(&scene)
    }

    /// What alerts are about, each with its slice, the most important first.
    pub fn ranked(&self, version: &Arc<str>, of_subjects: &[(&str, &str)]) -> Vec<String> {
        let mut weights: BTreeMap<&str, Weight> = BTreeMap::new();
        for &(subject, slice) in of_subjects {
            let weight = weights.entry(subject).or_insert(Weight { subject, ..Weight::default() });
            let drift = self.sides(version, slice, subject).and_then(|sides| Some(picture::distance(&sides.shape()?)));
            weight.drift = highest(weight.drift, drift);
            weight.attribution = weight.attribution.or_else(|| self.attribution(version, subject));
            weight.loss = highest(weight.loss, self.loss(version, slice));
        }
        let weights: Vec<Weight> = weights.into_values().collect();
        cause::rank(&weights).into_iter().map(|(subject, _)| subject.to_owned()).collect()
    }

    /// Whether a slice is one of a protected attribute.
    fn tells_people_apart(&self, version: &str, slice: &str) -> bool {
        let of_labels = self.labels.and_then(|labels| labels.versions.get(version));
        let of_answers = of_labels.into_iter().chain(self.said.get(version)).map(|(known, _)| known);
        let mut known = self.logs(version, slice).map(|(_, log)| &log.known).chain(of_answers);
        known.any(|known| is_of_people(self.monitor, slice, slicer_dimensions(&known.reference)))
    }

    /// The logs of a version's slice.
    fn logs(&self, version: &str, slice: &str) -> impl Iterator<Item = (&'a Input, &'a Log)> {
        let group = self.groups.get(&(version.into(), slice.into()));
        let inputs = self.monitor.inputs.iter();
        inputs.filter_map(move |input| Some((input, group?.logs.get(input.topic.as_str())?)))
    }

    fn sides(&self, version: &str, slice: &str, subject: &str) -> Option<Sides<'a>> {
        let field = self.monitor.fields().iter().position(|field| field.subject == subject)?;
        let of_log = |(input, log): (&'a Input, &'a Log)| {
            let at = input.fields.iter().position(|&carried| carried == field)?;
            Some(Sides { reference: compared_with(log, slice, subject)?, current: log.fields.get(at)? })
        };
        self.logs(version, slice).find_map(of_log)
    }

    fn compared<'b>(&self, input: &Input, log: &'b Log, references: &'b [Option<Cow<FieldTally>>]) -> Vec<Compared<'b>>
    where
        'a: 'b,
    {
        let sides = log.known.axes.axes.iter().zip(&log.fields).zip(references);
        let fields = input.fields.iter().map(|&field| &self.monitor.fields()[field]);
        fields
            .zip(sides)
            .filter_map(|(field, ((axis, current), reference))| {
                let reference = reference.as_deref()?;
                Some(Compared { subject: &field.subject, role: field.role, axis, reference, current })
            })
            .collect()
    }

    /// By what a log's rows are told apart. How many there are of which people is not told.
    fn cuts(&self, input: &'a Input, log: &'a Log) -> Vec<Cut<'a>> {
        let attributes = &self.monitor.grouping.attributes;
        let is_of_people = |dimension: &Dimension| {
            attributes.iter().any(|one| one.by.iter().any(|by| dimension.subjects.contains(by)))
        };
        let slicer = &log.known.axes.slicer;
        let cut = |dimension: &Dimension| {
            let names: Vec<String> = dimension.names().collect();
            let empty = || log.known.axes.axes.iter().map(FieldTally::empty).collect();
            let is_counted = names.iter().all(|name| slicer.place(name).is_some());
            is_counted.then(|| Cut { input, log, dimension: dimension.subjects.join(","), names, empty: empty() })
        };
        let dimensions = log.known.reference.slices.dimensions.iter();
        dimensions.filter(|dimension| !is_of_people(dimension)).filter_map(cut).collect()
    }

    /// The slices of a dimension; none at all where it is not known how many rows one of them had.
    fn sliced<'b>(&self, version: &Arc<str>, cut: &'b Cut<'a>) -> Vec<Sliced<'b>>
    where
        'a: 'b,
    {
        let slice = |name: &'b String| {
            let group = self.groups.get(&(version.clone(), name.as_str().into()));
            let current = group.and_then(|group| group.logs.get(cut.input.topic.as_str()));
            // The past of a slice without rows, or another version's, is not at hand.
            let (reference_rows, log) = match &cut.log.operand {
                None => (cut.log.known.reference.slices.counts.get(name)?.rows, cut.log),
                Some(_) => current.and_then(|log| Some((log.operand.as_ref()?.rows, log)))?,
            };
            let fields = cut.input.fields.iter().enumerate().filter_map(|(at, &field)| {
                let field = self.monitor.fields().get(field).filter(|field| field.role == Role::Feature)?;
                let reference = compared_with(log, name, &field.subject)?;
                let current = current.map_or(cut.empty.get(at), |current| current.fields.get(at))?;
                let (subject, axis) = (field.subject.as_str(), cut.log.known.axes.axes.get(at)?);
                Some(Compared { subject, role: field.role, axis, reference, current })
            });
            let rows = current.map_or(0, |current| current.rows);
            Some(Sliced { dimension: &cut.dimension, name, reference_rows, rows, fields: fields.collect() })
        };
        cut.names.iter().map(slice).collect::<Option<Vec<_>>>().unwrap_or_default()
    }

    /// How much the model relies on a feature: the mean magnitude of what it contributed in the reference.
    fn attribution(&self, version: &str, subject: &str) -> Option<f64> {
        match self.sides(version, "", &format!("attribution.{subject}"))?.reference {
            FieldTally::Numeric(tally) => tally.mean_magnitude(),
            _ => None,
        }
    }

    /// How much less often the model is right in a slice: by its labels, than was expected of the same rows; and as
    /// long as there are none, by what is expected of the rows, than it was in the reference.
    fn loss(&self, version: &str, slice: &str) -> Option<f64> {
        let by_labels = self.measured(version, slice, Family::Estimate, "accuracy_gap").map(|gap| -gap);
        by_labels.or_else(|| {
            let (known, _) = self.said.get(version)?;
            let axis = &known.axes.answerer.as_ref()?.axis;
            let (right, of) = right(reference_of(&known.reference, axis, slice)?, axis.classes.len());
            let before = (of > 0).then(|| right as f64 / of as f64)?;
            Some(before - self.measured(version, slice, Family::Estimate, "accuracy")?)
        })
    }

    fn measured(&self, version: &str, slice: &str, family: Family, statistic: &str) -> Option<f64> {
        self.measurement(version, slice, family, statistic)?.value
    }

    /// What is measured of all rows that the model answered.
    fn measurement(&self, version: &str, slice: &str, family: Family, statistic: &str) -> Option<&'a Measurement> {
        let subject = self.monitor.answering().map(|topic| self.monitor.subject_of(topic))?;
        let all = self.effects.iter().filter_map(|effect| match effect {
            Effect::Measured(measurements) => Some(measurements),
            _ => None,
        });
        all.flatten().find(|m| {
            (m.family, m.statistic.as_str(), m.subject.as_str()) == (family, statistic, subject)
                && m.version == version
                && m.slice == slice
        })
    }

    /// How right the model is, and what it says. The error of calibration has no p-value, so it is left out.
    fn outcomes(&self, version: &str, slice: &str) -> Option<Outcomes> {
        let of_labels = self.labels.and_then(|labels| labels.versions.get(version));
        let (known, tallies) = of_labels.or_else(|| self.said.get(version))?;
        let axis = &known.axes.answerer.as_ref()?.axis;
        let (now, before) = (tallies.get(slice)?, reference_of(&known.reference, axis, slice));
        let classes = axis.classes.len();
        let than_before = |of: &dyn Fn(&OutcomeTally) -> (u64, u64)| changed(of(before?), of(now));
        let is_binary = axis.is_binary();
        Some(Outcomes {
            accuracy: self.than_expected(version, slice).or_else(|| than_before(&|tally| right(tally, classes))),
            calibration_error: None,
            turned_out: than_before(&turned_out).filter(|_| is_binary),
            predicted: than_before(&|tally| tally.chosen(0)).filter(|_| is_binary),
        })
    }

    /// The accuracy that labels show, and that their rows' scores said.
    fn than_expected(&self, version: &str, slice: &str) -> Option<Change> {
        let gap = self.measurement(version, slice, Family::Estimate, "accuracy_gap")?;
        let now = self.measured(version, slice, Family::Performance, "accuracy")?;
        Some(Change { before: now - gap.value?, now, p_value: gap.p_value?, rows: gap.covered() })
    }
}

impl Sides<'_> {
    fn shape(&self) -> Option<Shape> {
        picture::of(self.reference, self.current)
    }
}

/// What drift of a field is measured against.
fn compared_with<'a>(log: &'a Log, slice: &str, subject: &str) -> Option<&'a FieldTally> {
    match &log.operand {
        Some(operand) => operand.tally(subject),
        None => log.known.reference.tally_in(slice, subject),
    }
}

fn highest(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    a.into_iter().chain(b).max_by(f64::total_cmp)
}

/// Rows for which the right class was chosen, and rows with a choice and a label.
fn right(tally: &OutcomeTally, classes: usize) -> (u64, u64) {
    // Where there is one class that matters, all others are alike.
    let told_apart = if classes == 1 { 0..=1 } else { 0..=classes.saturating_sub(1) };
    (told_apart.map(|class| tally.rows_of(Some(class), Some(class))).sum(), tally.confusion(0).n())
}

/// Rows that turned out to be of the class that matters, and rows with a label.
fn turned_out(tally: &OutcomeTally) -> (u64, u64) {
    let of =
        |label: usize| [Some(0), Some(1), None].map(|chosen| tally.rows_of(chosen, Some(label))).iter().sum::<u64>();
    (of(0), of(0) + of(1))
}

/// Two shares, and how probable it is that they are so far apart by chance: by their difference in standard errors of
/// their common share.
fn changed(before: (u64, u64), now: (u64, u64)) -> Option<Change> {
    let [(a, n), (b, m)] = [before, now].map(|(of, rows)| (of as f64, rows as f64));
    let common = (a + b) / (n + m);
    let errors = (a / n - b / m).abs() / (common * (1.0 - common) * (1.0 / n + 1.0 / m)).sqrt();
    let p_value = if errors.is_nan() { 1.0 } else { erfc(errors / std::f64::consts::SQRT_2) };
    (n > 0.0 && m > 0.0).then(|| Change { before: a / n, now: b / m, p_value, rows: now.1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `scipy.stats.chi2_contingency([[50, 150], [80, 120]], correction=False)` of SciPy 1.17.1.
    #[test]
    fn shares_are_as_improbable_as_scipy_says() {
        let change = changed((50, 200), (80, 200)).unwrap();
        assert!((change.p_value - 0.0013621046715842056).abs() < 1e-9, "{change:?}");
        assert_eq!((change.before, change.now, change.rows), (0.25, 0.4, 200));
        assert_eq!(changed((0, 0), (1, 2)), None);
        assert_eq!(changed((0, 5), (0, 7)).unwrap().p_value, 1.0);
    }
}
