//! What is promised of null distributions as a whole.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::grid::{Grid, Vocabulary};
use crate::measurement::Family;
use crate::rows::{Column, Values};
use crate::stat::{Case, Side, find};
use crate::tally::{Chosen, Tally};
use crate::time::Span;

fn drift(name: &str) -> &'static Statistic {
    find(Family::Drift, name).expect("a statistic")
}

fn count(axis: &Axis, values: Values, rows: usize) -> FieldTally {
    let mut tally = FieldTally::empty(axis);
    tally.observe(axis, &Column { values, marks: Arc::default() }, Chosen::All(rows));
    tally
}

/// Normal quantiles, which are as even a reference as there is.
fn normal(rows: usize) -> (Axis, FieldTally) {
    let normal = Normal::standard();
    let values: Vec<f64> = (0..rows).map(|i| normal.inverse_cdf((i as f64 + 0.5) / rows as f64)).collect();
    let axis = Axis::Numeric(Grid::of(values.clone(), 2048));
    let tally = count(&axis, Values::Numeric(values.into()), rows);
    (axis, tally)
}

fn field<'a>((axis, tally): &'a (Axis, FieldTally), hash: &'a str) -> Field<'a> {
    Field { hash, slice: "", subject: "x", axis, tally }
}

fn sizes(window: u64, reference: u64) -> Sizes {
    Sizes { window, reference, fixes_axis: true }
}

fn reading(value: f64) -> Reading {
    Reading::exact(value)
}

/// With ten equally common values PSI is chi-squared with nine degrees of freedom, times the sum of the sizes'
/// reciprocals (Yurdakul and Naranjo, *Statistical properties of the population stability index*, 2020).
#[test]
fn the_stability_index_has_the_distribution_that_is_known_of_it() {
    use statrs::distribution::ChiSquared;
    let values: Vec<String> = (0..20_000).map(|i| (i % 10).to_string()).collect();
    let axis = Axis::Categorical(Vocabulary::new(values.clone()));
    let array = arrow_array::StringArray::from_iter_values(&values);
    let even = (axis.clone(), count(&axis, Values::Categorical(array), values.len()));
    let unit = 1.0 / 5000.0 + 1.0 / 20_000.0;
    let found = Nulls::default().of(&field(&even, "a"), &[drift("psi")], sizes(5000, 20_000));
    let known = ChiSquared::new(9.0).unwrap();
    for (p, slack) in [(0.5, 0.05), (0.1, 0.03), (0.05, 0.02), (0.01, 0.007), (0.001, 0.0015)] {
        let value = known.inverse_cdf(1.0 - p) * unit;
        let actual = found.apply(0, drift("psi"), 0.001, reading(value)).p_value.unwrap();
        assert!((actual - p).abs() < slack, "{actual}, not {p}");
    }
}

/// The limit of the first Wasserstein distance's mean is the integral over the values of the mean absolute Brownian
/// bridge: the root of 2 / pi times the integral of the root of F (1 - F), which is 1.6147 for a normal variable
/// (scipy).
#[test]
fn the_wasserstein_distance_has_the_mean_that_is_known_of_it() {
    let normal = normal(20_000);
    for (n, m) in [(1024, 20_000), (8192, 8192)] {
        let found = Nulls::default().of(&field(&normal, "a"), &[drift("wasserstein")], sizes(n, m));
        let squares = &found.low[0].as_ref().expect("it is simulated").values();
        let mean = squares.iter().map(|square| square.sqrt()).sum::<f64>() / squares.len() as f64;
        let expected = (2.0 / std::f64::consts::PI).sqrt() * 1.6147;
        assert!((mean / expected - 1.0).abs() < 0.06, "{mean}, not {expected}");
        let told = found.apply(0, drift("wasserstein"), 0.001, reading(0.0));
        // To be found, a shift has to be larger than chance shows once in a thousand windows; twice that is enough.
        let detectable = told.detectable.expect("a distance says what it could have shown");
        let unit = (1.0 / n as f64 + 1.0 / m as f64).sqrt();
        assert!((3.0..7.0).contains(&(detectable / unit)), "{detectable} at {n} and {m}");
    }
}

#[test]
fn the_same_is_simulated_again_whatever_was_asked_before() {
    let (small, large) = (normal(500), normal(3000));
    let wanted = [drift("psi"), drift("wasserstein")];
    let ask = |nulls: &mut Nulls, n| {
        let found = nulls.of(&field(&small, "a"), &wanted, sizes(n, 500));
        [0, 1].map(|at| found.apply(at, wanted[at], 0.001, reading(0.05)))
    };
    let mut asked = Nulls::new(300);
    let first = [100, 333, 5000].map(|n| ask(&mut asked, n));
    asked.of(&field(&large, "b"), &wanted, sizes(100, 3000));
    let mut fresh = Nulls::new(300);
    assert_eq!([5000, 333, 100].map(|n| ask(&mut fresh, n)), [first[2], first[1], first[0]]);
    assert_eq!([100, 333, 5000].map(|n| ask(&mut asked, n)), first);
    // Another reference, field or size is simulated with other numbers.
    let other = Nulls::new(300).of(&field(&small, "b"), &wanted, sizes(100, 500));
    assert_ne!(other.apply(0, wanted[0], 0.001, reading(0.05)), first[0][0]);
}

