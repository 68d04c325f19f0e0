//! What a window is compared with is what counting those very rows gives, however they came and were stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use tidegauge::engine::{Effect, Known};
use tidegauge::lane::Lane;
use tidegauge::measurement::{Family, Measurement};
use tidegauge::monitor::Against;
use tidegauge::pane::Partition;
use tidegauge::plan::{Subscriber, TopicPlan};
use tidegauge::reference::{Counted, Reference};
use tidegauge::shard::Resumed;
use tidegauge::tally::{FieldTally, Tally};
use tidegauge::time::{Span, Time, Window};

use crate::watch::{Watch, monitor};

const START: Time = Time(1_767_225_600_000);
const MINUTE: i64 = 60_000;

/// A monitor whose windows take half an hour and begin every ten minutes.
fn watched(against: &str) -> Subscriber {
    let yaml = format!(
        "model: m\ninputs: [{{topic: log}}]\n\
         schema: {{time: at, version: v, features: {{x: numeric, kind: categorical}}}}\n\
         reference: {{dataset: reference.csv, {against}}}\n\
         window: {{size: 30m, every: 10m, lateness: 10m, min_rows: 1}}\n"
    );
    monitor(&yaml, Some("x,kind\n1,a\n2,b\n3,a\n5,b\n8,c\n"))
}

/// Which partition a row is in, when it happened, which version it is of, and what it says.
#[derive(Clone, Debug)]
struct Row {
    partition: usize,
    at: Time,
    version: &'static str,
    x: i32,
    kind: char,
}

impl Row {
    fn record(&self) -> (Vec<u8>, Option<Time>) {
        let Row { at, version, x, kind, .. } = self;
        (format!(r#"{{"at":{},"v":"{version}","x":{x},"kind":"{kind}"}}"#, at.0).into_bytes(), None)
    }
}

/// Rows of two partitions over a day or two, with gaps, none of them late.
fn rows() -> impl Strategy<Value = Vec<Row>> {
    let version = prop_oneof![4 => Just("a"), 1 => Just("b")];
    let step = prop_oneof![12 => 0..20 * MINUTE, 1 => 0..400 * MINUTE];
    let one = (0..2usize, step, 0..10 * MINUTE, version, -1..12i32, prop::char::range('a', 'e'));
    prop::collection::vec(one, 1..200).prop_map(|rows| {
        let mut clock = START.0;
        let place = |(partition, step, behind, version, x, kind)| {
            clock += step;
            Row { partition, at: Time(clock - behind), version, x, kind }
        };
        rows.into_iter().map(place).collect()
    })
}

fn kind_of_past() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just("trailing: {last: 3h}"),
        Just("trailing: {last: 1h, lag: 5h}"),
        Just("trailing: {last: 7d, lag: 1h}"),
        Just("seasonal: {by: hour_of_day, weeks: 1}"),
        Just("version: a"),
    ]
}

/// What the rows of these stretches of time add up to, counted at once.
fn counted(subscriber: &Subscriber, rows: &[Row], version: &str, stretches: &[Window]) -> String {
    let known = Known::new(subscriber.reference.clone().expect("a reference"), &subscriber.monitor, "log");
    let is_in =
        |row: &&Row| row.version == version && stretches.iter().any(|one| one.start <= row.at && row.at < one.end);
    // One pane for all of them: an axis does not depend on how long a pane is.
    let mut monitor = (*subscriber.monitor).clone();
    (monitor.model, monitor.against) = ("all".to_owned(), Against::Reference);
    (monitor.measures, monitor.rules) = (Vec::new(), Vec::new());
    monitor.windowing.every = Span(10_000 * 24 * 60 * MINUTE);
    monitor.windowing.lateness = Span(0);
    let whole = Subscriber { monitor: Arc::new(monitor), reference: subscriber.reference.clone() };
    let plan = TopicPlan::new(&"log".into(), &[whole], 20);
    let mut lane = Lane::new(Partition { topic: "log".into(), partition: 0 }, &plan, &Resumed::default());
    let records: Vec<(Vec<u8>, Option<Time>)> = rows.iter().filter(is_in).map(Row::record).collect();
    lane.count(records.iter().zip(0..).map(|((bytes, logged), offset)| (bytes.as_slice(), offset, *logged)));
    let closed = lane.finish().progress.remove(0).closed;
    let fields = closed.first().map(|pane| pane.fields().expect("tallies"));
    let fields = fields.unwrap_or_else(|| known.axes.axes.iter().map(FieldTally::empty).collect());
    let counted = known.axes.axes.iter().zip(fields).zip(["x", "kind"]);
    let counted = counted.map(|((axis, tally), name)| (name.to_owned(), Counted { axis: axis.clone(), tally }));
    let rows = closed.first().map_or(0, |pane| pane.rows);
    Reference::new("counted", rows, counted.collect()).hash
}

