//! Data at rest: the rows of Parquet, CSV and NDJSON files, of which only a part is in memory at any time.

mod lookup;
mod series;
mod frame;
mod parquet;
mod csv;
mod lines;
mod build;
mod judged;
mod survey;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::ops::Range;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::Float64Array;
use flate2::bufread::MultiGzDecoder;
use polars::prelude::PolarsResult;

use crate::decode::json::Decoder;
use crate::rows::{Absent, Column, Reason, Rows, Values, Wanted};
use crate::schema::{Kind, Path};
pub use build::{Built, Progress, reference, reference_of};
use csv::Csv;
pub use judged::reference_for;
use lines::{LineError, Lines, Text};
pub use lookup::Lookup;
use lookup::{Shape, locate, resolve};
use parquet::Parquet;
use series::{Forms, Leaf};
use survey::Fault;
pub use survey::{Holds, Survey};

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
    #[error("{}: {cause}", path.display())]
    Io { path: PathBuf, cause: io::Error },
    #[error("{}: not a readable {format} file: {reason}", path.display())]
    Malformed { path: PathBuf, format: &'static str, reason: String },
    #[error("{}: line {line} {}", path.display(), said(*reason))]
    Line { path: PathBuf, line: u64, reason: Reason },
    #[error("{}: there are no rows in it", path.display())]
    NoRows { path: PathBuf },
    #[error("{}: it has none of the columns that are looked for: {wanted}; {has}", path.display())]
    NoColumns { path: PathBuf, wanted: String, has: String },
    #[error("{}: it changed while it was read", path.display())]
    Changed { path: PathBuf },
    #[error("interrupted")]
    Interrupted,
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
    gzip: bool,
    contents: Contents,
}

/// What is read as it is asked for, in the order of the lookups.
enum Contents {
    Parquet(Parquet),
    Csv(Csv),
    /// For each lookup, what to decode of each record.
    Lines(Vec<Wanted>),
}

/// Some consecutive rows of a table that have not been decoded yet.
pub struct Part {
    raw: Raw,
    /// How many bytes of the file have been read when these have.
    pub position: u64,
}

enum Raw {
    /// Rows of Parquet.
    Range(Range<usize>),
    /// Whole records of CSV, after the header.
    Chunk(Vec<u8>),
    Text(Text),
}

/// Whether a file is, by its name, one JSON object a line.
///
/// # Errors
/// When the name tells of no format that is known.
pub fn is_lines(path: &FilePath) -> Result<bool, TableError> {
    Ok(matches!(Format::of(path)?.0, Format::Ndjson))
}

/// What columns a file has and what they hold. Of Parquet this reads the schema only, of other formats everything.
pub fn survey(path: &FilePath) -> Result<Survey, TableError> {
    let io = |cause| TableError::Io { path: path.into(), cause };
    let (format, gzip) = Format::of(path)?;
    let malformed = |reason| TableError::Malformed { path: path.into(), format: format.name(), reason };
    let reader = match format {
        Format::Parquet => survey::of_parquet,
        Format::Csv => survey::of_csv,
        Format::Ndjson => {
            let longest = Decoder::new(&[]).limit;
            let (input, _) = unpacked(path, gzip).map_err(io)?;
            return survey::of_lines(input, longest).map_err(|fault| match fault {
                Fault::Io(source) => io(source),
                Fault::Line(line, reason) => TableError::Line { path: path.into(), line, reason },
            });
        }
    };
    let input = random_access(path, gzip).map_err(io)?;
    guarded(|| reader(input)).map_err(malformed)
}

/// Whether reading a column alone costs about what its share of the file does.
///
/// # Errors
/// When the name tells of no format that is known.
pub fn is_columnar(path: &FilePath) -> Result<bool, TableError> {
    Ok(Format::of(path)? == (Format::Parquet, false))
}

