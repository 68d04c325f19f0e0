//! Telemetry: what tidegauge tells Prometheus about models and about itself.
//!
//! [`METRICS`] is the table of all metrics; the methods of [`Telemetry`] say what happened. Nothing here reads a clock:
//! callers say when. Names stay as they are and everything that users choose is in label values.

mod challengers;
mod mlflow;
mod retrains;
mod snapshot;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus::core::{Collector, Desc};
use prometheus::{GaugeVec, IntCounterVec, Opts, Registry, TextEncoder, proto};

use crate::budget::{Account, Measured};
use crate::join::Fared;
use crate::measurement::Measurement;
use crate::monitor::{Monitor, Source};
use crate::pane::Partition;
use crate::retrain;
use crate::rows::Reason;
use crate::rule::Severity;
use crate::rule::State;
use crate::rule::alert::{AlertEvent, AlertKey};
use crate::rule::life::{Active, Lack};
use crate::shard::Report;
use crate::stat::{self, Needs};
use crate::time::Time;
use snapshot::{GroupKey, SeriesKey, Snapshot};
pub use table::{Kind, METRICS, Metric, metrics, names};

/// Every exported metric. Clones share them.
#[derive(Clone)]
pub struct Telemetry {
    registry: Registry,
    counters: Arc<BTreeMap<&'static str, IntCounterVec>>,
    gauges: Arc<BTreeMap<&'static str, GaugeVec>>,
    snapshot: Arc<Mutex<Snapshot>>,
    least_coverage: Arc<Mutex<BTreeMap<String, f64>>>,
}

impl Telemetry {
    /// Starts with nothing measured. `limit` is the most series there can be for measurements; those about the daemon
    /// itself are as many as the configuration has models, topics, partitions, rules and receivers.
    pub fn new(limit: usize) -> Telemetry {
        let (registry, snapshot) = (Registry::new(), Arc::new(Mutex::new(Snapshot::new(limit))));
        let shown = shown();
        let (mut counters, mut gauges) = (BTreeMap::new(), BTreeMap::new());
        for metric in METRICS.iter().filter(|metric| !shown.contains(metric)) {
            let options = Opts::new(metric.name, metric.help);
            const SOUND: &str = "a test holds the table to names that are valid and unique";
            match metric.kind {
                Kind::Counter => {
                    let counter = IntCounterVec::new(options, metric.labels).expect(SOUND);
                    registry.register(Box::new(counter.clone())).expect(SOUND);
                    counters.insert(metric.name, counter);
                }
                Kind::Gauge => {
                    let gauge = GaugeVec::new(options, metric.labels).expect(SOUND);
                    registry.register(Box::new(gauge.clone())).expect(SOUND);
                    gauges.insert(metric.name, gauge);
                }
            }
        }
        let collector = Shown { metrics: shown, snapshot: snapshot.clone() };
        registry.register(Box::new(collector)).expect("it describes nothing that could clash with another");
        let telemetry = Telemetry {
            registry,
            counters: Arc::new(counters),
            gauges: Arc::new(gauges),
            snapshot,
            least_coverage: Arc::default(),
        };
        telemetry.set(table::SERIES_LIMIT, &[], limit as f64);
        telemetry.set(table::BUILD_INFO, &[env!("CARGO_PKG_VERSION")], 1.0);
        let unlabelled = METRICS.iter().filter(|metric| metric.kind == Kind::Counter && metric.labels.is_empty());
        unlabelled.for_each(|metric| telemetry.count(*metric, &[], 0));
        telemetry
    }

    /// Everything, in Prometheus's text format 0.0.4.
    pub fn render(&self) -> String {
        self.set(table::SERIES, &[], self.snapshot().len() as f64);
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_default()
    }

