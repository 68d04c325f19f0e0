//! Reads values whose form is another program's affair, and whose texts are templates.

use serde_json::{Number, Value as Json};

use super::{Giver, Item, Value};

impl Item<'_> {
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

fn typed(text: &str) -> Option<Json> {
    match text {
        "true" => return Some(Json::Bool(true)),
        "false" => return Some(Json::Bool(false)),
        _ => {}
    }
    let is_number = text.starts_with(|c: char| c.is_ascii_digit() || c == '-');
    let number = || text.parse::<i64>().map(Number::from).ok().or_else(|| Number::from_f64(text.parse().ok()?));
    // What a program would write otherwise, such as 0755 or 1.10, is a text.
    number().filter(|number| is_number && number.to_string() == text).map(Json::Number)
}
