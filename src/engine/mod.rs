//! The engine: one event in, a list of effects out.
//!
//! It waits until every partition has passed a window's end, merges the window's panes, computes what the monitor
//! measures, asks its rules, and says what is to be told. It keeps no clock and does nothing itself, so the same events
//! always have the same effects, whether they come from Kafka, from a file or from a test.

mod again;
mod budgets;
mod challenge;
mod clocks;
mod judge;
mod history;
mod incidents;
mod maturing;
mod outcomes;
mod picture;
mod rules;
mod scene;
mod watched;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::block::Block;
use crate::budget::Account;
use crate::join::{Blank, Changes, DelayTally, Fared, Join, Ledger, Sort};
use crate::measurement::Measurement;
use crate::monitor::Monitor;
use crate::pane::{Pane, Partition};
use crate::plan::axes_of;
use crate::reference::Reference;
use crate::rule::alert::{AlertEvent, AlertKey, RetrainRequest};
use crate::rule::basis::OffsetRange;
use crate::rule::life::{Active, Lack};
use crate::shard::{Axes, Report};
use crate::time::Time;
use crate::verdict::{Contest, Standing};
pub use again::Again;
pub use budgets::Surprises;
pub use clocks::Usual;
pub use history::blocks;
pub use incidents::Ongoing;
pub use maturing::rejoined;
use watched::Watched;
pub use watched::learn;

/// What can happen.
#[derive(Debug)]
pub enum Event {
    /// A partition is to be waited for. `latest` says for each model how far it had been read before a restart. Its
    /// shard says for each reference that was learnt from when it counts, see [`Event::Started`].
    Assigned { partition: Partition, latest: BTreeMap<Arc<str>, Time> },
    /// A partition is another's to read now.
    Revoked(Partition),
    /// A partition has been read to its end and is silent: the others need not wait for it.
    Idle(Partition),
    /// A shard has counted a batch.
    Report(Report),
    /// A shard has begun to count what was learnt, from this pane on.
    Started { learnt: LearntKey, partition: Partition, from: Time },
}

/// What is to be done.
#[derive(Debug)]
pub enum Effect {
    /// The measurements of one window of one version and slice.
    Measured(Vec<Measurement>),
    Alert(Box<AlertEvent>),
    Retrain(Box<RetrainRequest>),
    /// A challenger was found better or worse than the champion, or as good.
    Verdict(Box<Standing>),
    /// Shards are to count this version on this reference, and to say from when they do.
    Learnt {
        learnt: LearntKey,
        known: Known,
        /// Where the rows are, among others.
        learnt_from: Vec<OffsetRange>,
    },
    /// Rows of a pane that came when windows with it had been published.
    Late {
        model: Arc<str>,
        rows: u64,
    },
    /// Panes of this model that start before this are no longer needed.
    Expired {
        model: Arc<str>,
        before: Time,
    },
    /// A block of the history that has taken in panes which have expired: to be stored in the same step.
    Folded(Box<Block>),
    /// Blocks of this model that start before this are no longer needed.
    Forgotten {
        model: Arc<str>,
        before: Time,
    },
    /// How the labels and predictions fared that have been joined.
    Joined {
        model: Arc<str>,
        fared: Fared,
    },
}

impl Effect {
    fn alert(&mut self) -> Option<&mut AlertEvent> {
        match self {
            Effect::Alert(alert) => Some(alert),
            _ => None,
        }
    }
}

/// What a learnt reference is for: each version learns its own, in each log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LearntKey {
    pub model: Arc<str>,
    pub version: Arc<str>,
    pub topic: Arc<str>,
}

/// A reference, and the axes on which a log's fields are counted to be compared with it.
#[derive(Clone, Debug)]
pub struct Known {
    pub reference: Arc<Reference>,
    pub axes: Axes,
    /// What blocks of the history bear that were counted on these axes. Unlike that of panes it stays the same when
    /// panes become shorter or longer than before, as long as blocks do not.
    pub blocks: Arc<str>,
}

impl Known {
    pub fn new(reference: Arc<Reference>, monitor: &Monitor, topic: &str) -> Known {
        let axes = axes_of(Some(&reference), monitor, topic);
        let blocks = axes.clone().for_panes(monitor.windowing.block()).hash;
        Known { reference, axes: axes.for_panes(monitor.windowing.every), blocks }
    }
}

/// What of a monitor's state has to outlive the process, beside panes and learnt references.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Windows that end at or before this have been published.
    pub published: Time,
    pub alerts: Vec<(AlertKey, Active)>,
    /// For each retrain's name and version, until when no further one is requested.
    pub quiet: Vec<((String, Arc<str>), Time)>,
    /// From when a learnt reference is counted on.
    pub started: Vec<(LearntKey, Time)>,
    /// How far labels have come: whatever was due before has been told again.
    pub matured: Time,
    /// Those that go on, and those that late labels may still add to.
    pub incidents: Vec<Ongoing>,
    /// How long after their time the rows of each topic usually come.
    pub usuals: Vec<(Arc<str>, Usual)>,
    /// What is remembered for the budget of false alarms, where there is one.
    pub surprises: Option<Surprises>,
    /// How challengers compare with the champion, where that is asked.
    pub contest: Option<Contest>,
}

impl Default for State {
    fn default() -> State {
        State {
            published: Time::MIN,
            alerts: Vec::new(),
            quiet: Vec::new(),
            started: Vec::new(),
            matured: Time::MIN,
            incidents: Vec::new(),
            usuals: Vec::new(),
            surprises: None,
            contest: None,
        }
    }
}

