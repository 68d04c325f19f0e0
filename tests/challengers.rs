//! Challengers are compared with the champion once labels tell, whatever happens to the process meanwhile.

use std::sync::Arc;

use rand_distr::{Bernoulli, Distribution};
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::SeedableRng;
use tidegauge::engine::Effect;
use tidegauge::pane::Partition;
use tidegauge::verdict::{Standing, Verdict};

use crate::watch::{Record, Watch, monitor};

const START: i64 = 1_767_225_600_000;
const MINUTE: i64 = 60_000;
const WINDOWS: i64 = 40;
/// Each version, how often it is right, and its rows in a window. Some rows do not say of which they are.
const VERSIONS: [(&str, f64, i64); 4] = [("7", 0.85, 240), ("8", 0.90, 120), ("9", 0.85, 120), ("", 0.99, 60)];

const YAML: &str = "
model: credit
inputs: [{topic: log}]
labels: {topic: outcomes, id: id, time: ts, value: outcome, wait: 2m}
schema:
  time: ts
  version: v
  id: id
  prediction: {class: class, positive: bad}
reference: {dataset: reference.csv}
window: {size: 1m, min_rows: 20}
challenge: {metric: performance.accuracy, margin: 0.005}
";

const DATASET: &str = "class,outcome\nbad,bad\ngood,good\nbad,good\ngood,bad\n";

/// What is logged in a minute, and then what is known of it.
fn minute(number: i64, random: &mut Pcg64Mcg) -> (Vec<Record>, Vec<Record>) {
    let (mut rows, mut labels) = (Vec::new(), Vec::new());
    for (version, right, count) in VERSIONS {
        let is_right = Bernoulli::new(right).expect("a probability");
        for row in 0..count {
            let (ts, id) = (START + number * MINUTE + row * MINUTE / count, format!("{version}-{number}-{row}"));
            let (class, other) = if row % 3 == 0 { ("bad", "good") } else { ("good", "bad") };
            let outcome = if is_right.sample(random) { class } else { other };
            let of = if version.is_empty() { String::new() } else { format!(r#""v":"{version}","#) };
            let said = format!(r#"{{"ts":{ts},{of}"id":"{id}","class":"{class}"}}"#);
            let known = format!(r#"{{"ts":{},"id":"{id}","outcome":"{outcome}"}}"#, ts + MINUTE);
            rows.push((ts, said));
            labels.push((ts, known));
        }
    }
    (in_order(rows), in_order(labels))
}

fn in_order(mut texts: Vec<(i64, String)>) -> Vec<Record> {
    texts.sort_by_key(|(ts, _)| *ts);
    texts.into_iter().map(|(_, text)| (text.into_bytes(), None)).collect()
}

/// The verdicts that were told, and all that is kept in the end.
fn watched(restarts: impl Fn(i64) -> bool) -> (Vec<Standing>, Vec<u8>) {
    let partition = |topic: &str| Partition { topic: Arc::from(topic), partition: 0 };
    let (log, outcomes) = (partition("log"), partition("outcomes"));
    let mut watch = Watch::new(vec![monitor(YAML, Some(DATASET))], 10);
    watch.assign(&[log.clone(), outcomes.clone()]);
    let mut random = Pcg64Mcg::seed_from_u64(11);
    for number in 0..WINDOWS {
        let (rows, labels) = minute(number, &mut random);
        watch.load(&log, rows);
        if restarts(number) {
            watch.restart();
        }
        watch.load(&outcomes, labels);
    }
    let verdicts = watch.told.effects.iter().filter_map(|effect| match effect {
        Effect::Verdict(standing) => Some((**standing).clone()),
        _ => None,
    });
    (verdicts.collect(), watch.kept.bytes())
}

#[test]
fn one_that_is_better_is_found_so_and_one_that_is_not_is_not() {
    let (told, kept) = watched(|_| false);
    let found: Vec<_> = told.iter().map(|it| (it.version.as_str(), it.champion.as_str(), it.verdict)).collect();
    assert_eq!(found, [("8", "7", Verdict::Better)], "{told:#?}");
    let better = &told[0];
    assert!(better.low.is_some_and(|low| low > 0.0) && better.decided == Some(better.window_end), "{better:#?}");
    assert_eq!((better.rows, better.champion_rows), (120 * better.windows, 240 * better.windows));
    assert_eq!(better.window_end.0, START + better.windows as i64 * MINUTE, "a window counts once");
    // The process ends in the middle, and after every minute.
    for (told_again, kept_again) in [watched(|number| number == 7), watched(|_| true)] {
        assert_eq!(told_again, told);
        assert!(kept_again == kept, "what is kept is something else");
    }
}
