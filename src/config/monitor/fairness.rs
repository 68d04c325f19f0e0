//! Reads by which attributes rows are told apart as groups that ought to be treated alike.

use super::measures::Thresholds;
use super::outcomes::{self, outcome_thresholds};
use crate::config::{Item, Map, all, alternatives, hint, shown};
use crate::measurement::Family;
use crate::monitor::{Attribute, Grouping, Input, Noise};
use crate::schema::{Answers, Field, Kind};

/// What groups are held against; `None` for what could not be read itself.
pub struct Known<'a> {
    pub outcomes: outcomes::Known<'a>,
    pub fields: Option<&'a [Field]>,
    pub inputs: Option<&'a [Input]>,
    /// The names of the protected attributes.
    pub protected: Option<&'a [String]>,
    /// By what rows are sliced.
    pub sliced: Option<&'a [Vec<String>]>,
}

/// What is wanted of groups.
pub struct Fairness {
    pub grouping: Grouping,
    /// Groups with fewer rows are withheld.
    pub min_rows: u64,
    pub thresholds: Thresholds,
}

pub fn read(item: Item<'_>, known: &Known<'_>) -> Option<Fairness> {
    const MIN_ROWS: u64 = 30;
    let map = item.map()?;
    if known.outcomes.answers.is_some_and(|answers| answers.is_none_or(|answers| answers.classes.len() != 1)) {
        let hint = "write the one class that matters under `prediction`: `positive: CLASS`".to_owned();
        item.report("`fairness` is of a model that says one of two classes", Some(hint));
    }
    let attributes = match (map.find("by"), known.protected) {
        (Some(by), _) => attributes(by, known),
        (None, Some([])) => {
            let hint = "name the attributes that are to make no difference: `protected: [sex]` under `schema`";
            item.report("nothing is protected", Some(hint.to_owned()));
            None
        }
        (None, protected) => {
            let alone = |name: &String| Attribute { subject: name.clone(), by: vec![name.clone()] };
            protected.map(|names| names.iter().map(alone).collect())
        }
    };
    let condition = map.maybe("condition", |item| condition(item, known, attributes.as_deref()));
    let min_rows = map.or("min_rows", MIN_ROWS, |item| item.count(1..=u64::MAX));
    let thresholds = map.or("thresholds", Vec::new(), |item| {
        outcome_thresholds(item, Family::Fairness, &outcomes::Known { has_groups: true, ..known.outcomes })
    });
    let noise = noise(&map, known);
    let attributes = attributes?;
    let condition = condition?;
    check_carried(item, known, &attributes, condition.as_deref());
    Some(Fairness {
        grouping: Grouping { attributes, condition, noise: noise? },
        min_rows: min_rows?,
        thresholds: thresholds?,
    })
}

/// A list of attributes, and of lists of attributes that are crossed.
fn attributes(item: Item<'_>, known: &Known<'_>) -> Option<Vec<Attribute>> {
    let items = item.list()?;
    if items.is_empty() {
        let hint = "write `[sex, [sex, age_group]]`, or leave it out for each attribute alone".to_owned();
        item.report(format!("{item} is empty"), Some(hint));
        return None;
    }
    let attributes = all(items.iter().map(|item| attribute(*item, known.protected?)))?;
    for (at, attribute) in attributes.iter().enumerate() {
        let same = |before: &&Attribute| {
            before.subject == attribute.subject
                || before.by.len() == attribute.by.len() && before.by.iter().all(|name| attribute.by.contains(name))
        };
        if let Some(before) = attributes[..at].iter().find(same) {
            items[at].report(format!("groups are told apart by `{}` already", shown(&before.subject)), None);
        }
    }
    Some(attributes)
}

fn attribute(item: Item<'_>, protected: &[String]) -> Option<Attribute> {
    let items = if item.is_scalar() { vec![item] } else { item.list()? };
    if items.is_empty() {
        item.report("a crossing of nothing", Some("write an attribute, or [sex, age_group]".to_owned()));
        return None;
    }
    let by = all(items.iter().map(|item| {
        let name = item.text()?;
        if !protected.iter().any(|known| known == name) {
            let hint = hint(name, protected.iter().map(String::as_str));
            let hint = hint.or(Some("name it under `schema`: `protected: [sex]`".to_owned()));
            item.report(format!("`{}` is not protected", shown(name)), hint);
            return None;
        }
        Some(name.to_owned())
    }))?;
    for (at, name) in by.iter().enumerate() {
        if by[..at].contains(name) {
            items[at].report(format!("`{}` is crossed with itself", shown(name)), None);
            return None;
        }
    }
    Some(Attribute { subject: by.join("."), by })
}