/// What a monitor starts with.
pub struct Start {
    pub monitor: Arc<Monitor>,
    /// The reference of all versions; `None` when each version learns its own.
    pub reference: Option<Arc<Reference>>,
    pub learnt: Vec<(LearntKey, Arc<Reference>)>,
    pub state: State,
    pub panes: Vec<Pane>,
    pub blocks: Vec<Block>,
    /// Of what versions and axes joined predictions are.
    pub sorts: Vec<Sort>,
    /// How long labels took, by the pane of their prediction.
    pub delays: Vec<(Time, DelayTally)>,
    /// Where joined predictions are kept.
    pub ledger: Arc<dyn Ledger>,
}

impl Start {
    /// Of which nothing is kept yet, nor will be for longer than it runs.
    pub fn new(monitor: Arc<Monitor>, reference: Option<Arc<Reference>>) -> Start {
        Start {
            monitor,
            reference,
            learnt: Vec::new(),
            state: State::default(),
            panes: Vec::new(),
            blocks: Vec::new(),
            sorts: Vec::new(),
            delays: Vec::new(),
            ledger: Arc::new(Blank),
        }
    }
}

#[derive(Debug, Default)]
pub struct Engine {
    monitors: BTreeMap<Arc<str>, Watched>,
}

impl Engine {
    pub fn new(starts: impl IntoIterator<Item = Start>) -> Engine {
        let monitors = starts.into_iter().map(|start| (Arc::from(start.monitor.model.as_str()), Watched::new(start)));
        Engine { monitors: monitors.collect() }
    }

    /// Takes in one event.
    pub fn step(&mut self, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Assigned { partition, latest } => {
                for (model, watched) in self.reading(&partition) {
                    watched.assign(&partition, latest.get(&model).copied());
                }
            }
            Event::Revoked(partition) => {
                self.reading(&partition).for_each(|(_, watched)| watched.revoke(&partition));
            }
            Event::Idle(partition) => {
                self.reading(&partition).for_each(|(_, watched)| watched.idle(&partition, &mut effects));
            }
            Event::Report(report) => {
                for progress in report.progress {
                    if let Some(watched) = self.monitors.get_mut(&progress.model) {
                        watched.progress(&report.partition, progress, &mut effects);
                    }
                }
            }
            Event::Started { learnt, partition, from } => {
                if let Some(watched) = self.monitors.get_mut(&learnt.model) {
                    watched.started(learnt, &partition, from);
                }
            }
        }
        effects
    }

    fn reading<'a>(&'a mut self, partition: &'a Partition) -> impl Iterator<Item = (Arc<str>, &'a mut Watched)> {
        let reads = |watched: &Watched| watched.reads(&partition.topic);
        self.monitors.iter_mut().filter(move |(_, w)| reads(w)).map(|(model, watched)| (model.clone(), watched))
    }

    /// What of a monitor has to be stored.
    pub fn state(&self, model: &str) -> Option<State> {
        self.monitors.get(model).map(Watched::state)
    }

    /// What of the joins has changed since the last time that was asked and [`Engine::written`] said so.
    pub fn changes(&mut self) -> Vec<(Arc<str>, Changes)> {
        let joins = self.monitors.iter_mut().filter_map(|(model, watched)| Some((model, watched.join.as_mut()?)));
        joins.map(|(model, join)| (model.clone(), join.changes())).collect()
    }

    /// What was last asked for is written.
    pub fn written(&mut self) {
        self.monitors.values_mut().filter_map(|watched| watched.join.as_mut()).for_each(Join::written);
    }

    /// How many joined records wait to be written.
    pub fn unsaved(&self) -> usize {
        self.monitors.values().filter_map(|watched| watched.join.as_ref()).map(Join::unsaved).sum()
    }

    pub fn models(&self) -> impl Iterator<Item = &Arc<str>> {
        self.monitors.keys()
    }

    /// Alerts that are pending or firing, with the model that each is of.
    pub fn alerts(&self) -> impl Iterator<Item = (&Arc<str>, &AlertKey, &Active)> {
        self.monitors
            .iter()
            .flat_map(|(model, w)| w.memory.alerts.iter().map(move |(key, active)| (model, key, active)))
    }

    /// A model's incidents that go on.
    pub fn incidents(&self, model: &str) -> impl Iterator<Item = &Ongoing> {
        let incidents = self.monitors.get(model).into_iter().flat_map(|watched| &watched.memory.incidents);
        incidents.filter(|incident| incident.goes_on())
    }

    /// What of it was not known in a model's last window whether a condition holds, and why.
    pub fn lacking(&self, model: &str) -> impl Iterator<Item = (&AlertKey, Lack)> {
        let lacking = self.monitors.get(model).into_iter().flat_map(|watched| &watched.memory.lacking);
        lacking.map(|(key, lack)| (key, *lack))
    }

    /// How a model's budget of false alarms stands, if it has one.
    pub fn account(&mut self, model: &str) -> Option<Account> {
        self.monitors.get_mut(model)?.account()
    }

    /// How each challenger of a model stands against its champion.
    pub fn standings<'a>(&'a self, model: &'a str) -> impl Iterator<Item = Standing> + 'a {
        let contest = self.monitors.get(model).and_then(|watched| watched.contest.as_ref());
        contest.into_iter().flat_map(move |contest| contest.standings(model))
    }

    /// How far each partition of a model has been counted, and whether it is waited for.
    pub fn frontiers(&self, model: &str) -> impl Iterator<Item = (&Partition, Time, bool)> {
        let lanes = self.monitors.get(model).into_iter().flat_map(Watched::lanes);
        lanes.map(|(partition, lane)| (partition, lane.frontier, !lane.idle))
    }

    /// The end of the last window that was published.
    pub fn published(&self, model: &str) -> Option<Time> {
        self.monitors.get(model).map(|watched| watched.published).filter(|&at| at != Time::MIN)
    }
}
