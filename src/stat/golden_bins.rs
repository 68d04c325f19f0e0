//! What scipy says of shares in bins: `tests/golden/bins.py` says how.

use serde::Deserialize;

use super::{Answer, Bins, Sample, Undefined, case, find, smallest_noncentrality};
use crate::measurement::Family;

#[derive(Deserialize)]
struct Golden {
    categorical: Vec<Categorical>,
    numeric: Vec<Numeric>,
    noncentrality: Vec<(f64, f64, f64)>,
}

#[derive(Deserialize)]
struct Categorical {
    name: String,
    reference: Vec<u64>,
    current: Vec<u64>,
    pooled: usize,
    chi_squared: Option<(f64, f64)>,
    g_test: Option<(f64, f64)>,
    cramers_v: Option<f64>,
    fisher_exact: Option<(f64, f64)>,
    z: Option<(f64, f64)>,
    #[serde(flatten)]
    distances: Distances,
}

#[derive(Deserialize)]
struct Numeric {
    name: String,
    reference: Vec<f64>,
    current: Vec<f64>,
    #[serde(flatten)]
    distances: Distances,
}

#[derive(Deserialize)]
struct Distances {
    js_divergence: f64,
    kl_divergence: f64,
    hellinger: f64,
    total_variation: f64,
    linf: f64,
    p_value: f64,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../../tests/golden/bins.json")).unwrap()
}

fn drift(name: &str, sample: &Sample) -> Answer {
    (find(Family::Drift, name).unwrap().compute)(&case(sample))
}

#[track_caller]
fn near(what: &str, name: &str, actual: f64, expected: f64) {
    let distance = (actual - expected).abs();
    assert!(distance <= 1e-9 * expected.abs().max(1.0), "{what} of {name:?} is {actual}, expected {expected}");
}

#[track_caller]
fn near_probability(what: &str, name: &str, actual: Option<f64>, expected: f64) {
    let actual = actual.unwrap();
    let distance = (actual - expected).abs();
    assert!(distance <= 1e-12 || distance <= 1e-9 * expected, "{what} of {name:?} is {actual}, expected {expected}");
}

/// The expected distances are of shares in floating point, whose rounding is all there is of them when nothing has
/// changed, and the root of a rounding is not small: so the square of Hellinger's is compared.
fn compare(name: &str, sample: &Sample, expected: &Distances) {
    let values = [
        ("js_divergence", expected.js_divergence),
        ("kl_divergence", expected.kl_divergence),
        ("hellinger", expected.hellinger),
        ("total_variation", expected.total_variation),
        ("linf", expected.linf),
    ];
    for (statistic, value) in values {
        let reading = drift(statistic, sample).unwrap();
        if statistic == "hellinger" && value < 1e-6 {
            near(statistic, name, reading.value.powi(2), value.powi(2));
        } else {
            near(statistic, name, reading.value, value);
        }
        near_probability(statistic, name, reading.p_value, expected.p_value);
    }
}

/// Statistics of a test, or one of the reasons not to make it.
#[track_caller]
fn compare_test(statistic: &str, name: &str, sample: &Sample, expected: Option<(f64, f64)>, reasons: &[Undefined]) {
    match (drift(statistic, sample), expected) {
        (Ok(reading), Some((value, p_value))) => {
            near(statistic, name, reading.value / value.max(1.0), value / value.max(1.0));
            near_probability(statistic, name, reading.p_value, p_value);
        }
        (Err(undefined), None) => assert!(reasons.contains(&undefined), "{statistic} of {name:?}: {undefined}"),
        (answer, _) => panic!("{statistic} of {name:?} is {answer:?}, expected {expected:?}"),
    }
}

#[test]
fn categorical_fields() {
    for expected in golden().categorical {
        let name = expected.name.as_str();
        let sample = Sample::counted(&expected.reference, &expected.current);
        assert_eq!(Bins::of(&case(&sample)).unwrap().pooled.len(), expected.pooled, "bins of {name:?} after pooling");
        compare(name, &sample, &expected.distances);

        let untested = [Undefined::OneCategory, Undefined::TooSparse];
        compare_test("chi_squared", name, &sample, expected.chi_squared, &untested);
        compare_test("g_test", name, &sample, expected.g_test, &untested);
        let p_value = expected.distances.p_value;
        compare_test("cramers_v", name, &sample, expected.cramers_v.map(|value| (value, p_value)), &untested);

        let values = Bins::of(&case(&sample)).unwrap().counts.len();
        let not_two = [Undefined::NotTwoCategories { n: values }, Undefined::OneCategory];
        compare_test("fisher_exact", name, &sample, expected.fisher_exact, &not_two);
        if expected.z.is_some() && expected.pooled == 1 {
            assert_eq!(drift("two_proportion_z", &sample), Err(Undefined::TooSparse), "{name:?}");
        } else {
            compare_test("two_proportion_z", name, &sample, expected.z, &not_two);
        }
    }
}

#[test]
fn numeric_fields() {
    for expected in golden().numeric {
        let sample = Sample::numeric(&expected.reference, &expected.current, 10_000);
        compare(&expected.name, &sample, &expected.distances);
    }
}

#[test]
fn noncentralities_are_near_those_of_the_exact_distributions() {
    for (significance, degrees, expected) in golden().noncentrality {
        let actual = smallest_noncentrality(significance, degrees);
        assert!((actual / expected - 1.0).abs() < 0.004, "{degrees} at {significance}: {actual}, not {expected}");
    }
}
