//! The false-alarm contract over a year of streams in which nothing drifts, and the delay where something does, against
//! the rules that others use: `cargo bench --bench false_alarms`.
//!
//! 200 features in hourly windows of 1000 rows, three statistics each: the signed shift of the mean, PSI and KS. The
//! budget is 2 pages per 30 days. Alarms of several features in one window are one page, for every rule. Ours pages
//! again for a series when its evidence has gone; the others page again for a feature that was quiet for a day.
//!
//! `TIDEGAUGE_SEEDS` sets how many years there are of each stream, 2 unless told; `TIDEGAUGE_FIRST_SEED` which, from 100
//! on unless told: the method was chosen on those of seeds 0 and 1. `TIDEGAUGE_FEATURES` and `TIDEGAUGE_DAYS` make it
//! smaller.

#[path = "drifting/mod.rs"]
mod drifting;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use drifting::{Cells, Drawn, Feature, REFERENCE, ROWS, STREAMS, Stream, Trailing};
use statrs::distribution::{ContinuousCDF, Gamma};
use tidegauge::budget::{Budget, Gauge, Kind, Measured, Observation, Series, Value, Watch};
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
const RULES: [(&str, f64, f64); 3] = [
    ("PSI", 0.2, 0.02),
    ("Wasserstein, Evidently", 0.1, 0.03),
    ("sigmas from the mean of the trailing week", 3.0, 2.0),
];
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
    [
        Kind::Signed { deviation: Some(unit.sqrt()) },
        Kind::Divergence { unit: Some(unit) },
        Kind::Distance { unit: Some(unit) },
    ]
}

fn values(measured: &Drawn) -> [f64; 3] {
    [measured.shift, measured.psi, measured.ks]
}

/// What came of one monitor's year.
#[derive(Default)]
struct Year {
    stream: usize,
    /// The hours of our pages, and how many each rule has at each threshold.
    pages: Vec<usize>,
    rules: Vec<[usize; RULES.len()]>,
    delays: Vec<Delay>,
    /// What the watch itself measures at the end of the year, and the seconds it took for each value.
    measured: Option<Measured>,
    seconds: f64,
}

