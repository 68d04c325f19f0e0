//! What a statistic found in a window, and whether it is a breach: real, and large enough to matter.

use std::collections::BTreeMap;

use crate::measurement::Measurement;
use crate::monitor::{Judging, Measure};
use crate::stat::{Answer, Reading, Undefined};
use crate::time::Time;

/// One statistic's answer for one subject of a window.
pub struct Finding<'a> {
    pub measure: &'a Measure,
    pub subject: &'a str,
    pub answer: Answer,
    pub q_value: Option<f64>,
    /// Rows of the log that has the subject.
    pub rows: u64,
    /// The hash of what it was compared with, if it was.
    pub reference: Option<String>,
}

impl Finding<'_> {
    /// Whether the change is real. A statistic without a p-value is judged by its value alone.
    fn is_significant(&self, reading: &Reading) -> bool {
        self.q_value.or(reading.p_value).is_none_or(|p| p <= self.measure.significance)
    }

    /// The part of a measurement that this decides.
    ///
    /// A breach needs both: a change that is real at these sizes, and a value beyond the threshold. Where nothing real
    /// was seen, but what matters could not have been seen either, there is no value: it would read as all being well.
    pub fn told(self, judging: &Judging) -> Measurement {
        let Measure { statistic, threshold, .. } = *self.measure;
        let answer = self.answer.and_then(|reading| match reading.detectable.zip(threshold) {
            Some((detectable, threshold))
                if !judging.tells_underpowered && detectable > threshold && !self.is_significant(&reading) =>
            {
                Err(Undefined::Underpowered { n: self.rows, detectable, threshold })
            }
            _ => Ok(reading),
        });
        let reading = answer.ok();
        let is_breached = |(threshold, reading): (f64, Reading)| {
            statistic.worse.is_beyond(reading.value, threshold) && self.is_significant(&reading)
        };
        // A number that could not show anything says at least what it could have shown.
        let all = reading.or(self.answer.ok());
        Measurement {
            model: String::new(),
            version: String::new(),
            slice: String::new(),
            window_start: Time::MIN,
            window_end: Time::MIN,
            rows: self.rows,
            family: statistic.family,
            subject: self.subject.to_owned(),
            statistic: statistic.name.to_owned(),
            value: reading.map(|reading| reading.value),
            undefined: answer.err().map(|why| why.to_string()),
            p_value: reading.and_then(|reading| reading.p_value),
            q_value: reading.and(self.q_value),
            low: reading.and_then(|reading| reading.low),
            high: reading.and_then(|reading| reading.high),
            error_bound: reading.and_then(|reading| reading.error_bound),
            detectable: all.and_then(|reading| reading.detectable),
            threshold,
            breached: threshold.zip(reading).map(is_breached),
            reference: self.reference,
            revision: 0,
        }
    }
}

/// Corrects p-values for how many subjects each statistic was asked of: each becomes the least share of false alarms at
/// which it would still be called significant (Benjamini and Hochberg, 1995).
pub fn correct(findings: &mut [Finding]) {
    let mut asked: BTreeMap<&str, Vec<(f64, usize)>> = BTreeMap::new();
    for (at, finding) in findings.iter().enumerate() {
        if let Some(p) = finding.answer.ok().and_then(|reading| reading.p_value) {
            asked.entry(finding.measure.statistic.name).or_default().push((p, at));
        }
    }
    for (_, mut p_values) in asked {
        let count = p_values.len() as f64;
        p_values.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut least = 1.0f64;
        for (after, (p, at)) in p_values.into_iter().enumerate() {
            least = least.min(p * count / (count - after as f64));
            findings[at].q_value = Some(least);
        }
    }
}
