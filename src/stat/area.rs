//! The area between two cumulative shares, which is the first Wasserstein distance.

use super::Numbers;

/// An area that is known to lie between two others.
#[derive(Default)]
pub struct Area {
    pub low: f64,
    pub value: f64,
    pub high: f64,
}

impl Area {
    pub fn add(&mut self, low: f64, value: f64, high: f64) {
        self.low += low;
        self.value += value;
        self.high += high;
    }

    pub fn join(&mut self, other: Area) {
        self.add(other.low, other.value, other.high);
    }

    pub fn error(&self) -> f64 {
        (self.high - self.value).max(self.value - self.low).max(0.0)
    }
}

/// The area between the two cumulative shares.
pub fn area(numbers: &Numbers) -> Area {
    let mut area = within(numbers, |difference| difference);
    for (r, c) in outer_areas(numbers) {
        // Beyond one end of the grid the two may differ by as little as these areas do, or not overlap at all.
        area.add((r - c).abs(), r.max(c), r + c);
    }
    area
}

/// The integral, from the grid's first value to its last, of a function that grows with the difference of the two
/// cumulative shares, which it is given without its sign.
pub fn within(numbers: &Numbers, of: impl Fn(f64) -> f64) -> Area {
    let Numbers { grid, reference, current } = numbers;
    let (n, m) = numbers.sizes();
    let mut sum = Area::default();
    // Differences of shares, times both sample sizes, are integers, and so are exactly zero where shares are equal.
    let of = |difference: i128| of(difference.abs() as f64 / (n as f64 * m as f64));
    let of_cell = |cell: usize| {
        (i128::from(reference.counts[cell]) * i128::from(m), i128::from(current.counts[cell]) * i128::from(n))
    };
    let (r, c) = of_cell(0);
    let mut difference = r - c;
    for (i, ends) in grid.values().windows(2).enumerate() {
        let width = ends[1] - ends[0];
        let (on_r, on_c) = of_cell(2 * i + 1);
        let (in_r, in_c) = of_cell(2 * i + 2);
        let start = difference + on_r - on_c;
        let end = start + in_r - in_c;
        // Whatever the order within the gap, the difference stays between these two.
        let (least, most) = (start - in_c, start + in_r);
        let smallest = if least <= 0 && most >= 0 { 0 } else { least.abs().min(most.abs()) };
        let largest = least.abs().max(most.abs());
        let middle = (of(start) + of(end)) / 2.0;
        sum.add(width * of(smallest), width * middle, width * of(largest));
        difference = end;
    }
    sum
}

/// For the gap below the grid and the gap above it, the areas that the reference's and the window's cumulative shares
/// enclose there with 0 or 1: how far out of the grid values are, summed and divided by the sample's size.
pub fn outer_areas(numbers: &Numbers) -> [(f64, f64); 2] {
    let values = numbers.grid.values();
    let (Some(&first), Some(&last)) = (values.first(), values.last()) else { return [(0.0, 0.0); 2] };
    let sides = [numbers.reference, numbers.current];
    let [below_r, below_c] = sides.map(|side| {
        let inside = side.counts[0] as f64 * first;
        ((inside - side.sum_below.value()) / side.n() as f64).max(0.0)
    });
    let [above_r, above_c] = sides.map(|side| {
        let inside = side.counts[side.counts.len() - 1] as f64 * last;
        ((side.sum_above.value() - inside) / side.n() as f64).max(0.0)
    });
    [(below_r, below_c), (above_r, above_c)]
}
