//! One partition's counting: rows in, closed panes out.

mod counter;
mod labels;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::calibration::Calibration;
use crate::grid::Axis;
use crate::outcome::{Answerer, Id, OutcomeAxis, Prediction, Truth};
use crate::pane::{Pane, Partition};
use crate::rows::{Rejected, Rows};
use crate::schema::{Answers, Field, Plausible};
use crate::slice::Slicer;
use crate::time::{Span, Time, Windowing};
use counter::Counter;
use labels::LabelReader;

/// What one monitor wants of one topic: where its columns are among those that are decoded, and how to cut the stream.
#[derive(Debug)]
pub struct Plan {
    pub model: Arc<str>,
    pub windowing: Windowing,
    pub plausible: Plausible,
    /// The column of the event time.
    pub time: usize,
    /// The column of the version; without one all rows are of version `""`.
    pub version: Option<usize>,
    pub fields: Vec<Counted>,
    /// What is wanted of rows beside counts, where labels are waited for.
    pub joined: Option<Joined>,
    /// What to count a version on that has no axes of its own; `None` when each version has to be learnt first.
    pub axes: Option<Axes>,
    /// Versions of a pane measured apart at the most; rows of any further one are counted under [`OTHER_VERSIONS`].
    pub most_versions: usize,
}

/// Where a log that is joined with labels has what that takes.
#[derive(Clone, Debug, Default)]
pub struct Joined {
    /// The column of the ids, if predictions are in this log.
    pub id: Option<usize>,
    /// Where labels are, if they are in this log too.
    pub labels: Option<LabelPlan>,
}

/// A log that has labels of a model and nothing else that is wanted of it.
#[derive(Clone, Debug)]
pub struct LabelLog {
    pub model: Arc<str>,
    pub plausible: Plausible,
    /// How far behind the latest one a label may be and still be waited for.
    pub lateness: Span,
    pub labels: LabelPlan,
}

/// Where a log has labels.
#[derive(Clone, Debug)]
pub struct LabelPlan {
    pub id: usize,
    pub time: usize,
    pub value: usize,
    /// What labels are told apart by; grids have no part in that.
    pub axis: OutcomeAxis,
}

/// The version under which rows are counted once there are too many versions.
pub const OTHER_VERSIONS: &str = "~other";

/// A field and the column it is counted from.
#[derive(Clone, Debug)]
pub struct Counted {
    pub column: usize,
    /// Numbers are multiplied by this.
    pub scale: f64,
}

/// The axes of a plan's fields, in their order, how rows are sliced and answers are read, and the hash of the reference
/// that fixed all that.
#[derive(Clone, Debug)]
pub struct Axes {
    pub hash: Arc<str>,
    pub axes: Arc<[Axis]>,
    /// Its columns are those of the fields.
    pub slicer: Slicer,
    /// The same of it; `None` where the log does not say what the model says.
    pub answerer: Option<Arc<Answerer>>,
}

impl Axes {
    /// The same axes, with the rows of these slices counted apart as well.
    pub fn sliced(self, slicer: Slicer) -> Axes {
        if slicer.names().is_empty() {
            return self;
        }
        Axes { hash: format!("{}-{}", self.hash, slicer.hash()).into(), slicer, ..self }
    }

    /// The same axes, on which what the model says is counted too.
    pub fn answering(self, answers: Option<&Answers>, fields: &[Field]) -> Axes {
        let Some(answers) = answers else { return self };
        let answerer = Answerer::new(answers, fields, &self.axes);
        let said = format!("{answers:?}");
        let told = answerer.is_some().then(|| format!("{}-{:x}", self.hash, Id::of(&said).0 >> 96));
        Axes { hash: told.map_or(self.hash, Into::into), answerer: answerer.map(Arc::new), ..self }
    }

    /// The same axes, with what scores mean by what is known of outcomes.
    pub fn calibrated(self, calibrate: impl Fn(&OutcomeAxis) -> Option<Calibration>) -> Axes {
        let answerer = self.answerer.map(|mut answerer| {
            let calibration = calibrate(&answerer.axis).map(Arc::new);
            Arc::make_mut(&mut answerer).axis.calibration = calibration;
            answerer
        });
        Axes { answerer, ..self }
    }

    /// The same axes for panes of this length, with which panes of another length must not be merged.
    pub fn for_panes(self, every: Span) -> Axes {
        Axes { hash: format!("{}-{every}", self.hash).into(), ..self }
    }
}

/// Axes that a version was given, and the first pane that is counted on them; [`Time::MIN`] when that is not known, so
/// that counting begins after all that may have been learnt from.
#[derive(Clone, Debug)]
pub struct Learnt {
    pub axes: Axes,
    pub from: Time,
}

/// Where counting goes on after a restart.
#[derive(Clone, Debug, Default)]
pub struct Resumed {
    /// Where reading begins, if it is known.
    pub start: Option<i64>,
    /// Rows before this offset were looked at before the restart.
    pub position: i64,
    /// For each model, the latest event time that had been seen.
    pub latest: BTreeMap<Arc<str>, Time>,
    /// For each model and version, the axes that were learnt.
    pub learnt: BTreeMap<(Arc<str>, Arc<str>), Learnt>,
}

