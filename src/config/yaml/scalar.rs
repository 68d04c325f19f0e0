//! Reads texts, numbers and the words of this program.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use super::{Item, Value, alternatives, hint, shown};
use crate::decode::write_number;
use crate::schema;
use crate::time::{Span, Time};

/// No window, delay or cooldown is longer; the arithmetic of time is safe well beyond.
const LONGEST: Span = Span(3660 * 86_400_000);

impl<'a> Item<'a> {
    /// A text that is not empty. Numbers and booleans count as they are written.
    pub fn text(self) -> Option<&'a str> {
        self.text_like("a text")
    }

    /// Like `text`, of which the hint says what to write.
    pub fn text_like(self, like: &str) -> Option<&'a str> {
        match &self.node.value {
            Value::Scalar(scalar) if scalar.text.trim().is_empty() => {
                self.report(format!("{self} is empty"), Some(format!("write {like}")));
                None
            }
            Value::Scalar(scalar) => Some(&scalar.text),
            _ => {
                self.is_not("a text", like);
                None
            }
        }
    }

    /// A text that parses, or else is put on record as not being `what`.
    pub fn parsed<T: FromStr>(self, what: &str, like: &str) -> Option<T> {
        let text = self.text_like(like)?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.is_not(what, like);
        }
        parsed
    }

    /// A whole number within a range.
    pub fn count(self, range: RangeInclusive<u64>) -> Option<u64> {
        let number = self.plain().and_then(|text| text.parse().ok()).filter(|number| range.contains(number));
        if number.is_none() {
            let (least, most) = (range.start(), range.end());
            let limits = if *most == u64::MAX { format!("at least {least}") } else { format!("{least} to {most}") };
            self.is_not(&format!("a whole number, {limits}"), &format!("a number such as {}", least.max(&1)));
        }
        number
    }

    /// A number for which a condition holds.
    pub fn number(self, what: &str, like: &str, holds: impl FnOnce(f64) -> bool) -> Option<f64> {
        let number = self.plain().and_then(|text| text.parse().ok());
        let number = number.filter(|number: &f64| number.is_finite() && holds(*number));
        if number.is_none() {
            self.is_not(what, like);
        }
        number
    }

    /// A length of time.
    pub fn span(self) -> Option<Span> {
        let span: Span = self.parsed("a length of time", "90s, 5m, 1h30m or 7d")?;
        if span > LONGEST {
            self.report(format!("{self} is longer than {LONGEST}"), None);
            return None;
        }
        Some(span)
    }

    /// A length of time that is not zero.
    pub fn positive_span(self) -> Option<Span> {
        let span = self.span()?;
        if span == Span(0) {
            self.report(format!("{self} is zero"), Some("write a length of time such as 5m".to_owned()));
            return None;
        }
        Some(span)
    }

    pub fn time(self) -> Option<Time> {
        self.parsed("a time", "1990-01-01T00:00:00Z")
    }

    /// Where a value is in a row.
    pub fn path(self) -> Option<schema::Path> {
        let text = self.text_like("keys with dots between them, such as features.income")?;
        if text.split('.').any(|key| key.trim().is_empty()) {
            self.is_not("a path", "keys with dots between them, such as features.income");
            return None;
        }
        Some(schema::Path(text.to_owned()))
    }

    /// One of a few words.
    pub fn choice<T: Copy>(self, choices: &[(&str, T)]) -> Option<T> {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let text = self.text_like(&alternatives(&words, "or").unwrap_or_default())?;
        let choice = choices.iter().find(|(word, _)| *word == text);
        if choice.is_none() {
            self.report(format!("{self} cannot be `{}`", shown(text)), hint(text, words));
        }
        choice.map(|(_, choice)| *choice)
    }

    pub fn yes_or_no(self) -> Option<bool> {
        self.choice(&[("true", true), ("false", false)])
    }

    /// The name of a Kafka topic.
    pub fn topic(self) -> Option<String> {
        let text = self.text_like("the name of a Kafka topic")?;
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if text.len() > 249 || text == "." || text == ".." || !text.chars().all(legal) {
            self.report(
                format!("`{}` cannot be the name of a Kafka topic", shown(text)),
                Some("write letters, digits, dots, underscores and hyphens, 249 at most".to_owned()),
            );
            return None;
        }
        Some(text.to_owned())
    }

    /// The text by which a value counts as a category: a number or a boolean that is written as programs write it has
    /// the text that it has when it is read from a row, so that `1.0` means the class `1`. In quotes it is a text.
    pub fn category(self) -> Option<String> {
        let text = self.text()?;
        let is_plain = self.plain().is_some();
        let number = text.parse().ok().filter(|number: &f64| is_plain && format!("{number:?}") == text);
        let mut category = String::new();
        match number {
            Some(number) => write_number(&mut category, number),
            None if is_plain && matches!(text, "True" | "TRUE" | "False" | "FALSE") => category = text.to_lowercase(),
            None => category.push_str(text),
        }
        if category.chars().any(char::is_control) {
            self.report(format!("{self} cannot be `{}`", shown(&category)), Some("write it on one line".to_owned()));
            return None;
        }
        Some(category)
    }

    /// A text as it is, or the content of the file that `{file: PATH}` names.
    pub fn text_or_content(self) -> Option<String> {
        if self.is_map() {
            return Some(self.map()?.need("file", "PATH", Item::content)?.1);
        }
        Some(self.text_like("a text, or {file: PATH}")?.to_owned())
    }

    /// The file that a text names, and what is in it, which is not nothing.
    pub fn content(self) -> Option<(PathBuf, String)> {
        let path = self.reader.resolve(self.text_like("the path of a file")?);
        let text = self.reader.read_text(&path, self.at, &format!("`{}`", path.display()))?;
        if text.trim().is_empty() {
            self.report(format!("`{}` is empty", path.display()), None);
            return None;
        }
        Some((path, text.trim().to_owned()))
    }

    /// What nobody else knows, as a text or in a file.
    pub fn secret(self) -> Option<schema::Secret> {
        /// A key that can be guessed hides nothing; this many letters and digits that are drawn by chance cannot be.
        const LEAST: usize = 16;
        let key = self.text_or_content()?;
        if key.len() < LEAST {
            let hint = "write a random one, such as `openssl rand -hex 32` gives".to_owned();
            self.report(format!("{self} is shorter than {LEAST} bytes, and can be guessed"), Some(hint));
            return None;
        }
        Some(schema::Secret::new(key.as_bytes()))
    }

    /// A scalar without quotes: `"5"` is not a number.
    fn plain(self) -> Option<&'a str> {
        match &self.node.value {
            Value::Scalar(scalar) if scalar.plain => Some(&scalar.text),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::yaml::Reader;

    #[track_caller]
    fn read<T>(text: &str, read: impl Fn(Item) -> Option<T>) -> Result<T, String> {
        let reader = Reader::of_text(&format!("key: {text}\n"));
        let value = reader.root().and_then(Item::map).and_then(|map| map.need("key", "…", read));
        match value {
            Some(value) => Ok(value),
            None => Err(reader.into_problems().first().expect("a problem").to_string()),
        }
    }

    #[test]
    fn texts_stay_as_they_are_written() {
        for text in ["1.10", "no", "0755", "credit", "2024-01-01"] {
            assert_eq!(read(text, |item| item.text().map(str::to_owned)).as_deref(), Ok(text));
        }
    }

    #[test]
    fn numbers_are_checked() {
        assert_eq!(read("5000", |item| item.count(1..=9999)), Ok(5000));
        assert_eq!(read("1e-3", |item| item.number("", "", |_| true)), Ok(0.001));
        let count = |text| read(text, |item| item.count(1..=99)).expect_err("wrong");
        let wrong = "test.yaml:1:6: `key` is not a whole number, 1 to 99\n  hint: write a number such as 1";
        for text in ["0", "100", "-1", "1.5", "\"5\"", "[1]", "99999999999999999999", "one"] {
            assert_eq!(count(text), wrong);
        }
        for text in [".nan", "NaN", "inf", "-1e999", "'1'", "x"] {
            assert!(read(text, |item| item.number("a number", "", |_| true)).is_err(), "{text}");
        }
    }

    #[test]
    fn times_and_spans_are_checked() {
        assert_eq!(read("1h30m", |item| item.span()), Ok(Span(5_400_000)));
        assert_eq!(read("0s", |item| item.span()), Ok(Span(0)));
        for text in ["5", "-5m", "9999999d", "5 m", "[]"] {
            assert!(read(text, |item| item.span()).is_err(), "{text}");
        }
        assert_eq!(read("1990-01-01T00:00:00Z", |item| item.time()), Ok(Time(631_152_000_000)));
        assert!(read("yesterday", |item| item.time()).is_err());
    }

    #[test]
    fn categories_are_what_rows_have() {
        let category = |text| read(text, |item| item.category());
        for (text, expected) in [
            ("bad", "bad"),
            ("1", "1"),
            ("1.0", "1"),
            ("-0.5", "-0.5"),
            ("'1.0'", "1.0"),
            ("1.10", "1.10"),
            ("007", "007"),
            ("true", "true"),
            ("True", "true"),
            ("'True'", "True"),
            ("no", "no"),
            ("NaN", "NaN"),
        ] {
            assert_eq!(category(text).as_deref(), Ok(expected), "{text}");
        }
        assert!(category("\"a\\nb\"").is_err());
    }

    #[test]
    fn an_empty_value_is_told_at_its_key() {
        let wrong = "test.yaml:1:1: `key` has no value\n  hint: write a text";
        assert_eq!(read("", |item| item.text().map(str::to_owned)), Err(wrong.to_owned()));
    }
}
