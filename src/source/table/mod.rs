//! Data at rest: the rows of Parquet, CSV and NDJSON files.

mod frame;
mod lines;
mod lookup;
mod series;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::ops::Range;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path as FilePath, PathBuf};

use arrow_array::Float64Array;
use flate2::bufread::MultiGzDecoder;
use polars::prelude::PolarsResult;

use crate::reference::{Counted, Reference};
use crate::rows::{Absent, Column, Reason, Rows, Values, Wanted};
use crate::schema::{Field, Kind, Path};
use frame::{Frame, Input};
use lines::{LineError, Lines};
pub use lookup::Lookup;
use lookup::{Shape, locate, resolve};
use series::Leaf;

/// Rows of a batch.
const BATCH: usize = 8_192;

/// Why a table cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    #[error(
        "{}: the name must end in .parquet, .csv, .ndjson, .jsonl or .json, with or without .gz after it",
        path.display()
    )]
    UnknownFormat { path: PathBuf },
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{}: not a readable {format} file: {reason}", path.display())]
    Malformed { path: PathBuf, format: &'static str, reason: String },
    #[error("{}: line {line} {}", path.display(), said(*reason))]
    Line { path: PathBuf, line: u64, reason: Reason },
    #[error("{}: there are no rows in it", path.display())]
    NoRows { path: PathBuf },
    #[error("{}: it has none of the columns that are looked for: {wanted}; {has}", path.display())]
    NoColumns { path: PathBuf, wanted: String, has: String },
}

fn said(reason: Reason) -> &'static str {
    match reason {
        Reason::TooLarge => "is longer than a record may be",
        _ => "is not a JSON object",
    }
}

type Batch = Result<Rows, TableError>;

/// A file of rows, in which columns have been looked up.
pub struct Table {
    path: PathBuf,
    lookups: Vec<Lookup>,
    /// For each lookup, whether the file has anything of it.
    found: Vec<bool>,
    contents: Contents,
}

enum Contents {
    /// Columns in memory, in the order of the lookups.
    Frame { format: Format, frame: Frame },
    /// Records that are read as they are asked for; for each lookup, what to decode.
    Lines { gzip: bool, wanted: Vec<Wanted> },
}

/// The reference that a file makes for these fields.
pub fn reference(path: &FilePath, fields: &[Field], resolution: usize) -> Result<Reference, TableError> {
    let table = Table::open(path, fields.iter().map(Lookup::from).collect())?;
    let mut rows = table.rows().unwrap_or(0);
    let mut counted = BTreeMap::new();
    for places in table.parts() {
        let batches = table.part(places.clone())?.collect::<Result<Vec<Rows>, TableError>>()?;
        rows = batches.iter().map(Rows::len).sum();
        for (place, field) in fields[places].iter().enumerate() {
            let columns: Vec<&Column> = batches.iter().map(|batch| &batch.columns[place]).collect();
            counted.extend(Counted::of(field, &columns, resolution).map(|counted| (field.subject.clone(), counted)));
        }
    }
    if rows == 0 {
        return Err(TableError::NoRows { path: path.to_owned() });
    }
    if counted.is_empty() {
        let wanted = fields.iter().map(|field| field.path.0.as_str()).collect::<Vec<_>>().join(", ");
        let has = match &table.contents {
            Contents::Frame { frame, .. } => format!("it has {}", frame.names().collect::<Vec<_>>().join(", ")),
            Contents::Lines { .. } => "no record has any of these keys".to_owned(),
        };
        return Err(TableError::NoColumns { path: path.to_owned(), wanted, has });
    }
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    Ok(Reference::new(&name, rows as u64, counted))
}

/// Whether a file is, by its name, one JSON object a line.
///
/// # Errors
/// When the name tells of no format that is known.
pub fn is_lines(path: &FilePath) -> Result<bool, TableError> {
    Ok(matches!(Format::of(path)?.0, Format::Ndjson))
}