/// The counting of one topic-partition, for every monitor that reads it.
///
/// It is a function of the partition's log alone: a row counts if its pane was open when it came, whatever the batches.
/// So reading again from [`Report::resume`] with the [`Report::latest`] of the same report gives the same panes, bit
/// for bit, and none twice.
#[derive(Debug)]
pub struct Shard {
    partition: Partition,
    counters: Vec<Counter>,
    readers: Vec<LabelReader>,
    /// The offset after the last row read.
    next: Option<i64>,
    /// Rows before this offset were looked at before a restart.
    position: i64,
}

/// What came of a batch of rows.
#[derive(Debug)]
pub struct Report {
    pub partition: Partition,
    /// The offset after the last row looked at; `None` when nothing is known of the partition yet.
    pub next: Option<i64>,
    /// The offset from which to read again to have every row of the panes that are still open.
    pub resume: Option<i64>,
    /// Rows turned away, those that were before a restart not again.
    pub rejected: Vec<Rejected>,
    /// For each monitor, what came of it.
    pub progress: Vec<Progress>,
}

/// What came of a batch for one monitor.
#[derive(Debug)]
pub struct Progress {
    pub model: Arc<str>,
    /// The latest event time seen; `None` before the first row.
    pub latest: Option<Time>,
    /// Panes before this are closed.
    pub frontier: Time,
    pub closed: Vec<Pane>,
    /// Rows whose pane was closed already.
    pub late: u64,
    /// Rows counted, those that were before a restart not again.
    pub counted: u64,
    /// Rows from which a version's reference is to be learnt, in the order of the plan's fields.
    pub samples: Vec<(Arc<str>, Rows)>,
    /// What the model said in the rows that were counted, those that were before a restart among them.
    pub predictions: Vec<Predicted>,
    /// The same of labels.
    pub labels: Vec<Labelled>,
}

/// What the model said in a row, to be joined with its label.
#[derive(Clone, Debug, PartialEq)]
pub struct Predicted {
    pub id: Id,
    pub offset: i64,
    pub time: Time,
    pub version: Arc<str>,
    /// The hash of what it was counted on.
    pub axes: Arc<str>,
    /// The places of its slices in the slicer of those axes.
    pub slices: Box<[u16]>,
    pub prediction: Prediction,
    /// Whether the row was looked at before a restart.
    pub again: bool,
}

/// What turned out of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Labelled {
    pub id: Id,
    pub offset: i64,
    pub time: Time,
    pub truth: Truth,
    /// Whether the row was looked at before a restart.
    pub again: bool,
}

impl Shard {
    pub fn new(partition: Partition, plans: &[Arc<Plan>], labels: &[Arc<LabelLog>], resumed: &Resumed) -> Shard {
        let counters = plans.iter().map(|plan| Counter::new(plan.clone(), &partition, resumed)).collect();
        let readers = labels.iter().map(|log| LabelReader::new(log.clone(), resumed)).collect();
        Shard { partition, counters, readers, next: resumed.start, position: resumed.position }
    }

    /// Counts a batch, whose offsets ascend.
    pub fn observe(&mut self, rows: &Rows, mut rejected: Vec<Rejected>) -> Report {
        let counted = self.counters.iter_mut().map(|counter| counter.observe(rows, &mut rejected));
        let mut progress: Vec<Progress> = counted.collect();
        progress.extend(self.readers.iter_mut().map(|reader| reader.observe(rows, &mut rejected)));
        // Two monitors may turn the same row away; it is one dead letter.
        rejected.sort_by_key(|row| row.offset);
        rejected.dedup_by_key(|row| row.offset);
        let last = rows.offsets.last().into_iter().chain(rejected.last().map(|row| &row.offset)).max();
        self.next = self.next.max(last.map(|offset| offset + 1));
        rejected.retain(|row| row.offset >= self.position);
        self.report(progress, rejected)
    }

    /// Starts counting a version on the axes that were learnt for it. Returns the first pane that is counted: the one
    /// after everything that was given away as a sample.
    pub fn learnt(&mut self, model: &str, version: &str, axes: Axes) -> Time {
        let counter = self.counters.iter_mut().find(|counter| counter.model() == model);
        counter.map_or(Time::MIN, |counter| counter.learnt(version, axes))
    }

    /// Closes all panes, because no more rows will come. The frontier is then where the last one ended.
    pub fn finish(&mut self) -> Report {
        let mut progress: Vec<Progress> = self.counters.iter_mut().map(Counter::finish).collect();
        progress.extend(self.readers.iter_mut().map(LabelReader::finish));
        self.report(progress, Vec::new())
    }

    fn report(&self, progress: Vec<Progress>, rejected: Vec<Rejected>) -> Report {
        let open = self.counters.iter().filter_map(Counter::first_open).min();
        Report {
            partition: self.partition.clone(),
            // What is read again after a restart was looked at all the same, should there be another one on the way.
            next: self.next.map(|next| next.max(self.position)),
            resume: open.or(self.next),
            rejected,
            progress,
        }
    }
}
