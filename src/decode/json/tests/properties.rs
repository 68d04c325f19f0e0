//! What holds for every record: the columns say what the document says, and nothing else can happen.

use proptest::collection::vec;
use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof};
use proptest::sample::{Index, select};
use proptest::test_runner::Config;
use serde_json::Value;

use super::super::{Decoder, Parser};
use super::{PARSERS, show, wanted};
use crate::rows::{Absent, Reason, Rows, Wanted};
use crate::schema::Kind;
use crate::time::Time;

const KEYS: [&str; 9] = ["a", "b", "c", "a.b", "b.c", "a.b.c", "", "ключ", "a\"\\"];
const TEXTS: [&str; 9] =
    ["", "NaN", "-Infinity", "1772323200", "2026-03-01T00:00:00Z", "x", "\u{1f600}é\n", "\\u0041\"", "[[{{"];

fn some_wanted() -> impl Strategy<Value = Vec<Wanted>> {
    let kinds = vec![Kind::Numeric, Kind::Confidence, Kind::Entropy, Kind::Categorical, Kind::Flag, Kind::Time];
    let column = (vec(select(&KEYS[..]), 1..4), select(kinds)).prop_map(|(keys, kind)| wanted(&keys.join("."), kind));
    vec(column, 0..12).prop_map(|mut columns| {
        columns.sort();
        columns.dedup();
        columns
    })
}

fn some_scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-1e3..1e3).prop_map(Value::from),
        (0.0..1.0).prop_map(Value::from),
        (-5i32..5).prop_map(Value::from),
        select(&TEXTS[..]).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ]
}

fn some_object() -> BoxedStrategy<Value> {
    let value = some_scalar().prop_recursive(4, 48, 8, |inner| {
        prop_oneof![
            4 => vec(inner.clone(), 0..4).prop_map(Value::from),
            4 => object_of(inner),
            1 => (0.0..1.0).prop_map(|p: f64| serde_json::json!([p, null, 1.0 - p])),
            1 => (0.0..1.0).prop_map(|p: f64| serde_json::json!({"a": p, "b": 1.0 - p})),
        ]
    });
    object_of(value).boxed()
}

fn object_of(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    let entries = vec((select(&KEYS[..]), value), 0..8);
    entries.prop_map(|entries| Value::Object(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()))
}

/// A document in which some words are no strings.
fn as_python(document: &Value) -> String {
    document.to_string().replace(r#":"NaN""#, ": NaN").replace(r#":"-Infinity""#, ":-Infinity")
}

/// Bytes that are not quite a document.
fn some_damaged() -> impl Strategy<Value = Vec<u8>> {
    let bytes = select(&b"{}[]\":,\\ud8D0019eE+-.nNaItfs \n\t\x00\x1f\x7f\xff\xc3\xa9"[..]);
    let edit = (any::<Index>(), any::<Index>(), bytes, 0..5u8);
    (some_object(), vec(edit, 0..6)).prop_map(|(document, edits)| {
        let mut record = as_python(&document).into_bytes();
        for (at, other, byte, what) in edits {
            let (at, other) = (at.index(record.len() + 1), other.index(record.len() + 1));
            match what {
                0 => record.insert(at, byte),
                1 if at < record.len() => record[at] = byte,
                2 if at < record.len() => drop(record.remove(at)),
                3 => record.truncate(at),
                _ => {
                    let copied = record[at.min(other)..at.max(other)].to_vec();
                    record.splice(at..at, copied);
                }
            }
        }
        record
    })
}

/// What a column should show: a naive walk over the document.
fn expected(document: &Value, wanted: &Wanted) -> String {
    let mut found = None;
    find(document, &wanted.path.0, &mut found);
    let absent = |absent: Absent| format!("{absent:?}");
    match (wanted.kind, found) {
        (Kind::Flag, None | Some(Value::Null)) => "0.0".to_owned(),
        (_, None) => absent(Absent::Missing),
        (_, Some(Value::Null)) => absent(Absent::Null),
        (Kind::Confidence | Kind::Entropy, Some(value)) => {
            reduced(wanted.kind, value).map_or_else(|| absent(Absent::Mistyped), |number| format!("{number:?}"))
        }
        (_, Some(Value::Array(_) | Value::Object(_))) => absent(Absent::Mistyped),
        (Kind::Numeric, Some(Value::Number(number))) => format!("{:?}", number.as_f64().unwrap() + 0.0),
        (Kind::Numeric, Some(Value::String(text))) => match text.as_str() {
            "NaN" => "NaN".to_owned(),
            "Infinity" => "inf".to_owned(),
            "-Infinity" => "-inf".to_owned(),
            _ => absent(Absent::Mistyped),
        },
        (Kind::Numeric, _) => absent(Absent::Mistyped),
        (Kind::Categorical, Some(Value::String(text))) => format!("{text:?}"),
        (Kind::Categorical, Some(Value::Number(number))) if number.is_f64() => {
            format!("{:?}", (number.as_f64().unwrap() + 0.0).to_string())
        }
        (Kind::Categorical, Some(value)) => format!("{:?}", value.to_string()),
        (Kind::Flag, Some(Value::Bool(value))) => if *value { "1.0" } else { "0.0" }.to_owned(),
        (Kind::Flag, Some(Value::Number(number))) => {
            if number.as_f64() == Some(0.0) { "0.0" } else { "1.0" }.to_owned()
        }
        (Kind::Flag, Some(Value::String(text))) => if text.is_empty() { "0.0" } else { "1.0" }.to_owned(),
        (Kind::Time, Some(value)) => {
            let time = match value {
                Value::String(text) => match text.trim().parse() {
                    Ok(number) => Time::from_epoch(number),
                    Err(_) => text.parse().ok(),
                },
                value if value.is_u64() || value.is_i64() => value.as_i64().map(Time::from_epoch_integer),
                value => value.as_f64().and_then(Time::from_epoch),
            };
            time.map_or_else(|| absent(Absent::Mistyped), |time| time.to_string())
        }
    }
}

/// What probabilities come to, by the definitions.
fn reduced(kind: Kind, value: &Value) -> Option<f64> {
    let all: Vec<&Value> = match value {
        Value::Array(values) => values.iter().collect(),
        Value::Object(values) => values.values().collect(),
        Value::Number(number) => {
            let p = number.as_f64()?;
            return reduced(kind, &serde_json::json!([p, 1.0 - p]));
        }
        _ => return None,
    };
    let present = all.into_iter().filter(|value| !value.is_null());
    let numbers: Vec<f64> = present.map(Value::as_f64).collect::<Option<_>>()?;
    let is_whole = (numbers.iter().sum::<f64>() - 1.0).abs() <= 0.01;
    if !is_whole || numbers.iter().any(|p| !(0.0..=1.0).contains(p)) {
        return None;
    }
    match kind {
        Kind::Confidence => numbers.into_iter().reduce(f64::max),
        _ => Some(numbers.iter().filter(|p| **p > 0.0).fold(0.0, |entropy, p| entropy - p * p.log2())),
    }
}

/// The last value in the document to which a path leads, in any spelling.
fn find<'a>(document: &'a Value, path: &str, found: &mut Option<&'a Value>) {
    for (key, value) in document.as_object().into_iter().flatten() {
        if key == path {
            *found = Some(value);
        } else if let Some(rest) = path.strip_prefix(key.as_str()).and_then(|rest| rest.strip_prefix('.')) {
            find(value, rest, found);
        }
    }
}

