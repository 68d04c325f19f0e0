//! A monitor's budget of false alarms, as it is kept from window to window.
//!
//! Every window is taken in once, when it is first told. Windows that overlap the last one that a series was fed say
//! nothing of their own, and the watch passes them over: what it said last stays.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::budget::{Account, Kind, Measured, Series, Surprise, Value, Watch};
use crate::measurement::Measurement;
use crate::monitor::Monitor;
use crate::reference::Reference;
use crate::stat::surprise::{self, Scale};
use crate::stat::{Case, Worse};
use crate::time::{Span, Time, Window};

/// The most series of slices that are remembered, at about 3 KB each; those that come first are. All rows of a version
/// always are.
const MOST: usize = 4096;
/// How much event time there is from one measuring of the rate to the next.
const MEASURED_EVERY: Span = Span(86_400_000);
/// How many windows it is measured in, which takes some hundredths of a second, and by which random numbers.
const STEPS: usize = 50_000;
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
        let Some(mut surprises) = stored else {
            return Some(Surprises { watch: Watch::new(budget), basis, lasting: Vec::new() });
        };
        if surprises.basis != basis {
            surprises.watch.begin_anew();
            surprises.lasting.clear();
            surprises.basis = basis;
        }
        surprises.watch.keep(budget);
        Some(surprises)
    }

    /// Takes in what a window says, and completes its measurements. Where one is paged for, or still is, its value is
    /// beyond 1, and otherwise below: so an alert that asks for 1 or more fires once for each page.
    pub fn judge<'a>(
        &mut self,
        window: Window,
        values: Vec<Value>,
        measured: impl IntoIterator<Item = &'a mut Measurement>,
    ) {
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
            let is_in = series.slice.is_empty() || known.contains_key(series) || room > 0;
            if is_in && !series.slice.is_empty() && !known.contains_key(series) {
                room -= 1;
            }
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