impl Table {
    /// Opens a file and looks the columns up. Parquet and CSV are read here, but only the columns that are wanted; of
    /// NDJSON, as many records as it takes to see where the columns are.
    pub fn open(path: &FilePath, lookups: Vec<Lookup>) -> Result<Table, TableError> {
        let (format, gzip) = Format::of(path)?;
        let (found, contents) = match format.reader() {
            None => {
                let places = places_in_lines(path, gzip, &lookups)?;
                let found = places.iter().map(Option::is_some).collect();
                let at = |(lookup, place): (&Lookup, Option<Path>)| Wanted {
                    path: place.unwrap_or_else(|| lookup.wanted.path.clone()),
                    kind: lookup.wanted.kind,
                };
                (found, Contents::Lines { gzip, wanted: lookups.iter().zip(places).map(at).collect() })
            }
            Some(reader) => {
                let input = random_access(path, gzip).map_err(|source| TableError::Io { path: path.into(), source })?;
                let frame = guarded(|| reader(input, &|shape| locate(&lookups, shape)))
                    .map_err(|reason| TableError::Malformed { path: path.into(), format: format.name(), reason })?;
                ((0..lookups.len()).map(|place| frame.has(place)).collect(), Contents::Frame { format, frame })
            }
        };
        Ok(Table { path: path.to_owned(), lookups, found, contents })
    }

    /// How many rows there are, where that is known before they are read.
    pub fn rows(&self) -> Option<usize> {
        match &self.contents {
            Contents::Frame { frame, .. } => Some(frame.height()),
            Contents::Lines { .. } => None,
        }
    }

    /// The lookups of which the file has nothing.
    pub fn missing(&self) -> impl Iterator<Item = &Lookup> {
        self.lookups.iter().zip(&self.found).filter(|(_, found)| !**found).map(|(lookup, _)| lookup)
    }

    /// The rows in the order of the file, offsets counted from 0, with a column for each lookup. It ends with the
    /// first error.
    pub fn batches(&self) -> Result<impl Iterator<Item = Batch> + '_, TableError> {
        self.part(0..self.lookups.len())
    }

    /// The lookups in the parts in which they are best read whole: the columns of a frame one by one, so that only one
    /// is in memory twice, and those of lines together, so that the file is read once.
    fn parts(&self) -> Vec<Range<usize>> {
        match &self.contents {
            Contents::Frame { .. } => {
                (0..self.lookups.len()).filter(|&place| self.found[place]).map(|place| place..place + 1).collect()
            }
            Contents::Lines { .. } => std::iter::once(0..self.lookups.len()).collect(),
        }
    }

    /// The same with the columns of these lookups only.
    fn part(&self, places: Range<usize>) -> Result<Box<dyn Iterator<Item = Batch> + '_>, TableError> {
        match &self.contents {
            Contents::Frame { format, frame } => {
                let lookups = &self.lookups[places.clone()];
                let wanted: Vec<Wanted> = lookups.iter().map(|lookup| lookup.wanted.clone()).collect();
                let starts = (0..frame.height()).step_by(BATCH);
                Ok(Box::new(starts.map(move |start| {
                    let range = start..frame.height().min(start + BATCH);
                    let rows = guarded(|| frame.rows(range, places.start, &wanted)).map_err(|reason| {
                        TableError::Malformed { path: self.path.clone(), format: format.name(), reason }
                    })?;
                    Ok(self.finished(rows, places.clone()))
                })))
            }
            Contents::Lines { gzip, wanted } => {
                let wanted = &wanted[places.clone()];
                // The decoder wants each column once, while two fields may be read from one place.
                let distinct: Vec<Wanted> = BTreeSet::from_iter(wanted.iter().cloned()).into_iter().collect();
                Ok(Box::new(lines(&self.path, *gzip, &distinct)?.map(move |batch| {
                    let mut rows = batch?;
                    let column = |wanted| Some(rows.columns[distinct.binary_search(wanted).ok()?].clone());
                    rows.columns = wanted.iter().filter_map(column).collect();
                    Ok(self.finished(rows, places.clone()))
                })))
            }
        }
    }

    /// What decoding leaves to do: numbers are brought to scale, and a flag that the file does not have at all is
    /// missing, although one that only this or that record does not have is a no.
    fn finished(&self, mut rows: Rows, places: Range<usize>) -> Rows {
        let length = rows.len();
        for (column, place) in rows.columns.iter_mut().zip(places) {
            let Lookup { wanted, scale, .. } = &self.lookups[place];
            if wanted.kind == Kind::Flag && !self.found[place] {
                let values = Values::Flag(Float64Array::new_null(length));
                *column = Column { values, marks: vec![Absent::Missing as u8; length].into() };
            }
            if let Values::Numeric(array) = &mut column.values
                && *scale != 1.0
            {
                *array = array.unary(|number| number * scale);
            }
        }
        rows
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Format {
    Parquet,
    Csv,
    Ndjson,
}

impl Format {
    /// What the name of a file says is in it, and whether it says that it is compressed.
    fn of(path: &FilePath) -> Result<(Format, bool), TableError> {
        let name = path.to_string_lossy().to_ascii_lowercase();
        let (name, gzip) = name.strip_suffix(".gz").map_or((name.as_str(), false), |name| (name, true));
        let format = match name.rsplit_once('.').map(|(_, extension)| extension) {
            Some("parquet") => Format::Parquet,
            Some("csv") => Format::Csv,
            Some("ndjson" | "jsonl" | "json") => Format::Ndjson,
            _ => return Err(TableError::UnknownFormat { path: path.to_owned() }),
        };
        Ok((format, gzip))
    }

    fn name(self) -> &'static str {
        match self {
            Format::Parquet => "Parquet",
            Format::Csv => "CSV",
            Format::Ndjson => "NDJSON",
        }
    }

    /// How it is read into memory, if it is.
    fn reader(self) -> Option<fn(Input, frame::Locate) -> PolarsResult<Frame>> {
        match self {
            Format::Parquet => Some(Frame::of_parquet),
            Format::Csv => Some(Frame::of_csv),
            Format::Ndjson => None,
        }
    }
}