fn decode(parser: Parser, wanted: &[Wanted], records: &[Vec<u8>]) -> (Rows, Vec<Option<Reason>>) {
    let mut decoder = Decoder::new(wanted);
    decoder.parser = parser;
    let reasons = records.iter().zip(0..).map(|(record, offset)| decoder.push(record, offset, None).err()).collect();
    (decoder.finish(), reasons)
}

fn shown(rows: &Rows) -> Vec<Vec<String>> {
    (0..rows.len()).map(|row| rows.columns.iter().map(|column| show(column, row)).collect()).collect()
}

/// Whether a record should be read; `None` where serde_json is too strict to say.
fn is_good(record: &[u8]) -> Option<bool> {
    let is_mended = |error: serde_json::Error| {
        let is_overflow = error.to_string().starts_with("number out of range");
        is_overflow
            || [&b"NaN"[..], b"Infinity"].iter().any(|word| record.windows(word.len()).any(|part| part == *word))
    };
    match serde_json::from_slice::<Value>(record) {
        Ok(document) => Some(document.is_object()),
        Err(error) => (!is_mended(error)).then_some(false),
    }
}

proptest::proptest! {
    #![proptest_config(Config { cases: 512, failure_persistence: None, ..Config::default() })]

    #[test]
    fn columns_say_what_the_document_says(
        columns in some_wanted(),
        documents in vec((some_object(), 0..3u8), 0..8),
    ) {
        let record = |(document, writer): &(Value, u8)| match writer {
            0 => document.to_string(),
            1 => format!("{document:#}"),
            _ => as_python(document),
        };
        let records: Vec<Vec<u8>> = documents.iter().map(|document| record(document).into_bytes()).collect();
        let row = |(document, _): &(Value, u8)| columns.iter().map(|column| expected(document, column)).collect();
        let rows: Vec<Vec<String>> = documents.iter().map(row).collect();
        for parser in PARSERS {
            let (decoded, reasons) = decode(parser, &columns, &records);
            prop_assert!(reasons.iter().all(Option::is_none));
            prop_assert_eq!(&shown(&decoded), &rows);
        }
    }

    #[test]
    fn bad_records_leave_no_trace(
        columns in some_wanted(),
        records in vec(prop_oneof![some_damaged(), vec(any::<u8>(), 0..64)], 0..8),
    ) {
        for parser in PARSERS {
            let (rows, reasons) = decode(parser, &columns, &records);
            prop_assert!(rows.columns.iter().all(|column| column.len() == rows.len()));
            let mut good = Vec::new();
            for (record, (offset, reason)) in records.iter().zip((0..).zip(&reasons)) {
                if let Some(is_good) = is_good(record) {
                    prop_assert_eq!(reason.is_none(), is_good, "{}", String::from_utf8_lossy(record));
                }
                if reason.is_none() {
                    good.push((offset, record.clone()));
                }
            }
            let (offsets, good): (Vec<i64>, Vec<_>) = good.into_iter().unzip();
            prop_assert_eq!(&rows.offsets, &offsets);
            prop_assert_eq!(shown(&rows), shown(&decode(Parser::Sonic, &columns, &good).0));
        }
    }

    #[test]
    fn numbers_are_read_to_the_last_bit(
        digits in "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?",
    ) {
        let columns = [wanted("x", Kind::Numeric)];
        let record = format!(r#"{{"x":{digits}}}"#).into_bytes();
        let number: f64 = digits.parse().unwrap();
        for parser in PARSERS {
            let (rows, _) = decode(parser, &columns, std::slice::from_ref(&record));
            prop_assert_eq!(shown(&rows), vec![vec![format!("{:?}", number + 0.0)]]);
        }
    }
}
