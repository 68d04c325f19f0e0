//! What a window is compared with when that moves with the stream: the blocks of the past, or another version.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::judge::{Group, Log};
use super::rules::Past;
use super::{Effect, Known};
use crate::block::{Block, BlockKey, Series};
use crate::monitor::{Against, Monitor};
use crate::pane::{Pane, together};
use crate::reference::{Counted, Reference};
use crate::tally::{FieldTally, Tally};
use crate::time::{Span, Time, Window};

/// The groups of a window, by version and slice.
pub(super) type Groups = BTreeMap<(Arc<str>, Arc<str>), Group>;

/// The past of one monitor, in blocks, as far back as its windows are compared with it.
#[derive(Debug)]
pub(super) struct History {
    against: Against,
    /// How long a block is.
    length: Span,
    series: BTreeMap<Series, BTreeMap<Time, Block>>,
    merged: BTreeMap<Series, Arc<Merged>>,
    /// Blocks that have changed since that was last told.
    changed: BTreeSet<(Series, Time)>,
}

/// What a series was last compared with. It is the same for every window that begins in the same block.
#[derive(Debug)]
struct Merged {
    stretches: Vec<Window>,
    axes: Arc<str>,
    reference: Arc<Reference>,
    /// Where its rows are.
    extents: Past,
}

impl History {
    pub fn new(monitor: &Monitor, blocks: Vec<Block>) -> History {
        let mut series: BTreeMap<Series, BTreeMap<Time, Block>> = BTreeMap::new();
        for block in blocks {
            series.entry(block.key.series.clone()).or_default().insert(block.key.start, block);
        }
        History {
            against: monitor.against.clone(),
            length: monitor.windowing.block(),
            series,
            merged: BTreeMap::new(),
            changed: BTreeSet::new(),
        }
    }

    /// Takes in panes that no window needs any more, each with what it was counted on; by start, so that those of one
    /// partition are in order.
    pub fn fold<'a>(&mut self, panes: impl IntoIterator<Item = (&'a Pane, &'a Known)>) {
        if matches!(self.against, Against::Reference | Against::Version(_)) {
            return;
        }
        let mut together: BTreeMap<BlockKey, (Arc<str>, Vec<&Pane>)> = BTreeMap::new();
        for (pane, known) in panes {
            let key = &pane.key;
            let (version, slice, topic) = (key.version.clone(), key.slice.clone(), key.partition.topic.clone());
            let series = Series { version, slice, topic };
            let key = BlockKey { model: key.model.clone(), start: key.start.floor(self.length), series };
            together.entry(key).or_insert_with(|| (known.blocks.clone(), Vec::new())).1.push(pane);
        }
        for (key, (axes, panes)) in together {
            let (series, start) = (key.series.clone(), key.start);
            let blocks = self.series.entry(series.clone()).or_default();
            let block = blocks.entry(start).or_insert_with(|| Block::new(key.clone(), axes.clone()));
            if block.axes != axes {
                *block = Block::new(key, axes);
            }
            block.fold(panes);
            let holds = |merged: &Arc<Merged>| merged.stretches.iter().any(|one| one.start <= start && start < one.end);
            if self.merged.get(&series).is_some_and(holds) {
                self.merged.remove(&series);
            }
            self.changed.insert((series, start));
        }
    }

    /// Forgets what no window that begins then or later is compared with, and says what has to be stored.
    pub fn settle(&mut self, model: &Arc<str>, window_start: Time, effects: &mut Vec<Effect>) {
        let before = self.against.needed_from(window_start, self.length);
        let mut is_any_gone = false;
        for blocks in self.series.values_mut() {
            while blocks.first_key_value().is_some_and(|(start, _)| *start < before) {
                is_any_gone |= blocks.pop_first().is_some();
            }
        }
        self.series.retain(|_, blocks| !blocks.is_empty());
        self.merged.retain(|series, _| self.series.contains_key(series));
        for (series, start) in std::mem::take(&mut self.changed) {
            let block = self.series.get(&series).and_then(|blocks| blocks.get(&start));
            effects.extend(block.map(|block| Effect::Folded(Box::new(block.clone()))));
        }
        if is_any_gone {
            effects.push(Effect::Forgotten { model: model.clone(), before });
        }
    }

    /// Gives each group of a window what it is compared with, unless that is what fixed its axes.
    pub fn compare(&mut self, monitor: &Monitor, window: Window, groups: &mut Groups) {
        match &self.against {
            Against::Reference => {}
            Against::Version(champion) => compare_with(champion, monitor, groups),
            Against::Trailing { .. } | Against::Seasonal { .. } => {
                let stretches = self.against.stretches(window, self.length);
                for ((version, slice), group) in groups {
                    for (topic, log) in &mut group.logs {
                        let (version, slice, topic) = (version.clone(), slice.clone(), topic.clone());
                        let past = self.past(monitor, Series { version, slice, topic }, &stretches, &log.known);
                        log.operand = Some(past.reference.clone());
                        group.compared.extend(past.extents.clone());
                    }
                }
            }
        }
    }

    /// What the blocks of a series in these stretches add up to.
    fn past(&mut self, monitor: &Monitor, series: Series, stretches: &[Window], known: &Known) -> Arc<Merged> {
        if let Some(merged) = self.merged.get(&series)
            && (merged.stretches.as_slice(), &merged.axes) == (stretches, &known.blocks)
        {
            return merged.clone();
        }
        let (mut rows, mut fields, mut extents) = (0, empty(known), Vec::new());
        let blocks = self.series.get(&series);
        for one in stretches {
            let within = blocks.into_iter().flat_map(|blocks| blocks.range(one.start..one.end));
            for (_, block) in within.filter(|(_, block)| block.axes == known.blocks) {
                let Some(theirs) = block.fields() else { continue };
                rows += block.rows;
                fields.iter_mut().zip(&theirs).for_each(|(mine, theirs)| mine.merge(theirs));
                extents.extend(block.extents().map(|(at, extent)| ((one.start, at), extent)));
            }
        }
        let name = if matches!(self.against, Against::Trailing { .. }) { "trailing" } else { "seasonal" };
        let reference = Arc::new(operand(name, monitor, &series.topic, known, rows, &fields));
        let (stretches, axes) = (stretches.to_vec(), known.blocks.clone());
        let merged = Arc::new(Merged { stretches, axes, reference, extents: together(extents) });
        // What has no past needs no memory either; there may be many such versions.
        if blocks.is_some() {
            self.merged.insert(series, merged.clone());
        }
        merged
    }
}

