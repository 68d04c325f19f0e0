//! What is read from which record, case by case, with either parser.

use super::super::Decoder;
use super::super::text::DEEPEST;
use super::{PARSERS, show, wanted};
use crate::rows::{Reason, Rows, Wanted};
use crate::schema::Kind;
use crate::time::Time;

/// Decodes one record and shows its row.
#[track_caller]
fn row(wanted: &[Wanted], record: &[u8]) -> Result<Vec<String>, Reason> {
    let read = |parser| {
        let mut decoder = Decoder::new(wanted);
        decoder.parser = parser;
        decoder.push(record, 0, None)?;
        let rows = decoder.finish();
        assert_eq!(rows.len(), 1);
        Ok(rows.columns.iter().map(|column| show(column, 0)).collect())
    };
    let [sonic, serde_json] = PARSERS.map(read);
    assert_eq!(sonic, serde_json, "the parsers agree on {}", String::from_utf8_lossy(record));
    sonic
}

/// Checks what one value is as a number, a category, a flag and a time.
#[track_caller]
fn check_kinds(value: &str, expected: [&str; 4]) {
    let kinds = [Kind::Numeric, Kind::Categorical, Kind::Flag, Kind::Time].map(|kind| wanted("x", kind));
    let record = if value.is_empty() { "{}".to_owned() } else { format!(r#"{{"x":{value}}}"#) };
    assert_eq!(row(&kinds, record.as_bytes()).expect(value), expected, "{value}");
}

/// Checks the numbers found at some paths.
#[track_caller]
fn check_paths(paths: &[&str], record: &str, expected: &[&str]) {
    let columns: Vec<Wanted> = paths.iter().map(|path| wanted(path, Kind::Numeric)).collect();
    assert_eq!(row(&columns, record.as_bytes()).expect(record), expected, "{record}");
}

#[track_caller]
fn check_rejected(record: &[u8]) {
    let columns = [wanted("x", Kind::Numeric), wanted("deep.x", Kind::Categorical)];
    assert_eq!(row(&columns, record), Err(Reason::NotJson), "{}", String::from_utf8_lossy(record));
}

#[test]
fn kinds() {
    const MIS: &str = "Mistyped";
    check_kinds("", ["Missing", "Missing", "0.0", "Missing"]);
    check_kinds("null", ["Null", "Null", "0.0", "Null"]);
    check_kinds("true", [MIS, r#""true""#, "1.0", MIS]);
    check_kinds("false", [MIS, r#""false""#, "0.0", MIS]);
    check_kinds("0", ["0.0", r#""0""#, "0.0", "1970-01-01T00:00:00Z"]);
    check_kinds("-0", ["0.0", r#""0""#, "0.0", "1970-01-01T00:00:00Z"]);
    check_kinds("-0.0", ["0.0", r#""0""#, "0.0", "1970-01-01T00:00:00Z"]);
    check_kinds("1.0", ["1.0", r#""1""#, "1.0", "1970-01-01T00:00:01Z"]);
    check_kinds("1e3", ["1000.0", r#""1000""#, "1.0", "1970-01-01T00:16:40Z"]);
    check_kinds("-1.5E-2", ["-0.015", r#""-0.015""#, "1.0", "1969-12-31T23:59:59.985Z"]);
    check_kinds("1772323200", ["1772323200.0", r#""1772323200""#, "1.0", "2026-03-01T00:00:00Z"]);
    check_kinds("1772323200000", ["1772323200000.0", r#""1772323200000""#, "1.0", "2026-03-01T00:00:00Z"]);
    let (most, least) = (r#""18446744073709551615""#, r#""-9223372036854775808""#);
    check_kinds("18446744073709551615", ["1.8446744073709552e19", most, "1.0", MIS]);
    check_kinds("-9223372036854775808", ["-9.223372036854776e18", least, "1.0", "1677-09-21T00:12:43.145Z"]);
    check_kinds("100000000000000000000000", ["1e23", r#""100000000000000000000000""#, "1.0", MIS]);
    check_kinds("5e-324", ["5e-324", &format!("\"0.{}5\"", "0".repeat(323)), "1.0", "1970-01-01T00:00:00Z"]);
    check_kinds("1e-400", ["0.0", r#""0""#, "0.0", "1970-01-01T00:00:00Z"]);
    check_kinds(r#""""#, [MIS, r#""""#, "0.0", MIS]);
    check_kinds(r#""1""#, [MIS, r#""1""#, "1.0", "1970-01-01T00:00:01Z"]);
    check_kinds(r#"" 1.5 ""#, [MIS, r#"" 1.5 ""#, "1.0", "1970-01-01T00:00:01.500Z"]);
    check_kinds(r#""no""#, [MIS, r#""no""#, "1.0", MIS]);
    check_kinds(r#""NaN""#, ["NaN", r#""NaN""#, "1.0", MIS]);
    check_kinds(r#""Infinity""#, ["inf", r#""Infinity""#, "1.0", MIS]);
    check_kinds(r#""-Infinity""#, ["-inf", r#""-Infinity""#, "1.0", MIS]);
    check_kinds(r#""-NaN""#, [MIS, r#""-NaN""#, "1.0", MIS]);
    check_kinds(r#""nan""#, [MIS, r#""nan""#, "1.0", MIS]);
    let at = "2026-03-01T12:00:00.250Z";
    check_kinds(r#""2026-03-01T12:00:00.25Z""#, [MIS, r#""2026-03-01T12:00:00.25Z""#, "1.0", at]);
    check_kinds(r#""2026-03-01T13:00:00.25+01:00""#, [MIS, r#""2026-03-01T13:00:00.25+01:00""#, "1.0", at]);
    check_kinds(r#""2026-03-01 12:00:00.25""#, [MIS, r#""2026-03-01 12:00:00.25""#, "1.0", at]);
    check_kinds(r#""2026-02-30T00:00:00Z""#, [MIS, r#""2026-02-30T00:00:00Z""#, "1.0", MIS]);
    check_kinds("[]", [MIS; 4]);
    check_kinds("[1,[2]]", [MIS; 4]);
    check_kinds("{}", [MIS; 4]);
    check_kinds(r#"{"x":1}"#, [MIS; 4]);
}

#[test]
fn escapes_and_scripts() {
    let columns = [wanted("ключ", Kind::Categorical), wanted("a\"b", Kind::Categorical)];
    let record = r#"{"\u043aлюч":"\ud83d\ude00\n\\u0\/","a\"b":"é\u0000"}"#;
    assert_eq!(row(&columns, record.as_bytes()).expect(record), [r#""😀\n\\u0/""#, r#""é\0""#]);
}

#[test]
fn numbers_that_are_no_json() {
    check_kinds("NaN", ["NaN", r#""NaN""#, "1.0", "Mistyped"]);
    check_kinds("Infinity", ["inf", r#""Infinity""#, "1.0", "Mistyped"]);
    check_kinds("\n-Infinity\t", ["-inf", r#""-Infinity""#, "1.0", "Mistyped"]);
    check_kinds("1e400", ["inf", r#""Infinity""#, "1.0", "Mistyped"]);
    check_kinds("-1e400", ["-inf", r#""-Infinity""#, "1.0", "Mistyped"]);
    check_paths(
        &["x", "y.z"],
        r#"{"a":"NaN,NaN","b":[NaN, 1e999,{"c":-Infinity}],"x":NaN,"y":{"z":1}}"#,
        &["NaN", "1.0"],
    );
    check_paths(&["x"], r#"{"a":"\\","NaN":NaN,"\"":"\\\"","x": 3 }"#, &["3.0"]);
    for record in [
        "NaN",
        "{NaN:1}",
        r#"{"x":1,NaN:1}"#,
        r#"{"x":1,NaN :1}"#,
        r#"{"x":NaN"#,
        r#"{"x":-NaN}"#,
        r#"{"x":+Infinity}"#,
        r#"{"x":nan}"#,
        r#"{"x":NaNa}"#,
        r#"{"x":NaN"a"}"#,
        r#"{"x":1NaN}"#,
        r#"{"x":NaN NaN}"#,
        r#"{"x":+1e400}"#,
        r#"{"x":01e400}"#,
        r#"{"x":.1e400}"#,
        r#"{"x":1.e400}"#,
        r#"{"x":inf}"#,
    ] {
        check_rejected(record.as_bytes());
    }
}

#[test]
fn spellings_of_a_path() {
    let abc = &["a.b.c"];
    for record in [
        r#"{"a":{"b":{"c":1}}}"#,
        r#"{"a.b":{"c":1}}"#,
        r#"{"a":{"b.c":1}}"#,
        r#"{"a.b.c":1}"#,
        " {\r\n\t\"a\" : { \"b.c\" : 1 } } \n",
    ] {
        check_paths(abc, record, &["1.0"]);
    }
    for record in
        [r#"{"a":{"b":1}}"#, r#"{"a":null}"#, r#"{"a":[{"b":{"c":1}}]}"#, r#"{"a":{"b":{"C":1}}}"#, r#"{"c":1}"#]
    {
        check_paths(abc, record, &["Missing"]);
    }
    check_paths(&["a", "a.b", "a.b.c", ""], r#"{"a":{"b":2,"":3},"":4}"#, &["Mistyped", "2.0", "Missing", "4.0"]);
    check_paths(&["a.", ".a", "..", "."], r#"{"a":{"":1},"":{"a":2,"":{"":3}}}"#, &["1.0", "2.0", "3.0", "Mistyped"]);
    check_paths(&["a.b"], r#"{"a":1,"a.b":2}"#, &["2.0"]);
}

#[test]
fn the_last_place_counts() {
    check_paths(&["x"], r#"{"x":1,"x":2,"x":3}"#, &["3.0"]);
    check_paths(&["x"], r#"{"x":1,"x":null}"#, &["Null"]);
    check_paths(&["x"], r#"{"x":{},"x":4}"#, &["4.0"]);
    check_paths(&["a.b"], r#"{"a":{"b":1},"a.b":2}"#, &["2.0"]);
    check_paths(&["a.b"], r#"{"a.b":2,"a":{"b":1}}"#, &["1.0"]);
    check_paths(&["a.b", "a.c"], r#"{"a":{"b":1},"a":{"c":2}}"#, &["1.0", "2.0"]);
    let columns = [wanted("x", Kind::Categorical), wanted("x", Kind::Flag), wanted("y", Kind::Categorical)];
    let record = r#"{"x":"long text","y":"b","x":"","y":null,"y":"é"}"#;
    assert_eq!(row(&columns, record.as_bytes()).expect(record), [r#""""#, "0.0", r#""é""#]);
}

#[test]
fn what_is_not_one_json_object() {
    for record in [
        "",
        " ",
        "\0",
        "{",
        "}",
        "{}}",
        "{}{}",
        "{} x",
        "{},",
        "null",
        "true",
        "1",
        "\"x\"",
        "[]",
        "[{}]",
        "x",
        "{x:1}",
        "{'x':1}",
        "\u{feff}{}",
        "{\"x\"}",
        "{\"x\":}",
        "{\"x\" 1}",
        "{\"x\":1,}",
        "{,}",
        "{\"x\":1 \"y\":2}",
        "{1:2}",
        "{\"x\":01}",
        "{\"x\":+1}",
        "{\"x\":1.}",
        "{\"x\":.5}",
        "{\"x\":1e}",
        "{\"x\":-}",
        "{\"x\":0x1}",
        "{\"x\":1_0}",
        "{\"x\":tru}",
        "{\"x\":True}",
        "{\"x\":\"}",
        "{\"x\":\"\t\"}",
        "{\"x\":\"\\",
        "{\"x\":\"\\\"}",
        "{\"x\":\"\\x41\"}",
        "{\"x\":[1}",
        "{\"x\":[1,]}",
        "{\"x\":{\"y\":1}",
        "{\"x\":1}/*c*/",
        "{\"y\":[1 2]}",
        "{\"y\":01}",
        "{\"y\":\"\n\"}",
        "{\"y\":{\"z\"}}",
        "{\"y\":[}]}",
        "{\"x\u{c}\":1}\u{c}",
        "{\"x\":1}\u{b}",
    ] {
        check_rejected(record.as_bytes());
    }
}

/// The parser does not look closely at what it skips, so these are looked for beforehand.
#[test]
fn bad_text_where_nothing_is_wanted() {
    for escape in
        [r"\u", r"\u12", r"\u12G4", r"\u+123", r"\ud800", r"\udc00", r"\ud800\n", r"\ud800\u0041", r"\ud800\ud800"]
    {
        for (before, after) in
            [("x", ""), ("y", ""), ("y", " and more text, longer than a vector of 32 bytes is"), ("deep", "")]
        {
            check_rejected(format!(r#"{{"{before}":"{escape}{after}"}}"#).as_bytes());
            check_rejected(format!(r#"{{"{before}":[{{"{escape}{after}":1}}]}}"#).as_bytes());
            check_rejected(format!(r#"{{"{escape}{after}":1}}"#).as_bytes());
        }
    }
    // Here `\u` could be taken to hide the end of the string, and the rest would be an object still.
    check_rejected(br#"{"y":"\u12"}  "}"#);
    for bytes in [&b"\xff"[..], b"\xc3", b"\xed\xa0\x80", b"\xc0\x80", b"\xf5\x80\x80\x80"] {
        for (before, after) in
            [(r#"{"x":""#, r#""}"#), (r#"{"y":""#, r#""}"#), (r#"{""#, r#"":1}"#), (r#"{"x":1}"#, "")]
        {
            check_rejected(&[before.as_bytes(), bytes, after.as_bytes()].concat());
        }
    }
}

#[test]
fn nesting() {
    let nested = |key: &str, open: &str, close: &str, depth: usize| {
        format!(r#"{{"x":1,"{key}":{}1{}}}"#, open.repeat(depth - 1), close.repeat(depth - 1))
    };
    let paths = ["x", "deep.deep.deep"];
    for key in ["y", "x", "deep"] {
        for (open, close) in [("[", "]"), (r#"{"deep":"#, "}")] {
            let deep = if key == "deep" && open != "[" { "Mistyped" } else { "Missing" };
            let x = if key == "x" { "Mistyped" } else { "1.0" };
            check_paths(&paths, &nested(key, open, close, DEEPEST), &[x, deep]);
            check_rejected(nested(key, open, close, DEEPEST + 1).as_bytes());
            check_rejected(nested(key, open, close, 100_000).as_bytes());
            check_rejected(nested(key, open, "", 100_000).as_bytes());
        }
    }
    check_rejected("[".repeat(1 << 20).as_bytes());
    check_rejected("{\"x\":".repeat(1 << 18).as_bytes());
    let wide = format!(r#"{{"y":[{}0],"z":"{}\"[","x":1}}"#, "[{}],".repeat(1000), "[{".repeat(1000));
    check_paths(&paths, &wide, &["1.0", "Missing"]);
}

#[test]
fn too_large() {
    let mut decoder = Decoder::new(&[]);
    assert_eq!(decoder.push(&[b' '; (4 << 20) + 1], 0, None), Err(Reason::TooLarge));
    decoder.limit = 2;
    assert_eq!(decoder.push(b"{} ", 1, None), Err(Reason::TooLarge));
    assert_eq!(decoder.push(b"{}", 2, None), Ok(()));
    assert_eq!(decoder.finish().offsets, [2]);
}

#[test]
fn a_batch() {
    let columns =
        [wanted("x", Kind::Numeric), wanted("c", Kind::Categorical), wanted("f", Kind::Flag), wanted("t", Kind::Time)];
    let mut decoder = Decoder::new(&columns);
    let shown = |rows: &Rows| -> Vec<Vec<String>> {
        rows.columns.iter().map(|column| (0..rows.len()).map(|row| show(column, row)).collect()).collect()
    };

    let logged = Some(Time(7));
    assert_eq!(decoder.push(br#"{"x":1,"c":"a","f":true,"t":0}"#, 10, logged), Ok(()));
    assert_eq!(decoder.push(br#"{"x":2,"c":"bb","f":[],"t":1"#, 11, logged), Err(Reason::NotJson));
    assert_eq!(decoder.push(br#"{"x":3,"c":"ccc"}"#, 12, None), Ok(()));
    assert_eq!(decoder.len(), 2);
    let rows = decoder.finish();
    assert_eq!(rows.offsets, [10, 12]);
    assert_eq!(rows.logged, [logged, None]);
    let expected = [["1.0", "3.0"], [r#""a""#, r#""ccc""#], ["1.0", "0.0"], ["1970-01-01T00:00:00Z", "Missing"]];
    assert_eq!(shown(&rows), expected);
    assert_eq!(rows.columns.iter().map(|column| column.marks.len()).collect::<Vec<_>>(), [0, 0, 0, 2]);

    assert!(decoder.is_empty());
    assert_eq!(shown(&decoder.finish()), [const { Vec::<String>::new() }; 4]);
    assert_eq!(decoder.push(br#"{"c":null,"t":1}"#, 13, None), Ok(()));
    assert_eq!(shown(&decoder.finish()), [["Missing"], ["Null"], ["0.0"], ["1970-01-01T00:00:01Z"]]);
}

/// Batches are decoded on threads.
#[test]
fn a_decoder_may_be_moved_to_a_thread() {
    fn is_send<T: Send>(_: T) {}
    is_send(Decoder::new(&[]));
}

#[test]
fn probabilities_are_reduced_where_they_are_read() {
    let columns = [
        wanted("p", Kind::Confidence),
        wanted("p", Kind::Entropy),
        wanted("p.good", Kind::Numeric),
        wanted("q", Kind::Flag),
    ];
    let check = |record: &str, expected: [&str; 4]| {
        assert_eq!(row(&columns, record.as_bytes()).expect(record), expected, "{record}");
    };
    check(r#"{"p":{"bad":0.25,"good":0.75},"q":1}"#, ["0.75", "0.8112781244591328", "0.75", "1.0"]);
    check(r#"{"p":[0.5,0.25,0.25]}"#, ["0.5", "1.5", "Missing", "0.0"]);
    check(r#"{"p":0.5}"#, ["0.5", "1.0", "Missing", "0.0"]);
    check(r#"{"p":{"bad":null,"good":1}}"#, ["1.0", "0.0", "1.0", "0.0"]);
    check(r#"{"p":null}"#, ["Null", "Null", "Missing", "0.0"]);
    check("{}", ["Missing", "Missing", "Missing", "0.0"]);
    for (wrong, good) in [
        ("[0.7]", "Missing"),
        ("[0.7,[0.3]]", "Missing"),
        ("[1.7,-0.7]", "Missing"),
        (r#"{"good":0.7,"bad":{"good":0.3}}"#, "0.7"),
        (r#"{"good":[1],"bad":1}"#, "Mistyped"),
        (r#"{"good":"1"}"#, "Mistyped"),
        (r#""0.7""#, "Missing"),
        ("1.7", "Missing"),
        ("true", "Missing"),
    ] {
        check(&format!(r#"{{"p":{wrong}}}"#), ["Mistyped", "Mistyped", good, "0.0"]);
    }
}
