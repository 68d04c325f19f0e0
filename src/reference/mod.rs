//! References: the axes and the counts that windows are compared with.

mod census;
mod hash;
mod order;
mod slices;
mod survey;

use std::collections::{BTreeMap, HashMap};

use arrow_array::Array;
use serde::{Deserialize, Serialize};

use crate::grid::{Axis, Grid, Vocabulary};
use crate::rows::{Absent, Column, Rows, Values};
use crate::schema::{Field, Kind, Role};
use crate::shard::Axes;
use crate::slice::{Dimension, Slicer, Slicing};
use crate::tally::outcome::OutcomeTally;
use crate::tally::{Chosen, FieldTally, Tally};
use hash::{Hash, hash_of};
use slices::SliceCounter;
pub use slices::{SliceCounts, SliceTallies, Slices};
pub use survey::Survey;

/// The most values that a vocabulary holds. A field with more is an identifier rather than a category, and its rarer
/// values count as unseen, in the reference as in every window.
const MOST_VALUES: usize = 100_000;

/// What windows are compared with: for each subject an axis, and the reference's counts on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    /// The file's name, or `learnt`.
    pub name: String,
    /// The first 16 hex digits of a SHA-256 over every axis and count. It does not depend on the name, nor on the order
    /// of the rows or how they were cut into batches.
    pub hash: String,
    pub rows: u64,
    /// By subject. A field that the reference's rows do not have at all is not here.
    pub fields: BTreeMap<String, Counted>,
    pub slices: Slices,
    /// By what its rows are told apart as groups.
    pub groups: Vec<Dimension>,
    /// What the model said and what turned out, of all rows and by slice and group, where the data says so.
    pub outcomes: Option<Outcomes>,
}

/// What a reference says of outcomes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcomes {
    pub classes: Vec<String>,
    pub whole: OutcomeTally,
    pub slices: BTreeMap<String, OutcomeTally>,
}

impl Outcomes {
    /// Those of a slice or group; `""` is the whole.
    pub fn of(&self, slice: &str) -> Option<&OutcomeTally> {
        if slice.is_empty() { Some(&self.whole) } else { self.slices.get(slice) }
    }
}

/// An axis and what the reference counts on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Counted {
    pub axis: Axis,
    pub tally: FieldTally,
}

impl Reference {
    /// Fixes the axes by the rows, and counts the rows on them. The columns of each batch are in the order of `fields`
    /// and already multiplied by [`Field::scale`].
    pub fn build(name: &str, fields: &[Field], batches: &[Rows], resolution: usize) -> Reference {
        Reference::build_in_slices(name, fields, batches, resolution, &Slicing::default())
    }

    /// The same, and fixes slices and counts the rows of each.
    pub fn build_in_slices(
        name: &str,
        fields: &[Field],
        batches: &[Rows],
        resolution: usize,
        slicing: &Slicing,
    ) -> Reference {
        let columns =
            |place: usize| -> Vec<&Column> { batches.iter().filter_map(|batch| batch.columns.get(place)).collect() };
        let sliced = fields.iter().enumerate().filter(|(_, field)| slicing.is_by(&field.subject));
        let sliced = sliced.map(|(place, field)| (field.subject.as_str(), columns(place)));
        // What no row has cannot tell rows apart.
        let sliced = sliced.filter(|(_, columns)| !columns.iter().all(|column| is_missing(column)));
        let mut slices = SliceCounter::new(slicing, &sliced.collect());
        let mut counted = BTreeMap::new();
        for (place, field) in fields.iter().enumerate() {
            let columns = columns(place);
            if let Some(one) = Counted::of(field, &columns, resolution) {
                slices.count(&field.subject, &one.axis, &columns);
                counted.insert(field.subject.clone(), one);
            }
        }
        Reference::new(name, batches.iter().map(|batch| batch.len() as u64).sum(), counted).with(slices.finish())
    }

    pub fn new(name: &str, rows: u64, fields: BTreeMap<String, Counted>) -> Reference {
        let (slices, groups, outcomes) = (Slices::default(), Vec::new(), None);
        let reference =
            Reference { name: name.to_owned(), hash: String::new(), rows, fields, slices, groups, outcomes };
        Reference { hash: hash_of(&reference), ..reference }
    }

