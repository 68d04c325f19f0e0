//! The Alertmanager receiver: hands alerts to every instance of an Alertmanager, which then tells people in its own
//! ways.
//!
//! An Alertmanager keeps alerts in memory only, and takes one for resolved that it has not heard of for a while. So all
//! of them are told again and again: the router makes a notice at each interval, and the end that a firing alert is
//! given is four intervals away, as Prometheus does it. Of several instances each has letters of its own, since they
//! share what they have sent but not what they were told.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::Url;
use serde::Serialize;

use super::attempt::{Failure, Unusable, read};
use super::client::{self, Client};
use super::event;
use super::origin::Origin;
use super::payload::{annotations, ended};
use super::secret::Secret;
use crate::notice::{Notice, labels};
use crate::rule::State;
use crate::rule::alert::AlertEvent;
use crate::time::{Span, Time};

#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where the instances are. Each is told everything: there must be nothing between that chooses one of them.
    pub urls: Vec<Secret>,
    pub basic_auth: Option<BasicAuth>,
    pub web: client::Config,
    /// How often alerts are told again.
    pub resend: Duration,
}

#[derive(Clone, Debug, PartialEq)]
pub struct BasicAuth {
    pub username: String,
    pub password: Secret,
}

/// How many intervals a firing alert outlives the last that was heard of it.
const OUTLIVES: u32 = 4;
/// Alerts in one request, as Prometheus has it.
const AT_ONCE: usize = 256;

#[derive(Debug)]
pub struct Alertmanager {
    config: Config,
    origin: Origin,
    client: Client,
}

/// An alert as its API takes it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Posted {
    labels: std::collections::BTreeMap<String, String>,
    annotations: std::collections::BTreeMap<String, String>,
    starts_at: String,
    ends_at: String,
    /// One that is empty or not an address has the whole request refused.
    #[serde(rename = "generatorURL", skip_serializing_if = "String::is_empty")]
    generator_url: String,
}

impl Alertmanager {
    /// Reads everything once, so that what is wrong is known at the start.
    pub fn new(config: Config, origin: &Origin) -> Result<Alertmanager, Unusable> {
        let client = Client::new(config.web.clone(), &config.urls)?;
        let made = Alertmanager { config, origin: origin.clone(), client };
        made.authorization()?;
        Ok(made)
    }

    pub fn addresses(&self) -> usize {
        self.config.urls.len()
    }

    /// How old a letter may become: by then another has been made that says the same or more.
    pub fn gives_up(&self) -> Duration {
        self.config.resend * OUTLIVES
    }

    /// Tells the instance at this place of the list.
    pub async fn deliver(&self, notice: &Notice, address: usize) -> Result<(), Failure> {
        let Some(url) = self.config.urls.get(address) else {
            return Err(Failure::Lasting { why: "there is no such instance".to_owned() });
        };
        let url = endpoint(client::url(url)?);
        let authorization = self.authorization()?;
        let mut refused = Ok(());
        for alerts in notice.alerts.chunks(AT_ONCE) {
            let body = event::json(&posted(alerts, &self.origin, now(), self.config.resend));
            match self.client.post(url.clone(), "application/json", &authorization, body).await {
                Ok(()) => {}
                Err(passing @ Failure::Passing { .. }) => return Err(passing),
                // Of a request in which something is wrong, Alertmanager has taken what is right.
                Err(lasting) => refused = Err(lasting),
            }
        }
        refused
    }

    fn authorization(&self) -> Result<Vec<(&'static str, String)>, Unusable> {
        use base64::Engine as _;
        let Some(BasicAuth { username, password }) = &self.config.basic_auth else { return Ok(Vec::new()) };
        let both = format!("{username}:{}", read("password", password)?);
        let encoded = base64::engine::general_purpose::STANDARD.encode(both);
        Ok(vec![("authorization", format!("Basic {encoded}"))])
    }
}

/// Where an instance takes alerts; it may be served below a path.
fn endpoint(mut url: Url) -> Url {
    let path = format!("{}/api/v2/alerts", url.path().trim_end_matches('/'));
    url.set_path(&path);
    url
}

/// What is posted of the alerts at this time by the clock.
fn posted(alerts: &[AlertEvent], origin: &Origin, now: Time, resend: Duration) -> Vec<Posted> {
    let lives = Span((resend * OUTLIVES).as_millis() as i64);
    let posted = |alert: &AlertEvent| {
        // Event time may be ahead of the clock; an end before the beginning, or after now, would be misunderstood.
        let begun = alert.since.min(now);
        let until = if alert.state == State::Resolved { ended(alert).min(now) } else { now + lives };
        Posted {
            labels: labels(alert),
            annotations: annotations(alert),
            starts_at: begun.to_string(),
            ends_at: until.to_string(),
            generator_url: origin.link(alert),
        }
    };
    alerts.iter().map(posted).collect()
}

fn now() -> Time {
    Time(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64))
}
