//! What holds of figures of groups by their definitions, for arbitrary decisions.

use proptest::prelude::*;

use super::{ALL, Of, People, Person, Statistic, Undefined, find};
use crate::measurement::Family;

const DIFFERENCES: [&str; 8] = [
    "demographic_parity_difference",
    "equal_opportunity_difference",
    "equalized_odds_difference",
    "average_odds_difference",
    "predictive_parity_difference",
    "predictive_equality_difference",
    "treatment_equality_difference",
    "accuracy_difference",
];
const RATIOS: [&str; 3] = ["demographic_parity_ratio", "equal_opportunity_ratio", "equalized_odds_ratio"];
const BETWEEN: [(&str, &str); 2] = [
    ("between_group_theil_index", "theil_index"),
    ("between_group_generalized_entropy_index", "generalized_entropy_index"),
];
const SIGNED: [&str; 10] = ["dppl", "dca", "dcr", "rd", "sd", "dar", "drr", "ad", "te", "cddpl"];

const STRATA: usize = 2;

fn statistic(name: &str) -> &'static Statistic {
    find(Family::Fairness, name).unwrap()
}

fn fairness(of: Of) -> impl Iterator<Item = &'static Statistic> {
    let is_of = move |row: &&Statistic| row.on.outcomes().is_some_and(|asked| asked.of == of);
    ALL.iter().copied().filter(|row| row.family == Family::Fairness).filter(is_of)
}

fn person(groups: usize) -> impl Strategy<Value = Person> {
    let known = || prop::option::weighted(0.9, any::<bool>());
    let score = prop::option::weighted(0.9, (0..=20u8).prop_map(|step| f64::from(step) / 20.0));
    let group = prop::option::weighted(0.95, 0..groups);
    (group, known(), known(), score, 0..STRATA).prop_map(|(group, chosen, label, score, stratum)| Person {
        group,
        chosen,
        label,
        score,
        stratum,
    })
}

fn people() -> impl Strategy<Value = (usize, Vec<Person>)> {
    (2..6usize).prop_flat_map(|groups| (Just(groups), prop::collection::vec(person(groups), 0..80)))
}

/// Decisions about one group, of each kind of rows one at least.
fn mixed() -> impl Strategy<Value = Vec<Person>> {
    let kinds = [(true, true), (true, false), (false, true), (false, false)];
    let person = |(chosen, label): (bool, bool), stratum| Person {
        group: None,
        chosen: Some(chosen),
        label: Some(label),
        score: Some(0.5),
        stratum,
    };
    let each = prop::collection::vec(1..8usize, kinds.len() * STRATA);
    each.prop_map(move |counts| {
        let of = |(place, &count): (usize, &usize)| vec![person(kinds[place / STRATA], place % STRATA); count];
        counts.iter().enumerate().flat_map(of).collect()
    })
}

fn in_group(people: &[Person], group: usize, times: usize) -> Vec<Person> {
    let people = people.iter().map(|person| Person { group: Some(group), ..*person });
    let people: Vec<Person> = people.collect();
    people.repeat(times)
}

fn near(a: f64, b: f64) -> bool {
    a == b || (a - b).abs() <= 1e-12 * (1.0 + a.abs())
}

