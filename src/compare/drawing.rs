//! The distributions of both sides of a column, in the bins of a picture.

use serde::Serialize;

use crate::grid::{Axis, Grid};
use crate::tally::FieldTally;
use crate::tally::category::CategoryTally;
use crate::tally::numeric::NumericTally;

/// Shares of all rows of each side, so that both are comparable however many rows there are.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Drawing {
    /// From left to right for numbers, commonest first for categories.
    pub bins: Vec<Bin>,
    /// Shares beside the bins: what is below and above them, the categories that are not drawn, what is absent.
    pub beside: Vec<Bin>,
    pub scale: Scale,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// One bin a value.
    #[default]
    Values,
    /// Bins of equal width.
    Linear,
    /// Bins of equal ratio.
    Logarithmic,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bin {
    pub name: String,
    /// The ends of what is in it; equal for a single value. Both 0 where it is not a range of numbers.
    pub low: f64,
    pub high: f64,
    pub reference: f64,
    pub current: f64,
}

/// Bins of equal width; more would show noise, fewer would hide shapes.
const BINS: usize = 48;
/// Up to so many different numbers are drawn one by one.
const MOST_VALUES: usize = 24;
const MOST_CATEGORIES: usize = 12;
/// The share of the reference that is left out at each end, since one outlier would make all else a line.
const TAIL: f64 = 0.005;

impl Drawing {
    pub fn of(axis: &Axis, reference: &FieldTally, current: &FieldTally) -> Drawing {
        let mut drawing = match (axis, reference, current) {
            (Axis::Numeric(grid), FieldTally::Numeric(reference), FieldTally::Numeric(current)) => {
                numbers(grid, reference, current)
            }
            (Axis::Categorical(vocabulary), FieldTally::Categorical(reference), FieldTally::Categorical(current)) => {
                categories(vocabulary.values(), reference, current)
            }
            _ => Drawing::default(),
        };
        let absent = [reference, current].map(|tally| {
            let nan = if let FieldTally::Numeric(tally) = tally { tally.nan } else { 0 };
            share(tally.presence().rows - tally.presence().present() + nan, tally)
        });
        drawing.beside.push(Bin::named("absent", absent));
        drawing
    }
}

impl Bin {
    fn named(name: &str, [reference, current]: [f64; 2]) -> Bin {
        Bin { name: name.to_owned(), low: 0.0, high: 0.0, reference, current }
    }
}

fn share(count: u64, tally: &FieldTally) -> f64 {
    count as f64 / tally.presence().rows.max(1) as f64
}

fn categories(values: &[String], reference: &CategoryTally, current: &CategoryTally) -> Drawing {
    let rows = [reference, current].map(|tally| tally.presence.rows.max(1) as f64);
    let shares = |cell: usize| [reference.counts[cell] as f64 / rows[0], current.counts[cell] as f64 / rows[1]];
    let mut cells: Vec<usize> = (0..values.len()).collect();
    cells.sort_by(|&a, &b| {
        let largest = |cell| shares(cell).into_iter().fold(0.0, f64::max);
        largest(b).total_cmp(&largest(a)).then_with(|| values[a].cmp(&values[b]))
    });
    let drawn = &cells[..cells.len().min(MOST_CATEGORIES)];
    let rest = &cells[drawn.len()..];
    let bins = drawn.iter().map(|&cell| Bin::named(&values[cell], shares(cell))).collect();
    let mut beside = Vec::new();
    if !rest.is_empty() {
        let sum = |side: usize| rest.iter().map(|&cell| shares(cell)[side]).sum();
        beside.push(Bin::named(&format!("{} rarer values", rest.len()), [sum(0), sum(1)]));
    }
    beside.push(Bin::named("values not in the reference", shares(values.len())));
    Drawing { bins, beside, scale: Scale::Values }
}

