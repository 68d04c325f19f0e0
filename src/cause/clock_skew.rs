//! Times of rows are off, so that windows hold the rows of other hours.

use super::{Cause, Clock, Delay, Facts, Field, Gap, Likely, Numbers, counted, explained, join, percent, share_errors};
use super::{points, times, trust};
use crate::schema::Role;

const HOUR: f64 = 3600.0;
/// What a day has, by the unit in which a field tells its time.
const DAYS: [f64; 4] = [24.0, 1440.0, 86_400.0, 86_400_000.0];
/// Standard errors by which a mean may miss what is expected of it.
const MOST_ERRORS: f64 = 3.3;

pub fn likely(facts: &Facts) -> Vec<Likely> {
    let clock = facts.scene.clock.as_ref().and_then(of_clock);
    let mut found: Vec<Likely> = Vec::new();
    let turned: Vec<(&Field, Turn)> = facts.alarmed().filter_map(|field| Some((field, turned(field)?))).collect();
    for (field, turn) in &turned {
        let alike = turned.iter().filter(|(_, other)| other.hours == turn.hours).count();
        let quality = match (&clock, alike) {
            (Some(_), _) => 0.96,
            (None, 1) => turn.quality,
            _ => 0.92,
        };
        let more = clock.as_ref().map(|clock| format!("; {}", clock.evidence)).unwrap_or_default();
        found.push(Likely {
            cause: Cause::ClockSkew,
            subjects: vec![field.subject.to_owned()],
            confidence: quality * turn.explained * trust(turn.errors),
            evidence: format!("{}{more}", turn.evidence),
        });
    }
    if let Some(clock) = clock {
        let subjects: Vec<&str> =
            facts.alarmed().filter(|field| field.role == Role::Feature).map(|field| field.subject).collect();
        if !subjects.is_empty() {
            found.push(Likely {
                cause: Cause::ClockSkew,
                subjects: subjects.iter().map(|subject| (*subject).to_owned()).collect(),
                confidence: clock.confidence,
                evidence: format!("{}, so that {} may be of other hours", clock.evidence, join(&subjects)),
            });
        }
    }
    found
}

/// What the times of rows say themselves.
struct OfClock {
    confidence: f64,
    evidence: String,
}

fn of_clock(clock: &Clock) -> Option<OfClock> {
    /// Clocks are off by time zones, of which the least differ by a quarter of an hour.
    const STEP: f64 = 900.0;
    const NEAR: f64 = 45.0;
    const LEAST: f64 = 300.0;
    let moved = |&Delay { now, usual }: &Delay| now - usual;
    if let Some(seconds) = clock.delay.as_ref().map(moved).filter(|seconds| seconds.abs() >= LEAST) {
        let steps = (seconds / STEP).round();
        let is_whole = steps != 0.0 && (seconds - steps * STEP).abs() <= NEAR;
        let later = if seconds > 0.0 { "later" } else { "sooner" };
        return Some(OfClock {
            confidence: if is_whole { 0.9 } else { 0.6 },
            evidence: format!("rows come {} minutes {later} after their time than usual", times(seconds.abs() / 60.0)),
        });
    }
    let share = |late: u64, rows: u64| late as f64 / (rows as f64).max(1.0);
    let (now, before) = (share(clock.late, clock.rows), share(clock.usual_late, clock.usual_rows));
    let errors = share_errors(before, clock.usual_rows as f64, now, clock.rows as f64);
    let is_late = now - before >= 0.05 && clock.rows > 0;
    is_late.then(|| OfClock {
        confidence: 0.65 * trust(errors),
        evidence: format!("{} of {} came too late, where {} do", percent(now), counted(clock.rows), percent(before)),
    })
}

/// A field that tells time, and is off by whole hours.
struct Turn {
    hours: i32,
    quality: f64,
    explained: f64,
    errors: f64,
    evidence: String,
}

fn turned(field: &Field) -> Option<Turn> {
    match (&field.numbers, &field.categories) {
        (Some(numbers), _) => of_day(numbers).or_else(|| of_span(numbers)),
        (_, Some(categories)) => {
            let hour = |name: &String| name.parse::<usize>().ok().filter(|hour| *hour < 24);
            let hours: Vec<usize> = categories.vocabulary.values().iter().map_while(hour).collect();
            if hours.len() < 12 || hours.len() < categories.vocabulary.values().len() {
                return None;
            }
            let spread = |shares: &[f64]| {
                let mut of_hour = [0.0; 24];
                hours.iter().zip(shares).for_each(|(hour, share)| of_hour[*hour] += share);
                of_hour
            };
            rotated(spread(&categories.reference), spread(&categories.current), categories.n, categories.m)
        }
        _ => None,
    }
}

