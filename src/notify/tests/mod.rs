//! Tests of the courier, against a real HTTP server that answers by a script; and of what receivers are told.

mod payloads;
mod texts;

use std::sync::Mutex;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::secret::Secret;
use super::webhook::Config;
use super::*;
use crate::measurement::{Family, Measurement};
use crate::rule::alert::AlertEvent;
use crate::rule::{Severity, State};

/// What the server was sent: the path, the headers and the body.
type Seen = Arc<Mutex<Vec<(String, HeaderMap, String)>>>;

/// Serves on a free port; the script says what the n-th request is answered with, `None` being never.
async fn serve(script: fn(usize) -> Option<Response>) -> (String, Seen) {
    let seen = Seen::default();
    let log = seen.clone();
    let router = Router::new().fallback(move |request: Request| {
        let log = log.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
            let place = {
                let mut log = log.lock().unwrap();
                log.push((head.uri.path().to_owned(), head.headers, String::from_utf8(body.to_vec()).unwrap()));
                log.len() - 1
            };
            match script(place) {
                Some(response) => response,
                None => std::future::pending().await,
            }
        }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/s3cret", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, seen)
}

fn status(code: u16) -> Option<Response> {
    Some(StatusCode::from_u16(code).unwrap().into_response())
}

fn given(text: &str) -> Secret {
    Secret::Given(text.to_owned())
}

fn config(url: &str) -> Config {
    let web = client::Config { timeout: Duration::from_millis(300), ..client::Config::default() };
    Config { url: given(url), web, format: webhook::Format::CloudEvent, signing: vec![] }
}

/// Who tells in these tests.
fn origin() -> origin::Origin {
    origin::Origin { group: "g".to_owned(), external_url: Some("https://tidegauge.example/x/".parse().unwrap()) }
}

fn courier(receivers: &[(&str, Config)]) -> Courier {
    let receiver = |(name, config): &(&str, Config)| {
        let config = receiver::Config::Webhook(config.clone());
        (name.to_string(), Receiver::new(config, &origin()).unwrap())
    };
    Courier {
        receivers: receivers.iter().map(receiver).collect(),
        schedule: Schedule { waits: vec![Duration::from_millis(10)], give_up: Duration::from_secs(3600) },
        grace: Duration::from_secs(5),
    }
}

/// An alert of a subject, as the engine tells it.
pub fn alert(subject: &str, state: State) -> AlertEvent {
    let measured = Measurement {
        window_start: Time(0),
        window_end: Time(3_600_000),
        rows: 5000,
        value: Some(0.31),
        p_value: Some(0.0004),
        threshold: Some(0.2),
        breached: Some(true),
        ..Measurement::new(Family::Drift, subject, "psi")
    };
    AlertEvent {
        id: format!("id-{subject}"),
        model: "credit".into(),
        version: "7".into(),
        subject: subject.into(),
        window_end: Time(if state == State::Firing { 3_600_000 } else { 7_200_000 }),
        since: Time(3_600_000),
        condition: "drift.psi > 0.2".into(),
        reason: if state == State::Resolved { "the condition no longer holds".into() } else { String::new() },
        labels: BTreeMap::from([("team".into(), "risk".into())]),
        annotations: BTreeMap::from([("summary".into(), format!("{subject} of credit has drifted"))]),
        evidence: vec![measured],
        ..AlertEvent::bare("FeatureDrift", state, Severity::Critical)
    }
}

pub fn notice_of(alerts: Vec<AlertEvent>) -> Notice {
    Notice {
        id: "notice".into(),
        receiver: "hook".into(),
        group: BTreeMap::from([("model".into(), "credit".into())]),
        group_key: "{}/{model=\"credit\"}".into(),
        alerts,
        made: Time(7_205_000),
        lives: None,
    }
}

/// So many alerts that fire.
pub fn notice(count: usize) -> Notice {
    notice_of((0..count).map(|n| alert(&format!("f{n}"), State::Firing)).collect())
}

/// The events of these letters are told apart by when their windows end.
fn letter(sequence: u64, receiver: &str, order: &str) -> Letter {
    let created = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let told = AlertEvent { window_end: Time(sequence as i64), ..alert("income", State::Firing) };
    let notice = Notice { receiver: receiver.to_owned(), ..notice_of(vec![told]) };
    let id = LetterId::new(sequence, &notice.id, receiver);
    Letter { id, notice, address: 0, order: order.to_owned(), created: Time(created as i64) }
}

/// The id of the event that a letter tells.
fn event_of(sequence: u64) -> String {
    event::alert("g", &letter(sequence, "hook", "a").notice.alerts[0]).id
}

type Running = (mpsc::Sender<Letter>, mpsc::UnboundedReceiver<Delivered>, JoinHandle<()>);

fn start(courier: Courier, waiting: Vec<Letter>) -> Running {
    let (coming, received) = mpsc::channel(100);
    let (told, outcomes) = mpsc::unbounded_channel();
    (coming, outcomes, tokio::spawn(courier.run(waiting, received, told)))
}

/// Delivers one letter to a server with this script.
async fn deliver_one(script: fn(usize) -> Option<Response>) -> (Delivered, Seen) {
    let (url, seen) = serve(script).await;
    let (_coming, mut told, _) = start(courier(&[("hook", config(&url))]), vec![letter(0, "hook", "a")]);
    (told.recv().await.unwrap(), seen)
}

#[tokio::test]
async fn a_letter_arrives_with_its_headers() {
    let (url, seen) = serve(|_| status(204)).await;
    let mut receiver = config(&url);
    receiver.web.headers = BTreeMap::from([("authorization".to_owned(), given("Bearer token"))]);
    receiver.signing = vec![given("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")];
    let (coming, mut told, _) = start(courier(&[("hook", receiver)]), vec![]);
    coming.send(letter(3, "hook", "a")).await.unwrap();
    let delivered = told.recv().await.unwrap();
    assert_eq!((delivered.outcome, delivered.attempts), (Outcome::Arrived, 1));
    assert_eq!(delivered.id.sequence(), 3);
    let (path, headers, body) = seen.lock().unwrap().pop().unwrap();
    let told = event::alert("g", &letter(3, "hook", "a").notice.alerts[0]).structured();
    assert_eq!((path, body), ("/s3cret".to_owned(), told));
    assert_eq!(headers["content-type"], "application/cloudevents+json");
    assert_eq!(headers["webhook-id"], event_of(3).as_str());
    assert_eq!(headers["authorization"], "Bearer token");
    assert!(headers["webhook-timestamp"].to_str().unwrap().parse::<i64>().unwrap() > 1_700_000_000);
    assert!(headers["webhook-signature"].to_str().unwrap().starts_with("v1,"));
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    let (delivered, seen) = deliver_one(|n| status([500, 408, 425, 503, 200][n])).await;
    assert_eq!((delivered.outcome, delivered.attempts), (Outcome::Arrived, 5));
    assert!(seen.lock().unwrap().iter().all(|(_, headers, _)| headers["webhook-id"] == event_of(0).as_str()));
}

#[tokio::test]
async fn a_receiver_that_asks_to_wait_is_waited_for() {
    let (url, seen) = serve(|n| {
        if n == 0 { Some(([("retry-after", "1")], StatusCode::TOO_MANY_REQUESTS).into_response()) } else { status(200) }
    })
    .await;
    let mut courier = courier(&[("hook", config(&url))]);
    courier.schedule.waits = vec![Duration::from_millis(1), Duration::from_secs(9)];
    let begun = Instant::now();
    let (_coming, mut told, _) = start(courier, vec![letter(0, "hook", "a")]);
    assert_eq!(told.recv().await.unwrap().attempts, 2);
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(seen.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn what_would_fail_again_is_given_up() {
    let given_up = |why: &str| Outcome::GivenUp(format!("http://127.0.0.1 answered {why}"));
    let (delivered, _) = deliver_one(|_| status(400)).await;
    assert_eq!((delivered.outcome, delivered.attempts), (given_up("400 Bad Request"), 1));
    let (delivered, _) = deliver_one(|_| status(410)).await;
    assert_eq!((delivered.outcome, delivered.attempts), (given_up("410 Gone"), 1));
    let (delivered, seen) =
        deliver_one(|_| Some(([("location", "/elsewhere")], StatusCode::FOUND).into_response())).await;
    assert_eq!((delivered.outcome, delivered.attempts), (given_up("302 Found"), 1));
    assert_eq!(seen.lock().unwrap().len(), 1, "a redirect is not followed");
}

#[tokio::test]
async fn a_receiver_that_hangs_is_tried_again() {
    let (delivered, _) = deliver_one(|n| if n == 0 { None } else { status(200) }).await;
    assert_eq!((delivered.outcome, delivered.attempts), (Outcome::Arrived, 2));
}

#[tokio::test]
async fn errors_show_no_more_than_scheme_and_host() {
    let (open, _) = serve(|_| status(200)).await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let tls = open.replace("http://", "https://user:s3cret@");
    for url in [format!("http://user:s3cret@{closed}/s3cret?s3cret"), tls, "http://no.such.host.invalid/s3cret".into()]
    {
        let receiver = Receiver::new(receiver::Config::Webhook(config(&url)), &origin()).unwrap();
        let failed = receiver.deliver(&notice(1), 0).await.unwrap_err();
        let Failure::Passing { why, after: None } = failed else { panic!("{failed:?}") };
        assert!(why.starts_with("http") && why.contains(": ") && !why.contains("s3cret"), "{why}");
    }
}

#[tokio::test]
async fn letters_of_one_alert_go_in_order() {
    let (url, seen) = serve(|n| status(if n < 2 { 500 } else { 200 })).await;
    let waiting = vec![letter(0, "hook", "a"), letter(1, "hook", "a")];
    let (coming, mut told, _) = start(courier(&[("hook", config(&url))]), waiting);
    coming.send(letter(2, "hook", "a")).await.unwrap();
    for sequence in 0..3 {
        assert_eq!(told.recv().await.unwrap().id.sequence(), sequence);
    }
    let ids: Vec<_> = seen.lock().unwrap().iter().map(|(_, headers, _)| headers["webhook-id"].clone()).collect();
    assert_eq!(ids, [0, 0, 0, 1, 2].map(event_of));
}

#[tokio::test]
async fn a_slow_receiver_holds_up_no_other() {
    let (slow, _) = serve(|_| None).await;
    let (quick, _) = serve(|_| status(200)).await;
    let mut patient = config(&slow);
    patient.web.timeout = Duration::from_secs(60);
    let mut waiting: Vec<Letter> = (0..50).map(|n| letter(n, "slow", &n.to_string())).collect();
    waiting.extend((50..90).map(|n| letter(n, "quick", &n.to_string())));
    let (_coming, mut told, _) = start(courier(&[("slow", patient), ("quick", config(&quick))]), waiting);
    for _ in 50..90 {
        let delivered = told.recv().await.unwrap();
        assert_eq!((delivered.receiver.as_str(), delivered.outcome), ("quick", Outcome::Arrived));
    }
}

#[tokio::test]
async fn an_alert_whose_letter_fails_holds_up_no_other() {
    let (url, _) = serve(|n| status(if n == 0 { 503 } else { 200 })).await;
    let mut courier = courier(&[("hook", config(&url))]);
    courier.schedule.waits = vec![Duration::from_secs(600)];
    let (coming, mut told, _) = start(courier, vec![letter(0, "hook", "a")]);
    coming.send(letter(1, "hook", "a")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    coming.send(letter(2, "hook", "b")).await.unwrap();
    assert_eq!(told.recv().await.unwrap().id.sequence(), 2);
}

#[tokio::test]
async fn an_old_letter_is_tried_once_and_one_without_receiver_not_at_all() {
    let (url, _) = serve(|_| status(500)).await;
    let old = Letter { created: Time(0), ..letter(0, "hook", "a") };
    let (coming, mut told, _) = start(courier(&[("hook", config(&url))]), vec![old]);
    let delivered = told.recv().await.unwrap();
    let why = Outcome::GivenUp("http://127.0.0.1 answered 500 Internal Server Error".into());
    assert_eq!((delivered.outcome, delivered.attempts), (why, 1));
    coming.send(letter(1, "gone", "a")).await.unwrap();
    let delivered = told.recv().await.unwrap();
    let why = Outcome::GivenUp("no receiver of this name is configured".into());
    assert_eq!((delivered.outcome, delivered.attempts), (why, 0));
}

#[tokio::test]
async fn at_the_end_what_can_go_goes_and_nothing_is_waited_for() {
    let (down, seen) = serve(|_| status(503)).await;
    let (up, _) = serve(|_| status(200)).await;
    let mut courier = courier(&[("down", config(&down)), ("up", config(&up))]);
    courier.schedule.waits = vec![Duration::from_secs(600)];
    let waiting = vec![letter(0, "down", "a"), letter(1, "down", "a")];
    let (coming, mut told, running) = start(courier, waiting);
    coming.send(letter(2, "up", "a")).await.unwrap();
    drop(coming);
    running.await.unwrap();
    assert_eq!(told.recv().await.map(|delivered| delivered.id.sequence()), Some(2));
    assert_eq!(told.recv().await, None, "the others stay in the store");
    assert_eq!(seen.lock().unwrap().len(), 1, "no letter overtakes the one before it");
}

#[tokio::test]
async fn the_end_comes_when_grace_is_over() {
    let (url, _) = serve(|_| None).await;
    let mut patient = config(&url);
    patient.web.timeout = Duration::from_secs(600);
    let courier = Courier { grace: Duration::from_millis(50), ..courier(&[("hook", patient)]) };
    let (coming, mut told, running) = start(courier, vec![letter(0, "hook", "a")]);
    drop(coming);
    running.await.unwrap();
    assert_eq!(told.recv().await, None);
}

#[test]
fn waits_grow_and_are_never_shorter_than_planned_or_asked() {
    let (schedule, id) = (Schedule::default(), LetterId::new(0, "event", "hook"));
    let wait =
        |failures, asked: Option<u64>| schedule.wait(failures, asked.map(Duration::from_secs), &id).as_secs_f64();
    for (failures, asked, least) in [
        (1, None, 5.0),
        (2, None, 30.0),
        (6, None, 7200.0),
        (60, None, 7200.0),
        (1, Some(0), 5.0),
        (1, Some(60), 60.0),
        (1, Some(1 << 40), 7200.0),
    ] {
        let waited = wait(failures, asked);
        assert!((least..=least * 1.2).contains(&waited), "{failures} {asked:?}: {waited}");
    }
    assert_eq!(Schedule { waits: vec![], ..schedule.clone() }.wait(1, None, &id), Duration::ZERO);
}

#[test]
fn each_address_has_a_letter_in_the_order_of_its_group() {
    let urls = ["http://one:9093", "http://two:9093"].map(given).into();
    let (web, resend) = (client::Config::default(), Duration::from_secs(60));
    let config = alertmanager::Config { urls, basic_auth: None, web, resend };
    let both = receiver::Config::Alertmanager(config);
    let told = notice_of(vec![alert("a", State::Firing), alert("b", State::Resolved)]);
    let mut sequence = 9;
    let sent = letters(&told, &both, Time(5), &mut sequence);
    assert_eq!(sequence, 11);
    assert!(sent.is_sorted_by_key(|letter| &letter.id));
    let at: Vec<_> = sent.iter().map(|letter| (letter.id.sequence(), letter.address, letter.order.as_str())).collect();
    assert_eq!(at, [(9, 0, told.group_key.as_str()), (10, 1, told.group_key.as_str())]);
    assert!(sent.iter().all(|letter| letter.notice == told && letter.receiver() == "hook"));
    assert_eq!(sent[0].id.to_string(), "00000000000000000009-notice-hook");
}

#[test]
fn a_letter_is_kept_as_it_is_and_holds_no_secret() {
    let url = "http://host/s3cret";
    let kept = letters(&notice(2), &receiver::Config::Webhook(config(url)), Time(5), &mut 0);
    // As the store keeps it.
    let bytes = postcard::to_stdvec(&kept).unwrap();
    assert!(!String::from_utf8_lossy(&bytes).contains("s3cret"));
    assert_eq!(postcard::from_bytes::<Vec<Letter>>(&bytes).unwrap(), kept);
}

#[tokio::test]
async fn a_letter_to_who_is_told_again_is_given_up_soon() {
    let (url, _) = serve(|_| status(503)).await;
    let (web, resend) = (client::Config::default(), Duration::from_millis(10));
    let config = alertmanager::Config { urls: vec![given(&url)], basic_auth: None, web, resend };
    let receiver = Receiver::new(receiver::Config::Alertmanager(config), &origin()).unwrap();
    let mut courier = courier(&[]);
    courier.receivers.insert("hook".to_owned(), receiver);
    courier.schedule.waits = vec![Duration::from_secs(3000)];
    let (_coming, mut told, _) = start(courier, vec![letter(0, "hook", "a")]);
    let delivered = told.recv().await.unwrap();
    assert!(matches!(delivered.outcome, Outcome::Outlived(why) if why.contains("503")), "at once, not in an hour");
}
