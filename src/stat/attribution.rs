//! How far the features' attributions have drifted: their order, and their magnitude.

use super::{Answer, Attributed, Case, Null, On, Reading, Statistic, Undefined, Worse};
use crate::measurement::Family;
use crate::tally::FieldTally;

pub const NDCG: Statistic = Statistic {
    name: "ndcg",
    threshold: Some(0.9),
    worse: Worse::Below,
    range: (0.0, 1.0),
    about: "Normalised discounted cumulative gain of the features' order by mean absolute attribution: the sum of \
            a / log2(i + 1), where a is the reference's mean absolute attribution of the feature that is i-th in the \
            window (features that are tied share their places), divided by the same in the reference's own order; a breach is \
            below the threshold; up to 1, where the order is the same (Amazon SageMaker Clarify).",
    compute: ndcg,
    ..ROW
};

pub const NORMALISED_L1: Statistic = Statistic {
    name: "normalised_l1",
    threshold: Some(0.25),
    worse: Worse::Above,
    range: (0.0, f64::INFINITY),
    about: "Sum over the features of how much their mean absolute attribution differs from the reference's, divided by \
            the sum of the reference's; 0 and up, 1 where the window attributes nothing to any feature. Unlike ndcg it \
            sees magnitudes collapse.",
    compute: normalised_l1,
    ..ROW
};

/// What the two have in common.
const ROW: Statistic = Statistic {
    name: "",
    family: Family::Attribution,
    on: On::Attributions,
    unit: "",
    threshold: None,
    worse: Worse::Above,
    null: Null::Unknown,
    range: (0.0, 0.0),
    about: "",
    compute: |_| Err(Undefined::NotApplicable),
};

fn ndcg(case: &Case) -> Answer {
    let mut features = magnitudes(case)?;
    let mut ideal: Vec<f64> = features.iter().map(|feature| feature.reference).collect();
    ideal.sort_by(|a, b| b.total_cmp(a));
    let most: f64 = (1u32..).zip(&ideal).map(|(place, gain)| gain * discount(place)).sum();
    features.sort_by(|a, b| b.current.total_cmp(&a.current));
    let (mut gained, mut place) = (0.0, 1);
    for tied in features.chunk_by(|a, b| a.current == b.current) {
        // Whichever of them came first would be chance, so each gets its share of the places that they take together.
        let gain = tied.iter().map(|feature| feature.reference).sum::<f64>() / tied.len() as f64;
        for _ in tied {
            gained += gain * discount(place);
            place += 1;
        }
    }
    finite((gained / most).min(1.0))
}

fn normalised_l1(case: &Case) -> Answer {
    let features = magnitudes(case)?;
    let whole: f64 = features.iter().map(|feature| feature.reference).sum();
    let moved: f64 = features.iter().map(|feature| (feature.current - feature.reference).abs()).sum();
    finite(moved / whole)
}

/// What the feature at a place counts for, places being counted from 1.
fn discount(place: u32) -> f64 {
    1.0 / f64::from(place + 1).log2()
}

/// Magnitudes near the ends of the doubles have no sum or quotient among them.
fn finite(value: f64) -> Answer {
    if value.is_finite() { Ok(Reading::exact(value)) } else { Err(Undefined::TooLarge) }
}

/// One feature's mean absolute attributions.
struct Magnitudes {
    current: f64,
    reference: f64,
}

/// Those of all features. An order in which some have no place would be another one, so all of them have to be known.
fn magnitudes(case: &Case) -> Result<Vec<Magnitudes>, Undefined> {
    if case.attributions.is_empty() {
        return Err(Undefined::NotApplicable);
    }
    let least = case.min_rows.max(1);
    let of_feature = |feature: &Attributed| {
        let current = magnitude(feature.current, |n| Undefined::TooFewRows { n, least }, least)?;
        let reference = feature.reference.ok_or(Undefined::NotInReference)?;
        let reference = magnitude(reference, |n| Undefined::TooFewReferenceRows { n, least }, least)?;
        Ok(Magnitudes { current, reference })
    };
    let features = case.attributions.iter().map(of_feature).collect::<Result<Vec<_>, _>>()?;
    if features.iter().all(|feature| feature.reference == 0.0) {
        return Err(Undefined::NothingAttributed);
    }
    Ok(features)
}

