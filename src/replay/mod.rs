//! `tidegauge replay`: the same core over files instead of Kafka.

mod inject;
mod parquet;
mod power;
mod reader;
mod show;
mod watch;
mod what_if;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

use crate::config;
use crate::engine::{Effect, Start};
use crate::measurement::Measurement;
use crate::monitor::{Monitor, Source};
use crate::pane::Partition;
use crate::plan::{Subscriber, TopicPlan};
use crate::reference::Reference;
use crate::rows::{Rows, Wanted};
use crate::rule::alert::{AlertEvent, RetrainRequest};
use crate::shard::{Report, Resumed};
use crate::source::reference_file;
use crate::source::table::{self, Lookup};
use crate::time::Time;
use crate::verdict::Standing;
pub use inject::Injection;
use inject::Injector;
use power::Power;
use reader::{Part, Reader};
use show::Show;
pub use show::{Format, Summary};
pub use watch::Watch;
pub use what_if::Question;
use what_if::{Point, WhatIf};

/// What to replay, and how to show it.
#[derive(Debug)]
pub struct Options {
    /// Files, each perhaps with the topic that it stands for before it: `features=rows.parquet`.
    pub data: Vec<String>,
    /// Files of labels.
    pub labels: Vec<PathBuf>,
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
    let mut inputs = inputs(&options.data, &monitor)?;
    inputs.extend(labels(&options.labels, &monitor)?);
    let mut show = Show::new(options.format, options.output.as_deref())?;
    let mut replay = Replay::new(monitor, reference, (&options.what_if, &options.inject), &mut show, stop)?;
    let bytes = inputs.iter().filter_map(|(_, path)| path.metadata().ok()).map(|file| file.len()).sum();
    let progress = ProgressBar::new(bytes);
    let style = "{bar:40} {bytes}/{total_bytes}  {elapsed}, {eta} left  {msg}";
    progress.set_style(ProgressStyle::with_template(style).context("set up the progress bar")?);
    replay.read(&inputs, &progress)?;
    progress.finish_and_clear();
    replay.finish()
}

/// Who is told what a replay finds, as it finds it.
pub trait Tell {
    fn measurements(&mut self, _: &[Measurement]) -> Result<()> {
        Ok(())
    }
    fn alert(&mut self, _: &AlertEvent) -> Result<()>;
    fn retrain(&mut self, _: &RetrainRequest) -> Result<()>;
    fn verdict(&mut self, _: &Standing) -> Result<()> {
        Ok(())
    }
    /// What other thresholds would have done.
    fn points(&mut self, _: &[Point]) -> Result<()> {
        Ok(())
    }
    /// It is over.
    fn finish(&mut self, _: &Summary, _: &[Power]) -> Result<()> {
        Ok(())
    }
}

/// Reads files, each with the topic that it stands for, and tells what comes of them without showing anything.
///
/// # Errors
/// When a file cannot be read.
pub fn quietly(
    monitor: Arc<Monitor>,
    reference: Option<Arc<Reference>>,
    inputs: &[(Arc<str>, PathBuf)],
    tell: &mut dyn Tell,
) -> Result<Summary> {
    let stop = AtomicBool::new(false);
    let mut replay = Replay::new(monitor, reference, (&[], &[]), tell, &stop)?;
    replay.read(inputs, &ProgressBar::hidden())?;
    Ok(replay.summary)
}

/// The reference of all versions, `None` when each is to learn its own.
pub fn reference(monitor: &Monitor) -> Result<Option<Arc<Reference>>> {
    match &monitor.reference {
        Source::Learnt { .. } => Ok(None),
        Source::Dataset(path) => Ok(Some(Arc::new(reference_in(path, monitor)?))),
        Source::Registered(registered) => bail!(
            "the reference is in MLflow ({registered}), which only the daemon asks: download {} and name it in a copy of \
             the monitor as `dataset`",
            registered.artifact
        ),
    }
}

