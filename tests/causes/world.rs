//! A world of columns that depend on one another, its counts, and what is alarmed of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::{Float64Array, StringArray};
use rand_distr::{Distribution, Poisson, StandardNormal, StudentT};
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};
use tidegauge::cause::{Clock, Compared, Likely, Outcomes, Scene, Sliced, likely};
use tidegauge::grid::{Axis, Grid, Vocabulary};
use tidegauge::measurement::Family;
use tidegauge::rows::{Absent, Column, Values};
use tidegauge::schema::Role;
use tidegauge::stat::{Case, Side, find};
use tidegauge::tally::{Chosen, FieldTally, Tally};
use tidegauge::time::Span;

/// The size of every reference.
pub const REFERENCE: usize = 5000;
/// The most values of a grid, as in a monitor that says nothing of it.
const RESOLUTION: usize = 2048;

pub const COUNTRIES: [&str; 4] = ["Aldania", "Brunovia", "Corinthia", "Dorland"];
pub const USUAL_MIX: [f64; 4] = [0.4, 0.3, 0.2, 0.1];

/// What the column that accidents befall is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    Normal,
    Lognormal,
    Uniform,
    /// Student's with three degrees of freedom, about nought.
    HeavyTailed,
    Integers,
    Discretised,
    Categories(usize),
}

pub const BASES: [Base; 9] = [
    Base::Normal,
    Base::Lognormal,
    Base::Uniform,
    Base::HeavyTailed,
    Base::Integers,
    Base::Discretised,
    Base::Categories(3),
    Base::Categories(20),
    Base::Categories(200),
];

impl Base {
    pub fn is_numeric(self) -> bool {
        !matches!(self, Base::Categories(_))
    }

    /// A number, or the place of a category: the commoner, the lower.
    pub fn draw(self, random: &mut Pcg64Mcg) -> f64 {
        let normal: f64 = StandardNormal.sample(random);
        match self {
            Base::Normal => 50.0 + 12.0 * normal,
            Base::Lognormal => (3.0 + normal).exp(),
            Base::Uniform => uniform(random),
            Base::HeavyTailed => 5.0 * StudentT::new(3.0).expect("three degrees").sample(random),
            Base::Integers => Poisson::new(6.0).expect("a positive mean").sample(random),
            Base::Discretised => (10.0 + 4.0 * normal).round() / 2.0,
            Base::Categories(most) => {
                let sum: f64 = (1..=most).map(|place| 1.0 / place as f64).sum();
                let mut left = uniform(random) * sum;
                (1..most)
                    .position(|place| {
                        left -= 1.0 / place as f64;
                        left < 0.0
                    })
                    .unwrap_or(most - 1) as f64
            }
        }
    }

    /// The base whose column it is swapped with.
    pub fn other(self) -> Base {
        match self {
            Base::Normal => Base::Lognormal,
            Base::Lognormal => Base::Normal,
            Base::Uniform => Base::Integers,
            Base::HeavyTailed => Base::Discretised,
            Base::Integers => Base::Normal,
            Base::Discretised => Base::Uniform,
            Base::Categories(3) => Base::Categories(20),
            Base::Categories(_) => Base::Categories(8),
        }
    }
}

