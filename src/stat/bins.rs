//! The bins that statistics over shares compare, fixed by the reference.
//!
//! A distance between shares is never below zero, so sampling alone lifts it: over `k` bins and samples of `n` and `m`
//! the sum of the squares `(c - r)^2 / r` is about `(k - 1)(1/n + 1/m)` where nothing has changed. In a vocabulary of
//! thousands that is far above any threshold that fits a vocabulary of ten. The values are the textbook's all the same,
//! since what is called by a known name must agree with what others compute under it. It is the p-value that bounds the
//! false alarms: a breach needs it as well as the threshold, and it comes from bins in which rare values are pooled.

use std::f64::consts::SQRT_2;

use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::{Case, Numbers, Undefined, smallest_noncentrality};
use crate::grid::Axis;

/// Two samples counted in the same bins. A bin that is empty on both sides says nothing, and is left out.
pub struct Bins {
    /// How many of the reference and how many of the window are in each bin.
    pub counts: Vec<(u64, u64)>,
    pub n_reference: u64,
    pub n_current: u64,
    /// The same after rare bins are pooled: what tests of homogeneity are computed from.
    pub pooled: Vec<(u64, u64)>,
}

/// The values that a vocabulary does not have, which share one bin.
#[derive(Clone, Copy)]
struct Unseen {
    counts: (u64, u64),
    /// The most rows of the reference that any one of them can have.
    most: u64,
}

impl Bins {
    /// The bins of a numeric or categorical field.
    pub fn of(case: &Case) -> Result<Bins, Undefined> {
        if let Some(Axis::Numeric(_)) = case.current.map(|side| side.axis) {
            case.two_numeric().map(|numbers| Bins::numeric(&numbers))
        } else {
            Bins::categorical(case)
        }
    }

    /// One bin for each value of the vocabulary, and one for all others.
    ///
    /// Which of them are rare is decided by the rows of both sides together. Given these sums, how the rows of a bin
    /// divide between the sides does not depend on them if nothing has changed, so the choice cannot bias a test. To
    /// choose by one side alone would: what is rare in a sample is, on average, less rare in the next.
    pub fn categorical(case: &Case) -> Result<Bins, Undefined> {
        let (reference, current) = case.two_categorical()?;
        let mut counts: Vec<(u64, u64)> =
            reference.counts.iter().copied().zip(current.counts.iter().copied()).collect();
        let unseen = counts.pop().unwrap_or_default();
        // A vocabulary that was cut short left out what is no commoner than the rarest that it has.
        let most = if unseen.0 == 0 { 0 } else { reference.counts.iter().copied().min().unwrap_or(0) };
        Ok(Bins::new(counts, |(r, c)| r + c, Some(Unseen { counts: unseen, most })))
    }

    /// Those of a field that has two values, in the order of the vocabulary.
    pub fn two(case: &Case) -> Result<(Bins, [(u64, u64); 2]), Undefined> {
        let bins = Bins::categorical(case)?;
        match bins.counts[..] {
            [first, second] => Ok((bins, [first, second])),
            [_] => Err(Undefined::OneCategory),
            _ => Err(Undefined::NotTwoCategories { n: bins.counts.len() }),
        }
    }

    /// Bins of which a test can be made, if at least two are left of two.
    pub fn tested(self) -> Result<Bins, Undefined> {
        match (self.counts.len(), self.pooled.len()) {
            (0 | 1, _) => Err(Undefined::OneCategory),
            (_, 0 | 1) => Err(Undefined::TooSparse),
            _ => Ok(self),
        }
    }

    /// One bin below the smallest grid value, one above the largest, and between them the reference's deciles: decile
    /// `j` ends at the smallest grid value at or below which lies at least the share `j / 10` of the reference.
    /// Deciles that end at the same value are one bin. A value that makes up a tenth of the reference or more is a bin
    /// by itself, so that leaving a value at which a column was stuck is seen.
    ///
    /// Which bins are rare is decided by the reference: it fixed them so that it has its share of each, whatever the
    /// window has.
    fn numeric(numbers: &Numbers) -> Bins {
        const DECILES: u128 = 10;
        let (reference, current) = (&numbers.reference.counts, &numbers.current.counts);
        let (last, n) = (reference.len() - 1, u128::from(numbers.reference.n()));
        let mut bins = vec![(reference[0], current[0])];
        let mut bin = (0, 0);
        let mut below = u128::from(reference[0]);
        let mut decile = 1;
        for cell in 1..last {
            let is_heavy = reference[cell] > 0 && u128::from(reference[cell]) * DECILES >= n && cell % 2 == 1;
            if is_heavy {
                bins.push(std::mem::take(&mut bin));
            }
            bin = (bin.0 + reference[cell], bin.1 + current[cell]);
            below += u128::from(reference[cell]);
            let ends_decile = cell % 2 == 1 && decile < DECILES && below * DECILES >= decile * n;
            if is_heavy || ends_decile {
                bins.push(std::mem::take(&mut bin));
                decile = below * DECILES / n + 1;
            }
        }
        // The last decile ends at the largest grid value, whether or not all of the reference is at or below it.
        bins.push(bin);
        bins.push((reference[last], current[last]));
        Bins::new(bins, |(r, _)| r, None)
    }

