//! Counts the columns of both files, a few at a time, on all processors.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Result, anyhow};
use indicatif::ProgressBar;

use crate::grid::{Axis, Vocabulary};
use crate::reference::{Counted, Reference};
use crate::rows::{Column, Rows};
use crate::schema::Field;
use crate::source::table::{Lookup, Table, TableError, is_columnar};
use crate::tally::{Chosen, FieldTally, Tally};

use super::infer::unmeasurable;
use super::{Question, Told};

/// What both files have of the columns in question.
pub struct Both {
    pub reference: Reference,
    /// The rows of the current file.
    pub rows: u64,
    /// By subject; a column that the current file does not have is not here.
    pub current: BTreeMap<String, FieldTally>,
    /// The columns that turned out not to be measurable.
    pub told: Vec<Told>,
}

/// Values of a column that are held at once, twice: as they were read, and as they are counted.
const VALUES_AT_ONCE: u64 = 2_000_000;
/// More threads than this would not be faster than what they read from.
const MOST_THREADS: usize = 16;

/// The part of the answer that one block of columns gives.
#[derive(Default)]
struct Part {
    rows: (u64, u64),
    reference: BTreeMap<String, Counted>,
    current: BTreeMap<String, FieldTally>,
    told: Vec<Told>,
}

/// Counts what is in question. `rows` is the longer file's, as far as it is known.
///
/// # Errors
/// The first that reading has.
pub fn count(question: &Question, reference: &Path, current: &Path, rows: u64, progress: &ProgressBar) -> Result<Both> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    let columnar = is_columnar(reference)? && is_columnar(current)?;
    let blocks = blocks(&question.fields, rows, threads, columnar);
    progress.set_length(question.fields.len() as u64 * 2);
    let (next, parts) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(fields) = blocks.get(next.fetch_add(1, Ordering::Relaxed)) {
            let part = Part::of(question, fields, reference, current, progress);
            let has_failed = part.is_err();
            parts.lock().unwrap_or_else(PoisonError::into_inner).push(part);
            if has_failed {
                // Nobody needs the other columns any more.
                next.store(blocks.len(), Ordering::Relaxed);
            }
        }
    };
    let ended: Vec<thread::Result<()>> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.min(blocks.len())).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(thread::ScopedJoinHandle::join).collect()
    });
    if ended.iter().any(Result::is_err) {
        return Err(anyhow!("a column could not be counted"));
    }
    let mut whole = Part::default();
    for part in parts.into_inner().unwrap_or_else(PoisonError::into_inner) {
        whole.take(part?);
    }
    let name = reference.file_name().unwrap_or(reference.as_os_str()).to_string_lossy();
    Ok(Both {
        reference: Reference::new(&name, whole.rows.0, whole.reference),
        rows: whole.rows.1,
        current: whole.current,
        told: whole.told,
    })
}

/// The columns that are read together. What is not columnar is read whole by every thread, once.
fn blocks(fields: &[Field], rows: u64, threads: usize, columnar: bool) -> Vec<&[Field]> {
    let share = fields.len().div_ceil(threads).max(1);
    let fitting = usize::try_from(VALUES_AT_ONCE / rows.max(1)).unwrap_or(share).max(1);
    fields.chunks(if columnar { share.min(fitting) } else { share }).collect()
}

impl Part {
    fn of(
        question: &Question,
        fields: &[Field],
        reference: &Path,
        current: &Path,
        progress: &ProgressBar,
    ) -> Result<Part, TableError> {
        let mut part = Part::default();
        let batches: Vec<Rows> = open(reference, fields)?.batches()?.collect::<Result<_, _>>()?;
        part.rows.0 = batches.iter().map(|batch| batch.len() as u64).sum();
        for (place, field) in fields.iter().enumerate() {
            let columns: Vec<&Column> = batches.iter().filter_map(|batch| batch.columns.get(place)).collect();
            progress.inc(1);
            match unmeasurable(&columns).filter(|_| question.is_inferred) {
                Some(why) => part.told.push(Told::new(&field.subject, why)),
                None => {
                    let counted = Counted::of(field, &columns, question.resolution)
                        .map(|counted| if question.is_inferred { without_rare(counted, &columns) } else { counted });
                    part.reference.extend(counted.map(|counted| (field.subject.clone(), counted)));
                }
            }
        }
        drop(batches);
        let table = open(current, fields)?;
        let missing: Vec<&Lookup> = table.missing().collect();
        let mut tallies: Vec<Option<FieldTally>> = fields
            .iter()
            .map(|field| {
                let is_there = !missing.contains(&&Lookup::from(field));
                let axis = part.reference.get(&field.subject).filter(|_| is_there).map(|counted| &counted.axis);
                axis.map(FieldTally::empty)
            })
            .collect();
        for batch in table.batches()? {
            let batch = batch?;
            part.rows.1 += batch.len() as u64;
            for ((field, tally), column) in fields.iter().zip(&mut tallies).zip(&batch.columns) {
                if let (Some(counted), Some(tally)) = (part.reference.get(&field.subject), tally) {
                    tally.observe(&counted.axis, column, Chosen::All(column.len()));
                }
            }
        }
        let counted = fields.iter().zip(tallies).filter_map(|(field, tally)| Some((field.subject.clone(), tally?)));
        part.current = counted.collect();
        progress.inc(fields.len() as u64);
        Ok(part)
    }

    fn take(&mut self, other: Part) {
        self.rows = (self.rows.0.max(other.rows.0), self.rows.1.max(other.rows.1));
        self.reference.extend(other.reference);
        self.current.extend(other.current);
        self.told.extend(other.told);
    }
}

/// Where a category with this few rows is rare.
const RARE: u64 = 5;

/// Counts rare categories as other values where there are so many of them that the reference cannot have seen all.
///
/// The share of values that another sample would have and the reference has not is about that of the reference's rows
/// whose value it has once (Good, 1953). Where that is more than one in a hundred, the vocabulary of the reference fits
/// itself better than anything else, and its rare values would make every other sample look drifted.
fn without_rare(counted: Counted, columns: &[&Column]) -> Counted {
    let (Axis::Categorical(vocabulary), FieldTally::Categorical(tally)) = (&counted.axis, &counted.tally) else {
        return counted;
    };
    let known = vocabulary.values().iter().zip(&tally.counts);
    let once = known.clone().filter(|(_, rows)| **rows == 1).count() as u64;
    if once * 100 <= tally.n() {
        return counted;
    }
    let frequent = known.filter(|(_, rows)| **rows >= RARE).map(|(value, _)| value.clone());
    let axis = Axis::Categorical(Vocabulary::new(frequent));
    let mut tally = FieldTally::empty(&axis);
    columns.iter().for_each(|column| tally.observe(&axis, column, Chosen::All(column.len())));
    Counted { axis, tally }
}

fn open(path: &Path, fields: &[Field]) -> Result<Table, TableError> {
    Table::open(path, fields.iter().map(Lookup::from).collect())
}
