//! One series of a statistic: what it is usually like, and the evidence that it has shifted.

use serde::{Deserialize, Serialize};

use super::detector::{Detector, Surprise};
use super::excursion::Excursions;
use super::season::Season;
use super::wander::{ORDER, Wander};
use crate::time::{Span, Time};

/// The value of one statistic, for one subject and slice of one window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observation {
    pub end: Time,
    /// How long the window is.
    pub length: Span,
    pub value: f64,
    pub kind: Kind,
}

/// What a value is like, and what is known of how sampling alone makes it vary at the sizes of window and reference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// It has a sign or may move either way, as a difference of means or a rate does. `deviation` is its standard
    /// deviation by sampling, in its own unit, where that is known.
    Signed { deviation: Option<f64> },
    /// Zero where nothing has changed, more otherwise, and growing with the square of a change, as PSI does. `unit` is
    /// `1/n + 1/m` for the sizes of window and reference.
    Divergence { unit: Option<f64> },
    /// The same, growing with the change itself, as KS does.
    Distance { unit: Option<f64> },
}

impl Kind {
    /// The value on a scale on which it is about normal, and its standard deviation by sampling there.
    ///
    /// A divergence over its unit is about chi-squared, whose cube root is about normal (Wilson and Hilferty, 1931); a
    /// distance is the root of one.
    fn normal(self, value: f64) -> (f64, Option<f64>) {
        let known = |x: Option<f64>| x.filter(|x| (SMALLEST..LARGEST).contains(x));
        match self {
            Kind::Signed { deviation } => (value, known(deviation)),
            Kind::Divergence { unit } => ((value.max(0.0) / known(unit).unwrap_or(1.0)).cbrt(), None),
            Kind::Distance { unit } => ((value * value / known(unit).unwrap_or(1.0)).cbrt(), None),
        }
    }

    fn is_two_sided(self) -> bool {
        matches!(self, Kind::Signed { .. })
    }
}

/// Values are cut to this size, and scales below that are none: their squares and quotients have to be numbers.
const LARGEST: f64 = 1e30;
const SMALLEST: f64 = 1e-30;
/// No surprise is larger than this.
const MOST: f64 = 1000.0;
/// How many windows the memory is of: about three months of hours.
const REMEMBERED: f64 = 2000.0;
/// Windows and rounds of the season before which a series is taken to be hardly known.
const LEAST_WINDOWS: u32 = 24;
/// Deviations beyond this many of their standard deviations are learnt as if they were no farther.
const FARTHEST: f64 = 4.0;
/// And surprises beyond this many, for the tails.
const OUTERMOST: f64 = 8.0;
/// The kurtosis that is assumed beyond the normal's, and how many windows that belief is worth. Values that are sums
/// over hundreds of rows are close to normal.
const EXCESS: f64 = 0.05;
const BELIEF: f64 = 500.0;
/// How far expectations may be off, in standard deviations of what they are learnt from.
const MARGIN: f64 = 2.5;
/// The same beyond that, as long as a series is hardly known; and for series that are folded at zero.
const EARLY: f64 = 0.5;
const FOLDED: f64 = 0.75;
/// The blocks, in windows, over which surprises are summed to see whether they are independent.
const BLOCKS: [u32; 2] = [16, 128];
/// Surprises that are kept, to measure what they do in another order.
const KEPT: usize = 192;
/// Surprises are kept in steps of an eighth of a standard deviation.
const STEPS: f64 = 8.0;
/// The surprise, as a share of what may be paged for, from which less is learnt, and from which nothing is.
const DOUBT: (f64, f64) = (0.35, 0.75);
/// Evidence is kept up to this share of what may be paged for.
const CEILING: f64 = 1.15;
/// How many windows' worth of memory is left of a series whose change was accepted.
const ACCEPTED: f64 = 24.0;
/// An alarm is over when the surprise is below this share of what may be paged for.
const OVER: f64 = 0.5;

