//! What a statistic found in a window, and whether it is a breach: real, and large enough to matter.

use std::collections::BTreeMap;

use crate::grid::Axis;
use crate::measurement::Measurement;
use crate::monitor::{Judging, Measure};
use crate::null::{self, Nulls, Sizes};
use crate::stat::{Answer, Statistic, Undefined};
use crate::tally::FieldTally;

/// One statistic's answer for one subject of a window.
pub struct Finding<'a> {
    pub measure: &'a Measure,
    pub subject: &'a str,
    pub answer: Answer,
    pub q_value: Option<f64>,
    /// Rows of the log that has the subject.
    pub rows: u64,
    /// How many values the window and the reference have, if it was compared.
    pub sizes: Option<(u64, u64)>,
    /// The hash of what it was compared with, if it was.
    pub reference: Option<String>,
}

/// Whether a value is a breach, `None` without a threshold.
///
/// A breach needs both: a change that is real at these sizes, which a statistic without a p-value is taken to show, and a
/// value beyond the threshold. A statistic of outcomes has an interval instead, and needs that to be wholly beyond.
///
/// # Errors
/// Where nothing real was seen, but what matters could not have been seen either: to tell the value would read as all
/// being well.
pub fn judge(
    measure: &Measure,
    judging: &Judging,
    rows: u64,
    value: f64,
    p_value: Option<f64>,
    detectable: Option<f64>,
    ends: (Option<f64>, Option<f64>),
) -> Result<Option<bool>, Undefined> {
    let Some(threshold) = measure.threshold else { return Ok(None) };
    let worse = measure.statistic.worse;
    let is_significant = match (p_value, measure.statistic.on.outcomes(), ends) {
        (Some(p), _, _) => p <= measure.significance,
        // What became of predictions is real as far as all of its interval says so.
        (None, Some(_), (low, high)) => [low, high].into_iter().flatten().all(|end| worse.is_beyond(end, threshold)),
        (None, None, _) => true,
    };
    match detectable.filter(|detectable| *detectable > threshold) {
        Some(detectable) if !is_significant && !judging.tells_underpowered => {
            Err(Undefined::Underpowered { n: rows, detectable, threshold })
        }
        _ => Ok(Some(is_significant && worse.is_beyond(value, threshold))),
    }
}

impl Finding<'_> {
    /// The part of a measurement that this decides.
    pub fn told(self, judging: &Judging) -> Measurement {
        let Finding { measure, rows, q_value, .. } = self;
        let statistic = measure.statistic;
        let judged = self.answer.and_then(|reading| {
            let p_value = q_value.or(reading.p_value);
            let ends = (reading.low, reading.high);
            Ok((reading, judge(measure, judging, rows, reading.value, p_value, reading.detectable, ends)?))
        });
        let reading = judged.ok().map(|(reading, _)| reading);
        Measurement {
            rows,
            value: reading.map(|reading| reading.value),
            undefined: judged.err().map(|why| why.to_string()),
            p_value: reading.and_then(|reading| reading.p_value),
            q_value: reading.and(q_value),
            low: reading.and_then(|reading| reading.low),
            high: reading.and_then(|reading| reading.high),
            error_bound: reading.and_then(|reading| reading.error_bound),
            // A number that could not show anything says at least what it could have shown.
            detectable: self.answer.ok().and_then(|reading| reading.detectable),
            threshold: measure.threshold,
            breached: judged.ok().and_then(|(_, breached)| breached),
            reference: self.reference,
            ..Measurement::new(statistic.family, self.subject, statistic.name)
        }
    }
}

/// What windows of one slice are compared with, and on whose axes.
pub struct Base<'a> {
    /// The content hash of the reference that fixed the axes.
    pub hash: &'a str,
    /// Which of its rows; `""` for all.
    pub slice: &'a str,
    /// Whether these very rows fixed the axes, and not others.
    pub fixes_axes: bool,
    /// The axis of a subject and the counts of those rows on it, where there are any.
    pub counted: &'a (dyn Fn(&str) -> Option<(&'a Axis, &'a FieldTally)> + Sync),
}