/// Everything that is measured, when the rows come in chunks of this size and the process is killed after some of them.
/// A kill may lose what was done with the chunk before, and then that is done again.
fn publish(subscriber: &Subscriber, rows: &[Row], chunk: usize, kills: &[(usize, bool)]) -> Vec<Measurement> {
    let partition = |number: usize| Partition { topic: "log".into(), partition: number as i32 };
    let mut watch = Watch::new(vec![subscriber.clone()], 20);
    watch.assign(&[partition(0), partition(1)]);
    let mut told = Vec::new();
    for (step, chunk) in rows.chunks(chunk).enumerate() {
        let kill = kills.iter().find(|(at, _)| *at == step);
        let before = kill.filter(|(_, loses)| *loses).map(|_| watch.kept.clone());
        for number in [0, 1] {
            let records = chunk.iter().filter(|row| row.partition == number).map(Row::record);
            watch.load(&partition(number), records.collect());
        }
        if let Some(before) = before {
            watch.kept = before;
            watch.told.effects.clear();
        }
        if kill.is_some() {
            watch.restart();
        }
        told.append(&mut watch.told.effects);
    }
    watch.finish();
    told.append(&mut watch.told.effects);
    let measured = |effect: Effect| match effect {
        Effect::Measured(measurements) => measurements,
        _ => Vec::new(),
    };
    told.into_iter().flat_map(measured).collect()
}

/// For each window's end and version, what drift was measured against.
fn references(measured: &[Measurement]) -> BTreeMap<(Time, String), String> {
    let drift = measured.iter().filter(|one| one.family == Family::Drift);
    let key = |one: &Measurement| (one.window_end, one.version.clone());
    drift.map(|one| (key(one), one.reference.clone().expect("a reference"))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_past_is_what_counting_its_rows_gives(
        against in kind_of_past(),
        rows in rows(),
        chunk in 1..40usize,
        kills in prop::collection::vec((0..40usize, any::<bool>()), 0..6),
    ) {
        let subscriber = watched(against);
        let monitor = &subscriber.monitor;
        let measured = publish(&subscriber, &rows, usize::MAX, &[]);
        prop_assert_eq!(&publish(&subscriber, &rows, chunk, &kills), &measured);
        let base = &subscriber.reference.as_ref().expect("a reference").hash;
        for one in measured.iter().filter(|one| one.family != Family::Drift) {
            prop_assert!(one.reference.as_ref().is_none_or(|hash| hash == base));
        }
        for ((end, version), hash) in references(&measured) {
            let window = monitor.windowing.window(end);
            let expected = match &monitor.against {
                Against::Version(champion) if *champion == version => base.clone(),
                Against::Version(champion) => counted(&subscriber, &rows, champion, &[window]),
                against => counted(&subscriber, &rows, &version, &against.stretches(window, Span(60 * MINUTE))),
            };
            prop_assert_eq!(hash, expected, "{} of version {}", end, version);
        }
    }
}
