//! Reads what a monitor is sliced by.

use crate::config::{Item, all, alternatives, hint, shown};
use crate::monitor::Input;
use crate::schema::{Field, Kind};
use crate::slice::Slicing;

/// What the dimensions are held against; `None` for what could not be read itself.
pub struct Known<'a> {
    pub fields: Option<&'a [Field]>,
    pub inputs: Option<&'a [Input]>,
    /// The least values of a window that are compared.
    pub min_rows: Option<u64>,
}

/// Either the list of dimensions alone, or a map that has it as `by`.
pub fn read(item: Item<'_>, known: &Known<'_>) -> Option<Slicing> {
    const MOST: u64 = 50;
    const MIN_ROWS: u64 = 100;
    // With fewer rows in the reference, nothing of the slice could be compared.
    let default = known.min_rows.unwrap_or(MIN_ROWS);
    let (by, most, min_rows) = if item.is_map() {
        let map = item.map()?;
        let by = map.need("by", "[country]", |item| dimensions(item, known));
        let most = map.or("most", MOST, |item| item.count(1..=1000));
        (by, most, map.or("min_rows", default, |item| item.count(1..=u64::MAX)))
    } else {
        (dimensions(item, known), Some(MOST), Some(default))
    };
    Some(Slicing { by: by?, most: most? as usize, min_rows: min_rows? })
}

fn dimensions(item: Item<'_>, known: &Known<'_>) -> Option<Vec<Vec<String>>> {
    let items = item.list()?;
    if items.is_empty() {
        let hint = "write `[country]` or `[country, [sex, age_group]]`, or leave `slices` out".to_owned();
        item.report(format!("{item} is empty"), Some(hint));
        return None;
    }
    let dimensions = all(items.iter().map(|item| dimension(*item, known)))?;
    let same = |a: &Vec<String>, b: &Vec<String>| a.len() == b.len() && a.iter().all(|subject| b.contains(subject));
    for (at, dimension) in dimensions.iter().enumerate() {
        if dimensions[..at].iter().any(|before| same(before, dimension)) {
            let names = alternatives(&dimension.iter().map(String::as_str).collect::<Vec<_>>(), "and");
            items[at].report(format!("it is sliced by {} already", names.unwrap_or_default()), None);
        }
    }
    Some(dimensions)
}

/// A subject, or a list of subjects whose values are crossed.
fn dimension(item: Item<'_>, known: &Known<'_>) -> Option<Vec<String>> {
    let items = if item.is_scalar() { vec![item] } else { item.list()? };
    if items.is_empty() {
        item.report("a crossing of nothing", Some("write a field, or a crossing such as [sex, age_group]".to_owned()));
        return None;
    }
    let fields = all(items.iter().map(|item| Some((subject(*item, known.fields?)?, *item))))?;
    for (at, (field, item)) in fields.iter().enumerate() {
        if fields[..at].iter().any(|(before, _)| before == field) {
            item.report(format!("{} is crossed with itself", name(known.fields?, *field)), None);
        }
    }
    let carries = |input: &Input, field: usize| input.fields.contains(&field);
    if let Some((stranger, item)) = known.inputs.and_then(|inputs| {
        let of_first = inputs.iter().find(|input| carries(input, fields[0].0))?;
        fields.iter().find(|(field, _)| !carries(of_first, *field))
    }) {
        let [first, stranger] = [fields[0].0, *stranger].map(|field| known.fields.map(|fields| name(fields, field)));
        let message = format!("{} and {} are in two logs", first.unwrap_or_default(), stranger.unwrap_or_default());
        item.report(message, Some("only fields that one and the same input carries can be crossed".to_owned()));
        return None;
    }
    Some(
        fields
            .into_iter()
            .map(|(field, _)| known.fields.map_or("", |fields| &fields[field].subject).to_owned())
            .collect(),
    )
}

/// The field of the schema that is meant, if rows can be told apart by it.
fn subject(item: Item<'_>, fields: &[Field]) -> Option<usize> {
    let text = item.text()?;
    let categorical: Vec<&str> =
        fields.iter().filter(|field| field.kind == Kind::Categorical).map(|field| field.subject.as_str()).collect();
    let Some(at) = fields.iter().position(|field| field.subject == text) else {
        item.report(format!("the schema has no field `{}`", shown(text)), hint(text, categorical.iter().copied()));
        return None;
    };
    if fields[at].kind != Kind::Categorical {
        let hint = alternatives(&categorical, "or").map_or_else(
            || "slice by a feature of the type categorical".to_owned(),
            |names| format!("slice by {names}"),
        );
        item.report(format!("`{}` is not categorical", shown(text)), Some(hint));
        return None;
    }
    Some(at)
}

fn name(fields: &[Field], field: usize) -> String {
    format!("`{}`", shown(&fields[field].subject))
}