/// A file for a reader that jumps about in it. What is compressed is unpacked into memory.
fn random_access(path: &FilePath, gzip: bool) -> io::Result<Input> {
    let file = File::open(path)?;
    if !gzip && file.metadata()?.len() > 0 {
        return Ok(Box::new(file));
    }
    // A file without bytes cannot be mapped into memory.
    let mut bytes = Vec::new();
    if gzip {
        MultiGzDecoder::new(BufReader::new(file)).read_to_end(&mut bytes)?;
    }
    Ok(Box::new(Cursor::new(bytes)))
}

fn lines<'a>(
    path: &'a FilePath,
    gzip: bool,
    wanted: &[Wanted],
) -> Result<impl Iterator<Item = Batch> + 'a, TableError> {
    let file = File::open(path).map_err(|source| TableError::Io { path: path.into(), source })?;
    let file = BufReader::new(file);
    let input: Box<dyn BufRead> =
        if gzip { Box::new(BufReader::new(MultiGzDecoder::new(file))) } else { Box::new(file) };
    let batches = Lines::new(input, wanted, BATCH);
    Ok(batches.map(move |batch| {
        batch.map_err(|error| match error {
            LineError::Io(source) => TableError::Io { path: path.into(), source },
            LineError::Line(line, reason) => TableError::Line { path: path.into(), line, reason },
        })
    }))
}

/// Where each lookup is in a file of lines; `None` where no record has a value for it. Stops at the first batch after
/// which every lookup is known to be at its own path.
fn places_in_lines(path: &FilePath, gzip: bool, lookups: &[Lookup]) -> Result<Vec<Option<Path>>, TableError> {
    let paths: BTreeSet<Path> = lookups.iter().flat_map(Lookup::guesses).collect();
    // Anything but an object or a list can be read as a category.
    let wanted: Vec<Wanted> = paths.into_iter().map(|path| Wanted { path, kind: Kind::Categorical }).collect();
    let mut used: BTreeSet<Path> = BTreeSet::new();
    for rows in lines(path, gzip, &wanted)? {
        let rows = rows?;
        for (wanted, column) in wanted.iter().zip(&rows.columns) {
            // Several probabilities are a list or an object, which is no category.
            let is_several =
                lookups.iter().any(|it| it.wanted.path == wanted.path && it.wanted.kind.is_of_probabilities());
            let is_value = |row| match column.absent(row) {
                None | Some(Absent::Null) => true,
                Some(Absent::Mistyped) => is_several,
                Some(Absent::Missing) => false,
            };
            if !used.contains(&wanted.path) && (0..rows.len()).any(is_value) {
                used.insert(wanted.path.clone());
            }
        }
        if lookups.iter().all(|lookup| used.contains(&lookup.wanted.path)) {
            break;
        }
    }
    Ok(resolve(lookups, |_, path| used.contains(path)))
}

/// Runs a reader that reports damage in two ways: polars returns an error for some of it and panics at the rest.
fn guarded<T>(read: impl FnOnce() -> PolarsResult<T>) -> Result<T, String> {
    let reason = match panic::catch_unwind(AssertUnwindSafe(read)) {
        Ok(result) => return result.map_err(|error| first_line(&error.to_string())),
        Err(payload) => payload,
    };
    Err(first_line(message(reason.as_ref())))
}

fn message(panic: &dyn Any) -> &str {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("it is damaged")
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
