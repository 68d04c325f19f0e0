//! Retrains over HTTP: which there are, and what people and training jobs say of them.

use std::sync::{Arc, PoisonError, RwLock};

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use tokio::sync::{mpsc, oneshot};

use super::apart;
use super::api::{Failure, Given, Parameters, bad, data};
use crate::retrain::{self, Event, Refusal, Run};

/// What somebody says of a run, and who is told what has become of it.
pub type Asked = (Event, oneshot::Sender<Result<Run, Refusal>>);

/// Where runs are shown, and where people and training jobs are heard. Clones share it.
#[derive(Clone)]
pub struct RetrainDesk {
    shown: Arc<RwLock<Arc<Vec<Run>>>>,
    asked: mpsc::Sender<Asked>,
}

/// Runs in an answer, unless `limit` says otherwise.
const USUAL_LIMIT: usize = 100;
const HIGHEST_LIMIT: usize = 1_000;
/// The longest name or reason that is kept.
const LONGEST: usize = 500;

impl RetrainDesk {
    /// What is said is to be taken from the receiver, one after the other.
    pub fn new() -> (RetrainDesk, mpsc::Receiver<Asked>) {
        let (asked, receiver) = mpsc::channel(16);
        (RetrainDesk { shown: Arc::default(), asked }, receiver)
    }

    /// Shows these runs from now on.
    pub fn show(&self, runs: Vec<Run>) {
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(runs);
    }

    fn runs(&self) -> Arc<Vec<Run>> {
        self.shown.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn ask(&self, event: Event) -> Result<Run, Failure> {
        let gone = || Failure(StatusCode::SERVICE_UNAVAILABLE, "retrains are not looked after just now".to_owned());
        let (answer, answered) = oneshot::channel();
        self.asked.send((event, answer)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?.map_err(|refusal| {
            let status = if refusal == Refusal::Unknown { StatusCode::NOT_FOUND } else { StatusCode::CONFLICT };
            Failure(status, refusal.to_string())
        })
    }
}

pub(super) fn routes() -> Router<RetrainDesk> {
    Router::new()
        .route("/api/v1/retrains", get(list))
        .route("/api/v1/retrains/{id}", get(one))
        .route("/api/v1/retrains/{id}/approve", post(approve))
        .route("/api/v1/retrains/{id}/deny", post(deny))
        .route("/api/v1/retrains/{id}/started", post(started))
        .route("/api/v1/retrains/{id}/succeeded", post(succeeded))
        .route("/api/v1/retrains/{id}/failed", post(failed))
}

/// The latest first.
async fn list(State(desk): State<RetrainDesk>, given: Given) -> Result<Response, Failure> {
    let mut parameters = Parameters::read(given, &["model", "action", "state", "limit"])?;
    let (model, action) = (parameters.text("model"), parameters.text("action"));
    let words = retrain::State::ALL.map(retrain::State::name).join(", ");
    let state: Option<retrain::State> = parameters.word("state", &words)?;
    let limit = match parameters.text("limit") {
        None => USUAL_LIMIT,
        Some(text) => text
            .parse()
            .ok()
            .filter(|limit| (1..=HIGHEST_LIMIT).contains(limit))
            .ok_or_else(|| bad(format!("limit is a whole number from 1 to {HIGHEST_LIMIT}, not {text:?}")))?,
    };
    Ok(apart(move || {
        let runs = desk.runs();
        let is_wanted = |run: &&Run| {
            model.as_ref().is_none_or(|model| *model == run.request.model)
                && action.as_ref().is_none_or(|action| *action == run.action)
                && state.is_none_or(|state| state == run.state)
        };
        let mut wanted: Vec<&Run> = runs.iter().filter(is_wanted).collect();
        wanted.sort_by(|a, b| (b.requested, &b.id).cmp(&(a.requested, &a.id)));
        wanted.truncate(limit);
        data(wanted)
    })
    .await)
}

async fn one(State(desk): State<RetrainDesk>, Path(id): Path<String>) -> Result<Response, Failure> {
    let runs = desk.runs();
    let found = runs.iter().find(|run| run.id == id);
    found.map(data).ok_or_else(|| Failure(StatusCode::NOT_FOUND, Refusal::Unknown.to_string()))
}

/// Who decides. That it has to be sent as JSON keeps other pages in a browser from deciding for somebody.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct By {
    by: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Trained {
    /// What was trained.
    version: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Why {
    why: String,
}

type Sent<T> = Result<Json<T>, JsonRejection>;

async fn approve(State(desk): State<RetrainDesk>, Path(id): Path<String>, sent: Sent<By>) -> Result<Response, Failure> {
    let By { by } = read(sent)?;
    let who = text("by", by)?;
    desk.ask(Event::Approved { id, who }).await.map(data)
}

async fn deny(State(desk): State<RetrainDesk>, Path(id): Path<String>, sent: Sent<By>) -> Result<Response, Failure> {
    let By { by } = read(sent)?;
    let who = text("by", by)?;
    desk.ask(Event::Denied { id, who }).await.map(data)
}

async fn started(
    State(desk): State<RetrainDesk>,
    Path(id): Path<String>,
    sent: Sent<Nothing>,
) -> Result<Response, Failure> {
    let Nothing {} = read(sent)?;
    desk.ask(Event::Started { id }).await.map(data)
}

async fn succeeded(
    State(desk): State<RetrainDesk>,
    Path(id): Path<String>,
    sent: Sent<Trained>,
) -> Result<Response, Failure> {
    let Trained { version } = read(sent)?;
    let version = version.map(|version| text("version", version)).transpose()?;
    desk.ask(Event::Succeeded { id, version }).await.map(data)
}

async fn failed(State(desk): State<RetrainDesk>, Path(id): Path<String>, sent: Sent<Why>) -> Result<Response, Failure> {
    let Why { why } = read(sent)?;
    let why = text("why", why)?;
    desk.ask(Event::Failed { id, why }).await.map(data)
}

fn read<T>(sent: Sent<T>) -> Result<T, Failure> {
    sent.map(|Json(sent)| sent).map_err(|error| Failure(error.status(), error.body_text()))
}

/// A text of one line that says something.
fn text(name: &str, text: String) -> Result<String, Failure> {
    let is_good = !text.trim().is_empty() && text.len() <= LONGEST && !text.chars().any(char::is_control);
    if is_good { Ok(text) } else { Err(bad(format!("{name} is a text of one line, {LONGEST} bytes at the most"))) }
}
