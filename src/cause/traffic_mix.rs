//! The same slices as ever, in other proportions.

use std::collections::BTreeSet;

use super::{
    Categories, Cause, Compared, Facts, Field, Gap, Likely, Numbers, Sliced, counted, explained, percent, trust,
};
use crate::schema::Role;
use crate::tally::FieldTally;

/// The least share of rows that have to be of another slice.
const LEAST: f64 = 0.02;
/// The least of a field's change that new proportions have to explain.
const LEAST_EXPLAINED: f64 = 0.6;

pub fn likely(facts: &Facts) -> Vec<Likely> {
    let dimensions: BTreeSet<&str> = facts.scene.slices.iter().map(|slice| slice.dimension).collect();
    dimensions.into_iter().filter_map(|dimension| of_dimension(facts, dimension)).collect()
}

/// A field's distance from the reference as it is, and from the reference in the window's proportions.
struct Weighed<'a> {
    subject: &'a str,
    is_alarmed: bool,
    before: Gap,
    after: Gap,
}

fn of_dimension(facts: &Facts, dimension: &str) -> Option<Likely> {
    let slices: Vec<&Sliced> = facts.scene.slices.iter().filter(|slice| slice.dimension == dimension).collect();
    let total = |rows: &dyn Fn(&Sliced) -> u64| slices.iter().map(|slice| rows(slice)).sum::<u64>() as f64;
    let (n, m) = (total(&|slice| slice.reference_rows), total(&|slice| slice.rows));
    if n < 2.0 || m < 2.0 || slices.len() < 2 {
        return None;
    }
    let before: Vec<f64> = slices.iter().map(|slice| slice.reference_rows as f64 / n).collect();
    let now: Vec<f64> = slices.iter().map(|slice| slice.rows as f64 / m).collect();
    let mix = Gap::of_categories(&before, &now, n, m);
    if !mix.is_real() || mix.distance < LEAST {
        return None;
    }
    let own: Vec<&str> = dimension.split(',').collect();
    let is_own = |subject: &str| own.contains(&subject);
    let features = facts.features().filter(|field| !is_own(field.subject));
    let weighed: Vec<Weighed> = features.filter_map(|field| weigh(field, &slices, &now)).collect();
    let explains = |one: &Weighed| explained(&one.before, &one.after);
    let is_subject = |one: &&Weighed| one.is_alarmed && one.before.is_real() && explains(one) >= LEAST_EXPLAINED;
    let moved: Vec<&Weighed> = weighed.iter().filter(is_subject).collect();
    // What the new proportions would move, and what has not moved, speaks against them.
    let denies = |one: &&Weighed| one.after.is_real() && one.after.distance > 1.3 * one.before.distance;
    let denied = weighed.iter().filter(denies).count() as f64;
    let of_own = facts.alarmed().filter(|field| is_own(field.subject)).map(|field| field.subject);
    let subjects: Vec<String> = moved.iter().map(|one| one.subject).chain(of_own).map(str::to_owned).collect();
    if subjects.is_empty() {
        return None;
    }
    let fit = moved.iter().map(|one| explains(one)).sum::<f64>() / (moved.len() as f64).max(1.0);
    let (quality, rest) = if moved.is_empty() {
        (0.55, "; nothing else has changed that it would explain".to_owned())
    } else {
        let largest = |of: &dyn Fn(&Weighed) -> f64| moved.iter().map(|one| of(one)).fold(0.0, f64::max);
        let rest = format!(
            "; in these proportions the reference differs by {} at most, and by {} in its own, in what is named here",
            percent(largest(&|one| one.after.distance)),
            percent(largest(&|one| one.before.distance)),
        );
        (0.93 * fit, rest)
    };
    let against = moved.len() as f64 / (moved.len() as f64 + denied).max(1.0);
    let against = if moved.is_empty() && denied > 0.0 {
        0.4
    } else if moved.is_empty() {
        1.0
    } else {
        against
    };
    Some(Likely {
        cause: Cause::TrafficMix,
        subjects,
        confidence: quality * against * trust(mix.errors()),
        evidence: format!(
            "{} of {} are of other slices by {dimension} than in the reference{rest}",
            percent(mix.distance),
            counted(m as u64),
        ),
    })
}

/// `None` where a field is not counted in all slices.
fn weigh<'a>(field: &Field<'a>, slices: &[&Sliced], now: &[f64]) -> Option<Weighed<'a>> {
    let in_slice = |slice: &&Sliced| -> Option<FieldTally> {
        let is_it = |one: &&Compared| one.subject == field.subject && one.role == Role::Feature;
        slice.fields.iter().find(is_it).map(|one| one.reference.clone())
    };
    let tallies: Vec<FieldTally> = slices.iter().map(in_slice).collect::<Option<_>>()?;
    let rows: Vec<f64> = tallies.iter().map(|tally| tally.valued() as f64).collect();
    // Of a slice that the reference does not have, nothing is known.
    let weights: Vec<f64> = now.iter().zip(&rows).map(|(share, rows)| if *rows > 0.0 { *share } else { 0.0 }).collect();
    let all: f64 = weights.iter().sum();
    if all < 0.8 {
        return None;
    }
    let weights: Vec<f64> = weights.iter().map(|weight| weight / all).collect();
    // Rows that count for more are as fewer.
    let as_if: f64 = weights.iter().zip(&rows).filter(|(_, rows)| **rows > 0.0).map(|(w, n)| w * w / n).sum();
    let of_cells = |cells: usize| -> Vec<f64> {
        let mut shares = vec![0.0; cells];
        for ((tally, weight), rows) in tallies.iter().zip(&weights).zip(&rows).filter(|(_, rows)| **rows > 0.0) {
            let counts = match tally {
                FieldTally::Numeric(tally) => tally.counts.filled(),
                FieldTally::Categorical(tally) => tally.counts.filled(),
                FieldTally::Flag(_) => Vec::new(),
            };
            for (cell, count) in counts {
                if let Some(share) = shares.get_mut(cell as usize) {
                    *share += weight * count as f64 / rows;
                }
            }
        }
        shares
    };
    let (before, after) = match (&field.numbers, &field.categories) {
        (Some(numbers), _) => (numbers.gap, of_numbers(numbers, &of_cells(numbers.current.cells()), as_if)),
        (_, Some(categories)) => {
            (categories.gap, of_categories(categories, &of_cells(categories.current.len()), as_if))
        }
        _ => return None,
    };
    Some(Weighed { subject: field.subject, is_alarmed: field.is_alarmed, before, after })
}

fn of_numbers(numbers: &Numbers, shares: &[f64], as_if: f64) -> Gap {
    let mut sum = 0.0;
    let sums: Vec<f64> = shares
        .iter()
        .map(|share| {
            sum += share;
            sum
        })
        .collect();
    let through = |cell: usize| sums.get(cell).copied().unwrap_or(1.0);
    numbers.current.gap_from(through, (as_if + 1.0 / numbers.current.n).sqrt())
}

fn of_categories(categories: &Categories, shares: &[f64], as_if: f64) -> Gap {
    Gap::of_categories(shares, &categories.current, 1.0 / as_if, categories.m)
}
