//! Values that other programs give: `tests/golden/generate.py` says which, and how.

use std::fs::File;
use std::io::BufReader;

use serde::Deserialize;

use super::{Answer, Reading, Sample, Undefined, case, find, kolmogorov_sf, proportion};
use crate::exact::ExactSum;
use crate::grid::Axis;
use crate::measurement::Family;
use crate::tally::FieldTally;

#[derive(Deserialize)]
struct Golden {
    numeric: Vec<Numeric>,
    categorical: Vec<Categorical>,
    kolmogorov: Vec<(f64, f64)>,
    wilson: Vec<(u64, u64, f64, f64, f64)>,
    sums: Vec<Sum>,
}

#[derive(Deserialize)]
struct Numeric {
    name: String,
    reference: Vec<f64>,
    current: Vec<f64>,
    on_grid: bool,
    ks: f64,
    ks_p_value: f64,
    wasserstein: Option<f64>,
    deviation: Option<f64>,
    psi: f64,
    js_distance: f64,
    p_value: f64,
    out_of_range_rate: (f64, f64, f64),
    quantiles: Vec<(f64, f64)>,
}

#[derive(Deserialize)]
struct Categorical {
    name: String,
    reference: Vec<String>,
    current: Vec<String>,
    psi: f64,
    js_distance: f64,
    chi_squared: (f64, f64),
    p_value: f64,
    unseen_rate: (f64, f64, f64),
}

#[derive(Deserialize)]
struct Sum {
    values: Vec<f64>,
    sum: f64,
}

/// More than any of the samples has rows, so that grids are exact.
const RESOLUTION: usize = 10_000;

fn golden() -> Golden {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/statistics.json");
    serde_json::from_reader(BufReader::new(File::open(path).unwrap())).unwrap()
}

fn drift(name: &str, sample: &Sample) -> Answer {
    (find(Family::Drift, name).unwrap().compute)(&case(sample))
}

fn quality(name: &str, sample: &Sample) -> Reading {
    (find(Family::Quality, name).unwrap().compute)(&case(sample)).unwrap()
}

#[track_caller]
fn near(what: &str, name: &str, actual: f64, expected: f64) {
    let distance = (actual - expected).abs();
    assert!(distance <= 1e-9 * expected.abs().max(1.0), "{what} of {name:?} is {actual}, expected {expected}");
}

#[track_caller]
fn near_probability(what: &str, name: &str, actual: f64, expected: f64) {
    let distance = (actual - expected).abs();
    assert!(distance <= 1e-12 || distance <= 1e-9 * expected, "{what} of {name:?} is {actual}, expected {expected}");
}

#[track_caller]
fn near_interval(name: &str, actual: Reading, (value, low, high): (f64, f64, f64)) {
    near("value", name, actual.value, value);
    near("low", name, actual.low.unwrap(), low);
    near("high", name, actual.high.unwrap(), high);
}

/// Comparisons on the same bins. The expected distance is the root of a difference of nearly equal numbers, whose
/// rounding is all there is of it when nothing has changed; so its square is compared.
fn compare_bins(name: &str, sample: &Sample, psi: f64, js_distance: f64, p_value: f64) {
    let reading = drift("psi", sample).unwrap();
    near("psi", name, reading.value, psi);
    near_probability("the p-value of psi", name, reading.p_value.unwrap(), p_value);
    let reading = drift("js_distance", sample).unwrap();
    if js_distance > 1e-6 {
        near("js_distance", name, reading.value, js_distance);
    } else {
        near("js_distance, squared,", name, reading.value.powi(2), js_distance.powi(2));
    }
    near_probability("the p-value of js_distance", name, reading.p_value.unwrap(), p_value);
}

