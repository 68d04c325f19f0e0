//! Reads Parquet and CSV into memory through polars, and only the columns that are wanted.

use std::collections::BTreeSet;
use std::ops::Range;

use polars::io::mmap::MmapBytesReader;
use polars::prelude::{
    ArrowDataType, ArrowField, CsvReadOptions, DataFrame, ParquetReader, PlSmallStr, PolarsResult, SerReader, Series,
    polars_err,
};

use super::{Leaf, Shape};
use crate::decode::Columns;
use crate::rows::{Rows, Wanted};

/// A file for a reader that jumps about in it.
pub type Input = Box<dyn MmapBytesReader>;

/// Says of each column that is wanted which names lead to it, if any.
pub type Locate<'a> = &'a dyn Fn(&Shape) -> Vec<Option<Vec<String>>>;

/// The columns that were found in a table.
pub struct Frame {
    /// In the order in which they were located; a column that was not found has none.
    leaves: Vec<Option<Leaf>>,
    rows: usize,
    shape: Shape,
}

impl Frame {
    pub fn of_parquet(input: Input, locate: Locate) -> PolarsResult<Frame> {
        let mut reader = ParquetReader::new(input);
        let rows = reader.num_rows()?;
        let shape = Shape::Nested(reader.schema()?.iter_values().map(shape).collect());
        let names = locate(&shape);
        let columns: Vec<String> = outermost(&names).into_iter().map(str::to_owned).collect();
        let frame = if columns.is_empty() {
            DataFrame::new(rows, Vec::new())?
        } else {
            reader.with_columns(Some(columns)).finish()?
        };
        Frame::new(shape, &frame, &names, Leaf::new)
    }

    /// Reads every value as text, since what polars would make of the first hundred rows may not hold for the rest.
    pub fn of_csv(mut input: Input, locate: Locate) -> PolarsResult<Frame> {
        let options = CsvReadOptions::default().with_infer_schema_length(Some(0));
        let header = options.clone().with_n_rows(Some(0)).into_reader_with_file_handle(&mut input).finish()?;
        let shape = |name: &PlSmallStr| (name.to_string(), Shape::Value);
        let shape = Shape::Nested(header.get_column_names().into_iter().map(shape).collect());
        let names = locate(&shape);
        // Without any column there would be no rows to count.
        let columns: BTreeSet<&str> = outermost(&names).into_iter().chain(shape.names().next()).collect();
        let columns = columns.into_iter().map(PlSmallStr::from).collect();
        let frame = options.with_columns(Some(columns)).into_reader_with_file_handle(&mut input).finish()?;
        Frame::new(shape, &frame, &names, |series, _| Leaf::of_texts(series))
    }

    fn new(
        shape: Shape,
        frame: &DataFrame,
        names: &[Option<Vec<String>>],
        leaf: impl Fn(&Series, &[String]) -> PolarsResult<Leaf>,
    ) -> PolarsResult<Frame> {
        let leaf = |names: &Vec<String>| {
            let (outer, inner) = names.split_first().ok_or_else(|| polars_err!(NoData: "a column without a name"))?;
            leaf(frame.column(outer)?.as_materialized_series(), inner)
        };
        let leaves = names.iter().map(|names| names.as_ref().map(leaf).transpose()).collect::<PolarsResult<_>>()?;
        Ok(Frame { leaves, rows: frame.height(), shape })
    }

    /// The outermost columns of the table, wanted or not.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.shape.names()
    }

    /// Whether a column was found, by the order in which they were located.
    pub fn has(&self, place: usize) -> bool {
        self.leaves[place].is_some()
    }

    pub fn height(&self) -> usize {
        self.rows
    }

    /// Some rows of the columns from `first` on, in the order in which they were located.
    pub fn rows(&self, range: Range<usize>, first: usize, wanted: &[Wanted]) -> PolarsResult<Rows> {
        let cells = |(leaf, wanted): (&Option<Leaf>, &Wanted)| {
            leaf.as_ref().map(|leaf| leaf.cells(range.clone(), wanted.kind)).transpose()
        };
        let cells = self.leaves[first..].iter().zip(wanted).map(cells).collect::<PolarsResult<Vec<_>>>()?;
        let values = cells.iter().map(|cells| cells.as_ref().map(|cells| cells.iter()).transpose());
        let mut values = values.collect::<PolarsResult<Vec<_>>>()?;
        let mut columns = Columns::new(wanted);
        for row in range {
            for (place, values) in values.iter_mut().enumerate() {
                if let Some(Some(scalar)) = values.as_mut().and_then(Iterator::next) {
                    columns.put(place, scalar);
                }
            }
            let too_long = |_| polars_err!(ComputeError: "the texts before row {row} are too long");
            columns.commit(row as i64, None).map_err(too_long)?;
        }
        Ok(columns.finish())
    }
}

fn outermost(names: &[Option<Vec<String>>]) -> BTreeSet<&str> {
    names.iter().flatten().filter_map(|names| names.first()).map(String::as_str).collect()
}

/// The name and the shape of a column.
fn shape(field: &ArrowField) -> (String, Shape) {
    let shape = match field.dtype() {
        ArrowDataType::Struct(fields) => Shape::Nested(fields.iter().map(shape).collect()),
        ArrowDataType::List(_)
        | ArrowDataType::LargeList(_)
        | ArrowDataType::FixedSizeList(..)
        | ArrowDataType::Map(..) => Shape::Other,
        _ => Shape::Value,
    };
    (field.name.to_string(), shape)
}
