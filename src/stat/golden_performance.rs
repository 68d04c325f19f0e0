//! Values that scikit-learn and scipy give for predictions and their labels: `tests/golden/performance.py` says how.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::BufReader;

use serde::Deserialize;

use super::{
    ALL, Answer, Choices, Judged, Outcomes, counted_outcomes, find, numbers_and_labels, outcome_case, student_quantile,
};
use crate::measurement::Family;
use crate::outcome::OutcomeAxis;
use crate::tally::outcome::OutcomeTally;

/// A value and the ends of its interval, as far as it has one; `None` where it is undefined.
type Figures = BTreeMap<String, Option<(f64, Option<f64>, Option<f64>)>>;

#[derive(Deserialize)]
struct Golden {
    binary: Vec<Binary>,
    multiclass: Vec<Multiclass>,
    regression: Vec<Regression>,
    student: Vec<(f64, f64)>,
}

#[derive(Deserialize)]
struct Binary {
    name: String,
    beta: f64,
    top: f64,
    values: [f64; 4],
    /// The score, whether the class was chosen, and whether it turned out.
    rows: Vec<(Option<f64>, Option<usize>, usize)>,
    expected: Figures,
}

#[derive(Deserialize)]
struct Multiclass {
    name: String,
    listed: usize,
    classes: usize,
    /// The class that was chosen, that which turned out, and the score of each listed class.
    rows: Vec<(usize, usize, Vec<f64>)>,
    /// Rows by choice and label.
    confusion: Vec<Vec<u64>>,
    expected: Figures,
    each: Vec<Figures>,
}

#[derive(Deserialize)]
struct Regression {
    name: String,
    quantile: f64,
    rows: Vec<(f64, f64)>,
    expected: Figures,
}

/// More than any of the samples has rows, so that grids are exact.
const RESOLUTION: usize = 10_000;

/// Coarser grids, whose values are within their error bounds.
const RESOLUTIONS: [usize; 4] = [2, 5, 20, 60];

fn golden() -> Golden {
    let file = File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/performance.json")).unwrap();
    serde_json::from_reader(BufReader::new(file)).unwrap()
}

fn binary(case: &Binary, resolution: usize) -> (OutcomeAxis, OutcomeTally) {
    let class = |is: usize| if is == 1 { "yes" } else { "no" };
    let judged: Vec<Judged> = case
        .rows
        .iter()
        .map(|&(score, chosen, label)| (chosen.map(class), vec![score.unwrap_or(f64::NAN)], Some(class(label))))
        .collect();
    counted_outcomes(&["yes"], resolution, &judged)
}

fn multiclass(case: &Multiclass, resolution: usize) -> (OutcomeAxis, OutcomeTally) {
    const NAMES: [&str; 4] = ["a", "b", "c", "d"];
    let judged: Vec<Judged> = case
        .rows
        .iter()
        .map(|(chosen, label, scores)| (Some(NAMES[*chosen]), scores.clone(), Some(NAMES[*label])))
        .collect();
    counted_outcomes(&NAMES[..case.listed], resolution, &judged)
}

fn ask(name: &str, (axis, tally): &(OutcomeAxis, OutcomeTally), class: usize, choices: &Choices) -> Answer {
    let outcomes = Outcomes {
        axis,
        tally,
        reference: None,
        calibration: None,
        class,
        groups: &[],
        group: None,
        expected_coverage: None,
        choices,
    };
    (find(Family::Performance, name).unwrap_or_else(|| panic!("there is no {name}")).compute)(&outcome_case(&outcomes))
}

#[track_caller]
fn near(what: &str, actual: f64, expected: f64) {
    let distance = (actual - expected).abs();
    assert!(distance <= 1e-9 * expected.abs() + 1e-15, "{what} is {actual}, expected {expected}");
}