/// A field that goes around once a day: its distribution is the reference's, turned by some hours.
fn of_day(numbers: &Numbers) -> Option<Turn> {
    let (min, max) = (numbers.before.min, numbers.before.max);
    let day = DAYS.into_iter().find(|day| min >= 0.0 && max < day + 1e-9 && max >= 0.95 * day && min <= 0.2 * day)?;
    if numbers.now.min < 0.0 || numbers.now.max > day {
        return None;
    }
    let hours = |curve: &super::Curve| {
        // What is exactly on the hour is of it.
        let below = |hour: usize| curve.at(hour as f64 * day / 24.0 - 1e-6 * day).1;
        std::array::from_fn(|hour| if hour == 23 { 1.0 - below(23) } else { below(hour + 1) - below(hour) })
    };
    rotated(hours(&numbers.reference), hours(&numbers.current), numbers.reference.n, numbers.current.n)
}

fn rotated(reference: [f64; 24], current: [f64; 24], n: f64, m: f64) -> Option<Turn> {
    let gap = around(&reference, &current, n, m);
    let by = |hours: usize| -> [f64; 24] { std::array::from_fn(|hour| reference[(hour + 24 - hours) % 24]) };
    let turns = (1..24).map(|hours| (hours, around(&by(hours), &current, n, m)));
    let (hours, after) = turns.min_by(|a, b| a.1.distance.total_cmp(&b.1.distance))?;
    let explained = explained(&gap, &after);
    if !gap.is_real() || explained < 0.7 {
        return None;
    }
    let hours = if hours > 12 { hours as i32 - 24 } else { hours as i32 };
    Some(Turn {
        hours,
        quality: 0.85,
        explained,
        errors: gap.errors(),
        evidence: format!(
            "the hours of the day are the reference's turned by {hours}: that leaves {} of a difference of {}",
            percent(after.distance),
            percent(gap.distance),
        ),
    })
}

/// The largest difference of the cumulative shares through the hours of a day.
fn around(reference: &[f64; 24], current: &[f64; 24], n: f64, m: f64) -> Gap {
    let (mut sum, mut distance) = (0.0, 0.0f64);
    for (r, c) in reference.iter().zip(current) {
        sum += c - r;
        distance = distance.max(sum.abs());
    }
    Gap { distance, noise: (1.0 / n + 1.0 / m).sqrt() }
}

/// A span of seconds or milliseconds that has become longer or shorter by whole hours in all rows alike.
fn of_span(numbers: &Numbers) -> Option<Turn> {
    /// Farther off than two days, it is no longer a clock.
    const MOST: f64 = 48.0;
    /// With a larger error, in hours, every move is one of whole hours.
    const COARSEST: f64 = 0.1;
    if !numbers.gap.is_real() || numbers.now.is_constant() {
        return None;
    }
    let (before, now) = (&numbers.before, &numbers.now);
    let error = (now.deviation.powi(2) / now.n + before.deviation.powi(2) / before.n).sqrt();
    let moved = now.mean - before.mean;
    let spread_error = ((numbers.kurtosis - 1.0) / 4.0).sqrt() * numbers.noise();
    if (now.deviation / before.deviation).ln().abs() > MOST_ERRORS * spread_error {
        return None;
    }
    let hour = [HOUR, 1000.0 * HOUR].into_iter().find(|hour| {
        let hours = (moved / hour).round();
        let is_whole = (moved - hours * hour).abs() <= MOST_ERRORS * error && error <= COARSEST * hour;
        is_whole && hours != 0.0 && hours.abs() <= MOST
    })?;
    let hours = (moved / hour).round();
    let by = hours * hour;
    let mut at = points(numbers.reference.grid);
    at.extend(at.clone().into_iter().map(|x| x + by));
    let after = numbers.current.gap_from_ranges(|x| numbers.reference.at(x - by), &at, numbers.noise());
    let explained = explained(&numbers.gap, &after);
    if explained < 0.7 {
        return None;
    }
    Some(Turn {
        hours: hours as i32,
        // The more of all moves are as near to a whole hour, the less it says that this one is.
        quality: 0.85 / (1.0 + 2.0 * MOST_ERRORS * error / hour),
        explained,
        errors: numbers.gap.errors(),
        evidence: format!(
            "all values of {} are moved by {hours} hours, to within {} of one, and spread as before",
            counted(numbers.current.tally.n()),
            percent(error / hour),
        ),
    })
}
