//! Reading labels from one partition.

use std::sync::Arc;

use super::{LabelLog, LabelPlan, Labelled, Progress, Resumed};
use crate::outcome::{Answerer, Id};
use crate::rows::{Absent, Reason, Rejected, Rows, Values};
use crate::schema::Plausible;
use crate::time::Time;

/// Reads a log that has labels and nothing else.
///
/// There are no panes here: a label is in the pane of its prediction, wherever that was logged.
#[derive(Debug)]
pub(super) struct LabelReader {
    log: Arc<LabelLog>,
    latest: Option<Time>,
    /// Rows before this offset were looked at before a restart.
    position: i64,
    is_ended: bool,
}

impl LabelReader {
    pub fn new(log: Arc<LabelLog>, resumed: &Resumed) -> LabelReader {
        let latest = resumed.latest.get(&log.model).copied();
        LabelReader { log, latest, position: resumed.position, is_ended: false }
    }

    pub fn observe(&mut self, rows: &Rows, rejected: &mut Vec<Rejected>) -> Progress {
        let log = self.log.clone();
        let mut labels = Vec::new();
        for row in 0..rows.len() {
            match label(&log.labels, &log.plausible, rows, row, self.position) {
                Ok(label) => {
                    // What claims to be later than its own log does not speak for how far the stream is.
                    let believed = rows.logged[row].map_or(label.time, |logged| label.time.min(logged));
                    self.latest = self.latest.max(Some(believed));
                    labels.push(label);
                }
                Err(reason) => rejected.push(Rejected { offset: rows.offsets[row], reason }),
            }
        }
        self.progress(labels)
    }

    /// No more labels will come: whatever is waited for is in vain.
    pub fn finish(&mut self) -> Progress {
        self.is_ended = true;
        self.progress(Vec::new())
    }

    fn progress(&self, labels: Vec<Labelled>) -> Progress {
        let reached = self.latest.map_or(Time::MIN, |latest| latest - self.log.lateness);
        Progress {
            model: self.log.model.clone(),
            latest: self.latest,
            frontier: if self.is_ended { Time::MAX } else { reached },
            closed: Vec::new(),
            late: 0,
            counted: 0,
            samples: Vec::new(),
            predictions: Vec::new(),
            labels,
        }
    }
}

/// The label that a row has.
///
/// # Errors
/// Why it has none that can be used.
pub(super) fn label(
    plan: &LabelPlan,
    plausible: &Plausible,
    rows: &Rows,
    row: usize,
    position: i64,
) -> Result<Labelled, Reason> {
    let time = &rows.columns[plan.time];
    let at = match (&time.values, time.absent(row)) {
        (_, Some(Absent::Mistyped)) => return Err(Reason::BadTime),
        (Values::Time(instants), None) => Time(instants.value(row)),
        _ => return Err(Reason::NoTime),
    };
    if !plausible.holds(at, rows.logged[row]) {
        return Err(Reason::TimeOutOfRange);
    }
    let id = rows.columns[plan.id].text(row).ok_or(Reason::NoId)?;
    let truth = Answerer::truth(&plan.axis, &rows.columns[plan.value], row).ok_or(Reason::NoLabel)?;
    let offset = rows.offsets[row];
    Ok(Labelled { id: Id::of(id), offset, time: at, truth, again: offset < position })
}
