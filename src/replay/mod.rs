//! `tidegauge replay`: the same core over files instead of Kafka.

mod show;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

use crate::config;
use crate::engine::{Effect, Engine, Event, Start, State};
use crate::lane::Lane;
use crate::monitor::{Monitor, Source};
use crate::pane::Partition;
use crate::plan::{Subscriber, TopicPlan, topics};
use crate::reference::Reference;
use crate::rows::Wanted;
use crate::shard::{Report, Resumed};
use crate::source::reference_file;
use crate::source::table::{self, Lookup, Table};
pub use show::Format;
use show::{Show, Summary};

/// What to replay, and how to show it.
#[derive(Debug)]
pub struct Options {
    /// Files, each perhaps with the topic that it stands for before it: `features=rows.parquet`.
    pub data: Vec<String>,
    pub monitor: PathBuf,
    pub format: Format,
}

/// Reads the files as if they came from the monitor's topics, and prints what the daemon would have said.
///
/// Every pane is closed at the end, so the last windows are shown although their time may not have been complete.
///
/// # Errors
/// When the monitor is wrong, a file cannot be read, or the output is closed.
pub fn run(options: &Options) -> Result<()> {
    let monitor = Arc::new(config::load_monitor(&options.monitor).map_err(config::Problems)?);
    let reference = reference(&monitor)?;
    let inputs = inputs(&options.data, &monitor)?;
    let mut replay = Replay::new(monitor, reference, options.format)?;
    let bytes = inputs.iter().filter_map(|(_, path)| path.metadata().ok()).map(|file| file.len()).sum();
    let progress = ProgressBar::new(bytes);
    let style = "{bar:40} {bytes}/{total_bytes}  {elapsed}, {eta} left  {msg}";
    progress.set_style(ProgressStyle::with_template(style).context("set up the progress bar")?);
    for (topic, path) in &inputs {
        replay.file(topic, path, &progress).with_context(|| format!("replay {}", path.display()))?;
    }
    progress.finish_and_clear();
    replay.finish()
}

/// The reference of all versions, `None` when each is to learn its own.
pub fn reference(monitor: &Monitor) -> Result<Option<Arc<Reference>>> {
    match &monitor.reference {
        Source::Learnt { .. } => Ok(None),
        Source::Dataset(path) => {
            let (fields, resolution) = (monitor.fields(), monitor.resolution);
            let reference = if reference_file::is_named(path) {
                reference_file::load(path, fields, resolution).context("read the reference")?
            } else {
                table::reference(path, fields, resolution, &monitor.slicing).context("read the reference")?
            };
            Ok(Some(Arc::new(reference)))
        }
    }
}

/// Tells the files by the topics that they stand for.
fn inputs(data: &[String], monitor: &Monitor) -> Result<Vec<(Arc<str>, PathBuf)>> {
    let known = |topic: &str| monitor.inputs.iter().any(|input| input.topic == topic);
    let mut inputs = Vec::new();
    for text in data {
        let (topic, path) = match text.split_once('=') {
            Some((topic, path)) if known(topic) => (topic, path),
            _ if monitor.inputs.len() == 1 => (monitor.inputs[0].topic.as_str(), text.as_str()),
            _ => {
                let topics: Vec<_> = monitor.inputs.iter().map(|input| input.topic.as_str()).collect();
                bail!(
                    "{text}: the monitor reads several topics; write TOPIC=FILE, where TOPIC is one of {}",
                    topics.join(", ")
                )
            }
        };
        // Whatever else is wrong with a file shows when it is read.
        if Path::new(path).is_dir() {
            bail!("{path}: this is a folder; name the files in it");
        }
        if !Path::new(path).exists() {
            bail!("{path}: no such file");
        }
        inputs.push((Arc::from(topic), PathBuf::from(path)));
    }
    Ok(inputs)
}

/// A replay under way.
struct Replay {
    subscriber: Subscriber,
    engine: Engine,
    lanes: BTreeMap<Arc<str>, (Lane, i64)>,
    show: Show,
    summary: Summary,
    begun: Instant,
}

/// Records that are decoded and counted together.
const BATCH: usize = 4096;

impl Replay {
    fn new(monitor: Arc<Monitor>, reference: Option<Arc<Reference>>, format: Format) -> Result<Replay> {
        let subscriber = Subscriber { monitor: monitor.clone(), reference: reference.clone() };
        let (learnt, panes, blocks) = (Vec::new(), Vec::new(), Vec::new());
        let start = Start { monitor, reference, learnt, state: State::default(), panes, blocks };
        let mut engine = Engine::new([start]);
        let mut lanes = BTreeMap::new();
        for topic in topics(std::slice::from_ref(&subscriber)) {
            let plan = TopicPlan::new(&topic, std::slice::from_ref(&subscriber), usize::MAX);
            let partition = Partition { topic: topic.clone(), partition: 0 };
            engine.step(Event::Assigned { partition: partition.clone(), latest: BTreeMap::new() });
            lanes.insert(topic, (Lane::new(partition, &plan, &Resumed::default()), 0));
        }
        let (show, summary) = (Show::new(format), Summary::default());
        Ok(Replay { subscriber, engine, lanes, show, summary, begun: Instant::now() })
    }

