//! Reads one monitor: a file under `rules/`.

mod against;
mod alerts;
mod budget;
mod fairness;
mod labels;
mod measures;
mod outcomes;
mod prediction;
mod registered;
mod protected;
mod schema;
mod slices;

use std::collections::BTreeSet;

use crate::config::{Item, Map, Position, Reader, Reading, all, alternatives, hint, shown};
use crate::monitor::{Against, Grouping, Input, Monitor, Source};
use crate::rule::condition::Subjects;
use crate::schema::{Field, Path, Role};
use crate::slice::Slicing;
use crate::source::{reference_file, table};
use crate::stat::Choices;
use crate::time::{Span, Windowing};

/// Reads a monitor; `receivers` are those of the daemon, if it is known.
pub fn read(reader: Reader, receivers: Option<&BTreeSet<String>>) -> Reading {
    let mut model = None;
    let map = reader.root().and_then(Item::map);
    let monitor = map.and_then(|map| monitor(&map, receivers, &mut model));
    Reading { monitor, model, problems: reader.into_problems() }
}

fn monitor(
    map: &Map<'_>,
    receivers: Option<&BTreeSet<String>>,
    model: &mut Option<(String, Position)>,
) -> Option<Monitor> {
    *model = map.need("model", "credit", |item| Some((item.text()?.to_owned(), item.at())));
    let read = map.need("schema", "{time: ts}", schema::read);
    let (schema, protected) = read.unzip();
    let schema = schema.as_ref();
    let fields = schema.map(|schema| schema.fields.as_slice());
    let answers = schema.and_then(|schema| schema.answers.as_ref());
    let inputs = map.need("inputs", "[{topic: credit.predictions}]", |item| {
        let inputs = inputs(item, fields)?;
        if let (Some(answers), Some(fields)) = (answers, fields) {
            fairness::check_answers(item, answers, fields, &inputs);
        }
        Some(inputs)
    });
    let windowing = map.need("window", "{size: 1h}", window);
    let version = schema.map(|schema| schema.version.as_ref());
    let windowed = windowing.as_ref();
    let reference = map.need("reference", "{dataset: reference.parquet}", |item| reference(item, windowed, version));
    let min_rows = windowed.map(|windowing| windowing.min_rows);
    let known = slices::Known { fields, inputs: inputs.as_deref(), min_rows };
    let slicing = map.or("slices", Slicing::default(), |item| slices::read(item, &known));
    let labels = map.maybe("labels", |item| labels::read(item, schema, windowed));
    let [has_labels, has_groups] = ["labels", "fairness"].map(|key| map.find(key).is_some());
    let known = outcomes::Known { answers: schema.map(|_| answers), has_labels, has_groups };
    let chosen = map.or("performance", Default::default(), |item| outcomes::performance(item, &known));
    let estimate = map.or("estimate", Vec::new(), |item| outcomes::estimate(item, &known));
    let sliced = slicing.as_ref().map(|slicing| slicing.by.as_slice());
    let fairness = map.maybe("fairness", |item| {
        let (inputs, protected) = (inputs.as_deref(), protected.as_deref());
        fairness::read(item, &fairness::Known { outcomes: known, fields, inputs, protected, sliced })
    });
    let is_private = fairness.iter().flatten().any(|fairness| fairness.grouping.noise.is_some());
    let of_outcomes = measures::OfOutcomes {
        known,
        performance: chosen.as_ref().map(|(_, thresholds)| thresholds.as_slice()),
        estimate: estimate.as_deref(),
        fairness: fairness.as_ref().map(|fairness| fairness.as_ref().map_or(&[][..], |it| &it.thresholds)),
        private: protected.as_deref().filter(|_| is_private).unwrap_or_default(),
    };
    let [drift, quality, attribution] = ["drift", "quality", "attribution"].map(|key| map.find(key));
    let has_budget = map.find("budget").is_some();
    let budget = map.maybe("budget", budget::read);
    let items = measures::Items { drift, quality, attribution, has_budget };
    let measures = measures::read(items, &of_outcomes, fields);
    let asked = measures.as_ref().map(|(measures, _)| measures.as_slice());
    let subjects = fairness.as_ref().zip(fields).map(|(fairness, fields)| {
        let attributes = fairness.iter().flat_map(|fairness| &fairness.grouping.attributes);
        let attributes = attributes.map(|attribute| attribute.subject.as_str()).collect();
        Subjects { fields, classes: answers.map_or(&[][..], |answers| &answers.classes), attributes }
    });
    let asks = alerts::Known { subjects: subjects.as_ref(), measures: asked, outcomes: known, receivers };
    let rules = map.or("alerts", Vec::new(), |item| alerts::read(item, &asks));
    if let Some(rules) = &rules {
        budget::check_asked(map, rules.iter().map(|rule| &**rule));
    }
    let (reference, against, resolution) = reference?;
    let (measures, judging) = measures?;
    let (choices, _) = chosen?;
    let (grouping, min_group) = match fairness? {
        Some(fairness) => (fairness.grouping, fairness.min_rows),
        None => (Grouping::default(), choices.min_group),
    };
    Some(Monitor {
        model: model.as_ref()?.0.clone(),
        inputs: inputs?,
        schema: schema?.clone(),
        reference,
        against,
        resolution,
        windowing: windowing?,
        slicing: slicing?,
        labels: labels?,
        grouping,
        choices: Choices { min_group, ..choices },
        measures,
        judging,
        budget: budget?,
        rules: rules?,
    })
}

