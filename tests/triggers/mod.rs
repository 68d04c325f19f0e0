//! Actions begin runs, one for each request, whatever befalls them on the way: against servers that hold requests to what
//! the services document, and that answer by a script.

mod answers;
mod desk;
mod golden;
mod killed;
mod services;

use std::collections::BTreeMap;
use std::future::Future;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;
use tidegauge::notify::client;
use tidegauge::notify::secret::Secret;
use tidegauge::pane::Partition;
use tidegauge::retrain::{Run, State};
use tidegauge::rule::alert::RetrainRequest;
use tidegauge::rule::basis::OffsetRange;
use tidegauge::time::Time;
use tidegauge::trigger::http::Auth;
use tidegauge::trigger::presets::{self, Pipeline, Service};
use tidegauge::trigger::{Config, http};

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(future)
}

fn given(text: &str) -> Secret {
    Secret::Given(text.to_owned())
}

fn request(id: &str, action: &str, model: &str) -> RetrainRequest {
    RetrainRequest {
        id: id.to_owned(),
        retrain: action.to_owned(),
        model: model.to_owned(),
        version: "7".to_owned(),
        slice: String::new(),
        alert: "FeatureDrift".to_owned(),
        condition: "drift.psi > 0.2".to_owned(),
        subjects: vec!["income".to_owned()],
        window_start: Time(0),
        window_end: Time(3_600_000),
        evidence: vec![],
        offsets: vec![OffsetRange {
            partition: Partition { topic: "credit.predictions".into(), partition: 3 },
            first: 10,
            last: 20,
        }],
        reason: "FeatureDrift: income has psi 0.31 (threshold 0.2)".to_owned(),
        rows: 5000,
        labelled: Some(1500),
        coverage: Some(0.3),
        link: "https://tidegauge.example.com/#model-credit".to_owned(),
        quiet_until: Time(86_400_000),
    }
}

/// A run that is to be begun now.
fn triggering(request: RetrainRequest) -> Run {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_millis() as i64;
    Run { state: State::Triggering, triggered: Some(Time(now)), ..Run::requested(request, Time(now)) }
}

/// A service of these tests, with parameters of either type.
fn service(url: &str, timeout: Duration) -> Service {
    let web = client::Config { timeout, ..client::Config::default() };
    let parameters = [("model", "{{ model }}"), ("rows", "{{ rows }}")];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Service { url: given(url), web, auth: Auth::Bearer(given("t0ken")), parameters: BTreeMap::from(parameters) }
}

/// Every service at this address, by the name of its kind.
fn all_services(url: &str, timeout: Duration) -> Vec<(&'static str, http::Config)> {
    let at = || service(url, timeout);
    let without_parameters = || Service { parameters: BTreeMap::new(), ..at() };
    let login = Auth::Login {
        path: presets::AIRFLOW_TOKENS.to_owned(),
        username: given("tidegauge"),
        password: given("s3cret"),
    };
    let aws = Auth::Aws {
        access_key: given("AKIDEXAMPLE"),
        secret_key: given("s3cret"),
        session_token: None,
        region: "eu-west-1".to_owned(),
        service: "sagemaker".to_owned(),
    };
    let pipeline = Pipeline {
        id: "pipeline-1".to_owned(),
        version: Some("version-2".to_owned()),
        experiment: Some("experiment 3".to_owned()),
        ..Pipeline::default()
    };
    let container = json!({
        "name": "train", "image": "example/train:1", "args": ["--model={{ model }}"],
        "env": [{"name": "A", "value": "b"}],
    });
    let job = json!({"spec": {"backoffLimit": 0, "template": {"spec": {"containers": [container]}}}});
    vec![
        ("airflow", presets::airflow(Service { auth: login, ..without_parameters() }, "retrain credit")),
        ("databricks", presets::databricks(at(), 1234)),
        ("argo_workflows", presets::argo_workflows(at(), "ml", "WorkflowTemplate", "retrain")),
        ("argo_events", presets::argo_events(Service { url: given(&format!("{url}/retrain")), ..at() })),
        ("kubeflow", presets::kubeflow(at(), &pipeline)),
        ("kubernetes_job", presets::kubernetes_job(at(), "ml", job)),
        ("github", presets::github(without_parameters(), ("example", "models"), "retrain", true)),
        ("sagemaker", presets::sagemaker(Service { auth: aws, ..at() }, "retrain-credit")),
    ]
}

fn of(config: http::Config) -> Config {
    Config::Http(Box::new(config))
}
