//! What samples are drawn from: a reference's own distribution, coarsened, and continued beyond what it happened to hold.

use super::Multinomial;
use super::tail::shape;
use crate::grid::{Axis, Grid};
use crate::tally::FieldTally;
use crate::tally::category::CategoryTally;
use crate::tally::numeric::NumericTally;

/// The share of the values that is one point of a coarse distribution at most, or this share of what lies beyond it,
/// whichever is less: the middle needs little detail, and tails need all of it.
const MIDDLE: f64 = 1.0 / 128.0;
const OF_REST: f64 = 0.15;
/// The most categories that are drawn. With more, the time would be felt.
const MOST_CATEGORIES: usize = 20_000;

#[derive(Debug)]
pub enum Source {
    Numbers {
        /// Ascending.
        values: Vec<f64>,
        /// The first and the last that are not beyond the grid.
        ends: (usize, usize),
        counts: Multinomial,
    },
    Categories {
        counts: Multinomial,
        /// One of them stands for the values that the vocabulary leaves out although the reference has them.
        other: Option<usize>,
        cells: usize,
    },
}

impl Source {
    /// `None` when there is nothing to draw from, or too much.
    pub fn of(axis: &Axis, reference: &FieldTally) -> Option<Source> {
        match (axis, reference) {
            (Axis::Numeric(grid), FieldTally::Numeric(tally)) => numbers(grid, tally),
            (Axis::Categorical(_), FieldTally::Categorical(tally)) => categories(tally),
            _ => None,
        }
    }

    /// How many cells are drawn.
    pub fn cells(&self) -> usize {
        match self {
            Source::Numbers { values, .. } => values.len(),
            Source::Categories { cells, .. } => *cells,
        }
    }
}

/// A value and how many rows it stands for.
type Point = (f64, f64);

fn numbers(grid: &Grid, tally: &NumericTally) -> Option<Source> {
    let (&first, &last) = grid.values().first().zip(grid.values().last())?;
    let mut points = points(grid, tally);
    extend(&mut points);
    points.reverse();
    points.iter_mut().for_each(|point| point.0 = -point.0);
    extend(&mut points);
    points.reverse();
    points.iter_mut().for_each(|point| point.0 = -point.0);
    let points = coarsen(&points);
    let (values, rows): (Vec<f64>, Vec<f64>) = points.into_iter().unzip();
    let start = values.iter().position(|&value| value >= first)?;
    let end = values.iter().rposition(|&value| value <= last)?;
    let counts = Multinomial::new(&rows)?;
    Some(Source::Numbers { ends: (start.min(end), end), values, counts })
}

/// The reference's values as far as its counts tell them: what is in a gap is in its middle.
fn points(grid: &Grid, tally: &NumericTally) -> Vec<Point> {
    let beyond = |sum: f64, count: u64, end: f64| {
        let mean = sum / count as f64;
        if tally.infinite == 0 && mean.is_finite() { mean } else { end }
    };
    let last = tally.counts.len().saturating_sub(1);
    let filled = tally.counts.iter().enumerate().filter(|(_, count)| **count > 0);
    let at = |(cell, &count): (usize, &u64)| {
        let (low, high) = grid.bounds(cell);
        let value = match cell {
            0 => beyond(tally.sum_below.value(), count, high),
            _ if cell == last => beyond(tally.sum_above.value(), count, low),
            _ => f64::midpoint(low, high),
        };
        (value, count as f64)
    };
    filled.map(at).collect()
}

/// Continues the upper end of a distribution beyond its largest value, and fills the gap below it.
///
/// In a sample of the reference's size drawn from its own rows, the largest value is more often than not the largest of
/// all there is, so that nothing drawn beside it can be beyond. In truth one row in so many is. So the largest value,
/// if a single row has it, is taken to stand in the middle of that row's share, and the outer half is laid along a
/// generalised Pareto tail that runs through it. The same curve spreads the rows that a coarse grid has in one gap below
/// the largest value: in its middle they would be too far out if the tail is heavy.
fn extend(points: &mut Vec<Point>) {
    /// Rows from the top at which the curve begins, unless the last gap reaches further down.
    const FROM: f64 = 16.0;
    let Some(&(most, 1.0)) = points.last() else { return };
    if points.len() < 4 {
        return;
    }
    let in_gap = points[points.len() - 2].1;
    let is_coarse = in_gap > 3.0;
    let from = if is_coarse { in_gap + 1.5 } else { FROM };
    let mut above = 0.0;
    let anchor = points.iter().rev().find_map(|&(value, rows)| {
        above += rows;
        (above >= from && value < most).then_some((value, above - rows / 2.0))
    });
    let Some((base, rank)) = anchor else { return };
    let shape = tail_shape(points, is_coarse);
    // The curve as a multiple of its height at the largest value, half a row from the top.
    let power = |ranks: f64| if shape.abs() < 1e-9 { ranks.ln() } else { (shape * ranks.ln()).exp_m1() / shape };
    let at = |s: f64| base + (most - base) * power(rank / s) / power(rank / 0.5);
    points.pop();
    if is_coarse {
        points.pop();
        let mut s = in_gap + 1.0;
        while s > 1.0 {
            let next = (s / 1.25).max(1.0);
            points.push((at((s * next).sqrt()).clamp(base, most), s - next));
            s = next;
        }
    }
    points.push((most, 0.5));
    let mut s = 0.5;
    while s > 1.0 / 64.0 {
        let value = at(s * 0.5f64.sqrt());
        match points.last_mut() {
            Some((farthest, more)) if !(value > *farthest && value.is_finite()) => *more += s / 2.0,
            _ => points.push((value, s / 2.0)),
        }
        s /= 2.0;
    }
    // What is left is further out still, but how far nobody knows.
    if let Some((_, more)) = points.last_mut() {
        *more += s;
    }
}

