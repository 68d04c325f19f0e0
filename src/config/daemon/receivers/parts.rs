//! Reads what several kinds of receivers have.

use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};

use crate::config::{Giver, Item, Map, all, shown};
use crate::notify::client;
use crate::notify::secret::Secret;
use crate::notify::template::VARIABLES;
use crate::time::Span;

/// What a notice gives to the templates of its receiver.
const NOTICE: Giver = Giver {
    name: "a notice",
    variables: &VARIABLES,
    longest: 16_384,
    like: "\"{{ status }}: {{ commonLabels.alertname }}\"",
};

const SECRET: &str = "a text, {file: PATH} or {env: NAME}";

/// A secret, and what it says now. Its file may be replaced while the daemon runs, but has to be good from the start.
pub fn secret(item: Item<'_>) -> Option<(Secret, String)> {
    if !item.is_map() {
        let text = item.text_like(SECRET)?.to_owned();
        return Some((Secret::Given(text.clone()), text));
    }
    let map = item.map()?;
    match (map.find("file"), map.find("env")) {
        (Some(file), None) => secret_in_file(file),
        (None, Some(variable)) => secret_in_environment(variable),
        _ => {
            item.report(format!("{item} is not one of `file` and `env`"), Some(format!("write {SECRET}")));
            None
        }
    }
}

pub fn secret_in_file(item: Item<'_>) -> Option<(Secret, String)> {
    let (path, text) = item.content()?;
    Some((Secret::File(path), text))
}

fn secret_in_environment(item: Item<'_>) -> Option<(Secret, String)> {
    let name = item.text_like("the name of a variable, such as MAIL_PASSWORD")?;
    match env::var(name).ok().filter(|text| !text.trim().is_empty()) {
        Some(text) => Some((Secret::Environment(name.to_owned()), text.trim().to_owned())),
        None => {
            let hint = "set it where the daemon is started".to_owned();
            item.report(format!("the environment has no variable `{}`", shown(name)), Some(hint));
            None
        }
    }
}

/// A secret that has only to be there.
pub fn any_secret(item: Item<'_>) -> Option<Secret> {
    Some(secret(item)?.0)
}

/// A secret that is the address of a web server.
pub fn url(item: Item<'_>) -> Option<Secret> {
    checked_url(item, secret(item))
}

pub fn checked_url(item: Item<'_>, secret: Option<(Secret, String)>) -> Option<Secret> {
    let (secret, text) = secret?;
    if !Url::parse(&text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
        item.report(format!("{item} is not the address of a web server"), Some("write https://…".to_owned()));
        return None;
    }
    Some(secret)
}

/// How a web server is spoken to.
pub fn web(map: &Map<'_>) -> Option<client::Config> {
    let headers = map.or("headers", BTreeMap::new(), headers);
    let timeout = map.or("timeout", Span(10_000), Item::positive_span);
    let proxy = map.maybe("proxy", url);
    let ca_file = map.maybe("ca_file", ca_file);
    Some(client::Config { headers: headers?, timeout: duration(timeout?), proxy: proxy?, ca_file: ca_file? })
}

pub fn duration(span: Span) -> Duration {
    Duration::from_millis(span.0.unsigned_abs())
}

fn headers(item: Item<'_>) -> Option<BTreeMap<String, Secret>> {
    let map = item.map()?;
    let headers = all(map.entries().map(|(name, item, at)| {
        if HeaderName::from_bytes(name.as_bytes()).is_err() {
            let hint = "write a name such as Authorization".to_owned();
            item.reader().report(at, format!("`{}` cannot be the name of a header", shown(name)), Some(hint));
        }
        let (secret, text) = secret(item)?;
        if HeaderValue::from_str(&text).is_err() {
            item.report(format!("{item} cannot be the value of a header"), Some("write printable ASCII".to_owned()));
        }
        Some((name.to_owned(), secret))
    }));
    Some(headers?.into_iter().collect())
}

/// A file of certificates.
pub fn ca_file(item: Item<'_>) -> Option<PathBuf> {
    let (path, text) = item.content()?;
    if !text.contains("-----BEGIN CERTIFICATE-----") {
        let message = format!("`{}` has no certificate in it", path.display());
        item.report(message, Some("write the path of a file in PEM".to_owned()));
        return None;
    }
    Some(path)
}

/// A template over a notice.
pub fn template(item: Item<'_>) -> Option<String> {
    item.template(&NOTICE)
}
