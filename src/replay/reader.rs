//! Reads the files of one topic ahead, on a thread of its own.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result};
use crossbeam_channel::{Receiver, Sender, bounded};
use indicatif::ProgressBar;

use crate::rows::Rows;
use crate::source::table::{self, Lookup, Table};

/// What comes of a file at a time.
pub enum Part {
    Lines(Vec<Vec<u8>>),
    Rows(Rows),
}

/// Parts that may wait to be counted.
const AHEAD: usize = 64;

/// The parts of some files, in their order.
pub struct Reader(Receiver<Result<Part>>);

impl Reader {
    /// Begins to read. It ends when nobody takes the parts any more.
    pub fn start(files: Vec<PathBuf>, lookups: Vec<Lookup>, batch: usize, progress: ProgressBar) -> Result<Reader> {
        let (send, parts) = bounded(AHEAD);
        thread::Builder::new().name("read".to_owned()).spawn(move || {
            for path in files {
                let read = file(&path, &lookups, batch, &progress, &send);
                match read.with_context(|| format!("replay {}", path.display())) {
                    Ok(true) => {}
                    Ok(false) => return,
                    Err(error) => {
                        // Whoever has gone does not want to know.
                        let _ = send.send(Err(error));
                        return;
                    }
                }
            }
        })?;
        Ok(Reader(parts))
    }
}

impl Iterator for Reader {
    type Item = Result<Part>;

    fn next(&mut self) -> Option<Result<Part>> {
        self.0.recv().ok()
    }
}

/// Reads a file. Returns whether anybody still listens.
fn file(
    path: &Path,
    lookups: &[Lookup],
    batch: usize,
    progress: &ProgressBar,
    send: &Sender<Result<Part>>,
) -> Result<bool> {
    if table::is_lines(path)? {
        return lines(path, batch, progress, send);
    }
    let table = Table::open(path, lookups.to_vec())?;
    for rows in table.batches()? {
        let rows = rows?;
        for first in (0..rows.len()).step_by(batch) {
            let part = if rows.len() <= batch { rows.clone() } else { rows.part(first, batch) };
            if send.send(Ok(Part::Rows(part))).is_err() {
                return Ok(false);
            }
        }
    }
    progress.inc(path.metadata().map_or(0, |file| file.len()));
    Ok(true)
}

fn lines(path: &Path, batch: usize, progress: &ProgressBar, send: &Sender<Result<Part>>) -> Result<bool> {
    let file = progress.wrap_read(File::open(path)?);
    let zipped = path.extension().is_some_and(|extension| extension == "gz");
    let bytes: Box<dyn Read> = if zipped { Box::new(flate2::read::MultiGzDecoder::new(file)) } else { Box::new(file) };
    let mut lines = BufReader::with_capacity(1 << 20, bytes);
    let mut part: Vec<Vec<u8>> = Vec::new();
    loop {
        let mut line = Vec::new();
        let read = lines.read_until(b'\n', &mut line)?;
        if read > 0 && !line.trim_ascii().is_empty() {
            part.push(line);
        }
        let is_full = part.len() == batch || (read == 0 && !part.is_empty());
        if is_full && send.send(Ok(Part::Lines(std::mem::take(&mut part)))).is_err() {
            return Ok(false);
        }
        if read == 0 {
            return Ok(true);
        }
    }
}