    fn new(mut counts: Vec<(u64, u64)>, commonness: fn((u64, u64)) -> u64, unseen: Option<Unseen>) -> Bins {
        counts.retain(|&bin| bin != (0, 0));
        let outside = unseen.map_or((0, 0), |unseen| unseen.counts);
        let (n_reference, n_current) = counts.iter().fold(outside, |(n, m), &(r, c)| (n + r, m + c));
        let pooled = pool(&counts, (n_reference, n_current), commonness, unseen);
        if outside != (0, 0) {
            counts.push(outside);
        }
        Bins { counts, n_reference, n_current, pooled }
    }

    /// For a bin, the difference of the two shares (reference less window), times both sample sizes: an integer, so
    /// that shares that are nearly equal lose no digits.
    pub fn difference(&self, (r, c): (u64, u64)) -> i128 {
        i128::from(r) * i128::from(self.n_current) - i128::from(c) * i128::from(self.n_reference)
    }

    /// For each bin, the reference's share, the window's, and by how much the reference's is larger.
    pub fn differences(&self) -> impl Iterator<Item = (f64, f64, f64)> {
        let (n, m) = (self.n_reference as f64, self.n_current as f64);
        self.counts.iter().map(move |&(r, c)| (r as f64 / n, c as f64 / m, self.difference((r, c)) as f64 / (n * m)))
    }

    /// For each bin, the reference's and the window's share, both after half a row is added to every bin (Jeffreys), so
    /// that none is zero.
    pub fn smoothed(&self) -> impl Iterator<Item = (f64, f64)> {
        let added = 0.5 * self.counts.len() as f64;
        let share = move |count: u64, n: u64| (count as f64 + 0.5) / (n as f64 + added);
        self.counts.iter().map(move |&(r, c)| (share(r, self.n_reference), share(c, self.n_current)))
    }

    /// The sum over bins by which their shares have parted; the table has it as PSI.
    pub fn stability_index(&self) -> f64 {
        self.smoothed().map(|(r, c)| (c - r) * (c / r).ln()).sum::<f64>().max(0.0)
    }

    /// Pearson's chi-squared statistic, over the pooled bins, of the hypothesis that both samples have the same shares.
    pub fn chi_squared(&self) -> f64 {
        let sizes = self.n_reference as f64 * self.n_current as f64;
        let square = |&(r, c): &(u64, u64)| (self.difference((r, c)) as f64).powi(2) / (sizes * (r as f64 + c as f64));
        self.pooled.iter().map(square).sum()
    }

    /// One less than there are pooled bins.
    pub fn degrees(&self) -> f64 {
        self.pooled.len().saturating_sub(1) as f64
    }

    /// The probability that a statistic with chi-squared's distribution is at least so large, with so many degrees of
    /// freedom as the pooled bins have. With one bin the shares cannot differ.
    pub fn probability(&self, statistic: f64) -> f64 {
        match ChiSquared::new(self.degrees()) {
            Ok(distribution) if statistic > 0.0 => distribution.sf(statistic).clamp(0.0, 1.0),
            _ => 1.0,
        }
    }

    /// The probability that samples of these sizes from one distribution differ at least so much: that of chi-squared
    /// over the pooled bins.
    pub fn p_value(&self) -> f64 {
        self.probability(self.chi_squared())
    }

    /// The smallest noncentrality of chi-squared over the pooled bins that is found significant (see [`super::POWER`]).
    pub fn noncentrality(&self, significance: f64) -> f64 {
        smallest_noncentrality(significance, self.degrees().max(1.0))
    }

    /// The smallest sum over the pooled bins of `(c - r)^2 / r`, of true shares, that samples of these sizes show to be
    /// significant. Every smooth distance between shares is nearly a multiple of it where they are close.
    pub fn detectable(&self, significance: f64) -> f64 {
        self.noncentrality(significance) * (1.0 / self.n_reference as f64 + 1.0 / self.n_current as f64)
    }
}

