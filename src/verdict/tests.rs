//! Verdicts are hardly ever wrong, however often one looks, and come in the end.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rand_distr::{Binomial, Distribution, StandardNormal};
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::SeedableRng;

use super::sequence::{Interval, Sequence, Term};
use super::*;
use crate::measurement::Family;
use crate::stat;
use crate::time::{Span, Window};

const HOUR: i64 = 3_600_000;
const WINDOWS: usize = 500;

fn challenge(statistic: &str, margin: f64) -> Challenge {
    Challenge {
        champion: Some("7".into()),
        statistic: stat::find(Family::Performance, statistic).expect("a statistic"),
        margin,
        confidence: 0.95,
    }
}

fn contest() -> Contest {
    Contest::new(&challenge("accuracy", 0.01), Span(HOUR))
}

fn window(hour: usize) -> Window {
    let start = Time(hour as i64 * HOUR);
    Window { start, end: start + Span(HOUR) }
}

/// A share of rows and its Wilson interval.
fn share(hits: u64, rows: u64) -> Measured {
    const Z: f64 = 1.959_963_984_540_054;
    let (n, value) = (rows as f64, hits as f64 / rows as f64);
    let middle = (value + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
    let half = Z / (1.0 + Z * Z / n) * (value * (1.0 - value) / n + Z * Z / (4.0 * n * n)).sqrt();
    Measured { value: Some(value), low: Some(middle - half), high: Some(middle + half), rows }
}

/// Two versions as they might be.
struct World {
    /// How often each is right.
    right: [f64; 2],
    /// Rows of each in a window of this hour.
    rows: fn(usize) -> [u64; 2],
    /// How much that differs from window to window, of both alike and of each by itself.
    together: f64,
    apart: f64,
}

fn evenly(_: usize) -> [u64; 2] {
    [200, 200]
}

fn a_tenth(_: usize) -> [u64; 2] {
    [900, 100]
}

fn by_day(hour: usize) -> [u64; 2] {
    let rows = 300.0 + 280.0 * (hour as f64 * std::f64::consts::TAU / 24.0).sin();
    [rows as u64, (rows / 5.0) as u64]
}

impl World {
    fn window(&self, hour: usize, random: &mut Pcg64Mcg) -> BTreeMap<Arc<str>, Measured> {
        let mut normal = |scale: f64| -> f64 { scale * Distribution::<f64>::sample(&StandardNormal, random) };
        let (together, apart) = (normal(self.together), [normal(self.apart), normal(self.apart)]);
        let mut of = |version: usize| {
            let rows = (self.rows)(hour)[version];
            let right = (self.right[version] + together + apart[version]).clamp(0.0, 1.0);
            share(Binomial::new(rows, right).expect("a share").sample(random), rows)
        };
        BTreeMap::from([("7".into(), of(0)), ("8".into(), of(1))])
    }

    /// The verdict after each window, in one run.
    fn run(&self, seed: u64, windows: usize, margin: f64) -> Vec<Verdict> {
        let mut contest = Contest::new(&challenge("accuracy", margin), Span(HOUR));
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        let mut verdict = Verdict::Undecided;
        let mut after = |hour: usize| {
            if !contest.step(window(hour), &self.window(hour, &mut random)).is_empty() {
                verdict = contest.standing("m", "8").map_or(verdict, |standing| standing.verdict);
            }
            verdict
        };
        (0..windows).map(&mut after).collect()
    }

    /// In how large a share of runs one version was ever called better.
    fn misjudged(&self, runs: u64) -> f64 {
        let is_wrong = |seed: &u64| {
            self.run(*seed, WINDOWS, 0.0).iter().any(|verdict| [Verdict::Better, Verdict::Worse].contains(verdict))
        };
        (0..runs).filter(is_wrong).count() as f64 / runs as f64
    }
}

#[test]
fn equal_versions_are_hardly_ever_told_apart() {
    let world = |right: f64, rows, (together, apart)| World { right: [right; 2], rows, together, apart };
    let worlds = [
        ("evenly", world(0.9, evenly, (0.0, 0.0))),
        ("a tenth of the rows", world(0.9, a_tenth, (0.05, 0.0))),
        ("hardly ever wrong", world(0.99, a_tenth, (0.0, 0.0))),
        ("by day, and each with its own noise", world(0.85, by_day, (0.02, 0.03))),
    ];
    for (name, world) in worlds {
        let share = world.misjudged(200);
        assert!(share <= 0.05, "{name}: {share}");
    }
}

#[test]
fn a_real_difference_is_found_and_one_that_does_not_matter_is_too() {
    let first = |verdicts: &[Verdict]| verdicts.iter().position(|verdict| *verdict != Verdict::Undecided);
    for (right, rows, margin, expected, within) in [
        ([0.85, 0.90], evenly as fn(usize) -> [u64; 2], 0.01, Verdict::Better, 60),
        ([0.90, 0.85], evenly, 0.01, Verdict::Worse, 60),
        ([0.85, 0.90], by_day, 0.01, Verdict::Better, 150),
        ([0.90, 0.90], a_tenth, 0.03, Verdict::Equivalent, 150),
    ] {
        let world = World { right, rows, together: 0.02, apart: 0.0 };
        for seed in 0..20 {
            let verdicts = world.run(seed, within, margin);
            assert_eq!(first(&verdicts).map(|at| verdicts[at]), Some(expected), "{right:?}, {seed}");
        }
    }
}

#[test]
fn less_is_better_where_more_is_worse() {
    let of = |value| Measured { value: Some(value), low: None, high: None, rows: 500 };
    for (statistic, expected) in [("brier_score", Verdict::Better), ("accuracy", Verdict::Worse)] {
        let mut contest = Contest::new(&challenge(statistic, 0.001), Span(HOUR));
        for hour in 0..50 {
            let noise = (hour % 5) as f64 / 500.0;
            contest.step(window(hour), &BTreeMap::from([("7".into(), of(0.30)), ("8".into(), of(0.25 + noise))]));
        }
        let standing = contest.standing("m", "8").expect("it was compared");
        assert_eq!(standing.verdict, expected);
        assert!(standing.difference.is_some_and(|difference| difference < 0.0), "as it is, not as it is taken");
        assert_eq!((standing.windows, standing.rows, standing.champion_rows), (50, 25_000, 25_000));
        assert_eq!((standing.since, standing.window_end), (Time(0), Time(50 * HOUR)));
    }
}

#[test]
fn what_does_not_vary_shows_nothing() {
    let of = |value| Measured { value: Some(value), low: None, high: None, rows: 500 };
    let mut contest = contest();
    for hour in 0..50 {
        contest.step(window(hour), &BTreeMap::from([("7".into(), of(0.3)), ("8".into(), of(0.4))]));
    }
    let standing = contest.standing("m", "8").expect("it was compared");
    assert_eq!((standing.verdict, standing.low), (Verdict::Undecided, None));
}

/// A window in which these versions have rows, and each is as often right.
fn served(versions: &[&str]) -> BTreeMap<Arc<str>, Measured> {
    versions.iter().map(|version| (Arc::from(*version), share(90, 100))).collect()
}

#[test]
fn the_champion_is_who_has_served_longest_until_it_retires() {
    let mut contest = Contest::new(&Challenge { champion: None, ..challenge("accuracy", 0.01) }, Span(HOUR));
    let mut hour = 0;
    let mut serve = |versions: &[&str], hours: usize| {
        for _ in 0..hours {
            contest.step(window(hour), &served(versions));
            hour += 1;
        }
        let standings = contest.standings("m");
        standings.map(|it| format!("{} against {}: {}", it.version, it.champion, it.windows)).collect::<Vec<_>>()
    };
    assert_eq!(serve(&["7"], 3), [""; 0]);
    assert_eq!(serve(&["7", "8"], 2), ["8 against 7: 2"]);
    // A gap is not the end.
    assert_eq!(serve(&["6", "8"], 24), ["8 against 7: 2"]);
    assert_eq!(serve(&["6", "7", "8"], 1), ["6 against 7: 1", "8 against 7: 3"]);
    assert_eq!(serve(&["6", "8"], 25), ["6 against 8: 1"]);
}

#[test]
fn windows_count_once_and_only_as_far_as_both_are_known() {
    let mut contest = contest();
    let both = served(&["7", "8"]);
    let half = |window: Window| Window { start: window.start + Span(HOUR / 2), end: window.end + Span(HOUR / 2) };
    contest.step(window(0), &both);
    contest.step(window(0), &both);
    contest.step(half(window(0)), &both);
    contest.step(window(1), &served(&["8"]));
    let unknown = Measured { value: None, low: None, high: None, rows: 3 };
    contest.step(window(2), &BTreeMap::from([("7".into(), unknown), ("8".into(), share(1, 2))]));
    contest.step(window(3), &BTreeMap::from([("7".into(), share(1, 2)), ("8".into(), share(0, 0))]));
    contest.step(window(4), &BTreeMap::new());
    contest.step(window(4), &both);
    let standing = contest.standing("m", "8").expect("it was compared");
    assert_eq!((standing.windows, standing.rows, standing.window_end), (2, 200, Time(5 * HOUR)));
}

#[test]
fn what_is_stored_goes_on_exactly_and_other_terms_begin_anew() {
    let world = World { right: [0.85, 0.9], rows: a_tenth, together: 0.01, apart: 0.01 };
    let mut random = Pcg64Mcg::seed_from_u64(5);
    let windows: Vec<_> = (0..80).map(|hour| world.window(hour, &mut random)).collect();
    let (mut through, mut restarted) = (contest(), contest());
    for (hour, measured) in windows.iter().enumerate() {
        let changed = through.step(window(hour), measured);
        assert_eq!(restarted.step(window(hour), measured), changed);
        let bytes = postcard::to_stdvec(&restarted).expect("it can be stored");
        let stored = postcard::from_bytes(&bytes).expect("it can be read");
        restarted = Contest::resume(Some(stored), &challenge("accuracy", 0.01), Span(HOUR));
    }
    assert_eq!(through, restarted);
    assert_eq!(through.standings("m").map(|standing| standing.verdict).collect::<Vec<_>>(), [Verdict::Better]);
    let others = [
        (challenge("accuracy", 0.02), Span(HOUR)),
        (challenge("balanced_accuracy", 0.01), Span(HOUR)),
        (challenge("accuracy", 0.01), Span(2 * HOUR)),
        (Challenge { champion: None, ..challenge("accuracy", 0.01) }, Span(HOUR)),
        (Challenge { confidence: 0.9, ..challenge("accuracy", 0.01) }, Span(HOUR)),
    ];
    for (other, size) in others {
        assert_eq!(Contest::resume(Some(through.clone()), &other, size).standings("m").count(), 0);
    }
}

#[test]
fn a_verdict_stays_until_there_is_another() {
    let mut contest = contest();
    let mut told = Vec::new();
    for hour in 0..400 {
        let right = if hour < 60 { 95 } else { 82 };
        let jitter = (hour % 3) as u64;
        let measured = BTreeMap::from([("7".into(), share(89, 100)), ("8".into(), share(right + jitter, 100))]);
        let changed = contest.step(window(hour), &measured);
        let standing = contest.standing("m", "8").expect("it was compared");
        assert_eq!(changed.is_empty(), standing.decided != Some(standing.window_end));
        told.extend((!changed.is_empty()).then_some(standing.verdict));
    }
    assert_eq!(told.first(), Some(&Verdict::Better));
    assert_eq!(told.last(), Some(&Verdict::Worse));
    assert!(told.len() <= 3 && !told.contains(&Verdict::Undecided), "{told:?}");
}

fn term() -> impl Strategy<Value = Term> {
    let sampling = prop_oneof![Just(0.0), 0.0..0.01f64];
    (-1.0..1.0f64, 0.5..1e6f64, sampling).prop_map(|(difference, weight, sampling)| Term {
        difference,
        weight,
        sampling,
    })
}

fn sequence<'a>(terms: impl IntoIterator<Item = &'a Term>) -> Sequence {
    let mut sequence = Sequence::default();
    terms.into_iter().for_each(|term| assert!(sequence.add(*term)));
    sequence
}

