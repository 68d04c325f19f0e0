//! Debian's Alertmanager: two instances that are told everything, and one that tells a webhook in turn.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tidegauge::notify::alertmanager;
use tidegauge::notify::attempt::Failure;
use tidegauge::notify::client;
use tidegauge::notify::event;
use tidegauge::notify::payload::payload;
use tidegauge::notify::receiver::{Config, Receiver};
use tidegauge::notify::{Courier, Outcome, Schedule, letters};
use tidegauge::rule::State;
use tidegauge::rule::alert::AlertEvent;
use tidegauge::time::Time;
use tokio::sync::mpsc;

use super::services::Services;
use super::{MINUTE, alert, can_run, deliver, given, notice, now, origin, run};
use crate::support::wait_for;

const RESEND: Duration = Duration::from_secs(60);

/// An instance that is ended when dropped.
struct Alertmanager {
    child: Child,
    url: String,
    _folder: TempDir,
}

impl Alertmanager {
    /// Starts one that posts what it is told to this address.
    fn start(webhook: &str) -> Alertmanager {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("alertmanager.yml");
        let configuration = format!(
            "route: {{receiver: hook, group_wait: 1s, group_interval: 1s, group_by: [model]}}\n\
             receivers: [{{name: hook, webhook_configs: [{{url: \"{webhook}\"}}]}}]\n"
        );
        fs::write(&file, configuration).expect("it can be written");
        let child = Command::new("prometheus-alertmanager")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            // Below a path, as behind a proxy.
            .args(["--web.route-prefix=/am", "--cluster.listen-address=", "--log.level=error"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let made = Alertmanager { child, url: format!("http://127.0.0.1:{port}/am"), _folder: folder };
        wait_for("Alertmanager to be ready", || made.get("/-/ready").map(drop));
        made
    }

    fn get(&self, path: &str) -> Option<String> {
        let url = format!("{}{path}", self.url);
        // Another test may have installed it first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        run(async { reqwest::get(url).await.ok()?.error_for_status().ok()?.text().await.ok() })
    }

    /// The alerts that it holds to be firing, by subject.
    fn alerts(&self) -> BTreeMap<String, Value> {
        let answer = self.get("/api/v2/alerts").expect("it answers");
        let alerts: Vec<Value> = serde_json::from_str(&answer).expect("in JSON");
        let subject = |alert: &Value| alert["labels"]["subject"].as_str().expect("it has a subject").to_owned();
        alerts.into_iter().map(|alert| (subject(&alert), alert)).collect()
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn config(urls: &[&str]) -> Config {
    let urls = urls.iter().map(|url| given(url)).collect();
    Config::Alertmanager(alertmanager::Config {
        urls,
        basic_auth: None,
        web: client::Config::default(),
        resend: RESEND,
    })
}

fn time(alert: &Value, name: &str) -> i64 {
    alert[name].as_str().expect("a time").parse::<Time>().expect("in RFC 3339").0
}

#[test]
fn every_instance_has_the_alerts_until_they_are_over() {
    if !can_run("telling two Alertmanagers", &["prometheus-alertmanager"]) {
        return;
    }
    let nowhere = "http://127.0.0.1:9/";
    let (one, two) = (Alertmanager::start(nowhere), Alertmanager::start(nowhere));
    // One that is down holds up no other.
    let config = config(&[&one.url, nowhere, &format!("{}/", two.url)]);
    let tell = |told: &str, alerts: Vec<AlertEvent>| {
        let letters = letters(&notice(told, alerts), &config, now(), &mut 0);
        assert_eq!(letters.iter().map(|letter| letter.address).collect::<Vec<_>>(), [0, 1, 2]);
        let receiver = Receiver::new(config.clone(), &origin()).expect("it can be used");
        let courier = Courier {
            receivers: BTreeMap::from([("oncall".to_owned(), receiver)]),
            schedule: Schedule::default(),
            grace: Duration::from_secs(5),
        };
        let ids: Vec<_> = letters.iter().map(|letter| letter.id.clone()).collect();
        run(async {
            let ((_coming, coming), (told, mut delivered)) = (mpsc::channel(1), mpsc::unbounded_channel());
            tokio::spawn(courier.run(letters, coming, told));
            for _ in 0..2 {
                let delivered = delivered.recv().await.expect("it is delivered");
                assert_eq!(delivered.outcome, Outcome::Arrived);
                assert!([&ids[0], &ids[2]].contains(&&delivered.id));
            }
        });
    };
    tell("first", vec![alert("income", State::Firing), alert("age", State::Firing)]);
    for instance in [&one, &two] {
        let alerts = instance.alerts();
        assert_eq!(alerts.keys().collect::<Vec<_>>(), ["age", "income"]);
        let income = &alerts["income"];
        let labels = serde_json::json!({
            "alertname": "FeatureDrift", "severity": "critical", "model": "credit", "model_version": "7",
            "slice": "purpose=<b>\"é\" & co</b>\\n", "subject": "income", "team": "risk",
        });
        assert_eq!(income["labels"], labels);
        assert_eq!(income["annotations"]["summary"], "income of credit has drifted <script>");
        assert_eq!(income["generatorURL"], "https://tidegauge.example/watch/#alert-id-income");
        assert!((time(income, "startsAt") - (now().0 - 60 * MINUTE)).abs() < MINUTE, "{income}");
        assert!((time(income, "endsAt") - (now().0 + 4 * MINUTE)).abs() < MINUTE / 2, "{income}");
        assert_eq!(income["status"]["state"], "active");
    }
    tell("second", vec![alert("income", State::Firing), alert("age", State::Resolved)]);
    for instance in [&one, &two] {
        assert_eq!(instance.alerts().keys().collect::<Vec<_>>(), ["income"]);
    }
}

#[test]
fn it_tells_others_what_our_own_webhook_would_tell_them() {
    if !can_run("an Alertmanager that tells a webhook", &["prometheus-alertmanager"]) {
        return;
    }
    let services = Services::start();
    let instance = Alertmanager::start(&services.url("/anything"));
    let told = notice("one", vec![alert("income", State::Firing), alert("age", State::Firing)]);
    assert_eq!(deliver(config(&[&instance.url]), &told), Ok(()));
    let over = vec![alert("income", State::Firing), alert("age", State::Resolved)];
    let bodies =
        |count: usize| wait_for("what Alertmanager tells", || Some(services.seen()).filter(|seen| seen.len() >= count));
    bodies(1);
    assert_eq!(deliver(config(&[&instance.url]), &notice("two", over.clone())), Ok(()));
    let seen = bodies(2);
    let ours = event::json(&payload(&notice("two", over), &origin()));
    let theirs = seen.last().expect("a body").body.trim_end();
    let keys = |json: &str| -> Vec<String> {
        // The names in their order, with those of labels and annotations, which are sorted.
        json.split('"')
            .collect::<Vec<_>>()
            .windows(2)
            .filter(|w| w[1].starts_with(':'))
            .map(|w| w[0].to_owned())
            .collect()
    };
    assert_eq!(sorted_alerts(theirs)["alerts"].as_array().map(Vec::len), Some(2));
    assert_eq!(keys(theirs).first(), keys(&ours).first());
    let (theirs, ours) = (sorted_alerts(theirs), sorted_alerts(&ours));
    for name in ["status", "groupLabels", "commonLabels", "commonAnnotations", "version", "truncatedAlerts"] {
        assert_eq!(theirs[name], ours[name], "{name}");
    }
    let names = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&theirs), names(&ours));
    for (theirs, ours) in
        theirs["alerts"].as_array().into_iter().flatten().zip(ours["alerts"].as_array().expect("alerts"))
    {
        assert_eq!(names(theirs), names(ours));
        for name in ["status", "labels", "annotations", "generatorURL", "fingerprint"] {
            assert_eq!(theirs[name], ours[name], "{name}");
        }
        for name in ["startsAt", "endsAt"] {
            assert!((time(theirs, name) - time(ours, name)).abs() < MINUTE, "{name} {theirs} {ours}");
        }
    }
}

/// A payload with its alerts in one order.
fn sorted_alerts(body: &str) -> Value {
    let mut payload: Value = serde_json::from_str(body).expect("JSON");
    if let Some(alerts) = payload["alerts"].as_array_mut() {
        alerts.sort_by_key(|alert| alert["fingerprint"].as_str().unwrap_or_default().to_owned());
    }
    payload
}

#[test]
fn an_instance_that_refuses_is_not_asked_again() {
    if !can_run("an Alertmanager that refuses", &["prometheus-alertmanager"]) {
        return;
    }
    let instance = Alertmanager::start("http://127.0.0.1:9/");
    // Where there is no such interface.
    let elsewhere = format!("{}/elsewhere", instance.url);
    let told = notice("one", vec![alert("income", State::Firing)]);
    let refused = deliver(config(&[&elsewhere]), &told);
    assert!(matches!(refused, Err(Failure::Lasting { ref why }) if why.contains("404")), "{refused:?}");
    // Event time may run ahead of the clock, or be years behind it.
    for ahead in [-1_000_000 * MINUTE, 1000 * MINUTE] {
        for state in [State::Firing, State::Resolved] {
            let mut odd = alert("income", state);
            odd.since = Time(odd.since.0 + ahead);
            odd.window_end = Time(odd.window_end.0 + ahead);
            odd.labels.insert("a.b".into(), "not a name".into());
            assert_eq!(deliver(config(&[&instance.url]), &notice("one", vec![odd])), Ok(()), "{ahead} {state:?}");
            let is_there = !instance.alerts().is_empty();
            assert_eq!(is_there, state == State::Firing, "{ahead} {state:?}");
        }
    }
}
