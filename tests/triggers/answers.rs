//! How attempts end: what is tried again and for how long, what is given up, and that nothing is begun twice.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::services::{Script, Services, Trouble};
use super::{all_services, given, of, request, run, triggering};
use crate::support::wait_until;
use tidegauge::notify::Schedule;
use tidegauge::notify::attempt::Failure;
use tidegauge::retrain::{Event, Run, State};
use tidegauge::rule::alert::RetrainRequest;
use tidegauge::trigger::http::Auth;
use tidegauge::trigger::{Accepted, Action, Config, Dispatcher, exec, http};

const ID: &str = "00000000000000000000000000000001";

fn schedule(waits: &[u64], give_up: u64) -> Schedule {
    let waits = waits.iter().map(|wait| Duration::from_millis(*wait)).collect();
    Schedule { waits, give_up: Duration::from_millis(give_up) }
}

/// What the dispatcher tells of one run of this kind.
fn dispatched(services: &Services, kind: &str, schedule: Schedule) -> Event {
    let all = all_services(&services.url(), Duration::from_millis(300));
    let (_, config) = all.into_iter().find(|(name, _)| *name == kind).expect("it is one of them");
    let action = Action::new(of(config)).expect("it can be used");
    let actions = BTreeMap::from([(kind.to_owned(), action)]);
    run(async {
        let (triggers, coming) = mpsc::unbounded_channel();
        let (tell, mut told) = mpsc::unbounded_channel();
        tokio::spawn(Dispatcher { actions, schedule }.run(coming, tell));
        triggers.send(triggering(request(ID, kind, "credit"))).expect("it listens");
        told.recv().await.expect("it tells")
    })
}

/// One attempt of this kind, against a server that has begun no run or one.
fn attempt(kind: &str, script: Script, times: usize) -> Result<Accepted, Failure> {
    let services = Services::start(script);
    let all = all_services(&services.url(), Duration::from_millis(300));
    let (_, config) = all.into_iter().find(|(name, _)| *name == kind).expect("it is one of them");
    let action = Action::new(of(config)).expect("it can be used");
    let asked = triggering(request(ID, kind, "credit"));
    run(async {
        for _ in 1..times {
            let _ = action.begin(&asked).await;
        }
        action.begin(&asked).await
    })
}

#[test]
fn whatever_befalls_a_request_one_run_is_begun() {
    // A run that is begun and not told of, then a crowd, then a fault, then one that is begun and told of wrongly.
    let script: Script = |n| match n {
        0 => Some(Trouble::Hang),
        1 => Some(Trouble::Refused(429)),
        2 => Some(Trouble::Refused(500)),
        3 => Some(Trouble::Wrong),
        _ => None,
    };
    for (kind, _) in all_services("http://host", Duration::from_secs(1)) {
        let services = Services::start(script);
        let told = dispatched(&services, kind, schedule(&[10], 60_000));
        assert!(matches!(&told, Event::Triggered { id, .. } if id == ID), "{kind}: {told:?}");
        // Argo Events has no means to know.
        let most = if kind == "argo_events" { 3 } else { 1 };
        assert!((1..=most).contains(&services.begun(ID)), "{kind}: {}", services.begun(ID));
    }
}

#[test]
fn a_run_that_is_known_is_as_good_as_begun() {
    for (kind, _) in all_services("http://host", Duration::from_secs(1)) {
        let accepted = attempt(kind, |_| None, 2).unwrap_or_else(|failure| panic!("{kind}: {failure}"));
        let is_told = !["argo_events", "databricks", "sagemaker"].contains(&kind);
        assert_eq!(accepted.is_known, is_told, "{kind}");
        assert!(accepted.run.is_some() || kind == "argo_events", "{kind}");
    }
}

