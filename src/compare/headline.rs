//! The sentence that answers.

use crate::measurement::{Family, Measurement};
use crate::stat;

use super::judge::{Compared, relative};
use super::side::{cut, percent, short};
use super::{Comparison, Verdict};

/// Columns that the sentence names.
const NAMED: usize = 4;
/// A share of absent values is worth a word when it moved by this much.
const ABSENT: f64 = 0.05;

pub fn headline(comparison: &Comparison) -> String {
    let all = comparison.columns.len();
    let columns = if all == 1 { "column" } else { "columns" };
    match comparison.verdict {
        Verdict::Unknown => {
            let why = comparison.columns.iter().flat_map(|column| &column.measurements);
            let why = why.filter(|m| m.family == Family::Drift).find_map(|m| m.undefined.clone());
            let why = why.map_or(String::new(), |why| format!(": {why}"));
            if all == 0 {
                "No column can be compared.".to_owned()
            } else {
                format!("Nothing can be told of {all} {columns}{why}.")
            }
        }
        Verdict::Same => {
            let nearest = comparison.columns.first().and_then(|column| {
                let m = strongest(column)?;
                Some(format!("; nearest to it: {} ({}, threshold {})", name(column), value(m), short(m.threshold?)))
            });
            format!("None of {all} {columns} drifted{}.", nearest.unwrap_or_default())
        }
        Verdict::Changed => {
            let drifted: Vec<&Compared> = comparison.columns.iter().filter(|column| column.drifted).collect();
            let worse: Vec<&Compared> =
                comparison.columns.iter().filter(|column| column.worse_quality && !column.drifted).collect();
            let mut parts = Vec::new();
            if !drifted.is_empty() {
                parts.push(format!("{} of {all} {columns} drifted: {}", drifted.len(), list(&drifted)));
            }
            if !worse.is_empty() {
                let only = if drifted.is_empty() { "No column drifted, but quality" } else { "quality" };
                parts.push(format!("{only} is worse in {}: {}", worse.len(), list(&worse)));
            }
            format!("{}.", parts.join("; "))
        }
    }
}

fn list(columns: &[&Compared]) -> String {
    let named: Vec<String> =
        columns.iter().take(NAMED).map(|column| format!("{} ({})", name(column), evidence(column))).collect();
    let rest = columns.len().saturating_sub(NAMED);
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    format!("{}{more}", named.join(", "))
}

fn name(column: &Compared) -> String {
    cut(&column.subject, 40)
}

/// The first statistics that are breached, in the order of the table of statistics, and what changed.
fn evidence(column: &Compared) -> String {
    let breached = column.measurements.iter().filter(|m| m.breached == Some(true));
    let family = if column.drifted { Family::Drift } else { Family::Quality };
    let mut words: Vec<String> = breached.filter(|m| m.family == family).take(2).map(value).collect();
    words.extend(column.change.clone().filter(|_| column.drifted));
    let (before, after) = (column.reference.absent(), column.current.absent());
    if column.drifted && (after - before).abs() >= ABSENT {
        words.push(format!("absent {} → {}", percent(before), percent(after)));
    }
    words.join(", ")
}

/// A statistic and its value.
pub fn value(m: &Measurement) -> String {
    let is_rate = stat::find(m.family, &m.statistic).is_some_and(|row| row.unit == "ratio");
    let number = m.value.map_or("undefined".to_owned(), |value| if is_rate { percent(value) } else { short(value) });
    format!("{} {number}", m.statistic)
}

/// The measurement that puts a column where it stands.
pub fn strongest(column: &Compared) -> Option<&Measurement> {
    let is_it = |m: &&Measurement| Some(&m.statistic) == column.strongest.as_ref() && relative(m) == column.effect;
    column.measurements.iter().find(is_it)
}
