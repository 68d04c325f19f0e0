//! Random counts: how many of so many rows fall in each cell.

use rand_distr::{Binomial, Distribution};
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::Rng;

/// Rows for each cell below which they are drawn one by one: looking up a row costs a few nanoseconds, and drawing a
/// cell's count a hundred.
const ROWS_PER_CELL: u64 = 24;

/// What multinomial counts are drawn from.
#[derive(Debug)]
pub struct Multinomial {
    /// For each cell its share of what is left when the cells before it are drawn.
    of_rest: Box<[f64]>,
    /// For each cell, when its slot keeps the row and where the row goes otherwise (Walker, 1977; Vose, 1991).
    slots: Box<[(f64, u32)]>,
}

impl Multinomial {
    /// Shares need not add up to one, but to more than zero; `None` if they do not.
    pub fn new(shares: &[f64]) -> Option<Multinomial> {
        let total: f64 = shares.iter().sum();
        if !(total.is_finite() && total > 0.0) {
            return None;
        }
        let mut rest = 0.0;
        let mut of_rest: Vec<f64> = shares
            .iter()
            .rev()
            .map(|share| {
                rest += share;
                if rest > 0.0 { (share / rest).clamp(0.0, 1.0) } else { 0.0 }
            })
            .collect();
        of_rest.reverse();
        Some(Multinomial { of_rest: of_rest.into(), slots: slots(shares, total) })
    }

    /// How many of `rows` fall in each cell.
    pub fn draw(&self, rows: u64, random: &mut Pcg64Mcg, counts: &mut Vec<u64>) {
        counts.clear();
        counts.resize(self.slots.len(), 0);
        if rows <= ROWS_PER_CELL * self.slots.len() as u64 {
            (0..rows).for_each(|_| counts[self.cell(random.next_u64())] += 1);
            return;
        }
        let mut left = rows;
        for (count, &share) in counts.iter_mut().zip(&self.of_rest) {
            if left == 0 {
                break;
            }
            *count = if share >= 1.0 {
                left
            } else {
                // A share is between 0 and 1, which is all that a binomial asks for.
                Binomial::new(left, share).map_or(0, |binomial| binomial.sample(random))
            };
            left -= *count;
        }
    }

    /// The upper bits of a random number choose a slot, and what remains of them decides whether it keeps the row.
    fn cell(&self, random: u64) -> usize {
        let wide = u128::from(random) * self.slots.len() as u128;
        let slot = (wide >> 64) as usize;
        let (keeps, other) = self.slots[slot];
        if ((wide as u64) >> 11) as f64 / (1u64 << 53) as f64 <= keeps { slot } else { other as usize }
    }
}

fn slots(shares: &[f64], total: f64) -> Box<[(f64, u32)]> {
    let mut filled: Vec<f64> = shares.iter().map(|share| share / total * shares.len() as f64).collect();
    let mut slots: Vec<(f64, u32)> = (0..shares.len() as u32).map(|cell| (1.0, cell)).collect();
    let (mut small, mut large): (Vec<usize>, Vec<usize>) = (0..shares.len()).partition(|&cell| filled[cell] < 1.0);
    while let (Some(&little), Some(&much)) = (small.last(), large.last()) {
        slots[little] = (filled[little], much as u32);
        small.pop();
        filled[much] -= 1.0 - filled[little];
        if filled[much] < 1.0 {
            large.pop();
            small.push(much);
        }
    }
    slots.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_pcg::rand_core::SeedableRng;
    use statrs::distribution::{ChiSquared, ContinuousCDF};

    /// Both ways to draw give the shares: chi-squared over all that was drawn, and over the squares of single draws,
    /// which would show counts that vary too little or too much.
    #[test]
    fn counts_are_multinomial_however_they_are_drawn() {
        let shares = [0.5, 0.0, 0.2, 1e-3, 0.25, 0.049];
        let multinomial = Multinomial::new(&shares).unwrap();
        for rows in [100, 10_000] {
            let draws = 20_000u64;
            let mut random = Pcg64Mcg::seed_from_u64(1);
            let mut counts = Vec::new();
            let (mut sums, mut spread) = ([0u64; 6], 0.0);
            for _ in 0..draws {
                multinomial.draw(rows, &mut random, &mut counts);
                assert_eq!(counts.iter().sum::<u64>(), rows);
                for (sum, count) in sums.iter_mut().zip(&counts) {
                    *sum += count;
                }
                spread += (counts[0] as f64 - 0.5 * rows as f64).powi(2);
            }
            let expected = shares.map(|share| share * (draws * rows) as f64);
            let terms = sums.iter().zip(expected).filter(|(_, e)| *e > 0.0);
            let statistic: f64 = terms.map(|(&sum, e)| (sum as f64 - e).powi(2) / e).sum();
            let p = ChiSquared::new(4.0).unwrap().sf(statistic);
            assert!(p > 1e-3, "{rows} rows: p = {p}, {sums:?}");
            assert_eq!(sums[1], 0);
            let variance = spread / draws as f64 / (0.25 * rows as f64);
            assert!((variance - 1.0).abs() < 0.04, "{rows} rows: {variance} of the variance");
        }
    }

    #[test]
    fn nothing_is_drawn_from_nothing() {
        assert!(Multinomial::new(&[]).is_none());
        assert!(Multinomial::new(&[0.0]).is_none());
    }
}
