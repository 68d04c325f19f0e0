//! Servers that hold what they are sent to what the services document, keep what they began, and misbehave on request.
//!
//! Each rule is written from the service's published schema, which stands beside it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tidegauge::trigger::aws::{Signer, hash};

use crate::support::serve;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

/// What comes instead of the answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Trouble {
    /// This status, and nothing is begun.
    Refused(u16),
    /// The run is begun, but nobody is told.
    Hang,
    /// The run is begun, and the answer says that something went wrong.
    Wrong,
}

/// For the n-th request that begins a run, from 0 on.
pub type Script = fn(usize) -> Option<Trouble>;

#[derive(Clone)]
pub struct Services {
    pub address: SocketAddr,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    seen: Vec<Seen>,
    /// What each request was told to be known by, as often as a run was begun for it.
    begun: Vec<String>,
    beginnings: usize,
}

impl Services {
    pub fn start(script: Script) -> Services {
        let kept = Arc::<Mutex<Kept>>::default();
        let state = (kept.clone(), script);
        let router = Router::new().fallback(answer).with_state(state);
        Services { address: serve(router), kept }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.kept.lock().expect("nobody panicked with it").seen.clone()
    }

    /// How many runs were begun for a request.
    pub fn begun(&self, id: &str) -> usize {
        self.kept.lock().expect("nobody panicked with it").begun.iter().filter(|key| key.contains(id)).count()
    }

    pub fn all_begun(&self) -> usize {
        self.kept.lock().expect("nobody panicked with it").begun.len()
    }
}

