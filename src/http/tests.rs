//! The server as a client sees it, over a real connection.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::sample::{event, measurement, monitor, view};
use super::*;
use crate::audit::Head;
use crate::budget::Account;
use crate::measurement::Measurement;
use crate::monitor::{Against, Season};
use crate::notice::Notice;
use crate::notify::{Letter, LetterId};
use crate::pane::Partition;
use crate::reference::Reference;
use crate::rule::State as AlertState;
use crate::store::{self, Store};
use crate::time::{Span, Time};

#[tokio::test]
async fn metrics_are_in_the_text_format() {
    let (view, _requests) = view();
    view.telemetry().measured(&[measurement("psi", "income", Some(0.31))]);
    let answer = get(&view, "/metrics").await;
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{}", answer.head);
    assert!(answer.body.contains("tidegauge_drift_psi{"), "{}", answer.body);
}

#[tokio::test]
async fn a_loop_that_stands_still_is_unhealthy() {
    let (view, _requests) = view();
    assert_eq!(get(&view, "/-/healthy").await.status, 200);
    view.beat(Instant::now() - Duration::from_secs(31));
    let answer = get(&view, "/-/healthy").await;
    assert_eq!((answer.status, answer.body.as_str()), (503, "no sign of life for 31 s\n"));
    view.beat(Instant::now());
    assert_eq!(get(&view, "/-/healthy").await.status, 200);
}

#[tokio::test]
async fn it_is_ready_when_nothing_is_waited_for() {
    let (view, _requests) = view();
    assert_eq!(get(&view, "/-/ready").await.status, 503);
    view.waiting_for(vec!["partitions of credit.predictions".to_owned()]);
    let answer = get(&view, "/-/ready").await;
    assert_eq!((answer.status, answer.body.as_str()), (503, "waiting for partitions of credit.predictions\n"));
    view.waiting_for(vec![]);
    assert_eq!(get(&view, "/-/ready").await.status, 200);
}

#[tokio::test]
async fn the_audit_log_is_shown_in_parts_with_its_head() {
    let (view, _requests) = view();
    assert_eq!(get(&view, "/api/v1/audit").await.status, 404);
    view.audited_by(Box::new(|from| match from {
        0 => Ok(AuditPage { head: Head::NONE, entries: vec!["{}".into(), "[]".into()], next: Some(2) }),
        2 => Ok(AuditPage { head: Head::NONE, entries: vec![], next: None }),
        _ => Err("the disk is gone".to_owned()),
    }));
    let first = get(&view, "/api/v1/audit").await;
    assert_eq!((first.status, first.body.as_str()), (200, "{}\n[]\n"));
    for line in [
        "content-type: application/x-ndjson\r\n",
        &format!("tidegauge-audit-head: 0:{}\r\n", "0".repeat(64)),
        "link: </api/v1/audit?from=2>; rel=\"next\"\r\n",
    ] {
        assert!(first.head.contains(line), "{}", first.head);
    }
    let last = get(&view, "/api/v1/audit?from=2").await;
    assert!(last.status == 200 && last.body.is_empty() && !last.head.contains("link: "), "{}", last.head);
    assert_eq!(get(&view, "/api/v1/audit?from=7").await.status, 500);
    assert_eq!(get(&view, "/api/v1/audit?from=first").await.status, 400);
}

#[tokio::test]
async fn a_reload_is_answered_with_what_is_wrong() {
    let (view, mut requests) = view();
    tokio::spawn(async move {
        let _ = requests.recv().await.expect("a first request").send(Ok(()));
        let _ = requests.recv().await.expect("a second request").send(Err("rules/credit.yaml:3:5: no".to_owned()));
    });
    let ask = async |headers: &str| exchange(&view, &format!("POST /-/reload HTTP/1.1\r\n{headers}")).await;
    assert_eq!(ask("").await.status, 200);
    let answer = ask("content-length: 0\r\n").await;
    assert_eq!((answer.status, answer.body.as_str()), (400, "rules/credit.yaml:3:5: no\n"));
    assert_eq!(ask("").await.status, 503, "the daemon no longer takes requests");
    assert_eq!(ask("sec-fetch-site: cross-site\r\n").await.status, 403);
    let large = format!("content-length: 5000\r\n\r\n{}", "x".repeat(5000));
    assert_eq!(ask(&large).await.status, 413);
    let answer = get(&view, "/-/reload").await;
    assert_eq!(answer.status, 405);
    assert!(answer.head.contains("allow: post"), "{}", answer.head);
}

