//! What estimates without labels promise: bands at their stated rate, gaps that are real, and bounds that hold.

use fastrand::Rng;
use proptest::prelude::*;

use crate::measurement::Family;
use crate::outcome::OutcomeAxis;
use crate::stat::{
    Answer, Case, Choices, Judged, Outcomes, Reading, Undefined, counted_again, counted_on, counted_outcomes, find,
    outcome_case,
};
use crate::tally::outcome::OutcomeTally;

const CLASSES: [&str; 4] = ["a", "b", "c", "other"];

fn ask(name: &str, axis: &OutcomeAxis, tally: &OutcomeTally, reference: Option<&OutcomeTally>) -> Answer {
    let choices = Choices::default();
    let outcomes = Outcomes {
        axis,
        tally,
        reference,
        class: 0,
        groups: &[],
        group: None,
        expected_coverage: None,
        choices: &choices,
    };
    (find(Family::Estimate, name).unwrap().compute)(&outcome_case(&outcomes))
}

fn round(x: f64) -> f64 {
    (100.0 * x).round() / 100.0
}

/// Scores of one class of which a row is with a chance that is a function of them.
fn binary(n: usize, truth: impl Fn(f64) -> f64, random: &mut Rng) -> Vec<Judged<'static>> {
    let row = |_| {
        let score = round(random.f64());
        let is = |yes: bool| Some(CLASSES[if yes { 0 } else { 3 }]);
        (is(score >= 0.4), vec![score], is(random.f64() < truth(score)))
    };
    (0..n).map(row).collect()
}

/// Scores of three classes that are the chances of their row.
fn several(n: usize, random: &mut Rng) -> Vec<Judged<'static>> {
    let row = |_| {
        let weights: [f64; 3] = std::array::from_fn(|_| (-3.0 * random.f64()).exp2() * random.f64());
        let total: f64 = weights.iter().sum();
        let (a, b) = (round(weights[0] / total), round(weights[1] / total).min(1.0 - round(weights[0] / total)));
        let scores = [a, b, round(1.0 - a - b).max(0.0)];
        let likeliest = (0..3).max_by(|&i, &j| scores[i].total_cmp(&scores[j])).unwrap();
        let mut left = random.f64();
        let label = scores.iter().position(|score| {
            left -= score;
            left < 0.0
        });
        (Some(CLASSES[likeliest]), scores.to_vec(), Some(CLASSES[label.unwrap_or(2)]))
    };
    (0..n).map(row).collect()
}

/// What labels show of a class: precision, recall, specificity and F1.
fn shown(rows: &[Judged], class: &str) -> [f64; 4] {
    let count = |chosen: bool, label: bool| {
        rows.iter().filter(|row| ((row.0 == Some(class)) == chosen) && ((row.2 == Some(class)) == label)).count() as f64
    };
    let (tp, fp, fn_, tn) = (count(true, true), count(true, false), count(false, true), count(false, false));
    [tp / (tp + fp), tp / (tp + fn_), tn / (tn + fp), 2.0 * tp / (2.0 * tp + fp + fn_)]
}

fn accuracy(rows: &[Judged]) -> f64 {
    rows.iter().filter(|row| row.0 == row.2).count() as f64 / rows.len() as f64
}

fn area(rows: &[Judged], class: usize) -> f64 {
    let mut sorted: Vec<(f64, bool)> = rows.iter().map(|row| (row.1[class], row.2 == Some(CLASSES[class]))).collect();
    sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let (mut won, mut below) = (0.0, 0.0);
    for even in sorted.chunk_by(|a, b| a.0 == b.0) {
        let yes = even.iter().filter(|row| row.1).count() as f64;
        let no = even.len() as f64 - yes;
        won += yes * (below + no / 2.0);
        below += no;
    }
    won / ((rows.len() as f64 - below) * below)
}

const DRAWS: usize = 400;

