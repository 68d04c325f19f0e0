//! What every statistic of outcomes promises, for arbitrary predictions and labels.

use proptest::prelude::*;

use super::{
    ALL, Answer, Asked, Case, Choices, Group, Judged, Of, Outcomes, Statistic, Undefined, counted_outcomes,
    numbers_and_labels, outcome_case,
};
use crate::calibration::Calibration;
use crate::grid::Grid;
use crate::outcome::OutcomeAxis;
use crate::tally::outcome::OutcomeTally;

fn hold(row: &Statistic, case: &Case, applies: bool, answer: Answer) -> Result<(), TestCaseError> {
    let name = row.name;
    let reading = match answer {
        Err(why) => {
            prop_assert!(!applies || why != Undefined::NotApplicable, "{} does not apply where it says it does", name);
            return Ok(());
        }
        Ok(reading) => reading,
    };
    prop_assert!(applies, "{} has a value where it says it does not apply", name);
    let (least, most) = row.range;
    prop_assert!(reading.value.is_finite(), "{} is {}", name, reading.value);
    prop_assert!(least <= reading.value && reading.value <= most, "{} is {}, out of range", name, reading.value);
    prop_assert!(reading.p_value.is_none_or(|p| (0.0..=1.0).contains(&p)), "{}: p-value {:?}", name, reading.p_value);
    prop_assert!(reading.error_bound.is_none_or(|e| e >= 0.0 && e.is_finite()), "{}: {:?}", name, reading.error_bound);
    prop_assert!(reading.low.is_none_or(|low| least <= low && low <= reading.value), "{}: {:?}", name, reading);
    prop_assert!(reading.high.is_none_or(|high| reading.value <= high && high <= most), "{}: {:?}", name, reading);
    prop_assert!(case.outcomes.is_some());
    Ok(())
}

/// Whether a statistic says that it can be asked of this.
fn applies(asked: Asked, axis: &OutcomeAxis, group: Option<usize>, groups: usize) -> bool {
    let of = match asked.of {
        Of::Rows | Of::Class => true,
        Of::Attribute => groups > 0,
        Of::Group => group.is_some(),
    };
    asked.task.includes(axis) && of
}

fn ask(axis: &OutcomeAxis, parts: &[OutcomeTally], choices: &Choices, min_rows: u64) -> Result<(), TestCaseError> {
    let mut whole = OutcomeTally::empty(axis);
    parts.iter().for_each(|part| whole.merge(part));
    let calibration = Calibration { classes: axis.grids.iter().map(even).collect() };
    let groups: Vec<Group> = parts.iter().map(|tally| Group { tally, strata: parts }).collect();
    for (group, expected_coverage) in (0..parts.len()).map(Some).chain([None]).zip([None, Some(0.9), Some(1.0), None]) {
        for class in 0..axis.classes.len().max(1) {
            let outcomes = Outcomes {
                axis,
                tally: group.map_or(&whole, |group| &parts[group]),
                reference: Some(&whole),
                calibration: Some(&calibration),
                class,
                groups: &groups,
                group,
                expected_coverage,
                choices,
            };
            let case = Case { min_rows, ..outcome_case(&outcomes) };
            for row in ALL {
                let Some(asked) = row.on.outcomes() else { continue };
                let applies = applies(asked, axis, group, groups.len());
                hold(row, &case, applies, (row.compute)(&case))?;
            }
        }
    }
    Ok(())
}

/// Numbers whose differences, squares or ratios are beyond all doubles, or below them.
fn extreme() -> impl Strategy<Value = f64> {
    const EXTREMES: [f64; 10] =
        [f64::MAX, f64::MIN, 1e300, -1e200, 1e154, 1e77, -1e-77, f64::MIN_POSITIVE, 5e-324, 0.0];
    prop::sample::select(&EXTREMES[..])
}

/// Each cell's place among all, as a probability.
fn even(grid: &Grid) -> Vec<f64> {
    (0..grid.cells()).map(|cell| cell as f64 / grid.cells() as f64).collect()
}

