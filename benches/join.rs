//! What it costs to find labels their predictions: `cargo bench --bench join`.
//!
//! Predictions are joined, stored and, in whatever order, labelled, in steps of 100,000 that are each on the disk before
//! the next: once with all of the store in memory, and once with a store ten times that. `TIDEGAUGE_ENTRIES` sets how
//! many predictions wait for their labels, two million otherwise.

mod process;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use process::{cpu_seconds, peak_memory_mib};
use tidegauge::grid::Grid;
use tidegauge::join::Join;
use tidegauge::outcome::{Id, OutcomeAxis, Truth};
use tidegauge::shard::{Labelled, Predicted};
use tidegauge::store::{Commit, Config, Store};
use tidegauge::time::{Span, Time, Windowing};

const MODEL: &str = "credit";
const STEP: u64 = 100_000;
const START: i64 = 1_772_000_000_000;
const WAIT: Span = Span(30 * 24 * 3600 * 1000);
/// How many labels come.
const LABELS: u64 = 1_000_000;

fn main() {
    let entries = std::env::var("TIDEGAUGE_ENTRIES").ok().and_then(|entries| entries.parse().ok()).unwrap_or(2_000_000);
    println!("{entries} predictions wait, labels come for any of them");
    let large = entries * 64;
    for (name, cache) in [("all in memory", large), ("ten times the cache", entries * 4)] {
        let folder = tempfile::tempdir().expect("make a temporary folder");
        let config = Config { path: folder.path().join("store"), cache };
        println!("{name}: a cache of {} MiB", cache >> 20);
        run(&config, entries);
    }
    println!("{} MiB resident at most", peak_memory_mib("self"));
}

fn run(config: &Config, entries: u64) {
    let mut joining = Joining::open(config);
    let predicting = joining.steps((0..entries).step_by(STEP as usize), |from| {
        let predictions = (from..entries.min(from + STEP)).map(|n| predicted(n, entries)).collect();
        (predictions, Vec::new())
    });
    println!(
        "  predictions: {predicting}; {:.1} bytes each on the disk",
        on_disk(&config.path) as f64 / entries as f64
    );
    let mut random = Rng::with_seed(1);
    let labelling = joining.steps(0..LABELS.min(entries) / STEP, |_| {
        let labels = (0..STEP).map(|_| labelled(random.u64(0..entries), entries)).collect();
        (Vec::new(), labels)
    });
    println!("  labels: {labelling}; {} found their prediction", joining.join.fared().matched);
    drop(joining);
    let begun = Instant::now();
    let mut joining = Joining::open(config);
    let reopened = begun.elapsed();
    let half = Time(time(entries / 2, entries));
    joining.join.forget(half, half);
    let begun = Instant::now();
    joining.steps([()], |()| (Vec::new(), Vec::new()));
    println!("  opened again in {reopened:.0?}; half of it forgotten in {:.0?}", begun.elapsed());
}

struct Joining {
    store: Arc<Store>,
    join: Join,
    axis: OutcomeAxis,
}

impl Joining {
    fn open(config: &Config) -> Joining {
        let store = Arc::new(Store::open(config).expect("open the store"));
        let windowing = Windowing { size: DAY, every: DAY, lateness: Span(0), idle: Span(0), min_rows: 1 };
        let join = Join::new(MODEL, WAIT, &windowing, store.clone(), Vec::new(), Vec::new());
        Joining { store, join, axis: axis() }
    }

    fn steps<I>(
        &mut self,
        steps: impl IntoIterator<Item = I>,
        mut records: impl FnMut(I) -> (Vec<Predicted>, Vec<Labelled>),
    ) -> Took {
        let mut took = Took::default();
        for step in steps {
            let (predictions, labels) = records(step);
            let rows = predictions.len() + labels.len();
            let (begun, used) = (Instant::now(), cpu_seconds("self"));
            self.join.take(0, predictions, &labels, |_, _| Some(&self.axis));
            let joined = begun.elapsed();
            let changes = vec![(MODEL.into(), self.join.changes())];
            self.store.commit(&Commit { joined: changes, ..Commit::default() }).expect("store a step");
            self.join.written();
            took.steps.push((rows, joined, begun.elapsed()));
            took.cpu += cpu_seconds("self") - used;
        }
        took
    }
}

#[derive(Default)]
struct Took {
    /// Rows of each step, what joining them took, and that with storing.
    steps: Vec<(usize, Duration, Duration)>,
    /// Of this process in all of them, what its store does beside them included.
    cpu: f64,
}

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: usize = self.steps.iter().map(|step| step.0).sum();
        let joined: Duration = self.steps.iter().map(|step| step.1).sum();
        let all: Duration = self.steps.iter().map(|step| step.2).sum();
        let mut rates: Vec<f64> = self.steps.iter().map(|(rows, _, took)| *rows as f64 / took.as_secs_f64()).collect();
        rates.sort_by(f64::total_cmp);
        write!(
            f,
            "{:.0}/s in the median step, {:.0}/s over all, {:.0} % of it finding and counting; {:.2} CPU-s a million; \
             {:.0?} at most for a step",
            rates.get(rates.len() / 2).copied().unwrap_or(0.0),
            rows as f64 / all.as_secs_f64(),
            100.0 * joined.as_secs_f64() / all.as_secs_f64(),
            self.cpu / rows as f64 * 1e6,
            self.steps.iter().map(|step| step.2).max().unwrap_or_default()
        )
    }
}

const DAY: Span = Span(24 * 3600 * 1000);

fn axis() -> OutcomeAxis {
    OutcomeAxis {
        classes: ["default".to_owned()].into(),
        grids: [Grid::new([0.1, 0.5, 0.9], true)].into(),
        calibration: None,
    }
}

/// The time of a prediction: they are spread evenly over the time that is waited.
fn time(n: u64, of: u64) -> i64 {
    START + (WAIT.0 as f64 * n as f64 / of as f64) as i64
}

fn predicted(n: u64, of: u64) -> Predicted {
    let score = (n % 97) as f64 / 97.0;
    Predicted {
        id: Id::of(&n.to_string()),
        offset: n as i64,
        time: Time(time(n, of)),
        version: "7".into(),
        axes: "axes".into(),
        slices: [(n % 5) as u16, 5 + (n % 3) as u16].into(),
        prediction: axis().prediction(Some(if score > 0.5 { "default" } else { "none" }), [Some(score)], None),
        again: false,
    }
}

fn labelled(n: u64, of: u64) -> Labelled {
    let delay = (n % 1000) as i64 * 3_600_000;
    Labelled {
        id: Id::of(&n.to_string()),
        offset: n as i64,
        time: Time(time(n, of) + delay),
        truth: Truth::Class(u16::from(!n.is_multiple_of(7))),
        again: false,
    }
}

fn on_disk(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => on_disk(&entry.path()),
            _ if entry.path().extension().is_some_and(|extension| extension == "jnl") => 0,
            _ => entry.metadata().map_or(0, |file| file.len()),
        })
        .sum()
}
