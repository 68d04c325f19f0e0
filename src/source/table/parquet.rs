//! Reads Parquet through polars, some rows at a time, and only the columns that are wanted.

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use polars::io::parquet::metadata::FileMetadataRef;
use polars::prelude::{ArrowDataType, ArrowField, DataFrame, ParallelStrategy, ParquetReader, PolarsResult, SerReader};

use super::frame::{Frame, Locate, Names, outermost};
use super::{Leaf, Shape};

/// Cells that are in memory at once, by each thread that reads.
const MOST_CELLS: usize = 1 << 21;
/// Rows that are read at once, whatever there is of columns. More does not make reading faster.
const MOST_ROWS: usize = 1 << 18;
const LEAST_ROWS: usize = 1 << 13;

/// A file of Parquet in which columns have been located.
#[derive(Clone)]
pub struct Parquet {
    file: Arc<File>,
    metadata: FileMetadataRef,
    shape: Arc<Shape>,
    names: Names,
}

impl Parquet {
    pub fn open(file: File, locate: Locate) -> PolarsResult<Parquet> {
        let mut reader = ParquetReader::new(file.try_clone()?);
        let shape = Shape::Nested(reader.schema()?.iter_values().map(shape).collect());
        let metadata = reader.get_metadata()?.clone();
        let names = locate(&shape);
        Ok(Parquet { file: Arc::new(file), metadata, shape: Arc::new(shape), names })
    }

    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The same file, of which only these columns are read.
    pub fn only(&self, places: &[usize]) -> Parquet {
        Parquet { names: places.iter().map(|&place| self.names[place].clone()).collect(), ..self.clone() }
    }

    pub fn rows(&self) -> usize {
        self.metadata.num_rows
    }

    /// The rows in the parts in which they are best read: whole row groups as far as they are small enough, since what
    /// lies before a part in its group has to be skipped.
    pub fn parts(&self) -> Vec<Range<usize>> {
        let columns = outermost(&self.names).len().max(1);
        let most = (MOST_CELLS / columns).clamp(LEAST_ROWS, MOST_ROWS);
        let groups = self.metadata.row_groups.iter().map(|group| group.num_rows());
        parts(groups, self.rows(), most)
    }

    pub fn frame(&self, rows: Range<usize>) -> PolarsResult<Frame> {
        let columns: Vec<String> = outermost(&self.names).into_iter().map(str::to_owned).collect();
        let frame = if columns.is_empty() {
            DataFrame::new(rows.len(), Vec::new())?
        } else {
            let mut reader = ParquetReader::new(self.file.try_clone()?);
            reader.set_metadata(self.metadata.clone());
            // Any other strategy goes through the groups before the part, too.
            reader
                .read_parallel(ParallelStrategy::RowGroups)
                .with_slice(Some((rows.start, rows.len())))
                .with_columns(Some(columns))
                .finish()?
        };
        Frame::new(&frame, frame.height().min(rows.len()), &self.names, |_, series, inner| Leaf::new(series, inner))
    }
}

/// Cuts rows at the ends of groups where that makes parts of no more than `most` rows, and else where it must.
fn parts(groups: impl Iterator<Item = usize>, rows: usize, most: usize) -> Vec<Range<usize>> {
    let (mut parts, mut start, mut end) = (Vec::new(), 0, 0);
    for group in groups {
        if end + group - start > most && end > start {
            parts.push(start..end);
            start = end;
        }
        end += group;
        while end - start > most {
            parts.push(start..start + most);
            start += most;
        }
    }
    let end = end.min(rows);
    if end > start {
        parts.push(start..end);
    }
    parts
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_parts_are_all_the_rows_and_none_is_too_large(
            groups in prop::collection::vec(0..50usize, 0..20),
            most in 1..40usize,
        ) {
            let rows = groups.iter().sum();
            let parts = parts(groups.into_iter(), rows, most);
            prop_assert!(parts.iter().all(|part| !part.is_empty() && part.len() <= most));
            prop_assert_eq!(parts.into_iter().flatten().collect::<Vec<_>>(), (0..rows).collect::<Vec<_>>());
        }
    }

    #[test]
    fn small_groups_are_read_together_and_large_ones_in_parts() {
        assert_eq!(parts([3, 3, 3].into_iter(), 9, 7), [0..6, 6..9]);
        assert_eq!(parts([3, 16, 2].into_iter(), 21, 7), [0..3, 3..10, 10..17, 17..21]);
    }
}
