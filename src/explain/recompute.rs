//! Reads the records that a window's numbers came of again, and computes the numbers as the daemon did.

use std::sync::Arc;

use anyhow::Result;

use super::base::Base;
use super::rows::Rereader;
use crate::block::Block;
use crate::engine::{self, Effect, Engine, Event, Known, Start, State, Surprises};
use crate::measurement::Measurement;
use crate::monitor::Monitor;
use crate::pane::Pane;
use crate::rule::basis::{Joined, OffsetRange, Recalled, Stretch};
use crate::shard::{Labelled, Predicted};
use crate::time::Time;

/// What came of it.
pub enum Recomputed {
    Measured {
        measurements: Vec<Measurement>,
        rows: u64,
    },
    /// Why it cannot be.
    Impossible(Vec<String>),
}

/// A window whose numbers are computed again.
pub struct Window<'a> {
    pub monitor: &'a Arc<Monitor>,
    pub base: &'a Base,
    pub rereader: &'a Rereader,
    pub end: Time,
    pub version: &'a str,
    pub slice: &'a str,
}

impl Window<'_> {
    /// Computes what is measured of the window's rows. What the log no longer has it does not do without.
    pub fn of_rows(&self, counted: &[Stretch], compared: &[Stretch], recalled: &[Recalled]) -> Result<Recomputed> {
        if counted.is_empty() {
            return Ok(Recomputed::Impossible(vec!["the log does not say of which rows it was computed".to_owned()]));
        }
        let missing = self.missing(counted.iter().chain(compared).map(Stretch::range))?;
        if !missing.is_empty() {
            return Ok(Recomputed::Impossible(missing));
        }
        let ((past, of_past), (panes, of_window)) = (self.panes(compared)?, self.panes(counted)?);
        let start = Start { blocks: self.blocks(&past), panes, ..self.start(recalled) };
        let mut engine = Engine::new([start]);
        // A row after the window had come, as its last panes may have had none.
        let at = counted[0].range().partition;
        let latest = [(self.monitor.model.as_str().into(), self.end + self.monitor.windowing.lateness)].into();
        engine.step(Event::Assigned { partition: at.clone(), latest });
        for (learnt, _, from) in self.base.learnt() {
            engine.step(Event::Started { learnt: learnt.clone(), partition: at.clone(), from: *from });
        }
        let measured = engine.step(Event::Idle(at)).into_iter().filter_map(|effect| match effect {
            Effect::Measured(measurements) => Some(measurements),
            _ => None,
        });
        Ok(Recomputed::Measured { measurements: measured.flatten().collect(), rows: of_window + of_past })
    }

    /// Computes what labels said of the window.
    pub fn of_labels(&self, joined: Option<&Joined>, revision: u32) -> Result<Recomputed> {
        let Some(joined) = joined else {
            let why = "the log does not say by which labels it was computed".to_owned();
            return Ok(Recomputed::Impossible(vec![why]));
        };
        let missing =
            self.missing(joined.predictions.iter().map(Stretch::range).chain(joined.labels.iter().cloned()))?;
        if !missing.is_empty() {
            return Ok(Recomputed::Impossible(missing));
        }
        let (mut records, mut rows) = (Vec::new(), 0);
        for stretch in &joined.predictions {
            let mut predictions: Vec<Predicted> = Vec::new();
            rows += self.rereader.read(&stretch.range(), self.base, |report| {
                predictions.extend(report.progress.into_iter().flat_map(|progress| progress.predictions));
            })?;
            // What had come too late was not joined either.
            predictions.retain(|predicted| predicted.time >= stretch.first_pane);
            records.push((stretch.partition, predictions, Vec::new()));
        }
        for range in &joined.labels {
            let mut labels: Vec<Labelled> = Vec::new();
            rows += self.rereader.read(range, self.base, |report| {
                labels.extend(report.progress.into_iter().flat_map(|progress| progress.labels));
            })?;
            records.push((range.partition.partition, Vec::new(), labels));
        }
        let measurements = engine::rejoined(self.start(&[]), self.end, records, joined.coming, revision);
        Ok(Recomputed::Measured { measurements, rows })
    }

    /// What there is no more of all that is needed.
    fn missing(&self, wanted: impl Iterator<Item = OffsetRange>) -> Result<Vec<String>> {
        match self.base {
            Base::Missing(why) => Ok(why.clone()),
            Base::Given(_) | Base::Learnt(_) => self.rereader.gone(wanted),
        }
    }

    /// The panes of some stretches, without those that were not there when this was told: earlier ones had been closed
    /// before the first of these rows, so that what comes of them came too late, and later ones were open.
    fn panes(&self, stretches: &[Stretch]) -> Result<(Vec<Pane>, u64)> {
        let (mut panes, mut rows) = (Vec::new(), 0);
        for stretch in stretches {
            rows += self.rereader.read(&stretch.range(), self.base, |report| {
                let closed = report.progress.into_iter().flat_map(|progress| progress.closed);
                panes.extend(closed.filter(|pane| stretch.has(pane.key.start)));
            })?;
        }
        panes.sort_by(|one, other| one.key.cmp(&other.key));
        Ok((panes, rows))
    }

    /// What the version's earlier panes in this slice add up to.
    fn blocks(&self, panes: &[Pane]) -> Vec<Block> {
        let of = panes.iter().filter(|pane| (&*pane.key.version, &*pane.key.slice) == (self.version, self.slice));
        let known = |pane: &Pane| self.base.known(self.monitor, &pane.key.version, &pane.key.partition.topic);
        let known: Vec<(&Pane, Known)> = of.filter_map(|pane| Some((pane, known(pane)?))).collect();
        engine::blocks(self.monitor, known.iter().map(|(pane, known)| (*pane, known)))
    }

    /// An engine that is about to tell the window and has told all before.
    fn start(&self, recalled: &[Recalled]) -> Start {
        let Window { monitor, base, version, slice, .. } = self;
        let (learnt, reference) = (base.learnt(), base.given());
        let state = State {
            published: self.end - monitor.windowing.every,
            started: learnt.iter().map(|(key, _, from)| (key.clone(), *from)).collect(),
            surprises: Surprises::recalled(recalled, version, slice, monitor, reference.as_deref()),
            ..State::default()
        };
        let learnt = learnt.iter().map(|(key, reference, _)| (key.clone(), reference.clone())).collect();
        Start { learnt, state, ..Start::new((*monitor).clone(), reference) }
    }
}
