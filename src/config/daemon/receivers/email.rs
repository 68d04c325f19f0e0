//! Reads a receiver that is told by mail.

use lettre::message::Mailbox;

use super::parts::{any_secret, ca_file, duration, template};
use crate::config::{Item, Map, all};
use crate::notify::email::{self, Login, Tls};
use crate::notify::receiver::Config;
use crate::time::Span;

const ADDRESS: &str = "an address such as oncall@example.com, or Name <oncall@example.com>";

pub fn read(item: Item<'_>) -> Option<Config> {
    const TLS: [(&str, Tls); 3] = [("starttls", Tls::StartTls), ("tls", Tls::Implicit), ("none", Tls::None)];
    let map = item.map()?;
    let host = map.need("host", "smtp.example.com", |item| host_name(item, "smtp.example.com"));
    let tls = map.or("tls", Tls::StartTls, |item| item.choice(&TLS));
    let port = map.maybe("port", |item| item.count(1..=65_535));
    let ca_file = map.maybe("ca_file", ca_file);
    let login = login(&map);
    let helo = map.maybe("helo", |item| host_name(item, "tidegauge.example.com"));
    let from = map.need("from", "tidegauge@example.com", mailbox);
    let to = map.need("to", "[oncall@example.com]", mailboxes);
    let timeout = map.or("timeout", Span(30_000), Item::positive_span);
    let subject = map.maybe("subject", template);
    let (text, html) = (map.maybe("text", template), map.maybe("html", template));
    let (host, tls, login) = (host?, tls?, login?);
    let stays_here = ["localhost", "127.0.0.1", "::1"].contains(&host.as_str());
    if tls == Tls::None && login.is_some() && !stays_here {
        item.report("without TLS, the password could be read on its way", Some("write `tls: starttls`".to_owned()));
    }
    let usual = match tls {
        Tls::StartTls => 587,
        Tls::Implicit => 465,
        Tls::None => 25,
    };
    Some(Config::Email(email::Config {
        port: port?.map_or(usual, |port| port as u16),
        host,
        tls,
        ca_file: ca_file?,
        login,
        helo: helo?,
        from: from?,
        to: to?,
        timeout: duration(timeout?),
        subject: subject?,
        text: text?,
        html: html?,
    }))
}

fn host_name(item: Item<'_>, like: &str) -> Option<String> {
    let text = item.text_like(like)?;
    if !text.chars().all(|c| c.is_ascii_alphanumeric() || ".-_:[]".contains(c)) {
        item.report(format!("{item} is not the name of a host"), Some(format!("write {like}")));
        return None;
    }
    Some(text.to_owned())
}

/// Both of them or none.
fn login(map: &Map<'_>) -> Option<Option<Login>> {
    let (username, password) = (map.find("username"), map.find("password"));
    match (username, password) {
        (None, None) => Some(None),
        (Some(username), Some(password)) => {
            let (username, password) = (username.text(), any_secret(password));
            Some(Some(Login { username: username?.to_owned(), password: password? }))
        }
        (Some(item), None) | (None, Some(item)) => {
            item.report("`username` and `password` belong together", Some("write both, or neither".to_owned()));
            None
        }
    }
}

fn mailbox(item: Item<'_>) -> Option<Mailbox> {
    item.parsed("the address of a mailbox", ADDRESS)
}

/// A list, or one alone.
fn mailboxes(item: Item<'_>) -> Option<Vec<Mailbox>> {
    if item.is_scalar() {
        return Some(vec![mailbox(item)?]);
    }
    let items = item.list()?;
    if items.is_empty() {
        item.report(format!("{item} is empty"), Some(format!("write {ADDRESS}")));
    }
    all(items.into_iter().map(mailbox))
}