#[test]
fn what_is_kept_is_bounded() {
    let normal = normal(100);
    let mut nulls = Nulls::new(100);
    for round in 0..300u32 {
        let hash = round.to_string();
        nulls.of(&field(&normal, &hash), &[drift("psi")], sizes(64, 100));
        nulls.numbers += MOST_KEPT / 50;
        // As if it had been so large.
        let kept = nulls.kept.values().map(Kept::numbers).sum::<usize>();
        assert!(kept <= MOST_KEPT && nulls.kept.len() <= 60);
        nulls.numbers = nulls.kept.len() * (MOST_KEPT / 50);
    }
    let latest = nulls.kept.keys().all(|(hash, ..)| hash.parse::<u32>().is_ok_and(|round| round >= 240));
    assert!(latest);
}

#[test]
fn what_cannot_be_simulated_keeps_its_own_p_value() {
    let many: Vec<String> = (0..30_000).map(|i| format!("{i:05}")).collect();
    let axis = Axis::Categorical(Vocabulary::new(many.clone()));
    let array = arrow_array::StringArray::from_iter_values(&many);
    let tally = count(&axis, Values::Categorical(array), many.len());
    let field = Field { hash: "a", slice: "", subject: "x", axis: &axis, tally: &tally };
    let own = Reading { p_value: Some(0.3), ..reading(0.2) };
    let found = Nulls::default().of(&field, &[drift("psi")], sizes(1000, 30_000));
    assert_eq!(found.apply(0, drift("psi"), 0.001, own), own);
    let empty = Axis::Numeric(Grid::new([], false));
    let nothing = FieldTally::empty(&empty);
    let field = Field { hash: "a", slice: "", subject: "x", axis: &empty, tally: &nothing };
    let found = Nulls::default().of(&field, &[drift("psi")], sizes(0, 0));
    assert_eq!(found.apply(0, drift("psi"), 0.001, own), own);
}

#[test]
fn every_size_lies_on_a_step() {
    assert_eq!((0..12).map(rung).collect::<Vec<_>>(), [1, 1, 2, 2, 4, 5, 8, 11, 16, 22, 32, 45]);
    for n in (1..5000).chain([1 << 40, u64::MAX / 4]) {
        let step = step_at(n);
        assert!(rung(step) <= n && n < rung(step + 1), "{n}");
    }
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => (-5i32..5).prop_map(f64::from),
        8 => -6.0..6.0,
        1 => prop::num::f64::NORMAL,
        1 => prop::sample::select(vec![f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Nothing that a reference may hold breaks the simulation, and every p-value is a probability.
    #[test]
    fn any_field_can_be_asked(
        numbers in prop::collection::vec(value(), 0..80),
        texts in prop::collection::vec("[a-f]{1,2}", 0..80),
        resolution in 2usize..60,
        (n, m) in (0u64..200, 0u64..200),
        (fixes_axis, is_numeric) in any::<(bool, bool)>(),
    ) {
        let (axis, tally) = if is_numeric {
            let axis = Axis::Numeric(Grid::of(numbers.clone(), resolution));
            let tally = count(&axis, Values::Numeric(numbers.clone().into()), numbers.len());
            (axis, tally)
        } else {
            let known = texts.iter().filter(|text| text.as_str() < "d").cloned();
            let axis = Axis::Categorical(Vocabulary::new(known));
            let array = arrow_array::StringArray::from_iter_values(&texts);
            let tally = count(&axis, Values::Categorical(array), texts.len());
            (axis, tally)
        };
        let kind = |row: &&&'static Statistic| Nulls::concerns(row);
        let wanted: Vec<&'static Statistic> = crate::stat::ALL.iter().filter(kind).copied().collect();
        let field = Field { hash: "a", slice: "", subject: "x", axis: &axis, tally: &tally };
        let found = Nulls::new(40).of(&field, &wanted, Sizes { window: n, reference: m, fixes_axis });
        for (place, row) in wanted.iter().enumerate() {
            let case = Case {
                rows: n,
                window: Span(1000),
                current: Some(Side { axis: &axis, tally: &tally }),
                reference: Some(&tally),
                min_rows: 1,
                significance: 0.001,
                attributions: &[],
                outcomes: None,
            };
            let own = (row.compute)(&case).unwrap_or(reading(0.3));
            for reading in [own, reading(0.0), reading(0.3), reading(1e300)] {
                let told = found.apply(place, row, 0.01, reading);
                prop_assert!(told.p_value.is_none_or(|p| 0.0 < p && p <= 1.0), "{told:?}");
                prop_assert!(told.detectable.is_none_or(|x| x.is_finite() && x >= 0.0), "{told:?}");
                prop_assert_eq!(told.value, reading.value);
            }
        }
    }
}
