//! Changes the rows of a stream from some time on, to see what notices it and how soon.

use std::str::FromStr;

use anyhow::{Result, anyhow};
use arrow_array::{Array, Float64Array, Int64Array, StringArray};

use super::Usage;
use crate::config;
use crate::monitor::Monitor;
use crate::plan::TopicPlan;
use crate::reference::Reference;
use crate::rows::{Absent, Column, Rows, Values};
use crate::schema::{Field, Kind};
use crate::tally::FieldTally;
use crate::time::Time;

/// A change of one field, as it is written: `income:shift=0.3sd@2024-05-01T00:00:00Z..2024-06-01T00:00:00Z`.
#[derive(Clone, Debug, PartialEq)]
pub struct Injection {
    /// As it was written.
    pub text: String,
    pub subject: String,
    pub change: Change,
    /// The rows of event time from here on are changed.
    pub from: Time,
    /// The rows from here on no longer are.
    pub until: Time,
}

/// What becomes of a value. A value that is not there stays absent.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A number is added, in the unit of the log, or in standard deviations of the reference.
    Shift { by: f64, in_deviations: bool },
    /// The value is multiplied.
    Scale(f64),
    /// This share of the values, from 0 to 1, becomes null; which ones is decided by their offsets.
    Null(f64),
    /// Every value is this one.
    Constant(String),
    /// The values of another field come in its place, and its own in theirs.
    Swap(String),
}

const LIKE: &str = "write FEATURE:shift=0.3sd@TIME, or scale=1000, null=0.2, constant=5 or swap=OTHER for the shift";

impl FromStr for Injection {
    type Err = String;

    fn from_str(text: &str) -> Result<Injection, String> {
        let (what, when) = text.rsplit_once('@').ok_or(format!("it has no @TIME: {LIKE}"))?;
        let (from, until) = match when.split_once("..") {
            Some((from, until)) => (time(from)?, time(until)?),
            None => (time(when)?, Time::MAX),
        };
        if until <= from {
            return Err(format!("it ends at {until}, before it begins: write the earlier time first"));
        }
        let kinds = ["shift", "scale", "null", "constant", "swap"];
        let split =
            |kind: &'static str| what.split_once(&format!(":{kind}=")).map(|(subject, value)| (kind, subject, value));
        let (kind, subject, value) = kinds.into_iter().find_map(split).ok_or(format!("it says no change: {LIKE}"))?;
        let change = match kind {
            "shift" => {
                let (by, in_deviations) = value.strip_suffix("sd").map_or((value, false), |value| (value, true));
                Change::Shift { by: number(by)?, in_deviations }
            }
            "scale" => Change::Scale(number(value)?),
            "null" => match number(value)? {
                share if (0.0..=1.0).contains(&share) => Change::Null(share),
                share => return Err(format!("{share} is not a share: write a number from 0 to 1")),
            },
            "constant" => Change::Constant(value.to_owned()),
            _ => Change::Swap(value.to_owned()),
        };
        Ok(Injection { text: text.to_owned(), subject: subject.to_owned(), change, from, until })
    }
}

/// Reads a time, or a day, which begins at midnight in UTC.
fn time(text: &str) -> Result<Time, String> {
    let day = || format!("{text}T00:00:00Z").parse();
    text.parse()
        .or_else(|_| day())
        .map_err(|_| format!("`{text}` is not a time: write for example 2024-05-01T12:00:00Z"))
}

fn number(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
    number.ok_or_else(|| format!("`{text}` is not a number: write for example 0.3"))
}

/// An injection into the rows of one topic.
pub struct Injector {
    pub injection: Injection,
    pub topic: String,
    /// Where the columns are among those that are decoded.
    time: usize,
    column: usize,
    other: Option<usize>,
    /// What values are multiplied by when they are counted.
    scale: f64,
    /// The reference's standard deviation, once it is known, as values are counted.
    deviation: Option<f64>,
}

