//! A monitor's budget of false alarms, as it is kept from window to window.
//!
//! Every window is taken in once, when it is first told. Windows that overlap the last one that a series was fed say
//! nothing of their own, and the watch passes them over: what it said last stays.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use crate::budget::{Account, Budget, Gauge, Kind, Measured, Series, Surprise, Value, Watch};
use crate::measurement::Measurement;
use crate::monitor::Monitor;
use crate::reference::Reference;
use crate::rule::basis::Recalled;
use crate::stat::surprise::{self, Scale};
use crate::stat::{Case, Worse};
use crate::time::{Span, Time, Window};

/// The most series of slices that are remembered, at no more than 4 KB each: those that come first, and all rows of a
/// version always.
const MOST: usize = 4096;
/// How much event time there is from one measuring of the rate to the next.
const MEASURED_EVERY: Span = Span(86_400_000);
/// How many windows it is measured in, which takes a fraction of a second, and by which random numbers.
const STEPS: usize = 20_000;
const SEED: u64 = 1;

/// What is remembered to tell how surprising a window is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Surprises {
    watch: Watch,
    /// By what all of it was measured. What was learnt by another reference, or of longer windows, is of no use.
    basis: String,
    /// The shifts that were paged for and still last, and since when.
    lasting: Vec<(Series, Time)>,
}

impl Surprises {
    /// Goes on from what was stored, as far as that is still of use; `None` without a budget.
    pub fn resume(stored: Option<Surprises>, monitor: &Monitor, reference: Option<&Reference>) -> Option<Surprises> {
        let budget = monitor.budget?;
        let hash = reference.map_or("", |reference| &reference.hash);
        let basis = format!("{} by {hash} against {:?}", monitor.windowing.size, monitor.against);
        Some(Surprises::go_on(stored, budget, basis))
    }

    /// What was remembered before a window, as far as an alert needs it to be told again; `None` without a budget.
    pub fn recalled(
        recalled: &[Recalled],
        version: &str,
        slice: &str,
        monitor: &Monitor,
        reference: Option<&Reference>,
    ) -> Option<Surprises> {
        let mut surprises = Surprises::resume(None, monitor, reference)?;
        let known = recalled.iter().filter_map(|one| {
            let gauge = postcard::from_bytes(&BASE64.decode(&one.memory).ok()?).ok()?;
            let [version, subject, slice, statistic] = [version, &one.subject, slice, &one.statistic].map(Arc::from);
            Some((Series { version, subject, slice, statistic }, gauge, one.line))
        });
        surprises.watch = Watch::recalled(*surprises.watch.budget(), known);
        Some(surprises)
    }

    fn go_on(stored: Option<Surprises>, budget: Budget, basis: String) -> Surprises {
        let Some(mut surprises) = stored else {
            return Surprises { watch: Watch::new(budget), basis, lasting: Vec::new() };
        };
        if surprises.basis != basis {
            surprises.watch.begin_anew();
            surprises.lasting.clear();
            surprises.basis = basis;
        }
        surprises.watch.keep(budget);
        surprises
    }

    /// Takes in what a window says, and completes its measurements. Where one is paged for, or still is, its value is
    /// beyond 1, and otherwise below: so an alert that asks for 1 or more fires once for each page. Returns what was
    /// remembered before.
    pub(super) fn judge<'a>(
        &mut self,
        window: Window,
        values: Vec<Value>,
        measured: impl IntoIterator<Item = &'a mut Measurement>,
    ) -> Vec<Memory> {
        self.accept(window.end);
        let values = self.within_bounds(values);
        let length = Span(window.end.0 - window.start.0);
        let surprises = self.watch.step(window.end, length, &values);
        self.note(window.end, &surprises);
        let mut told: BTreeMap<[&str; 3], f64> = BTreeMap::new();
        for surprise in &surprises {
            let Series { version, slice, subject, .. } = &surprise.series;
            let most = told.entry([version, slice, subject]).or_default();
            *most = most.max(value(surprise));
        }
        for m in measured.into_iter().filter(|m| surprise::ROW.family == m.family && surprise::ROW.name == m.statistic)
        {
            if let Some(&value) = told.get(&[m.version.as_str(), &m.slice, &m.subject]) {
                (m.value, m.undefined) = (Some(value), None);
                m.breached = m.threshold.map(|threshold| Worse::Above.is_beyond(value, threshold));
            }
        }
        let memory =
            |surprise: Surprise| Memory { series: surprise.series, gauge: surprise.before, line: surprise.line };
        surprises.into_iter().map(memory).collect()
    }

    /// Takes a shift that has lasted for as long as the budget looks back for what is usual from now on. Until then it
    /// could end, and be told; from then on nobody would see another one behind it.
    fn accept(&mut self, now: Time) {
        let per = self.watch.budget().per;
        let is_old = |since: Time| since + per <= now;
        for (series, _) in self.lasting.extract_if(.., |(_, since)| is_old(*since)) {
            self.watch.accept(&series);
        }
    }

    /// Leaves out what there is no memory for.
    fn within_bounds(&self, mut values: Vec<Value>) -> Vec<Value> {
        let known = self.watch.gauges();
        let mut room = MOST.saturating_sub(known.keys().filter(|series| !series.slice.is_empty()).count());
        values.retain(|Value { series, .. }| {
            let needs_room = !series.slice.is_empty() && !known.contains_key(series);
            let is_in = !needs_room || room > 0;
            room -= usize::from(needs_room && is_in);
            is_in
        });
        values
    }

    /// Remembers since when each shift lasts.
    fn note(&mut self, end: Time, surprises: &[Surprise]) {
        let known = self.watch.gauges();
        self.lasting.retain(|(series, _)| known.get(series).is_some_and(|gauge| gauge.is_paged()));
        let begun = surprises.iter().filter(|surprise| surprise.pages);
        self.lasting.extend(begun.map(|surprise| (surprise.series.clone(), end)));
    }

    pub fn account(&self, now: Time, measured: Option<Measured>) -> Account {
        let (budget, ledger) = (*self.watch.budget(), self.watch.ledger());
        Account { budget, spent: ledger.spent(&budget, now), left: ledger.left(&budget, now), measured }
    }

    /// Measures how many pages there would be though nothing has shifted, unless that was done not long ago.
    pub fn measure(&self, now: Time, length: Span, last: &mut Option<(Time, Option<Measured>)>) {
        if last.is_none_or(|(at, _)| at + MEASURED_EVERY.max(length) <= now) {
            *last = Some((now, self.watch.measure(length, STEPS, SEED)));
        }
    }
}

