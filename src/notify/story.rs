//! What a notice says to a person: first what, where and how bad; then what has probably happened; then each alert.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use chrono::DateTime;
use reqwest::Url;

use super::limit::{and_more, line};
use super::origin::Origin;
use super::{chart, payload};
use crate::cause::{Cause, Likely};
use crate::notice::Notice;
use crate::rule::Severity;
use crate::rule::alert::{AlertEvent, Shape, in_words};
use crate::time::{Span, Time};

/// A notice in words, which each receiver sets in its own type.
#[derive(Clone, Debug, PartialEq)]
pub struct Story<'a> {
    /// One line.
    pub title: String,
    /// How bad the worst of what fires is; `None` once all is resolved.
    pub severity: Option<Severity>,
    /// What has probably happened, one sentence each, the likeliest first.
    pub causes: Vec<String>,
    /// Those that fire, then those that were resolved.
    pub entries: Vec<Entry<'a>>,
    /// Where the page is; empty if nobody said.
    pub page: String,
}

/// An alert in words.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry<'a> {
    pub is_firing: bool,
    pub heading: String,
    pub summary: String,
    /// Each with its name.
    pub facts: Vec<(&'static str, String)>,
    /// Where to read on: what is there, and a valid address of http or https.
    pub links: Vec<(&'static str, String)>,
    pub shape: Option<&'a Shape>,
}

/// No title is longer: all receivers show so much of one.
const LONGEST_TITLE: usize = 150;
/// Nor any heading or fact, of which the rules' authors and the data decide how long they are.
const LONGEST_FACT: usize = 300;
const LONGEST_SUMMARY: usize = 1000;
/// Causes that are told; those behind are hardly likely.
const CAUSES: usize = 3;

pub fn story<'a>(notice: &'a Notice, origin: &Origin) -> Story<'a> {
    let firing = by_importance(notice);
    Story {
        title: title(notice),
        severity: notice.firing().map(|alert| alert.severity).max(),
        causes: causes(notice),
        entries: firing.into_iter().chain(notice.resolved()).map(|alert| entry(alert, origin)).collect(),
        page: origin.page(),
    }
}

impl Story<'_> {
    /// How many alerts fire.
    pub fn firing(&self) -> usize {
        self.entries.iter().filter(|entry| entry.is_firing).count()
    }

    /// What stands before the first alert that fires, and before the first that was resolved; `None` at all others.
    pub fn section(&self, index: usize) -> Option<String> {
        let firing = self.firing();
        match index {
            _ if index == firing => Some(format!("Resolved: {}", self.entries.len() - firing)),
            0 => Some(format!("Firing: {firing}")),
            _ => None,
        }
    }

    /// Everything as plain text, with so many of the alerts.
    pub fn text(&self, shown: usize) -> String {
        let mut text = format!("{}\n", self.title);
        for cause in &self.causes {
            text.push_str(&format!("\n{cause}\n"));
        }
        for (index, entry) in self.entries.iter().enumerate().take(shown) {
            if let Some(section) = self.section(index) {
                text.push_str(&format!("\n{section}\n"));
            }
            text.push_str(&format!("\n* {}\n  {}\n", entry.heading, entry.summary));
            for (name, fact) in &entry.facts {
                text.push_str(&format!("  {name}: {fact}\n"));
            }
            if let Some((reference, current)) = entry.shape.and_then(chart::characters) {
                text.push_str(&format!("  reference   {reference}\n  this window {current}\n"));
            }
            for (name, url) in &entry.links {
                text.push_str(&format!("  {name}: {url}\n"));
            }
        }
        if let Some(more) = and_more(self.entries.len().saturating_sub(shown)) {
            text.push_str(&format!("\n{more}\n"));
        }
        if !self.page.is_empty() {
            text.push_str(&format!("\n{}\n", self.page));
        }
        text
    }
}

