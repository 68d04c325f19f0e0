//! Counting is a function of the log: held against a naive computation, whatever the batches, restarts and
//! interleavings.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use tidegauge::engine::Effect;
use tidegauge::lane::Lane;
use tidegauge::measurement::Measurement;
use tidegauge::pane::{Pane, PaneKey, Partition};
use tidegauge::plan::{Subscriber, TopicPlan};
use tidegauge::rows::Reason;
use tidegauge::shard::{OTHER_VERSIONS, Report, Resumed};
use tidegauge::time::{Span, Time, Windowing};

use crate::watch::{Position, Watch, monitor};

const START: i64 = 1_767_225_600_000;
/// Fewer than the logs have, so that some are counted together.
const MOST_VERSIONS: usize = 3;

/// A record of a log, as it is made up.
#[derive(Clone, Debug)]
enum Line {
    /// How far the log's clock went on, how far the event is from it, and what the row says.
    Row {
        step: i64,
        delta: i64,
        version: u8,
        value: Option<i32>,
        is_clock_known: bool,
    },
    Bad(Reason),
}

fn line() -> impl Strategy<Value = Line> {
    let delta =
        prop_oneof![6 => -20_000..5_000i64, 2 => -200_000..0i64, 1 => 0..290_000i64, 1 => -3_000_000..3_000_000i64];
    let step = prop_oneof![8 => 0..15_000i64, 1 => Just(0), 1 => 0..400_000i64];
    let row = (step, delta, 0..6u8, prop::option::weighted(0.9, -3..12i32), prop::bool::weighted(0.7));
    let row = row.prop_map(|(step, delta, version, value, is_clock_known)| {
        // Interleaved versions and runs of one, and sometimes none.
        Line::Row { step, delta, version, value, is_clock_known }
    });
    let bad =
        prop_oneof![Just(Reason::NotJson), Just(Reason::NoTime), Just(Reason::BadTime), Just(Reason::TimeOutOfRange)];
    prop_oneof![12 => row, 1 => bad.prop_map(Line::Bad)]
}

fn windowing() -> impl Strategy<Value = (i64, i64)> {
    (prop_oneof![Just(1i64), Just(3), Just(5)], prop_oneof![Just(0i64), Just(30), Just(60), Just(95)])
}

/// A monitor whose windows have so many panes of a minute.
fn watched(model: &str, panes: i64, lateness: i64, latency: &str) -> Subscriber {
    let yaml = format!(
        "model: {model}\ninputs: [{{topic: log}}]\nschema:\n  time: {{path: at, ahead: 5m}}\n  version: v\n  \
         features: {{x: numeric, kind: {{path: v, type: categorical}}}}\n{latency}reference: {{dataset: reference.csv}}\n\
         window: {{size: {panes}m, every: 1m, lateness: {lateness}s, min_rows: 1}}\n"
    );
    monitor(&yaml, Some("x,kind\n1,a\n2,b\n3,a\n5,b\n8,c\n"))
}

/// A record, when it was logged, and what ought to become of it: the event time, the version and the value, or a
/// reason.
struct Record {
    bytes: Vec<u8>,
    logged: Option<Time>,
    truth: Result<(Time, String, Option<i32>), Reason>,
}

