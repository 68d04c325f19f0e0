//! Values whose form is another program's affair, as a program would have written them in JSON.

use serde_json::{Map, Number, Value as Json};

use super::{Giver, Item, Scalar, Value};

impl Item<'_> {
    /// What is written without quotes is a number or a boolean where JSON has it so, and everything else is a text.
    pub fn json(self) -> Json {
        json(&self.node.value)
    }

    /// Whatever is there, as JSON: without quotes a number or boolean is one. All texts are templates.
    pub fn json_template(self, giver: &Giver) -> Option<Json> {
        let inner = |node, at| Item { node, at, ..self };
        Some(match &self.node.value {
            Value::Null => Json::Null,
            Value::Scalar(scalar) => match scalar.plain.then(|| typed(&scalar.text)).flatten() {
                Some(value) => value,
                // There is nothing to fill in, and an empty text may be meant.
                None if !scalar.text.contains('{') => Json::String(scalar.text.clone()),
                None => Json::String(self.template(giver)?),
            },
            Value::List(items) => {
                let items = super::all(items.iter().map(|node| inner(node, node.at).json_template(giver)));
                Json::Array(items?)
            }
            Value::Map(entries) => {
                let entries = super::all(entries.iter().map(|entry| {
                    let item = Item { name: &entry.key, in_list: false, ..inner(&entry.value, entry.value.at) };
                    Some((entry.key.clone(), item.json_template(giver)?))
                }));
                Json::Object(entries?.into_iter().collect())
            }
        })
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
    let text = scalar.text.as_str();
    let as_written = || serde_json::from_str(text).ok().filter(|json: &Json| json.is_number() || json.is_boolean());
    // YAML has numbers that JSON would write in another way, such as `.5`. What begins as `+5` or `0755` is a name.
    let digits = text.trim_start_matches('-').as_bytes();
    let is_name = digits.first() == Some(&b'+') || matches!(digits, [b'0', b'0'..=b'9', ..]);
    let number = || Number::from_f64(text.parse().ok()?).filter(|_| !is_name).map(Json::Number);
    let plain = if scalar.plain { as_written().or_else(number) } else { None };
    plain.unwrap_or_else(|| Json::String(text.to_owned()))
}

/// A number or boolean of a template; what a program would write otherwise, such as 0755 or 1.10, is a text.
fn typed(text: &str) -> Option<Json> {
    match text {
        "true" => return Some(Json::Bool(true)),
        "false" => return Some(Json::Bool(false)),
        _ => {}
    }
    let is_number = text.starts_with(|c: char| c.is_ascii_digit() || c == '-');
    let number = || text.parse::<i64>().map(Number::from).ok().or_else(|| Number::from_f64(text.parse().ok()?));
    number().filter(|number| is_number && number.to_string() == text).map(Json::Number)
}

#[cfg(test)]
mod tests {
    use crate::config::yaml::Reader;

    #[test]
    fn values_become_what_they_look_like() {
        let text = "{a: 1, b: 1.5, c: .5, d: true, e: no, f: '1', g: , h: [x, {i: -2e3}], j: nan, k: 2026-01-01, \
                    l: 0755, m: +5, n: 1.10}";
        let reader = Reader::of_text(text);
        let json = reader.root().expect("a map").json();
        let expected = serde_json::json!({
            "a": 1, "b": 1.5, "c": 0.5, "d": true, "e": "no", "f": "1", "g": null, "h": ["x", {"i": -2e3}], "j": "nan",
            "k": "2026-01-01", "l": "0755", "m": "+5", "n": 1.1
        });
        assert_eq!(json, expected);
    }
}
