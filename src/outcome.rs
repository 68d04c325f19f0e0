//! What a model said of a row and what turned out, and the axis on which both are counted.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::grid::Grid;

/// What a model's answers are held against.
///
/// There is one class where it matters whether a row is of it or not: labels other than that one are all alike. With
/// several, each is told apart, and what is none of them is another. Without any, answers and labels are numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutcomeAxis {
    pub classes: Arc<[String]>,
    /// The grid of each class's score, or none at all where the model says no scores.
    pub grids: Arc<[Grid]>,
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
