//! `tidegauge audit`: the audit log for whoever wants to read it, or to know whether it is whole.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::audit::{self, Entry, Head};
use crate::store::{self, Store};

/// Checks a log. Returns whether it is whole.
///
/// # Errors
/// When it cannot be read.
pub fn verify(log: &Path, noted: &[Head]) -> Result<bool> {
    let mut opened = Log::open(log)?;
    let own = opened.head();
    let mut failure = None;
    let entries = opened.lines().map_while(|line| match line {
        Ok(line) => Some(Entry::from_json(&line)),
        Err(error) => {
            failure = Some(error);
            None
        }
    });
    let verified = audit::verify(entries, own, noted);
    if let Some(error) = failure {
        return Err(error.context(format!("read {}", log.display())));
    }
    // Unlike `println!` this does not panic when whoever reads it has gone.
    let mut out = io::stdout();
    match verified {
        Ok(summary) => {
            let span = summary.span.map_or(String::new(), |(first, last)| format!(", from {first} to {last}"));
            writeln!(out, "good: {} entries{span}", summary.head.count)?;
            writeln!(out, "head: {}", summary.head)?;
            Ok(true)
        }
        Err(broken) => {
            writeln!(out, "broken: {broken}")?;
            Ok(false)
        }
    }
}

/// Prints entries from a number on, one a line.
///
/// # Errors
/// When the log cannot be read.
pub fn show(log: &Path, from: u64) -> Result<()> {
    let mut out = io::BufWriter::new(io::stdout());
    for line in Log::open(log)?.lines() {
        let line = line.with_context(|| format!("read {}", log.display()))?;
        // What cannot be read is shown as well: it is part of what there is.
        if Entry::from_json(&line).map_or(true, |entry| entry.sequence >= from) {
            writeln!(out, "{line}")?;
        }
    }
    Ok(out.flush()?)
}

/// A log, wherever it is.
pub enum Log {
    Store(Box<Store>),
    /// What `show`, or the daemon's API, wrote.
    Lines(Box<dyn BufRead>),
}

/// Entries that are read from the store at once.
const AT_ONCE: usize = 1000;

/// No entry is longer, whatever somebody wrote as a comment.
const LONGEST: usize = 1 << 20;

pub type Lines<'a> = Box<dyn Iterator<Item = Result<String>> + 'a>;

impl Log {
    /// # Errors
    /// When there is none, or another process has it.
    pub fn open(log: &Path) -> Result<Log> {
        if log == Path::new("-") {
            return Ok(Log::Lines(Box::new(io::stdin().lock())));
        }
        if log.is_file() {
            let file = File::open(log).with_context(|| format!("open {}", log.display()))?;
            return Ok(Log::Lines(Box::new(BufReader::new(file))));
        }
        if !Store::is_at(log) {
            bail!("{}: neither a store nor a file of entries", log.display());
        }
        let config = store::Config { path: log.to_owned(), cache: store::CACHE };
        let opened = Store::open(&config).context(
            "a running daemon has its store for itself: ask it for its log at /api/v1/audit, or take a copy of the store",
        )?;
        Ok(Log::Store(Box::new(opened)))
    }

    /// What the log itself says that it has; lines do not.
    pub fn head(&self) -> Option<Head> {
        match self {
            Log::Store(store) => Some(store.audit_head()),
            Log::Lines(_) => None,
        }
    }

    /// Its entries; of a file those that were not read before.
    pub fn lines(&mut self) -> Lines<'_> {
        match self {
            Log::Store(store) => Box::new(of_store(store)),
            Log::Lines(lines) => Box::new(of_text(lines)),
        }
    }
}

fn of_store(store: &Store) -> impl Iterator<Item = Result<String>> {
    let (mut next, mut ready) = (Some(0), Vec::new().into_iter());
    std::iter::from_fn(move || {
        loop {
            if let Some(line) = ready.next() {
                return Some(Ok(line));
            }
            match store.audit_from(next?, AT_ONCE) {
                Ok((lines, after)) => (ready, next) = (lines.into_iter(), after),
                Err(error) => {
                    next = None;
                    return Some(Err(error.into()));
                }
            }
        }
    })
}

fn of_text(mut lines: &mut dyn BufRead) -> impl Iterator<Item = Result<String>> {
    std::iter::from_fn(move || {
        let mut line = Vec::new();
        let mut limited = io::Read::take(&mut lines, LONGEST as u64 + 1);
        match limited.read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(_) if line.len() > LONGEST => Some(Err(anyhow::anyhow!("a line is longer than a mebibyte"))),
            Ok(_) => Some(Ok(String::from_utf8_lossy(line.trim_ascii_end()).into_owned())),
            Err(error) => Some(Err(error.into())),
        }
    })
}
