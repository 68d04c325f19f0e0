//! What a model said of a row and what turned out, and the axis on which both are counted.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::calibration::Calibration;
use crate::grid::{Axis, Grid};
use crate::rows::Column;
use crate::schema::{Answers, Choice, Field};

/// What a model's answers are held against.
///
/// There is one class where it matters whether a row is of it or not: labels other than that one are all alike. With
/// several, each is told apart, and what is none of them is another. Without any, answers and labels are numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct OutcomeAxis {
    pub classes: Arc<[String]>,
    /// The grid of each class's score, or none at all where the model says no scores.
    pub grids: Arc<[Grid]>,
    /// What scores mean, where the reference has labels that say so.
    pub calibration: Option<Arc<Calibration>>,
}

impl OutcomeAxis {
    /// Whether answers are classes and not numbers.
    pub fn is_of_classes(&self) -> bool {
        !self.classes.is_empty()
    }

    /// Whether there is one class that a row is of, or is not.
    pub fn is_binary(&self) -> bool {
        self.classes.len() == 1
    }

    /// The class of a text, which is `classes.len()` for what is none of them.
    pub fn class(&self, text: &str) -> u16 {
        self.classes.iter().position(|class| class == text).unwrap_or(self.classes.len()) as u16
    }

    /// What is counted of a row: the class that was chosen, each class's score as far as there is one, and the number
    /// that was predicted.
    pub fn prediction(
        &self,
        chosen: Option<&str>,
        scores: impl IntoIterator<Item = Option<f64>>,
        value: Option<f64>,
    ) -> Prediction {
        let cell = |(class, score): (usize, Option<f64>)| match (self.grids.get(class), score) {
            (Some(grid), Some(score)) if !score.is_nan() => grid.cell(score) as u32,
            _ => self.no_score(class),
        };
        Prediction {
            chosen: chosen.filter(|_| self.is_of_classes()).map(|text| self.class(text)),
            cells: scores.into_iter().take(self.grids.len()).enumerate().map(cell).collect(),
            value: value.filter(|value| value.is_finite() && !self.is_of_classes()),
        }
    }

    /// How likely a row is of each class, by all of its scores together: what each means by itself, so that they add up
    /// to one; and the most by which that is wrong for scores within these cells. `None` where one has no score, or it
    /// is not known what scores mean.
    pub fn expected(&self, prediction: &Prediction) -> Option<Vec<(f64, f64)>> {
        let classes = &self.calibration.as_ref()?.classes;
        let alone = classes
            .iter()
            .zip(&prediction.cells)
            .map(|(scale, &cell)| Some((*scale.probabilities.get(cell as usize)?, *scale.slack.get(cell as usize)?)));
        let alone = alone.collect::<Option<Vec<(f64, f64)>>>().filter(|alone| alone.len() == self.classes.len())?;
        let total: f64 = alone.iter().map(|(p, _)| p).sum();
        let slack: f64 = alone.iter().map(|(_, slack)| slack).sum();
        // Where no score speaks for its class, nothing tells them apart.
        let share = |p: f64, all: f64| if all > 0.0 { p / all } else { 1.0 / alone.len() as f64 };
        let together = |&(p, own): &(f64, f64)| {
            let value = share(p, total);
            if slack == 0.0 {
                return (value, 0.0);
            }
            // Its own score may be higher and all others lower, or the other way round.
            let others = (total - p, slack - own);
            let high = share(p + own, p + own + (others.0 - others.1).max(0.0));
            let low = share((p - own).max(0.0), (p - own).max(0.0) + others.0 + others.1);
            (value, (high - value).max(value - low).max(0.0))
        };
        Some(alone.iter().map(together).collect())
    }

    /// The cell that stands for a class's score which is not there, or is no number.
    pub fn no_score(&self, class: usize) -> u32 {
        self.grids.get(class).map_or(0, Grid::cells) as u32
    }
}

/// What a model said of one row, in the form in which it is counted: no value of a feature is in it.
#[derive(Clone, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Prediction {
    /// The class that was chosen, `classes.len()` for one that is none of them; `None` where the row does not say.
    pub chosen: Option<u16>,
    /// The cell of each class's score.
    pub cells: Box<[u32]>,
    /// The number that was predicted, where answers are numbers; finite.
    pub value: Option<f64>,
}

