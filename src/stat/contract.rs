//! What every statistic promises, for arbitrary counts.

use std::sync::Arc;

use arrow_array::{Float64Array, StringArray};
use proptest::prelude::*;

use super::{ALL, Answer, Attributed, Case, On, Sample, Side, Statistic, Undefined, case, find};
use crate::grid::{Axis, Grid, Vocabulary};
use crate::measurement::Family;
use crate::rows::{Absent, Column, Values};
use crate::tally::{Chosen, FieldTally, Tally};
use crate::time::Span;

type Row<T> = Result<T, Absent>;

fn rows<T: Clone + std::fmt::Debug>(value: impl Strategy<Value = T>) -> impl Strategy<Value = Vec<Row<T>>> {
    let absent = prop::sample::select(vec![Absent::Null, Absent::Missing, Absent::Mistyped]);
    (prop::collection::vec(prop_oneof![8 => value.prop_map(Ok), 1 => absent.prop_map(Err)], 0..40), 0..4).prop_map(
        // One time in four nothing has a value.
        |(rows, all_null)| if all_null == 0 { rows.iter().map(|_| Err(Absent::Null)).collect() } else { rows },
    )
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => (-5i32..5).prop_map(f64::from),
        8 => -6.0..6.0,
        1 => prop::num::f64::NORMAL,
        1 => prop::num::f64::SUBNORMAL,
        1 => prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN]),
    ]
}

fn marks<T>(rows: &[Row<T>]) -> Arc<[u8]> {
    rows.iter().map(|row| row.as_ref().err().map_or(0, |&absent| absent as u8)).collect()
}

fn tally(axis: &Axis, values: Values, marks: Arc<[u8]>) -> FieldTally {
    let column = Column { values, marks };
    let mut tally = FieldTally::empty(axis);
    tally.observe(axis, &column, Chosen::All(column.len()));
    tally
}

fn floats(rows: &[Row<f64>]) -> Float64Array {
    rows.iter().map(|row| row.as_ref().ok().copied()).collect()
}

fn numeric() -> impl Strategy<Value = Sample> {
    (rows(number()), rows(number()), 0usize..40, any::<bool>()).prop_map(|(reference, current, resolution, own)| {
        // The grid may be the reference's own or, as with a trailing reference, another's.
        let column = if own { &reference } else { &current };
        let axis = Axis::Numeric(Grid::of(column.iter().flatten().copied().collect(), resolution));
        let [reference, current] =
            [reference, current].map(|rows| tally(&axis, Values::Numeric(floats(&rows)), marks(&rows)));
        Sample { axis, reference: Some(reference), current }
    })
}

fn categorical() -> impl Strategy<Value = Sample> {
    let known = prop::collection::vec("[a-d]", 0..5);
    (known, rows("[a-f]"), rows("[a-f]")).prop_map(|(known, reference, current)| {
        let axis = Axis::Categorical(Vocabulary::new(known));
        let [reference, current] = [reference, current].map(|rows| {
            let array: StringArray = rows.iter().map(|row| row.as_ref().ok()).collect();
            tally(&axis, Values::Categorical(array), marks(&rows))
        });
        Sample { axis, reference: Some(reference), current }
    })
}

fn flag() -> impl Strategy<Value = Sample> {
    let value = || prop::sample::select(vec![0.0, 1.0]);
    (rows(value()), rows(value())).prop_map(|(reference, current)| {
        let [reference, current] =
            [reference, current].map(|rows| tally(&Axis::Flag, Values::Flag(floats(&rows)), marks(&rows)));
        Sample { axis: Axis::Flag, reference: Some(reference), current }
    })
}

fn sample() -> impl Strategy<Value = Sample> {
    prop_oneof![3 => numeric(), 2 => categorical(), 1 => flag()]
}

/// Whether a statistic says that it can be asked about a subject.
fn applies(on: On, case: &Case) -> bool {
    let axis = case.current.map(|side| side.axis);
    match on {
        On::Log => true,
        On::Field => axis.is_some(),
        On::Numeric | On::Latency => matches!(axis, Some(Axis::Numeric(_))),
        On::Categorical => matches!(axis, Some(Axis::Categorical(_))),
        On::Valued => matches!(axis, Some(Axis::Numeric(_) | Axis::Categorical(_))),
        On::Flag => matches!(axis, Some(Axis::Flag)),
        On::Outcomes(_) => case.outcomes.is_some(),
        On::Attributions => matches!(case.attributions, [Attributed { current: FieldTally::Numeric(_), .. }]),
    }
}

