//! Writing windows to MLflow: the figures of each to a run of its version, and whether it has drifted to the version's
//! tags.
//!
//! Each version has one run in the experiment, which is found again by a tag. A figure's time is the end of its window,
//! so a window that is written twice is there once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::client::Client;
use super::error::Error;
use super::headline::Drift;
use super::journal::Told;
use super::registry::{Tag, Version};
use crate::rule::alert::stable_id;
use crate::time::Time;

/// The most metrics that one request may have, and how many bytes.
const METRICS: usize = 1000;
const BYTES: usize = 900_000;
/// The longest value that a tag of a version is given; MLflow would take 8000 characters.
const LONGEST_TAG: usize = 5000;
/// After so long a version that was not registered is asked for again.
const LOOK_AGAIN: Duration = Duration::from_secs(600);

const STATUS: &str = "tidegauge.drift.status";
const WINDOW_END: &str = "tidegauge.drift.window_end";
const SUBJECTS: &str = "tidegauge.drift.subjects";
const REFERENCE: &str = "tidegauge.drift.reference";
/// The run that a version's windows are written to.
const RUN: &str = "tidegauge.run_id";
/// By which a run is found again.
const ID: &str = "tidegauge.id";

pub struct Recorder {
    client: Arc<Client>,
    /// The daemon's, so that two that watch one model have runs of their own.
    group: String,
    experiment: Option<String>,
    runs: HashMap<Key, State>,
}

/// The monitor's model, the registered one and its version.
type Key = (Arc<str>, Arc<str>, Arc<str>);

enum State {
    Run(Run),
    /// There is no such version, as of then.
    Unknown(Instant),
}

struct Run {
    id: String,
    /// The status that the version's tags tell, and the end of the window that it is of.
    status: String,
    since: Time,
}

/// What has come of windows that were to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    Written,
    /// The rows name a version that is not registered.
    NotRegistered,
}

#[derive(Serialize)]
struct Metric<'a> {
    key: &'a str,
    value: f64,
    timestamp: i64,
    step: i64,
}

#[derive(Deserialize)]
struct FoundExperiment {
    experiment: Experiment,
}

#[derive(Deserialize)]
struct Experiment {
    experiment_id: String,
}

#[derive(Deserialize)]
struct FoundRuns {
    #[serde(default)]
    runs: Vec<OneRun>,
}

#[derive(Deserialize)]
struct OneRun {
    info: Info,
}

#[derive(Deserialize)]
struct Info {
    run_id: String,
}

impl Recorder {
    pub fn new(client: Arc<Client>, group: &str) -> Recorder {
        Recorder { client, group: group.to_owned(), experiment: None, runs: HashMap::new() }
    }

    /// Writes windows that are all of one version. It may be done again, and after an error has to be.
    pub async fn record(&mut self, windows: &[Told]) -> Result<Written, Error> {
        let Some(first) = windows.first() else { return Ok(Written::Written) };
        let key = (first.model.clone(), first.name.clone(), first.version.clone());
        match self.runs.get(&key) {
            Some(State::Unknown(since)) if since.elapsed() < LOOK_AGAIN => return Ok(Written::NotRegistered),
            Some(State::Run(_)) => match self.write(&key, windows).await {
                // The run may have been deleted, so it is looked for anew.
                Err(Error::Missing { .. } | Error::Lasting { .. }) => self.experiment = None,
                outcome => return outcome,
            },
            _ => {}
        }
        let found = self.find(first).await?;
        self.runs.insert(key.clone(), found.map_or_else(|| State::Unknown(Instant::now()), State::Run));
        self.write(&key, windows).await
    }

    async fn write(&mut self, key: &Key, windows: &[Told]) -> Result<Written, Error> {
        let Some(State::Run(run)) = self.runs.get_mut(key) else { return Ok(Written::NotRegistered) };
        log(&self.client, &run.id, windows).await?;
        tag(&self.client, run, windows).await?;
        Ok(Written::Written)
    }