impl Table {
    /// Opens a file and looks the columns up. It reads as much as it takes to see where the columns are, and of CSV as
    /// much as it takes to see what the values of categories and flags stand for, which may be all of it.
    pub fn open(path: &FilePath, lookups: Vec<Lookup>) -> Result<Table, TableError> {
        let (format, gzip) = Format::of(path)?;
        let io = |cause| TableError::Io { path: path.to_owned(), cause };
        let malformed = |reason| TableError::Malformed { path: path.to_owned(), format: format.name(), reason };
        let locate = |shape: &Shape| locate(&lookups, shape);
        let (found, contents) = match format {
            Format::Ndjson => {
                let places = places_in_lines(path, gzip, &lookups)?;
                let found = places.iter().map(Option::is_some).collect();
                let at = |(lookup, place): (&Lookup, Option<Path>)| Wanted {
                    path: place.unwrap_or_else(|| lookup.wanted.path.clone()),
                    ..lookup.wanted.clone()
                };
                (found, Contents::Lines(lookups.iter().zip(places).map(at).collect()))
            }
            Format::Parquet => {
                let file = random_access(path, gzip).map_err(io)?;
                if file.metadata().map_err(io)?.len() == 0 {
                    return Err(malformed("it is empty".to_owned()));
                }
                let parquet = guarded(|| Parquet::open(file, &locate)).map_err(malformed)?;
                (parquet.names().iter().map(Option::is_some).collect::<Vec<_>>(), Contents::Parquet(parquet))
            }
            Format::Csv => {
                let input = unpacked(path, gzip).map_err(io)?.0;
                let csv = guarded(|| Csv::open(input, &locate)).map_err(malformed)?;
                (csv.names().iter().map(Option::is_some).collect(), Contents::Csv(csv))
            }
        };
        let mut table = Table { path: path.to_owned(), lookups, found, gzip, contents };
        table.learn_forms()?;
        Ok(table)
    }

