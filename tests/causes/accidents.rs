//! A generator for each cause: a window of the world that it has befallen.

use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg64Mcg;
use tidegauge::cause::{Cause, Change, Clock, Delay, Outcomes};
use tidegauge::rows::Absent;

use super::world::{Base, Cells, Table, USUAL_MIX, Window, below, draw, name, uniform};

/// How strong an accident is: weak, plain or complete.
pub const STRENGTHS: usize = 3;

/// What has truly happened; `None` for nothing, though something is alarmed.
pub type Truth = Option<Cause>;

pub const TRUTHS: [Truth; 12] = [
    Some(Cause::UnitChange),
    Some(Cause::NullSpike),
    Some(Cause::ReEncodedCategories),
    Some(Cause::SwappedColumns),
    Some(Cause::StuckValue),
    Some(Cause::Truncation),
    Some(Cause::ClockSkew),
    Some(Cause::TrafficMix),
    Some(Cause::CovariateDrift),
    Some(Cause::LabelDrift),
    Some(Cause::ConceptDrift),
    None,
];

/// Whether it can befall a column of this base.
pub fn befalls(truth: Truth, base: Base) -> bool {
    match truth {
        Some(Cause::UnitChange) => base.is_numeric(),
        Some(Cause::ReEncodedCategories) => !base.is_numeric(),
        _ => true,
    }
}

pub fn window(truth: Truth, base: Base, strength: usize, rows: usize, random: &mut Pcg64Mcg) -> Window {
    let mix = match truth {
        Some(Cause::TrafficMix) => {
            let moved = [0.12, 0.22, 0.35][strength];
            [USUAL_MIX[0] - moved, USUAL_MIX[1] + moved, USUAL_MIX[2], USUAL_MIX[3]]
        }
        _ => USUAL_MIX,
    };
    let is_of_hours = truth == Some(Cause::ClockSkew) && uniform(random) < 0.6;
    let turned = if is_of_hours { [1, 2, 6][strength] } else { 0 };
    let table = draw(base, rows, mix, turned, random);
    let mut window = Window { table, clock: None, outcomes: None, subject: "target", alarmed: Vec::new() };
    match truth {
        Some(Cause::UnitChange) => unit_change(&mut window.table, base, strength, random),
        Some(Cause::NullSpike) => null_spike(&mut window.table, strength, random),
        Some(Cause::ReEncodedCategories) => re_encoded(&mut window.table, base, strength, random),
        Some(Cause::SwappedColumns) => swapped(&mut window.table, strength, random),
        Some(Cause::StuckValue) => stuck(&mut window.table, strength, random),
        Some(Cause::Truncation) => truncation(&mut window.table, strength, random),
        Some(Cause::ClockSkew) => clock_skew(&mut window, is_of_hours, strength, random),
        Some(Cause::TrafficMix) => window.subject = "depends",
        Some(Cause::CovariateDrift) => covariate(&mut window.table, base, strength, random),
        Some(Cause::LabelDrift) => label(&mut window, strength, rows, random),
        Some(Cause::ConceptDrift) => concept(&mut window, strength, rows, random),
        None => window.alarmed = vec!["target", "other"],
    }
    window
}

fn each_number(table: &mut Table, subject: &'static str, mut change: impl FnMut(f64) -> Result<f64, Absent>) {
    if let Some(Cells::Numbers(cells)) = table.get_mut(subject) {
        cells.iter_mut().for_each(|cell| {
            if let Ok(x) = *cell {
                *cell = change(x);
            }
        });
    }
}

fn each_text(table: &mut Table, subject: &'static str, mut change: impl FnMut(&str) -> Result<String, Absent>) {
    if let Some(Cells::Texts(cells)) = table.get_mut(subject) {
        cells.iter_mut().for_each(|cell| {
            if let Ok(text) = cell.clone() {
                *cell = change(&text);
            }
        });
    }
}

fn sorted(table: &Table) -> Vec<f64> {
    let Some(Cells::Numbers(cells)) = table.get("target") else { return Vec::new() };
    let mut values: Vec<f64> = cells.iter().filter_map(|cell| cell.as_ref().ok().copied()).collect();
    values.sort_by(f64::total_cmp);
    values
}

