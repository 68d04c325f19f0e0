//! The services whose requests are known: each comes to the one request of [`http`](super::http).
//!
//! Every one carries what the run is known by to its service, so that it is begun once however often it is asked for.
//! Where a service has no means for that, it is asked first whether it has the run.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::http::{Answers, Auth, Body, Config, LookUp};
use super::template::{always_text, literal};
use crate::notify::client;
use crate::notify::secret::Secret;

/// What all services have.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    pub url: Secret,
    pub web: client::Config,
    pub auth: Auth,
    /// What the run is given, as templates by name.
    pub parameters: BTreeMap<String, String>,
}

/// What the name of a run is to a service.
const NAME: &str = "{{ name }}";
const CONFLICT: u16 = 409;

/// Airflow 3: a run of a DAG.
///
/// <https://airflow.apache.org/docs/apache-airflow/stable/stable-rest-api-ref.html#operation/trigger_dag_run>
pub fn airflow(service: Service, dag: &str) -> Config {
    let conf = if service.parameters.is_empty() { json!("{{ request }}") } else { typed(&service.parameters) };
    let body = json!({"dag_run_id": NAME, "logical_date": null, "conf": conf, "note": "{{ reason[:1000] }}"});
    let answers = Answers { conflict: vec![CONFLICT], ..Answers::default() };
    let path = format!("/api/v2/dags/{}/dagRuns", segment(dag));
    Config { answers, run: pointer("/dag_run_id"), ..post(service, path, body) }
}

/// Where Airflow gives out tokens.
pub const AIRFLOW_TOKENS: &str = "/auth/token";

/// Databricks: a run of a job. A second request with the same token is answered with the first one's run.
///
/// <https://docs.databricks.com/api/workspace/jobs/runnow>
pub fn databricks(service: Service, job: u64) -> Config {
    let mut body = json!({"job_id": job, "idempotency_token": "{{ id }}"});
    if !service.parameters.is_empty() {
        body["job_parameters"] = Value::Object(texts(&service.parameters).collect());
    }
    Config { run: pointer("/run_id"), ..post(service, "/api/2.2/jobs/run-now".to_owned(), body) }
}

/// Argo Workflows: a workflow made of a template.
///
/// <https://argo-workflows.readthedocs.io/en/latest/swagger/>
pub fn argo_workflows(service: Service, namespace: &str, kind: &str, template: &str) -> Config {
    let parameters: Vec<String> =
        service.parameters.iter().map(|(name, value)| format!("{}={value}", literal(name))).collect();
    let body = json!({
        "namespace": literal(namespace),
        "resourceKind": literal(kind),
        "resourceName": literal(template),
        "submitOptions": {"name": NAME, "parameters": parameters},
    });
    let answers = says_it_exists("already exists");
    let path = format!("/api/v1/workflows/{}/submit", segment(namespace));
    Config { answers, run: pointer("/metadata/name"), ..post(service, path, body) }
}

/// Argo Events: a webhook of an event source. It does not tell apart two events of one request, so its sensor has to, by
/// the name of what it makes.
///
/// <https://argoproj.github.io/argo-events/eventsources/setup/webhook/>
pub fn argo_events(service: Service) -> Config {
    let body = if service.parameters.is_empty() { json!("{{ request }}") } else { typed(&service.parameters) };
    let mut config = post(service, String::new(), body);
    config.headers.insert("idempotency-key".to_owned(), "{{ id }}".to_owned());
    config
}

/// What a pipeline of Kubeflow is called by.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pipeline {
    pub id: String,
    pub version: Option<String>,
    pub experiment: Option<String>,
    pub namespace: Option<String>,
    pub service_account: Option<String>,
    pub root: Option<String>,
}

/// Kubeflow Pipelines: a run of a pipeline. It takes two of the same name, so it is asked for the name first.
///
/// <https://www.kubeflow.org/docs/components/pipelines/reference/api/kubeflow-pipeline-api-spec/>
pub fn kubeflow(service: Service, pipeline: &Pipeline) -> Config {
    let mut reference = json!({"pipeline_id": literal(&pipeline.id)});
    if let Some(version) = &pipeline.version {
        reference["pipeline_version_id"] = literal(version).into();
    }
    let mut runtime = json!({"parameters": typed(&service.parameters)});
    if let Some(root) = &pipeline.root {
        runtime["pipeline_root"] = literal(root).into();
    }
    let mut body = json!({
        "display_name": NAME,
        "description": "{{ reason }}",
        "pipeline_version_reference": reference,
        "runtime_config": runtime,
    });
    // What follows is a filter of one predicate, as JSON that is escaped: that the name is this.
    let mut question = "/apis/v2beta1/runs?page_size=10&filter=%7B%22predicates%22%3A%5B%7B%22key%22%3A%22display_name\
                        %22%2C%22operation%22%3A%22EQUALS%22%2C%22string_value%22%3A%22{{ name }}%22%7D%5D%7D"
        .to_owned();
    if let Some(experiment) = &pipeline.experiment {
        body["experiment_id"] = literal(experiment).into();
        question.push_str(&format!("&experiment_id={}", segment(experiment)));
    }
    if let Some(namespace) = &pipeline.namespace {
        question.push_str(&format!("&namespace={}", segment(namespace)));
    }
    if let Some(account) = &pipeline.service_account {
        body["service_account"] = literal(account).into();
    }
    let look_up =
        LookUp { path: question, list: "/runs".to_owned(), field: "display_name".to_owned(), run: "run_id".to_owned() };
    let path = "/apis/v2beta1/runs".to_owned();
    Config { run: pointer("/run_id"), look_up: Some(look_up), ..post(service, path, body) }
}

