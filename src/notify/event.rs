//! What is told to other programs: alerts and retrain requests as CloudEvents 1.0, and measurements as plain records.
#![doc = ""]
#![doc = include_str!("EVENTS.md")]

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::measurement::Measurement;
use crate::rule::State;
use crate::rule::alert::{AlertEvent, RetrainRequest, stable_id};
use crate::time::Time;
use crate::verdict::Standing;

/// A record for a Kafka topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub topic: String,
    pub key: String,
    pub headers: Vec<(String, String)>,
    pub value: Vec<u8>,
}

/// A CloudEvent 1.0 around what it tells. Serialised, it is in the structured mode.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CloudEvent<'a, T> {
    specversion: &'static str,
    /// The same whenever this event is made again.
    pub id: String,
    pub source: String,
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub subject: String,
    pub time: Time,
    datacontenttype: &'static str,
    data: &'a T,
    #[serde(skip)]
    model: &'a str,
}

/// The content type of an event in the structured mode.
pub const STRUCTURED: &str = "application/cloudevents+json";

/// The event that tells a change of an alert. `group` names the daemon, which may be many processes.
pub fn alert<'a>(group: &str, told: &'a AlertEvent) -> CloudEvent<'a, AlertEvent> {
    let (kind, state) = match told.state {
        State::Pending => ("io.tidegauge.alert.pending.v1", "pending"),
        State::Firing => ("io.tidegauge.alert.firing.v1", "firing"),
        State::Resolved => ("io.tidegauge.alert.resolved.v1", "resolved"),
    };
    let id = stable_id(&[&told.id, state, &told.window_end.to_string()]);
    CloudEvent::new(group, kind, id, (&told.model, &told.version), told.window_end, told)
}

/// The event that asks for a retrain.
pub fn retrain<'a>(group: &str, told: &'a RetrainRequest) -> CloudEvent<'a, RetrainRequest> {
    let kind = "io.tidegauge.retrain.requested.v1";
    CloudEvent::new(group, kind, told.id.clone(), (&told.model, &told.version), told.window_end, told)
}

/// The event that tells what was found of a challenger.
pub fn verdict<'a>(group: &str, told: &'a Standing) -> CloudEvent<'a, Standing> {
    let kind = "io.tidegauge.challenger.verdict.v1";
    let Standing { model, version, champion, metric, .. } = told;
    let id =
        stable_id(&["verdict", model, version, champion, metric, told.verdict.name(), &told.window_end.to_string()]);
    CloudEvent::new(group, kind, id, (&told.model, &told.version), told.window_end, told)
}

/// The record of a measurement, which is not wrapped in an event because there are so many.
pub fn measurement(topic: &str, told: &Measurement) -> Record {
    let id = stable_id(&[
        &told.model,
        &told.version,
        &told.slice,
        &told.window_end.to_string(),
        told.family.name(),
        &told.subject,
        &told.statistic,
        &told.revision.to_string(),
    ]);
    Record {
        topic: topic.to_owned(),
        key: format!("{}/{}/{}", told.model, told.version, told.slice),
        headers: vec![("id".to_owned(), id), ("content-type".to_owned(), JSON.to_owned())],
        value: json(told).into_bytes(),
    }
}

impl<'a, T: Serialize> CloudEvent<'a, T> {
    fn new(
        group: &str,
        kind: &'static str,
        id: String,
        (model, version): (&'a str, &str),
        time: Time,
        data: &'a T,
    ) -> CloudEvent<'a, T> {
        CloudEvent {
            specversion: "1.0",
            id,
            source: format!("/tidegauge/{}", escaped(group)),
            kind,
            subject: format!("{model}/{version}"),
            time,
            datacontenttype: JSON,
            data,
            model,
        }
    }

    /// The whole event as one JSON object.
    pub fn structured(&self) -> String {
        json(self)
    }