    /// The same reference with these slices.
    pub fn with(self, slices: Slices) -> Reference {
        let reference = Reference { slices, ..self };
        Reference { hash: hash_of(&reference), ..reference }
    }

    /// The same reference, which also tells groups apart.
    pub fn grouped(self, groups: Vec<Dimension>) -> Reference {
        let reference = Reference { groups, ..self };
        Reference { hash: hash_of(&reference), ..reference }
    }

    /// The same, by the columns that it was made of.
    pub fn grouped_by(self, fields: &[Field], batches: &[Rows], grouping: &Slicing) -> Reference {
        let columns = |place: usize| batches.iter().filter_map(|batch| batch.columns.get(place)).collect::<Vec<_>>();
        let of_groups = fields.iter().enumerate().filter(|(_, field)| grouping.is_by(&field.subject));
        let of_groups = of_groups.map(|(place, field)| (field.subject.as_str(), columns(place)));
        let of_groups: BTreeMap<_, _> =
            of_groups.filter(|(_, columns)| !columns.iter().all(|column| is_missing(column))).collect();
        self.grouped(grouping.choose(&of_groups))
    }

    /// The same reference, which also says what turned out.
    pub fn judged(self, outcomes: Option<Outcomes>) -> Reference {
        let reference = Reference { outcomes, ..self };
        Reference { hash: hash_of(&reference), ..reference }
    }

    pub fn axis(&self, subject: &str) -> Option<&Axis> {
        self.fields.get(subject).map(|counted| &counted.axis)
    }

    pub fn tally(&self, subject: &str) -> Option<&FieldTally> {
        self.fields.get(subject).map(|counted| &counted.tally)
    }

    /// What the reference counts in a slice; `""` is the whole.
    pub fn tally_in(&self, slice: &str, subject: &str) -> Option<&FieldTally> {
        if slice.is_empty() { self.tally(subject) } else { self.slices.counts.get(slice)?.tallies.get(subject) }
    }

    /// The slicer of a log with these fields, by those of the reference's dimensions that are still wanted, of slices
    /// and of groups.
    pub fn slicer(&self, fields: &[Field], slicing: &Slicing, grouping: &[Vec<String>]) -> Slicer {
        let wanted = self.slices.dimensions.iter().filter(|dimension| slicing.by.contains(&dimension.subjects));
        let groups = self.groups.iter().filter(|dimension| grouping.contains(&dimension.subjects));
        let is_it = |field: &Field, subject: &str| field.subject == subject && field.kind == Kind::Categorical;
        Slicer::with_groups(wanted, groups, |subject| fields.iter().position(|field| is_it(field, subject)))
    }
}

impl Counted {
    /// Fixes the axis of one field by its columns, one of each batch, and counts them on it. `None` when no row has the
    /// field. Building a reference field by field holds only one column twice in memory.
    pub fn of(field: &Field, columns: &[&Column], resolution: usize) -> Option<Counted> {
        if columns.iter().all(|column| is_missing(column)) {
            return None;
        }
        let axis = axis_of(field, columns, resolution)?;
        let mut tally = FieldTally::empty(&axis);
        for column in columns {
            tally.observe(&axis, column, Chosen::All(column.len()));
        }
        Some(Counted { axis, tally })
    }
}

/// The axes for these fields: the reference's, and a default one for a field that it lacks or that has since become of
/// another kind.
pub fn axes_for(reference: Option<&Reference>, fields: &[Field]) -> Axes {
    let known = |field: &Field| {
        let axis = reference?.axis(&field.subject)?;
        fits(axis, field.kind).then(|| axis.clone())
    };
    let axes: Vec<Axis> = fields.iter().map(|field| known(field).unwrap_or_else(|| default_axis(field))).collect();
    let mut hash = Hash::default();
    hash.text(reference.map_or("", |reference| &reference.hash));
    for (field, axis) in fields.iter().zip(&axes) {
        hash.text(&field.subject);
        hash.axis(axis);
    }
    Axes { hash: hash.finish().into(), axes: axes.into(), slicer: Slicer::default(), answerer: None }
}

