//! Counts of predictions and what became of them, from which performance, estimates and fairness are computed.

use serde::{Deserialize, Serialize};

use super::counts::{Counts, Room};
use super::error::ErrorTally;
use super::expected::{ExpectedTally, Sum};
use crate::calibration::{Calibration, Known, Scale, Unknown};
use crate::outcome::{OutcomeAxis, Prediction, Truth};

/// How many rows there are of each prediction and label.
///
/// It obeys the laws of [`super::Tally`], and one more: removing a row that was added leaves what was before, to the
/// bit, so that a label which comes later, or is corrected, moves its row from one place to another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutcomeTally {
    classes: u16,
    rows: u64,
    labelled: u64,
    /// Rows by chosen class (each class, another, none) and label (each class, another, still to come).
    confusion: Counts,
    /// For each class, rows by the cell of its score (and one for no score), choice and label.
    scores: Vec<Counts>,
    /// Where there are several classes and it is known what scores mean: what rows are expected to be.
    expected: Option<Box<ExpectedTally>>,
    /// Where answers are numbers: how far they were off.
    errors: Option<Box<ErrorTally>>,
}

/// Whether a row is of a class, as chosen or by its label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Is {
    Not = 0,
    It = 1,
    /// No class was chosen, or the label is still to come.
    Unknown = 2,
}

impl Is {
    fn of(place: u32) -> Is {
        [Is::Not, Is::It, Is::Unknown][place as usize % 3]
    }
}

/// Where a row is counted whose score of a class is in a cell.
fn score_place(cell: u32, (chosen, label): (Option<u32>, Option<u32>), class: u32) -> u32 {
    let is = |one: Option<u32>| match one {
        Some(one) if one == class => Is::It,
        Some(_) => Is::Not,
        None => Is::Unknown,
    };
    (cell * 3 + is(chosen) as u32) * 3 + is(label) as u32
}

/// Rows whose score of a class is in one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scored {
    /// `None` for rows without a score.
    pub cell: Option<usize>,
    pub chosen: Is,
    pub label: Is,
    pub rows: u64,
}

/// The same of rows that have a score of every class, with how many are expected to be of the class at hand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expected {
    pub cell: usize,
    pub chosen: Is,
    pub label: Is,
    pub rows: f64,
    pub positives: f64,
    /// The most by which that is wrong because rows are counted by cells.
    pub slack: f64,
}

/// What was chosen against what turned out, of one class against all others; rows with both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Confusion {
    pub true_positives: u64,
    pub false_positives: u64,
    pub false_negatives: u64,
    pub true_negatives: u64,
}

impl Confusion {
    pub fn n(&self) -> u64 {
        self.true_positives + self.false_positives + self.false_negatives + self.true_negatives
    }
}

impl OutcomeTally {
    pub fn empty(axis: &OutcomeAxis) -> OutcomeTally {
        let classes = axis.classes.len();
        OutcomeTally {
            classes: classes as u16,
            rows: 0,
            labelled: 0,
            confusion: Counts::new(if axis.is_of_classes() { (classes + 2) * (classes + 2) } else { 0 }),
            scores: axis.grids.iter().map(|grid| Counts::new((grid.cells() + 1) * 9)).collect(),
            expected: (classes > 1 && axis.calibration.is_some()).then(|| Box::new(ExpectedTally::new(classes))),
            errors: (!axis.is_of_classes()).then(Box::default),
        }
    }

    /// Takes in a row. The axis is the one on which all rows are counted.
    pub fn add(&mut self, axis: &OutcomeAxis, prediction: &Prediction, label: Option<Truth>) {
        self.rows += 1;
        self.labelled += u64::from(label.is_some());
        self.each_place(prediction, label, |counts, place| match counts.room_for(1) {
            Room::List(hits) => hits.push(place),
            Room::Dense(counts) => counts[place as usize] += 1,
        });
        self.expect(axis, prediction, |expected, places, chances| expected.add(&places(label), prediction, chances));
        if let (Some(errors), Some(value), Some(Truth::Value(label))) = (&mut self.errors, prediction.value, label) {
            errors.add(value, label);
        }
    }

    /// Takes out a row that was added before.
    pub fn remove(&mut self, axis: &OutcomeAxis, prediction: &Prediction, label: Option<Truth>) {
        self.rows = self.rows.saturating_sub(1);
        self.labelled = self.labelled.saturating_sub(u64::from(label.is_some()));
        self.each_place(prediction, label, Counts::remove);
        self.expect(axis, prediction, |expected, places, chances| expected.remove(&places(label), prediction, chances));
        if let (Some(errors), Some(value), Some(Truth::Value(label))) = (&mut self.errors, prediction.value, label) {
            errors.remove(value, label);
        }
    }

