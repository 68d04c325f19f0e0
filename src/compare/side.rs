//! One side of a column, summed up, and how numbers are written for people.

use serde::Serialize;

use crate::grid::Axis;
use crate::tally::numeric::NumericTally;
use crate::tally::{FieldTally, Presence};

/// What one file has in a column.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    pub rows: u64,
    pub null: u64,
    /// Rows that do not have the field at all, as records can.
    pub missing: u64,
    pub mistyped: u64,
    #[serde(flatten)]
    pub numbers: Option<Numbers>,
    /// The commonest categories, commonest first, with their rows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub commonest: Vec<Category>,
}

/// What a side's numbers are. What is not known, such as the mean of no values, is null.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Numbers {
    pub nan: u64,
    pub infinite: u64,
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub mean: Option<f64>,
    /// With `n - 1` in the denominator.
    pub standard_deviation: Option<f64>,
    pub quantiles: Vec<Quantile>,
}

/// Between which two numbers a quantile is; they are equal where the grid of the reference shows it exactly.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Quantile {
    pub share: f64,
    pub low: f64,
    pub high: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Category {
    pub value: String,
    pub rows: u64,
}

/// The quantiles that are shown.
pub const QUANTILES: [f64; 5] = [0.05, 0.25, 0.5, 0.75, 0.95];
/// The categories that are named.
const COMMONEST: usize = 5;

impl Summary {
    pub fn of(axis: &Axis, tally: &FieldTally) -> Summary {
        let Presence { rows, null, missing, mistyped } = *tally.presence();
        let mut summary = Summary { rows, null, missing, mistyped, ..Summary::default() };
        match (axis, tally) {
            (Axis::Numeric(grid), FieldTally::Numeric(tally)) => {
                let quantile = |&share: &f64| {
                    let (low, high) = tally.quantile(grid, share)?;
                    (low.is_finite() && high.is_finite()).then_some(Quantile { share, low, high })
                };
                summary.numbers =
                    Some(Numbers { quantiles: QUANTILES.iter().filter_map(quantile).collect(), ..Numbers::of(tally) });
            }
            (Axis::Categorical(vocabulary), FieldTally::Categorical(tally)) => {
                let known = vocabulary.values().iter().cloned().zip(tally.counts.iter().copied());
                let mut all: Vec<(String, u64)> =
                    known.filter(|(_, rows)| *rows > 0).chain(tally.commonest.top(COMMONEST)).collect();
                all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
                all.truncate(COMMONEST);
                summary.commonest = all.into_iter().map(|(value, rows)| Category { value, rows }).collect();
            }
            _ => {}
        }
        summary
    }

    /// The share of rows without a usable value.
    pub fn absent(&self) -> f64 {
        let nan = self.numbers.as_ref().map_or(0, |numbers| numbers.nan);
        if self.rows == 0 { 0.0 } else { (self.null + self.missing + self.mistyped + nan) as f64 / self.rows as f64 }
    }
}

impl Numbers {
    fn of(tally: &NumericTally) -> Numbers {
        let finite = |number: f64| number.is_finite().then_some(number);
        Numbers {
            nan: tally.nan,
            infinite: tally.infinite,
            min: finite(tally.min),
            max: finite(tally.max),
            mean: tally.mean().and_then(finite),
            standard_deviation: tally.standard_deviation(),
            quantiles: Vec::new(),
        }
    }
}

/// A number in few characters, four digits of which count.
pub fn short(number: f64) -> String {
    let size = number.abs();
    if number == 0.0 {
        "0".to_owned()
    } else if !(1e-4..1e7).contains(&size) {
        format!("{number:.2e}")
    } else {
        let digits = (3 - size.log10().floor() as i32).max(0) as usize;
        let text = format!("{number:.digits$}");
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    }
}

/// A difference in hundredths, with its sign; one that is none in these has none.
pub fn signed(number: f64) -> String {
    match number.abs() {
        size if size < 0.005 => "0.00".to_owned(),
        size if size < 1e7 => format!("{number:+.2}"),
        // Written out, it could be hundreds of digits long.
        _ => format!("{number:+.2e}"),
    }
}

/// The middle of where a quantile is, for which there is more often room than for both ends; `~` where they are far
/// apart.
pub fn middle(quantile: Option<&Quantile>) -> String {
    quantile.map_or("-".to_owned(), |Quantile { low, high, .. }| {
        let middle = low / 2.0 + high / 2.0;
        let is_rough = high / 2.0 - low / 2.0 > 0.01 * low.abs().max(high.abs());
        format!("{}{}", if is_rough { "~" } else { "" }, short(middle))
    })
}

/// A probability; what is too small to be told from nothing is only bounded.
pub fn probability(p: f64) -> String {
    if p < 1e-9 { "<1e-9".to_owned() } else { short(p) }
}

/// A share as a percentage.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent > 0.0 && percent < 0.005 {
        return "<0.01 %".to_owned();
    }
    let digits = if percent > 0.0 && percent < 0.095 { 2 } else { 1 };
    format!("{percent:.digits$} %")
}

/// A count with its thousands apart.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A text from the data, on one line and at most so many characters long. Whoever writes data must not be able to
/// steer the terminal of whoever reads it.
pub fn cut(text: &str, most: usize) -> String {
    let shown = |c: char| if c.is_control() || is_invisible(c) { '·' } else { c };
    let mut cut: String = text.chars().take(most).map(shown).collect();
    if text.chars().nth(most).is_some() {
        cut.pop();
        cut.push('…');
    }
    if cut.is_empty() { "\"\"".to_owned() } else { cut }
}

/// Marks that turn the direction of text, or join or hide it.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (number, expected) in [(0.001, "0.00"), (-0.25, "-0.25"), (1234.5, "+1234.50"), (-5.9e160, "-5.90e160")] {
            assert_eq!(signed(number), expected);
        }
        for (number, expected) in [
            (0.0, "0"),
            (0.41, "0.41"),
            (-0.123_456, "-0.1235"),
            (12.0, "12"),
            (1234.5, "1234"),
            (123_456.7, "123457"),
            (1.5e8, "1.50e8"),
            (2e-5, "2.00e-5"),
        ] {
            assert_eq!(short(number), expected);
        }
        let percents = [percent(0.0), percent(0.5), percent(0.000_5), percent(1e-7)];
        assert_eq!(percents, ["0.0 %", "50.0 %", "0.05 %", "<0.01 %"]);
        assert_eq!([signed(-0.001), signed(0.8), signed(-1.0)], ["0.00", "+0.80", "-1.00"]);
        assert_eq!([grouped(0), grouped(999), grouped(1_234_567)], ["0", "999", "1,234,567"]);
    }

    #[test]
    fn a_text_cannot_steer_the_terminal() {
        assert_eq!(cut("a\u{1b}[31mb\u{202e}\n", 20), "a·[31mb··");
        assert_eq!(cut("größer als alles", 8), "größer …");
        assert_eq!(cut("", 8), "\"\"");
    }
}
