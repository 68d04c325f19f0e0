//! The answer for people, in a terminal of 120 columns.

use std::fmt::Write;

use unicode_width::UnicodeWidthStr;

use crate::measurement::{Family, Measurement};
use crate::schema::Kind;

use super::headline::{headline, strongest};
use super::judge::Compared;
use super::side::{QUANTILES, Summary, cut, grouped, middle, percent, probability, short};
use super::{Comparison, Verdict};

/// How wide the longest line may be.
const WIDTH: usize = 120;
/// Columns without a breach that are listed; a file of thousands would bury the others.
const ALIKE: usize = 40;
/// Columns of which every number is shown.
const DETAILED: usize = 12;
/// Columns that are not compared, of which is said why.
const TOLD: usize = 30;

const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const FAINT: &str = "\x1b[2m";
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

/// Text in the making. Writing to a string cannot fail, so what `write!` returns says nothing.
struct Page {
    text: String,
    is_coloured: bool,
}

pub fn render(comparison: &Comparison, is_coloured: bool) -> String {
    let mut page = Page { text: String::new(), is_coloured };
    let colour = match comparison.verdict {
        Verdict::Same => GREEN,
        Verdict::Changed => RED,
        Verdict::Unknown => YELLOW,
    };
    for line in wrapped(&headline(comparison), WIDTH) {
        page.line(&[BOLD, colour], &line);
    }
    let names = [&comparison.reference.0, &comparison.current.0].map(|name| name.width()).into_iter().max();
    for (side, (name, rows)) in [("reference", &comparison.reference), ("current", &comparison.current)] {
        let width = names.unwrap_or(0).min(80);
        page.line(&[], &format!("{side:<10} {}  {:>14} rows", padded(name, width), grouped(*rows)));
    }
    page.overview(comparison);
    for column in comparison.columns.iter().filter(|c| c.drifted || c.worse_quality).take(DETAILED) {
        page.details(column);
    }
    page.told(comparison);
    page.text
}

impl Page {
    fn line(&mut self, style: &[&str], text: &str) {
        if self.is_coloured && !style.is_empty() {
            let _ = writeln!(self.text, "{}{}{PLAIN}", style.concat(), text.trim_end());
        } else {
            let _ = writeln!(self.text, "{}", text.trim_end());
        }
    }

    fn overview(&mut self, comparison: &Comparison) {
        if comparison.columns.is_empty() {
            return;
        }
        let names = comparison.columns.iter().map(|column| cut(&column.subject, 24).width());
        let width = names.max().unwrap_or(0).max(6);
        self.line(&[], "");
        let head = format!(
            "  {} {:<3} {:<17} {:>9} {:>9} {:>7}  {:<16} {}",
            padded("column", width),
            "",
            "strongest",
            "value",
            "threshold",
            "p",
            "absent",
            "change"
        );
        self.line(&[FAINT], &head);
        let mut alike = 0;
        for column in &comparison.columns {
            let is_breached = column.drifted || column.worse_quality;
            alike += usize::from(!is_breached);
            if alike > ALIKE {
                continue;
            }
            let found = strongest(column);
            let number = |number: Option<f64>| number.map_or("-".to_owned(), short);
            let p = found.and_then(|m| m.q_value.or(m.p_value));
            let (before, after) = (percent(column.reference.absent()), percent(column.current.absent()));
            let absent = if before == after { before } else { format!("{before} → {after}") };
            let row = format!(
                "{} {} {:<3.3} {:<17.17} {:>9} {:>9} {:>7}  {} ",
                if is_breached { "!" } else { " " },
                padded(&cut(&column.subject, 24), width),
                kind(column),
                found.map_or("-", |m| &m.statistic),
                number(found.and_then(|m| m.value)),
                number(found.and_then(|m| m.threshold)),
                p.map_or("-".to_owned(), probability),
                padded(&absent, 16),
            );
            let room = WIDTH.saturating_sub(row.width());
            let change = column.change.as_deref().unwrap_or("");
            let row = row + &clipped(change, room);
            self.line(if is_breached { &[RED] } else { &[] }, &row);
        }
        if alike > ALIKE {
            self.line(&[FAINT], &format!("  and {} more without drift", grouped((alike - ALIKE) as u64)));
        }
    }

