//! What columns a file has and what they hold, where no schema says it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead};

use polars::prelude::{
    ArrowDataType, ArrowField, CsvReadOptions, ParquetReader, PolarsResult, SerReader, StringChunked,
};
use serde_json::Value;

use crate::rows::Reason;

/// The columns of a file, those of nested records by their whole path: in its order, or of lines in alphabetical order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Survey {
    pub rows: u64,
    pub columns: Vec<(String, Holds)>,
}

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    Numbers,
    Texts,
    /// Yes or no.
    Booleans,
    /// Instants, dates, times of day and durations.
    Times,
    /// Nothing but null.
    Nothing,
    /// Lists, bytes and the like, of which nothing is measured.
    Other,
}

/// The most columns that records without a schema may have together. With more, keys are data rather than names.
const MOST_COLUMNS: usize = 10_000;

/// Of values without types, the share that has to be numbers for the column to be numeric. The rest is mistyped then,
/// which is worth knowing, while one `unknown` among numbers must not make thousands of categories of them.
const NUMBERS: (u64, u64) = (9, 10);

/// How many values of each kind a column without a type has.
#[derive(Clone, Copy, Debug, Default)]
struct Kinds {
    numbers: u64,
    /// Texts that JSON has instead of numbers: `NaN` and the infinities.
    numbers_as_text: u64,
    texts: u64,
    booleans: u64,
    others: u64,
    /// Digits in a way in which nobody writes a number, such as `007`: they are codes, and so is the whole column.
    codes: u64,
}

impl Kinds {
    fn holds(self) -> Holds {
        let Kinds { numbers, numbers_as_text, texts, booleans, others, codes } = self;
        let numeric = if numbers > 0 { numbers + numbers_as_text } else { 0 };
        let all = numbers + numbers_as_text + texts + booleans + others + codes;
        if all == 0 {
            Holds::Nothing
        } else if codes == 0 && numeric * NUMBERS.1 >= all * NUMBERS.0 {
            Holds::Numbers
        } else if booleans == all {
            Holds::Booleans
        } else if others == all {
            Holds::Other
        } else {
            Holds::Texts
        }
    }
}

/// By the schema that the file has.
pub fn of_parquet(input: File) -> PolarsResult<Survey> {
    let mut reader = ParquetReader::new(input);
    let rows = reader.num_rows()? as u64;
    let mut columns = Vec::new();
    for field in reader.schema()?.iter_values() {
        nested(field, "", &mut columns);
    }
    Ok(Survey { rows, columns: distinct(columns) })
}

fn nested(field: &ArrowField, outer: &str, columns: &mut Vec<(String, Holds)>) {
    let name = if outer.is_empty() { field.name.to_string() } else { format!("{outer}.{}", field.name) };
    match field.dtype() {
        ArrowDataType::Struct(fields) => fields.iter().for_each(|field| nested(field, &name, columns)),
        dtype => columns.push((name, of_type(dtype))),
    }
}

fn of_type(dtype: &ArrowDataType) -> Holds {
    use ArrowDataType as Type;
    match dtype {
        Type::Null => Holds::Nothing,
        Type::Boolean => Holds::Booleans,
        Type::Utf8 | Type::LargeUtf8 | Type::Utf8View => Holds::Texts,
        Type::Dictionary(_, values, _) => of_type(values),
        Type::Date32 | Type::Date64 | Type::Timestamp(..) => Holds::Times,
        Type::Time32(_) | Type::Time64(_) | Type::Duration(_) | Type::Interval(_) => Holds::Times,
        Type::Int8 | Type::Int16 | Type::Int32 | Type::Int64 => Holds::Numbers,
        Type::UInt8 | Type::UInt16 | Type::UInt32 | Type::UInt64 => Holds::Numbers,
        Type::Float32 | Type::Float64 | Type::Decimal(..) => Holds::Numbers,
        _ => Holds::Other,
    }
}

/// By all values, since the first ones need not be like the rest.
pub fn of_csv(input: File) -> PolarsResult<Survey> {
    let options = CsvReadOptions::default().with_infer_schema_length(Some(0));
    let frame = options.into_reader_with_file_handle(input).finish()?;
    let holds = |column: &polars::prelude::Column| {
        let texts = column.as_materialized_series().str()?;
        Ok((column.name().to_string(), of_texts(texts)))
    };
    let columns = frame.columns().iter().map(holds).collect::<PolarsResult<Vec<_>>>()?;
    Ok(Survey { rows: frame.height() as u64, columns: distinct(columns) })
}

fn of_texts(texts: &StringChunked) -> Holds {
    let mut kinds = Kinds::default();
    for text in texts.iter().flatten().map(str::trim) {
        match text {
            "" | "NA" | "null" | "NULL" => {}
            "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => kinds.booleans += 1,
            _ if is_code(text) => kinds.codes += 1,
            _ if text.parse::<f64>().is_ok() => kinds.numbers += 1,
            _ => kinds.texts += 1,
        }
    }
    kinds.holds()
}

