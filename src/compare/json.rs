//! The answer for programs: one object a line.

use anyhow::Result;
use serde::Serialize;
use serde_json::Value;

use super::headline::headline;
use super::{Comparison, Verdict};

/// A record, and what it is.
#[derive(Serialize)]
struct Line<'a, T: Serialize> {
    r#type: &'a str,
    #[serde(flatten)]
    record: &'a T,
}

#[derive(Serialize)]
struct Summary<'a> {
    verdict: Verdict,
    headline: String,
    reference: File<'a>,
    current: File<'a>,
    /// How many columns are compared.
    compared: usize,
    drifted: Vec<&'a str>,
    worse_quality: Vec<&'a str>,
    seconds: f64,
}

#[derive(Serialize)]
struct File<'a> {
    file: &'a str,
    rows: u64,
}

/// First every measurement, as `replay` gives them though without a window, then each column, and last the summary.
pub fn render(comparison: &Comparison) -> Result<String> {
    let mut text = String::new();
    for m in comparison.columns.iter().flat_map(|column| &column.measurements) {
        let mut record = serde_json::to_value(Line { r#type: "measurement", record: m })?;
        if let Value::Object(fields) = &mut record {
            // Files have no windows.
            for name in ["window_start", "window_end"] {
                fields.insert(name.to_owned(), Value::Null);
            }
        }
        line(&mut text, &record)?;
    }
    for column in &comparison.columns {
        let mut record = serde_json::to_value(Line { r#type: "column", record: column })?;
        let notes = comparison.told.iter().filter(|told| told.compared && told.subject == column.subject);
        if let Value::Object(fields) = &mut record {
            fields.insert("compared".to_owned(), true.into());
            fields.insert("why".to_owned(), notes.map(|told| told.why.clone()).next().into());
        }
        line(&mut text, &record)?;
    }
    for told in comparison.told.iter().filter(|told| !told.compared) {
        line(&mut text, &Line { r#type: "column", record: told })?;
    }
    let named = |is: fn(&&super::Compared) -> bool| {
        comparison.columns.iter().filter(is).map(|column| column.subject.as_str()).collect()
    };
    let summary = Summary {
        verdict: comparison.verdict,
        headline: headline(comparison),
        reference: File { file: &comparison.reference.0, rows: comparison.reference.1 },
        current: File { file: &comparison.current.0, rows: comparison.current.1 },
        compared: comparison.columns.len(),
        drifted: named(|column| column.drifted),
        worse_quality: named(|column| column.worse_quality),
        seconds: comparison.seconds,
    };
    line(&mut text, &Line { r#type: "summary", record: &summary })?;
    Ok(text)
}

fn line(text: &mut String, record: &impl Serialize) -> Result<()> {
    text.push_str(&serde_json::to_string(record)?);
    text.push('\n');
    Ok(())
}
