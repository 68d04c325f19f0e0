//! Killed at any moment, the daemon loses nothing and counts nothing twice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tidegauge::measurement::{Family, Measurement};
use tidegauge::notify::event;
use tidegauge::rule::State;
use tidegauge::rule::alert::{AlertEvent, RetrainRequest};
use tidegauge::time::Time;

use super::broker::Broker;
use super::daemon::Home;
use super::stream::{self, LABEL_PARTITIONS, LABELS, PARTITIONS, Row, Steady, TOPIC};
use super::topics::{OUTPUTS, Reader, Seen, create};
use super::versions;
use crate::elec2::Replayed;

#[test]
fn nothing_is_lost_or_counted_twice_when_killed() {
    let Some((versions, _turn)) = versions("nothing_is_lost_or_counted_twice_when_killed") else { return };
    let kills = std::env::var("TIDEGAUGE_KILLS").map_or(10, |kills| kills.parse().expect("a number of kills"));
    let seed =
        std::env::var("TIDEGAUGE_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().expect("a number"));
    println!("TIDEGAUGE_SEED={seed} repeats these moments");
    let mut random = fastrand::Rng::with_seed(seed);
    for version in &versions {
        campaign(version, kills / versions.len(), &mut random);
    }
}

fn campaign(version: &str, kills: usize, random: &mut fastrand::Rng) {
    let begun = Instant::now();
    let folder = TempDir::new().expect("a temporary folder");
    let monitor = stream::labelled(folder.path());
    let mut broker = Broker::start(version);
    create(&broker, &OUTPUTS, 1);
    create(&broker, &[TOPIC], PARTITIONS);
    create(&broker, &[LABELS], LABEL_PARTITIONS);
    let home = Home::new(&folder.path().join("home"), &broker, &monitor, true);
    let mut reader = Reader::new(&broker, OUTPUTS[0]);
    let steady = Steady::labelled(&broker);
    for kill in 0..kills {
        let daemon = home.start();
        std::thread::sleep(Duration::from_millis(random.u64(200..3000)));
        if kill % 2 == 1 {
            // Just after something was published is when it may not be stored yet.
            reader.read_all();
            let before = reader.seen.len();
            reader.read_until(Duration::from_secs(2), |seen| seen.len() > before);
        }
        if kill == kills / 4 {
            // For longer than a silent partition is waited for; then there is much to read, and time to read it.
            daemon.freeze(Duration::from_secs(8));
            std::thread::sleep(Duration::from_secs(4));
        }
        if kill == kills / 2 {
            // Away for longer than a silent partition is waited for.
            broker.stop();
            std::thread::sleep(Duration::from_secs(6));
            broker.resume();
            std::thread::sleep(Duration::from_secs(4));
        }
        daemon.kill();
    }
    let daemon = home.start();
    let rows = steady.finish();
    let end = stream::last_end(&rows);
    let there = reader.read_until(Duration::from_secs(60), |seen| stream::is_matured(seen, end));
    assert!(there, "the last window is not told for the last time\n{}", home.last_words());
    assert!(daemon.stop().success(), "{}", home.last_words());

    let replayed = stream::replay_labelled(&rows, &monitor, folder.path());
    reader.read_all();
    let again = stream::check_repeats(&reader.seen, "id");
    let windows = check_counts(&rows, &reader.seen);
    let labels = check_labels(&rows, &reader.seen);
    check_last_words(&replayed, &reader.seen);
    let alerts = check_alerts(&replayed, Reader::new(&broker, OUTPUTS[1]).read_all());
    let retrains = check_retrains(&replayed, Reader::new(&broker, OUTPUTS[2]).read_all());
    println!(
        "Kafka {version}: {} rows, {labels} labels, {windows} windows, {alerts} alert events, {retrains} retrains after {kills} kills and a \
         restart of the broker; {again} of {} measurements were told again; {:.1?}",
        rows.len(),
        reader.seen.len(),
        begun.elapsed()
    );
    assert!(alerts > 0 && retrains > 0, "there is something to lose");
}

/// Rows and nulls are those that were written, counted here.
fn check_counts(rows: &[Row], seen: &[Seen]) -> usize {
    let counts = stream::counts(rows);
    let measurements: Vec<Measurement> = seen.iter().map(Seen::json).collect();
    let of = |subject: &str, statistic: &str| -> BTreeMap<_, _> {
        let found = measurements.iter().filter(|m| m.subject == subject && m.statistic == statistic);
        found.map(|m| ((m.window_end, m.version.as_str()), m)).collect()
    };
    let (published, nulls) = (of("", "rows"), of("x", "null_rate"));
    assert_eq!(published.values().map(|m| m.rows).sum::<u64>(), rows.len() as u64, "every row once");
    assert_eq!(published.len(), counts.len());
    for (window, (rows, null)) in &counts {
        let rate = nulls[window].value.expect("there are rows");
        assert_eq!(published[window].rows, *rows, "{window:?}");
        assert_eq!((rate * *rows as f64).round() as u64, *null, "{window:?}");
    }
    counts.len()
}

/// What labels show in the end is what was written, counted here. Returns how many rows have one.
fn check_labels(rows: &[Row], seen: &[Seen]) -> usize {
    let measurements: Vec<Measurement> = seen.iter().map(Seen::json).collect();
    let last = |statistic: &str| -> BTreeMap<(Time, String), f64> {
        let found = measurements.iter().filter(|m| m.family == Family::Performance && m.statistic == statistic);
        found.filter_map(|m| Some(((m.window_end, m.version.clone()), m.value?))).collect()
    };
    let count = |is_counted: &dyn Fn(&Row) -> bool| {
        let mut counts: BTreeMap<(Time, String), f64> = BTreeMap::new();
        for row in rows {
            let window = (Time(row.window_end()), row.version().to_owned());
            *counts.entry(window).or_default() += f64::from(u8::from(is_counted(row)));
        }
        counts
    };
    let of_all: BTreeMap<_, f64> = count(&|_| true);
    let labelled = count(&Row::is_labelled);
    let coverage: BTreeMap<_, f64> = labelled.iter().map(|(window, n)| (window.clone(), n / of_all[window])).collect();
    assert_eq!(last("coverage"), coverage);
    // Of fewer labels than the monitor asks for nothing is told.
    let is_told = |window: &(Time, String)| labelled[window] >= 20.0;
    let told = |counts: BTreeMap<(Time, String), f64>| -> BTreeMap<(Time, String), f64> {
        counts.into_iter().filter(|(window, _)| is_told(window)).collect()
    };
    let chosen = |is_right: bool| move |row: &Row| row.is_labelled() && row.is_chosen() && row.is_bad() == is_right;
    assert_eq!(last("true_positives"), told(count(&chosen(true))));
    assert_eq!(last("false_positives"), told(count(&chosen(false))));
    labelled.values().sum::<f64>() as usize
}

/// What was said last of each window is what a replay says.
fn check_last_words(replayed: &Replayed, seen: &[Seen]) {
    stream::compare(&replayed.measurements, seen.iter().map(Seen::json).collect());
}

/// Every transition was told, under the same identity as in a life without crashes, and in order.
fn check_alerts(replayed: &Replayed, seen: &[Seen]) -> usize {
    stream::check_repeats(seen, "ce_id");
    let all: BTreeMap<String, AlertEvent> =
        seen.iter().map(|record| (record.headers["ce_id"].clone(), record.json())).collect();
    // When enough labels have come for a rule depends on how the partitions were read.
    let is_exact = |alert: &AlertEvent| alert.alert != "Wrong";
    assert!(all.values().any(|alert| !is_exact(alert)), "labels say that something is wrong");
    // Offsets are those of the topic, of which a replay knows nothing.
    // Which incident an alert is part of depends on alerts of labels, and so on when labels came.
    let without_offsets =
        |alert: &AlertEvent| AlertEvent { offsets: vec![], basis: Default::default(), incident: None, ..alert.clone() };
    let told = all.iter().filter(|(_, alert)| is_exact(alert));
    let told: BTreeMap<String, AlertEvent> = told.map(|(id, alert)| (id.clone(), without_offsets(alert))).collect();
    let expected = replayed.alerts.iter().filter(|alert| is_exact(alert));
    let expected: BTreeMap<String, AlertEvent> =
        expected.map(|alert| (event::alert("tests", alert).id, without_offsets(alert))).collect();
    let ids = |alerts: &BTreeMap<String, AlertEvent>| {
        let named = alerts.values().map(|a| format!("{} {} {} {}", a.window_end, a.alert, a.subject, a.state.name()));
        alerts.keys().cloned().zip(named).collect::<BTreeSet<_>>()
    };
    let (told_ids, expected_ids) = (ids(&told), ids(&expected));
    let lost: Vec<_> = expected_ids.difference(&told_ids).collect();
    let forged: Vec<_> = told_ids.difference(&expected_ids).collect();
    assert!(lost.is_empty() && forged.is_empty(), "lost {lost:?}, forged {forged:?}");
    assert_eq!(told, expected);
    let mut states: BTreeMap<&str, Vec<State>> = BTreeMap::new();
    let mut known = BTreeSet::new();
    for record in seen.iter().filter(|record| known.insert(&record.headers["ce_id"])) {
        let alert = &all[&record.headers["ce_id"]];
        states.entry(&alert.id).or_default().push(alert.state);
    }
    let order = [State::Pending, State::Firing, State::Resolved];
    // The rule of labels waits for no second window, so it fires at once.
    let at_once: BTreeSet<&str> =
        all.values().filter(|alert| !is_exact(alert)).map(|alert| alert.id.as_str()).collect();
    let is_in_order = |(id, states): (&&str, &Vec<State>)| {
        let begun = usize::from(at_once.contains(*id));
        order[begun..].starts_with(states)
    };
    assert!(states.iter().all(is_in_order), "{states:?}");
    all.len()
}

fn check_retrains(replayed: &Replayed, seen: &[Seen]) -> usize {
    stream::check_repeats(seen, "ce_id");
    // Offsets are those of the topic, of which a replay knows nothing.
    let without_offsets = |mut request: RetrainRequest| {
        request.offsets.clear();
        // How many labels there were by then depends on when they came.
        (request.labelled, request.coverage) = (None, None);
        (request.id.clone(), request)
    };
    let told: BTreeMap<_, _> = seen.iter().map(Seen::json).map(without_offsets).collect();
    let expected: BTreeMap<_, _> = replayed.retrains.iter().cloned().map(without_offsets).collect();
    assert_eq!(told, expected);
    told.len()
}
