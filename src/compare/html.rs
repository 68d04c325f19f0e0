//! The answer as one page with pictures that needs nothing else.

use std::fmt::Write;

use minijinja::Environment;
use minijinja::value::Serde;
use serde::Serialize;

use crate::measurement::{Family, Measurement};
use crate::stat;

use super::drawing::{Bin, Drawing, Scale};
use super::headline::{headline, strongest};
use super::judge::Compared;
use super::side::{QUANTILES, Summary, cut, grouped, middle, percent, probability, short};
use super::terminal::{is_shown, kind};
use super::{Comparison, Told, Verdict};

/// The name's ending makes the template escape every value that it shows.
const TEMPLATE: &str = "report.html";
/// Columns that are drawn. More would make a page that browsers are slow to open; the table has all.
const DRAWN: usize = 250;

#[derive(Serialize)]
struct Page<'a> {
    headline: String,
    verdict: Verdict,
    version: &'static str,
    reference: File<'a>,
    current: File<'a>,
    columns: Vec<Column>,
    not_drawn: usize,
    told: Vec<&'a Told>,
    notes: Vec<&'a Told>,
    hash: &'a str,
    seconds: String,
}

#[derive(Serialize)]
struct File<'a> {
    name: &'a str,
    rows: String,
}

#[derive(Serialize)]
struct Column {
    name: String,
    kind: &'static str,
    verdict: &'static str,
    is_breached: bool,
    /// For sorting.
    effect: f64,
    strongest: String,
    strongest_value: String,
    threshold: String,
    p: String,
    absent: [String; 2],
    absent_change: f64,
    change: String,
    drawn: Option<Drawn>,
}

/// What only the columns have that are drawn.
#[derive(Serialize)]
struct Drawn {
    picture: Picture,
    statistics: Vec<Row>,
    heads: Vec<String>,
    sides: [Vec<String>; 2],
}

#[derive(Serialize)]
struct Row {
    name: String,
    about: &'static str,
    family: &'static str,
    value: String,
    threshold: String,
    p: String,
    error: String,
    detectable: String,
    why: String,
    is_breached: bool,
}

/// Lines and bars, in the units of the picture.
#[derive(Default, Serialize)]
struct Picture {
    width: f64,
    height: f64,
    /// Outlines of both sides over bins of numbers.
    reference: String,
    current: String,
    ticks: Vec<Tick>,
    /// The share at the top.
    top: String,
    note: &'static str,
    bars: Vec<Bar>,
}

#[derive(Serialize)]
struct Tick {
    x: f64,
    text: String,
}

#[derive(Serialize)]
struct Bar {
    y: f64,
    name: String,
    full_name: String,
    reference: f64,
    current: f64,
    reference_text: String,
    current_text: String,
}

pub fn render(comparison: &Comparison) -> Result<String, minijinja::Error> {
    let mut templates = Environment::new();
    templates.add_template(TEMPLATE, include_str!("report.html"))?;
    let columns = comparison.columns.iter().enumerate().map(|(at, column)| Column::new(column, at < DRAWN));
    let page = Page {
        headline: headline(comparison),
        verdict: comparison.verdict,
        version: env!("CARGO_PKG_VERSION"),
        reference: File::new(&comparison.reference),
        current: File::new(&comparison.current),
        columns: columns.collect(),
        not_drawn: comparison.columns.len().saturating_sub(DRAWN),
        told: comparison.told.iter().filter(|told| !told.compared).collect(),
        notes: comparison.told.iter().filter(|told| told.compared).collect(),
        hash: &comparison.hash,
        seconds: format!("{:.1}", comparison.seconds),
    };
    Ok(templates.get_template(TEMPLATE)?.render(Serde(page))? + "\n")
}

impl File<'_> {
    fn new((name, rows): &(String, u64)) -> File<'_> {
        File { name, rows: grouped(*rows) }
    }
}

fn number(number: Option<f64>) -> String {
    number.map_or("–".to_owned(), short)
}

impl Column {
    fn new(column: &Compared, is_drawn: bool) -> Column {
        let found = strongest(column);
        let sides = [&column.reference, &column.current];
        let verdict = match (column.drifted, column.worse_quality) {
            (true, _) => "drifted",
            (false, true) => "worse quality",
            (false, false) if column.effect.is_none() => "not known",
            (false, false) => "alike",
        };
        Column {
            name: cut(&column.subject, 200),
            kind: kind(column),
            verdict,
            is_breached: column.drifted || column.worse_quality,
            effect: column.effect.unwrap_or(-1.0),
            strongest: found.map_or(String::new(), |m| m.statistic.clone()),
            strongest_value: number(found.and_then(|m| m.value)),
            threshold: number(found.and_then(|m| m.threshold)),
            p: found.and_then(|m| m.q_value.or(m.p_value)).map_or("–".to_owned(), probability),
            absent: sides.map(|side| percent(side.absent())),
            absent_change: (column.current.absent() - column.reference.absent()).abs(),
            change: column.change.clone().unwrap_or_default(),
            drawn: is_drawn.then(|| Drawn::new(column)),
        }
    }
}