proptest! {
    #[test]
    fn the_order_of_windows_does_not_matter(terms in prop::collection::vec(term(), 0..30)) {
        let (forwards, backwards) = (sequence(&terms), sequence(terms.iter().rev()));
        prop_assert_eq!(&forwards, &backwards);
        prop_assert_eq!(forwards.interval(0.95), backwards.interval(0.95));
    }

    #[test]
    fn an_interval_has_its_mean_and_is_wider_for_more_confidence(terms in prop::collection::vec(term(), 0..40)) {
        let sequence = sequence(&terms);
        if let Some(sure) = sequence.interval(0.99) {
            let Interval { mean, low, high } = sequence.interval(0.9).expect("less is asked for");
            prop_assert!(sure.low <= low && low <= mean && mean <= high && high <= sure.high);
        }
    }

    #[test]
    fn no_number_is_too_much(terms in prop::collection::vec(any::<[f64; 3]>(), 0..20), confidence in 0.5..1.0f64) {
        let mut sequence = Sequence::default();
        for [difference, weight, sampling] in terms {
            sequence.add(Term { difference, weight, sampling });
        }
        if let Some(Interval { mean, low, high }) = sequence.interval(confidence) {
            prop_assert!(low <= mean && mean <= high && (high - low).is_finite());
        }
    }
}
