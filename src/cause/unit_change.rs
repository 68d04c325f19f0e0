//! Numbers are in another unit.

use super::{Cause, Curve, Facts, Field, Gap, Likely, Moments, Numbers, Range, counted, explained, percent, points};
use super::{times, trust};

/// What numbers are multiplied by, and what is then added.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Unit {
    factor: f64,
    offset: f64,
    /// What it turns into what, where that is known.
    name: &'static str,
}

const fn unit(factor: f64, name: &'static str) -> Unit {
    Unit { factor, offset: 0.0, name }
}

/// Factors between units that are mistaken for one another. Each also stands for its inverse.
const FACTORS: &[Unit] = &[
    unit(10.0, ""),
    unit(100.0, "as of shares and percentages, or of amounts and hundredths of them"),
    unit(1e3, "as of units and thousandths of them"),
    unit(1e4, ""),
    unit(1e5, ""),
    unit(1e6, "as of units and millionths of them"),
    unit(1e9, "as of units and billionths of them"),
    unit(1024.0, "as of bytes and kibibytes"),
    unit(1_048_576.0, "as of bytes and mebibytes"),
    unit(7.0, "as of weeks and days"),
    unit(12.0, "as of years and months"),
    unit(24.0, "as of days and hours"),
    unit(60.0, "as of minutes and seconds, or of hours and minutes"),
    unit(1440.0, "as of days and minutes"),
    unit(3600.0, "as of hours and seconds"),
    unit(86_400.0, "as of days and seconds"),
    unit(3_600_000.0, "as of hours and milliseconds"),
    unit(2.54, "as of inches and centimetres"),
    unit(1.609_344, "as of miles and kilometres"),
    unit(3.280_84, "as of metres and feet"),
    unit(2.204_622, "as of kilograms and pounds"),
    unit(28.349_52, "as of ounces and grams"),
    unit(3.785_412, "as of gallons and litres"),
    unit(4.184, "as of calories and joules"),
    unit(3.6, "as of metres per second and kilometres per hour"),
    unit(57.295_78, "as of radians and degrees"),
];

/// Units that do not begin at the same nought.
const MOVED: &[Unit] = &[
    Unit { factor: 1.8, offset: 32.0, name: "as of degrees Celsius told in Fahrenheit" },
    Unit { factor: 1.0 / 1.8, offset: -32.0 / 1.8, name: "as of degrees Fahrenheit told in Celsius" },
    Unit { factor: 1.0, offset: 273.15, name: "as of degrees Celsius told in kelvins" },
    Unit { factor: 1.0, offset: -273.15, name: "as of kelvins told in degrees Celsius" },
];

/// Standard errors by which what is told of a sample may miss what is expected of it.
const MOST_ERRORS: f64 = 3.3;
/// A factor that is not known, and less than this, is rather how the world has changed.
const LEAST_UNKNOWN: f64 = 5.0;
/// Only a part of the rows is told from the rest if their factor is at least this.
const LEAST_OF_PART: f64 = 9.9;
/// The smallest part of rows that is looked for.
const LEAST_PART: f64 = 0.02;

pub fn likely(facts: &Facts) -> Vec<Likely> {
    let alarmed = facts.alarmed().filter_map(|field| Some((field, field.numbers.as_ref()?)));
    alarmed
        .filter(|(_, numbers)| numbers.gap.is_real())
        .filter_map(|(field, numbers)| of_field(field, numbers))
        .collect()
}

fn units() -> impl Iterator<Item = Unit> {
    let inverse = |one: &Unit| Unit { factor: 1.0 / one.factor, ..*one };
    FACTORS.iter().flat_map(move |one| [*one, inverse(one)]).chain(MOVED.iter().copied()).chain([unit(-1.0, "")])
}

/// How well the whole window looks like the reference in another unit.
struct Fit {
    unit: Unit,
    /// The share of the rows that are in it.
    part: f64,
    /// In standard errors, how far its moments are from those expected.
    miss: f64,
    /// How much of the difference between the distributions is gone.
    explained: f64,
    /// How well the logarithm of the factor is known.
    precision: f64,
}

