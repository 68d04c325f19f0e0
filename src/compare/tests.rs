//! Tests of whole comparisons, from files to answers.

use std::fmt::Write as _;

use polars::prelude::{Column as Series, DataFrame, IntoColumn, NamedFrom, ParquetWriter};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

fn series<T, Phantom: ?Sized>(name: &str, values: T) -> Series
where
    polars::prelude::Series: NamedFrom<T, Phantom>,
{
    polars::prelude::Series::new(name.into(), values).into_column()
}

fn parquet(columns: Vec<Series>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut frame = DataFrame::new_infer_height(columns).expect("columns of one length");
    ParquetWriter::new(&mut bytes).finish(&mut frame).expect("a table to write");
    bytes
}

/// Compares two files of these names and contents.
fn answer(names: [&str; 2], contents: [&[u8]; 2]) -> Result<Comparison> {
    let folder = TempDir::new().expect("a folder");
    let paths = [0, 1].map(|side| {
        let path = folder.path().join(format!("{side}-{}", names[side]));
        fs::write(&path, contents[side]).expect("a file");
        path
    });
    let [reference, current] = paths;
    let options = Options { reference, current, monitor: None, format: None, output: None };
    compare(&options, &ProgressBar::hidden(), Instant::now())
}

fn same_format(name: &str, contents: [&[u8]; 2]) -> Result<Comparison> {
    answer([name, name], contents)
}

/// All three forms; none may panic, and each keeps its promises.
fn render(comparison: &Comparison) -> [String; 3] {
    let terminal = terminal::render(comparison, false);
    for line in terminal.lines() {
        let width = unicode_width::UnicodeWidthStr::width(line);
        assert!(width <= 120, "{width}: {line}");
    }
    let json = json::render(comparison).expect("JSON");
    for line in json.lines() {
        let record: serde_json::Value = serde_json::from_str(line).expect("an object");
        assert!(record["type"].is_string(), "{line}");
    }
    assert!(json.lines().last().is_some_and(|line| line.contains("\"type\":\"summary\"")));
    let page = html::render(comparison).expect("a page");
    assert!(!page.contains("NaN%") && page.ends_with("</html>\n"));
    [terminal, json, page]
}

fn csv(rows: impl IntoIterator<Item = String>) -> Vec<u8> {
    rows.into_iter().fold(String::new(), |text, row| text + &row + "\n").into_bytes()
}

#[test]
fn what_drifted_comes_first_with_how_far() {
    let side = |shift: f64, home: usize| {
        let n = 2000;
        parquet(vec![
            series("age", (0..n).map(|i| (i * 37 % n) as f64 / 20.0).collect::<Vec<_>>()),
            series("income", (0..n).map(|i| (i * 73 % n) as f64 + shift).collect::<Vec<_>>()),
            series("purpose", (0..n).map(|i| if i % 10 < home { "home" } else { "car" }).collect::<Vec<_>>()),
            series("id", (0..n).map(|i| format!("{:x}", i * 7919)).collect::<Vec<_>>()),
            series("row", (0..n as i64).collect::<Vec<_>>()),
        ])
    };
    let comparison = same_format("x.parquet", [&side(0.0, 5), &side(600.0, 8)]).expect("an answer");
    assert_eq!(comparison.verdict, Verdict::Changed);
    let columns: Vec<(&str, bool)> = comparison.columns.iter().map(|c| (c.subject.as_str(), c.drifted)).collect();
    assert_eq!(columns, [("income", true), ("purpose", true), ("age", false)]);
    // A uniform distribution of width 2000 has a deviation of 577.
    assert_eq!(comparison.columns[0].change.as_deref(), Some("mean +1.04 sd"));
    assert_eq!(comparison.columns[1].change.as_deref(), Some("home 50.0 % → 80.0 %"));
    let told: Vec<&str> = comparison.told.iter().map(|told| told.subject.as_str()).collect();
    assert_eq!(told, ["id", "row"]);
    let [terminal, json, page] = render(&comparison);
    assert!(terminal.starts_with("2 of 3 columns drifted: income (psi "), "{terminal}");
    assert!(json.contains("\"drifted\":[\"income\",\"purpose\"]"), "{json}");
    assert!(page.contains("<h2>income</h2>"));
    let same = same_format("x.parquet", [&side(0.0, 5), &side(0.0, 5)]).expect("an answer");
    assert_eq!(same.verdict, Verdict::Same);
    assert!(headline::headline(&same).starts_with("None of 3 columns drifted; nearest to it: "));
}

