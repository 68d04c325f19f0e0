//! The laws of the contract.

use proptest::prelude::*;
use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::SeedableRng;

use super::*;
use crate::time::{Span, Time};

const HOUR: Span = Span(3_600_000);
const MONTH: Span = Span(30 * 24 * 3_600_000);

fn at(hour: usize) -> Time {
    Time((hour as i64 + 1) * HOUR.0)
}

fn normals(seed: u64) -> impl FnMut() -> f64 {
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    move || StandardNormal.sample(&mut random)
}

fn signed(hour: usize, value: f64) -> Observation {
    Observation { end: at(hour), length: HOUR, value, kind: Kind::Signed { deviation: None } }
}

fn series(subject: &str, slice: &str, statistic: &str) -> Series {
    Series { version: "1".into(), subject: subject.into(), slice: slice.into(), statistic: statistic.into() }
}

/// How often series of these values reach a line, in so many windows each, begun anew each time.
fn crossings(count: u64, windows: usize, line: f64, mut draw: impl FnMut(usize, f64, f64) -> f64) -> usize {
    let mut crossings = 0;
    for seed in 0..count {
        let (mut gauge, mut normal, mut value) = (Gauge::default(), normals(seed), 0.0);
        for hour in 0..windows {
            value = draw(hour, value, normal());
            let line = gauge.excursions().line(gauge.excursions(), line);
            let evidence = gauge.observe(&signed(hour, value), line);
            if evidence >= line && !gauge.is_paged() {
                gauge.page();
                crossings += 1;
            }
        }
    }
    crossings
}

/// The bound on the mean run length, with three standard deviations of a Poisson count to spare.
#[track_caller]
fn check_run_length(count: u64, windows: usize, draw: impl FnMut(usize, f64, f64) -> f64) {
    let run_length: f64 = 500.0;
    let allowed = (count as usize * windows) as f64 / run_length;
    let found = crossings(count, windows, run_length.ln(), draw);
    assert!((found as f64) < allowed + 3.0 * allowed.sqrt(), "{found} crossings, and {allowed} are allowed");
}

#[test]
fn run_lengths_are_kept_where_nothing_shifts() {
    check_run_length(20, 3000, |_, _, normal| normal);
    check_run_length(20, 3000, |_, before, normal| 0.9 * before + normal);
    let season = |hour: usize| 5.0 * (hour as f64 / 24.0 * std::f64::consts::TAU).sin();
    check_run_length(20, 3000, |hour, _, normal| season(hour) + normal);
    // Three windows in a hundred have thrice the deviation, which makes the kurtosis 7.
    check_run_length(20, 3000, |hour, _, normal| if hour % 33 == 7 { 3.0 * normal } else { normal });
}

#[test]
fn a_drift_is_found_kept_and_accepted() {
    let (mut gauge, mut normal, line) = (Gauge::default(), normals(1), 13.0);
    let mut step = |gauge: &mut Gauge, hour: usize, shift: f64| gauge.observe(&signed(hour, normal() + shift), line);
    for hour in 0..1440 {
        assert!(step(&mut gauge, hour, 0.0) < line);
    }
    let found = (1440..1500).find(|hour| step(&mut gauge, *hour, 3.0) >= line);
    assert!(found.is_some_and(|hour| hour < 1452), "{found:?}");
    gauge.page();
    // Two months later it is still no part of what is usual.
    for hour in 1500..2940 {
        step(&mut gauge, hour, 3.0);
        assert!(gauge.is_paged());
    }
    let mut accepted = gauge.clone();
    accepted.accept();
    for hour in 2940..3200 {
        assert!(step(&mut accepted, hour, 3.0) < line, "{hour}");
    }
    // Or it goes by itself.
    let over = (2940..3200).find(|hour| {
        step(&mut gauge, *hour, 0.0);
        !gauge.is_paged()
    });
    assert!(over.is_some_and(|hour| hour < 2990), "{over:?}");
}

