//! Reads who is notified.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};

use crate::config::{Item, all, shown};
use crate::notify::webhook::{self, Secret};
use crate::time::Span;

/// The receivers' names, be they otherwise right or wrong.
pub fn names(item: Item<'_>) -> Option<BTreeSet<String>> {
    let map = item.map()?;
    Some(map.entries().map(|(name, _, _)| name.to_owned()).collect())
}

pub fn read(item: Item<'_>) -> Option<BTreeMap<String, webhook::Config>> {
    let map = item.map()?;
    let receivers = all(map.entries().map(|(name, item, _)| {
        let map = item.map()?;
        let webhook = map.need("webhook", "{url: https://…}", webhook);
        Some((name.to_owned(), webhook?))
    }));
    Some(receivers?.into_iter().collect())
}

/// A secret, and what it says now. Its file may be replaced while the daemon runs, but has to be good from the start.
fn secret(item: Item<'_>) -> Option<(Secret, String)> {
    if item.is_map() {
        let map = item.map()?;
        return map.need("file", "PATH", secret_in_file);
    }
    let text = item.text_like("a text, or {file: PATH}")?.to_owned();
    Some((Secret::Given(text.clone()), text))
}

fn secret_in_file(item: Item<'_>) -> Option<(Secret, String)> {
    let (path, text) = item.content()?;
    Some((Secret::File(path), text))
}

fn webhook(item: Item<'_>) -> Option<webhook::Config> {
    const LIKE: &str = "write `url: https://…`, or `url_file: PATH` to keep it out of this file";
    let map = item.map()?;
    let given = |item: Item<'_>| {
        let text = item.text_like("https://…")?.to_owned();
        Some((Secret::Given(text.clone()), text))
    };
    let written = map.find("url").map(|item| url(item, given(item)));
    let in_file = map.find("url_file").map(|item| url(item, secret_in_file(item)));
    let url = match (written, in_file) {
        (Some(url), None) | (None, Some(url)) => url,
        (Some(_), Some(_)) => {
            item.report("a webhook has either `url` or `url_file`, not both", Some(LIKE.to_owned()));
            None
        }
        (None, None) => {
            item.report("`webhook` has neither `url` nor `url_file`", Some(LIKE.to_owned()));
            None
        }
    };
    let headers = map.or("headers", BTreeMap::new(), headers);
    let timeout = map.or("timeout", Span(10_000), Item::positive_span);
    let timeout = Duration::from_millis(timeout?.0.unsigned_abs());
    Some(webhook::Config { url: url?, headers: headers?, timeout, signing: None, proxy: None })
}

fn url(item: Item<'_>, secret: Option<(Secret, String)>) -> Option<Secret> {
    let (secret, text) = secret?;
    if !Url::parse(&text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
        item.report(format!("{item} is not the address of a web server"), Some("write https://…".to_owned()));
        return None;
    }
    Some(secret)
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