/// The same rows in every format give the same measurements.
#[test]
fn formats_agree() {
    let n = 400;
    let number = |i: usize, side: usize| ((i * 37 % n) as f64).sqrt() + 2.0 * side as f64;
    let text = |i: usize, side: usize| ["red", "green", "blue"][(i * i + side * i) % 3];
    let of_parquet = |side| {
        parquet(vec![
            series("number", (0..n).map(|i| (i % 7 > 0).then(|| number(i, side))).collect::<Vec<_>>()),
            series("text", (0..n).map(|i| text(i, side)).collect::<Vec<_>>()),
        ])
    };
    let of_csv = |side| {
        let cell = |i: usize| if !i.is_multiple_of(7) { number(i, side).to_string() } else { String::new() };
        let rows = (0..n).map(|i| format!("{},{}", cell(i), text(i, side)));
        csv(std::iter::once("number,text".to_owned()).chain(rows))
    };
    let of_lines = |side| {
        let cell = |i: usize| if !i.is_multiple_of(7) { number(i, side).to_string() } else { "null".to_owned() };
        csv((0..n).map(|i| format!("{{\"number\":{},\"text\":\"{}\"}}", cell(i), text(i, side))))
    };
    let found = |names: [&str; 2], contents: [Vec<u8>; 2]| {
        let comparison = answer(names, [&contents[0], &contents[1]]).expect("an answer");
        let measurements: Vec<_> = comparison.columns.into_iter().flat_map(|column| column.measurements).collect();
        assert!(measurements.len() > 10);
        measurements
    };
    let expected = found(["x.parquet", "x.parquet"], [of_parquet(0), of_parquet(1)]);
    assert_eq!(expected, found(["x.csv", "x.csv"], [of_csv(0), of_csv(1)]));
    assert_eq!(expected, found(["x.ndjson", "x.jsonl"], [of_lines(0), of_lines(1)]));
    assert_eq!(expected, found(["x.json", "x.parquet"], [of_lines(0), of_parquet(1)]));
    let zipped = |bytes: Vec<u8>| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&bytes).expect("room in memory");
        encoder.finish().expect("room in memory")
    };
    assert_eq!(expected, found(["x.csv.gz", "x.json.gz"], [zipped(of_csv(0)), zipped(of_lines(1))]));
    assert_eq!(expected, found(["x.parquet.gz", "x.csv"], [zipped(of_parquet(0)), of_csv(1)]));
}

/// Two samples of one distribution with more values than either sees differ in which they see, and not otherwise.
#[test]
fn values_that_nobody_could_have_seen_are_no_drift() {
    let side = |seed: u64| {
        let mut random = fastrand::Rng::with_seed(seed);
        // Shares that fall as one over the rank, as words do.
        let word = |random: &mut fastrand::Rng| (5000f64.powf(random.f64())) as u64;
        csv(std::iter::once("word".to_owned()).chain((0..1000).map(|_| format!("w{}", word(&mut random)))))
    };
    for seed in 0..20 {
        let comparison = same_format("x.csv", [&side(2 * seed), &side(2 * seed + 1)]).expect("an answer");
        assert_eq!(comparison.verdict, Verdict::Same, "{}", headline::headline(&comparison));
    }
}

#[test]
fn a_column_that_breaks_is_told() {
    let header = || std::iter::once("amount,kept,gone".to_owned());
    let reference = csv(header().chain((0..300).map(|i| format!("{},{},{i}.5", i % 90, i % 7))));
    let nulls = csv(["amount,kept,new".to_owned()]
        .into_iter()
        .chain((0..300).map(|i| if i % 4 == 0 { format!(",{},1", i % 7) } else { format!("{},{},2", i % 90, i % 7) })));
    let comparison = same_format("x.csv", [&reference, &nulls]).expect("an answer");
    let amount = comparison.columns.iter().find(|c| c.subject == "amount").expect("it is in both");
    assert!(amount.worse_quality && !amount.drifted);
    assert_eq!(comparison.verdict, Verdict::Changed);
    let told: Vec<(&str, &str)> =
        comparison.told.iter().map(|told| (told.subject.as_str(), told.why.as_str())).collect();
    assert_eq!(told, [("gone", "only the reference has it"), ("new", "only the current data has it")]);
    let texts = csv(header().chain((0..300).map(|i| format!("{} EUR,{},1", i % 90, i % 7))));
    let comparison = same_format("x.csv", [&reference, &texts]).expect("an answer");
    let amount = comparison.columns.iter().find(|c| c.subject == "amount").expect("it is in both");
    assert!(amount.worse_quality, "{:?}", amount.measurements);
    assert!(comparison.told.iter().any(|told| told.why == "it was numbers and is text" && told.compared));
    render(&comparison);
}

