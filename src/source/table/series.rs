//! Reads the values of polars series the way log records are read.

use std::ops::Range;

use arrow_array::Float64Array;
use polars::prelude::{BooleanChunked, DataType, NamedFrom, PolarsResult, Series, TimeUnit};

use crate::decode::{Probabilities, Scalar};
use crate::rows::{Absent, Column, Values};
use crate::schema::Kind;
use crate::time::Time;

/// A series that holds a field, and what has to be known of it to read its values.
pub struct Leaf {
    series: Series,
    /// In a table that nests, the rows where something around the value is null, so that no key leads to the value.
    orphans: Option<BooleanChunked>,
    written: Written,
}

/// The values of some rows of a [`Leaf`].
pub struct Cells {
    series: Series,
    orphans: Vec<bool>,
    written: Written,
    kind: Kind,
}

/// What a text stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Written {
    /// Itself, as the table has types of its own.
    Plainly,
    /// Itself: the values of this column of CSV are neither all numbers nor all yes and no.
    Text,
    /// A number: every value of this column of CSV is one, in the form in which programs write numbers.
    Numbers,
    /// A yes or no, like all of this column of CSV.
    Booleans,
}

impl Leaf {
    /// The series to which these names lead from an outer one.
    pub fn new(outer: &Series, names: &[String]) -> PolarsResult<Leaf> {
        let mut leaf = Leaf { series: outer.clone(), orphans: None, written: Written::Plainly };
        for name in names {
            let absent = leaf.series.is_null();
            leaf.orphans = Some(leaf.orphans.map_or_else(|| absent.clone(), |orphans| &orphans | &absent));
            leaf.series = leaf.series.struct_()?.field_by_name(name)?;
        }
        Ok(leaf)
    }

    /// A series of texts from a file that has no types, all of which stand for the same.
    pub fn of_texts(series: &Series, written: Written) -> Leaf {
        Leaf { series: series.clone(), orphans: None, written }
    }

    /// The values of these rows, where they are numbers by the type of the column and numbers are wanted. It gives what
    /// reading them one by one would, in a tenth of the time.
    pub fn numbers(&self, rows: Range<usize>, kind: Kind) -> PolarsResult<Option<Column>> {
        let dtype = self.series.dtype();
        if kind != Kind::Numeric || self.orphans.is_some() || !(dtype.is_float() || dtype.is_integer()) {
            return Ok(None);
        }
        let series = self.series.slice(rows.start as i64, rows.len()).cast(&DataType::Float64)?;
        let numbers = series.f64()?;
        if numbers.null_count() == 0 {
            let mut values = Vec::with_capacity(rows.len());
            numbers.downcast_iter().for_each(|chunk| values.extend_from_slice(chunk.values()));
            return Ok(Some(Column { values: Values::Numeric(values.into()), marks: [].into() }));
        }
        let mark = |number: Option<f64>| if number.is_none() { Absent::Null as u8 } else { 0 };
        let marks = numbers.iter().map(mark).collect();
        Ok(Some(Column { values: Values::Numeric(Float64Array::from_iter(numbers.iter())), marks }))
    }

    /// The values of these rows, for a column of this kind.
    pub fn cells(&self, rows: Range<usize>, kind: Kind) -> PolarsResult<Cells> {
        let (offset, length) = (rows.start as i64, rows.len());
        let orphans = self.orphans.as_ref().map(|orphans| set(&orphans.slice(offset, length)));
        Ok(Cells {
            series: plain(&self.series.slice(offset, length))?,
            orphans: orphans.unwrap_or_default(),
            written: self.written,
            kind,
        })
    }
}

/// What all the texts of a column that were seen can stand for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forms {
    booleans: bool,
    numbers: bool,
}

impl Default for Forms {
    /// Before any text was seen.
    fn default() -> Forms {
        Forms { booleans: true, numbers: true }
    }
}

impl Forms {
    pub fn observe(&mut self, series: &Series) -> PolarsResult<()> {
        let texts = series.str()?;
        let all = |test: fn(&str) -> bool| texts.iter().flatten().all(test);
        self.booleans = self.booleans && all(|text| boolean(text).is_some());
        self.numbers = self.numbers && all(|text| as_programs_write_it(text).is_some());
        Ok(())
    }

