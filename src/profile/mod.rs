//! `tidegauge profile`: makes a monitor's reference of a data set of any size, and keeps it in a file.

mod show;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

use crate::config;
use crate::monitor::{Monitor, Source};
use crate::source::reference_file::{self, EXTENSION, Kept};
use crate::source::table::{self, Progress};

/// What to profile, and where to keep it.
#[derive(Debug)]
pub struct Options {
    /// Files that together are one data set.
    pub data: Vec<PathBuf>,
    pub monitor: PathBuf,
    /// Where the reference goes, if not to the file that the monitor names or, without one, to `<model>.tidegauge`.
    pub output: Option<PathBuf>,
    /// Whether an older reference is replaced.
    pub force: bool,
}

/// Reads the files, prints what is in them, and writes the reference, which is there whole or not at all.
///
/// # Errors
/// When the monitor is wrong, a file cannot be read, the reference cannot be written, or `stop` has become true.
pub fn run(options: &Options, stop: &AtomicBool) -> Result<()> {
    let monitor = config::load_monitor_without_data(&options.monitor).map_err(config::Problems)?;
    for path in &options.data {
        // Whatever else is wrong with a file shows when it is read.
        if path.is_dir() {
            bail!("{}: this is a folder; name the files in it", path.display());
        }
        if !path.exists() {
            bail!("{}: no such file", path.display());
        }
    }
    let output = options.output.clone().unwrap_or_else(|| default_output(&monitor));
    // It is better to know before a billion rows are read.
    if let Some(refusal) = reference_file::refusal(&output, options.force) {
        bail!(refusal);
    }
    let begun = Instant::now();
    let progress = Bar::new(stop)?;
    let built = table::reference_for(&options.data, &monitor, &|seen| progress.tell(seen));
    progress.bar.finish_and_clear();
    let built = built.context("read the data")?;
    let seconds = begun.elapsed().as_secs_f64();
    let (fields, resolution) = (monitor.fields().to_vec(), monitor.resolution);
    let kept = Kept { resolution, fields, reference: built.reference.clone() };
    let bytes = kept.write(&output).context("write the reference")?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    show::table(&mut out, &monitor, &built, seconds)?;
    writeln!(out, "\nwrote {}: {bytes} bytes, hash {}", output.display(), kept.reference.hash)?;
    Ok(out.flush()?)
}

/// The file that the monitor reads its reference from, so that it is found; else one in the current folder.
fn default_output(monitor: &Monitor) -> PathBuf {
    match &monitor.reference {
        Source::Dataset(path) if reference_file::is_named(path) => path.clone(),
        _ => {
            let plain = |c: char| if c.is_alphanumeric() || "._-".contains(c) { c } else { '-' };
            let name: String = monitor.model.chars().map(plain).collect();
            Path::new(&format!("{name}.{EXTENSION}")).to_owned()
        }
    }
}

/// Shows on a terminal how far the reading is, and hears whether it is to end.
struct Bar<'a> {
    bar: ProgressBar,
    stop: &'a AtomicBool,
    pass: AtomicU32,
    begun: Instant,
}

impl Bar<'_> {
    fn new(stop: &AtomicBool) -> Result<Bar<'_>> {
        let bar = ProgressBar::new(0);
        let style = "{bar:40} {bytes}/{total_bytes}  {elapsed}, {eta} left  {msg}";
        bar.set_style(ProgressStyle::with_template(style).context("set up the progress bar")?);
        bar.set_message("looking at the columns");
        Ok(Bar { bar, stop, pass: AtomicU32::new(0), begun: Instant::now() })
    }

    fn tell(&self, seen: Progress) -> bool {
        if self.pass.swap(seen.pass, Ordering::Relaxed) != seen.pass {
            self.bar.set_length(seen.bytes);
            self.bar.set_position(0);
            self.bar.reset_eta();
        }
        self.bar.set_position(seen.position);
        let rate = seen.rows_in_all as f64 / self.begun.elapsed().as_secs_f64();
        let what = if seen.is_last { "counting" } else { "looking for the axes" };
        self.bar.set_message(format!("pass {}, {what}, {} rows, {} rows/s", seen.pass, seen.rows, rate as u64));
        !self.stop.load(Ordering::Relaxed)
    }
}
