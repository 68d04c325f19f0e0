//! What other programs say of decisions about people in groups: `tests/golden/fairness.py` says which, and how.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{ALL, Answer, Bounded, Of, People, Person, Statistic, errors_of, find, pairs_of};
use crate::measurement::Family;

#[derive(Deserialize)]
struct Golden {
    intervals: Vec<Pair>,
    cases: Vec<Expected>,
}

/// Two shares, each its hits and rows; a level, and their difference and ratio with intervals of that level.
type Pair = (u64, u64, u64, u64, f64, Ends, Option<Ends>);

/// A value and the ends of its interval, as far as there are any.
type Ends = (f64, Option<f64>, Option<f64>);

/// What is expected by the names of statistics; nothing, and null, stand for what cannot be known.
type Figures = BTreeMap<String, Option<Ends>>;

#[derive(Deserialize)]
struct Expected {
    name: String,
    columns: Vec<String>,
    min_group: u64,
    attributes: Vec<Attribute>,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Attribute {
    by: Vec<String>,
    groups: BTreeMap<String, Figures>,
    over_groups: Figures,
}

/// The attributes, whether it was chosen, whether it is positive, its score, and what disparity is conditioned on.
type Row = (Vec<Option<String>>, Option<u8>, Option<u8>, Option<f64>, String);

/// More than any case has rows, so that grids are exact.
const RESOLUTION: usize = 10_000;

fn golden() -> Golden {
    serde_json::from_str(include_str!("../../tests/golden/fairness.json")).unwrap()
}

#[track_caller]
fn near(what: &str, actual: f64, expected: f64) {
    let distance = (actual - expected).abs();
    assert!(distance <= 1e-9 * expected.abs().max(1.0), "{what} is {actual}, expected {expected}");
}

#[track_caller]
fn compare(what: &str, answer: Answer, expected: Option<Ends>) {
    let reading = match (answer, expected) {
        (Err(_), None) => return,
        (Ok(reading), Some(_)) => reading,
        (answer, expected) => panic!("{what} is {answer:?}, expected {expected:?}"),
    };
    let (value, low, high) = expected.unwrap();
    near(what, reading.value, value);
    for (end, expected) in [(reading.low, low), (reading.high, high)] {
        assert_eq!(end.is_some(), expected.is_some(), "{what} is {reading:?}, expected {low:?} to {high:?}");
        if let Some((end, expected)) = end.zip(expected) {
            near(&format!("an end of {what}"), end, expected);
        }
    }
}

fn of(asked: Of) -> impl Iterator<Item = &'static Statistic> {
    let is_asked = move |row: &&&Statistic| row.on.outcomes().is_some_and(|on| on.of == asked);
    ALL.iter().filter(|row| row.family == Family::Fairness).filter(is_asked).copied()
}

#[test]
fn groups_and_attributes_are_measured_as_other_programs_measure_them() {
    let mut compared = BTreeMap::<&str, usize>::new();
    for expected in golden().cases {
        let strata: Vec<&String> = expected.rows.iter().map(|row| &row.4).collect();
        for attribute in &expected.attributes {
            let names: Vec<&String> = attribute.groups.keys().collect();
            let places: Vec<usize> =
                attribute.by.iter().map(|by| expected.columns.iter().position(|name| name == by).unwrap()).collect();
            let person = |(values, chosen, label, score, stratum): &Row| {
                let values: Option<Vec<&str>> = places.iter().map(|&place| values[place].as_deref()).collect();
                let group = values.map(|values| values.join("&"));
                Person {
                    group: group.map(|group| names.iter().position(|name| **name == group).unwrap()),
                    chosen: chosen.map(|it| it == 1),
                    label: label.map(|it| it == 1),
                    score: *score,
                    stratum: strata.iter().position(|other| *other == stratum).unwrap(),
                }
            };
            let people: Vec<Person> = expected.rows.iter().map(person).collect();
            let people = People::count(&people, names.len(), strata.len(), RESOLUTION);
            let mut hold = |row: &'static Statistic, figures: &Figures, group: Option<usize>, of: &str| {
                let figure = figures.get(row.name).copied().flatten();
                let what = format!("{} of {of} in {:?}", row.name, expected.name);
                compare(&what, people.ask(row, group, expected.min_group, 1), figure);
                *compared.entry(row.name).or_default() += usize::from(figure.is_some());
            };
            for (place, (name, figures)) in attribute.groups.iter().enumerate() {
                of(Of::Group).for_each(|row| hold(row, figures, Some(place), name));
                assert!(figures.keys().all(|name| find(Family::Fairness, name).is_some()), "{name}: {figures:?}");
            }
            of(Of::Attribute).for_each(|row| hold(row, &attribute.over_groups, None, &attribute.by.join(".")));
        }
    }
    // Each was a number in several of the cases.
    assert_eq!(compared.len(), 35);
    assert!(compared.values().all(|&times| times >= 9), "{compared:?}");
}

#[test]
fn intervals_of_two_shares() {
    for (hits, n, other_hits, m, level, difference, ratio) in golden().intervals {
        let pairs = (0.05 / level).round() as usize;
        let shares = [(hits, n), (other_hits, m)].map(|share| Bounded::share(share, errors_of(pairs)));
        let what = format!("{hits}/{n} and {other_hits}/{m} at {level}");
        let any = (f64::NEG_INFINITY, f64::INFINITY);
        compare(&format!("the difference of {what}"), Ok(shares[0].minus(shares[1]).reading(any)), Some(difference));
        let actual = shares[0].over(shares[1], 0.0);
        compare(&format!("the ratio of {what}"), Ok(actual.unwrap().reading(any)), ratio);
    }
    assert_eq!((pairs_of(2), pairs_of(4), pairs_of(1000)), (1, 6, 499_500));
}
