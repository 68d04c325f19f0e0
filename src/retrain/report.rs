//! What training jobs say of their runs: read in one way, be it posted to the API or written to a topic.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Event, Refusal};

/// The types of the events that say it on a topic.
pub const STARTED: &str = "io.tidegauge.retrain.started.v1";
pub const SUCCEEDED: &str = "io.tidegauge.retrain.succeeded.v1";
pub const FAILED: &str = "io.tidegauge.retrain.failed.v1";

/// The longest name or reason that is kept.
const LONGEST: usize = 500;

/// What is said of a run.
pub trait Report: DeserializeOwned {
    /// That it is said of this run.
    ///
    /// # Errors
    /// What is wrong with it.
    fn of(self, id: String) -> Result<Event, String>;
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Started {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Succeeded {
    /// What was trained.
    version: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failed {
    why: String,
}

impl Report for Started {
    fn of(self, id: String) -> Result<Event, String> {
        Ok(Event::Started { id })
    }
}

impl Report for Succeeded {
    fn of(self, id: String) -> Result<Event, String> {
        let version = self.version.map(|version| line("version", version)).transpose()?;
        Ok(Event::Succeeded { id, version })
    }
}

impl Report for Failed {
    fn of(self, id: String) -> Result<Event, String> {
        Ok(Event::Failed { id, why: line("why", self.why)? })
    }
}

/// A text of one line that says something.
///
/// # Errors
/// What it has to be, by its name.
pub fn line(name: &str, text: String) -> Result<String, String> {
    let is_good = !text.trim().is_empty() && text.len() <= LONGEST && !text.chars().any(char::is_control);
    if is_good { Ok(text) } else { Err(format!("{name} is a text of one line, {LONGEST} bytes at the most")) }
}

/// Why a record is not heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unheard {
    /// It is no CloudEvent.
    NoEvent,
    TooLong,
    /// It tells of something else.
    OtherType,
    /// Its data is not what an event of its type has.
    BadData,
    /// There is no run of this id here; there may be one in the store of another daemon.
    UnknownRun,
    /// The run is in a state in which that means nothing, because it was said before or in another order.
    WrongState,
}

impl Unheard {
    pub const ALL: [Unheard; 6] = [
        Unheard::NoEvent,
        Unheard::TooLong,
        Unheard::OtherType,
        Unheard::BadData,
        Unheard::UnknownRun,
        Unheard::WrongState,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Unheard::NoEvent => "not_an_event",
            Unheard::TooLong => "too_long",
            Unheard::OtherType => "other_type",
            Unheard::BadData => "bad_data",
            Unheard::UnknownRun => "unknown_run",
            Unheard::WrongState => "wrong_state",
        }
    }
}

impl From<Refusal> for Unheard {
    fn from(refusal: Refusal) -> Unheard {
        match refusal {
            Refusal::Unknown => Unheard::UnknownRun,
            Refusal::Not(_) => Unheard::WrongState,
        }
    }
}

/// What an event of this type says. Its data is what the API takes as a body, and beside that the run's `id`; it is
/// `None` when it is not JSON.
///
/// # Errors
/// Why it says nothing.
pub fn of_event(kind: &str, data: Option<Value>) -> Result<Event, Unheard> {
    match kind {
        STARTED => of_data::<Started>(data),
        SUCCEEDED => of_data::<Succeeded>(data),
        FAILED => of_data::<Failed>(data),
        _ => Err(Unheard::OtherType),
    }
}

fn of_data<T: Report>(data: Option<Value>) -> Result<Event, Unheard> {
    let Some(Value::Object(mut data)) = data else { return Err(Unheard::BadData) };
    let Some(Value::String(id)) = data.remove("id") else { return Err(Unheard::BadData) };
    let report: T = serde_json::from_value(Value::Object(data)).map_err(|_| Unheard::BadData)?;
    report.of(id).map_err(|_| Unheard::BadData)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn id() -> String {
        "r".to_owned()
    }

    #[test]
    fn an_event_says_what_the_api_would_be_told() {
        let said = |kind, data| of_event(kind, Some(data));
        assert_eq!(said(STARTED, json!({"id": "r"})), Ok(Event::Started { id: id() }));
        assert_eq!(said(SUCCEEDED, json!({"id": "r"})), Ok(Event::Succeeded { id: id(), version: None }));
        let version = Some("8".to_owned());
        assert_eq!(said(SUCCEEDED, json!({"id": "r", "version": "8"})), Ok(Event::Succeeded { id: id(), version }));
        let why = "no rows".to_owned();
        assert_eq!(said(FAILED, json!({"id": "r", "why": "no rows"})), Ok(Event::Failed { id: id(), why }));
    }

    #[test]
    fn data_of_another_form_is_not_heard() {
        let long = "x".repeat(LONGEST + 1);
        let wrong = [
            (STARTED, json!({})),
            (STARTED, json!({"id": 7})),
            (STARTED, json!(["r"])),
            (STARTED, json!({"id": "r", "version": "8"})),
            (SUCCEEDED, json!({"id": "r", "version": 8})),
            (SUCCEEDED, json!({"id": "r", "version": ""})),
            (SUCCEEDED, json!({"id": "r", "version": long})),
            (FAILED, json!({"id": "r"})),
            (FAILED, json!({"id": "r", "why": "two\nlines"})),
        ];
        for (kind, data) in wrong {
            assert_eq!(of_event(kind, Some(data.clone())), Err(Unheard::BadData), "{kind} {data}");
        }
        assert_eq!(of_event(STARTED, None), Err(Unheard::BadData));
        for other in ["io.tidegauge.retrain.requested.v1", "io.tidegauge.retrain.started.v2", ""] {
            assert_eq!(of_event(other, Some(json!({"id": "r"}))), Err(Unheard::OtherType), "{other}");
        }
        let longest = json!({"id": "r", "why": "x".repeat(LONGEST)});
        assert!(of_event(FAILED, Some(longest)).is_ok());
    }
}