/// The memory of one series. It is fed once a window, and says how much evidence there is that the series has shifted.
///
/// A series is the sum of a level, a season, an autoregression and an independent rest, and all four are learnt as it
/// runs. Less is learnt the more evidence there is, and nothing from when it is paged for until the evidence has gone
/// by itself or the change is [accepted](Gauge::accept): what is drifting does not become what is usual.
///
/// Evidence does not depend on the unit of the values and their deviations, nor on where their zero is. A gauge takes
/// no more than 4 KB.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Gauge {
    first: Option<Time>,
    last: Option<Time>,
    /// Windows seen, and windows that were learnt from.
    windows: u32,
    learnt: f64,
    level: f64,
    season: Season,
    wander: Wander,
    /// The variance of values around what was expected of them, and that part of it which is sampling.
    variance: f64,
    sampling: f64,
    /// By how much the mean fourth power of surprises exceeds the normal distribution's, in standard deviations.
    tails: f64,
    /// How many windows that is learnt from.
    judged: f64,
    /// The largest deviation while the series was hardly known.
    widest: f64,
    blocks: [Block; BLOCKS.len()],
    detector: Detector,
    excursions: Excursions,
    two_sided: bool,
    /// The logarithm of the evidence that may be paged for, as last told.
    line: f64,
    paged: bool,
    kept: Vec<i8>,
    next: u32,
}

/// What is needed to run a series' detector on its past surprises.
pub(super) struct Shuffled {
    pub surprises: Vec<f64>,
    pub signature: [f64; ORDER + 1],
    pub margin: f64,
    pub persistence: f64,
    pub two_sided: bool,
    pub line: f64,
}

/// Sums of surprises over so many windows in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Block {
    sum: f64,
    count: u32,
    /// The mean square of sums, for each window in them, and over how many blocks.
    square: f64,
    blocks: u32,
}

impl Block {
    fn learn(&mut self, z: f64, length: u32) {
        self.sum += z;
        self.count += 1;
        if self.count >= length {
            self.blocks = self.blocks.saturating_add(1).min(64);
            self.square += (self.sum * self.sum / f64::from(length) - self.square) / f64::from(self.blocks);
            (self.sum, self.count) = (0.0, 0);
        }
    }

    /// The variance of sums, of which one is the belief of about ten blocks.
    fn persistence(&self) -> f64 {
        const BELIEF: f64 = 10.0;
        let blocks = f64::from(self.blocks);
        ((self.square * blocks + BELIEF) / (blocks + BELIEF)).max(1.0)
    }
}

impl Gauge {
    /// Takes in the next window, and gives the natural logarithm of the evidence for a shift; under no shift its
    /// exponential grows by one a window on average, and so is `x` or more in one of `x` windows at most.
    ///
    /// `line` is the logarithm of the evidence that may be paged for. A window that overlaps the last one says nothing
    /// of its own and is passed over, as is one that comes late or has no finite value.
    pub fn observe(&mut self, observation: &Observation, line: f64) -> f64 {
        let Observation { end, length, value, kind } = *observation;
        let starts = end - length;
        if !value.is_finite() || length.0 <= 0 || self.last.is_some_and(|last| starts < last) {
            return self.evidence();
        }
        let (value, sampling) = kind.normal(value.clamp(-LARGEST, LARGEST));
        if self.last.is_some_and(|last| (starts.0 - last.0) * 2 > length.0) {
            self.wander.interrupt();
        }
        if self.windows == 0 {
            self.level = value;
        }
        self.first.get_or_insert(starts);
        self.last = Some(end);
        self.line = line;
        self.two_sided = kind.is_two_sided();

        let deviation = value - self.level - self.season.expected(end, length);
        let surprise = deviation - self.wander.predicted();
        let hardly_known = self.is_hardly_known(end, length);
        // What was known before the window decides how it is learnt from: or outliers, of all things, would not be.
        let trust = self.trust();
        let scale = self.scale(sampling, length, hardly_known);
        let is_met_first = self.windows < LEAST_WINDOWS && sampling.is_none();
        if scale > SMALLEST && !is_met_first {
            let z = normalised(surprise / scale, self.degrees()).clamp(-MOST, MOST);
            self.judge(z, hardly_known, line);
            if !hardly_known {
                self.learn_surprise(surprise, z, trust);
            }
        }
        self.learn(observation, deviation, surprise, sampling, trust);
        if !hardly_known {
            self.excursions.learn(self.evidence(), line);
        }
        self.windows = self.windows.saturating_add(1);
        if self.paged && self.evidence() < OVER * line {
            self.paged = false;
        }
        self.evidence()
    }