#[test]
fn a_memory_is_small_and_survives_being_stored() {
    let (mut gauge, mut normal) = (Gauge::default(), normals(2));
    for hour in 0..1000 {
        gauge.observe(&signed(hour, normal()), 13.0);
    }
    let stored = postcard::to_stdvec(&gauge).unwrap();
    assert!(stored.len() < 4096, "{} bytes", stored.len());
    let mut watch = Watch::new(Budget { pages: 2.0, per: MONTH });
    let value = |value| Value { series: series("a", "", "psi"), value, kind: Kind::Divergence { unit: None } };
    watch.step(at(0), HOUR, &[value(0.1)]);
    let text = serde_json::to_string(&watch).unwrap();
    assert_eq!(serde_json::from_str::<Watch>(&text).unwrap(), watch);
    let mut again: Gauge = postcard::from_bytes(&stored).unwrap();
    assert_eq!(again, gauge);
    for hour in 1000..1100 {
        let observation = signed(hour, normal());
        assert_eq!(again.observe(&observation, 13.0), gauge.observe(&observation, 13.0));
    }
}

#[test]
fn what_overlaps_comes_late_or_is_no_number_is_passed_over() {
    let mut gauge = Gauge::default();
    for hour in 0..100 {
        gauge.observe(&signed(hour, (hour as f64).sin()), 13.0);
    }
    let before = gauge.clone();
    for observation in [signed(99, 7.0), signed(50, 7.0), signed(100, f64::NAN), signed(100, f64::INFINITY)] {
        gauge.observe(&observation, 13.0);
    }
    let half = Observation { end: Time(at(99).0 + HOUR.0 / 2), ..signed(99, 7.0) };
    gauge.observe(&half, 13.0);
    assert_eq!(gauge, before);
}

#[test]
fn pages_are_charged_and_become_dearer() {
    let budget = Budget::parse("2 pages per 30d").unwrap();
    let mut watch = Watch::new(budget);
    let mut normal = normals(3);
    let names = ["a", "b", "c", "d"].map(|name| series(name, "", "mean_shift"));
    let mut paged = Vec::new();
    for hour in 0..1300 {
        let values: Vec<Value> = names
            .iter()
            .enumerate()
            .map(|(place, series)| Value {
                series: series.clone(),
                // The first two shift at once, then one after another.
                value: normal() + if hour >= 1000 + 50 * place.saturating_sub(1) { 8.0 } else { 0.0 },
                kind: Kind::Signed { deviation: Some(1.0) },
            })
            .collect();
        for surprise in watch.step(at(hour), HOUR, &values) {
            assert!(surprise.surprise >= 0.0);
            if surprise.pages {
                assert!(surprise.is_upward && surprise.lasts);
                paged.push((hour, surprise.series.subject.to_string()));
            }
        }
    }
    // Once the budget is spent a gross change is still paged for.
    assert_eq!(paged.iter().map(|(_, subject)| subject.as_str()).collect::<Vec<_>>(), ["a", "b", "c", "d"]);
    let ledger = watch.ledger();
    assert_eq!(ledger.spent(&budget, at(1299)), 3);
    assert_eq!(ledger.left(&budget, at(1299)), 0.0);
    assert!((ledger.surcharge(&budget, at(1299)) - 2.0 * std::f64::consts::LN_10).abs() < 1e-12);
    assert_eq!(ledger.left(&budget, at(1300 + 720)), 2.0);
}

#[test]
fn the_rate_is_measured_on_past_surprises() {
    let mut watch = Watch::new(Budget { pages: 2.0, per: MONTH });
    assert_eq!(watch.measure(HOUR, 1000, 1), None);
    let mut normal = normals(4);
    let names: Vec<Series> = (0..10).map(|name| series(&name.to_string(), "", "mean_shift")).collect();
    for hour in 0..700 {
        let kind = Kind::Signed { deviation: Some(1.0) };
        let values: Vec<Value> =
            names.iter().map(|series| Value { series: series.clone(), value: normal(), kind }).collect();
        watch.step(at(hour), HOUR, &values);
    }
    let measured = watch.measure(HOUR, 100_000, 1).unwrap();
    assert_eq!(watch.measure(HOUR, 100_000, 1), Some(measured));
    assert!(measured.low <= measured.pages && measured.pages <= measured.high && measured.low < 2.0, "{measured:?}");
    assert!((measured.periods - 20.0 * 100_000.0 / 7200.0).abs() < 2.0, "{measured:?}");
}

