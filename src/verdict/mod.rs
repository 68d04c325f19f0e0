//! Which of two versions is better: a verdict that may be asked for with every window.
//!
//! A monitor may have a [`Challenge`]: by one metric, every version that answers beside the champion is compared with
//! it, window by window, until it is found `better`, `worse` or, within a margin, `equivalent`. The [`Contest`] keeps
//! that.
//!
//! ```
//! use std::collections::BTreeMap;
//! use tidegauge::measurement::Family;
//! use tidegauge::stat;
//! use tidegauge::time::{Span, Time, Window};
//! use tidegauge::verdict::{Challenge, Contest, Measured, Verdict};
//!
//! let challenge = Challenge {
//!     champion: Some("7".into()),
//!     statistic: stat::find(Family::Performance, "accuracy").expect("a statistic"),
//!     margin: 0.01,
//!     confidence: 0.95,
//! };
//! let mut contest = Contest::new(&challenge, Span(3_600_000));
//! for hour in 0..48 {
//!     let window = Window { start: Time(hour * 3_600_000), end: Time((hour + 1) * 3_600_000) };
//!     let of = |value, rows| Measured { value: Some(value), low: None, high: None, rows };
//!     let noise = if hour % 2 == 0 { 0.01 } else { -0.01 };
//!     let measured = BTreeMap::from([("7".into(), of(0.90, 900)), ("8".into(), of(0.95 + noise, 100))]);
//!     contest.step(window, &measured);
//! }
//! assert_eq!(contest.standings("credit").next().map(|standing| standing.verdict), Some(Verdict::Better));
//! ```
//!
//! # How it can be asked for at any time
//!
//! Who looks at a comparison after every window, and stops when it is significant, will in the end find any two versions
//! different. What is kept here is therefore a confidence sequence: intervals of the difference, one for each window, of
//! which with a probability of at least `confidence` *all* hold the true one, however many windows there will be. So a
//! verdict is wrong with a probability of at most `1 - confidence`, whenever it is given and whoever looks. Each
//! challenger has that probability of its own.
//!
//! *One window.* What counts is the difference of the two versions in the same window, so what befalls both at once,
//! such as harder cases in the evening, is not taken for a difference of versions. A window weighs as much as its rows
//! tell: the reciprocal of `1/n + 1/m` of the rows on either side.
//!
//! *All windows.* Nothing is taken for known of how much differences vary from window to window. The interval inverts
//! the sequential t-test: a likelihood ratio that is averaged over effects and does not depend on the variance, which
//! under the null hypothesis is a martingale (Wang and Ramdas, *Anytime-valid t-tests and confidence sequences for
//! Gaussian means with unknown variance*, 2025, after Robbins and Lai). By Ville's inequality it hardly ever passes
//! `1 / (1 - confidence)`.
//!
//! The tests hold it to that: in each of four simulated worlds, with traffic that is equal or unequal and with or without
//! noise of each version's own, at most 5 % of 200 runs of 500 windows ever call one of two equal versions better.
//!
//! # Where it may fail, and what is done
//!
//! The bound is exact for differences that are normal, vary as their rows say, and do not depend on those before.
//!
//! - *Windows are not normal.* Figures of a hundred rows and more nearly are, and averages of such windows more so. What
//!   the windows' own intervals say of sampling is the least variance that is believed, so that a few windows which
//!   agree by chance, as shares of few rows do, prove nothing.
//! - *Differences vary more than their rows say*, as when the versions answer to different kinds of cases. That makes
//!   the largest windows count for too much; the variance that is robust to it is taken where it is larger.
//! - *Windows overlap.* Those that overlap the last one that counted are passed over.
//! - *Labels are still to come.* A window counts once, when nothing can change any more.
//! - *The difference itself changes.* The interval is then of its average over the windows, and a verdict that was once
//!   found stays until another one is found.

mod contest;
mod sequence;

#[cfg(test)]
pub mod sample;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::stat::Statistic;
use crate::time::Time;

pub use contest::Contest;

/// What a monitor says of how challengers are to be compared.
#[derive(Clone)]
pub struct Challenge {
    /// The version that the others are compared with; `None` for the one that has served longest.
    pub champion: Option<Arc<str>>,
    pub statistic: &'static Statistic,
    /// A difference within this, either way, does not matter.
    pub margin: f64,
    /// How probable it is, at least, that no verdict is ever wrong.
    pub confidence: f64,
}

impl Challenge {
    /// The metric as conditions call it.
    pub fn metric(&self) -> String {
        self.statistic.family.with(self.statistic.name)
    }
}

impl std::fmt::Debug for Challenge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Challenge { champion, margin, confidence, .. } = self;
        write!(f, "{} against {champion:?} within {margin} at {confidence}", self.metric())
    }
}

/// What a window says of one version.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// `None` where it has rows, but the value cannot be known.
    pub value: Option<f64>,
    /// The ends of its 95 % interval, where it has one.
    pub low: Option<f64>,
    pub high: Option<f64>,
    /// How many rows the value is of.
    pub rows: u64,
}

/// What is known of a challenger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Not enough was seen yet.
    Undecided,
    Better,
    Worse,
    /// Whichever is better, it is by less than matters.
    Equivalent,
}

impl Verdict {
    pub const ALL: [Verdict; 4] = [Verdict::Undecided, Verdict::Better, Verdict::Worse, Verdict::Equivalent];

    pub fn name(self) -> &'static str {
        match self {
            Verdict::Undecided => "undecided",
            Verdict::Better => "better",
            Verdict::Worse => "worse",
            Verdict::Equivalent => "equivalent",
        }
    }
}

/// How a challenger stands against the champion, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    pub model: String,
    /// The challenger.
    pub version: String,
    pub champion: String,
    pub metric: String,
    pub verdict: Verdict,
    /// The end of the window with which the verdict was found; `None` as long as there is none.
    pub decided: Option<Time>,
    /// The challenger's metric less the champion's, over all windows compared, and the interval that it is in.
    pub difference: Option<f64>,
    pub low: Option<f64>,
    pub high: Option<f64>,
    pub margin: f64,
    pub confidence: f64,
    /// How many windows were compared.
    pub windows: u64,
    /// Rows of the challenger in them.
    pub rows: u64,
    pub champion_rows: u64,
    /// The start of the first of them.
    pub since: Time,
    /// The end of the last of them.
    pub window_end: Time,
}

impl Standing {
    /// The verdict and what it rests on, in a line.
    pub fn headline(&self) -> String {
        let Standing { version, champion, metric, windows, .. } = self;
        let than = match self.verdict {
            Verdict::Undecided => "not yet told apart from",
            Verdict::Better => "better than",
            Verdict::Worse => "worse than",
            Verdict::Equivalent => "as good as",
        };
        let number = |number: Option<f64>| number.map_or("unknown".to_owned(), |number| format!("{number:+.4}"));
        let [difference, low, high] = [self.difference, self.low, self.high].map(number);
        format!("{version} is {than} {champion} by {metric}: {difference} ({low} to {high}) in {windows} windows")
    }
}
