//! Rows by a class's score: how many of those of the class and of all others are at each level.

use super::{Case, Is, Outcomes, Undefined};

/// Rows whose score is in one cell of the grid.
#[derive(Clone, Copy, Debug)]
pub struct Level {
    /// Rows that are of the class, and rows that are not.
    pub positives: u64,
    pub negatives: u64,
    /// Whether the order of the rows is known: they are all of one score, or there is only one.
    pub is_known: bool,
}

impl Level {
    pub fn rows(&self) -> u64 {
        self.positives + self.negatives
    }
}

/// The levels of the rows that have a score and a label, in ascending order.
pub struct Levels {
    pub levels: Vec<Level>,
    pub positives: u64,
    pub negatives: u64,
}

impl Case<'_> {
    /// The levels of the class at hand.
    pub(super) fn levels(&self) -> Result<Levels, Undefined> {
        let outcomes = self.labelled()?;
        if !outcomes.axis.is_of_classes() {
            return Err(Undefined::NotApplicable);
        }
        Levels::of(outcomes, outcomes.class)
    }
}

impl Levels {
    pub fn of(outcomes: &Outcomes, class: usize) -> Result<Levels, Undefined> {
        let mut all = Levels { levels: Vec::new(), positives: 0, negatives: 0 };
        let mut at = None;
        for scored in outcomes.tally.scored(class) {
            let (Some(cell), Is::It | Is::Not) = (scored.cell, scored.label) else { continue };
            if at != Some(cell) {
                all.levels.push(Level { positives: 0, negatives: 0, is_known: cell % 2 == 1 });
                at = Some(cell);
            }
            let Some(level) = all.levels.last_mut() else { continue };
            if scored.label == Is::It {
                level.positives += scored.rows;
                all.positives += scored.rows;
            } else {
                level.negatives += scored.rows;
                all.negatives += scored.rows;
            }
        }
        all.levels.iter_mut().filter(|level| level.rows() == 1).for_each(|level| level.is_known = true);
        if all.levels.is_empty() { Err(Undefined::NoScores) } else { Ok(all) }
    }
}