#[tokio::test]
async fn what_is_not_there_is_said_in_json() {
    let (view, _requests) = view();
    let answer = get(&view, "/nothing/../here").await;
    assert_eq!(answer.status, 404);
    assert!(answer.json()["error"].is_string());
    assert!(answer.head.contains("x-content-type-options: nosniff"), "{}", answer.head);
}

#[tokio::test]
async fn measurements_are_found_by_what_they_are_of() {
    let (view, _requests) = view();
    let hour = |hour: i64, statistic: &str, subject: &str| Measurement {
        window_start: Time((hour - 1) * 3_600_000),
        window_end: Time(hour * 3_600_000),
        ..measurement(statistic, subject, Some(0.31))
    };
    view.measured(&[hour(1, "psi", "income"), hour(1, "null_rate", "income"), hour(1, "psi", "age & \"name\"")]);
    view.measured(&[hour(2, "psi", "income")]);
    let count = async |query: &str| {
        let answer = get(&view, &format!("/api/v1/measurements?{query}")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["data"].as_array().expect("an array").len()
    };
    assert_eq!(count("").await, 4);
    assert_eq!(count("model=credit&version=7&slice=&statistic=psi").await, 3);
    assert_eq!(count("subject=age+%26+%22name%22").await, 1);
    assert_eq!(count("family=quality").await, 1);
    assert_eq!(count("model=other").await, 0);
    assert_eq!(count("slice=country%3DUS").await, 0);
    assert_eq!(count("since=1970-01-01T01:00:00Z").await, 1);
    let newest = get(&view, "/api/v1/measurements?limit=1").await.json();
    let expected = serde_json::to_value(hour(2, "psi", "income")).expect("it has a serialised form");
    assert_eq!(newest["data"], Value::Array(vec![expected]));
}

#[tokio::test]
async fn a_wrong_question_is_answered_with_what_is_wrong() {
    let (view, _requests) = view();
    for query in [
        "/api/v1/measurements?modell=credit",
        "/api/v1/measurements?model=a&model=b",
        "/api/v1/measurements?family=weather",
        "/api/v1/measurements?statistic=mood",
        "/api/v1/measurements?since=yesterday",
        "/api/v1/measurements?limit=0",
        "/api/v1/measurements?limit=1000000000",
        "/api/v1/alerts?state=sleeping",
        "/api/v1/status?verbose=1",
    ] {
        let answer = get(&view, query).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.body);
        assert!(answer.json()["error"].as_str().is_some_and(|error| error.len() > 10), "{}", answer.body);
    }
}

