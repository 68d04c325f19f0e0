//! Samples for tests: raw values counted as a shard counts them.

use std::sync::Arc;

use arrow_array::{Array, Float64Array, StringArray};

use super::{Case, Outcomes, Side};
use crate::grid::{Axis, Grid, Vocabulary};
use crate::outcome::{OutcomeAxis, Truth};
use crate::rows::{Column, Values};
use crate::tally::category::CategoryTally;
use crate::tally::outcome::OutcomeTally;
use crate::tally::{Chosen, FieldTally, Presence, Tally};
use crate::time::Span;

/// A window and, perhaps, a reference.
#[derive(Clone, Debug)]
pub struct Sample {
    pub axis: Axis,
    pub reference: Option<FieldTally>,
    pub current: FieldTally,
}

impl Sample {
    /// Numbers on the grid of the reference.
    pub fn numeric(reference: &[f64], current: &[f64], resolution: usize) -> Sample {
        Sample::on(Grid::of(reference.to_vec(), resolution), reference, current)
    }

    /// Numbers on a grid that another sample made, as when a trailing reference is compared.
    pub fn on(grid: Grid, reference: &[f64], current: &[f64]) -> Sample {
        let axis = Axis::Numeric(grid);
        let reference = Some(count(&axis, &numbers(reference)));
        let current = count(&axis, &numbers(current));
        Sample { axis, reference, current }
    }

    /// Texts in the vocabulary of the reference.
    pub fn categorical<T: AsRef<str>>(reference: &[T], current: &[T]) -> Sample {
        let axis = Axis::Categorical(Vocabulary::new(reference.iter().map(|value| value.as_ref().to_string())));
        let reference = Some(count(&axis, &texts(reference)));
        let current = count(&axis, &texts(current));
        Sample { axis, reference, current }
    }

    /// Categories of which there are so many rows: each value of a vocabulary, and last, the unseen ones.
    pub fn counted(reference: &[u64], current: &[u64]) -> Sample {
        let values = (1..reference.len()).map(|value| format!("{value:09}"));
        let axis = Axis::Categorical(Vocabulary::new(values));
        let tally = |counts: &[u64]| {
            let presence = Presence { rows: counts.iter().sum(), ..Presence::default() };
            FieldTally::Categorical(CategoryTally {
                presence,
                counts: counts.to_vec().into(),
                commonest: Default::default(),
            })
        };
        Sample { axis, reference: Some(tally(reference)), current: tally(current) }
    }

    /// Numbers on a grid that no reference made.
    pub fn alone(axis: Axis, current: &[f64]) -> Sample {
        let current = count(&axis, &numbers(current));
        Sample { axis, reference: None, current }
    }
}

/// The question about a sample, with the least demands.
pub fn case(sample: &Sample) -> Case<'_> {
    Case {
        rows: sample.current.presence().rows,
        window: Span(60_000),
        current: Some(Side { axis: &sample.axis, tally: &sample.current }),
        reference: sample.reference.as_ref(),
        attributions: &[],
        outcomes: None,
        min_rows: 1,
        significance: 0.001,
    }
}

pub fn count(axis: &Axis, column: &Column) -> FieldTally {
    let mut tally = FieldTally::empty(axis);
    tally.observe(axis, column, Chosen::All(column.len()));
    tally
}

pub fn numbers(values: &[f64]) -> Column {
    Column { values: Values::Numeric(Float64Array::from(values.to_vec())), marks: Arc::default() }
}

pub fn texts<T: AsRef<str>>(values: &[T]) -> Column {
    let array = StringArray::from_iter_values(values.iter().map(AsRef::as_ref));
    debug_assert_eq!(array.null_count(), 0);
    Column { values: Values::Categorical(array), marks: Arc::default() }
}

/// A row of predictions in a test: the class that was chosen, the score of each class, and the class that turned out.
pub type Judged<'a> = (Option<&'a str>, Vec<f64>, Option<&'a str>);

/// Counts predictions and labels as shards and the join do, on grids that have these scores as their values.
pub fn outcomes(classes: &[&str], resolution: usize, rows: &[Judged<'_>]) -> (OutcomeAxis, OutcomeTally) {
    let scored = rows.iter().map(|row| row.1.len()).max().unwrap_or(0);
    let grid = |class: usize| Grid::of(rows.iter().filter_map(|row| row.1.get(class).copied()).collect(), resolution);
    let axis = OutcomeAxis {
        classes: classes.iter().map(|class| (*class).to_owned()).collect(),
        grids: (0..scored).map(grid).collect(),
        calibration: None,
    };
    let tally = counted_on(&axis, rows);
    (axis, tally)
}

/// Counts rows on the grids of others.
pub fn counted_on(axis: &OutcomeAxis, rows: &[Judged<'_>]) -> OutcomeTally {
    let mut tally = OutcomeTally::empty(axis);
    for (chosen, scores, label) in rows {
        let prediction = axis.prediction(*chosen, scores.iter().copied().map(Some), None);
        tally.add(axis, &prediction, label.map(|label| Truth::Class(axis.class(label))));
    }
    tally
}

/// Counts rows on an axis that knows what scores mean by the labels of a reference.
pub fn counted_again(axis: OutcomeAxis, reference: &OutcomeTally, rows: &[Judged<'_>]) -> (OutcomeAxis, OutcomeTally) {
    let calibration = reference.calibration(&axis).ok().map(Arc::new);
    let axis = OutcomeAxis { calibration, ..axis };
    let tally = counted_on(&axis, rows);
    (axis, tally)
}

/// The same for predicted numbers and their labels.
pub fn numbers_and_labels(rows: &[(f64, f64)]) -> (OutcomeAxis, OutcomeTally) {
    let axis = OutcomeAxis { classes: [].into(), grids: [].into(), calibration: None };
    let mut tally = OutcomeTally::empty(&axis);
    for &(predicted, label) in rows {
        tally.add(&axis, &axis.prediction(None, [], Some(predicted)), Some(Truth::Value(label)));
    }
    (axis, tally)
}

/// The question about outcomes, with the least demands.
pub fn outcome_case<'a>(outcomes: &'a Outcomes<'a>) -> Case<'a> {
    Case {
        rows: outcomes.tally.rows(),
        window: Span(60_000),
        current: None,
        reference: None,
        attributions: &[],
        outcomes: Some(outcomes),
        min_rows: 1,
        significance: 0.001,
    }
}