fn of_field(field: &Field, numbers: &Numbers) -> Option<Likely> {
    if numbers.before.is_constant() || numbers.now.is_constant() {
        return None;
    }
    let best = |fits: Vec<Fit>| {
        // Of those that fit, the one that the moments are nearest to.
        fits.into_iter().filter(|fit| fit.explained > 0.5).min_by(|a, b| a.miss.total_cmp(&b.miss))
    };
    let whole = best(units().filter_map(|unit| whole(numbers, unit)).collect());
    let (fit, quality) = match whole {
        Some(fit) => {
            let quality = 0.95 / (1.0 + coincidence(numbers, &fit));
            (fit, quality)
        }
        None => {
            let parts: Vec<Fit> =
                units().filter_map(|unit| part(numbers, unit)).filter(|fit| fit.explained > 0.5).collect();
            // The more factors would do, the less says that it is one of them.
            let others = parts.len().saturating_sub(1) as f64;
            match best(parts) {
                Some(fit) => (fit, 0.88 / (1.0 + 0.2 * others)),
                None => (unknown(numbers)?, 0.7),
            }
        }
    };
    Some(Likely {
        cause: Cause::UnitChange,
        subjects: vec![field.subject.to_owned()],
        confidence: quality * fit.explained * trust(numbers.gap.errors()),
        evidence: evidence(field, &fit),
    })
}

/// How many known units one would expect to be as near, if the factor had come about in some other way.
fn coincidence(numbers: &Numbers, fit: &Fit) -> f64 {
    const NEIGHBOURHOOD: f64 = 0.7;
    let at = fit.unit.factor.abs().ln();
    let near = units().filter(|unit| (unit.factor.abs().ln() - at).abs() < NEIGHBOURHOOD).count() as f64;
    let chance = near / (2.0 * NEIGHBOURHOOD) * 2.0 * MOST_ERRORS * fit.precision;
    // Where the mean is not nought, it and the deviation have to agree on the factor, as they rarely do otherwise.
    let agrees = numbers.before.mean.abs() > 0.5 * numbers.before.deviation;
    if agrees { chance / 2.0 } else { chance }
}

/// All rows are in another unit: both moments follow, and the distribution does.
fn whole(numbers: &Numbers, unit: Unit) -> Option<Fit> {
    let (before, now) = (&numbers.before, &numbers.now);
    let Moved { miss, precision } = moved(numbers, unit, before, now);
    if miss > MOST_ERRORS || !reaches_as_far(numbers, unit) {
        return None;
    }
    // What moves the nought has to be seen to do so.
    if unit.offset != 0.0 && now.deviation * numbers.noise() > 0.1 * unit.offset.abs() {
        return None;
    }
    let after = gap_in(numbers, unit, 1.0);
    Some(Fit { unit, part: 1.0, miss, explained: explained(&numbers.gap, &after), precision })
}

struct Moved {
    miss: f64,
    precision: f64,
}

fn moved(numbers: &Numbers, unit: Unit, before: &Moments, now: &Moments) -> Moved {
    let Unit { factor, offset, .. } = unit;
    let error = |a: f64, b: f64| (a * a / now.n + b * b / before.n).sqrt().max(f64::MIN_POSITIVE);
    let mean_error = error(now.deviation, factor * before.deviation);
    let of_mean = (now.mean - factor * before.mean - offset).abs() / mean_error;
    let spread_error = ((numbers.kurtosis - 1.0) / 4.0).sqrt() * numbers.noise();
    let ratio = now.deviation / (factor.abs() * before.deviation).max(f64::MIN_POSITIVE);
    let of_spread = ratio.max(f64::MIN_POSITIVE).ln().abs() / spread_error;
    let magnitude_error = error(now.magnitude_deviation, factor * before.magnitude_deviation);
    let of_magnitude = (now.magnitude - factor.abs() * before.magnitude).abs() / magnitude_error;
    let of_magnitude = if offset == 0.0 { of_magnitude } else { 0.0 };
    let relative = magnitude_error / (factor.abs() * before.magnitude).max(f64::MIN_POSITIVE);
    let precision = (1.0 / (relative * relative) + 1.0 / (spread_error * spread_error)).sqrt().recip();
    let miss = of_mean.max(of_spread).max(of_magnitude);
    Moved { miss: if miss.is_nan() { f64::INFINITY } else { miss }, precision }
}

/// Whether the extremes are where so many rows of the reference would have them.
fn reaches_as_far(numbers: &Numbers, unit: Unit) -> bool {
    const RARE: f64 = 12.0;
    let back = |x: f64| (x - unit.offset) / unit.factor;
    let (a, b) = (back(numbers.now.min), back(numbers.now.max));
    let allowed = RARE / numbers.current.n + numbers.noise() * 0.5;
    numbers.reference.at(a.min(b)).0 <= allowed && numbers.reference.at(a.max(b)).1 >= 1.0 - allowed
}

/// The distance that is left if a part of the reference is taken in another unit.
fn gap_in(numbers: &Numbers, unit: Unit, part: f64) -> Gap {
    let expected = |x: f64| -> Range {
        let (low, high) = in_unit(&numbers.reference, unit, x);
        let (own_low, own_high) = if part < 1.0 { numbers.reference.at(x) } else { (0.0, 0.0) };
        (part * low + (1.0 - part) * own_low, part * high + (1.0 - part) * own_high)
    };
    let mut at = points(numbers.reference.grid);
    at.extend(at.clone().into_iter().map(|x| unit.factor * x + unit.offset));
    numbers.current.gap_from_ranges(expected, &at, numbers.noise())
}

