//! What statistics say of two samples of one distribution, many times over.

use std::collections::HashMap;

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::SeedableRng;

use super::{Distribution, Sizes, Source};
use crate::grid::{Axis, Grid, Vocabulary};
use crate::stat::{Case, Null, Reading, Side, Statistic};
use crate::tally::category::CategoryTally;
use crate::tally::numeric::NumericTally;
use crate::tally::{FieldTally, Presence, Tally};
use crate::time::Span;

/// How far a reading is from what is expected without a change, on a scale that hardly depends on the sizes and on
/// which smooth statistics have tails like chi-squared's; `None` where there is no such number.
pub fn evidence(null: Null, reading: &Reading, sizes: Sizes) -> Option<f64> {
    let unit = 1.0 / sizes.window as f64 + 1.0 / sizes.reference as f64;
    let evidence = match null {
        Null::Linear => reading.value / unit,
        Null::Root => reading.value * reading.value / unit,
        Null::Studentised => -reading.p_value?.max(f64::MIN_POSITIVE).ln(),
        Null::Unknown | Null::Formula => return None,
    };
    evidence.is_finite().then_some(evidence)
}

/// For each statistic its distribution; `None` for one that is undefined as often as not.
pub fn simulate(
    source: &Source,
    statistics: &[&Statistic],
    sizes: Sizes,
    replicates: usize,
    seed: [u8; 16],
) -> Vec<Option<Distribution>> {
    let mut random = Pcg64Mcg::from_seed(seed);
    let mut found = vec![Vec::with_capacity(replicates); statistics.len()];
    let mut axes = Axes::new(source);
    let (mut reference, mut window) = (Vec::new(), Vec::new());
    for _ in 0..replicates {
        let (Source::Numbers { counts, .. } | Source::Categories { counts, .. }) = source;
        counts.draw(sizes.reference, &mut random, &mut reference);
        counts.draw(sizes.window, &mut random, &mut window);
        let (axis, reference, window) = axes.count(source, sizes, &reference, &window);
        let case = Case {
            rows: sizes.window,
            window: Span(1000),
            current: Some(Side { axis, tally: &window }),
            reference: Some(&reference),
            min_rows: 1,
            significance: 0.001,
            attributions: &[],
            outcomes: None,
        };
        for (statistic, found) in statistics.iter().zip(&mut found) {
            let reading = (statistic.compute)(&case).ok();
            found.extend(reading.and_then(|reading| evidence(statistic.null, &reading, sizes)));
        }
    }
    let is_enough = |found: &Vec<f64>| 2 * found.len() > replicates;
    found.into_iter().map(|found| is_enough(&found).then(|| Distribution::new(found))).collect()
}

/// The axes that simulated references have. One that fixes its own reaches from its smallest value to its largest.
struct Axes {
    numeric: HashMap<(usize, usize), Axis>,
    categorical: Axis,
}

impl Axes {
    fn new(source: &Source) -> Axes {
        let cells = match source {
            Source::Categories { cells, .. } => *cells,
            Source::Numbers { .. } => 0,
        };
        // What the categories are called does not matter.
        let vocabulary = Vocabulary::new((0..cells).map(|cell| cell.to_string()));
        Axes { numeric: HashMap::new(), categorical: Axis::Categorical(vocabulary) }
    }

    fn count(
        &mut self,
        source: &Source,
        sizes: Sizes,
        reference: &[u64],
        window: &[u64],
    ) -> (&Axis, FieldTally, FieldTally) {
        match source {
            Source::Numbers { values, ends, .. } => {
                let met = |&count: &u64| count > 0;
                let own = reference.iter().position(met).zip(reference.iter().rposition(met));
                let (first, last) = own.filter(|_| sizes.fixes_axis).unwrap_or(*ends);
                let axis = || Axis::Numeric(Grid::new(values[first..=last].iter().copied(), true));
                let axis = &*self.numeric.entry((first, last)).or_insert_with(axis);
                let tally = |counts| FieldTally::Numeric(numbers(axis, values, first, last, counts));
                (axis, tally(reference), tally(window))
            }
            Source::Categories { .. } => {
                let tally = |counts: &[u64]| {
                    let mut cells = counts.to_vec();
                    cells.push(0);
                    let unseen = counts.len();
                    for cell in 0..unseen {
                        // What the reference does not have is not in the vocabulary that it fixes.
                        if sizes.fixes_axis && reference[cell] == 0 {
                            cells[unseen] += std::mem::take(&mut cells[cell]);
                        }
                    }
                    let presence = Presence { rows: counts.iter().sum(), ..Presence::default() };
                    FieldTally::Categorical(CategoryTally {
                        presence,
                        counts: cells.into(),
                        commonest: Default::default(),
                    })
                };
                (&self.categorical, tally(reference), tally(window))
            }
        }
    }
}

/// The tally of so many rows of each value, on a grid that has those from `first` to `last`.
fn numbers(axis: &Axis, values: &[f64], first: usize, last: usize, counts: &[u64]) -> NumericTally {
    let mut tally = NumericTally::empty(axis);
    let top = tally.counts.len() - 1;
    for (at, (&value, &count)) in values.iter().zip(counts).enumerate().filter(|(_, (_, count))| **count > 0) {
        let sum = value * count as f64;
        tally.presence.rows += count;
        tally.min = tally.min.min(value);
        tally.max = tally.max.max(value);
        tally.sum.add(sum);
        tally.squares.add((value - tally.origin).powi(2) * count as f64);
        if at < first {
            tally.counts[0] += count;
            tally.sum_below.add(sum);
        } else if at > last {
            tally.counts[top] += count;
            tally.sum_above.add(sum);
        } else {
            tally.counts[2 * (at - first) + 1] = count;
        }
    }
    tally
}
