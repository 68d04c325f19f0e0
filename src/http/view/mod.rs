//! The view: what the daemon shows of itself, written by the daemon and read by the handlers.

mod alerts;
mod history;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use super::{AuditPage, ReadAudit};
use crate::budget::{Account, Measured};
use crate::engine::Ongoing;
use crate::measurement::{Family, Measurement};
use crate::mlflow::hook::Hook;
use crate::monitor::{Against, Monitor, Season, Source};
use crate::pane::Partition;
use crate::reference::Reference;
use crate::route::Muted;
use crate::rule::State;
use crate::rule::alert::{AlertEvent, AlertKey};
use crate::rule::life::Active;
use crate::telemetry::Telemetry;
use crate::time::{Span, Time, Windowing};
use crate::verdict::Standing;
use alerts::Alerts;
pub use alerts::ShownAlert;
use history::History;
pub use history::MeasuredWindow;

/// The most measurements that are kept to be asked for.
const MEASUREMENTS_KEPT: usize = 200_000;

/// The daemon is to load its configuration again, and to answer with everything that is wrong with it.
pub type Reload = oneshot::Sender<Result<(), String>>;

/// What there is to show. Clones share it.
#[derive(Clone)]
pub struct View(Arc<Shared>);

struct Shared {
    telemetry: Telemetry,
    started: Time,
    reload: mpsc::Sender<Reload>,
    hook: Hook,
    heartbeat: Mutex<Instant>,
    shown: RwLock<Shown>,
    audit: OnceLock<ReadAudit>,
}

struct Shown {
    config_hash: String,
    waiting_for: Vec<String>,
    monitors: BTreeMap<String, ShownMonitor>,
    lags: BTreeMap<Partition, u64>,
    history: History,
    alerts: Alerts,
}

struct ShownMonitor {
    topics: Vec<String>,
    window: String,
    source: String,
    references: BTreeMap<(String, String), ReferenceStatus>,
    watermark: Option<Time>,
    account: Option<Account>,
    /// By the challenger's version.
    standings: BTreeMap<String, Standing>,
}

/// What `/api/v1/status` says.
#[derive(Debug, Serialize)]
pub struct Status {
    pub version: &'static str,
    pub started_at: Time,
    pub ready: bool,
    pub waiting_for: Vec<String>,
    pub config_hash: String,
    pub models: usize,
    pub alerts_pending: usize,
    pub alerts_firing: usize,
    pub partitions: Vec<PartitionStatus>,
    pub measurements_kept: usize,
    pub measurements_limit: usize,
}

#[derive(Debug, Serialize)]
pub struct PartitionStatus {
    #[serde(flatten)]
    pub partition: Partition,
    /// Rows that are still to be read.
    pub lag: u64,
}

/// What `/api/v1/monitors` says of each.
#[derive(Debug, Serialize)]
pub struct MonitorStatus {
    pub model: String,
    pub topics: Vec<String>,
    pub window: String,
    /// What drift is measured against.
    pub reference: String,
    /// Those that fix axes: loaded or learnt.
    pub references: Vec<ReferenceStatus>,
    /// Event time that every partition has passed.
    pub watermark: Option<Time>,
    /// The budget of false alarms, if it has one.
    pub budget: Option<BudgetStatus>,
    pub versions: Vec<VersionStatus>,
}

#[derive(Clone, Debug, Serialize)]
pub struct ReferenceStatus {
    /// `""` where one reference is for all versions, or for all logs.
    pub version: String,
    pub topic: String,
    pub name: String,
    pub hash: String,
    pub rows: u64,
}

/// How a budget of false alarms stands.
#[derive(Clone, Debug, Serialize)]
pub struct BudgetStatus {
    /// As it is written in the monitor.
    pub budget: String,
    /// Pages within the budget's time, true alarms among them.
    pub spent: usize,
    pub left: f64,
    /// Pages within the budget's time if nothing shifted, as measured; `None` as long as too little was seen.
    pub measured: Option<Measured>,
}

/// A version that was seen, and the latest window with all of its rows.
#[derive(Debug, Serialize)]
pub struct VersionStatus {
    pub version: String,
    pub window_start: Time,
    pub window_end: Time,
    pub rows: u64,
    /// The content hash of what its drift was measured against, in the first log that has any.
    pub reference: Option<String>,
    /// How it stands against the champion, if it is compared with one.
    pub verdict: Option<Standing>,
}

/// What the daemon writes.
impl View {
    /// Nothing is known yet but when the daemon started. Who asks for a reload is answered through `reload`.
    pub fn new(telemetry: Telemetry, started: Time, reload: mpsc::Sender<Reload>) -> View {
        let shown = Shown {
            config_hash: String::new(),
            waiting_for: vec!["the start".to_owned()],
            monitors: BTreeMap::new(),
            lags: BTreeMap::new(),
            history: History::new(MEASUREMENTS_KEPT),
            alerts: Alerts::default(),
        };
        let heartbeat = Mutex::new(Instant::now());
        View(Arc::new(Shared {
            telemetry,
            started,
            reload,
            hook: Hook::default(),
            heartbeat,
            shown: RwLock::new(shown),
            audit: OnceLock::new(),
        }))
    }