/// Holds every figure to what is expected of it, or, where it is approximate, to its error bound.
fn compare(case: &str, expected: &Figures, answer: impl Fn(&str) -> Answer) {
    for (name, expected) in expected {
        let what = format!("{name} of {case:?}");
        let (reading, &(value, low, high)) = match (answer(name), expected) {
            (Ok(reading), Some(expected)) => (reading, expected),
            (Err(_), None) => continue,
            (answer, expected) => panic!("{what} is {answer:?}, expected {expected:?}"),
        };
        assert_eq!((reading.low.is_some(), reading.high.is_some()), (low.is_some(), high.is_some()), "{what}");
        if name.starts_with("error_p") {
            // The bucket holds the quantile, and those of its interval hold the ends.
            let bound = reading.error_bound.unwrap();
            assert!((reading.value - value).abs() <= bound * (1.0 + 1e-9), "{what}: {reading:?}, not {value}");
            for (outer, end) in [(reading.low, low), (reading.high, high)] {
                if let (Some(outer), Some(end)) = (outer, end) {
                    assert!((outer - end).abs() <= end.abs() / 32.0 + 1e-300, "an end of {what}: {outer}, not {end}");
                }
            }
            continue;
        }
        near(&what, reading.value, value);
        assert!(reading.error_bound.is_none_or(|bound| bound == 0.0), "{what}: {reading:?}");
        for (end, expected) in [(reading.low, low), (reading.high, high)] {
            if let (Some(end), Some(expected)) = (end, expected) {
                near(&format!("an end of {what}"), end, expected);
            }
        }
    }
}

/// On a coarse grid a figure is as far off as its error bound says, at most.
fn compare_bounds(case: &str, expected: &Figures, answer: impl Fn(&str) -> Answer) {
    for (name, expected) in expected {
        let (Ok(reading), &Some((value, ..))) = (answer(name), expected) else { continue };
        if let Some(bound) = reading.error_bound {
            let distance = (reading.value - value).abs();
            assert!(distance <= bound + 1e-9 * value.abs().max(1.0), "{name} of {case:?}: {reading:?}, not {value}");
        }
    }
}

#[test]
fn one_class() {
    for case in golden().binary {
        let choices = Choices { beta: case.beta, top: case.top, values: case.values, ..Choices::default() };
        let counted = binary(&case, RESOLUTION);
        compare(&case.name, &case.expected, |name| ask(name, &counted, 0, &choices));
        for resolution in RESOLUTIONS {
            let counted = binary(&case, resolution);
            compare_bounds(&case.name, &case.expected, |name| ask(name, &counted, 0, &choices));
        }
    }
}

#[test]
fn several_classes() {
    let choices = Choices::default();
    for case in golden().multiclass {
        let counted = multiclass(&case, RESOLUTION);
        for (chosen, label) in (0..case.classes).flat_map(|chosen| (0..case.classes).map(move |label| (chosen, label)))
        {
            assert_eq!(counted.1.rows_of(Some(chosen), Some(label)), case.confusion[chosen][label], "{:?}", case.name);
        }
        compare(&case.name, &case.expected, |name| ask(name, &counted, 0, &choices));
        for (class, expected) in case.each.iter().enumerate() {
            compare(&case.name, expected, |name| ask(name, &counted, class, &choices));
        }
        for resolution in RESOLUTIONS {
            let counted = multiclass(&case, resolution);
            compare_bounds(&case.name, &case.expected, |name| ask(name, &counted, 0, &choices));
            for (class, expected) in case.each.iter().enumerate() {
                compare_bounds(&case.name, expected, |name| ask(name, &counted, class, &choices));
            }
        }
    }
}

#[test]
fn numbers() {
    for case in golden().regression {
        let choices = Choices { quantile: case.quantile, ..Choices::default() };
        let counted = numbers_and_labels(&case.rows);
        compare(&case.name, &case.expected, |name| ask(name, &counted, 0, &choices));
    }
}

#[test]
fn students_quantiles() {
    for (degrees, expected) in golden().student {
        near(&format!("the quantile of {degrees} degrees"), student_quantile(degrees), expected);
    }
}

#[test]
fn every_figure_of_performance_is_held_to_another_program() {
    let golden = golden();
    let several = golden.multiclass.iter().flat_map(|case| case.each.iter().chain([&case.expected]));
    let expected = golden.binary.iter().map(|case| &case.expected).chain(several);
    let expected = expected.chain(golden.regression.iter().map(|case| &case.expected));
    let known: BTreeSet<&str> = expected
        .flatten()
        .filter(|(_, figures)| figures.is_some())
        .map(|(name, _)| name.as_str())
        .chain(["coverage", "expected_coverage"])
        .collect();
    let all = ALL.iter().filter(|row| row.family == Family::Performance).map(|row| row.name).collect();
    assert_eq!(known, all);
}