/// The shape of the upper tail, from at most some hundred values in its uppermost twentieth. A shape of a half or more
/// has no variance, and the reference has one.
fn tail_shape(points: &[Point], is_coarse: bool) -> f64 {
    const VALUES: usize = 200;
    let total: f64 = points.iter().map(|(_, rows)| rows).sum();
    let points = if is_coarse { &points[..points.len() - 2] } else { points };
    let mut above = 0.0;
    let mut tail: Vec<f64> = Vec::new();
    for &(value, rows) in points.iter().rev() {
        if above >= total / 20.0 && tail.len() >= 20 || tail.len() >= 2 * VALUES {
            break;
        }
        above += rows;
        tail.push(value);
    }
    let Some(start) = tail.pop() else { return 0.0 };
    let mut excesses: Vec<f64> = tail.iter().rev().map(|value| value - start).filter(|x| *x > 0.0).collect();
    if excesses.len() > VALUES {
        excesses.drain(..excesses.len() - VALUES);
    }
    shape(&excesses).unwrap_or(0.0).clamp(-0.5, 0.4)
}

/// Joins neighbouring points where that loses little.
fn coarsen(points: &[Point]) -> Vec<Point> {
    let total: f64 = points.iter().map(|(_, rows)| rows).sum();
    let mut joined: Vec<Point> = Vec::new();
    let (mut before, mut sum, mut rows) = (0.0, 0.0, 0.0);
    for &(value, more) in points {
        let rest = total - before - rows - more;
        let most = (total * MIDDLE).min(OF_REST * f64::min(before, rest));
        if rows > 0.0 && rows + more > most {
            joined.push((sum / rows, rows));
            before += rows;
            (sum, rows) = (0.0, 0.0);
        }
        // A point by itself keeps its value to the last digit.
        (sum, rows) = if rows == 0.0 && more > most {
            joined.push((value, more));
            before += more;
            (0.0, 0.0)
        } else {
            (sum + value * more, rows + more)
        };
    }
    if rows > 0.0 {
        joined.push((sum / rows, rows));
    }
    // Values that differ in the last digit only may have become equal.
    joined.dedup_by(|next, last| {
        let same = next.0 <= last.0;
        if same {
            last.1 += next.1;
        }
        same
    });
    joined
}

fn categories(tally: &CategoryTally) -> Option<Source> {
    let (&unseen, known) = tally.counts.split_last()?;
    let mut shares: Vec<f64> = known.iter().filter(|&&count| count > 0).map(|&count| count as f64).collect();
    if shares.len() > MOST_CATEGORIES {
        return None;
    }
    let other = (unseen > 0).then_some(shares.len());
    if unseen > 0 {
        // The vocabulary was full, so what is new is counted with these.
        shares.push(unseen as f64);
    } else {
        shares = assemblage(&shares);
    }
    Some(Source::Categories { cells: shares.len(), counts: Multinomial::new(&shares)?, other })
}

