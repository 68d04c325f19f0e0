//! Values of scipy for the statistics of ranks and moments: `tests/golden/ranks.py` says how they were made.

use serde::{Deserialize, Deserializer};

use super::{
    Answer, Sample, anderson_darling_sf, case, cramer_von_mises_sf, find, kuiper_quantile, kuiper_sf, student_two_sided,
};
use crate::grid::Grid;
use crate::measurement::Family;

/// A value and its p-value.
type Test = (f64, f64);

/// The same, of a statistic that may have no p-value or may not be defined.
type Known = Option<(f64, Option<f64>)>;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Expected>,
    limits: Vec<(f64, f64, f64, f64)>,
    student: Vec<(f64, f64, f64)>,
}

#[derive(Deserialize)]
struct Expected {
    name: String,
    #[serde(deserialize_with = "with_infinities")]
    reference: Vec<f64>,
    #[serde(deserialize_with = "with_infinities")]
    current: Vec<f64>,
    ks: Test,
    kuiper: Test,
    cramer_von_mises: Test,
    anderson_darling: Option<Test>,
    mann_whitney: Test,
    mean_shift: Option<Test>,
    variance_shift: Option<Test>,
    wasserstein_raw: Option<f64>,
    energy_distance: Option<f64>,
}

fn with_infinities<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Number {
        Finite(f64),
        Infinite(String),
    }
    let numbers = Vec::<Number>::deserialize(deserializer)?;
    let each = numbers.into_iter().map(|number| match number {
        Number::Finite(x) => x,
        Number::Infinite(sign) if sign == "inf" => f64::INFINITY,
        Number::Infinite(_) => f64::NEG_INFINITY,
    });
    Ok(each.collect())
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../../tests/golden/ranks.json")).unwrap()
}

fn drift(name: &str, sample: &Sample) -> Answer {
    (find(Family::Drift, name).unwrap().compute)(&case(sample))
}

impl Expected {
    /// Every statistic with its value and, where it has one, its p-value; `None` where scipy has neither.
    fn all(&self) -> [(&'static str, Known); 9] {
        let tested = |test: Option<Test>| test.map(|(value, p)| (value, Some(p)));
        let valued = |value: Option<f64>| value.map(|value| (value, None));
        [
            ("ks", tested(Some(self.ks))),
            ("kuiper", tested(Some(self.kuiper))),
            ("cramer_von_mises", tested(Some(self.cramer_von_mises))),
            ("anderson_darling", tested(self.anderson_darling)),
            ("mann_whitney", tested(Some(self.mann_whitney))),
            ("mean_shift", tested(self.mean_shift)),
            ("variance_shift", tested(self.variance_shift)),
            ("wasserstein_raw", valued(self.wasserstein_raw)),
            ("energy_distance", valued(self.energy_distance)),
        ]
    }
}

#[test]
fn values_and_p_values_are_scipys_where_every_value_is_on_the_grid() {
    let mut wrong = Vec::new();
    for expected in golden().cases {
        let column = expected.reference.iter().chain(&expected.current).copied().collect();
        let sample = Sample::on(Grid::of(column, 20_000), &expected.reference, &expected.current);
        for (statistic, known) in expected.all() {
            let of = format!("{statistic} of {:?}", expected.name);
            match (drift(statistic, &sample), known) {
                (Ok(actual), Some((value, p))) => {
                    if (actual.value - value).abs() > 1e-9 * value.abs().max(1.0) {
                        wrong.push(format!("{of} is {}, expected {value}", actual.value));
                    }
                    // Scipy's own tails end in rounding at about 1e-16.
                    let is_near = |actual: f64, p: f64| (actual - p).abs() <= 1e-9 * p + 1e-13;
                    if actual.p_value.zip(p).is_some_and(|(actual, p)| !is_near(actual, p)) {
                        wrong.push(format!("the p-value of {of} is {:?}, expected {p:?}", actual.p_value));
                    }
                    if actual.p_value.is_some() != p.is_some() {
                        wrong.push(format!("{of} has the p-value {:?}, expected {p:?}", actual.p_value));
                    }
                    if actual.error_bound.unwrap() > 1e-9 * value.abs().max(1.0) {
                        wrong.push(format!("{of} is exact, but bound by {:?}", actual.error_bound));
                    }
                }
                // What scipy refuses, since there is but one value, is no change.
                (Ok(actual), None) => assert_eq!(actual.p_value, Some(1.0), "{of}"),
                (Err(_), None) => {}
                (Err(why), Some(known)) => wrong.push(format!("{of} is undefined, {why}; expected {known:?}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn values_on_coarse_grids_are_within_their_bounds() {
    for expected in golden().cases.into_iter().filter(|case| case.reference.iter().any(|x| x.is_finite())) {
        for resolution in [2, 5, 20, 100, 2048] {
            let sample = Sample::numeric(&expected.reference, &expected.current, resolution);
            for (statistic, known) in expected.all() {
                let (Ok(actual), Some((value, _))) = (drift(statistic, &sample), known) else { continue };
                let error = (actual.value - value).abs();
                let bound = actual.error_bound.unwrap() + 1e-9 * value.abs().max(1.0);
                assert!(error <= bound, "{statistic} of {:?} at {resolution}: {actual:?}, is {value}", expected.name);
            }
        }
    }
}

#[test]
fn limiting_distributions() {
    for (x, cramer_von_mises, anderson_darling, kuiper) in golden().limits {
        let near = |what: &str, actual: f64, expected: f64| {
            let error = (actual - expected).abs();
            assert!(error <= 1e-10 * expected + 1e-35, "{what} at {x}: {actual}, expected {expected}");
        };
        near("Cramér-von Mises", cramer_von_mises_sf(x), cramer_von_mises);
        near("Anderson-Darling", anderson_darling_sf(x), anderson_darling);
        near("Kuiper", kuiper_sf(x), kuiper);
    }
    // The published five and one per cent points.
    for (x, p) in [(1.747, 0.05), (2.001, 0.01)] {
        assert!((kuiper_quantile(p) - x).abs() < 5e-4);
    }
}

#[test]
fn students_distribution() {
    for (t, degrees, expected) in golden().student {
        let actual = student_two_sided(t, degrees);
        let error = (actual - expected).abs();
        assert!(error <= 1e-9 * expected, "at {t} with {degrees}: {actual}, expected {expected}");
    }
}
