//! Builds the reference that a monitor wants, with what turned out of its rows.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;

use super::build::{Scan, check, locked};
use super::{Built, Lookup, Progress, Table, TableError, reference_of};
use crate::monitor::Monitor;
use crate::outcome::Answerer;
use crate::reference::{Outcomes, Reference, axes_for};
use crate::rows::Wanted;
use crate::schema::Kind;
use crate::tally::outcome::OutcomeTally;

/// See [`reference_of`]. Where the monitor has labels, the files are read once more to count what they say.
///
/// # Errors
/// As of [`reference_of`]. That the data has no labels is none: then nothing is known of outcomes.
pub fn reference_for(
    paths: &[PathBuf],
    monitor: &Monitor,
    go_on: &(dyn Fn(Progress) -> bool + Sync),
) -> Result<Built, TableError> {
    let (fields, grouping) = (monitor.fields(), monitor.grouping.slicing());
    let built = reference_of(paths, fields, monitor.resolution, &monitor.slicing, &grouping, go_on)?;
    let outcomes = outcomes(paths, monitor, &built, go_on)?;
    Ok(Built { reference: built.reference.judged(outcomes), ..built })
}

fn outcomes(
    paths: &[PathBuf],
    monitor: &Monitor,
    built: &Built,
    go_on: &(dyn Fn(Progress) -> bool + Sync),
) -> Result<Option<Outcomes>, TableError> {
    let (Some(answers), Some(labels)) = (&monitor.schema.answers, &monitor.labels) else { return Ok(None) };
    let (fields, reference): (_, &Reference) = (monitor.fields(), &built.reference);
    let axes = axes_for(Some(reference), fields);
    let Some(answerer) = Answerer::new(answers, fields, &axes.axes) else { return Ok(None) };
    let slicer = reference.slicer(fields, &monitor.slicing, &monitor.grouping.dimensions());
    let kind = if answerer.axis.is_of_classes() { Kind::Categorical } else { Kind::Numeric };
    let label = Lookup::from(Wanted::new(labels.in_reference.clone(), kind));
    let lookups: Vec<Lookup> = fields.iter().map(Lookup::from).chain([label.clone()]).collect();
    let mut tables = Vec::new();
    for path in paths {
        tables.push(Table::open(path, lookups.clone())?);
    }
    Table::unite(&mut tables);
    let empty = || OutcomeTally::empty(&answerer.axis);
    let counted = Mutex::new((empty(), vec![empty(); slicer.names().len()]));
    let places: Vec<usize> = (0..lookups.len()).collect();
    let before = reference.rows * u64::from(built.passes);
    let scan = Scan { pass: built.passes + 1, is_last: true, before, places: &places, go_on };
    let seen = scan.run(&tables, &|batch, _| {
        let mut of_batch = (empty(), vec![empty(); slicer.names().len()]);
        let of_rows = slicer.of_rows(0..batch.len() as u32, |place| batch.columns.get(place));
        for (row, slices) in of_rows.into_iter().enumerate() {
            let prediction = answerer.prediction(&batch.columns, row);
            if prediction.says_anything(&answerer.axis) {
                let truth = Answerer::truth(&answerer.axis, &batch.columns[fields.len()], row);
                of_batch.0.add(&answerer.axis, &prediction, truth);
                slices.iter().for_each(|&slice| of_batch.1[usize::from(slice)].add(&answerer.axis, &prediction, truth));
            }
        }
        let (whole, in_slices) = &mut *locked(&counted);
        whole.merge(&of_batch.0);
        in_slices.iter_mut().zip(&of_batch.1).for_each(|(mine, theirs)| mine.merge(theirs));
    })?;
    check(&tables, reference.rows, seen)?;
    let (whole, in_slices) = counted.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let slices: BTreeMap<String, OutcomeTally> =
        slicer.names().iter().map(|name| name.to_string()).zip(in_slices).collect();
    let classes = answers.classes.clone();
    Ok((whole.labelled() > 0).then_some(Outcomes { classes, whole, slices }))
}
