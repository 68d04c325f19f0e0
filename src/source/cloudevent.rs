//! Reading CloudEvents 1.0 from records of Kafka, in either mode of the Kafka binding.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

/// What is needed of an event.
#[derive(Clone, Debug, PartialEq)]
pub struct CloudEvent {
    /// Its type.
    pub kind: String,
    /// `None` when there is none, or it is not JSON.
    pub data: Option<Value>,
}

/// The attributes that every event has, and in the structured mode its data as well.
#[derive(Deserialize)]
struct Envelope {
    specversion: String,
    id: String,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    data: Option<Value>,
    data_base64: Option<String>,
}

/// The event that a record is; `None` when it is none. By the binding a content type that begins like that of an event
/// tells the structured mode, where the value is all of the event, from the binary one, where the attributes are headers
/// and the value is the data.
pub fn read<'a>(headers: impl Iterator<Item = (&'a str, &'a [u8])> + Clone, value: &[u8]) -> Option<CloudEvent> {
    let header = |name: &str| {
        let (_, text) = headers.clone().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(text).ok()
    };
    let is_structured = header("content-type")
        .and_then(|kind| kind.get(..STRUCTURED.len()))
        .is_some_and(|kind| kind.eq_ignore_ascii_case(STRUCTURED));
    let envelope = if is_structured {
        serde_json::from_slice(value).ok()?
    } else {
        let text = |name| header(name).map(str::to_owned);
        Envelope {
            specversion: text("ce_specversion")?,
            id: text("ce_id")?,
            source: text("ce_source")?,
            kind: text("ce_type")?,
            data: serde_json::from_slice(value).ok(),
            data_base64: None,
        }
    };
    let Envelope { specversion, id, source, kind, data, data_base64 } = envelope;
    // Libraries write data that they were given as bytes so, though it is JSON.
    let decoded = || serde_json::from_slice(&STANDARD.decode(data_base64?).ok()?).ok();
    let is_event = specversion == "1.0" && [&id, &source, &kind].iter().all(|attribute| !attribute.is_empty());
    is_event.then(|| CloudEvent { kind, data: data.or_else(decoded) })
}

const STRUCTURED: &str = "application/cloudevents";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const BINARY: [(&str, &str); 5] = [
        ("ce_specversion", "1.0"),
        ("ce_id", "1"),
        ("ce_source", "/trainer"),
        ("ce_type", "a.type"),
        ("content-type", "application/json"),
    ];

    fn read_with(headers: &[(&str, &str)], value: &[u8]) -> Option<CloudEvent> {
        read(headers.iter().map(|(name, text)| (*name, text.as_bytes())), value)
    }

    fn structured(event: &Value) -> Option<CloudEvent> {
        let kind = "application/CloudEvents+json; charset=UTF-8";
        read_with(&[("content-type", kind)], event.to_string().as_bytes())
    }

    #[test]
    fn both_modes_say_the_same() {
        let expected = CloudEvent { kind: "a.type".to_owned(), data: Some(json!({"id": "r"})) };
        assert_eq!(read_with(&BINARY, br#"{"id": "r"}"#), Some(expected.clone()));
        let mut event = json!({
            "specversion": "1.0", "id": "1", "source": "/trainer", "type": "a.type", "subject": "credit/7", "more": 1,
            "data": {"id": "r"},
        });
        assert_eq!(structured(&event), Some(expected.clone()));
        event.as_object_mut().unwrap().remove("data");
        event["data_base64"] = json!(STANDARD.encode(r#"{"id": "r"}"#));
        assert_eq!(structured(&event), Some(expected));
    }

    #[test]
    fn what_lacks_an_attribute_is_no_event() {
        for (missing, _) in &BINARY[..4] {
            let headers: Vec<_> = BINARY.into_iter().filter(|(name, _)| name != missing).collect();
            assert_eq!(read_with(&headers, b"{}"), None, "{missing}");
        }
        assert_eq!(read_with(&[], br#"{"specversion": "1.0", "id": "1", "source": "s", "type": "t"}"#), None);
        assert_eq!(structured(&json!({"specversion": "1.0", "id": "1", "type": "t"})), None);
        assert_eq!(structured(&json!({"specversion": "0.3", "id": "1", "source": "s", "type": "t"})), None);
        assert_eq!(structured(&json!({"specversion": "1.0", "id": "", "source": "s", "type": "t"})), None);
        assert_eq!(structured(&json!([])), None);
        assert_eq!(read_with(&[("content-type", "application/cloudevents+json")], b"{"), None);
        let not_text: [(&str, &[u8]); 1] = [("ce_type", &[0xff])];
        assert_eq!(read(not_text.into_iter(), b"{}"), None);
    }

    #[test]
    fn an_event_may_have_no_data_or_some_that_is_not_json() {
        let without = CloudEvent { kind: "a.type".to_owned(), data: None };
        assert_eq!(read_with(&BINARY, b""), Some(without.clone()));
        assert_eq!(read_with(&BINARY, b"{"), Some(without.clone()));
        let event = json!({"specversion": "1.0", "id": "1", "source": "s", "type": "a.type", "data_base64": "?"});
        assert_eq!(structured(&event), Some(without));
    }
}
