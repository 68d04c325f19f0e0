//! Reads NDJSON, one record a line, with the decoder that reads logs.

use std::io::{self, BufRead, Read};

use crate::decode::json::Decoder;
use crate::rows::{Reason, Rows, Wanted};

/// Why reading cannot go on.
#[derive(Debug)]
pub enum LineError {
    Io(io::Error),
    /// The line of this number, counted from one, is no record.
    Line(u64, Reason),
}

/// Batches of the records in a text. It ends with the first error.
pub struct Lines {
    input: Box<dyn BufRead>,
    decoder: Decoder,
    batch: usize,
    line: u64,
    rows: i64,
    is_over: bool,
}

impl Lines {
    /// The columns wanted must be distinct.
    pub fn new(input: Box<dyn BufRead>, wanted: &[Wanted], batch: usize) -> Lines {
        Lines { input, decoder: Decoder::new(wanted), batch, line: 0, rows: 0, is_over: false }
    }

    fn read(&mut self) -> Result<Option<Rows>, LineError> {
        let mut bytes = Vec::new();
        while self.decoder.len() < self.batch {
            bytes.clear();
            // What is not lines at all must not end up in memory whole; one byte more than the limit shows an excess.
            let most = self.decoder.limit as u64 + 1;
            if self.input.by_ref().take(most).read_until(b'\n', &mut bytes).map_err(LineError::Io)? == 0 {
                break;
            }
            self.line += 1;
            let mut record = bytes.as_slice();
            if self.line == 1 {
                record = record.strip_prefix(b"\xef\xbb\xbf").unwrap_or(record);
            }
            if record.trim_ascii().is_empty() {
                continue;
            }
            self.decoder.push(record, self.rows, None).map_err(|reason| LineError::Line(self.line, reason))?;
            self.rows += 1;
        }
        Ok((!self.decoder.is_empty()).then(|| self.decoder.finish()))
    }
}

impl Iterator for Lines {
    type Item = Result<Rows, LineError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let rows = self.read();
        self.is_over = !matches!(rows, Ok(Some(_)));
        rows.transpose()
    }
}
