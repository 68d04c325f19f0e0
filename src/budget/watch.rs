//! All series of a monitor, and how its budget is allotted over them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::excursion::Excursions;
use super::gauge::{Gauge, Kind, Observation, Shuffled};
use super::ledger::{Budget, Ledger};
use super::measured::{Measured, measure};
use crate::time::{Span, Time};

/// What a series is of. The order is that of the allotment: versions, their subjects, their slices, their statistics.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Series {
    pub version: Arc<str>,
    pub subject: Arc<str>,
    /// `""` for all rows.
    pub slice: Arc<str>,
    pub statistic: Arc<str>,
}

/// A value of a series.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    pub series: Series,
    pub value: f64,
    pub kind: Kind,
}

/// How much there is to page for in one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Surprise {
    pub series: Series,
    /// Logarithm of evidence over the logarithm of what the allotment asks for; from 1 on the budget allows a page.
    pub surprise: f64,
    /// Whether the shift is upward, if it is one.
    pub is_upward: bool,
    /// Whether it is paged for with this window.
    pub pages: bool,
    /// Whether it was paged for and still lasts.
    pub lasts: bool,
    /// What was remembered of the series before.
    pub before: Box<Gauge>,
    /// The logarithm of the evidence that may be paged for.
    pub line: f64,
}

/// The memory of a monitor's budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Watch {
    budget: Budget,
    ledger: Ledger,
    #[serde(with = "as_list")]
    gauges: BTreeMap<Series, Gauge>,
    /// What series have to show, where that is not asked of the others.
    #[serde(skip)]
    lines: BTreeMap<Series, f64>,
}

/// The least evidence that is paged for, as a logarithm, however large the budget.
const LOWEST: f64 = 3.0;
/// A series of which nothing was heard for so many times the budget's time is forgotten.
const FORGOTTEN: i64 = 3;

impl Watch {
    pub fn new(budget: Budget) -> Watch {
        Watch { budget, ledger: Ledger::default(), gauges: BTreeMap::new(), lines: BTreeMap::new() }
    }

    /// A watch that takes in a window once more: each series is as it was before, and has to show as much as it had to.
    pub fn recalled(budget: Budget, series: impl IntoIterator<Item = (Series, Gauge, f64)>) -> Watch {
        let mut watch = Watch::new(budget);
        for (series, gauge, line) in series {
            watch.lines.insert(series.clone(), line);
            watch.gauges.insert(series, gauge);
        }
        watch
    }

    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Keeps another budget from now on. What was learnt and charged stays.
    pub fn keep(&mut self, budget: Budget) {
        self.budget = budget;
    }

    /// Forgets all series, as when everything is compared with something else from now on. What was charged stays.
    pub fn begin_anew(&mut self) {
        self.gauges.clear();
    }

    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub fn gauges(&self) -> &BTreeMap<Series, Gauge> {
        &self.gauges
    }

    /// Takes in the values of a window, and says for which of them there is something to page for. A window may come
    /// in parts, such as slice by slice, and is charged one page at most. What is undefined is left out of `values`.
    pub fn step(&mut self, end: Time, length: Span, values: &[Value]) -> Vec<Surprise> {
        self.ledger.forget(&self.budget, end);
        let long_ago = end - Span(self.budget.per.0.saturating_mul(FORGOTTEN));
        self.gauges.retain(|_, gauge| gauge.last().is_none_or(|last| last > long_ago));
        for value in values {
            if !self.gauges.contains_key(&value.series) {
                self.gauges.insert(value.series.clone(), Gauge::default());
            }
        }
        let lines = self.lines(end, length);
        let mut surprises = Vec::with_capacity(values.len());
        for Value { series, value, kind } in values {
            let Some(gauge) = self.gauges.get_mut(series) else { continue };
            let line = self.lines.get(series).copied().unwrap_or_else(|| lines.of(series, gauge));
            let before = Box::new(gauge.clone());
            let evidence = gauge.observe(&Observation { end, length, value: *value, kind: *kind }, line);
            let surprise = (evidence / line).max(0.0);
            let pages = surprise >= 1.0 && !gauge.is_paged() && gauge.last() != before.last();
            if pages {
                gauge.page();
                self.ledger.charge(end);
            }
            let (is_upward, lasts) = (gauge.is_upward(), gauge.is_paged());
            surprises.push(Surprise { series: series.clone(), surprise, is_upward, pages, lasts, before, line });
        }
        surprises
    }

    /// How many pages the budget's time would have if past surprises came in another order, see [`measure`].
    pub fn measure(&self, length: Span, steps: usize, seed: u64) -> Option<Measured> {
        let shuffled: Vec<Shuffled> = self.gauges.values().filter_map(Gauge::shuffled).collect();
        let windows = self.budget.per.0 as f64 / length.0.max(1) as f64;
        measure(&shuffled, self.gauges.len(), windows, steps, seed)
    }

    /// Takes a series as it is now for what it should be.
    pub fn accept(&mut self, series: &Series) {
        if let Some(gauge) = self.gauges.get_mut(series) {
            gauge.accept();
        }
    }

