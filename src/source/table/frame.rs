//! Some rows of a table in memory, in the columns that were found.

use std::collections::BTreeSet;
use std::ops::Range;

use polars::prelude::{DataFrame, PolarsResult, Series, polars_err};

use super::{Leaf, Shape};
use crate::decode::Columns;
use crate::rows::{Rows, Wanted};

/// For each column that is wanted, the names that lead to it from the outside in, if the table has it.
pub type Names = Vec<Option<Vec<String>>>;

/// Says where in a table the columns are that are wanted.
pub type Locate<'a> = &'a dyn Fn(&Shape) -> Names;

/// Rows of the columns that were found.
pub struct Frame {
    /// In the order in which they were located; a column that was not found has none.
    leaves: Vec<Option<Leaf>>,
    rows: usize,
}

impl Frame {
    /// Follows the names into the columns of a frame; `leaf` is given the place of the column too.
    pub fn new(
        frame: &DataFrame,
        rows: usize,
        names: &Names,
        leaf: impl Fn(usize, &Series, &[String]) -> PolarsResult<Leaf>,
    ) -> PolarsResult<Frame> {
        let leaf = |(place, names): (usize, &Option<Vec<String>>)| {
            let Some(names) = names else { return Ok(None) };
            let (outer, inner) = names.split_first().ok_or_else(|| polars_err!(NoData: "a column without a name"))?;
            leaf(place, frame.column(outer)?.as_materialized_series(), inner).map(Some)
        };
        Ok(Frame { leaves: names.iter().enumerate().map(leaf).collect::<PolarsResult<_>>()?, rows })
    }

    pub fn height(&self) -> usize {
        self.rows
    }

    /// Some rows of the columns, in the order in which they were located.
    pub fn rows(&self, range: Range<usize>, wanted: &[Wanted]) -> PolarsResult<Rows> {
        let numbers = |(leaf, wanted): (&Option<Leaf>, &Wanted)| match leaf {
            Some(leaf) => leaf.numbers(range.clone(), wanted.kind),
            None => Ok(None),
        };
        let mut whole = self.leaves.iter().zip(wanted).map(numbers).collect::<PolarsResult<Vec<_>>>()?;
        let rest: Vec<usize> = (0..wanted.len()).filter(|&place| whole[place].is_none()).collect();
        let cells = |&place: &usize| {
            self.leaves[place].as_ref().map(|leaf| leaf.cells(range.clone(), wanted[place].kind)).transpose()
        };
        let cells = rest.iter().map(cells).collect::<PolarsResult<Vec<_>>>()?;
        let values = cells.iter().map(|cells| cells.as_ref().map(|cells| cells.iter()).transpose());
        let mut values = values.collect::<PolarsResult<Vec<_>>>()?;
        let mut columns = Columns::new(&rest.iter().map(|&place| wanted[place].clone()).collect::<Vec<_>>());
        for row in range {
            for (place, values) in values.iter_mut().enumerate() {
                if let Some(Some(scalar)) = values.as_mut().and_then(Iterator::next) {
                    columns.put(place, scalar);
                }
            }
            let too_long = |_| polars_err!(ComputeError: "the texts before row {row} are too long");
            columns.commit(row as i64, None).map_err(too_long)?;
        }
        let mut rows = columns.finish();
        let mut read = std::mem::take(&mut rows.columns).into_iter();
        rows.columns = whole.iter_mut().filter_map(|column| column.take().or_else(|| read.next())).collect();
        Ok(rows)
    }
}

/// The columns that have to be read for these names.
pub fn outermost(names: &Names) -> BTreeSet<&str> {
    names.iter().flatten().filter_map(|names| names.first()).map(String::as_str).collect()
}
