//! Actions: how whoever trains is made to begin a run, and the dispatcher that tries until it has.
//!
//! A run that is triggering is in the store, so nothing of this has to outlive the process: what was under way is begun
//! again, by the same id.

pub mod aws;
pub mod exec;
pub mod http;
pub mod presets;
pub mod template;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::notify::Schedule;
use crate::notify::attempt::{Failure, Unusable};
use crate::retrain::{Event, Run, State};
use exec::Exec;
use http::Http;
use template::Filler;

/// What an action is to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Config {
    Http(Box<http::Config>),
    Exec(exec::Config),
}

/// What commands and containers are told of a request, by the variables of their environment, as expressions of templates.
pub const VARIABLES: [(&str, &str); 9] = [
    ("TIDEGAUGE_REQUEST_ID", "id"),
    ("TIDEGAUGE_MODEL", "model"),
    ("TIDEGAUGE_VERSION", "version"),
    ("TIDEGAUGE_SLICE", "slice"),
    ("TIDEGAUGE_REASON", "reason"),
    ("TIDEGAUGE_WINDOW_START", "window_start"),
    ("TIDEGAUGE_WINDOW_END", "window_end"),
    ("TIDEGAUGE_LINK", "link"),
    ("TIDEGAUGE_REQUEST", "request | json"),
];

/// Linux begins nothing that has a longer variable than 128 KiB, name and all.
const LONGEST_VARIABLE: usize = 100_000;

/// That the run is begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// What whoever trains calls it.
    pub run: Option<String>,
    /// Whether they had it already.
    pub is_known: bool,
}

/// One way to begin runs.
#[derive(Debug)]
pub enum Action {
    Http(Box<Http>),
    Exec(Exec),
}

impl Action {
    /// Reads everything once, so that what is wrong is known at the start.
    ///
    /// # Errors
    /// When a file or variable that it names cannot be read, or what it says cannot be used.
    pub fn new(config: Config) -> Result<Action, Unusable> {
        Ok(match config {
            Config::Http(config) => Action::Http(Box::new(Http::new(*config)?)),
            Config::Exec(config) => Action::Exec(Exec::new(config)?),
        })
    }

    /// Whether an attempt lasts as long as what it begins.
    fn is_command(&self) -> bool {
        matches!(self, Action::Exec(_))
    }

    /// Makes one attempt to begin a run.
    ///
    /// # Errors
    /// Why it was not begun, and whether it is to be tried again.
    pub async fn begin(&self, run: &Run) -> Result<Accepted, Failure> {
        let filler = Filler::new(run);
        let accepted = match self {
            Action::Http(http) => http.begin(&run.id, &filler).await?,
            Action::Exec(exec) => exec.begin(run, &filler).await?,
        };
        // Who has it already does not say what it is called, but that is how they were told to call it.
        let name = || accepted.is_known.then(|| template::name(run));
        Ok(Accepted { run: accepted.run.clone().or_else(name), ..accepted })
    }
}

/// Begins runs, all at the same time, and tries until they are begun or given up.
#[derive(Debug)]
pub struct Dispatcher {
    /// By name.
    pub actions: BTreeMap<String, Action>,
    pub schedule: Schedule,
}

impl Dispatcher {
    /// Begins the runs that come, which must be durable already, and tells what became of each. One that comes again and is
    /// no longer triggering is not tried again: whoever trains has been heard of, though they have not answered.
    ///
    /// When the sender of runs is dropped, attempts under way are still made, but nothing is waited for. What is left when
    /// this returns, or when it is dropped, was not told of and is still in the store.
    pub async fn run(self, mut coming: mpsc::UnboundedReceiver<Run>, told: mpsc::UnboundedSender<Event>) {
        let actions: BTreeMap<String, Arc<Action>> =
            self.actions.into_iter().map(|(name, action)| (name, Arc::new(action))).collect();
        let schedule = Arc::new(self.schedule);
        let mut under_way = JoinSet::new();
        // By the run's id, what says that it is not to be tried again.
        let mut stops: BTreeMap<String, watch::Sender<bool>> = BTreeMap::new();
        let mut is_open = true;
        while is_open || !under_way.is_empty() {
            tokio::select! {
                run = coming.recv(), if is_open => match run {
                    Some(run) if run.state != State::Triggering => {
                        // A command is looked after to its end, of which nobody else may tell.
                        let is_command = actions.get(&run.action).is_some_and(|action| action.is_command());
                        if let Some(stop) = stops.get(&run.id).filter(|_| !is_command) {
                            stop.send_replace(true);
                        }
                    }
                    Some(run) if !stops.contains_key(&run.id) => {
                        let (action, schedule) = (actions.get(&run.action).cloned(), schedule.clone());
                        let (stop, stopped) = watch::channel(false);
                        stops.insert(run.id.clone(), stop);
                        under_way.spawn(async move { (run.id.clone(), begin(&run, action, &schedule, stopped).await) });
                    }
                    Some(_) => {}
                    None => {
                        is_open = false;
                        for stop in stops.values() {
                            stop.send_replace(true);
                        }
                    }
                },
                Some(done) = under_way.join_next() => match done {
                    Ok((id, events)) => {
                        stops.remove(&id);
                        // Whoever listened may have gone first; then the run is begun once more next time.
                        events.into_iter().for_each(|event| drop(told.send(event)));
                    }
                    Err(failed) if failed.is_panic() => std::panic::resume_unwind(failed.into_panic()),
                    Err(_) => {}
                },
            }
        }
    }
}

/// Tries until the run is begun or given up; nothing comes of it when it should be tried again but this was the last time.
async fn begin(
    run: &Run,
    action: Option<Arc<Action>>,
    schedule: &Schedule,
    mut stopped: watch::Receiver<bool>,
) -> Vec<Event> {
    let (id, name) = (run.id.as_str(), run.action.as_str());
    let give_up = |why: String, attempts: u32| {
        tracing::error!(action = name, id, attempts, why, "gave up a retrain");
        vec![Event::TriggerFailed { id: id.to_owned(), why }]
    };
    let Some(action) = action else {
        return give_up("there is no action of this name any more".to_owned(), 0);
    };
    let mut attempts = 0;
    loop {
        let begun = action.begin(run).await;
        attempts += 1;
        let (why, after) = match begun {
            Ok(Accepted { run: external, is_known }) => {
                tracing::info!(action = name, id, attempts, run = external, is_known, "triggered a retrain");
                return vec![Event::Triggered { id: id.to_owned(), run: external }];
            }
            Err(Failure::Lasting { why }) => {
                let mut events = give_up(why.clone(), attempts);
                // If the command has said that the training has started, that is over as well. Of both events the one means
                // nothing that does not apply.
                events.extend(action.is_command().then(|| Event::Failed { id: id.to_owned(), why }));
                return events;
            }
            Err(Failure::Passing { why, after }) => (why, after),
        };
        let wait = schedule.wait(attempts, after, &run.id);
        if age(run) + wait > schedule.give_up {
            return give_up(why, attempts);
        }
        tracing::warn!(action = name, id, attempts, ?wait, why, "will try again");
        tokio::select! {
            () = sleep(wait) => {}
            _ = stopped.wait_for(|&stopped| stopped) => return Vec::new(),
        }
    }
}

/// How long ago it was triggered; nought when the clock was set back.
fn age(run: &Run) -> Duration {
    let at = run.triggered.map_or(0, |at| u64::try_from(at.0).unwrap_or(0));
    SystemTime::now().duration_since(UNIX_EPOCH + Duration::from_millis(at)).unwrap_or_default()
}
