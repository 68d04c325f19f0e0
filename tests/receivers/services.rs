//! Slack, PagerDuty, Teams and webhooks, as a server that holds what it is sent to what the services document.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use serde_json::Value;
use tidegauge::notify::alertmanager::{self, BasicAuth};
use tidegauge::notify::attempt::Failure;
use tidegauge::notify::client;
use tidegauge::notify::receiver::Config;
use tidegauge::notify::webhook::Format;
use tidegauge::notify::{chat, pagerduty, webhook};
use tidegauge::rule::State as AlertState;
use tidegauge::rule::alert::AlertEvent;

use super::{alert, can_run, certified, deliver, given, notice};
use crate::support::serve;

/// One request.
#[derive(Clone, Debug)]
pub struct Seen {
    pub path: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Seen {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("the body is JSON")
    }
}

/// Answers at `/slack`, `/pagerduty` and `/teams` as they would, at `/busy` that there were too many, and at every other
/// path with a yes.
pub struct Services {
    address: std::net::SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Services {
    /// Listens until the test's process ends.
    pub fn start() -> Services {
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let router = Router::new().fallback(receive).layer(DefaultBodyLimit::disable()).with_state(seen.clone());
        Services { address: serve(router), seen }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("nobody panicked with it").clone()
    }
}

async fn receive(
    State(seen): State<Arc<Mutex<Vec<Seen>>>>,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, HeaderMap, String) {
    let json: Value = serde_json::from_str(&body).unwrap_or(Value::Null);
    let (refused, right) = match uri.path() {
        "/slack" => (wrong_for_slack(&json).map(|why| (400, why)), 200),
        "/pagerduty" => (wrong_for_pagerduty(&json, body.len()).map(|why| (400, why)), 202),
        "/teams" => (wrong_for_teams(&json, body.len()), 202),
        "/busy" => (Some((429, "too many".to_owned())), 200),
        _ => (None, 200),
    };
    seen.lock().expect("nobody panicked with it").push(Seen { path: uri.path().to_owned(), headers, body });
    let (status, answer) = refused.unwrap_or((right, "ok".to_owned()));
    let mut headers = HeaderMap::new();
    headers.insert("retry-after", "7".parse().expect("a value"));
    (StatusCode::from_u16(status).expect("a status"), headers, answer)
}

/// How Slack counts.
fn units(text: &Value) -> Option<usize> {
    text.as_str().map(|text| text.encode_utf16().count())
}

fn wrong_for_slack(message: &Value) -> Option<String> {
    let known = ["text", "blocks"];
    if message.as_object()?.keys().any(|key| !known.contains(&key.as_str())) || units(&message["text"]).is_none() {
        return Some("invalid_payload".to_owned());
    }
    let blocks = message["blocks"].as_array()?;
    let mut together = 0;
    let mut is_right = |text: &Value, kind: &str, most: usize| {
        let length = units(&text["text"]).unwrap_or(0);
        together += length;
        let raw = text["text"].as_str().unwrap_or_default();
        // Nothing that data says may call upon anybody.
        text["type"] == kind && (1..=most).contains(&length) && (kind == "plain_text" || !raw.contains("<!"))
    };
    let right = blocks.iter().all(|block| match block["type"].as_str() {
        Some("header") => is_right(&block["text"], "plain_text", 150),
        Some("section") => is_right(&block["text"], "mrkdwn", 3000),
        Some("context") => {
            let elements = block["elements"].as_array().map(Vec::as_slice).unwrap_or_default();
            (1..=10).contains(&elements.len()) && elements.iter().all(|element| is_right(element, "mrkdwn", 3000))
        }
        Some("divider") => true,
        _ => false,
    });
    match (right && (1..=50).contains(&blocks.len()), together) {
        (false, _) => Some("invalid_blocks".to_owned()),
        (true, 0..=13_200) => None,
        (true, _) => Some("msg_blocks_too_long".to_owned()),
    }
}

fn wrong_for_pagerduty(event: &Value, size: usize) -> Option<String> {
    const KNOWN: [&str; 8] =
        ["routing_key", "event_action", "dedup_key", "client", "client_url", "links", "images", "payload"];
    let is_text =
        |value: &Value, most: usize| value.as_str().is_some_and(|text| (1..=most).contains(&text.chars().count()));
    let of = &event["payload"];
    let is_right = match event["event_action"].as_str() {
        Some("trigger") => {
            let severity = of["severity"].as_str().unwrap_or_default();
            let linked =
                event["links"].as_array().is_none_or(|links| links.iter().all(|link| is_text(&link["href"], 2083)));
            is_text(&of["summary"], 1024)
                && is_text(&of["source"], 1024)
                && ["critical", "error", "warning", "info"].contains(&severity)
                && of["timestamp"].as_str().is_some_and(|at| at.parse::<tidegauge::time::Time>().is_ok())
                && linked
        }
        Some("resolve" | "acknowledge") => true,
        _ => false,
    };
    let known = event.as_object()?.keys().all(|key| KNOWN.contains(&key.as_str()));
    let keys =
        is_text(&event["routing_key"], 32) && event["routing_key"] == "R0UT1NG" && is_text(&event["dedup_key"], 255);
    (!is_right || !known || !keys || size > 512_000).then(|| "invalid event".to_owned())
}

fn wrong_for_teams(message: &Value, size: usize) -> Option<(u16, String)> {
    if size > 28_000 {
        return Some((413, "RequestEntityTooLarge".to_owned()));
    }
    let attachment = &message["attachments"][0];
    let card = &attachment["content"];
    let is_run = |run: &Value| run["type"] == "TextRun" && run["text"].is_string();
    let is_block = |block: &Value| match block["type"].as_str() {
        Some("TextBlock") => block["text"].is_string(),
        Some("RichTextBlock") => block["inlines"].as_array().is_some_and(|runs| runs.iter().all(is_run)),
        _ => false,
    };
    let is_action = |action: &Value| {
        action["type"] == "Action.OpenUrl" && action["url"].as_str().is_some_and(|url| url.starts_with("https://"))
    };
    let is_right = message["type"] == "message"
        && attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
        && card["type"] == "AdaptiveCard"
        && card["version"] == "1.2"
        && card["body"].as_array().is_some_and(|body| !body.is_empty() && body.iter().all(is_block))
        && card["actions"].as_array().is_none_or(|actions| actions.iter().all(is_action));
    (!is_right).then(|| (400, "BadRequest".to_owned()))
}

fn web() -> client::Config {
    client::Config { timeout: Duration::from_secs(20), ..client::Config::default() }
}

/// Each of the three, with the same templates.
fn all(services: &Services, title: Option<&str>, text: Option<&str>) -> [Config; 3] {
    let url = |path: &str| given(&services.url(path));
    let (title, text) = (title.map(str::to_owned), text.map(str::to_owned));
    [
        Config::Slack(chat::Config { url: url("/slack"), web: web(), title: title.clone(), text: text.clone() }),
        Config::PagerDuty(pagerduty::Config {
            routing_key: given("R0UT1NG"),
            url: url("/pagerduty"),
            web: web(),
            title: title.clone(),
            text: text.clone(),
        }),
        Config::Teams(chat::Config { url: url("/teams"), web: web(), title, text }),
    ]
}

#[test]
fn whatever_there_is_to_tell_is_taken() {
    let services = Services::start();
    let many = |count: usize, length: usize| -> Vec<AlertEvent> {
        let one = |n: usize| {
            let mut one = alert(&format!("f{n}"), if n % 5 == 4 { AlertState::Resolved } else { AlertState::Firing });
            one.slice = "<!channel> & [x](https://evil.example) \"🌊\"".repeat(length);
            one
        };
        (0..count).map(one).collect()
    };
    for (count, length) in [(1, 1), (2, 0), (5, 60), (60, 1), (400, 3)] {
        for (title, text) in [
            (None, None),
            (Some("{{ title }}{{ title }}"), Some("{% for a in alerts %}{{ a.labels.slice }}\n{% endfor %}")),
            (Some("{{ 1 + {} }}"), Some("{% for i in range(99999) %}{{ commonLabels }}{% endfor %}")),
        ] {
            for config in all(&services, title, text) {
                assert_eq!(deliver(config, &notice("n", many(count, length))), Ok(()), "{count} {length} {title:?}");
            }
        }
    }
    let over = notice("over", vec![alert("income", AlertState::Resolved)]);
    for config in all(&services, None, None) {
        assert_eq!(deliver(config, &over), Ok(()));
    }
    let seen = services.seen();
    let keys: HashSet<String> = seen
        .iter()
        .filter(|seen| seen.path == "/pagerduty")
        .map(|seen| seen.json()["dedup_key"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(keys.len(), 1, "one incident from its beginning to its end");
    let last = |path: &str| seen.iter().rev().find(|seen| seen.path == path).expect("it was told").json();
    assert_eq!(last("/pagerduty")["event_action"], "resolve");
    let says = last("/slack")["text"].as_str().unwrap_or_default().to_owned();
    assert!(says.starts_with("[resolved] credit/7: FeatureDrift, income") && says.ends_with(", after 59m"), "{says}");
}

#[test]
fn what_they_refuse_is_given_up_and_what_is_too_much_waited_for() {
    let services = Services::start();
    let told = notice("n", vec![alert("income", AlertState::Firing)]);
    let config = |path: &str, routing_key: &str| {
        let (title, text) = (None, None);
        let url = given(&services.url(path));
        Config::PagerDuty(pagerduty::Config { routing_key: given(routing_key), url, web: web(), title, text })
    };
    let refused = deliver(config("/pagerduty", "wr0ng"), &told);
    assert!(matches!(&refused, Err(Failure::Lasting { why }) if !why.contains("wr0ng")), "{refused:?}");
    let later = deliver(config("/busy", "R0UT1NG"), &told);
    assert!(matches!(later, Err(Failure::Passing { after: Some(after), .. }) if after == Duration::from_secs(7)));
}

#[test]
fn an_alertmanager_behind_a_password_is_told_it() {
    let services = Services::start();
    let basic_auth = Some(BasicAuth { username: "tidegauge".into(), password: given("s3cret") });
    let (urls, resend) = (vec![given(&services.url("/am/"))], Duration::from_secs(60));
    let config = alertmanager::Config { urls, basic_auth, web: web(), resend };
    assert_eq!(deliver(Config::Alertmanager(config), &notice("n", vec![alert("income", AlertState::Firing)])), Ok(()));
    let seen = services.seen();
    assert_eq!(seen[0].path, "/am/api/v2/alerts");
    // As `printf tidegauge:s3cret | base64` has it.
    assert_eq!(seen[0].headers["authorization"], "Basic dGlkZWdhdWdlOnMzY3JldA==");
    assert_eq!(seen[0].headers["content-type"], "application/json");
}

#[test]
fn a_web_server_with_a_certificate_of_our_own_is_trusted_by_its_ca_file() {
    if !can_run("HTTPS with a CA of our own", &["python3", "openssl"]) {
        return;
    }
    let folder = certified();
    let mut child = Command::new("python3")
        .args(["-c", HTTPS, &folder.path().display().to_string()])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut port = String::new();
    let stdout = child.stdout.take().expect("it is piped");
    BufReader::new(stdout).read_line(&mut port).expect("it says where it is");
    let told = notice("n", vec![alert("income", AlertState::Firing)]);
    let tell = |ca_file: Option<PathBuf>| {
        let web = client::Config { ca_file, ..web() };
        let url = given(&format!("https://localhost:{}/s3cret", port.trim()));
        let config = webhook::Config { url, web, format: Format::CloudEvent, signing: vec![] };
        deliver(Config::Webhook(config), &told)
    };
    let (trusted, other) = (tell(Some(folder.path().join("ca.pem"))), tell(None));
    let _ = child.kill();
    let _ = child.wait();
    assert_eq!(trusted, Ok(()));
    let Err(Failure::Passing { why, .. }) = other else { panic!("{other:?}") };
    assert!(why.starts_with("https://localhost: ") && why.contains("certificate") && !why.contains("s3cret"), "{why}");
}

/// A web server in Python that says yes to whatever is posted.
const HTTPS: &str = r#"
import http.server, ssl, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(204)
        self.end_headers()
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(sys.argv[1] + "/server.pem", sys.argv[1] + "/server.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
"#;

#[test]
fn a_webhook_has_events_or_what_alertmanager_posts_and_both_are_signed() {
    let services = Services::start();
    let told = notice("n", vec![alert("income", AlertState::Firing)]);
    let secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"];
    for format in [Format::CloudEvent, Format::Alertmanager] {
        let signing = secrets.map(given).into();
        let config = webhook::Config { url: given(&services.url("/hook")), web: web(), format, signing };
        assert_eq!(deliver(Config::Webhook(config), &told), Ok(()));
    }
    let seen = services.seen();
    let header = |seen: &Seen, name: &str| seen.headers[name].to_str().expect("a text").to_owned();
    assert_eq!(header(&seen[0], "content-type"), "application/cloudevents+json");
    assert_eq!(seen[0].json()["type"], "io.tidegauge.alert.firing.v1");
    assert_eq!(seen[0].json()["id"], header(&seen[0], "webhook-id"));
    assert_eq!(header(&seen[1], "content-type"), "application/json");
    assert_eq!(header(&seen[1], "webhook-id"), "n");
    assert_eq!((&seen[1].json()["version"], &seen[1].json()["receiver"]), (&"4".into(), &"oncall".into()));
    for seen in &seen {
        let signatures = header(seen, "webhook-signature");
        assert_eq!(signatures.split(' ').filter(|signature| signature.starts_with("v1,")).count(), 2, "{signatures}");
    }
}
