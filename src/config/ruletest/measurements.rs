//! Reads the figures that go into a test: one for each window.

use super::values::{self, Sample};
use super::{Known, slice, version};
use crate::config::{Item, Map, hint, shown};
use crate::measurement::{Family, Measurement};
use crate::monitor::{Measure, Monitor};
use crate::stat::{self, Of, Statistic};
use crate::time::Window;

/// One figure over all windows of a test.
pub struct Series {
    /// All of it but for the window and what is a window's own.
    of: Measurement,
    values: Vec<Sample>,
    more: Vec<(&'static More, Vec<Sample>)>,
}

/// What a figure has beside its value.
struct More {
    key: &'static str,
    /// Whether it has that without a value as well.
    always: bool,
    is_possible: fn(f64) -> bool,
    like: &'static str,
    put: fn(&mut Measurement, f64),
}

const fn more(
    key: &'static str,
    always: bool,
    is_possible: fn(f64) -> bool,
    like: &'static str,
    put: fn(&mut Measurement, f64),
) -> More {
    More { key, always, is_possible, like, put }
}

fn is_any(_: f64) -> bool {
    true
}

fn is_share(x: f64) -> bool {
    (0.0..=1.0).contains(&x)
}

fn is_positive(x: f64) -> bool {
    x >= 0.0
}

const MORE: [More; 8] = [
    more("rows", true, |x| x >= 0.0 && x.fract() == 0.0, "whole numbers", |m, x| m.rows = x as u64),
    more("p_value", false, is_share, "numbers from 0 to 1", |m, x| m.p_value = Some(x)),
    more("q_value", false, is_share, "numbers from 0 to 1", |m, x| m.q_value = Some(x)),
    more("low", false, is_any, "numbers", |m, x| m.low = Some(x)),
    more("high", false, is_any, "numbers", |m, x| m.high = Some(x)),
    more("error_bound", false, is_positive, "numbers of at least 0", |m, x| m.error_bound = Some(x)),
    more("detectable", true, is_positive, "numbers of at least 0", |m, x| m.detectable = Some(x)),
    more("coverage", true, is_share, "numbers from 0 to 1", |m, x| m.coverage = Some(x)),
];

/// So many that no rule which asks for enough of them is in the way.
const ROWS: u64 = 1_000_000;

impl Series {
    /// How many windows it has something to say of.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// All that is the same of it in every window.
    pub fn of(&self) -> &Measurement {
        &self.of
    }

    pub fn version(&self) -> &str {
        &self.of.version
    }

    pub fn slice(&self) -> &str {
        &self.of.slice
    }

