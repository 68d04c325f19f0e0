//! Measurements as a file of Parquet, with the columns of the record.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use polars::io::parquet::write::BatchedWriter;
use polars::prelude::{DataFrame, DataType, IntoColumn, NamedFrom, ParquetWriter, PolarsResult, Series, TimeUnit};
use tempfile::NamedTempFile;

use crate::measurement::Measurement;

/// Measurements that are written together, which bounds what is in memory.
const BATCH: usize = 16_384;

/// A file in the making. It gets its name when it is whole, so that nobody ever reads half of it.
pub struct Parquet {
    path: PathBuf,
    file: NamedTempFile,
    writer: BatchedWriter<File>,
    waiting: Vec<Measurement>,
}

impl Parquet {
    /// # Errors
    /// When no file can be made in that folder.
    pub fn create(path: &Path) -> Result<Parquet> {
        let said = || format!("write {}", path.display());
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // The process's own mask takes from this what it takes from every file.
        let permissions = Permissions::from_mode(0o666);
        let file = tempfile::Builder::new().permissions(permissions).tempfile_in(folder).with_context(said)?;
        let empty = frame(&[]).with_context(said)?;
        let writer =
            ParquetWriter::new(file.reopen().with_context(said)?).batched(empty.schema()).with_context(said)?;
        Ok(Parquet { path: path.to_owned(), file, writer, waiting: Vec::new() })
    }

    pub fn measurements(&mut self, measurements: &[Measurement]) -> Result<()> {
        self.waiting.extend_from_slice(measurements);
        if self.waiting.len() >= BATCH { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<()> {
        let said = || format!("write {}", self.path.display());
        let frame = frame(&self.waiting).with_context(said)?;
        self.writer.write_batch(&frame).with_context(said)?;
        self.waiting.clear();
        Ok(())
    }

    pub fn finish(mut self) -> Result<()> {
        if !self.waiting.is_empty() {
            self.write()?;
        }
        let said = || format!("write {}", self.path.display());
        self.writer.finish().with_context(said)?;
        self.file.persist(&self.path).with_context(said)?;
        Ok(())
    }
}

/// The columns of some measurements. Times are UTC in milliseconds.
fn frame(measurements: &[Measurement]) -> PolarsResult<DataFrame> {
    let text = |name: &str, value: fn(&Measurement) -> &str| {
        Series::new(name.into(), measurements.iter().map(value).collect::<Vec<&str>>())
    };
    let maybe_text = |name: &str, value: fn(&Measurement) -> Option<&str>| {
        Series::new(name.into(), measurements.iter().map(value).collect::<Vec<Option<&str>>>())
    };
    let time = |name: &str, value: fn(&Measurement) -> i64| {
        let ticks = Series::new(name.into(), measurements.iter().map(value).collect::<Vec<i64>>());
        ticks.cast(&DataType::Datetime(TimeUnit::Milliseconds, None))
    };
    let number = |name: &str, value: fn(&Measurement) -> Option<f64>| {
        Series::new(name.into(), measurements.iter().map(value).collect::<Vec<Option<f64>>>())
    };
    let columns = vec![
        text("model", |m| &m.model),
        text("version", |m| &m.version),
        text("slice", |m| &m.slice),
        time("window_start", |m| m.window_start.0)?,
        time("window_end", |m| m.window_end.0)?,
        Series::new("rows".into(), measurements.iter().map(|m| m.rows).collect::<Vec<u64>>()),
        text("family", |m| m.family.name()),
        text("subject", |m| &m.subject),
        text("statistic", |m| &m.statistic),
        number("value", |m| m.value),
        maybe_text("undefined", |m| m.undefined.as_deref()),
        number("p_value", |m| m.p_value),
        number("q_value", |m| m.q_value),
        number("low", |m| m.low),
        number("high", |m| m.high),
        number("error_bound", |m| m.error_bound),
        number("detectable", |m| m.detectable),
        number("threshold", |m| m.threshold),
        Series::new("breached".into(), measurements.iter().map(|m| m.breached).collect::<Vec<Option<bool>>>()),
        maybe_text("reference", |m| m.reference.as_deref()),
        number("coverage", |m| m.coverage),
        Series::new("revision".into(), measurements.iter().map(|m| m.revision).collect::<Vec<u32>>()),
        Series::new("provisional".into(), measurements.iter().map(|m| m.provisional).collect::<Vec<bool>>()),
    ];
    DataFrame::new_infer_height(columns.into_iter().map(IntoColumn::into_column).collect())
}