    /// The run of a version, which is made if there is none; `None` when the version is not registered.
    async fn find(&mut self, told: &Told) -> Result<Option<Run>, Error> {
        // MLflow's versions are numbers, and it takes nothing else for one.
        if !told.version.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(None);
        }
        let version = match self.client.version(&told.name, &told.version).await {
            Ok(version) => version,
            Err(Error::Missing { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let experiment = match &self.experiment {
            Some(experiment) => experiment.clone(),
            None => self.experiment.insert(self.find_experiment().await?).clone(),
        };
        let tag = stable_id(&[&self.group, &told.model, &told.name, &told.version]);
        let id = match self.find_run(&experiment, &tag).await? {
            Some(id) => id,
            None => {
                self.make_run(&experiment, &tag, told).await?;
                // Another copy of the daemon may have made one too: the older is the one, for both.
                let made = self.find_run(&experiment, &tag).await?;
                made.ok_or_else(|| Error::passing("MLflow does not find the run that it has just made"))?
            }
        };
        if version.tag(RUN) != Some(&id) {
            set_tag(&self.client, &told.name, &told.version, RUN, &id).await?;
        }
        Ok(Some(Run::of(id, &version)))
    }

    async fn find_experiment(&self) -> Result<String, Error> {
        let name = self.client.config().experiment.as_str();
        let ask = || async {
            let found: FoundExperiment =
                self.client.get("experiments/get-by-name", &[("experiment_name", name)]).await?;
            Ok(found.experiment.experiment_id)
        };
        match ask().await {
            Err(Error::Missing { .. }) => {}
            found => return found,
        }
        match self.client.post::<Experiment>("experiments/create", &json!({"name": name})).await {
            Ok(made) => Ok(made.experiment_id),
            Err(Error::Taken { .. }) => ask().await,
            Err(error) => Err(error),
        }
    }

    /// The oldest run with this tag.
    async fn find_run(&self, experiment: &str, tag: &str) -> Result<Option<String>, Error> {
        let search = json!({
            "experiment_ids": [experiment],
            "filter": format!("tags.`{ID}` = '{tag}'"),
            "run_view_type": "ACTIVE_ONLY",
            "order_by": ["attributes.start_time ASC", "attributes.run_id ASC"],
            "max_results": 1,
        });
        let found: FoundRuns = self.client.post("runs/search", &search).await?;
        Ok(found.runs.into_iter().next().map(|run| run.info.run_id))
    }

    async fn make_run(&self, experiment: &str, tag: &str, told: &Told) -> Result<(), Error> {
        let Told { model, name, version, end, .. } = told;
        let run = json!({
            "experiment_id": experiment,
            "run_name": format!("{name} {version}"),
            "start_time": end.0,
            "tags": [
                {"key": ID, "value": tag},
                {"key": "tidegauge.group", "value": cut(&self.group)},
                {"key": "tidegauge.model", "value": cut(model)},
                {"key": "tidegauge.registered_model", "value": cut(name)},
                {"key": "tidegauge.registered_version", "value": cut(version)},
            ],
        });
        self.client.post::<Value>("runs/create", &run).await.map(|_| ())
    }
}

impl Run {
    /// The run, with what the version's tags say already.
    fn of(id: String, version: &Version) -> Run {
        let since = version.tag(WINDOW_END).and_then(|text| text.parse().ok());
        Run { id, status: version.tag(STATUS).unwrap_or_default().to_owned(), since: since.unwrap_or(Time::MIN) }
    }
}

/// Writes the figures. A window that is told again, since labels have come, is a little later than what was told of it
/// before, and so the one that counts.
async fn log(client: &Client, run: &str, windows: &[Told]) -> Result<(), Error> {
    let metrics = windows.iter().flat_map(|told| {
        let (timestamp, step) = (told.end.0 + i64::from(told.revision), told.end.0.div_euclid(1000));
        told.figures.iter().map(move |(key, &value)| Metric { key, value, timestamp, step })
    });
    let metrics: Vec<Metric<'_>> = metrics.collect();
    for part in parts(&metrics) {
        client.post::<Value>("runs/log-batch", &json!({"run_id": run, "metrics": part})).await?;
    }
    Ok(())
}

/// Parts that are each within what one request may have.
fn parts<'a, 'b>(metrics: &'a [Metric<'b>]) -> Vec<&'a [Metric<'b>]> {
    /// Beside its name, a metric is a few numbers and their names.
    const BESIDE: usize = 120;
    let (mut parts, mut begin, mut bytes) = (Vec::new(), 0, 0);
    for (at, metric) in metrics.iter().enumerate() {
        let size = metric.key.len() + BESIDE;
        if at - begin == METRICS || (at > begin && bytes + size > BYTES) {
            parts.push(&metrics[begin..at]);
            (begin, bytes) = (at, 0);
        }
        bytes += size;
    }
    parts.extend(Some(&metrics[begin..]).filter(|last| !last.is_empty()));
    parts
}

