//! Calibration: what share of the rows with a score turned out to be of its class, in the reference.
//!
//! It is fitted to counts and kept nowhere: whoever has the reference's counts fits it again, and gets the same.

use rand_distr::{Binomial, Distribution};
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::SeedableRng;

use crate::grid::Grid;

/// Parts of the reference of which each once tests what the others make of scores.
const FOLDS: u64 = 10;
/// Bins of equal size over which a fold's scores are held against its labels.
const BINS: usize = 10;
/// Scores that rank labels better than this tell them apart already, and stay as they are.
const TELLS_APART: f64 = 0.999;
/// Where the deal of rows to folds begins. Any number does, as long as it is always the same.
const SEED: u64 = 0x7469_6465_6761_7567;

/// What the scores of each class mean.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Calibration {
    pub classes: Vec<Scale>,
}

/// What the cells of a class's score mean.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scale {
    /// For each cell, the probability that a row in it is of the class.
    pub probabilities: Box<[f64]>,
    /// For each cell, the most by which that is wrong because it is not known where in the cell a score is.
    pub slack: Box<[f64]>,
    /// For each cell, the rows of the reference that its probability was learnt from or checked by, as a place in
    /// `variances`.
    pub groups: Box<[u32]>,
    /// For each group, the variance of its probability, the reference being no larger than it is.
    pub variances: Box<[f64]>,
    /// Whether the labels of the reference say what scores mean, or they stand for themselves.
    pub is_fitted: bool,
    /// By how much a fit exaggerates.
    pub held_out: HeldOut,
}

/// What rows that had no part in a fit say of it. A fit follows the chance in its rows as well, so it tells rows apart
/// better than other rows bear out; labels of those grow with its probabilities less steeply than by one to one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeldOut {
    /// The slope of held-out labels on fitted probabilities, from 0 to 1; 1 where nothing is exaggerated, as where scores
    /// stand for themselves.
    pub slope: f64,
    /// The share of the reference's rows that are of the class.
    pub mean: f64,
}

impl Default for HeldOut {
    fn default() -> HeldOut {
        HeldOut { slope: 1.0, mean: 0.0 }
    }
}

impl HeldOut {
    /// What a fitted probability comes to without what is exaggerated.
    pub fn sober(&self, probability: f64) -> f64 {
        self.mean + self.slope * (probability - self.mean)
    }
}

/// The rows of the reference in one cell of a score, and how many of them turned out to be of the class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    pub cell: usize,
    pub positives: u64,
    pub rows: u64,
}

/// Why it cannot be known what scores mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// Labels are all of the class, or none is.
    OneClass,
    /// That, and scores are no probabilities by themselves either.
    NotProbabilities,
}

impl Scale {
    /// By rows whose cells ascend. Scores stand for themselves unless labels say better what they mean.
    ///
    /// # Errors
    /// Labels of one class say nothing.
    pub fn new(grid: &Grid, known: &[Known]) -> Result<Scale, Unknown> {
        let total = sum(known);
        let are_probabilities = are_probabilities(grid);
        if total.positives == 0 || total.positives == total.rows {
            return Err(if are_probabilities { Unknown::OneClass } else { Unknown::NotProbabilities });
        }
        let tried = Tried::new(grid, known);
        if are_probabilities && !tried.is_better {
            return Ok(Scale::as_told(grid, known));
        }
        Ok(Scale { held_out: tried.held_out, ..Scale::fitted(grid, known) })
    }

    /// Scores that are probabilities already. Where a cell is wider than one value, its middle stands for it.
    pub fn as_told(grid: &Grid, known: &[Known]) -> Scale {
        let told = |cell| {
            let (low, high) = grid.bounds(cell);
            let (low, high) = (low.clamp(0.0, 1.0), high.clamp(0.0, 1.0));
            (f64::midpoint(low, high), (high - low) / 2.0)
        };
        let (probabilities, slack): (Vec<f64>, Vec<f64>) = (0..grid.cells()).map(told).unzip();
        // How far labels bear scores out is known of each bin, as they were compared.
        let total = sum(known).rows;
        let (mut groups, mut bins, mut before) = (Vec::new(), [Known::default(); BINS], 0);
        let mut bin = 0;
        for one in known {
            // Cells that have no rows go with those below.
            groups.resize(one.cell, bin as u32);
            let middle = before + one.rows / 2;
            bin = (middle as usize * BINS / total.max(1) as usize).min(BINS - 1);
            bins[bin].positives += one.positives;
            bins[bin].rows += one.rows;
            before += one.rows;
        }
        groups.resize(grid.cells(), bin as u32);
        let variances = bins.iter().map(|bin| variance(bin.positives, bin.rows)).collect();
        let (probabilities, slack) = (probabilities.into(), slack.into());
        Scale { probabilities, slack, groups: groups.into(), variances, ..Scale::default() }
    }

