//! Against a real server: what is asked of it, what is written to it, and the daemon that follows its registry.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tidegauge::mlflow::client::Client;
use tidegauge::mlflow::error::Error;
use tidegauge::mlflow::headline::Drift;
use tidegauge::mlflow::journal::Told;
use tidegauge::mlflow::recorder::{Recorder, Written};
use tidegauge::mlflow::{Auth, Config};
use tidegauge::monitor::{Registered, Which};
use tidegauge::notify::client;
use tidegauge::notify::secret::Secret;
use tidegauge::time::Time;

use super::server::Server;
use super::{compared_with, configure, end_of, hash, hash_in_use, reference, send};
use crate::support::broker::Broker;
use crate::support::program::{Daemon, Folder};
use crate::support::wait_until;

const MODEL: &str = "signature:\n  inputs: '[{\"type\": \"double\", \"name\": \"income\", \"required\": true}, \
                     {\"type\": \"string\", \"name\": \"purpose\", \"required\": true}]'\n";

/// One test, since the server takes long to start.
#[test]
fn a_real_server_is_asked_written_to_and_followed() {
    if std::env::var_os("TIDEGAUGE_PEERS").is_none() {
        eprintln!("a_real_server_is_asked_written_to_and_followed did not run: it needs TIDEGAUGE_PEERS");
        return;
    }
    let server = Server::start();
    server.post("registered-models/create", json!({"name": "credit"}));
    // The first version has its reference with the model, and the second, which is of MLflow's own making, with the run
    // that made the model.
    let of_model = [("model/MLmodel", MODEL), ("model/tidegauge/reference.csv", &reference(0))];
    server.register("credit", &of_model);
    server.log_model("credit", &reference(60));
    server.promote("credit", "champion", "1");
    what_is_registered_is_found(&server);
    what_is_written_is_there_once(&server);
    the_daemon_follows_the_alias(&server);
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

fn client(server: &Server, experiment: &str) -> Client {
    let config = Config {
        url: Secret::Given(server.url()),
        auth: Auth::None,
        // The machine may be busy.
        web: client::Config { timeout: Duration::from_secs(60), ..client::Config::default() },
        poll: Duration::from_secs(1),
        experiment: experiment.to_owned(),
        webhook: vec![],
    };
    Client::new(config).expect("it can be used")
}

fn what_is_registered_is_found(server: &Server) {
    let client = client(server, "unused");
    let asked = |which| Registered { name: "credit".into(), which, artifact: "tidegauge/reference.csv".into() };
    let champion = run(client.resolve(&asked(Which::Alias("champion".into())))).expect("it has a champion");
    assert_eq!((champion.name.as_str(), champion.version.as_str()), ("credit", "1"));
    let second = run(client.resolve(&asked(Which::Version("2".into())))).expect("it has two versions");
    assert_eq!(second.version, "2");
    // That an alias is not there, MLflow tells as if it could not be.
    let nobody = run(client.resolve(&asked(Which::Alias("nobody".into()))));
    assert!(matches!(&nobody, Err(Error::Lasting { why }) if why.contains("alias nobody not found")), "{nobody:?}");
    let third = run(client.resolve(&asked(Which::Version("3".into()))));
    assert!(matches!(third, Err(Error::Missing { .. })), "{third:?}");

    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("reference.csv");
    for (version, expected) in [(&champion, reference(0)), (&second, reference(60))] {
        let size = run(client.bring(version, "tidegauge/reference.csv", &file)).expect("it is there");
        assert_eq!(size, expected.len() as u64);
        assert_eq!(std::fs::read_to_string(&file).expect("it was brought"), expected);
    }
    let missing = run(client.bring(&second, "tidegauge/other.csv", &file));
    let why = "neither version 2 of credit nor its run has the artifact tidegauge/other.csv";
    assert!(matches!(&missing, Err(Error::Missing { why: told }) if told == why), "{missing:?}");
    for version in [&champion, &second] {
        let signature = run(client.signature(version)).expect("it can be asked").expect("it has one");
        let inputs: Vec<_> = signature.inputs.iter().map(|input| (input.name.as_str(), input.kind.as_str())).collect();
        assert_eq!(inputs, [("income", "double"), ("purpose", "string")]);
    }
}

fn what_is_written_is_there_once(server: &Server) {
    let told = |version: &str, end: i64, drifted: bool| Told {
        model: "loan".into(),
        name: "credit".into(),
        version: version.into(),
        end: Time(end),
        revision: 0,
        figures: BTreeMap::from([("rows".to_owned(), end as f64), ("drift.psi.max".to_owned(), 0.1)]),
        drift: Some(Drift {
            subjects: if drifted { vec!["income".into()] } else { vec![] },
            reference: Some("abc".into()),
        }),
    };
    let client = Arc::new(client(server, "by hand"));
    let record = |recorder: &mut Recorder, windows: &[Told]| run(recorder.record(windows));
    let mut recorder = Recorder::new(client.clone(), "tests");
    let windows = [told("1", 10_000, true), told("1", 20_000, false)];
    assert_eq!(record(&mut recorder, &windows).expect("it is written"), Written::Written);
    // Once more, and once more after a restart, is the same.
    assert_eq!(record(&mut recorder, &windows).expect("it is written"), Written::Written);
    let mut recorder = Recorder::new(client.clone(), "tests");
    assert_eq!(record(&mut recorder, &windows).expect("it is written"), Written::Written);
    let runs = server.runs("by%20hand");
    assert_eq!(runs.len(), 1, "{runs:?}");
    let id = runs[0]["info"]["run_id"].as_str().expect("an id");
    assert_eq!(server.history(id, "rows"), [(10_000, 10_000.0), (20_000, 20_000.0)]);
    assert_eq!(server.tag("credit", "1", "tidegauge.run_id").as_deref(), Some(id));
    assert_eq!(server.tag("credit", "1", "tidegauge.drift.status").as_deref(), Some("ok"));

    // What is told again, with more labels, is the value that counts.
    let revised = Told { revision: 1, ..told("1", 20_000, true) };
    let revised = Told { figures: BTreeMap::from([("rows".to_owned(), 1.0)]), ..revised };
    assert_eq!(record(&mut recorder, &[revised]).expect("it is written"), Written::Written);
    let latest = server.get(&format!("runs/get?run_id={id}"));
    let latest = latest["run"]["data"]["metrics"].as_array().expect("it has metrics").clone();
    assert!(latest.iter().any(|metric| metric["key"] == "rows" && metric["value"] == 1.0), "{latest:?}");
    let tag = |key: &str| server.tag("credit", "1", &format!("tidegauge.drift.{key}")).unwrap_or_default();
    assert_eq!([tag("status"), tag("subjects"), tag("reference")], ["drifted", "income", "abc"]);
    assert_eq!(tag("window_end"), Time(20_000).to_string());

    // A run that somebody has deleted has another in its place.
    server.post("runs/delete", json!({"run_id": id}));
    assert_eq!(record(&mut recorder, &[told("1", 30_000, true)]).expect("it is written"), Written::Written);
    let runs = server.runs("by%20hand");
    assert!(runs.len() == 1 && runs[0]["info"]["run_id"] != id, "{runs:?}");
    // More figures than one request may have.
    let many = Told { figures: (0..2500).map(|i| (format!("f{i}"), 1.0)).collect(), ..told("2", 10_000, false) };
    assert_eq!(record(&mut recorder, &[many]).expect("it is written"), Written::Written);
    for version in ["17", "v2"] {
        assert_eq!(record(&mut recorder, &[told(version, 1, true)]).expect("it is asked"), Written::NotRegistered);
    }
}

fn the_daemon_follows_the_alias(server: &Server) {
    let (broker, folder) = (Broker::start(&[("loans", 1)]), Folder::new());
    configure(&folder, &broker, &server.url(), "  poll: 1s\n  timeout: 60s\n  webhook_secret: s3cret\n");
    let mut daemon = Daemon::start_ready(&folder);
    let (first, second) = (hash(&folder, 0), hash(&folder, 60));
    assert_eq!(hash_in_use(&daemon).as_ref(), Some(&first));
    // The model takes a purpose, which the monitor does not watch.
    assert_eq!(daemon.metric("tidegauge_mlflow_signature_differences", &[("model", "loan")]), Some(1.0));
    send(&broker, 0, "1", 0);
    send(&broker, 1, "1", 0);
    wait_until("the first window", || compared_with(&daemon, 0).as_ref() == Some(&first));

    let polls = || daemon.metric("tidegauge_mlflow_polls_total", &[("model", "loan")]).unwrap_or(0.0);
    server.promote("credit", "champion", "2");
    let before = polls();
    wait_until("the second version's reference", || hash_in_use(&daemon).as_ref() == Some(&second));
    // One poll may have been under way, and another may follow before anybody looks.
    assert!(polls() - before <= 3.0, "it took {} polls", polls() - before);
    assert_eq!(daemon.metric("tidegauge_mlflow_promotions_total", &[("model", "loan")]), Some(1.0));
    for (window, from) in [(2, 60), (3, 60), (4, 0), (5, 0)] {
        send(&broker, window, "2", from);
    }
    wait_until("the fourth window", || compared_with(&daemon, 4).as_ref() == Some(&second));
    assert_eq!(compared_with(&daemon, 3), Some(second.clone()));
    // The window that was open when the reference changed is counted on the new one, and whole.
    assert_eq!(compared_with(&daemon, 1), Some(second.clone()));
    assert!(daemon.course("loan", "", "rows").contains(&(end_of(1), Some(400.0))));

    // What was measured is at the run of the version that the rows are of.
    let written = || daemon.metric("tidegauge_mlflow_windows_total", &[("model", "loan")]);
    wait_until("the windows to be written", || written() >= Some(5.0));
    let run = server.tag("credit", "2", "tidegauge.run_id").expect("the version names its run");
    let at = |window: i64| super::BEGIN + (window + 1) * super::WINDOW;
    assert_eq!(server.history(&run, "rows"), [2, 3, 4].map(|window| (at(window), 400.0)));
    let drifts: Vec<(i64, bool)> =
        server.history(&run, "drift.psi.max").iter().map(|(at, psi)| (*at, *psi > 0.2)).collect();
    assert_eq!(drifts, [(at(2), false), (at(3), false), (at(4), true)]);
    let tag = |key: &str| server.tag("credit", "2", &format!("tidegauge.drift.{key}")).unwrap_or_default();
    wait_until("the version to be tagged", || tag("status") == "drifted");
    assert_eq!([tag("subjects"), tag("window_end"), tag("reference")], ["income", &end_of(4), &second]);

    // A daemon that seldom polls is told by a webhook, which MLflow signs.
    assert_eq!(daemon.terminate().0.code(), Some(0));
    configure(&folder, &broker, &server.url(), "  poll: 1h\n  timeout: 60s\n  webhook_secret: s3cret\n");
    let daemon = Daemon::start_ready(&folder);
    assert_eq!(hash_in_use(&daemon), Some(second));
    let webhook = json!({
        "name": "tidegauge",
        "url": format!("http://{}/api/v1/mlflow/webhook", daemon.address),
        "events": [{"entity": "MODEL_VERSION_ALIAS", "action": "CREATED"}],
        "secret": "s3cret",
    });
    server.post("webhooks", webhook);
    server.promote("credit", "champion", "1");
    wait_until("the first version's reference", || hash_in_use(&daemon).as_ref() == Some(&first));
    send(&broker, 6, "1", 0);
    send(&broker, 7, "1", 0);
    wait_until("the seventh window", || compared_with(&daemon, 6).as_ref() == Some(&first));
}