/// The reference for a monitor that is in a file: a data set, or what `profile` has kept of one.
pub fn reference_in(path: &Path, monitor: &Monitor) -> Result<Reference> {
    let (fields, resolution) = (monitor.fields(), monitor.resolution);
    if reference_file::is_named(path) {
        return reference_file::load(path, fields, resolution).context("read the reference");
    }
    let built = table::reference_for(&[path.to_owned()], monitor, &|_| true);
    Ok(built.context("read the reference")?.reference)
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

/// The files of labels, for the topic that they stand for.
fn labels(files: &[PathBuf], monitor: &Monitor) -> Result<Vec<(Arc<str>, PathBuf)>> {
    let Some(labels) = &monitor.labels else {
        let hint = "write `labels: {topic: …, id: …, time: …, value: …, wait: …}` into it".to_owned();
        let message = "the monitor has no labels".to_owned();
        return if files.is_empty() { Ok(Vec::new()) } else { Err(Usage { message, hint: Some(hint) }.into()) };
    };
    if let Some(missing) = files.iter().find(|path| !path.is_file()) {
        bail!("{}: no such file", missing.display());
    }
    Ok(files.iter().map(|path| (Arc::from(labels.topic.as_str()), path.clone())).collect())
}

/// A replay under way.
struct Replay<'a> {
    stop: &'a AtomicBool,
    monitor: Arc<Monitor>,
    watch: Watch,
    /// The offset of each topic's next row.
    next: BTreeMap<Arc<str>, i64>,
    tell: &'a mut dyn Tell,
    summary: Summary,
    begun: Instant,
    what_if: Option<WhatIf>,
    injected: Vec<(Injector, Power)>,
}

/// Files have no partitions: a topic's are one.
fn only_partition(topic: &Arc<str>) -> Partition {
    Partition { topic: topic.clone(), partition: 0 }
}

/// Records that are decoded and counted together, where there is one log, and where several are read side by side.
const BATCH: usize = 4096;
const ONE_OF_SEVERAL: usize = 64;

impl<'a> Replay<'a> {
    fn new(
        mut monitor: Arc<Monitor>,
        reference: Option<Arc<Reference>>,
        (questions, injections): (&[Question], &[Injection]),
        tell: &'a mut dyn Tell,
        stop: &'a AtomicBool,
    ) -> Result<Replay<'a>> {
        let mut what_if = None;
        if !questions.is_empty() {
            what_if = Some(WhatIf::new(&monitor, questions)?);
            monitor = Arc::new(WhatIf::measuring(&monitor));
        }
        let subscriber = Subscriber { monitor: monitor.clone(), reference: reference.clone() };
        let plan = |topic: &str| TopicPlan::new(&Arc::from(topic), std::slice::from_ref(&subscriber), usize::MAX);
        let mut injected = Vec::new();
        for injection in injections {
            let mut injector = Injector::new(injection, &monitor, plan)?;
            reference.iter().for_each(|reference| injector.learn(reference));
            let power = Power::new(injection, &injector.subjects());
            injected.push((injector, power));
        }
        // Of a file no more is kept than while it is read.
        let start = Start::new(monitor.clone(), reference);
        let mut watch = Watch::new(start, usize::MAX);
        let mut next = BTreeMap::new();
        for topic in watch.topics() {
            watch.assign(&only_partition(&topic), &Resumed::default());
            next.insert(topic, 0);
        }
        let (summary, begun) = (Summary::default(), Instant::now());
        Ok(Replay { stop, monitor, watch, next, tell, summary, begun, what_if, injected })
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

    /// Reads the files of each topic one after another, and those of several topics side by side: next comes always a
    /// part of the one that is the farthest behind in event time, as if they were logs.
    fn read(&mut self, inputs: &[(Arc<str>, PathBuf)], progress: &ProgressBar) -> Result<()> {
        let mut topics: BTreeMap<Arc<str>, Vec<PathBuf>> = BTreeMap::new();
        for (topic, path) in inputs {
            topics.entry(topic.clone()).or_default().push(path.clone());
        }
        let batch = if topics.len() > 1 { ONE_OF_SEVERAL } else { BATCH };
        let mut readers: Vec<(Arc<str>, Time, Reader)> = Vec::new();
        let without: Vec<Arc<str>> = self.next.keys().filter(|topic| !topics.contains_key(*topic)).cloned().collect();
        without.iter().try_for_each(|topic| self.end(topic))?;
        for (topic, files) in topics {
            let reader = Reader::start(files, self.lookups(&topic), batch, progress.clone())?;
            readers.push((topic, Time::MIN, reader));
        }
        while let Some(at) = (0..readers.len()).min_by_key(|&at| readers[at].1) {
            if self.is_stopped() {
                return Ok(());
            }
            let (topic, latest, reader) = &mut readers[at];
            let Some(part) = reader.next() else {
                let (topic, ..) = readers.remove(at);
                self.end(&topic)?;
                continue;
            };
            let (topic, part) = (topic.clone(), part?);
            *latest = self.count(&topic, part)?.max(*latest);
            progress.set_message(self.summary.headline());
        }
        Ok(())
    }

    /// A topic has come to its end: its last panes are closed, and it is not waited for any more.
    fn end(&mut self, topic: &Arc<str>) -> Result<()> {
        let partition = only_partition(topic);
        let Some(lane) = self.watch.lane(&partition) else { return Ok(()) };
        let report = lane.finish();
        self.take(report, 0)?;
        let effects = self.watch.end(&partition);
        self.show(effects)
    }