impl Injector {
    /// Finds the columns.
    ///
    /// # Errors
    /// When the monitor has no such field, or the change does not suit it.
    pub fn new(injection: &Injection, monitor: &Monitor, plan: impl Fn(&str) -> TopicPlan) -> Result<Injector, Usage> {
        let field = field(monitor, &injection.subject)?;
        let wrong = |message: String, hint: &str| Usage { message, hint: Some(hint.to_owned()) };
        let name = &field.subject;
        match &injection.change {
            Change::Shift { .. } | Change::Scale(_) if !field.kind.is_numeric() => {
                return Err(wrong(format!("`{name}` is not a number"), "write null=0.2, constant=VALUE or swap=OTHER"));
            }
            Change::Constant(value) if field.kind != Kind::Categorical && value.parse::<f64>().is_err() => {
                return Err(wrong(
                    format!("`{name}` is a number, and `{value}` is not"),
                    "write for example constant=5",
                ));
            }
            _ => {}
        }
        let input = |subject: &str| {
            let place = monitor.fields().iter().position(|field| field.subject == subject);
            monitor.inputs.iter().find(|input| place.is_some_and(|place| input.fields.contains(&place)))
        };
        let topic = input(name).map(|input| input.topic.clone()).unwrap_or_default();
        let (plan, fields) = (plan(&topic), monitor.fields_of(&topic));
        let column = |subject: &str| {
            let place = fields.iter().position(|field| field.subject == subject)?;
            plan.plans.first()?.fields.get(place).map(|counted| counted.column)
        };
        let other = match &injection.change {
            Change::Swap(other) => {
                let other = self::field(monitor, other)?;
                if other.kind.is_numeric() != field.kind.is_numeric() || input(&other.subject) != input(name) {
                    let message = format!("`{name}` and `{}` are not of one kind in one log", other.subject);
                    return Err(wrong(message, "write the name of a field of the same kind"));
                }
                column(&other.subject)
            }
            _ => None,
        };
        let nowhere = || wrong(format!("no log carries `{name}`"), "add it to the `fields` of an input");
        Ok(Injector {
            injection: injection.clone(),
            time: plan.plans.first().map(|plan| plan.time).ok_or_else(nowhere)?,
            column: column(name).ok_or_else(nowhere)?,
            other,
            scale: field.scale,
            deviation: None,
            topic,
        })
    }

    /// Takes note of a reference.
    pub fn learn(&mut self, reference: &Reference) {
        if let Some(FieldTally::Numeric(tally)) = reference.tally(&self.injection.subject) {
            self.deviation = tally.standard_deviation();
        }
    }

    /// The subjects that are changed.
    pub fn subjects(&self) -> Vec<&str> {
        let other = match &self.injection.change {
            Change::Swap(other) => Some(other.as_str()),
            _ => None,
        };
        [self.injection.subject.as_str()].into_iter().chain(other).collect()
    }

    /// Changes the rows of a batch whose time it is.
    ///
    /// # Errors
    /// When a shift is in standard deviations and none is known by then.
    pub fn apply(&self, rows: &mut Rows) -> Result<()> {
        let Values::Time(times) = &rows.columns[self.time].values else { return Ok(()) };
        let window = self.injection.from..self.injection.until;
        let is_due = |row: usize| times.is_valid(row) && window.contains(&Time(times.value(row)));
        let due: Vec<bool> = (0..rows.len()).map(is_due).collect();
        if !due.contains(&true) {
            return Ok(());
        }
        let column = &rows.columns[self.column];
        let changed = match &self.injection.change {
            Change::Shift { by, in_deviations: true } => {
                let deviation = self.deviation.ok_or_else(|| {
                    let subject = &self.injection.subject;
                    anyhow!(
                        "the standard deviation of `{subject}` is not known at {}; write the shift as a number, or a \
                         later time if it is still learnt",
                        self.injection.from
                    )
                })?;
                let by = by * deviation / self.scale;
                rewritten(column, &due, |_, cell| cell.number(|x| x + by))
            }
            Change::Shift { by, .. } => rewritten(column, &due, |_, cell| cell.number(|x| x + by)),
            Change::Scale(factor) => rewritten(column, &due, |_, cell| cell.number(|x| x * factor)),
            Change::Null(share) => rewritten(column, &due, |row, cell| {
                let chance = fastrand::Rng::with_seed(rows.offsets[row] as u64).f64();
                if chance < *share { Cell::Absent(Absent::Null as u8) } else { cell }
            }),
            Change::Constant(value) => {
                let number = value.parse().unwrap_or(f64::NAN);
                rewritten(column, &due, |_, cell| match cell {
                    Cell::Number(_) => Cell::Number(number),
                    Cell::Text(_) => Cell::Text(value),
                    absent => absent,
                })
            }
            Change::Swap(_) => {
                let Some(other) = self.other else { return Ok(()) };
                let theirs = &rows.columns[other];
                let swapped = rewritten(theirs, &due, |row, _| Cell::of(column, row));
                let changed = rewritten(column, &due, |row, _| Cell::of(theirs, row));
                rows.columns[other] = swapped;
                changed
            }
        };
        rows.columns[self.column] = changed;
        Ok(())
    }
}