#[test]
fn a_service_that_is_crowded_is_given_the_time_that_it_asks_for() {
    let busy: Script = |n| (n == 0).then_some(Trouble::Refused(429));
    let failure = attempt("databricks", busy, 1).expect_err("it is busy");
    assert!(matches!(failure, Failure::Passing { after: Some(after), .. } if after == Duration::from_secs(1)));
    let begun = Instant::now();
    let told = dispatched(&Services::start(busy), "databricks", schedule(&[10, 2000], 60_000));
    assert!(matches!(told, Event::Triggered { .. }), "{told:?}");
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[test]
fn what_will_not_pass_is_given_up_and_said_without_secrets() {
    let told = dispatched(&Services::start(|_| Some(Trouble::Refused(404))), "databricks", schedule(&[10], 60_000));
    let Event::TriggerFailed { why, .. } = told else { panic!("{told:?}") };
    assert!(why.contains("404") && why.contains("refused") && !why.contains("t0ken"), "{why}");
    // A conflict of another kind than that the run exists is one that passes.
    let failure = attempt("kubernetes_job", |_| Some(Trouble::Refused(409)), 1).expect_err("it is refused");
    assert!(matches!(failure, Failure::Passing { .. }), "{failure}");
    let services = Services::start(|_| Some(Trouble::Refused(503)));
    let told = dispatched(&services, "airflow", schedule(&[10], 200));
    assert!(matches!(&told, Event::TriggerFailed { why, .. } if why.contains("503")), "{told:?}");
    assert_eq!(services.all_begun(), 0);
}

#[test]
fn a_token_that_is_not_given_is_asked_for_again() {
    let services = Services::start(|_| None);
    let all = all_services(&services.url(), Duration::from_secs(1));
    let (_, config) = all.into_iter().next().expect("Airflow");
    let auth = Auth::Login { path: "/auth/token".to_owned(), username: given("tidegauge"), password: given("wr0ng") };
    let action = Action::new(of(http::Config { auth, ..config })).expect("it can be used");
    let failure = run(action.begin(&triggering(request(ID, "airflow", "credit")))).expect_err("it is refused");
    assert!(failure.to_string().starts_with("ask for a token: http://127.0.0.1 answered 400"), "{failure}");
    assert!(!failure.to_string().contains("wr0ng"), "{failure}");
}

#[test]
fn what_a_service_repeats_of_its_address_and_of_a_token_is_not_said() {
    let services = Services::start(|_| None);
    let all = all_services(&services.url(), Duration::from_secs(5));
    for (kind, query) in [("airflow", ""), ("argo_events", "?key=s3cret-key"), ("github", "")] {
        let (_, config) = all.iter().find(|(name, _)| *name == kind).expect("it is one of them").clone();
        let url = given(&format!("{}/echo/s3cret-hook{query}", services.url()));
        let action = Action::new(of(http::Config { url, look_up: None, ..config })).expect("it can be used");
        let why = run(action.begin(&triggering(request(ID, kind, "credit")))).expect_err("it is refused").to_string();
        assert!(why.contains("<secret> is unknown: there is no <secret> for Bearer <secret>"), "{why}");
        assert!(!["s3cret", "t0ken", "jwt"].iter().any(|secret| why.contains(secret)), "{why}");
    }
}

fn command(folder: &Path, script: &str, timeout: Duration) -> Action {
    let config = exec::Config {
        command: ["sh", "-c", script, "{{ model }}"].map(str::to_owned).into(),
        environment: BTreeMap::from([("TOKEN".to_owned(), given("s3cret"))]),
        directory: Some(folder.to_owned()),
        timeout,
        output: folder.join("exec"),
    };
    Action::new(Config::Exec(config)).expect("it can be used")
}

fn commanded() -> Run {
    triggering(request(ID, "exec", "credit"))
}

#[test]
fn a_command_is_told_of_the_request_and_run_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = "cat > request; echo $0 $TIDEGAUGE_REQUEST_ID $TIDEGAUGE_ROWS $TOKEN $CARGO_MANIFEST_DIR >> told";
    let action = command(folder.path(), script, Duration::from_secs(30));
    let run_once = commanded();
    let begun = run(action.begin(&run_once)).expect("it goes well");
    assert_eq!(begun, Accepted { run: None, is_known: false });
    assert!(run(action.begin(&run_once)).expect("it went well").is_known);
    // The environment of this process is not handed on.
    assert_eq!(fs::read_to_string(folder.path().join("told")).expect("a file"), format!("credit {ID} s3cret\n"));
    let told = fs::read(folder.path().join("request")).expect("a file");
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&told).expect("JSON")["rows"], 5000);
}

#[test]
fn a_long_request_is_on_the_input_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let action = command(folder.path(), "cat > request; env > told", Duration::from_secs(30));
    let reason = "x".repeat(200_000);
    let long = triggering(RetrainRequest { reason: reason.clone(), ..request(ID, "exec", "credit") });
    run(action.begin(&long)).expect("it goes well");
    let variables = fs::read_to_string(folder.path().join("told")).expect("a file");
    assert!(variables.contains("TIDEGAUGE_REQUEST_ID=") && !variables.contains("TIDEGAUGE_REQUEST="), "{variables}");
    let told = fs::read(folder.path().join("request")).expect("a file");
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&told).expect("JSON")["reason"], reason);
}

/// A container cannot be started either with a variable that is too long, and has no input.
#[test]
fn a_long_request_is_not_in_the_variables_of_a_container() {
    let services = Services::start(|_| None);
    let all = all_services(&services.url(), Duration::from_secs(5));
    let (kind, config) = all.into_iter().find(|(name, _)| *name == "kubernetes_job").expect("it is one of them");
    let action = Action::new(of(config)).expect("it can be used");
    let offsets = vec![request(ID, kind, "credit").offsets[0].clone(); 2000];
    run(action.begin(&triggering(RetrainRequest { offsets, ..request(ID, kind, "credit") }))).expect("it goes well");
    let job: serde_json::Value = serde_json::from_str(&services.seen()[0].body).expect("JSON");
    let variables = job["spec"]["template"]["spec"]["containers"][0]["env"].as_array().expect("a list").clone();
    let value = |name: &str| variables.iter().find(|variable| variable["name"] == name).map(|it| it["value"].clone());
    assert_eq!((value("TIDEGAUGE_REQUEST"), value("TIDEGAUGE_MODEL")), (Some("".into()), Some("credit".into())));
}