    /// The event in the binary mode of the Kafka binding: attributes in headers, and the data as the value. The key is
    /// the model's name, so a model's events stay in order.
    pub fn record(&self, topic: &str) -> Record {
        let headers = [
            ("ce_specversion", self.specversion),
            ("ce_id", &self.id),
            ("ce_source", &self.source),
            ("ce_type", self.kind),
            ("ce_time", &self.time.to_string()),
            ("ce_subject", &self.subject),
            ("content-type", self.datacontenttype),
        ];
        Record {
            topic: topic.to_owned(),
            key: self.model.to_owned(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            value: json(self.data).into_bytes(),
        }
    }
}

const JSON: &str = "application/json";

/// Records of numbers, texts, lists and maps by text can always be written, so there is no error to hand on.
pub fn json(told: &impl Serialize) -> String {
    serde_json::to_string(told).unwrap_or_default()
}

/// A segment of a URI: all but its unreserved characters is escaped.
fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut escaped, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
        escaped
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::*;
    use crate::cause::{Cause, Likely};
    use crate::measurement::Family;
    use crate::pane::Partition;
    use crate::retrain::report::{self, Unheard};
    use crate::rule::Severity;
    use crate::rule::alert::{Incident, Shape};
    use crate::rule::basis::OffsetRange;
    use crate::verdict::Verdict;
    use crate::verdict::sample::standing;

    const DOCUMENT: &str = include_str!("EVENTS.md");

    fn measured() -> Measurement {
        Measurement {
            model: "credit".into(),
            version: "7".into(),
            slice: "country=US".into(),
            window_start: Time(0),
            window_end: Time(3_600_000),
            rows: 5000,
            value: Some(0.31),
            p_value: Some(0.0004),
            error_bound: Some(0.0),
            threshold: Some(0.2),
            breached: Some(true),
            reference: Some("0123456789abcdef".into()),
            ..Measurement::new(Family::Drift, "income", "psi")
        }
    }

    fn told(state: State) -> AlertEvent {
        AlertEvent {
            id: "episode".into(),
            model: "credit".into(),
            version: "7".into(),
            subject: "income".into(),
            window_end: Time(3_600_000),
            since: Time(3_600_000),
            condition: "drift.psi > 0.2".into(),
            labels: BTreeMap::from([("team".into(), "risk".into())]),
            evidence: vec![measured()],
            shape: Some(Shape { reference: vec![1.0, 0.0], current: vec![0.0, 1.0] }),
            incident: Some(Incident {
                id: "incident".into(),
                opened: Time(3_600_000),
                firing: 1,
                ranked: vec!["income".into(), "debt".into()],
                likely: vec![likely(Cause::UnitChange)],
            }),
            offsets: offsets(),
            notify: vec!["hook".into()],
            ..AlertEvent::bare("FeatureDrift", state, Severity::Warning)
        }
    }

    fn likely(cause: Cause) -> Likely {
        Likely { cause, subjects: vec!["income".into()], confidence: 0.9, evidence: "100 times as large".into() }
    }

    fn offsets() -> Vec<OffsetRange> {
        let partition = Partition { topic: "credit.predictions".into(), partition: 3 };
        vec![OffsetRange { partition, first: 10, last: 20 }]
    }

    fn request() -> RetrainRequest {
        RetrainRequest {
            id: "request".into(),
            retrain: "nightly".into(),
            model: "credit".into(),
            version: "7".into(),
            slice: String::new(),
            alert: "FeatureDrift".into(),
            condition: "drift.psi > 0.2".into(),
            subjects: vec!["income".into()],
            window_start: Time(0),
            window_end: Time(3_600_000),
            evidence: vec![measured()],
            offsets: offsets(),
            reason: "FeatureDrift: income has psi 0.31 (threshold 0.2, p = 0.0004)".into(),
            rows: 5000,
            labelled: Some(1500),
            coverage: Some(0.3),
            link: "https://tidegauge.example.com/#model-credit".into(),
            quiet_until: Time(86_400_000),
        }
    }

    #[test]
    fn a_verdict_is_told_once_under_one_id() {
        let (better, worse) = (standing(Verdict::Better), standing(Verdict::Worse));
        assert_eq!(verdict("g", &better).id, verdict("g", &better.clone()).id);
        assert_ne!(verdict("g", &better).id, verdict("g", &worse).id);
        let event: Value = serde_json::from_str(&verdict("g", &better).structured()).unwrap();
        assert_eq!((&event["subject"], &event["data"]["verdict"]), (&json!("credit/8"), &json!("better")));
        assert!(Verdict::ALL.iter().all(|it| serde_json::to_value(it).unwrap() == json!(it.name())));
    }