/// The logs; each field is carried by exactly one of them.
fn inputs(item: Item<'_>, fields: Option<&[Field]>) -> Option<Vec<Input>> {
    let items = item.list()?;
    if items.is_empty() {
        item.report("`inputs` is empty", Some("write `inputs: [{topic: credit.predictions}]`".to_owned()));
        return None;
    }
    let logs: Vec<Option<Log<'_>>> = items.iter().map(|item| log(*item)).collect();
    check_topics(&items, &logs);
    let fields = fields?;
    let (carried, is_known) = carried(&logs, fields);
    let logs: Vec<Log<'_>> = all(logs)?;
    let missing = fields.iter().zip(&carried).filter(|(_, by)| by.is_none()).map(|(field, _)| field.subject.as_str());
    let takes_the_rest = logs.iter().any(|log| log.fields.is_none());
    if let (false, true, Some(names)) = (takes_the_rest, is_known, alternatives(&missing.collect::<Vec<_>>(), "or")) {
        let hint = "add it to the `fields` of an input, or let one input have no `fields`".to_owned();
        item.report(format!("no input carries {names}"), Some(hint));
    }
    let mut carrying =
        fields.iter().zip(&carried).filter(|(field, _)| field.role == Role::Attribution).map(|(_, by)| by);
    let first = carrying.next();
    if !carrying.all(|by| Some(by) == first) {
        let hint = "let one input carry all of them, since they are compared with one another".to_owned();
        item.report("the attributions are carried by several inputs", Some(hint));
    }
    let input = |(index, log): (usize, Log<'_>)| {
        let carries = |field: &usize| carried[*field].map_or(log.fields.is_none(), |by| by == index);
        Some(Input { fields: (0..fields.len()).filter(carries).collect(), topic: log.topic? })
    };
    all(logs.into_iter().enumerate().map(input))
}

/// An input as it is written.
struct Log<'a> {
    topic: Option<String>,
    fields: Option<Vec<(&'a str, Item<'a>)>>,
}

