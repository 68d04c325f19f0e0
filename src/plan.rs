//! What the partitions of a topic have to decode and count, for all monitors that read it.

use std::sync::Arc;

use crate::monitor::Monitor;
use crate::reference::{self, Reference};
use crate::rows::Wanted;
use crate::schema::Kind;
use crate::shard::{Counted, Plan};

/// A monitor, and the reference of all its versions where it has one.
#[derive(Clone, Debug)]
pub struct Subscriber {
    pub monitor: Arc<Monitor>,
    pub reference: Option<Arc<Reference>>,
}

/// The columns to decode of a topic, each once however many monitors name it, and what to count of them.
#[derive(Clone, Debug)]
pub struct TopicPlan {
    pub topic: Arc<str>,
    pub wanted: Vec<Wanted>,
    pub plans: Vec<Arc<Plan>>,
}

/// The topics that any of the monitors reads, in alphabetical order.
pub fn topics(subscribers: &[Subscriber]) -> Vec<Arc<str>> {
    let inputs = subscribers.iter().flat_map(|subscriber| &subscriber.monitor.inputs);
    let mut topics: Vec<Arc<str>> = inputs.map(|input| input.topic.as_str().into()).collect();
    topics.sort();
    topics.dedup();
    topics
}

impl TopicPlan {
    pub fn new(topic: &Arc<str>, subscribers: &[Subscriber], most_versions: usize) -> TopicPlan {
        let mut plan = TopicPlan { topic: topic.clone(), wanted: Vec::new(), plans: Vec::new() };
        for subscriber in subscribers {
            if subscriber.monitor.inputs.iter().any(|input| input.topic == **topic) {
                let one = plan.of_monitor(subscriber, most_versions);
                plan.plans.push(Arc::new(one));
            }
        }
        plan
    }

    fn of_monitor(&mut self, subscriber: &Subscriber, most_versions: usize) -> Plan {
        let monitor = &subscriber.monitor;
        let schema = &monitor.schema;
        let fields = monitor.fields_of(&self.topic);
        let axes = subscriber.reference.as_ref().map(|reference| {
            let slicer = reference.slicer(&fields, &monitor.slicing);
            reference::axes_for(Some(reference), &fields).sliced(slicer).for_panes(monitor.windowing.every)
        });
        let counted = fields.iter().map(|field| {
            let wanted = Wanted { path: field.path.clone(), kind: field.kind };
            Counted { column: self.column(wanted), scale: field.scale }
        });
        Plan {
            model: monitor.model.as_str().into(),
            windowing: monitor.windowing.clone(),
            plausible: schema.plausible,
            fields: counted.collect(),
            time: self.column(Wanted { path: schema.time.clone(), kind: Kind::Time }),
            version: schema.version.clone().map(|path| self.column(Wanted { path, kind: Kind::Categorical })),
            axes,
            most_versions,
        }
    }

    /// The column for what is wanted, which is added when no monitor before wanted it.
    fn column(&mut self, wanted: Wanted) -> usize {
        self.wanted.iter().position(|known| *known == wanted).unwrap_or_else(|| {
            self.wanted.push(wanted);
            self.wanted.len() - 1
        })
    }
}