fn fits(axis: &Axis, kind: Kind) -> bool {
    match axis {
        Axis::Numeric(_) => kind.is_numeric(),
        Axis::Categorical(_) => kind == Kind::Categorical,
        Axis::Flag => kind == Kind::Flag,
    }
}

/// The axis of a field that no reference describes.
fn default_axis(field: &Field) -> Axis {
    match field.kind {
        Kind::Categorical => Axis::Categorical(Vocabulary::new([])),
        Kind::Flag => Axis::Flag,
        // From a microsecond to a little more than a day, in steps of 2.3 %: quantiles of latencies are wanted even if
        // there is nothing to compare them with.
        Kind::Numeric if field.role == Role::Latency => Axis::Numeric(Grid::logarithmic(-6, 5, 100)),
        // A time is not a measure, and no schema has one among its fields.
        Kind::Numeric | Kind::Confidence | Kind::Entropy | Kind::Time => Axis::Numeric(Grid::new([], false)),
    }
}

/// The axis that these rows fix for a field; `None` for a kind that has none.
fn axis_of(field: &Field, columns: &[&Column], resolution: usize) -> Option<Axis> {
    match field.kind {
        Kind::Numeric | Kind::Confidence | Kind::Entropy => {
            let values: Vec<f64> = columns.iter().flat_map(|column| finite(column)).collect();
            // Without values, a resolution of nought would ask for the quantiles of nothing.
            let grid = if values.is_empty() { None } else { Some(Grid::of(values, resolution)) };
            Some(grid.map_or_else(|| default_axis(field), Axis::Numeric))
        }
        Kind::Categorical => Some(Axis::Categorical(vocabulary(counts(columns)))),
        Kind::Flag => Some(Axis::Flag),
        Kind::Time => None,
    }
}

fn is_missing(column: &Column) -> bool {
    (0..column.len()).all(|row| column.absent(row) == Some(Absent::Missing))
}

fn finite(column: &Column) -> impl Iterator<Item = f64> {
    let values: &[f64] = match &column.values {
        Values::Numeric(array) => array.values(),
        _ => &[],
    };
    let present = move |&(row, value): &(usize, &f64)| value.is_finite() && column.absent(row).is_none();
    values.iter().enumerate().filter(present).map(|(_, &value)| value)
}

/// How many rows have each category.
fn counts<'a>(columns: &[&'a Column]) -> HashMap<&'a str, u64> {
    let mut counts: HashMap<&str, u64> = HashMap::new();
    for column in columns {
        if let Values::Categorical(array) = &column.values {
            for row in (0..array.len()).filter(|&row| column.absent(row).is_none()) {
                *counts.entry(array.value(row)).or_default() += 1;
            }
        }
    }
    counts
}

