//! What samples are drawn from: a reference's own distribution, coarsened, and continued beyond its ends.

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
/// A category that the reference has fewer times is rare.
const WELL_KNOWN: u64 = 5;
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
        cells: usize,
    },
}

impl Source {
    /// `None` when there is nothing to draw from, too much, or not enough known of it.
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
/// generalised Pareto tail that runs through it. The same curve spreads the rows that a coarse grid has in one gap
/// below the largest value: in its middle they would be too far out if the tail is heavy.
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

/// Categories, if the reference knows them all well.
///
/// How often a rare value truly comes, and how many more there are that the reference did not meet, cannot be told from
/// the reference: a null distribution over hundreds of such values would be off by more than its own width. (Shares
/// corrected by Good and Turing and completed by Chao's estimate were tried on a thousand values by Zipf's law: with
/// windows of 1000 rows the Jensen-Shannon distance still raised 67 % false alarms at 5 %.) Statistics of such fields
/// keep their own p-value, which is over bins with the rare values pooled.
fn categories(tally: &CategoryTally) -> Option<Source> {
    let (&unseen, known) = tally.counts.split_last()?;
    let met: Vec<u64> = known.iter().copied().filter(|&count| count > 0).collect();
    if unseen > 0 || met.len() > MOST_CATEGORIES || met.iter().any(|&count| count < WELL_KNOWN) {
        return None;
    }
    let shares: Vec<f64> = met.iter().map(|&count| count as f64).collect();
    Some(Source::Categories { cells: shares.len(), counts: Multinomial::new(&shares)? })
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
}
