//! A field's picture: the shares of rows in a few bins that the reference fixes.
//!
//! Shares are of all rows, so that those without a value are missing from the bars. No bound and no category is told.

use crate::rule::alert::Shape;
use crate::tally::FieldTally;
use crate::tally::counts::Counts;

/// The most bins.
const MOST: usize = 20;

/// Rows of the reference and of the window.
type Bin = (u64, u64);

/// `None` where the two are not counted on one axis, or the reference has no rows.
pub(super) fn of(reference: &FieldTally, current: &FieldTally) -> Option<Shape> {
    let bins = match (reference, current) {
        (FieldTally::Numeric(before), FieldTally::Numeric(now)) => numeric(&cells(&before.counts, &now.counts)?),
        (FieldTally::Categorical(before), FieldTally::Categorical(now)) => {
            categorical(cells(&before.counts, &now.counts)?)
        }
        (FieldTally::Flag(before), FieldTally::Flag(now)) => {
            let no = |yes: u64, present: u64| present.saturating_sub(yes);
            vec![
                (no(before.yes, before.presence.present()), no(now.yes, now.presence.present())),
                (before.yes, now.yes),
            ]
        }
        _ => return None,
    };
    let (n, m) = (reference.presence().rows, current.presence().rows);
    let share = |count: u64, rows: u64| (count as f64 / rows.max(1) as f64 * 1e6).round() / 1e6;
    (n > 0).then(|| Shape {
        reference: bins.iter().map(|bin| share(bin.0, n)).collect(),
        current: bins.iter().map(|bin| share(bin.1, m)).collect(),
    })
}

/// How far apart the two are: the least share of rows that would have to be in another bin, where having no value is one
/// bin more. It is the same measure for fields of every kind.
pub(super) fn distance(shape: &Shape) -> f64 {
    let absent = |shares: &[f64]| 1.0 - shares.iter().sum::<f64>();
    let bins = shape.reference.iter().zip(&shape.current).map(|(before, now)| (before - now).abs());
    (bins.sum::<f64>() + (absent(&shape.reference) - absent(&shape.current)).abs()) / 2.0
}

/// The counts of every cell, without making them dense where they are kept.
fn cells(before: &Counts, now: &Counts) -> Option<Vec<Bin>> {
    let mut cells = vec![(0, 0); before.len()];
    before.filled().into_iter().for_each(|(cell, count)| cells[cell as usize].0 = count);
    now.filled().into_iter().for_each(|(cell, count)| {
        if let Some(bin) = cells.get_mut(cell as usize) {
            bin.1 = count;
        }
    });
    (before.len() == now.len()).then_some(cells)
}

/// What is below the reference and what is above it are bins by themselves. Between them, neighbours are joined until
/// they have an even part of the reference's rows.
fn numeric(cells: &[Bin]) -> Vec<Bin> {
    let [below, inner @ .., above] = cells else { return cells.to_vec() };
    let (rows, parts) = (inner.iter().map(|cell| cell.0).sum::<u64>(), (MOST - 2) as u64);
    let (mut bins, mut bin, mut seen) = (vec![*below], (0, 0), 0);
    for cell in inner {
        bin = (bin.0 + cell.0, bin.1 + cell.1);
        seen += cell.0;
        if bin.0 > 0 && seen * parts >= rows * bins.len() as u64 {
            bins.push(std::mem::take(&mut bin));
        }
    }
    // What is left has no rows of the reference; where the reference has none at all, it is everything.
    match bins.last_mut().filter(|_| rows > 0) {
        Some(last) => *last = (last.0 + bin.0, last.1 + bin.1),
        None => bins.push(bin),
    }
    bins.push(*above);
    bins
}

