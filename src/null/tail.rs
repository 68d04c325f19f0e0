//! The far end of a simulated distribution: a generalised Pareto tail, fitted to the largest values.

/// Above `start` lies the share `share` of the distribution, and what exceeds it there is generalised Pareto.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tail {
    pub start: f64,
    pub share: f64,
    pub scale: f64,
    /// 0 for an exponential tail, more for a heavier one, never less.
    pub shape: f64,
}

/// The share of a sample whose values make the tail, and the least and the most of them (Knijnenburg, Wessels, Reinders
/// and Shmulevich, *Fewer permutations, more accurate P-values*, 2009, take at most 250).
const SHARE: f64 = 0.1;
const EXCESSES: (usize, usize) = (40, 250);

/// How many excesses the belief in an exponential tail is worth.
///
/// Evidence is put on a scale on which smooth statistics have tails like chi-squared's, which are exponential in the
/// end. A hundred excesses alone would leave the shape uncertain by 0.1, which far out is the difference between 1e-6
/// and 1e-4.
const BELIEF: f64 = 100.0;

impl Tail {
    /// Fits the tail of a sample in ascending order; `None` when it is too small or its largest values are all equal.
    pub fn fit(sample: &[f64]) -> Option<Tail> {
        let wanted = (sample.len() as f64 * SHARE) as usize;
        let count = wanted.clamp(EXCESSES.0, EXCESSES.1).min(sample.len() / 4);
        let (below, above) = sample.split_at_checked(sample.len() - count)?;
        // Halfway between the last value below and the first above, neither of which is then favoured.
        let start = f64::midpoint(*below.last()?, *above.first()?);
        let excesses: Vec<f64> = above.iter().map(|x| x - start).filter(|x| *x > 0.0).collect();
        let mean = excesses.iter().sum::<f64>() / excesses.len() as f64;
        let n = excesses.len() as f64;
        let found = shape(&excesses)? * n / (n + BELIEF);
        // A tail with an end would say that what lies beyond it is impossible. And a mean, which the scale is taken
        // from, exists only up to a shape of one.
        let shape = found.clamp(0.0, 0.9);
        let scale = mean * (1.0 - shape);
        let share = n / sample.len() as f64;
        (scale.is_finite() && scale > 0.0).then_some(Tail { start, share, scale, shape })
    }

    /// The probability of a value of at least `x`, for `x` in the tail.
    pub fn sf(&self, x: f64) -> f64 {
        let z = ((x - self.start) / self.scale).max(0.0);
        let beyond = if self.shape == 0.0 { (-z).exp() } else { (-(self.shape * z).ln_1p() / self.shape).exp() };
        self.share * beyond
    }

    /// The value that is exceeded with a probability of `p`, at most `share`.
    pub fn quantile(&self, p: f64) -> f64 {
        let log = (self.share / p).ln().max(0.0);
        let z = if self.shape == 0.0 { log } else { (self.shape * log).exp_m1() / self.shape };
        self.start + self.scale * z
    }

    /// The tail whose quantiles lie between those of two others, `weight` of the way to the second.
    pub fn between(&self, other: &Tail, weight: f64) -> Tail {
        let mix = |a: f64, b: f64| a + (b - a) * weight;
        Tail {
            start: mix(self.start, other.start),
            share: mix(self.share, other.share),
            scale: mix(self.scale, other.scale),
            shape: mix(self.shape, other.shape),
        }
    }
}