    #[test]
    fn the_structured_mode_is_one_object() {
        let told = told(State::Firing);
        let event: Value = serde_json::from_str(&alert("eu west", &told).structured()).unwrap();
        let expected = json!({
            "specversion": "1.0",
            "id": stable_id(&["episode", "firing", "1970-01-01T01:00:00Z"]),
            "source": "/tidegauge/eu%20west",
            "type": "io.tidegauge.alert.firing.v1",
            "subject": "credit/7",
            "time": "1970-01-01T01:00:00Z",
            "datacontenttype": "application/json",
            "data": serde_json::to_value(&told).unwrap(),
        });
        assert_eq!(event, expected);
    }

    #[test]
    fn the_binary_mode_has_attributes_in_headers_and_data_as_value() {
        let told = request();
        let record = retrain("prod", &told).record("retrains");
        let header = |name| record.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        assert_eq!((record.topic.as_str(), record.key.as_str()), ("retrains", "credit"));
        assert_eq!(header("ce_specversion"), Some("1.0"));
        assert_eq!(header("ce_id"), Some("request"));
        assert_eq!(header("ce_source"), Some("/tidegauge/prod"));
        assert_eq!(header("ce_type"), Some("io.tidegauge.retrain.requested.v1"));
        assert_eq!(header("ce_time"), Some("1970-01-01T01:00:00Z"));
        assert_eq!(header("ce_subject"), Some("credit/7"));
        assert_eq!(header("content-type"), Some("application/json"));
        assert_eq!(serde_json::from_slice::<RetrainRequest>(&record.value).unwrap(), told);
    }

    #[test]
    fn an_id_stays_and_tells_events_apart() {
        let (firing, resolved) = (told(State::Firing), told(State::Resolved));
        assert_eq!(alert("a", &firing).id, alert("a", &firing.clone()).id);
        assert_ne!(alert("a", &firing).id, alert("a", &resolved).id);
        let again = AlertEvent { window_end: Time(7_200_000), ..firing.clone() };
        assert_ne!(alert("a", &firing).id, alert("a", &again).id);
    }

    #[test]
    fn a_measurement_is_its_own_record() {
        let told = measured();
        let record = measurement("measurements", &told);
        assert_eq!(record.key, "credit/7/country=US");
        assert_eq!(serde_json::from_slice::<Measurement>(&record.value).unwrap(), told);
        let id = |told: &Measurement| measurement("m", told).headers[0].clone();
        assert_eq!(id(&told), id(&Measurement { value: None, ..told.clone() }));
        let others = [
            Measurement { slice: String::new(), ..told.clone() },
            Measurement { window_end: Time(0), ..told.clone() },
            Measurement { family: Family::Quality, ..told.clone() },
            Measurement { revision: 1, ..told.clone() },
        ];
        assert!(others.iter().all(|other| id(other) != id(&told)));
    }

    #[test]
    fn the_document_names_every_field_and_type() {
        let (firing, request) = (told(State::Firing), request());
        let event: Value = serde_json::from_str(&alert("g", &firing).structured()).unwrap();
        let datas = [
            event.clone(),
            event["data"].clone(),
            event["data"]["shape"].clone(),
            event["data"]["incident"].clone(),
            event["data"]["incident"]["likely"][0].clone(),
            serde_json::to_value(&request).unwrap(),
            serde_json::to_value(&request.offsets[0]).unwrap(),
            serde_json::to_value(measured()).unwrap(),
            serde_json::to_value(standing(Verdict::Better)).unwrap(),
        ];
        for field in datas.iter().flat_map(|data| data.as_object().unwrap().keys()) {
            assert!(DOCUMENT.contains(&format!("| `{field}` |")), "{field} is not in EVENTS.md");
        }
        for state in [State::Pending, State::Firing, State::Resolved] {
            assert!(DOCUMENT.contains(alert("g", &told(state)).kind));
        }
        assert!(DOCUMENT.contains(retrain("g", &request).kind));
        for kind in [report::STARTED, report::SUCCEEDED, report::FAILED] {
            assert!(DOCUMENT.contains(&format!("`{kind}`")), "{kind}");
        }
        assert!(Unheard::ALL.iter().all(|why| DOCUMENT.contains(&format!("| `{}` |", why.name()))));
        assert!(DOCUMENT.contains(verdict("g", &standing(Verdict::Better)).kind));
    }
}
