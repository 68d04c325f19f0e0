//! A value of a file as a program would have written it in JSON.

use serde_json::{Map, Number, Value as Json};

use super::{Item, Scalar, Value};

impl Item<'_> {
    /// What is written without quotes is a number or a boolean where JSON has it so, and everything else is a text.
    pub fn json(self) -> Json {
        json(&self.node.value)
    }
}

fn json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Scalar(scalar) => of_scalar(scalar),
        Value::List(nodes) => nodes.iter().map(|node| json(&node.value)).collect(),
        Value::Map(entries) => {
            let entries = entries.iter().map(|entry| (entry.key.clone(), json(&entry.value.value)));
            Json::Object(entries.collect::<Map<String, Json>>())
        }
    }
}

fn of_scalar(scalar: &Scalar) -> Json {
    let as_written =
        || serde_json::from_str(&scalar.text).ok().filter(|json: &Json| json.is_number() || json.is_boolean());
    // YAML has numbers that JSON would write in another way, such as `.5`.
    let number = || Number::from_f64(scalar.text.parse().ok()?).map(Json::Number);
    let plain = if scalar.plain { as_written().or_else(number) } else { None };
    plain.unwrap_or_else(|| Json::String(scalar.text.clone()))
}

#[cfg(test)]
mod tests {
    use crate::config::yaml::Reader;

    #[test]
    fn values_become_what_they_look_like() {
        let text = "{a: 1, b: 1.5, c: .5, d: true, e: no, f: '1', g: , h: [x, {i: -2e3}], j: nan, k: 2026-01-01}";
        let reader = Reader::of_text(text);
        let json = reader.root().expect("a map").json();
        let expected = serde_json::json!({
            "a": 1, "b": 1.5, "c": 0.5, "d": true, "e": "no", "f": "1", "g": null, "h": ["x", {"i": -2e3}], "j": "nan",
            "k": "2026-01-01"
        });
        assert_eq!(json, expected);
    }
}
