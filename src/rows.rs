//! A batch of rows as Arrow columns: what every decoder makes, and what shards and references count.

use std::sync::Arc;

use arrow_array::{Array, Float64Array, Int64Array, StringArray};

use crate::schema::{Disguise, Field, Kind, Path};
use crate::time::Time;

/// A column that is wanted of each row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wanted {
    pub path: Path,
    pub kind: Kind,
    /// What stands in the column for the values of a category, which themselves go no further than the decoder.
    pub disguise: Option<Disguise>,
}

impl Wanted {
    /// A column of the values as they are.
    pub fn new(path: Path, kind: Kind) -> Wanted {
        Wanted { path, kind, disguise: None }
    }

    /// The column of a field.
    pub fn of(field: &Field) -> Wanted {
        Wanted { path: field.path.clone(), kind: field.kind, disguise: field.disguise.clone() }
    }
}

/// Why a row has no usable value in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Absent {
    /// The value is there and null.
    Null = 1,
    /// No key leads to it.
    Missing = 2,
    /// It is of another kind than wanted.
    Mistyped = 3,
}

impl Absent {
    /// The reason that a mark stands for; the mark 0 says that there is a value.
    pub fn of(mark: u8) -> Option<Absent> {
        [Absent::Null, Absent::Missing, Absent::Mistyped].into_iter().find(|absent| *absent as u8 == mark)
    }
}

/// The values of one column. Where the array is null, `marks` has the reason.
#[derive(Clone, Debug)]
pub struct Column {
    pub values: Values,
    /// One mark for each row (see [`Absent`]), or empty when every row has a value.
    pub marks: Arc<[u8]>,
}

/// Arrow arrays by the kind of field; flags are numbers, 0 for no and 1 for yes; times are milliseconds.
#[derive(Clone, Debug)]
pub enum Values {
    Numeric(Float64Array),
    Categorical(StringArray),
    Flag(Float64Array),
    Time(Int64Array),
}

impl Column {
    /// Why a row has no value, `None` when it has one.
    #[inline]
    pub fn absent(&self, row: usize) -> Option<Absent> {
        self.marks.get(row).and_then(|&mark| Absent::of(mark))
    }

    /// The text of a category, where there is one.
    #[inline]
    pub fn text(&self, row: usize) -> Option<&str> {
        match &self.values {
            Values::Categorical(array) if row < array.len() && array.is_valid(row) => Some(array.value(row)),
            _ => None,
        }
    }

    /// A number, where there is one.
    #[inline]
    pub fn number(&self, row: usize) -> Option<f64> {
        match &self.values {
            Values::Numeric(array) if row < array.len() && array.is_valid(row) => Some(array.value(row)),
            _ => None,
        }
    }

    pub fn len(&self) -> usize {
        match &self.values {
            Values::Numeric(array) | Values::Flag(array) => array.len(),
            Values::Categorical(array) => array.len(),
            Values::Time(array) => array.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A column of the rows with these indices.
    pub fn take(&self, rows: &[u32]) -> Column {
        let pick = |array: &Float64Array| -> Float64Array {
            rows.iter().map(|&row| array.is_valid(row as usize).then(|| array.value(row as usize))).collect()
        };
        let values = match &self.values {
            Values::Numeric(array) => Values::Numeric(pick(array)),
            Values::Flag(array) => Values::Flag(pick(array)),
            Values::Categorical(array) => Values::Categorical(
                rows.iter().map(|&row| array.is_valid(row as usize).then(|| array.value(row as usize))).collect(),
            ),
            Values::Time(array) => Values::Time(
                rows.iter().map(|&row| array.is_valid(row as usize).then(|| array.value(row as usize))).collect(),
            ),
        };
        let marks = rows.iter().filter_map(|&row| self.marks.get(row as usize).copied()).collect();
        Column { values, marks }
    }
}

/// A batch of rows. Columns are in the order in which they were wanted.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// For each row, its offset in the partition it came from.
    pub offsets: Vec<i64>,
    /// For each row, when its record was logged, where that is known.
    pub logged: Vec<Option<Time>>,
    pub columns: Vec<Column>,
}

impl Rows {
    pub fn len(&self) -> usize {
        self.offsets.len()
    }

    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// The first so many rows.
    pub fn head(&self, count: usize) -> Rows {
        self.part(0, count)
    }

    /// So many rows from one on, or as many as there are.
    pub fn part(&self, first: usize, count: usize) -> Rows {
        let end = first.saturating_add(count).min(self.len());
        let first = first.min(end);
        let chosen: Vec<u32> = (first as u32..end as u32).collect();
        Rows {
            offsets: self.offsets[first..end].to_vec(),
            logged: self.logged[first..end].to_vec(),
            columns: self.columns.iter().map(|column| column.take(&chosen)).collect(),
        }
    }
}

/// Why a record could not be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The bytes are not a JSON object.
    NotJson,
    /// The bytes are longer than a record may be.
    TooLarge,
    /// No value, or null, where the time should be.
    NoTime,
    /// What stands where the time should be is not a time.
    BadTime,
    /// The time is implausibly early, or ahead of the log.
    TimeOutOfRange,
    /// A label that does not say of which prediction it is.
    NoId,
    /// Nothing usable stands where the label should be.
    NoLabel,
}

impl Reason {
    pub const ALL: [Reason; 7] = [
        Reason::NotJson,
        Reason::TooLarge,
        Reason::NoTime,
        Reason::BadTime,
        Reason::TimeOutOfRange,
        Reason::NoId,
        Reason::NoLabel,
    ];

    /// The value of the label `reason` and of the dead letter's header.
    pub fn name(self) -> &'static str {
        match self {
            Reason::NotJson => "not_json",
            Reason::TooLarge => "too_large",
            Reason::NoTime => "no_time",
            Reason::BadTime => "bad_time",
            Reason::TimeOutOfRange => "time_out_of_range",
            Reason::NoId => "no_id",
            Reason::NoLabel => "no_label",
        }
    }
}

/// A record that was turned away, by its offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejected {
    pub offset: i64,
    pub reason: Reason,
}
