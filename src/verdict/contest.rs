//! The champion, its challengers, and how they compare so far.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::sequence::{Sequence, Term};
use super::{Challenge, Measured, Standing, Verdict};
use crate::stat::Worse;
use crate::stat::interval::Z;
use crate::time::{Span, Time, Window};

/// A version that has had no rows in more windows than this has retired: it is champion no more, and a comparison with it is
/// forgotten.
const PATIENCE: u32 = 24;

/// What is remembered of a challenge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contest {
    terms: Terms,
    champion: Option<Arc<str>>,
    /// Every version that serves.
    serving: BTreeMap<Arc<str>, Service>,
    comparisons: BTreeMap<Arc<str>, Comparison>,
    /// The end of the last window that counted.
    last: Time,
}

/// What was agreed on. Whoever changes it having seen how things stand begins anew, since else the verdict would not be
/// as sure as it says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Terms {
    champion: Option<Arc<str>>,
    metric: String,
    is_less_better: bool,
    margin: f64,
    confidence: f64,
    window: Span,
}

/// Since when a version serves, and for how many windows it has had no rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Service {
    since: Time,
    absent: u32,
}

/// A challenger and the champion in the windows in which both were measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Comparison {
    sequence: Sequence,
    rows: u64,
    champion_rows: u64,
    since: Time,
    until: Time,
    verdict: Verdict,
    decided: Option<Time>,
}

impl Contest {
    /// Nothing was seen yet. `window` is how long windows are.
    pub fn new(challenge: &Challenge, window: Span) -> Contest {
        Contest {
            terms: Terms::of(challenge, window),
            champion: None,
            serving: BTreeMap::new(),
            comparisons: BTreeMap::new(),
            last: Time::MIN,
        }
    }

    /// Goes on from what was stored, if it was on the same terms.
    pub fn resume(stored: Option<Contest>, challenge: &Challenge, window: Span) -> Contest {
        let terms = Terms::of(challenge, window);
        stored.filter(|stored| stored.terms == terms).unwrap_or_else(|| Contest::new(challenge, window))
    }

    /// Takes in what a window says of each version, once nothing can change any more, and returns the challengers of
    /// which something else is known now. Windows come in order; those that overlap the last one are passed over.
    pub fn step(&mut self, window: Window, measured: &BTreeMap<Arc<str>, Measured>) -> Vec<Arc<str>> {
        if measured.is_empty() || window.start < self.last {
            return Vec::new();
        }
        self.last = window.end;
        self.attend(window, measured);
        let Some(champion) = self.choose() else { return Vec::new() };
        let Some(of_champion) = measured.get(&champion) else { return Vec::new() };
        let mut changed = Vec::new();
        for (version, of_challenger) in measured.iter().filter(|(version, _)| **version != champion) {
            let Some(term) = term(of_champion, of_challenger) else { continue };
            let comparison = self.comparisons.entry(version.clone()).or_insert_with(|| Comparison::since(window.start));
            if comparison.add(window, term, (of_challenger.rows, of_champion.rows)) && comparison.decide(&self.terms) {
                changed.push(version.clone());
            }
        }
        changed
    }

    /// How every challenger of a model stands that was compared.
    pub fn standings<'a>(&'a self, model: &'a str) -> impl Iterator<Item = Standing> + 'a {
        self.comparisons.keys().filter_map(move |version| self.standing(model, version))
    }

    /// How a challenger stands.
    pub fn standing(&self, model: &str, version: &str) -> Option<Standing> {
        let (champion, comparison) = (self.champion.as_ref()?, self.comparisons.get(version)?);
        let interval = comparison.sequence.interval(self.terms.confidence);
        Some(Standing {
            model: model.to_owned(),
            version: version.to_owned(),
            champion: champion.to_string(),
            metric: self.terms.metric.clone(),
            verdict: comparison.verdict,
            decided: comparison.decided,
            difference: comparison.sequence.mean(),
            low: interval.map(|interval| interval.low),
            high: interval.map(|interval| interval.high),
            margin: self.terms.margin,
            confidence: self.terms.confidence,
            windows: comparison.sequence.terms(),
            rows: comparison.rows,
            champion_rows: comparison.champion_rows,
            since: comparison.since,
            window_end: comparison.until,
        })
    }

