//! A notice in the words of Alertmanager: its labels, its fingerprints, and version 4 of the payload that it posts to
//! webhooks, which many programs can read.

use std::collections::BTreeMap;

use serde::Serialize;

use super::origin::Origin;
use crate::notice::{Notice, is_name, labels};
use crate::rule::State;
use crate::rule::alert::AlertEvent;
use crate::time::Time;

/// The body that Alertmanager posts to a webhook, its fields in Alertmanager's order.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Payload {
    pub receiver: String,
    pub status: &'static str,
    pub alerts: Vec<Told>,
    pub group_labels: BTreeMap<String, String>,
    pub common_labels: BTreeMap<String, String>,
    pub common_annotations: BTreeMap<String, String>,
    #[serde(rename = "externalURL")]
    pub external_url: String,
    version: &'static str,
    pub group_key: String,
    /// Always nought: nothing is left out.
    truncated_alerts: usize,
}

/// One alert of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    pub status: &'static str,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub starts_at: String,
    pub ends_at: String,
    #[serde(rename = "generatorURL")]
    pub generator_url: String,
    pub fingerprint: String,
}

/// How the end of an alert is written that has not ended.
const NEVER: &str = "0001-01-01T00:00:00Z";

pub fn payload(notice: &Notice, origin: &Origin) -> Payload {
    let alerts: Vec<Told> = notice.alerts.iter().map(|alert| told(alert, origin)).collect();
    Payload {
        receiver: notice.receiver.clone(),
        status: status(notice.is_firing()),
        group_labels: notice.group.clone(),
        common_labels: common(alerts.iter().map(|alert| &alert.labels)),
        common_annotations: common(alerts.iter().map(|alert| &alert.annotations)),
        alerts,
        external_url: origin.page(),
        version: "4",
        group_key: notice.group_key.clone(),
        truncated_alerts: 0,
    }
}

fn told(alert: &AlertEvent, origin: &Origin) -> Told {
    let is_firing = alert.state != State::Resolved;
    let labels = labels(alert);
    Told {
        status: status(is_firing),
        annotations: annotations(alert),
        starts_at: alert.since.to_string(),
        ends_at: if is_firing { NEVER.to_owned() } else { ended(alert).to_string() },
        generator_url: origin.link(alert),
        fingerprint: fingerprint(&labels),
        labels,
    }
}

/// When a resolved alert came to its end. It is not before its beginning, even where a rule was changed meanwhile.
pub fn ended(alert: &AlertEvent) -> Time {
    alert.window_end.max(alert.since)
}

fn status(is_firing: bool) -> &'static str {
    if is_firing { "firing" } else { "resolved" }
}

pub fn annotations(alert: &AlertEvent) -> BTreeMap<String, String> {
    let mut annotations = alert.annotations.clone();
    annotations.retain(|name, value| is_name(name) && !value.is_empty());
    annotations
}

/// What all of them have, with the same value.
fn common<'a>(mut all: impl Iterator<Item = &'a BTreeMap<String, String>>) -> BTreeMap<String, String> {
    let mut common = all.next().cloned().unwrap_or_default();
    for other in all {
        common.retain(|name, value| other.get(name) == Some(value));
    }
    common
}

/// Alertmanager's name for a set of labels: FNV-1a of 64 bits over names and values, each closed by a byte 255.
fn fingerprint(labels: &BTreeMap<String, String>) -> String {
    const OFFSET: u64 = 14_695_981_039_346_656_037;
    const PRIME: u64 = 1_099_511_628_211;
    let texts = labels.iter().flat_map(|(name, value)| [name, value]);
    let bytes = texts.flat_map(|text| text.bytes().chain([255]));
    format!("{:016x}", bytes.fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME)))
}
