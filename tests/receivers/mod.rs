//! Receivers against real peers: an SMTP server with TLS, Debian's Alertmanager, and servers that hold what they are
//! sent to what the services document.
//!
//! The first two are run where they can be; with `TIDEGAUGE_PEERS` in the environment they have to be.

mod alertmanager;
mod mail;
mod services;

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use tempfile::TempDir;
use tidegauge::cause::{Cause, Likely};
use tidegauge::measurement::{Family, Measurement};
use tidegauge::notice::Notice;
use tidegauge::notify::attempt::Failure;
use tidegauge::notify::origin::Origin;
use tidegauge::notify::receiver::{Config, Receiver};
use tidegauge::notify::secret::Secret;
use tidegauge::rule::Severity;
use tidegauge::rule::State;
use tidegauge::rule::alert::{AlertEvent, Incident, Shape};
use tidegauge::time::Time;

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(future)
}

fn origin() -> Origin {
    let external_url = Some("https://tidegauge.example/watch".parse().expect("an address"));
    Origin { group: "tests".to_owned(), external_url }
}

fn given(text: &str) -> Secret {
    Secret::Given(text.to_owned())
}

/// Makes one attempt.
fn deliver(config: Config, notice: &Notice) -> Result<(), Failure> {
    let receiver = Receiver::new(config, &origin()).expect("it can be used");
    run(receiver.deliver(notice, 0))
}

/// The time by the clock, to the second.
fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    Time(since.as_secs() as i64 * 1000)
}

const MINUTE: i64 = 60_000;

/// An alert that began an hour ago. Its texts have in them what has a meaning to one or other of the receivers.
fn alert(subject: &str, state: State) -> AlertEvent {
    let end = Time(now().0 - if state == State::Firing { 5 } else { 1 } * MINUTE);
    let measured = Measurement {
        model: "credit".into(),
        window_start: Time(end.0 - 60 * MINUTE),
        window_end: end,
        rows: 5000,
        value: Some(0.3141),
        p_value: Some(0.00002),
        threshold: Some(0.2),
        ..Measurement::new(Family::Drift, subject, "psi")
    };
    let likely = Likely {
        cause: Cause::UnitChange,
        subjects: vec![subject.into()],
        confidence: 0.93,
        evidence: "every quantile is 100 times what it was".into(),
    };
    AlertEvent {
        id: format!("id-{subject}"),
        model: "credit".into(),
        version: "7".into(),
        slice: "purpose=<b>\"é\" & co</b>\\n".into(),
        subject: subject.into(),
        window_start: Time(end.0 - 60 * MINUTE),
        window_end: end,
        since: Time(now().0 - 60 * MINUTE),
        condition: "drift.psi > 0.2".into(),
        reason: if state == State::Resolved { "the condition no longer holds".into() } else { String::new() },
        labels: BTreeMap::from([("team".into(), "risk".into()), ("none".into(), String::new())]),
        annotations: BTreeMap::from([
            ("summary".into(), format!("{subject} of credit has drifted <script>")),
            ("runbook_url".into(), "https://runbooks.example/drift?a=1&b=2".into()),
        ]),
        evidence: vec![measured],
        shape: Some(Shape { reference: vec![0.3, 0.4, 0.3, 0.0], current: vec![0.0, 0.1, 0.3, 0.6] }),
        incident: Some(Incident {
            id: "incident".into(),
            opened: end,
            firing: 1,
            ranked: vec![],
            likely: vec![likely],
        }),
        ..AlertEvent::bare("FeatureDrift", state, Severity::Critical)
    }
}

fn notice(id: &str, alerts: Vec<AlertEvent>) -> Notice {
    Notice {
        id: id.into(),
        receiver: "oncall".into(),
        group: BTreeMap::from([("model".into(), "credit".into())]),
        group_key: "{}/{model=\"credit\"}".into(),
        alerts,
        made: now(),
        lives: None,
    }
}

/// The script that runs an SMTP server, and knows of certificates.
fn script(arguments: &[&Path]) -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/receivers/smtp.sh"));
    command.args(arguments);
    command
}

/// A folder with a CA, and with a certificate of it for localhost.
fn certified() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    assert!(script(&[Path::new("--certify"), folder.path()]).status().expect("it runs").success());
    folder
}

/// Whether a test that needs these programs can run; it says so if not.
fn can_run(test: &str, programs: &[&str]) -> bool {
    let is_there =
        |program: &&str| Command::new("which").arg(program).output().is_ok_and(|found| found.status.success());
    let Some(missing) = programs.iter().find(|program| !is_there(program)) else { return true };
    assert!(std::env::var_os("TIDEGAUGE_PEERS").is_none(), "{test} has to run, and there is no {missing}");
    eprintln!("{test} did not run: there is no {missing}");
    false
}