#[test]
fn numeric_fields() {
    for expected in golden().numeric {
        let name = &expected.name;
        let sample = Sample::numeric(&expected.reference, &expected.current, RESOLUTION);
        compare_bins(name, &sample, expected.psi, expected.js_distance, expected.p_value);

        let ks = drift("ks", &sample).unwrap();
        near("ks", name, ks.value, expected.ks);
        near_probability("the p-value of ks", name, ks.p_value.unwrap(), expected.ks_p_value);
        assert_eq!(ks.error_bound, Some(0.0));

        match (drift("wasserstein", &sample), expected.wasserstein) {
            (answer, None) => assert_eq!(answer, Err(Undefined::ReferenceIsConstant)),
            (answer, Some(distance)) => {
                let reading = answer.unwrap();
                let bound = reading.error_bound.unwrap();
                assert!((reading.value - distance).abs() <= bound + 1e-9 * distance.max(1.0), "{name:?}: {reading:?}");
                if expected.on_grid {
                    near("wasserstein", name, reading.value, distance);
                    assert!(bound <= 1e-9 * distance.max(1.0), "{name:?}: {reading:?}");
                }
            }
        }
        near_interval(name, quality("out_of_range_rate", &sample), expected.out_of_range_rate);

        let (Axis::Numeric(grid), Some(FieldTally::Numeric(tally))) = (&sample.axis, &sample.reference) else {
            panic!("the sample is numeric")
        };
        for (q, quantile) in expected.quantiles {
            assert_eq!(tally.quantile(grid, q), Some((quantile, quantile)), "the quantile {q} of {name:?}");
        }
        if let Some(deviation) = expected.deviation {
            let actual = tally.standard_deviation().unwrap();
            assert!((actual - deviation).abs() <= 1e-12 * deviation, "{name:?}: {actual}, expected {deviation}");
        }
    }
}

#[test]
fn coarse_grids_are_within_their_bounds() {
    for expected in golden().numeric {
        for resolution in [2, 5, 20, 100] {
            let sample = Sample::numeric(&expected.reference, &expected.current, resolution);
            let reading = drift("ks", &sample).unwrap();
            let above = expected.ks - reading.value;
            assert!(-1e-9 <= above && above <= reading.error_bound.unwrap() + 1e-9, "{:?}: {reading:?}", expected.name);
            if let Some(distance) = expected.wasserstein {
                let reading = drift("wasserstein", &sample).unwrap();
                let error = (reading.value - distance).abs();
                assert!(error <= reading.error_bound.unwrap() + 1e-9 * distance.max(1.0), "{:?}", expected.name);
            }
        }
    }
}

#[test]
fn categorical_fields() {
    for expected in golden().categorical {
        let name = &expected.name;
        let sample = Sample::categorical(&expected.reference, &expected.current);
        compare_bins(name, &sample, expected.psi, expected.js_distance, expected.p_value);
        let (statistic, p_value) = expected.chi_squared;
        match drift("chi_squared", &sample) {
            Ok(reading) => {
                near("chi_squared", name, reading.value, statistic);
                near_probability("the p-value of chi_squared", name, reading.p_value.unwrap(), p_value);
            }
            Err(undefined) => {
                assert!(matches!(undefined, Undefined::OneCategory | Undefined::TooSparse), "{name:?}: {undefined}");
                assert_eq!(statistic, 0.0);
            }
        }
        near_interval(name, quality("unseen_rate", &sample), expected.unseen_rate);
    }
}

#[test]
fn kolmogorovs_distribution() {
    for (x, expected) in golden().kolmogorov {
        let actual = kolmogorov_sf(x);
        assert!((actual - expected).abs() <= 1e-9 * expected, "at {x}: {actual}, expected {expected}");
    }
}

#[test]
fn wilsons_interval() {
    for (hits, n, value, low, high) in golden().wilson {
        near_interval(&format!("{hits} of {n}"), proportion(hits, n), (value, low, high));
    }
}

#[test]
fn exact_sums() {
    for expected in golden().sums {
        let mut sum = ExactSum::default();
        expected.values.iter().for_each(|&x| sum.add(x));
        assert_eq!(sum.value(), expected.sum);
    }
}