    /// What each series has to show before it is paged for.
    fn lines(&self, now: Time, length: Span) -> Lines {
        let mut excursions: BTreeMap<Arc<str>, Excursions> = BTreeMap::new();
        let mut shares = Shares::default();
        for (series, gauge) in &self.gauges {
            shares.count(series);
            match excursions.get_mut(&series.statistic) {
                Some(all) => all.add(gauge.excursions()),
                None => {
                    excursions.insert(series.statistic.clone(), *gauge.excursions());
                }
            }
        }
        let windows = self.budget.windows_for_each_page(length);
        Lines { shares, excursions, base: windows.ln() + self.ledger.surcharge(&self.budget, now) }
    }
}

struct Lines {
    shares: Shares,
    excursions: BTreeMap<Arc<str>, Excursions>,
    base: f64,
}

impl Lines {
    fn of(&self, series: &Series, gauge: &Gauge) -> f64 {
        let line = (self.base - self.shares.of(series).ln()).max(LOWEST);
        let alike = self.excursions.get(&series.statistic).copied().unwrap_or_default();
        gauge.excursions().line(&alike, line)
    }
}

/// What part of the budget each series has.
///
/// Versions have equal parts of it, and so have the subjects of a version. Of a subject's part all rows have a half if
/// there are slices, which share the other half, or all where nothing else is measured, equally. Statistics of one
/// subject and slice have equal parts. So another statistic or slice of a feature takes nothing from any other feature.
#[derive(Default)]
struct Shares {
    /// How many subjects each version has.
    versions: BTreeMap<Arc<str>, usize>,
    subjects: BTreeMap<(Arc<str>, Arc<str>), Slices>,
}

/// How many statistics each slice has.
type Slices = BTreeMap<Arc<str>, usize>;

impl Shares {
    fn count(&mut self, series: &Series) {
        let key = (series.version.clone(), series.subject.clone());
        if !self.subjects.contains_key(&key) {
            *self.versions.entry(series.version.clone()).or_default() += 1;
        }
        *self.subjects.entry(key).or_default().entry(series.slice.clone()).or_default() += 1;
    }

    fn of(&self, series: &Series) -> f64 {
        let versions = self.versions.len().max(1) as f64;
        let subjects = self.versions.get(&series.version).copied().unwrap_or(1) as f64;
        let Some(slices) = self.subjects.get(&(series.version.clone(), series.subject.clone())) else { return 1.0 };
        let statistics = slices.get(&series.slice).copied().unwrap_or(1).max(1) as f64;
        let has_whole = slices.contains_key("");
        let parts = slices.len() - usize::from(has_whole);
        let slice = match (series.slice.is_empty(), has_whole) {
            (true, _) if parts == 0 => 1.0,
            (true, _) => 0.5,
            (false, true) => 0.5 / parts.max(1) as f64,
            (false, false) => 1.0 / parts.max(1) as f64,
        };
        slice / (versions * subjects * statistics)
    }
}

/// A map whose keys are not text, as the list of its entries: JSON has no other way to write it.
mod as_list {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    use super::{Gauge, Series};

    pub fn serialize<S: Serializer>(map: &BTreeMap<Series, Gauge>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<Series, Gauge>, D::Error> {
        Ok(Vec::<(Series, Gauge)>::deserialize(deserializer)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn series(version: u8, subject: u8, slice: u8, statistic: u8) -> Series {
        let name = |number: u8| if number == 0 { "".into() } else { Arc::from(number.to_string()) };
        Series { version: name(version), subject: name(subject), slice: name(slice), statistic: name(statistic) }
    }

    fn shares(all: &std::collections::BTreeSet<Series>) -> Shares {
        let mut shares = Shares::default();
        all.iter().for_each(|series| shares.count(series));
        shares
    }

    proptest! {
        #[test]
        fn shares_are_the_whole_budget(
            all in prop::collection::btree_set((0u8..3, 0u8..5, 0u8..4, 0u8..4), 1..60),
        ) {
            let all = all.into_iter().map(|(v, f, s, t)| series(v, f, s, t)).collect();
            let shares = shares(&all);
            let sum: f64 = all.iter().map(|series| shares.of(series)).sum();
            prop_assert!((sum - 1.0).abs() < 1e-9, "{}", sum);
        }

        #[test]
        fn what_is_added_to_a_feature_is_taken_from_no_other(
            all in prop::collection::btree_set((0u8..5, 0u8..4, 0u8..4), 1..60), slice in 0u8..9, statistic in 0u8..9,
        ) {
            let mut all: std::collections::BTreeSet<Series> =
                all.into_iter().map(|(f, s, t)| series(0, f, s, t)).collect();
            all.insert(series(0, 0, 0, 0));
            let before = shares(&all);
            let others: Vec<Series> = all.iter().filter(|series| !series.subject.is_empty()).cloned().collect();
            all.insert(series(0, 0, slice, statistic));
            let after = shares(&all);
            for other in &others {
                prop_assert_eq!(before.of(other), after.of(other));
            }
        }
    }
}
