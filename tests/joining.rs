//! The join is a function of the records: their order, their number, batches and restarts do not matter.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use proptest::prelude::*;
use tidegauge::grid::Grid;
use tidegauge::join::{Changes, Join, Place, Records, Sort, WHOLE};
use tidegauge::outcome::{Id, OutcomeAxis, Truth};
use tidegauge::pane::{Extent, together};
use tidegauge::shard::{Labelled, Predicted};
use tidegauge::tally::outcome::OutcomeTally;
use tidegauge::time::{Span, Time, Windowing};

use crate::shelf::Shelf;

const WAIT: Span = Span(500);

fn windowing() -> Windowing {
    Windowing { size: Span(100), every: Span(50), lateness: Span(0), idle: Span(0), min_rows: 1 }
}

fn axis() -> OutcomeAxis {
    let grids = [Grid::new([0.1, 0.5, 0.9], true)].into();
    OutcomeAxis { classes: ["yes".to_owned()].into(), grids, calibration: None }
}

#[derive(Clone, Debug)]
enum Record {
    Prediction { id: u8, time: i64, version: bool, slice: u16, chosen: Option<bool>, score: f64 },
    Label { id: u8, time: i64, is_it: bool },
}

fn record() -> impl Strategy<Value = Record> {
    let score = prop::sample::select(vec![0.1, 0.3, 0.5, 0.9, f64::NAN]);
    let time = || 0..1000i64;
    prop_oneof![
        (0..12u8, time(), any::<bool>(), 0..2u16, prop::option::of(any::<bool>()), score).prop_map(
            |(id, time, version, slice, chosen, score)| Record::Prediction { id, time, version, slice, chosen, score }
        ),
        (0..12u8, time(), any::<bool>()).prop_map(|(id, time, is_it)| Record::Label { id, time, is_it }),
    ]
}

fn version(is_second: bool) -> Arc<str> {
    if is_second { "2".into() } else { "1".into() }
}

fn predicted(record: &Record) -> Option<Predicted> {
    let Record::Prediction { id, time, version: is_second, slice, chosen, score } = record else { return None };
    let chosen = chosen.map(|is_it| if is_it { "yes" } else { "no" });
    Some(Predicted {
        id: Id::of(&id.to_string()),
        offset: 0,
        time: Time(*time),
        version: version(*is_second),
        axes: "axes".into(),
        slices: [*slice].into(),
        prediction: axis().prediction(chosen, [Some(*score)], None),
        again: false,
    })
}

fn labelled(record: &Record) -> Option<Labelled> {
    let Record::Label { id, time, is_it } = *record else { return None };
    let truth = Truth::Class(u16::from(!is_it));
    Some(Labelled { id: Id::of(&id.to_string()), offset: 0, time: Time(time), truth, again: false })
}

type Counted = BTreeMap<(Time, String, u16), OutcomeTally>;

/// The counts by their definition, of all records at once.
fn naive(records: &[Record]) -> Counted {
    let mut predictions: HashMap<Id, Predicted> = HashMap::new();
    let mut labels: HashMap<Id, Labelled> = HashMap::new();
    // Ties go to the one that sorts first, as predictions, and last, as labels. Version 1 sorts first because it is the
    // first in the list of sorts.
    let key = |p: &Predicted| (p.time, p.version.to_string(), p.slices.clone());
    for record in records {
        if let Some(p) = predicted(record) {
            let is_first = predictions.get(&p.id).is_none_or(|other| {
                (key(&p), &p.prediction).partial_cmp(&(key(other), &other.prediction)).is_some_and(|o| o.is_lt())
            });
            if is_first {
                predictions.insert(p.id, p);
            }
        }
        if let Some(label) = labelled(record) {
            let is_last = labels.get(&label.id).is_none_or(|other| {
                (label.time, label.truth).partial_cmp(&(other.time, other.truth)).is_some_and(|o| o.is_gt())
            });
            if is_last {
                labels.insert(label.id, label);
            }
        }
    }
    let mut counted = Counted::new();
    for (id, p) in predictions {
        let label = labels.get(&id).filter(|label| (label.time.0 - p.time.0).abs() <= WAIT.0);
        for slice in [WHOLE, p.slices[0]] {
            let place = (windowing().pane(p.time), p.version.to_string(), slice);
            let tally = counted.entry(place).or_insert_with(|| OutcomeTally::empty(&axis()));
            tally.add(&axis(), &p.prediction, label.map(|label| label.truth));
        }
    }
    counted
}

