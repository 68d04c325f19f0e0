//! Reads CSV through polars, some records at a time, and only the columns that are wanted.

use std::collections::BTreeSet;
use std::io::{self, Cursor, Read};
use std::sync::Arc;

use polars::prelude::{CsvReadOptions, DataFrame, PlSmallStr, PolarsResult, SerReader, polars_err};

use super::frame::{Frame, Locate, Names, outermost};
use super::{Forms, Leaf, Shape};

/// Bytes that are read at once.
const CHUNK: usize = 4 << 20;
/// The most bytes of a record. One that is longer has a quotation mark too many.
const LONGEST: usize = 64 << 20;

/// A file of CSV in which columns have been located.
#[derive(Clone)]
pub struct Csv {
    /// What stands before the first record.
    header: Arc<[u8]>,
    shape: Arc<Shape>,
    names: Names,
    /// What the texts of each column can stand for.
    forms: Vec<Forms>,
}

impl Csv {
    /// Reads the first line. What the texts stand for is known after [`Csv::observe`] has seen them all.
    pub fn open(input: impl Read, locate: Locate) -> PolarsResult<Csv> {
        let header = header(input)?;
        let frame = options().with_n_rows(Some(0)).into_reader_with_file_handle(Cursor::new(&header)).finish()?;
        let shape = |name: &PlSmallStr| (name.to_string(), Shape::Value);
        let shape = Shape::Nested(frame.get_column_names().into_iter().map(shape).collect());
        let names = locate(&shape);
        let forms = vec![Forms::default(); names.len()];
        Ok(Csv { header: header.into(), shape: Arc::new(shape), names, forms })
    }

    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The same file, of which only these columns are read.
    pub fn only(&self, places: &[usize]) -> Csv {
        let names = places.iter().map(|&place| self.names[place].clone()).collect();
        Csv { names, forms: places.iter().map(|&place| self.forms[place]).collect(), ..self.clone() }
    }

    pub fn forms_mut(&mut self) -> &mut [Forms] {
        &mut self.forms
    }

    /// The records of the file, some at a time.
    pub fn chunks<R: Read>(&self, input: R) -> Chunks<R> {
        let header = self.header.clone();
        Chunks { input, to_skip: header.len(), header, rest: Vec::new(), quoted: false, is_over: false }
    }

    /// Takes note of what texts there are in these columns.
    pub fn observe(&mut self, chunk: Vec<u8>, places: &[usize]) -> PolarsResult<()> {
        let csv = self.only(places);
        let frame = csv.read(chunk)?;
        for (&place, names) in places.iter().zip(&csv.names) {
            if let Some(name) = names.as_ref().and_then(|names| names.first()) {
                self.forms[place].observe(frame.column(name)?.as_materialized_series())?;
            }
        }
        Ok(())
    }

    pub fn frame(&self, chunk: Vec<u8>) -> PolarsResult<Frame> {
        let frame = self.read(chunk)?;
        let leaf = |place: usize, series: &_, _: &[String]| Ok(Leaf::of_texts(series, self.forms[place].written()));
        Frame::new(&frame, frame.height(), &self.names, leaf)
    }

    fn read(&self, chunk: Vec<u8>) -> PolarsResult<DataFrame> {
        // Without any column there would be no rows to count.
        let columns: BTreeSet<&str> = outermost(&self.names).into_iter().chain(self.shape.names().next()).collect();
        let columns = columns.into_iter().map(PlSmallStr::from).collect();
        options().with_columns(Some(columns)).into_reader_with_file_handle(Cursor::new(chunk)).finish()
    }
}

/// Every value is read as text, since what polars would make of the first hundred rows may not hold for the rest.
fn options() -> CsvReadOptions {
    CsvReadOptions::default().with_infer_schema_length(Some(0))
}

/// The bytes to the end of the first line that is not empty.
fn header(mut input: impl Read) -> PolarsResult<Vec<u8>> {
    let (mut header, mut quoted, mut is_blank) = (Vec::new(), false, true);
    let mut buffer = [0; 1 << 13];
    loop {
        let read = read(&mut input, &mut buffer)?;
        for &byte in &buffer[..read] {
            header.push(byte);
            quoted ^= byte == b'"';
            if byte == b'\n' && !quoted && !is_blank {
                return Ok(header);
            }
            is_blank &= matches!(byte, b'\r' | b'\n');
        }
        if read == 0 {
            return Ok(header);
        }
        if header.len() > LONGEST {
            return Err(too_long());
        }
    }
}

