//! Tests of reading whole files.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use polars::prelude::{Column as Series, DataFrame, IntoColumn, NamedFrom, ParquetWriter, StructChunked};

use super::*;
use crate::reference::Reference;
use crate::schema::{Disguise, Field, Role, Secret};
use crate::slice::Slicing;
use crate::time::Time;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("tidegauge-table-{test}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder for temporary files");
        Folder(path)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).expect("a file that can be written");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left behind in the folder for temporary files harms nobody.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("room in memory");
    encoder.finish().expect("room in memory")
}

fn parquet(columns: Vec<Series>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut frame = DataFrame::new_infer_height(columns).expect("columns of one length");
    ParquetWriter::new(&mut bytes).with_row_group_size(Some(1_000)).finish(&mut frame).expect("a table to write");
    bytes
}

fn series<T, Phantom: ?Sized>(name: &str, values: Vec<T>) -> Series
where
    polars::prelude::Series: NamedFrom<Vec<T>, Phantom>,
{
    polars::prelude::Series::new(name.into(), values).into_column()
}

/// A series of [`ROWS`] values.
fn each<T, Phantom: ?Sized>(name: &str, value: impl Fn(usize) -> T) -> Series
where
    polars::prelude::Series: NamedFrom<Vec<T>, Phantom>,
{
    series(name, (0..ROWS).map(value).collect())
}

fn field(path: &str, subject: &str, kind: Kind, role: Role) -> Field {
    let scale = if role == Role::Latency { 1e-3 } else { 1.0 };
    Field { subject: subject.into(), path: Path(path.into()), kind, role, scale, disguise: None }
}

fn fields() -> Vec<Field> {
    vec![
        field("features.income", "income", Kind::Numeric, Role::Feature),
        field("features.purpose", "purpose", Kind::Categorical, Role::Feature),
        field("features.grade", "grade", Kind::Categorical, Role::Feature),
        field("prediction.score", "score", Kind::Numeric, Role::Score),
        field("prediction.class", "prediction", Kind::Categorical, Role::Prediction),
        field("latency_ms", "latency", Kind::Numeric, Role::Latency),
        field("error", "error", Kind::Flag, Role::Error),
    ]
}

const ROWS: usize = 20_000;

fn income(row: usize) -> Option<f64> {
    (row % 10 != 3).then(|| (row * 7_919 % 10_007) as f64 / 7.0)
}

fn purpose(row: usize) -> Option<&'static str> {
    [Some("car"), Some("007"), Some("house, \"big\""), Some("1.0"), None][row % 5]
}

fn grade(row: usize) -> i64 {
    (row % 4) as i64
}

fn score(row: usize) -> f64 {
    (row * 31 % 997) as f64 / 997.0
}

fn class(row: usize) -> bool {
    score(row) > 0.5
}

fn latency(row: usize) -> i64 {
    1 + (row % 400) as i64
}

fn failed(row: usize) -> bool {
    row.is_multiple_of(50)
}

fn as_parquet() -> Vec<u8> {
    parquet(vec![
        each("ts", |row| row as i64),
        each("income", income),
        each("purpose", purpose),
        each("grade", |row| grade(row) as f64),
        each("score", score),
        each("class", class),
        each("latency_ms", latency),
        each("error", failed),
    ])
}

fn as_nested_parquet() -> Vec<u8> {
    let structure = |name: &str, columns: &[Series]| {
        let inner: Vec<_> = columns.iter().map(|column| column.as_materialized_series().clone()).collect();
        StructChunked::from_series(name.into(), ROWS, inner.iter()).expect("a structure").into_column()
    };
    let features = [each("income", income), each("purpose", purpose), each("grade", grade)];
    let prediction = [each("score", score), each("class", class)];
    parquet(vec![
        structure("features", &features),
        structure("prediction", &prediction),
        each("latency_ms", latency),
        each("error", |row| i32::from(failed(row))),
    ])
}

fn as_csv() -> Vec<u8> {
    let mut text = String::from("features.income,purpose,features.grade,prediction.score,class,latency_ms,error\r\n");
    for row in 0..ROWS {
        let income = income(row).map_or_else(String::new, |income| income.to_string());
        let purpose = purpose(row).map_or_else(String::new, |text| format!("\"{}\"", text.replace('"', "\"\"")));
        let class = if class(row) { "True" } else { "False" };
        let (grade, score, latency, failed) = (grade(row), score(row), latency(row), u8::from(failed(row)));
        text += &format!("{income},{purpose},{grade}.0,{score},{class},{latency},{failed}\r\n");
    }
    text.into_bytes()
}