fn magnitude(tally: &FieldTally, too_few: impl Fn(u64) -> Undefined, least: u64) -> Result<f64, Undefined> {
    let FieldTally::Numeric(tally) = tally else { return Err(Undefined::NotApplicable) };
    if tally.n() < least {
        return Err(too_few(tally.n()));
    }
    if tally.infinite > 0 {
        return Err(Undefined::Infinite);
    }
    tally.mean_magnitude().filter(|magnitude| magnitude.is_finite()).ok_or(Undefined::TooLarge)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::BufReader;

    use proptest::prelude::*;
    use serde::Deserialize;

    use super::super::{Sample, case};
    use super::*;

    /// Both sides of each feature.
    fn samples(reference: &[Vec<f64>], current: &[Vec<f64>]) -> Vec<Sample> {
        reference.iter().zip(current).map(|(reference, current)| Sample::numeric(reference, current, 100)).collect()
    }

    fn answers(samples: &[Sample], min_rows: u64) -> (Answer, Answer) {
        let attributed = |sample: &'_ Sample| -> (FieldTally, Option<FieldTally>) {
            (sample.current.clone(), sample.reference.clone())
        };
        let tallies: Vec<_> = samples.iter().map(attributed).collect();
        let attributions: Vec<Attributed> =
            tallies.iter().map(|(current, reference)| Attributed { current, reference: reference.as_ref() }).collect();
        let whole = Sample::numeric(&[1.0], &[1.0], 10);
        let case = Case { current: None, reference: None, attributions: &attributions, min_rows, ..case(&whole) };
        (ndcg(&case), normalised_l1(&case))
    }

    fn values(reference: &[Vec<f64>], current: &[Vec<f64>]) -> (f64, f64) {
        let (ndcg, l1) = answers(&samples(reference, current), 1);
        (ndcg.expect("an ndcg").value, l1.expect("an l1").value)
    }

    #[derive(Deserialize)]
    struct Golden {
        samples: Vec<Expected>,
    }

    #[derive(Deserialize)]
    struct Expected {
        name: String,
        reference: Vec<Vec<f64>>,
        current: Vec<Vec<f64>>,
        ndcg: f64,
        normalised_l1: f64,
    }

    #[test]
    fn values_are_those_of_other_programs() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/attribution.json");
        let golden: Golden = serde_json::from_reader(BufReader::new(File::open(path).unwrap())).unwrap();
        assert!(golden.samples.len() >= 9);
        for expected in golden.samples {
            let (ndcg, l1) = values(&expected.reference, &expected.current);
            assert!((ndcg - expected.ndcg).abs() <= 1e-12, "{}: {ndcg}, not {}", expected.name, expected.ndcg);
            let most = 1e-12 * expected.normalised_l1.max(1.0);
            assert!((l1 - expected.normalised_l1).abs() <= most, "{}: {l1}", expected.name);
        }
    }

    #[test]
    fn the_worked_example_of_sagemaker_is_a_breach() {
        let (ndcg, _) = values(&[vec![0.70], vec![0.50], vec![0.05]], &[vec![0.05], vec![0.50], vec![0.70]]);
        assert!((ndcg - 0.6876).abs() < 5e-5, "{ndcg}");
        assert!(NDCG.worse.is_beyond(ndcg, 0.9));
    }

    #[test]
    fn what_is_not_known_of_every_feature_is_undefined() {
        let both = |reference: &[f64], current: &[f64]| vec![Sample::numeric(reference, current, 100)];
        let good = || Sample::numeric(&[1.0, 2.0], &[1.0, 2.0], 100);
        let check = |samples: Vec<Sample>, min_rows, why: Undefined| {
            let (ndcg, l1) = answers(&samples, min_rows);
            assert_eq!((ndcg, l1), (Err(why), Err(why)));
        };
        check(vec![], 1, Undefined::NotApplicable);
        check(both(&[1.0, 1.0], &[1.0]), 2, Undefined::TooFewRows { n: 1, least: 2 });
        check(both(&[1.0], &[1.0, 1.0]), 2, Undefined::TooFewReferenceRows { n: 1, least: 2 });
        check(both(&[0.0, 0.0], &[1.0]), 1, Undefined::NothingAttributed);
        check(both(&[1.0], &[f64::NEG_INFINITY]), 1, Undefined::Infinite);
        check(both(&[1.0], &[f64::MAX, f64::MAX]), 1, Undefined::TooLarge);
        check(vec![good(), Sample { reference: None, ..good() }], 1, Undefined::NotInReference);
        check(vec![good(), Sample::categorical(&["a"], &["a"])], 1, Undefined::NotApplicable);
    }

    /// Attributions that are whole numbers, so that rounding has no part in what is compared.
    fn feature() -> impl Strategy<Value = (Vec<f64>, Vec<f64>)> {
        let side = || prop::collection::vec((-9i32..9).prop_map(f64::from), 1..6);
        (side(), side())
    }

    proptest! {
        #[test]
        fn the_order_in_which_features_are_named_does_not_matter(
            (features, shuffled) in prop::collection::vec(feature(), 1..8)
                .prop_flat_map(|features| (Just(features.clone()), Just(features).prop_shuffle())),
        ) {
            let of = |features: Vec<(Vec<f64>, Vec<f64>)>| {
                let (reference, current): (Vec<_>, Vec<_>) = features.into_iter().unzip();
                let (ndcg, l1) = answers(&samples(&reference, &current), 1);
                (ndcg.map(|reading| reading.value).ok(), l1.map(|reading| reading.value).ok())
            };
            let (once, again) = (of(features), of(shuffled));
            let near = |a: Option<f64>, b: Option<f64>| a.zip(b).is_none_or(|(a, b)| (a - b).abs() <= 1e-12 * (1.0 + a));
            prop_assert_eq!((once.0.is_some(), once.1.is_some()), (again.0.is_some(), again.1.is_some()));
            prop_assert!(near(once.0, again.0) && near(once.1, again.1), "{:?} {:?}", once, again);
        }

        #[test]
        fn nothing_drifts_from_itself_and_scale_is_seen_by_one_of_the_two(
            rows in prop::collection::vec(prop::collection::vec(0.25..4.0f64, 1..6), 1..8),
        ) {
            let (ndcg, l1) = values(&rows, &rows);
            prop_assert!(ndcg >= 1.0 - 1e-12 && l1 == 0.0);
            let halved: Vec<Vec<f64>> = rows.iter().map(|row| row.iter().map(|x| -x / 2.0).collect()).collect();
            let (ndcg, l1) = values(&rows, &halved);
            prop_assert!(ndcg >= 1.0 - 1e-12 && (l1 - 0.5).abs() <= 1e-12);
        }
    }
}