    /// These monitors are watched from now on, and no others: their counters start at zero, and what is known of
    /// models, rules and topics that are gone is no longer told.
    pub fn watching<'a>(&self, monitors: impl IntoIterator<Item = &'a Monitor>) {
        let (mut models, mut rules, mut topics) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for monitor in monitors {
            models.insert(monitor.model.as_str());
            topics.extend(monitor.inputs.iter().map(|input| input.topic.as_str()));
            for metric in [table::COUNTED_ROWS, table::LATE_ROWS, table::WINDOWS, table::RETRAIN_REQUESTS] {
                self.count(metric, &[&monitor.model], 0);
            }
            if let Some(labels) = &monitor.labels {
                topics.insert(labels.topic.as_str());
                table::JOINED.iter().for_each(|metric| self.count(*metric, &[&monitor.model], 0));
                self.least_coverage().insert(monitor.model.clone(), labels.min_coverage);
            }
            if monitor.rules.iter().any(|rule| rule.retrain.is_some()) {
                let states = retrain::State::ALL.iter().map(|state| state.name());
                states.for_each(|state| self.count(table::RETRAIN_TRANSITIONS, &[&monitor.model, state], 0));
            }
            if let Source::Registered(_) = monitor.reference {
                table::MLFLOW.iter().for_each(|metric| self.count(*metric, &[&monitor.model], 0));
            }
            for rule in &monitor.rules {
                rules.insert([monitor.model.as_str(), rule.name.as_str(), severity(rule.severity)]);
                for state in [State::Pending, State::Firing, State::Resolved] {
                    let labels = [&monitor.model, rule.name.as_str(), severity(rule.severity), name_of(state)];
                    self.count(table::ALERT_TRANSITIONS, &labels, 0);
                }
            }
        }
        for topic in &topics {
            for metric in [table::ROWS, table::DEAD_LETTERS, table::DEAD_LETTER_FAILURES] {
                self.count(metric, &[topic], 0);
            }
            Reason::ALL.iter().for_each(|reason| self.count(table::REJECTED_ROWS, &[topic, reason.name()], 0));
        }
        for metric in METRICS {
            let of_rules = [table::ALERTS, table::ALERT_TRANSITIONS].contains(metric);
            let of_output = [table::PRODUCED_RECORDS, table::PRODUCE_FAILURES].contains(metric);
            self.retain(*metric, |labels| {
                let rule = ["model", "alert", "severity"].map(|name| labels.get(name).unwrap_or_default());
                labels.get("model").is_none_or(|model| models.contains(model))
                    && (of_output || labels.get("topic").is_none_or(|topic| topics.contains(topic)))
                    && (!of_rules || rules.contains(&rule))
            });
        }
        self.snapshot().retain(|model| models.contains(model));
    }

    /// These are the topics that are written to, and no others.
    pub fn producing(&self, topics: &[&str]) {
        self.only("topic", topics, &[table::PRODUCED_RECORDS, table::PRODUCE_FAILURES]);
    }

    /// These are the receivers of notifications, and no others.
    pub fn notifying(&self, receivers: &[&str]) {
        self.only("receiver", receivers, &[table::NOTIFICATIONS, table::NOTIFICATION_FAILURES]);
    }

    pub fn read(&self, topic: &str, rows: u64) {
        self.count(table::ROWS, &[topic], rows);
    }

    /// A shard has counted a batch.
    pub fn reported(&self, report: &Report) {
        for row in &report.rejected {
            self.count(table::REJECTED_ROWS, &[&report.partition.topic, row.reason.name()], 1);
        }
        for progress in &report.progress {
            self.count(table::COUNTED_ROWS, &[&progress.model], progress.counted);
            self.late(&progress.model, progress.late);
        }
    }

    pub fn late(&self, model: &str, rows: u64) {
        self.count(table::LATE_ROWS, &[model], rows);
    }

    /// Rejected rows of a topic were copied to its dead letter topic.
    pub fn dead_letters(&self, topic: &str, rows: u64) {
        self.count(table::DEAD_LETTERS, &[topic], rows);
    }

    pub fn dead_letters_failed(&self, topic: &str, rows: u64) {
        self.count(table::DEAD_LETTER_FAILURES, &[topic], rows);
    }

    pub fn lag(&self, partition: &Partition, rows: u64) {
        self.set(table::CONSUMER_LAG, &[&partition.topic, &partition.partition.to_string()], rows as f64);
    }

    /// How far a partition is counted for a model.
    pub fn watermark(&self, model: &str, partition: &Partition, at: Time) {
        // Before its first row a partition is nowhere, and a graph that shows that is of no use.
        if at > Time::MIN {
            let labels = [model, &partition.topic, &partition.partition.to_string()];
            self.set(table::WATERMARK, &labels, seconds(at));
        }
    }

    /// A partition is another's to read now, and so is what there is to tell of it.
    pub fn revoked(&self, partition: &Partition) {
        let number = partition.partition.to_string();
        for metric in [table::CONSUMER_LAG, table::WATERMARK] {
            self.retain(metric, |labels| {
                labels.get("topic") != Some(&partition.topic) || labels.get("partition") != Some(number.as_str())
            });
        }
    }

    pub fn paused(&self, partitions: usize) {
        self.set(table::PAUSED_PARTITIONS, &[], partitions as f64);
    }

    /// A window of one model, version and slice was measured, or what labels say of it was measured again. It is shown
    /// in place of the one before it; of what labels say, that is the latest window of which enough of them are known.
    pub fn measured(&self, measurements: &[Measurement]) {
        let Some(first) = measurements.first() else { return };
        if first.revision == 0 {
            self.count(table::WINDOWS, &[&first.model], 1);
        }
        let least = self.least_coverage().get(&first.model).copied().unwrap_or(0.0);
        let (of_labels, others): (Vec<Measurement>, Vec<Measurement>) =
            measurements.iter().cloned().partition(is_of_labels);
        let is_ripe = of_labels.iter().any(|m| !m.provisional || m.coverage >= Some(least));
        let end = (table::WINDOW_END, seconds(first.window_end));
        let rows = (table::WINDOW_ROWS, others.iter().map(|m| m.rows).max().unwrap_or(0) as f64);
        self.show(first, &[rows, end], &others, false);
        if is_ripe {
            self.show(first, &[(table::LABELLED_WINDOW_END, end.1)], &of_labels, true);
        }
    }

    /// Shows these in place of those of the window before, which is that of the first measurement.
    fn show(&self, first: &Measurement, heads: &[(Metric, f64)], measurements: &[Measurement], is_of_labels: bool) {
        if measurements.is_empty() {
            return;
        }
        let (model, version, slice) = (first.model.clone(), first.version.clone(), first.slice.clone());
        let key = GroupKey { model, version, slice, is_of_labels };
        let dropped = self.snapshot().show(key, first.window_end, series(heads, measurements));
        self.count(table::SERIES_DROPPED, &[], dropped);
    }

    /// Labels and predictions of a model were joined.
    pub fn joined(&self, model: &str, fared: &Fared) {
        let Fared { labels, matched, duplicates, corrections, too_late, predictions, repeated } = *fared;
        let counts = [labels, matched, duplicates, corrections, too_late, predictions, repeated];
        for (metric, count) in table::JOINED.iter().zip(counts) {
            self.count(*metric, &[model], count);
        }
    }

    /// The share of labels from which on a window's figures are shown, by model.
    fn least_coverage(&self) -> MutexGuard<'_, BTreeMap<String, f64>> {
        self.least_coverage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Windows of a model were measured just now.
    pub fn evaluated(&self, model: &str, now: Time) {
        self.set(table::LAST_EVALUATION, &[model], seconds(now));
    }

    /// The alerts of a monitor that are pending or firing.
    pub fn alerts<'a>(&self, monitor: &Monitor, active: impl IntoIterator<Item = (&'a AlertKey, &'a Active)>) {
        let mut counts: BTreeMap<(&str, bool), u64> = BTreeMap::new();
        for (key, alert) in active {
            *counts.entry((&key.rule, alert.firing)).or_default() += 1;
        }
        for rule in &monitor.rules {
            for (firing, state) in [(false, State::Pending), (true, State::Firing)] {
                let count = counts.get(&(rule.name.as_str(), firing)).copied().unwrap_or(0);
                let labels = [&monitor.model, rule.name.as_str(), severity(rule.severity), name_of(state)];
                self.set(table::ALERTS, &labels, count as f64);
            }
        }
    }

    /// How many incidents of a model go on.
    pub fn incidents(&self, model: &str, open: usize) {
        self.set(table::INCIDENTS, &[model], open as f64);
    }

    /// The conditions of a monitor of which it is not known whether they hold.
    pub fn lacking<'a>(&self, monitor: &Monitor, lacking: impl IntoIterator<Item = (&'a AlertKey, Lack)>) {
        let mut counts: BTreeMap<(&str, Lack), u64> = BTreeMap::new();
        for (key, lack) in lacking {
            *counts.entry((&key.rule, lack)).or_default() += 1;
        }
        for (rule, lack) in monitor.rules.iter().flat_map(|rule| Lack::ALL.map(|lack| (rule, lack))) {
            let count = counts.get(&(rule.name.as_str(), lack)).copied().unwrap_or(0);
            let labels = [&monitor.model, rule.name.as_str(), severity(rule.severity), lack.name()];
            self.set(table::UNKNOWN_CONDITIONS, &labels, count as f64);
        }
    }

    /// How a model's budget of false alarms stands; `None` where it has none.
    pub fn account(&self, model: &str, account: Option<&Account>) {
        let Some(Account { spent, left, measured, .. }) = account else {
            for metric in [table::FALSE_ALARM_BUDGET, table::FALSE_ALARMS_MEASURED] {
                self.retain(metric, |labels| labels.get("model") != Some(model));
            }
            return;
        };
        self.set(table::FALSE_ALARM_BUDGET, &[model, "spent"], *spent as f64);
        self.set(table::FALSE_ALARM_BUDGET, &[model, "left"], *left);
        // What was measured of another reference says nothing of this one.
        let Some(Measured { pages, low, high, .. }) = measured else {
            return self.retain(table::FALSE_ALARMS_MEASURED, |labels| labels.get("model") != Some(model));
        };
        for (bound, value) in [("estimate", pages), ("low", low), ("high", high)] {
            self.set(table::FALSE_ALARMS_MEASURED, &[model, bound], *value);
        }
    }

    pub fn alerted(&self, event: &AlertEvent) {
        let labels = [event.model.as_str(), &event.alert, severity(event.severity), name_of(event.state)];
        self.count(table::ALERT_TRANSITIONS, &labels, 1);
    }

    /// A receiver was told something, or it could not be.
    pub fn notified(&self, receiver: &str, succeeded: bool) {
        self.count(table::NOTIFICATIONS, &[receiver], 1);
        self.count(table::NOTIFICATION_FAILURES, &[receiver], u64::from(!succeeded));
    }

    pub fn outbox(&self, messages: usize) {
        self.set(table::OUTBOX, &[], messages as f64);
    }

    pub fn produced(&self, topic: &str, records: u64) {
        self.count(table::PRODUCED_RECORDS, &[topic], records);
    }

    pub fn produce_failed(&self, topic: &str, records: u64) {
        self.count(table::PRODUCE_FAILURES, &[topic], records);
    }

    /// State was written to disk, or it could not be.
    pub fn committed(&self, succeeded: bool) {
        self.count(table::STORE_COMMITS, &[], 1);
        self.count(table::STORE_COMMIT_FAILURES, &[], u64::from(!succeeded));
    }

    /// The configuration was loaded, at the start or again.
    pub fn reloaded(&self, now: Time) {
        self.set(table::RELOAD_SUCCESSFUL, &[], 1.0);
        self.set(table::RELOAD_TIME, &[], seconds(now));
    }

    pub fn reload_failed(&self) {
        self.set(table::RELOAD_SUCCESSFUL, &[], 0.0);
    }

    fn count(&self, metric: Metric, labels: &[&str], by: u64) {
        let counter = self.counters.get(metric.name).and_then(|vec| vec.get_metric_with_label_values(labels).ok());
        debug_assert!(counter.is_some(), "{} is no counter with {} labels", metric.name, labels.len());
        counter.inspect(|counter| counter.inc_by(by));
    }

    fn set(&self, metric: Metric, labels: &[&str], value: f64) {
        let gauge = self.gauges.get(metric.name).and_then(|vec| vec.get_metric_with_label_values(labels).ok());
        debug_assert!(gauge.is_some(), "{} is no gauge with {} labels", metric.name, labels.len());
        gauge.inspect(|gauge| gauge.set(value));
    }

    /// Starts counters at zero for each of the values that a label can have, and removes those of all others.
    fn only(&self, label: &str, values: &[&str], metrics: &[Metric]) {
        for &metric in metrics {
            values.iter().for_each(|value| self.count(metric, &[value], 0));
            self.retain(metric, |labels| labels.get(label).is_some_and(|value| values.contains(&value)));
        }
    }

    /// Removes the series of a metric that are not kept.
    fn retain(&self, metric: Metric, keeps: impl Fn(&Labels) -> bool) {
        let (counter, gauge) = (self.counters.get(metric.name), self.gauges.get(metric.name));
        let families = [counter.map(Collector::collect), gauge.map(Collector::collect)];
        for series in families.iter().flatten().flatten().flat_map(|family| family.get_metric()) {
            let labels = Labels(series.get_label());
            if !keeps(&labels) {
                let values: Vec<&str> = metric.labels.iter().filter_map(|name| labels.get(name)).collect();
                let _ = counter.map(|vec| vec.remove_label_values(&values));
                let _ = gauge.map(|vec| vec.remove_label_values(&values));
            }
        }
    }

    fn snapshot(&self) -> MutexGuard<'_, Snapshot> {
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The labels of one series.
struct Labels<'a>(&'a [proto::LabelPair]);