/// What turned out.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Truth {
    /// A class, `classes.len()` for one that is none of them.
    Class(u16),
    /// A finite number.
    Value(f64),
}

impl Prediction {
    /// Whether the model has said anything at all.
    pub fn says_anything(&self, axis: &OutcomeAxis) -> bool {
        let is_scored = (0..).zip(&self.cells).any(|(class, &cell)| cell != axis.no_score(class));
        self.chosen.is_some() || self.value.is_some() || is_scored
    }
}

/// The id of a row as it is kept: the first 16 bytes of its SHA-256. The id itself may be somebody's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Id(pub u128);

impl Id {
    pub fn of(text: &str) -> Id {
        let digest: [u8; 32] = Sha256::digest(text).into();
        let (first, _) = digest.split_at(16);
        Id(first.iter().fold(0, |id, &byte| (id << 8) | u128::from(byte)))
    }
}

/// Reads what the model said from the columns of a log.
#[derive(Clone, Debug)]
pub struct Answerer {
    pub axis: OutcomeAxis,
    choice: Choice,
    /// Where the fields are that say it.
    chosen: Option<usize>,
    scores: Vec<usize>,
    value: Option<usize>,
}

impl Answerer {
    /// For a log with these fields, counted on these axes. `None` where it does not carry what the model says.
    pub fn new(answers: &Answers, fields: &[Field], axes: &[Axis]) -> Option<Answerer> {
        let place = |subject: &str| fields.iter().position(|field| field.subject == subject);
        let scores = answers.scores.iter().map(|subject| place(subject)).collect::<Option<Vec<usize>>>();
        let scores = scores.unwrap_or_default();
        let grid = |&place: &usize| match axes.get(place) {
            Some(Axis::Numeric(grid)) => grid.clone(),
            _ => Grid::new([], false),
        };
        let grids = scores.iter().map(grid).collect();
        let axis = OutcomeAxis { classes: answers.classes.iter().cloned().collect(), grids, calibration: None };
        let (chosen, value) = match (answers.choice, axis.is_of_classes()) {
            (Choice::Said, true) => (place("prediction"), None),
            (Choice::Said, false) => (None, place("value")),
            (Choice::AtLeast(_) | Choice::Likeliest, _) => (None, None),
        };
        let says_anything = chosen.is_some() || value.is_some() || !scores.is_empty();
        says_anything.then_some(Answerer { axis, choice: answers.choice, chosen, scores, value })
    }

    pub fn prediction(&self, columns: &[Column], row: usize) -> Prediction {
        let number = |&place: &usize| columns.get(place).and_then(|column| column.number(row));
        let scores = || self.scores.iter().map(number);
        let said = self.chosen.and_then(|place| columns.get(place)?.text(row));
        let value = self.value.as_ref().and_then(number);
        let mut prediction = self.axis.prediction(said, scores(), value);
        let others = self.axis.classes.len() as u16;
        prediction.chosen = match self.choice {
            Choice::Said => prediction.chosen,
            Choice::AtLeast(least) => {
                let score = scores().next().flatten().filter(|score| !score.is_nan());
                score.map(|score| if score >= least { 0 } else { others })
            }
            Choice::Likeliest => {
                let known = (0u16..).zip(scores()).filter_map(|(class, score)| Some((class, score?)));
                let largest = known
                    .filter(|(_, score)| !score.is_nan())
                    .reduce(|best, next| if next.1 > best.1 { next } else { best });
                largest.map(|(class, _)| class)
            }
        };
        prediction
    }

    /// The truth that a label's column says of a row, `None` where it says none.
    pub fn truth(axis: &OutcomeAxis, column: &Column, row: usize) -> Option<Truth> {
        if axis.is_of_classes() {
            column.text(row).map(|text| Truth::Class(axis.class(text)))
        } else {
            column.number(row).filter(|number| number.is_finite()).map(Truth::Value)
        }
    }
}
