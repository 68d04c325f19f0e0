//! Two columns have each other's values.

use std::collections::{BTreeMap, BTreeSet};

use super::{Categories, Cause, Curve, Facts, Field, Gap, Likely, Moments, Numbers, Range, counted, explained};
use super::{percent, points, share_errors, trust};
use crate::tally::FieldTally;

/// Standard errors by which a mean or a spread may miss what is expected of it.
const MOST_ERRORS: f64 = 3.5;
/// The least share of rows whose values are swapped.
const LEAST: f64 = 0.05;

pub fn likely(facts: &Facts) -> Vec<Likely> {
    let changed: Vec<&Field> =
        facts.fields.iter().filter(|field| field.is_alarmed || field.gap().is_some_and(|gap| gap.is_real())).collect();
    let mut found = Vec::new();
    for (place, a) in changed.iter().enumerate() {
        for b in &changed[place + 1..] {
            if (a.is_alarmed || b.is_alarmed) && a.role == b.role {
                found.extend(of_pair(a, b));
            }
        }
    }
    found
}

/// How well each of two columns looks like the other.
struct Fit {
    part: f64,
    explained: f64,
    errors: f64,
}

fn of_pair(a: &Field, b: &Field) -> Option<Likely> {
    let fit = match (&a.numbers, &b.numbers, &a.categories, &b.categories) {
        (Some(a), Some(b), ..) => of_numbers(a, b)?,
        (_, _, Some(a), Some(b)) => of_categories(a, b)?,
        _ => of_kinds(a, b).or_else(|| of_kinds(b, a))?,
    };
    if fit.explained < 0.5 {
        return None;
    }
    Some(Likely {
        cause: Cause::SwappedColumns,
        subjects: vec![a.subject.to_owned(), b.subject.to_owned()],
        confidence: 0.96 * fit.explained * trust(fit.errors),
        evidence: format!(
            "each of the two has in {} of {} what the other has in the reference, which explains {} of how either has \
             changed",
            percent(fit.part),
            counted(a.rows().max(b.rows())),
            percent(fit.explained),
        ),
    })
}

fn of_numbers(a: &Numbers, b: &Numbers) -> Option<Fit> {
    if !a.gap.is_real() || !b.gap.is_real() {
        return None;
    }
    let errors = a.gap.errors().min(b.gap.errors());
    let fit = |part: f64| Fit { part, explained: with_part(a, b, part).min(with_part(b, a, part)), errors };
    if is_moments(&a.now, &b.before, b.kurtosis) && is_moments(&b.now, &a.before, a.kurtosis) {
        return Some(fit(1.0));
    }
    // The means say what part it is, and have to say the same.
    let part = |own: &Numbers, other: &Numbers| -> (f64, f64) {
        let apart = other.before.mean - own.before.mean;
        let error = (own.now.deviation.powi(2) / own.now.n + own.before.deviation.powi(2) / own.before.n).sqrt();
        ((own.now.mean - own.before.mean) / apart, error / apart.abs())
    };
    let ((of_a, error_a), (of_b, error_b)) = (part(a, b), part(b, a));
    let weights = (1.0 / (error_a * error_a), 1.0 / (error_b * error_b));
    let mean = (of_a * weights.0 + of_b * weights.1) / (weights.0 + weights.1);
    let agree = (of_a - of_b).abs() <= MOST_ERRORS * error_a.hypot(error_b);
    let is_part = agree && (LEAST..=1.0).contains(&mean) && error_a.min(error_b) < 0.1;
    if is_part { Some(fit(mean)) } else { None }
}

/// Whether a sample with these moments can be one of the other's distribution.
fn is_moments(now: &Moments, before: &Moments, kurtosis: f64) -> bool {
    let mean_error = (now.deviation.powi(2) / now.n + before.deviation.powi(2) / before.n).sqrt();
    let spread_error = ((kurtosis - 1.0) / 4.0).sqrt() * (1.0 / now.n + 1.0 / before.n).sqrt();
    let spread = (now.deviation / before.deviation).ln().abs();
    (now.mean - before.mean).abs() <= MOST_ERRORS * mean_error && spread <= MOST_ERRORS * spread_error
}

/// How much of a column's change is gone if a part of its rows are taken from the other.
fn with_part(own: &Numbers, other: &Numbers, part: f64) -> f64 {
    let mixed = |x: f64| -> Range {
        let ((own_low, own_high), (low, high)) = (own.reference.at(x), other.reference.at(x));
        ((1.0 - part) * own_low + part * low, (1.0 - part) * own_high + part * high)
    };
    let mut at = points(own.reference.grid);
    at.extend(points(other.reference.grid));
    let after = own.current.gap_from_ranges(mixed, &at, own.noise());
    let is_reached = reaches(&own.current, &other.reference) || part < 1.0;
    if is_reached { explained(&own.gap, &after) } else { 0.0 }
}