    /// What both columns can stand for.
    pub fn and(self, other: Forms) -> Forms {
        Forms { booleans: self.booleans && other.booleans, numbers: self.numbers && other.numbers }
    }

    /// Whether no further text can change what they stand for.
    pub fn is_settled(self) -> bool {
        !self.booleans && !self.numbers
    }

    pub fn written(self) -> Written {
        match self {
            Forms { booleans: true, .. } => Written::Booleans,
            Forms { numbers: true, .. } => Written::Numbers,
            _ => Written::Text,
        }
    }
}

impl Cells {
    /// The values in order; `None` where no key leads to one.
    pub fn iter(&self) -> PolarsResult<Box<dyn Iterator<Item = Option<Scalar<'_>>> + '_>> {
        if self.kind.is_of_probabilities()
            && let Some(sets) = probabilities(&self.series)?
        {
            let scalar = |set: Option<Probabilities>| set.map_or(Scalar::Null, Scalar::Probabilities);
            let missing = |row: usize| self.orphans.get(row) == Some(&true);
            return Ok(Box::new(
                sets.into_iter().enumerate().map(move |(row, set)| (!missing(row)).then(|| scalar(set))),
            ));
        }
        let values = scalars(&self.series)?;
        let read = |scalar| self.written.read(scalar, self.kind);
        if self.orphans.is_empty() {
            return Ok(Box::new(values.map(move |scalar| Some(read(scalar)))));
        }
        Ok(Box::new(values.zip(&self.orphans).map(move |(scalar, orphan)| (!orphan).then(|| read(scalar)))))
    }
}

/// The series in one of the few types that [`scalars`] reads. An instant becomes the text that JSON would have for it.
fn plain(series: &Series) -> PolarsResult<Series> {
    match series.dtype() {
        DataType::UInt64 => Ok(series.clone()),
        dtype if dtype.is_integer() => series.cast(&DataType::Int64),
        dtype if dtype.is_float() || dtype.is_decimal() => series.cast(&DataType::Float64),
        DataType::Categorical(..) | DataType::Enum(..) => series.cast(&DataType::String),
        DataType::Date => {
            let days = series.to_physical_repr().cast(&DataType::Int64)?;
            instants(&days, |day| day.saturating_mul(86_400_000))
        }
        DataType::Datetime(unit, _) => instants(&series.to_physical_repr(), |ticks| milliseconds(ticks, *unit)),
        _ => Ok(series.clone()),
    }
}

fn milliseconds(ticks: i64, unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Nanoseconds => ticks.div_euclid(1_000_000),
        TimeUnit::Microseconds => ticks.div_euclid(1_000),
        TimeUnit::Milliseconds => ticks,
    }
}

fn instants(series: &Series, millis: impl Fn(i64) -> i64) -> PolarsResult<Series> {
    let text = |ticks: i64| Time(millis(ticks)).to_string();
    let texts: Vec<Option<String>> = series.i64()?.iter().map(|ticks| ticks.map(text)).collect();
    Ok(Series::new(series.name().clone(), texts))
}

fn scalars(series: &Series) -> PolarsResult<Box<dyn Iterator<Item = Scalar<'_>> + '_>> {
    fn or_null<'a, T>(
        values: impl Iterator<Item = Option<T>> + 'a,
        scalar: impl Fn(T) -> Scalar<'a> + 'a,
    ) -> Box<dyn Iterator<Item = Scalar<'a>> + 'a> {
        Box::new(values.map(move |value| value.map_or(Scalar::Null, &scalar)))
    }
    Ok(match series.dtype() {
        DataType::Boolean => or_null(series.bool()?.iter(), Scalar::Bool),
        DataType::String => or_null(series.str()?.iter(), Scalar::Text),
        DataType::UInt64 => or_null(series.u64()?.iter(), Scalar::Unsigned),
        DataType::Int64 => or_null(series.i64()?.iter(), Scalar::Signed),
        DataType::Float64 => or_null(series.f64()?.iter(), Scalar::Float),
        DataType::Null => Box::new((0..series.len()).map(|_| Scalar::Null)),
        _ => {
            let nulls = set(&series.is_null());
            Box::new(nulls.into_iter().map(|null| if null { Scalar::Null } else { Scalar::Composite }))
        }
    })
}