    fn file(&mut self, topic: &Arc<str>, path: &Path, progress: &ProgressBar) -> Result<()> {
        if table::is_lines(path)? { self.lines(topic, path, progress) } else { self.table(topic, path, progress) }
    }

    /// Lines of JSON are decoded as Kafka's records are, so that both give the same numbers.
    fn lines(&mut self, topic: &Arc<str>, path: &Path, progress: &ProgressBar) -> Result<()> {
        let file = progress.wrap_read(File::open(path)?);
        let zipped = path.extension().is_some_and(|extension| extension == "gz");
        let bytes: Box<dyn Read> =
            if zipped { Box::new(flate2::read::MultiGzDecoder::new(file)) } else { Box::new(file) };
        let mut lines = BufReader::with_capacity(1 << 20, bytes);
        let mut batch: Vec<Vec<u8>> = Vec::new();
        loop {
            let mut line = Vec::new();
            let read = lines.read_until(b'\n', &mut line)?;
            if read > 0 && !line.trim_ascii().is_empty() {
                batch.push(line);
            }
            if batch.len() == BATCH || (read == 0 && !batch.is_empty()) {
                let Some((lane, next)) = self.lanes.get_mut(topic) else { return Ok(()) };
                let first = *next;
                *next += batch.len() as i64;
                let records = batch.iter().zip(first..).map(|(line, offset)| (line.trim_ascii(), offset, None));
                let report = lane.count(records);
                self.take(report, batch.len() as u64)?;
                batch.clear();
                progress.set_message(self.summary.headline());
            }
            if read == 0 {
                return Ok(());
            }
        }
    }

    fn table(&mut self, topic: &Arc<str>, path: &Path, progress: &ProgressBar) -> Result<()> {
        let plan = TopicPlan::new(topic, std::slice::from_ref(&self.subscriber), usize::MAX);
        let fields = self.subscriber.monitor.fields_of(topic);
        // The shard brings numbers to scale, whatever they come from.
        let lookup = |wanted: &Wanted| {
            let field = fields.iter().find(|field| field.path == wanted.path && field.kind == wanted.kind);
            Lookup { wanted: wanted.clone(), subject: field.map(|field| field.subject.clone()), scale: 1.0 }
        };
        let table = Table::open(path, plan.wanted.iter().map(lookup).collect())?;
        for rows in table.batches()? {
            let mut rows = rows?;
            let count = rows.len() as u64;
            let Some((lane, next)) = self.lanes.get_mut(topic) else { return Ok(()) };
            rows.offsets = (*next..*next + count as i64).collect();
            *next += count as i64;
            let report = lane.count_rows(&rows);
            self.take(report, count)?;
            progress.set_message(self.summary.headline());
        }
        progress.inc(path.metadata().map_or(0, |file| file.len()));
        Ok(())
    }

    /// Passes a report through the engine, and shows what follows.
    fn take(&mut self, report: Report, rows: u64) -> Result<()> {
        self.summary.rows += rows;
        for rejected in &report.rejected {
            *self.summary.rejected.entry(rejected.reason.name()).or_default() += 1;
        }
        self.summary.late += report.progress.iter().map(|progress| progress.late).sum::<u64>();
        self.step(Event::Report(report))
    }

    fn step(&mut self, event: Event) -> Result<()> {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            for effect in self.engine.step(event) {
                match effect {
                    Effect::Measured(measurements) => {
                        self.summary.measured(&measurements);
                        self.show.measurements(&measurements)?;
                    }
                    Effect::Alert(alert) => {
                        self.summary.alert(&alert);
                        self.show.alert(&alert)?;
                    }
                    Effect::Retrain(request) => {
                        self.summary.retrains += 1;
                        self.show.retrain(&request)?;
                    }
                    Effect::Learnt { learnt, known } => {
                        if let Some((lane, _)) = self.lanes.get_mut(&learnt.topic) {
                            let from = lane.learnt(&learnt.model, &learnt.version, known.axes);
                            let partition = Partition { topic: learnt.topic.clone(), partition: 0 };
                            events.push(Event::Started { learnt, partition, from });
                        }
                    }
                    Effect::Late { rows, .. } => self.summary.late += rows,
                    Effect::Expired { .. } | Effect::Folded(_) | Effect::Forgotten { .. } => {}
                }
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        let reports: Vec<Report> = self.lanes.values_mut().map(|(lane, _)| lane.finish()).collect();
        let partitions: Vec<Partition> = reports.iter().map(|report| report.partition.clone()).collect();
        for report in reports {
            self.take(report, 0)?;
        }
        // A log that ended earlier is not waited for.
        for partition in partitions {
            self.step(Event::Idle(partition))?;
        }
        self.summary.seconds = self.begun.elapsed().as_secs_f64();
        self.show.summary(&self.summary)
    }
}
