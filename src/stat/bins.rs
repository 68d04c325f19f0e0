//! The bins that categorical statistics compare, fixed by the reference.

use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::{Case, Numbers, Undefined, smallest_noncentrality};
use crate::grid::Axis;

/// Two samples counted in the same bins. A bin that is empty on both sides says nothing, and is left out.
pub struct Bins {
    /// How many of the reference and how many of the window are in each bin.
    pub counts: Vec<(u64, u64)>,
    pub n_reference: u64,
    pub n_current: u64,
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
    pub fn categorical(case: &Case) -> Result<Bins, Undefined> {
        let (reference, current) = case.two_categorical()?;
        Ok(Bins::new(reference.counts.iter().copied().zip(current.counts.iter().copied())))
    }

    /// One bin below the smallest grid value, one above the largest, and between them the reference's deciles: decile
    /// `j` ends at the smallest grid value at or below which lies at least the share `j / 10` of the reference.
    /// Deciles that end at the same value are one bin. A value that makes up a tenth of the reference or more is a bin
    /// by itself, so that leaving a value at which a column was stuck is seen.
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
        Bins::new(bins)
    }

    fn new(counts: impl IntoIterator<Item = (u64, u64)>) -> Bins {
        let counts: Vec<(u64, u64)> = counts.into_iter().filter(|&counts| counts != (0, 0)).collect();
        let (n_reference, n_current) = counts.iter().fold((0, 0), |(r, c), bin| (r + bin.0, c + bin.1));
        Bins { counts, n_reference, n_current }
    }

    /// For each bin, the difference of the two shares (reference less window), times both sample sizes: an integer,
    /// so that shares that are nearly equal lose no digits.
    pub fn differences(&self) -> impl Iterator<Item = i128> {
        self.counts
            .iter()
            .map(|&(r, c)| i128::from(r) * i128::from(self.n_current) - i128::from(c) * i128::from(self.n_reference))
    }

    /// The probability that samples of these sizes from one distribution differ at least so much: of chi-squared over
    /// the bins, after those in which the smaller sample would have less than one row are pooled (Cochran, 1954).
    ///
    /// Without pooling, one row in a bin that the reference does not reach is already proof at the 0.1 % level. Which
    /// bins are pooled depends on the reference alone, rarest first: to choose by the window would bias the answer.
    pub fn p_value(&self) -> f64 {
        let (n, smaller) = (u128::from(self.n_reference), u128::from(self.n_reference.min(self.n_current)));
        let mut bins = self.counts.clone();
        bins.sort_by_key(|bin| bin.0);
        let mut pooled: Vec<(u64, u64)> = Vec::new();
        let mut rest = (0, 0);
        for (r, c) in bins {
            rest = (rest.0 + r, rest.1 + c);
            if u128::from(rest.0) * smaller >= n {
                pooled.push(std::mem::take(&mut rest));
            }
        }
        // What is left over goes to the commonest.
        match pooled.last_mut() {
            Some(last) => *last = (last.0 + rest.0, last.1 + rest.1),
            None => pooled.push(rest),
        }
        Bins::new(pooled).homogeneity().1
    }

    /// The smallest sum over bins of `(c - r)^2 / r`, of true shares, that samples of these sizes show to be significant
    /// (see [`super::POWER`]). Every smooth distance between shares is nearly a multiple of it where they are close.
    pub fn detectable(&self, significance: f64) -> f64 {
        let degrees = (self.counts.len() as f64 - 1.0).max(1.0);
        smallest_noncentrality(significance, degrees) * (1.0 / self.n_reference as f64 + 1.0 / self.n_current as f64)
    }

    /// Pearson's chi-squared statistic of the hypothesis that both samples have the same shares, and its p-value with
    /// one degree of freedom less than there are bins. With one bin the shares cannot differ.
    pub fn homogeneity(&self) -> (f64, f64) {
        let sizes = self.n_reference as f64 * self.n_current as f64;
        let squares = self.counts.iter().zip(self.differences());
        let statistic: f64 =
            squares.map(|(&(r, c), difference)| (difference as f64).powi(2) / (sizes * (r as f64 + c as f64))).sum();
        let p_value = match ChiSquared::new(self.counts.len() as f64 - 1.0) {
            Ok(distribution) if statistic > 0.0 => distribution.sf(statistic).clamp(0.0, 1.0),
            _ => 1.0,
        };
        (statistic, p_value)
    }
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
