//! Null distributions by simulation: how often a statistic is so large though nothing has changed.
//!
//! A window and its reference are taken to be two samples of one distribution, and the best that is known of that
//! distribution is the reference. So both are drawn from it, at the sizes that they have, and the statistic is asked of
//! what was drawn, many times. Drawing the reference too, and not the window alone, is what makes p-values hold where
//! the reference is no larger than the window.
//!
//! The samples are tallies on an axis like the reference's, so what is asked is the very function that measures
//! windows. Simulation is seeded by what it is of. It gives the same p-values after a restart, in a replay and on
//! another machine.

mod distribution;
mod draw;
mod simulated;
mod source;
mod tail;

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use statrs::distribution::{ContinuousCDF, Normal};

use crate::grid::Axis;
use crate::stat::{Null, POWER, Reading, Statistic};
use crate::tally::FieldTally;
use distribution::{Between, Distribution};
use draw::Multinomial;
use simulated::{evidence, simulate};
use source::Source;
use tail::Tail;

/// How often a window is simulated: at the 5 % level this leaves a p-value uncertain by 0.7 %, and a tail can be
/// fitted.
pub const REPLICATES: usize = 1000;
/// Fewer are drawn of fields that have more than some thousand categories, but not fewer than this.
const LEAST_REPLICATES: usize = 200;
/// With fewer values on either side nothing is simulated: so few show only changes that nobody can miss.
const LEAST_VALUES: u64 = 22;
/// How many cells all replicates of a null distribution have together at most, as far as those limits allow.
const CELLS: usize = 4_000_000;
/// The most numbers that are kept of past simulations: 32 MiB. What has not been used for longest goes first.
const MOST_KEPT: usize = 4 << 20;

/// What is compared: a field, and the distribution that it has if nothing has changed.
#[derive(Clone, Copy)]
pub struct Field<'a> {
    /// The content hash of the reference that fixed the field's axis.
    pub hash: &'a str,
    /// Which of that reference's rows; `""` for all.
    pub slice: &'a str,
    pub subject: &'a str,
    pub axis: &'a Axis,
    /// Those rows' counts. A window may be compared with others on the same axis, such as the past week; they are
    /// taken to be samples of the same distribution.
    pub tally: &'a FieldTally,
}

/// How many values two samples have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sizes {
    pub window: u64,
    pub reference: u64,
    /// Whether the reference is the one that fixed the axis. Then nothing of it lies beyond the axis, and one value in
    /// so many of a window does.
    pub fixes_axis: bool,
}

/// The null distributions of one monitor's statistics, simulated when first asked for.
///
/// They are kept, up to a bound, only because that is quicker: a distribution that is simulated again is the same.
#[derive(Debug)]
pub struct Nulls {
    replicates: usize,
    /// Whether to simulate for the very sizes that are asked of, which are never met again.
    at_exact_sizes: bool,
    kept: BTreeMap<Key, Kept>,
    /// Counts questions, to know which answers have not been used for longest.
    now: u64,
    numbers: usize,
}

/// The reference that fixed the axis, the slice, the field, and the sizes.
type Key = (Arc<str>, Arc<str>, Arc<str>, Sizes);

#[derive(Debug)]
struct Kept {
    /// For each statistic, in the order in which they are asked for.
    distributions: Arc<[Option<Distribution>]>,
    names: Box<[&'static str]>,
    used: u64,
}

impl Default for Nulls {
    fn default() -> Nulls {
        Nulls::new(REPLICATES)
    }
}

impl Nulls {
    pub fn new(replicates: usize) -> Nulls {
        Nulls { replicates, at_exact_sizes: false, kept: BTreeMap::new(), now: 0, numbers: 0 }
    }

    /// For data of one size: nothing is interpolated, and half as much is simulated.
    pub fn for_one_size() -> Nulls {
        Nulls { at_exact_sizes: true, ..Nulls::default() }
    }

    /// Whether a statistic's p-value comes from here.
    pub fn concerns(statistic: &Statistic) -> bool {
        matches!(statistic.null, Null::Linear | Null::Root | Null::Studentised)
    }

