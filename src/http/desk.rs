//! What operators do while the daemon runs: they make and end silences, and send what was given up after all.
//!
//! Whatever is acknowledged is durable.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::api::{Failure, bad, data};
use super::probe::is_foreign;
use crate::audit::{Act, Change, What};
use crate::notify::{Letter, LetterId};
use crate::route::{Matcher, Silence};
use crate::rule::alert::stable_id;
use crate::store::{DeadLetter, Store, StoreError};
use crate::time::{Span, Time};

/// For how long a silence that is over can still be looked at.
const REMEMBERED: Span = Span(5 * 24 * 3600 * 1000);

/// Where operators are served. Clones share it.
#[derive(Clone)]
pub struct Desk(Arc<Shared>);

struct Shared {
    store: Arc<Store>,
    silences: RwLock<Silences>,
    again: mpsc::UnboundedSender<Letter>,
}

#[derive(Default)]
struct Silences {
    made: BTreeMap<String, Silence>,
    configured: Vec<Silence>,
    /// What tells the configuration in force from others.
    config_hash: String,
}

impl Desk {
    /// `again` takes letters that are to be delivered after all.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn open(store: Arc<Store>, again: mpsc::UnboundedSender<Letter>, now: Time) -> Result<Desk, StoreError> {
        let (over, made): (Vec<Silence>, Vec<Silence>) =
            store.silences()?.into_iter().partition(|silence| silence.ends_at + REMEMBERED < now);
        store.forget_silences(over.iter().map(|silence| silence.id.as_str()))?;
        let made = made.into_iter().map(|silence| (silence.id.clone(), silence)).collect();
        let silences = RwLock::new(Silences { made, ..Silences::default() });
        Ok(Desk(Arc::new(Shared { store, silences, again })))
    }

    /// The silences that were made here.
    pub fn silences(&self) -> Vec<Silence> {
        self.0.silences.read().unwrap_or_else(PoisonError::into_inner).made.values().cloned().collect()
    }

    /// These are those of the configuration in force, which are shown and cannot be ended here.
    pub fn configured(&self, silences: &[Silence], config_hash: &str) {
        let mut known = self.0.silences.write().unwrap_or_else(PoisonError::into_inner);
        (known.configured, known.config_hash) = (silences.to_vec(), config_hash.to_owned());
    }

    fn is_configured(&self, id: &str) -> bool {
        let silences = self.0.silences.read().unwrap_or_else(PoisonError::into_inner);
        silences.configured.iter().any(|silence| silence.id == id)
    }

    fn made(&self, id: &str) -> Option<Silence> {
        self.0.silences.read().unwrap_or_else(PoisonError::into_inner).made.get(id).cloned()
    }

    /// Makes a silence durable, and then lets it be.
    async fn keep(&self, silence: Silence, change: Change, who: String) -> Result<(), Failure> {
        let shared = self.0.clone();
        stored(move || {
            let config_hash = shared.silences.read().unwrap_or_else(PoisonError::into_inner).config_hash.clone();
            let matchers: Vec<String> = silence.matchers.iter().map(Matcher::to_string).collect();
            let (id, comment) = (silence.id.clone(), silence.comment.clone());
            let what = What::Silence { id, change, matchers: matchers.join(", "), until: silence.ends_at, comment };
            shared.store.silence(&silence, Act { at: now(), who, config_hash, what })?;
            let mut silences = shared.silences.write().unwrap_or_else(PoisonError::into_inner);
            silences.made.insert(silence.id.clone(), silence);
            Ok(())
        })
        .await
    }
}

/// Does work with the store on a thread of its own, since it waits for the disk.
async fn stored<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Failure> {
    let outcome = tokio::task::spawn_blocking(work).await;
    let failed = |why: String| Failure(StatusCode::INTERNAL_SERVER_ERROR, why);
    outcome.map_err(|_| failed("it could not be stored".to_owned()))?.map_err(|error| failed(error.to_string()))
}

/// A silence as it is shown.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    silence: &'a Silence,
    state: &'static str,
    source: &'static str,
}

impl<'a> Shown<'a> {
    fn new(silence: &'a Silence, source: &'static str, now: Time) -> Shown<'a> {
        let state = match silence.is_active(now) {
            true => "active",
            false if silence.starts_at > now => "pending",
            false => "expired",
        };
        Shown { silence, state, source }
    }
}

/// All silences, those that end last first.
pub(super) async fn silences(State(desk): State<Desk>) -> Response {
    let now = now();
    let silences = desk.0.silences.read().unwrap_or_else(PoisonError::into_inner);
    let made = silences.made.values().map(|silence| Shown::new(silence, "api", now));
    let configured = silences.configured.iter().map(|silence| Shown::new(silence, "configuration", now));
    let mut shown: Vec<Shown> = made.chain(configured).collect();
    shown.sort_by_key(|shown| std::cmp::Reverse(shown.silence.ends_at));
    data(shown)
}

/// A silence that is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    matchers: Vec<Matcher>,
    /// Now, if it is not given.
    starts_at: Option<Time>,
    /// Either this or how long it lasts.
    ends_at: Option<Time>,
    duration: Option<String>,
    created_by: String,
    comment: String,
}

