//! The false-alarm contract, kept over a year of streams that do not drift, and what it costs in delay where one does:
//! `cargo bench --bench false_alarms`.

#[path = "drifting/mod.rs"]
mod drifting;

use std::sync::{Arc, Mutex};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use drifting::{Cells, Feature, Measured, REFERENCE, ROWS, STREAMS, Stream, Trailing};
use statrs::distribution::{ContinuousCDF, Gamma};
use tidegauge::budget::{Budget, Gauge, Kind, Observation, Series, Value, Watch};
use tidegauge::time::{Span, Time};

const HOUR: Span = Span(3_600_000);
const STATISTICS: [&str; 3] = ["mean_shift", "psi", "ks"];
/// The sizes of drift, in standard deviations.
const DRIFTS: [f64; 3] = [0.1, 0.3, 1.0];
/// How long a drift may take to be detected, in hours.
const PATIENCE: usize = 14 * 24;
/// How long a series runs before something drifts in it, in hours.
const SETTLED: usize = 60 * 24;
/// In how many features at once something drifts.
const SEVERAL: usize = 10;
/// An alarm that was quiet for so many windows may page again.
const QUIET: i64 = 24;

/// The compared rules: name, default threshold and the lowest that is tried.
const RULES: [(&str, f64, f64); 3] =
    [("PSI", 0.2, 0.02), ("Wasserstein (Evidently)", 0.1, 0.03), ("mean + k sigma of the trailing week", 3.0, 2.0)];
/// How many thresholds are tried, each 2 % above the one before.
const TRIED: usize = 170;

fn threshold(rule: usize, step: usize) -> f64 {
    RULES[rule].2 * 1.02f64.powi(step as i32)
}

/// How many of a rule's tried thresholds a value is beyond.
fn beyond(rule: usize, value: f64) -> usize {
    let steps = (value / RULES[rule].2).ln() / 1.02f64.ln();
    if steps > 0.0 { (steps.ceil() as usize).min(TRIED) } else { 0 }
}

fn kinds() -> [Kind; 3] {
    let unit = 1.0 / ROWS as f64 + 1.0 / REFERENCE as f64;
    [Kind::Signed { deviation: Some(unit.sqrt()) }, Kind::Divergence { unit: Some(unit) }, Kind::Distance { unit: Some(unit) }]
}

fn values(measured: &Measured) -> [f64; 3] {
    [measured.shift, measured.psi, measured.ks]
}

/// What came of one monitor's year.
#[derive(Default)]
struct Year {
    stream: usize,
    /// The hours of our pages, and how many each rule has at each threshold.
    pages: Vec<usize>,
    by_statistic: [usize; 3],
    rules: Vec<[usize; RULES.len()]>,
    delays: Vec<Delay>,
    seconds: f64,
    gauges: f64,
}

/// After how many windows a drift was paged for, by our rule and by each other at each threshold; `usize::MAX` if it was
/// not.
struct Delay {
    drift: f64,
    features: usize,
    ours: usize,
    rules: Vec<[usize; RULES.len()]>,
}

struct Branch {
    feature: Feature,
    gauges: Vec<Gauge>,
    trailing: Trailing,
}

fn delay(cells: &Cells, stream: &Stream, branches: &[Branch], from: usize, drift: f64) -> Delay {
    let (mut ours, mut rules) = (usize::MAX, vec![[usize::MAX; RULES.len()]; TRIED]);
    let mut counts = Vec::new();
    for branch in branches {
        let Branch { mut feature, mut gauges, mut trailing } =
            Branch { feature: branch.feature.clone(), gauges: branch.gauges.clone(), trailing: branch.trailing.clone() };
        let mut highest = [0; RULES.len()];
        for hour in from..from + PATIENCE {
            let measured = feature.next(cells, stream, hour, drift, &mut counts);
            let sigmas = trailing.sigmas(measured.shift);
            let waited = hour - from + 1;
            for (rule, value) in [measured.psi, measured.wasserstein, sigmas].into_iter().enumerate() {
                for step in highest[rule]..beyond(rule, value) {
                    rules[step][rule] = rules[step][rule].min(waited);
                    highest[rule] = step + 1;
                }
            }
            let end = Time((hour as i64 + 1) * HOUR.0);
            for ((gauge, value), kind) in gauges.iter_mut().zip(values(&measured)).zip(kinds()) {
                let line = gauge.line();
                if gauge.observe(&Observation { end, length: HOUR, value, kind }, line) >= line {
                    ours = ours.min(waited);
                }
            }
        }
    }
    Delay { drift, features: branches.len(), ours, rules }
}

