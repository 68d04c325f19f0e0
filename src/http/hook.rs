//! Takes the webhooks of MLflow.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::View;
use super::api::Failure;
use crate::mlflow::hook::{DELIVERY, Posted, Refusal, SIGNATURE, TIMESTAMP};

/// What is said of a change has the tags and the description of a model in it.
pub(super) const LARGEST_BODY: usize = 256 * 1024;

/// What is signed as MLflow signs it has the registry asked at once.
pub(super) async fn receive(State(view): State<View>, headers: HeaderMap, body: Bytes) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (delivery, timestamp, signature) = (header(DELIVERY), header(TIMESTAMP), header(SIGNATURE));
    let posted = Posted { delivery, timestamp, signature, body: &body };
    let refuse = |status, why: &str| Failure(status, why.to_owned()).into_response();
    match view.hook().receive(posted, chrono::Utc::now().timestamp()) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(Refusal::NotWanted) => refuse(StatusCode::NOT_FOUND, "no `mlflow.webhook_secret` is configured"),
        Err(Refusal::NotSigned) => refuse(StatusCode::UNAUTHORIZED, "it is not signed"),
        Err(Refusal::WronglySigned) => refuse(StatusCode::FORBIDDEN, "it is not signed with the secret"),
        Err(Refusal::OutOfTime) => refuse(StatusCode::FORBIDDEN, "it was signed at another time"),
    }
}
