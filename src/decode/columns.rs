//! Columns in the making: what decoders put values into, row by row.

use std::fmt::{Display, Write};
use std::mem;

use arrow_array::{Float64Array, Int64Array, StringArray};
use arrow_buffer::{BooleanBufferBuilder, Buffer, NullBuffer, OffsetBuffer};

use super::{Probabilities, Veil};
use crate::rows::{Absent, Column, Reason, Rows, Values, Wanted};
use crate::schema::Kind;
use crate::time::Time;

/// Writes the text by which a number counts as a category: the shortest decimal that reads back as the same double,
/// without an exponent, and without a fraction when it is whole. So 1 and 1.0 are one category.
pub fn write_number(text: &mut String, number: f64) {
    let number = if number == 0.0 { 0.0 } else { number };
    // Writing to a string cannot fail.
    let _ = match number {
        f64::INFINITY => write!(text, "Infinity"),
        f64::NEG_INFINITY => write!(text, "-Infinity"),
        _ => write!(text, "{number}"),
    };
}

/// A value as it stands in a record, before anybody asks of what kind it should be.
#[derive(Clone, Copy)]
pub enum Scalar<'a> {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(&'a str),
    /// An object or an array of which a column wants the probabilities.
    Probabilities(Probabilities),
    /// Any other object or array, which no column can hold.
    Composite,
}

/// A batch in the making: whole rows, and perhaps the beginning of one more.
pub struct Columns {
    offsets: Vec<i64>,
    logged: Vec<Option<Time>>,
    builders: Vec<Builder>,
    /// Bytes that the texts of a column may have together.
    most_text: usize,
    /// Whether they have more with the row in the making.
    is_overfull: bool,
}

impl Columns {
    pub fn new(wanted: &[Wanted]) -> Columns {
        Columns {
            offsets: Vec::new(),
            logged: Vec::new(),
            builders: wanted.iter().map(Builder::new).collect(),
            // Arrow's offsets into the texts of a column are 32 bits.
            most_text: i32::MAX as usize,
            is_overfull: false,
        }
    }

    /// Whether a column wants the probabilities of an object or an array.
    pub fn wants_probabilities(&self, column: usize) -> bool {
        matches!(self.builders[column].cells, Cells::Reduced(..))
    }

    /// How many whole rows there are.
    #[inline]
    pub fn rows(&self) -> usize {
        self.offsets.len()
    }

    /// Puts a value into the row in the making; the last one put into a column is the one that stays.
    #[inline]
    pub fn put(&mut self, column: usize, scalar: Scalar<'_>) {
        let row = self.offsets.len();
        self.is_overfull |= self.builders[column].put(row, scalar) > self.most_text;
    }

    /// Makes the row in the making a whole one. What was not put is missing.
    ///
    /// # Errors
    /// [`Reason::TooLarge`] when the texts of a column would outgrow Arrow's offsets; the row is gone then.
    pub fn commit(&mut self, offset: i64, logged: Option<Time>) -> Result<(), Reason> {
        if self.is_overfull {
            self.discard();
            return Err(Reason::TooLarge);
        }
        let row = self.offsets.len();
        for builder in &mut self.builders {
            if builder.rows == row {
                builder.miss();
            }
        }
        self.offsets.push(offset);
        self.logged.push(logged);
        Ok(())
    }

    /// Forgets the row in the making.
    pub fn discard(&mut self) {
        let row = self.offsets.len();
        self.is_overfull = false;
        self.builders.iter_mut().for_each(|builder| builder.truncate(row));
    }

    /// Takes the whole rows out, and keeps room for as many again.
    pub fn finish(&mut self) -> Rows {
        self.discard();
        Rows {
            columns: self.builders.iter_mut().map(Builder::finish).collect(),
            offsets: taken(&mut self.offsets),
            logged: taken(&mut self.logged),
        }
    }
}

/// One column in the making. It has a value for each whole row, and may have one for the row in the making.
struct Builder {
    rows: usize,
    cells: Cells,
    /// What disguises the texts, where they are not to be kept as they are.
    veil: Option<Veil>,
    /// The rows that have no usable value, in order. Most columns have none, so there is no mark for each row yet.
    absences: Vec<(usize, Absent)>,
}

enum Cells {
    Numeric(Vec<f64>),
    /// Numbers that are made of probabilities, by a function of these.
    Reduced(Vec<f64>, fn(&Probabilities) -> Option<f64>),
    /// The texts one after another; `ends` has a zero first, then where each text ends.
    Categorical {
        text: String,
        ends: Vec<i32>,
    },
    Flag(Vec<f64>),
    Time(Vec<i64>),
}

