//! One monitor's counting of one partition.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::Array;

use super::{Axes, Learnt, OTHER_VERSIONS, Plan, Progress, Resumed};
use crate::pane::{Pane, PaneKey, Partition};
use crate::rows::{Absent, Column, Reason, Rejected, Rows, Values};
use crate::tally::{Chosen, FieldTally, Tally};
use crate::time::Time;

#[derive(Debug)]
pub(super) struct Counter {
    plan: Arc<Plan>,
    partition: Partition,
    latest: Option<Time>,
    /// Panes before this are closed. It only grows.
    frontier: Time,
    /// Rows before this offset were looked at before a restart.
    position: i64,
    versions: BTreeMap<Arc<str>, Stage>,
    open: BTreeMap<(Time, Arc<str>), OpenPane>,
}

/// What is done with a version's rows.
#[derive(Debug)]
enum Stage {
    /// They are given away to learn a reference from; `given` is the latest event time of those.
    Learning { given: Option<Time> },
    /// They are counted, from a pane on.
    Counting(Learnt),
}

#[derive(Debug)]
struct OpenPane {
    axes: Axes,
    rows: u64,
    offsets: (i64, i64),
    fields: Vec<FieldTally>,
}

/// The rows of a batch that go to one pane of one version.
struct Group {
    pane: Time,
    version: Arc<str>,
    rows: Vec<u32>,
}

impl Counter {
    pub fn new(plan: Arc<Plan>, partition: &Partition, resumed: &Resumed) -> Counter {
        let latest = resumed.latest.get(&plan.model).copied();
        let frontier = latest.map_or(Time::MIN, |latest| plan.windowing.frontier(latest));
        let versions = resumed
            .learnt
            .iter()
            .filter(|((model, _), _)| *model == plan.model)
            .map(|((_, version), learnt)| (version.clone(), Stage::Counting(learnt.clone())))
            .collect();
        let (partition, open) = (partition.clone(), BTreeMap::new());
        Counter { plan, partition, latest, frontier, position: resumed.position, versions, open }
    }

    pub fn model(&self) -> &str {
        &self.plan.model
    }

    /// The offset of the first row of any open pane.
    pub fn first_open(&self) -> Option<i64> {
        self.open.values().map(|pane| pane.offsets.0).min()
    }

    pub fn observe(&mut self, rows: &Rows, rejected: &mut Vec<Rejected>) -> Progress {
        let (groups, late) = self.sort_out(rows, rejected);
        let columns: Vec<Column> = self.plan.fields.iter().map(|field| scaled(rows, field)).collect();
        let (mut counted, mut samples) = (0, Vec::new());
        for group in groups {
            counted += self.count(rows, &columns, group, &mut samples);
        }
        let closed = self.close(self.frontier);
        Progress { late, counted, samples, ..self.progress(closed) }
    }

    /// Decides for each row, in the log's order, where it belongs, and moves the frontier along.
    fn sort_out(&mut self, rows: &Rows, rejected: &mut Vec<Rejected>) -> (Vec<Group>, u64) {
        let plan = self.plan.clone();
        let time = &rows.columns[plan.time];
        let Values::Time(instants) = &time.values else { return (Vec::new(), 0) };
        let mut groups: Vec<Group> = Vec::new();
        let (mut current, mut late) = (0, 0);
        // Logs seldom change version from row to row, so the last one is looked at first.
        let mut named: Option<(&str, Arc<str>)> = None;
        for row in 0..rows.len() {
            let offset = rows.offsets[row];
            let reason = match time.absent(row) {
                Some(Absent::Mistyped) => Some(Reason::BadTime),
                Some(_) => Some(Reason::NoTime),
                None if !plan.plausible.holds(Time(instants.value(row)), rows.logged[row]) => {
                    Some(Reason::TimeOutOfRange)
                }
                None => None,
            };
            if let Some(reason) = reason {
                rejected.push(Rejected { offset, reason });
                continue;
            }
            let at = Time(instants.value(row));
            if at < self.frontier {
                // A row that was looked at before a restart is in a stored pane, or was late already then.
                late += u64::from(offset >= self.position);
                continue;
            }
            // What claims to be later than its own log does not speak for how far the stream is.
            let believed = rows.logged[row].map_or(at, |logged| at.min(logged));
            if self.latest.is_none_or(|latest| believed > latest) {
                self.latest = Some(believed);
                self.frontier = self.frontier.max(plan.windowing.frontier(believed));
            }
            let text = version_of(&plan, rows, row);
            if named.as_ref().is_none_or(|(name, _)| *name != text) {
                named = Some((text, self.known(text)));
            }
            let Some((_, version)) = &named else { continue };
            let fits =
                |group: &Group| group.pane <= at && at < group.pane + plan.windowing.every && group.version == *version;
            if !groups.get(current).is_some_and(fits) {
                current = groups.iter().position(fits).unwrap_or_else(|| {
                    groups.push(Group { pane: plan.windowing.pane(at), version: version.clone(), rows: Vec::new() });
                    groups.len() - 1
                });
            }
            groups[current].rows.push(row as u32);
        }
        (groups, late)
    }

