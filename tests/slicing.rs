//! A slice is measured as a log of its rows alone would be, whatever the batches, partitions and restarts.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tidegauge::engine::Effect;
use tidegauge::measurement::Measurement;
use tidegauge::pane::Partition;
use tidegauge::plan::Subscriber;
use tidegauge::time::Time;

use crate::watch::{Record, Watch, monitor};

const START: i64 = 1_767_225_600_000;
const MINUTE: i64 = 60_000;

/// A row: minutes since the one before it, two categories that may be absent, and a number that may be.
#[derive(Clone, Debug)]
struct Row {
    step: i64,
    country: Option<String>,
    sex: Option<String>,
    x: Option<i32>,
}

fn row() -> impl Strategy<Value = Row> {
    let step = prop_oneof![8 => Just(0i64), 1 => Just(1), 1 => 0..3i64];
    let country = prop::option::weighted(0.9, prop::sample::select(vec!["US", "DE", "a,b=c", "~other"]));
    let sex = prop::option::weighted(0.9, prop::sample::select(vec!["F", "M"]));
    (step, country, sex, prop::option::weighted(0.9, -3..8i32)).prop_map(|(step, country, sex, x)| {
        let (country, sex) = (country.map(str::to_owned), sex.map(str::to_owned));
        Row { step, country, sex, x }
    })
}

/// The slices of a row.
fn slices(row: &Row, own: &BTreeSet<Vec<String>>) -> [String; 2] {
    let escaped = |text: &str| text.replace(',', "%2C").replace('=', "%3D").replace('~', "%7E");
    let of = |parts: &[(&str, &Option<String>)]| {
        let values: Option<Vec<String>> = parts.iter().map(|(_, value)| (*value).clone()).collect();
        let values = values.filter(|values| own.contains(values));
        let shown = |at: usize| values.as_ref().map_or("~other".to_owned(), |values| escaped(&values[at]));
        parts
            .iter()
            .enumerate()
            .map(|(at, (subject, _))| format!("{subject}={}", shown(at)))
            .collect::<Vec<_>>()
            .join(",")
    };
    [of(&[("country", &row.country)]), of(&[("sex", &row.sex), ("country", &row.country)])]
}

/// The combinations that have a slice of their own: at least two rows of the reference.
fn own(reference: &[Row]) -> BTreeSet<Vec<String>> {
    let mut rows: BTreeMap<Vec<String>, u32> = BTreeMap::new();
    for row in reference {
        let combinations = [vec![row.country.clone()], vec![row.sex.clone(), row.country.clone()]];
        for values in combinations.into_iter().filter_map(|values| values.into_iter().collect::<Option<Vec<_>>>()) {
            *rows.entry(values).or_default() += 1;
        }
    }
    rows.into_iter().filter(|(_, rows)| *rows >= 2).map(|(values, _)| values).collect()
}

fn watched(reference: &[&Row], slices: &str) -> Subscriber {
    let text = |value: &Option<String>| value.as_ref().map_or(String::new(), |value| format!("\"{value}\""));
    let line = |row: &&Row| {
        let x = row.x.map_or(String::new(), |x| x.to_string());
        format!("{x},{},{},1\n", text(&row.country), text(&row.sex))
    };
    let dataset = "x,country,sex,one\n".to_owned() + &reference.iter().map(line).collect::<String>();
    let yaml = format!(
        "model: m\ninputs: [{{topic: log}}]\nschema:\n  time: ts\n  \
         features: {{x: numeric, country: categorical, sex: categorical, one: categorical}}\n\
         reference: {{dataset: reference.csv}}\nwindow: {{size: 1m, min_rows: 1}}\n\
         drift: {{numeric: [ks], categorical: [psi], underpowered: told}}\n{slices}"
    );
    monitor(&yaml, Some(&dataset))
}

