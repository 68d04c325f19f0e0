//! The PagerDuty receiver: Events API v2. A group of alerts is one incident there, which ends with the last of them.

use serde_json::{Value, json};

use super::attempt::{Failure, Unusable, read};
use super::client::{self, Client};
use super::limit::{and_more, cut, length, line, most_that_fit};
use super::origin::Origin;
use super::secret::Secret;
use super::story::{Entry, Story, story, title};
use super::template::{Dialect, or_usual};
use crate::notice::Notice;
use crate::rule::Severity;
use crate::rule::alert::{AlertEvent, stable_id};

/// Where events go.
pub const URL: &str = "https://events.pagerduty.com/v2/enqueue";

#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The integration key of a service.
    pub routing_key: Secret,
    pub url: Secret,
    pub web: client::Config,
    /// Templates in place of the usual texts.
    pub title: Option<String>,
    pub text: Option<String>,
}

/// What PagerDuty takes.
const LONGEST_SUMMARY: usize = 1024;
const LONGEST_KEY: usize = 255;
const LARGEST: usize = 512_000;

#[derive(Debug)]
pub struct PagerDuty {
    config: Config,
    origin: Origin,
    client: Client,
}

impl PagerDuty {
    /// Reads everything once, so that what is wrong is known at the start.
    pub fn new(config: Config, origin: &Origin) -> Result<PagerDuty, Unusable> {
        let client = Client::new(config.web.clone(), std::slice::from_ref(&config.url))?;
        read("routing key", &config.routing_key)?;
        Ok(PagerDuty { config, origin: origin.clone(), client })
    }

    pub async fn deliver(&self, notice: &Notice) -> Result<(), Failure> {
        let key = read("routing key", &self.config.routing_key)?;
        let event = event(notice, &self.origin, &key, self.config.title.as_ref(), self.config.text.as_ref());
        self.client.post(client::url(&self.config.url)?, "application/json", &[], event.to_string()).await
    }
}

/// The event for a notice, within PagerDuty's limits.
pub fn event(
    notice: &Notice,
    origin: &Origin,
    routing_key: &str,
    of_title: Option<&String>,
    of_text: Option<&String>,
) -> Value {
    let key = match length(&notice.group_key) {
        0..=LONGEST_KEY => notice.group_key.clone(),
        _ => stable_id(&[&notice.group_key]),
    };
    let firing: Vec<&AlertEvent> = notice.firing().collect();
    let Some(first) = firing.first() else {
        return json!({"routing_key": routing_key, "event_action": "resolve", "dedup_key": key});
    };
    let told = story(notice, origin);
    let usual_title = title(notice);
    let summary = or_usual(of_title, Dialect::Plain, (notice, origin, &usual_title), || usual_title.clone());
    let custom = of_text.map(|_| {
        let usual = || told.text(told.entries.len());
        cut(&or_usual(of_text, Dialect::Plain, (notice, origin, &usual_title), usual), LARGEST / 8)
    });
    let since = firing.iter().map(|alert| alert.since).min().unwrap_or(first.since);
    let source =
        if first.version.is_empty() { first.model.clone() } else { format!("{}/{}", first.model, first.version) };
    let event = |shown: usize| {
        let details = match &custom {
            Some(text) => json!({"text": text}),
            None => details(&told, shown),
        };
        let payload = json!({
            "summary": line(&summary, LONGEST_SUMMARY),
            "source": source,
            "severity": severity(told.severity),
            "timestamp": since.to_string(),
            "component": first.subject,
            "group": first.model,
            "class": first.alert,
            "custom_details": details,
        });
        without_empty(json!({
            "routing_key": routing_key,
            "event_action": "trigger",
            "dedup_key": key,
            "client": "tidegauge",
            "client_url": told.page,
            "links": links(&told.entries[..shown]),
            "payload": without_empty(payload),
        }))
    };
    event(most_that_fit(told.entries.len(), |shown| event(shown).to_string().len() <= LARGEST))
}

/// What there is of causes and alerts, by name, as PagerDuty shows it in a table.
fn details(told: &Story<'_>, shown: usize) -> Value {
    let in_words = |entry: &Entry<'_>| {
        let facts: Vec<String> = entry.facts.iter().map(|(name, fact)| format!("{name}: {fact}")).collect();
        format!("{}. {}", entry.summary, facts.join("; "))
    };
    let of = |is_firing: bool| -> Value {
        let entries = told.entries[..shown].iter().filter(|entry| entry.is_firing == is_firing);
        entries.map(|entry| json!({"alert": entry.heading, "details": in_words(entry)})).collect()
    };
    let more = and_more(told.entries.len() - shown).unwrap_or_default();
    without_empty(json!({"causes": told.causes, "firing": of(true), "resolved": of(false), "left_out": more}))
}

/// The links of all alerts, each once: alerts of one rule have the same runbook.
fn links(entries: &[Entry<'_>]) -> Value {
    let mut links: Vec<Value> = Vec::new();
    for entry in entries {
        for (name, url) in &entry.links {
            if !links.iter().any(|link| link["href"] == *url) {
                links.push(json!({"href": url, "text": format!("{name}: {}", entry.heading)}));
            }
        }
    }
    links.into()
}

/// An object without what is empty, which would be shown as a name without a value.
fn without_empty(mut value: Value) -> Value {
    let is_empty = |value: &Value| value.as_str() == Some("") || value.as_array().is_some_and(Vec::is_empty);
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, value| !is_empty(value));
    }
    value
}

fn severity(severity: Option<Severity>) -> &'static str {
    match severity {
        Some(Severity::Critical) => "critical",
        Some(Severity::Warning) => "warning",
        Some(Severity::Info) | None => "info",
    }
}