/// What was remembered of a series before a window, and what it had to show.
pub(super) struct Memory {
    pub series: Series,
    gauge: Box<Gauge>,
    line: f64,
}

impl Memory {
    pub fn written(&self) -> Recalled {
        Recalled {
            subject: self.series.subject.to_string(),
            statistic: self.series.statistic.to_string(),
            line: self.line,
            memory: BASE64.encode(postcard::to_stdvec(&self.gauge).unwrap_or_default()),
        }
    }
}

/// What is told of a surprise. A threshold is passed by what is beyond it, and an alarm that lasts is not to waver.
fn value(surprise: &Surprise) -> f64 {
    let (below, beyond) = (1f64.next_down(), 1f64.next_up());
    if surprise.lasts { surprise.surprise.max(beyond) } else { surprise.surprise.min(below) }
}

/// What a window says of a subject. Of slices, of which there may be many, only what tells of any change at all.
pub(super) fn values(case: &Case, version: &str, slice: &str, subject: &str) -> impl Iterator<Item = Value> {
    let [version, slice, subject]: [Arc<str>; 3] = [version, slice, subject].map(Arc::from);
    surprise::signals(case).into_iter().filter_map(move |signal| {
        let kind = match signal.scale {
            Scale::Signed { .. } if !slice.is_empty() => return None,
            Scale::Signed { deviation } => Kind::Signed { deviation: Some(deviation) },
            Scale::Divergence { unit } => Kind::Divergence { unit: Some(unit) },
        };
        let (version, slice, subject) = (version.clone(), slice.clone(), subject.clone());
        let series = Series { version, subject, slice, statistic: signal.statistic.into() };
        Some(Value { series, value: signal.value, kind })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_distr::{Distribution, StandardNormal};
    use rand_pcg::Pcg64Mcg;
    use rand_pcg::rand_core::SeedableRng;

    const HOUR: i64 = 3_600_000;
    const DAY: usize = 24;

    fn new() -> Surprises {
        Surprises::go_on(None, "2 pages per 30d".parse().expect("a budget"), "a".to_owned())
    }

    fn window(hour: usize) -> Window {
        let start = Time(hour as i64 * HOUR);
        Window { start, end: start + Span(HOUR) }
    }

    fn of(slice: &str, subject: &str, value: f64) -> Value {
        let [version, slice, subject, statistic] = ["7", slice, subject, "mean_shift"].map(Arc::from);
        Value {
            series: Series { version, subject, slice, statistic },
            value,
            kind: Kind::Signed { deviation: Some(1.0) },
        }
    }

    /// What is told of windows of two subjects, the first of which is shifted by so much in each.
    fn told(surprises: &mut Surprises, hours: impl Iterator<Item = usize>, shift: impl Fn(usize) -> f64) -> Vec<f64> {
        let mut told = Vec::new();
        for hour in hours {
            let mut random = Pcg64Mcg::seed_from_u64(hour as u64);
            let mut normal = || -> f64 { StandardNormal.sample(&mut random) };
            let values = vec![of("", "x", normal() + shift(hour)), of("", "y", normal())];
            let mut measured = ["x", "y"].map(|subject| Measurement {
                version: "7".to_owned(),
                threshold: Some(1.0),
                undefined: Some("nothing".to_owned()),
                ..Measurement::new(surprise::ROW.family, subject, surprise::ROW.name)
            });
            surprises.judge(window(hour), values, &mut measured);
            for m in &measured {
                assert_eq!((m.undefined.as_deref(), m.breached), (None, m.value.map(|value| value >= 1.0)));
            }
            assert!(measured[1].value.is_some_and(|value| value < 1.0), "nothing has shifted there");
            told.extend(measured[0].value);
        }
        told
    }

    #[test]
    fn a_shift_is_told_without_a_break_until_it_is_over_and_spends_one_page() {
        let mut surprises = new();
        let shift = |hour: usize| if (40 * DAY..50 * DAY).contains(&hour) { 4.0 } else { 0.0 };
        let told = told(&mut surprises, 0..60 * DAY, shift);
        let alarms: Vec<usize> = (0..told.len()).filter(|&hour| told[hour] >= 1.0).collect();
        let (first, last) = (alarms[0], alarms[alarms.len() - 1]);
        assert!((40 * DAY..40 * DAY + 6).contains(&first) && (50 * DAY..52 * DAY).contains(&last), "{first} {last}");
        assert_eq!(alarms, (first..=last).collect::<Vec<_>>());
        let account = |hour: usize| surprises.account(window(hour).end, None);
        assert_eq!((account(60 * DAY).spent, account(60 * DAY).left), (1, 1.0));
        assert_eq!((account(71 * DAY).spent, account(71 * DAY).left), (0, 2.0));
    }

    #[test]
    fn what_lasts_as_long_as_the_budget_looks_back_is_usual_and_another_shift_is_seen_behind_it() {
        let mut surprises = new();
        let shift = |hour: usize| match hour / DAY {
            0..40 => 0.0,
            40..90 => 4.0,
            _ => 9.0,
        };
        let told = told(&mut surprises, 0..95 * DAY, shift);
        let begins = |hour: &usize| told[*hour] >= 1.0 && told[hour - 1] < 1.0;
        let days: Vec<usize> = (1..told.len()).filter(begins).map(|hour| hour / DAY).collect();
        assert_eq!(days, [40, 90]);
        assert!(told[71 * DAY..90 * DAY].iter().all(|value| *value < 1.0));
    }

    #[test]
    fn what_was_stored_goes_on_as_if_nothing_had_been() {
        let shift = |hour: usize| if hour >= 40 * DAY { 4.0 } else { 0.0 };
        let (mut whole, mut parts) = (new(), new());
        let expected = told(&mut whole, 0..45 * DAY, shift);
        let mut found = Vec::new();
        for day in 0..45 {
            found.extend(told(&mut parts, day * DAY..(day + 1) * DAY, shift));
            let stored = postcard::to_stdvec(&parts).expect("it can be stored");
            parts = postcard::from_bytes(&stored).expect("it can be read");
        }
        assert_eq!(found, expected);
        assert_eq!(parts, whole);
    }

    #[test]
    fn another_reference_begins_anew_and_another_budget_does_not() {
        let mut surprises = new();
        told(&mut surprises, 0..41 * DAY, |hour| if hour >= 40 * DAY { 4.0 } else { 0.0 });
        let budget: Budget = "1 page per 7d".parse().expect("a budget");
        let other = Surprises::go_on(Some(surprises.clone()), budget, "a".to_owned());
        assert_eq!((other.watch.gauges(), &other.lasting), (surprises.watch.gauges(), &surprises.lasting));
        assert_eq!(*other.watch.budget(), budget);
        let other = Surprises::go_on(Some(surprises.clone()), budget, "b".to_owned());
        assert!(other.watch.gauges().is_empty() && other.lasting.is_empty());
        assert_eq!(other.watch.ledger(), surprises.watch.ledger());
    }

    #[test]
    fn slices_are_remembered_as_long_as_there_is_room_and_all_rows_always() {
        let mut surprises = new();
        let slices = |from: usize| (from..from + MOST).map(|slice| of(&format!("s={slice}"), "x", 1.0));
        surprises.judge(window(0), slices(10).collect(), []);
        surprises.judge(window(1), slices(0).chain([of("", "x", 1.0)]).collect(), []);
        let gauges = surprises.watch.gauges();
        assert_eq!(gauges.len(), MOST + 1);
        assert!(!gauges.keys().any(|series| &*series.slice == "s=9"));
        assert!(gauges.keys().any(|series| series.slice.is_empty()));
    }

    /// With as much as there can be of slices, and all that a season has.
    #[test]
    fn what_is_stored_is_a_few_kilobytes_for_each_series() {
        let mut surprises = new();
        told(&mut surprises, 0..30 * DAY, |_| 0.0);
        let stored = postcard::to_stdvec(&surprises).expect("it can be stored");
        assert!(stored.len() < 2 * 3000, "{} bytes", stored.len());
    }
}
