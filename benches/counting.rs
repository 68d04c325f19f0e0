//! How fast records are decoded and counted, on one thread, and what a window's statistics cost:
//! `cargo bench --bench counting`.

mod credit;

use std::sync::Arc;
use std::time::Instant;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tidegauge::config::load_monitor;
use tidegauge::engine::{Engine, Event, Start};
use tidegauge::lane::Lane;
use tidegauge::pane::Partition;
use tidegauge::plan::{Subscriber, TopicPlan};
use tidegauge::reference::Reference;
use tidegauge::shard::{Report, Resumed};

/// Records of a batch, as the consumer hands them over.
const BATCH: u64 = 4096;
const START: u64 = 1_772_000_000_000;
/// Records a second of event time, so that a window of ten seconds has a hundred thousand.
const RATE: u64 = 10_000;
/// The length of a window, in milliseconds.
const WINDOW: u64 = 10_000;

fn benchmark(criterion: &mut Criterion) {
    let subscriber = subscriber("");
    let topic = Arc::from("credit.predictions");
    let plan = TopicPlan::new(&topic, std::slice::from_ref(&subscriber), 20);
    let sliced = self::subscriber("slices: [country, [housing, employment]]\n");
    let sliced = TopicPlan::new(&topic, &[sliced], 20);
    let partition = Partition { topic, partition: 0 };
    let records: Vec<String> = (0..BATCH).map(|row| credit::record(row, START + row * 1000 / RATE)).collect();
    let count = |lane: &mut Lane| -> Report {
        lane.count(records.iter().zip(0..).map(|(record, offset)| (record.as_bytes(), offset, None)))
    };

    let mut group = criterion.benchmark_group("one thread");
    group.throughput(Throughput::Elements(BATCH));
    let mut lane = Lane::new(partition.clone(), &plan, &Resumed::default());
    group.bench_function("decode and count", |bencher| bencher.iter(|| count(&mut lane)));
    let mut lane = Lane::new(partition.clone(), &sliced, &Resumed::default());
    group.bench_function("decode and count, in slices of two dimensions", |bencher| bencher.iter(|| count(&mut lane)));
    group.finish();

    let mut group = criterion.benchmark_group("a window");
    let start = Start::new(subscriber.monitor.clone(), subscriber.reference.clone());
    let mut engine = Engine::new([start]);
    engine.step(Event::Assigned { partition: partition.clone(), latest: Default::default() });
    let mut windows = 0;
    let mut next = || {
        let start = START + windows * WINDOW;
        windows += 1;
        let records: Vec<String> = (0..BATCH).map(|row| credit::record(row, start + row * 1000 / RATE)).collect();
        let mut lane = Lane::new(partition.clone(), &plan, &Resumed::default());
        lane.count(records.iter().zip(0..).map(|(record, offset)| (record.as_bytes(), offset, None)));
        lane.finish()
    };
    // The first one simulates what the others of about its size are compared with.
    let begun = Instant::now();
    let report = next();
    engine.step(Event::Report(report));
    println!("a window/the first of its size: {:.0} ms", begun.elapsed().as_secs_f64() * 1000.0);
    group.bench_function("unpack, measure 22 fields and judge", |bencher| {
        bencher.iter_batched(&mut next, |report| engine.step(Event::Report(report)), BatchSize::PerIteration)
    });
    group.finish();
}

/// The monitor, with more at its end, and a reference from twenty thousand records of the same kind.
fn subscriber(more: &str) -> Subscriber {
    let file = std::env::temp_dir().join(format!("tidegauge-bench-{}.yaml", std::process::id()));
    std::fs::write(&file, credit::monitor(1000) + more).expect("write the monitor");
    let monitor = Arc::new(load_monitor(&file).expect("the monitor is good"));
    std::fs::remove_file(&file).expect("remove the monitor");
    let fields = monitor.fields_of("credit.predictions");
    let wanted: Vec<_> = fields.iter().map(tidegauge::rows::Wanted::of).collect();
    let mut decoder = tidegauge::decode::json::Decoder::new(&wanted);
    for row in 0..20_000 {
        let record = credit::record(1_000_000 + row, START);
        decoder.push(record.as_bytes(), row as i64, None).expect("the record is good");
    }
    let reference =
        Reference::build_in_slices("bench", &fields, &[decoder.finish()], monitor.resolution, &monitor.slicing);
    Subscriber { monitor, reference: Some(Arc::new(reference)) }
}

criterion_group!(benches, benchmark);
criterion_main!(benches);
