//! Reads where labels come from.

use crate::config::Item;
use crate::monitor::Labels;
use crate::schema::Schema;
use crate::time::{Span, Windowing};

/// Predictions are kept until their label can no longer come; by then it is another model's.
const LONGEST: Span = Span(2 * 366 * 86_400_000);

/// Reads `labels`, as far as the schema and the windows that they have to agree with could be read.
pub fn read(item: Item<'_>, schema: Option<&Schema>, windowing: Option<&Windowing>) -> Option<Labels> {
    let map = item.map()?;
    let topic = map.need("topic", "credit.labels", Item::topic);
    let id = map.need("id", "id", Item::path);
    let time = map.need("time", "ts", Item::path);
    let value = map.need("value", "outcome", Item::path);
    let in_reference = map.maybe("in_reference", Item::path);
    let wait = map.need("wait", "30d", |item| wait(item, windowing));
    let lateness = map.or("lateness", Span(0), Item::span);
    let min_coverage = map.or("min_coverage", 0.5, |item| {
        item.number("a number from 0 to 1", "a number such as 0.9", |share| (0.0..=1.0).contains(&share))
    });
    if schema.is_some_and(|schema| schema.id.is_none()) {
        let hint = "write where a prediction has the id that its label has too: `id: PATH` under `schema`".to_owned();
        item.report("`labels` needs an `id` of predictions", Some(hint));
    }
    if schema.is_some_and(|schema| schema.answers.is_none()) {
        let hint = "write what the model answers under `prediction`: `positive: CLASS` of two classes, `classes: [A, \
                    B, …]` of several, or `value: PATH` for a number";
        item.report("`labels` needs an answer that they can prove right or wrong", Some(hint.to_owned()));
    }
    let value = value?;
    Some(Labels {
        topic: topic?,
        id: id?,
        time: time?,
        in_reference: in_reference?.unwrap_or_else(|| value.clone()),
        value,
        wait: wait?,
        lateness: lateness?,
        min_coverage: min_coverage?,
    })
}

fn wait(item: Item<'_>, windowing: Option<&Windowing>) -> Option<Span> {
    let wait = item.positive_span()?;
    if wait > LONGEST {
        item.report(format!("{item} ({wait}) is longer than {LONGEST}"), Some("write 30d, for example".to_owned()));
        return None;
    }
    if let Some(every) = windowing.map(|windowing| windowing.every).filter(|every| wait < *every) {
        let hint = format!("write {every} or more");
        item.report(format!("{item} ({wait}) is shorter than the step of windows ({every})"), Some(hint));
        return None;
    }
    Some(wait)
}
