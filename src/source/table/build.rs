//! Builds references of files of any size, in passes over them that use all cores.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::{Path as FilePath, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use super::{Lookup, Table, TableError};
use crate::grid::Axis;
use crate::reference::{Counted, Reference, SliceTallies, Slices, Survey};
use crate::rows::Rows;
use crate::schema::Field;
use crate::slice::{Combinations, Slicer, Slicing};
use crate::tally::{Chosen, FieldTally, Tally};

/// Bytes in which the axes of all fields are looked for.
const MEMORY: usize = 192 << 20;
/// The most and the least for one field.
const MOST: usize = 16 << 20;
const LEAST: usize = 64 << 10;

/// How far the building of a reference is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Passes over the rows, this one included.
    pub pass: u32,
    /// Whether it is the one that counts, which is the last.
    pub is_last: bool,
    /// Rows of this pass, and of all that have been.
    pub rows: u64,
    pub rows_in_all: u64,
    /// Bytes of this pass, out of how many.
    pub position: u64,
    pub bytes: u64,
}

/// A reference, and what it does not say of its fields.
pub struct Built {
    pub reference: Reference,
    /// How many distinct values a field has, where they were counted.
    pub distinct: BTreeMap<String, usize>,
    pub passes: u32,
}

/// The reference that a file makes for these fields, sliced.
///
/// # Errors
/// When the file cannot be read, or has no rows or none of the columns.
pub fn reference(
    path: &FilePath,
    fields: &[Field],
    resolution: usize,
    slicing: &Slicing,
) -> Result<Reference, TableError> {
    reference_of(&[path.to_owned()], fields, resolution, slicing, &Slicing::default(), &|_| true)
        .map(|built| built.reference)
}

/// The reference that some files make together, sliced and told apart as groups. `go_on` is told of the progress, and says whether to go on.
///
/// It is the one that [`Reference::build_in_slices`] would make of all rows, in memory that does not grow with them:
/// some 24 MiB for each field, and 256 MiB for all as far as there are not hundreds, beside the few megabytes of rows
/// that each thread works on. The files are read two times, or four or five where a numeric field has more than a
/// hundred thousand distinct values; only the fields that need it are read in between.
///
/// # Errors
/// When a file cannot be read or has changed in between, when there are no rows or none of the columns, or when `go_on`
/// says no.
pub fn reference_of(
    paths: &[PathBuf],
    fields: &[Field],
    resolution: usize,
    slicing: &Slicing,
    grouping: &Slicing,
    go_on: &(dyn Fn(Progress) -> bool + Sync),
) -> Result<Built, TableError> {
    let mut tables = Vec::new();
    for path in paths {
        tables.push(Table::open(path, fields.iter().map(Lookup::from).collect())?);
    }
    Table::unite(&mut tables);
    let memory = (MEMORY / fields.len().max(1)).clamp(LEAST, MOST);
    let mut surveys: Vec<Survey> = fields.iter().map(|field| Survey::new(field, resolution, memory)).collect();
    let by = slicing.by.iter().chain(&grouping.by);
    let dimensions: Vec<Option<Vec<usize>>> = by.map(|subjects| places_of(subjects, fields)).collect();
    let combinations: Vec<Mutex<Combinations>> = dimensions.iter().map(|_| Mutex::default()).collect();
    let (mut open, mut pass, mut rows) = ((0..fields.len()).collect::<Vec<usize>>(), 1, None);
    while !open.is_empty() {
        let observed: Vec<Mutex<&mut Survey>> = surveys
            .iter_mut()
            .enumerate()
            .filter(|(place, _)| open.contains(place))
            .map(|(_, s)| Mutex::new(s))
            .collect();
        let before = rows.unwrap_or(0) * u64::from(pass - 1);
        let scan = Scan { pass, is_last: false, before, places: &open, go_on };
        let seen = scan.run(&tables, &|batch, order| {
            order.for_each(|place| locked(&observed[place]).observe(&batch.columns[place]));
            // The first pass reads every field.
            for (places, found) in dimensions.iter().zip(&combinations).filter(|_| pass == 1) {
                let columns = places.iter().flatten().map(|&place| &batch.columns[place]).collect::<Vec<_>>();
                locked(found).observe(&columns);
            }
        })?;
        drop(observed);
        check(&tables, *rows.get_or_insert(seen), seen)?;
        open.retain(|&place| surveys[place].end_pass());
        pass += 1;
    }
    let places: Vec<usize> = (0..fields.len()).filter(|&place| surveys[place].axis().is_some()).collect();
    if rows == Some(0) {
        return Err(TableError::NoRows { path: first(paths) });
    }
    if places.is_empty() {
        return Err(none_of(&tables, fields, paths));
    }
    let axes: Vec<Axis> = places.iter().filter_map(|&place| surveys[place].axis()).collect();
    let is_there = |of: &Vec<usize>| of.iter().all(|place| places.contains(place));
    let combinations = combinations.into_iter().zip(&dimensions).map(|(found, of)| {
        let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        of.as_ref().is_some_and(is_there).then_some(found)
    });
    let mut combinations: Vec<_> = combinations.collect();
    let groups = grouping.choose_among(combinations.split_off(slicing.by.len()));
    let dimensions = slicing.choose_among(combinations);
    let subjects: Vec<&str> = places.iter().map(|&place| fields[place].subject.as_str()).collect();
    let slicer = Slicer::new(&dimensions, |subject| subjects.iter().position(|known| *known == subject));
    let slices = slicer.names().len();
    let tallies: Vec<Mutex<(FieldTally, SliceTallies)>> =
        axes.iter().map(|axis| Mutex::new((FieldTally::empty(axis), SliceTallies::new(axis, slices)))).collect();
    let rows_of: Vec<AtomicU64> = (0..slices).map(|_| AtomicU64::new(0)).collect();
    let before = rows.unwrap_or(0) * u64::from(pass - 1);
    let scan = Scan { pass, is_last: true, before, places: &places, go_on };
    let seen = scan.run(&tables, &|batch, order| {
        let apart = slicer.apart(0..batch.len() as u32, |place| batch.columns.get(place));
        for (count, rows) in rows_of.iter().zip(&apart) {
            count.fetch_add(rows.len() as u64, Ordering::Relaxed);
        }
        order.for_each(|place| {
            let (axis, column) = (&axes[place], &batch.columns[place]);
            let (whole, in_slices) = &mut *locked(&tallies[place]);
            whole.observe(axis, column, Chosen::All(batch.len()));
            in_slices.observe(axis, column, &apart);
        });
    })?;
    check(&tables, rows.unwrap_or(seen), seen)?;
    let (mut counted, mut sliced) = (BTreeMap::new(), Vec::new());
    for ((subject, axis), tallies) in subjects.iter().zip(axes).zip(tallies) {
        let (tally, in_slices) = tallies.into_inner().unwrap_or_else(PoisonError::into_inner);
        counted.insert((*subject).to_owned(), Counted { axis, tally });
        sliced.push(((*subject).to_owned(), in_slices));
    }
    let rows_of: Vec<u64> = rows_of.into_iter().map(AtomicU64::into_inner).collect();
    let slices = Slices::gathered(dimensions, slicer.names(), &rows_of, sliced);
    let reference = Reference::new(&name(paths), seen, counted).with(slices).grouped(groups);
    let distinct = surveys.iter().filter_map(|survey| Some((survey.field().subject.clone(), survey.distinct()?)));
    Ok(Built { reference, distinct: distinct.collect(), passes: pass })
}

