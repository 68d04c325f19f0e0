//! What a replay and an explanation have in common with the daemon: lanes that count, and the engine behind them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::{Effect, Engine, Event, LearntKey, Start};
use crate::lane::Lane;
use crate::pane::Partition;
use crate::plan::{Subscriber, TopicPlan, topics};
use crate::shard::{Report, Resumed};
use crate::time::Time;

pub struct Watch {
    subscriber: Subscriber,
    most_versions: usize,
    engine: Engine,
    lanes: BTreeMap<Partition, Lane>,
}

impl Watch {
    pub fn new(start: Start, most_versions: usize) -> Watch {
        let subscriber = Subscriber { monitor: start.monitor.clone(), reference: start.reference.clone() };
        Watch { subscriber, most_versions, engine: Engine::new([start]), lanes: BTreeMap::new() }
    }

    /// The topics that the monitor reads.
    pub fn topics(&self) -> Vec<Arc<str>> {
        topics(std::slice::from_ref(&self.subscriber))
    }

    /// What is decoded and counted of a topic.
    pub fn plan(&self, topic: &Arc<str>) -> TopicPlan {
        TopicPlan::new(topic, std::slice::from_ref(&self.subscriber), self.most_versions)
    }

    /// Has a partition counted and waited for, from where it is resumed.
    pub fn assign(&mut self, partition: &Partition, resumed: &Resumed) {
        let plan = self.plan(&partition.topic);
        let event = Event::Assigned { partition: partition.clone(), latest: resumed.latest.clone() };
        // Nothing can be complete as long as nothing was counted.
        self.engine.step(event);
        for ((model, version), learnt) in &resumed.learnt {
            let key = LearntKey { model: model.clone(), version: version.clone(), topic: partition.topic.clone() };
            self.engine.step(Event::Started { learnt: key, partition: partition.clone(), from: learnt.from });
        }
        self.lanes.insert(partition.clone(), Lane::new(partition.clone(), &plan, resumed));
    }

    pub fn lane(&mut self, partition: &Partition) -> Option<&mut Lane> {
        self.lanes.get_mut(partition)
    }

    /// Takes in what a lane has counted.
    pub fn take(&mut self, report: Report) -> Vec<Effect> {
        self.step(Event::Report(report))
    }

    /// A partition that has come to its end is not waited for any more.
    pub fn end(&mut self, partition: &Partition) -> Vec<Effect> {
        self.step(Event::Idle(partition.clone()))
    }

    /// Passes an event through the engine, and has lanes count what was learnt of it.
    fn step(&mut self, event: Event) -> Vec<Effect> {
        let (mut events, mut effects) = (vec![event], Vec::new());
        while let Some(event) = events.pop() {
            for effect in self.engine.step(event) {
                if let Effect::Learnt { learnt, known, .. } = &effect {
                    for (partition, lane) in self.lanes.iter_mut().filter(|(at, _)| at.topic == learnt.topic) {
                        let from: Time = lane.learnt(&learnt.model, &learnt.version, known.axes.clone());
                        let (learnt, partition) = (learnt.clone(), partition.clone());
                        events.push(Event::Started { learnt, partition, from });
                    }
                }
                effects.push(effect);
            }
        }
        effects
    }
}