fn hold(row: &Statistic, case: &Case, answer: Answer) -> Result<(), TestCaseError> {
    let name = row.name;
    let reading = match answer {
        Err(Undefined::NotApplicable) => {
            let other_kind = case.reference.is_some();
            prop_assert!(!applies(row.on, case) || other_kind, "{} does not apply where it says it does", name);
            return Ok(());
        }
        Err(_) => {
            prop_assert!(applies(row.on, case), "{} gives another reason than that it does not apply", name);
            return Ok(());
        }
        Ok(reading) => reading,
    };
    prop_assert!(applies(row.on, case), "{} has a value where it says it does not apply", name);
    prop_assert!(reading.value.is_finite(), "{} is {}", name, reading.value);
    let (least, most) = row.range;
    prop_assert!(least <= reading.value && reading.value <= most, "{} is {}, out of range", name, reading.value);
    prop_assert!(reading.p_value.is_none_or(|p| (0.0..=1.0).contains(&p)), "{}: p-value {:?}", name, reading.p_value);
    prop_assert!(reading.error_bound.is_none_or(|e| e >= 0.0 && e.is_finite()), "{}: {:?}", name, reading.error_bound);
    prop_assert!(reading.detectable.is_none_or(|d| d > 0.0 && d.is_finite()), "{}: {:?}", name, reading.detectable);
    prop_assert!(reading.low.is_none_or(|low| least <= low && low <= reading.value), "{}: {:?}", name, reading);
    prop_assert!(reading.high.is_none_or(|high| reading.value <= high && high <= most), "{}: {:?}", name, reading);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn a_value_is_finite_and_in_range_or_there_is_a_reason(
        current in sample(),
        other in sample(),
        reference in 0..4,
        log in prop::bool::weighted(0.1),
        min_rows in prop::sample::select(vec![0u64, 1, 2, 30]),
        window in prop::sample::select(vec![1i64, 60_000]),
    ) {
        let attributed = [Attributed { current: &current.current, reference: current.reference.as_ref() }];
        let case = Case {
            rows: current.current.presence().rows,
            window: Span(window),
            current: (!log).then_some(Side { axis: &current.axis, tally: &current.current }),
            // Sometimes there is none, and sometimes one of another axis, which nothing but a fault of ours can bring.
            reference: match reference {
                0 => None,
                1 => other.reference.as_ref(),
                _ => current.reference.as_ref(),
            },
            attributions: if log { &attributed } else { &[] },
            outcomes: None,
            min_rows,
            significance: 0.001,
        };
        for row in ALL {
            // Counts on another axis that happens to have as many cells cannot be told from the right ones.
            if reference != 1 || other.axis == current.axis || !same_cells(&current.axis, &other.axis) {
                hold(row, &case, (row.compute)(&case))?;
            }
        }
    }

    #[test]
    fn nothing_drifts_from_itself(sample in sample()) {
        let case = Case {
            rows: sample.current.presence().rows,
            window: Span(1000),
            current: Some(Side { axis: &sample.axis, tally: &sample.current }),
            reference: Some(&sample.current),
            attributions: &[],
            outcomes: None,
            min_rows: 1,
            significance: 0.001,
        };
        let exact =
            ["psi", "js_distance", "ks", "chi_squared", "kuiper", "mann_whitney", "mean_shift", "variance_shift"];
        let bounded = ["wasserstein", "wasserstein_raw", "energy_distance"];
        for name in exact.into_iter().chain(bounded) {
            if let Ok(reading) = (find_drift(name).compute)(&case) {
                let is_bounded = bounded.contains(&name) && Some(reading.value) <= reading.error_bound;
                prop_assert!(reading.value == 0.0 || is_bounded, "{}: {:?}", name, reading);
                prop_assert!(reading.p_value.is_none_or(|p| p == 1.0));
            }
        }
    }
}

