//! One partition's counting: rows in, closed panes out.

mod counter;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::grid::Axis;
use crate::pane::{Pane, Partition};
use crate::rows::{Rejected, Rows};
use crate::schema::Plausible;
use crate::slice::Slicer;
use crate::time::{Span, Time, Windowing};
use counter::Counter;

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
    /// What to count a version on that has no axes of its own; `None` when each version has to be learnt first.
    pub axes: Option<Axes>,
    /// Versions of a pane measured apart at the most; rows of any further one are counted under [`OTHER_VERSIONS`].
    pub most_versions: usize,
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

/// The axes of a plan's fields, in their order, how rows are sliced, and the hash of the reference that fixed both.
#[derive(Clone, Debug)]
pub struct Axes {
    pub hash: Arc<str>,
    pub axes: Arc<[Axis]>,
    /// Its columns are those of the fields.
    pub slicer: Slicer,
}

impl Axes {
    /// The same axes, with the rows of these slices counted apart as well.
    pub fn sliced(self, slicer: Slicer) -> Axes {
        if slicer.names().is_empty() {
            return self;
        }
        Axes { hash: format!("{}-{}", self.hash, slicer.hash()).into(), slicer, ..self }
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
}

impl Shard {
    pub fn new(partition: Partition, plans: &[Arc<Plan>], resumed: &Resumed) -> Shard {
        let counters = plans.iter().map(|plan| Counter::new(plan.clone(), &partition, resumed)).collect();
        Shard { partition, counters, next: resumed.start, position: resumed.position }
    }

    /// Counts a batch, whose offsets ascend.
    pub fn observe(&mut self, rows: &Rows, mut rejected: Vec<Rejected>) -> Report {
        let progress = self.counters.iter_mut().map(|counter| counter.observe(rows, &mut rejected)).collect();
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
        let progress = self.counters.iter_mut().map(Counter::finish).collect();
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