#[test]
fn budgets_are_read_as_they_are_written() {
    let budget = Budget::parse("2 pages per 30d").unwrap();
    assert_eq!((budget.pages, budget.per), (2.0, MONTH));
    assert_eq!(budget.windows_for_each_page(HOUR), 360.0);
    for text in ["2 pages per 30d", "1 page per 7d", "0.5 pages per 7d"] {
        assert_eq!(Budget::parse(text).unwrap().to_string(), text);
    }
    let message = |text: &str| Budget::parse(text).unwrap_err().to_string();
    assert_eq!(message("2 per 30d"), "`2 per 30d` is not a budget: write for example `2 pages per 30d`");
    assert!(message("0 pages per 30d").starts_with("`0` is not a number of pages above zero"));
    assert!(message("NaN pages per 30d").starts_with("`NaN` is not a number of pages above zero"));
    assert!(message("2 pages per month").starts_with("`month` is not a length of time"));
    assert!(message("2 pages per 0s").starts_with("a budget is for a time above zero"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn evidence_depends_on_neither_unit_nor_zero(
        seed in 0u64..1000, exponent in -20i32..20, zero in -1000.0..1000.0, deviation in prop::option::of(0.5..2.0),
    ) {
        let (mut one, mut other, mut normal) = (Gauge::default(), Gauge::default(), normals(seed));
        let unit = 2f64.powi(exponent);
        for hour in 0..600 {
            let value = normal() + if hour > 500 { 2.0 } else { 0.0 };
            let observe = |gauge: &mut Gauge, value: f64, unit: f64| {
                let kind = Kind::Signed { deviation: deviation.map(|deviation: f64| deviation * unit) };
                gauge.observe(&Observation { kind, ..signed(hour, value) }, 13.0)
            };
            let expected = observe(&mut one, value, 1.0);
            let found = observe(&mut other, (value + zero) * unit, unit);
            // Seasons are kept in single precision.
            prop_assert!((found - expected).abs() < 1e-2 * (1.0 + expected.abs()), "{hour}: {found} {expected}");
        }
    }

    #[test]
    fn nothing_that_is_fed_does_harm(
        values in prop::collection::vec((any::<f64>(), any::<i32>(), 1i64..1_000_000_000, any::<f64>()), 1..200),
        kind in 0..3,
    ) {
        let mut watch = Watch::new(Budget { pages: 1e9, per: Span(1) });
        let mut end = Time(0);
        for (value, step, length, noise) in values {
            end = Time(end.0 + i64::from(step));
            let kind = match kind {
                0 => Kind::Signed { deviation: Some(noise) },
                1 => Kind::Divergence { unit: Some(noise) },
                _ => Kind::Distance { unit: None },
            };
            for surprise in watch.step(end, Span(length), &[Value { series: series("a", "", "x"), value, kind }]) {
                prop_assert!(surprise.surprise.is_finite() && surprise.surprise >= 0.0);
            }
        }
        let stored = postcard::to_stdvec(&watch).unwrap();
        prop_assert_eq!(postcard::from_bytes::<Watch>(&stored).unwrap(), watch);
    }

    #[test]
    fn the_same_is_said_again(seed in 0u64..1000) {
        let run = || {
            let (mut gauge, mut normal) = (Gauge::default(), normals(seed));
            for hour in 0..300 {
                gauge.observe(&signed(hour, normal()), 13.0);
            }
            gauge
        };
        prop_assert_eq!(run(), run());
    }
}