fn same_cells(a: &Axis, b: &Axis) -> bool {
    match (a, b) {
        (Axis::Numeric(a), Axis::Numeric(b)) => a.cells() == b.cells(),
        (Axis::Categorical(a), Axis::Categorical(b)) => a.cells() == b.cells(),
        _ => false,
    }
}

fn find_drift(name: &str) -> &'static Statistic {
    find(Family::Drift, name).expect("it is in the table")
}

#[test]
fn names_are_unique_within_a_family_and_every_row_says_what_it_is() {
    for (i, row) in ALL.iter().enumerate() {
        assert!(ALL[..i].iter().all(|other| (other.family, other.name) != (row.family, row.name)), "{}", row.name);
        assert!(row.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'), "{}", row.name);
        assert!(row.about.ends_with('.') && !row.about.contains("  "), "{}", row.about);
        assert!(row.threshold.is_none_or(|threshold| row.range.0 <= threshold && threshold <= row.range.1));
        assert!(["", "ratio", "seconds"].contains(&row.unit), "{}", row.name);
    }
}

#[test]
fn too_few_rows_are_no_verdict() {
    let few = Sample::numeric(&[1.0, 2.0, 3.0], &[1.0, 2.0], 100);
    let in_window = Case { min_rows: 3, ..case(&few) };
    let many = Sample::numeric(&[1.0, 2.0], &[1.0, 2.0, 3.0], 100);
    let in_reference = Case { min_rows: 3, ..case(&many) };
    let none = Sample::numeric(&[1.0, 2.0, 3.0], &[], 100);
    for row in ALL.iter().filter(|row| row.family == Family::Drift && applies(row.on, &case(&few))) {
        let compute = row.compute;
        assert_eq!(compute(&in_window), Err(Undefined::TooFewRows { n: 2, least: 3 }));
        assert_eq!(compute(&in_reference), Err(Undefined::TooFewReferenceRows { n: 2, least: 3 }));
        assert_eq!(compute(&case(&none)), Err(Undefined::NoRows));
    }
}

/// Ten rows: one null, two without the field, three of another kind, and four values.
#[test]
fn each_rate_counts_its_own_rows() {
    let absent = [1, 2, 2, 3, 3, 3].map(|mark| Err(Absent::of(mark).unwrap()));
    let rows: Vec<Row<f64>> = absent.into_iter().chain([Ok(f64::NAN), Ok(0.5), Ok(1.5), Ok(f64::INFINITY)]).collect();
    let axis = Axis::Numeric(Grid::new([1.0, 2.0], true));
    let current = tally(&axis, Values::Numeric(floats(&rows)), marks(&rows));
    let sample = Sample { axis, reference: Some(current.clone()), current };
    let rate = |family, name: &str, sample: &Sample| {
        (find(family, name).unwrap().compute)(&case(sample)).map(|reading| reading.value)
    };
    assert_eq!(rate(Family::Quality, "null_rate", &sample), Ok(0.1));
    assert_eq!(rate(Family::Quality, "missing_rate", &sample), Ok(0.2));
    assert_eq!(rate(Family::Quality, "mismatch_rate", &sample), Ok(0.3));
    assert_eq!(rate(Family::Quality, "nan_rate", &sample), Ok(0.1));
    // Of three values that are numbers, one is below the range and one above.
    assert_eq!(rate(Family::Quality, "out_of_range_rate", &sample), Ok(2.0 / 3.0));
    let unknown = Sample { reference: None, ..sample };
    assert_eq!(rate(Family::Quality, "out_of_range_rate", &unknown), Err(Undefined::NotInReference));

    let rows: Vec<Row<f64>> = absent.into_iter().chain([Ok(1.0), Ok(0.0), Ok(0.0), Ok(0.0)]).collect();
    let failed = tally(&Axis::Flag, Values::Flag(floats(&rows)), marks(&rows));
    let flags = Sample { axis: Axis::Flag, reference: None, current: failed };
    // A row without the flag, or with null, did not fail; one of another kind does not say.
    assert_eq!(rate(Family::Telemetry, "error_rate", &flags), Ok(1.0 / 7.0));
    assert_eq!(rate(Family::Telemetry, "rows", &flags), Ok(10.0));
    assert_eq!(rate(Family::Telemetry, "rows_per_second", &flags), Ok(10.0 / 60.0));
}