fn records(lines: &[Line]) -> Vec<Record> {
    let mut clock = START;
    let one = |line: &Line| match line {
        Line::Bad(reason) => {
            let text = match reason {
                Reason::NotJson | Reason::TooLarge => r#"{"at": 1767225600"#,
                Reason::NoTime => r#"{"v": "a", "at": null}"#,
                Reason::BadTime => r#"{"at": "yesterday"}"#,
                Reason::TimeOutOfRange => r#"{"at": 12}"#,
                Reason::NoId | Reason::NoLabel => unreachable!("there are no labels here"),
            };
            Record { bytes: text.into(), logged: Some(Time(clock)), truth: Err(*reason) }
        }
        Line::Row { step, delta, version, value, is_clock_known } => {
            clock += step;
            let (at, logged) = (Time(clock + delta), is_clock_known.then_some(Time(clock)));
            let version = ["a", "b", "c", "d", "e", ""][*version as usize];
            let mut text = format!(r#"{{"at":{},"took":{}"#, at.0, at.0.rem_euclid(700));
            if !version.is_empty() {
                text += &format!(r#","v":"{version}""#);
            }
            if let Some(value) = value {
                text += &format!(r#","x":{value}"#);
            }
            text.push('}');
            let is_ahead = logged.is_some() && *delta > 300_000;
            let truth = if is_ahead { Err(Reason::TimeOutOfRange) } else { Ok((at, version.to_owned(), *value)) };
            Record { bytes: text.into(), logged, truth }
        }
    };
    lines.iter().map(one).collect()
}

/// All that came of a log.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    panes: BTreeMap<PaneKey, Pane>,
    rejected: Vec<(i64, Reason)>,
    late: u64,
    counted: u64,
}

impl Outcome {
    fn take(&mut self, report: Report) {
        self.rejected.extend(report.rejected.iter().map(|row| (row.offset, row.reason)));
        for progress in report.progress {
            self.late += progress.late;
            self.counted += progress.counted;
            for pane in progress.closed {
                let before = self.panes.insert(pane.key.clone(), pane.clone());
                assert!(before.is_none(), "a pane was closed twice: {:?}", pane.key);
            }
        }
    }
}

/// Counts a partition's log in batches of these sizes. `crashes` says after how many batches the process is killed, and
/// how many of the last ones had not been stored by then.
fn count(plan: &TopicPlan, log: &[Record], batches: &[usize], crashes: &[(usize, usize)]) -> Outcome {
    let partition = Partition { topic: "log".into(), partition: 7 };
    let mut sizes = batches.iter().cycle().copied();
    let (mut outcome, mut resumed) = (Outcome::default(), Resumed::default());
    for &(lives, lost) in crashes.iter().chain([&(usize::MAX, 0)]) {
        let mut lane = Lane::new(partition.clone(), plan, &resumed);
        let mut from = resumed.start.unwrap_or(0);
        let mut reports = Vec::new();
        while from < log.len() as i64 && reports.len() < lives {
            let to = (from + sizes.next().unwrap_or(1) as i64).min(log.len() as i64);
            let record = |offset: i64| (&log[offset as usize], offset);
            let batch = (from..to).map(record).map(|(record, offset)| (record.bytes.as_slice(), offset, record.logged));
            reports.push(lane.count(batch));
            from = to;
        }
        if lives == usize::MAX {
            reports.push(lane.finish());
        } else {
            reports.truncate(reports.len().saturating_sub(lost));
        }
        if let Some(Position { resume, next, latest }) = reports.last().and_then(Position::of) {
            resumed = Resumed { start: Some(resume), position: next, latest, ..Resumed::default() };
        }
        reports.into_iter().for_each(|report| outcome.take(report));
    }
    outcome
}

/// Which rows of a log count, by their event time and the version under which they do, and how many are late.
struct Naive {
    rows: Vec<(Time, String, Option<i32>)>,
    late: u64,
    /// Up to where panes are closed at the end.
    end: Time,
}

fn naive(log: &[Record], windowing: &Windowing) -> Naive {
    let mut naive = Naive { rows: Vec::new(), late: 0, end: Time::MIN };
    let mut versions: BTreeMap<Time, BTreeSet<String>> = BTreeMap::new();
    let mut frontier = Time::MIN;
    for record in log {
        let Ok((at, version, value)) = &record.truth else { continue };
        if *at < frontier {
            naive.late += 1;
            continue;
        }
        frontier = frontier.max(windowing.frontier(record.logged.map_or(*at, |logged| logged.min(*at))));
        let pane = windowing.pane(*at);
        let apart = versions.entry(pane).or_default();
        let is_apart = apart.contains(version) || (apart.len() < MOST_VERSIONS && apart.insert(version.clone()));
        let version = if is_apart { version.clone() } else { OTHER_VERSIONS.to_owned() };
        naive.end = naive.end.max(pane + windowing.every);
        naive.rows.push((*at, version, *value));
    }
    naive.end = naive.end.max(frontier);
    naive
}

fn plan_of(subscribers: &[Subscriber]) -> TopicPlan {
    TopicPlan::new(&"log".into(), subscribers, MOST_VERSIONS)
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop_oneof![1..4usize, 1..40usize], 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn panes_depend_neither_on_batches_nor_on_restarts(
        lines in prop::collection::vec(line(), 0..120),
        (panes, lateness) in windowing(),
        cuts in (sizes(), sizes()),
        crashes in prop::collection::vec((0..12usize, 0..3usize), 0..5),
    ) {
        let subscribers = [watched("m", panes, lateness, ""), watched("n", 2, 10, "  latency: took\n")];
        let (plan, log) = (plan_of(&subscribers), records(&lines));
        let whole = count(&plan, &log, &[usize::MAX >> 2], &[]);
        prop_assert_eq!(&count(&plan, &log, &cuts.0, &[]), &whole);
        prop_assert_eq!(&count(&plan, &log, &cuts.1, &crashes), &whole);

        // Every record is accounted for, and by each monitor.
        let wrong: Vec<(i64, Reason)> =
            (0..).zip(&log).filter_map(|(offset, record)| Some((offset, record.truth.as_ref().err().copied()?))).collect();
        prop_assert_eq!(&whole.rejected, &wrong);
        prop_assert_eq!(whole.counted + whole.late, 2 * (log.len() - wrong.len()) as u64);
        prop_assert_eq!(whole.panes.values().map(|pane| pane.rows).sum::<u64>(), whole.counted);
        let late = |subscriber: &Subscriber| naive(&log, &subscriber.monitor.windowing).late;
        prop_assert_eq!(whole.late, subscribers.iter().map(late).sum::<u64>());
    }

    #[test]
    fn windows_are_what_a_naive_count_gives_however_partitions_interleave(
        logs in prop::collection::vec(prop::collection::vec(line(), 1..60), 1..4),
        (panes, lateness) in windowing(),
        orders in prop::collection::vec(prop::collection::vec((0..4usize, 1..20usize), 0..30), 2),
        restarts in prop::collection::btree_set(0..30usize, 0..4),
    ) {
        let subscriber = watched("m", panes, lateness, "");
        let logs: Vec<Vec<Record>> = logs.iter().map(|lines| records(lines)).collect();
        let published = publish(&subscriber, &logs, &[], &BTreeSet::new());
        prop_assert_eq!(&publish(&subscriber, &logs, &orders[0], &BTreeSet::new()), &published);
        prop_assert_eq!(&publish(&subscriber, &logs, &orders[1], &restarts), &published);
        prop_assert_eq!(figures(&published), expected(&subscriber, &logs));
    }
}

/// Everything that is measured when the partitions' logs come in this order, and after it whatever is left of them.
fn publish(
    subscriber: &Subscriber,
    logs: &[Vec<Record>],
    order: &[(usize, usize)],
    restarts: &BTreeSet<usize>,
) -> Vec<Measurement> {
    let mut watch = Watch::new(vec![subscriber.clone()], MOST_VERSIONS);
    let partition = |index: usize| Partition { topic: "log".into(), partition: index as i32 };
    watch.assign(&(0..logs.len()).map(partition).collect::<Vec<_>>());
    let mut at = vec![0; logs.len()];
    let rest: Vec<(usize, usize)> = (0..logs.len()).map(|index| (index, usize::MAX >> 1)).collect();
    for (step, &(index, count)) in order.iter().chain(&rest).enumerate() {
        let index = index % logs.len();
        let to = logs[index].len().min(at[index] + count);
        let records = logs[index][at[index]..to].iter().map(|record| (record.bytes.clone(), record.logged));
        watch.load(&partition(index), records.collect());
        at[index] = to;
        if restarts.contains(&step) {
            watch.restart();
        }
    }
    watch.finish();
    let measured = |effect: Effect| match effect {
        Effect::Measured(measurements) => measurements,
        _ => Vec::new(),
    };
    watch.told.effects.drain(..).flat_map(measured).collect()
}

type Figures = BTreeMap<(Time, String), (u64, Option<f64>)>;

/// For each window's end and version, the rows, and the fraction of them that have no `x`.
fn figures(measurements: &[Measurement]) -> Figures {
    let mut figures = Figures::new();
    for one in measurements {
        let key = (one.window_end, one.version.clone());
        assert!(one.window_end.0 % 60_000 == 0 && one.revision == 0);
        match (one.statistic.as_str(), one.subject.as_str()) {
            ("rows", _) => {
                assert_eq!(one.value, Some(one.rows as f64));
                let before = figures.entry(key).or_default().0;
                assert_eq!(before, 0, "a window was published twice");
                figures.entry(key_of(one)).or_default().0 = one.rows;
            }
            ("missing_rate", "x") => figures.entry(key).or_default().1 = one.value,
            _ => {}
        }
    }
    figures
}

fn key_of(one: &Measurement) -> (Time, String) {
    (one.window_end, one.version.clone())
}

fn expected(subscriber: &Subscriber, logs: &[Vec<Record>]) -> Figures {
    let windowing = &subscriber.monitor.windowing;
    let parts: Vec<Naive> = logs.iter().map(|log| naive(log, windowing)).collect();
    let last = parts.iter().map(|part| part.end).max().unwrap_or(Time::MIN);
    let mut counts: BTreeMap<(Time, String), (u64, u64)> = BTreeMap::new();
    for (at, version, value) in parts.iter().flat_map(|part| &part.rows) {
        let first = windowing.pane(*at) + windowing.every;
        for step in 0..windowing.size.0 / windowing.every.0 {
            let end = first + Span(step * windowing.every.0);
            if end <= last {
                let count = counts.entry((end, version.clone())).or_default();
                *count = (count.0 + 1, count.1 + u64::from(value.is_none()));
            }
        }
    }
    counts.into_iter().map(|(key, (rows, missing))| (key, (rows, Some(missing as f64 / rows as f64)))).collect()
}

#[track_caller]
fn check_rows(log: &[(&str, Option<i64>)], panes: &[(i64, u64)], frontier: i64, rejected: &[(i64, Reason)], late: u64) {
    let subscribers = [watched("m", 1, 0, ""), watched("n", 5, 0, "")];
    let mut lane =
        Lane::new(Partition { topic: "log".into(), partition: 0 }, &plan_of(&subscribers), &Resumed::default());
    let minute = |minute: i64| Time(START + minute * 60_000);
    let records: Vec<(String, Option<Time>)> =
        log.iter().map(|(text, at)| (text.replace("START", &START.to_string()), at.map(minute))).collect();
    let batch = (0..).zip(&records).map(|(offset, (text, logged))| (text.as_bytes(), offset, *logged));
    let report = lane.count(batch);
    let is: Vec<(i64, Reason)> = report.rejected.iter().map(|row| (row.offset, row.reason)).collect();
    assert_eq!(is, rejected);
    assert_eq!(report.progress.len(), 2);
    for progress in &report.progress {
        assert_eq!((progress.frontier, progress.late), (minute(frontier), late));
    }
    let mut closed: BTreeMap<i64, u64> = BTreeMap::new();
    for pane in report.progress[0].closed.iter().chain(&lane.finish().progress[0].closed) {
        *closed.entry((pane.key.start.0 - START) / 60_000).or_default() += pane.rows;
    }
    assert_eq!(closed.into_iter().collect::<Vec<_>>(), panes);
}

fn at(minute: i64) -> String {
    format!(r#"{{"at":{}}}"#, START + minute * 60_000)
}

#[test]
fn a_row_ahead_of_its_log_is_counted_but_does_not_move_the_frontier() {
    let (now, ahead, next) = (at(0), at(4), at(1));
    let log = [(now.as_str(), Some(0)), (&ahead, Some(0)), (&now, Some(0)), (&next, Some(1)), (&now, Some(1))];
    check_rows(&log, &[(0, 2), (1, 1), (4, 1)], 1, &[], 1);
}

#[test]
fn a_row_without_a_clock_is_believed() {
    let (now, later) = (at(0), at(4));
    check_rows(&[(&now, None), (&later, None), (&now, None)], &[(0, 1), (4, 1)], 4, &[], 1);
}

#[test]
fn each_bad_row_is_turned_away_once_with_its_reason_though_two_monitors_read_it() {
    let (good, ahead) = (at(0), at(6));
    let log = [
        (good.as_str(), Some(0)),
        ("not json", Some(0)),
        (r#"{"v":"a"}"#, Some(0)),
        (r#"{"at":null}"#, Some(0)),
        (r#"{"at":"soon"}"#, Some(0)),
        (r#"{"at":[1]}"#, Some(0)),
        (r#"{"at":5}"#, Some(0)),
        (r#"{"at":-86400}"#, Some(0)),
        (r#"{"at":"2250-01-01T00:00:00Z"}"#, None),
        (&ahead, Some(0)),
        (&good, Some(0)),
    ];
    use Reason::{BadTime, NoTime, NotJson, TimeOutOfRange};
    let reasons =
        [NotJson, NoTime, NoTime, BadTime, BadTime, TimeOutOfRange, TimeOutOfRange, TimeOutOfRange, TimeOutOfRange];
    let rejected: Vec<(i64, Reason)> = (1..).zip(reasons).collect();
    check_rows(&log, &[(0, 2)], 0, &rejected, 0);
}

#[test]
fn a_row_that_one_monitor_cannot_place_is_still_counted_by_the_other() {
    let other = monitor(
        "model: other\ninputs: [{topic: log}]\nschema: {time: sent, features: {x: categorical}}\n\
         reference: {dataset: reference.csv}\nwindow: {size: 1h}\n",
        Some("x\n1\n"),
    );
    let subscribers = [watched("m", 1, 0, ""), other];
    let mut lane =
        Lane::new(Partition { topic: "log".into(), partition: 0 }, &plan_of(&subscribers), &Resumed::default());
    let text = format!(r#"{{"at":{START},"x":3}}"#);
    let report = lane.count([(text.as_bytes(), 0, None)].into_iter());
    assert_eq!(report.rejected.iter().map(|row| row.reason).collect::<Vec<_>>(), [Reason::NoTime]);
    let counted: Vec<(Arc<str>, u64)> = report.progress.into_iter().map(|p| (p.model, p.counted)).collect();
    assert_eq!(counted, [("m".into(), 1), ("other".into(), 0)]);
}
