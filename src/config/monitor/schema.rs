//! Reads what a model's rows mean.

use super::{prediction, protected};
use crate::config::{Item, Position, Reader, all, hint, shown};
use crate::schema::{Field, Kind, Path, Plausible, Role, Schema};
use crate::time::{Span, Time};

/// Subjects that are not features, so that no feature can be called so.
const RESERVED: [&str; 7] = ["score", "value", "prediction", "confidence", "entropy", "latency", "error"];

/// What the subject of a feature's attribution begins with.
const ATTRIBUTION: &str = "attribution.";

/// What the subject of the probability of one of several classes begins with.
pub const PROBABILITY: &str = "probability.";

const KINDS: [(&str, Kind); 2] = [("numeric", Kind::Numeric), ("categorical", Kind::Categorical)];

/// The schema, and the names of the protected attributes among its fields.
pub fn read(item: Item<'_>) -> Option<(Schema, Vec<String>)> {
    let map = item.map()?;
    let time = map.need("time", "ts", time);
    let version = map.maybe("version", Item::path);
    let id = map.maybe("id", Item::path);
    let features = map.or("features", Vec::new(), features);
    let names = features.as_ref().map(|features| features.iter().map(|field| field.subject.as_str()).collect());
    let attributions = map.or("attributions", Vec::new(), |item| attributions(item, names));
    let protected = map.maybe("protected", |item| Some((item, protected::read(item)?)));
    let prediction = map.or("prediction", (Vec::new(), None), prediction::read);
    let latency = map.maybe("latency", latency);
    let error = map.maybe("error", |item| Some(field("error", item.path()?, Kind::Flag, Role::Error)));
    let (mut fields, protected) = (features?, protected?);
    let protects = protected.as_ref().map_or(Some(()), |(item, all)| protected::protect(*item, all, &mut fields));
    let (predicted, answers) = prediction?;
    fields.extend(predicted);
    fields.extend(attributions?);
    fields.extend(latency?);
    fields.extend(error?);
    let version = version?;
    protects?;
    if let Some((item, attributes)) = &protected {
        protected::check_disguised(*item, attributes, &fields, version.as_ref());
    }
    let attributes = protected.into_iter().flat_map(|(_, attributes)| attributes);
    let names = attributes.map(|attribute| attribute.name).collect();
    let (time, plausible) = time?;
    Some((Schema { time, plausible, version, id: id?, fields, answers }, names))
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
    if !is_good_name(name, item.reader(), at) {
        return None;
    }
    let path = path?.unwrap_or_else(|| Path(name.to_owned()));
    Some(field(name, path, kind?, Role::Feature))
}

/// Whether a feature can be called so; if not, that is on record.
pub fn is_good_name(name: &str, reader: &Reader, at: Position) -> bool {
    let is_taken = RESERVED.contains(&name) || [ATTRIBUTION, PROBABILITY].iter().any(|taken| name.starts_with(taken));
    if is_taken {
        let hint = "give the feature another name, and write where it is as its `path`".to_owned();
        reader.report(at, format!("a feature cannot be called `{}`", shown(name)), Some(hint));
        return false;
    }
    if name.chars().any(char::is_control) || name.split('.').any(|key| key.trim().is_empty()) {
        let hint = "write a name such as income, and where it is as its `path`".to_owned();
        reader.report(at, format!("`{}` cannot be the name of a feature", shown(name)), Some(hint));
        return false;
    }
    true
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

pub fn field(subject: &str, path: Path, kind: Kind, role: Role) -> Field {
    Field { subject: subject.to_owned(), path, kind, role, scale: 1.0, disguise: None }
}