/// After how many windows a drift was paged for, by our rule and by each other at each threshold; `usize::MAX` if it
/// was not.
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
        let Branch { mut feature, mut gauges, mut trailing } = Branch {
            feature: branch.feature.clone(),
            gauges: branch.gauges.clone(),
            trailing: branch.trailing.clone(),
        };
        let mut highest = [0; RULES.len()];
        for hour in from..from + PATIENCE {
            let measured = feature.next(cells, stream, hour, drift, &mut counts);
            let sigmas = trailing.sigmas(measured.shift);
            let waited = hour - from + 1;
            for (rule, value) in [measured.psi, measured.wasserstein, sigmas].into_iter().enumerate() {
                let reached = beyond(rule, value);
                if reached > highest[rule] {
                    for delays in &mut rules[highest[rule]..reached] {
                        delays[rule] = delays[rule].min(waited);
                    }
                    highest[rule] = reached;
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
    let mut drawn: Vec<Feature> = (0..features)
        .map(|feature| Feature::new(cells, (seed * 10 + place as u64) * 100_003 + feature as u64))
        .collect();
    let mut trailing = vec![Trailing::default(); features];
    let mut last = vec![[[i64::MIN / 2; RULES.len()]; TRIED]; features];
    let mut year = Year { stream: place, rules: vec![[0; RULES.len()]; TRIED], ..Year::default() };
    let mut counts = Vec::new();
    for hour in 0..24 * days {
        // Each feature drifts once, at its own time, in a branch of the year that is then left.
        let settled = 24 * days - PATIENCE.min(24 * days);
        let drifts_now = |feature: &usize| SETTLED + feature * settled.saturating_sub(SETTLED) / features == hour;
        for feature in (0..features).filter(|feature| settled > SETTLED && drifts_now(feature)) {
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
        year.seconds += before.elapsed().as_secs_f64();
        if surprises.iter().any(|surprise| surprise.pages) {
            year.pages.push(hour);
        }
    }
    year.seconds /= (24 * days * features * STATISTICS.len()) as f64;
    year.measured = watch.measure(HOUR, 200_000, seed);
    year
}

/// The 95 % interval of a rate of which so many events were seen in so many times its unit (Garwood, 1936).
fn band(count: usize, times: f64) -> (f64, f64) {
    let quantile = |shape: f64, p: f64| Gamma::new(shape, 1.0).map_or(0.0, |gamma| gamma.inverse_cdf(p));
    let low = if count == 0 { 0.0 } else { quantile(count as f64, 0.025) };
    (low / times, quantile(count as f64 + 1.0, 0.975) / times)
}

/// The most pages in any 30 days.
fn most(pages: &[usize]) -> usize {
    let in_month = |last: usize| pages.iter().filter(|page| (last.saturating_sub(719)..=last).contains(page)).count();
    pages.iter().map(|page| in_month(*page)).max().unwrap_or(0)
}

/// One row of the second table: the median delay and the share found, for each drift in one feature and for the
/// smallest in several.
fn delays(years: &[&Year], of: impl Fn(&Delay) -> usize) -> String {
    let cell = |(drift, is_several): (f64, bool)| {
        let all = years.iter().flat_map(|year| &year.delays);
        let mut delays: Vec<usize> =
            all.filter(|delay| delay.drift == drift && (delay.features > 1) == is_several).map(&of).collect();
        delays.sort_unstable();
        let found = delays.iter().filter(|delay| **delay < usize::MAX).count();
        let median = delays.get(delays.len() / 2).filter(|delay| **delay < usize::MAX);
        let median = median.map_or("-".to_owned(), |median| median.to_string());
        format!(" {median} ({:.0} %) |", 100.0 * found as f64 / delays.len().max(1) as f64)
    };
    DRIFTS.iter().map(|drift| (*drift, false)).chain([(DRIFTS[0], true)]).map(cell).collect()
}

fn main() {
    let number =
        |name: &str, usual: usize| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual);
    let (features, days) = (number("TIDEGAUGE_FEATURES", 200), number("TIDEGAUGE_DAYS", 365));
    let (seeds, first) = (number("TIDEGAUGE_SEEDS", 2), number("TIDEGAUGE_FIRST_SEED", 100) as u64);
    let cells = Cells::new();
    let tasks: Vec<(usize, u64)> =
        (first..first + seeds as u64).flat_map(|seed| (0..STREAMS.len()).map(move |place| (place, seed))).collect();
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
    let seconds = years.iter().map(|year| year.seconds).sum::<f64>() / years.len().max(1) as f64;
    println!(
        "{features} features, {days} days, {seeds} years of each stream; {:.1} us for each value\n",
        seconds * 1e6
    );

    let names = RULES.map(|(name, usual, _)| format!("{name} > {usual}")).join(" | ");
    println!(
        "| pages per 30 days, nothing drifting | budget | 95 % band | most in any 30 | the watch measures | {names} |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let of = |place: usize| years.iter().filter(|year| year.stream == place).collect::<Vec<&Year>>();
    for (place, stream) in STREAMS.iter().enumerate() {
        let years = of(place);
        let count: usize = years.iter().map(|year| year.pages.len()).sum();
        let (low, high) = band(count, times);
        let most = years.iter().map(|year| most(&year.pages)).max().unwrap_or(0);
        let measured: Vec<&Measured> = years.iter().filter_map(|year| year.measured.as_ref()).collect();
        let mean = |part: fn(&Measured) -> f64| {
            measured.iter().map(|measured| part(measured)).sum::<f64>() / measured.len().max(1) as f64
        };
        let (pages, highest) = (mean(|measured| measured.pages), mean(|measured| measured.high));
        print!(
            "| {} | {:.2} | {low:.2} to {high:.2} | {most} | {pages:.2}, up to {highest:.2} |",
            stream.name,
            count as f64 / times
        );
        for (rule, (_, usual, _)) in RULES.iter().enumerate() {
            let pages: usize = years.iter().map(|year| year.rules[beyond(rule, *usual)][rule]).sum();
            print!(" {:.2} |", pages as f64 / times);
        }
        println!();
    }

    println!(
        "\nMedian delay in windows, and share found within 14 days, for a drift of so many standard deviations.\n"
    );
    let drifts = DRIFTS.map(|drift| format!("{drift}")).join(" | ");
    println!("| stream | rule | pages per 30 days | {drifts} | {} in {SEVERAL} features |", DRIFTS[0]);
    println!("|---|---|---|---|---|---|---|");
    for (place, stream) in STREAMS.iter().enumerate() {
        let years = of(place);
        let count: usize = years.iter().map(|year| year.pages.len()).sum();
        let row = |rule: &str, pages: usize, delays: &str| {
            println!("| {} | {rule} | {:.2} |{delays}", stream.name, pages as f64 / times);
        };
        row("budget", count, &delays(&years, |delay| delay.ours));
        for (rule, (name, usual, _)) in RULES.iter().enumerate() {
            let pages = |step: usize| years.iter().map(|year| year.rules[step][rule]).sum::<usize>();
            // The lowest threshold with no more pages than ours.
            let tuned = (0..TRIED).rev().take_while(|step| pages(*step) <= count).last().unwrap_or(TRIED - 1);
            let tuned_name = format!("{name} > {:.3}, tuned", threshold(rule, tuned));
            row(&tuned_name, pages(tuned), &delays(&years, |delay| delay.rules[tuned][rule]));
            let default = beyond(rule, *usual);
            row(&format!("{name} > {usual}"), pages(default), &delays(&years, |delay| delay.rules[default][rule]));
        }
    }
}