fn too_long() -> polars::prelude::PolarsError {
    polars_err!(ComputeError: "a record is longer than {} MiB; is a quotation mark not closed?", LONGEST >> 20)
}

fn read(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match input.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Whole records, each time after the header, so that every chunk is a file of its own.
pub struct Chunks<R> {
    input: R,
    header: Arc<[u8]>,
    /// How much of the header is still to come from the input.
    to_skip: usize,
    /// What was read after the last record that is complete, and whether it ends within quotation marks.
    rest: Vec<u8>,
    quoted: bool,
    is_over: bool,
}

impl<R: Read> Chunks<R> {
    fn read(&mut self) -> PolarsResult<Option<Vec<u8>>> {
        let mut bytes = self.header.to_vec();
        bytes.append(&mut self.rest);
        let mut complete = 0;
        loop {
            let scanned = bytes.len();
            bytes.resize(scanned + (CHUNK >> 4), 0);
            let read = read(&mut self.input, &mut bytes[scanned..])?;
            bytes.truncate(scanned + read);
            if read == 0 {
                self.is_over = true;
                return Ok((bytes.len() > self.header.len()).then_some(bytes));
            }
            let skipped = self.to_skip.min(read);
            self.to_skip -= skipped;
            bytes.drain(scanned..scanned + skipped);
            for (at, &byte) in bytes.iter().enumerate().skip(scanned) {
                self.quoted ^= byte == b'"';
                if byte == b'\n' && !self.quoted {
                    complete = at + 1;
                }
            }
            if bytes.len() - self.header.len() >= CHUNK && complete > 0 {
                self.rest = bytes.split_off(complete);
                return Ok(Some(bytes));
            }
            if bytes.len() - self.header.len() > LONGEST {
                return Err(too_long());
            }
        }
    }
}

impl<R: Read> Iterator for Chunks<R> {
    type Item = PolarsResult<Vec<u8>>;

    fn next(&mut self) -> Option<PolarsResult<Vec<u8>>> {
        if self.is_over {
            return None;
        }
        let chunk = self.read();
        self.is_over |= chunk.is_err();
        chunk.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives little at a time, as a pipe may.
    struct Slow<'a>(&'a [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = self.1.min(buffer.len());
            self.0.read(&mut buffer[..length])
        }
    }

    #[test]
    fn chunks_are_cut_between_records_and_not_within_quotation_marks() {
        let long = "x".repeat(CHUNK / 3);
        let body: String = (0..20).map(|row| format!("{row},\"{long}\n\"\"{row}\"\"\"\r\n")).collect();
        let text = format!("\r\nid,\"a\n b\"\n{body}");
        let csv = Csv::open(text.as_bytes(), &|_| vec![Some(vec!["id".into()])]).expect("a header");
        assert_eq!(csv.shape().names().collect::<Vec<_>>(), ["id", "a\n b"]);
        for step in [usize::MAX, 100_003] {
            let chunks: Vec<Vec<u8>> =
                csv.chunks(Slow(text.as_bytes(), step)).map(|chunk| chunk.expect("it can be read")).collect();
            assert!(chunks.len() > 3 && chunks.iter().all(|chunk| chunk.len() < 2 * CHUNK));
            let records: Vec<u8> = chunks.iter().flat_map(|chunk| chunk[csv.header.len()..].to_vec()).collect();
            assert!(records == body.as_bytes());
            let rows = chunks.into_iter().map(|chunk| csv.frame(chunk).expect("records").height());
            assert_eq!(rows.sum::<usize>(), 20);
        }
    }

    #[test]
    fn a_quotation_mark_that_is_not_closed_does_not_fill_the_memory() {
        let text = io::Read::chain(&b"id\n1\n\""[..], io::repeat(b'\n'));
        let csv = Csv::open(&b"id\n"[..], &|_| vec![None]).expect("a header");
        let mut chunks = csv.chunks(text);
        let error = chunks.find_map(Result::err).expect("it does not go on for ever");
        assert!(error.to_string().contains("quotation mark"), "{error}");
        assert!(chunks.next().is_none());
    }
}
