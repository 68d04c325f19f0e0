//! What orchestrators and operators ask: is it alive, is it ready, and load the configuration again.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;

use super::View;

/// A daemon whose loop has not come round for so long is stuck, and better started again.
const LONGEST_SILENCE: Duration = Duration::from_secs(30);

/// How long a reload may take before whoever asked for it is told to look later.
const LONGEST_RELOAD: Duration = Duration::from_secs(120);

/// Whether the daemon's loop turns. It does not depend on Kafka, since a restart would not bring that back.
pub(super) async fn healthy(State(view): State<View>) -> Response {
    let silence = view.silence();
    if silence <= LONGEST_SILENCE {
        return "ok\n".into_response();
    }
    unavailable(format!("no sign of life for {} s\n", silence.as_secs()))
}

/// Whether all is watched that should be.
pub(super) async fn ready(State(view): State<View>) -> Response {
    let status = view.status();
    if status.ready { "ready\n".into_response() } else { unavailable(waiting(&status.waiting_for)) }
}

/// The body is taken in only to hold it to the limit that the router sets.
pub(super) async fn reload(State(view): State<View>, headers: HeaderMap, _body: Bytes) -> Response {
    if is_foreign(&headers) {
        return (StatusCode::FORBIDDEN, "a page of another site may not ask for this\n").into_response();
    }
    let (answer, answered) = oneshot::channel();
    match view.reload().try_send(answer) {
        Ok(()) => {}
        Err(TrySendError::Full(_)) => return unavailable("a reload is under way already\n".to_owned()),
        Err(TrySendError::Closed(_)) => return unavailable("the daemon is shutting down\n".to_owned()),
    }
    match tokio::time::timeout(LONGEST_RELOAD, answered).await {
        Ok(Ok(Ok(()))) => "reloaded\n".into_response(),
        Ok(Ok(Err(problems))) => (StatusCode::BAD_REQUEST, format!("{}\n", problems.trim_end())).into_response(),
        Ok(Err(_)) => unavailable("the daemon is shutting down\n".to_owned()),
        Err(_) => (StatusCode::GATEWAY_TIMEOUT, "the reload goes on; its end will be in the log\n").into_response(),
    }
}

/// Whether a browser sends this for a page of another site. Other clients do not send the header.
pub(super) fn is_foreign(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(|site| site.as_bytes());
    site.is_some_and(|site| site != b"same-origin" && site != b"none")
}

fn waiting(reasons: &[String]) -> String {
    let lines: Vec<String> = reasons.iter().map(|reason| format!("waiting for {reason}\n")).collect();
    lines.concat()
}

fn unavailable(why: String) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, why).into_response()
}