    /// The natural logarithm of the evidence, as of the last window.
    pub fn evidence(&self) -> f64 {
        self.detector.evidence(self.two_sided)
    }

    /// Whether the shift for which there is evidence is upward.
    pub fn is_upward(&self) -> bool {
        self.detector.is_upward()
    }

    /// How far the evidence has risen by itself.
    pub fn excursions(&self) -> &Excursions {
        &self.excursions
    }

    /// The logarithm of the evidence that may be paged for, as told with the last window.
    pub fn line(&self) -> f64 {
        self.line
    }

    /// The end of the last window.
    pub fn last(&self) -> Option<Time> {
        self.last
    }

    /// Notes that someone was paged for this series.
    pub fn page(&mut self) {
        self.paged = true;
    }

    /// Whether someone was paged for what still lasts.
    pub fn is_paged(&self) -> bool {
        self.paged
    }

    /// Takes the series as it is now for what it should be. Its season, wander and scale stay what they were; its level
    /// is that of the last windows, and is soon learnt better.
    pub fn accept(&mut self) {
        self.level += self.wander.settle();
        self.learnt = self.learnt.min(ACCEPTED);
        self.detector = Detector::default();
        self.paged = false;
    }

    /// Whether season and scale have been seen too rarely to tell a shift from them.
    fn is_hardly_known(&self, end: Time, length: Span) -> bool {
        let seen = self.first.map_or(Span(0), |first| Span(end.0.saturating_sub(first.0)));
        self.windows < LEAST_WINDOWS || seen < Season::two_rounds(length)
    }

    /// By what part the variance may be larger than learnt, since the series was seen for so short a time: all of it
    /// when the season has just been seen twice, an eighth when it has been seen four times.
    fn newness(&self, length: Span) -> f64 {
        let seen = self.first.zip(self.last).map_or(0, |(first, last)| last.0.saturating_sub(first.0));
        let needed = Season::two_rounds(length).0.max(length.0.saturating_mul(i64::from(LEAST_WINDOWS)));
        (needed as f64 / seen.max(1) as f64).min(1.0).powi(3)
    }

    /// The weight of the newest window. Early ones, when little was known, are soon outweighed.
    fn weight(&self) -> f64 {
        (2.0 / (self.learnt + 2.0)).max(1.0 / REMEMBERED)
    }

    /// How many windows with equal weights the memory is worth.
    fn worth(&self) -> f64 {
        (0.75 * self.learnt).clamp(1.0, 2.0 * REMEMBERED)
    }

    /// The standard deviation of a surprise.
    ///
    /// What is sampling is exchanged for what it is at this window's size. As long as the series is hardly known it
    /// is the largest of what sampling, what was learnt and what was met say, each with a reserve: a season or a wander
    /// that has not been seen yet may be some times as large as sampling.
    fn scale(&self, sampling: Option<f64>, length: Span, hardly_known: bool) -> f64 {
        let variance = match sampling {
            Some(sampling) => (self.variance + sampling * sampling - self.sampling)
                .max(self.variance / 4.0)
                .max(sampling * sampling / 4.0),
            None => self.variance,
        };
        let learnt = (variance * (1.0 + 2.0 / self.worth() + self.newness(length))).sqrt();
        if hardly_known { (2.0 * learnt).max(3.0 * sampling.unwrap_or(0.0)).max(self.widest / 2.0) } else { learnt }
    }

    /// The degrees of freedom of the Student distribution that has the tails of past surprises.
    fn degrees(&self) -> f64 {
        let n = 0.75 * self.judged;
        let excess = (BELIEF * EXCESS + n * self.tails) / (BELIEF + n);
        4.0 + 6.0 / excess.max(0.02)
    }

    fn persistence(&self) -> f64 {
        self.blocks.iter().map(Block::persistence).fold(1.0, f64::max)
    }

