//! Samples for tests: raw values counted as a shard counts them.

use std::sync::Arc;

use arrow_array::{Array, Float64Array, StringArray};

use super::{Case, Side};
use crate::grid::{Axis, Grid, Vocabulary};
use crate::rows::{Column, Values};
use crate::tally::category::CategoryTally;
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
