//! How often each statistic calls a change real where there is none: many references, a window of the same distribution
//! for each, and every p-value that is at most the nominal rate.

use std::fmt::Write;
use std::sync::Arc;

use arrow_array::{Float64Array, StringArray};
use rand_distr::{Distribution, StandardNormal, Zipf};
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};
use statrs::distribution::{Binomial, DiscreteCDF};
use tidegauge::measurement::Family;
use tidegauge::null::{Field, Nulls, Sizes};
use tidegauge::reference::Counted;
use tidegauge::rows::{Column, Values};
use tidegauge::schema::{self, Kind, Path, Role};
use tidegauge::stat::{ALL, Case, Null, Side, Statistic};
use tidegauge::tally::{Chosen, FieldTally, Tally};
use tidegauge::time::Span;

/// Nominal rates of false alarms.
pub const LEVELS: [f64; 3] = [0.05, 0.01, 0.001];
/// Sizes of windows.
pub const WINDOWS: [usize; 4] = [100, 300, 1000, 5000];
/// The size of every reference: small enough for its own chance to matter.
pub const REFERENCE: usize = 3000;
/// The most values of a grid, as in a monitor that says nothing of it.
const RESOLUTION: usize = 2048;

/// A distribution of values.
#[derive(Clone, Copy)]
pub struct Feature {
    pub name: &'static str,
    pub kind: Kind,
    draw: fn(&mut Pcg64Mcg) -> f64,
}

/// For each a value, or the number of a category.
pub const FEATURES: [Feature; 6] = [
    Feature { name: "normal", kind: Kind::Numeric, draw: |random| StandardNormal.sample(random) },
    Feature { name: "lognormal", kind: Kind::Numeric, draw: |random| f64::exp(StandardNormal.sample(random)) },
    Feature { name: "Pareto(3)", kind: Kind::Numeric, draw: |random| (1.0 - uniform(random)).powf(-1.0 / 3.0) },
    Feature { name: "uniform", kind: Kind::Numeric, draw: uniform },
    Feature {
        name: "Zipf",
        kind: Kind::Categorical,
        draw: |random| Zipf::new(1000.0, 1.1).expect("an exponent above one").sample(random),
    },
    Feature { name: "two values", kind: Kind::Categorical, draw: |random| f64::from(u8::from(uniform(random) < 0.2)) },
];