/// What a join counted, without places that are empty again.
fn counted(join: &Join) -> Counted {
    let of_place = |place: Place| {
        let tally = join.outcomes(place).filter(|tally| tally.rows() > 0)?;
        Some(((place.pane, join.sorts()[usize::from(place.sort)].version.to_string(), place.slice), tally))
    };
    join.places(Time(-10_000), Time(10_000)).into_iter().filter_map(of_place).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn counts_are_those_of_all_records_at_once(
        records in prop::collection::vec(record(), 0..60),
        order in any::<prop::sample::Index>(),
        cuts in prop::collection::vec((1..8usize, 0..3u8), 1..60),
        repeats in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
    ) {
        let mut log = records.clone();
        // Some come again, and all come in another order.
        log.extend(repeats.iter().filter(|_| !records.is_empty()).map(|index| index.get(&records).clone()));
        let rotate = order.index(log.len().max(1));
        log.rotate_left(rotate);
        log.reverse();
        let axis = axis();
        let shelf = Arc::new(Shelf::default());
        let sorts = vec![Sort { version: "1".into(), axes: "axes".into() }, Sort { version: "2".into(), axes: "axes".into() }];
        shelf.keep(&"m".into(), Changes { sorts: Some(sorts), ..Changes::default() });
        let mut join = open(&shelf);
        let mut rest = log.as_slice();
        // What was taken in since the last writing, which a restart loses and reads again.
        let mut unwritten = 0;
        let mut cuts = cuts.into_iter().cycle();
        while !rest.is_empty() {
            let (count, then) = cuts.next().expect("it goes round");
            let (batch, after) = rest.split_at(count.min(rest.len()));
            join.take(
                0,
                batch.iter().filter_map(predicted).collect(),
                &batch.iter().filter_map(labelled).collect::<Vec<_>>(),
                |_, _| Some(&axis),
            );
            rest = after;
            unwritten += batch.len();
            match then {
                0 => {
                    shelf.keep(&"m".into(), join.changes());
                    join.written();
                    unwritten = 0;
                }
                1 if unwritten < 20 => {
                    join = open(&shelf);
                    rest = &log[log.len() - rest.len() - unwritten..];
                    unwritten = 0;
                    // Nothing would come of it if every batch were lost.
                    cuts.next();
                    let next = rest.len().min(20);
                    let (batch, after) = rest.split_at(next);
                    join.take(
                        0,
                        batch.iter().filter_map(predicted).collect(),
                        &batch.iter().filter_map(labelled).collect::<Vec<_>>(),
                        |_, _| Some(&axis),
                    );
                    shelf.keep(&"m".into(), join.changes());
                    join.written();
                    rest = after;
                }
                _ => {}
            }
        }
        prop_assert_eq!(counted(&join), naive(&records));
        let ids: std::collections::BTreeSet<u8> =
            records.iter().map(|record| match record { Record::Prediction { id, .. } | Record::Label { id, .. } => *id }).collect();
        shelf.keep(&"m".into(), join.changes());
        prop_assert_eq!(shelf.entries(), ids.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    /// So what labels said of a window can be computed again without reading all logs from their beginning.
    #[test]
    fn the_records_that_are_told_of_panes_are_all_that_their_counts_come_of(
        log in prop::collection::vec((record(), 0..2i32), 0..60),
        again in 0..60usize,
        from in 0..20i64,
        panes in 1..4i64,
    ) {
        let (axis, shelf) = (axis(), Arc::new(Shelf::default()));
        let sorts = ["1", "2"].map(|version| Sort { version: version.into(), axes: "axes".into() }).into();
        shelf.keep(&"m".into(), Changes { sorts: Some(sorts), ..Changes::default() });
        let mut join = open(&shelf);
        let at = |offset: usize| {
            let (record, partition) = &log[offset];
            let offset = offset as i64;
            let prediction = predicted(record).map(|one| Predicted { offset, ..one });
            (*partition, prediction, labelled(record).map(|one| Labelled { offset, ..one }))
        };
        // Some come again after a restart.
        for offset in (0..log.len()).chain(again.min(log.len())..log.len()) {
            let (partition, prediction, label) = at(offset);
            join.take(partition, prediction.into_iter().collect(), label.as_slice(), |_, _| Some(&axis));
            if offset % 7 == 6 {
                shelf.keep(&"m".into(), join.changes());
                join = open(&shelf);
            }
        }
        let (from, to) = (Time(from * 50), Time((from + panes) * 50));
        let is_told = |extents: Vec<(i32, Extent)>, partition: i32, offset: i64| {
            extents.iter().any(|(of, Extent { rows: (first, last), .. })| *of == partition && (*first..=*last).contains(&offset))
        };
        let told: Vec<Record> = (0..log.len()).filter(|&offset| {
            let (partition, prediction, _) = at(offset);
            let of = |records: &Records| if prediction.is_some() { records.predictions.clone() } else { records.labels.clone() };
            let extents = together(join.delays().records(from, to).flat_map(of));
            is_told(extents.into_iter().collect(), partition, offset as i64)
        }).map(|offset| log[offset].0.clone()).collect();
        let here = |counted: Counted| -> Counted {
            counted.into_iter().filter(|((pane, ..), _)| from <= *pane && *pane < to).collect()
        };
        prop_assert_eq!(here(counted(&join)), here(naive(&told)));
    }
}

/// A join that goes on from what is kept.
fn open(shelf: &Arc<Shelf>) -> Join {
    Join::new("m", WAIT, &windowing(), shelf.clone(), shelf.sorts("m"), shelf.delays("m"))
}

/// What the entries are of is kept with them, and with nothing that may be written later.
#[test]
fn a_label_that_is_first_after_a_restart_finds_what_to_count_on() {
    let (axis, shelf) = (axis(), Arc::new(Shelf::default()));
    let prediction = Record::Prediction { id: 1, time: 0, version: false, slice: 0, chosen: Some(true), score: 0.5 };
    let label = Record::Label { id: 1, time: 10, is_it: true };
    let mut join = open(&shelf);
    join.take(0, predicted(&prediction).into_iter().collect(), &[], |_, _| Some(&axis));
    shelf.keep(&"m".into(), join.changes());
    let mut join = open(&shelf);
    join.take(0, Vec::new(), &labelled(&label).into_iter().collect::<Vec<_>>(), |_, _| Some(&axis));
    assert_eq!(counted(&join), naive(&[prediction, label]));
}

#[test]
fn records_are_told_by_how_they_fared() {
    let axis = axis();
    let mut join = Join::new("m", WAIT, &windowing(), Arc::new(tidegauge::join::Blank), Vec::new(), Vec::new());
    let prediction =
        |id, time| Record::Prediction { id, time, version: false, slice: 0, chosen: Some(true), score: 0.5 };
    let label = |id, time, is_it| Record::Label { id, time, is_it };
    let mut take = |records: &[Record]| {
        let labels: Vec<Labelled> = records.iter().filter_map(labelled).collect();
        join.take(0, records.iter().filter_map(predicted).collect(), &labels, |_, _| Some(&axis));
        join.fared()
    };
    let fared = take(&[prediction(1, 0), label(1, 10, true), label(2, 10, true)]);
    assert_eq!((fared.predictions, fared.labels, fared.matched), (1, 2, 1));
    // The label was there first; it comes again, is corrected, and an older one changes nothing.
    let fared = take(&[prediction(2, 5), label(2, 10, true), label(2, 11, false), label(2, 9, true)]);
    assert_eq!((fared.matched, fared.duplicates, fared.corrections), (1, 1, 2));
    let fared = take(&[prediction(1, 0), prediction(3, 0), label(3, 501, true)]);
    assert_eq!((fared.repeated, fared.matched, fared.too_late), (1, 0, 1));
    assert_eq!(join.outcomes(Place { pane: Time(0), sort: 0, slice: WHOLE }).map(|tally| tally.labelled()), Some(2));
}
