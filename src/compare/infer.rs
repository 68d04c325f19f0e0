//! What to compare of two files when no monitor says it.

use std::collections::{BTreeMap, HashSet};

use crate::monitor::{Correction, Judging, Measure};
use crate::rows::{Column, Values};
use crate::rule::condition::applies;
use crate::schema::{Field, Kind, Path, Role};
use crate::source::table::{Holds, Survey};
use crate::stat::{self, surprise};
use crate::time::Time;

use super::{Question, Told};

/// The level at which a change is taken to be real, after the correction for how many columns are asked: of the columns
/// that are called drifted, one in a hundred may be so by chance.
const SIGNIFICANCE: f64 = 0.01;
/// The approximations behind p-values are poor for samples below this.
const MIN_ROWS: u64 = 30;
/// Grid values of a numeric column, as in a monitor that does not say.
const RESOLUTION: usize = 2048;

/// Every column that both files have and that can be measured, with every statistic that applies to it. The others are
/// told of.
pub fn question(reference: &Survey, current: &Survey) -> (Question, Vec<Told>) {
    let of_current: BTreeMap<&str, Holds> =
        current.columns.iter().map(|(name, holds)| (name.as_str(), *holds)).collect();
    let of_reference: BTreeMap<&str, Holds> =
        reference.columns.iter().map(|(name, holds)| (name.as_str(), *holds)).collect();
    let (mut fields, mut told) = (Vec::new(), Vec::new());
    for (name, before) in &reference.columns {
        let Some(after) = of_current.get(name.as_str()) else {
            told.push(Told::new(name, "only the reference has it"));
            continue;
        };
        match kind(*before, *after) {
            Ok(kind) => {
                if words(*before) != words(*after) && ![*before, *after].contains(&Holds::Nothing) {
                    told.push(Told::beside(name, format!("it was {} and is {}", words(*before), words(*after))));
                }
                let (subject, path) = (name.clone(), Path(name.clone()));
                fields.push(Field { subject, path, kind, role: Role::Feature, scale: 1.0, disguise: None });
            }
            Err(why) => told.push(Told::new(name, why)),
        }
    }
    let only = current.columns.iter().filter(|(name, _)| !of_reference.contains_key(name.as_str()));
    told.extend(only.map(|(name, _)| Told::new(name, "only the current data has it")));
    let measures = measures(&fields);
    let judging = Judging { correction: Correction::BenjaminiHochberg, tells_underpowered: true };
    let question = Question {
        model: String::new(),
        fields,
        measures,
        judging,
        min_rows: MIN_ROWS,
        resolution: RESOLUTION,
        is_inferred: true,
    };
    (question, told)
}

/// All that is measured of fields when nobody chose.
fn measures(fields: &[Field]) -> Vec<Measure> {
    let of_field = |(index, field): (usize, &Field)| {
        let rows: Vec<Measure> = stat::ALL
            .iter()
            .filter(|row| applies(row.on, field) && !surprise::is(row))
            .map(|row| Measure {
                field: Some(index),
                statistic: row,
                threshold: row.threshold,
                significance: SIGNIFICANCE,
            })
            .collect();
        rows
    };
    fields.iter().enumerate().flat_map(of_field).collect()
}

/// The kind as which both sides are read, which the reference decides unless it has no values.
fn kind(reference: Holds, current: Holds) -> Result<Kind, &'static str> {
    match if reference == Holds::Nothing { current } else { reference } {
        Holds::Numbers => Ok(Kind::Numeric),
        // What is empty on both sides still has rows to count.
        Holds::Texts | Holds::Booleans | Holds::Nothing => Ok(Kind::Categorical),
        Holds::Times => Err("instants are not compared"),
        Holds::Other => Err("lists and the like are not compared"),
    }
}

fn words(holds: Holds) -> &'static str {
    match holds {
        Holds::Numbers => "numbers",
        Holds::Texts => "text",
        Holds::Booleans => "yes or no",
        Holds::Times => "instants",
        Holds::Nothing => "nothing but null",
        Holds::Other => "lists or the like",
    }
}

/// Fewer values than this do not tell an identifier from a category.
const ENOUGH: usize = 100;

/// Why a column of the reference is nothing that can drift, although its type does not show it.
pub fn unmeasurable(columns: &[&Column]) -> Option<&'static str> {
    let texts = || columns.iter().flat_map(|column| texts(column));
    if texts().next().is_some() && texts().take(ENOUGH).all(is_instant) {
        return Some("instants are not compared");
    }
    // What repeats at its beginning is a category, and most columns do, which spares them a second look.
    if is_nearly_distinct(texts().take(20 * ENOUGH)) && is_nearly_distinct(texts()) {
        return Some("nearly every value is another: an identifier, or free text");
    }
    let mut numbers = columns.iter().flat_map(|column| numbers(column));
    let (mut count, mut last) = (0, f64::NEG_INFINITY);
    let grows = numbers.all(|number| {
        count += 1;
        number.fract() == 0.0 && std::mem::replace(&mut last, number) < number
    });
    (grows && count >= ENOUGH).then_some("it grows from row to row: a running number, or an instant")
}

fn is_nearly_distinct<'a>(texts: impl Iterator<Item = &'a str>) -> bool {
    let (mut all, mut distinct) = (0, HashSet::new());
    for text in texts {
        all += 1;
        distinct.insert(text);
    }
    all >= ENOUGH && distinct.len() * 10 >= all * 9
}

fn texts(column: &Column) -> impl Iterator<Item = &str> {
    let array = if let Values::Categorical(array) = &column.values { Some(array) } else { None };
    let present = (0..column.len()).filter(|&row| column.absent(row).is_none());
    present.filter_map(move |row| array.map(|array| array.value(row)))
}

fn numbers(column: &Column) -> impl Iterator<Item = f64> {
    let array = if let Values::Numeric(array) = &column.values { Some(array) } else { None };
    let present = (0..column.len()).filter(|&row| column.absent(row).is_none());
    present.filter_map(move |row| array.map(|array| array.value(row)))
}

/// Whether a text is a date, or a date and a time.
fn is_instant(text: &str) -> bool {
    let is_date = || chrono::NaiveDate::parse_from_str(text.trim(), "%Y-%m-%d").is_ok();
    text.len() >= 8 && (is_date() || text.parse::<Time>().is_ok())
}
