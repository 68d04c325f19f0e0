//! Values that are protected are in nothing that is counted, stored or told: what stands for them is, from the decoder on.

use std::collections::BTreeSet;

use proptest::prelude::*;
use tidegauge::decode::json::Decoder;
use tidegauge::engine::Effect;
use tidegauge::pane::Partition;
use tidegauge::rows::{Values, Wanted};

use crate::watch::{Record, Watch, monitor};

const START: i64 = 1_767_225_600_000;

/// What is never to be seen, as it stands in a record and without its quotation marks. The number is so long that it is
/// not among the digits of another one by chance.
const SEXES: [&str; 5] = [r#""RAW-F""#, r#""RAW-\u0066emale""#, r#""RAW-M""#, r#""RAW-\"x\"""#, "7700770077007"];
const ORIGINS: [&str; 4] = [r#""RAW-Nepal""#, r#""RAW-Peru, \"Andes\"""#, "7700770077007.0", r#""RAW-""#];
const HIDDEN: [&[u8]; 2] = [b"RAW-", b"7700770077007"];

/// The same monitor with a reference of its own or of a data set.
fn yaml(reference: &str) -> String {
    format!(
        r#"
model: m
inputs: [{{topic: log}}]
schema:
  time: ts
  id: id
  features: {{region: categorical, origin: {{type: categorical, path: person.origin}}}}
  protected:
    sex: {{path: person.sex, groups: {{RAW-F: women, RAW-female: women, RAW-M: men, "7700770077007": men}}}}
    origin: {{hash: a long text that nobody knows}}
  prediction: {{score: p, class: class, positive: bad}}
reference: {reference}
window: {{size: 2m, every: 1m, min_rows: 1}}
drift: {{numeric: [], categorical: [chi_squared]}}
slices: [sex, [region, origin]]
labels: {{topic: log, id: id, time: ts, value: outcome, wait: 5m}}
fairness: {{by: [sex, origin, [sex, origin]], condition: region, min_rows: 1}}
alerts:
  - {{alert: Any, when: "drift.chi_squared >= 0", annotations: {{a: "{{{{ subject }}}} {{{{ slice }}}} {{{{ values }}}}"}}}}
  - {{alert: Rate, when: "fairness.selection_rate >= 0", retrain: r}}
"#
    )
}

/// A row: which sex and origin it has, and what was said and turned out.
type Row = (Option<usize>, Option<usize>, bool, bool, Option<bool>);

fn row() -> impl Strategy<Value = Row> {
    let one_of = |count| prop::option::weighted(0.9, 0..count);
    (one_of(SEXES.len()), one_of(ORIGINS.len()), any::<bool>(), any::<bool>(), prop::option::of(any::<bool>()))
}

/// Rows that begin every log: ten to learn from, which have men and women of both regions, and as many again to be told
/// of, with somebody whom the reference does not know.
fn known() -> impl Iterator<Item = Row> {
    let row =
        |at: usize| (Some([0, 2][at % 2]), Some(at % 2), at % 4 < 2, at.is_multiple_of(3), Some(at.is_multiple_of(2)));
    (0..10).chain(0..10).map(row).chain([(Some(3), None, true, false, None)])
}

fn records(rows: &[Row]) -> Vec<Record> {
    let class = |is_bad: bool| if is_bad { "bad" } else { "good" };
    let record = |(index, (sex, origin, is_north, is_bad, outcome)): (usize, &Row)| {
        let ts = START + 20_000 * index as i64;
        let sex = sex.map_or("null", |sex| SEXES[sex]);
        let origin = origin.map_or("null", |origin| ORIGINS[origin]);
        let region = if *is_north { "PLAIN-north" } else { "PLAIN-south" };
        let p = f64::from(index as u32 % 10) / 10.0;
        let prediction = format!(
            r#"{{"ts":{ts},"id":{index},"region":"{region}","person":{{"sex":{sex},"origin":{origin}}},"p":{p},"class":"{}"}}"#,
            class(*is_bad)
        );
        let label = outcome.map(|it| format!(r#"{{"ts":{ts},"id":{index},"outcome":"{}"}}"#, class(it)));
        [Some(prediction), label].into_iter().flatten().map(|text| (text.into_bytes(), None))
    };
    rows.iter().enumerate().flat_map(record).collect()
}

fn has(text: &[u8], needle: &[u8]) -> bool {
    text.windows(needle.len()).any(|window| window == needle)
}

/// Checks what is stored and what was told since so many effects.
#[track_caller]
fn check(watch: &Watch, since: usize) {
    let told = format!("{:?}", &watch.told.effects[since..]).into_bytes();
    let stored = watch.kept.bytes();
    for hidden in HIDDEN {
        assert!(!has(&told, hidden), "it is told");
        assert!(!has(&stored, hidden), "it is stored");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn no_value_that_is_disguised_is_in_anything_that_is_stored_or_told(
        rows in prop::collection::vec(row(), 30..80),
        batch in 1..20usize,
        is_learnt in any::<bool>(),
    ) {
        let reference = "ts,region,person.sex,person.origin,p,class,outcome\n1,PLAIN-north,RAW-F,RAW-Peru,0.1,bad,bad\n\
                         2,PLAIN-south,RAW-M,7700770077007,0.9,good,bad\n3,PLAIN-south,RAW-F,RAW-Peru,0.5,bad,good\n";
        let subscriber = if is_learnt {
            monitor(&yaml("{learnt: {rows: 10}}"), None)
        } else {
            monitor(&yaml("{dataset: reference.csv}"), Some(reference))
        };
        if let Some(reference) = &subscriber.reference {
            let bytes = postcard::to_stdvec(&**reference).expect("it can be written");
            prop_assert!(HIDDEN.iter().all(|hidden| !has(&bytes, hidden)));
            prop_assert!(has(&bytes, b"PLAIN-north") && has(&bytes, b"women"));
        }
        let rows: Vec<Row> = known().chain(rows).collect();
        let mut watch = Watch::new(vec![subscriber], 20);
        let partition = Partition { topic: "log".into(), partition: 0 };
        watch.assign(std::slice::from_ref(&partition));
        for (index, records) in records(&rows).chunks(batch).enumerate() {
            let since = watch.told.effects.len();
            watch.load(&partition, records.to_vec());
            check(&watch, since);
            // Ended while it learns, it would begin to learn anew.
            if index % 5 == 4 && !watch.is_learning() {
                watch.restart();
            }
        }
        let since = watch.told.effects.len();
        watch.finish();
        check(&watch, since);
        // What stands for the values is told, so they were read.
        let slices: BTreeSet<&str> = watch.told.effects.iter().filter_map(|effect| match effect {
            Effect::Measured(all) => all.first().map(|m| m.slice.as_str()),
            _ => None,
        }).collect();
        prop_assert!(slices.contains("sex=women") && slices.contains("sex=~other"), "{:?}", slices);
        prop_assert!(slices.iter().any(|slice| slice.starts_with("region=PLAIN-")), "{:?}", slices);
    }
}

#[test]
fn a_column_has_what_stands_for_its_values() {
    let subscriber = monitor(&yaml("{learnt: {rows: 10}}"), None);
    let wanted: Vec<Wanted> = subscriber.monitor.fields().iter().map(Wanted::of).collect();
    let place =
        |subject: &str| subscriber.monitor.fields().iter().position(|field| field.subject == subject).expect("a field");
    let mut decoder = Decoder::new(&wanted);
    let rows: Vec<Row> =
        (0..6).map(|row| (Some(row % 5).filter(|_| row < 5), Some(row % 4), true, true, None)).collect();
    for (offset, (record, _)) in records(&rows).iter().enumerate() {
        decoder.push(record, offset as i64, None).expect("a record");
    }
    let batch = decoder.finish();
    let texts = |subject: &str| -> Vec<Option<&str>> {
        let Values::Categorical(texts) = &batch.columns[place(subject)].values else { panic!("a category") };
        texts.iter().collect()
    };
    let sexes = [Some("women"), Some("women"), Some("men"), Some("unnamed"), Some("men"), None];
    assert_eq!(texts("sex"), sexes);
    let origins = texts("origin");
    let distinct: BTreeSet<_> = origins.iter().flatten().collect();
    assert!(distinct.len() == 4 && distinct.iter().all(|hash| hash.len() == 12), "{distinct:?}");
    // The same value has the same hash, however it is written and wherever it is met.
    assert_eq!((origins[0], origins[1]), (origins[4], origins[5]));
}
