//! The numbers that an alert was told with, as they are in the log.

use serde::{Deserialize, Serialize};

use crate::measurement::{Family, Measurement};

/// A measurement of the version, slice and window that an alert is of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    pub family: Family,
    pub subject: String,
    pub statistic: String,
    pub rows: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undefined: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_value: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q_value: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_bound: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detectable: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breached: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage: Option<f64>,
    pub revision: u32,
    pub provisional: bool,
}

impl From<&Measurement> for Told {
    fn from(measurement: &Measurement) -> Told {
        let m = measurement.clone();
        Told {
            family: m.family,
            subject: m.subject,
            statistic: m.statistic,
            rows: m.rows,
            value: written(m.value),
            undefined: m.undefined,
            p_value: written(m.p_value),
            q_value: written(m.q_value),
            low: written(m.low),
            high: written(m.high),
            error_bound: written(m.error_bound),
            detectable: written(m.detectable),
            threshold: written(m.threshold),
            breached: m.breached,
            reference: m.reference,
            coverage: written(m.coverage),
            revision: m.revision,
            provisional: m.provisional,
        }
    }
}

/// A number as JSON can say it and canonical JSON does: there is one zero, and nothing that is not finite.
fn written(number: Option<f64>) -> Option<f64> {
    number.filter(|number| number.is_finite()).map(|number| number + 0.0)
}
