//! The JSON API: `{"data": ...}`, or `{"error": "..."}` with a status that says whose fault it is.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{View, apart};
use crate::measurement::{Family, Measurement};
use crate::rule;
use crate::stat;
use crate::time::Time;

/// Measurements in an answer, unless `limit` says otherwise.
const USUAL_LIMIT: usize = 1_000;
const HIGHEST_LIMIT: usize = 20_000;

pub(super) async fn status(State(view): State<View>, given: Given) -> Result<Response, Failure> {
    Parameters::read(given, &[])?;
    Ok(apart(move || data(view.status())).await)
}

pub(super) async fn monitors(State(view): State<View>, given: Given) -> Result<Response, Failure> {
    Parameters::read(given, &[])?;
    Ok(apart(move || data(view.monitors())).await)
}

/// Newest windows first.
pub(super) async fn measurements(State(view): State<View>, given: Given) -> Result<Response, Failure> {
    let known = ["model", "version", "slice", "subject", "family", "statistic", "since", "limit"];
    let filter = Filter::read(Parameters::read(given, &known)?)?;
    Ok(apart(move || {
        let windows = view.windows_since(filter.since, filter.model.as_deref());
        let found = windows.iter().flat_map(|window| window.iter()).filter(|m| filter.wants(m));
        data(found.take(filter.limit).collect::<Vec<&Measurement>>())
    })
    .await)
}

/// Firing alerts first, then pending ones, at last those that resolved not long ago.
pub(super) async fn alerts(State(view): State<View>, given: Given) -> Result<Response, Failure> {
    let mut parameters = Parameters::read(given, &["model", "state"])?;
    let model = parameters.text("model");
    let state: Option<rule::State> = parameters.word("state", "pending, firing, resolved")?;
    Ok(apart(move || {
        data(view.alert_events(|event| {
            model.as_ref().is_none_or(|model| *model == event.model) && state.is_none_or(|state| state == event.state)
        }))
    })
    .await)
}

/// An answer that is not the one that was asked for, and why.
#[derive(Debug)]
pub(super) struct Failure(pub StatusCode, pub String);

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.0, Json(BTreeMap::from([("error", self.1)]))).into_response()
    }
}

/// The parameters of a query, before anyone has looked at them.
pub(super) type Given = Result<Query<Vec<(String, String)>>, QueryRejection>;

/// The parameters of a query, each known and given once. One that is given but empty asks for what is empty.
pub(super) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    pub(super) fn read(given: Given, known: &[&str]) -> Result<Parameters, Failure> {
        let Query(given) = given.map_err(|error| bad(error.body_text()))?;
        let mut parameters = BTreeMap::new();
        for (name, value) in given {
            if !known.contains(&name.as_str()) {
                let hint = if known.is_empty() { "there are none".to_owned() } else { known.join(", ") };
                return Err(bad(format!("unknown parameter {name:?}; known: {hint}")));
            }
            if parameters.insert(name.clone(), value).is_some() {
                return Err(bad(format!("{name:?} is given twice")));
            }
        }
        Ok(Parameters(parameters))
    }

    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    /// One of the words by which a type is serialised.
    pub(super) fn word<T: DeserializeOwned>(&mut self, name: &str, words: &str) -> Result<Option<T>, Failure> {
        let Some(value) = self.text(name) else { return Ok(None) };
        let word = serde_json::from_value(serde_json::Value::String(value.clone()));
        word.map(Some).map_err(|_| bad(format!("{name} is one of {words}, not {value:?}")))
    }
}

/// Which measurements are wanted.
struct Filter {
    model: Option<String>,
    version: Option<String>,
    slice: Option<String>,
    subject: Option<String>,
    family: Option<Family>,
    statistic: Option<String>,
    /// Windows that end after this.
    since: Time,
    limit: usize,
}

impl Filter {
    fn read(mut parameters: Parameters) -> Result<Filter, Failure> {
        let since = parameters.text("since").map(|text| {
            let hint = "in a query + has to be written %2B";
            text.parse().map_err(|error| bad(format!("since: {text:?} is {error}; {hint}")))
        });
        let limit = parameters.text("limit").map(|text| {
            let number = text.parse().ok().filter(|limit| (1..=HIGHEST_LIMIT).contains(limit));
            number.ok_or_else(|| bad(format!("limit is a whole number from 1 to {HIGHEST_LIMIT}, not {text:?}")))
        });
        let statistic = parameters.text("statistic");
        if let Some(name) = statistic.as_ref().filter(|name| !stat::ALL.iter().any(|row| row.name == *name)) {
            let known: Vec<&str> = stat::ALL.iter().map(|row| row.name).collect();
            return Err(bad(format!("unknown statistic {name:?}; known: {}", known.join(", "))));
        }
        Ok(Filter {
            model: parameters.text("model"),
            version: parameters.text("version"),
            slice: parameters.text("slice"),
            subject: parameters.text("subject"),
            family: parameters.word("family", &Family::ALL.map(Family::name).join(", "))?,
            statistic,
            since: since.transpose()?.unwrap_or(Time::MIN),
            limit: limit.transpose()?.unwrap_or(USUAL_LIMIT),
        })
    }

    fn wants(&self, m: &Measurement) -> bool {
        let agrees = |wanted: &Option<String>, value: &str| wanted.as_ref().is_none_or(|wanted| wanted == value);
        agrees(&self.model, &m.model)
            && agrees(&self.version, &m.version)
            && agrees(&self.slice, &m.slice)
            && agrees(&self.subject, &m.subject)
            && agrees(&self.statistic, &m.statistic)
            && self.family.is_none_or(|family| family == m.family)
    }
}

pub(super) fn data(data: impl Serialize) -> Response {
    Json(BTreeMap::from([("data", data)])).into_response()
}

pub(super) fn bad(message: String) -> Failure {
    Failure(StatusCode::BAD_REQUEST, message)
}
