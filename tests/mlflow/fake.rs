//! A server that answers as MLflow does, or fails as it is told to, and remembers what it was asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::support::serve;

/// How a request fails.
#[derive(Clone, Copy)]
pub struct Failure {
    pub status: u16,
    pub retry_after: Option<u64>,
}

#[derive(Default)]
pub struct Registry {
    /// The version that every alias stands for.
    pub version: String,
    /// The reference of each version that has one.
    pub references: BTreeMap<String, String>,
    /// What fails, by a part of its path, and how many times it still does.
    pub failing: Vec<(&'static str, Failure, u32)>,
    /// The path, the authorization and the body of each request.
    pub asked: Vec<(String, String, Value)>,
}

#[derive(Clone)]
pub struct Fake {
    pub url: String,
    registry: Arc<Mutex<Registry>>,
}

impl Fake {
    /// Listens until the test's process ends.
    pub fn start() -> Fake {
        let registry: Arc<Mutex<Registry>> = Arc::default();
        let router = Router::new().fallback(answer).with_state(registry.clone());
        // Below a path, as behind a proxy.
        Fake { url: format!("http://{}/ml", serve(router)), registry }
    }

    pub fn change<T>(&self, change: impl FnOnce(&mut Registry) -> T) -> T {
        change(&mut self.registry.lock().expect("nobody panicked with it"))
    }

    /// What was posted to a path of the API.
    pub fn posted(&self, path: &str) -> Vec<Value> {
        let path = format!("/ml/api/2.0/mlflow/{path}");
        self.change(|it| it.asked.iter().filter(|(to, ..)| *to == path).map(|(.., body)| body.clone()).collect())
    }
}

async fn answer(
    State(registry): State<Arc<Mutex<Registry>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut registry = registry.lock().expect("nobody panicked with it");
    let authorization = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (path, query) = (uri.path().to_owned(), uri.query().unwrap_or_default().to_owned());
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    registry.asked.push((path.clone(), authorization.to_owned(), body.clone()));
    if let Some((_, failure, times)) = registry.failing.iter_mut().find(|(part, _, n)| path.contains(part) && *n > 0) {
        *times -= 1;
        let status = StatusCode::from_u16(failure.status).expect("a status");
        let mut failed = status.into_response();
        if let Some(seconds) = failure.retry_after {
            failed.headers_mut().insert("retry-after", seconds.into());
        }
        return failed;
    }
    let of = |name: &str| {
        let pair = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        pair.unwrap_or_default().to_owned()
    };
    let version = |version: &str| json!({"model_version": {"name": of("name"), "version": version}});
    let missing = json!({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "there is none"});
    let found = match (method.as_str(), path.trim_start_matches("/ml")) {
        ("GET", "/api/2.0/mlflow/registered-models/alias") => version(&registry.version),
        ("GET", "/api/2.0/mlflow/model-versions/get") => version(&of("version")),
        ("GET", "/model-versions/get-artifact") if of("path").ends_with("reference.csv") => {
            match registry.references.get(&of("version")) {
                Some(reference) => return reference.clone().into_response(),
                None => return (StatusCode::NOT_FOUND, axum::Json(missing)).into_response(),
            }
        }
        ("GET", "/api/2.0/mlflow/experiments/get-by-name") => json!({"experiment": {"experiment_id": "1"}}),
        ("POST", "/api/2.0/mlflow/runs/search") => json!({"runs": [{"info": {"run_id": "a-run"}}]}),
        ("POST", _) => json!({}),
        _ => return (StatusCode::NOT_FOUND, axum::Json(missing)).into_response(),
    };
    axum::Json(found).into_response()
}
