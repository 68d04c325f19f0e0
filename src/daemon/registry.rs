//! What the daemon has to do with MLflow: the references of registered models, which it follows, and the windows that
//! it has written there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::config::Config;
use crate::measurement::Measurement;
use crate::mlflow::client::Client;
use crate::mlflow::error::Error;
use crate::mlflow::hook::Hook;
use crate::mlflow::journal::{Journal, Told};
use crate::mlflow::recorder::{Recorder, Written};
use crate::mlflow::registry::Version;
use crate::mlflow::shelf::{Copy, Shelf};
use crate::monitor::{Monitor, Registered, Source, Which};
use crate::reference::Reference;
use crate::replay;
use crate::telemetry::Telemetry;

/// The pauses between attempts to write begin with this, and double up to that.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A monitor whose reference is in MLflow, and the one that it has.
#[derive(Clone)]
pub struct Followed {
    monitor: Arc<Monitor>,
    registered: Registered,
    copy: Copy,
    reference: Arc<Reference>,
    origin: Origin,
}

/// How a reference was come by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// MLflow has just said that it is the one.
    Asked,
    /// MLflow could not say, so it is what there was.
    Shelf,
    /// It was in use before.
    InUse,
}

impl Followed {
    pub fn model(&self) -> &str {
        &self.monitor.model
    }

    /// In which points the schema is another than what the model says of itself.
    fn differences(&self) -> Vec<String> {
        let signature = self.copy.signature.as_ref();
        signature.map_or(Vec::new(), |signature| signature.differences(self.monitor.fields()))
    }
}

/// What a configuration has of MLflow, opened before anything that runs is touched.
#[derive(Clone, Default)]
pub struct Registry {
    library: Option<Library>,
    followed: Vec<Followed>,
}

impl Registry {
    /// Has the references of all monitors that take theirs from MLflow. One that is in use stays the one, since it is
    /// followed anyway; any other is asked for now, and is what there was if MLflow does not answer.
    ///
    /// # Errors
    /// When MLflow cannot be used as configured, or a reference cannot be had in either way.
    pub async fn open(config: &Config, in_use: &Registry) -> Result<Registry> {
        let shelf = config.shelf().transpose().context("set up MLflow")?;
        let Some((mlflow, shelf)) = config.mlflow.as_ref().zip(shelf) else { return Ok(Registry::default()) };
        let client = Arc::new(Client::new(mlflow.clone()).context("set up MLflow")?);
        let library = Library { client, shelf };
        if in_use.library.is_none() {
            library.shelf.tidy();
        }
        let is_same_server = in_use.library.as_ref().is_some_and(|before| before.shelf == library.shelf);
        let mut followed = Vec::new();
        for monitor in &config.monitors {
            let Source::Registered(registered) = &monitor.reference else { continue };
            let before = in_use.of(&monitor.model).filter(|before| is_same_server && before.registered == *registered);
            let found = match before {
                Some(before) => library.read(monitor, registered, before.copy.clone(), Origin::InUse).await,
                None => library.find(monitor, registered).await,
            };
            followed.push(found.with_context(|| format!("start the monitor of {}", monitor.model))?);
        }
        Ok(Registry { library: Some(library), followed })
    }

    /// Those of what was found that are still news: another version than what there is, of a monitor that there still is.
    /// They may have waited while something else was taken up.
    pub fn news(&self, found: Vec<Followed>) -> Vec<Followed> {
        let is_older = |old: &Followed, one: &Followed| {
            Arc::ptr_eq(&old.monitor, &one.monitor) && !is_same(&old.copy.version, &one.copy.version)
        };
        found.into_iter().filter(|one| self.followed.iter().any(|old| is_older(old, one))).collect()
    }

    /// The same with newer references.
    pub fn with(&self, newer: Vec<Followed>) -> Registry {
        let mut registry = self.clone();
        for one in newer {
            let place = registry.followed.iter_mut().find(|old| Arc::ptr_eq(&old.monitor, &one.monitor));
            place.into_iter().for_each(|place| *place = one.clone());
        }
        registry.followed.iter_mut().for_each(|followed| followed.origin = Origin::InUse);
        registry
    }

    /// The reference of a model, if it comes from MLflow.
    pub fn reference(&self, model: &str) -> Option<Arc<Reference>> {
        self.of(model).map(|followed| followed.reference.clone())
    }

    fn of(&self, model: &str) -> Option<&Followed> {
        self.followed.iter().find(|followed| followed.monitor.model == model)
    }
}

/// Where references come from: the server, and the shelf with what it gave before.
#[derive(Clone)]
struct Library {
    client: Arc<Client>,
    shelf: Shelf,
}

impl Library {
    /// The reference that is asked for or, if it cannot be had, the last one of the shelf.
    async fn find(&self, monitor: &Arc<Monitor>, registered: &Registered) -> Result<Followed> {
        let last = self.shelf.last(&monitor.model, registered);
        let error = match self.look(monitor, registered, last.as_ref()).await {
            Ok(found) => return Ok(found),
            Err(error) => error,
        };
        let Some(copy) = last else { return Err(error) };
        tracing::warn!(
            model = monitor.model,
            version = copy.version.version,
            "{registered}: going on with the reference that there was: {error:#}"
        );
        self.read(monitor, registered, copy, Origin::Shelf).await
    }

