//! Matchers: what a route, a silence or an inhibition asks of an alert's labels, in the notation of Alertmanager.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

/// An alert's labels, see [`crate::notice::labels`].
pub type Labels = BTreeMap<String, String>;

/// One thing that is asked of a label: `severity = critical`, `team != risk`, `model =~ "credit|fraud"` or
/// `slice !~ "country=.*"`. A label that an alert does not have is empty. Regular expressions have to match the whole of
/// the value.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Matcher {
    label: String,
    operator: Operator,
    value: String,
    /// That of the value, for the operators that take one.
    regex: Option<Regex>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equals,
    Differs,
    Matches,
    MatchesNot,
}

/// The longer ones first, since they begin like the shorter ones.
const OPERATORS: [(&str, Operator); 4] =
    [("=~", Operator::Matches), ("!~", Operator::MatchesNot), ("!=", Operator::Differs), ("=", Operator::Equals)];

/// How much memory a compiled regular expression may take, so that none can be made to fill it.
const LARGEST_REGEX: usize = 1 << 20;

impl Matcher {
    pub fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.label).map_or("", String::as_str);
        let is_found = || self.regex.as_ref().is_some_and(|regex| regex.is_match(value));
        match self.operator {
            Operator::Equals => value == self.value,
            Operator::Differs => value != self.value,
            Operator::Matches => is_found(),
            Operator::MatchesNot => !is_found(),
        }
    }
}

/// Whether all of them match, as they do when there are none.
pub fn all_match(matchers: &[Matcher], labels: &Labels) -> bool {
    matchers.iter().all(|matcher| matcher.matches(labels))
}

impl FromStr for Matcher {
    /// What is wrong.
    type Err = String;

    fn from_str(text: &str) -> Result<Matcher, String> {
        let name = text.trim_start().trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let label = text.trim_start()[..text.trim_start().len() - name.len()].to_owned();
        let rest = name.trim_start();
        let operator = OPERATORS.iter().find(|(sign, _)| rest.starts_with(sign));
        let Some((sign, operator)) = operator.filter(|_| !label.is_empty()) else {
            return Err("it is not a label, one of =, !=, =~ and !~, and a value".to_owned());
        };
        let value = unquoted(rest[sign.len()..].trim())?;
        let regex = match operator {
            Operator::Equals | Operator::Differs => None,
            Operator::Matches | Operator::MatchesNot => {
                let whole = RegexBuilder::new(&format!("^(?:{value})$")).size_limit(LARGEST_REGEX).build();
                Some(whole.map_err(|_| "its value is not a regular expression".to_owned())?)
            }
        };
        Ok(Matcher { label, operator: *operator, value, regex })
    }
}

/// A value may be in quotation marks, in which a backslash takes the next character as it is.
fn unquoted(text: &str) -> Result<String, String> {
    let Some(inner) = text.strip_prefix('"') else {
        return if text.contains('"') {
            Err("it has a quotation mark within its value".to_owned())
        } else {
            Ok(text.to_owned())
        };
    };
    let mut value = String::new();
    let mut characters = inner.chars();
    loop {
        match characters.next() {
            Some('"') if characters.as_str().is_empty() => return Ok(value),
            Some('\\') => value.extend(characters.next()),
            Some('"') | None => return Err("its value does not end with its quotation mark".to_owned()),
            Some(character) => value.push(character),
        }
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = OPERATORS.iter().find(|(_, operator)| *operator == self.operator).map_or("=", |(sign, _)| sign);
        let value = self.value.replace('\\', "\\\\").replace('"', "\\\"");
        write!(f, "{}{sign}\"{value}\"", self.label)
    }
}

/// The compiled expression follows from the rest.
impl PartialEq for Matcher {
    fn eq(&self, other: &Matcher) -> bool {
        (&self.label, self.operator, &self.value) == (&other.label, other.operator, &other.value)
    }
}

impl TryFrom<String> for Matcher {
    type Error = String;

    fn try_from(text: String) -> Result<Matcher, String> {
        text.parse()
    }
}

impl From<Matcher> for String {
    fn from(matcher: Matcher) -> String {
        matcher.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(of: &[(&str, &str)]) -> Labels {
        of.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn each_operator_asks_what_it_says() {
        let labels = labels(&[("severity", "critical"), ("slice", "country=US")]);
        let matches = |text: &str| text.parse::<Matcher>().unwrap().matches(&labels);
        assert!(matches("severity=critical") && matches(" severity = \"critical\" ") && !matches("severity = warning"));
        assert!(matches("severity != warning") && !matches("severity != critical"));
        assert!(matches("severity =~ crit.*|warning") && !matches("severity =~ crit"));
        assert!(matches("severity !~ crit") && !matches("severity !~ c.*"));
        assert!(matches("slice = country=US") && matches("slice =~ \"country=(US|DE)\""));
        assert!(matches("team = ") && matches("team = \"\"") && !matches("team != \"\"") && matches("team =~ .*"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let wrong = |text: &str| text.parse::<Matcher>().expect_err(text);
        let form = "it is not a label, one of =, !=, =~ and !~, and a value";
        for text in ["", "severity", "= critical", "severity > 3", "a b = c"] {
            assert_eq!(wrong(text), form, "{text}");
        }
        assert_eq!(wrong("a =~ (b"), "its value is not a regular expression");
        assert_eq!(wrong("a = \"b"), "its value does not end with its quotation mark");
        assert_eq!(wrong("a = b\"c"), "it has a quotation mark within its value");
        assert_eq!(wrong("a =~ \"(((a{100}){100}){100}){100}\""), "its value is not a regular expression");
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_written_so_that_it_is_read_again(text in "[a-z_]{1,3} ?(=|!=|=~|!~) ?\\PC{0,12}") {
            if let Ok(matcher) = text.parse::<Matcher>() {
                prop_assert_eq!(matcher.to_string().parse::<Matcher>(), Ok(matcher));
            }
        }
    }
}