    /// The audit log can be read.
    pub fn audited_by(&self, read: ReadAudit) {
        // It is the same log for as long as the process lasts.
        let _ = self.0.audit.set(read);
    }

    /// What takes the webhooks of MLflow.
    pub fn hook(&self) -> &Hook {
        &self.0.hook
    }

    /// The daemon's loop has come round.
    pub fn beat(&self, now: Instant) {
        *self.0.heartbeat.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// What has to happen before all is watched that should be; nothing, and the daemon is ready.
    pub fn waiting_for(&self, what: Vec<String>) {
        self.write().waiting_for = what;
    }

    /// These monitors are watched from now on, and no others.
    pub fn watching<'a>(&self, config_hash: &str, monitors: impl IntoIterator<Item = &'a Monitor>) {
        let mut shown = self.write();
        let mut before = std::mem::take(&mut shown.monitors);
        for monitor in monitors {
            let known = before.remove(&monitor.model);
            shown.monitors.insert(monitor.model.clone(), ShownMonitor::new(monitor, known));
        }
        let Shown { monitors, history, alerts, .. } = &mut *shown;
        history.retain(|model| monitors.contains_key(model));
        alerts.retain(|model| monitors.contains_key(model));
        shown.config_hash = config_hash.to_owned();
    }

    /// A reference is loaded or learnt; `version` and `topic` are `""` where it is for all of them.
    pub fn reference(&self, model: &str, version: &str, topic: &str, reference: &Reference) {
        let status = ReferenceStatus {
            version: version.to_owned(),
            topic: topic.to_owned(),
            name: reference.name.clone(),
            hash: reference.hash.to_string(),
            rows: reference.rows,
        };
        if let Some(monitor) = self.write().monitors.get_mut(model) {
            monitor.references.insert((version.to_owned(), topic.to_owned()), status);
        }
    }

    /// Every partition of a model's logs has passed this event time.
    pub fn watermark(&self, model: &str, at: Time) {
        if let Some(monitor) = self.write().monitors.get_mut(model) {
            monitor.watermark = Some(at).filter(|&at| at > Time::MIN);
        }
    }

    /// How a model's budget of false alarms stands, if it has one.
    pub fn account(&self, model: &str, account: Option<Account>) {
        if let Some(monitor) = self.write().monitors.get_mut(model) {
            monitor.account = account;
        }
    }

    /// How the challengers of a model stand, all of them.
    pub fn standings(&self, model: &str, standings: impl IntoIterator<Item = Standing>) {
        if let Some(monitor) = self.write().monitors.get_mut(model) {
            monitor.standings = standings.into_iter().map(|standing| (standing.version.clone(), standing)).collect();
        }
    }

    pub fn lag(&self, partition: &Partition, rows: u64) {
        self.write().lags.insert(partition.clone(), rows);
    }

    /// A partition is another's to read now.
    pub fn revoked(&self, partition: &Partition) {
        self.write().lags.remove(partition);
    }

    /// A window of one model, version and slice was measured.
    pub fn measured(&self, measurements: &[Measurement]) {
        self.write().history.keep(measurements);
    }

    pub fn alerted(&self, event: &AlertEvent) {
        self.write().alerts.told(event);
    }

    /// The alerts of a monitor that are pending or firing.
    pub fn alerts<'a>(&self, monitor: &Monitor, active: impl IntoIterator<Item = (&'a AlertKey, &'a Active)>) {
        self.write().alerts.set(monitor, active);
    }

    /// What keeps alerts that fire from being told, by their ids.
    pub fn muted(&self, muted: BTreeMap<String, Muted>) {
        self.write().alerts.mute(muted);
    }

    /// The incidents of a monitor that go on, whose alerts are known.
    pub fn incidents<'a>(&self, monitor: &Monitor, incidents: impl IntoIterator<Item = &'a Ongoing>) {
        self.write().alerts.join(monitor, incidents);
    }

    fn write(&self) -> RwLockWriteGuard<'_, Shown> {
        self.0.shown.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the handlers read.
impl View {
    pub(super) fn telemetry(&self) -> &Telemetry {
        &self.0.telemetry
    }

    pub(super) fn reload(&self) -> &mpsc::Sender<Reload> {
        &self.0.reload
    }

    /// A part of the audit log, where there is one.
    pub(super) fn audit(&self, from: u64) -> Option<Result<AuditPage, String>> {
        self.0.audit.get().map(|read| read(from))
    }

