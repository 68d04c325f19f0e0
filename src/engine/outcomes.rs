//! What is measured of predictions and labels, for one slice or group of a window.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Known;
use crate::finding::Finding;
use crate::measurement::Measurement;
use crate::monitor::{Attribute, Measure, Monitor};
use crate::outcome::OutcomeAxis;
use crate::privacy;
use crate::reference::Reference;
use crate::slice::Dimension;
use crate::stat::{Asked, Case, Group, Needs, Of, Outcomes, Undefined};
use crate::tally::outcome::OutcomeTally;

/// The outcomes of a window's rows of one version, by slice and group; `""` is all rows.
pub(super) type Tallies = BTreeMap<Arc<str>, OutcomeTally>;

/// What is known of a version's outcomes in a window.
pub(super) struct Version<'a> {
    pub monitor: &'a Monitor,
    pub known: &'a Known,
    pub tallies: &'a Tallies,
    /// The share of the predictions without a label yet that will have one in the end.
    pub coming: Option<f64>,
    /// What tells this telling of a window from all others.
    pub identity: String,
}

/// An attribute with the groups of a window's rows.
struct Grouped<'a> {
    attribute: &'a Attribute,
    names: Vec<Arc<str>>,
    tallies: Vec<OutcomeTally>,
    strata: Vec<Vec<OutcomeTally>>,
}

/// Measures what needs just that of a slice or group. Version, window and revision are left to the caller.
pub(super) fn measure(version: &Version, slice: &str, needs: Needs) -> Vec<Measurement> {
    let Some(answerer) = &version.known.axes.answerer else { return Vec::new() };
    let Some(tally) = version.tallies.get(slice) else { return Vec::new() };
    let (monitor, axis) = (version.monitor, &answerer.axis);
    let asked = |measure: &&Measure| measure.statistic.on.outcomes().is_some_and(|asked| asked.needs == needs);
    let measures: Vec<&Measure> = monitor.measures.iter().filter(asked).collect();
    if measures.is_empty() {
        return Vec::new();
    }
    let slicer = &version.known.axes.slicer;
    let is_group = slicer.place(slice).is_some_and(|place| slicer.is_group(place));
    let grouped: Vec<Grouped> =
        monitor.grouping.attributes.iter().filter_map(|attribute| grouped(version, axis, attribute)).collect();
    let reference = reference_of(&version.known.reference, axis, slice);
    let open = tally.rows() - tally.labelled().min(tally.rows());
    let coverage = if tally.rows() == 0 { 0.0 } else { tally.labelled() as f64 / tally.rows() as f64 };
    let outcomes = Outcomes {
        axis,
        tally,
        reference,
        class: 0,
        groups: &[],
        group: None,
        expected_coverage: version.coming.map(|coming| coverage + coming * open as f64 / tally.rows().max(1) as f64),
        choices: &monitor.choices,
    };
    let is_withheld = is_of_people(monitor, slice, slicer_dimensions(&version.known.reference))
        && tally.rows() < monitor.choices.min_group;
    let ask = |measure: &Measure, subject: &str, outcomes: &Outcomes| {
        let answer = if is_withheld {
            Err(Undefined::Withheld { least: monitor.choices.min_group })
        } else {
            let case = Case {
                rows: outcomes.tally.rows(),
                window: monitor.windowing.size,
                current: None,
                reference: None,
                attributions: &[],
                outcomes: Some(outcomes),
                min_rows: monitor.windowing.min_rows,
                significance: measure.significance,
            };
            (measure.statistic.compute)(&case)
        };
        // How few rows there are of people who could be told by it is not told either.
        let is_told = !matches!(answer, Err(Undefined::Withheld { .. }));
        let rows = if is_told { outcomes.tally.rows() } else { 0 };
        let sizes = Some((outcomes.tally.labelled(), outcomes.reference.map_or(0, OutcomeTally::labelled)));
        let reference = outcomes.reference.map(|_| version.known.reference.hash.clone());
        let finding = Finding { measure, subject, answer, q_value: None, rows, sizes, reference };
        let coverage = (needs == Needs::Labels && is_told).then_some(coverage);
        Measurement { coverage, ..finding.told(&monitor.judging) }
    };
    // What is of all rows is of the log that says what the model says.
    let log = monitor.answering().map_or("", |topic| monitor.subject_of(topic));
    let mut measured = Vec::new();
    for measure in measures {
        let Some(Asked { of, .. }) = measure.statistic.on.outcomes() else { continue };
        match of {
            Of::Rows if !is_group => measured.push(ask(measure, log, &outcomes)),
            Of::Class if !is_group && axis.is_binary() => measured.push(ask(measure, log, &outcomes)),
            Of::Class if !is_group => {
                let classes = axis.classes.iter().enumerate();
                measured.extend(classes.map(|(class, name)| ask(measure, name, &Outcomes { class, ..outcomes })));
            }
            Of::Attribute if slice.is_empty() => {
                for one in &grouped {
                    let groups = one.groups();
                    measured.push(ask(measure, &one.attribute.subject, &Outcomes { groups: &groups, ..outcomes }));
                }
            }
            Of::Group => {
                for one in &grouped {
                    let Some(group) = one.names.iter().position(|name| **name == *slice) else { continue };
                    let groups = one.groups();
                    let outcomes =
                        Outcomes { tally: &one.tallies[group], groups: &groups, group: Some(group), ..outcomes };
                    measured.push(ask(measure, &one.attribute.subject, &outcomes));
                }
            }
            Of::Rows | Of::Class | Of::Attribute => {}
        }
    }
    measured
}

