//! False alarms of every statistic where nothing has changed, with power where something has, and what simulating the
//! null distributions costs: `cargo bench --bench calibration`.
//!
//! `TIDEGAUGE_TRIALS` sets how many references are tried of each kind, 2000 unless told. At 0.1 % it takes thousands.

#[path = "undrifted/mod.rs"]
#[allow(dead_code, reason = "what only the test asks is not used here")]
mod undrifted;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tidegauge::null::REPLICATES;
use undrifted::{FEATURES, LEVELS, Row, Trials, Verdict, WINDOWS, table, tried};

fn main() {
    let references = std::env::var("TIDEGAUGE_TRIALS").ok().and_then(|trials| trials.parse().ok()).unwrap_or(2000);
    let trials = Trials { references, simulated: references, replicates: REPLICATES, power: true };
    let tasks: Vec<_> = FEATURES.iter().flat_map(|feature| WINDOWS.map(|window| (feature, window))).collect();
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some((feature, window)) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let start = Instant::now();
                    let rows = tried(feature, *window, trials);
                    let each = start.elapsed().as_secs_f64() * 1000.0 / references as f64;
                    println!(
                        "{}, {window}: {each:.1} ms a reference, two null distributions and all else",
                        feature.name
                    );
                    let place = FEATURES.iter().position(|other| other.name == feature.name);
                    done.lock().expect("no worker has failed").push((place, *window, rows));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("no worker has failed");
    done.sort_by_key(|(place, window, _)| (*place, *window));
    let rows: Vec<Row> = done.into_iter().flat_map(|(_, _, rows)| rows).collect();
    print!("{}", table(&rows));
    let count = |verdict: Verdict| {
        let of_row = |row: &Row| (0..LEVELS.len()).filter(|&level| row.verdict(level, 0.01) == verdict).count();
        rows.iter().map(of_row).sum::<usize>()
    };
    println!(
        "{} rates: {} above the 99 % band, {} below it",
        rows.len() * LEVELS.len(),
        count(Verdict::More),
        count(Verdict::Fewer)
    );
}
