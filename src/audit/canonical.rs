//! Canonical JSON (RFC 8785): one text for what has one meaning.
//!
//! Entries have objects, texts, whole numbers and booleans, and keys in ASCII, so that sorting the keys is all there is
//! to it: serde_json writes such values as the standard wants them.

use serde::Serialize;
use serde_json::Value;

/// A value on one line, its objects by their keys; of the outermost one, a key is left out.
pub(super) fn json(value: &impl Serialize, without: Option<&str>) -> String {
    // No entry has a key that is no text, or else fails to be written.
    let mut value = serde_json::to_value(value).unwrap_or_default();
    if let (Some(map), Some(key)) = (value.as_object_mut(), without) {
        map.remove(key);
    }
    let mut text = String::new();
    write(&value, &mut text);
    text
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Object(map) => {
            // Whether the map has an order of its own depends on what else is built with the library.
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            text.push('{');
            for (index, (key, value)) in entries.into_iter().enumerate() {
                text.push_str(if index == 0 { "" } else { "," });
                write(&Value::String(key.clone()), text);
                text.push(':');
                write(value, text);
            }
            text.push('}');
        }
        Value::Array(values) => {
            text.push('[');
            for (index, value) in values.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { "," });
                write(value, text);
            }
            text.push(']');
        }
        scalar => text.push_str(&scalar.to_string()),
    }
}
