//! What the partitions of a topic have to decode and count, for all monitors that read it.

use std::sync::Arc;

use crate::monitor::{Labels, Monitor};
use crate::outcome::OutcomeAxis;
use crate::reference::{self, Reference};
use crate::rows::Wanted;
use crate::schema::Kind;
use crate::shard::{Axes, Counted, Joined, LabelLog, LabelPlan, Plan};

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
    /// For monitors that have nothing but labels here.
    pub labels: Vec<Arc<LabelLog>>,
}

/// On what a topic's rows are counted, before it is said how long panes are.
pub fn axes_of(reference: Option<&Reference>, monitor: &Monitor, topic: &str) -> Axes {
    let fields = monitor.fields_of(topic);
    let axes = reference::axes_for(reference, &fields);
    // Rows are told apart as groups where it is known what the model said of them.
    let is_answering = monitor.answering() == Some(topic);
    let grouping = if is_answering { monitor.grouping.dimensions() } else { Vec::new() };
    let slicer = reference.map(|reference| reference.slicer(&fields, &monitor.slicing, &grouping));
    let answers = monitor.schema.answers.as_ref().filter(|_| is_answering);
    let outcomes = reference.and_then(|reference| reference.outcomes.as_ref());
    let axes = axes.sliced(slicer.unwrap_or_default()).answering(answers, &fields);
    axes.calibrated(|axis| outcomes?.calibration(axis))
}

/// The topics that any of the monitors reads, in alphabetical order.
pub fn topics(subscribers: &[Subscriber]) -> Vec<Arc<str>> {
    let of_monitor = |subscriber: &Subscriber| -> Vec<Arc<str>> {
        let labels = subscriber.monitor.labels.iter().map(|labels| labels.topic.as_str().into());
        subscriber.monitor.inputs.iter().map(|input| input.topic.as_str().into()).chain(labels).collect()
    };
    let mut topics: Vec<Arc<str>> = subscribers.iter().flat_map(of_monitor).collect();
    topics.sort();
    topics.dedup();
    topics
}

impl TopicPlan {
    pub fn new(topic: &Arc<str>, subscribers: &[Subscriber], most_versions: usize) -> TopicPlan {
        let mut plan = TopicPlan { topic: topic.clone(), wanted: Vec::new(), plans: Vec::new(), labels: Vec::new() };
        for subscriber in subscribers {
            let monitor = &subscriber.monitor;
            if monitor.inputs.iter().any(|input| input.topic == **topic) {
                let one = plan.of_monitor(subscriber, most_versions);
                plan.plans.push(Arc::new(one));
            } else if let Some(labels) = monitor.labels.as_ref().filter(|labels| labels.topic == **topic) {
                let log = LabelLog {
                    model: monitor.model.as_str().into(),
                    plausible: monitor.schema.plausible,
                    lateness: labels.lateness,
                    labels: plan.of_labels(monitor, labels),
                };
                plan.labels.push(Arc::new(log));
            }
        }
        plan
    }

    fn of_labels(&mut self, monitor: &Monitor, labels: &Labels) -> LabelPlan {
        let classes = monitor.schema.answers.as_ref().map_or(&[][..], |answers| &answers.classes);
        let axis = OutcomeAxis { classes: classes.iter().cloned().collect(), grids: [].into(), calibration: None };
        let kind = if axis.is_of_classes() { Kind::Categorical } else { Kind::Numeric };
        LabelPlan {
            id: self.column(Wanted::new(labels.id.clone(), Kind::Categorical)),
            time: self.column(Wanted::new(labels.time.clone(), Kind::Time)),
            value: self.column(Wanted::new(labels.value.clone(), kind)),
            axis,
        }
    }

    fn of_monitor(&mut self, subscriber: &Subscriber, most_versions: usize) -> Plan {
        let monitor = &subscriber.monitor;
        let schema = &monitor.schema;
        let fields = monitor.fields_of(&self.topic);
        let reference = subscriber.reference.as_deref();
        let axes = reference.map(|_| axes_of(reference, monitor, &self.topic).for_panes(monitor.windowing.every));
        let counted = fields.iter().map(|field| {
            let wanted = Wanted::of(field);
            Counted { column: self.column(wanted), scale: field.scale }
        });
        let fields = counted.collect();
        let joined = monitor.labels.as_ref().map(|labels| Joined {
            id: schema.id.clone().map(|path| self.column(Wanted::new(path, Kind::Categorical))),
            labels: (*labels.topic == *self.topic).then(|| self.of_labels(monitor, labels)),
        });
        Plan {
            joined,
            model: monitor.model.as_str().into(),
            windowing: monitor.windowing.clone(),
            plausible: schema.plausible,
            fields,
            time: self.column(Wanted::new(schema.time.clone(), Kind::Time)),
            version: schema.version.clone().map(|path| self.column(Wanted::new(path, Kind::Categorical))),
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