/// The share of the reference that would be at or below a number in another unit.
fn in_unit(reference: &Curve, unit: Unit, x: f64) -> Range {
    let back = (x - unit.offset) / unit.factor;
    if unit.factor > 0.0 {
        return reference.at(back);
    }
    // What is at or below is then what is at or above.
    let near = 2e-9 * back.abs();
    let (low, high) = (reference.at(back - near).0, reference.at(back + near).1);
    (1.0 - high, 1.0 - low)
}

/// A part of the rows is in another unit, and the others are as before.
fn part(numbers: &Numbers, unit: Unit) -> Option<Fit> {
    let (before, now) = (&numbers.before, &numbers.now);
    if unit.offset != 0.0 || unit.factor.abs().ln().abs() < LEAST_OF_PART.ln() {
        return None;
    }
    // The part that makes the distribution nearest, by least squares over the numbers where both are known well.
    let middle = |(low, high): Range| (low + high) / 2.0;
    let (mut both, mut square) = (0.0, 0.0);
    for x in points(numbers.reference.grid) {
        let own = middle(numbers.reference.at(x));
        let away = middle(in_unit(&numbers.reference, unit, x)) - own;
        both += (middle(numbers.current.at(x)) - own) * away;
        square += away * away;
    }
    let part = both / square;
    if !(LEAST_PART..1.0 - LEAST_PART).contains(&part) {
        return None;
    }
    let of_part = |own: f64, moved: f64| (1.0 - part) * own + part * moved;
    let factor = unit.factor;
    let magnitude = of_part(before.magnitude, factor.abs() * before.magnitude);
    let square = of_part(1.0, factor * factor);
    let own_square = before.deviation.powi(2) + before.mean.powi(2);
    let deviation = (square * own_square - magnitude * magnitude).max(0.0).sqrt();
    let error = (deviation.powi(2) / now.n
        + (magnitude / before.magnitude * before.magnitude_deviation).powi(2) / before.n)
        .sqrt();
    let of_magnitude = (now.magnitude - magnitude).abs() / error.max(f64::MIN_POSITIVE);
    let now_square = now.deviation.powi(2) + now.mean.powi(2);
    let few = if factor.abs() > 1.0 { part } else { 1.0 - part };
    let square_error = (numbers.kurtosis / few).sqrt() * numbers.noise();
    let of_square = (now_square / (square * own_square)).max(f64::MIN_POSITIVE).ln().abs() / square_error;
    let miss = of_magnitude.max(of_square);
    if miss.is_nan() || miss > MOST_ERRORS {
        return None;
    }
    let after = gap_in(numbers, unit, part);
    Some(Fit { unit, part, miss, explained: explained(&numbers.gap, &after), precision: 0.0 })
}

/// All rows are multiplied by a number that no two units are known for.
fn unknown(numbers: &Numbers) -> Option<Fit> {
    let (before, now) = (&numbers.before, &numbers.now);
    let sign = if before.mean * now.mean < 0.0 && before.mean.abs() > before.deviation { -1.0 } else { 1.0 };
    let factor = sign * now.magnitude / before.magnitude;
    let is_large = factor.is_finite() && factor.abs() > 0.0 && factor.abs().ln().abs() >= LEAST_UNKNOWN.ln();
    if is_large { whole(numbers, unit(factor, "")).filter(|fit| fit.explained > 0.5) } else { None }
}

fn evidence(field: &Field, fit: &Fit) -> String {
    let Unit { factor, offset, name } = fit.unit;
    let rows = counted(field.current.valued());
    let is_known = units().any(|unit| unit == fit.unit);
    let about = if is_known { "" } else { "about " };
    let name = if name.is_empty() { String::new() } else { format!(", {name}") };
    if fit.part < 1.0 {
        return format!(
            "{} of {rows} look like the reference's multiplied by {}{name}; the others are as before",
            percent(fit.part),
            times(factor)
        );
    }
    let changed = if factor == -1.0 {
        "the sign of all values is reversed".to_owned()
    } else if factor < 0.0 {
        format!("the values are {about}{} times the reference's", times(factor))
    } else if factor == 1.0 {
        "all values are moved by the same".to_owned()
    } else if offset != 0.0 {
        format!("the standard deviation is {} times the reference's, and the mean is moved to match", times(factor))
    } else {
        format!("the mean and the standard deviation are both {about}{} times the reference's", times(factor))
    };
    let left = format!("which explains {} of the difference in distribution", percent(fit.explained));
    format!("{changed} in {rows}{name}, {left}")
}