fn quantile(values: &[f64], share: f64) -> f64 {
    values[((values.len() - 1) as f64 * share) as usize]
}

fn spread(values: &[f64]) -> (f64, f64) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let square = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / values.len() as f64;
    (mean, square.sqrt())
}

fn unit_change(table: &mut Table, base: Base, strength: usize, random: &mut Pcg64Mcg) {
    const SMALL: [(f64, f64); 6] =
        [(2.54, 0.0), (0.453_592, 0.0), (1.8, 32.0), (1.609_344, 0.0), (0.304_8, 0.0), (60.0, 0.0)];
    const LARGE: [f64; 7] = [1000.0, 100.0, 0.01, 0.001, 3600.0, 37.0, 1e6];
    let (factor, offset, part) = match strength {
        0 => ([1000.0, 100.0, 1e6][below(3, random)], 0.0, 0.1 + 0.4 * uniform(random)),
        1 => {
            let (factor, offset) = SMALL[below(SMALL.len(), random)];
            // Nobody tells shares in degrees.
            if base == Base::Uniform { (factor, 0.0, 1.0) } else { (factor, offset, 1.0) }
        }
        _ => (LARGE[below(LARGE.len(), random)], 0.0, 1.0),
    };
    each_number(table, "target", |x| Ok(if uniform(random) < part { factor * x + offset } else { x }));
}

fn null_spike(table: &mut Table, strength: usize, random: &mut Pcg64Mcg) {
    let part = [0.05, 0.3, 0.1 + 0.25 * uniform(random)][strength];
    let absent = [Absent::Null, Absent::Missing, Absent::Mistyped][below(3, random)];
    let number = [-1.0, 0.0, -999.0, 9999.0][below(4, random)];
    let text = ["unknown", "", "N/A"][below(3, random)];
    let draw: Vec<bool> = (0..rows(table)).map(|_| uniform(random) < part).collect();
    let mut hits = draw.iter();
    each_number(table, "target", |x| match (hits.next(), strength) {
        (Some(true), 2) => Ok(number),
        (Some(true), _) => Err(absent),
        _ => Ok(x),
    });
    let mut hits = draw.iter();
    each_text(table, "target", |old| match (hits.next(), strength) {
        (Some(true), 2) => Ok(text.to_owned()),
        (Some(true), _) => Err(absent),
        _ => Ok(old.to_owned()),
    });
}

fn rows(table: &Table) -> usize {
    match table.get("target") {
        Some(Cells::Numbers(cells)) => cells.len(),
        Some(Cells::Texts(cells)) => cells.len(),
        None => 0,
    }
}

fn re_encoded(table: &mut Table, base: Base, strength: usize, random: &mut Pcg64Mcg) {
    let Base::Categories(most) = base else { return };
    let mut codes: Vec<usize> = (0..most).collect();
    for place in (1..most).rev() {
        codes.swap(place, below(place + 1, random));
    }
    let place = |text: &str| (0..most).find(|place| name("target", *place) == text).unwrap_or(0);
    let places: std::collections::BTreeMap<String, usize> =
        (0..most).map(|place| (name("target", place), place)).collect();
    debug_assert!(places.len() == most && place(&name("target", 0)) == 0);
    let (way, part) = match strength {
        0 => (below(3, random), 0.5),
        1 if most > 3 && uniform(random) < 0.3 => (3, 1.0),
        1 => (2, 1.0),
        _ => (below(2, random), 1.0),
    };
    each_text(table, "target", |old| {
        if uniform(random) >= part {
            return Ok(old.to_owned());
        }
        let code = codes[places[old]];
        Ok(match way {
            0 => old.to_uppercase(),
            1 => format!("v2/{old}"),
            2 => code.to_string(),
            _ => name("target", code),
        })
    });
}

