//! The audit log, as the running daemon shows it: its store is nobody else's to open.

use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Response};

use super::api::{Failure, Given, Parameters, bad};
use super::{View, apart};
use crate::audit::Head;

/// A part of the log.
pub struct AuditPage {
    /// The log's head when the part was read.
    pub head: Head,
    /// Entries as they are stored.
    pub entries: Vec<String>,
    /// The number from which to ask for more; `None` at the end.
    pub next: Option<u64>,
}

/// Reads a part of the log, from a number on.
pub type ReadAudit = Box<dyn Fn(u64) -> Result<AuditPage, String> + Send + Sync>;

const HEAD: HeaderName = HeaderName::from_static("tidegauge-audit-head");

/// Entries from a number on, one a line, with the log's head beside them and a link to the next ones.
pub(super) async fn entries(State(view): State<View>, given: Given) -> Result<Response, Failure> {
    let from = Parameters::read(given, &["from"])?.text("from").map(|text| {
        let number = text.parse::<u64>();
        number.map_err(|_| bad(format!("from is the number of an entry, not {text:?}")))
    });
    let from = from.transpose()?.unwrap_or(0);
    Ok(apart(move || match view.audit(from) {
        None => Failure(StatusCode::NOT_FOUND, "this daemon keeps no audit log".to_owned()).into_response(),
        Some(Err(error)) => Failure(StatusCode::INTERNAL_SERVER_ERROR, error).into_response(),
        Some(Ok(AuditPage { head, entries, next })) => {
            let link = next.map(|next| (header::LINK, format!("</api/v1/audit?from={next}>; rel=\"next\"")));
            let about = [(header::CONTENT_TYPE, "application/x-ndjson".to_owned()), (HEAD, head.to_string())];
            let lines: String = entries.iter().flat_map(|entry| [entry.as_str(), "\n"]).collect();
            (AppendHeaders(about.into_iter().chain(link)), lines).into_response()
        }
    })
    .await)
}