/// The probabilities of each row of lists or of structs with a field for each class; `None` for any other series.
fn probabilities(series: &Series) -> PolarsResult<Option<Vec<Option<Probabilities>>>> {
    fn add(probabilities: &mut Probabilities, value: Option<f64>) {
        // A struct has every class in every row, and null for those that are not there.
        value.into_iter().for_each(|value| probabilities.add(value));
    }
    let numbers = |values: &Series| match values.dtype() {
        dtype if dtype.is_primitive_numeric() || dtype.is_decimal() || dtype.is_null() => {
            values.cast(&DataType::Float64).map(Some)
        }
        _ => Ok(None),
    };
    let mut sets: Vec<Option<Probabilities>> = vec![Some(Probabilities::default()); series.len()];
    match series.dtype() {
        DataType::List(_) => {
            let lists = series.list()?;
            for (row, set) in sets.iter_mut().enumerate() {
                let (Some(all), Some(values)) = (set.as_mut(), &lists.get_as_series(row)) else {
                    *set = None;
                    continue;
                };
                match numbers(values)? {
                    Some(numbers) => numbers.f64()?.iter().for_each(|value| add(all, value)),
                    None => all.spoil(),
                }
            }
        }
        DataType::Struct(_) => {
            for values in series.struct_()?.fields_as_series() {
                let numbers = numbers(&values)?;
                let mut values =
                    numbers.as_ref().map(|numbers| numbers.f64().map(|numbers| numbers.iter())).transpose()?;
                for all in sets.iter_mut().flatten() {
                    match &mut values {
                        Some(values) => add(all, values.next().flatten()),
                        None => all.spoil(),
                    }
                }
            }
            for (set, null) in sets.iter_mut().zip(series.is_null().iter()) {
                if null == Some(true) {
                    *set = None;
                }
            }
        }
        _ => return Ok(None),
    }
    Ok(Some(sets))
}

fn set(mask: &BooleanChunked) -> Vec<bool> {
    mask.iter().map(|bit| bit == Some(true)).collect()
}