fn is_code(text: &str) -> bool {
    let mut letters = text.trim_start_matches(['+', '-']).chars();
    letters.next() == Some('0') && letters.next().is_some_and(|c| c.is_ascii_digit())
}

/// By all records. A line that is no record is left for those who read the rows to tell of, unless no line is one.
///
/// # Errors
/// Why lines cannot be surveyed.
#[derive(Debug)]
pub enum Fault {
    Io(io::Error),
    /// A line is no record, and no other is.
    Line(u64, Reason),
}

/// What the input says, that there are no records, or that they have too many columns.
pub fn of_lines(mut input: impl BufRead, longest: usize) -> Result<Survey, Fault> {
    let (mut rows, mut line, mut first_fault, mut bytes) = (0, 0, None, Vec::new());
    let mut kinds: BTreeMap<String, Kinds> = BTreeMap::new();
    loop {
        bytes.clear();
        let mut part = io::Read::take(&mut input, longest as u64 + 1);
        if part.read_until(b'\n', &mut bytes).map_err(Fault::Io)? == 0 {
            break;
        }
        line += 1;
        let record = if rows == 0 { bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes) } else { &bytes };
        if record.trim_ascii().is_empty() {
            continue;
        }
        rows += 1;
        match serde_json::from_slice(record) {
            Ok(Value::Object(record)) => record.into_iter().for_each(|(key, value)| note(key, &value, &mut kinds)),
            _ => first_fault = first_fault.or(Some(line)),
        }
        if kinds.len() > MOST_COLUMNS {
            let reason = format!("its records have more than {MOST_COLUMNS} different keys");
            return Err(Fault::Io(io::Error::other(reason)));
        }
    }
    if let Some(line) = first_fault.filter(|_| kinds.is_empty()) {
        return Err(Fault::Line(line, Reason::NotJson));
    }
    Ok(Survey { rows, columns: kinds.into_iter().map(|(name, kinds)| (name, kinds.holds())).collect() })
}

/// Counts a value under its path. What is nested is told apart by its own paths.
fn note(path: String, value: &Value, columns: &mut BTreeMap<String, Kinds>) {
    if let Value::Object(record) = value {
        record.iter().for_each(|(key, value)| note(format!("{path}.{key}"), value, columns));
        return;
    }
    let kinds = columns.entry(path).or_default();
    match value {
        Value::Number(_) => kinds.numbers += 1,
        Value::Bool(_) => kinds.booleans += 1,
        Value::String(text) if matches!(text.as_str(), "NaN" | "Infinity" | "-Infinity") => kinds.numbers_as_text += 1,
        Value::String(_) => kinds.texts += 1,
        Value::Array(_) => kinds.others += 1,
        Value::Null | Value::Object(_) => {}
    }
}

/// The first of the columns of one name: a nested column and one whose own name has the dots cannot be told apart.
fn distinct(columns: Vec<(String, Holds)>) -> Vec<(String, Holds)> {
    let mut names = std::collections::BTreeSet::new();
    columns.into_iter().filter(|(name, _)| names.insert(name.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::NewChunkedArray;

    #[track_caller]
    fn check(texts: &[&str], expected: Holds) {
        assert_eq!(of_texts(&StringChunked::from_slice("x".into(), texts)), expected, "{texts:?}");
    }

    #[test]
    fn texts_are_what_nearly_all_of_them_can_be() {
        check(&["1", " 2.5", "-1e5", "NaN", "", "NA"], Holds::Numbers);
        check(&["1", "2", "3", "4", "5", "6", "7", "8", "9", "unknown"], Holds::Numbers);
        check(&["1", "2", "three"], Holds::Texts);
        check(&["01067", "80331", "20095"], Holds::Texts);
        check(&["0", "0.5", "-0.5"], Holds::Numbers);
        check(&["true", "False", ""], Holds::Booleans);
        check(&["true", "maybe"], Holds::Texts);
        check(&["", "NULL"], Holds::Nothing);
    }

    #[test]
    fn records_have_the_columns_of_all_of_them() {
        let lines =
            "{\"a\":{\"b\":1,\"c.d\":\"x\"},\"e\":null}\n\n{\"e\":[1],\"f\":true}\nno record\n{\"a\":{\"b\":\"NaN\"}}";
        let survey = of_lines(lines.as_bytes(), 1000).expect("lines");
        let columns = [("a.b", Holds::Numbers), ("a.c.d", Holds::Texts), ("e", Holds::Other), ("f", Holds::Booleans)];
        assert_eq!(survey.rows, 4);
        assert_eq!(survey.columns, columns.map(|(name, holds)| (name.to_owned(), holds)));
    }
}
