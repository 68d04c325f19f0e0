//! A receiver of notifications that remembers what it was told.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::Value;

/// One request.
#[derive(Clone, Debug)]
pub struct Told {
    pub id: String,
    pub content_type: String,
    pub event: Value,
}

pub struct Hook {
    pub url: String,
    state: Arc<Listening>,
}

#[derive(Default)]
struct Listening {
    told: Mutex<Vec<Told>>,
    /// Whether it answers as it should only now and then.
    is_flaky: AtomicBool,
}

impl Hook {
    /// Listens until the test's process ends.
    pub fn start() -> Hook {
        let state: Arc<Listening> = Arc::default();
        let router = Router::new()
            .route("/hook", post(receive))
            .route("/hook/api/v2/alerts", post(receive))
            .with_state(state.clone());
        let address = super::serve(router);
        Hook { url: format!("http://{address}/hook"), state }
    }

    /// One that is told something and says that it was not, does not hear, is too busy, or never answers.
    pub fn flaky() -> Hook {
        let hook = Hook::start();
        hook.state.is_flaky.store(true, Ordering::Relaxed);
        hook
    }

    /// From now on it answers as it should.
    pub fn heal(&self) {
        self.state.is_flaky.store(false, Ordering::Relaxed);
    }

    pub fn told(&self) -> Vec<Told> {
        self.state.told.lock().expect("nobody panicked with it").clone()
    }
}

async fn receive(State(state): State<Arc<Listening>>, headers: HeaderMap, body: String) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let mood = if state.is_flaky.load(Ordering::Relaxed) { fastrand::u8(0..6) } else { 0 };
    match mood {
        1 => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        2 => return (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1")]).into_response(),
        _ => {}
    }
    let event = serde_json::from_str(&body).unwrap_or(Value::Null);
    let one = Told { id: header("webhook-id"), content_type: header("content-type"), event };
    state.told.lock().expect("nobody panicked with it").push(one);
    match mood {
        3 => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        4 => std::future::pending().await,
        _ => StatusCode::NO_CONTENT.into_response(),
    }
}
