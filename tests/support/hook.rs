//! A receiver of notifications that remembers what it was told.

use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::Value;
use tokio::net::TcpListener;

/// One request.
#[derive(Clone, Debug)]
pub struct Told {
    pub id: String,
    pub content_type: String,
    pub event: Value,
}

pub struct Hook {
    pub url: String,
    told: Arc<Mutex<Vec<Told>>>,
}

impl Hook {
    /// Listens until the test's process ends.
    pub fn start() -> Hook {
        let told: Arc<Mutex<Vec<Told>>> = Arc::default();
        let router = Router::new()
            .route("/hook", post(receive))
            .route("/hook/api/v2/alerts", post(receive))
            .with_state(told.clone());
        let (tell, address) = mpsc::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
                tell.send(listener.local_addr().expect("it is bound")).expect("the test waits for it");
                axum::serve(listener, router).await.expect("it serves");
            });
        });
        let address = address.recv().expect("the receiver starts");
        Hook { url: format!("http://{address}/hook"), told }
    }

    pub fn told(&self) -> Vec<Told> {
        self.told.lock().expect("nobody panicked with it").clone()
    }
}

async fn receive(State(told): State<Arc<Mutex<Vec<Told>>>>, headers: HeaderMap, body: String) -> StatusCode {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let event = serde_json::from_str(&body).unwrap_or(Value::Null);
    let one = Told { id: header("webhook-id"), content_type: header("content-type"), event };
    told.lock().expect("nobody panicked with it").push(one);
    StatusCode::NO_CONTENT
}