fn year(cells: &Cells, place: usize, seed: u64, features: usize, days: usize) -> Year {
    let stream = &STREAMS[place];
    let mut watch = Watch::new(Budget { pages: 2.0, per: Span(30 * 24 * HOUR.0) });
    let series: Vec<[Series; 3]> = (0..features)
        .map(|feature| {
            let subject: Arc<str> = format!("feature{feature:03}").into();
            STATISTICS.map(|statistic| Series {
                version: "".into(),
                subject: subject.clone(),
                slice: "".into(),
                statistic: statistic.into(),
            })
        })
        .collect();
    let mut drawn: Vec<Feature> =
        (0..features).map(|feature| Feature::new(cells, (seed * 10 + place as u64) * 100_003 + feature as u64)).collect();
    let mut trailing = vec![Trailing::default(); features];
    let mut last = vec![[[i64::MIN / 2; RULES.len()]; TRIED]; features];
    let mut year = Year { stream: place, rules: vec![[0; RULES.len()]; TRIED], ..Year::default() };
    let mut counts = Vec::new();
    let started = Instant::now();
    for hour in 0..24 * days {
        // Each feature drifts once, at its own time, in a branch of the year that is then left.
        let settled = 24 * days - PATIENCE.min(24 * days);
        for feature in (0..features).filter(|feature| SETTLED + feature * settled.saturating_sub(SETTLED) / features == hour && days > 75) {
            let branches: Vec<Branch> = (0..SEVERAL.min(features))
                .map(|more| (feature + more) % features)
                .map(|feature| Branch {
                    feature: drawn[feature].clone(),
                    gauges: series[feature].iter().map(|series| watch.gauges()[series].clone()).collect(),
                    trailing: trailing[feature].clone(),
                })
                .collect();
            for drift in DRIFTS {
                year.delays.push(delay(cells, stream, &branches[..1], hour, drift));
            }
            if feature % 5 == 0 {
                year.delays.push(delay(cells, stream, &branches, hour, DRIFTS[0]));
            }
        }
        let mut told = Vec::with_capacity(3 * features);
        let mut pages = [[false; RULES.len()]; TRIED];
        for feature in 0..features {
            let measured = drawn[feature].next(cells, stream, hour, 0.0, &mut counts);
            let sigmas = trailing[feature].sigmas(measured.shift);
            for (rule, value) in [measured.psi, measured.wasserstein, sigmas].into_iter().enumerate() {
                for step in 0..beyond(rule, value) {
                    let last = &mut last[feature][step][rule];
                    pages[step][rule] |= hour as i64 - *last > QUIET;
                    *last = hour as i64;
                }
            }
            for ((series, value), kind) in series[feature].iter().zip(values(&measured)).zip(kinds()) {
                told.push(Value { series: series.clone(), value, kind });
            }
        }
        for (all, pages) in year.rules.iter_mut().zip(pages) {
            for (all, page) in all.iter_mut().zip(pages) {
                *all += usize::from(page);
            }
        }
        let before = Instant::now();
        let surprises = watch.step(Time((hour as i64 + 1) * HOUR.0), HOUR, &told);
        year.gauges += before.elapsed().as_secs_f64();
        let mut is_page = false;
        for (place, surprise) in surprises.iter().enumerate().filter(|(_, surprise)| surprise.pages) {
            is_page = true;
            year.by_statistic[place % 3] += 1;
            if std::env::var("TIDEGAUGE_TELL").is_ok() {
                let gauge = &watch.gauges()[&surprise.series];
                println!("{place} {hour} {} {} line {:.1} {}", surprise.series.subject, surprise.series.statistic, gauge.line(), gauge.describe());
            }
        }
        if is_page {
            year.pages.push(hour);
        }
    }
    if std::env::var("TIDEGAUGE_TELL").is_ok() { for s in &series[0] { println!("  {} line {:.2}", watch.gauges()[s].describe(), watch.gauges()[s].line()); } }
    year.seconds = started.elapsed().as_secs_f64();
    year
}

