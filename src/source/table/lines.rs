//! Reads NDJSON, one record a line, with the decoder that reads logs.

use std::io::{self, BufRead, Read};

use crate::decode::json::Decoder;
use crate::rows::{Reason, Rows, Wanted};

/// The most bytes of lines that are taken together, so that long ones do not add up.
const MOST_BYTES: usize = 16 << 20;

/// The line of this number, counted from one, is no record.
#[derive(Debug)]
pub struct LineError(pub u64, pub Reason);

/// Some lines, which are not decoded yet.
pub struct Text {
    /// The number of the first one, counted from one.
    first: u64,
    bytes: Vec<u8>,
}

impl Text {
    /// The records of the lines; the columns wanted must be distinct.
    pub fn decode(&self, wanted: &[Wanted]) -> Result<Rows, LineError> {
        let mut decoder = Decoder::new(wanted);
        let mut rows = 0;
        for (line, record) in (self.first..).zip(self.bytes.split_inclusive(|&byte| byte == b'\n')) {
            let mark: &[u8] = if line == 1 { b"\xef\xbb\xbf" } else { b"" };
            let record = record.strip_prefix(mark).unwrap_or(record);
            if !record.trim_ascii().is_empty() {
                decoder.push(record, rows, None).map_err(|reason| LineError(line, reason))?;
                rows += 1;
            }
        }
        Ok(decoder.finish())
    }
}

/// The lines of a text, as many at a time as hold so many records. It ends with the first error.
pub struct Lines {
    input: Box<dyn BufRead + Send>,
    batch: usize,
    /// The most bytes of a record.
    limit: usize,
    /// Lines that were read.
    line: u64,
    is_over: bool,
}

impl Lines {
    pub fn new(input: Box<dyn BufRead + Send>, batch: usize) -> Lines {
        Lines { input, batch, limit: Decoder::new(&[]).limit, line: 0, is_over: false }
    }

    fn read(&mut self) -> io::Result<Option<Text>> {
        let mut text = Text { first: self.line + 1, bytes: Vec::new() };
        let mut records = 0;
        while records < self.batch && text.bytes.len() < MOST_BYTES {
            let start = text.bytes.len();
            // What is not lines at all must not end up in memory whole; one byte more than the limit shows an excess.
            let most = self.limit as u64 + 1;
            let read = self.input.by_ref().take(most).read_until(b'\n', &mut text.bytes)?;
            if read == 0 {
                self.is_over = true;
                break;
            }
            self.line += 1;
            records += usize::from(!text.bytes[start..].trim_ascii().is_empty());
            if read > self.limit {
                // The decoder says so of this line, and nothing after it is a line.
                self.is_over = true;
                break;
            }
        }
        Ok((!text.bytes.is_empty()).then_some(text))
    }
}

impl Iterator for Lines {
    type Item = io::Result<Text>;

    fn next(&mut self) -> Option<io::Result<Text>> {
        if self.is_over {
            return None;
        }
        let text = self.read();
        self.is_over |= !matches!(text, Ok(Some(_)));
        text.transpose()
    }
}