type Raw = (Option<usize>, Vec<f64>, Option<usize>);

fn rows(classes: usize) -> impl Strategy<Value = Vec<Raw>> {
    let score = prop_oneof![
        8 => (0..=20i32).prop_map(|step| f64::from(step) / 20.0),
        1 => prop::sample::select(vec![f64::NAN, f64::INFINITY, -3.0, 7.5, 0.0, 1.0]),
    ];
    let class = || prop::option::weighted(0.8, 0..=classes);
    prop::collection::vec((class(), prop::collection::vec(score, classes), class()), 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn a_value_is_finite_and_in_range_or_there_is_a_reason(
        (classes, rows) in (1..4usize).prop_flat_map(|classes| (Just(classes), rows(classes))),
        resolution in 2..40usize,
        cuts in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
        min_rows in prop::sample::select(vec![0u64, 1, 5]),
        min_group in prop::sample::select(vec![0u64, 1, 5]),
        is_scored in any::<bool>(),
    ) {
        const NAMES: [&str; 4] = ["a", "b", "c", "other"];
        let names = &NAMES[..classes];
        let name = |class: usize| NAMES[if class == classes { 3 } else { class }];
        let judged: Vec<Judged> = rows
            .iter()
            .map(|(chosen, scores, label)| {
                let scores = if is_scored { scores.clone() } else { Vec::new() };
                (chosen.map(name), scores, label.map(name))
            })
            .collect();
        let (axis, whole) = counted_outcomes(names, resolution, &judged);
        let mut cuts = [cuts.0, cuts.1].map(|cut| cut.index(rows.len() + 1));
        cuts.sort_unstable();
        let parts = [&judged[..cuts[0]], &judged[cuts[0]..cuts[1]], &judged[cuts[1]..]];
        let parts = parts.map(|part| {
            let mut tally = OutcomeTally::empty(&axis);
            for (chosen, scores, label) in part {
                let prediction = axis.prediction(*chosen, scores.iter().copied().map(Some), None);
                tally.add(&prediction, label.map(|label| crate::outcome::Truth::Class(axis.class(label))));
            }
            tally
        });
        // Parts merged are the whole, and taking out what was added leaves the rest.
        let mut merged = parts[0].clone();
        merged.merge(&parts[1]);
        let kept = merged.clone();
        merged.merge(&parts[2]);
        prop_assert_eq!(&merged, &whole);
        for (chosen, scores, label) in &judged[cuts[1]..] {
            let prediction = axis.prediction(*chosen, scores.iter().copied().map(Some), None);
            merged.remove(&prediction, label.map(|label| crate::outcome::Truth::Class(axis.class(label))));
        }
        prop_assert_eq!(&merged, &kept);
        ask(&axis, &parts, &Choices { min_group, ..Choices::default() }, min_rows)?;
    }

    #[test]
    fn the_same_of_numbers(
        rows in prop::collection::vec(
            prop_oneof![
                8 => (-5.0..5.0, -5.0..5.0),
                2 => (-3..3i32, -3..3i32).prop_map(|(a, b)| (f64::from(a), f64::from(b))),
                1 => (prop::num::f64::NORMAL, prop::num::f64::NORMAL),
                1 => (extreme(), extreme()),
            ],
            0..30,
        ),
        min_rows in prop::sample::select(vec![0u64, 1, 5]),
    ) {
        let (axis, tally) = numbers_and_labels(&rows);
        let half = rows.len() / 2;
        let mut parts = numbers_and_labels(&rows[..half]).1;
        let rest = numbers_and_labels(&rows[half..]).1;
        parts.merge(&rest);
        prop_assert_eq!(&parts, &tally);
        for &(predicted, label) in &rows[half..] {
            parts.remove(&axis.prediction(None, [], Some(predicted)), Some(crate::outcome::Truth::Value(label)));
        }
        prop_assert_eq!(&parts, &numbers_and_labels(&rows[..half]).1);
        ask(&axis, &[tally.clone(), rest.clone(), rest], &Choices::default(), min_rows)?;
    }
}
