//! Reads the daemon's own file, `tidegauge.yaml`, and every monitor that it names.

mod actions;
mod kafka;
mod mlflow;
mod receivers;
mod routing;
mod rules;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use reqwest::Url;

use crate::config::{Item, Map, Problem, ReadMonitor, Reader, Reading, shown};
use crate::mlflow::shelf::Shelf;
use crate::monitor::{Monitor, Source};
use crate::notify::origin::Origin;
use crate::notify::receiver;
use crate::rule::alert::stable_id;
use crate::{http, mlflow as registry, route, source, store};
pub use actions::Action;
pub use rules::{in_folder, read as monitors_of, tests_in};

/// All that the daemon needs to start: what each component is to be, and what they share.
#[derive(Clone, Debug)]
pub struct Config {
    pub kafka: source::kafka::Config,
    pub monitors: Vec<Arc<Monitor>>,
    pub http: http::Config,
    pub store: store::Config,
    pub topics: Topics,
    pub receivers: BTreeMap<String, receiver::Config>,
    /// How alerts find their receivers.
    pub route: route::Config,
    /// What is done when a retrain of this name is due.
    pub actions: BTreeMap<String, Action>,
    /// The topic on which it is said how runs fare; `None` when only the API hears it.
    pub retrain_reports: Option<String>,
    /// Where models are registered that monitors take their reference from.
    pub mlflow: Option<registry::Config>,
    /// Where people reach the daemon's page, for links.
    pub external_url: Option<Url>,
    pub limits: Limits,
    /// How many threads count rows.
    pub workers: usize,
}

impl Config {
    /// What tells it from others, without saying what is in it.
    pub fn hash(&self) -> String {
        stable_id(&[&format!("{self:?}")])
    }

    /// Where the references are kept that come from MLflow; `None` when none do. Versions of another server are others,
    /// though they may be called the same.
    ///
    /// # Errors
    /// When it cannot be read where MLflow is.
    pub fn shelf(&self) -> Option<io::Result<Shelf>> {
        let server = self.mlflow.as_ref()?.url.read();
        Some(server.map(|url| Shelf::new(self.store.path.join("mlflow").join(stable_id(&[&url])))))
    }

    /// The daemon, as its receivers know it.
    pub fn origin(&self) -> Origin {
        Origin { group: self.kafka.group.clone(), external_url: self.external_url.clone() }
    }
}

/// The topics that the daemon writes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics {
    pub measurements: String,
    pub alerts: String,
    pub retrain: String,
    /// For rows that cannot be read; `None` when they are only counted.
    pub dead_letters: Option<String>,
}

impl Topics {
    /// All of them.
    fn written(&self) -> impl Iterator<Item = &String> {
        [&self.measurements, &self.alerts, &self.retrain].into_iter().chain(&self.dead_letters)
    }
}

/// How many there may be of what grows with the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Time series on the metrics page.
    pub series: usize,
    /// Versions of one model that are watched at the same time.
    pub versions: usize,
}

/// Reads the file and its monitors. The configuration is only to be used if there is no problem.
pub fn read(reader: Reader, read_monitor: ReadMonitor) -> (Option<Config>, Vec<Problem>) {
    let mut problems = Vec::new();
    let config = reader.root().and_then(Item::map).and_then(|map| config(&map, read_monitor, &mut problems));
    problems.extend(reader.into_problems());
    (config, problems)
}

fn config(map: &Map<'_>, read_monitor: ReadMonitor, problems: &mut Vec<Problem>) -> Option<Config> {
    let kafka = map.need("kafka", "{brokers: localhost:9092}", kafka::read);
    let rules = rules::read(map);
    let http = map.or("http", http::Config { listen: LISTEN }, read_http);
    let default_store = store::Config { path: map.item().reader().resolve("data"), cache: store::CACHE };
    let store = map.or("store", default_store, read_store);
    let topics = topics(map.find("topics"));
    let receivers = map.find("receivers");
    let names = receivers.map_or_else(|| Some(BTreeSet::new()), receivers::names);
    let receivers = receivers.map_or_else(|| Some(BTreeMap::new()), receivers::read);
    let route = routing::read(map, names.as_ref(), receivers.as_ref(), problems);
    let written = store.as_ref().map(|store| store.path.as_path());
    let acting = map.find("actions");
    let actions = acting.map_or_else(|| Some(BTreeMap::new()), |item| actions::read(item, written));
    let retrain_reports = map.maybe("retrain_reports", |item| item.map()?.need("topic", "ml.retrains", Item::topic));
    let mlflow = map.maybe("mlflow", mlflow::read);
    let external_url = map.maybe("external_url", external_url);
    let limits = map.or("limits", Limits { series: 10_000, versions: 20 }, limits);
    let processors = std::thread::available_parallelism().map_or(1, |processors| processors.get() as u64);
    let workers = map.or("workers", processors, |item| item.count(1..=1024));
    let monitors = monitors(&rules, |file| read_monitor(Reader::open(file), names.as_ref()), problems);
    if let Some(topics) = &topics {
        refuse_loops(map, topics, &monitors);
        refuse_own_reports(map, topics, retrain_reports.as_ref().and_then(Option::as_ref));
    }
    if let Some((item, actions)) = acting.zip(actions.as_ref()) {
        actions::refuse_unknown(item, actions, monitors.iter().map(|monitor| &**monitor));
    }
    if map.find("mlflow").is_none() {
        need_mlflow(map, &monitors);
    }
    Some(Config {
        kafka: kafka?,
        monitors,
        http: http?,
        store: store?,
        topics: topics?,
        receivers: receivers?,
        route: route?,
        actions: actions?,
        retrain_reports: retrain_reports?,
        mlflow: mlflow?,
        external_url: external_url?,
        limits: limits?,
        workers: workers? as usize,
    })
}

