//! Finds an alert's changes in the audit log, wherever that is, and whether the log is whole.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use anyhow::{Context, Result, bail};
use reqwest::{Client, Response, StatusCode, header};

use super::Options;
use crate::audit::{Broken, Entry, Head, Summary, What, verify};
use crate::auditor::Log;
use crate::config::Config;
use crate::store::{self, Kept, Store, StoreError};

/// What there is of an alert.
pub struct Found {
    /// Where the log is.
    pub place: String,
    /// The changes of the alert, in order.
    pub entries: Vec<Entry>,
    pub verdict: Result<Summary, Broken>,
    store: Option<Box<Store>>,
}

impl Found {
    /// What is kept of a monitor: in the store that the log is in, or else in the daemon's own. `None` when there is
    /// neither, or a daemon has it.
    pub fn kept(&self, own: &store::Config, model: &str) -> Option<Result<Kept, StoreError>> {
        if let Some(store) = &self.store {
            return Some(store.monitor(model));
        }
        // To open a store is to make it where there is none.
        let own = own.path.join("db").is_dir().then(|| Store::open(own).ok())??;
        Some(own.monitor(model))
    }
}

/// Looks where it is told to; else asks the daemon that the configuration is of, and when none answers opens its store.
pub async fn find(options: &Options, config: &Config) -> Result<Found> {
    if let Some(log) = &options.audit {
        return of_log(log, &options.alert);
    }
    if let Some(url) = &options.url {
        return of_daemon(url.trim_end_matches('/'), &options.alert).await;
    }
    if let Some(url) = own_url(config.http.listen) {
        match of_daemon(&url, &options.alert).await {
            Err(error) if error.downcast_ref().is_some_and(reqwest::Error::is_connect) => {}
            answer => return answer,
        }
    }
    of_log(&config.store.path, &options.alert)
}

/// Where to reach from here what listens there.
fn own_url(listen: SocketAddr) -> Option<String> {
    let any = listen.ip().is_unspecified();
    let ip = if any { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { listen.ip() };
    (listen.port() != 0).then(|| format!("http://{}", SocketAddr::new(ip, listen.port())))
}

fn of_log(path: &Path, alert: &str) -> Result<Found> {
    let mut log = Log::open(path)?;
    let own = log.head();
    let mut search = Search::new(alert);
    let mut failure = None;
    let lines = log.lines().map_while(|line| line.map_err(|error| failure = Some(error)).ok());
    let verdict = verify(lines.map(|line| search.look(&line)), own, &[]);
    if let Some(error) = failure {
        return Err(error.context(format!("read {}", path.display())));
    }
    let store = match log {
        Log::Store(store) => Some(store),
        Log::Lines(_) => None,
    };
    let entries = if verdict.is_ok() { search.entries } else { all_of(path, alert, search.entries)? };
    Ok(Found { place: format!("{}", path.display()), entries, verdict, store })
}

/// What a log that is broken has of the alert, also after where it is broken, as far as it can be read.
fn all_of(path: &Path, alert: &str, before: Vec<Entry>) -> Result<Vec<Entry>> {
    // Standard input is read but once, and a store is open.
    if !path.is_file() {
        return Ok(before);
    }
    let mut search = Search::new(alert);
    for line in Log::open(path)?.lines() {
        // That it cannot be read has been said.
        let _ = search.look(&line?);
    }
    Ok(search.entries)
}

async fn of_daemon(url: &str, alert: &str) -> Result<Found> {
    // Another part of the process may have installed it first, which is as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder().no_proxy().user_agent(concat!("tidegauge/", env!("CARGO_PKG_VERSION")));
    if url.starts_with("http:") {
        // The system may have no certificates at all, which is no reason not to speak plain HTTP.
        builder = builder.tls_certs_only([]);
    }
    let client = builder.build().context("set up the HTTP client")?;
    let (mut lines, mut heads, mut next) = (Vec::new(), Vec::new(), Some(0));
    while let Some(from) = next {
        let asked = client.get(format!("{url}/api/v1/audit?from={from}")).send().await;
        let page =
            asked.map_err(reqwest::Error::without_url).with_context(|| format!("ask {url} for its audit log"))?;
        if page.status() != StatusCode::OK {
            bail!("{url} answers with {} to who asks for its audit log", page.status());
        }
        heads.extend(head_of(&page));
        next = next_of(&page);
        let text = page.text().await.with_context(|| format!("read the audit log of {url}"))?;
        lines.extend(text.lines().map(str::to_owned));
    }
    let mut search = Search::new(alert);
    // The log may have grown since its head was read.
    let verdict = verify(lines.iter().map(|line| search.look(line)), None, &heads);
    Ok(Found { place: url.to_owned(), entries: search.entries, verdict, store: None })
}

fn head_of(page: &Response) -> Option<Head> {
    page.headers().get("tidegauge-audit-head")?.to_str().ok()?.parse().ok()
}

/// From where to ask for more.
fn next_of(page: &Response) -> Option<u64> {
    let link = page.headers().get(header::LINK)?.to_str().ok()?;
    let (_, number) = link.split_once("from=")?;
    number.split('>').next()?.parse().ok()
}

/// Picks out what is of one alert.
struct Search<'a> {
    alert: &'a str,
    entries: Vec<Entry>,
}

impl Search<'_> {
    fn new(alert: &str) -> Search<'_> {
        Search { alert, entries: Vec::new() }
    }

    fn look(&mut self, line: &str) -> Result<Entry, String> {
        let entry = Entry::from_json(line)?;
        if matches!(&entry.what, What::Alert { id, .. } if id == self.alert) {
            self.entries.push(entry.clone());
        }
        Ok(entry)
    }
}