fn numbers(grid: &Grid, reference: &NumericTally, current: &NumericTally) -> Drawing {
    let values = grid.values();
    let (Some(&first), Some(&last)) = (values.first(), values.last()) else { return Drawing::default() };
    let rows = [reference, current].map(|tally| tally.presence.rows.max(1) as f64);
    let sum = |cells: &dyn Fn(usize) -> bool| {
        let of_side = |side: usize| {
            let counts = [&reference.counts, &current.counts][side];
            counts.iter().enumerate().filter(|(cell, _)| cells(*cell)).map(|(_, &c)| c).sum::<u64>() as f64 / rows[side]
        };
        [of_side(0), of_side(1)]
    };
    if grid.is_exact() && values.len() <= MOST_VALUES {
        let bins = values.iter().enumerate().map(|(i, &value)| Bin {
            low: value,
            high: value,
            ..Bin::named(&value.to_string(), sum(&|cell| cell == 2 * i + 1))
        });
        // What the current side has between two values of the reference is at neither.
        let last = 2 * values.len();
        let beside = vec![
            Bin::named("below", sum(&|cell| cell == 0)),
            Bin::named("between the values", sum(&|cell| cell % 2 == 0 && cell != 0 && cell != last)),
            Bin::named("above", sum(&|cell| cell == last)),
        ];
        return Drawing { bins: bins.collect(), beside, scale: Scale::Values };
    }
    let quantile = |q: f64| reference.quantile(grid, q).filter(|ends| ends.0.is_finite() && ends.1.is_finite());
    let middle = quantile(0.5).map_or(first, |ends| ends.0);
    let low = quantile(TAIL).map_or(first, |ends| ends.0);
    let high = quantile(1.0 - TAIL).map_or(last, |ends| ends.1);
    let (mut low, mut high) = if low < high { (low, high) } else { (first, last) };
    // The whole reference, unless its tails take up most of the picture.
    if last - first <= 2.0 * (high - low) {
        (low, high) = (first, last);
    }
    let is_skew = low > 0.0 && high / low > 30.0 && (high - low) > 5.0 * (middle - low);
    let scale = if is_skew { Scale::Logarithmic } else { Scale::Linear };
    let place = |x: f64| if is_skew { x.max(f64::MIN_POSITIVE).ln() } else { x };
    let (start, end) = (place(low), place(high));
    // Bins that hold now one and now two whole numbers would draw a comb.
    let is_whole = !is_skew && end - start >= BINS as f64 && values.iter().all(|value| value.fract() == 0.0);
    let (start, width, count) = if is_whole {
        let width = ((end - start + 1.0) / BINS as f64).ceil();
        (start - 0.5, width, ((end - start + 1.0) / width).ceil() as usize)
    } else {
        (start, (end - start) / BINS as f64, BINS)
    };
    if !width.is_finite() || width <= 0.0 {
        return Drawing { bins: Vec::new(), beside: vec![Bin::named("all", [1.0, 1.0])], scale };
    }
    let back = |x: f64| if is_skew { x.exp() } else { x };
    let sides = [reference, current].map(|tally| spread(grid, tally, &place, start, width, count));
    let bins = (0..count).map(|bin| Bin {
        low: back(start + width * bin as f64),
        high: back(start + width * (bin + 1) as f64),
        ..Bin::named("", [sides[0].1[bin] / rows[0], sides[1].1[bin] / rows[1]])
    });
    let ends = [
        Bin::named("below", [sides[0].0 / rows[0], sides[1].0 / rows[1]]),
        Bin::named("above", [sides[0].2 / rows[0], sides[1].2 / rows[1]]),
    ];
    Drawing { bins: bins.collect(), beside: ends.into(), scale }
}