    /// The probabilities that ascend with the score and are nearest to the labels: isotonic regression (Ayer and others,
    /// *An empirical distribution function for sampling with incomplete information*, 1955). Between the cells that the
    /// reference has rows in it is a straight line from middle to middle, and beyond them all the same as at their ends.
    pub fn fitted(grid: &Grid, known: &[Known]) -> Scale {
        let blocks = pool(known);
        let variances = blocks.iter().map(|block| variance(block.positives, block.rows)).collect();
        let line = Line::new(grid, &blocks);
        let mut scale = Scale { variances, is_fitted: true, ..Scale::default() };
        let cells = (0..grid.cells()).map(|cell| line.at(cell));
        let (probabilities, slack): (Vec<f64>, Vec<f64>) = cells.unzip();
        let mut groups = vec![0; grid.cells()];
        for (place, block) in blocks.iter().enumerate() {
            groups[block.first..].fill(place as u32);
        }
        (scale.probabilities, scale.slack, scale.groups) = (probabilities.into(), slack.into(), groups.into());
        scale
    }
}

/// Whether every score that the grid tells apart is a probability.
fn are_probabilities(grid: &Grid) -> bool {
    grid.values().first().is_none_or(|&least| least >= 0.0) && grid.values().last().is_none_or(|&most| most <= 1.0)
}

fn sum(known: &[Known]) -> Known {
    known.iter().fold(Known::default(), |sum, one| Known {
        cell: 0,
        positives: sum.positives + one.positives,
        rows: sum.rows + one.rows,
    })
}

/// The variance of a share as far as so many rows tell it, which is not nought where they are all alike (Jeffreys).
fn variance(positives: u64, rows: u64) -> f64 {
    let share = (positives as f64 + 0.5) / (rows as f64 + 1.0);
    share * (1.0 - share) / (rows as f64).max(1.0)
}

/// Cells that have one probability, because in a lower one a larger share turned out to be of the class.
struct Block {
    first: usize,
    last: usize,
    positives: u64,
    rows: u64,
}

impl Block {
    fn share(&self) -> f64 {
        self.positives as f64 / self.rows as f64
    }
}

/// Pools adjacent violators.
fn pool(known: &[Known]) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for one in known.iter().filter(|one| one.rows > 0) {
        let mut block = Block { first: one.cell, last: one.cell, positives: one.positives, rows: one.rows };
        // Shares are compared as products, which are exact.
        let is_pooled = |below: &Block, block: &Block| {
            u128::from(below.positives) * u128::from(block.rows) >= u128::from(block.positives) * u128::from(below.rows)
        };
        while let Some(below) = blocks.pop_if(|below| is_pooled(below, &block)) {
            block.first = below.first;
            block.positives += below.positives;
            block.rows += below.rows;
        }
        blocks.push(block);
    }
    blocks
}

/// Probabilities at the ends of blocks, and a straight line between them.
struct Line<'a> {
    grid: &'a Grid,
    blocks: &'a [Block],
}

impl<'a> Line<'a> {
    fn new(grid: &'a Grid, blocks: &'a [Block]) -> Line<'a> {
        Line { grid, blocks }
    }

    /// The probability of a cell, and the most by which that is wrong for a score within it.
    fn at(&self, cell: usize) -> (f64, f64) {
        let above = self.blocks.partition_point(|block| block.last < cell);
        let (left, right) = (above.checked_sub(1).and_then(|below| self.blocks.get(below)), self.blocks.get(above));
        match (left, right) {
            (_, Some(block)) if block.first <= cell => (block.share(), 0.0),
            (Some(left), Some(right)) => {
                let (from, to) = (left.share(), right.share());
                let (start, end) = (self.middle(left.last), self.middle(right.first));
                let on_line = |x: f64| {
                    let way = (x - start) / (end - start);
                    from + (to - from) * if way.is_nan() { 0.5 } else { way.clamp(0.0, 1.0) }
                };
                let (low, high) = self.grid.bounds(cell);
                let middle = on_line(self.middle(cell));
                (middle, (on_line(high) - middle).max(middle - on_line(low)).max(0.0))
            }
            (Some(end), None) | (None, Some(end)) => (end.share(), 0.0),
            (None, None) => (0.5, 0.5),
        }
    }

    /// Where a cell is on the line. What is beyond all scores is at the nearest of them.
    fn middle(&self, cell: usize) -> f64 {
        match self.grid.bounds(cell) {
            (low, high) if low.is_infinite() => high,
            (low, high) if high.is_infinite() => low,
            (low, high) => f64::midpoint(low, high),
        }
    }
}

