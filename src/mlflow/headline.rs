//! The few figures of a window that are written to a run.

use std::collections::BTreeMap;

use crate::measurement::{Family, Measurement};

/// What is told of one window of one version: a number under each name, and whether it has drifted.
///
/// | name | what it is |
/// |---|---|
/// | `rows` | the window's rows |
/// | `breached` | measurements beyond their threshold, of all families |
/// | `<family>.breached` | those of one family, of which any has a threshold |
/// | `drift.<statistic>.max` | the largest value over all subjects |
/// | `performance.<statistic>`, `estimate.<statistic>` | the model's value, where it has one for all classes |
/// | `coverage` | the share of rows whose label has come |
pub fn figures(window: &[Measurement]) -> BTreeMap<String, f64> {
    let mut figures = BTreeMap::new();
    let mut tell = |name: String, value: f64| {
        if value.is_finite() {
            figures.insert(name, value);
        }
    };
    // What labels say is told again and again while they come, apart from the rest.
    let own_rows = window.iter().filter(|m| m.coverage.is_none()).map(|m| m.rows).max();
    if let Some(rows) = own_rows {
        tell("rows".to_owned(), rows as f64);
    }
    if let Some(coverage) = window.iter().filter_map(|m| m.coverage).reduce(f64::max) {
        tell("coverage".to_owned(), coverage);
    }
    let judged: Vec<&Measurement> = window.iter().filter(|m| m.breached.is_some()).collect();
    if own_rows.is_some() {
        let breached = judged.iter().filter(|m| m.breached == Some(true)).count();
        tell("breached".to_owned(), breached as f64);
    }
    for family in Family::ALL {
        let of_family: Vec<_> = judged.iter().filter(|m| m.family == family).collect();
        if !of_family.is_empty() {
            let breached = of_family.iter().filter(|m| m.breached == Some(true)).count();
            tell(format!("{}.breached", family.name()), breached as f64);
        }
    }
    for (statistic, values) in by_statistic(window, Family::Drift) {
        tell(format!("drift.{statistic}.max"), values.into_iter().fold(f64::NEG_INFINITY, f64::max));
    }
    for family in [Family::Performance, Family::Estimate] {
        for (statistic, values) in by_statistic(window, family) {
            if let [value] = values[..] {
                tell(format!("{}.{statistic}", family.name()), value);
            }
        }
    }
    figures
}

fn by_statistic(window: &[Measurement], family: Family) -> BTreeMap<&str, Vec<f64>> {
    let mut found: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for measurement in window.iter().filter(|m| m.family == family) {
        found.entry(&measurement.statistic).or_default().extend(measurement.value);
    }
    found
}

/// Whether a window has drifted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// The subjects whose drift is beyond a threshold; none, and the window is as the reference.
    pub subjects: Vec<String>,
    /// The content hash of what it was compared with.
    pub reference: Option<String>,
}

impl Drift {
    /// `None` when nothing could be judged, which is no verdict.
    pub fn of(window: &[Measurement]) -> Option<Drift> {
        let judged = || window.iter().filter(|m| m.family == Family::Drift && m.breached.is_some());
        let reference = judged().next()?.reference.clone();
        let mut subjects: Vec<String> =
            judged().filter(|m| m.breached == Some(true)).map(|m| m.subject.clone()).collect();
        subjects.sort_unstable();
        subjects.dedup();
        Some(Drift { subjects, reference })
    }

    /// The word for it.
    pub fn status(&self) -> &'static str {
        if self.subjects.is_empty() { "ok" } else { "drifted" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(family: Family, subject: &str, statistic: &str, value: f64, breached: Option<bool>) -> Measurement {
        let reference = (family == Family::Drift).then(|| "abc".to_owned());
        Measurement {
            rows: 500,
            value: Some(value),
            breached,
            reference,
            ..Measurement::new(family, subject, statistic)
        }
    }

    fn window() -> Vec<Measurement> {
        vec![
            measured(Family::Telemetry, "", "rows", 500.0, None),
            measured(Family::Quality, "income", "null_rate", 0.5, Some(true)),
            measured(Family::Drift, "income", "psi", 0.3, Some(true)),
            measured(Family::Drift, "age", "psi", 0.1, Some(false)),
            measured(Family::Drift, "age", "ks", 0.2, None),
            Measurement { value: None, ..measured(Family::Drift, "age", "wasserstein", 0.0, None) },
            measured(Family::Estimate, "", "accuracy", 0.9, None),
        ]
    }

    #[test]
    fn a_window_has_few_figures() {
        let told: Vec<(String, f64)> = figures(&window()).into_iter().collect();
        let expected = [
            ("breached", 2.0),
            ("drift.breached", 1.0),
            ("drift.ks.max", 0.2),
            ("drift.psi.max", 0.3),
            ("estimate.accuracy", 0.9),
            ("quality.breached", 1.0),
            ("rows", 500.0),
        ];
        assert_eq!(told, expected.map(|(name, value)| (name.to_owned(), value)));
    }

    #[test]
    fn what_labels_say_is_told_apart_and_not_by_class() {
        let of_labels = |subject: &str, statistic: &str, value: f64| Measurement {
            coverage: Some(0.25),
            ..measured(Family::Performance, subject, statistic, value, None)
        };
        let window =
            [of_labels("", "accuracy", 0.8), of_labels("good", "recall", 0.7), of_labels("bad", "recall", 0.6)];
        let told: Vec<(String, f64)> = figures(&window).into_iter().collect();
        assert_eq!(told, [("coverage".to_owned(), 0.25), ("performance.accuracy".to_owned(), 0.8)]);
        assert_eq!(Drift::of(&window), None);
    }

    #[test]
    fn a_window_drifts_by_the_subjects_that_are_beyond_a_threshold() {
        let drift = Drift::of(&window()).expect("it was judged");
        assert_eq!((drift.status(), drift.subjects.as_slice()), ("drifted", ["income".to_owned()].as_slice()));
        assert_eq!(drift.reference.as_deref(), Some("abc"));
        let calm = [measured(Family::Drift, "age", "psi", 0.1, Some(false))];
        assert_eq!(Drift::of(&calm).map(|drift| drift.status()), Some("ok"));
        assert_eq!(Drift::of(&[measured(Family::Quality, "age", "null_rate", 0.5, Some(true))]), None);
    }
}
