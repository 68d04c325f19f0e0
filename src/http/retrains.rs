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
use crate::retrain::report::{Failed, Report, Started, Succeeded, line};
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
        .route("/api/v1/retrains/{id}/started", post(report::<Started>))
        .route("/api/v1/retrains/{id}/succeeded", post(report::<Succeeded>))
        .route("/api/v1/retrains/{id}/failed", post(report::<Failed>))
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

type Sent<T> = Result<Json<T>, JsonRejection>;

async fn approve(State(desk): State<RetrainDesk>, Path(id): Path<String>, sent: Sent<By>) -> Result<Response, Failure> {
    let By { by } = read(sent)?;
    let who = line("by", by).map_err(bad)?;
    desk.ask(Event::Approved { id, who }).await.map(data)
}

async fn deny(State(desk): State<RetrainDesk>, Path(id): Path<String>, sent: Sent<By>) -> Result<Response, Failure> {
    let By { by } = read(sent)?;
    let who = line("by", by).map_err(bad)?;
    desk.ask(Event::Denied { id, who }).await.map(data)
}

/// What a training job says of a run.
async fn report<T: Report>(
    State(desk): State<RetrainDesk>,
    Path(id): Path<String>,
    sent: Sent<T>,
) -> Result<Response, Failure> {
    let event = read(sent)?.of(id).map_err(bad)?;
    desk.ask(event).await.map(data)
}

fn read<T>(sent: Sent<T>) -> Result<T, Failure> {
    sent.map(|Json(sent)| sent).map_err(|error| Failure(error.status(), error.body_text()))
}