    async fn look(&self, monitor: &Arc<Monitor>, registered: &Registered, last: Option<&Copy>) -> Result<Followed> {
        let version = self.client.resolve(registered).await.with_context(|| format!("resolve {registered}"))?;
        match last {
            Some(copy) if is_same(&copy.version, &version) => {
                self.read(monitor, registered, copy.clone(), Origin::Asked).await
            }
            _ => self.bring(monitor, registered, version).await,
        }
    }

    /// What is asked for, if it is another version than what is in use.
    async fn newer(&self, followed: &Followed) -> Result<Option<Followed>> {
        let registered = &followed.registered;
        let version = self.client.resolve(registered).await.with_context(|| format!("resolve {registered}"))?;
        if is_same(&followed.copy.version, &version) {
            return Ok(None);
        }
        self.bring(&followed.monitor, registered, version).await.map(Some)
    }

    /// Brings the reference of a version, which is on the shelf from then on.
    async fn bring(&self, monitor: &Arc<Monitor>, registered: &Registered, version: Version) -> Result<Followed> {
        let (model, artifact) = (&monitor.model, &registered.artifact);
        let draft = self.shelf.draft(model).context("keep what MLflow sends")?;
        self.client.bring(&version, artifact, &draft).await.with_context(|| format!("bring {artifact}"))?;
        draft.persist(self.shelf.file(model, &version, registered)).context("keep what MLflow sends")?;
        let signature = self.client.signature(&version).await.unwrap_or_else(|error| {
            tracing::warn!(model, version = version.version, "read the model's signature: {error}");
            None
        });
        let (asked, artifact) = (registered.to_string(), artifact.clone());
        let copy = Copy { asked, artifact, version, signature };
        let found = self.read(monitor, registered, copy, Origin::Asked).await?;
        // Without this copy a start without MLflow has the one before it, or none.
        if let Err(error) = self.shelf.keep(model, &found.copy, registered) {
            tracing::warn!(model, "keep the reference for a start without MLflow: {error}");
        }
        Ok(found)
    }

    /// Reads a copy from the shelf.
    async fn read(
        &self,
        monitor: &Arc<Monitor>,
        registered: &Registered,
        copy: Copy,
        origin: Origin,
    ) -> Result<Followed> {
        let file: PathBuf = self.shelf.file(&monitor.model, &copy.version, registered);
        let of_blocking = monitor.clone();
        let read = spawn_blocking(move || replay::reference_in(&file, &of_blocking)).await;
        let reference = read.context("read the reference")??;
        let name = format!("models:/{}/{}", copy.version.name, copy.version.version);
        let (monitor, registered, reference) = (monitor.clone(), registered.clone(), Reference { name, ..reference });
        Ok(Followed { monitor, registered, copy, reference: Arc::new(reference), origin })
    }
}

/// A version is never changed once it is registered.
fn is_same(one: &Version, other: &Version) -> bool {
    (&one.name, &one.version) == (&other.name, &other.version)
}

/// A registered model, and the version that is followed.
type Name = (Arc<str>, Arc<str>);

/// Takes what is measured of registered models to the journal. Clones share it.
#[derive(Clone)]
pub struct Scribe {
    journal: Journal,
    /// By model.
    names: Arc<Mutex<BTreeMap<String, Name>>>,
    telemetry: Telemetry,
}

impl Scribe {
    pub fn new(telemetry: Telemetry) -> Scribe {
        Scribe { journal: Journal::default(), names: Arc::default(), telemetry }
    }

    /// A window of one version and slice was measured. This never waits.
    pub fn measured(&self, window: &[Measurement]) {
        let Some(first) = window.first() else { return };
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((name, followed)) = names.get(&first.model) else { return };
        let dropped = Told::of(window, name, followed).and_then(|told| self.journal.put(told));
        dropped.iter().for_each(|told| self.telemetry.unrecorded(&told.model, 1));
    }

    fn follow(&self, registry: &Registry) {
        let name = |followed: &Followed| {
            let Version { name, version, .. } = &followed.copy.version;
            (followed.monitor.model.clone(), (Arc::from(name.as_str()), Arc::from(version.as_str())))
        };
        *self.names.lock().unwrap_or_else(PoisonError::into_inner) = registry.followed.iter().map(name).collect();
    }
}

/// What goes on with MLflow while a configuration is in force.
pub struct Following {
    scribe: Scribe,
    hook: Hook,
    promote: mpsc::Sender<Vec<Followed>>,
    following: Option<JoinHandle<()>>,
    recording: Option<JoinHandle<()>>,
}

impl Following {
    /// Newer references are told to `promote`.
    pub fn new(scribe: Scribe, hook: Hook, promote: mpsc::Sender<Vec<Followed>>) -> Following {
        Following { scribe, hook, promote, following: None, recording: None }
    }