pub fn uniform(random: &mut Pcg64Mcg) -> f64 {
    (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

pub fn below(most: usize, random: &mut Pcg64Mcg) -> usize {
    ((uniform(random) * most as f64) as usize).min(most - 1)
}

/// A name of eight letters, which its first four tell from all others.
pub fn name(column: &str, place: usize) -> String {
    const CONSONANTS: &[u8] = b"bdfgklmnprstvz";
    const VOWELS: &[u8] = b"aeiou";
    let salt = column.bytes().map(usize::from).sum::<usize>();
    let mut left = place * 37 + salt;
    let mut name = String::new();
    for letter in 0..8 {
        let letters = if letter % 2 == 0 { CONSONANTS } else { VOWELS };
        name.push(char::from(letters[left % letters.len()]));
        left = if letter == 3 { place + salt } else { left / letters.len() };
    }
    name
}

#[derive(Clone, Debug)]
pub enum Cells {
    Numbers(Vec<Result<f64, Absent>>),
    Texts(Vec<Result<String, Absent>>),
}

/// Columns by subject.
pub type Table = BTreeMap<&'static str, Cells>;

/// Draws rows. Of the first country values are rather high, and of the second rather low.
pub fn draw(base: Base, rows: usize, mix: [f64; 4], turned: usize, random: &mut Pcg64Mcg) -> Table {
    let (mut target, mut other, mut country, mut hour) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut depends, mut span, mut score) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rows {
        let mut left = uniform(random);
        let of = mix.iter().position(|share| {
            left -= share;
            left < 0.0
        });
        let of = of.unwrap_or(3);
        let (a, b) = (base.draw(random), base.draw(random));
        target.push(match of {
            0 => a.max(b),
            1 => a.min(b),
            _ => a,
        });
        other.push(base.other().draw(random));
        country.push(Ok(COUNTRIES[of].to_owned()));
        let around: f64 = StandardNormal.sample(random);
        hour.push(Ok(((14.0 + 4.5 * around).floor().rem_euclid(24.0) + turned as f64) % 24.0));
        let noise: f64 = StandardNormal.sample(random);
        depends.push(Ok(of as f64 + noise));
        span.push(Ok((90_000.0 + 8000.0 * around + 3000.0 * noise).round()));
        score.push(Ok(1.0 / (1.0 + (-noise - 0.5 * around).exp())));
    }
    let cells = |values: Vec<f64>, column: &str, is_numeric: bool| {
        if is_numeric {
            Cells::Numbers(values.into_iter().map(Ok).collect())
        } else {
            Cells::Texts(values.into_iter().map(|place| Ok(name(column, place as usize))).collect())
        }
    };
    BTreeMap::from([
        ("target", cells(target, "target", base.is_numeric())),
        ("other", cells(other, "other", base.is_numeric())),
        ("country", Cells::Texts(country)),
        ("hour", Cells::Numbers(hour)),
        ("depends", Cells::Numbers(depends)),
        ("span", Cells::Numbers(span)),
        ("score", Cells::Numbers(score)),
    ])
}

fn column(cells: &Cells) -> Column {
    fn marks<T>(cells: &[Result<T, Absent>]) -> Arc<[u8]> {
        cells.iter().map(|cell| cell.as_ref().err().map_or(0, |absent| *absent as u8)).collect()
    }
    match cells {
        Cells::Numbers(cells) => {
            let values = cells.iter().map(|cell| cell.as_ref().ok().copied()).collect::<Float64Array>();
            Column { values: Values::Numeric(values), marks: marks(cells) }
        }
        Cells::Texts(cells) => {
            let values = cells.iter().map(|cell| cell.as_ref().ok().map(String::as_str)).collect::<StringArray>();
            Column { values: Values::Categorical(values), marks: marks(cells) }
        }
    }
}

fn axis(cells: &Cells) -> Axis {
    match cells {
        Cells::Numbers(cells) => {
            Axis::Numeric(Grid::of(cells.iter().filter_map(|cell| cell.as_ref().ok().copied()).collect(), RESOLUTION))
        }
        Cells::Texts(cells) => {
            Axis::Categorical(Vocabulary::new(cells.iter().filter_map(|cell| cell.as_ref().ok().cloned())))
        }
    }
}

/// Counts of all rows, and of those of each country.
pub struct Counted {
    pub fields: BTreeMap<&'static str, FieldTally>,
    pub slices: Vec<(u64, BTreeMap<&'static str, FieldTally>)>,
}

pub fn axes(table: &Table) -> BTreeMap<&'static str, Axis> {
    table.iter().map(|(subject, cells)| (*subject, axis(cells))).collect()
}

pub fn count(table: &Table, axes: &BTreeMap<&'static str, Axis>) -> Counted {
    let Some(Cells::Texts(countries)) = table.get("country") else { panic!("there is a country") };
    let of = |country: &str| -> Vec<u32> {
        (0..).zip(countries).filter(|(_, cell)| cell.as_deref() == Ok(country)).map(|(row, _)| row).collect()
    };
    let slices: Vec<Vec<u32>> = COUNTRIES.iter().map(|country| of(country)).collect();
    let mut counted = Counted { fields: BTreeMap::new(), slices: Vec::new() };
    counted.slices.extend(slices.iter().map(|rows| (rows.len() as u64, BTreeMap::new())));
    for (subject, cells) in table {
        let (axis, column) = (&axes[subject], column(cells));
        let tally = |chosen: Chosen| {
            let mut tally = FieldTally::empty(axis);
            tally.observe(axis, &column, chosen);
            tally
        };
        counted.fields.insert(subject, tally(Chosen::All(column.len())));
        for (rows, (_, fields)) in slices.iter().zip(&mut counted.slices) {
            fields.insert(subject, tally(Chosen::Some(rows)));
        }
    }
    counted
}

/// What an accident leaves behind: a window, and what else is known of it.
pub struct Window {
    pub table: Table,
    pub clock: Option<Clock>,
    pub outcomes: Option<Outcomes>,
    /// The subject that it has befallen.
    pub subject: &'static str,
    /// What is alarmed whether it differs or not.
    pub alarmed: Vec<&'static str>,
}

/// A field of this world as it is given to be explained.
pub fn compared<'a>(
    subject: &'a str,
    axis: &'a Axis,
    reference: &'a FieldTally,
    current: &'a FieldTally,
) -> Compared<'a> {
    let role = if subject == "score" { Role::Score } else { Role::Feature };
    Compared { subject, role, axis, reference, current }
}