fn uniform(random: &mut Pcg64Mcg) -> f64 {
    (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

impl Feature {
    fn column(&self, rows: usize, random: &mut Pcg64Mcg, change: impl Fn(f64, &mut Pcg64Mcg) -> f64) -> Column {
        let values: Vec<f64> = (0..rows)
            .map(|_| {
                let value = (self.draw)(random);
                change(value, random)
            })
            .collect();
        let values = match self.kind {
            Kind::Numeric => Values::Numeric(Float64Array::from(values)),
            _ => Values::Categorical(StringArray::from_iter_values(values.iter().map(f64::to_string))),
        };
        Column { values, marks: Arc::default() }
    }

    /// A small change: numbers grow by a tenth of a unit, and every tenth row of a category becomes the commonest.
    fn changed(&self, rows: usize, random: &mut Pcg64Mcg) -> Column {
        let is_numeric = self.kind == Kind::Numeric;
        self.column(rows, random, |x, random| {
            if is_numeric {
                x + 0.1
            } else if uniform(random) < 0.1 {
                1.0
            } else {
                x
            }
        })
    }
}

/// How much is tried.
#[derive(Clone, Copy)]
pub struct Trials {
    pub references: usize,
    /// Of how many references null distributions are simulated.
    pub simulated: usize,
    /// How many replicates a null distribution has.
    pub replicates: usize,
    /// Whether changed windows are measured too.
    pub power: bool,
}

/// What was found of one statistic, with one distribution and one size of windows.
pub struct Row {
    pub feature: &'static str,
    pub is_numeric: bool,
    pub window: usize,
    pub statistic: &'static Statistic,
    pub windows: u64,
    pub undefined: u64,
    /// Windows with a p-value at most as large as each level.
    pub alarms: [u64; LEVELS.len()],
    /// The same where the distribution has changed.
    pub found: [u64; LEVELS.len()],
}

/// How a number of false alarms compares with what is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Within,
    /// Fewer, which costs power but no sleep.
    Fewer,
    More,
}

impl Row {
    /// Whether so few or so many come about with a probability of less than `outside` if the rate is the nominal one.
    pub fn verdict(&self, level: usize, outside: f64) -> Verdict {
        let expected = Binomial::new(LEVELS[level], self.windows).expect("a rate is a probability");
        let alarms = self.alarms[level];
        let more = if alarms == 0 { 1.0 } else { expected.sf(alarms - 1) };
        if more < outside / 2.0 {
            Verdict::More
        } else if expected.cdf(alarms) < outside / 2.0 {
            Verdict::Fewer
        } else {
            Verdict::Within
        }
    }

    /// Whether the p-value is simulated.
    pub fn is_simulated(&self) -> bool {
        Nulls::concerns(self.statistic)
    }
}

/// Tries every statistic of drift that applies, and gives those that have p-values.
pub fn tried(feature: &Feature, window: usize, trials: Trials) -> Vec<Row> {
    let field = schema::Field {
        subject: feature.name.to_owned(),
        path: Path(feature.name.to_owned()),
        kind: feature.kind,
        role: Role::Feature,
        scale: 1.0,
        disguise: None,
    };
    let statistics: Vec<&'static Statistic> =
        ALL.iter().filter(|row| row.family == Family::Drift && row.null != Null::Unknown).copied().collect();
    let is_numeric = feature.kind == Kind::Numeric;
    let mut rows: Vec<Row> = statistics
        .iter()
        .map(|&statistic| Row {
            feature: feature.name,
            is_numeric,
            window,
            statistic,
            windows: 0,
            undefined: 0,
            alarms: [0; LEVELS.len()],
            found: [0; LEVELS.len()],
        })
        .collect();
    let mut random = Pcg64Mcg::seed_from_u64(feature.name.len() as u64 * 1_000_003 + window as u64);
    for round in 0..trials.references {
        let column = feature.column(REFERENCE, &mut random, |x, _| x);
        let Some(reference) = Counted::of(&field, &[&column], RESOLUTION) else { continue };
        let is_simulated = round < trials.simulated;
        let mut nulls = Nulls::new(trials.replicates);
        let wanted: Vec<&'static Statistic> =
            statistics.iter().filter(|row| is_simulated || !Nulls::concerns(row)).copied().collect();
        let unchanged = feature.column(window, &mut random, |x, _| x);
        for (at, p) in p_values(&wanted, &reference, &unchanged, &mut nulls, round) {
            let row = rows.iter_mut().find(|row| std::ptr::eq(row.statistic, wanted[at])).expect("it is one of them");
            match p {
                Some(p) => {
                    row.windows += 1;
                    LEVELS.iter().zip(&mut row.alarms).for_each(|(level, count)| *count += u64::from(p <= *level));
                }
                None => row.undefined += 1,
            }
        }
        if trials.power {
            let changed = feature.changed(window, &mut random);
            for (at, p) in p_values(&wanted, &reference, &changed, &mut nulls, round) {
                let row =
                    rows.iter_mut().find(|row| std::ptr::eq(row.statistic, wanted[at])).expect("it is one of them");
                let is_found = |level: f64| u64::from(p.is_some_and(|p| p <= level));
                LEVELS.iter().zip(&mut row.found).for_each(|(&level, count)| *count += is_found(level));
            }
        }
    }
    rows.retain(|row| row.windows > 0);
    rows
}

/// The p-value of each statistic, as the engine comes by it; nothing for those that have none for this kind of field.
fn p_values(
    statistics: &[&'static Statistic],
    reference: &Counted,
    column: &Column,
    nulls: &mut Nulls,
    round: usize,
) -> Vec<(usize, Option<f64>)> {
    let mut window = FieldTally::empty(&reference.axis);
    window.observe(&reference.axis, column, Chosen::All(column.len()));
    let case = Case {
        rows: column.len() as u64,
        window: Span(60_000),
        current: Some(Side { axis: &reference.axis, tally: &window }),
        reference: Some(&reference.tally),
        min_rows: 1,
        significance: 0.01,
        attributions: &[],
        outcomes: None,
    };
    let sizes = Sizes { window: window.valued(), reference: reference.tally.valued(), fixes_axis: true };
    let hash = round.to_string();
    let field = Field { hash: &hash, slice: "", subject: "x", axis: &reference.axis, tally: &reference.tally };
    let answers: Vec<_> = statistics.iter().map(|statistic| (statistic.compute)(&case)).collect();
    let simulated: Vec<usize> =
        (0..statistics.len()).filter(|&at| Nulls::concerns(statistics[at]) && answers[at].is_ok()).collect();
    let of_simulated: Vec<&'static Statistic> = simulated.iter().map(|&at| statistics[at]).collect();
    let calibration = (!simulated.is_empty()).then(|| nulls.of(&field, &of_simulated, sizes));
    let p_value = |at: usize| match answers[at] {
        Err(_) => None,
        Ok(reading) => {
            let place = simulated.iter().position(|&simulated| simulated == at);
            let told = calibration
                .as_ref()
                .zip(place)
                .map(|(calibration, place)| calibration.apply(place, statistics[at], case.significance, reading));
            told.unwrap_or(reading).p_value
        }
    };
    (0..statistics.len()).map(|at| (at, p_value(at))).collect()
}

/// The rates as a table: `+` marks more false alarms than the nominal rate's 99 % band holds, `-` fewer.
pub fn table(rows: &[Row]) -> String {
    let has_power = rows.iter().any(|row| row.found[0] > 0);
    let mut text = format!("{:<12} {:>6}  {:<20} {:>7}", "values", "window", "statistic", "windows");
    for level in LEVELS {
        let _ = write!(text, " {:>9}", format!("{} %", level * 100.0));
    }
    if has_power {
        let _ = write!(text, "  found at 1 %");
    }
    text.push('\n');
    for row in rows {
        let _ = write!(text, "{:<12} {:>6}  {:<20} {:>7}", row.feature, row.window, row.statistic.name, row.windows);
        for (level, &alarms) in row.alarms.iter().enumerate() {
            let mark = match row.verdict(level, 0.01) {
                Verdict::Within => ' ',
                Verdict::Fewer => '-',
                Verdict::More => '+',
            };
            let _ = write!(text, " {:>7.2}%{mark}", 100.0 * alarms as f64 / row.windows as f64);
        }
        if has_power {
            let _ = write!(text, " {:>12.1}%", 100.0 * row.found[1] as f64 / row.windows as f64);
        }
        if row.undefined > 0 {
            let _ = write!(text, "  undefined: {}", row.undefined);
        }
        text.push('\n');
    }
    text
}