/// Pools bins, from the rarest on, until in each the smaller sample is expected to have at least five rows (Cochran,
/// 1954), and at least twice the root of the number of pooled bins. What is left over goes to the commonest.
///
/// With fewer than five, one row in a bin that the reference does not reach can be proof at the 0.1 % level. The root
/// is there for the likelihood ratio: a bin lifts its mean by one part in six times the expected rows, and over many
/// bins that adds up to more than its deviation.
///
/// All values so rare that they may be unseen are pooled with the unseen ones: by themselves, those that happened to be
/// in the reference would have more than their share there, and those that did not would have none.
fn pool(
    counts: &[(u64, u64)],
    (n, m): (u64, u64),
    commonness: fn((u64, u64)) -> u64,
    unseen: Option<Unseen>,
) -> Vec<(u64, u64)> {
    let rarest_seen = unseen.map_or(0, |unseen| rarest_surely_seen(n, m, unseen.most));
    let mut first = unseen.map_or((0, 0), |unseen| unseen.counts);
    let mut ordered = Vec::new();
    for &bin in counts {
        let common = commonness(bin);
        if common < rarest_seen {
            first = (first.0 + bin.0, first.1 + bin.1);
        } else {
            ordered.push((bin, common));
        }
    }
    // Equally common ones stay in the order of the axis, which no count has a part in.
    ordered.sort_by_key(|&(_, common)| common);
    let mut least = 5.0;
    loop {
        let enough = least * commonness((n, m)) as f64 / n.min(m).max(1) as f64;
        let pooled = join(first, &ordered, commonness, enough);
        if 4.0 * pooled.len() as f64 <= least * least {
            return pooled;
        }
        least *= SQRT_2;
    }
}

/// Joins bins in their order until each is as common as `enough`.
fn join(
    first: (u64, u64),
    ordered: &[((u64, u64), u64)],
    commonness: fn((u64, u64)) -> u64,
    enough: f64,
) -> Vec<(u64, u64)> {
    let mut pooled: Vec<(u64, u64)> = Vec::new();
    let mut open = first;
    for &((r, c), _) in ordered {
        if commonness(open) as f64 >= enough {
            pooled.push(std::mem::take(&mut open));
        }
        open = (open.0 + r, open.1 + c);
    }
    match pooled.last_mut() {
        Some(last) if (commonness(open) as f64) < enough => *last = (last.0 + open.0, last.1 + open.1),
        _ => pooled.push(open),
    }
    pooled
}

/// The fewest rows on both sides together with which a value is surely in the vocabulary, when a value is left out
/// unless more than `most` of the reference's `n` rows have it: less than one of the window's `m` rows is expected to
/// have a value that is as common and yet left out.
///
/// Of a row's value, each of the other rows is in the reference with the probability `n / (n + m)`, and that at most
/// `most` of them are has Chernoff's bound, exact for none.
fn rarest_surely_seen(n: u64, m: u64, most: u64) -> u64 {
    let (n, m, most) = (n as f64, m as f64, most as f64);
    let is_sure = |rows: u64| {
        let others = rows as f64 - 1.0;
        let in_reference = others * n / (n + m);
        let in_window = others - in_reference;
        // The logarithm of the bound, negative where it says anything.
        let none_less = |rows: f64, expected: f64| if rows > 0.0 { rows * (expected / rows).ln() } else { 0.0 };
        in_reference > most && none_less(most, in_reference) + none_less(others - most, in_window) <= -m.ln()
    };
    let (mut low, mut high) = (0, 1);
    while !is_sure(high) && high as f64 <= n + m {
        (low, high) = (high, 2 * high);
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if is_sure(middle) { high = middle } else { low = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::super::{Sample, case};
    use super::*;

    fn counts(reference: &[f64], current: &[f64]) -> Vec<(u64, u64)> {
        let sample = Sample::numeric(reference, current, 1000);
        let bins = Bins::of(&case(&sample)).expect("there are values on both sides");
        assert_eq!((bins.n_reference, bins.n_current), (reference.len() as u64, current.len() as u64));
        bins.counts
    }

    #[test]
    fn deciles_hold_a_tenth_of_the_reference_each() {
        let reference: Vec<f64> = (1..=100).map(f64::from).collect();
        let mut expected = vec![(10, 0); 10];
        expected[2].1 = 3;
        assert_eq!(counts(&reference, &[20.5, 21.0, 30.0]), expected);
    }

    #[test]
    fn what_is_outside_the_reference_has_bins_of_its_own() {
        let reference = [1.0, 2.0, 3.0];
        assert_eq!(counts(&reference, &[0.0, 1.0, 4.0]), [(0, 1), (1, 1), (1, 0), (1, 0), (0, 1)]);
        assert_eq!(counts(&reference, &[f64::NEG_INFINITY, f64::INFINITY]).first(), Some(&(0, 1)));
    }

    #[test]
    fn a_value_that_fills_several_deciles_is_one_bin() {
        let mut reference = vec![5.0; 60];
        reference.extend((0..40).map(|i| 6.0 + f64::from(i)));
        let bins = counts(&reference, &[5.0]);
        assert_eq!(bins, [(60, 1), (10, 0), (10, 0), (10, 0), (10, 0)]);
    }
}
