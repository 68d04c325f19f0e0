//! The laws of tallies, for arbitrary rows of every kind of field.

use std::sync::Arc;

use arrow_array::{Float64Array, StringArray};
use proptest::prelude::*;
use proptest::sample::Index;

use super::{Chosen, FieldTally, Tally};
use crate::exact::ExactSum;
use crate::grid::{Axis, Grid, Vocabulary};
use crate::rows::{Absent, Column, Values};

/// What one row has: a value, or the reason why there is none.
type Row<T> = Result<T, Absent>;

fn row<T: Clone + std::fmt::Debug>(value: impl Strategy<Value = T>) -> impl Strategy<Value = Row<T>> {
    let absent = prop::sample::select(vec![Absent::Null, Absent::Missing, Absent::Mistyped]);
    prop_oneof![8 => value.prop_map(Ok), 1 => absent.prop_map(Err)]
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        (-5i32..5).prop_map(f64::from),
        -6.0..6.0,
        prop::num::f64::ANY,
        prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, f64::MAX, f64::MIN_POSITIVE]),
    ]
}

fn marks<T>(rows: &[Row<T>]) -> Arc<[u8]> {
    // A column in which nothing is absent has no marks.
    if rows.iter().all(Result::is_ok) {
        return Arc::default();
    }
    rows.iter().map(|row| row.as_ref().err().map_or(0, |&absent| absent as u8)).collect()
}

fn floats(rows: &[Row<f64>]) -> Float64Array {
    rows.iter().map(|row| row.as_ref().ok().copied()).collect()
}

fn numeric() -> impl Strategy<Value = (Axis, Column)> {
    (prop::collection::vec(number(), 0..12), prop::collection::vec(row(number()), 0..60)).prop_map(|(grid, rows)| {
        let column = Column { values: Values::Numeric(floats(&rows)), marks: marks(&rows) };
        (Axis::Numeric(Grid::new(grid, true)), column)
    })
}

fn categorical() -> impl Strategy<Value = (Axis, Column)> {
    let text = || prop_oneof!["[a-e]", "[a-zé]{0,3}", Just("long ".repeat(40))];
    // Few enough distinct texts for the names of the unseen ones to be exact.
    (prop::collection::vec(text(), 0..6), prop::collection::vec(row(text()), 0..40)).prop_map(|(known, rows)| {
        let array: StringArray = rows.iter().map(|row| row.as_ref().ok()).collect();
        let column = Column { values: Values::Categorical(array), marks: marks(&rows) };
        (Axis::Categorical(Vocabulary::new(known)), column)
    })
}

fn flag() -> impl Strategy<Value = (Axis, Column)> {
    let value = prop::sample::select(vec![0.0, 1.0]);
    prop::collection::vec(row(value), 0..60)
        .prop_map(|rows| (Axis::Flag, Column { values: Values::Flag(floats(&rows)), marks: marks(&rows) }))
}

fn field() -> impl Strategy<Value = (Axis, Column)> {
    prop_oneof![numeric(), categorical(), flag()]
}

fn of(axis: &Axis, column: &Column, chosen: Chosen) -> FieldTally {
    let mut tally = FieldTally::empty(axis);
    tally.observe(axis, column, chosen);
    tally
}

fn merged(mut left: FieldTally, right: &FieldTally) -> FieldTally {
    left.merge(right);
    left
}

proptest! {
    #[test]
    fn laws((axis, column) in field(), picks in prop::collection::vec(any::<Index>(), 60)) {
        // Each row goes to one of three parts.
        let mut parts: [Vec<u32>; 3] = Default::default();
        (0..column.len()).for_each(|row| parts[picks[row].index(3)].push(row as u32));
        let [a, b, c] = parts.each_ref().map(|part| of(&axis, &column, Chosen::Some(part)));
        let empty = FieldTally::empty(&axis);
        let whole = of(&axis, &column, Chosen::All(column.len()));

        let left = merged(merged(a.clone(), &b), &c);
        prop_assert_eq!(&left, &merged(a.clone(), &merged(b.clone(), &c)), "associative");
        prop_assert_eq!(merged(a.clone(), &b), merged(b.clone(), &a), "commutative");
        prop_assert_eq!(merged(a.clone(), &empty), a.clone(), "neutral on the right");
        prop_assert_eq!(merged(empty, &a), a, "neutral on the left");
        prop_assert_eq!(&left, &whole, "in parts and merged, or at once");

        let mut on = of(&axis, &column, Chosen::Some(&parts[0]));
        on.observe(&axis, &column, Chosen::Some(&parts[1]));
        on.observe(&axis, &column, Chosen::Some(&parts[2]));
        prop_assert_eq!(&on, &whole, "in parts, or at once");
    }

    #[test]
    fn what_is_stored_is_what_is_read((axis, column) in field()) {
        let tally = of(&axis, &column, Chosen::All(column.len()));
        let bytes = postcard::to_stdvec(&tally).unwrap();
        prop_assert_eq!(postcard::from_bytes::<FieldTally>(&bytes).unwrap(), tally);
    }

    #[test]
    fn every_row_is_counted_once((axis, column) in field()) {
        let tally = of(&axis, &column, Chosen::All(column.len()));
        let presence = tally.presence();
        prop_assert_eq!(presence.rows, column.len() as u64);
        let marked = |absent| (0..column.len()).filter(|&row| column.absent(row) == Some(absent)).count() as u64;
        prop_assert_eq!(presence.null, marked(Absent::Null));
        prop_assert_eq!(presence.missing, marked(Absent::Missing));
        prop_assert_eq!(presence.mistyped, marked(Absent::Mistyped));
        match tally {
            FieldTally::Numeric(tally) => {
                prop_assert_eq!(tally.counts.iter().sum::<u64>(), tally.n());
                prop_assert!(tally.infinite <= tally.n());
                let Values::Numeric(array) = &column.values else { panic!("the axis is numeric") };
                let present = (0..column.len()).filter(|&row| column.absent(row).is_none());
                let mut negative = ExactSum::default();
                let values = present.map(|row| array.value(row));
                values.filter(|x| *x < 0.0 && x.is_finite()).for_each(|x| negative.add(x));
                prop_assert_eq!(&tally.negative, &negative);
            }
            FieldTally::Categorical(tally) => {
                prop_assert_eq!(tally.counts.iter().sum::<u64>(), tally.n());
                prop_assert_eq!(tally.commonest.top(usize::MAX).iter().map(|row| row.1).sum::<u64>(), tally.unseen());
            }
            FieldTally::Flag(tally) => prop_assert!(tally.yes <= tally.presence.present()),
        }
    }
}