impl Wanted {
    fn silence(self, now: Time) -> Result<Silence, String> {
        if self.matchers.is_empty() {
            return Err("matchers is empty: everything would be silent".to_owned());
        }
        if self.created_by.trim().is_empty() || self.comment.trim().is_empty() {
            return Err("created_by and comment say who wants it, and why".to_owned());
        }
        let starts_at = self.starts_at.unwrap_or(now);
        let ends_at = match (self.ends_at, self.duration) {
            (Some(ends_at), None) => ends_at,
            (None, Some(text)) => {
                let duration: Span = text.parse().map_err(|error| format!("duration: {text:?} is {error}"))?;
                starts_at + duration
            }
            _ => return Err("give either ends_at or duration, such as 2h".to_owned()),
        };
        if ends_at <= starts_at || ends_at <= now {
            return Err("it would be over before it begins".to_owned());
        }
        let matchers: Vec<String> = self.matchers.iter().map(Matcher::to_string).collect();
        let times = [starts_at.to_string(), ends_at.to_string(), now.to_string(), self.created_by.clone()];
        let parts: Vec<&str> = matchers.iter().chain(&times).map(String::as_str).collect();
        let id = stable_id(&parts);
        let Wanted { matchers, created_by, comment, .. } = self;
        Ok(Silence { id, matchers, starts_at, ends_at, created_by, comment })
    }
}

pub(super) async fn make_silence(
    State(desk): State<Desk>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Failure> {
    refuse_foreign(&headers)?;
    let wanted: Wanted = serde_json::from_slice(&body).map_err(|error| bad(error.to_string()))?;
    let silence = wanted.silence(now()).map_err(bad)?;
    let made = (StatusCode::CREATED, Json(serde_json::json!({"data": {"id": silence.id}})));
    let who = silence.created_by.clone();
    desk.keep(silence, Change::Created, who).await?;
    Ok(made.into_response())
}

/// Ends a silence now.
pub(super) async fn end_silence(
    State(desk): State<Desk>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    refuse_foreign(&headers)?;
    if desk.is_configured(&id) {
        let why = "this silence is in the configuration: take it out there and reload";
        return Err(Failure(StatusCode::CONFLICT, why.to_owned()));
    }
    let Some(silence) = desk.made(&id) else { return Err(missing("silence")) };
    let now = now();
    let ends_at = silence.ends_at.min(now);
    let ended = Silence { starts_at: silence.starts_at.min(ends_at), ends_at, ..silence };
    desk.keep(ended, Change::Ended, who(&headers)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// A letter that was given up, as it is shown.
#[derive(Serialize)]
struct ShownLetter<'a> {
    id: &'a LetterId,
    receiver: &'a str,
    why: &'a str,
    made_at: Time,
    given_up_at: Time,
    /// What it tells: the ids of alerts, with their names and states.
    alerts: Vec<(&'a str, &'a str, crate::rule::State)>,
}

impl ShownLetter<'_> {
    fn new(dead: &DeadLetter) -> ShownLetter<'_> {
        let alerts = dead.letter.notice.alerts.iter().map(|told| (told.id.as_str(), told.alert.as_str(), told.state));
        ShownLetter {
            id: &dead.letter.id,
            receiver: dead.letter.receiver(),
            why: &dead.why,
            made_at: dead.letter.created,
            given_up_at: dead.given_up,
            alerts: alerts.collect(),
        }
    }
}

/// Letters that were given up, newest first.
pub(super) async fn dead_letters(State(desk): State<Desk>) -> Result<Response, Failure> {
    let dead = stored(move || desk.0.store.dead_letters()).await?;
    Ok(data(dead.iter().rev().map(ShownLetter::new).collect::<Vec<_>>()))
}

/// Sends a letter after all that was given up.
pub(super) async fn send_again(
    State(desk): State<Desk>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    refuse_foreign(&headers)?;
    let shared = desk.0.clone();
    let letter = stored(move || shared.store.revive(&LetterId(id), now())).await?;
    // If nobody takes it any more, it is in the store for the next start.
    let _ = desk.0.again.send(letter.ok_or_else(|| missing("letter that was given up"))?);
    Ok(StatusCode::ACCEPTED.into_response())
}

/// Who asks, as far as they say so: whoever stands before this server and knows people may set the header.
fn who(headers: &HeaderMap) -> String {
    let user = headers.get("x-forwarded-user").and_then(|user| user.to_str().ok()).filter(|user| !user.is_empty());
    user.unwrap_or("somebody").to_owned()
}

fn refuse_foreign(headers: &HeaderMap) -> Result<(), Failure> {
    if is_foreign(headers) {
        return Err(Failure(StatusCode::FORBIDDEN, "a page of another site may not ask for this".to_owned()));
    }
    Ok(())
}

fn missing(what: &str) -> Failure {
    Failure(StatusCode::NOT_FOUND, format!("there is no such {what}"))
}

fn now() -> Time {
    Time(chrono::Utc::now().timestamp_millis())
}
