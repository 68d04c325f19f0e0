//! What a model's rows mean: where the time, the version and each measured field are found.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::{Span, Time};

/// Where a value is in a row: keys from the outside in, written with dots.
///
/// A path matches nested objects, a flat key that itself contains dots, and any mixture: `features.income` finds the
/// number in `{"features":{"income":1}}` and in `{"features.income":1}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Path(pub String);

impl Path {
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('.')
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What kind of value is read at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A double; a JSON string is a mistype, but for `"NaN"`, `"Infinity"` and `"-Infinity"`, which JSON has no number
    /// for.
    Numeric,
    /// The largest of several probabilities that add up to 1: a list, an object from class to probability, or a single
    /// number, which is the probability of one class out of two.
    Confidence,
    /// The Shannon entropy of the same in bits: 0 where one class is certain, at most the logarithm of their number.
    Entropy,
    /// A text; numbers and booleans count as their text.
    Categorical,
    /// A yes or no: `true`, a number other than zero and a text that is not empty are yes; `null` or nothing is no.
    Flag,
    /// An instant: RFC 3339, or a number of seconds, milliseconds, microseconds or nanoseconds since 1970.
    Time,
}

impl Kind {
    /// Whether what is measured is a number.
    pub fn is_numeric(self) -> bool {
        matches!(self, Kind::Numeric | Kind::Confidence | Kind::Entropy)
    }

    /// Whether the number is made of several probabilities.
    pub fn is_of_probabilities(self) -> bool {
        matches!(self, Kind::Confidence | Kind::Entropy)
    }
}

/// What a field is to the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Feature,
    /// The number that the model says: a probability or another score.
    Score,
    /// A regression's prediction.
    Value,
    /// The class that the model says.
    Prediction,
    /// How sure the model is of the class it says.
    Confidence,
    /// How undecided the model is between the classes.
    Entropy,
    /// How much a feature contributed to what the model said, such as a Shapley value.
    Attribution,
    /// How long the answer took; values are multiplied by this to make seconds.
    Latency,
    /// Whether the call failed.
    Error,
}

/// One measured field of a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// What measurements call it: the feature's name, `attribution.` and the feature's name, or `score`, `value`,
    /// `prediction`, `confidence`, `entropy`, `latency`, `error`.
    pub subject: String,
    pub path: Path,
    pub kind: Kind,
    pub role: Role,
    /// A number read is multiplied by this: 1, but for latencies, which are kept in seconds.
    pub scale: f64,
}

/// Which instants are believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plausible {
    /// Nothing happened before this.
    pub earliest: Time,
    /// How far a row may be ahead of the time at which Kafka took it.
    pub ahead: Span,
}

impl Plausible {
    /// Whether an event time is believable, given when its record was logged, if that is known.
    pub fn holds(&self, at: Time, logged: Option<Time>) -> bool {
        let latest = logged.map_or(Time::MAX, |logged| logged + self.ahead);
        (self.earliest..=latest).contains(&at) && at.0 < YEAR_2200
    }
}

const YEAR_2200: i64 = 7_258_118_400_000;

/// What a model's rows mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    pub time: Path,
    pub plausible: Plausible,
    /// Where the model's version is; without it all rows are of version `""`.
    pub version: Option<Path>,
    pub fields: Vec<Field>,
}

impl Schema {
    pub fn field(&self, subject: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.subject == subject)
    }
}