fn field<'a>(monitor: &'a Monitor, subject: &str) -> Result<&'a Field, Usage> {
    let known = monitor.fields().iter().map(|field| field.subject.as_str());
    monitor.fields().iter().find(|field| field.subject == subject).ok_or_else(|| Usage {
        message: format!("{} has no field `{subject}`", monitor.model),
        hint: config::hint(subject, known),
    })
}

/// One value of a column, or the mark that says why there is none.
#[derive(Clone, Copy)]
enum Cell<'a> {
    Absent(u8),
    Number(f64),
    Text(&'a str),
}

impl<'a> Cell<'a> {
    fn of(column: &'a Column, row: usize) -> Cell<'a> {
        match (column.marks.get(row), &column.values) {
            (Some(&mark), _) if mark != 0 => Cell::Absent(mark),
            (_, Values::Numeric(array) | Values::Flag(array)) => Cell::Number(array.value(row)),
            (_, Values::Categorical(array)) => Cell::Text(array.value(row)),
            (_, Values::Time(array)) => Cell::Number(array.value(row) as f64),
        }
    }

    fn number(self, change: impl Fn(f64) -> f64) -> Cell<'a> {
        match self {
            Cell::Number(number) => Cell::Number(change(number)),
            other => other,
        }
    }
}

/// A column in which the values of some rows are others.
fn rewritten<'a>(column: &'a Column, due: &[bool], change: impl Fn(usize, Cell<'a>) -> Cell<'a>) -> Column {
    let cell = |(row, due): (usize, &bool)| {
        let cell = Cell::of(column, row);
        match if *due { change(row, cell) } else { cell } {
            // To a flag, null is a no.
            Cell::Absent(mark) if mark == Absent::Null as u8 && matches!(column.values, Values::Flag(_)) => {
                Cell::Number(0.0)
            }
            cell => cell,
        }
    };
    let cells: Vec<Cell> = due.iter().enumerate().map(cell).collect();
    let numbers = || cells.iter().map(|cell| if let Cell::Number(number) = cell { Some(*number) } else { None });
    let values = match &column.values {
        Values::Numeric(_) => Values::Numeric(numbers().collect::<Float64Array>()),
        Values::Flag(_) => Values::Flag(numbers().collect::<Float64Array>()),
        Values::Time(_) => Values::Time(numbers().map(|x| x.map(|x| x as i64)).collect::<Int64Array>()),
        Values::Categorical(_) => {
            let text = |cell: &Cell<'a>| if let Cell::Text(text) = cell { Some(*text) } else { None };
            Values::Categorical(cells.iter().map(text).collect::<StringArray>())
        }
    };
    let marks: Vec<u8> = cells.iter().map(|cell| if let Cell::Absent(mark) = cell { *mark } else { 0 }).collect();
    let is_whole = marks.iter().all(|mark| *mark == 0);
    Column { values, marks: if is_whole { Vec::new().into() } else { marks.into() } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_meant() {
        let day = |text: &str| time(text).expect("a time");
        let injection: Injection = "loan:term:shift=-0.3sd@2024-05-01T12:00:00Z".parse().expect("an injection");
        assert_eq!((injection.subject.as_str(), injection.until), ("loan:term", Time::MAX));
        assert_eq!(injection.change, Change::Shift { by: -0.3, in_deviations: true });
        assert_eq!(injection.from, day("2024-05-01T12:00:00Z"));
        let injection: Injection = "mail:constant=a@b:c@2024-05-01..2024-05-02".parse().expect("an injection");
        assert_eq!(injection.change, Change::Constant("a@b:c".into()));
        assert_eq!((injection.from, injection.until), (day("2024-05-01T00:00:00Z"), day("2024-05-02")));
        for wrong in [
            "income",
            "income:shift=1",
            "income@2024-05-01",
            "income:shift=@2024-05-01",
            "income:shift=1sd@soon",
            "income:scale=inf@2024-05-01",
            "income:null=20@2024-05-01",
            "income:null=0.2@2024-05-02..2024-05-01",
        ] {
            assert!(wrong.parse::<Injection>().is_err(), "{wrong}");
        }
    }

    fn numbers(values: Vec<Option<f64>>) -> Column {
        let marks = values.iter().map(|value| if value.is_none() { Absent::Missing as u8 } else { 0 }).collect();
        Column { values: Values::Numeric(values.into()), marks }
    }

    /// The numbers of the first column after a change from 1 s on, of rows at 0 s, 1 s and so on.
    fn changed(change: Change, values: Vec<Option<f64>>) -> (Vec<Option<f64>>, Vec<Option<f64>>) {
        let length = values.len();
        let times: Int64Array = (0..length as i64).map(|second| Some(second * 1000)).collect();
        let other = numbers((0..length).map(|row| Some(100.0 + row as f64)).collect());
        let columns = vec![numbers(values), other, Column { values: Values::Time(times), marks: Vec::new().into() }];
        let mut rows = Rows { offsets: (0..length as i64).collect(), logged: vec![None; length], columns };
        let (text, subject) = (String::new(), String::new());
        let injection = Injection { text, subject, change, from: Time(1000), until: Time(4000) };
        let (topic, deviation) = (String::new(), Some(10.0));
        Injector { injection, topic, time: 2, column: 0, other: Some(1), scale: 0.5, deviation }
            .apply(&mut rows)
            .expect("it can be changed");
        let shown = |column: &Column| match &column.values {
            Values::Numeric(array) => array.iter().collect(),
            _ => Vec::new(),
        };
        (shown(&rows.columns[0]), shown(&rows.columns[1]))
    }

    #[test]
    fn only_values_within_the_time_change() {
        let values = || vec![Some(1.0), Some(1.0), None, Some(2.0), Some(2.0)];
        let check = |change, expected: [Option<f64>; 5]| assert_eq!(changed(change, values()).0, expected);
        check(Change::Shift { by: 1.0, in_deviations: false }, [Some(1.0), Some(2.0), None, Some(3.0), Some(2.0)]);
        // A deviation is of values as they are counted, which here are half of those that are logged.
        check(Change::Shift { by: 0.1, in_deviations: true }, [Some(1.0), Some(3.0), None, Some(4.0), Some(2.0)]);
        check(Change::Scale(1000.0), [Some(1.0), Some(1000.0), None, Some(2000.0), Some(2.0)]);
        check(Change::Constant("5".into()), [Some(1.0), Some(5.0), None, Some(5.0), Some(2.0)]);
        check(Change::Null(1.0), [Some(1.0), None, None, None, Some(2.0)]);
        let (ours, theirs) = changed(Change::Swap("other".into()), values());
        assert_eq!(ours, [Some(1.0), Some(101.0), Some(102.0), Some(103.0), Some(2.0)]);
        assert_eq!(theirs, [Some(100.0), Some(1.0), None, Some(2.0), Some(104.0)]);
    }

    #[test]
    fn as_many_become_null_as_asked_for() {
        // Rows from 4 s on are not changed, so all of these are within the first four seconds.
        let nulls = |share| {
            let times: Int64Array = (0..10_000).map(|_| Some(2000)).collect();
            let column = numbers(vec![Some(1.0); 10_000]);
            let columns = vec![column, Column { values: Values::Time(times), marks: Vec::new().into() }];
            let mut rows = Rows { offsets: (0..10_000).collect(), logged: vec![None; 10_000], columns };
            let (text, subject, change) = (String::new(), String::new(), Change::Null(share));
            let injection = Injection { text, subject, change, from: Time(0), until: Time::MAX };
            let (topic, deviation, other) = (String::new(), None, None);
            let injector = Injector { injection, topic, time: 1, column: 0, other, scale: 1.0, deviation };
            injector.apply(&mut rows).expect("it can be changed");
            (0..10_000).filter(|&row| rows.columns[0].absent(row) == Some(Absent::Null)).count()
        };
        assert_eq!((nulls(0.0), nulls(1.0)), (0, 10_000));
        // Five standard deviations of a binomial are 200.
        assert!((1800..2200).contains(&nulls(0.2)), "{}", nulls(0.2));
    }
}