/// How a fit to a part of the rows fares with the others.
struct Tried {
    /// Whether its probabilities are nearer to their labels than the scores are.
    is_better: bool,
    held_out: HeldOut,
}

impl Tried {
    /// By the expected calibration error: how far the mean of bins of equal size is off, on average.
    ///
    /// Rows are dealt to folds at random, though always alike. To deal those of each score evenly would have every fold
    /// say what the others do, and any fit would seem good; so would adding up the errors of all folds before they are
    /// taken without sign, since together the folds are the rows that the fits were made of.
    fn new(grid: &Grid, known: &[Known]) -> Tried {
        let total = sum(known);
        let mean = total.positives as f64 / total.rows as f64;
        let folds = FOLDS.min(total.positives).min(total.rows - total.positives);
        if folds < 2 {
            // Nothing is left to hold a fit against, so nothing of what it tells apart is borne out.
            return Tried { is_better: false, held_out: HeldOut { slope: 0.0, mean } };
        }
        let told = Scale::as_told(grid, known).probabilities;
        let (mut before, mut after) = (0.0, 0.0);
        let (mut along, mut spread) = (0.0, 0.0);
        for fold in deal(known, folds as usize) {
            let rest = known.iter().zip(&fold).map(|(all, one)| Known {
                cell: all.cell,
                positives: all.positives - one.positives,
                rows: all.rows - one.rows,
            });
            let blocks = pool(&rest.collect::<Vec<Known>>());
            let line = Line::new(grid, &blocks);
            before += error(&fold, |cell| told[cell]);
            after += error(&fold, |cell| line.at(cell).0);
            for one in &fold {
                let (off, rows) = (line.at(one.cell).0 - mean, one.rows as f64);
                along += off * (one.positives as f64 - rows * mean);
                spread += rows * off * off;
            }
        }
        let slope = if spread > 0.0 { (along / spread).clamp(0.0, 1.0) } else { 0.0 };
        let is_better = before > after && ranks(known) <= TELLS_APART;
        Tried { is_better, held_out: HeldOut { slope, mean } }
    }
}

/// The probability that a row of the class has a larger score than one that is not, ties counting half.
fn ranks(known: &[Known]) -> f64 {
    let (mut below, mut won) = (0.0, 0.0);
    for one in known {
        let negatives = (one.rows - one.positives) as f64;
        won += one.positives as f64 * (below + negatives / 2.0);
        below += negatives;
    }
    won / (sum(known).positives as f64 * below)
}

/// Rows of each cell and label, dealt to so many folds.
fn deal(known: &[Known], folds: usize) -> Vec<Vec<Known>> {
    let mut random = Pcg64Mcg::seed_from_u64(SEED);
    let mut dealt = vec![Vec::with_capacity(known.len()); folds];
    let mut share = |left: &mut u64, folds: usize| {
        // A share is between 0 and 1, which is all that a binomial asks for.
        let drawn = Binomial::new(*left, 1.0 / folds as f64).map_or(0, |binomial| binomial.sample(&mut random));
        *left -= drawn.min(*left);
        drawn
    };
    for one in known {
        let (mut positives, mut negatives) = (one.positives, one.rows - one.positives);
        for (fold, dealt) in dealt.iter_mut().enumerate() {
            let (yes, no) = (share(&mut positives, folds - fold), share(&mut negatives, folds - fold));
            dealt.push(Known { cell: one.cell, positives: yes, rows: yes + no });
        }
    }
    dealt
}