    /// Gives a row that was added before another label.
    pub fn relabel(
        &mut self,
        axis: &OutcomeAxis,
        prediction: &Prediction,
        before: Option<Truth>,
        after: Option<Truth>,
    ) {
        self.labelled = self.labelled + u64::from(after.is_some()) - u64::from(before.is_some()).min(self.labelled);
        let sides = self.sides(prediction, before);
        let new_sides = self.sides(prediction, after);
        if self.classes > 0 {
            let (from, to) = (self.confusion_place(sides), self.confusion_place(new_sides));
            self.confusion.replace(from, to);
        }
        for ((class, counts), &cell) in (0..).zip(&mut self.scores).zip(&prediction.cells) {
            let (from, to) = (score_place(cell, sides, class), score_place(cell, new_sides, class));
            if (to as usize) < counts.len() {
                counts.replace(from, to);
            }
        }
        self.expect(axis, prediction, |expected, places, chances| {
            expected.relabel(&places(before), &places(after), chances);
        });
        if let (Some(errors), Some(value)) = (&mut self.errors, prediction.value) {
            if let Some(Truth::Value(label)) = before {
                errors.remove(value, label);
            }
            if let Some(Truth::Value(label)) = after {
                errors.add(value, label);
            }
        }
    }

    /// Changes what rows are expected to be, by where a row with some label is counted and what its chances are.
    fn expect(
        &mut self,
        axis: &OutcomeAxis,
        prediction: &Prediction,
        change: impl FnOnce(&mut ExpectedTally, &dyn Fn(Option<Truth>) -> Vec<u32>, &[(f64, f64)]),
    ) {
        let Some(mut expected) = self.expected.take() else { return };
        if let Some(chances) = axis.expected(prediction) {
            let places = |label| {
                let sides = self.sides(prediction, label);
                (0..).zip(&prediction.cells).map(|(class, &cell)| score_place(cell, sides, class)).collect()
            };
            change(&mut expected, &places, &chances);
        }
        self.expected = Some(expected);
    }

    /// The class that was chosen and the one that turned out, as far as there are any.
    fn sides(&self, prediction: &Prediction, label: Option<Truth>) -> (Option<u32>, Option<u32>) {
        let classes = u32::from(self.classes);
        let label = label.map(|label| match label {
            Truth::Class(class) => u32::from(class).min(classes),
            // A number where classes are told apart is another class; where numbers are, it is not counted here.
            Truth::Value(_) => classes,
        });
        (prediction.chosen.map(|class| u32::from(class).min(classes)), label)
    }

    fn confusion_place(&self, (chosen, label): (Option<u32>, Option<u32>)) -> u32 {
        let classes = u32::from(self.classes);
        chosen.unwrap_or(classes + 1) * (classes + 2) + label.unwrap_or(classes + 1)
    }

    fn each_place(&mut self, prediction: &Prediction, label: Option<Truth>, visit: impl Fn(&mut Counts, u32)) {
        let sides = self.sides(prediction, label);
        if self.classes > 0 {
            let place = self.confusion_place(sides);
            visit(&mut self.confusion, place);
        }
        for ((class, counts), &cell) in (0..).zip(&mut self.scores).zip(&prediction.cells) {
            let place = score_place(cell, sides, class);
            if (place as usize) < counts.len() {
                visit(counts, place);
            }
        }
    }

    pub fn merge(&mut self, other: &OutcomeTally) {
        self.rows += other.rows;
        self.labelled += other.labelled;
        self.confusion.merge(&other.confusion);
        self.scores.iter_mut().zip(&other.scores).for_each(|(mine, theirs)| mine.merge(theirs));
        if let (Some(mine), Some(theirs)) = (&mut self.expected, &other.expected) {
            mine.merge(theirs);
        }
        if let (Some(mine), Some(theirs)) = (&mut self.errors, &other.errors) {
            mine.merge(theirs);
        }
    }

    /// What the labels of these rows say that scores mean.
    ///
    /// # Errors
    /// Where there is one class that matters, and all rows are of it or none is. Where there are several, the scores of
    /// one that no row is of stand for themselves.
    pub fn calibration(&self, axis: &OutcomeAxis) -> Result<Calibration, Unknown> {
        let scale = |(class, grid)| {
            let known = self.known(class);
            match Scale::new(grid, &known) {
                Err(Unknown::OneClass) if !axis.is_binary() => Ok(Scale::as_told(grid, &known)),
                scale => scale,
            }
        };
        Ok(Calibration { classes: axis.grids.iter().enumerate().map(scale).collect::<Result<_, _>>()? })
    }

    /// The rows of a class that have a score and a label, by ascending cell.
    pub fn known(&self, class: usize) -> Vec<Known> {
        let mut known: Vec<Known> = Vec::new();
        for scored in self.scored(class) {
            let Some(cell) = scored.cell.filter(|_| scored.label != Is::Unknown) else { continue };
            let positives = if scored.label == Is::It { scored.rows } else { 0 };
            match known.last_mut().filter(|last| last.cell == cell) {
                Some(last) => {
                    last.positives += positives;
                    last.rows += scored.rows;
                }
                None => known.push(Known { cell, positives, rows: scored.rows }),
            }
        }
        known
    }