    /// The null distributions of the statistics that are asked of a field, for samples of these sizes. For one field
    /// the statistics are always the same ones.
    ///
    /// Windows are of any size, so distributions are simulated for sizes a factor of the root of two apart, and what
    /// lies between two of them is interpolated.
    pub fn of(&mut self, field: &Field, statistics: &[&'static Statistic], sizes: Sizes) -> Calibration {
        if self.at_exact_sizes {
            let both = self.get(field, statistics, sizes);
            return Calibration { sizes, low: both.clone(), high: both, weight: 0.0 };
        }
        let step = step_at(sizes.window);
        let (low, high) = (rung(step), rung(step + 1));
        let weight = (sizes.window as f64 / low as f64).ln() / (high as f64 / low as f64).ln();
        // The reference that fixed the axis is always of one size. The size of others varies, as windows' does.
        let reference = if sizes.fixes_axis { sizes.reference } else { rung(step_at(sizes.reference)) };
        let mut at = |window| self.get(field, statistics, Sizes { window, reference, ..sizes });
        let low = at(low);
        let high = if weight > 0.0 { at(high) } else { low.clone() };
        Calibration { sizes, low, high, weight }
    }

    fn get(&mut self, field: &Field, statistics: &[&'static Statistic], sizes: Sizes) -> Arc<[Option<Distribution>]> {
        self.now += 1;
        let key: Key = (field.hash.into(), field.slice.into(), field.subject.into(), sizes);
        let is_same = |kept: &Kept| kept.names.iter().copied().eq(statistics.iter().map(|statistic| statistic.name));
        if let Some(kept) = self.kept.get_mut(&key).filter(|kept| is_same(kept)) {
            kept.used = self.now;
            return kept.distributions.clone();
        }
        let distributions: Arc<[_]> = self.simulate(field, statistics, sizes).into();
        let names = statistics.iter().map(|statistic| statistic.name).collect();
        let kept = Kept { distributions: distributions.clone(), names, used: self.now };
        self.numbers += kept.numbers();
        let before = self.kept.insert(key, kept);
        self.numbers -= before.map_or(0, |kept| kept.numbers());
        while self.numbers > MOST_KEPT
            && let Some(oldest) = self.kept.iter().min_by_key(|(_, kept)| kept.used).map(|(key, _)| key.clone())
        {
            self.numbers -= self.kept.remove(&oldest).map_or(0, |kept| kept.numbers());
        }
        distributions
    }

    fn simulate(&self, field: &Field, statistics: &[&Statistic], sizes: Sizes) -> Vec<Option<Distribution>> {
        let is_enough = sizes.window.min(sizes.reference) >= LEAST_VALUES;
        let Some(source) = is_enough.then(|| Source::of(field.axis, field.tally)).flatten() else {
            return statistics.iter().map(|_| None).collect();
        };
        let replicates = (CELLS / source.cells().max(1)).max(LEAST_REPLICATES).min(self.replicates);
        simulate(&source, statistics, sizes, replicates, seed(field, sizes))
    }
}

impl Kept {
    fn numbers(&self) -> usize {
        self.distributions.iter().flatten().map(Distribution::len).sum()
    }
}

/// The sizes at which there are simulations: 1, 1, 2, 2, 4, 5, 8, 11, 16, 22, 32 and so on.
fn rung(step: u32) -> u64 {
    let power = 1u64 << (step / 2).min(62);
    if step.is_multiple_of(2) { power } else { (power as f64 * std::f64::consts::SQRT_2) as u64 }
}

/// The step of the largest size up to `n`.
fn step_at(n: u64) -> u32 {
    let even = 2 * n.max(1).ilog2();
    if rung(even + 1) <= n.max(1) { even + 1 } else { even }
}

/// The first half of a SHA-256 over what is simulated.
fn seed(field: &Field, sizes: Sizes) -> [u8; 16] {
    let mut hash = Sha256::new();
    for text in [field.hash, field.slice, field.subject] {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    }
    hash.update(sizes.window.to_le_bytes());
    hash.update(sizes.reference.to_le_bytes());
    hash.update([u8::from(sizes.fixes_axis)]);
    let mut seed = [0; 16];
    seed.copy_from_slice(&hash.finalize()[..16]);
    seed
}

/// Null distributions for one pair of sizes.
pub struct Calibration {
    sizes: Sizes,
    low: Arc<[Option<Distribution>]>,
    high: Arc<[Option<Distribution>]>,
    weight: f64,
}

impl Calibration {
    /// A reading of the statistic at this place, with its p-value by simulation, and what the window could have shown
    /// where the statistic did not say. Where nothing could be simulated, as of rare categories, it stays as it is.
    pub fn apply(&self, place: usize, statistic: &Statistic, significance: f64, reading: Reading) -> Reading {
        let both = self.low.get(place).zip(self.high.get(place));
        let Some((Some(low), Some(high))) = both else { return reading };
        let null = Between::new(low, high, self.weight);
        let Some(evidence) = evidence(statistic.null, &reading, self.sizes) else { return reading };
        let detectable = reading.detectable.or_else(|| self.detectable(&null, statistic, significance));
        Reading { p_value: Some(null.p_value(evidence)), detectable, ..reading }
    }

    /// The smallest true value that is found significant with a probability of [`POWER`], for distances.
    ///
    /// By the triangle inequality a distance between samples differs from the true one by no more than how far the
    /// samples are from what they were drawn from, and that is what the null distribution is of: its root mean square
    /// is taken for the standard deviation of the difference. So a true distance of the critical value and the normal
    /// quantile of the power times that is found. It errs to the safe side, since it takes all errors to add up.
    /// Squares of distances are compared by their roots.
    fn detectable(&self, null: &Between, statistic: &Statistic, significance: f64) -> Option<f64> {
        let Sizes { window, reference, .. } = self.sizes;
        let unit = 1.0 / window as f64 + 1.0 / reference as f64;
        let spread = null.mean().max(0.0).sqrt();
        let root = null.critical(significance).max(0.0).sqrt() + Normal::standard().inverse_cdf(POWER) * spread;
        let detectable = match statistic.null {
            Null::Root => root * unit.sqrt(),
            Null::Linear => root * root * unit,
            Null::Unknown | Null::Formula | Null::Studentised => return None,
        };
        detectable.is_finite().then(|| detectable.min(statistic.range.1))
    }
}

#[cfg(test)]
mod tests;