impl Drawn {
    fn new(column: &Compared) -> Drawn {
        let is_numeric = column.reference.numbers.is_some();
        let mut heads: Vec<String> = ["rows", "null", "missing", "mistyped"].map(str::to_owned).into();
        if is_numeric {
            heads.extend(["NaN", "infinite", "mean", "sd", "min"].map(str::to_owned));
            heads.extend(
                QUANTILES
                    .map(|share| if share == 0.5 { "median".to_owned() } else { format!("{:.0} %", share * 100.0) }),
            );
            heads.push("max".to_owned());
        } else {
            heads.push("commonest".to_owned());
        }
        Drawn {
            picture: Picture::of(&column.drawing),
            statistics: column.measurements.iter().filter(|m| is_shown(m)).map(Row::new).collect(),
            heads,
            sides: [&column.reference, &column.current].map(cells),
        }
    }
}

fn cells(side: &Summary) -> Vec<String> {
    let mut cells: Vec<String> = [side.rows, side.null, side.missing, side.mistyped].map(grouped).into();
    match &side.numbers {
        Some(numbers) => {
            cells.extend([numbers.nan, numbers.infinite].map(grouped));
            cells.extend([numbers.mean, numbers.standard_deviation, numbers.min].map(number));
            for share in QUANTILES {
                let found = numbers.quantiles.iter().find(|quantile| quantile.share == share);
                cells.push(middle(found));
            }
            cells.push(number(numbers.max));
        }
        None => {
            let share = |rows: u64| percent(rows as f64 / side.rows.max(1) as f64);
            let named = side.commonest.iter().map(|c| format!("{} {}", cut(&c.value, 40), share(c.rows)));
            cells.push(named.collect::<Vec<_>>().join(", "));
        }
    }
    cells
}

impl Row {
    fn new(m: &Measurement) -> Row {
        Row {
            name: m.statistic.clone(),
            about: stat::find(m.family, &m.statistic).map_or("", |row| row.about),
            family: if m.family == Family::Quality { "quality" } else { "" },
            value: number(m.value),
            threshold: number(m.threshold),
            p: m.q_value.or(m.p_value).map_or("–".to_owned(), probability),
            error: number(m.error_bound),
            detectable: number(m.detectable),
            why: m.undefined.clone().unwrap_or_default(),
            is_breached: m.breached == Some(true),
        }
    }
}

/// The room of the curves, and of a bar with its name and its numbers.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 150.0;
const LINE: f64 = 30.0;
const BAR: f64 = 330.0;
/// The least share of the rows that is worth a bar, and the least to which a full bar is set, so that a few rows do not
/// look like many.
const LEAST: f64 = 0.0001;
const LEAST_SCALE: f64 = 0.1;

impl Picture {
    fn of(drawing: &Drawing) -> Picture {
        let mut picture = Picture { width: WIDTH, ..Picture::default() };
        let mut bars: Vec<&Bin> = Vec::new();
        if drawing.scale == Scale::Values {
            bars.extend(&drawing.bins);
        } else {
            picture.curves(drawing);
        }
        // What is next to nowhere is not drawn.
        bars.extend(drawing.beside.iter().filter(|bin| bin.reference.max(bin.current) >= LEAST));
        let most = bars.iter().map(|bin| bin.reference.max(bin.current)).fold(LEAST_SCALE, f64::max);
        let top = if picture.height > 0.0 { picture.height + 12.0 } else { 0.0 };
        for (at, bin) in bars.iter().enumerate() {
            let length = |share: f64| share / most * BAR;
            picture.bars.push(Bar {
                y: top + at as f64 * LINE,
                name: cut(&bin.name, 26),
                full_name: cut(&bin.name, 200),
                reference: length(bin.reference),
                current: length(bin.current),
                reference_text: percent(bin.reference),
                current_text: percent(bin.current),
            });
        }
        picture.height = top + bars.len() as f64 * LINE;
        picture
    }

    fn curves(&mut self, drawing: &Drawing) {
        let bins = &drawing.bins;
        let most = bins.iter().map(|bin| bin.reference.max(bin.current)).fold(0.0, f64::max);
        if bins.is_empty() || most <= 0.0 {
            return;
        }
        let step = WIDTH / bins.len() as f64;
        let outline = |share: fn(&Bin) -> f64| {
            let mut path = format!("M0 {HEIGHT:.1}");
            for (at, bin) in bins.iter().enumerate() {
                // Writing to a string cannot fail.
                let _ = write!(path, "V{:.1}H{:.1}", HEIGHT * (1.0 - share(bin) / most), step * (at + 1) as f64);
            }
            let _ = write!(path, "V{HEIGHT:.1}");
            path
        };
        self.reference = outline(|bin| bin.reference);
        self.current = outline(|bin| bin.current);
        self.top = percent(most);
        self.note = if drawing.scale == Scale::Logarithmic { "bins of equal ratio" } else { "" };
        const TICKS: usize = 6;
        for tick in 0..=TICKS {
            let at = tick * bins.len() / TICKS;
            let value = bins.get(at).map_or(bins[bins.len() - 1].high, |bin| bin.low);
            self.ticks.push(Tick { x: step * at as f64, text: short(value) });
        }
        self.height = HEIGHT + 22.0;
    }
}
