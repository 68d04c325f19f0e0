//! What statistics of outcomes are computed from: predictions and labels, of the rows at hand and of groups of them.

use super::{Case, Undefined};
use crate::outcome::OutcomeAxis;
use crate::tally::outcome::{Confusion, OutcomeTally};

/// What a statistic of outcomes applies to, and what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    pub of: Of,
    pub task: Task,
    pub needs: Needs,
}

/// Of what there is one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// Of the rows; the subject is empty.
    Rows,
    /// Of each class against all others; the subject is the class. Where there is one class that matters, its value is
    /// that of the rows, and the subject is empty.
    Class,
    /// Of each attribute or crossing by which rows are told apart as groups, which is the subject.
    Attribute,
    /// Of each group of an attribute; the subject is the attribute, and the slice is the group.
    Group,
}

/// What kind of answers a statistic is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    Any,
    /// One class that matters, or several.
    Classes,
    Binary,
    Multiclass,
    Numbers,
}

/// What a statistic needs beside predictions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: it is known as soon as a window is complete, and stays so.
    Predictions,
    /// Labels, so it is told again as they come.
    Labels,
}

impl Task {
    pub fn includes(self, axis: &OutcomeAxis) -> bool {
        self.is_of(axis.classes.len())
    }

    /// Whether it is about answers of which so many classes are told apart.
    pub fn is_of(self, classes: usize) -> bool {
        match self {
            Task::Any => true,
            Task::Classes => classes > 0,
            Task::Binary => classes == 1,
            Task::Multiclass => classes > 1,
            Task::Numbers => classes == 0,
        }
    }
}

/// The predictions of a window and what became of them.
#[derive(Clone, Copy)]
pub struct Outcomes<'a> {
    pub axis: &'a OutcomeAxis,
    pub tally: &'a OutcomeTally,
    /// The reference's; `None` when it has no labels.
    pub reference: Option<&'a OutcomeTally>,
    /// The class at hand.
    pub class: usize,
    /// The groups of the attribute at hand.
    pub groups: &'a [Group<'a>],
    /// The group at hand, by its place in `groups`.
    pub group: Option<usize>,
    /// The share of the rows whose label will have come in the end, by how long labels have taken; `None` when too
    /// little is known of that.
    pub expected_coverage: Option<f64>,
    pub choices: &'a Choices,
}

/// The rows of one group of people, or of what else an attribute tells apart.
#[derive(Clone, Copy)]
pub struct Group<'a> {
    pub tally: &'a OutcomeTally,
    /// The same rows, told apart by the attribute on which demographic disparity is conditioned; all groups have theirs
    /// in the same order. Empty without one.
    pub strata: &'a [OutcomeTally],
}

/// What users may choose about statistics of outcomes.
#[derive(Clone, Debug, PartialEq)]
pub struct Choices {
    /// How many times as much recall matters as precision, in `fbeta`.
    pub beta: f64,
    /// The share of rows with the highest scores that `lift` and `gain` look at.
    pub top: f64,
    /// The quantile of which `pinball_loss` is the loss.
    pub quantile: f64,
    /// What a row is worth: a true positive, a false positive, a false negative, a true negative.
    pub values: [f64; 4],
    /// Groups with fewer rows are withheld.
    pub min_group: u64,
}

impl Default for Choices {
    fn default() -> Choices {
        Choices { beta: 2.0, top: 0.1, quantile: 0.9, values: [0.0, -1.0, -1.0, 0.0], min_group: 30 }
    }
}

impl<'a> Case<'a> {
    /// The predictions of the window; there are any.
    pub(super) fn predicted(&self) -> Result<&'a Outcomes<'a>, Undefined> {
        let outcomes = self.outcomes.ok_or(Undefined::NotApplicable)?;
        if outcomes.tally.rows() == 0 { Err(Undefined::NoRows) } else { Ok(outcomes) }
    }

    /// The same, with enough labels to tell anything.
    pub(super) fn labelled(&self) -> Result<&'a Outcomes<'a>, Undefined> {
        let outcomes = self.predicted()?;
        match (outcomes.tally.labelled(), self.min_rows.max(1)) {
            (0, _) => Err(Undefined::NoLabels { rows: outcomes.tally.rows() }),
            (n, least) if n < least => Err(Undefined::TooFewLabels { n, least }),
            _ => Ok(outcomes),
        }
    }

    /// The class at hand against all others, of rows that have a choice and a label.
    pub(super) fn confusion(&self) -> Result<Confusion, Undefined> {
        let outcomes = self.labelled()?;
        let confusion = outcomes.tally.confusion(outcomes.class);
        if confusion.n() == 0 { Err(Undefined::NoChoices) } else { Ok(confusion) }
    }
}