fn as_ndjson() -> Vec<u8> {
    let lines = (0..ROWS).map(|row| {
        serde_json::json!({
            "features": {"income": income(row), "purpose": purpose(row), "grade": grade(row)},
            "prediction": {"score": score(row), "class": class(row)},
            "latency_ms": latency(row), "error": failed(row).then_some("timeout"),
        })
    });
    lines.flat_map(|line| format!("{line}\n\n").into_bytes()).collect()
}

#[test]
fn the_same_rows_make_the_same_reference_in_every_format() {
    let folder = Folder::new("formats");
    let files = [
        folder.file("flat.parquet", &as_parquet()),
        folder.file("nested.parquet", &as_nested_parquet()),
        folder.file("packed.parquet.gz", &gzip(&as_parquet())),
        folder.file("mixed.csv", &as_csv()),
        folder.file("mixed.CSV.GZ", &gzip(&as_csv())),
        folder.file("log.ndjson", &as_ndjson()),
        folder.file("log.jsonl.gz", &gzip(&as_ndjson())),
    ];
    let by = [vec!["purpose".to_owned()], vec!["grade".to_owned(), "prediction".to_owned()]];
    let slicing = Slicing { by: by.into(), most: 8, min_rows: 100 };
    let references = files.map(|path| reference(&path, &fields(), 100, &slicing).expect("a reference"));
    for other in &references {
        assert_eq!(other.fields, references[0].fields, "{}", other.name);
        assert_eq!(other.slices, references[0].slices, "{}", other.name);
        assert_eq!(other.hash, references[0].hash, "{}", other.name);
    }
    assert_eq!((references[0].name.as_str(), references[0].rows), ("flat.parquet", ROWS as u64));
    let slices = &references[0].slices.counts;
    let rows = |dimension| {
        slices.iter().filter(|(name, _)| name.starts_with(dimension)).map(|(_, slice)| slice.rows).sum::<u64>()
    };
    assert_eq!([rows("purpose="), rows("grade=")], [ROWS as u64; 2]);
    assert_eq!(slices.len(), 8 + 2);
    let tally = |subject| references[0].tally(subject).expect("a field that was counted");
    assert_eq!((tally("income").presence().null, tally("purpose").presence().null), (2_000, 4_000));
    let crate::tally::FieldTally::Numeric(latency) = tally("latency") else { panic!("a latency is a number") };
    assert_eq!((latency.min, latency.max), (0.001, 0.4));
}

#[test]
fn what_is_disguised_is_so_from_every_format() {
    let folder = Folder::new("disguised");
    let files = [
        folder.file("flat.parquet", &as_parquet()),
        folder.file("nested.parquet", &as_nested_parquet()),
        folder.file("mixed.csv", &as_csv()),
        folder.file("log.ndjson", &as_ndjson()),
    ];
    let names = [("car", "A"), ("007", "B"), ("1.0", "A")].map(|(value, name)| (value.to_owned(), name.to_owned()));
    let mut fields = fields();
    fields[1].disguise = Some(Disguise::named(names.into()));
    fields[2].disguise = Some(Disguise::Hashed(Secret::new(b"a secret")));
    // Two fields may be read from one place.
    fields.push(Field { subject: "again".into(), disguise: None, ..fields[2].clone() });
    let hash = |row| fields[2].disguise.as_ref().map(|it| it.of(&grade(row).to_string()).into_owned());
    for path in files {
        let table = Table::open(&path, fields.iter().map(Lookup::from).collect()).expect("a table");
        let batches = table.batches().expect("it can be read").map(|batch| batch.expect("rows"));
        let mut rows = 0;
        for batch in batches {
            for row in 0..batch.len() {
                let at = row + rows;
                let stand_in = purpose(at).map(|value| match value {
                    "car" | "1.0" => "A",
                    "007" => "B",
                    _ => "unnamed",
                });
                assert_eq!(batch.columns[1].text(row), stand_in, "{}", path.display());
                assert_eq!(batch.columns[2].text(row).map(str::to_owned), hash(at), "{}", path.display());
                assert_eq!(batch.columns[7].text(row), Some(grade(at).to_string().as_str()), "{}", path.display());
            }
            rows += batch.len();
        }
        assert_eq!(rows, ROWS);
    }
}

