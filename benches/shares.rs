//! What each drift statistic of a category costs, by the number of its values: `cargo bench --bench shares`.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use fastrand::Rng;
use tidegauge::grid::{Axis, Vocabulary};
use tidegauge::measurement::Family;
use tidegauge::stat::{ALL, Case, On, Side};
use tidegauge::tally::category::CategoryTally;
use tidegauge::tally::{FieldTally, Presence};
use tidegauge::time::Span;

const REFERENCE: usize = 1_000_000;
const WINDOW: usize = 100_000;

fn benchmark(criterion: &mut Criterion) {
    for values in [1000, 10_000, 100_000] {
        let mut random = Rng::with_seed(1);
        let axis = Axis::Categorical(Vocabulary::new((0..values).map(|value| format!("{value:06}"))));
        let [reference, current] = [REFERENCE, WINDOW].map(|rows| zipf(values, rows, &mut random));
        let case = Case {
            rows: WINDOW as u64,
            window: Span(60_000),
            current: Some(Side { axis: &axis, tally: &current }),
            reference: Some(&reference),
            min_rows: 30,
            significance: 0.001,
            attributions: &[],
            outcomes: None,
        };
        let mut group = criterion.benchmark_group("a category");
        group.sample_size(20).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
        let of_categories =
            ALL.iter().filter(|row| row.family == Family::Drift && matches!(row.on, On::Categorical | On::Valued));
        for row in of_categories {
            group.bench_function(BenchmarkId::new(row.name, values), |bencher| {
                bencher.iter(|| black_box((row.compute)(&case)))
            });
        }
        group.bench_function(BenchmarkId::new("store", values), |bencher| {
            bencher.iter(|| postcard::to_stdvec(&current).map(|bytes| bytes.len()))
        });
        group.finish();
    }
}

/// Rows by Zipf's law, some of them of no known value.
fn zipf(values: usize, rows: usize, random: &mut Rng) -> FieldTally {
    let mut sum = 0.0;
    let cumulative: Vec<f64> = (1..=values + 1)
        .map(|rank| {
            sum += 1.0 / rank as f64;
            sum
        })
        .collect();
    let mut counts = vec![0; values + 1];
    for _ in 0..rows {
        let at = random.f64() * sum;
        counts[cumulative.partition_point(|&sum| sum <= at).min(values)] += 1;
    }
    let presence = Presence { rows: rows as u64, ..Presence::default() };
    FieldTally::Categorical(CategoryTally { presence, counts: counts.into(), commonest: Default::default() })
}

criterion_group!(benches, benchmark);
criterion_main!(benches);