/// By figure, in how many draws the band did not hold what labels showed.
fn missed(
    classes: &[&str],
    sizes: (usize, usize),
    mut rows: impl FnMut(usize) -> Vec<Judged<'static>>,
    figures: &[&'static str],
    shown: impl Fn(&[Judged], &str) -> f64,
) -> Vec<(&'static str, f64)> {
    let mut missed = vec![0; figures.len()];
    for _ in 0..DRAWS {
        let (reference, window) = (rows(sizes.0), rows(sizes.1));
        let (axis, reference) = counted_outcomes(classes, 10_000, &reference);
        let (axis, tally) = counted_again(axis, &reference, &window);
        for (missed, figure) in missed.iter_mut().zip(figures) {
            let Reading { low, high, .. } = ask(figure, &axis, &tally, Some(&reference)).unwrap();
            let value = shown(&window, figure);
            *missed += usize::from(value < low.unwrap() - 1e-9 || value > high.unwrap() + 1e-9);
        }
    }
    figures.iter().zip(missed).map(|(&figure, missed)| (figure, missed as f64 / DRAWS as f64)).collect()
}

/// Whether scores stand for themselves or are fitted, and where a window has three times the rows of the reference.
#[test]
fn bands_hold_what_labels_show_as_often_as_they_say() {
    for power in [1, 2] {
        let truth = |score: f64| score.powi(power);
        for sizes in [(5000, 300), (600, 300), (400, 1200)] {
            let mut random = Rng::with_seed(7);
            let figures = ["accuracy", "precision", "recall", "specificity", "f1", "roc_auc"];
            let missed = missed(
                &CLASSES[..1],
                sizes,
                |n| binary(n, truth, &mut random),
                &figures,
                |rows, figure| match figures.iter().position(|name| *name == figure) {
                    Some(0) => accuracy(rows),
                    Some(5) => area(rows, 0),
                    place => shown(rows, "a")[place.unwrap() - 1],
                },
            );
            println!("power {power}, {sizes:?}: {missed:?}");
            assert!(
                missed.iter().all(|(_, rate)| (0.005..0.095).contains(rate)),
                "power {power}, {sizes:?}: {missed:?}"
            );
        }
    }
}

#[test]
fn bands_over_several_classes_are_rather_too_wide() {
    let figures = ["accuracy", "precision_macro", "recall_macro", "f1_macro", "roc_auc_macro"];
    for sizes in [(3000, 300), (600, 600)] {
        let mut random = Rng::with_seed(8);
        let missed = missed(
            &CLASSES[..3],
            sizes,
            |n| several(n, &mut random),
            &figures,
            |rows, figure| {
                let mean = |of: &dyn Fn(usize) -> f64| (0..3).map(of).sum::<f64>() / 3.0;
                match figure {
                    "accuracy" => accuracy(rows),
                    "precision_macro" => mean(&|class| shown(rows, CLASSES[class])[0]),
                    "recall_macro" => mean(&|class| shown(rows, CLASSES[class])[1]),
                    "f1_macro" => mean(&|class| shown(rows, CLASSES[class])[3]),
                    _ => mean(&|class| area(rows, class)),
                }
            },
        );
        println!("{sizes:?}: {missed:?}");
        assert!(missed.iter().all(|(_, rate)| *rate < 0.08), "{sizes:?}: {missed:?}");
    }
}

/// Gaps are false alarms as often as their p-values say, and real ones are found.
#[test]
fn gaps_are_real_when_scores_no_longer_mean_what_they_did() {
    for name in ["accuracy_gap", "roc_auc_gap"] {
        let significant = |truth: fn(f64) -> f64, seed: u64, level: f64| {
            let mut random = Rng::with_seed(seed);
            let is_real = |_| {
                let (axis, reference) = counted_outcomes(&CLASSES[..1], 10_000, &binary(1500, |p| p, &mut random));
                let (axis, tally) = counted_again(axis, &reference, &binary(800, truth, &mut random));
                ask(name, &axis, &tally, Some(&reference)).unwrap().p_value.unwrap() < level
            };
            (0..DRAWS).map(is_real).filter(|&is_real| is_real).count() as f64 / DRAWS as f64
        };
        let (false_5, false_01) = (significant(|p| p, 9, 0.05), significant(|p| p, 9, 0.001));
        let found = significant(|p| 0.2 + 0.6 * p, 10, 0.001);
        println!("{name}: {false_5} at 5 %, {false_01} at 0.1 %, found {found}");
        assert!((0.005..0.095).contains(&false_5) && false_01 < 0.0101 && found > 0.9);
    }
}

/// The gap of an estimate is that of realised and estimated figures of the same rows, and what is not labelled has no
/// part in it.
#[test]
fn only_rows_with_labels_are_in_a_gap() {
    let mut random = Rng::with_seed(11);
    for (classes, reference, mut rows) in [
        (&CLASSES[..1], binary(500, |p| p, &mut random), binary(200, |p| p, &mut random)),
        (&CLASSES[..3], several(500, &mut random), several(200, &mut random)),
    ] {
        let (axis, reference) = counted_outcomes(classes, 10_000, &reference);
        let (axis, labelled) = counted_again(axis, &reference, &rows);
        let gap = ask("accuracy_gap", &axis, &labelled, Some(&reference)).unwrap();
        let estimate = ask("accuracy", &axis, &labelled, Some(&reference)).unwrap();
        assert!((gap.value - (accuracy(&rows) - estimate.value)).abs() < 1e-8);
        let area_gap = ask("roc_auc_gap", &axis, &labelled, Some(&reference)).unwrap();
        let expected = ask("roc_auc", &axis, &labelled, Some(&reference)).unwrap();
        assert!((area_gap.value - (area(&rows, 0) - expected.value)).abs() < 1e-8);
        rows.extend(rows.clone().into_iter().map(|(chosen, scores, _)| (chosen, scores, None)));
        let half = counted_on(&axis, &rows);
        let again = ask("accuracy_gap", &axis, &half, Some(&reference)).unwrap();
        assert!((gap.value - again.value).abs() < 1e-9 && (gap.p_value.unwrap() - again.p_value.unwrap()).abs() < 1e-6);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Scores that stand for themselves, on a grid that does not tell them all apart.
    #[test]
    fn bounds_hold_what_a_finer_grid_shows(
        classes in prop::sample::select(vec![1usize, 3]),
        seed in any::<u64>(),
        n in 20usize..300,
        resolution in 2usize..40,
    ) {
        let mut random = Rng::with_seed(seed);
        let rows = if classes == 1 { binary(n, |p| p, &mut random) } else { several(n, &mut random) };
        let told = |resolution| {
            let (axis, reference) = counted_outcomes(&CLASSES[..classes], resolution, &rows);
            let scale = |(class, grid)| crate::calibration::Scale::as_told(grid, &reference.known(class));
            let scales = axis.grids.iter().enumerate().map(scale).collect();
            let calibration = Some(std::sync::Arc::new(crate::calibration::Calibration { classes: scales }));
            let axis = OutcomeAxis { calibration, ..axis };
            let tally = counted_on(&axis, &rows);
            (axis, reference, tally)
        };
        let (fine, coarse) = (told(10_000), told(resolution));
        let of_one = ["accuracy", "precision", "recall", "specificity", "f1", "roc_auc", "true_negatives"];
        let of_several = ["precision_macro", "recall_macro", "f1_macro", "roc_auc_macro"];
        for name in of_one.iter().chain(of_several.iter().filter(|_| classes > 1)) {
            let [exact, bounded] = [&fine, &coarse].map(|(axis, reference, tally)| ask(name, axis, tally, Some(reference)));
            if let (Ok(exact), Ok(bounded)) = (exact, bounded) {
                let bound = bounded.error_bound.unwrap();
                prop_assert!((exact.value - bounded.value).abs() <= bound + 1e-7, "{}: {:?}, {:?}", name, exact, bounded);
                prop_assert!(exact.error_bound.unwrap() < 1e-6);
            }
        }
    }
}

#[test]
fn where_nothing_can_be_expected_there_is_a_reason() {
    let mut random = Rng::with_seed(12);
    let rows = binary(100, |p| p, &mut random);
    let (axis, reference) = counted_outcomes(&CLASSES[..1], 10_000, &rows);
    assert_eq!(ask("accuracy", &axis, &reference, None), Err(Undefined::NoReferenceLabels));
    let calibrated = counted_again(axis.clone(), &reference, &[]);
    assert_eq!(ask("f1", &calibrated.0, &calibrated.1, Some(&reference)), Err(Undefined::NoRows));
    assert_eq!(ask("f1_macro", &calibrated.0, &reference, Some(&reference)), Err(Undefined::NotApplicable));

    let positive: Vec<Judged> = rows.iter().map(|row| (row.0, row.1.clone(), Some("a"))).collect();
    let (axis, one) = counted_outcomes(&CLASSES[..1], 10_000, &positive);
    let (axis, tally) = counted_again(axis, &one, &rows);
    assert_eq!(ask("recall", &axis, &tally, Some(&one)), Err(Undefined::OneClass));
    let beyond: Vec<Judged> = positive.iter().map(|row| (row.0, vec![10.0 * row.1[0] - 5.0], row.2)).collect();
    let (axis, one) = counted_outcomes(&CLASSES[..1], 10_000, &beyond);
    let (axis, tally) = counted_again(axis, &one, &beyond);
    assert_eq!(ask("recall", &axis, &tally, Some(&one)), Err(Undefined::NotProbabilities));

    let unscored: Vec<Judged> = rows.iter().map(|row| (row.0, vec![], row.2)).collect();
    let (axis, tally) = counted_outcomes(&CLASSES[..1], 10_000, &unscored);
    assert_eq!(ask("roc_auc", &axis, &tally, Some(&tally)), Err(Undefined::NoScores));

    let unchosen: Vec<Judged> = rows.iter().map(|row| (None, row.1.clone(), None)).collect();
    let tally = counted_on(&calibrated.0, &unchosen);
    let ask_it = |name| ask(name, &calibrated.0, &tally, Some(&reference));
    assert_eq!(ask_it("accuracy"), Err(Undefined::NoChoices));
    assert_eq!(ask_it("accuracy_gap"), Err(Undefined::NoChoices));
    assert_eq!(ask_it("roc_auc_gap"), Err(Undefined::NoLabels { rows: 100 }));
    assert!(ask_it("roc_auc").is_ok());
    let never: Vec<Judged> = rows.iter().map(|row| (Some("other"), row.1.clone(), None)).collect();
    let tally = counted_on(&calibrated.0, &never);
    let answer = ask("precision", &calibrated.0, &tally, Some(&reference));
    assert_eq!(answer, Err(Undefined::Nothing { what: "was chosen" }));
}

/// Few rows are no verdict, of the window as of labels.
#[test]
fn few_rows_are_no_verdict() {
    let mut random = Rng::with_seed(13);
    let (axis, reference) = counted_outcomes(&CLASSES[..1], 10_000, &binary(300, |p| p, &mut random));
    let (axis, tally) = counted_again(axis, &reference, &binary(29, |p| p, &mut random));
    let choices = Choices::default();
    let outcomes = Outcomes {
        axis: &axis,
        tally: &tally,
        reference: Some(&reference),
        class: 0,
        groups: &[],
        group: None,
        expected_coverage: None,
        choices: &choices,
    };
    let case = Case { min_rows: 30, ..outcome_case(&outcomes) };
    let ask = |name| (find(Family::Estimate, name).unwrap().compute)(&case);
    for name in ["accuracy", "f1", "roc_auc", "business_value", "true_positives"] {
        assert_eq!(ask(name), Err(Undefined::TooFewRows { n: 29, least: 30 }), "{name}");
    }
    assert_eq!(ask("accuracy_gap"), Err(Undefined::TooFewLabels { n: 29, least: 30 }));
}