    fn judge(&mut self, z: f64, hardly_known: bool, line: f64) {
        let (signature, margin) = (self.signature(), self.margin(hardly_known));
        let persistence = self.persistence();
        let surprise = Surprise { z, signature: &signature, margin, persistence, two_sided: self.two_sided };
        self.detector.step(surprise, CEILING * line);
    }

    /// What past surprises would be judged by in another order, and those surprises.
    pub(super) fn shuffled(&self) -> Option<Shuffled> {
        let is_enough = self.kept.len() * 2 >= KEPT && self.line > 0.0;
        is_enough.then(|| Shuffled {
            surprises: self.kept.iter().map(|kept| f64::from(*kept) / STEPS).collect(),
            signature: self.signature(),
            margin: self.margin(false),
            persistence: self.persistence(),
            two_sided: self.two_sided,
            line: self.line,
        })
    }

    fn signature(&self) -> [f64; ORDER + 1] {
        self.wander.signature().map(|part| part.clamp(0.0, 1.5))
    }

    fn margin(&self, hardly_known: bool) -> f64 {
        MARGIN / self.worth().sqrt()
            + if hardly_known { EARLY } else { 0.0 }
            + if self.two_sided { 0.0 } else { FOLDED }
    }

    /// From 1 where there is no evidence, to 0 where there is.
    fn trust(&self) -> f64 {
        if self.paged {
            return 0.0;
        }
        let surprise = self.evidence() / self.line.max(1.0);
        ((DOUBT.1 - surprise) / (DOUBT.1 - DOUBT.0)).clamp(0.0, 1.0)
    }

    fn learn_surprise(&mut self, surprise: f64, z: f64, trust: f64) {
        if trust <= 0.0 {
            return;
        }
        let weight = (2.0 / (self.judged + 2.0)).max(1.0 / REMEMBERED) * trust;
        self.judged = (self.judged + trust).min(2.0 * REMEMBERED);
        let square = (surprise * surprise / self.variance.max(f64::MIN_POSITIVE)).min(OUTERMOST * OUTERMOST);
        self.tails += weight * (square * square - 3.0 - self.tails);
        for (block, length) in self.blocks.iter_mut().zip(BLOCKS) {
            block.learn(z.clamp(-FARTHEST, FARTHEST), length);
        }
        self.keep(z);
    }

    fn keep(&mut self, z: f64) {
        let kept = (z * STEPS).round().clamp(-127.0, 127.0) as i8;
        let place = self.next as usize % KEPT;
        match self.kept.get_mut(place) {
            Some(old) => *old = kept,
            None => self.kept.push(kept),
        }
        self.next = (place + 1) as u32;
    }

    fn learn(&mut self, observation: &Observation, deviation: f64, surprise: f64, sampling: Option<f64>, trust: f64) {
        let Observation { end, length, .. } = *observation;
        let weight = self.weight() * trust;
        let is_new = self.learnt < 2.0;
        let bounded = |x: f64, variance: f64| {
            let most = FARTHEST * variance.sqrt();
            if is_new { x } else { x.clamp(-most, most) }
        };
        let hardly_known = self.is_hardly_known(end, length);
        let (deviation, surprise) = if hardly_known {
            (deviation, surprise)
        } else {
            (bounded(deviation, self.wander.variance()), bounded(surprise, self.variance))
        };
        if weight > 0.0 {
            self.level += weight * deviation;
            self.season.learn(end, length, deviation, trust);
            self.variance += weight * (surprise * surprise - self.variance);
            if let Some(sampling) = sampling {
                self.sampling += weight * (sampling * sampling - self.sampling);
            }
            self.wander.learn(deviation, weight);
            self.learnt += trust;
            self.widest = if hardly_known { self.widest.max(surprise.abs()) } else { 0.0 };
        }
        self.wander.push(deviation);
    }
}

/// The standard normal deviate that is as improbable as `u` is by Student's distribution (Wallace, *Bounds on normal
/// approximations to Student's and the chi-square distributions*, 1959).
fn normalised(u: f64, degrees: f64) -> f64 {
    let z = (degrees * (u * u / degrees).ln_1p()).sqrt() * (8.0 * degrees + 1.0) / (8.0 * degrees + 3.0);
    z.copysign(u)
}
