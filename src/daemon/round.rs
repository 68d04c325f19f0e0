//! What one round of events asks for, gathered to be carried out in order.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::outlets::{Outlets, now};
use crate::audit::What;
use crate::config::Config;
use crate::engine::{Effect, LearntKey};
use crate::notify::event::{self, Record};
use crate::retrain::Run;
use crate::route::Router;
use crate::rule::State;
use crate::rule::alert::{AlertEvent, RetrainRequest};
use crate::shard::Learnt;
use crate::store::Commit;
use crate::time::Time;
use crate::verdict::Standing;

#[derive(Default)]
pub struct Round {
    pub records: Vec<Record>,
    /// With the topic that each was read from.
    pub dead: Vec<(Arc<str>, Record)>,
    pub commit: Commit,
    pub learnt: Vec<(LearntKey, Learnt)>,
    pub touched: BTreeSet<Arc<str>>,
    pub has_alerts: bool,
    pub is_due: bool,
    /// Whether anything to be told depends on how far labels had come just now, so that it would be told otherwise were
    /// it computed again.
    pub is_of_labels: bool,
}

impl Round {
    /// Notes what an effect asks for.
    pub fn effect(&mut self, effect: Effect, config: &Config, router: &mut Router, outlets: &Outlets) {
        match effect {
            Effect::Measured(measurements) => {
                let Some(first) = measurements.first() else { return };
                self.touched.insert(first.model.as_str().into());
                self.is_of_labels |= measurements.iter().any(|measurement| measurement.coverage.is_some());
                outlets.telemetry.measured(&measurements);
                outlets.telemetry.evaluated(&first.model, now());
                let topic = &config.topics.measurements;
                self.records.extend(measurements.iter().map(|measurement| event::measurement(topic, measurement)));
                outlets.view.measured(&measurements);
                outlets.scribe.measured(&measurements);
            }
            Effect::Alert(alert) => self.alert(&alert, config, router, outlets),
            Effect::Retrain(request) => self.retrain(*request, config, outlets),
            Effect::Verdict(standing) => self.verdict(&standing, config, outlets),
            Effect::Learnt { learnt, known, learnt_from } => {
                tracing::info!(
                    model = %learnt.model, version = %learnt.version, topic = %learnt.topic,
                    rows = known.reference.rows, hash = known.reference.hash, "learnt a reference"
                );
                outlets.view.reference(&learnt.model, &learnt.version, &learnt.topic, &known.reference);
                self.touched.insert(learnt.model.clone());
                self.commit.audit.push(outlets.act(What::Reference {
                    model: learnt.model.to_string(),
                    version: learnt.version.to_string(),
                    topic: learnt.topic.to_string(),
                    from: String::new(),
                    to: known.reference.hash.clone(),
                    learnt_from,
                }));
                self.commit.learnt.push((learnt.clone(), known.reference));
                self.learnt.push((learnt, Learnt { axes: known.axes, from: Time::MIN }));
            }
            Effect::Late { model, rows } => outlets.telemetry.late(&model, rows),
            Effect::Joined { model, fared } => outlets.telemetry.joined(&model, &fared),
            Effect::Expired { model, before } => self.commit.expired.push((model, before)),
            Effect::Folded(block) => self.commit.blocks.push(*block),
            Effect::Forgotten { model, before } => self.commit.forgotten.push((model, before)),
        }
    }

    fn alert(&mut self, alert: &AlertEvent, config: &Config, router: &mut Router, outlets: &Outlets) {
        self.touched.insert(alert.model.as_str().into());
        self.has_alerts = true;
        log(alert);
        outlets.telemetry.alerted(alert);
        self.commit.audit.push(outlets.act(alert.into()));
        self.records.push(event::alert(&config.kafka.group, alert).record(&config.topics.alerts));
        router.take(alert, now());
        outlets.view.alerted(alert);
    }

    fn retrain(&mut self, request: RetrainRequest, config: &Config, outlets: &Outlets) {
        let request = RetrainRequest { link: config.origin().model(&request.model), ..request };
        self.touched.insert(request.model.as_str().into());
        tracing::warn!(
            retrain = request.retrain,
            model = request.model,
            version = request.version,
            id = request.id,
            subjects = request.subjects.join(", "),
            "retrain requested"
        );
        outlets.telemetry.retrain_requested(&request);
        self.commit.audit.push(outlets.act((&request).into()));
        self.records.push(event::retrain(&config.kafka.group, &request).record(&config.topics.retrain));
        if config.actions.contains_key(&request.retrain) {
            self.commit.runs.push(Run::requested(request, now()));
        }
    }

    fn verdict(&mut self, standing: &Standing, config: &Config, outlets: &Outlets) {
        self.touched.insert(standing.model.as_str().into());
        tracing::info!(model = standing.model, "verdict: {}", standing.headline());
        self.commit.audit.push(outlets.act(standing.into()));
        self.records.push(event::verdict(&config.kafka.group, standing).record(&config.topics.alerts));
    }
}

fn log(alert: &AlertEvent) {
    let summary = alert.annotations.get("summary").map_or("", String::as_str);
    match alert.state {
        State::Pending => tracing::info!(alert = alert.alert, id = alert.id, "pending: {summary}"),
        State::Firing => tracing::warn!(alert = alert.alert, id = alert.id, "firing: {summary}"),
        State::Resolved => {
            tracing::info!(alert = alert.alert, id = alert.id, subject = alert.subject, "resolved: {}", alert.reason);
        }
    }
}