proptest! {
    #[test]
    fn the_order_of_groups_changes_nothing(
        (groups, people) in people(),
        order in Just((0..6usize).collect::<Vec<_>>()).prop_shuffle(),
        min_group in prop::sample::select(vec![0u64, 1, 8]),
    ) {
        let places: Vec<usize> = order.into_iter().filter(|&place| place < groups).collect();
        let shuffled: Vec<Person> = people
            .iter()
            .map(|person| Person { group: person.group.map(|group| places[group]), ..*person })
            .collect();
        let count = |people: &[Person]| People::count(people, groups, STRATA, 100);
        let (once, again) = (count(&people), count(&shuffled));
        let over_all = fairness(Of::Attribute).map(|row| (row, None, None));
        let of_each = fairness(Of::Group)
            .flat_map(|row| (0..groups).map(move |group| (row, Some(group), Some(group))));
        for (row, here, there) in over_all.chain(of_each) {
            let there = there.map(|group: usize| places[group]);
            let (one, other) = (once.ask(row, here, min_group, 1), again.ask(row, there, min_group, 1));
            match (one, other) {
                (Ok(one), Ok(other)) => {
                    let ends = |a: Option<f64>, b: Option<f64>| match (a, b) {
                        (Some(a), Some(b)) => near(a, b),
                        (a, b) => a == b,
                    };
                    let same = near(one.value, other.value) && ends(one.low, other.low) && ends(one.high, other.high);
                    prop_assert!(same, "{}: {:?} and {:?}", row.name, one, other);
                }
                (one, other) => prop_assert_eq!(one, other, "{}", row.name),
            }
        }
    }

    #[test]
    fn values_are_in_their_range_and_their_interval(
        (groups, people) in people(),
        resolution in 2..30usize,
        min_group in prop::sample::select(vec![0u64, 1, 8]),
    ) {
        let people = People::count(&people, groups, STRATA, resolution);
        let all = fairness(Of::Attribute).map(|row| (row, None));
        let each = fairness(Of::Group).flat_map(|row| (0..groups).map(move |group| (row, Some(group))));
        for (row, group) in all.chain(each) {
            let Ok(reading) = people.ask(row, group, min_group, 1) else { continue };
            prop_assert!(row.range.0 <= reading.value && reading.value <= row.range.1, "{}: {:?}", row.name, reading);
            prop_assert!(reading.low.is_none_or(|low| low <= reading.value), "{}: {:?}", row.name, reading);
            prop_assert!(reading.high.is_none_or(|high| high >= reading.value), "{}: {:?}", row.name, reading);
            if !row.name.starts_with("between_group") {
                prop_assert!(reading.low.is_some() && reading.high.is_some(), "{}: {:?}", row.name, reading);
            }
        }
    }

    #[test]
    fn groups_that_are_treated_alike_are_not_apart(rows in mixed(), groups in 2..5usize, times in 1..4usize) {
        // Groups of different sizes, but with the same shares of everything.
        let people: Vec<Person> =
            (0..groups).flat_map(|group| in_group(&rows, group, 1 + group * times)).collect();
        let people = People::count(&people, groups, STRATA, 100);
        let value = |name: &str, group| people.ask(statistic(name), group, 1, 1).map(|reading| reading.value).unwrap();
        for name in DIFFERENCES {
            prop_assert!(value(name, None).abs() <= 1e-12, "{}: {}", name, value(name, None));
        }
        for name in RATIOS {
            prop_assert!((value(name, None) - 1.0).abs() <= 1e-12, "{}: {}", name, value(name, None));
        }
        for (between, _) in BETWEEN {
            prop_assert!(value(between, None).abs() <= 1e-12, "{}: {}", between, value(between, None));
        }
        for group in 0..groups {
            for name in SIGNED {
                prop_assert!(value(name, Some(group)).abs() <= 1e-12, "{}: {}", name, value(name, Some(group)));
            }
            prop_assert!((value("di", Some(group)) - 1.0).abs() <= 1e-12);
        }
    }

    #[test]
    fn what_is_between_groups_is_a_part_of_all((groups, people) in people()) {
        let people = People::count(&people, groups, STRATA, 100);
        for (between, all) in BETWEEN {
            let [between, all] = [between, all].map(|name| people.ask(statistic(name), None, 1, 1));
            prop_assert_eq!(between.is_ok(), all.is_ok());
            if let (Ok(between), Ok(all)) = (between, all) {
                prop_assert!(between.value <= all.value + 1e-12, "{} of {}", between.value, all.value);
            }
        }
    }

    #[test]
    fn an_interval_of_two_groups_holds_no_difference_where_that_of_their_ratio_holds_one(
        (groups, people) in people().prop_filter("two", |(groups, _)| *groups == 2),
    ) {
        let people = People::count(&people, groups, STRATA, 100);
        let [difference, ratio] = ["demographic_parity_difference", "demographic_parity_ratio"]
            .map(|name| people.ask(statistic(name), None, 1, 1));
        if let (Ok(difference), Ok(ratio)) = (difference, ratio) {
            let is_none = difference.low.unwrap() <= 1e-12;
            prop_assert!(is_none == (ratio.high.unwrap() >= 1.0 - 1e-9), "{:?} and {:?}", difference, ratio);
        }
    }
}

/// Of each kind of rows, so many times.
fn people_of(counts: [(usize, usize); 4], group: usize) -> Vec<Person> {
    let kinds = [(true, Some(true)), (true, Some(false)), (false, Some(true)), (false, Some(false))];
    let mut people = Vec::new();
    for ((labelled, unlabelled), (chosen, label)) in counts.into_iter().zip(kinds) {
        let person = Person { group: Some(group), chosen: Some(chosen), label, score: Some(0.5), stratum: 0 };
        people.extend(vec![person; labelled]);
        people.extend(vec![Person { label: None, ..person }; unlabelled]);
    }
    people
}

#[test]
fn small_groups_are_withheld_and_compared_with_nothing() {
    let large = [(10, 0), (5, 0), (5, 0), (10, 0)];
    let small = [(2, 0), (2, 0), (2, 0), (2, 0)];
    let people = [people_of(large, 0), people_of(large, 1), people_of(small, 2)].concat();
    let people = People::count(&people, 3, 1, 100);
    let withheld = Undefined::Withheld { least: 30 };
    for row in fairness(Of::Group) {
        assert_eq!(people.ask(row, Some(2), 30, 1), Err(withheld), "{}", row.name);
        // The rest of the first is the second alone.
        let answer = people.ask(row, Some(0), 30, 1);
        if SIGNED.contains(&row.name) {
            assert_eq!(answer.map(|reading| reading.value), Ok(0.0), "{}", row.name);
        }
    }
    let difference = statistic("demographic_parity_difference");
    assert_eq!(people.ask(difference, None, 30, 1).map(|reading| reading.value), Ok(0.0));
    for row in fairness(Of::Attribute) {
        assert_eq!(people.ask(row, None, 31, 1), Err(Undefined::TooFewGroups), "{}", row.name);
    }

    let alone = People::count(&[people_of(large, 0), people_of(small, 1)].concat(), 2, 1, 100);
    assert_eq!(alone.ask(statistic("selection_rate"), Some(0), 30, 1).map(|reading| reading.value), Ok(0.5));
    for name in SIGNED.into_iter().chain(["di"]) {
        // What the small group is would follow from the comparison.
        assert_eq!(alone.ask(statistic(name), Some(0), 30, 1), Err(Undefined::TooFewGroups), "{name}");
    }
}