fn swapped(table: &mut Table, strength: usize, random: &mut Pcg64Mcg) {
    let part = [0.3, 0.6, 1.0][strength];
    let (Some(mut a), Some(mut b)) = (table.remove("target"), table.remove("other")) else { return };
    match (&mut a, &mut b) {
        (Cells::Numbers(a), Cells::Numbers(b)) => {
            a.iter_mut().zip(b).filter(|_| uniform(random) < part).for_each(|(a, b)| std::mem::swap(a, b));
        }
        (Cells::Texts(a), Cells::Texts(b)) => {
            a.iter_mut().zip(b).filter(|_| uniform(random) < part).for_each(|(a, b)| std::mem::swap(a, b));
        }
        _ => {}
    }
    table.extend([("target", a), ("other", b)]);
}

fn stuck(table: &mut Table, strength: usize, random: &mut Pcg64Mcg) {
    let part = [0.2, 0.5, 1.0][strength];
    match table.get_mut("target") {
        Some(Cells::Numbers(cells)) => {
            let at = cells[below(cells.len(), random)];
            cells.iter_mut().filter(|_| uniform(random) < part).for_each(|cell| *cell = at);
        }
        Some(Cells::Texts(cells)) => {
            let at = cells[below(cells.len(), random)].clone();
            cells.iter_mut().filter(|_| uniform(random) < part).for_each(|cell| *cell = at.clone());
        }
        None => {}
    }
}

fn truncation(table: &mut Table, strength: usize, random: &mut Pcg64Mcg) {
    let values = sorted(table);
    let is_gathered = uniform(random) < 0.5;
    if !values.is_empty() {
        let (low, high) = match strength {
            0 => (f64::NEG_INFINITY, quantile(&values, 0.9)),
            1 => (f64::NEG_INFINITY, quantile(&values, 0.75)),
            _ => (quantile(&values, 0.3), f64::INFINITY),
        };
        let step = spread(&values).1 / 2.0;
        let is_coarse = strength == 2 && uniform(random) < 0.4;
        let kept: Vec<f64> = values.iter().copied().filter(|x| (low..=high).contains(x)).collect();
        each_number(table, "target", |x| {
            Ok(if is_coarse {
                (x / step).floor() * step
            } else if is_gathered {
                x.clamp(low, high)
            } else if (low..=high).contains(&x) {
                x
            } else {
                // Rows beyond are not there at all, and as many others are.
                kept[below(kept.len(), random)]
            })
        });
    }
    let length = [6, 5, 4][strength];
    each_text(table, "target", |old| Ok(old.chars().take(length).collect()));
}

fn clock_skew(window: &mut Window, is_of_hours: bool, strength: usize, random: &mut Pcg64Mcg) {
    let hours = [1.0, 2.0, 6.0][strength];
    window.subject = if is_of_hours { "hour" } else { "span" };
    if !is_of_hours {
        each_number(&mut window.table, "span", |x| Ok(x + 3600.0 * hours));
    }
    let rows = rows(&window.table) as u64;
    let clock = Clock { rows, late: rows / 50, usual_rows: 50_000, usual_late: 1000, delay: None };
    window.clock = match below(3, random) {
        0 => None,
        1 => Some(Clock { late: rows / 6, ..clock }),
        _ => Some(Clock { delay: Some(Delay { now: 3600.0 * hours + 4.0, usual: 3.0 }), ..clock }),
    };
}

fn covariate(table: &mut Table, base: Base, strength: usize, random: &mut Pcg64Mcg) {
    if let Base::Categories(most) = base {
        return shares(table, most, strength, random);
    }
    let values = sorted(table);
    let (mean, deviation) = spread(&values);
    let is_whole = matches!(base, Base::Integers | Base::Discretised);
    let whole = |x: f64| if is_whole { (2.0 * x).round() / 2.0 } else { x };
    let whole = |x: f64| if base == Base::Integers { x.round().max(0.0) } else { whole(x) };
    let way = below(5, random);
    let by = [0.35, 0.6, 1.0][strength];
    let factor = if base == Base::Uniform { 1.0 + 0.3 * by } else { (0.8 * by * (0.5 + uniform(random))).exp() };
    let part = [0.15, 0.25, 0.4][strength];
    each_number(table, "target", |x| {
        let normal: f64 = StandardNormal.sample(random);
        Ok(whole(match way {
            // Everybody has more, and by unlike amounts.
            0 => x + by * deviation * (1.0 + 0.5 * normal),
            // Others have come.
            1 if uniform(random) < part => mean + deviation * (1.5 + 0.6 * normal),
            1 => x,
            // Everybody has more by the same, or as many times as much, as after an inflation.
            2 => x + by * deviation,
            3 => factor * x,
            // It spreads farther about a middle that moves.
            _ => mean + (x - mean) * (1.0 + 0.5 * by) + 0.5 * by * deviation,
        }))
    });
}

