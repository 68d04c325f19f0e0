//! Learnt references: what is learnt from, and that windows begin where learning ended, in every partition.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use tidegauge::engine::Effect;
use tidegauge::lane::Lane;
use tidegauge::pane::Partition;
use tidegauge::plan::{Subscriber, TopicPlan};
use tidegauge::reference::axes_for;
use tidegauge::shard::{Learnt, Resumed};
use tidegauge::time::{Span, Time};

use crate::watch::{Watch, monitor};

const START: Time = Time(1_767_225_600_000);
const MINUTE: Span = Span(60_000);

fn learning() -> Subscriber {
    monitor(
        "model: m\ninputs: [{topic: log}]\nschema: {time: at, version: v, features: {x: numeric}}\n\
         reference: {learnt: {rows: 10}}\nwindow: {size: 1m, lateness: 30s, min_rows: 1}\n",
        None,
    )
}

fn partition(number: usize) -> Partition {
    Partition { topic: "log".into(), partition: number as i32 }
}

fn record(at: Time, version: &str, x: i64) -> (Vec<u8>, Option<Time>) {
    (format!(r#"{{"at":{},"v":"{version}","x":{x}}}"#, at.0).into_bytes(), None)
}

/// Where a row is, which version it is of, and when it happened.
type Row = (usize, &'static str, Time);

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let one = (0..3usize, prop_oneof![Just("a"), Just("b")], 0..12_000i64, -70_000..2_000i64);
    prop::collection::vec(one, 1..160).prop_map(|rows| {
        let mut clock = START.0;
        let place = |(partition, version, step, delta)| {
            clock += step;
            (partition, version, Time(clock + delta))
        };
        rows.into_iter().map(place).collect()
    })
}

/// How many rows each window of each version has, and up to where the windows are complete.
fn expected(rows: &[Row]) -> (BTreeMap<(&'static str, Time), u64>, Time) {
    let mut latest: BTreeMap<usize, Time> = BTreeMap::new();
    let (mut counts, mut last) = (BTreeMap::new(), Time::MIN);
    for &(partition, version, at) in rows {
        let latest = latest.entry(partition).or_insert(at);
        if at >= (*latest - Span(30_000)).floor(MINUTE) {
            *latest = at.max(*latest);
            let end = at.floor(MINUTE) + MINUTE;
            *counts.entry((version, end)).or_default() += 1;
            last = last.max(end);
        }
    }
    (counts, last)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// A window holds every row of its time or is not published, however partitions interleave and whenever the process
    /// is killed, also while it learns; and once a version has been learnt none of its windows is left out.
    #[test]
    fn windows_of_learnt_versions_are_whole(
        rows in rows(),
        chunk in 1..20usize,
        restarts in prop::collection::btree_set(0..40usize, 0..4),
    ) {
        let mut watch = Watch::new(vec![learning()], 20);
        watch.assign(&[partition(0), partition(1), partition(2)]);
        for (step, chunk) in rows.chunks(chunk).enumerate() {
            for number in 0..3 {
                let mine = chunk.iter().filter(|(partition, ..)| *partition == number);
                let records: Vec<_> = mine.map(|&(_, version, at)| record(at, version, at.0 % 7)).collect();
                if !records.is_empty() {
                    watch.load(&partition(number), records);
                }
            }
            if restarts.contains(&step) {
                watch.restart();
            }
        }
        watch.finish();
        let (expected, last) = expected(&rows);
        let mut published: BTreeMap<(String, Time), u64> = BTreeMap::new();
        for effect in &watch.told.effects {
            let Effect::Measured(measurements) = effect else { continue };
            for one in measurements.iter().filter(|one| one.statistic == "rows") {
                let before = published.insert((one.version.clone(), one.window_end), one.rows);
                prop_assert_eq!(before, None, "published twice");
            }
        }
        for (version, end) in expected.keys() {
            let first = published.keys().find(|(of, _)| of == version).map_or(last, |(_, first)| *first);
            let is_due = (first..last).contains(end);
            let is = published.get(&((*version).to_owned(), *end));
            prop_assert!(is.is_some() || !is_due, "{} {} is left out", version, end);
            prop_assert!(is.is_none_or(|rows| *rows == expected[&(*version, *end)]), "{} {} has {:?}", version, end, is);
        }
        prop_assert!(published.keys().all(|(version, end)| expected.contains_key(&(version.as_str(), *end))));
    }

    #[test]
    fn what_is_learnt_does_not_depend_on_batches(values in prop::collection::vec((0..90_000i64, 0..5i64), 10..40), cut in 1..40usize) {
        let hash = |chunk: usize| {
            let mut watch = Watch::new(vec![learning()], 20);
            watch.assign(&[partition(0)]);
            let records: Vec<_> = values.iter().map(|(delta, x)| record(Time(START.0 + delta), "a", *x)).collect();
            records.chunks(chunk).for_each(|chunk| watch.load(&partition(0), chunk.to_vec()));
            watch.told.effects.iter().find_map(|effect| match effect {
                Effect::Learnt { known, .. } => Some((known.reference.rows, known.reference.hash.clone())),
                _ => None,
            })
        };
        prop_assert_eq!(hash(cut), hash(1));
        prop_assert!(hash(1).is_none_or(|(rows, _)| rows == 10));
    }
}

/// What a lane that was read up to ten past begins to count, when a version was learnt from then on or nobody knows
/// when.
#[track_caller]
fn check_resumed(subscriber: &Subscriber, from: Time, expected: &[(i64, u64)], is_learnt: bool) {
    let plan = TopicPlan::new(&"log".into(), std::slice::from_ref(subscriber), 20);
    let axes = axes_for(None, &subscriber.monitor.fields_of("log"));
    let (model, version): (Arc<str>, Arc<str>) = ("m".into(), "a".into());
    let resumed = Resumed {
        start: Some(0),
        position: 0,
        latest: [(model.clone(), START + Span(600_000))].into(),
        learnt: [((model, version), Learnt { axes: axes.clone(), from })].into(),
    };
    let mut lane = Lane::new(partition(0), &plan, &resumed);
    let records: Vec<_> = (10..14).map(|minute| record(START + Span(minute * 60_000 + 59_000), "a", 1)).collect();
    let batch = (0..).zip(&records).map(|(offset, (bytes, logged))| (bytes.as_slice(), offset, *logged));
    let mut panes = lane.count(batch).progress.remove(0).closed;
    panes.extend(lane.finish().progress.remove(0).closed);
    let is: Vec<(i64, u64)> = panes.iter().map(|pane| ((pane.key.start.0 - START.0) / 60_000, pane.rows)).collect();
    assert_eq!(is, expected);
    assert!(panes.iter().all(|pane| (pane.axes == axes.hash) == is_learnt));
}

#[test]
fn a_learnt_version_goes_on_from_where_it_began() {
    check_resumed(&learning(), START, &[(10, 1), (11, 1), (12, 1), (13, 1)], true);
    check_resumed(&learning(), START + Span(720_000), &[(12, 1), (13, 1)], true);
}

#[test]
fn where_nobody_knows_what_was_given_away_counting_begins_after_it() {
    check_resumed(&learning(), Time::MIN, &[(11, 1), (12, 1), (13, 1)], true);
}

#[test]
fn a_monitor_that_was_given_a_reference_has_no_use_for_a_learnt_one() {
    let given = monitor(
        "model: m\ninputs: [{topic: log}]\nschema: {time: at, version: v, features: {x: numeric}}\n\
         reference: {dataset: reference.csv}\nwindow: {size: 1m, lateness: 30s, min_rows: 1}\n",
        Some("x\n1\n"),
    );
    check_resumed(&given, START + Span(720_000), &[(10, 1), (11, 1), (12, 1), (13, 1)], false);
}

#[test]
fn time_before_1970_is_cut_as_any_other() {
    let old = monitor(
        "model: m\ninputs: [{topic: log}]\nschema:\n  time: {path: at, earliest: 1960-01-01T00:00:00Z}\n  version: v\n  \
         features: {x: numeric}\nreference: {dataset: reference.csv}\nwindow: {size: 2m, every: 1m, min_rows: 1}\n",
        Some("x\n1\n"),
    );
    let mut watch = Watch::new(vec![old], 20);
    watch.assign(&[partition(0)]);
    let text = |second: i64| (format!(r#"{{"at":"1969-12-31T23:58:{second:02}Z","x":1}}"#).into_bytes(), None);
    watch.load(&partition(0), vec![text(0), text(59), (br#"{"at":"1970-01-01T00:00:00Z"}"#.to_vec(), None)]);
    watch.finish();
    let rows = |effect: &Effect| match effect {
        Effect::Measured(all) => Some((all[0].window_end.to_string(), all[0].rows)),
        _ => None,
    };
    let windows: BTreeSet<(String, u64)> = watch.told.effects.iter().filter_map(rows).collect();
    let expected = [("1969-12-31T23:59:00Z", 2), ("1970-01-01T00:00:00Z", 2), ("1970-01-01T00:01:00Z", 1)];
    assert_eq!(windows, expected.map(|(end, rows)| (end.to_owned(), rows)).into());
}