impl Builder {
    fn new(wanted: &Wanted) -> Builder {
        let cells = match wanted.kind {
            Kind::Numeric => Cells::Numeric(Vec::new()),
            Kind::Confidence => Cells::Reduced(Vec::new(), Probabilities::confidence),
            Kind::Entropy => Cells::Reduced(Vec::new(), Probabilities::entropy),
            Kind::Categorical => Cells::Categorical { text: String::new(), ends: vec![0] },
            Kind::Flag => Cells::Flag(Vec::new()),
            Kind::Time => Cells::Time(Vec::new()),
        };
        Builder { rows: 0, cells, veil: wanted.disguise.clone().map(Veil::new), absences: Vec::new() }
    }

    /// Returns how many bytes the column's texts have then.
    #[inline]
    fn put(&mut self, row: usize, scalar: Scalar<'_>) -> usize {
        if self.rows > row {
            self.truncate(row);
        }
        let mut length = 0;
        let put = match &mut self.cells {
            Cells::Numeric(values) => number(scalar).map(|value| values.push(value)),
            Cells::Reduced(values, reduce) => reduced(scalar, *reduce).map(|value| values.push(value)),
            Cells::Categorical { text, ends } => {
                let written = match &mut self.veil {
                    None => write_category(text, scalar),
                    Some(veil) => veil.write(text, |raw| write_category(raw, scalar)),
                };
                written.map(|()| {
                    length = text.len();
                    // What does not fit is not committed.
                    ends.push(length as i32);
                })
            }
            Cells::Flag(values) => flag(scalar).map(|value| values.push(value)),
            Cells::Time(values) => instant(scalar).map(|value| values.push(value.0)),
        };
        match put {
            Ok(()) => self.rows += 1,
            Err(absent) => self.leave_empty(absent),
        }
        length
    }

    /// Closes a row in which nothing was put.
    fn miss(&mut self) {
        match &mut self.cells {
            Cells::Flag(values) => {
                values.push(0.0);
                self.rows += 1;
            }
            _ => self.leave_empty(Absent::Missing),
        }
    }

    fn leave_empty(&mut self, absent: Absent) {
        match &mut self.cells {
            Cells::Numeric(values) | Cells::Reduced(values, _) | Cells::Flag(values) => values.push(0.0),
            Cells::Categorical { text, ends } => ends.push(text.len() as i32),
            Cells::Time(values) => values.push(0),
        }
        self.absences.push((self.rows, absent));
        self.rows += 1;
    }

    /// Keeps the first so many rows, which are all or all but one.
    fn truncate(&mut self, rows: usize) {
        match &mut self.cells {
            Cells::Numeric(values) | Cells::Reduced(values, _) | Cells::Flag(values) => values.truncate(rows),
            Cells::Categorical { text, ends } => {
                ends.truncate(rows + 1);
                text.truncate(ends[rows] as usize);
            }
            Cells::Time(values) => values.truncate(rows),
        }
        self.rows = rows;
        self.absences.pop_if(|(row, _)| *row >= rows);
    }

    fn finish(&mut self) -> Column {
        let rows = mem::take(&mut self.rows);
        let mut marks = Vec::new();
        let mut nulls = None;
        if !self.absences.is_empty() {
            let mut valid = BooleanBufferBuilder::new(rows);
            valid.append_n(rows, true);
            marks.resize(rows, 0);
            for (row, absent) in self.absences.drain(..) {
                valid.set_bit(row, false);
                marks[row] = absent as u8;
            }
            nulls = Some(NullBuffer::new(valid.finish()));
        }
        let values = match &mut self.cells {
            Cells::Numeric(values) | Cells::Reduced(values, _) => {
                Values::Numeric(Float64Array::new(taken(values).into(), nulls))
            }
            Cells::Flag(values) => Values::Flag(Float64Array::new(taken(values).into(), nulls)),
            Cells::Time(values) => Values::Time(Int64Array::new(taken(values).into(), nulls)),
            Cells::Categorical { text, ends } => {
                let room = text.len();
                let bytes = mem::replace(text, String::with_capacity(room)).into_bytes();
                let offsets = OffsetBuffer::new(taken(ends).into());
                ends.push(0);
                Values::Categorical(StringArray::new(offsets, Buffer::from_vec(bytes), nulls))
            }
        };
        Column { values, marks: marks.into() }
    }
}

/// What a vector holds, leaving it empty with room for as much again.
fn taken<T>(values: &mut Vec<T>) -> Vec<T> {
    let room = values.len();
    mem::replace(values, Vec::with_capacity(room))
}

