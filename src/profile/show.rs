//! What a profile prints: a table for each kind of field.

use std::io::{self, Write};

use crate::grid::{Axis, Grid};
use crate::monitor::Monitor;
use crate::reference::Counted;
use crate::source::table::Built;
use crate::tally::category::CategoryTally;
use crate::tally::numeric::NumericTally;
use crate::tally::{FieldTally, Presence};

/// Categories that are named of a field.
const NAMED: usize = 5;
/// Characters of a name that are shown.
const WIDEST: usize = 32;

/// Prints what was read, each field where its kind puts it.
pub fn table(out: &mut dyn Write, monitor: &Monitor, built: &Built, seconds: f64) -> io::Result<()> {
    let reference = &built.reference;
    let (rows, passes) = (reference.rows, built.passes);
    let rate = rows as f64 * f64::from(passes) / seconds.max(1e-9) / 1e6;
    let head = format!("{}: {rows} rows of {}", monitor.model, reference.name);
    writeln!(out, "{head}; {passes} passes in {seconds:.1} s, {rate:.1} million rows/s each")?;
    let (mut numbers, mut categories, mut flags, mut absent) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for field in monitor.fields() {
        let Some(Counted { axis, tally }) = reference.fields.get(&field.subject) else {
            absent.push(field.subject.as_str());
            continue;
        };
        let distinct = built.distinct.get(&field.subject).copied();
        let mut cells = vec![clipped(&field.subject)];
        cells.extend(presence(tally.presence()));
        match (axis, tally) {
            (Axis::Numeric(grid), FieldTally::Numeric(tally)) => {
                cells.extend(number(grid, tally, distinct));
                numbers.push(cells);
            }
            (Axis::Categorical(vocabulary), FieldTally::Categorical(tally)) => {
                cells.extend(category(vocabulary.values(), tally, distinct));
                categories.push(cells);
            }
            (_, FieldTally::Flag(tally)) => {
                cells.extend([tally.yes.to_string(), share(tally.yes, tally.presence.present())]);
                flags.push(cells);
            }
            _ => {}
        }
    }
    const ABSENT: [&str; 4] = ["rows", "null", "missing", "mistyped"];
    let of_numbers =
        ["NaN", "infinite", "mean", "sd", "min", "1 %", "25 %", "50 %", "75 %", "99 %", "max", "distinct", "grid"];
    print(out, &[&["numeric"], &ABSENT[..], &of_numbers].concat(), numbers)?;
    print(out, &[&["categorical"], &ABSENT[..], &["distinct", "kept", "other", "commonest"]].concat(), categories)?;
    print(out, &[&["flag"], &ABSENT[..], &["yes", "share"]].concat(), flags)?;
    if !absent.is_empty() {
        writeln!(out, "\nnot in the data: {}", absent.join(", "))?;
    }
    Ok(())
}

fn presence(presence: &Presence) -> [String; 4] {
    let Presence { rows, null, missing, mistyped } = *presence;
    [rows, null, missing, mistyped].map(|count| count.to_string())
}

fn number(grid: &Grid, tally: &NumericTally, distinct: Option<usize>) -> Vec<String> {
    let finite = tally.finite() > 0;
    // Where the grid is one of quantiles, a quantile is known to lie between two of its values.
    let quantile = |q| tally.quantile(grid, q).map(|(low, high)| low + (high - low) / 2.0);
    let mut cells = vec![tally.nan.to_string(), tally.infinite.to_string()];
    let moments = [tally.mean(), tally.standard_deviation(), finite.then_some(tally.min)];
    let quantiles = [0.01, 0.25, 0.5, 0.75, 0.99].map(quantile);
    cells.extend(moments.into_iter().chain(quantiles).chain([finite.then_some(tally.max)]).map(shown));
    cells.push(counted(distinct));
    let points = grid.values().len();
    cells.push(if grid.is_exact() { format!("exact, {points}") } else { format!("quantiles, {points}") });
    cells
}