impl Written {
    /// What stands there for a column of this kind.
    fn read(self, scalar: Scalar<'_>, kind: Kind) -> Scalar<'_> {
        let Scalar::Text(text) = scalar else { return scalar };
        match (self, kind) {
            (Written::Plainly, _) => scalar,
            // Where the schema says that numbers are meant, any way of writing them will do, and of leaving them out.
            (_, Kind::Numeric | Kind::Confidence | Kind::Entropy | Kind::Time)
                if matches!(text.trim(), "" | "NA" | "null" | "NULL") =>
            {
                Scalar::Null
            }
            (_, Kind::Numeric) => text.trim().parse().map_or(scalar, Scalar::Float),
            (_, Kind::Confidence | Kind::Entropy) => match text.trim().parse() {
                Ok(number) => Scalar::Float(number),
                Err(_) => Probabilities::of_text(text).map_or(scalar, Scalar::Probabilities),
            },
            (Written::Text, _) | (_, Kind::Time) => scalar,
            (Written::Booleans, _) => boolean(text).map_or(scalar, Scalar::Bool),
            (Written::Numbers, _) => as_programs_write_it(text).unwrap_or(scalar),
        }
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

/// A number in the one form in which programs write it. `007`, `1.10` and `1e5` are rather a code, a version and an
/// identifier, and would lose what tells them from `7`, `1.1` and `100000`.
fn as_programs_write_it(text: &str) -> Option<Scalar<'static>> {
    if let Ok(integer) = text.parse::<i64>() {
        return (integer.to_string() == text).then_some(Scalar::Signed(integer));
    }
    let float = text.parse::<f64>().ok().filter(|float| float.is_finite())?;
    (format!("{float:?}") == text && !text.contains('e')).then_some(Scalar::Float(float))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::Columns;
    use crate::rows::Wanted;
    use crate::schema::Path;
    use polars::prelude::IntoSeries;

    fn column(leaf: &Leaf, kind: Kind) -> Column {
        let mut columns = Columns::new(&[Wanted::new(Path("x".into()), kind)]);
        let cells = leaf.cells(0..leaf.series.len(), kind).expect("a readable series");
        for (row, scalar) in cells.iter().expect("readable values").enumerate() {
            if let Some(scalar) = scalar {
                columns.put(0, scalar);
            }
            columns.commit(row as i64, None).expect("room for little texts");
        }
        columns.finish().columns.remove(0)
    }

    /// The values as text; `null`, `missing` and `mistyped` for those that are absent.
    fn shown(column: &Column) -> Vec<String> {
        let value = |row: usize| match &column.values {
            Values::Numeric(array) | Values::Flag(array) => array.value(row).to_string(),
            Values::Categorical(array) => array.value(row).to_owned(),
            Values::Time(array) => Time(array.value(row)).to_string(),
        };
        (0..column.len())
            .map(|row| column.absent(row).map_or_else(|| value(row), |absent| format!("{absent:?}").to_lowercase()))
            .collect()
    }

    #[track_caller]
    fn check(series: Series, kind: Kind, expected: &[&str]) {
        let leaf = Leaf::new(&series, &[]).expect("a series");
        assert_eq!(shown(&column(&leaf, kind)), expected);
        if let Some(numbers) = leaf.numbers(0..series.len(), kind).expect("a readable series") {
            assert_eq!(shown(&numbers), expected);
        }
    }

    #[track_caller]
    fn check_csv(texts: &[&str], kind: Kind, expected: &[&str]) {
        let series = Series::new("x".into(), texts);
        let mut forms = Forms::default();
        forms.observe(&series).expect("texts");
        assert_eq!(shown(&column(&Leaf::of_texts(&series, forms.written()), kind)), expected);
    }

    #[test]
    fn every_type_reads_as_the_json_of_the_same_value() {
        let floats = || Series::new("x".into(), [Some(1.0), Some(-0.5), None, Some(f64::NAN)]);
        check(floats(), Kind::Numeric, &["1", "-0.5", "null", "NaN"]);
        check(floats(), Kind::Categorical, &["1", "-0.5", "null", "NaN"]);
        check(floats(), Kind::Flag, &["1", "1", "0", "1"]);
        let small = || Series::new("x".into(), [Some(0i32), Some(-7), None]);
        check(small(), Kind::Numeric, &["0", "-7", "null"]);
        check(small(), Kind::Categorical, &["0", "-7", "null"]);
        check(small(), Kind::Flag, &["0", "1", "0"]);
        check(Series::new("x".into(), [u64::MAX]), Kind::Categorical, &["18446744073709551615"]);
        check(Series::new("x".into(), [0.1f32]), Kind::Numeric, &["0.10000000149011612"]);
        let flags = || Series::new("x".into(), [Some(true), Some(false), None]);
        check(flags(), Kind::Numeric, &["mistyped", "mistyped", "null"]);
        check(flags(), Kind::Categorical, &["true", "false", "null"]);
        check(flags(), Kind::Flag, &["1", "0", "0"]);
        let texts = || Series::new("x".into(), [Some("NaN"), Some("-Infinity"), Some("1"), Some(""), None]);
        check(texts(), Kind::Numeric, &["NaN", "-inf", "mistyped", "mistyped", "null"]);
        check(texts(), Kind::Categorical, &["NaN", "-Infinity", "1", "", "null"]);
        check(texts(), Kind::Flag, &["1", "1", "1", "0", "0"]);
        let categories = texts().cast(&DataType::from_categories(polars::prelude::Categories::global()));
        check(categories.expect("a cast"), Kind::Categorical, &["NaN", "-Infinity", "1", "", "null"]);
        check(Series::new_null("x".into(), 2), Kind::Numeric, &["null", "null"]);
        let lists = Series::new("x".into(), [Series::new("".into(), [1.0])]);
        check(lists, Kind::Numeric, &["mistyped"]);
    }

    #[test]
    fn instants_are_numbers_texts_or_have_a_type() {
        let at = "2023-11-14T22:13:20Z";
        check(Series::new("x".into(), [1_700_000_000i64, 1_700_000_000_000]), Kind::Time, &[at, at]);
        check(Series::new("x".into(), [1.7e9, f64::NAN]), Kind::Time, &[at, "mistyped"]);
        check(Series::new("x".into(), [at, "yesterday"]), Kind::Time, &[at, "mistyped"]);
        check(Series::new("x".into(), [true]), Kind::Time, &["mistyped"]);
        check_csv(&[at, "1700000000000", "", "x"], Kind::Time, &[at, at, "null", "mistyped"]);
        let ticks = Series::new("x".into(), [Some(1_700_000_000_000_000i64), Some(-1), None]);
        let typed = instants(&ticks, |ticks| milliseconds(ticks, TimeUnit::Microseconds)).expect("integers");
        check(typed.clone(), Kind::Time, &[at, "1969-12-31T23:59:59.999Z", "null"]);
        check(typed, Kind::Categorical, &[at, "1969-12-31T23:59:59.999Z", "null"]);
    }

    #[test]
    fn a_value_whose_parent_is_null_is_missing() {
        let inner = Series::new("b".into(), [Some(1.0), None, Some(3.0)]);
        let outer = polars::prelude::StructChunked::from_series("a".into(), 3, [inner].iter()).expect("a structure");
        let validity = [true, true, false].into_iter().collect();
        let outer = polars::prelude::IntoSeries::into_series(outer.with_outer_validity(Some(validity)));
        let leaf = Leaf::new(&outer, &["b".to_owned()]).expect("a nested column");
        assert_eq!(shown(&column(&leaf, Kind::Numeric)), ["1", "null", "missing"]);
        assert_eq!(shown(&column(&leaf, Kind::Flag)), ["1", "0", "0"]);
        check(outer, Kind::Numeric, &["mistyped", "mistyped", "null"]);
    }

    #[test]
    fn what_a_column_of_csv_holds_is_told_by_all_its_values() {
        check_csv(&["1", "1.0", "2.5"], Kind::Categorical, &["1", "1", "2.5"]);
        check_csv(&["1", "007"], Kind::Categorical, &["1", "007"]);
        check_csv(&["1.0", "1.10"], Kind::Categorical, &["1.0", "1.10"]);
        check_csv(&["1e5"], Kind::Categorical, &["1e5"]);
        check_csv(&["True", "False"], Kind::Categorical, &["true", "false"]);
        check_csv(&["True", "maybe"], Kind::Categorical, &["True", "maybe"]);
        check_csv(&["True", "false"], Kind::Flag, &["1", "0"]);
        check_csv(&["0", "1.0"], Kind::Flag, &["0", "1"]);
        check_csv(&["0", "refused"], Kind::Flag, &["1", "1"]);
        check_csv(&[" 1 ", "+2", "nan", "Inf", "true"], Kind::Numeric, &["1", "2", "NaN", "inf", "mistyped"]);
        check_csv(&["", "NA", "NULL", "none"], Kind::Numeric, &["null", "null", "null", "mistyped"]);
        check_csv(&["NA", "null"], Kind::Categorical, &["NA", "null"]);
    }

    #[test]
    fn probabilities_are_a_list_a_struct_a_text_or_one_number() {
        let halves = Series::new("".into(), [0.5, 0.5]);
        let lists = Series::new("x".into(), [Some(halves.clone()), Some(halves.head(Some(1))), None]);
        check(lists.clone(), Kind::Confidence, &["0.5", "mistyped", "null"]);
        check(lists, Kind::Entropy, &["1", "mistyped", "null"]);
        let texts = Series::new("x".into(), [Series::new("".into(), ["1"])]);
        check(texts, Kind::Confidence, &["mistyped"]);
        let classes = [Series::new("a".into(), [Some(0.75), Some(1.0)]), Series::new("b".into(), [Some(0.25), None])];
        let structs = polars::prelude::StructChunked::from_series("x".into(), 2, classes.iter())
            .expect("a structure")
            .into_series();
        check(structs, Kind::Confidence, &["0.75", "1"]);
        check(Series::new("x".into(), [0.25, 1.5]), Kind::Confidence, &["0.75", "mistyped"]);
        check_csv(
            &["[0.5, 0.5]", "{\"a\": 1}", "0.25", "", "x"],
            Kind::Confidence,
            &["0.5", "1", "0.75", "null", "mistyped"],
        );
    }
}