/// The 95 % interval of a rate of which so many events were seen in so many times its unit (Garwood, 1936).
fn band(count: usize, times: f64) -> (f64, f64) {
    let quantile = |shape: f64, p: f64| Gamma::new(shape, 1.0).map_or(0.0, |gamma| gamma.inverse_cdf(p));
    let low = if count == 0 { 0.0 } else { quantile(count as f64, 0.025) };
    (low / times, quantile(count as f64 + 1.0, 0.975) / times)
}

fn main() {
    let number = |name: &str, usual: usize| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual);
    let (features, days, seeds) = (number("TIDEGAUGE_FEATURES", 200), number("TIDEGAUGE_DAYS", 365), number("TIDEGAUGE_SEEDS", 1));
    let cells = Cells::new();
    let tasks: Vec<(usize, u64)> = (0..STREAMS.len()).flat_map(|place| (0..seeds as u64).map(move |seed| (place, seed))).collect();
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((place, seed)) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let year = year(&cells, *place, *seed, features, days);
                    done.lock().expect("no worker has failed").push(year);
                }
            });
        }
    });
    let years = done.into_inner().expect("no worker has failed");
    let times = (seeds * days) as f64 / 30.0;
    for (place, stream) in STREAMS.iter().enumerate() {
        let years: Vec<&Year> = years.iter().filter(|year| year.stream == place).collect();
        let count: usize = years.iter().map(|year| year.pages.len()).sum();
        let most = years.iter().flat_map(|year| year.pages.iter().map(|page| year.pages.iter().filter(|other| *other <= page && *other + 720 > *page).count())).max().unwrap_or(0);
        let (low, high) = band(count, times);
        let by: Vec<usize> = (0..3).map(|s| years.iter().map(|y| y.by_statistic[s]).sum()).collect();
        println!("\n{}: {:.2} [{low:.2}, {high:.2}] most {most} by {by:?}; {:.0} s, gauges {:.0} ns each; pages {:?}", stream.name, count as f64 / times,
            years.iter().map(|y| y.seconds).sum::<f64>(), years.iter().map(|y| y.gauges).sum::<f64>() / (seeds * 24 * days * features * 3) as f64 * 1e9, years[0].pages);
        let row = |name: &str, count: usize, of: &dyn Fn(&Delay) -> usize| {
            print!("| {name} | {:.2} |", count as f64 / times);
            for (drift, several) in DRIFTS.iter().map(|d| (*d, false)).chain([(DRIFTS[0], true)]) {
                let mut delays: Vec<usize> = years.iter().flat_map(|year| &year.delays).filter(|delay| delay.drift == drift && (delay.features > 1) == several).map(of).collect();
                delays.sort_unstable();
                let found = delays.iter().filter(|delay| **delay < usize::MAX).count();
                let median = delays.get(delays.len() / 2).copied().unwrap_or(usize::MAX);
                let median = if median == usize::MAX { "-".to_owned() } else { median.to_string() };
                print!(" {median} ({:.0} %) |", 100.0 * found as f64 / delays.len().max(1) as f64);
            }
            println!();
        };
        row("budget", count, &|delay| delay.ours);
        for (rule, (name, usual, _)) in RULES.iter().enumerate() {
            let pages = |step: usize| years.iter().map(|year| year.rules[step][rule]).sum::<usize>();
            let at_default = beyond(rule, *usual);
            row(&format!("{name} > {usual}"), pages(at_default), &|delay| delay.rules[at_default][rule]);
            let tuned = (0..TRIED).rev().take_while(|step| pages(*step) <= count).last().unwrap_or(TRIED - 1);
            row(&format!("{name} tuned > {:.3}", threshold(rule, tuned)), pages(tuned), &|delay| delay.rules[tuned][rule]);
        }
    }
}