    fn details(&mut self, column: &Compared) {
        self.line(&[], "");
        self.line(&[BOLD], &format!("{} ({})", cut(&column.subject, 80), kind(column)));
        self.sides(column);
        let head = format!(
            "  {:<26} {:>10} {:>10} {:>9} {:>10} {:>10}",
            "statistic", "value", "threshold", "p", "error", "detectable"
        );
        self.line(&[FAINT], &head);
        for m in column.measurements.iter().filter(|m| is_shown(m)) {
            let number = |number: Option<f64>| number.map_or("-".to_owned(), short);
            let p = m.q_value.or(m.p_value).map_or("-".to_owned(), probability);
            let is_breached = m.breached == Some(true);
            let row = format!(
                "{} {:<26} {:>10} {:>10} {p:>9} {:>10} {:>10}  {}",
                if is_breached { "!" } else { " " },
                m.statistic,
                number(m.value),
                number(m.threshold),
                number(m.error_bound),
                number(m.detectable),
                m.undefined.as_deref().unwrap_or(""),
            );
            self.line(if is_breached { &[RED] } else { &[] }, &clipped(&row, WIDTH));
        }
    }

    fn sides(&mut self, column: &Compared) {
        let is_numeric = column.reference.numbers.is_some();
        let mut head = format!(" {:<9} {:>11} {:>7} {:>8}", "", "rows", "absent", "mistyped");
        if is_numeric {
            let shares = QUANTILES
                .map(|share| if share == 0.5 { "median".to_owned() } else { format!("{:.0} %", share * 100.0) });
            let names = ["mean", "sd", "min"].map(str::to_owned).into_iter().chain(shares).chain(["max".to_owned()]);
            names.for_each(|name| head.push_str(&format!(" {name:>8}")));
        } else {
            head.push_str("  commonest");
        }
        self.line(&[FAINT], &head);
        for (name, side) in [("reference", &column.reference), ("current", &column.current)] {
            let mistyped = percent(side.mistyped as f64 / side.rows.max(1) as f64);
            let mut row = format!(" {name:<9} {:>11} {:>7} {mistyped:>8}", grouped(side.rows), percent(side.absent()));
            match &side.numbers {
                Some(numbers) => {
                    let quantiles = QUANTILES.map(|share| numbers.quantiles.iter().find(|q| q.share == share));
                    let ends = [numbers.mean, numbers.standard_deviation, numbers.min].map(shown).into_iter();
                    let cells = ends.chain(quantiles.map(middle)).chain([shown(numbers.max)]);
                    cells.for_each(|cell| row.push_str(&format!(" {cell:>8}")));
                }
                None => row.push_str(&commonest(side)),
            }
            self.line(&[], &clipped(&row, WIDTH));
        }
    }

    fn told(&mut self, comparison: &Comparison) {
        let not_compared: Vec<_> = comparison.told.iter().filter(|told| !told.compared).collect();
        for (title, list) in [
            ("not compared", not_compared),
            ("to be known", comparison.told.iter().filter(|told| told.compared).collect()),
        ] {
            if list.is_empty() {
                continue;
            }
            self.line(&[], "");
            self.line(&[BOLD], title);
            for told in list.iter().take(TOLD) {
                self.line(&[], &clipped(&format!("  {}: {}", cut(&told.subject, 40), told.why), WIDTH));
            }
            if list.len() > TOLD {
                self.line(&[FAINT], &format!("  and {} more", grouped((list.len() - TOLD) as u64)));
            }
        }
    }
}

/// What does not apply to a column is nothing to read of it, and neither is a rate of nought with no threshold.
pub fn is_shown(m: &Measurement) -> bool {
    m.undefined.as_deref() != Some("does not apply to this kind of field")
        && (m.family == Family::Drift || m.breached == Some(true) || m.value.is_some_and(|value| value != 0.0))
}

pub fn kind(column: &Compared) -> &'static str {
    match column.kind {
        Kind::Numeric | Kind::Confidence | Kind::Entropy => "numeric",
        Kind::Categorical => "categorical",
        Kind::Flag => "flag",
        Kind::Time => "time",
    }
}

fn shown(number: Option<f64>) -> String {
    number.map_or("-".to_owned(), short)
}

fn commonest(side: &Summary) -> String {
    let share = |rows: u64| percent(rows as f64 / side.rows.max(1) as f64);
    let named = side.commonest.iter().map(|category| format!("{} {}", cut(&category.value, 16), share(category.rows)));
    format!("  {}", named.collect::<Vec<_>>().join(", "))
}

/// A text brought to a width on the screen, on which some letters take two places and others none.
fn padded(text: &str, width: usize) -> String {
    let text = clipped(text, width);
    let room = width.saturating_sub(text.width());
    text + &" ".repeat(room)
}

fn clipped(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut clipped = String::new();
    for c in text.chars() {
        clipped.push(c);
        if clipped.width() + 1 > width {
            clipped.pop();
            break;
        }
    }
    clipped.push('…');
    clipped
}

/// Lines that break between words.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last().map_or(0, |line| line.width());
        if line > 0 && line + 1 + word.width() > width {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}
