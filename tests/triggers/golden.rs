//! What each service is sent, byte for byte.

use std::time::Duration;

use super::services::{Seen, Services};
use super::{all_services, of, request, run, triggering};
use tidegauge::trigger::Action;

const ID: &str = "0123456789abcdef0123456789abcdef";

/// What a service saw, and what it called the run.
fn sent(kind: &str) -> (Vec<Seen>, Option<String>) {
    let services = Services::start(|_| None);
    let (_, config) = all_services(&services.url(), Duration::from_secs(5))
        .into_iter()
        .find(|(name, _)| *name == kind)
        .expect("it is one of them");
    let action = Action::new(of(config)).expect("it can be used");
    let accepted = run(action.begin(&triggering(request(ID, kind, "credit")))).expect("it is taken");
    assert!(!accepted.is_known, "it is new");
    (services.seen(), accepted.run)
}

fn assert_sent(seen: &Seen, line: &str, body: &str) {
    assert_eq!(format!("{} {}", seen.method, seen.path), line);
    assert_eq!(seen.body, body);
}

const REQUEST: &str = r#"{"alert":"FeatureDrift","condition":"drift.psi > 0.2","coverage":0.3,"evidence":[],"id":"0123456789abcdef0123456789abcdef","labelled":1500,"link":"https://tidegauge.example.com/#model-credit","model":"credit","offsets":[{"first":10,"last":20,"partition":3,"topic":"credit.predictions"}],"quiet_until":"1970-01-02T00:00:00Z","reason":"FeatureDrift: income has psi 0.31 (threshold 0.2)","retrain":"KIND","rows":5000,"slice":"","subjects":["income"],"version":"7","window_end":"1970-01-01T01:00:00Z","window_start":"1970-01-01T00:00:00Z"}"#;

fn with_request(body: &str, kind: &str) -> String {
    body.replace("REQUEST", &REQUEST.replace("KIND", kind))
}