fn record(row: &Row, at: i64) -> Record {
    let mut text = format!(r#"{{"ts":{at},"one":1"#);
    for (key, value) in [("country", &row.country), ("sex", &row.sex)] {
        if let Some(value) = value {
            text += &format!(r#","{key}":"{value}""#);
        }
    }
    if let Some(x) = row.x {
        text += &format!(r#","x":{x}"#);
    }
    (format!("{text}}}").into_bytes(), None)
}

/// Rows with their times.
fn timed(rows: &[Row]) -> Vec<(&Row, i64)> {
    let mut at = START;
    rows.iter()
        .map(|row| {
            at += row.step * MINUTE;
            (row, at)
        })
        .collect()
}

/// All that is measured of logs that are read in batches of this size, one partition after another.
fn measured(subscriber: Subscriber, logs: &[Vec<Record>], batch: usize, restart_every: usize) -> Vec<Measurement> {
    let mut watch = Watch::new(vec![subscriber], 20);
    let partition = |index: usize| Partition { topic: "log".into(), partition: index as i32 };
    watch.assign(&(0..logs.len()).map(partition).collect::<Vec<_>>());
    let longest = logs.iter().map(Vec::len).max().unwrap_or(0);
    for (step, start) in (0..longest).step_by(batch).enumerate() {
        for (index, log) in logs.iter().enumerate().filter(|(_, log)| start < log.len()) {
            watch.load(&partition(index), log[start..log.len().min(start + batch)].to_vec());
        }
        if step % restart_every == restart_every - 1 {
            watch.restart();
        }
    }
    watch.finish();
    let of = |effect: Effect| if let Effect::Measured(all) = effect { all } else { Vec::new() };
    watch.told.effects.drain(..).flat_map(of).collect()
}

/// The figures of each window of a slice, without what says which slice it is and against which reference.
fn figures<'a>(all: impl IntoIterator<Item = &'a Measurement>) -> BTreeMap<(Time, String, String), String> {
    // What is out of range is out of the range of all.
    let compared = |m: &&Measurement| ["x", ""].contains(&m.subject.as_str()) && m.statistic != "out_of_range_rate";
    let of = |m: &Measurement| {
        let key = (m.window_end, m.subject.clone(), m.statistic.clone());
        let plain = Measurement { slice: String::new(), reference: None, ..m.clone() };
        (key, format!("{plain:?}"))
    };
    all.into_iter().filter(compared).map(of).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_slice_is_measured_as_its_rows_alone_would_be(
        reference in prop::collection::vec(row(), 1..60),
        rows in prop::collection::vec(row(), 1..80),
        cut in (1..4usize, 1..30usize, 1..6usize),
    ) {
        let (parts, batch, restart_every) = cut;
        let subscriber = || watched(&reference.iter().collect::<Vec<_>>(), "slices: {by: [country, [sex, country]], min_rows: 2}\n");
        let log: Vec<Record> = timed(&rows).into_iter().map(|(row, at)| record(row, at)).collect();
        let at_once = measured(subscriber(), std::slice::from_ref(&log), usize::MAX >> 1, usize::MAX);
        let split: Vec<Vec<Record>> =
            (0..parts).map(|part| log.iter().skip(part).step_by(parts).cloned().collect()).collect();
        prop_assert_eq!(&measured(subscriber(), &split, batch, restart_every), &at_once);

        let own = own(&reference);
        let names: BTreeSet<String> = rows.iter().flat_map(|row| slices(row, &own)).collect();
        let found: BTreeSet<String> = at_once.iter().map(|m| m.slice.clone()).filter(|name| !name.is_empty()).collect();
        prop_assert_eq!(&found, &names);
        for name in &names {
            let is_in = |row: &Row| slices(row, &own).contains(name);
            let of_slice: Vec<&Row> = reference.iter().filter(|row| is_in(row)).collect();
            // Without a number, a reference of its own says that it does not have the field.
            if of_slice.iter().all(|row| row.x.is_none()) {
                continue;
            }
            let alone = timed(&rows).into_iter().filter(|(row, _)| is_in(row)).map(|(row, at)| record(row, at));
            let alone = measured(watched(&of_slice, ""), &[alone.collect()], 7, usize::MAX);
            prop_assert_eq!(figures(at_once.iter().filter(|m| m.slice == *name)), figures(&alone), "{}", name);
        }

        // The slices of a dimension make up the whole.
        for dimension in ["country=", "sex="] {
            let mut sums: BTreeMap<Time, u64> = BTreeMap::new();
            let of_dimension = at_once.iter().filter(|m| m.statistic == "rows" && m.slice.starts_with(dimension));
            of_dimension.for_each(|m| *sums.entry(m.window_end).or_default() += m.rows);
            let whole = at_once.iter().filter(|m| m.statistic == "rows" && m.slice.is_empty());
            prop_assert_eq!(sums, whole.map(|m| (m.window_end, m.rows)).collect::<BTreeMap<_, _>>());
        }
    }
}
