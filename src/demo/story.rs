//! The demo's story: what befalls the simulated model, who answers the request for a retrain, and how it is shown.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use fastrand::Rng;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};

use super::model::{World, label_line, log_line};
use crate::measurement::Measurement;
use crate::rule::State;
use crate::rule::alert::{AlertEvent, RetrainRequest};

/// Applications a second; with four partitions well below what the embedded broker can hold.
const RATE: u64 = 1500;
const DRIFT_BEGINS: Duration = Duration::from_secs(14);
const COLUMN_BREAKS: Duration = Duration::from_secs(24);
const COLUMN_MENDED: Duration = Duration::from_secs(32);
/// How long after an application it is known what became of it, which in life takes months.
const LABELS_TAKE: Duration = Duration::from_secs(5);
/// How long the simulated training takes after it is asked for.
const TRAINING: Duration = Duration::from_secs(20);

/// What has happened, and at what second.
#[derive(Debug, Default)]
struct Milestones {
    drift_fired: Option<f64>,
    retrain_requested: Option<f64>,
    column_fired: Option<f64>,
    column_resolved: Option<f64>,
    retrained: Option<f64>,
    drift_resolved: Option<f64>,
}

impl Milestones {
    fn all(&self) -> [(&'static str, Option<f64>); 6] {
        [
            ("drift alert fired", self.drift_fired),
            ("retrain requested", self.retrain_requested),
            ("broken column alert fired", self.column_fired),
            ("broken column alert resolved", self.column_resolved),
            ("retrained version took over", self.retrained),
            ("drift alerts resolved", self.drift_resolved),
        ]
    }

    fn are_complete(&self) -> bool {
        self.all().iter().all(|(_, at)| at.is_some())
    }
}

pub struct Story {
    brokers: String,
    address: SocketAddr,
    quiet: bool,
    begun: Instant,
    milestones: Milestones,
    drifting: BTreeMap<String, ()>,
    broken: BTreeMap<String, ()>,
    training: Option<Instant>,
    latest: BTreeMap<String, Measurement>,
    screen: Screen,
}

impl Story {
    pub fn new(brokers: String, address: SocketAddr, quiet: bool) -> Story {
        Story {
            brokers,
            address,
            quiet,
            begun: Instant::now(),
            milestones: Milestones::default(),
            drifting: BTreeMap::new(),
            broken: BTreeMap::new(),
            training: None,
            latest: BTreeMap::new(),
            screen: Screen::new(quiet),
        }
    }

    /// Plays the simulated world until `over`, or, if so asked, until the story is complete. Returns whether it is.
    pub fn tell(mut self, over: &AtomicBool, end_when_complete: bool) -> Result<bool> {
        let client = || {
            let mut client = ClientConfig::new();
            client.set("bootstrap.servers", &self.brokers).set("fetch.wait.max.ms", "20");
            client
        };
        let producer: ThreadedProducer<DefaultProducerContext> =
            client().set("linger.ms", "20").create().context("produce")?;
        let consumer: BaseConsumer =
            client().set("group.id", "demo-story").set("auto.offset.reset", "earliest").create().context("consume")?;
        consumer
            .subscribe(&["tidegauge.alerts", "tidegauge.retrain", "tidegauge.measurements"])
            .context("subscribe to the events")?;
        self.screen.say(&format!("metrics  http://{0}/metrics   page  http://{0}/   Ctrl-C ends", self.address));
        let (mut rng, mut line, mut sent) = (Rng::with_seed(7), String::new(), 0);
        let mut outcomes: VecDeque<(i64, u64, bool)> = VecDeque::new();
        while !over.load(Ordering::Relaxed) {
            let due = (self.begun.elapsed().as_secs_f64() * RATE as f64) as u64;
            while sent < due {
                let now = now_millis();
                let goes_bad = log_line(&mut rng, self.world(), now, sent, &mut line);
                outcomes.push_back((now + LABELS_TAKE.as_millis() as i64, sent, goes_bad));
                // A full queue means that the broker is slow; the applicant is not logged, which is realistic.
                let _ = producer.send(BaseRecord::<str, str>::to("credit.predictions").payload(line.as_str()));
                sent += 1;
            }
            while let Some((at, id, goes_bad)) = outcomes.pop_front_if(|(at, ..)| *at <= now_millis()) {
                label_line(at, id, goes_bad, &mut line);
                let _ = producer.send(BaseRecord::<str, str>::to("credit.labels").payload(line.as_str()));
            }
            if let Some(Ok(message)) = consumer.poll(Duration::from_millis(20)) {
                self.hear(message.topic(), message.payload().unwrap_or_default());
            }
            self.screen.status(&self.status(sent));
            if end_when_complete && self.milestones.are_complete() {
                break;
            }
        }
        let _ = producer.flush(Duration::from_secs(1));
        self.screen.close();
        self.report();
        Ok(self.milestones.are_complete())
    }

    fn world(&self) -> World {
        let age = self.begun.elapsed();
        World {
            drifted: age >= DRIFT_BEGINS,
            broken: (COLUMN_BREAKS..COLUMN_MENDED).contains(&age),
            version: if self.training.is_some_and(|since| since.elapsed() >= TRAINING) { 2 } else { 1 },
        }
    }