/// <https://airflow.apache.org/docs/apache-airflow/stable/stable-rest-api-ref.html#operation/trigger_dag_run>
#[test]
fn airflow() {
    let (seen, run) = sent("airflow");
    assert_sent(&seen[0], "POST /auth/token", r#"{"password":"s3cret","username":"tidegauge"}"#);
    let body = r#"{"conf":REQUEST,"dag_run_id":"tidegauge-0123456789abcdef0123456789abcdef","logical_date":null,"note":"FeatureDrift: income has psi 0.31 (threshold 0.2)"}"#;
    assert_sent(&seen[1], "POST /api/v2/dags/retrain%20credit/dagRuns", &with_request(body, "airflow"));
    assert_eq!((seen.len(), run.as_deref()), (2, Some("tidegauge-0123456789abcdef0123456789abcdef")));
}

/// <https://docs.databricks.com/api/workspace/jobs/runnow>
#[test]
fn databricks() {
    let (seen, run) = sent("databricks");
    let body = r#"{"idempotency_token":"0123456789abcdef0123456789abcdef","job_id":1234,"job_parameters":{"model":"credit","rows":"5000"}}"#;
    assert_sent(&seen[0], "POST /api/2.2/jobs/run-now", body);
    assert_eq!((seen.len(), run.as_deref()), (1, Some("455644833")));
}

/// <https://argo-workflows.readthedocs.io/en/latest/swagger/>
#[test]
fn argo_workflows() {
    let (seen, run) = sent("argo_workflows");
    let body = r#"{"namespace":"ml","resourceKind":"WorkflowTemplate","resourceName":"retrain","submitOptions":{"name":"tidegauge-0123456789abcdef0123456789abcdef","parameters":["model=credit","rows=5000"]}}"#;
    assert_sent(&seen[0], "POST /api/v1/workflows/ml/submit", body);
    assert_eq!((seen.len(), run.as_deref()), (1, Some("tidegauge-0123456789abcdef0123456789abcdef")));
}

/// <https://argoproj.github.io/argo-events/eventsources/setup/webhook/>
#[test]
fn argo_events() {
    let (seen, _) = sent("argo_events");
    assert_sent(&seen[0], "POST /retrain", r#"{"model":"credit","rows":5000}"#);
    assert_eq!(seen[0].headers["idempotency-key"], ID);
}

/// <https://www.kubeflow.org/docs/components/pipelines/reference/api/kubeflow-pipeline-api-spec/>
#[test]
fn kubeflow() {
    let (seen, run) = sent("kubeflow");
    let question = "GET /apis/v2beta1/runs?page_size=10&filter=%7B%22predicates%22%3A%5B%7B%22key%22%3A%22display_name%22\
                    %2C%22operation%22%3A%22EQUALS%22%2C%22string_value%22%3A%22tidegauge-0123456789abcdef0123456789abcdef\
                    %22%7D%5D%7D&experiment_id=experiment%203";
    assert_sent(&seen[0], question, "");
    let body = r#"{"description":"FeatureDrift: income has psi 0.31 (threshold 0.2)","display_name":"tidegauge-0123456789abcdef0123456789abcdef","experiment_id":"experiment 3","pipeline_version_reference":{"pipeline_id":"pipeline-1","pipeline_version_id":"version-2"},"runtime_config":{"parameters":{"model":"credit","rows":5000}}}"#;
    assert_sent(&seen[1], "POST /apis/v2beta1/runs", body);
    assert_eq!((seen.len(), run.as_deref()), (2, Some("run-9")));
}

/// <https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/job-v1/>
#[test]
fn kubernetes_job() {
    let (seen, _) = sent("kubernetes_job");
    // As a text it has its fields in the order in which they are documented.
    let request = r#"{"id":"0123456789abcdef0123456789abcdef","retrain":"kubernetes_job","model":"credit","version":"7","slice":"","alert":"FeatureDrift","condition":"drift.psi > 0.2","subjects":["income"],"window_start":"1970-01-01T00:00:00Z","window_end":"1970-01-01T01:00:00Z","evidence":[],"offsets":[{"first":10,"last":20,"partition":3,"topic":"credit.predictions"}],"reason":"FeatureDrift: income has psi 0.31 (threshold 0.2)","rows":5000,"labelled":1500,"coverage":0.3,"link":"https://tidegauge.example.com/#model-credit","quiet_until":"1970-01-02T00:00:00Z"}"#;
    let quoted = serde_json::to_string(request).expect("a text");
    let body = r#"{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"tidegauge-0123456789abcdef0123456789abcdef","namespace":"ml"},"spec":{"backoffLimit":0,"template":{"spec":{"containers":[{"args":["--model=credit"],"env":[{"name":"A","value":"b"},{"name":"TIDEGAUGE_REQUEST_ID","value":"0123456789abcdef0123456789abcdef"},{"name":"TIDEGAUGE_MODEL","value":"credit"},{"name":"TIDEGAUGE_VERSION","value":"7"},{"name":"TIDEGAUGE_SLICE","value":""},{"name":"TIDEGAUGE_REASON","value":"FeatureDrift: income has psi 0.31 (threshold 0.2)"},{"name":"TIDEGAUGE_WINDOW_START","value":"1970-01-01T00:00:00Z"},{"name":"TIDEGAUGE_WINDOW_END","value":"1970-01-01T01:00:00Z"},{"name":"TIDEGAUGE_LINK","value":"https://tidegauge.example.com/#model-credit"},{"name":"TIDEGAUGE_REQUEST","value":QUOTED}],"image":"example/train:1","name":"train"}],"restartPolicy":"Never"}}}}"#;
    assert_sent(&seen[0], "POST /apis/batch/v1/namespaces/ml/jobs", &body.replace("QUOTED", &quoted));
}

/// <https://docs.github.com/en/rest/repos/repos#create-a-repository-dispatch-event>
#[test]
fn github() {
    let (seen, run) = sent("github");
    assert_sent(&seen[0], "GET /repos/example/models/actions/runs?event=repository_dispatch&per_page=100", "");
    let body = r#"{"client_payload":{"request":REQUEST},"event_type":"retrain"}"#;
    assert_sent(&seen[1], "POST /repos/example/models/dispatches", &with_request(body, "github"));
    assert_eq!((seen.len(), run), (2, None));
}

/// <https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_StartPipelineExecution.html>
#[test]
fn sagemaker() {
    let (seen, run) = sent("sagemaker");
    let body = r#"{"ClientRequestToken":"0123456789abcdef0123456789abcdef","PipelineExecutionDescription":"FeatureDrift: income has psi 0.31 (threshold 0.2)","PipelineExecutionDisplayName":"tidegauge-0123456789abcdef0123456789abcdef","PipelineName":"retrain-credit","PipelineParameters":[{"Name":"model","Value":"credit"},{"Name":"rows","Value":"5000"}]}"#;
    assert_sent(&seen[0], "POST /", body);
    let arn = "arn:aws:sagemaker:eu-west-1:123456789012:pipeline/retrain-credit/execution/0123456789ab";
    assert_eq!((seen.len(), run.as_deref()), (1, Some(arn)));
}