fn log(item: Item<'_>) -> Option<Log<'_>> {
    let map = item.map()?;
    let topic = map.need("topic", "credit.predictions", Item::topic);
    let format = map.or("format", (), |item| item.choice(&[("json", ())]));
    let fields = map.maybe("fields", |item| {
        let items = item.list()?;
        if items.is_empty() {
            item.report("`fields` is empty", Some("leave it out, or write the fields that the log carries".to_owned()));
        }
        all(items.into_iter().map(|item| Some((item.text()?, item))))
    });
    format?;
    Some(Log { topic, fields: fields? })
}

fn check_topics(items: &[Item<'_>], logs: &[Option<Log<'_>>]) {
    let (mut topics, mut takes_the_rest) = (BTreeSet::new(), false);
    for (item, log) in items.iter().zip(logs) {
        let Some(log) = log else { continue };
        if let Some(topic) = log.topic.as_ref().filter(|topic| !topics.insert(*topic)) {
            let hint = "write one input for each topic".to_owned();
            item.report(format!("the topic `{topic}` is written twice"), Some(hint));
        }
        if log.fields.is_none() && takes_the_rest {
            let hint = "only one input can carry all the fields that no other carries".to_owned();
            item.report("a second input without `fields`", Some(hint));
        }
        takes_the_rest |= log.fields.is_none();
    }
}

/// Which log names each field, and whether all the names are of fields.
fn carried(logs: &[Option<Log<'_>>], fields: &[Field]) -> (Vec<Option<usize>>, bool) {
    let mut carried: Vec<Option<usize>> = vec![None; fields.len()];
    let mut is_known = true;
    for (index, log) in logs.iter().enumerate() {
        for (name, item) in log.iter().flat_map(|log| &log.fields).flatten() {
            let Some(field) = fields.iter().position(|field| field.subject == *name) else {
                let message = format!("the schema has no field `{}`", shown(name));
                item.report(message, hint(name, fields.iter().map(|field| field.subject.as_str())));
                is_known = false;
                continue;
            };
            if carried[field].replace(index).is_some() {
                item.report(format!("`{}` is carried by an input already", shown(name)), None);
            }
        }
    }
    (carried, is_known)
}

fn window(item: Item<'_>) -> Option<Windowing> {
    /// The most panes that a window is merged from.
    const MOST: i64 = 10_000;
    let map = item.map()?;
    let size = map.need("size", "1h", Item::positive_span);
    let every = map.maybe("every", Item::positive_span);
    let lateness = map.or("lateness", Span(0), Item::span);
    let idle = map.or("idle", Span(30_000), Item::positive_span);
    let min_rows = map.or("min_rows", 100, |item| item.count(1..=u64::MAX));
    let size = size?;
    let every = every?.unwrap_or(size);
    if size.0 % every.0 != 0 {
        let hint =
            format!("write `every: {size}` for windows that follow one another, or a length that fits in evenly");
        map.find("every")?.report(format!("`size` ({size}) is not a multiple of `every` ({every})"), Some(hint));
        return None;
    }
    if size.0 / every.0 > MOST {
        let hint = format!("write an `every` of at least {}", Span((size.0 + MOST - 1) / MOST));
        map.find("every")?.report(format!("a window of {size} has more than {MOST} steps of {every}"), Some(hint));
        return None;
    }
    Some(Windowing { size, every, lateness: lateness?, idle: idle?, min_rows: min_rows? })
}

fn reference(
    item: Item<'_>,
    windowing: Option<&Windowing>,
    version: Option<Option<&Path>>,
) -> Option<(Source, Against, usize)> {
    const LIKE: &str = "write `{dataset: FILE}`, `{mlflow: models:/NAME@ALIAS}` or `{learnt: {rows: 5000}}`";
    let map = item.map()?;
    let resolution = map.or("resolution", 2048, |item| item.count(2..=65_536));
    let dataset = map.find("dataset").map(|item| {
        let path = item.reader().resolve(item.text_like("the path of a Parquet, CSV or NDJSON file")?);
        if !path.is_file() && item.reader().needs_data {
            let hint = "a path is relative to the folder that this file is in".to_owned();
            item.report(format!("there is no file `{}`", path.display()), Some(hint));
            return None;
        }
        if table::is_lines(&path).is_err() && !reference_file::is_named(&path) {
            let hint =
                "its name ends in .parquet, .csv, .ndjson, .jsonl or .json, with or without .gz after it, or in \
                        .tidegauge"
                    .to_owned();
            item.report(format!("`{}` is not a data set", path.display()), Some(hint));
        }
        Some(Source::Dataset(path))
    });
    let learnt = map.find("learnt").map(|item| {
        let map = item.map()?;
        let rows = map.need("rows", "5000", |item| Some((item.count(1..=1_000_000)?, item)));
        let (rows, item) = rows?;
        if let Some(least) = windowing.map(|windowing| windowing.min_rows).filter(|least| rows < *least) {
            let message = format!("{rows} rows are fewer than the {least} of `min_rows`");
            item.report(message, Some(format!("write `rows: {}` or more, or a lower `min_rows`", least.max(1000))));
            return None;
        }
        Some(Source::Learnt { rows: rows as usize })
    });
    let registered = registered::read(&map);
    let mut sources = [dataset, registered, learnt].into_iter().flatten();
    let (source, second) = (sources.next(), sources.next());
    let base = source.as_ref().and_then(Option::as_ref);
    let against = against::read(&map, &against::Known { base, windowing, version });
    let source = match (source, second) {
        (Some(source), None) => source,
        (Some(_), Some(_)) => {
            item.report("a reference is only one of `dataset`, `mlflow` and `learnt`", Some(LIKE.to_owned()));
            None
        }
        (None, _) => {
            item.report("`reference` has none of `dataset`, `mlflow` and `learnt`", Some(LIKE.to_owned()));
            None
        }
    };
    Some((source?, against?, resolution? as usize))
}