/// The rows below the bins, in each of them, and above. The rows of a gap of the grid are taken to lie evenly in it.
fn spread(
    grid: &Grid,
    tally: &NumericTally,
    place: &dyn Fn(f64) -> f64,
    start: f64,
    width: f64,
    count: usize,
) -> (f64, Vec<f64>, f64) {
    let (mut below, mut bins, mut above) = (0.0, vec![0.0; count], 0.0);
    let end = count as f64;
    let at = |x: f64| (place(x) - start) / width;
    for (cell, &rows) in tally.counts.iter().enumerate().filter(|(_, rows)| **rows > 0) {
        let rows = rows as f64;
        let (low, high) = grid.bounds(cell);
        let (from, to) = (at(low), at(high));
        if !from.is_finite() {
            below += rows;
        } else if !to.is_finite() {
            above += rows;
        } else if to - from <= 1e-9 {
            // The end of the range belongs to the last bin.
            match from {
                x if x < -1e-9 => below += rows,
                x if x > end + 1e-9 => above += rows,
                x => bins[(x.max(0.0) as usize).min(count - 1)] += rows,
            }
        } else {
            let part = |a: f64, b: f64| (b.min(to) - a.max(from)).max(0.0) / (to - from) * rows;
            below += part(f64::NEG_INFINITY, 0.0);
            above += part(end, f64::INFINITY);
            let (first, last) = (from.clamp(0.0, end) as usize, to.clamp(0.0, end).ceil() as usize);
            for (bin, share) in bins.iter_mut().enumerate().take(last.min(count)).skip(first) {
                *share += part(bin as f64, bin as f64 + 1.0);
            }
        }
    }
    (below, bins, above)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{Column, Values};
    use crate::tally::{Chosen, Tally};
    use arrow_array::Float64Array;
    use proptest::prelude::*;

    fn drawing(reference: &[f64], current: &[f64], resolution: usize) -> Drawing {
        let axis = Axis::Numeric(Grid::of(reference.to_vec(), resolution));
        let count = |values: &[f64]| {
            let column = Column { values: Values::Numeric(Float64Array::from(values.to_vec())), marks: [].into() };
            let mut tally = FieldTally::empty(&axis);
            tally.observe(&axis, &column, Chosen::All(values.len()));
            tally
        };
        Drawing::of(&axis, &count(reference), &count(current))
    }

    fn sums(drawing: &Drawing) -> (f64, f64) {
        let bins = || drawing.bins.iter().chain(&drawing.beside);
        (bins().map(|bin| bin.reference).sum(), bins().map(|bin| bin.current).sum())
    }

    proptest! {
        #[test]
        fn every_row_is_drawn_once(
            reference in prop::collection::vec(prop_oneof![8 => -10.0..10.0, 1 => prop::num::f64::ANY], 1..200),
            current in prop::collection::vec(prop_oneof![8 => -20.0..20.0, 1 => prop::num::f64::ANY], 1..200),
            resolution in 2usize..100,
        ) {
            prop_assume!(reference.iter().any(|x: &f64| x.is_finite()));
            let drawing = drawing(&reference, &current, resolution);
            let (r, c) = sums(&drawing);
            let is_blank = drawing.bins.is_empty();
            prop_assert!(is_blank || ((r - 1.0).abs() < 1e-6 && (c - 1.0).abs() < 1e-6), "{r} {c}");
            prop_assert!(drawing.bins.iter().all(|bin| bin.low <= bin.high && bin.low.is_finite()));
        }
    }

    #[test]
    fn few_values_are_drawn_one_by_one() {
        let drawing = drawing(&[0.0, 1.0, 1.0, 1.0], &[0.0, 0.5, 2.0, f64::NAN], 100);
        let shares: Vec<(f64, f64)> = drawing.bins.iter().map(|bin| (bin.reference, bin.current)).collect();
        assert_eq!(shares, [(0.25, 0.25), (0.75, 0.0)]);
        let beside: Vec<f64> = drawing.beside.iter().map(|bin| bin.current).collect();
        assert_eq!(beside, [0.0, 0.25, 0.25, 0.25]);
    }

    #[test]
    fn skew_numbers_have_a_logarithmic_scale() {
        let skew: Vec<f64> = (0..5000).map(|i| (f64::from(i) / 700.0).exp()).collect();
        assert_eq!(drawing(&skew, &skew, 2048).scale, Scale::Logarithmic);
        let even: Vec<f64> = (0..5000).map(f64::from).collect();
        assert_eq!(drawing(&even, &even, 2048).scale, Scale::Linear);
    }

    #[test]
    fn bins_of_whole_numbers_hold_equally_many_and_end_with_the_data() {
        let ages: Vec<f64> = (18..=89).map(f64::from).collect();
        let drawing = drawing(&ages, &ages, 2048);
        assert_eq!(drawing.bins.len(), 36);
        assert!(drawing.bins.iter().all(|bin| (bin.reference - 1.0 / 36.0).abs() < 1e-12));
        assert_eq!(drawing.bins.last().map(|bin| bin.high), Some(89.5));
    }
}