    /// What is looked up for a topic in a table.
    fn lookups(&self, topic: &Arc<str>) -> Vec<Lookup> {
        let plan = self.watch.plan(topic);
        let fields = self.monitor.fields_of(topic);
        // The shard brings numbers to scale, whatever they come from.
        let lookup = |wanted: &Wanted| {
            let field = fields.iter().find(|field| field.path == wanted.path && field.kind == wanted.kind);
            Lookup { wanted: wanted.clone(), subject: field.map(|field| field.subject.clone()), scale: 1.0 }
        };
        plan.wanted.iter().map(lookup).collect()
    }

    /// Counts a part of a topic. Returns the latest event time that the topic has reached.
    fn count(&mut self, topic: &Arc<str>, part: Part) -> Result<Time> {
        let lane = self.watch.lane(&only_partition(topic));
        let Some((lane, next)) = lane.zip(self.next.get_mut(topic)) else { return Ok(Time::MAX) };
        let first = *next;
        let (mut rows, rejected, count) = match part {
            // Lines of JSON are decoded as Kafka's records are, so that both give the same numbers.
            Part::Lines(lines) => {
                let records = lines.iter().zip(first..).map(|(line, offset)| (line.trim_ascii(), offset, None));
                let (rows, rejected) = lane.decode(records);
                (rows, rejected, lines.len())
            }
            Part::Rows(mut rows) => {
                rows.offsets = (first..first + rows.len() as i64).collect();
                let count = rows.len();
                (rows, Vec::new(), count)
            }
        };
        *next += count as i64;
        Self::inject(&self.injected, topic, &mut rows)?;
        let report = lane.count_decoded(&rows, rejected);
        let latest = report.progress.iter().filter_map(|progress| progress.latest).max();
        // Labels are counted as what they are.
        let has_rows = self.monitor.inputs.iter().any(|input| *input.topic == **topic);
        self.take(report, if has_rows { count as u64 } else { 0 })?;
        Ok(latest.unwrap_or(Time::MIN))
    }

    /// Passes a report through the engine, and shows what follows.
    fn take(&mut self, report: Report, rows: u64) -> Result<()> {
        self.summary.rows += rows;
        for rejected in &report.rejected {
            *self.summary.rejected.entry(rejected.reason.name()).or_default() += 1;
        }
        self.summary.late += report.progress.iter().map(|progress| progress.late).sum::<u64>();
        let effects = self.watch.take(report);
        self.show(effects)
    }

    fn show(&mut self, effects: Vec<Effect>) -> Result<()> {
        for effect in effects {
            match effect {
                Effect::Measured(measurements) => {
                    self.summary.measured(&measurements);
                    self.injected.iter_mut().for_each(|(_, power)| power.measured(&measurements));
                    match &mut self.what_if {
                        Some(what_if) => what_if.measured(measurements),
                        None => self.tell.measurements(&measurements)?,
                    }
                }
                Effect::Alert(alert) => {
                    self.summary.alert(&alert);
                    self.injected.iter_mut().for_each(|(_, power)| power.alert(&alert));
                    self.tell.alert(&alert)?;
                }
                Effect::Retrain(request) => {
                    self.summary.retrains += 1;
                    self.tell.retrain(&request)?;
                }
                Effect::Verdict(standing) => self.tell.verdict(&standing)?,
                Effect::Learnt { known, .. } => {
                    self.injected.iter_mut().for_each(|(injector, _)| injector.learn(&known.reference));
                }
                Effect::Late { rows, .. } => self.summary.late += rows,
                Effect::Joined { fared, .. } => self.summary.joined(fared),
                Effect::Expired { .. } | Effect::Folded(_) | Effect::Forgotten { .. } => {}
            }
        }
        Ok(())
    }

    /// Shows what came of it. The last windows are closed by then, unless there was more to read: they are not whole.
    fn finish(mut self) -> Result<bool> {
        let is_whole = !self.is_stopped();
        self.summary.interrupted = !is_whole;
        if let Some(what_if) = &self.what_if {
            let points = what_if.points();
            if let Some(as_it_is) = points.first() {
                (self.summary.fired, self.summary.resolved) = (as_it_is.alerts, as_it_is.resolved);
                self.summary.retrains = as_it_is.retrains;
            }
            self.tell.points(&points)?;
        }
        self.summary.seconds = self.begun.elapsed().as_secs_f64();
        let powers = self.injected.into_iter().map(|(_, mut power)| {
            power.finish();
            power
        });
        self.tell.finish(&self.summary, &powers.collect::<Vec<Power>>())?;
        if !is_whole {
            eprintln!("tidegauge: interrupted before everything was read");
        }
        Ok(is_whole)
    }
}
