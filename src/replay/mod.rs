//! `tidegauge replay`: the same core over files instead of Kafka.

mod inject;
mod parquet;
mod power;
mod show;
mod what_if;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

use crate::config;
use crate::engine::{Effect, Engine, Event, Start, State};
use crate::join::Blank;
use crate::lane::Lane;
use crate::monitor::{Monitor, Source};
use crate::pane::Partition;
use crate::plan::{Subscriber, TopicPlan, topics};
use crate::reference::Reference;
use crate::rows::{Rows, Wanted};
use crate::shard::{Report, Resumed};
use crate::source::reference_file;
use crate::source::table::{self, Lookup, Table};
pub use inject::Injection;
use inject::Injector;
use power::Power;
pub use show::Format;
use show::{Show, Summary};
pub use what_if::Question;
use what_if::WhatIf;

/// What to replay, and how to show it.
#[derive(Debug)]
pub struct Options {
    /// Files, each perhaps with the topic that it stands for before it: `features=rows.parquet`.
    pub data: Vec<String>,
    pub monitor: PathBuf,
    pub format: Format,
    /// Where the measurements go in Parquet.
    pub output: Option<PathBuf>,
    /// With any of these, only what would have come of them is shown.
    pub what_if: Vec<Question>,
    pub inject: Vec<Injection>,
}

/// That the command was asked for what cannot be.
#[derive(Debug, thiserror::Error)]
#[error("{message}{}", hint.as_ref().map_or(String::new(), |hint| format!("\n  hint: {hint}")))]
pub struct Usage {
    pub message: String,
    pub hint: Option<String>,
}

/// Reads the files as if they came from the monitor's topics, and prints what the daemon would have said.
///
/// Every pane is closed at the end, so the last windows are shown although their time may not have been complete.
///
/// When it is asked to stop, it reads no further and shows what is known by then. Returns whether it read everything.
///
/// # Errors
/// [`Usage`] when the monitor has nothing of what is asked for; else when the monitor is wrong, a file cannot be read,
/// or the output is closed.
pub fn run(options: &Options, stop: &AtomicBool) -> Result<bool> {
    check(options)?;
    let monitor = Arc::new(config::load_monitor(&options.monitor).map_err(config::Problems)?);
    let reference = reference(&monitor)?;
    let inputs = inputs(&options.data, &monitor)?;
    let mut replay = Replay::new(monitor, reference, options, stop)?;
    let bytes = inputs.iter().filter_map(|(_, path)| path.metadata().ok()).map(|file| file.len()).sum();
    let progress = ProgressBar::new(bytes);
    let style = "{bar:40} {bytes}/{total_bytes}  {elapsed}, {eta} left  {msg}";
    progress.set_style(ProgressStyle::with_template(style).context("set up the progress bar")?);
    for (topic, path) in &inputs {
        if replay.is_stopped() {
            break;
        }
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
                let built = table::reference_for(std::slice::from_ref(path), monitor, &|_| true);
                built.context("read the reference")?.reference
            };
            Ok(Some(Arc::new(reference)))
        }
    }
}