    /// How long it is since the daemon's loop came round.
    pub(super) fn silence(&self) -> Duration {
        self.0.heartbeat.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    pub(super) fn status(&self) -> Status {
        let shown = self.read();
        let partitions =
            shown.lags.iter().map(|(partition, &lag)| PartitionStatus { partition: partition.clone(), lag });
        Status {
            version: env!("CARGO_PKG_VERSION"),
            started_at: self.0.started,
            ready: shown.waiting_for.is_empty(),
            waiting_for: shown.waiting_for.clone(),
            config_hash: shown.config_hash.clone(),
            models: shown.monitors.len(),
            alerts_pending: shown.alerts.count(State::Pending),
            alerts_firing: shown.alerts.count(State::Firing),
            partitions: partitions.collect(),
            measurements_kept: shown.history.len(),
            measurements_limit: shown.history.limit(),
        }
    }

    pub(super) fn monitors(&self) -> Vec<MonitorStatus> {
        let shown = self.read();
        let status = |(model, monitor): (&String, &ShownMonitor)| MonitorStatus {
            model: model.clone(),
            topics: monitor.topics.clone(),
            window: monitor.window.clone(),
            reference: monitor.source.clone(),
            references: monitor.references.values().cloned().collect(),
            watermark: monitor.watermark,
            budget: monitor.account.as_ref().map(BudgetStatus::of),
            versions: shown
                .history
                .latest(model)
                .filter_map(|window| VersionStatus::of(window, &monitor.standings))
                .collect(),
        };
        shown.monitors.iter().map(status).collect()
    }

    /// The windows that end after an instant, newest first; of one model or of all.
    pub(super) fn windows_since(&self, after: Time, model: Option<&str>) -> Vec<MeasuredWindow> {
        self.read().history.since(after, model)
    }

    /// The latest window of each version and slice of a model.
    pub(super) fn latest_windows(&self, model: &str) -> Vec<MeasuredWindow> {
        self.read().history.latest(model).cloned().collect()
    }

    /// Firing alerts first, then pending ones, at last those that resolved not long ago.
    pub(super) fn alert_events(&self, wanted: impl Fn(&AlertEvent) -> bool) -> Vec<ShownAlert> {
        let alerts = &self.read().alerts;
        alerts.list().filter(|event| wanted(event)).map(|event| alerts.shown(event)).collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, Shown> {
        self.0.shown.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ShownMonitor {
    /// What was known of the monitor before a reload stays known, unless its reference comes from elsewhere now.
    fn new(monitor: &Monitor, known: Option<ShownMonitor>) -> ShownMonitor {
        let source = reference(monitor);
        let known = known.filter(|known| known.source == source);
        let (references, watermark) = known.map(|known| (known.references, known.watermark)).unwrap_or_default();
        let topics = monitor.inputs.iter().map(|input| input.topic.clone()).collect();
        let window = cut(&monitor.windowing);
        ShownMonitor { topics, window, source, references, watermark, account: None, standings: BTreeMap::new() }
    }
}

impl BudgetStatus {
    fn of(account: &Account) -> BudgetStatus {
        let Account { budget, spent, left, measured } = *account;
        BudgetStatus { budget: budget.to_string(), spent, left, measured }
    }
}

impl VersionStatus {
    fn of(window: &[Measurement], standings: &BTreeMap<String, Standing>) -> Option<VersionStatus> {
        let first = window.first().filter(|first| first.slice.is_empty())?;
        Some(VersionStatus {
            version: first.version.clone(),
            window_start: first.window_start,
            window_end: first.window_end,
            rows: window.iter().map(|m| m.rows).max().unwrap_or(0),
            reference: drift_reference(window).map(str::to_owned),
            verdict: standings.get(&first.version).cloned(),
        })
    }
}

/// The content hash of what a window's drift was measured against, in the first log that has any.
pub(super) fn drift_reference(window: &[Measurement]) -> Option<&str> {
    window.iter().filter(|m| m.family == Family::Drift).find_map(|m| m.reference.as_deref())
}

/// How a stream is cut, in words.
fn cut(windowing: &Windowing) -> String {
    let Windowing { size, every, lateness, .. } = windowing;
    let step = if size == every { String::new() } else { format!(" every {every}") };
    let late = if lateness.0 == 0 { String::new() } else { format!(", rows up to {lateness} late") };
    format!("{size}{step}{late}")
}

/// What windows are compared with, in words.
fn reference(monitor: &Monitor) -> String {
    let axes = source(&monitor.reference);
    match &monitor.against {
        Against::Reference => axes,
        Against::Trailing { last, lag: Span(0) } => format!("the {last} before the window, on the axes of {axes}"),
        Against::Trailing { last, lag } => {
            format!("the {last} that end {lag} before the window, on the axes of {axes}")
        }
        Against::Seasonal { by, weeks } => {
            let hour = match by {
                Season::HourOfDay => "day",
                Season::HourOfWeek => "week",
            };
            let past = if *weeks == 1 { "past week".to_owned() } else { format!("past {weeks} weeks") };
            format!("the same hour of the {hour} in the {past}, on the axes of {axes}")
        }
        Against::Version(version) => format!("version {version} in the same window, on the axes of {axes}"),
    }
}

/// Where the axes come from, in words. Only a file's name is told: the rest of its path is the operator's business.
fn source(source: &Source) -> String {
    match source {
        Source::Dataset(path) => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        Source::Registered(registered) => registered.to_string(),
        Source::Learnt { rows } => format!("the first {rows} rows of each version"),
    }
}