    /// The version under which to count, which is another once there are too many.
    fn known(&mut self, version: &str) -> Arc<str> {
        if let Some((known, _)) = self.versions.get_key_value(version) {
            return known.clone();
        }
        let version: Arc<str> =
            if self.versions.len() < self.plan.most_versions { version.into() } else { OTHER_VERSIONS.into() };
        self.versions.entry(version.clone()).or_insert_with(|| match &self.plan.axes {
            Some(axes) => Stage::Counting(Learnt { axes: axes.clone(), from: Time::MIN }),
            None => Stage::Learning { given: None },
        });
        version
    }

    /// Counts a group's rows, or gives them away to be learnt from. Returns how many were counted.
    fn count(&mut self, rows: &Rows, columns: &[Column], group: Group, samples: &mut Vec<(Arc<str>, Rows)>) -> u64 {
        let learnt = match self.versions.get_mut(&group.version) {
            Some(Stage::Counting(learnt)) if group.pane >= learnt.from => learnt,
            Some(Stage::Counting(_)) | None => return 0,
            Some(Stage::Learning { given }) => {
                let end = group.pane + self.plan.windowing.every;
                *given = (*given).max(Some(end));
                samples.push((group.version, sample(rows, columns, &group.rows)));
                return 0;
            }
        };
        let (first, last) =
            (rows.offsets[group.rows[0] as usize], rows.offsets[group.rows[group.rows.len() - 1] as usize]);
        let axes = &learnt.axes;
        let pane = self.open.entry((group.pane, group.version)).or_insert_with(|| OpenPane {
            axes: axes.clone(),
            rows: 0,
            offsets: (first, last),
            fields: axes.axes.iter().map(FieldTally::empty).collect(),
        });
        let count = group.rows.len();
        let chosen = if count == rows.len() { Chosen::All(count) } else { Chosen::Some(&group.rows) };
        pane.rows += count as u64;
        pane.offsets.1 = last;
        for ((tally, axis), column) in pane.fields.iter_mut().zip(pane.axes.axes.iter()).zip(columns) {
            tally.observe(axis, column, chosen);
        }
        count as u64
    }

    pub fn learnt(&mut self, version: &str, axes: Axes) -> Time {
        let from = match self.versions.get(version) {
            Some(Stage::Learning { given: Some(end) }) => *end,
            Some(Stage::Counting(learnt)) => return learnt.from,
            _ => Time::MIN,
        };
        self.versions.insert(version.into(), Stage::Counting(Learnt { axes, from }));
        from
    }

    pub fn finish(&mut self) -> Progress {
        self.frontier = Time::MAX;
        let closed = self.close(Time::MAX);
        self.progress(closed)
    }

    fn progress(&self, closed: Vec<Pane>) -> Progress {
        Progress {
            model: self.plan.model.clone(),
            latest: self.latest,
            frontier: self.frontier,
            closed,
            late: 0,
            counted: 0,
            samples: Vec::new(),
        }
    }

    /// Takes out the panes that end at or before the frontier.
    fn close(&mut self, frontier: Time) -> Vec<Pane> {
        let still_open = self.open.split_off(&(frontier, "".into()));
        let closed = std::mem::replace(&mut self.open, still_open);
        let pack = |((start, version), pane): ((Time, Arc<str>), OpenPane)| {
            let (model, partition) = (self.plan.model.clone(), self.partition.clone());
            let key = PaneKey { model, start, version, slice: "".into(), partition };
            Pane::new(key, pane.axes.hash, pane.rows, pane.offsets, &pane.fields)
        };
        closed.into_iter().map(pack).collect()
    }
}

fn version_of<'a>(plan: &Plan, rows: &'a Rows, row: usize) -> &'a str {
    match plan.version.map(|column| &rows.columns[column].values) {
        Some(Values::Categorical(versions)) if versions.is_valid(row) => versions.value(row),
        _ => "",
    }
}

/// A field's column in the unit in which it is measured.
fn scaled(rows: &Rows, field: &super::Counted) -> Column {
    let column = rows.columns[field.column].clone();
    match column.values {
        Values::Numeric(numbers) if field.scale != 1.0 => {
            Column { values: Values::Numeric(numbers.unary(|x| x * field.scale)), marks: column.marks }
        }
        _ => column,
    }
}

/// Some rows of a batch by themselves.
fn sample(rows: &Rows, columns: &[Column], chosen: &[u32]) -> Rows {
    let pick = |row: &u32| *row as usize;
    Rows {
        offsets: chosen.iter().map(|row| rows.offsets[pick(row)]).collect(),
        logged: chosen.iter().map(|row| rows.logged[pick(row)]).collect(),
        columns: columns.iter().map(|column| column.take(chosen)).collect(),
    }
}
