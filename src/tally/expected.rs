//! What rows are expected to be by all their scores together, where there are several classes.
//!
//! With one class that matters, a row's probability is that of the cell of its score, so the rows of each cell say it
//! all. With several, the scores of all classes have a say in each probability (they add up to one), and no count of one
//! class's cells knows that. So the probabilities themselves are added up, for each cell that has rows. They are added
//! as integers, which do not depend on the order of rows and can be taken out again.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde::{Deserialize, Serialize};

use crate::outcome::Prediction;

/// What a probability of one counts as. Rounding to it changes a mean by at most a quarter of a billionth.
const ONE: f64 = (1u64 << 31) as f64;

/// Sums of probabilities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExpectedTally {
    /// For each class, by the cell of its score, choice and label.
    scores: Vec<BTreeMap<u32, Sum>>,
    /// By chosen class and the class that rows are expected to be of.
    confusion: BTreeMap<(u16, u16), Sum>,
}

/// Rows and their probabilities, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sum {
    pub rows: u64,
    probability: u64,
    slack: u64,
}

impl Sum {
    fn of((probability, slack): (f64, f64)) -> Sum {
        Sum { rows: 1, probability: (probability * ONE).round() as u64, slack: (slack * ONE).ceil() as u64 }
    }

    /// How many of the rows are expected to be of the class.
    pub fn probability(&self) -> f64 {
        self.probability as f64 / ONE
    }

    /// The most by which that is wrong because rows are counted by cells.
    pub fn slack(&self) -> f64 {
        self.slack as f64 / ONE
    }

    fn add(&mut self, other: Sum) {
        self.rows += other.rows;
        self.probability += other.probability;
        self.slack += other.slack;
    }

    fn remove(&mut self, other: Sum) {
        self.rows = self.rows.saturating_sub(other.rows);
        self.probability = self.probability.saturating_sub(other.probability);
        self.slack = self.slack.saturating_sub(other.slack);
    }
}

impl ExpectedTally {
    pub fn new(classes: usize) -> ExpectedTally {
        ExpectedTally { scores: vec![BTreeMap::new(); classes], confusion: BTreeMap::new() }
    }

    /// Takes in a row that has these chances of being of each class. `places` are where each class counts it.
    pub fn add(&mut self, places: &[u32], prediction: &Prediction, chances: &[(f64, f64)]) {
        self.change(places, chances, true);
        self.choose(prediction.chosen, chances, true);
    }

    /// Takes out a row that was added before.
    pub fn remove(&mut self, places: &[u32], prediction: &Prediction, chances: &[(f64, f64)]) {
        self.change(places, chances, false);
        self.choose(prediction.chosen, chances, false);
    }

    /// Moves a row that was added before.
    pub fn relabel(&mut self, from: &[u32], to: &[u32], chances: &[(f64, f64)]) {
        self.change(from, chances, false);
        self.change(to, chances, true);
    }

    fn change(&mut self, places: &[u32], chances: &[(f64, f64)], is_in: bool) {
        for (sums, (&place, &chance)) in self.scores.iter_mut().zip(places.iter().zip(chances)) {
            put(sums, place, Sum::of(chance), is_in);
        }
    }

    fn choose(&mut self, chosen: Option<u16>, chances: &[(f64, f64)], is_in: bool) {
        let Some(chosen) = chosen else { return };
        for (class, &chance) in (0..).zip(chances) {
            put(&mut self.confusion, (chosen, class), Sum::of(chance), is_in);
        }
    }

    pub fn merge(&mut self, other: &ExpectedTally) {
        for (mine, theirs) in self.scores.iter_mut().zip(&other.scores) {
            theirs.iter().for_each(|(&place, &sum)| mine.entry(place).or_default().add(sum));
        }
        other.confusion.iter().for_each(|(&place, &sum)| self.confusion.entry(place).or_default().add(sum));
    }

    /// The rows of a class, by place.
    pub fn of(&self, class: usize) -> impl Iterator<Item = (u32, Sum)> {
        self.scores.get(class).into_iter().flatten().map(|(&place, &sum)| (place, sum))
    }

    /// Chosen class, expected class and rows.
    pub fn confusion(&self) -> impl Iterator<Item = (usize, usize, Sum)> {
        self.confusion.iter().map(|(&(chosen, class), &sum)| (usize::from(chosen), usize::from(class), sum))
    }
}

fn put<K: Ord>(sums: &mut BTreeMap<K, Sum>, place: K, sum: Sum, is_in: bool) {
    match sums.entry(place) {
        Entry::Vacant(place) if is_in => {
            place.insert(sum);
        }
        Entry::Vacant(_) => {}
        Entry::Occupied(mut place) if is_in => place.get_mut().add(sum),
        Entry::Occupied(mut place) => {
            place.get_mut().remove(sum);
            // What has been taken out leaves no trace.
            if place.get().rows == 0 {
                place.remove();
            }
        }
    }
}