    /// What was measured in one of the windows, counted from 0; `None` when it had no rows.
    pub fn measured(&self, at: usize, window: Window) -> Option<Measurement> {
        let mut measured = Measurement { window_start: window.start, window_end: window.end, ..self.of.clone() };
        match *self.values.get(at)? {
            Sample::Absent => return None,
            Sample::Undefined => measured.undefined = Some("the test says that it is not known".to_owned()),
            Sample::Value(value) => measured.value = Some(value),
        }
        for (more, values) in &self.more {
            // A single value is that of every window.
            let value = if values.len() == 1 { values.first() } else { values.get(at) };
            if let (Some(Sample::Value(value)), true) = (value, more.always || measured.value.is_some()) {
                (more.put)(&mut measured, *value);
            }
        }
        Some(measured)
    }
}

pub fn read(item: Item<'_>, known: &Known<'_>) -> Option<Vec<Series>> {
    let items = item.list()?;
    if items.is_empty() {
        let hint = "write `[{statistic: drift.psi, subject: amount, values: 0.05x3 0.3x2}]`".to_owned();
        item.report("`measurements` is empty", Some(hint));
    }
    let mut all: Vec<Option<Series>> = Vec::new();
    for item in items {
        let series = series(item, known);
        let is_twice = series.as_ref().is_some_and(|new| {
            let names = |m: &Measurement| (m.family, m.statistic.clone(), m.subject.clone());
            let is_same = |old: &Series| {
                (old.version(), old.slice(), names(&old.of)) == (new.version(), new.slice(), names(&new.of))
            };
            all.iter().flatten().any(is_same)
        });
        if is_twice {
            item.report("this figure is written twice", Some("put all its values into one list".to_owned()));
        }
        all.push(series);
    }
    all.into_iter().collect()
}

fn series(item: Item<'_>, known: &Known<'_>) -> Option<Series> {
    let map = item.map()?;
    let row = map.need("statistic", "drift.psi", |item| statistic(item, known.monitor));
    let subject = subject(&map, row, known.monitor);
    let version = map.or("version", known.version.clone(), |item| version(item, known.monitor));
    let slice = map.or("slice", String::new(), |item| slice(item, known.monitor));
    let values = map.need("values", "0.05x10 0.3x4", |item| {
        let (least, most) = row.map_or((f64::NEG_INFINITY, f64::INFINITY), |row| row.range);
        let range = match (least.is_finite(), most.is_finite()) {
            (true, true) => format!("numbers from {least} to {most}"),
            (true, false) => format!("numbers of at least {least}"),
            _ => "numbers".to_owned(),
        };
        samples(item, |x| (least..=most).contains(&x), &range)
    });
    let length = values.as_ref().map(Vec::len);
    let more: Vec<_> = MORE.iter().filter_map(|more| Some((more, aspect(map.find(more.key)?, more, length)))).collect();
    let more = more.into_iter().map(|(more, values)| Some((more, values?))).collect::<Option<Vec<_>>>();
    let row = row?;
    let of = Measurement {
        model: known.monitor.model.clone(),
        version: version?,
        slice: slice?,
        rows: ROWS,
        ..Measurement::new(row.family, &subject?, row.name)
    };
    Some(Series { of, values: values?, more: more? })
}

/// What of a figure goes with its values: one for each, or one for all.
fn aspect(item: Item<'_>, more: &More, length: Option<usize>) -> Option<Vec<Sample>> {
    let values = samples(item, more.is_possible, more.like)?;
    if let Some(length) = length.filter(|&length| values.len() != length && values.len() != 1) {
        let hint = format!("write {length} values, or one for all windows");
        item.report(format!("{item} has {} values, and `values` has {length}", values.len()), Some(hint));
        return None;
    }
    Some(values)
}

fn samples(item: Item<'_>, is_possible: impl Fn(f64) -> bool, what: &str) -> Option<Vec<Sample>> {
    const LIKE: &str = "values such as 0.05x10 0.3 _x2 0.1+0.05x5; `_` has no rows, \"?\" too few to know";
    let text = item.text_like(LIKE)?;
    let samples = match values::parse(text) {
        Ok(samples) => samples,
        Err(fault) => {
            item.report_within(fault.offset, shown(&fault.message), Some(format!("write {LIKE}")));
            return None;
        }
    };
    let wrong = samples.iter().find_map(|sample| match sample {
        Sample::Value(value) if !is_possible(*value) => Some(value),
        _ => None,
    });
    if let Some(value) = wrong {
        item.report(format!("{item} cannot be {value}"), Some(format!("write {what}")));
        return None;
    }
    Some(samples)
}

/// What conditions call a statistic: its family and name.
fn statistic(item: Item<'_>, monitor: &Monitor) -> Option<&'static Statistic> {
    let text = item.text_like("a statistic such as drift.psi")?;
    let mut measured: Vec<String> =
        monitor.measures.iter().map(|measure| measure.statistic).map(|row| row.family.with(row.name)).collect();
    measured.sort();
    measured.dedup();
    let found = text.split_once('.').and_then(|(family, name)| {
        let family = Family::ALL.into_iter().find(|known| known.name() == family)?;
        stat::find(family, name)
    });
    match found {
        Some(row) if measured.contains(&row.family.with(row.name)) => Some(row),
        found => {
            let message = match found {
                Some(_) => format!("`{}` is not measured by this monitor", shown(text)),
                None => format!("unknown statistic `{}`", shown(text)),
            };
            let family = text.split_once('.').map_or("", |(family, _)| family);
            let of_family: Vec<&str> =
                measured.iter().map(String::as_str).filter(|name| name.split('.').next() == Some(family)).collect();
            let known = if of_family.is_empty() { measured.iter().map(String::as_str).collect() } else { of_family };
            item.report(message, hint(text, known));
            None
        }
    }
}

/// What a figure is of: one of the subjects that its statistic has, which is nothing where there is only one.
fn subject(map: &Map<'_>, row: Option<&'static Statistic>, monitor: &Monitor) -> Option<String> {
    let item = map.find("subject");
    let subject = item.map_or(Some(""), Item::text);
    let row = row?;
    let subject = subject?;
    let known = subjects(row, monitor);
    if known.contains(&subject) {
        return Some(subject.to_owned());
    }
    let message = match item {
        Some(_) => format!("`{}` is not measured of `{}`", row.family.with(row.name), shown(subject)),
        None => format!("it is not said of what `{}` is measured", row.family.with(row.name)),
    };
    let hint = match known.as_slice() {
        [""] => Some("leave `subject` out".to_owned()),
        _ => hint(subject, known.iter().copied())
            .filter(|_| item.is_some())
            .or_else(|| Some(format!("write `subject: {}`", known.first()?))),
    };
    item.unwrap_or(map.item()).report(message, hint);
    None
}

fn subjects<'a>(row: &Statistic, monitor: &'a Monitor) -> Vec<&'a str> {
    let classes = || monitor.schema.answers.as_ref().map_or(&[][..], |answers| &answers.classes);
    match row.on.outcomes().map(|asked| asked.of) {
        Some(Of::Class) if classes().len() > 1 => classes().iter().map(String::as_str).collect(),
        Some(Of::Rows | Of::Class) => vec![""],
        Some(Of::Attribute | Of::Group) => monitor.subjects().attributes,
        None if row.on.is_log() => monitor.inputs.iter().map(|input| monitor.subject_of(&input.topic)).collect(),
        None => {
            let is = |measure: &&Measure| measure.statistic.family == row.family && measure.statistic.name == row.name;
            let fields = monitor.measures.iter().filter(is).filter_map(|measure| monitor.fields().get(measure.field?));
            fields.map(|field| field.subject.as_str()).collect()
        }
    }
}