/// Where the fields of a dimension are; `None` when one is not among them.
fn places_of(subjects: &[String], fields: &[Field]) -> Option<Vec<usize>> {
    subjects.iter().map(|subject| fields.iter().position(|field| field.subject == *subject)).collect()
}

fn first(paths: &[PathBuf]) -> PathBuf {
    paths.first().cloned().unwrap_or_default()
}

/// What a reference is called that is made of these files.
fn name(paths: &[PathBuf]) -> String {
    let first = first(paths);
    let name = first.file_name().unwrap_or(first.as_os_str()).to_string_lossy().into_owned();
    if paths.len() > 1 { format!("{name} and {} more", paths.len() - 1) } else { name }
}

fn none_of(tables: &[Table], fields: &[Field], paths: &[PathBuf]) -> TableError {
    let wanted = fields.iter().map(|field| field.path.0.as_str()).collect::<Vec<_>>().join(", ");
    let has = tables.first().and_then(Table::has);
    let has = has.map_or_else(|| "no record has any of these keys".to_owned(), |names| format!("it has {names}"));
    TableError::NoColumns { path: first(paths), wanted, has }
}

/// Whether a pass saw as many rows as the first one.
pub(super) fn check(tables: &[Table], rows: u64, seen: u64) -> Result<(), TableError> {
    let path = || tables.first().map(|table| table.path().to_owned()).unwrap_or_default();
    if rows == seen { Ok(()) } else { Err(TableError::Changed { path: path() }) }
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whoever panicked while holding it ends the scan as well.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is done with a batch, and with its columns in this order.
pub(super) type Visit<'a> = dyn Fn(&Rows, &mut dyn Iterator<Item = usize>) + Sync + 'a;

/// A pass over all rows.
pub(super) struct Scan<'a> {
    pub pass: u32,
    pub is_last: bool,
    /// Rows of the passes before it.
    pub before: u64,
    /// The lookups that are read.
    pub places: &'a [usize],
    pub go_on: &'a (dyn Fn(Progress) -> bool + Sync),
}

impl Scan<'_> {
    /// Shows every batch to `visit`, and in which order to take its columns, on as many threads as there are cores and
    /// in no particular order of batches. Returns how many rows there were.
    pub fn run(&self, tables: &[Table], visit: &Visit) -> Result<u64, TableError> {
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        let bytes = tables.iter().map(Table::bytes).sum();
        let (rows, mut before) = (AtomicU64::new(0), 0);
        for table in tables {
            let projected = table.only(self.places);
            let parts = Mutex::new(projected.parts()?);
            let failure: Mutex<Option<TableError>> = Mutex::new(None);
            let work = |thread: usize| -> Result<(), TableError> {
                while locked(&failure).is_none() {
                    let Some(part) = locked(&parts).next().transpose()? else { break };
                    let position = before + part.position;
                    for batch in projected.decode(part)? {
                        let batch = batch?;
                        // The threads begin at different columns, since each column is for one at a time.
                        let columns = self.places.len();
                        let offset = thread * columns / threads;
                        visit(&batch, &mut (0..columns).map(|place| (place + offset) % columns));
                        rows.fetch_add(batch.len() as u64, Ordering::Relaxed);
                    }
                    let Scan { pass, is_last, .. } = *self;
                    let rows = rows.load(Ordering::Relaxed);
                    let rows_in_all = self.before + rows;
                    if !(self.go_on)(Progress { pass, is_last, rows, rows_in_all, position, bytes }) {
                        return Err(TableError::Interrupted);
                    }
                }
                Ok(())
            };
            thread::scope(|scope| {
                for thread in 0..threads {
                    let (work, failure) = (&work, &failure);
                    scope.spawn(move || {
                        if let Err(error) = work(thread) {
                            locked(failure).get_or_insert(error);
                        }
                    });
                }
            });
            if let Some(error) = failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
                return Err(error);
            }
            before += table.bytes();
        }
        Ok(rows.into_inner())
    }
}