/// The feature that explains why groups may differ.
fn condition(item: Item<'_>, known: &Known<'_>, attributes: Option<&[Attribute]>) -> Option<String> {
    let name = item.text_like("a categorical feature")?;
    let fields = known.fields?;
    let categorical = || fields.iter().filter(|field| field.kind == Kind::Categorical);
    let names: Vec<&str> = categorical().map(|field| field.subject.as_str()).filter(|s| *s != "prediction").collect();
    if !names.contains(&name) {
        let message = match fields.iter().any(|field| field.subject == name) {
            true => format!("groups cannot be told apart by `{}` as well", shown(name)),
            false => format!("the schema has no field `{}`", shown(name)),
        };
        item.report(message, hint(name, names));
        return None;
    }
    if let Some(crossed) = attributes?.iter().find(|attribute| attribute.by.iter().any(|by| by == name)) {
        let message = format!("`{}` tells the groups of `{}` apart already", shown(name), shown(&crossed.subject));
        item.report(message, Some("write a feature that is no attribute".to_owned()));
        return None;
    }
    Some(name.to_owned())
}

fn noise(map: &Map<'_>, known: &Known<'_>) -> Option<Option<Noise>> {
    let epsilon = map.maybe("epsilon", |item| {
        let epsilon = item.number("a number above 0", "a number such as 1.0", |epsilon| epsilon > 0.0)?;
        Some((epsilon, item))
    });
    let secret = map.maybe("secret", |item| Some((item.secret()?, item)));
    match (epsilon?, secret?) {
        (None, None) => Some(None),
        (Some((epsilon, item)), Some((secret, _))) => {
            let is_protected = |name: &&String| known.protected.is_some_and(|protected| protected.contains(name));
            if let Some(name) = known.sliced.and_then(|sliced| sliced.iter().flatten().find(is_protected)) {
                let hint = "leave it out of `slices`, which are counted without noise".to_owned();
                item.report(format!("`{}` is private by `epsilon`, and not by `slices`", shown(name)), Some(hint));
            }
            Some(Some(Noise { epsilon, secret }))
        }
        (Some((_, item)), None) => {
            let hint = "write a `secret` too, from which the noise is drawn: a long text, or {file: PATH}".to_owned();
            item.report("`epsilon` needs a `secret`", Some(hint));
            None
        }
        (None, Some((_, item))) => {
            let hint = "write an `epsilon` too, or leave both out for counts without noise".to_owned();
            item.report("`secret` is for `epsilon`, which is not there", Some(hint));
            None
        }
    }
}

/// Puts on record which of the fields are not in the log that says what the model said.
fn check_carried(item: Item<'_>, known: &Known<'_>, attributes: &[Attribute], condition: Option<&str>) {
    let (Some(fields), Some(inputs), Some(answers)) = (known.fields, known.inputs, known.outcomes.answers.flatten())
    else {
        return;
    };
    let carries = |input: &Input, subject: &str| input.fields.iter().any(|&field| fields[field].subject == subject);
    let Some(answering) = inputs.iter().find(|input| answers.said().any(|subject| carries(input, subject))) else {
        return;
    };
    let mut wanted: Vec<&str> = attributes.iter().flat_map(|attribute| &attribute.by).map(String::as_str).collect();
    wanted.extend(condition);
    wanted.dedup();
    let strangers: Vec<&str> = wanted.into_iter().filter(|subject| !carries(answering, subject)).collect();
    if let Some(names) = alternatives(&strangers, "and") {
        let hint = format!("let `{}` carry it too, which carries the prediction", answering.topic);
        item.report(format!("{names} and the prediction are in two logs"), Some(hint));
    }
}

/// Puts on record that what the model said is in several logs, so that no row of any says all of it.
pub fn check_answers(item: Item<'_>, answers: &Answers, fields: &[Field], inputs: &[Input]) {
    let carries = |input: &&Input| {
        let carried = input.fields.iter().map(|&field| fields[field].subject.as_str());
        carried.into_iter().any(|subject| answers.said().any(|said| said == subject))
    };
    if inputs.iter().filter(carries).count() > 1 {
        let said: Vec<&str> = answers.said().collect();
        let names = alternatives(&said, "and").unwrap_or_default();
        let hint = "let one input carry all of them, since they are the answer of one row".to_owned();
        item.report(format!("{names} are carried by several inputs"), Some(hint));
    }
}
