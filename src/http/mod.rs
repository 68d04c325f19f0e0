//! HTTP: metrics, probes, the JSON API and a landing page.

mod api;
mod audit;
mod hook;
mod page;
mod probe;
mod desk;
mod retrains;
mod view;

use std::future::{Future, IntoFuture};
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{delete, get, post};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};

use api::Failure;
pub use audit::{AuditPage, ReadAudit};
pub use desk::Desk;
pub use retrains::{Asked, RetrainDesk};
pub use view::{MonitorStatus, PartitionStatus, ReferenceStatus, Reload, Status, VersionStatus, View};

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub listen: SocketAddr,
}

/// How long requests that are under way may still take when the daemon shuts down.
const FAREWELL: Duration = Duration::from_secs(5);

/// Nothing that is sent here has a body to speak of.
const LARGEST_BODY: usize = 4 * 1024;

/// The page loads nothing from anywhere and runs nothing; should a name ever slip through unescaped, it stays text.
const PAGE_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Answers that take a while to write, at once. Further ones wait, so that a crowd of clients cannot starve the daemon.
static WRITERS: Semaphore = Semaphore::const_new(4);

/// All that is served.
pub fn router(view: View, desk: Desk, retrains: RetrainDesk) -> Router {
    served(Router::new().merge(shown(view)).merge(done(desk)).merge(retrains::routes().with_state(retrains)))
}

/// What is shown.
fn shown(view: View) -> Router {
    Router::new()
        .route("/", get(landing))
        .route("/metrics", get(metrics))
        .route("/-/healthy", get(probe::healthy))
        .route("/-/ready", get(probe::ready))
        .route("/-/reload", post(probe::reload))
        .route("/api/v1/status", get(api::status))
        .route("/api/v1/monitors", get(api::monitors))
        .route("/api/v1/measurements", get(api::measurements))
        .route("/api/v1/alerts", get(api::alerts))
        .route("/api/v1/audit", get(audit::entries))
        .route("/api/v1/mlflow/webhook", post(hook::receive).layer(DefaultBodyLimit::max(hook::LARGEST_BODY)))
        .with_state(view)
}

/// What can be done.
fn done(desk: Desk) -> Router {
    Router::new()
        .route("/api/v1/silences", get(desk::silences).post(desk::make_silence))
        .route("/api/v1/silences/{id}", delete(desk::end_silence))
        .route("/api/v1/dead_letters", get(desk::dead_letters))
        .route("/api/v1/dead_letters/{id}/send", post(desk::send_again))
        .with_state(desk)
}

/// How everything is served.
fn served(router: Router) -> Router {
    router
        .fallback(async || Failure(StatusCode::NOT_FOUND, "there is nothing here; see / for what there is".to_owned()))
        .method_not_allowed_fallback(async || {
            Failure(StatusCode::METHOD_NOT_ALLOWED, "this is asked for with another method".to_owned())
        })
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(map_response(hardened))
}

/// Serves until `shutdown` is done, then lets requests that are under way finish.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    serve_with(listener, router, shutdown, FAREWELL).await
}

async fn serve_with(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
    farewell: Duration,
) -> std::io::Result<()> {
    let (closing, closed) = oneshot::channel();
    let signal = async {
        shutdown.await;
        let _ = closing.send(());
    };
    let served = axum::serve(listener, router).with_graceful_shutdown(signal).into_future();
    // A client that never finishes its request must not keep the daemon from ending.
    let deadline = async {
        match closed.await {
            Ok(()) => tokio::time::sleep(farewell).await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        result = served => result,
        () = deadline => Ok(()),
    }
}

async fn landing(State(view): State<View>) -> Response {
    let now = crate::time::Time(chrono::Utc::now().timestamp_millis());
    apart(move || match page::render(&view, now) {
        Ok(page) => ([(header::CONTENT_SECURITY_POLICY, PAGE_POLICY)], Html(page)).into_response(),
        Err(error) => Failure(StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}")).into_response(),
    })
    .await
}

async fn metrics(State(view): State<View>) -> Response {
    apart(move || {
        let format = "text/plain; version=0.0.4; charset=utf-8";
        ([(header::CONTENT_TYPE, format)], view.telemetry().render()).into_response()
    })
    .await
}

/// Writes an answer on a thread of its own, because a large one would hold up everything else that runs on this one.
async fn apart(write: impl FnOnce() -> Response + Send + 'static) -> Response {
    let permit = WRITERS.acquire().await;
    // The permit goes along, since the work does not stop when the client no longer waits for it.
    let write = move || {
        let _permit = permit;
        write()
    };
    tokio::task::spawn_blocking(write).await.unwrap_or_else(|_| {
        Failure(StatusCode::INTERNAL_SERVER_ERROR, "the answer could not be written".to_owned()).into_response()
    })
}

/// No browser is to guess what an answer might be, and none to keep it: it is old as soon as the next window is due.
async fn hardened(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;
