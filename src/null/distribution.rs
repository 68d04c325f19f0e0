//! A simulated distribution, and how likely it makes a value.

use super::Tail;

/// With fewer replicates than this beyond a value, the fitted tail says how many there would be.
const SEEN: usize = 10;

/// Evidence as it comes about without a change.
#[derive(Debug)]
pub struct Distribution {
    /// Ascending.
    values: Box<[f64]>,
    mean: f64,
    tail: Option<Tail>,
}

impl Distribution {
    pub fn new(mut values: Vec<f64>) -> Distribution {
        values.sort_unstable_by(f64::total_cmp);
        let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
        Distribution { mean, tail: Tail::fit(&values), values: values.into() }
    }

    pub fn len(&self) -> usize {
        self.values.len()
    }

    #[cfg(test)]
    pub fn values(&self) -> &[f64] {
        &self.values
    }
}

/// A distribution that lies between two others, for a size between theirs: its quantiles do.
///
/// Mixing probabilities instead would be wrong where the two hardly overlap, as with sums over many categories, whose
/// mean moves by more than their spread from one size to the next.
#[derive(Clone, Copy)]
pub struct Between<'a> {
    pub low: &'a Distribution,
    pub high: &'a Distribution,
    /// 0 for the lower, 1 for the higher.
    pub weight: f64,
}

impl<'a> Between<'a> {
    pub fn new(low: &'a Distribution, high: &'a Distribution, weight: f64) -> Between<'a> {
        // Where some replicates were undefined the ranks do not match, and the nearer size has to do.
        let nearer = if weight < 0.5 { low } else { high };
        if low.len() == high.len() {
            Between { low, high, weight }
        } else {
            Between { low: nearer, high: nearer, weight }
        }
    }

    fn value(&self, rank: usize) -> f64 {
        let (low, high) = (self.low.values[rank], self.high.values[rank]);
        low + (high - low) * self.weight
    }

    fn tail(&self) -> Option<Tail> {
        Some(self.low.tail?.between(&self.high.tail?, self.weight))
    }

    pub fn mean(&self) -> f64 {
        self.low.mean + (self.high.mean - self.low.mean) * self.weight
    }

    /// The probability of at least so much evidence.
    ///
    /// One is added to how many replicates reach it and to how many there are: what is judged is one more draw of the
    /// same kind if nothing has changed, and so the probability of a false alarm is right for any number of replicates
    /// (Phipson and Smyth, *Permutation P-values should never be zero*, 2010).
    pub fn p_value(&self, evidence: f64) -> f64 {
        // Values that are equal but for rounding are equal.
        let reached = evidence - 1e-9 * evidence.abs();
        let (mut low, mut high) = (0, self.low.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.value(middle) < reached { low = middle + 1 } else { high = middle }
        }
        let above = self.low.len() - low;
        let counted = |above: usize| (1.0 + above as f64) / (self.low.len() as f64 + 1.0);
        match self.tail() {
            Some(tail) if above < SEEN && evidence > tail.start => {
                tail.sf(evidence).clamp(f64::MIN_POSITIVE, counted(SEEN))
            }
            _ => counted(above),
        }
    }

    /// The evidence that comes about with a probability of at most `p`.
    pub fn critical(&self, p: f64) -> f64 {
        let replicates = self.low.len();
        let above = ((replicates + 1) as f64 * p) as usize;
        match self.tail() {
            Some(tail) if above <= SEEN && p < tail.share => tail.quantile(p),
            _ => self.value(replicates.saturating_sub(above.max(1))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distribution(from: f64, to: f64) -> Distribution {
        Distribution::new((0..999).map(|i| from + (to - from) * (f64::from(i) + 0.5) / 999.0).collect())
    }

    #[test]
    fn in_the_bulk_replicates_are_counted() {
        let uniform = distribution(0.0, 1.0);
        let alone = Between::new(&uniform, &uniform, 0.3);
        assert_eq!(alone.p_value(-1.0), 1.0);
        assert_eq!(alone.p_value(0.5), 0.501);
        assert!((alone.p_value(0.95) - 0.051).abs() < 1e-9);
        assert!((alone.critical(0.05) - 0.95).abs() < 2e-3);
        // Far beyond all of them it is unlikely, but never impossible.
        let far = alone.p_value(3.0);
        assert!(0.0 < far && far < 1e-6, "{far}");
        assert!(alone.p_value(1e300) > 0.0);
    }

    #[test]
    fn between_two_that_do_not_overlap_lies_a_third() {
        let (low, high) = (distribution(0.0, 1.0), distribution(4.0, 5.0));
        let between = Between::new(&low, &high, 0.5);
        assert!((between.p_value(2.5) - 0.5).abs() < 2e-3);
        assert!((between.critical(0.05) - 2.95).abs() < 2e-3);
        assert!((between.mean() - 2.5).abs() < 1e-9);
    }

    #[test]
    fn a_larger_value_is_never_more_likely() {
        let (low, high) = (distribution(0.0, 1.0), distribution(0.5, 2.5));
        let between = Between::new(&low, &high, 0.25);
        let p: Vec<f64> = (0..4000).map(|i| between.p_value(f64::from(i) / 1000.0)).collect();
        assert!(p.windows(2).all(|pair| pair[0] >= pair[1]));
    }

    #[test]
    fn where_all_are_equal_nothing_beyond_is_likely() {
        let constant = Distribution::new(vec![2.0; 999]);
        let alone = Between::new(&constant, &constant, 0.0);
        assert_eq!((alone.p_value(2.0), alone.p_value(2.1)), (1.0, 0.001));
    }
}