#[test]
fn a_command_that_fails_or_takes_too_long_has_failed() {
    let folder = tempfile::tempdir().expect("a folder");
    let failed = |script, timeout, run_of: &Run| {
        run(command(folder.path(), script, timeout).begin(run_of)).expect_err("it fails").to_string()
    };
    let first = commanded();
    assert_eq!(failed("exit 3", Duration::from_secs(30), &first), "the command ended with exit status: 3");
    // It is not run again for this, but it is when somebody wants it again.
    assert_eq!(failed("exit 4", Duration::from_secs(30), &first), "the command ended with exit status: 3");
    let again = Run { triggered: first.triggered.map(|at| tidegauge::time::Time(at.0 + 1)), ..first };
    let slow = failed("exec sleep 30", Duration::from_millis(1000), &again);
    assert_eq!(slow, "the command took more than 1 seconds");
    // What it has begun is ended with it.
    let third = Run { triggered: again.triggered.map(|at| tidegauge::time::Time(at.0 + 1)), ..again };
    let limit = Duration::from_millis(1000);
    assert_eq!(failed("sleep 300 & wait", limit, &third), slow);
    wait_until("what it has begun to end", || failed("true", limit, &third) == slow);
    let nowhere = exec::Config {
        command: vec!["/nowhere/at/all".to_owned()],
        environment: BTreeMap::new(),
        directory: None,
        timeout: Duration::from_secs(1),
        output: folder.path().join("other"),
    };
    let action = Action::new(Config::Exec(nowhere)).expect("it can be used");
    let failure = run(action.begin(&commanded())).expect_err("there is none").to_string();
    assert_eq!(failure, "cannot run /nowhere/at/all: No such file or directory (os error 2)");
}

#[test]
fn a_command_that_fails_has_failed_also_if_its_run_has_started() {
    let folder = tempfile::tempdir().expect("a folder");
    let action = command(folder.path(), "touch started; sleep 1; exit 3", Duration::from_secs(30));
    let actions = BTreeMap::from([("exec".to_owned(), action)]);
    let told = run(async {
        let (triggers, coming) = mpsc::unbounded_channel();
        let (tell, mut told) = mpsc::unbounded_channel();
        tokio::spawn(Dispatcher { actions, schedule: schedule(&[10], 60_000) }.run(coming, tell));
        let asked = commanded();
        triggers.send(asked.clone()).expect("it listens");
        while !folder.path().join("started").exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        triggers.send(Run { state: State::Started, ..asked }).expect("it listens");
        [told.recv().await.expect("it tells"), told.recv().await.expect("it tells")]
    });
    let why = "the command ended with exit status: 3".to_owned();
    let failed = Event::Failed { id: ID.to_owned(), why: why.clone() };
    assert_eq!(told, [Event::TriggerFailed { id: ID.to_owned(), why }, failed]);
}

#[test]
fn a_run_that_is_over_is_not_tried_again() {
    let services = Services::start(|_| Some(Trouble::Wrong));
    let all = all_services(&services.url(), Duration::from_secs(5));
    // It would begin a run each time.
    let (kind, config) = all.into_iter().find(|(kind, _)| *kind == "argo_events").expect("it is one of them");
    let actions = BTreeMap::from([(kind.to_owned(), Action::new(of(config)).expect("it can be used"))]);
    run(async {
        let (triggers, coming) = mpsc::unbounded_channel();
        let (tell, mut told) = mpsc::unbounded_channel();
        let dispatcher = tokio::spawn(Dispatcher { actions, schedule: schedule(&[1000], 600_000) }.run(coming, tell));
        let asked = triggering(request(ID, kind, "credit"));
        triggers.send(asked.clone()).expect("it listens");
        while services.begun(ID) == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        triggers.send(Run { state: State::Succeeded, ..asked }).expect("it listens");
        tokio::time::sleep(Duration::from_millis(2500)).await;
        drop(triggers);
        dispatcher.await.expect("it ends");
        assert_eq!((services.begun(ID), told.recv().await), (1, None));
    });
}

#[test]
fn a_command_that_goes_on_is_waited_for_and_not_begun_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let asked = commanded();
    let script = "echo x >> times; exec sleep 1";
    run(async {
        let action = command(folder.path(), script, Duration::from_secs(30));
        let first = tokio::time::timeout(Duration::from_millis(400), action.begin(&asked)).await;
        assert!(first.is_err(), "it goes on");
        let failure = action.begin(&asked).await.expect_err("it goes on");
        assert!(matches!(failure, Failure::Passing { .. }), "{failure}");
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert!(action.begin(&asked).await.expect("it went well").is_known);
    });
    assert_eq!(fs::read_to_string(folder.path().join("times")).expect("a file"), "x\n");
}