/// Refuses what does not go together.
fn check(options: &Options) -> Result<(), Usage> {
    let refuse = |message: &str, hint: &str| Err(Usage { message: message.to_owned(), hint: Some(hint.to_owned()) });
    match (options.format, &options.output) {
        (Format::Parquet, None) => refuse("Parquet has to go to a file", "add `--output FILE`"),
        (Format::Table | Format::Json, Some(_)) => {
            refuse("only Parquet goes to a file", "add `--format parquet`, or leave `--output` out")
        }
        (Format::Parquet, _) if !options.what_if.is_empty() => {
            refuse("there are no measurements to write when thresholds are tried", "write `--format table` or `json`")
        }
        _ => Ok(()),
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
struct Replay<'a> {
    stop: &'a AtomicBool,
    subscriber: Subscriber,
    engine: Engine,
    lanes: BTreeMap<Arc<str>, (Lane, i64)>,
    show: Show,
    summary: Summary,
    begun: Instant,
    what_if: Option<WhatIf>,
    injected: Vec<(Injector, Power)>,
}

/// Records that are decoded and counted together.
const BATCH: usize = 4096;

impl<'a> Replay<'a> {
    fn new(
        mut monitor: Arc<Monitor>,
        reference: Option<Arc<Reference>>,
        options: &Options,
        stop: &'a AtomicBool,
    ) -> Result<Replay<'a>> {
        let mut what_if = None;
        if !options.what_if.is_empty() {
            what_if = Some(WhatIf::new(&monitor, &options.what_if)?);
            monitor = Arc::new(WhatIf::measuring(&monitor));
        }
        let subscriber = Subscriber { monitor: monitor.clone(), reference: reference.clone() };
        let plan = |topic: &str| TopicPlan::new(&Arc::from(topic), std::slice::from_ref(&subscriber), usize::MAX);
        let mut injected = Vec::new();
        for injection in &options.inject {
            let mut injector = Injector::new(injection, &monitor, plan)?;
            reference.iter().for_each(|reference| injector.learn(reference));
            let power = Power::new(injection, &injector.subjects());
            injected.push((injector, power));
        }
        let (learnt, panes, blocks, delays) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        // Of a file no more is kept than while it is read.
        let ledger = Arc::new(Blank);
        let start = Start { monitor, reference, learnt, state: State::default(), panes, blocks, delays, ledger };
        let mut engine = Engine::new([start]);
        let mut lanes = BTreeMap::new();
        for topic in topics(std::slice::from_ref(&subscriber)) {
            let plan = TopicPlan::new(&topic, std::slice::from_ref(&subscriber), usize::MAX);
            let partition = Partition { topic: topic.clone(), partition: 0 };
            engine.step(Event::Assigned { partition: partition.clone(), latest: BTreeMap::new() });
            lanes.insert(topic, (Lane::new(partition, &plan, &Resumed::default()), 0));
        }
        let (show, summary) = (Show::new(options.format, options.output.as_deref())?, Summary::default());
        Ok(Replay { stop, subscriber, engine, lanes, show, summary, begun: Instant::now(), what_if, injected })
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Makes the changes that are asked for in the rows of a topic.
    fn inject(injected: &[(Injector, Power)], topic: &str, rows: &mut Rows) -> Result<()> {
        injected
            .iter()
            .filter(|(injector, _)| injector.topic == topic)
            .try_for_each(|(injector, _)| injector.apply(rows))
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
                let (mut rows, rejected) = lane.decode(records);
                Self::inject(&self.injected, topic, &mut rows)?;
                let report = lane.count_decoded(&rows, rejected);
                self.take(report, batch.len() as u64)?;
                batch.clear();
                progress.set_message(self.summary.headline());
            }
            if read == 0 || self.is_stopped() {
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
            if self.is_stopped() {
                return Ok(());
            }
            let mut rows = rows?;
            let count = rows.len() as u64;
            let Some((lane, next)) = self.lanes.get_mut(topic) else { return Ok(()) };
            rows.offsets = (*next..*next + count as i64).collect();
            *next += count as i64;
            Self::inject(&self.injected, topic, &mut rows)?;
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
                        self.injected.iter_mut().for_each(|(_, power)| power.measured(&measurements));
                        match &mut self.what_if {
                            Some(what_if) => what_if.measured(measurements),
                            None => self.show.measurements(&measurements)?,
                        }
                    }
                    Effect::Alert(alert) => {
                        self.summary.alert(&alert);
                        self.injected.iter_mut().for_each(|(_, power)| power.alert(&alert));
                        self.show.alert(&alert)?;
                    }
                    Effect::Retrain(request) => {
                        self.summary.retrains += 1;
                        self.show.retrain(&request)?;
                    }
                    Effect::Learnt { learnt, known } => {
                        self.injected.iter_mut().for_each(|(injector, _)| injector.learn(&known.reference));
                        if let Some((lane, _)) = self.lanes.get_mut(&learnt.topic) {
                            let from = lane.learnt(&learnt.model, &learnt.version, known.axes);
                            let partition = Partition { topic: learnt.topic.clone(), partition: 0 };
                            events.push(Event::Started { learnt, partition, from });
                        }
                    }
                    Effect::Late { rows, .. } => self.summary.late += rows,
                    Effect::Joined { fared, .. } => self.summary.joined(fared),
                    Effect::Expired { .. } | Effect::Folded(_) | Effect::Forgotten { .. } => {}
                }
            }
        }
        Ok(())
    }

    /// Shows what came of it. The last windows are closed, unless there was more to read: then they are not whole.
    fn finish(mut self) -> Result<bool> {
        let is_whole = !self.is_stopped();
        if is_whole {
            let reports: Vec<Report> = self.lanes.values_mut().map(|(lane, _)| lane.finish()).collect();
            let partitions: Vec<Partition> = reports.iter().map(|report| report.partition.clone()).collect();
            for report in reports {
                self.take(report, 0)?;
            }
            // A log that ended earlier is not waited for.
            for partition in partitions {
                self.step(Event::Idle(partition))?;
            }
        }
        self.summary.interrupted = !is_whole;
        if let Some(what_if) = &self.what_if {
            let points = what_if.points();
            if let Some(as_it_is) = points.first() {
                (self.summary.fired, self.summary.resolved) = (as_it_is.alerts, as_it_is.resolved);
                self.summary.retrains = as_it_is.retrains;
            }
            self.show.points(&points)?;
        }
        self.summary.seconds = self.begun.elapsed().as_secs_f64();
        let powers = self.injected.into_iter().map(|(_, mut power)| {
            power.finish();
            power
        });
        self.show.finish(&self.summary, &powers.collect::<Vec<Power>>())?;
        if !is_whole {
            eprintln!("tidegauge: interrupted before everything was read");
        }
        Ok(is_whole)
    }
}