#[test]
fn rows_come_in_order_in_batches_and_with_their_offsets() {
    let folder = Folder::new("batches");
    let wanted = |path: &str, kind| Lookup::from(Wanted::new(Path(path.into()), kind));
    let lookups = || vec![wanted("ts", Kind::Time), wanted("version", Kind::Categorical), wanted("ts", Kind::Time)];
    let seconds: Vec<i64> = (0..ROWS as i64).map(|row| 1_700_000_000 + row).collect();
    let lines: String = seconds.iter().map(|at| format!("{{\"ts\":{at}}}\n")).collect();
    let texts: String = std::iter::once("ts\n".to_owned()).chain(seconds.iter().map(|at| format!("{at}\n"))).collect();
    let files = [
        folder.file("t.parquet", &parquet(vec![series("ts", seconds.clone())])),
        folder.file("t.csv", texts.as_bytes()),
        folder.file("t.json", lines.as_bytes()),
    ];
    for path in files {
        let table = Table::open(&path, lookups()).expect("a table");
        assert_eq!(table.missing().collect::<Vec<_>>(), [&lookups()[1]]);
        let batches: Vec<Rows> = table.batches().expect("batches").map(|batch| batch.expect("rows")).collect();
        assert_eq!(batches.iter().map(Rows::len).collect::<Vec<_>>(), [8_192, 8_192, 3_616]);
        let mut row = 0;
        for batch in batches {
            let Values::Time(times) = &batch.columns[2].values else { panic!("times were wanted") };
            for at in 0..batch.len() {
                assert_eq!((batch.offsets[at], batch.logged[at]), (row, None));
                assert_eq!(Time(times.value(at)), Time((1_700_000_000 + row) * 1_000));
                assert_eq!(batch.columns[1].absent(at), Some(Absent::Missing));
                row += 1;
            }
        }
    }
}

/// The reference that is made with all rows in memory.
fn whole(paths: &[PathBuf], fields: &[Field], resolution: usize) -> Reference {
    let mut tables: Vec<Table> = Vec::new();
    for path in paths {
        tables.push(Table::open(path, fields.iter().map(Lookup::from).collect()).expect("a table"));
    }
    Table::unite(&mut tables);
    let batches = tables.iter().flat_map(|table| table.batches().expect("batches").map(|batch| batch.expect("rows")));
    Reference::build("whole", fields, &batches.collect::<Vec<_>>(), resolution)
}

#[test]
fn several_files_are_one_data_set_and_what_is_read_in_passes_is_what_is_read_at_once() {
    let folder = Folder::new("several");
    let text = String::from_utf8(as_csv()).expect("a text");
    let (head, rest) = text.split_at(text.match_indices('\n').nth(7_000).expect("enough lines").0 + 1);
    let header = text.lines().next().expect("a header");
    let csv =
        [folder.file("1.csv", head.as_bytes()), folder.file("2.csv.gz", &gzip(format!("{header}\n{rest}").as_bytes()))];
    let one = [folder.file("whole.csv", text.as_bytes())];
    let mixed = [folder.file("a.parquet", &as_parquet()), folder.file("b.ndjson", &as_ndjson())];
    for (paths, rows) in [(&csv[..], ROWS), (&one, ROWS), (&mixed, 2 * ROWS)] {
        for resolution in [2, 100, 20_000] {
            let built = reference_of(paths, &fields(), resolution, &Slicing::default(), &Slicing::default(), &|_| true)
                .expect("a reference");
            assert_eq!(built.reference.rows, rows as u64);
            assert_eq!(built.reference.fields, whole(paths, &fields(), resolution).fields);
            assert_eq!(built.reference.hash, whole(paths, &fields(), resolution).hash);
            assert_eq!((built.distinct["latency"], built.distinct["purpose"]), (400, 4));
        }
    }
    let built = |paths: &[PathBuf]| {
        reference_of(paths, &fields(), 100, &Slicing::default(), &Slicing::default(), &|_| true)
            .expect("a reference")
            .reference
    };
    assert_eq!(built(&csv).hash, built(&one).hash);
    assert_eq!(built(&csv).name, "1.csv and 1 more");
    // A value that only one of the files has says what all of them mean.
    let codes = [folder.file("codes.csv", b"purpose\n1.0\n2\n"), folder.file("more.csv", b"purpose\n007\n1.0\n")];
    let reference = built(&codes);
    let Some(crate::grid::Axis::Categorical(values)) = reference.axis("purpose") else { panic!("a category") };
    assert_eq!(values.values(), ["007", "1.0", "2"]);
}

