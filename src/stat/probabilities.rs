//! Scores as probabilities, as far as the grid tells them.

use super::{Is, Outcomes, Undefined};

/// Rows whose probability of a class is in one cell.
#[derive(Clone, Copy, Debug)]
pub struct Probability {
    /// The middle of the cell, and its ends.
    pub value: f64,
    pub ends: [f64; 2],
    /// Whether the class was chosen, and whether it turned out.
    pub is_chosen: bool,
    pub is_it: bool,
    pub rows: u64,
}

impl Probability {
    /// By how much a function can differ between the middle of the cell and anywhere in it, if it rises or falls all the
    /// way.
    pub fn doubt(&self, of: impl Fn(f64) -> f64) -> f64 {
        let middle = of(self.value);
        self.ends.into_iter().map(|end| (of(end) - middle).abs()).fold(0.0, f64::max)
    }
}

/// The probabilities of a class, of rows that have one and a label. Beyond the reference's scores they are taken to go
/// on to 0 and to 1.
pub fn probabilities(outcomes: &Outcomes, class: usize) -> Result<Vec<Probability>, Undefined> {
    let grid = outcomes.axis.grids.get(class).ok_or(Undefined::NoScores)?;
    let is_probability = |value: &f64| (0.0..=1.0).contains(value);
    let mut found = Vec::new();
    for scored in outcomes.tally.scored(class) {
        let (Some(cell), Is::It | Is::Not) = (scored.cell, scored.label) else { continue };
        let (low, high) = grid.bounds(cell);
        let is_below = low.is_infinite() && high <= 0.0;
        let is_above = high.is_infinite() && low >= 1.0;
        if is_below || is_above {
            return Err(Undefined::NotProbabilities);
        }
        let ends = [low.max(0.0), high.min(1.0)];
        let value = f64::midpoint(ends[0], ends[1]);
        let (is_chosen, is_it) = (scored.chosen == Is::It, scored.label == Is::It);
        found.push(Probability { value, ends, is_chosen, is_it, rows: scored.rows });
    }
    match (found.is_empty(), grid.values().iter().all(is_probability)) {
        (true, _) => Err(Undefined::NoScores),
        (_, false) => Err(Undefined::NotProbabilities),
        _ => Ok(found),
    }
}
