//! Where values are counted: the axis that a reference fixes for each field.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;
use serde::{Deserialize, Serialize};

/// The axis of one field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Axis {
    Numeric(Grid),
    Categorical(Vocabulary),
    Flag,
}

/// A numeric axis: `k` ascending values and the `k + 1` gaps around them, which make `2k + 1` cells.
///
/// Cell `2i + 1` holds what equals value `i`; cell `2i` what lies strictly between values `i - 1` and `i`. So cell 0 is
/// below the reference and cell `2k` above it. With no values at all there is one cell, for everything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "GridData", into = "GridData")]
pub struct Grid {
    values: Arc<[f64]>,
    exact: bool,
    locator: Arc<Locator>,
}

#[derive(Serialize, Deserialize)]
struct GridData {
    values: Vec<f64>,
    exact: bool,
}

impl From<GridData> for Grid {
    fn from(data: GridData) -> Grid {
        Grid::new(data.values, data.exact)
    }
}

impl From<Grid> for GridData {
    fn from(grid: Grid) -> GridData {
        GridData { values: grid.values.to_vec(), exact: grid.exact }
    }
}

impl Grid {
    /// A grid over these values; NaN is dropped, order and repetition do not matter. `exact` says that no value of the
    /// reference lies in a gap.
    pub fn new(values: impl IntoIterator<Item = f64>, exact: bool) -> Grid {
        // Adding zero turns a negative zero into the positive one, with which it compares equal.
        let mut values: Vec<f64> = values.into_iter().filter(|x| x.is_finite()).map(|x| x + 0.0).collect();
        values.sort_unstable_by(f64::total_cmp);
        values.dedup();
        let locator = Arc::new(Locator::new(&values));
        Grid { values: values.into(), exact, locator }
    }

    /// The grid of a reference column: its distinct values, or, when there are more than `resolution`, its quantiles at
    /// equal steps of rank, both ends included.
    pub fn of(mut column: Vec<f64>, resolution: usize) -> Grid {
        column.retain(|x| x.is_finite());
        column.sort_unstable_by(f64::total_cmp);
        // A grid has room for both ends at least.
        let resolution = resolution.max(2);
        let distinct = column.windows(2).filter(|pair| pair[0] != pair[1]).count() + 1;
        if distinct <= resolution {
            return Grid::new(column, true);
        }
        let (last, steps) = (column.len() - 1, resolution - 1);
        Grid::new((0..=steps).map(|step| column[last * step / steps]), false)
    }

    /// A grid for a positive quantity of unknown scale that no reference describes, such as a latency: `per_decade`
    /// values to each power of ten between 10^low and 10^high.
    pub fn logarithmic(low: i32, high: i32, per_decade: u32) -> Grid {
        let steps = (high - low) * per_decade as i32;
        Grid::new((0..=steps).map(|step| 10f64.powf(f64::from(low) + f64::from(step) / f64::from(per_decade))), false)
    }

    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Whether every reference value is a grid value, which makes the statistics that need only ranks exact.
    pub fn is_exact(&self) -> bool {
        self.exact
    }

    pub fn cells(&self) -> usize {
        2 * self.values.len() + 1
    }

    /// The cell of a number; infinities fall in the outermost gaps. NaN has no cell and must not be asked for.
    #[inline]
    pub fn cell(&self, x: f64) -> usize {
        let x = x + 0.0;
        let (mut low, mut high) = self.locator.range(x);
        while low < high {
            let middle = (low + high) / 2;
            if self.values[middle] < x {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        match self.values.get(low) {
            Some(&value) if value == x => 2 * low + 1,
            _ => 2 * low,
        }
    }

    /// The ends of a cell: equal for a cell on a value, infinite for the outermost gaps.
    pub fn bounds(&self, cell: usize) -> (f64, f64) {
        let at = |i: usize| self.values.get(i).copied().unwrap_or(f64::INFINITY);
        if cell % 2 == 1 {
            (at(cell / 2), at(cell / 2))
        } else {
            (if cell == 0 { f64::NEG_INFINITY } else { at(cell / 2 - 1) }, at(cell / 2))
        }
    }
}

/// Narrows the search for a number to the grid values in one slot of a table, so that most look-ups compare once.
#[derive(Debug, PartialEq)]
struct Locator {
    spacing: Spacing,
    /// For each slot, how many grid values lie in the slots before it; one entry more than there are slots.
    before: Box<[u32]>,
}

/// How numbers are mapped to slots. Both ways are monotone, so a slot holds a run of grid values.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Spacing {
    /// Equal steps of the number itself: right for values spread evenly.
    Linear { origin: f64, per_unit: f64 },
    /// Equal steps of the number's bits, which is nearly its logarithm: right for values over many magnitudes.
    Bits { origin: u64, shift: u32 },
}

impl Spacing {
    #[inline]
    fn slot(self, x: f64, slots: usize) -> usize {
        let slot = match self {
            // The conversion saturates: below the origin to 0, beyond the end to the last slot by `min`.
            Spacing::Linear { origin, per_unit } => ((x - origin) * per_unit) as usize,
            Spacing::Bits { origin, shift } => (ordered_bits(x).saturating_sub(origin) >> shift) as usize,
        };
        slot.min(slots - 1)
    }
}

/// The bits of a double, arranged so that they order as the number does.
#[inline]
pub fn ordered_bits(x: f64) -> u64 {
    let bits = x.to_bits();
    bits ^ ((((bits as i64) >> 63) as u64) | (1 << 63))
}

impl Locator {
    fn new(values: &[f64]) -> Locator {
        let (Some(&first), Some(&last)) = (values.first(), values.last()) else {
            return Locator { spacing: Spacing::Bits { origin: 0, shift: 63 }, before: [0, 0].into() };
        };
        let slots = (4 * values.len()).next_power_of_two();
        let linear = Spacing::Linear { origin: first, per_unit: slots as f64 / (last - first).max(f64::MIN_POSITIVE) };
        let (low, high) = (ordered_bits(first), ordered_bits(last));
        let bits_needed = u64::BITS - (high - low).leading_zeros();
        let bits = Spacing::Bits { origin: low, shift: bits_needed.saturating_sub(slots.ilog2()) };
        // A look-up compares about as often as the logarithm of its slot's load; the squares prefer the evener table.
        let tables = [linear, bits].map(|spacing| (spacing, counts_before(values, spacing, slots)));
        let load = |before: &[u32]| before.windows(2).map(|w| u64::from(w[1] - w[0]).pow(2)).sum::<u64>();
        let (spacing, before) =
            tables.into_iter().min_by_key(|(_, before)| load(before)).expect("there are two tables to choose from");
        Locator { spacing, before }
    }

