//! What people and training jobs say of runs over HTTP, and what comes of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::services::Services;
use super::{all_services, of, request, run};
use tidegauge::daemon::{Reports, Retraining, Tools};
use tidegauge::http::{Desk, RetrainDesk, View, router, serve};
use tidegauge::notify::Schedule;
use tidegauge::retrain::{Guards, Run};
use tidegauge::store::{self, Commit, Store};
use tidegauge::telemetry::Telemetry;
use tidegauge::time::Time;
use tidegauge::trigger::Action;

const ID: &str = "000000000000000000000000000000aa";

/// Sends JSON, and gives the status and what was answered.
async fn post(address: &str, path: &str, body: Value) -> (u16, Value) {
    let client = reqwest::Client::builder().tls_certs_only([]).build().expect("a client");
    let url = format!("{address}/api/v1/retrains/{path}");
    let sent = client.post(url).header("content-type", "application/json").body(body.to_string()).send().await;
    let answer = sent.expect("an answer");
    let status = answer.status().as_u16();
    (status, serde_json::from_str(&answer.text().await.expect("a text")).expect("JSON"))
}

async fn get(address: &str, path: &str) -> Value {
    let client = reqwest::Client::builder().tls_certs_only([]).build().expect("a client");
    let answer = client.get(format!("{address}/api/v1/retrains{path}")).send().await.expect("an answer");
    serde_json::from_str(&answer.text().await.expect("a text")).expect("JSON")
}

/// Waits for the run to be in this state.
async fn becomes(address: &str, state: &str) -> Value {
    for _ in 0..400 {
        let run = get(address, &format!("/{ID}")).await;
        if run["data"]["state"] == state {
            return run["data"].clone();
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("it never is {state}: {}", get(address, "").await);
}

#[test]
fn a_run_is_approved_begun_and_reported_on() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (services, folder) = (Services::start(|_| None), tempfile::tempdir().expect("a folder"));
    let config = store::Config { path: folder.path().join("data"), cache: 1 << 20 };
    let store = Arc::new(Store::open(&config).expect("the store opens"));
    let (_, databricks) = all_services(&services.url(), Duration::from_secs(5)).remove(1);
    let action = Action::new(of(databricks)).expect("it can be used");
    run(async {
        let (desk, asked) = RetrainDesk::new();
        let telemetry = Telemetry::new(100);
        let (ask_reload, _reload) = mpsc::channel(1);
        let view = View::new(telemetry.clone(), Time(0), ask_reload);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let (again, _) = mpsc::unbounded_channel();
        let operators = Desk::open(store.clone(), again, Time(0)).expect("it opens");
        tokio::spawn(serve(listener, router(view, operators, desk.clone()), std::future::pending()));
        let guards = BTreeMap::from([("nightly".to_owned(), Guards { approval: true, ..Guards::default() })]);
        let actions = BTreeMap::from([("nightly".to_owned(), action)]);
        let tools = Tools {
            store: store.clone(),
            telemetry: telemetry.clone(),
            desk,
            schedule: Schedule::default(),
            config_hash: String::new(),
        };
        let retraining = Retraining::open(guards, actions, tools, asked, Reports::none()).expect("it opens");
        let asked = Run::requested(request(ID, "nightly", "credit"), Time(0));
        store.commit(&Commit { runs: vec![asked.clone()], ..Commit::default() }).expect("it is stored");
        retraining.requests.send(asked).expect("it is taken");
        becomes(&address, "awaiting_approval").await;
        assert_eq!(services.all_begun(), 0);

        let approve = format!("{ID}/approve");
        assert_eq!(post(&address, &approve, json!({})).await.0, 422);
        assert_eq!(post(&address, &approve, json!({"by": "anna\n"})).await.0, 400);
        assert_eq!(post(&address, "nobody/approve", json!({"by": "anna"})).await.0, 404);
        let plain = reqwest::Client::builder().tls_certs_only([]).build().expect("a client");
        let url = format!("{address}/api/v1/retrains/{approve}");
        let refused = plain.post(url).body("{\"by\": \"anna\"}").send().await.expect("an answer");
        assert_eq!(refused.status().as_u16(), 415, "a page elsewhere could send that");
        assert_eq!(services.all_begun(), 0);
        assert_eq!(post(&address, &approve, json!({"by": "anna"})).await.0, 200);
        let begun = becomes(&address, "triggered").await;
        assert_eq!((&begun["who"], &begun["run"]), (&json!("anna"), &json!("455644833")));
        assert_eq!(services.begun(ID), 1);
        assert_eq!(post(&address, &approve, json!({"by": "anna"})).await.0, 409);

        assert_eq!(post(&address, &format!("{ID}/started"), json!({})).await.0, 200);
        let (status, run) = post(&address, &format!("{ID}/succeeded"), json!({"version": "8"})).await;
        assert_eq!((status, &run["data"]["new_version"]), (200, &json!("8")));
        assert_eq!(post(&address, &format!("{ID}/failed"), json!({"why": "no"})).await.0, 409);
        assert_eq!(get(&address, "?state=succeeded&model=credit").await["data"][0]["id"], ID);
        assert_eq!(get(&address, "?state=failed").await["data"], json!([]));
        assert!(get(&address, "?state=lost_in_thought").await["error"].is_string());
        retraining.close().await.expect("it ends");
        assert_eq!(store.runs().expect("runs")[0].new_version.as_deref(), Some("8"));
    });
}
