//! Models that are registered in MLflow: against a real server, and against one that fails as it is told to.
//!
//! The real one is only run with `TIDEGAUGE_PEERS` in the environment, because it is large.

mod fake;
mod failing;
mod real;
mod server;

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use tidegauge::config::load_monitor;
use tidegauge::replay::reference_in;

use crate::support::PATIENCE;
use crate::support::broker::Broker;
use crate::support::program::{Daemon, Folder};

const WINDOW: i64 = 10_000;
/// The end of the first window.
const BEGIN: i64 = 1_700_000_000_000;

/// A data set of incomes from here on.
fn reference(from: i64) -> String {
    let mut text = "income\n".to_owned();
    for i in 0..1000 {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", from + i % 100);
    }
    text
}

/// Sends the rows of a window, which are of a version and have incomes from here on.
fn send(broker: &Broker, window: i64, version: &str, from: i64) {
    let line = |i: i64| {
        let at = BEGIN + window * WINDOW + i * (WINDOW - 1) / 400;
        format!(r#"{{"ts":{at},"version":"{version}","income":{}}}"#, from + i % 100)
    };
    broker.produce("loans", 0, (0..400).map(line));
}

/// The end of a window, as it is written.
fn end_of(window: i64) -> String {
    tidegauge::time::Time(BEGIN + (window + 1) * WINDOW).to_string()
}

/// Writes the monitor of such rows, and the configuration of a daemon that finds MLflow there.
fn configure(folder: &Folder, broker: &Broker, url: &str, more: &str) {
    folder.configure(&broker.address, &format!("mlflow:\n  url: {url}\n{more}"));
    folder.write(
        "rules/loan.yaml",
        "model: loan\ninputs: [{topic: loans}]\nschema: {time: ts, version: version, features: {income: numeric}}\n\
         reference: {mlflow: models:/credit@champion, artifact: tidegauge/reference.csv}\n\
         window: {size: 10s, idle: 10m, min_rows: 100}\n",
    );
}

/// The content hash that the reference of incomes from here on has for the monitor.
fn hash(folder: &Folder, from: i64) -> String {
    let file = folder.write("expected.csv", reference(from));
    let monitor = load_monitor(&folder.path("rules/loan.yaml")).expect("the monitor is right");
    reference_in(Path::new(&file), &monitor).expect("it can be read").hash
}

/// The content hash of the reference that the daemon has.
fn hash_in_use(daemon: &Daemon) -> Option<String> {
    let monitors = daemon.api("/api/v1/monitors");
    monitors.first()?["references"][0]["hash"].as_str().map(str::to_owned)
}

/// With what a window's drift was compared, once it is measured.
fn compared_with(daemon: &Daemon, window: i64) -> Option<String> {
    let measured = daemon.api("/api/v1/measurements?limit=20000&model=loan&subject=income&statistic=psi");
    let of_window = measured.iter().find(|m| m["window_end"] == end_of(window).as_str())?;
    of_window["reference"].as_str().map(str::to_owned)
}

/// Asks over a connection of its own. A server that is not there answers with the status 0.
fn ask(address: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, String) {
    let ask = || -> std::io::Result<Vec<u8>> {
        let mut connection = TcpStream::connect(address)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("content-length: {}\r\n\r\n", body.len());
        connection.write_all(head.as_bytes())?;
        connection.write_all(body)?;
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer)?;
        Ok(answer)
    };
    let answer = ask().unwrap_or_default();
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, body.to_owned())
}

/// Posts what MLflow would, signed with this secret.
fn post_signed(daemon: &Daemon, secret: &str) -> u16 {
    let (delivery, body) = ("5c4b", r#"{"entity":"model_version_alias","action":"created"}"#);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("it is after 1970").as_secs();
    let mut code = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).expect("any length is good");
    code.update(format!("{delivery}.{now}.{body}").as_bytes());
    use base64::Engine as _;
    let signature = base64::engine::general_purpose::STANDARD.encode(code.finalize().into_bytes());
    let (now, signature) = (now.to_string(), format!("v1,{signature}"));
    let headers =
        [("x-mlflow-delivery-id", delivery), ("x-mlflow-timestamp", &now), ("x-mlflow-signature", &signature)];
    ask(&daemon.address.to_string(), "POST", "/api/v1/mlflow/webhook", &headers, body.as_bytes()).0
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
