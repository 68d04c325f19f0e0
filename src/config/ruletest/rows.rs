//! Reads the rows that go into a test: files, or rows that the test itself has.

use std::path::PathBuf;

use serde_json::Value;

use super::{Known, instant};
use crate::config::{Item, Map, all, hint, shown};
use crate::schema::Path;
use crate::source::table;
use crate::time::{Span, Time};

/// What comes in a topic.
pub struct Feed {
    pub topic: String,
    pub content: Content,
}

pub enum Content {
    /// A file of rows, as `tidegauge replay` reads it.
    File(PathBuf),
    /// Records as they would be in the topic, by their time.
    Records(Vec<(Time, Value)>),
}

/// The most records that a test itself has: more belong in a file.
const MOST: u64 = 100_000;

/// A file, or a list of files and of rows.
pub fn read(item: Item<'_>, known: &Known<'_>) -> Option<Vec<Feed>> {
    let items = if item.is_scalar() { vec![item] } else { item.list()? };
    if items.is_empty() {
        item.report("`rows` is empty", Some("write a file, or `[{at: 0s, of: [{amount: 1}]}]`".to_owned()));
    }
    let mut left = MOST;
    all(items.into_iter().map(|item| {
        if item.is_scalar() {
            return Some(Feed { topic: topic(item, None, known)?, content: file(item)? });
        }
        feed(&item.map()?, known, &mut left)
    }))
}

fn feed(map: &Map<'_>, known: &Known<'_>, left: &mut u64) -> Option<Feed> {
    let topic = topic(map.item(), map.find("topic"), known);
    if let Some(item) = map.find("file") {
        return Some(Feed { content: file(item)?, topic: topic? });
    }
    let at = map.or("at", known.start, |item| instant(item, known.start));
    let over = map.or("over", Span(0), Item::span);
    let of = map.need("of", "[{amount: 12.5}]", |item| {
        let items = item.list()?;
        if items.is_empty() {
            item.report("`of` has no row", Some("write `of: [{amount: 12.5}]`".to_owned()));
            return None;
        }
        all(items.into_iter().map(|item| item.map().map(|map| map.entries().count()).map(|_| item.json())))
    });
    let once = of.as_ref().map_or(1, |of| of.len() as u64);
    let count = map.or("count", once, |item| {
        let count = item.count(1..=MOST)?;
        if count > *left {
            let hint = "put them into a file, and write its name".to_owned();
            item.report(format!("the rows of a test are more than {MOST}"), Some(hint));
            return None;
        }
        Some(count)
    });
    let (at, over, of, count, topic) = (at?, over?, of?, count?, topic?);
    *left = left.saturating_sub(count);
    let records = (0..count as i64).zip(of.iter().cycle()).map(|(index, row)| {
        let time = at + Span((i128::from(over.0) * i128::from(index) / i128::from(count)) as i64);
        let mut row = row.clone();
        put(&mut row, time_of(&topic, known), &Value::String(time.to_string()));
        (time, row)
    });
    let content = Content::Records(records.collect());
    Some(Feed { topic, content })
}

/// Where records of a topic have their time.
fn time_of<'a>(topic: &str, known: &Known<'a>) -> &'a Path {
    let is_input = known.monitor.inputs.iter().any(|input| input.topic == topic);
    let labels = known.monitor.labels.as_ref().filter(|_| !is_input);
    labels.map_or(&known.monitor.schema.time, |labels| &labels.time)
}

/// Puts a value where a path leads to, in place of whatever is in the way.
fn put(row: &mut Value, path: &Path, value: &Value) {
    let mut place = row;
    for segment in path.segments() {
        if !place.is_object() {
            *place = Value::Object(serde_json::Map::new());
        }
        place = &mut place[segment];
    }
    *place = value.clone();
}

/// The topic that rows are in: where the monitor reads only one, that one.
fn topic(item: Item<'_>, named: Option<Item<'_>>, known: &Known<'_>) -> Option<String> {
    let mut topics: Vec<&str> = known.monitor.inputs.iter().map(|input| input.topic.as_str()).collect();
    let inputs = topics.len();
    topics.extend(known.monitor.labels.iter().map(|labels| labels.topic.as_str()));
    let Some(named) = named else {
        if inputs == 1 {
            return Some(topics[0].to_owned());
        }
        let hint = format!("write `topic: {}`", topics[0]);
        item.report("the monitor reads several topics, and it is not said which this is", Some(hint));
        return None;
    };
    let name = named.text()?;
    if !topics.contains(&name) {
        named.report(format!("the monitor reads no topic `{}`", shown(name)), hint(name, topics));
        return None;
    }
    Some(name.to_owned())
}

fn file(item: Item<'_>) -> Option<Content> {
    let path = item.reader().resolve(item.text_like("the path of a Parquet, CSV or NDJSON file")?);
    if !path.is_file() {
        let hint = "a path is relative to the folder that this file is in".to_owned();
        item.report(format!("there is no file `{}`", path.display()), Some(hint));
        return None;
    }
    if table::is_lines(&path).is_err() {
        let hint = "its name ends in .parquet, .csv, .ndjson, .jsonl or .json, with or without .gz after it".to_owned();
        item.report(format!("`{}` is not a file of rows", path.display()), Some(hint));
        return None;
    }
    Some(Content::File(path))
}