/// What a service makes of a request that is as it should be.
enum Means {
    /// It asks for something else than a run.
    Else(Value),
    /// It asks for what was begun under a name.
    Lists(fn(&str) -> Value, &'static str),
    Begins(Begins),
}

struct Begins {
    /// What it is known by.
    key: String,
    /// How one that is known is answered: not at all where it is begun once more.
    known: Option<(u16, Value)>,
    begun: (u16, Value),
}

async fn answer(State((kept, script)): State<(Arc<Mutex<Kept>>, Script)>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let header = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
        (name.as_str().to_owned(), value.to_str().unwrap_or_default().to_owned())
    };
    let seen = Seen {
        method: head.method.to_string(),
        path: head.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        headers: head.headers.iter().map(header).collect(),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let means = meaning(&seen);
    let trouble = {
        let mut kept = kept.lock().expect("nobody panicked with it");
        kept.seen.push(seen);
        let (status, json, trouble) = match means {
            Err(why) => (400, json!({"error": why}), None),
            Ok(Means::Else(json)) => (200, json, None),
            Ok(Means::Lists(entry, list)) => {
                let entries: Vec<Value> = kept.begun.iter().map(|key| entry(key)).collect();
                // Some say so much of each run that a page of them is far longer than most answers.
                (200, json!({"more": "x".repeat(100_000), list: entries}), None)
            }
            Ok(Means::Begins(begins)) => {
                let trouble = script(kept.beginnings);
                kept.beginnings += 1;
                match (trouble, begins.known.filter(|_| kept.begun.contains(&begins.key))) {
                    (Some(Trouble::Refused(status)), _) => (status, json!({"error": "refused"}), None),
                    (trouble, Some((status, json))) => (status, json, trouble),
                    (trouble, None) => {
                        kept.begun.push(begins.key);
                        (begins.begun.0, begins.begun.1, trouble)
                    }
                }
            }
        };
        match trouble {
            Some(Trouble::Hang) => None,
            Some(Trouble::Wrong) => Some((502, Value::Null)),
            _ => Some((status, json)),
        }
    };
    let Some((status, json)) = trouble else { return std::future::pending().await };
    let status = StatusCode::from_u16(status).expect("a status");
    let headers = [("retry-after", if status.as_u16() == 429 { "1" } else { "0" })];
    (status, headers, axum::Json(json)).into_response()
}

/// What is wrong with a request, or what it means.
fn meaning(seen: &Seen) -> Result<Means, String> {
    let path = seen.path.split('?').next().unwrap_or_default();
    let json: Value = serde_json::from_str(&seen.body).unwrap_or(Value::Null);
    let is_get = seen.method == "GET";
    match path {
        "/auth/token" | "/echo/s3cret-hook/auth/token" => token(seen, &json),
        // Some say in their errors what they were asked, and by whom.
        _ if path.starts_with("/echo") => {
            let hook = path.split('/').nth(2).unwrap_or_default();
            let who = seen.headers.get("authorization").map_or("nobody", String::as_str);
            Err(format!("{} is unknown: there is no {hook} for {who}", seen.path))
        }
        "/api/v2/dags/retrain%20credit/dagRuns" => airflow(seen, &json),
        "/api/2.2/jobs/run-now" => databricks(seen, &json),
        "/api/v1/workflows/ml/submit" => argo_workflows(seen, &json),
        "/retrain" => argo_events(seen, &json),
        "/apis/v2beta1/runs" if is_get => kubeflow_runs(seen),
        "/apis/v2beta1/runs" => kubeflow(seen, &json),
        "/apis/batch/v1/namespaces/ml/jobs" => kubernetes(seen, &json),
        "/repos/example/models/actions/runs" if is_get => {
            bearer(seen, "t0ken")?;
            Ok(Means::Lists(|key| json!({"display_title": format!("retrain {key}"), "html_url": key}), "workflow_runs"))
        }
        "/repos/example/models/dispatches" => github(seen, &json),
        "/" => sagemaker(seen, &json),
        _ => Err(format!("no service has {path}")),
    }
}

fn hold(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

fn bearer(seen: &Seen, token: &str) -> Result<(), String> {
    hold(seen.headers.get("authorization") == Some(&format!("Bearer {token}")), "unauthorized")
}

fn is_json(seen: &Seen) -> Result<(), String> {
    hold(seen.headers.get("content-type").is_some_and(|it| it == "application/json"), "not JSON")?;
    hold(seen.method == "POST", "not a POST")
}

/// No keys but these, and all of the first.
fn keys(json: &Value, needed: &[&str], more: &[&str]) -> Result<(), String> {
    let map = json.as_object().ok_or("not an object")?;
    needed.iter().try_for_each(|key| hold(map.contains_key(*key), &format!("without {key}")))?;
    map.keys().try_for_each(|key| {
        hold(needed.contains(&key.as_str()) || more.contains(&key.as_str()), &format!("{key} is not permitted"))
    })
}

fn text(json: &Value, lengths: std::ops::RangeInclusive<usize>) -> Result<String, String> {
    let text = json.as_str().filter(|text| lengths.contains(&text.chars().count()));
    text.map(str::to_owned).ok_or_else(|| format!("{json} is not a text of {lengths:?} characters"))
}

/// A map whose values are all texts.
fn texts(json: &Value) -> Result<(), String> {
    hold(json.as_object().is_some_and(|map| map.values().all(Value::is_string)), "a value that is no text")
}

/// What Kubernetes takes for the name of a Job whose pods have it in theirs (RFC 1123).
fn dns_label(text: &str) -> Result<(), String> {
    let is_good = (1..=63).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !text.starts_with('-')
        && !text.ends_with('-');
    hold(is_good, &format!("{text} is no name"))
}

/// <https://airflow.apache.org/docs/apache-airflow/3.1.0/core-concepts/auth-manager/simple/token.html>
fn token(seen: &Seen, json: &Value) -> Result<Means, String> {
    is_json(seen)?;
    keys(json, &["username", "password"], &[])?;
    hold(json["username"] == "tidegauge" && json["password"] == "s3cret", "not permitted")?;
    Ok(Means::Else(json!({"access_token": "jwt"})))
}

/// `TriggerDAGRunPostBody` of Airflow's v2-rest-api-generated.yaml: logical_date has to be there, and may be null.
fn airflow(seen: &Seen, json: &Value) -> Result<Means, String> {
    is_json(seen)?;
    bearer(seen, "jwt")?;
    let more = ["dag_run_id", "data_interval_start", "data_interval_end", "run_after", "conf", "note", "partition_key"];
    keys(json, &["logical_date"], &more)?;
    hold(json["logical_date"].is_null(), "a logical date")?;
    hold(json["conf"].is_object(), "conf is no object")?;
    text(&json["note"], 0..=1000)?;
    let key = text(&json["dag_run_id"], 1..=250)?;
    hold(key.chars().all(|c| c.is_ascii_alphanumeric() || "_.~:+-".contains(c)), "the run's id has other characters")?;
    let begun = (200, json!({"dag_run_id": key, "state": "queued"}));
    Ok(Means::Begins(Begins { known: Some((409, json!({"detail": "exists"}))), key, begun }))
}

/// `jobs.RunNow` of Databricks' API 2.2: <https://docs.databricks.com/api/workspace/jobs/runnow>
fn databricks(seen: &Seen, json: &Value) -> Result<Means, String> {
    is_json(seen)?;
    bearer(seen, "t0ken")?;
    keys(json, &["job_id"], &["idempotency_token", "job_parameters", "only", "performance_target", "queue"])?;
    hold(json["job_id"].is_u64(), "job_id is no whole number")?;
    texts(&json["job_parameters"])?;
    let key = text(&json["idempotency_token"], 1..=64)?;
    let begun = (200, json!({"run_id": 455_644_833, "number_in_job": 455_644_833}));
    Ok(Means::Begins(Begins { key, known: Some(begun.clone()), begun }))
}

/// `WorkflowSubmitRequest` and `SubmitOpts` of Argo's api/openapi-spec/swagger.json.
fn argo_workflows(seen: &Seen, json: &Value) -> Result<Means, String> {
    is_json(seen)?;
    bearer(seen, "t0ken")?;
    keys(json, &[], &["namespace", "resourceKind", "resourceName", "submitOptions"])?;
    hold(json["namespace"] == "ml" && json["resourceName"] == "retrain", "another template")?;
    hold(json["resourceKind"] == "WorkflowTemplate", "resource kind is not supported")?;
    let options = &json["submitOptions"];
    let known = [
        "annotations",
        "dryRun",
        "entryPoint",
        "generateName",
        "labels",
        "name",
        "ownerReference",
        "parameters",
        "podPriorityClassName",
        "priority",
        "serverDryRun",
        "serviceAccount",
    ];
    keys(options, &[], &known)?;
    let parameters = options["parameters"].as_array().ok_or("no parameters")?;
    let is_pair = |it: &Value| it.as_str().is_some_and(|text| text.contains('='));
    hold(parameters.iter().all(is_pair), "expected parameter of the form: NAME=VALUE")?;
    let key = text(&options["name"], 1..=63)?;
    dns_label(&key)?;
    let message = format!("workflows.argoproj.io \"{key}\" already exists");
    let begun = (200, json!({"metadata": {"name": key, "namespace": "ml"}}));
    Ok(Means::Begins(Begins { known: Some((409, json!({"code": 6, "message": message}))), key, begun }))
}

/// Any JSON by POST: <https://argoproj.github.io/argo-events/eventsources/setup/webhook/>
fn argo_events(seen: &Seen, json: &Value) -> Result<Means, String> {
    is_json(seen)?;
    bearer(seen, "t0ken")?;
    hold(json.is_object(), "not an object")?;
    let key = seen.headers.get("idempotency-key").cloned().unwrap_or_default();
    Ok(Means::Begins(Begins { key, known: None, begun: (200, json!("success")) }))
}

/// `RunService_ListRuns` of Kubeflow's run.swagger.json, and `v2beta1Filter` of its filter.swagger.json.
fn kubeflow_runs(seen: &Seen) -> Result<Means, String> {
    bearer(seen, "t0ken")?;
    let url = reqwest_url(&seen.path);
    let query: BTreeMap<String, String> = url.query_pairs().map(|(k, v)| (k.into_owned(), v.into_owned())).collect();
    let known = ["namespace", "experiment_id", "page_token", "page_size", "sort_by", "filter"];
    query.keys().try_for_each(|key| hold(known.contains(&key.as_str()), "an unknown parameter"))?;
    let filter: Value = serde_json::from_str(&query["filter"]).map_err(|error| error.to_string())?;
    keys(&filter, &["predicates"], &[])?;
    let predicate = &filter["predicates"][0];
    keys(predicate, &["operation", "key", "string_value"], &[])?;
    hold(predicate["operation"] == "EQUALS" && predicate["key"] == "display_name", "another question")?;
    hold(query["experiment_id"] == "experiment 3", "another experiment")?;
    Ok(Means::Lists(|key| json!({"run_id": "run-9", "display_name": key}), "runs"))
}

fn reqwest_url(path: &str) -> reqwest::Url {
    reqwest::Url::parse(&format!("http://host{path}")).expect("an address")
}

/// `v2beta1Run` of Kubeflow's run.swagger.json, of what a client sets.
fn kubeflow(seen: &Seen, json: &Value) -> Result<Means, String> {
    is_json(seen)?;
    bearer(seen, "t0ken")?;
    let more = ["experiment_id", "description", "pipeline_version_reference", "runtime_config", "service_account"];
    keys(json, &["display_name"], &more)?;
    keys(&json["pipeline_version_reference"], &["pipeline_id"], &["pipeline_version_id"])?;
    keys(&json["runtime_config"], &[], &["parameters", "pipeline_root"])?;
    hold(json["runtime_config"]["parameters"].is_object(), "parameters are no map")?;
    let key = text(&json["display_name"], 1..=255)?;
    Ok(Means::Begins(Begins { key, known: None, begun: (200, json!({"run_id": "run-9"})) }))
}

/// `io.k8s.api.batch.v1.Job` of Kubernetes' OpenAPI, of what is used here.
fn kubernetes(seen: &Seen, json: &Value) -> Result<Means, String> {
    is_json(seen)?;
    bearer(seen, "t0ken")?;
    keys(json, &["apiVersion", "kind", "metadata", "spec"], &[])?;
    hold(json["apiVersion"] == "batch/v1" && json["kind"] == "Job", "another kind")?;
    hold(json["metadata"]["namespace"] == "ml", "the namespace does not match")?;
    keys(&json["spec"], &["template"], &["backoffLimit"])?;
    let pod = &json["spec"]["template"]["spec"];
    keys(pod, &["containers", "restartPolicy"], &[])?;
    hold(["Never", "OnFailure"].map(Value::from).contains(&pod["restartPolicy"]), "Unsupported value: restartPolicy")?;
    for container in pod["containers"].as_array().ok_or("no containers")? {
        keys(container, &["name", "image"], &["args", "env"])?;
        for variable in container["env"].as_array().ok_or("no environment")? {
            keys(variable, &["name", "value"], &[])?;
            texts(variable)?;
        }
    }
    let key = text(&json["metadata"]["name"], 1..=63)?;
    dns_label(&key)?;
    let status = json!({"kind": "Status", "status": "Failure", "reason": "AlreadyExists", "code": 409});
    let begun = (201, json!({"kind": "Job", "metadata": {"name": key}}));
    Ok(Means::Begins(Begins { key, known: Some((409, status)), begun }))
}

/// <https://docs.github.com/en/rest/repos/repos#create-a-repository-dispatch-event>
fn github(seen: &Seen, json: &Value) -> Result<Means, String> {
    is_json(seen)?;
    bearer(seen, "t0ken")?;
    hold(seen.headers.get("accept").is_some_and(|it| it == "application/vnd.github+json"), "another media type")?;
    hold(seen.headers.get("x-github-api-version").is_some_and(|it| it == "2022-11-28"), "another version")?;
    hold(seen.headers.contains_key("user-agent"), "Request forbidden by administrative rules")?;
    keys(json, &["event_type"], &["client_payload"])?;
    text(&json["event_type"], 1..=100)?;
    let payload = json["client_payload"].as_object().ok_or("client_payload is no object")?;
    hold(payload.len() <= 10, "No more than 10 properties are allowed")?;
    let key = text(&json["client_payload"]["request"]["id"], 1..=100)?;
    Ok(Means::Begins(Begins { key, known: None, begun: (204, Value::Null) }))
}

/// <https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_StartPipelineExecution.html>
fn sagemaker(seen: &Seen, json: &Value) -> Result<Means, String> {
    let header = |name: &str| seen.headers.get(name).cloned().unwrap_or_default();
    hold(seen.method == "POST" && header("content-type") == "application/x-amz-json-1.1", "UnknownOperationException")?;
    hold(header("x-amz-target") == "SageMaker.StartPipelineExecution", "UnknownOperationException")?;
    let (authorization, at) = (header("authorization"), header("x-amz-date"));
    let names = authorization.split("SignedHeaders=").nth(1).and_then(|rest| rest.split(',').next()).unwrap_or("");
    let values: Vec<(&str, String)> = names.split(';').map(|name| (name, header(name))).collect();
    let signed: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    ["host", "x-amz-date", "x-amz-target", "content-type", "x-amz-content-sha256"]
        .iter()
        .try_for_each(|name| hold(names.split(';').any(|it| it == *name), &format!("{name} is not signed")))?;
    hold(header("x-amz-content-sha256") == hash(&seen.body), "XAmzContentSHA256Mismatch")?;
    let signer =
        Signer { access_key: "AKIDEXAMPLE", secret_key: "s3cret", region: "eu-west-1", service: "sagemaker", at: &at };
    hold(signer.authorization("POST", "/", &signed, &seen.body) == authorization, "InvalidSignatureException")?;
    let more = [
        "ParallelismConfiguration",
        "PipelineExecutionDescription",
        "PipelineExecutionDisplayName",
        "PipelineParameters",
        "PipelineVersionId",
        "MlflowExperimentName",
        "SelectiveExecutionConfig",
    ];
    keys(json, &["ClientRequestToken", "PipelineName"], &more)?;
    for parameter in json["PipelineParameters"].as_array().ok_or("no parameters")? {
        keys(parameter, &["Name", "Value"], &[])?;
        text(&parameter["Name"], 1..=256)?;
        text(&parameter["Value"], 0..=1024)?;
    }
    let name = text(&json["PipelineExecutionDisplayName"], 1..=82)?;
    hold(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') && !name.ends_with('-'), "ValidationException")?;
    text(&json["PipelineExecutionDescription"], 0..=3072)?;
    let key = text(&json["ClientRequestToken"], 32..=128)?;
    let arn = format!("arn:aws:sagemaker:eu-west-1:123456789012:pipeline/retrain-credit/execution/{}", &key[..12]);
    let begun = (200, json!({"PipelineExecutionArn": arn}));
    Ok(Means::Begins(Begins { key, known: Some(begun.clone()), begun }))
}
