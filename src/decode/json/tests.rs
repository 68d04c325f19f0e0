//! Tests of the JSON decoder, and how they show what was decoded.

mod cases;
mod properties;

use arrow_array::Array;

use super::Parser;
use crate::rows::{Column, Values, Wanted};
use crate::schema::{Kind, Path};
use crate::time::Time;

const PARSERS: [Parser; 2] = [Parser::Sonic, Parser::SerdeJson];

fn wanted(path: &str, kind: Kind) -> Wanted {
    Wanted::new(Path(path.to_owned()), kind)
}

/// A cell as text: why it is empty, or its value.
fn show(column: &Column, row: usize) -> String {
    let (is_valid, value) = match &column.values {
        // The sign of zero is not kept by every parser, and means nothing here.
        Values::Numeric(array) => (array.is_valid(row), format!("{:?}", array.value(row) + 0.0)),
        Values::Flag(array) => (array.is_valid(row), format!("{:?}", array.value(row))),
        Values::Categorical(array) => (array.is_valid(row), format!("{:?}", array.value(row))),
        Values::Time(array) => (array.is_valid(row), Time(array.value(row)).to_string()),
    };
    assert_eq!(is_valid, column.absent(row).is_none(), "Arrow and the marks say the same");
    column.absent(row).map_or(value, |absent| format!("{absent:?}"))
}