/// Tells by the version's tags whether the last of the windows has drifted, if that has changed.
async fn tag(client: &Client, run: &mut Run, windows: &[Told]) -> Result<(), Error> {
    let judged = windows.iter().filter_map(|told| Some((told, told.drift.as_ref()?)));
    let Some((told, drift)) = judged.max_by_key(|(told, _)| told.end) else { return Ok(()) };
    if told.end < run.since || drift.status() == run.status {
        return Ok(());
    }
    // The status comes last: once it is there, so is all that belongs to it.
    let Drift { subjects, reference } = drift;
    let (subjects, reference) = (subjects.join(", "), reference.clone().unwrap_or_default());
    let end = told.end.to_string();
    for (key, value) in [(WINDOW_END, end.as_str()), (SUBJECTS, &subjects), (REFERENCE, &reference)] {
        set_tag(client, &told.name, &told.version, key, value).await?;
    }
    set_tag(client, &told.name, &told.version, STATUS, drift.status()).await?;
    (run.status, run.since) = (drift.status().to_owned(), told.end);
    Ok(())
}

async fn set_tag(client: &Client, name: &str, version: &str, key: &str, value: &str) -> Result<(), Error> {
    let tag = Tag { key: key.to_owned(), value: cut(value) };
    let body = json!({"name": name, "version": version, "key": tag.key, "value": tag.value});
    client.post::<Value>("model-versions/set-tag", &body).await.map(|_| ())
}

/// As much of a text as a tag may have.
fn cut(text: &str) -> String {
    if text.chars().count() <= LONGEST_TAG {
        return text.to_owned();
    }
    text.chars().take(LONGEST_TAG - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_no_more_than_mlflow_takes() {
        let long = "x".repeat(250);
        let metric = |key| Metric { key, value: 1.0, timestamp: 1_700_000_000_000, step: 1_700_000_000 };
        let short: Vec<Metric<'_>> = (0..2500).map(|_| metric("rows")).collect();
        let sizes = |metrics: &[Metric<'_>]| parts(metrics).iter().map(|part| part.len()).collect::<Vec<_>>();
        assert_eq!((sizes(&short), sizes(&[])), (vec![1000, 1000, 500], vec![]));
        let longer = "x".repeat(2000);
        for key in ["rows", &long, &longer] {
            let metrics: Vec<Metric<'_>> = (0..1500).map(|_| metric(key)).collect();
            assert_eq!(sizes(&metrics).iter().sum::<usize>(), 1500);
            for part in parts(&metrics) {
                assert!(part.len() <= METRICS && serde_json::to_string(part).is_ok_and(|text| text.len() < 1_000_000));
            }
        }
    }

    #[test]
    fn a_tag_is_cut_to_what_fits() {
        assert_eq!(cut("drifted"), "drifted");
        let cut = cut(&"ü".repeat(6000));
        assert!(cut.chars().count() == LONGEST_TAG && cut.ends_with("ü…"));
    }
}