#[test]
fn more_unseen_values_than_the_sketch_holds_are_still_counted() {
    let axis = Axis::Categorical(Vocabulary::new([]));
    let column = |values: std::ops::Range<u32>| {
        let array =
            StringArray::from_iter_values(values.map(|i| if i % 2 == 0 { "usual".into() } else { i.to_string() }));
        Column { values: Values::Categorical(array), marks: Arc::default() }
    };
    let (first, second) = (column(0..1000), column(1000..3000));
    let tally = merged(of(&axis, &first, Chosen::All(1000)), &of(&axis, &second, Chosen::All(2000)));
    let FieldTally::Categorical(tally) = tally else { panic!("the axis is categorical") };
    assert_eq!(tally.unseen(), 3000);
    let top = tally.commonest.top(1);
    assert_eq!(top[0].0, "usual");
    assert!(top[0].1 + tally.commonest.error() >= 1500 && top[0].1 <= 1500);
}

#[test]
fn what_is_stored_of_a_large_vocabulary_grows_with_what_was_seen() {
    let axis = Axis::Categorical(Vocabulary::new((0..100_000).map(|i| format!("{i:06}"))));
    let values = |count: usize| StringArray::from_iter_values((0..count).map(|i| format!("{:06}", i * 997)));
    let size = |count: usize| {
        let column = Column { values: Values::Categorical(values(count)), marks: Arc::default() };
        postcard::to_stdvec(&of(&axis, &column, Chosen::All(count))).unwrap().len()
    };
    assert!(size(0) < 16 && size(100) <= size(0) + 3 * 100, "{} and {} bytes", size(0), size(100));
}

#[test]
fn magnitudes_do_not_cancel_out() {
    let axis = Axis::Numeric(Grid::new([0.0], true));
    let rows: Vec<Row<f64>> = [-1e300, 1e300, -0.5, 0.25, f64::NAN, f64::INFINITY].into_iter().map(Ok).collect();
    let column = Column { values: Values::Numeric(floats(&rows)), marks: Arc::default() };
    let magnitude = |chosen| match of(&axis, &column, chosen) {
        FieldTally::Numeric(tally) => tally.mean_magnitude(),
        _ => panic!("the axis is numeric"),
    };
    assert_eq!(magnitude(Chosen::Some(&[0, 1])), Some(1e300));
    assert_eq!(magnitude(Chosen::Some(&[2, 3, 4, 5])), Some(0.375));
    assert_eq!(magnitude(Chosen::Some(&[4])), None);
}

#[test]
fn numbers_far_from_zero_keep_their_deviation() {
    let times: Vec<f64> = (0..1001).map(|i| 1.7e12 + f64::from(i % 2) * 1e-3).collect();
    let axis = Axis::Numeric(Grid::of(times.clone(), 10));
    let rows: Vec<Row<f64>> = times.into_iter().map(Ok).collect();
    let column = Column { values: Values::Numeric(floats(&rows)), marks: Arc::default() };
    let FieldTally::Numeric(tally) = of(&axis, &column, Chosen::All(1001)) else { panic!("the axis is numeric") };
    // Two values that are as likely are half their distance from the middle.
    let spacing = 1.7e12 + 1e-3 - 1.7e12;
    let deviation = tally.standard_deviation().unwrap();
    assert!((deviation / (spacing / 2.0) - 1.0).abs() < 1e-3, "{deviation}");
}

#[test]
fn a_quantile_is_not_cut_to_the_finite_extremes_where_infinities_are() {
    let grid = Grid::new([1.0, 2.0], true);
    let axis = Axis::Numeric(grid.clone());
    let rows: Vec<Row<f64>> = [f64::NEG_INFINITY, 1.5, f64::INFINITY].into_iter().map(Ok).collect();
    let column = Column { values: Values::Numeric(floats(&rows)), marks: Arc::default() };
    let FieldTally::Numeric(tally) = of(&axis, &column, Chosen::All(3)) else { panic!("the axis is numeric") };
    assert_eq!(tally.quantile(&grid, 0.1), Some((f64::NEG_INFINITY, 1.0)));
    assert_eq!(tally.quantile(&grid, 0.5), Some((1.5, 1.5)));
    assert_eq!(tally.quantile(&grid, 1.0), Some((2.0, f64::INFINITY)));
}