/// The commonest values, and among equally common ones those that sort first, so that order does not matter.
fn vocabulary<'a>(counts: impl IntoIterator<Item = (&'a str, u64)>) -> Vocabulary {
    let mut values: Vec<(&str, u64)> = counts.into_iter().collect();
    values.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    Vocabulary::new(values.into_iter().take(MOST_VALUES).map(|(value, _)| value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Path;
    use arrow_array::{Float64Array, StringArray};
    use proptest::prelude::*;

    fn field(subject: &str, kind: Kind, role: Role) -> Field {
        Field { subject: subject.into(), path: Path(subject.into()), kind, role, scale: 1.0, disguise: None }
    }

    fn fields() -> Vec<Field> {
        vec![
            field("income", Kind::Numeric, Role::Feature),
            field("purpose", Kind::Categorical, Role::Feature),
            field("error", Kind::Flag, Role::Error),
        ]
    }

    type Row = (Result<f64, Absent>, Result<String, Absent>, Result<bool, Absent>);

    fn column<T: Clone>(cells: &[Result<T, Absent>], values: impl Fn(Vec<Option<T>>) -> Values) -> Column {
        let marks = cells.iter().map(|cell| cell.as_ref().err().map_or(0, |absent| *absent as u8)).collect();
        Column { values: values(cells.iter().map(|cell| cell.clone().ok()).collect()), marks }
    }

    fn batch(rows: &[Row]) -> Rows {
        let numeric = |cells: Vec<Option<f64>>| Values::Numeric(Float64Array::from(cells));
        let text = |cells: Vec<Option<String>>| Values::Categorical(StringArray::from(cells));
        let flag = |cells: Vec<Option<bool>>| {
            Values::Flag(cells.into_iter().map(|cell| cell.map(|yes| f64::from(u8::from(yes)))).collect())
        };
        let columns = vec![
            column(&rows.iter().map(|row| row.0).collect::<Vec<_>>(), numeric),
            column(&rows.iter().map(|row| row.1.clone()).collect::<Vec<_>>(), text),
            column(&rows.iter().map(|row| row.2).collect::<Vec<_>>(), flag),
        ];
        Rows { offsets: (0..rows.len() as i64).collect(), logged: vec![None; rows.len()], columns }
    }

    fn absent() -> impl Strategy<Value = Absent> {
        prop_oneof![Just(Absent::Null), Just(Absent::Missing), Just(Absent::Mistyped)]
    }

    fn cell<T: Clone + std::fmt::Debug>(value: impl Strategy<Value = T>) -> impl Strategy<Value = Result<T, Absent>> {
        prop_oneof![4 => value.prop_map(Ok), 1 => absent().prop_map(Err)]
    }

    fn row() -> impl Strategy<Value = Row> {
        let number = prop_oneof![-5.0..5.0, prop::num::f64::ANY, Just(0.0), Just(-0.0), Just(3.0)];
        (cell(number), cell("[a-z]{0,2}".prop_map(String::from)), cell(any::<bool>()))
    }

    proptest! {
        #[test]
        fn the_hash_does_not_depend_on_the_order_of_rows_or_on_batches(
            (rows, shuffled) in prop::collection::vec(row(), 0..60)
                .prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle())),
            cut in 0..60usize,
            resolution in 1..40usize,
        ) {
            let slicing = Slicing { by: vec![vec!["purpose".into()]], most: 3, min_rows: 2 };
            let build = |name, batches: &[Rows]| {
                Reference::build_in_slices(name, &fields(), batches, resolution, &slicing)
            };
            let once = build("a", &[batch(&rows)]);
            let cut = cut.min(rows.len());
            let parts = [batch(&shuffled[..cut]), batch(&[]), batch(&shuffled[cut..])];
            let again = build("b", &parts);
            prop_assert_eq!(&once.hash, &again.hash);
            prop_assert_eq!(once.hash.len(), 16);
            prop_assert_eq!(&once.fields, &again.fields);
            prop_assert_eq!(&once.slices, &again.slices);
            // What the slices of a dimension count is what the whole counts.
            for (subject, counted) in &once.fields {
                let mut sum = FieldTally::empty(&counted.axis);
                once.slices.counts.values().for_each(|slice| sum.merge(&slice.tallies[subject]));
                prop_assert!(once.slices.counts.is_empty() || sum == counted.tally);
            }
            let unsliced = Reference::build("a", &fields(), &[batch(&rows)], resolution);
            prop_assert_eq!(unsliced.hash == once.hash, once.slices.counts.is_empty());
            let bytes = postcard::to_stdvec(&once).expect("a reference can be written");
            prop_assert_eq!(postcard::from_bytes::<Reference>(&bytes).expect("and read"), once);
        }
    }

    proptest! {
        #[test]
        fn rows_that_are_seen_in_passes_fix_the_same_axes(
            rows in prop::collection::vec(row(), 0..200),
            cut in 1..60usize,
            resolution in 1..40usize,
            memory in 0..2_000usize,
        ) {
            let batches: Vec<Rows> = rows.chunks(cut).map(batch).collect();
            let whole = Reference::build("a", &fields(), &[batch(&rows)], resolution);
            for (place, field) in fields().iter().enumerate() {
                // Categories only get as much as they need to be exact.
                let memory = if field.kind == Kind::Categorical { 1 << 20 } else { memory };
                let mut survey = Survey::new(field, resolution, memory);
                loop {
                    batches.iter().for_each(|batch| survey.observe(&batch.columns[place]));
                    if !survey.end_pass() {
                        break;
                    }
                }
                prop_assert_eq!(survey.axis(), whole.axis(&field.subject).cloned());
            }
        }
    }

    #[test]
    fn the_hash_sees_every_change_of_a_count() {
        let row: Row = (Ok(1.0), Ok("a".into()), Ok(true));
        let changes: [Row; 6] = [
            row.clone(),
            (Ok(2.0), row.1.clone(), row.2),
            (Err(Absent::Null), row.1.clone(), row.2),
            (row.0, Ok("b".into()), row.2),
            (row.0, Err(Absent::Mistyped), row.2),
            (row.0, row.1.clone(), Ok(false)),
        ];
        let hashes: std::collections::BTreeSet<String> = changes
            .into_iter()
            .map(|change| Reference::build("r", &fields(), &[batch(&[row.clone(), change])], 10).hash)
            .collect();
        assert_eq!(hashes.len(), 6);
    }

    #[test]
    fn a_field_that_no_row_has_is_left_out_and_one_that_is_null_is_kept() {
        let rows: [Row; 2] = [
            (Err(Absent::Null), Err(Absent::Missing), Ok(true)),
            (Err(Absent::Missing), Err(Absent::Missing), Ok(false)),
        ];
        let reference = Reference::build("r", &fields(), &[batch(&rows)], 10);
        assert_eq!(reference.rows, 2);
        assert_eq!(reference.fields.keys().collect::<Vec<_>>(), ["error", "income"]);
        assert_eq!(reference.tally("income").map(|tally| tally.presence().null), Some(1));
        assert!(Reference::build("r", &fields(), &[], 0).fields.is_empty());
    }

    #[test]
    fn a_latency_without_values_gets_a_logarithmic_axis() {
        let latency = [field("latency", Kind::Numeric, Role::Latency)];
        let rows = batch(&[(Err(Absent::Null), Err(Absent::Missing), Ok(true))]);
        let reference = Reference::build("r", &latency, &[rows], 10);
        let axes = axes_for(None, &latency);
        assert_eq!(reference.axis("latency"), axes.axes.first());
        let Axis::Numeric(grid) = &axes.axes[0] else { panic!("a latency is a number") };
        assert_eq!(grid.values().len(), 1101);
        assert_eq!(grid.bounds(0).1, 1e-6);
    }

    #[test]
    fn axes_come_from_the_reference_where_it_has_the_field_in_this_kind() {
        let rows = batch(&[(Ok(1.0), Ok("a".into()), Ok(true))]);
        let reference = Reference::build("r", &fields(), &[rows], 10);
        let mut asked = fields();
        let axes = axes_for(Some(&reference), &asked);
        assert_eq!(
            axes.axes.iter().collect::<Vec<_>>(),
            fields().iter().filter_map(|f| reference.axis(&f.subject)).collect::<Vec<_>>()
        );
        asked[1].kind = Kind::Numeric;
        let changed = axes_for(Some(&reference), &asked);
        assert_eq!(changed.axes[1], Axis::Numeric(Grid::new([], false)));
        assert_ne!(changed.hash, axes.hash);
        assert_ne!(axes_for(None, &fields()).hash, axes.hash);
    }

    #[test]
    fn a_vocabulary_keeps_the_commonest_values() {
        let values: Vec<String> = (0..=MOST_VALUES).map(|i| format!("{i:06}")).chain(["099999".to_owned()]).collect();
        let rows: Vec<Row> = values.into_iter().map(|value| (Ok(0.0), Ok(value), Ok(false))).collect();
        let reference = Reference::build("r", &fields(), &[batch(&rows)], 10);
        let Some(FieldTally::Categorical(tally)) = reference.tally("purpose") else { panic!("a category is counted") };
        let Some(Axis::Categorical(vocabulary)) = reference.axis("purpose") else { panic!("on a vocabulary") };
        assert_eq!((vocabulary.values().len(), tally.unseen()), (MOST_VALUES, 1));
        assert_eq!((vocabulary.cell("099999"), vocabulary.cell("100000")), (Some(99_999), None));
    }
}