    /// Finds out what the texts of CSV stand for, where that depends on all of them.
    fn learn_forms(&mut self) -> Result<(), TableError> {
        let Contents::Csv(csv) = &mut self.contents else { return Ok(()) };
        let io = |cause| TableError::Io { path: self.path.clone(), cause };
        let malformed = |reason| TableError::Malformed { path: self.path.clone(), format: "CSV", reason };
        let depends = |place: &usize| matches!(self.lookups[*place].wanted.kind, Kind::Categorical | Kind::Flag);
        let mut places: Vec<usize> = (0..self.lookups.len()).filter(depends).filter(|&at| self.found[at]).collect();
        if places.is_empty() {
            return Ok(());
        }
        for chunk in csv.chunks(unpacked(&self.path, self.gzip).map_err(io)?.0) {
            guarded(|| csv.observe(chunk?, &places)).map_err(malformed)?;
            places.retain(|&place| !csv.forms_mut()[place].is_settled());
            if places.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Takes tables for one data set: what the texts of a column of CSV stand for is told by all of them together.
    pub fn unite(tables: &mut [Table]) {
        let mut together: Vec<Forms> = Vec::new();
        for table in tables.iter_mut() {
            if let Contents::Csv(csv) = &mut table.contents {
                together.resize(csv.forms_mut().len(), Forms::default());
                together.iter_mut().zip(csv.forms_mut()).for_each(|(all, forms)| *all = all.and(*forms));
            }
        }
        for table in tables {
            if let Contents::Csv(csv) = &mut table.contents {
                csv.forms_mut().copy_from_slice(&together);
            }
        }
    }

    /// The same file, of which only these lookups are read.
    pub fn only(&self, places: &[usize]) -> Table {
        let contents = match &self.contents {
            Contents::Parquet(parquet) => Contents::Parquet(parquet.only(places)),
            Contents::Csv(csv) => Contents::Csv(csv.only(places)),
            Contents::Lines(wanted) => Contents::Lines(places.iter().map(|&place| wanted[place].clone()).collect()),
        };
        let lookups = places.iter().map(|&place| self.lookups[place].clone()).collect();
        let found = places.iter().map(|&place| self.found[place]).collect();
        Table { path: self.path.clone(), lookups, found, gzip: self.gzip, contents }
    }

    pub fn path(&self) -> &FilePath {
        &self.path
    }

    /// The lookups of which the file has nothing.
    pub fn missing(&self) -> impl Iterator<Item = &Lookup> {
        self.lookups.iter().zip(&self.found).filter(|(_, found)| !**found).map(|(lookup, _)| lookup)
    }

    /// What the file has at its outermost level, where it says so.
    fn has(&self) -> Option<String> {
        let list = |shape: &Shape| Some(shape.names().collect::<Vec<_>>().join(", "));
        match &self.contents {
            Contents::Parquet(parquet) => list(parquet.shape()),
            Contents::Csv(csv) => list(csv.shape()),
            Contents::Lines(_) => None,
        }
    }

    /// The rows in the order of the file, offsets counted from 0, with a column for each lookup. It ends with the
    /// first error.
    pub fn batches(&self) -> Result<impl Iterator<Item = Batch> + '_, TableError> {
        let decode = |part: Result<Part, TableError>| part.and_then(|part| self.decode(part));
        let batches = self.parts()?.flat_map(move |part| match decode(part) {
            Ok(batches) => batches,
            Err(error) => Box::new(std::iter::once(Err(error))),
        });
        let (mut next, mut is_over) = (0, false);
        Ok(batches.map_while(move |batch| {
            if is_over {
                return None;
            }
            is_over = batch.is_err();
            Some(batch.map(|mut rows| {
                rows.offsets = (next..next + rows.len() as i64).collect();
                next += rows.len() as i64;
                rows
            }))
        }))
    }

    /// The rows in the parts in which they are read, for threads to decode.
    pub fn parts(&self) -> Result<Box<dyn Iterator<Item = Result<Part, TableError>> + Send + '_>, TableError> {
        let io = |cause| TableError::Io { path: self.path.clone(), cause };
        Ok(match &self.contents {
            Contents::Parquet(parquet) => {
                let (bytes, rows) = (self.bytes() as f64, parquet.rows() as f64);
                let position = move |end: usize| (bytes * end as f64 / rows) as u64;
                let part = move |range: Range<usize>| Part { position: position(range.end), raw: Raw::Range(range) };
                Box::new(parquet.parts().into_iter().map(move |range| Ok(part(range))))
            }
            Contents::Csv(csv) => {
                let (input, read) = unpacked(&self.path, self.gzip).map_err(io)?;
                let mut chunks = csv.chunks(input);
                Box::new(std::iter::from_fn(move || {
                    let chunk = guarded(|| chunks.next().transpose());
                    let malformed = |reason| TableError::Malformed { path: self.path.clone(), format: "CSV", reason };
                    let part = |chunk| Part { raw: Raw::Chunk(chunk), position: read.load(Ordering::Relaxed) };
                    chunk.map_err(malformed).map(|chunk| chunk.map(part)).transpose()
                }))
            }
            Contents::Lines(_) => {
                let (input, read) = unpacked(&self.path, self.gzip).map_err(io)?;
                let part = move |text| Part { raw: Raw::Text(text), position: read.load(Ordering::Relaxed) };
                Box::new(Lines::new(input, BATCH).map(move |text| text.map(&part).map_err(io)))
            }
        })
    }

    /// The bytes of the file.
    pub fn bytes(&self) -> u64 {
        self.path.metadata().map_or(0, |file| file.len())
    }