#[tokio::test]
async fn alerts_are_found_by_state_and_model() {
    let (view, _requests) = view();
    view.alerted(&event("age", AlertState::Pending));
    view.alerted(&event("income", AlertState::Firing));
    view.alerted(&event("purpose", AlertState::Resolved));
    let subjects = async |query: &str| {
        let answer = get(&view, &format!("/api/v1/alerts?{query}")).await.json();
        let events = answer["data"].as_array().expect("an array").clone();
        events.iter().map(|event| event["subject"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(subjects("").await, ["income", "age", "purpose"]);
    assert_eq!(subjects("state=firing&model=credit").await, ["income"]);
    assert_eq!(subjects("model=other").await, [""; 0]);
}

#[tokio::test]
async fn status_and_monitors_say_what_the_daemon_said() {
    let (view, _requests) = view();
    let partition = Partition { topic: "credit.predictions".into(), partition: 3 };
    view.watching("abc123", [&monitor()]);
    view.waiting_for(vec![]);
    view.lag(&partition, 17);
    view.watermark("credit", Time(3_600_000));
    let budget = "2 pages per 30d".parse().expect("a budget");
    view.account("credit", Some(Account { budget, spent: 1, left: 1.0, measured: None }));
    view.reference("credit", "", "", &Reference::build("credit.parquet", &[], &[], 100));
    view.measured(&[measurement("psi", "income", Some(0.31))]);
    let status = get(&view, "/api/v1/status").await.json();
    assert_eq!(status["data"]["ready"], true);
    assert_eq!(status["data"]["config_hash"], "abc123");
    let lags = serde_json::json!([{"topic": "credit.predictions", "partition": 3, "lag": 17}]);
    assert_eq!(status["data"]["partitions"], lags);
    let monitors = get(&view, "/api/v1/monitors").await.json();
    let credit = &monitors["data"][0];
    assert_eq!(credit["window"], "1h every 5m, rows up to 2m late");
    assert_eq!(credit["reference"], "credit.parquet");
    assert_eq!(credit["watermark"], "1970-01-01T01:00:00Z");
    let budget = json!({"budget": "2 pages per 30d", "spent": 1, "left": 1.0, "measured": null});
    assert_eq!(credit["budget"], budget);
    assert_eq!(credit["references"][0]["name"], "credit.parquet");
    assert_eq!(credit["versions"][0]["rows"], 48_213);
    view.revoked(&partition);
    view.watching("def456", []);
    let status = get(&view, "/api/v1/status").await.json();
    assert_eq!((&status["data"]["models"], &status["data"]["measurements_kept"]), (&Value::from(0), &Value::from(0)));
    assert_eq!(status["data"]["partitions"], serde_json::json!([]));
}

#[tokio::test]
async fn the_landing_page_shows_what_is_beyond_its_threshold() {
    let (view, _requests) = view();
    view.watching("abc123", [&monitor()]);
    view.measured(&[
        measurement("rows", "", Some(48_213.0)),
        measurement("psi", "income", Some(0.31)),
        measurement("psi", "age", Some(0.04)),
        measurement("ks", "age", None),
        measurement("null_rate", "age", Some(0.0)),
    ]);
    view.alerted(&event("income", AlertState::Firing));
    let page = get(&view, "/").await;
    assert_eq!(page.status, 200);
    assert!(page.head.contains("content-type: text/html; charset=utf-8"), "{}", page.head);
    assert!(page.head.contains("content-security-policy: default-src 'none'"), "{}", page.head);
    assert_eq!(page.body.matches(r#"class="breached""#).count(), 1, "{}", page.body);
    let shown = ["1 beyond threshold", "0.31", "0.04", "too few rows: 12 of 100", "48,213", ">firing<", "1h every 5m"];
    shown.iter().for_each(|text| assert!(page.body.contains(text), "{text} in {}", page.body));
    assert!(!page.body.contains("null_rate"), "a column without anything to say is shown");
}

#[tokio::test]
async fn what_drift_is_measured_against_is_told_in_words_and_by_its_hash() {
    let (view, _requests) = view();
    let mut one = monitor();
    let day = Span(86_400_000);
    for (against, words) in [
        (Against::Reference, "credit.parquet"),
        (Against::Trailing { last: day, lag: Span(0) }, "the 1d before the window, on the axes of credit.parquet"),
        (
            Against::Trailing { last: day, lag: day },
            "the 1d that end 1d before the window, on the axes of credit.parquet",
        ),
        (
            Against::Seasonal { by: Season::HourOfWeek, weeks: 4 },
            "the same hour of the week in the past 4 weeks, on the axes of credit.parquet",
        ),
        (Against::Version("6".to_owned()), "version 6 in the same window, on the axes of credit.parquet"),
    ] {
        one.against = against;
        view.watching("abc123", [&one]);
        let monitors = get(&view, "/api/v1/monitors").await.json();
        assert_eq!(monitors["data"][0]["reference"], words);
    }
    let fixed = Reference::build("credit.parquet", &[], &[], 100);
    view.reference("credit", "", "", &fixed);
    let against = |hash: &str| Measurement { reference: Some(hash.to_owned()), ..measurement("psi", "income", None) };
    view.measured(&[against("0123456789abcdef")]);
    let monitors = get(&view, "/api/v1/monitors").await.json();
    assert_eq!(monitors["data"][0]["versions"][0]["reference"], "0123456789abcdef");
    let page = get(&view, "/").await.body;
    assert!(page.contains("against <code>0123456789abcdef</code>"), "{page}");
    view.measured(&[Measurement { window_end: Time(7_200_000), ..against(&fixed.hash) }]);
    let page = get(&view, "/").await.body;
    assert!(!page.contains("against <code>"), "{page}");
}

#[tokio::test]
async fn names_that_are_markup_stay_text() {
    let evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>";
    let (view, _requests) = view();
    let mut monitor = monitor();
    monitor.model = evil.to_owned();
    monitor.inputs[0].topic = evil.to_owned();
    view.watching(evil, [&monitor]);
    view.waiting_for(vec![evil.to_owned()]);
    let wicked = |statistic: &str, value| {
        let [model, version, slice] = [evil; 3].map(str::to_owned);
        Measurement { model, version, slice, undefined: Some(evil.to_owned()), ..measurement(statistic, evil, value) }
    };
    view.measured(&[wicked("psi", Some(0.4)), wicked("ks", None), wicked("rows", Some(1.0))]);
    let mut event = event(evil, AlertState::Firing);
    event.model = evil.to_owned();
    event.alert = evil.to_owned();
    event.annotations.insert("summary".to_owned(), evil.to_owned());
    view.alerted(&event);
    let page = get(&view, "/").await.body;
    assert!(page.contains("&lt;script&gt;"), "{page}");
    for raw in ["<script", "<img", "\"'>", "'><"] {
        assert!(!page.contains(raw), "{raw} in {page}");
    }
}

#[tokio::test]
async fn a_client_that_never_finishes_does_not_keep_the_server() {
    let (view, _requests) = view();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async {
        let _ = stopped.await;
    };
    let serving = tokio::spawn(serve_with(
        listener,
        router(view, Operator::new().desk, RetrainDesk::new().0),
        shutdown,
        Duration::from_millis(50),
    ));
    let mut slow = TcpStream::connect(address).await.expect("a connection");
    slow.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n").await.expect("half a request");
    stop.send(()).expect("the server runs");
    let ended = tokio::time::timeout(Duration::from_secs(20), serving).await;
    assert!(matches!(ended, Ok(Ok(Ok(())))), "{ended:?}");
}

#[tokio::test]
async fn a_silence_is_made_shown_and_ended() {
    let operator = Operator::new();
    let wanted = r#"{"matchers":["model = credit","slice =~ \"country=.*\""],"duration":"2h","created_by":"ada","comment":"moving"}"#;
    let made = operator.ask("POST", "/api/v1/silences", wanted).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let id = made.json()["data"]["id"].as_str().expect("an id").to_owned();
    assert_eq!(operator.store.silences().expect("the store").len(), 1, "it is durable once it is acknowledged");
    let shown = operator.ask("GET", "/api/v1/silences", "").await.json()["data"].take();
    assert_eq!((shown[0]["id"].as_str(), shown[0]["state"].as_str()), (Some(id.as_str()), Some("active")));
    assert_eq!(shown[0]["matchers"][1], "slice=~\"country=.*\"");
    assert_eq!(operator.desk.silences().len(), 1);
    assert_eq!(operator.ask("DELETE", &format!("/api/v1/silences/{id}"), "").await.status, 204);
    let shown = operator.ask("GET", "/api/v1/silences", "").await.json()["data"].take();
    assert_eq!(shown[0]["state"], "expired");
    assert_eq!(operator.ask("DELETE", "/api/v1/silences/none", "").await.status, 404);
}

#[tokio::test]
async fn a_silence_that_makes_no_sense_is_refused() {
    let operator = Operator::new();
    for (wanted, why) in [
        ("", "EOF while parsing"),
        (r#"{"matchers":[],"duration":"2h","created_by":"a","comment":"c"}"#, "everything would be silent"),
        (r#"{"matchers":["model"],"duration":"2h","created_by":"a","comment":"c"}"#, "it is not a label"),
        (r#"{"matchers":["a = b"],"created_by":"a","comment":"c"}"#, "give either ends_at or duration"),
        (r#"{"matchers":["a = b"],"duration":"soon","created_by":"a","comment":"c"}"#, "not a length of time"),
        (r#"{"matchers":["a = b"],"ends_at":"2020-01-01T00:00:00Z","created_by":"a","comment":"c"}"#, "be over before"),
        (r#"{"matchers":["a = b"],"duration":"2h","created_by":"","comment":"c"}"#, "say who wants it"),
        (r#"{"matchers":["a = b"],"duration":"2h","created_by":"a","comment":"c","until":1}"#, "unknown field"),
    ] {
        let answer = operator.ask("POST", "/api/v1/silences", wanted).await;
        assert_eq!(answer.status, 400, "{wanted}");
        assert!(answer.body.contains(why), "{}", answer.body);
    }
    assert!(operator.desk.silences().is_empty());
}

#[tokio::test]
async fn what_was_given_up_is_shown_and_can_be_sent_after_all() {
    let mut operator = Operator::new();
    let id = LetterId::new(3, "notice", "hook");
    let notice = Notice {
        id: "notice".into(),
        receiver: "hook".into(),
        group: [].into(),
        group_key: "group".into(),
        alerts: vec![event("income", AlertState::Firing)],
        made: Time(1),
        lives: None,
    };
    let letter = Letter { id: id.clone(), notice, address: 0, order: "group".into(), created: Time(1) };
    let commit = store::Commit { letters: vec![letter], ..store::Commit::default() };
    operator.store.commit(&commit).expect("the store");
    operator.store.give_up(&id, "it answered 500", Time(9)).expect("the store");
    assert_eq!(operator.store.letters().expect("the store"), []);
    let shown = operator.ask("GET", "/api/v1/dead_letters", "").await.json()["data"].take();
    assert_eq!((&shown[0]["receiver"], &shown[0]["why"]), (&"hook".into(), &"it answered 500".into()));
    assert_eq!(operator.ask("POST", &format!("/api/v1/dead_letters/{id}/send"), "").await.status, 202);
    let again = operator.again.try_recv().expect("a letter");
    assert!(again.id == id && again.created > Time(1));
    assert_eq!(operator.store.letters().expect("the store"), [again]);
    assert_eq!(operator.ask("POST", &format!("/api/v1/dead_letters/{id}/send"), "").await.status, 404);
}

/// What came back.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

async fn get(view: &View, path: &str) -> Answer {
    exchange(view, &format!("GET {path} HTTP/1.1\r\n")).await
}

/// Serves one request, of which the last lines are added: a `content-length` goes before the body that it announces.
async fn exchange(view: &View, request: &str) -> Answer {
    static DESK: OnceLock<Operator> = OnceLock::new();
    ask(router(view.clone(), DESK.get_or_init(Operator::new).desk.clone(), RetrainDesk::new().0), request).await
}

/// A desk with a store of its own, and what it hands on.
struct Operator {
    desk: Desk,
    again: mpsc::UnboundedReceiver<Letter>,
    store: Arc<Store>,
    _folder: tempfile::TempDir,
}

impl Operator {
    fn new() -> Operator {
        let folder = tempfile::tempdir().expect("a folder");
        let config = store::Config { path: folder.path().join("data"), cache: store::CACHE };
        let store = Arc::new(Store::open(&config).expect("a store"));
        let (send, again) = mpsc::unbounded_channel();
        Operator { desk: Desk::open(store.clone(), send, Time(0)).expect("a desk"), again, store, _folder: folder }
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        let (view, _requests) = view();
        let length = body.len();
        let request = format!("{method} {path} HTTP/1.1\r\ncontent-length: {length}\r\n\r\n{body}");
        ask(router(view, self.desk.clone(), RetrainDesk::new().0), &request).await
    }
}

async fn ask(router: Router, request: &str) -> Answer {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address: SocketAddr = listener.local_addr().expect("an address");
    let serving = tokio::spawn(serve(listener, router, std::future::pending()));
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let (first, rest) = request.split_once("\r\n").expect("a request line");
    let end = if rest.contains("\r\n\r\n") { "" } else { "\r\n" };
    let request = format!("{first}\r\nhost: tidegauge\r\nconnection: close\r\n{rest}{end}");
    stream.write_all(request.as_bytes()).await.expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    serving.abort();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Answer { status, head: format!("{}\r\n", head.to_lowercase()), body: body.to_owned() }
}