/// The commonest of the reference, the commonest first, and all others in one bin, among them those that it has not.
fn categorical(mut cells: Vec<Bin>) -> Vec<Bin> {
    let unseen = cells.pop().unwrap_or_default();
    cells.sort_by_key(|cell| std::cmp::Reverse(cell.0));
    let others = cells.split_off(cells.len().min(MOST - 1));
    cells.push(others.into_iter().fold(unseen, |sum, cell| (sum.0 + cell.0, sum.1 + cell.1)));
    cells
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::{Axis, Grid, Vocabulary};
    use crate::rows::{Absent, Column, Values};
    use crate::tally::{Chosen, Tally};
    use arrow_array::{Float64Array, StringArray};
    use proptest::prelude::*;

    fn column(values: Values, absent: &[bool]) -> Column {
        let marks = absent.iter().map(|absent| if *absent { Absent::Null as u8 } else { 0 }).collect();
        Column { values, marks }
    }

    fn numbers(axis: &Axis, values: &[Option<f64>]) -> FieldTally {
        let array = Float64Array::from(values.iter().map(|value| value.unwrap_or(0.0)).collect::<Vec<_>>());
        let absent: Vec<bool> = values.iter().map(Option::is_none).collect();
        let mut tally = FieldTally::empty(axis);
        tally.observe(axis, &column(Values::Numeric(array), &absent), Chosen::All(values.len()));
        tally
    }

    fn grid(values: &[f64]) -> Axis {
        Axis::Numeric(Grid::of(values.to_vec(), 64))
    }

    #[test]
    fn what_is_a_thousand_times_as_large_is_above_all_that_was() {
        let values: Vec<f64> = (1..=1000).map(f64::from).collect();
        let axis = grid(&values);
        let (before, now): (Vec<_>, Vec<_>) = values.iter().map(|x| (Some(*x), Some(1000.0 * x))).unzip();
        let shape = of(&numbers(&axis, &before), &numbers(&axis, &now)).unwrap();
        assert_eq!((shape.reference.len(), shape.current.len()), (20, 20));
        assert_eq!((shape.reference[0], shape.reference[19]), (0.0, 0.0));
        assert!(shape.reference[1..19].iter().all(|share| (0.03..0.09).contains(share)), "{shape:?}");
        assert_eq!((shape.current[18], shape.current[19]), (0.001, 0.999));
        assert!(distance(&shape) > 0.9);
    }

    #[test]
    fn each_of_few_numbers_has_a_bar_and_a_gap_has_none() {
        let axis = grid(&[0.0, 1.0, 5.0]);
        let before = numbers(&axis, &[Some(0.0), Some(0.0), Some(1.0), Some(5.0)]);
        let now = numbers(&axis, &[Some(0.5), None, Some(5.0), Some(9.0)]);
        let shape = of(&before, &now).unwrap();
        assert_eq!(shape.reference, [0.0, 0.5, 0.25, 0.25, 0.0]);
        assert_eq!(shape.current, [0.0, 0.0, 0.25, 0.25, 0.25]);
        assert_eq!(distance(&shape), 0.5);
    }

    #[test]
    fn categories_are_told_by_how_common_they_were() {
        let axis = Axis::Categorical(Vocabulary::new((0..30).map(|place| format!("c{place:02}"))));
        let tally = |values: Vec<String>| {
            let mut tally = FieldTally::empty(&axis);
            let absent = vec![false; values.len()];
            let rows = values.len();
            let array = StringArray::from_iter_values(values);
            tally.observe(&axis, &column(Values::Categorical(array), &absent), Chosen::All(rows));
            tally
        };
        // The last is the commonest.
        let before = tally((0..30).flat_map(|place| vec![format!("c{place:02}"); place + 1]).collect());
        let now = tally(vec!["c29".into(), "new".into()]);
        let shape = of(&before, &now).unwrap();
        assert_eq!(shape.reference.len(), 20);
        assert!(shape.reference[..19].is_sorted_by(|a, b| a >= b), "{shape:?}");
        assert_eq!((shape.current[0], shape.current[19]), (0.5, 0.5));
    }

    proptest! {
        #[test]
        fn there_are_few_bins_and_every_row_with_a_value_is_in_one(
            reference in prop::collection::vec(-50i32..50, 0..300),
            current in prop::collection::vec(prop::option::of(-80i32..80), 0..300),
            resolution in 2usize..200,
        ) {
            let before: Vec<Option<f64>> = reference.iter().map(|x| Some(f64::from(*x))).collect();
            let now: Vec<Option<f64>> = current.iter().map(|x| x.map(f64::from)).collect();
            let axis = Axis::Numeric(Grid::of(before.iter().flatten().copied().collect(), resolution));
            let shape = of(&numbers(&axis, &before), &numbers(&axis, &now));
            prop_assert_eq!(shape.is_some(), !reference.is_empty());
            let Some(shape) = shape else { return Ok(()) };
            prop_assert!(shape.reference.len() <= MOST && shape.reference.len() == shape.current.len());
            let present = current.iter().flatten().count() as f64 / current.len().max(1) as f64;
            prop_assert!((shape.reference.iter().sum::<f64>() - 1.0).abs() < 1e-4);
            prop_assert!((shape.current.iter().sum::<f64>() - present).abs() < 1e-4);
            prop_assert!((-1e-4..=1.0001).contains(&distance(&shape)));
        }
    }
}
