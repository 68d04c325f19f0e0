//! Reads what a model's rows mean.

use crate::config::{Item, Position, all, hint, shown};
use crate::schema::{Field, Kind, Path, Plausible, Role, Schema};
use crate::time::{Span, Time};

/// Subjects that are not features, so that no feature can be called so.
const RESERVED: [&str; 7] = ["score", "value", "prediction", "confidence", "entropy", "latency", "error"];

/// What the subject of a feature's attribution begins with.
const ATTRIBUTION: &str = "attribution.";

const KINDS: [(&str, Kind); 2] = [("numeric", Kind::Numeric), ("categorical", Kind::Categorical)];

pub fn read(item: Item<'_>) -> Option<Schema> {
    let map = item.map()?;
    map.refuse(&["id", "protected"]);
    let time = map.need("time", "ts", time);
    let version = map.maybe("version", Item::path);
    let features = map.or("features", Vec::new(), features);
    let names = features.as_ref().map(|features| features.iter().map(|field| field.subject.as_str()).collect());
    let attributions = map.or("attributions", Vec::new(), |item| attributions(item, names));
    let prediction = map.or("prediction", Vec::new(), prediction);
    let latency = map.maybe("latency", latency);
    let error = map.maybe("error", |item| Some(field("error", item.path()?, Kind::Flag, Role::Error)));
    let mut fields = features?;
    fields.extend(prediction?);
    fields.extend(attributions?);
    fields.extend(latency?);
    fields.extend(error?);
    let (time, plausible) = time?;
    Some(Schema { time, plausible, version: version?, id: None, fields, answers: None })
}

fn time(item: Item<'_>) -> Option<(Path, Plausible)> {
    /// Before this there was no stream of JSON to log to; it is what a zero or a small number in the wrong unit gives.
    const EARLIEST: Time = Time(631_152_000_000);
    const AHEAD: Span = Span(3_600_000);
    if item.is_scalar() {
        return Some((item.path()?, Plausible { earliest: EARLIEST, ahead: AHEAD }));
    }
    let map = item.map()?;
    let path = map.need("path", "ts", Item::path);
    let earliest = map.or("earliest", EARLIEST, Item::time);
    let ahead = map.or("ahead", AHEAD, Item::span);
    Some((path?, Plausible { earliest: earliest?, ahead: ahead? }))
}

fn features(item: Item<'_>) -> Option<Vec<Field>> {
    let map = item.map()?;
    all(map.entries().map(|(name, item, at)| feature(name, item, at)))
}

fn feature(name: &str, item: Item<'_>, at: Position) -> Option<Field> {
    let (path, kind) = if item.is_map() {
        let map = item.map()?;
        let kind = map.need("type", "numeric", |item| item.choice(&KINDS));
        (map.maybe("path", Item::path), kind)
    } else {
        (Some(None), item.choice(&KINDS))
    };
    if RESERVED.contains(&name) || name.starts_with(ATTRIBUTION) {
        let hint = "give the feature another name, and write where it is as its `path`".to_owned();
        item.reader().report(at, format!("a feature cannot be called `{}`", shown(name)), Some(hint));
        return None;
    }
    if name.chars().any(char::is_control) || name.split('.').any(|key| key.trim().is_empty()) {
        let hint = "write a name such as income, and where it is as its `path`".to_owned();
        item.reader().report(at, format!("`{}` cannot be the name of a feature", shown(name)), Some(hint));
        return None;
    }
    let path = path?.unwrap_or_else(|| Path(name.to_owned()));
    Some(field(name, path, kind?, Role::Feature))
}

fn prediction(item: Item<'_>) -> Option<Vec<Field>> {
    let map = item.map()?;
    map.refuse(&["positive"]);
    let score = map.maybe("score", |item| Some(field("score", item.path()?, Kind::Numeric, Role::Score)));
    let class = map.maybe("class", |item| Some(field("prediction", item.path()?, Kind::Categorical, Role::Prediction)));
    let number = |key, role| map.maybe(key, |item| Some(field(key, item.path()?, Kind::Numeric, role)));
    let value = number("value", Role::Value);
    let (confidence, entropy) = (number("confidence", Role::Confidence), number("entropy", Role::Entropy));
    let probabilities = map.maybe("probabilities", |item| {
        for key in ["confidence", "entropy"] {
            if let Some(own) = map.find(key) {
                let hint = format!("leave `{key}` out, or `probabilities`, from which it is made");
                own.report(format!("`{key}` is given twice"), Some(hint));
            }
        }
        let path = item.path()?;
        let entropy = field("entropy", path.clone(), Kind::Entropy, Role::Entropy);
        Some([field("confidence", path, Kind::Confidence, Role::Confidence), entropy])
    });
    let given = [score?, value?, class?, confidence?, entropy?].into_iter().flatten();
    let fields: Vec<Field> = given.chain(probabilities?.into_iter().flatten()).collect();
    if fields.is_empty() {
        let hint = "write `{score: prediction.score}`, `{class: prediction.class}` or both".to_owned();
        item.report(
            "`prediction` has no `score`, `value`, `class`, `probabilities`, `confidence` or `entropy`",
            Some(hint),
        );
    }
    Some(fields)
}

/// Where the features' attributions are: the path of an object that has each under the feature's name, or a map with a
/// path for each feature. `names` are those of the features, where they are known.
fn attributions(item: Item<'_>, names: Option<Vec<&str>>) -> Option<Vec<Field>> {
    let attribution =
        |name: &str, path: Path| field(&format!("{ATTRIBUTION}{name}"), path, Kind::Numeric, Role::Attribution);
    if item.is_scalar() {
        let within = item.path()?;
        let names = names?;
        if names.is_empty() {
            item.report("there are no features to have attributions", Some("name them under `features`".to_owned()));
        }
        return Some(names.into_iter().map(|name| attribution(name, Path(format!("{within}.{name}")))).collect());
    }
    let map = item.map()?;
    all(map.entries().map(|(name, item, at)| {
        if let Some(names) = names.as_ref().filter(|names| !names.contains(&name)) {
            let message = format!("the schema has no feature `{}`", shown(name));
            item.reader().report(at, message, hint(name, names.iter().copied()));
            return None;
        }
        Some(attribution(name, item.path()?))
    }))
}

fn latency(item: Item<'_>) -> Option<Field> {
    const UNITS: [(&str, f64); 3] = [("s", 1.0), ("ms", 1e-3), ("us", 1e-6)];
    let (path, scale) = if item.is_scalar() {
        (item.path(), Some(1e-3))
    } else {
        let map = item.map()?;
        (map.need("path", "latency_ms", Item::path), map.or("unit", 1e-3, |item| item.choice(&UNITS)))
    };
    Some(Field { scale: scale?, ..field("latency", path?, Kind::Numeric, Role::Latency) })
}

fn field(subject: &str, path: Path, kind: Kind, role: Role) -> Field {
    Field { subject: subject.to_owned(), path, kind, role, scale: 1.0, disguise: None }
}