/// The shape of a generalised Pareto distribution, from a sample in ascending order of positive numbers: the mean of a
/// posterior on a grid, which exists for every sample and needs no iteration (Zhang and Stephens, *A new and efficient
/// estimation method for the generalized Pareto distribution*, 2009). Positive for heavy tails.
pub fn shape(sample: &[f64]) -> Option<f64> {
    let (n, &most) = (sample.len() as f64, sample.last()?);
    let quarter = *sample.get(((n / 4.0 + 0.5) as usize).max(1) - 1)?;
    if quarter <= 0.0 || sample[0] == most || !most.is_finite() {
        return None;
    }
    let points = 30 + n.sqrt() as usize;
    let mean_log = |rate: f64| sample.iter().map(|x| (-rate * x).ln_1p()).sum::<f64>() / n;
    let rates: Vec<f64> = (1..=points)
        .map(|j| 1.0 / most + (1.0 - (points as f64 / (j as f64 - 0.5)).sqrt()) / (3.0 * quarter))
        .filter(|&rate| rate != 0.0)
        .collect();
    let likelihood = |&rate: &f64| {
        let k = mean_log(rate);
        n * ((-rate / k).ln() - k - 1.0)
    };
    let likelihoods: Vec<f64> = rates.iter().map(likelihood).collect();
    let best = likelihoods.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights = || likelihoods.iter().map(|likelihood| (likelihood - best).exp());
    let rate = rates.iter().zip(weights()).map(|(rate, weight)| rate * weight).sum::<f64>() / weights().sum::<f64>();
    let shape = mean_log(rate);
    shape.is_finite().then_some(shape)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_distr::{Distribution, StandardNormal};
    use rand_pcg::Pcg64Mcg;
    use rand_pcg::rand_core::SeedableRng;
    use statrs::distribution::{ChiSquared, ContinuousCDF};

    /// Samples of a thousand sums of squares of normals, and the p-values that their tails give at points whose true
    /// p-value is known, as decimal logarithms: the mean over many samples and the worst.
    fn errors(degrees: usize, p: f64) -> (f64, f64) {
        const SAMPLES: u64 = 60;
        let known = ChiSquared::new(degrees as f64).unwrap();
        let x = known.inverse_cdf(1.0 - p);
        let errors: Vec<f64> = (0..SAMPLES)
            .map(|seed| {
                let mut random = Pcg64Mcg::seed_from_u64(seed);
                let mut square = || {
                    let x: f64 = StandardNormal.sample(&mut random);
                    x * x
                };
                let mut sample: Vec<f64> = (0..1000).map(|_| (0..degrees).map(|_| square()).sum()).collect();
                sample.sort_unstable_by(f64::total_cmp);
                (Tail::fit(&sample).unwrap().sf(x) / known.sf(x)).log10()
            })
            .collect();
        let mean = errors.iter().sum::<f64>() / SAMPLES as f64;
        (mean, errors.iter().fold(0.0, |worst: f64, error| worst.max(error.abs())))
    }

    /// The square of a normal variable is chi-squared with one degree of freedom, so the first are the normal's tails.
    /// With many degrees the tail gets steeper for a long way, and its continuation is on the safe side.
    #[test]
    fn tails_of_normals_and_of_chi_squared_are_continued() {
        for degrees in [1, 2, 9, 20] {
            for (p, bias, worst) in [(1e-2, 0.05, 0.45), (1e-3, 0.25, 0.8), (1e-4, 0.55, 1.3), (1e-5, 0.9, 2.0)] {
                let (mean, farthest) = errors(degrees, p);
                assert!((-0.1..bias).contains(&mean), "{degrees} degrees, {p}: {mean} on average");
                assert!(farthest < worst, "{degrees} degrees, {p}: {farthest} at worst");
            }
        }
    }

    #[test]
    fn shapes_are_those_that_were_drawn_from() {
        for expected in [-0.3, 0.0, 0.3, 0.8] {
            let n = 2000;
            let quantile =
                |p: f64| if expected == 0.0 { -(-p).ln_1p() } else { ((1.0 - p).powf(-expected) - 1.0) / expected };
            let sample: Vec<f64> = (0..n).map(|i| quantile((f64::from(i) + 0.5) / f64::from(n))).collect();
            let found = shape(&sample).unwrap();
            assert!((found - expected).abs() < 0.02, "{found}, drawn from {expected}");
        }
    }

    #[test]
    fn quantiles_are_where_their_probabilities_are() {
        for shape in [0.0, 0.2] {
            let tail = Tail { start: 3.0, share: 0.1, scale: 2.0, shape };
            for p in [0.1, 1e-2, 1e-5, 1e-12] {
                assert!((tail.sf(tail.quantile(p)) / p - 1.0).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn what_has_no_tail_is_not_given_one() {
        assert_eq!(Tail::fit(&[]), None);
        assert_eq!(Tail::fit(&[1.0, 2.0]), None);
        assert_eq!(Tail::fit(&[1.0; 1000]), None);
    }
}