/// The monitors. A second one for the same model is a problem of its file.
fn monitors(files: &[PathBuf], read: impl Fn(&Path) -> Reading, problems: &mut Vec<Problem>) -> Vec<Arc<Monitor>> {
    let mut models: HashMap<String, &Path> = HashMap::new();
    let mut monitors = Vec::new();
    for file in files {
        let Reading { monitor, model, problems: found } = read(file);
        problems.extend(found);
        monitors.extend(monitor.map(Arc::new));
        let Some((model, at)) = model else { continue };
        if let Some(first) = models.get(&model) {
            problems.push(Problem {
                file: file.clone(),
                line: at.line,
                column: at.column,
                message: format!("a second monitor for the model `{}`", shown(&model)),
                hint: Some(format!("the first is {}", first.display())),
            });
        } else {
            models.insert(model, file);
        }
    }
    monitors
}

const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9909);

fn read_http(item: Item<'_>) -> Option<http::Config> {
    let map = item.map()?;
    let listen = map.or("listen", LISTEN, |item| {
        item.parsed("an address with a port", "127.0.0.1:9909, or 0.0.0.0:9909 for every network")
    });
    Some(http::Config { listen: listen? })
}

/// An address that may be shown to everybody who is notified.
fn external_url(item: Item<'_>) -> Option<Url> {
    let url: Url = item.parsed("the address of a page", "https://tidegauge.example.com")?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    if !matches!(url.scheme(), "http" | "https") || !is_plain || url.fragment().is_some() {
        let hint = "write https://tidegauge.example.com, with neither password nor ? nor #".to_owned();
        item.report(format!("{item} is not the address of a page"), Some(hint));
        return None;
    }
    Some(url)
}

fn read_store(item: Item<'_>) -> Option<store::Config> {
    let map = item.map()?;
    let path = map.need("path", "data", |item| Some(item.reader().resolve(item.text()?)));
    Some(store::Config { path: path?, cache: store::CACHE })
}

fn limits(item: Item<'_>) -> Option<Limits> {
    let map = item.map()?;
    let series = map.or("series", 10_000, |item| item.count(1..=10_000_000));
    let versions = map.or("versions", 20, |item| item.count(1..=10_000));
    Some(Limits { series: series? as usize, versions: versions? as usize })
}

fn topics(item: Option<Item<'_>>) -> Option<Topics> {
    let map = match item {
        Some(item) => Some(item.map()?),
        None => None,
    };
    let mut used: Vec<(String, Option<Item<'_>>)> = Vec::new();
    let mut topic = |key: &'static str, default: Option<&str>| {
        let item = map.as_ref().and_then(|map| map.find(key));
        let topic = match item {
            Some(item) => Some(item.topic()?),
            None => default.map(str::to_owned),
        };
        if let Some(topic) = &topic {
            let earlier = used.iter().find(|(used, _)| used == topic).map(|(_, item)| *item);
            if let Some(item) = earlier.and_then(|earlier| item.or(earlier)) {
                let hint = "each of `measurements`, `alerts`, `retrain` and `dead_letters` needs its own".to_owned();
                item.report(format!("the topic `{topic}` is used twice"), Some(hint));
            }
            used.push((topic.clone(), item));
        }
        Some(topic)
    };
    let measurements = topic("measurements", Some("tidegauge.measurements"));
    let alerts = topic("alerts", Some("tidegauge.alerts"));
    let retrain = topic("retrain", Some("tidegauge.retrain"));
    let dead_letters = topic("dead_letters", None);
    Some(Topics { measurements: measurements??, alerts: alerts??, retrain: retrain??, dead_letters: dead_letters? })
}

/// A monitor of a topic that the daemon itself writes to would feed on its own output.
fn refuse_loops(map: &Map<'_>, topics: &Topics, monitors: &[Arc<Monitor>]) {
    for topic in topics.written() {
        let reads = |monitor: &&Arc<Monitor>| {
            let labels = monitor.labels.iter().map(|labels| &labels.topic);
            monitor.inputs.iter().map(|input| &input.topic).chain(labels).any(|read| read == topic)
        };
        if let Some(monitor) = monitors.iter().find(reads) {
            let message =
                format!("`{topic}` is written by the daemon and read by the monitor of `{}`", shown(&monitor.model));
            let item = map.find("topics").unwrap_or(map.item());
            item.report(message, Some("choose another name for one of the topics".to_owned()));
        }
    }
}

/// What the daemon itself writes says nothing of how a run fares.
fn refuse_own_reports(map: &Map<'_>, topics: &Topics, reports: Option<&String>) {
    if let Some((topic, item)) = reports.zip(map.find("retrain_reports"))
        && topics.written().any(|written| written == topic)
    {
        let hint = "write the topic that training jobs write to, such as ml.retrains".to_owned();
        item.report(format!("`{topic}` is written by the daemon"), Some(hint));
    }
}

/// What is in MLflow has to be asked for somewhere.
fn need_mlflow(map: &Map<'_>, monitors: &[Arc<Monitor>]) {
    let of_mlflow = monitors.iter().find(|monitor| matches!(monitor.reference, Source::Registered(_)));
    if let Some(monitor) = of_mlflow {
        let message = format!("the monitor of `{}` takes its reference from MLflow", shown(&monitor.model));
        map.item()
            .report(message, Some("say where that is: `mlflow: {url: http://mlflow.example.com:5000}`".to_owned()));
    }
}