/// The blocks that panes add up to, each given with what it was counted on; those of one partition in order.
pub fn blocks<'a>(monitor: &Monitor, panes: impl IntoIterator<Item = (&'a Pane, &'a Known)>) -> Vec<Block> {
    let mut history = History::new(monitor, Vec::new());
    history.fold(panes);
    history.series.into_values().flat_map(BTreeMap::into_values).collect()
}

/// Has each other version compared with this one's rows of the same window and slice.
fn compare_with(champion: &str, monitor: &Monitor, groups: &mut Groups) {
    let operand_of = |topic: &str, log: &Log| {
        Arc::new(operand(&format!("version {champion}"), monitor, topic, &log.known, log.rows, &log.fields))
    };
    let is_champion = |((version, _), _): &(&(Arc<str>, Arc<str>), &Group)| **version == *champion;
    let champions: BTreeMap<(Arc<str>, Arc<str>), Arc<Reference>> = groups
        .iter()
        .filter(is_champion)
        .flat_map(|((_, slice), group)| group.logs.iter().map(move |(topic, log)| (slice, topic, log)))
        .map(|(slice, topic, log)| ((slice.clone(), topic.clone()), operand_of(topic, log)))
        .collect();
    for ((_, slice), group) in groups.iter_mut().filter(|((version, _), _)| **version != *champion) {
        for (topic, log) in &mut group.logs {
            let rows = champions.get(&(slice.clone(), topic.clone())).cloned();
            let without = || {
                let known = &log.known;
                Arc::new(operand(&format!("version {champion}"), monitor, topic, known, 0, &empty(known)))
            };
            log.operand = Some(rows.unwrap_or_else(without));
        }
    }
}

fn empty(known: &Known) -> Vec<FieldTally> {
    known.axes.axes.iter().map(FieldTally::empty).collect()
}

/// A log's tallies as a reference. It has the subjects that also have the axes' reference behind them: on an axis of
/// last resort, where all values fall in one cell, nothing would ever look changed.
fn operand(name: &str, monitor: &Monitor, topic: &str, known: &Known, rows: u64, tallies: &[FieldTally]) -> Reference {
    let input = monitor.inputs.iter().find(|input| input.topic == topic);
    let subjects = input.into_iter().flat_map(|input| &input.fields).map(|&field| &monitor.fields()[field].subject);
    let counted = subjects.zip(known.axes.axes.iter()).zip(tallies).filter_map(|((subject, axis), tally)| {
        let is_fixed = known.reference.axis(subject) == Some(axis);
        is_fixed.then(|| (subject.clone(), Counted { axis: axis.clone(), tally: tally.clone() }))
    });
    Reference::new(name, rows, counted.collect())
}