    /// The rows of a part in batches, each with offsets of its own.
    pub fn decode(&self, part: Part) -> Result<Box<dyn Iterator<Item = Batch> + '_>, TableError> {
        let (format, frame) = match (&self.contents, part.raw) {
            (Contents::Parquet(parquet), Raw::Range(range)) => ("Parquet", guarded(|| parquet.frame(range))),
            (Contents::Csv(csv), Raw::Chunk(chunk)) => ("CSV", guarded(|| csv.frame(chunk))),
            (Contents::Lines(wanted), Raw::Text(text)) => {
                let rows = decoded(&self.path, &text, wanted)?;
                return Ok(Box::new((!rows.is_empty()).then(|| Ok(self.finished(rows))).into_iter()));
            }
            // Parts come from the table itself.
            _ => return Ok(Box::new(std::iter::empty())),
        };
        let malformed = move |reason| TableError::Malformed { path: self.path.clone(), format, reason };
        let frame = frame.map_err(malformed)?;
        let wanted: Vec<Wanted> = self.lookups.iter().map(|lookup| lookup.wanted.clone()).collect();
        Ok(Box::new((0..frame.height()).step_by(BATCH).map(move |start| {
            let range = start..frame.height().min(start + BATCH);
            let rows = guarded(|| frame.rows(range, &wanted)).map_err(malformed)?;
            Ok(self.finished(rows))
        })))
    }

    /// What decoding leaves to do: numbers are brought to scale, and a flag that the file does not have at all is
    /// missing, although one that only this or that record does not have is a no.
    fn finished(&self, mut rows: Rows) -> Rows {
        let length = rows.len();
        for ((column, lookup), found) in rows.columns.iter_mut().zip(&self.lookups).zip(&self.found) {
            let Lookup { wanted, scale, .. } = lookup;
            if wanted.kind == Kind::Flag && !found {
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
}

/// A file for a reader that jumps about in it. What is compressed is unpacked into a temporary file without a name.
fn random_access(path: &FilePath, gzip: bool) -> io::Result<File> {
    let file = File::open(path)?;
    if !gzip {
        return Ok(file);
    }
    let mut unpacked = tempfile::tempfile()?;
    io::copy(&mut MultiGzDecoder::new(BufReader::new(file)), &mut unpacked)?;
    unpacked.rewind()?;
    Ok(unpacked)
}

/// What is in a file, from its beginning, and how many of its bytes have been read.
fn unpacked(path: &FilePath, gzip: bool) -> io::Result<(Box<dyn BufRead + Send>, Arc<AtomicU64>)> {
    let read = Arc::new(AtomicU64::new(0));
    let file = BufReader::with_capacity(1 << 18, Metered { file: File::open(path)?, read: read.clone() });
    let input: Box<dyn BufRead + Send> =
        if gzip { Box::new(BufReader::with_capacity(1 << 18, MultiGzDecoder::new(file))) } else { Box::new(file) };
    Ok((input, read))
}

/// Counts the bytes that are read.
struct Metered {
    file: File,
    read: Arc<AtomicU64>,
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// The records of some lines, with a column for each that is wanted.
fn decoded(path: &FilePath, text: &Text, wanted: &[Wanted]) -> Batch {
    // The decoder wants each column once, while two fields may be read from one place.
    let distinct: Vec<Wanted> = BTreeSet::from_iter(wanted.iter().cloned()).into_iter().collect();
    let not_a_record = |LineError(line, reason)| TableError::Line { path: path.into(), line, reason };
    let mut rows = text.decode(&distinct).map_err(not_a_record)?;
    let column = |wanted| Some(rows.columns[distinct.binary_search(wanted).ok()?].clone());
    rows.columns = wanted.iter().filter_map(column).collect();
    Ok(rows)
}

/// Where each lookup is in a file of lines; `None` where no record has a value for it. Stops at the first batch after
/// which every lookup is known to be at its own path.
fn places_in_lines(path: &FilePath, gzip: bool, lookups: &[Lookup]) -> Result<Vec<Option<Path>>, TableError> {
    let paths: BTreeSet<Path> = lookups.iter().flat_map(Lookup::guesses).collect();
    // Anything but an object or a list can be read as a category. Nothing is kept of it but that it is there.
    let wanted: Vec<Wanted> = paths.into_iter().map(|path| Wanted::new(path, Kind::Categorical)).collect();
    let mut used: BTreeSet<Path> = BTreeSet::new();
    let io = |cause| TableError::Io { path: path.to_owned(), cause };
    for text in Lines::new(unpacked(path, gzip).map_err(io)?.0, BATCH) {
        let rows = decoded(path, &text.map_err(io)?, &wanted)?;
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