/// Kubernetes: a Job, out of a manifest whose texts are templates. Its containers are told of the request as a command
/// is.
///
/// <https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/job-v1/>
pub fn kubernetes_job(service: Service, namespace: &str, manifest: Value) -> Config {
    let mut job = manifest;
    job["apiVersion"] = "batch/v1".into();
    job["kind"] = "Job".into();
    job["metadata"]["name"] = NAME.into();
    job["metadata"]["namespace"] = literal(namespace).into();
    let pod = &mut job["spec"]["template"]["spec"];
    if pod["restartPolicy"].is_null() {
        pod["restartPolicy"] = "Never".into();
    }
    let given = super::VARIABLES
        .map(|(name, expression)| json!({"name": name, "value": format!("{{{{ {expression} | variable }}}}")}));
    for container in pod["containers"].as_array_mut().into_iter().flatten() {
        let mut all: Vec<Value> = container["env"].as_array().cloned().unwrap_or_default();
        all.extend(given.iter().cloned());
        container["env"] = all.into();
    }
    let answers = says_it_exists("AlreadyExists");
    let path = format!("/apis/batch/v1/namespaces/{}/jobs", segment(namespace));
    Config { answers, run: pointer("/metadata/name"), ..post(service, path, job) }
}

/// GitHub: a `repository_dispatch`, which begins workflows. It does not tell apart two of the same request. Where the
/// workflow writes the request's id into its `run-name`, GitHub is asked for it first.
///
/// <https://docs.github.com/en/rest/repos/repos#create-a-repository-dispatch-event>
pub fn github(service: Service, (owner, repository): (&str, &str), event: &str, is_named: bool) -> Config {
    let payload =
        if service.parameters.is_empty() { json!({"request": "{{ request }}"}) } else { typed(&service.parameters) };
    let body = json!({"event_type": literal(event), "client_payload": payload});
    let place = format!("/repos/{}/{}", segment(owner), segment(repository));
    let look_up = is_named.then(|| LookUp {
        path: format!("{place}/actions/runs?event=repository_dispatch&per_page=100"),
        list: "/workflow_runs".to_owned(),
        field: "display_title".to_owned(),
        run: "html_url".to_owned(),
    });
    let mut config = Config { look_up, ..post(service, format!("{place}/dispatches"), body) };
    config.headers.insert("accept".to_owned(), "application/vnd.github+json".to_owned());
    config.headers.insert("x-github-api-version".to_owned(), "2022-11-28".to_owned());
    config
}

/// Where GitHub's API is.
pub const GITHUB: &str = "https://api.github.com";

/// SageMaker: an execution of a pipeline. A second request with the same token is answered with the first one's.
///
/// <https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_StartPipelineExecution.html>
pub fn sagemaker(service: Service, pipeline: &str) -> Config {
    let parameters: Vec<Value> =
        texts(&service.parameters).map(|(name, value)| json!({"Name": name, "Value": value})).collect();
    let body = json!({
        "PipelineName": literal(pipeline),
        "ClientRequestToken": "{{ id }}",
        "PipelineExecutionDisplayName": NAME,
        "PipelineExecutionDescription": "{{ reason[:3000] }}",
        "PipelineParameters": parameters,
    });
    // That it is being changed by somebody, or that there were too many requests.
    let answers = Answers {
        again: vec![CONFLICT],
        again_says: ["ThrottlingException", "RequestLimitExceeded"].map(str::to_owned).into(),
        ..Answers::default()
    };
    let mut config = Config { answers, run: pointer("/PipelineExecutionArn"), ..post(service, "/".to_owned(), body) };
    config.headers.insert("content-type".to_owned(), "application/x-amz-json-1.1".to_owned());
    config.headers.insert("x-amz-target".to_owned(), "SageMaker.StartPipelineExecution".to_owned());
    config
}

/// Where SageMaker is, in a region of AWS.
pub fn sagemaker_url(region: &str) -> String {
    let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
    format!("https://api.sagemaker.{region}.amazonaws.com{suffix}")
}

fn post(service: Service, path: String, body: Value) -> Config {
    Config {
        method: Method::POST,
        url: service.url,
        path,
        web: service.web,
        headers: BTreeMap::new(),
        auth: service.auth,
        body: Body::Json(body),
        answers: Answers::default(),
        run: None,
        look_up: None,
    }
}

fn says_it_exists(text: &str) -> Answers {
    Answers { conflict: vec![CONFLICT], conflict_says: Some(text.to_owned()), ..Answers::default() }
}

/// Parameters of any type.
fn typed(parameters: &BTreeMap<String, String>) -> Value {
    Value::Object(parameters.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect::<Map<_, _>>())
}

/// Parameters that have to be texts.
fn texts(parameters: &BTreeMap<String, String>) -> impl Iterator<Item = (String, Value)> {
    parameters.iter().map(|(name, value)| (name.clone(), always_text(value).into()))
}

/// A segment of a path, or a value of a query, that has in it what it has.
fn segment(text: &str) -> String {
    format!("{{{{ {} }}}}", Value::from(text))
}

fn pointer(text: &str) -> Option<String> {
    Some(text.to_owned())
}