#[test]
fn a_few_labels_of_a_large_group_are_withheld_as_well() {
    let people = People::count(&people_of([(2, 20), (1, 0), (1, 0), (3, 20)], 0), 1, 1, 100);
    let labelled = statistic("true_positive_rate");
    assert_eq!(people.ask(labelled, Some(0), 30, 1), Err(Undefined::Withheld { least: 30 }));
    assert_eq!(people.ask(labelled, Some(0), 5, 10), Err(Undefined::TooFewLabels { n: 7, least: 10 }));
    assert!(people.ask(labelled, Some(0), 5, 5).is_ok());
    assert!(people.ask(statistic("selection_rate"), Some(0), 30, 1).is_ok());
    let none = People::count(&people_of([(0, 20), (0, 0), (0, 0), (0, 20)], 0), 1, 1, 100);
    assert_eq!(none.ask(labelled, Some(0), 30, 1), Err(Undefined::NoLabels { rows: 40 }));
}

#[test]
fn what_cannot_be_known_says_why() {
    let ask =
        |name: &str, people: &People, group| people.ask(statistic(name), group, 1, 1).map(|reading| reading.value);
    // Nobody of the first group is positive or was chosen.
    let people = [people_of([(0, 0), (0, 0), (0, 0), (6, 0)], 0), people_of([(5, 0), (2, 0), (1, 0), (4, 0)], 1)];
    let people = People::count(&people.concat(), 2, 0, 100);
    let positive = Undefined::Nothing { what: "is positive" };
    assert_eq!(ask("true_positive_rate", &people, Some(0)), Err(positive));
    let few = |what| Err(Undefined::NothingInGroups { what });
    assert_eq!(ask("equal_opportunity_difference", &people, None), few("is positive"));
    assert_eq!(ask("rd", &people, Some(1)), few("is positive"));
    assert_eq!(ask("dar", &people, Some(0)), few("with a label was chosen"));
    assert_eq!(ask("te", &people, Some(0)), few("is a false positive"));
    assert_eq!(ask("cddpl", &people, Some(0)), Err(Undefined::NoCondition));
    assert_eq!(ask("di", &people, Some(0)), Ok(0.0));
    assert_eq!(ask("di", &people, Some(1)), Err(Undefined::Nothing { what: "of another group was chosen" }));
    assert_eq!(ask("demographic_parity_ratio", &people, None), Ok(0.0));

    let rejected = [people_of([(0, 0), (0, 0), (2, 0), (6, 0)], 0), people_of([(0, 0), (0, 0), (1, 0), (4, 0)], 1)];
    let rejected = People::count(&rejected.concat(), 2, 1, 100);
    assert_eq!(ask("demographic_parity_ratio", &rejected, None), Err(Undefined::ZeroInEveryGroup));
    let mixed = Undefined::Nothing { what: "was chosen where another was rejected" };
    assert_eq!(ask("cddpl", &rejected, Some(0)), Err(mixed));
    let missed = [people_of([(0, 0), (0, 0), (2, 0), (0, 0)], 0), people_of([(0, 0), (0, 0), (1, 0), (0, 0)], 1)];
    let missed = People::count(&missed.concat(), 2, 1, 100);
    let benefit = Undefined::Nothing { what: "is anything but a false negative" };
    assert_eq!(ask("theil_index", &missed, None), Err(benefit));
}

#[test]
fn a_score_in_a_gap_is_within_the_bound_and_what_is_no_probability_is_refused() {
    let people = |scores: &[f64]| -> Vec<Person> {
        let person =
            |&score| Person { group: Some(0), chosen: Some(true), label: Some(true), score: Some(score), stratum: 0 };
        scores.iter().map(person).collect()
    };
    let gap = |scores: &[f64], resolution| {
        People::count(&people(scores), 1, 0, resolution).ask(statistic("calibration_gap"), Some(0), 1, 1)
    };
    let scores = [0.1, 0.2, 0.4, 0.7, 0.9];
    let exact = gap(&scores, 100).unwrap();
    assert!((exact.value + 0.54).abs() < 1e-12 && exact.error_bound == Some(0.0), "{exact:?}");
    let coarse = gap(&scores, 2).unwrap();
    assert!((coarse.value - exact.value).abs() <= coarse.error_bound.unwrap(), "{coarse:?}");
    assert_eq!(gap(&[0.5, 1.5], 100), Err(Undefined::NotProbabilities));
    assert_eq!(gap(&[0.5, f64::INFINITY], 100).unwrap().error_bound, Some(0.125));
    assert_eq!(gap(&[f64::NAN], 100), Err(Undefined::NoScores));
}