#[test]
fn odd_columns_get_an_answer() {
    let n = 200;
    let side = |odd: f64| {
        parquet(vec![
            series("größe\u{1b}[31m<script>", (0..n).map(|i| i as f64 % 50.0).collect::<Vec<_>>()),
            series("one", vec![1.0; n]),
            series("infinite", (0..n).map(|i| if i % 2 == 0 { f64::INFINITY } else { odd }).collect::<Vec<_>>()),
            series("nan", vec![f64::NAN; n]),
            series("huge", (0..n).map(|i| f64::MAX / (1 + i) as f64).collect::<Vec<_>>()),
            series("tiny", (0..n).map(|i| f64::MIN_POSITIVE * i as f64).collect::<Vec<_>>()),
            series("", vec!["<b>&amp;\"'</b>"; n]),
            polars::prelude::Series::new_null("null".into(), n).into_column(),
            series("half", (0..n).map(|i| (i % 2 == 0).then_some("x")).collect::<Vec<_>>()),
            series("yes", (0..n).map(|i| i % 3 == 0).collect::<Vec<_>>()),
            series("list", vec![polars::prelude::Series::new("".into(), [1.0]); n]),
        ])
    };
    let comparison = same_format("x.parquet", [&side(1.0), &side(-1.0)]).expect("an answer");
    assert_eq!(comparison.columns.len(), 10);
    let [terminal, _, page] = render(&comparison);
    assert!(!terminal.contains('\u{1b}') && !page.contains("<script>\"") && !page.contains("<b>"));
    assert_eq!(page.matches("<script>").count(), 1, "the page's own");
    for m in comparison.columns.iter().flat_map(|column| &column.measurements) {
        assert!(m.value.is_some() != m.undefined.is_some(), "{m:?}");
        assert!(m.value.is_none_or(f64::is_finite), "{m:?}");
    }
}

#[test]
fn thousands_of_columns_are_compared() {
    let side = |shift: usize| {
        let column = |c: usize| {
            let drift = if c == 1234 { shift } else { 0 };
            series(&format!("c{c:04}"), (0..40).map(|i| ((i * 7 + c) % 40 + drift) as f64).collect::<Vec<_>>())
        };
        parquet((0..2000).map(column).collect())
    };
    let comparison = same_format("x.parquet", [&side(0), &side(100)]).expect("an answer");
    assert_eq!(comparison.columns.len(), 2000);
    let drifted: Vec<&str> = comparison.columns.iter().filter(|c| c.drifted).map(|c| c.subject.as_str()).collect();
    assert_eq!(drifted, ["c1234"]);
    let [terminal, ..] = render(&comparison);
    assert!(terminal.lines().count() < 100);
}

#[test]
fn what_cannot_be_read_is_said() {
    let good = csv(std::iter::once("a".to_owned()).chain((0..50).map(|i| (i % 5).to_string())));
    let check = |name: &str, bytes: &[u8], expected: &str| {
        for (names, contents) in [([name, "x.csv"], [bytes, &good]), (["x.csv", name], [&good, bytes])] {
            let error = answer(names, contents).err().map_or(String::new(), |error| format!("{error:#}"));
            assert!(error.contains(expected), "{name}: {error}");
        }
    };
    check("x.parquet", b"PAR1 and nothing else", "not a readable Parquet file");
    check("x.parquet", b"", "not a readable Parquet file");
    check("x.csv", b"", "not a readable CSV file");
    check("x.csv", b"a\n", "there are no rows in it");
    check("x.json", b"", "there are no rows in it");
    check("x.json", b"[1, 2]\n", "line 1 is not a JSON object");
    check("x.gz", b"", "the name must end in");
    check("x.csv.gz", b"no gzip", "x.csv.gz");
    check("x.csv", b"b\n1\n", "there is no column to compare in both files (a: only the");
    let few = answer(["x.csv", "x.csv"], [b"a\n1\n2\n", b"a\n1\n3\n"]).expect("an answer");
    assert_eq!(few.verdict, Verdict::Unknown);
    assert_eq!(headline::headline(&few), "Nothing can be told of 1 column: too few rows: 2 of 30.");
    render(&few);
}

