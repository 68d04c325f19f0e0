//! How long the tools take over files, and how much memory: `cargo bench --bench at_rest`.
//!
//! `compare` is asked of two Parquet files of a million rows and twenty columns, once drifted and once not. `profile`
//! reads five million rows of four columns, or as many as `TIDEGAUGE_ROWS` says.

mod process;

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use polars::prelude::{Column, DataFrame, ParquetWriter};
use rand_distr::{Distribution, Poisson, StandardNormal, Zipf};
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};

use process::{cpu_seconds, peak_memory_mib};

const ROWS: usize = 1_000_000;
/// Rows that are written together.
const GROUP: usize = 250_000;

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = |name: &str| folder.path().join(name);
    for (name, seed, is_drifted) in [("reference", 1, false), ("same", 2, false), ("drifted", 3, true)] {
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        write(&file(&format!("{name}.parquet")), ROWS, |rows| twenty(rows, is_drifted, &mut random));
    }
    for name in ["same", "drifted"] {
        let current = format!("{name}.parquet");
        let told = run(folder.path(), &["compare", "reference.parquet", &current], &[0, 1]);
        println!("compare, two files of {ROWS} rows and 20 columns, {name}: {told}");
    }
    let rows = std::env::var("TIDEGAUGE_ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(5_000_000);
    let mut random = Pcg64Mcg::seed_from_u64(4);
    write(&file("large.parquet"), rows, |rows| four(rows, &mut random));
    let monitor = "model: large\ninputs: [{topic: large}]\nschema:\n  time: ts\n  \
                   features: {normal: numeric, lognormal: numeric, count: numeric, text: categorical}\n\
                   reference: {dataset: large.parquet}\nwindow: {size: 1h}\n";
    fs::write(file("large.yaml"), monitor).expect("write the monitor");
    let told = run(folder.path(), &["profile", "large.parquet", "--monitor", "large.yaml"], &[0]);
    let bytes = |name: &str| fs::metadata(file(name)).map_or(0, |file| file.len());
    println!(
        "profile, {rows} rows and 4 columns, {} MB of Parquet: {told}, a file of {} kB",
        bytes("large.parquet") / 1_000_000,
        bytes("large.tidegauge") / 1000
    );
}

/// Runs the program, and says how long it took and the most memory that it held.
fn run(folder: &Path, arguments: &[&str], expected: &[i32]) -> String {
    let begun = Instant::now();
    let mut program = Command::new(env!("CARGO_BIN_EXE_tidegauge"))
        .args(arguments)
        .current_dir(folder)
        .stdout(Stdio::null())
        .spawn()
        .expect("the program starts");
    let (mut most, mut cpu, id) = (0, 0f64, program.id().to_string());
    let status = loop {
        most = most.max(peak_memory_mib(&id));
        cpu = cpu.max(cpu_seconds(&id));
        if let Some(status) = program.try_wait().expect("the program can be waited for") {
            break status;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(status.code().is_some_and(|code| expected.contains(&code)), "{arguments:?} ended with {status}");
    format!("{:.2} s, {cpu:.1} CPU-seconds, {most} MiB", begun.elapsed().as_secs_f64())
}

/// Writes rows group by group.
fn write(path: &Path, rows: usize, mut columns: impl FnMut(usize) -> Vec<Column>) {
    let file = File::create(path).expect("make the file");
    let frame = |columns| DataFrame::new_infer_height(columns).expect("columns of one length");
    let schema = frame(columns(1));
    let mut writer = ParquetWriter::new(file).batched(schema.schema()).expect("begin the file");
    for start in (0..rows).step_by(GROUP) {
        writer.write_batch(&frame(columns(GROUP.min(rows - start)))).expect("write a group");
    }
    writer.finish().expect("end the file");
}

fn normal(rows: usize, random: &mut Pcg64Mcg) -> Vec<f64> {
    (0..rows).map(|_| StandardNormal.sample(random)).collect()
}

fn lognormal(rows: usize, random: &mut Pcg64Mcg) -> Vec<f64> {
    normal(rows, random).into_iter().map(f64::exp).collect()
}

fn count(rows: usize, mean: f64, random: &mut Pcg64Mcg) -> Vec<i64> {
    let poisson = Poisson::new(mean).expect("a mean above zero");
    (0..rows).map(|_| poisson.sample(random) as i64).collect()
}

fn uniform(rows: usize, random: &mut Pcg64Mcg) -> Vec<f32> {
    (0..rows).map(|_| (random.next_u64() >> 40) as f32 / (1u64 << 24) as f32).collect()
}

fn text(rows: usize, values: f64, random: &mut Pcg64Mcg) -> Vec<String> {
    let zipf = Zipf::new(values, 1.0).expect("an exponent above zero");
    (0..rows).map(|_| format!("value-{}", zipf.sample(random))).collect()
}

/// Five normal columns, four lognormal, four of counts, three uniform and four of text.
fn twenty(rows: usize, is_drifted: bool, random: &mut Pcg64Mcg) -> Vec<Column> {
    let mut columns = Vec::new();
    for i in 0..5 {
        let shift = if is_drifted && i == 0 { 0.8 } else { 0.0 };
        let values: Vec<f64> = normal(rows, random).into_iter().map(|x| x + shift).collect();
        columns.push(Column::new(format!("normal_{i}").into(), values));
    }
    columns.extend((0..4).map(|i| Column::new(format!("lognormal_{i}").into(), lognormal(rows, random))));
    columns.extend((0..4).map(|i| Column::new(format!("count_{i}").into(), count(rows, 3.0 * 10f64.powi(i), random))));
    columns.extend((0..3).map(|i| Column::new(format!("uniform_{i}").into(), uniform(rows, random))));
    for (i, values) in [3.0, 20.0, 1000.0, 8000.0].into_iter().enumerate() {
        columns.push(Column::new(format!("text_{i}").into(), text(rows, values, random)));
    }
    columns
}

fn four(rows: usize, random: &mut Pcg64Mcg) -> Vec<Column> {
    vec![
        Column::new("normal".into(), normal(rows, random)),
        Column::new("lognormal".into(), lognormal(rows, random)),
        Column::new("count".into(), count(rows, 30.0, random)),
        Column::new("text".into(), text(rows, 1000.0, random)),
    ]
}
