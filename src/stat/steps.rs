//! The cells of a grid in ascending order, as steps of the two cumulative shares.

use super::Numbers;

/// What the two sides have in one cell. Cells that are empty on both sides make no step.
#[derive(Clone, Copy)]
pub struct Step {
    pub r: u64,
    pub c: u64,
    /// How many of each side lie in lower cells.
    pub below_r: u64,
    pub below_c: u64,
    /// Whether all that is here is equal, or a single value. Otherwise the order within the cell is not known.
    pub is_point: bool,
}

impl Step {
    /// The difference of the cumulative shares before the step (reference less window), times both sample sizes.
    pub fn start(&self, n: u64, m: u64) -> i128 {
        i128::from(self.below_r) * i128::from(m) - i128::from(self.below_c) * i128::from(n)
    }

    /// How many values lie below the middle of the step, on both sides together.
    pub fn middle(&self) -> f64 {
        (self.below_r + self.below_c) as f64 + (self.r + self.c) as f64 / 2.0
    }

    /// By how much the step raises that difference, and by how much it lowers it.
    pub fn rise_and_fall(&self, n: u64, m: u64) -> (i128, i128) {
        (i128::from(self.r) * i128::from(m), i128::from(self.c) * i128::from(n))
    }
}

impl Numbers<'_> {
    /// The sizes of the reference and of the window.
    pub fn sizes(&self) -> (u64, u64) {
        (self.reference.n(), self.current.n())
    }

    /// The steps from the lowest cell to the highest.
    pub fn steps(&self) -> impl Iterator<Item = Step> {
        let (reference, current) = (&self.reference.counts, &self.current.counts);
        let last = reference.len() - 1;
        // Where all that is outside the grid is infinite, it is equal at either end.
        let only_infinite = [self.reference, self.current]
            .iter()
            .all(|side| side.infinite == side.counts[0] + if last > 0 { side.counts[last] } else { 0 });
        let (mut below_r, mut below_c) = (0, 0);
        reference.iter().zip(current).enumerate().filter(|(_, (r, c))| (**r, **c) != (0, 0)).map(
            move |(cell, (&r, &c))| {
                let is_equal = cell % 2 == 1 || only_infinite && (cell == 0 || cell == last);
                let step = Step { r, c, below_r, below_c, is_point: is_equal || r + c == 1 };
                below_r += r;
                below_c += c;
                step
            },
        )
    }
}