/// The shares of categories, those that the sample did not happen to hold included.
///
/// A sample of a sample has fewer distinct values than the sample has, and what another sample shows that the first has
/// not would come out too small. So the shares of the rare ones are lowered to what they are likely to be, as far as
/// Good and Turing tell, and what that leaves is given to as many further categories as Chao's estimate says there are
/// (Chao, Hsieh, Chazdon, Colwell and Gotelli, *Unveiling the species-rank abundance distribution by generalizing the
/// Good-Turing sample coverage theory*, 2015).
fn assemblage(counts: &[f64]) -> Vec<f64> {
    let n: f64 = counts.iter().sum();
    let with = |count: f64| counts.iter().filter(|&&c| c == count).count() as f64;
    let (once, twice) = (with(1.0), with(2.0));
    if once == 0.0 || n < 2.0 {
        return counts.iter().map(|count| count / n).collect();
    }
    let further = (n - 1.0) / n * if twice > 0.0 { once * once / (2.0 * twice) } else { once * (once - 1.0) / 2.0 };
    // Beyond so many hardly any is drawn twice, and more of them change nothing.
    let further = further.ceil().clamp(1.0, 8.0 * once);
    let uncovered = once / n * ((n - 1.0) * once / ((n - 1.0) * once + 2.0 * twice.max(1.0)));
    let misses = |count: f64| (1.0 - count / n).powf(n);
    let lost: f64 = counts.iter().map(|&count| count / n * misses(count)).sum();
    // No share is lowered to nothing: that of a value met once goes with 1 - lowered / e.
    let lowered = if lost > 0.0 { (uncovered / lost).min(2.5) } else { 0.0 };
    let mut shares: Vec<f64> = counts.iter().map(|&count| count / n * (1.0 - lowered * misses(count))).collect();
    let left = 1.0 - shares.iter().sum::<f64>();
    shares.extend(std::iter::repeat_n(left / further, further as usize));
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Quantiles of a Pareto distribution, as a reference of so many rows would have them.
    fn pareto(rows: u32, shape: f64) -> Vec<f64> {
        (0..rows).map(|i| ((f64::from(i) + 0.5) / f64::from(rows)).powf(-shape)).collect()
    }

    fn tally(grid: &Grid, values: &[f64]) -> NumericTally {
        use crate::rows::{Column, Values};
        use crate::tally::{Chosen, Tally};
        let column = Column { values: Values::Numeric(values.to_vec().into()), marks: Default::default() };
        let axis = Axis::Numeric(grid.clone());
        let mut tally = NumericTally::empty(&axis);
        tally.observe(&axis, &column, Chosen::All(values.len()));
        tally
    }

    fn moments(points: &[Point]) -> (f64, f64) {
        let n: f64 = points.iter().map(|(_, rows)| rows).sum();
        let mean = points.iter().map(|(x, rows)| x * rows).sum::<f64>() / n;
        (mean, (points.iter().map(|(x, rows)| rows * (x - mean).powi(2)).sum::<f64>() / n).sqrt())
    }

    fn coarse(values: &[f64], resolution: usize) -> Vec<Point> {
        let grid = Grid::of(values.to_vec(), resolution);
        let mut points = points(&grid, &tally(&grid, values));
        extend(&mut points);
        coarsen(&points)
    }

    /// The true standard deviation of Pareto's distribution with an exponent of 3 is the root of 3/4, and its mean 3/2.
    #[test]
    fn a_heavy_tail_keeps_its_moments_on_a_coarse_grid() {
        for (rows, resolution) in [(3000, 2048), (3000, 200), (200_000, 2048), (1_000_000, 2048)] {
            let points = coarse(&pareto(rows, 1.0 / 3.0), resolution);
            let (mean, deviation) = moments(&points);
            assert!(points.len() < 330, "{} points", points.len());
            assert!((mean / 1.5 - 1.0).abs() < 0.01, "{rows} rows on {resolution}: mean {mean}");
            assert!((deviation / 0.75f64.sqrt() - 1.0).abs() < 0.06, "{rows} rows on {resolution}: {deviation}");
        }
    }

    #[test]
    fn half_a_row_lies_beyond_the_largest() {
        for rows in [50, 3000, 100_000] {
            let values = pareto(rows, 1.0 / 3.0);
            let points = coarse(&values, 2048);
            let beyond: f64 = points.iter().filter(|point| point.0 > values[0]).map(|point| point.1).sum();
            assert!((beyond - 0.5).abs() < 1e-9, "{beyond} of {rows}");
            assert!(points.windows(2).all(|pair| pair[0].0 < pair[1].0));
        }
    }

    #[test]
    fn few_values_stay_as_they_are() {
        let values = [vec![0.1; 700], vec![0.2; 290], vec![7.5; 10]].concat();
        assert_eq!(coarse(&values, 2048), [(0.1, 700.0), (0.2, 290.0), (7.5, 10.0)]);
    }

    /// Good and Turing: the chance that the next row is new is the share of values that were met once.
    #[test]
    fn what_was_not_met_has_its_share() {
        let counts = [50.0, 20.0, 10.0, 5.0, 3.0, 2.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0];
        let shares = assemblage(&counts);
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let unseen: f64 = shares[counts.len()..].iter().sum();
        assert!((unseen - 0.0392).abs() < 1e-4, "{unseen}");
        // 4 * 4 / (2 * 4), less a hundredth, rounded up.
        assert_eq!(shares.len(), counts.len() + 2);
        assert!((shares[0] - 0.5).abs() < 1e-6);
        assert_eq!(assemblage(&[6.0, 4.0]), [0.6, 0.4]);
    }
}