/// Gives the findings whose statistics have no usable formula their p-values, by simulation.
pub fn calibrate(nulls: &mut Nulls, base: &Base, findings: &mut [Finding]) {
    let mut by_subject: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, finding) in findings.iter().enumerate().filter(|(_, f)| Nulls::concerns(f.measure.statistic)) {
        by_subject.entry(finding.subject).or_default().push(at);
    }
    for (subject, places) in by_subject {
        // Where nothing is known there is nothing to simulate for.
        let Some((axis, tally)) = (base.counted)(subject) else { continue };
        let sizes = places.iter().find_map(|&at| findings[at].answer.is_ok().then_some(findings[at].sizes).flatten());
        let Some((window, reference)) = sizes else { continue };
        let field = null::Field { hash: base.hash, slice: base.slice, subject, axis, tally };
        let statistics: Vec<&'static Statistic> = places.iter().map(|&at| findings[at].measure.statistic).collect();
        let calibration = nulls.of(&field, &statistics, Sizes { window, reference, fixes_axis: base.fixes_axes });
        for (place, at) in places.into_iter().enumerate() {
            let Finding { measure, answer, .. } = &mut findings[at];
            if let Ok(reading) = answer {
                *reading = calibration.apply(place, measure.statistic, measure.significance, *reading);
            }
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
            // The quotient first: it is at least one, so that rounding cannot make the result less than the p-value.
            least = least.min(p * (count / (count - after as f64)));
            findings[at].q_value = Some(least);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::BufReader;

    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;
    use crate::measurement::Family;
    use crate::monitor::Correction;
    use crate::stat::{Reading, find};

    fn measure(name: &str, threshold: f64) -> Measure {
        let statistic = find(Family::Drift, name).expect("a statistic");
        Measure { field: Some(0), statistic, threshold: Some(threshold), significance: 0.01 }
    }

    fn finding(measure: &Measure, answer: Answer) -> Finding<'_> {
        Finding { measure, subject: "x", answer, q_value: None, rows: 500, sizes: None, reference: None }
    }

    fn reading(value: f64, p_value: f64, detectable: f64) -> Reading {
        Reading { p_value: Some(p_value), detectable: Some(detectable), ..Reading::exact(value) }
    }

    fn corrected(measure: &Measure, p_values: &[f64]) -> Vec<f64> {
        let mut findings: Vec<Finding> = p_values.iter().map(|&p| finding(measure, Ok(reading(0.3, p, 0.1)))).collect();
        correct(&mut findings);
        findings.iter().map(|finding| finding.q_value.expect("a corrected one")).collect()
    }

    #[derive(Deserialize)]
    struct Corrected {
        p_values: Vec<f64>,
        q_values: Vec<f64>,
    }

    /// `tests/golden/corrected.py` has the values from scipy.
    #[test]
    fn p_values_are_corrected_as_by_benjamini_and_hochberg() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/corrected.json");
        let golden: Vec<Corrected> =
            serde_json::from_reader(BufReader::new(File::open(path).expect("the file"))).expect("cases");
        assert!(golden.len() >= 6);
        let measure = measure("psi", 0.2);
        for Corrected { p_values, q_values } in golden {
            for (actual, expected) in corrected(&measure, &p_values).into_iter().zip(q_values) {
                assert!((actual - expected).abs() <= 1e-12 * expected.max(1e-3), "{actual}, not {expected}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_corrected_p_value_is_no_smaller_and_keeps_its_rank(
            p_values in prop::collection::vec(0.0..=1.0f64, 1..40),
        ) {
            let q_values = corrected(&measure("psi", 0.2), &p_values);
            let mut pairs: Vec<(f64, f64)> = p_values.into_iter().zip(q_values).collect();
            pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
            prop_assert!(pairs.iter().all(|&(p, q)| p <= q && q <= 1.0));
            prop_assert!(pairs.windows(2).all(|pair| pair[0].1 <= pair[1].1));
        }
    }

    #[test]
    fn each_statistic_is_corrected_by_itself_and_what_has_no_p_value_is_not_counted() {
        let (psi, ks) = (measure("psi", 0.2), measure("ks", 0.1));
        let p = |p| Ok(reading(0.3, p, 0.1));
        let mut findings = [
            finding(&psi, p(0.01)),
            finding(&ks, p(0.04)),
            finding(&psi, p(0.02)),
            finding(&psi, Err(Undefined::NoRows)),
            finding(&psi, Ok(Reading::exact(0.5))),
        ];
        correct(&mut findings);
        let q_values = findings.map(|finding| finding.q_value);
        assert_eq!(q_values, [Some(0.02), Some(0.04), Some(0.02), None, None]);
    }

    #[test]
    fn a_breach_is_both_large_and_real_after_correction() {
        let measure = measure("psi", 0.2);
        let told = |value: f64, p: f64, q_value: Option<f64>| {
            let finding = Finding { q_value, ..finding(&measure, Ok(reading(value, p, 0.1))) };
            finding.told(&Judging::default()).breached
        };
        assert_eq!(told(0.3, 0.01, None), Some(true));
        assert_eq!(told(0.2, 0.001, None), Some(false), "it has to be beyond the threshold");
        assert_eq!(told(0.3, 0.011, None), Some(false));
        assert_eq!(told(0.3, 0.001, Some(0.02)), Some(false), "what counts is the corrected one");
        assert_eq!(told(0.3, 0.001, Some(0.01)), Some(true));
    }

    /// What matters is 0.2, and this window shows nothing smaller than 0.4: saying that PSI is 0.1 would say that all
    /// is well.
    #[test]
    fn what_could_not_have_shown_what_matters_has_no_value_unless_it_shows_something() {
        let measure = measure("psi", 0.2);
        let (quiet, loud) = (reading(0.1, 0.3, 0.4), reading(0.6, 1e-6, 0.4));
        let hides = Judging { correction: Correction::None, tells_underpowered: false };
        let tells = Judging { tells_underpowered: true, ..hides };

        let told = finding(&measure, Ok(quiet)).told(&hides);
        let why = "too few rows: 500 show nothing smaller than 0.400, and 0.2 matters";
        assert_eq!((told.value, told.undefined.as_deref(), told.breached), (None, Some(why), None));
        assert_eq!((told.p_value, told.detectable), (None, Some(0.4)), "it says what it could have shown");

        let told = finding(&measure, Ok(quiet)).told(&tells);
        assert_eq!((told.value, told.undefined, told.breached), (Some(0.1), None, Some(false)));
        assert_eq!((told.p_value, told.detectable), (Some(0.3), Some(0.4)));

        let told = finding(&measure, Ok(loud)).told(&hides);
        assert_eq!((told.value, told.breached), (Some(0.6), Some(true)), "what was seen was seen");

        // Nothing in particular matters, or all that matters would have been seen.
        let unbounded = Measure { threshold: None, ..measure };
        assert_eq!(finding(&unbounded, Ok(quiet)).told(&hides).value, Some(0.1));
        let enough = Reading { detectable: Some(0.2), ..quiet };
        assert_eq!(finding(&measure, Ok(enough)).told(&hides).value, Some(0.1));
    }
}