impl Labels<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|pair| pair.name() == name).map(|pair| pair.value())
    }
}

/// Shows the snapshot to the registry, as it is at that moment.
struct Shown {
    metrics: Vec<Metric>,
    snapshot: Arc<Mutex<Snapshot>>,
}

impl Collector for Shown {
    /// None: the registry needs them only to find two collectors of one name, and a test holds the table to that.
    fn desc(&self) -> Vec<&Desc> {
        Vec::new()
    }

    fn collect(&self) -> Vec<proto::MetricFamily> {
        let mut series: BTreeMap<&str, Vec<proto::Metric>> = BTreeMap::new();
        let snapshot = self.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        for (group, key, value) in snapshot.iter() {
            let Some(metric) = self.metrics.iter().find(|metric| metric.name == key.metric) else { continue };
            let values = [&group.model, &group.version, &group.slice].into_iter().chain(&key.labels);
            let pairs = metric.labels.iter().zip(values).map(|(name, value)| {
                let mut pair = proto::LabelPair::default();
                pair.set_name((*name).to_owned());
                pair.set_value(value.clone());
                pair
            });
            let mut gauge = proto::Gauge::default();
            gauge.set_value(value);
            let mut one = proto::Metric::from_label(pairs.collect());
            one.set_gauge(gauge);
            series.entry(metric.name).or_default().push(one);
        }
        drop(snapshot);
        let family = |metric: &Metric| {
            let mut family = proto::MetricFamily::default();
            family.set_name(metric.name.to_owned());
            family.set_help(metric.help.to_owned());
            family.set_field_type(proto::MetricType::GAUGE);
            family.set_metric(series.remove(metric.name).unwrap_or_default());
            family
        };
        self.metrics.iter().map(family).collect()
    }
}