/// Whether the window's extremes are in the tails of the other's reference.
fn reaches(current: &Curve, reference: &Curve) -> bool {
    let allowed = 12.0 / current.n + 2.0 / reference.n.sqrt();
    reference.at(current.tally.min).0 <= allowed && reference.at(current.tally.max).1 >= 1.0 - allowed
}

fn of_categories(a: &Categories, b: &Categories) -> Option<Fit> {
    if !a.gap.is_real() || !b.gap.is_real() {
        return None;
    }
    if !has_gained_from(a, b) || !has_gained_from(b, a) {
        return None;
    }
    let ((from_a, part_a), (from_b, part_b)) = (towards(a, b)?, towards(b, a)?);
    if (part_a - part_b).abs() > 0.15 || part_a.min(part_b) < LEAST {
        return None;
    }
    let part = ((part_a + part_b) / 2.0).min(1.0);
    Some(Fit { part, explained: from_a.min(from_b), errors: a.errors.min(b.errors) })
}

/// Whether the category that gained the most is one of the other's, which tells most pairs apart at once.
fn has_gained_from(own: &Categories, other: &Categories) -> bool {
    let known = own.vocabulary.values().iter().zip(&own.reference).zip(&own.current);
    let known = known.map(|((name, before), now)| (name.as_str(), now - before));
    let unseen = own.unseen.first().map(|(name, share)| (name.as_str(), *share));
    let most = known.chain(unseen).max_by(|a, b| a.1.total_cmp(&b.1));
    most.is_some_and(|(name, _)| other.vocabulary.cell(name).is_some())
}

/// How much of a column's change is gone if a part of its rows are taken from the other, and what part that is.
fn towards(own: &Categories, other: &Categories) -> Option<(f64, f64)> {
    let (now, before, theirs) = (own.current_by_name(), own.reference_by_name(), other.reference_by_name());
    let names: BTreeSet<&str> = now.keys().chain(before.keys()).chain(theirs.keys()).copied().collect();
    let share = |of: &BTreeMap<&str, f64>, name: &str| of.get(name).copied().unwrap_or(0.0);
    let (mut both, mut square) = (0.0, 0.0);
    for name in &names {
        let away = share(&theirs, name) - share(&before, name);
        both += (share(&now, name) - share(&before, name)) * away;
        square += away * away;
    }
    let part = both / square;
    if !part.is_finite() || part < LEAST {
        return None;
    }
    let part = part.min(1.0);
    let mixed: Vec<f64> =
        names.iter().map(|name| (1.0 - part) * share(&before, name) + part * share(&theirs, name)).collect();
    let has: Vec<f64> = names.iter().map(|name| share(&now, name)).collect();
    let was: Vec<f64> = names.iter().map(|name| share(&before, name)).collect();
    let after = Gap::of_categories(&mixed, &has, own.n, own.m);
    // What the sketch does not tell of unseen names is taken to be like what it does.
    let untold = (1.0 - has.iter().sum::<f64>()).max(0.0);
    let after = Gap { distance: (after.distance - untold).max(0.0), ..after };
    Some((explained(&Gap::of_categories(&was, &has, own.n, own.m), &after), part))
}

/// Numbers among categories, and categories where numbers were: these cannot be read.
fn of_kinds(number: &Field, category: &Field) -> Option<Fit> {
    let FieldTally::Numeric(_) = number.current else { return None };
    let categories = category.categories.as_ref()?;
    let mistyped = |tally: &FieldTally| {
        let presence = tally.presence();
        presence.mistyped as f64 / (presence.rows as f64).max(1.0)
    };
    let part = mistyped(number.current) - mistyped(number.reference);
    let told: f64 = categories.unseen.iter().map(|(_, share)| share).sum();
    let numbers: f64 =
        categories.unseen.iter().filter(|(name, _)| name.parse::<f64>().is_ok()).map(|(_, share)| share).sum();
    let unseen = categories.current.last()? - categories.reference.last()?;
    let is_swapped = part >= LEAST && (unseen - part).abs() < 0.2 * part + 0.02 && numbers >= 0.95 * told && told > 0.0;
    let errors = share_errors(0.0, categories.n, part, number.rows() as f64);
    is_swapped.then_some(Fit { part, explained: 0.97, errors })
}