    /// Notes who has rows in a window, and lets go of who has had none for too long.
    fn attend(&mut self, window: Window, measured: &BTreeMap<Arc<str>, Measured>) {
        self.serving.values_mut().for_each(|service| service.absent += 1);
        for version in measured.keys() {
            let service = Service { since: window.start, absent: 0 };
            self.serving.entry(version.clone()).or_insert(service).absent = 0;
        }
        self.serving.retain(|_, service| service.absent <= PATIENCE);
        self.comparisons.retain(|version, _| self.serving.contains_key(version));
    }

    /// Who is champion now. Comparisons with another one are of no use.
    fn choose(&mut self) -> Option<Arc<str>> {
        let serves_longest =
            || self.serving.iter().min_by_key(|(_, service)| service.since).map(|(version, _)| version);
        let chosen = self.terms.champion.as_ref().or_else(serves_longest).cloned();
        if chosen != self.champion {
            self.comparisons.clear();
            self.champion.clone_from(&chosen);
        }
        chosen
    }
}

impl Terms {
    fn of(challenge: &Challenge, window: Span) -> Terms {
        Terms {
            champion: challenge.champion.clone(),
            metric: challenge.metric(),
            is_less_better: challenge.statistic.worse == Worse::Above,
            margin: challenge.margin,
            confidence: challenge.confidence,
            window,
        }
    }
}

impl Comparison {
    fn since(since: Time) -> Comparison {
        Comparison {
            sequence: Sequence::default(),
            rows: 0,
            champion_rows: 0,
            since,
            until: since,
            verdict: Verdict::Undecided,
            decided: None,
        }
    }

    fn add(&mut self, window: Window, term: Term, (rows, champion_rows): (u64, u64)) -> bool {
        let is_added = self.sequence.add(term);
        if is_added {
            self.rows += rows;
            self.champion_rows += champion_rows;
            self.until = window.end;
        }
        is_added
    }

    /// Finds a verdict; returns whether it is another one than before.
    fn decide(&mut self, terms: &Terms) -> bool {
        let verdict = self.verdict(terms);
        if verdict == Verdict::Undecided || verdict == self.verdict {
            return false;
        }
        self.verdict = verdict;
        self.decided = Some(self.until);
        true
    }

    /// What the interval says, by itself.
    fn verdict(&self, terms: &Terms) -> Verdict {
        let Some(interval) = self.sequence.interval(terms.confidence) else { return Verdict::Undecided };
        let (above, below) =
            if terms.is_less_better { (Verdict::Worse, Verdict::Better) } else { (Verdict::Better, Verdict::Worse) };
        if -terms.margin < interval.low && interval.high < terms.margin {
            Verdict::Equivalent
        } else if interval.low > 0.0 {
            above
        } else if interval.high < 0.0 {
            below
        } else {
            Verdict::Undecided
        }
    }
}

/// What a window says of a challenger; `None` where one of the two has no value.
fn term(champion: &Measured, challenger: &Measured) -> Option<Term> {
    let difference = challenger.value? - champion.value?;
    let weight = 1.0 / (1.0 / challenger.rows as f64 + 1.0 / champion.rows as f64);
    Some(Term { difference, weight, sampling: sampling(champion) + sampling(challenger) })
}

/// The variance of a value by its interval.
fn sampling(measured: &Measured) -> f64 {
    let (Some(low), Some(high)) = (measured.low, measured.high) else { return 0.0 };
    ((high - low) / (2.0 * Z)).powi(2)
}