/// What is told of a window; `None` where nothing that has befallen it raises an alarm.
pub fn told(axes: &BTreeMap<&'static str, Axis>, reference: &Counted, window: &Window) -> Option<Vec<Likely>> {
    let current = count(&window.table, axes);
    let whole =
        |(subject, before): (&&'static str, _)| compared(subject, &axes[subject], before, &current.fields[subject]);
    let fields: Vec<Compared> = reference.fields.iter().map(whole).collect();
    let mut alarmed: BTreeSet<&str> = window.alarmed.iter().copied().collect();
    alarmed.extend(fields.iter().filter(|field| is_alarmed(field)).map(|field| field.subject));
    if !alarmed.contains(window.subject) {
        return None;
    }
    let slices = reference.slices.iter().zip(&current.slices).zip(COUNTRIES).map(|((before, now), name)| Sliced {
        dimension: "country",
        name,
        reference_rows: before.0,
        rows: now.0,
        fields: before
            .1
            .iter()
            .map(|(subject, before)| compared(subject, &axes[subject], before, &now.1[subject]))
            .collect(),
    });
    let slices = slices.collect();
    Some(likely(&Scene { fields, alarmed, slices, clock: window.clock, outcomes: window.outcomes }))
}

/// By the library's own statistics: a change that is one in ten thousand, or as many more rows without a value.
fn is_alarmed(field: &Compared) -> bool {
    let presence = |tally: &FieldTally| (tally.presence().rows as f64, tally.valued() as f64);
    let ((n, before), (m, now)) = (presence(field.reference), presence(field.current));
    let (before, now) = (1.0 - before / n, 1.0 - now / m);
    let pooled = ((before * n + now * m) / (n + m)).max(1.0 / (n + m));
    if now - before > 0.02 && now - before > 4.0 * (pooled * (1.0 / n + 1.0 / m)).sqrt() {
        return true;
    }
    let case = Case {
        rows: m as u64,
        window: Span(3_600_000),
        current: Some(Side { axis: field.axis, tally: field.current }),
        reference: Some(field.reference),
        attributions: &[],
        outcomes: None,
        min_rows: 1,
        significance: 1e-4,
    };
    let names = if matches!(field.axis, Axis::Numeric(_)) { ["ks", "psi"] } else { ["chi_squared", "psi"] };
    names.iter().any(|name| {
        let statistic = find(Family::Drift, name).expect("the statistic is known");
        (statistic.compute)(&case).is_ok_and(|reading| match *name {
            "psi" => reading.value > 0.2 && m > 1000.0,
            _ => reading.p_value.is_some_and(|p| p < 1e-4),
        })
    })
}

pub fn seeded(parts: &[usize]) -> Pcg64Mcg {
    let mix = |seed: u64, part: &usize| (seed ^ *part as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
    Pcg64Mcg::seed_from_u64(parts.iter().fold(0xC0FFEE, mix))
}