    /// Goes on with this instead of what there was.
    pub async fn go_on(&mut self, registry: &Registry, group: &str) {
        for task in self.following.take().into_iter().chain(self.recording.take()) {
            task.abort();
            // Two that write at the same time would write the same.
            let _ = task.await;
        }
        let telemetry = self.scribe.telemetry.clone();
        self.scribe.follow(registry);
        for followed in &registry.followed {
            let (model, differences) = (&followed.monitor.model, followed.differences());
            telemetry.signature_differences(model, differences.len());
            tracing::info!(
                model,
                version = followed.copy.version.version,
                reference = followed.reference.hash,
                "following {}",
                followed.registered
            );
            for difference in differences {
                tracing::warn!(model, version = followed.copy.version.version, "the signature differs: {difference}");
            }
        }
        let Some(library) = registry.library.clone() else {
            self.hook.set(&[]);
            return;
        };
        self.hook.set(&library.client.config().webhook);
        let recorder = Recorder::new(library.client.clone(), group);
        self.recording = Some(tokio::spawn(record(recorder, self.scribe.journal.clone(), telemetry.clone())));
        let is_moving = |followed: &&Followed| matches!(followed.registered.which, Which::Alias(_));
        let followed: Vec<Followed> = registry.followed.iter().filter(is_moving).cloned().collect();
        let (hook, promote) = (self.hook.clone(), self.promote.clone());
        let follower = Follower { library, followed, telemetry, hook, promote, failing: BTreeSet::new() };
        self.following = Some(tokio::spawn(follower.run()));
    }

    /// Ends, when all has been written that was told.
    pub async fn close(self) {
        self.following.iter().for_each(JoinHandle::abort);
        self.scribe.journal.close();
        if let Some(recording) = self.recording {
            let _ = recording.await;
        }
    }
}

/// Resolves aliases again and again.
struct Follower {
    library: Library,
    followed: Vec<Followed>,
    telemetry: Telemetry,
    hook: Hook,
    promote: mpsc::Sender<Vec<Followed>>,
    /// Models of which it is known that it does not work at the moment.
    failing: BTreeSet<String>,
}

impl Follower {
    async fn run(mut self) {
        for followed in &self.followed {
            if followed.origin != Origin::InUse {
                self.telemetry.polled(&followed.monitor.model, followed.origin == Origin::Asked);
            }
            if followed.origin == Origin::Shelf {
                self.failing.insert(followed.monitor.model.clone());
            }
        }
        let poll = self.library.client.config().poll;
        let mut pause = poll;
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.hook.woken() => {}
            }
            pause = poll;
            let mut newer = Vec::new();
            for followed in self.followed.clone() {
                match self.library.newer(&followed).await {
                    Ok(found) => newer.extend(found),
                    Err(error) => {
                        let asked = error.downcast_ref().and_then(|error: &Error| error.pause(poll));
                        pause = pause.max(asked.unwrap_or(poll));
                        self.failed(&followed, &error);
                        continue;
                    }
                }
                self.telemetry.polled(&followed.monitor.model, true);
                if self.failing.remove(&followed.monitor.model) {
                    tracing::info!(model = followed.monitor.model, "{} is found again", followed.registered);
                }
            }
            if !newer.is_empty() {
                // When they are taken up, another goes on in the place of this one.
                let _ = self.promote.send(newer).await;
            }
        }
    }

    /// What fails poll after poll is said once.
    fn failed(&mut self, followed: &Followed, error: &anyhow::Error) {
        let (model, version) = (&followed.monitor.model, &followed.copy.version.version);
        self.telemetry.polled(model, false);
        if self.failing.insert(model.clone()) {
            tracing::warn!(model, version, "{}: the reference stays: {error:#}", followed.registered);
        }
    }
}

/// Writes what is in the journal, until it is closed.
async fn record(mut recorder: Recorder, journal: Journal, telemetry: Telemetry) {
    let mut unknown = BTreeSet::new();
    loop {
        let windows = journal.next().await;
        let Some(first) = windows.first() else { return };
        let mut pause = FIRST_PAUSE;
        let outcome = loop {
            let error = match recorder.record(&windows).await {
                Ok(written) => break Ok(written),
                Err(error) => error,
            };
            telemetry.record_failed(&first.model);
            let Some(wait) = error.pause(pause) else { break Err(error) };
            if pause == FIRST_PAUSE {
                tracing::warn!(model = %first.model, "write to MLflow: {error}; it is tried again");
            }
            tokio::time::sleep(wait).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        };
        match outcome {
            Ok(Written::Written) => telemetry.recorded(&first.model, windows.len()),
            Ok(Written::NotRegistered) => {
                telemetry.unrecorded(&first.model, windows.len());
                if unknown.insert((first.name.clone(), first.version.clone())) {
                    let (name, version) = (&first.name, &first.version);
                    tracing::warn!(
                        model = %first.model,
                        "{name} has no version {version} in MLflow: its windows are not written there"
                    );
                }
            }
            Err(error) => {
                telemetry.unrecorded(&first.model, windows.len());
                tracing::warn!(model = %first.model, "write to MLflow: {error}");
            }
        }
        journal.done();
    }
}
