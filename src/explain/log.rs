//! Finds an alert's changes in the audit log, wherever that is, and whether the log is whole.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::{Method, Response, StatusCode, Url, header};

use super::Options;
use crate::audit::{Broken, Entry, Head, Summary, What, verify};
use crate::auditor::Log;
use crate::config::Config;
use crate::notify::client::{self, Client};
use crate::notify::secret::Secret;
use crate::rule::basis::OffsetRange;
use crate::store::{self, Kept, Store, StoreError};

/// How long a daemon may take for a part of its log.
const PATIENCE: Duration = Duration::from_secs(30);

/// What there is of an alert.
pub struct Found {
    /// Where the log is.
    pub place: String,
    /// The changes of the alert, in order.
    pub entries: Vec<Entry>,
    /// What versions of any model have learnt, in the order in which they did.
    pub lessons: Vec<Lesson>,
    pub verdict: Result<Summary, Broken>,
    store: Option<Box<Store>>,
}

/// Of which rows a version has learnt its reference.
pub struct Lesson {
    pub model: String,
    pub version: String,
    pub topic: String,
    pub hash: String,
    pub from: Vec<OffsetRange>,
}

impl Found {
    /// What is kept of a monitor: in the store that the log is in, or else in the daemon's own. `None` when there is
    /// neither, or a daemon has it.
    pub fn kept(&self, own: &store::Config, model: &str) -> Option<Result<Kept, StoreError>> {
        if let Some(store) = &self.store {
            return Some(store.monitor(model));
        }
        let own = Store::is_at(&own.path).then(|| Store::open(own).ok())??;
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
    let (mut search, mut failure) = (Search::new(alert), None);
    let lines = log.lines().map_while(|line| line.map_err(|error| failure = Some(error)).ok());
    let verdict = search.through(lines, own, &[]);
    if let Some(error) = failure {
        return Err(error.context(format!("read {}", path.display())));
    }
    let store = match log {
        Log::Store(store) => Some(store),
        Log::Lines(_) => None,
    };
    let Search { entries, lessons, .. } = search;
    Ok(Found { place: path.display().to_string(), entries, lessons, verdict, store })
}

async fn of_daemon(url: &str, alert: &str) -> Result<Found> {
    let web = client::Config { timeout: PATIENCE, ..client::Config::default() };
    let client = Client::new(web, &[Secret::Given(url.to_owned())]).context("set up the HTTP client")?;
    let (mut lines, mut heads, mut next) = (Vec::new(), Vec::new(), Some(0));
    while let Some(from) = next {
        let page = Url::parse(&format!("{url}/api/v1/audit?from={from}")).context("ask for the audit log")?;
        let asked = client.request(Method::GET, page, &[])?.send().await;
        let page =
            asked.map_err(reqwest::Error::without_url).with_context(|| format!("ask {url} for its audit log"))?;
        if page.status() != StatusCode::OK {
            bail!("{url} answers with {} to who asks for its audit log", page.status());
        }
        heads.extend(head_of(&page));
        // Whatever answers, it is not asked for ever.
        next = next_of(&page).filter(|&next| next > from);
        let text = page.text().await.with_context(|| format!("read the audit log of {url}"))?;
        lines.extend(text.lines().map(str::to_owned));
    }
    let mut search = Search::new(alert);
    // The log may have grown since its head was read.
    let verdict = search.through(lines.into_iter(), None, &heads);
    let Search { entries, lessons, .. } = search;
    Ok(Found { place: url.to_owned(), entries, lessons, verdict, store: None })
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

/// Picks out what is of one alert, and what was learnt.
struct Search<'a> {
    alert: &'a str,
    entries: Vec<Entry>,
    lessons: Vec<Lesson>,
}

impl Search<'_> {
    fn new(alert: &str) -> Search<'_> {
        Search { alert, entries: Vec::new(), lessons: Vec::new() }
    }

    /// Goes through a log, also where it is broken.
    fn through(
        &mut self,
        mut lines: impl Iterator<Item = String>,
        head: Option<Head>,
        noted: &[Head],
    ) -> Result<Summary, Broken> {
        let verdict = verify(lines.by_ref().map(|line| self.look(&line)), head, noted);
        for line in lines {
            // That something is wrong is known by now.
            let _ = self.look(&line);
        }
        verdict
    }

    fn look(&mut self, line: &str) -> Result<Entry, String> {
        let entry = Entry::from_json(line)?;
        match &entry.what {
            What::Alert { id, .. } if id == self.alert => self.entries.push(entry.clone()),
            What::Reference { model, version, topic, to, learnt_from, .. } if !learnt_from.is_empty() => {
                let [model, version, topic, hash] = [model, version, topic, to].map(String::clone);
                // What was learnt once more is what counts since.
                let is_it = |one: &mut Lesson| (&one.model, &one.version, &one.topic) == (&model, &version, &topic);
                self.lessons.extract_if(.., is_it).for_each(drop);
                self.lessons.push(Lesson { model, version, topic, hash, from: learnt_from.clone() });
            }
            _ => {}
        }
        Ok(entry)
    }
}