#[inline]
fn number(scalar: Scalar<'_>) -> Result<f64, Absent> {
    match scalar {
        Scalar::Float(number) => Ok(number),
        Scalar::Unsigned(number) => Ok(number as f64),
        Scalar::Signed(number) => Ok(number as f64),
        Scalar::Text("NaN") => Ok(f64::NAN),
        Scalar::Text("Infinity") => Ok(f64::INFINITY),
        Scalar::Text("-Infinity") => Ok(f64::NEG_INFINITY),
        Scalar::Null => Err(Absent::Null),
        Scalar::Bool(_) | Scalar::Text(_) | Scalar::Probabilities(_) | Scalar::Composite => Err(Absent::Mistyped),
    }
}

/// A number that is made of probabilities; a single one is that of one class out of two.
fn reduced(scalar: Scalar<'_>, reduce: fn(&Probabilities) -> Option<f64>) -> Result<f64, Absent> {
    let probabilities = match scalar {
        Scalar::Probabilities(probabilities) => probabilities,
        single => Probabilities::of_two(number(single)?),
    };
    reduce(&probabilities).ok_or(Absent::Mistyped)
}

#[inline]
fn write_category(text: &mut String, scalar: Scalar<'_>) -> Result<(), Absent> {
    match scalar {
        Scalar::Text(value) => text.push_str(value),
        Scalar::Bool(value) => text.push_str(if value { "true" } else { "false" }),
        Scalar::Float(number) => write_number(text, number),
        Scalar::Unsigned(number) => write_integer(text, number),
        Scalar::Signed(number) => write_integer(text, number),
        Scalar::Null => return Err(Absent::Null),
        Scalar::Probabilities(_) | Scalar::Composite => return Err(Absent::Mistyped),
    }
    Ok(())
}

fn write_integer(text: &mut String, number: impl Display) {
    // Writing to a string cannot fail.
    let _ = write!(text, "{number}");
}

#[inline]
fn flag(scalar: Scalar<'_>) -> Result<f64, Absent> {
    let is_yes = match scalar {
        Scalar::Bool(value) => value,
        Scalar::Unsigned(number) => number != 0,
        Scalar::Signed(number) => number != 0,
        Scalar::Float(number) => number != 0.0,
        Scalar::Text(value) => !value.is_empty(),
        Scalar::Null => false,
        Scalar::Probabilities(_) | Scalar::Composite => return Err(Absent::Mistyped),
    };
    Ok(f64::from(u8::from(is_yes)))
}

// Rows have one time and many numbers: inlined, its arithmetic would be done for each of these, ahead of being needed.
#[inline(never)]
fn instant(scalar: Scalar<'_>) -> Result<Time, Absent> {
    let time = match scalar {
        Scalar::Unsigned(number) => i64::try_from(number).ok().map(Time::from_epoch_integer),
        Scalar::Signed(number) => Some(Time::from_epoch_integer(number)),
        Scalar::Float(number) => Time::from_epoch(number),
        Scalar::Text(text) => match text.trim().parse() {
            Ok(number) => Time::from_epoch(number),
            Err(_) => text.parse().ok(),
        },
        Scalar::Null => return Err(Absent::Null),
        Scalar::Bool(_) | Scalar::Probabilities(_) | Scalar::Composite => None,
    };
    time.ok_or(Absent::Mistyped)
}

#[cfg(test)]
mod tests {
    use super::{Columns, Scalar, write_number};
    use crate::rows::{Reason, Values, Wanted};
    use crate::schema::{Kind, Path};

    #[test]
    fn numbers_have_one_text() {
        for (number, expected) in [
            (1.0, "1"),
            (-0.0, "0"),
            (0.1, "0.1"),
            (-2.50, "-2.5"),
            (1e-7, "0.0000001"),
            (1e21, "1000000000000000000000"),
            (9007199254740993.0, "9007199254740992"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            let mut text = String::new();
            write_number(&mut text, number);
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn a_row_whose_text_does_not_fit_is_too_large_and_gone() {
        let wanted = |path: &str| Wanted::new(Path(path.to_owned()), Kind::Categorical);
        let mut columns = Columns::new(&[wanted("a"), wanted("b")]);
        columns.most_text = 5;
        let mut push = |offset, text| {
            columns.put(0, Scalar::Text(text));
            columns.put(1, Scalar::Text("."));
            columns.commit(offset, None)
        };
        assert_eq!(push(0, "abc"), Ok(()));
        assert_eq!(push(1, "def"), Err(Reason::TooLarge));
        assert_eq!(push(2, "gh"), Ok(()));
        let rows = columns.finish();
        assert_eq!(rows.offsets, [0, 2]);
        let Values::Categorical(texts) = &rows.columns[0].values else { panic!("a categorical column") };
        assert_eq!(texts.iter().flatten().collect::<Vec<_>>(), ["abc", "gh"]);
        assert_eq!(rows.columns[1].len(), 2);
    }
}
