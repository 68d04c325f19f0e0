//! How fast records of a credit model become columns: `cargo bench --bench decode`, in rows a second.

mod credit;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde::de::IgnoredAny;
use tidegauge::decode::json::{Decoder, Parser};

const ROWS: usize = 1024;
const START: u64 = 1_772_000_000_000;

fn benchmark(criterion: &mut Criterion) {
    let records: Vec<String> = (0..ROWS as u64).map(|row| credit::record(row, START + row)).collect();
    let bytes: usize = records.iter().map(String::len).sum();
    println!("records of {} bytes on average, {} columns", bytes / ROWS, credit::wanted().len());

    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(ROWS as u64));
    for (name, parser) in [("columns, sonic-rs", Parser::Sonic), ("columns, serde_json", Parser::SerdeJson)] {
        let mut decoder = Decoder::new(&credit::wanted());
        decoder.parser = parser;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for (offset, record) in records.iter().enumerate() {
                    decoder.push(record.as_bytes(), offset as i64, None).expect("the record is good");
                }
                decoder.finish()
            });
        });
    }
    group.bench_function("validation only, sonic-rs", |bencher| {
        bencher.iter(|| {
            records.iter().for_each(|record| drop(black_box(sonic_rs::from_slice::<IgnoredAny>(record.as_bytes()))))
        });
    });
    group.bench_function("validation only, serde_json", |bencher| {
        bencher.iter(|| {
            records.iter().for_each(|record| drop(black_box(serde_json::from_slice::<IgnoredAny>(record.as_bytes()))))
        });
    });
    group.finish();
}

criterion_group!(benches, benchmark);
criterion_main!(benches);
