//! The one record of what was measured.

use serde::{Deserialize, Serialize};

use crate::time::Time;

/// What kind of question a statistic answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// How much traffic there is, how fast and how healthy.
    Telemetry,
    /// Whether the values are usable.
    Quality,
    /// Whether the values are distributed as in the reference.
    Drift,
    /// Whether the model was right, as far as labels have come.
    Performance,
    /// How right the model seems to be, as long as no labels tell.
    Estimate,
    /// Whether the model treats groups of people alike.
    Fairness,
    /// Whether the model still goes by the same features.
    Attribution,
}

impl Family {
    pub const ALL: [Family; 7] = [
        Family::Telemetry,
        Family::Quality,
        Family::Drift,
        Family::Performance,
        Family::Estimate,
        Family::Fairness,
        Family::Attribution,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Family::Telemetry => "telemetry",
            Family::Quality => "quality",
            Family::Drift => "drift",
            Family::Performance => "performance",
            Family::Estimate => "estimate",
            Family::Fairness => "fairness",
            Family::Attribution => "attribution",
        }
    }

    /// One of its statistics as conditions call it, such as `drift.psi`.
    pub fn with(self, statistic: &str) -> String {
        format!("{}.{statistic}", self.name())
    }
}

/// A statistic's value for one subject, slice and window. The same record goes to the measurements topic, the HTTP API,
/// the output of `replay` and, as a gauge, to Prometheus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    pub model: String,
    pub version: String,
    /// Which rows: `""` for all.
    pub slice: String,
    pub window_start: Time,
    pub window_end: Time,
    /// Rows of the window, in the log that has the subject.
    pub rows: u64,
    pub family: Family,
    /// A feature, `prediction`, `score`, `latency`, `error`, or `""` for the whole log.
    pub subject: String,
    pub statistic: String,
    /// `None` when it could not be known; then `undefined` says why.
    pub value: Option<f64>,
    #[serde(default)]
    pub undefined: Option<String>,
    /// The probability, if nothing has changed, of a value at least this extreme.
    #[serde(default)]
    pub p_value: Option<f64>,
    /// The p-value after correction for how many subjects of the window were asked, where the monitor wants that: the
    /// share of false alarms among all that are called significant at this level (Benjamini and Hochberg, 1995).
    #[serde(default)]
    pub q_value: Option<f64>,
    /// The ends of the interval in which the value is, where the statistic has one.
    #[serde(default)]
    pub low: Option<f64>,
    #[serde(default)]
    pub high: Option<f64>,
    /// The most by which counting on a grid can have changed the value; zero where it is exact.
    #[serde(default)]
    pub error_bound: Option<f64>,
    /// The smallest true value that a window and a reference of these sizes would have shown to be significant with a
    /// probability of 80 %; what is smaller may well go unseen.
    #[serde(default)]
    pub detectable: Option<f64>,
    /// The value beyond which `breached` is true.
    #[serde(default)]
    pub threshold: Option<f64>,
    /// Whether the value is beyond the threshold and the change statistically real; `None` without a threshold or
    /// value.
    #[serde(default)]
    pub breached: Option<bool>,
    /// The content hash of the reference that the window was compared with.
    #[serde(default)]
    pub reference: Option<String>,
    /// The share of the rows whose label has come, where labels are what the value is of.
    #[serde(default)]
    pub coverage: Option<f64>,
    /// 0 when the window was first published, and more when it is told again with the labels that have come meanwhile.
    pub revision: u32,
    /// Whether labels may still change the value.
    #[serde(default)]
    pub provisional: bool,
}

impl Measurement {
    /// How many of the rows it is of: those that have a label, where it needs one.
    pub fn covered(&self) -> u64 {
        self.coverage.map_or(self.rows, |coverage| (self.rows as f64 * coverage).round() as u64)
    }

    /// A measurement of which nothing is known but what it is of. Its model, version, slice and window are empty.
    pub fn new(family: Family, subject: &str, statistic: &str) -> Measurement {
        Measurement {
            model: String::new(),
            version: String::new(),
            slice: String::new(),
            window_start: Time::MIN,
            window_end: Time::MIN,
            rows: 0,
            family,
            subject: subject.to_owned(),
            statistic: statistic.to_owned(),
            value: None,
            undefined: None,
            p_value: None,
            q_value: None,
            low: None,
            high: None,
            error_bound: None,
            detectable: None,
            threshold: None,
            breached: None,
            reference: None,
            coverage: None,
            revision: 0,
            provisional: false,
        }
    }
}