/// The metrics that show windows.
fn shown() -> Vec<Metric> {
    let of_statistics = table::MEASURED.iter().flat_map(|row| [Some(row.value), row.p_value]).flatten();
    [table::WINDOW_ROWS, table::WINDOW_END, table::LABELLED_WINDOW_END, table::BREACHED]
        .into_iter()
        .chain(of_statistics)
        .collect()
}

/// What shows a window, the more important first. What is undefined is not shown at all.
fn series(heads: &[(Metric, f64)], measurements: &[Measurement]) -> Vec<(SeriesKey, f64)> {
    let one = |metric: Metric, labels: &[&str], value: f64| {
        let labels = labels.iter().map(|&label| label.to_owned()).collect();
        (SeriesKey { metric: metric.name, labels }, value)
    };
    let mut series: Vec<(SeriesKey, f64)> = heads.iter().map(|(metric, value)| one(*metric, &[], *value)).collect();
    let breached = measurements.iter().filter_map(|m| {
        let labels = [m.family.name(), &m.subject, &m.statistic];
        m.breached.map(|breached| one(table::BREACHED, &labels, f64::from(u8::from(breached))))
    });
    series.extend(breached);
    let row = |m: &Measurement| {
        table::MEASURED.iter().find(|row| row.statistic.family == m.family && row.statistic.name == m.statistic)
    };
    let values = measurements.iter().filter_map(|m| Some(one(row(m)?.value, &[&m.subject], m.value?)));
    let p_values = measurements.iter().filter_map(|m| Some(one(row(m)?.p_value?, &[&m.subject], m.p_value?)));
    series.extend(values.chain(p_values).filter(|(_, value)| value.is_finite()));
    series
}

/// Whether labels are what a measurement is of.
fn is_of_labels(measurement: &Measurement) -> bool {
    let asked = stat::find(measurement.family, &measurement.statistic).and_then(|row| row.on.outcomes());
    asked.is_some_and(|asked| asked.needs == Needs::Labels)
}

fn seconds(at: Time) -> f64 {
    at.0 as f64 / 1e3
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    }
}

fn name_of(state: State) -> &'static str {
    match state {
        State::Pending => "pending",
        State::Firing => "firing",
        State::Resolved => "resolved",
    }
}

#[cfg(test)]
mod tests;
