//! What a model's rows mean: where the time, the version and each measured field are found.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

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
    /// The number that the model says: a probability or another score, of the one class that matters or of one of
    /// several.
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
    /// What stands for its values from the moment that they are decoded, where they themselves are not to be kept.
    pub disguise: Option<Disguise>,
}

/// What stands for the values of a category, so that they themselves are in no count, name, record or file.
///
/// What is stored or shown of a disguise says neither which values there are nor how they are hidden.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Disguise {
    /// Each value has a name, and one without is told as none of them.
    Named(Names),
    /// The first 12 hex digits of the value's HMAC-SHA-256 under a secret.
    Hashed(Secret),
}

/// The names that stand for values. What is stored of them is their fingerprint, by which two are compared.
#[derive(Clone, Serialize, Deserialize)]
pub struct Names {
    #[serde(skip)]
    names: Arc<BTreeMap<String, String>>,
    fingerprint: String,
}

/// The key of a hash. What is stored of it is its fingerprint, by which two are compared; it is never shown.
#[derive(Clone, Serialize, Deserialize)]
pub struct Secret {
    #[serde(skip)]
    key: Arc<[u8]>,
    fingerprint: String,
}

impl Names {
    fn new(names: BTreeMap<String, String>) -> Names {
        let mut hash = Sha256::new();
        for part in names.iter().flat_map(|(value, name)| [value, name]) {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        Names { fingerprint: hex(&hash.finalize()[..6]), names: names.into() }
    }
}

impl Secret {
    pub fn new(key: &[u8]) -> Secret {
        Secret { fingerprint: hex(&hash(key, "fingerprint")[..6]), key: key.into() }
    }

    /// A number that nobody without the key can foretell, and that is always the same for the same text.
    pub fn draw(&self, text: &str) -> u64 {
        u64::from_be_bytes(hash(&self.key, text)[..8].try_into().unwrap_or_default())
    }
}

/// Two are the same if their fingerprints are, and no more than those is shown.
macro_rules! known_by_fingerprint {
    ($kind:ident) => {
        impl PartialEq for $kind {
            fn eq(&self, other: &$kind) -> bool {
                self.fingerprint == other.fingerprint
            }
        }

        impl Eq for $kind {}

        impl PartialOrd for $kind {
            fn partial_cmp(&self, other: &$kind) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $kind {
            fn cmp(&self, other: &$kind) -> Ordering {
                self.fingerprint.cmp(&other.fingerprint)
            }
        }

        impl Hash for $kind {
            fn hash<H: Hasher>(&self, hasher: &mut H) {
                self.fingerprint.hash(hasher);
            }
        }

        impl fmt::Debug for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($kind), self.fingerprint)
            }
        }
    };
}

known_by_fingerprint!(Names);
known_by_fingerprint!(Secret);

fn hash(key: &[u8], text: &str) -> [u8; 32] {
    // Any length is a good length of this key, so there is nothing that could fail.
    let Ok(mut mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(key) else { return [0; 32] };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Disguise {
    /// What stands for values that have no name.
    pub const UNNAMED: &str = "unnamed";

    /// The disguise by which each of these values has this name.
    pub fn named(names: BTreeMap<String, String>) -> Disguise {
        Disguise::Named(Names::new(names))
    }

    /// What stands for a value.
    pub fn of(&self, value: &str) -> Cow<'_, str> {
        match self {
            Disguise::Named(Names { names, .. }) => names.get(value).map_or(Disguise::UNNAMED, String::as_str).into(),
            Disguise::Hashed(secret) => hex(&hash(&secret.key, value)[..6]).into(),
        }
    }
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
    /// Where the id is by which a label finds its prediction.
    pub id: Option<Path>,
    pub fields: Vec<Field>,
    /// What the model says, if it can be right or wrong.
    pub answers: Option<Answers>,
}

/// What the model says that a label can prove right or wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Answers {
    /// The classes that are told apart: the one that matters, or several; none where answers are numbers.
    pub classes: Vec<String>,
    pub choice: Choice,
    /// The subject of the score of each class; empty where there are none.
    pub scores: Vec<String>,
}

impl Answers {
    /// The subjects of the fields that say it.
    pub fn said(&self) -> impl Iterator<Item = &str> {
        let answer = match (self.choice, self.classes.is_empty()) {
            (Choice::Said, true) => Some("value"),
            (Choice::Said, false) => Some("prediction"),
            (Choice::AtLeast(_) | Choice::Likeliest, _) => None,
        };
        answer.into_iter().chain(self.scores.iter().map(String::as_str))
    }
}

/// How it is known which class a row's answer is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Choice {
    /// By the field `prediction`, or the number in `value`.
    Said,
    /// It is the one class that matters if its score is at least this, and another one if it is less.
    AtLeast(f64),
    /// It is the class with the largest score, the first one of several.
    Likeliest,
}

impl Schema {
    pub fn field(&self, subject: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.subject == subject)
    }
}