/// The expected calibration error times the rows. Rows of one cell that an end of a bin divides are divided in shares.
fn error(rows: &[Known], probability: impl Fn(usize) -> f64) -> f64 {
    let size = sum(rows).rows as f64 / BINS as f64;
    let (mut errors, mut off, mut room) = (0.0, 0.0, size);
    for one in rows.iter().filter(|one| one.rows > 0) {
        let surplus = probability(one.cell) - one.positives as f64 / one.rows as f64;
        let mut left = one.rows as f64;
        while left > room {
            errors += f64::abs(off + surplus * room);
            left -= room;
            (off, room) = (0.0, size);
        }
        off += surplus * left;
        room -= left;
    }
    errors + f64::abs(off)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Rows at scores of two decimals: positives and all.
    fn known(rows: &[(u64, u64)]) -> (Grid, Vec<Known>) {
        let grid = Grid::new((0..rows.len()).map(|i| i as f64 / 100.0), true);
        let known = rows.iter().enumerate();
        let known = known.map(|(i, &(positives, rows))| Known { cell: 2 * i + 1, positives, rows });
        (grid, known.filter(|one| one.rows > 0).collect())
    }

    fn rows() -> impl Strategy<Value = Vec<(u64, u64)>> {
        prop::collection::vec((0u64..200).prop_flat_map(|rows| (0..=rows, Just(rows))), 1..=101)
    }

    proptest! {
        #[test]
        fn probabilities_ascend_and_are_right_on_average(rows in rows()) {
            let (grid, known) = known(&rows);
            prop_assume!(!known.is_empty());
            let scale = Scale::fitted(&grid, &known);
            prop_assert_eq!(scale.probabilities.len(), grid.cells());
            prop_assert!(scale.probabilities.windows(2).all(|pair| pair[0] <= pair[1] + 1e-15));
            prop_assert!(scale.probabilities.iter().all(|p| (0.0..=1.0).contains(p)));
            prop_assert!(scale.slack.iter().all(|slack| (0.0..=1.0).contains(slack)));
            prop_assert!(scale.groups.iter().all(|&group| (group as usize) < scale.variances.len()));
            let expected: f64 = known.iter().map(|one| scale.probabilities[one.cell] * one.rows as f64).sum();
            prop_assert!((expected - sum(&known).positives as f64).abs() < 1e-6);
            prop_assert_eq!(&Scale::new(&grid, &known), &Scale::new(&grid, &known));
        }

        #[test]
        fn folds_are_dealt_all_rows_and_none_twice(rows in rows(), folds in 2usize..10) {
            let (_, known) = known(&rows);
            let dealt = deal(&known, folds);
            for (place, one) in known.iter().enumerate() {
                prop_assert_eq!(dealt.iter().map(|fold| fold[place].positives).sum::<u64>(), one.positives);
                prop_assert_eq!(dealt.iter().map(|fold| fold[place].rows).sum::<u64>(), one.rows);
            }
        }
    }

    fn drawn(n: u64, truth: impl Fn(f64) -> f64, seed: u64) -> (Grid, Vec<Known>) {
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        let rows: Vec<(u64, u64)> = (0..=100u32)
            .map(|cent| {
                let binomial = Binomial::new(n / 101, truth(f64::from(cent) / 100.0)).unwrap();
                (binomial.sample(&mut random), n / 101)
            })
            .collect();
        known(&rows)
    }

    /// Scores that are right are left alone nearly always, and ones that are far off never.
    #[test]
    fn scores_are_fitted_where_they_are_wrong() {
        let fitted = |n: u64, truth: fn(f64) -> f64| {
            let is_fitted = |seed| {
                let (grid, known) = drawn(n, truth, seed);
                Scale::new(&grid, &known).unwrap().is_fitted
            };
            (0..200).filter(|&seed| is_fitted(seed)).count()
        };
        let right = [500, 5_000, 50_000].map(|n| fitted(n, |p| p));
        let wrong = [500, 5_000, 50_000].map(|n| fitted(n, |p| p * p));
        println!("of 200, scores that are right {right:?}, wrong {wrong:?}");
        assert!(right.iter().all(|&fitted| fitted <= 60), "{right:?}");
        assert!(wrong[0] >= 150 && wrong[1..] == [200, 200], "{wrong:?}");
    }

    #[test]
    fn the_middle_of_a_gap_is_off_by_at_most_the_slack() {
        let grid = Grid::new([0.2, 0.4, 0.8], true);
        let known = [(1, 1, 10), (5, 9, 10)].map(|(cell, positives, rows)| Known { cell, positives, rows });
        let scale = Scale::fitted(&grid, &known);
        let near = |actual: &[f64], expected: [f64; 7]| {
            assert!(actual.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{actual:?}");
        };
        let (third, step) = (0.1 + 0.8 / 3.0, 0.8 / 6.0);
        near(&scale.probabilities, [0.1, 0.1, 0.1 + step, third, third + 2.0 * step, 0.9, 0.9]);
        near(&scale.slack, [0.0, 0.0, step, 0.0, 2.0 * step, 0.0, 0.0]);
        let told = Scale::as_told(&grid, &known);
        near(&told.probabilities, [0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 0.9]);
        near(&told.slack, [0.1, 0.0, 0.1, 0.0, 0.2, 0.0, 0.1]);
    }

    #[test]
    fn labels_of_one_class_say_nothing() {
        let (grid, one) = known(&[(0, 5), (0, 9)]);
        assert_eq!(Scale::new(&grid, &one), Err(Unknown::OneClass));
        let beyond = Grid::new([-1.0, 3.0], true);
        assert_eq!(Scale::new(&beyond, &one), Err(Unknown::NotProbabilities));
        // Scores that are no probabilities mean what labels say.
        let both = [(1, 1, 9), (3, 4, 9)].map(|(cell, positives, rows)| Known { cell, positives, rows });
        assert!(Scale::new(&beyond, &both).unwrap().is_fitted);
    }
}