#[test]
fn an_output_is_written_whole_and_replaces_what_was_there() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("report.html");
    write(&path, b"first").expect("it can be written");
    write(&path, b"second").expect("it can be replaced");
    assert_eq!(fs::read(&path).expect("it is there"), b"second");
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "nothing is left beside it");
    write(Path::new("/dev/null"), b"third").expect("what is no file is written to");
    assert!(write(&folder.path().join("missing/report.html"), b"").is_err());
}

/// A cell as somebody might write it, and as nobody should.
fn cell() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (-50i32..50).prop_map(|i| i.to_string()),
        4 => any::<f64>().prop_map(|x| x.to_string()),
        2 => prop::sample::select(vec!["", "NA", "null", "true", "False", "007", "1e400", "-0", "NaN", "2024-01-01"])
            .prop_map(str::to_owned),
        2 => "[a-c]{1,2}",
        1 => "\\PC{0,6}",
    ]
}

fn table(rows: usize) -> impl Strategy<Value = Vec<Vec<String>>> {
    (1usize..5).prop_flat_map(move |columns| prop::collection::vec(prop::collection::vec(cell(), columns), 0..rows))
}

fn csv_of(table: &[Vec<String>]) -> Vec<u8> {
    let columns = table.first().map_or(1, Vec::len);
    let header = (0..columns).map(|c| format!("c{}", c % 3)).collect::<Vec<_>>().join(",");
    let quoted = |cell: &String| format!("\"{}\"", cell.replace('"', "\"\""));
    let row = |row: &Vec<String>| row.iter().map(quoted).collect::<Vec<_>>().join(",");
    csv(std::iter::once(header).chain(table.iter().map(row)))
}

fn lines_of(table: &[Vec<String>]) -> Vec<u8> {
    let mut text = String::new();
    for row in table {
        let value = |cell: &String| serde_json::from_str(cell).unwrap_or(serde_json::Value::String(cell.clone()));
        let record: serde_json::Map<_, _> =
            row.iter().enumerate().map(|(c, cell)| (format!("c{}", c % 3), value(cell))).collect();
        let _ = writeln!(text, "{}", serde_json::Value::Object(record));
    }
    text.into_bytes()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_table_gets_an_answer_or_a_message(reference in table(60), current in table(60), lines: [bool; 2]) {
        let side = |table: &[Vec<String>], lines: bool| {
            if lines { ("x.json", lines_of(table)) } else { ("x.csv", csv_of(table)) }
        };
        let ((first, reference), (second, current)) = (side(&reference, lines[0]), side(&current, lines[1]));
        match answer([first, second], [&reference, &current]) {
            Ok(comparison) => drop(render(&comparison)),
            Err(error) => prop_assert!(!error.to_string().contains("could not be counted"), "{error:#}"),
        }
    }

    #[test]
    fn any_bytes_get_an_answer_or_a_message(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        name in prop::sample::select(vec!["x.csv", "x.json", "x.parquet", "x.csv.gz", "x.json.gz", "x.parquet.gz"]),
        damage in (any::<prop::sample::Index>(), any::<u8>()),
    ) {
        let good = parquet(vec![series("a", (0..50).map(f64::from).collect::<Vec<_>>()), series("b", vec!["x"; 50])]);
        let mut damaged = good.clone();
        let at = damage.0.index(damaged.len());
        damaged[at] = damage.1;
        for (names, contents) in [
            ([name, "x.parquet"], [&bytes[..], &good]),
            (["x.parquet", name], [&good, &bytes]),
            (["x.parquet", "x.parquet"], [&damaged, &good]),
            (["x.parquet", "x.parquet"], [&good, &damaged]),
        ] {
            match answer(names, contents) {
                Ok(comparison) => drop(render(&comparison)),
                Err(error) => prop_assert!(!error.to_string().contains("could not be counted"), "{error:#}"),
            }
        }
    }
}