/// Other shares of the same categories, or a new one.
fn shares(table: &mut Table, most: usize, strength: usize, random: &mut Pcg64Mcg) {
    if below(3, random) == 0 {
        let part = [0.08, 0.15, 0.3][strength];
        return each_text(table, "target", |old| {
            Ok(if uniform(random) < part { "newcomer".to_owned() } else { old.to_owned() })
        });
    }
    let by = [0.4, 0.7, 1.2][strength];
    let keep: std::collections::BTreeMap<String, f64> = (0..most)
        .map(|place| {
            let normal: f64 = StandardNormal.sample(random);
            (name("target", place), (by * normal).exp())
        })
        .collect();
    let most_kept = keep.values().copied().fold(0.0, f64::max);
    let Some(Cells::Texts(cells)) = table.get_mut("target") else { return };
    let kept: Vec<_> = cells
        .iter()
        .filter(|cell| cell.as_ref().is_ok_and(|text| uniform(random) < keep[text] / most_kept))
        .cloned()
        .collect();
    cells.iter_mut().for_each(|cell| cell.clone_from(&kept[below(kept.len(), random)]));
}

/// A share of so many rows, drawn.
fn share(of: f64, rows: usize, random: &mut Pcg64Mcg) -> f64 {
    (0..rows).filter(|_| uniform(random) < of).count() as f64 / rows as f64
}

fn change(before: f64, now: f64, rows: usize, random: &mut Pcg64Mcg) -> Change {
    let now = share(now, rows, random);
    let error = (before * (1.0 - before) * (1.0 / rows as f64 + 1.0 / 5000.0)).sqrt();
    let z = (now - before).abs() / error;
    // The bound of a normal tail is good enough here.
    let p_value = (2.0 * (-z * z / 2.0).exp() / (z * 2.5 + 1.5)).min(1.0);
    Change { before, now, p_value, rows: rows as u64 }
}

fn label(window: &mut Window, strength: usize, rows: usize, random: &mut Pcg64Mcg) {
    let now = [0.3, 0.35, 0.45][strength];
    let is_seen_in_score = uniform(random) < 0.5;
    window.subject = "score";
    if is_seen_in_score {
        let by = [0.5, 0.75, 1.2][strength];
        each_number(&mut window.table, "score", |x| Ok(1.0 / (1.0 + (1.0 / x - 1.0) * f64::exp(-by))));
    } else {
        window.alarmed = vec!["score"];
    }
    window.outcomes = Some(Outcomes {
        accuracy: Some(change(0.85, 0.85, rows, random)),
        calibration_error: None,
        turned_out: (!is_seen_in_score).then(|| change(0.2, now, rows, random)),
        predicted: is_seen_in_score.then(|| change(0.2, now, rows, random)),
    });
}

fn concept(window: &mut Window, strength: usize, rows: usize, random: &mut Pcg64Mcg) {
    let accuracy = [0.78, 0.72, 0.6][strength];
    window.subject = "accuracy";
    window.alarmed = vec!["accuracy"];
    let moved = if uniform(random) < 0.5 { 0.3 } else { 0.2 };
    window.outcomes = Some(Outcomes {
        accuracy: Some(change(0.85, accuracy, rows, random)),
        calibration_error: None,
        turned_out: Some(change(0.2, moved, rows, random)),
        predicted: None,
    });
}