    /// Takes in what the daemon tells on its topics.
    fn hear(&mut self, topic: &str, payload: &[u8]) {
        match topic {
            "tidegauge.alerts" => {
                if let Ok(alert) = serde_json::from_slice::<AlertEvent>(payload) {
                    self.alerted(&alert);
                }
            }
            "tidegauge.retrain" => {
                if let Ok(request) = serde_json::from_slice::<RetrainRequest>(payload) {
                    self.milestones.retrain_requested.get_or_insert(self.begun.elapsed().as_secs_f64());
                    self.training.get_or_insert_with(Instant::now);
                    self.say(&format!("RETRAIN  {} because of {}", request.retrain, request.subjects.join(", ")));
                }
            }
            _ => {
                if let Ok(measurement) = serde_json::from_slice::<Measurement>(payload)
                    && measurement.statistic == "psi"
                {
                    self.note(measurement);
                }
            }
        }
    }

    fn alerted(&mut self, alert: &AlertEvent) {
        let at = self.begun.elapsed().as_secs_f64();
        let (active, fired, resolved) = match alert.alert.as_str() {
            "FeatureDrift" => {
                (&mut self.drifting, &mut self.milestones.drift_fired, &mut self.milestones.drift_resolved)
            }
            "BrokenColumn" => {
                (&mut self.broken, &mut self.milestones.column_fired, &mut self.milestones.column_resolved)
            }
            _ => return,
        };
        match alert.state {
            State::Pending => return,
            State::Firing => {
                active.insert(alert.id.clone(), ());
                fired.get_or_insert(at);
            }
            State::Resolved => {
                active.remove(&alert.id);
                if active.is_empty() {
                    resolved.get_or_insert(at);
                }
            }
        }
        let summary = alert.annotations.get("summary").map_or("", String::as_str);
        self.say(&match alert.state {
            State::Resolved => format!("resolved {} of {}: {}", alert.alert, alert.subject, alert.reason),
            _ => format!("FIRING   {summary}"),
        });
    }

    fn note(&mut self, measurement: Measurement) {
        if measurement.version == "2" && self.milestones.retrained.is_none() {
            self.milestones.retrained = Some(self.begun.elapsed().as_secs_f64());
            self.latest.clear();
            self.say("version 2 has learnt its reference and is measured");
        }
        let newest = self.latest.values().next().map(|other| other.version.clone()).unwrap_or_default();
        if measurement.version >= newest {
            self.latest.insert(measurement.subject.clone(), measurement);
        }
    }

    fn say(&self, text: &str) {
        self.screen.say(&format!("{:5.1}s  {text}", self.begun.elapsed().as_secs_f64()));
    }

    fn status(&self, sent: u64) -> String {
        let world = self.world();
        let what = match (world.version, world.broken, world.drifted) {
            (_, true, _) => "an upstream column is broken",
            (1, _, false) if self.latest.is_empty() => "learning what is normal",
            (1, _, false) => "calm",
            (1, _, true) if self.training.is_some() => "applicants have changed; version 2 is in training",
            (1, _, true) => "applicants have changed",
            _ => "version 2, trained on today's applicants, answers",
        };
        let mut drift: Vec<_> = self.latest.values().filter_map(|m| Some((m.value?, &m.subject))).collect();
        drift.sort_by(|a, b| b.0.total_cmp(&a.0));
        let drift: Vec<_> = drift.iter().take(3).map(|(psi, subject)| format!("{subject} {psi:.2}")).collect();
        format!(
            "{sent:>7} applications   {what}\n  highest PSI: {}\n  firing: {} drift, {} broken column",
            if drift.is_empty() { "not yet known".to_owned() } else { drift.join(", ") },
            self.drifting.len(),
            self.broken.len(),
        )
    }

    fn report(&self) {
        let complete = self.milestones.are_complete();
        if self.quiet || !complete {
            for (what, at) in self.milestones.all() {
                match at {
                    Some(at) => println!("{at:5.1}s  {what}"),
                    None => println!("   --    {what}: not seen"),
                }
            }
        }
        println!("{}", if complete { "the story is complete" } else { "the story did not come to its end" });
    }
}

/// The terminal: lines of what happened, and below them the state of things.
struct Screen {
    bars: MultiProgress,
    status: ProgressBar,
    quiet: bool,
}

impl Screen {
    fn new(quiet: bool) -> Screen {
        let bars = MultiProgress::new();
        let status = if quiet { ProgressBar::hidden() } else { bars.add(ProgressBar::new_spinner()) };
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            status.set_style(style);
        }
        status.enable_steady_tick(Duration::from_millis(120));
        Screen { bars, status, quiet }
    }

    fn say(&self, line: &str) {
        if !self.quiet {
            // Where there is no terminal, nothing is drawn, and lines are just printed.
            if self.bars.is_hidden() {
                println!("{line}");
            } else {
                let _ = self.bars.println(line);
            }
        }
    }

    fn status(&self, text: &str) {
        self.status.set_message(text.to_owned());
    }

    fn close(&self) {
        self.status.finish_and_clear();
    }
}

fn now_millis() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as i64
}