/// `[critical] credit/7: FeatureDrift, income and 3 more in country=US`.
pub fn title(notice: &Notice) -> String {
    let firing = by_importance(notice);
    let told: Vec<&AlertEvent> = if firing.is_empty() { notice.alerts.iter().collect() } else { firing.clone() };
    let severity = firing.iter().map(|alert| alert.severity).max();
    let how_bad = severity.map_or("resolved", Severity::name);
    let place = |alert: &AlertEvent| match alert.version.as_str() {
        "" => alert.model.clone(),
        version => format!("{}/{version}", alert.model),
    };
    let places = several(told.iter().map(|alert| place(alert)), " model");
    let rules = several(told.iter().map(|alert| alert.alert.clone()), " rule");
    let mut title = format!("[{how_bad}] {places}: {rules}");
    match several(told.iter().map(|alert| alert.subject.clone()), "") {
        subjects if subjects.is_empty() => {}
        subjects => title.push_str(&format!(", {subjects}")),
    }
    match several(told.iter().map(|alert| alert.slice.clone()), " slice") {
        slices if slices.is_empty() => {}
        slices => title.push_str(&format!(" in {slices}")),
    }
    if severity.is_none()
        && let (Some(since), Some(ended)) =
            (told.iter().map(|alert| alert.since).min(), told.iter().map(|alert| payload::ended(alert)).max())
    {
        title.push_str(&format!(", after {}", lasted(since, ended)));
    }
    line(&title, LONGEST_TITLE)
}

/// Those that fire, the severest first, and of them those first that their incident says matter most.
fn by_importance(notice: &Notice) -> Vec<&AlertEvent> {
    let mut firing: Vec<&AlertEvent> = notice.firing().collect();
    let place = |alert: &AlertEvent| {
        let ranked = alert.incident.as_ref().map_or(&[][..], |incident| &incident.ranked);
        ranked.iter().position(|subject| *subject == alert.subject).unwrap_or(ranked.len())
    };
    firing.sort_by_cached_key(|alert| (Reverse(alert.severity), place(alert)));
    firing
}

/// The first of them that says something, and how many others there are of what it is.
fn several(names: impl Iterator<Item = String>, what: &str) -> String {
    let mut seen = BTreeSet::new();
    let names: Vec<String> = names.filter(|name| !name.is_empty() && seen.insert(name.clone())).collect();
    match names.split_first() {
        None => String::new(),
        Some((first, [])) => first.clone(),
        Some((first, others)) => {
            let plural = if others.len() == 1 || what.is_empty() { "" } else { "s" };
            format!("{first} and {} more{what}{plural}", others.len())
        }
    }
}

/// What has probably happened to what fires. Alerts of one incident say the same, which is told once.
fn causes(notice: &Notice) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let incidents = notice.firing().filter_map(|alert| alert.incident.as_ref());
    let incidents = incidents.filter(|incident| seen.insert(&incident.id));
    let likely = incidents.flat_map(|incident| incident.likely.iter().enumerate());
    likely.map(|(place, likely)| sentence(likely, place == 0)).take(CAUSES).collect()
}

fn sentence(likely: &Likely, is_first: bool) -> String {
    let how = if is_first { "Probably" } else { "Or perhaps" };
    let of = if likely.subjects.is_empty() { String::new() } else { format!(" ({})", some_of(&likely.subjects)) };
    let confidence = (likely.confidence.clamp(0.0, 1.0) * 100.0).round();
    let evidence = likely.evidence.trim().trim_end_matches('.');
    let evidence = if evidence.is_empty() { String::new() } else { format!(": {evidence}") };
    line(&format!("{how} {}{of}{evidence}. Confidence {confidence} %.", what(likely.cause)), LONGEST_SUMMARY)
}

/// The first few names.
fn some_of(names: &[String]) -> String {
    const FEW: usize = 4;
    let shown: Vec<&str> = names.iter().take(FEW).map(String::as_str).collect();
    let more = and_more(names.len().saturating_sub(FEW)).map(|more| format!(" {more}")).unwrap_or_default();
    format!("{}{more}", shown.join(", "))
}