#[test]
fn the_progress_is_told_and_can_be_ended() {
    let folder = Folder::new("progress");
    let paths = [folder.file("a.parquet", &as_parquet()), folder.file("b.csv.gz", &gzip(&as_csv()))];
    let told = std::sync::Mutex::new(Vec::new());
    let tell = |progress| {
        told.lock().expect("nobody panicked").push(progress);
        true
    };
    reference_of(&paths, &fields(), 100, &Slicing::default(), &Slicing::default(), &tell).expect("a reference");
    let told: Vec<Progress> = told.into_inner().expect("nobody panicked");
    let bytes = paths.iter().map(|path| path.metadata().expect("it is there").len()).sum::<u64>();
    assert!(told.iter().all(|progress| progress.position <= bytes && progress.bytes == bytes));
    let last = told.last().expect("there was some");
    assert_eq!((last.rows, last.position, last.pass, last.is_last), (2 * ROWS as u64, bytes, 2, true));
    let refuse = |progress: Progress| !progress.is_last;
    let refused = reference_of(&paths, &fields(), 100, &Slicing::default(), &Slicing::default(), &refuse)
        .map(|built| built.passes);
    assert!(matches!(refused, Err(TableError::Interrupted)));
}

#[test]
fn a_field_that_the_file_does_not_have_is_not_in_the_reference() {
    let folder = Folder::new("missing");
    let fields = [fields().remove(0), fields().remove(6)];
    for path in [
        folder.file("a.csv", b"income\n1\n2\n"),
        folder.file("a.json", b"{\"income\":1}\n{\"income\":2}"),
        folder.file("a.parquet", &parquet(vec![series("income", vec![1.0, 2.0])])),
    ] {
        let reference = reference(&path, &fields, 10, &Slicing::default()).expect("a reference");
        assert_eq!(reference.fields.keys().collect::<Vec<_>>(), ["income"]);
    }
}

#[track_caller]
fn check_error(path: &FilePath, expected: &str) {
    let error =
        reference(path, &fields(), 10, &Slicing::default()).map(|reference| reference.rows).expect_err("no reference");
    let text = error.to_string();
    let (start, message) = text.split_at(path.display().to_string().len());
    assert_eq!(start, path.display().to_string());
    assert!(message.contains(expected), "{message}");
    assert!(!text.contains('\n'), "{text}");
}

#[test]
fn what_cannot_be_read_is_told_in_a_line() {
    let folder = Folder::new("errors");
    let noise: Vec<u8> = (0..5_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    check_error(&folder.0.join("absent.parquet"), "No such file");
    check_error(&folder.0.join("absent.csv"), "No such file");
    check_error(&folder.0.join("absent.json"), "No such file");
    check_error(&folder.file("table.xlsx", b""), ".parquet, .csv, .ndjson");
    check_error(&folder.file("table", b""), ".parquet, .csv, .ndjson");
    check_error(&folder.file("empty.parquet", b""), "not a readable Parquet file: ");
    check_error(&folder.file("empty.csv", b""), "not a readable CSV file: ");
    check_error(&folder.file("header.csv", b"income,score\n"), "there are no rows");
    check_error(&folder.file("empty.json", b"\n"), "there are no rows");
    check_error(&folder.file("other.csv", b"a,b\n1,2\n"), "; it has a, b");
    check_error(&folder.file("other.json", b"{\"a\":1}"), "none of the columns that are looked for: features.income, ");
    check_error(&folder.file("ragged.csv", b"income,score\n1,2,3\n"), "not a readable CSV file: ");
    check_error(&folder.file("noise.parquet", &noise), "not a readable Parquet file: ");
    check_error(&folder.file("noise.csv", &noise), "");
    check_error(&folder.file("noise.json", &noise), "line 1 is not a JSON object");
    check_error(&folder.file("noise.csv.gz", &noise), "gzip");
    check_error(&folder.file("bad.json", b"{\"income\":1}\n\n[1]\n"), "line 3 is not a JSON object");
    let packed = gzip(&as_csv());
    check_error(&folder.file("cut.csv.gz", &packed[..packed.len() / 2]), "");
    check_error(&folder.file("cut.json.gz", &gzip(&as_ndjson())[..9_000]), "");
}

#[test]
fn a_damaged_parquet_file_is_an_error_and_not_the_end() {
    let folder = Folder::new("damage");
    let bytes = as_parquet();
    for part in 0..20 {
        let cut = folder.file("cut.parquet", &bytes[..bytes.len() * part / 20]);
        check_error(&cut, "not a readable Parquet file: ");
    }
    let mut at = 17usize;
    for _ in 0..40 {
        let mut bytes = bytes.clone();
        at = at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let place = at % bytes.len();
        bytes[place] ^= 0x55;
        // Damage to a value goes unseen, as the pages carry no checksum; all that is asked is to come back.
        let _ = reference(&folder.file("hurt.parquet", &bytes), &fields(), 10, &Slicing::default());
    }
}