fn category(values: &[String], tally: &CategoryTally, distinct: Option<usize>) -> Vec<String> {
    let n = tally.n();
    let mut ranked: Vec<(&String, u64)> = values.iter().zip(tally.counts.iter().copied()).collect();
    ranked.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    let named = ranked.iter().take(NAMED).map(|(value, count)| format!("{} {}", clipped(value), share(*count, n)));
    let more = if ranked.len() > NAMED { ", ..." } else { "" };
    let commonest = named.collect::<Vec<_>>().join(", ") + more;
    vec![counted(distinct), values.len().to_string(), share(tally.unseen(), n), commonest]
}

/// A number of distinct values.
fn counted(distinct: Option<usize>) -> String {
    distinct.map_or("many".to_owned(), |distinct| distinct.to_string())
}

fn share(part: u64, whole: u64) -> String {
    if whole == 0 { "-".to_owned() } else { format!("{:.1} %", 100.0 * part as f64 / whole as f64) }
}

/// A number in five significant digits, without those that say nothing.
fn shown(number: Option<f64>) -> String {
    let Some(number) = number else { return "-".to_owned() };
    let exponent = if number == 0.0 || !number.is_finite() { 0 } else { number.abs().log10().floor() as i32 };
    if !(-4..15).contains(&exponent) {
        return format!("{number:.4e}");
    }
    let decimals = (4 - exponent).clamp(0, 8) as usize;
    let text = format!("{number:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A name as it can be shown: not too long, and without what would disturb a terminal.
fn clipped(name: &str) -> String {
    let mut name: String = name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if let Some((end, _)) = name.char_indices().nth(WIDEST) {
        name.truncate(end);
        name.push('…');
    }
    name
}

/// Prints rows of cells below their headings. A column of counts that are all zero says nothing and is left out.
fn print(out: &mut dyn Write, headings: &[&str], rows: Vec<Vec<String>>) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    const OPTIONAL: [&str; 5] = ["null", "missing", "mistyped", "NaN", "infinite"];
    let says = |column: &usize| !OPTIONAL.contains(&headings[*column]) || rows.iter().any(|row| row[*column] != "0");
    let columns: Vec<usize> = (0..headings.len()).filter(says).collect();
    let width = |text: &str| text.chars().count();
    let widest = |column: usize| rows.iter().map(|row| width(&row[column])).max().unwrap_or(0);
    let widths: Vec<usize> = columns.iter().map(|&column| widest(column).max(width(headings[column]))).collect();
    writeln!(out)?;
    let headings = headings.iter().map(|heading| (*heading).to_owned()).collect();
    for row in std::iter::once(headings).chain(rows) {
        let mut line = String::new();
        for (place, (&column, &width)) in columns.iter().zip(&widths).enumerate() {
            let cell = &row[column];
            line += &match (place, place + 1 == columns.len()) {
                (0, _) => format!("{cell:<width$}"),
                (_, true) => format!("  {cell}"),
                (_, false) => format!("  {cell:>width$}"),
            };
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_five_digits() {
        let cases = [
            (0.0, "0"),
            (1.0, "1"),
            (-0.5, "-0.5"),
            (1234567.0, "1234567"),
            (2.71801234, "2.718"),
            (0.000123456, "0.00012346"),
            (1e-9, "1.0000e-9"),
            (1e300, "1.0000e300"),
            (99999.96, "100000"),
            (f64::INFINITY, "inf"),
        ];
        for (number, text) in cases {
            assert_eq!(shown(Some(number)), text);
        }
        assert_eq!((shown(None), share(1, 0), share(1, 8)), ("-".into(), "-".into(), "12.5 %".into()));
    }

    #[test]
    fn a_name_cannot_disturb_the_terminal() {
        assert_eq!(clipped("a\u{1b}[31m\n"), "a\u{fffd}[31m\u{fffd}");
        assert_eq!(clipped(&"ü".repeat(40)).chars().count(), WIDEST + 1);
    }
}