fn what(cause: Cause) -> &'static str {
    match cause {
        Cause::UnitChange => "a change of unit",
        Cause::NullSpike => "values gone missing",
        Cause::ReEncodedCategories => "categories that go by other names",
        Cause::SwappedColumns => "columns that were swapped",
        Cause::StuckValue => "a value that is stuck",
        Cause::Truncation => "values that are cut off",
        Cause::ClockSkew => "clocks that are off",
        Cause::TrafficMix => "another mix of traffic",
        Cause::CovariateDrift => "inputs that have drifted",
        Cause::LabelDrift => "outcomes in other proportions",
        Cause::ConceptDrift => "the same inputs meaning something else",
    }
}

fn entry<'a>(alert: &'a AlertEvent, origin: &Origin) -> Entry<'a> {
    let is_firing = alert.state != crate::rule::State::Resolved;
    let about = [alert.subject.as_str(), alert.slice.as_str()];
    let about: Vec<&str> = about.into_iter().filter(|part| !part.is_empty()).collect();
    let heading = match about.join(" in ") {
        about if about.is_empty() => alert.alert.clone(),
        about => format!("{}: {about}", alert.alert),
    };
    let annotation = |name: &str| alert.annotations.get(name).map(String::as_str).unwrap_or_default();
    let links = [("runbook", annotation("runbook_url").to_owned()), ("on the page", origin.link(alert))];
    Entry {
        is_firing,
        heading: line(&heading, LONGEST_FACT),
        summary: line(annotation("summary"), LONGEST_SUMMARY),
        facts: facts(alert, is_firing, annotation("description")),
        links: links.into_iter().filter(|(_, url)| is_address(url)).collect(),
        shape: alert.shape.as_ref().filter(|_| is_firing),
    }
}

/// Whether a reader may be led there: anything else could run in the program that shows it.
fn is_address(text: &str) -> bool {
    let bounded = text.len() <= 2000 && !text.contains(|c: char| c.is_whitespace() || "<>|\"".contains(c));
    bounded && Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

fn facts(alert: &AlertEvent, is_firing: bool, description: &str) -> Vec<(&'static str, String)> {
    let values: Vec<String> = alert.evidence.iter().map(in_words).collect();
    let rows = alert.evidence.iter().map(|measured| measured.rows).max().filter(|&rows| rows > 0);
    let rows = rows.map(|rows| format!(", {rows} rows")).unwrap_or_default();
    let labels = alert.labels.iter().filter(|(_, value)| !value.is_empty());
    let labels: Vec<String> = labels.map(|(name, value)| format!("{name}={value}")).collect();
    let window = format!("{} to {}{rows}", minute(alert.window_start), minute(alert.window_end));
    let (begun, ended) = (alert.since, payload::ended(alert));
    let facts = match is_firing {
        true => vec![
            ("values", values.join(", ")),
            ("since", minute(begun)),
            ("window", window),
            ("slice", alert.slice.clone()),
            ("condition", alert.condition.clone()),
            ("description", description.to_owned()),
            ("labels", labels.join(", ")),
        ],
        false => vec![
            ("resolved", format!("{} after {}", minute(ended), lasted(begun, ended))),
            ("reason", alert.reason.clone()),
            ("slice", alert.slice.clone()),
        ],
    };
    let facts = facts.into_iter().map(|(name, fact)| (name, line(&fact, LONGEST_FACT)));
    facts.filter(|(_, fact)| !fact.is_empty()).collect()
}

/// To the minute, which is as exact as a person needs it; a window that ends within one is told to the second.
fn minute(time: Time) -> String {
    let form = if time.0 % 60_000 == 0 { "%Y-%m-%d %H:%M UTC" } else { "%Y-%m-%d %H:%M:%S UTC" };
    DateTime::from_timestamp_millis(time.0).map_or(time.to_string(), |at| at.format(form).to_string())
}

fn lasted(begun: Time, ended: Time) -> Span {
    Span((ended.0 - begun.0).max(0) / 1000 * 1000)
}
