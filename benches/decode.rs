//! How fast records of a credit model become columns: `cargo bench --bench decode`, in rows a second.

use std::fmt::Write;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde::de::IgnoredAny;
use tidegauge::decode::json::{Decoder, Parser};
use tidegauge::rows::Wanted;
use tidegauge::schema::{Kind, Path};

const ROWS: usize = 1024;

const NUMERIC: [&str; 14] = [
    "amount",
    "income",
    "age",
    "duration_months",
    "installment_rate",
    "debt_to_income",
    "credit_utilization",
    "open_accounts",
    "inquiries_6m",
    "months_employed",
    "existing_credits",
    "dependents",
    "late_payments_12m",
    "balance",
];

const CATEGORICAL: [(&str, &[&str]); 6] = [
    ("purpose", &["car", "furniture", "education", "repairs", "business"]),
    ("housing", &["own", "rent", "free"]),
    ("employment", &["salaried", "self_employed", "unemployed"]),
    ("savings", &["none", "below_100", "below_1000", "above_1000"]),
    ("channel", &["web", "branch", "partner", "app"]),
    ("country", &["DE", "FR", "NL", "ES", "PL", "IT"]),
];

fn benchmark(criterion: &mut Criterion) {
    let records: Vec<String> = (0..ROWS as u64).map(record).collect();
    let bytes: usize = records.iter().map(String::len).sum();
    println!("records of {} bytes on average, {} columns", bytes / ROWS, wanted().len());

    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(ROWS as u64));
    for (name, parser) in [("columns, sonic-rs", Parser::Sonic), ("columns, serde_json", Parser::SerdeJson)] {
        let mut decoder = Decoder::new(&wanted());
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

/// All that a monitor of this model measures: time, version, twenty features, score, class, latency and error.
fn wanted() -> Vec<Wanted> {
    let column = |path: &str, kind| Wanted { path: Path(path.to_owned()), kind };
    let mut columns = vec![column("ts", Kind::Time), column("version", Kind::Categorical)];
    columns.extend(NUMERIC.iter().map(|name| column(&format!("features.{name}"), Kind::Numeric)));
    columns.extend(CATEGORICAL.iter().map(|(name, _)| column(&format!("features.{name}"), Kind::Categorical)));
    columns.push(column("prediction.score", Kind::Numeric));
    columns.push(column("prediction.class", Kind::Categorical));
    columns.push(column("latency_ms", Kind::Numeric));
    columns.push(column("error", Kind::Flag));
    columns
}

/// A record as a scoring service writes it.
fn record(row: u64) -> String {
    let mut noise = Noise(row);
    let mut text = String::new();
    let milliseconds = row * 37;
    let _ = write!(
        text,
        r#"{{"ts":"2026-03-01T12:{:02}:{:02}.{:03}Z","id":"{:016x}","model":"credit-risk","version":"2026.02.{}","host":"scorer-{}","#,
        milliseconds / 60_000 % 60,
        milliseconds / 1000 % 60,
        milliseconds % 1000,
        noise.next(),
        noise.next() % 2,
        noise.next() % 12,
    );
    text.push_str(r#""features":{"#);
    for (index, name) in NUMERIC.iter().enumerate() {
        let number = noise.next();
        let _ = match index % 3 {
            0 => write!(text, r#""{name}":{}.{:02},"#, number % 100_000, number / 100_000 % 100),
            1 => write!(text, r#""{name}":{},"#, number % 500),
            _ => write!(text, r#""{name}":{},"#, (number % 1_000_003) as f64 / 1_000_003.0),
        };
    }
    for (name, values) in CATEGORICAL {
        let _ = write!(text, r#""{name}":"{}","#, values[noise.next() as usize % values.len()]);
    }
    text.pop();
    let score = (noise.next() % 1_000_003) as f64 / 1_000_003.0;
    let _ = write!(
        text,
        r#"}},"prediction":{{"score":{score},"class":"{}"}},"latency_ms":{}.{},"error":null,"trace":{{"span":"{:x}","sampled":false}}}}"#,
        if score > 0.5 { "bad" } else { "good" },
        noise.next() % 40,
        noise.next() % 1000,
        noise.next(),
    );
    text
}

/// A fixed sequence of numbers that look random (SplitMix64).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }
}

criterion_group!(benches, benchmark);
criterion_main!(benches);