    /// The range of indices among which the first grid value not below `x` is, its end included.
    #[inline]
    fn range(&self, x: f64) -> (usize, usize) {
        let slot = self.spacing.slot(x, self.before.len() - 1);
        (self.before[slot] as usize, self.before[slot + 1] as usize)
    }
}

fn counts_before(values: &[f64], spacing: Spacing, slots: usize) -> Box<[u32]> {
    let mut before = vec![0u32; slots + 1];
    for &value in values {
        before[spacing.slot(value, slots) + 1] += 1;
    }
    for i in 0..slots {
        before[i + 1] += before[i];
    }
    before.into()
}

/// A categorical axis: the values the reference knows, one cell each, and one more cell for all others.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Vec<String>", into = "Vec<String>")]
pub struct Vocabulary {
    values: Arc<[String]>,
    cells: Arc<HashMap<String, u32, FixedState>>,
}

impl From<Vec<String>> for Vocabulary {
    fn from(values: Vec<String>) -> Vocabulary {
        Vocabulary::new(values)
    }
}

impl From<Vocabulary> for Vec<String> {
    fn from(vocabulary: Vocabulary) -> Vec<String> {
        vocabulary.values.to_vec()
    }
}

impl PartialEq for Vocabulary {
    fn eq(&self, other: &Vocabulary) -> bool {
        self.values == other.values
    }
}

impl Vocabulary {
    /// A vocabulary of these values, sorted; repetition does not matter.
    pub fn new(values: impl IntoIterator<Item = String>) -> Vocabulary {
        let mut values: Vec<String> = values.into_iter().collect();
        values.sort_unstable();
        values.dedup();
        let cells = values.iter().enumerate().map(|(cell, value)| (value.clone(), cell as u32)).collect();
        Vocabulary { values: values.into(), cells: Arc::new(cells) }
    }

    pub fn values(&self) -> &[String] {
        &self.values
    }

    /// One for each value, and the last for what is unseen.
    pub fn cells(&self) -> usize {
        self.values.len() + 1
    }

    /// The cell of a value, `None` when the reference does not know it.
    #[inline]
    pub fn cell(&self, value: &str) -> Option<usize> {
        self.cells.get(value).map(|&cell| cell as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition of a cell, without any table.
    fn cell_by_definition(values: &[f64], x: f64) -> usize {
        let below = values.iter().filter(|&&value| value < x).count();
        2 * below + usize::from(values.contains(&x))
    }

    proptest! {
        #[test]
        fn the_table_finds_the_cell_that_the_definition_names(
            values in prop::collection::vec(prop_oneof![-1e3..1e3, prop::num::f64::NORMAL, Just(0.0)], 0..200),
            others in prop::collection::vec(prop_oneof![-1e3..1e3, prop::num::f64::ANY], 0..50),
        ) {
            let grid = Grid::new(values.clone(), true);
            for x in values.into_iter().chain(others).chain([f64::INFINITY, f64::NEG_INFINITY, -0.0]) {
                if !x.is_nan() {
                    prop_assert_eq!(grid.cell(x), cell_by_definition(grid.values(), x));
                    let (low, high) = grid.bounds(grid.cell(x));
                    prop_assert!(low <= x && x <= high);
                }
            }
        }
    }

    #[test]
    fn a_column_with_more_distinct_values_than_the_resolution_gets_its_quantiles() {
        let grid = Grid::of((0..=1000).map(f64::from).collect(), 11);
        assert!(!grid.is_exact());
        assert_eq!(grid.values(), (0..=10).map(|i| f64::from(i) * 100.0).collect::<Vec<_>>());
        assert!(Grid::of(vec![1.0, 1.0, 2.0, f64::NAN], 2).is_exact());
    }
}
