//! Reads by which attributes people are told apart as groups, and what stands for their values.

use std::collections::BTreeMap;

use super::schema::{field, is_good_name};
use crate::config::{Item, Position, all, shown};
use crate::schema::{Disguise, Field, Kind, Path, Role};

/// A protected attribute as it is written.
pub struct Protected {
    pub name: String,
    at: Position,
    path: Option<Path>,
    disguise: Option<Disguise>,
}

/// Either a list of names, or a map with more to say of each.
pub fn read(item: Item<'_>) -> Option<Vec<Protected>> {
    let attributes = if item.is_map() {
        let map = item.map()?;
        all(map.entries().map(|(name, item, at)| attribute(name, item, at)))
    } else {
        let named = |item: &Item<'_>| {
            let name = item.text_like("the name of a categorical feature")?;
            let is_good = is_good_name(name, item.reader(), item.at());
            is_good.then(|| Protected { name: name.to_owned(), at: item.at(), path: None, disguise: None })
        };
        all(item.list()?.iter().map(named))
    }?;
    if attributes.is_empty() {
        item.report(format!("{item} is empty"), Some("write `[sex, age_group]`, or leave it out".to_owned()));
        return None;
    }
    for (index, attribute) in attributes.iter().enumerate() {
        if attributes[..index].iter().any(|before| before.name == attribute.name) {
            item.reader().report(attribute.at, format!("`{}` is listed twice", shown(&attribute.name)), None);
            return None;
        }
    }
    Some(attributes)
}

fn attribute(name: &str, item: Item<'_>, at: Position) -> Option<Protected> {
    let map = item.map()?;
    let is_good = is_good_name(name, item.reader(), at);
    let path = map.maybe("path", Item::path);
    let groups = map.maybe("groups", |item| Some((Disguise::named(groups(item)?), item)));
    let hash = map.maybe("hash", |item| Some(Disguise::Hashed(item.secret()?)));
    let (groups, hash) = (groups?, hash?);
    if let (Some((_, item)), Some(_)) = (&groups, &hash) {
        let hint = "write `groups` for names that people can read, or `hash` for values without any".to_owned();
        item.report("values have either names or hashes, not both", Some(hint));
        return None;
    }
    let disguise = groups.map(|(groups, _)| groups).or(hash);
    is_good.then_some(Protected { name: name.to_owned(), at, path: path?, disguise })
}

/// The name of each value's group; several values may share one.
fn groups(item: Item<'_>) -> Option<BTreeMap<String, String>> {
    /// A longer name gets no slice of its own.
    const LONGEST: usize = 128;
    let map = item.map()?;
    let groups = all(map.entries().map(|(value, item, _)| {
        let name = item.text_like("the name of the value's group")?;
        let reason = if name == Disguise::UNNAMED {
            Some("is that of all values without a name")
        } else if name.trim() != name || name.starts_with('~') || name.chars().any(char::is_control) {
            Some("cannot be told from others at a glance")
        } else if name.len() > LONGEST {
            Some("is too long")
        } else {
            None
        };
        if let Some(reason) = reason {
            let hint = "write a short name such as women, or leave the value out".to_owned();
            item.report(format!("the name `{}` {reason}", shown(name)), Some(hint));
            return None;
        }
        Some((value.to_owned(), name.to_owned()))
    }))?;
    if groups.is_empty() {
        item.report(format!("{item} is empty"), Some("write for example `{F: women, M: men}`".to_owned()));
        return None;
    }
    Some(groups.into_iter().collect())
}

/// Makes the attributes of the fields what they are, and fields of those that are not among them. Returns whether all
/// is well.
pub fn protect(item: Item<'_>, attributes: &[Protected], fields: &mut Vec<Field>) -> Option<()> {
    let report = |at: Position, message: String, hint: &str| item.reader().report(at, message, Some(hint.to_owned()));
    all(attributes.iter().map(|attribute| {
        let Protected { name, at, path, disguise } = attribute;
        let Some(known) = fields.iter_mut().find(|field| field.subject == *name) else {
            let path = path.clone().unwrap_or_else(|| Path(name.clone()));
            let own = field(name, path, Kind::Categorical, Role::Feature);
            fields.push(Field { disguise: disguise.clone(), ..own });
            return Some(());
        };
        if known.kind != Kind::Categorical {
            let message = format!("the feature `{}` is not categorical", shown(name));
            report(*at, message, "protect a category made of it, such as age_group of age, under a name of its own");
            return None;
        }
        if path.as_ref().is_some_and(|path| *path != known.path) {
            let message = format!("the feature `{}` is at `{}`, and not at another place", shown(name), known.path);
            report(*at, message, "leave `path` out here");
            return None;
        }
        known.disguise = disguise.clone();
        Some(())
    }))?;
    Some(())
}

/// Puts on record where a value that is disguised here is read as it is elsewhere.
pub fn check_disguised(item: Item<'_>, attributes: &[Protected], fields: &[Field], version: Option<&Path>) {
    for Protected { name, at, .. } in attributes.iter().filter(|attribute| attribute.disguise.is_some()) {
        let Some(own) = fields.iter().find(|field| field.subject == *name) else { continue };
        let twin = fields.iter().find(|field| field.path == own.path && field.disguise != own.disguise);
        let twin = twin.map(|field| field.subject.as_str());
        if let Some(twin) = twin.or(version.filter(|path| **path == own.path).map(|_| "version")) {
            let hint = format!("leave `{}` out: it would tell what is hidden here", shown(twin));
            let message = format!("`{}` is read as `{}` as well, as it is", own.path, shown(twin));
            item.reader().report(*at, message, Some(hint));
        }
    }
}