    /// The same with other counts of choices and labels, and without anything else.
    pub fn with_counts(&self, mut change: impl FnMut(usize, u64) -> u64) -> OutcomeTally {
        let counts: Vec<u64> = self.confusion.iter().enumerate().map(|(place, &count)| change(place, count)).collect();
        let side = usize::from(self.classes) + 2;
        let rows = counts.iter().sum();
        let open: u64 = counts.iter().skip(side - 1).step_by(side).sum();
        OutcomeTally {
            rows,
            labelled: rows - open,
            confusion: Counts::from(counts),
            scores: Vec::new(),
            errors: None,
            ..self.clone()
        }
    }

    /// Whether it was counted on this axis, or on one with as many cells.
    pub fn fits(&self, axis: &OutcomeAxis) -> bool {
        let cells = |grids: &[crate::grid::Grid]| grids.iter().map(|grid| (grid.cells() + 1) * 9).collect::<Vec<_>>();
        usize::from(self.classes) == axis.classes.len()
            && self.scores.iter().map(Counts::len).collect::<Vec<_>>() == cells(&axis.grids)
    }

    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Rows whose label has come.
    pub fn labelled(&self) -> u64 {
        self.labelled
    }

    /// Rows of which this class was chosen and that one turned out; `None` for no choice, and for no label yet. The
    /// number of classes stands for another class.
    pub fn rows_of(&self, chosen: Option<usize>, label: Option<usize>) -> u64 {
        let side = usize::from(self.classes) + 2;
        let place = chosen.unwrap_or(side - 1) * side + label.unwrap_or(side - 1);
        self.confusion.get(place).copied().unwrap_or(0)
    }

    /// One class against all others, of the rows that have a choice and a label.
    pub fn confusion(&self, class: usize) -> Confusion {
        let mut confusion = Confusion::default();
        for chosen in 0..=usize::from(self.classes) {
            for label in 0..=usize::from(self.classes) {
                let rows = self.rows_of(Some(chosen), Some(label));
                match (chosen == class, label == class) {
                    (true, true) => confusion.true_positives += rows,
                    (true, false) => confusion.false_positives += rows,
                    (false, true) => confusion.false_negatives += rows,
                    (false, false) => confusion.true_negatives += rows,
                }
            }
        }
        confusion
    }

    /// Rows of which this class was chosen, and rows of which any was; with a label or without.
    pub fn chosen(&self, class: usize) -> (u64, u64) {
        let of = |chosen: usize| {
            let labels = (0..=usize::from(self.classes)).map(Some).chain([None]);
            labels.map(|label| self.rows_of(Some(chosen), label)).sum::<u64>()
        };
        (of(class), (0..=usize::from(self.classes)).map(of).sum())
    }

    /// The rows by a class's score, in ascending order of cells and those without a score last.
    pub fn scored(&self, class: usize) -> Vec<Scored> {
        let Some(counts) = self.scores.get(class) else { return Vec::new() };
        let without = counts.len() / 9 - 1;
        let scored = |(place, rows): (u32, u64)| {
            let cell = place as usize / 9;
            let (chosen, label) = (Is::of(place / 3), Is::of(place));
            Scored { cell: (cell < without).then_some(cell), chosen, label, rows }
        };
        counts.filled().into_iter().map(scored).collect()
    }

    /// What the rows are expected to be, by a class's score, in ascending order of cells. Empty where it is not known what
    /// scores mean.
    pub fn expected(&self, axis: &OutcomeAxis, class: usize) -> Vec<Expected> {
        let one = |place: u32, rows: u64, positives: f64, slack: f64| {
            let (chosen, label) = (Is::of(place / 3), Is::of(place));
            Expected { cell: place as usize / 9, chosen, label, rows: rows as f64, positives, slack }
        };
        if let Some(expected) = &self.expected {
            return expected.of(class).map(|(at, sum)| one(at, sum.rows, sum.probability(), sum.slack())).collect();
        }
        let scale = axis.calibration.as_ref().filter(|_| axis.is_binary()).and_then(|one| one.classes.get(class));
        let (Some(scale), Some(counts)) = (scale, self.scores.get(class)) else { return Vec::new() };
        let of_cell = |(place, rows): (u32, u64)| {
            let cell = place as usize / 9;
            let (p, slack) = (scale.probabilities.get(cell)?, scale.slack.get(cell)?);
            Some(one(place, rows, p * rows as f64, slack * rows as f64))
        };
        counts.filled().into_iter().filter_map(of_cell).collect()
    }

    /// Chosen class, expected class, and the rows; where there are several classes and it is known what scores mean.
    pub fn expected_confusion(&self) -> impl Iterator<Item = (usize, usize, Sum)> {
        self.expected.iter().flat_map(|expected| expected.confusion())
    }

    pub fn has_scores(&self) -> bool {
        !self.scores.is_empty()
    }

    /// Where answers are numbers, how far they were off.
    pub fn errors(&self) -> Option<&ErrorTally> {
        self.errors.as_deref()
    }
}