impl Grouped<'_> {
    fn groups(&self) -> Vec<Group<'_>> {
        self.tallies.iter().zip(&self.strata).map(|(tally, strata)| Group { tally, strata }).collect()
    }
}

/// The groups of an attribute that the reference tells apart. Rows without the attribute, and of groups that the
/// reference does not know, are in none.
fn grouped<'a>(version: &Version, axis: &OutcomeAxis, attribute: &'a Attribute) -> Option<Grouped<'a>> {
    let reference = &version.known.reference;
    let dimension = slicer_dimensions(reference).find(|dimension| dimension.subjects == attribute.by)?;
    let grouping = &version.monitor.grouping;
    let tally = |name: &str| {
        let counted = version.tallies.get(name).cloned().unwrap_or_else(|| OutcomeTally::empty(axis));
        match &grouping.noise {
            None => counted,
            Some(noise) => {
                let releases = privacy::releases(&version.monitor.windowing, grouping.dimensions().len());
                privacy::noisy(&counted, noise, releases, &format!("{}/{name}", version.identity))
            }
        }
    };
    let own: Vec<(&Vec<String>, Arc<str>)> = dimension.values.iter().zip(dimension.names().map(Arc::from)).collect();
    let names: Vec<Arc<str>> = own.iter().map(|(_, name)| name.clone()).collect();
    let tallies = names.iter().map(|name| tally(name)).collect();
    let condition = version.monitor.grouping.condition.as_ref();
    let crossed = condition.and_then(|condition| {
        let by: Vec<&String> = attribute.by.iter().chain([condition]).collect();
        slicer_dimensions(reference).find(|dimension| dimension.subjects.iter().eq(by.iter().copied()))
    });
    let mut strata = vec![Vec::new(); names.len()];
    if let Some(crossed) = crossed {
        let by_values: BTreeMap<&Vec<String>, String> = crossed.values.iter().zip(crossed.names()).collect();
        let mut conditions: Vec<&String> = crossed.values.iter().filter_map(|values| values.last()).collect();
        conditions.sort_unstable();
        conditions.dedup();
        for ((values, _), strata) in own.iter().zip(&mut strata) {
            *strata = conditions
                .iter()
                .map(|condition| {
                    let crossed: Vec<String> = values.iter().chain([*condition]).cloned().collect();
                    by_values.get(&crossed).map_or_else(|| OutcomeTally::empty(axis), |name| tally(name))
                })
                .collect();
        }
    }
    Some(Grouped { attribute, names, tallies, strata })
}

/// The dimensions of a reference's groups and slices.
pub(super) fn slicer_dimensions(reference: &Reference) -> impl Iterator<Item = &Dimension> {
    reference.groups.iter().chain(&reference.slices.dimensions)
}

/// Whether the rows of a slice are told apart by a protected attribute.
pub(super) fn is_of_people<'a>(
    monitor: &Monitor,
    slice: &str,
    mut dimensions: impl Iterator<Item = &'a Dimension>,
) -> bool {
    let is_protected =
        |subject: &String| monitor.grouping.attributes.iter().any(|attribute| attribute.by.contains(subject));
    !slice.is_empty()
        && dimensions
            .any(|dimension| dimension.subjects.iter().any(is_protected) && dimension.names().any(|name| name == slice))
}

/// What the reference says of the outcomes of a slice, if it was counted by the same.
pub(super) fn reference_of<'a>(reference: &'a Reference, axis: &OutcomeAxis, slice: &str) -> Option<&'a OutcomeTally> {
    let outcomes = reference.outcomes.as_ref().filter(|outcomes| outcomes.classes.iter().eq(axis.classes.iter()))?;
    outcomes.of(slice).filter(|tally| tally.fits(axis))
}
