//! One value in many rows: stuck, or in the place of values that are not there.

use super::{CONTRADICTED, Categories, Cause, Facts, Field, Gap, Likely, Numbers, counted, explained, percent};
use super::{share_errors, trust};

/// The least share of rows that one value has to gain, if it is what stands for no value, and else.
const LEAST_OF_NONE: f64 = 0.02;
const LEAST: f64 = 0.05;
/// From here on it is as good as all rows.
const ALL: f64 = 0.9;

/// Numbers that stand for no number, wherever the others are.
const NUMBERS_FOR_NONE: [f64; 8] = [0.0, -1.0, -9.0, -99.0, -999.0, -9999.0, -99_999.0, -999_999.0];
/// Texts that stand for no text.
const TEXTS_FOR_NONE: [&str; 15] = [
    "", "null", "none", "nan", "na", "n/a", "nil", "unknown", "undefined", "missing", "other", "default", "-", "?",
    "not available",
];

pub fn likely(facts: &Facts) -> Vec<Likely> {
    let of_field = |field| -> Option<Likely> { told(field, &gain_of(field)?) };
    facts.alarmed().filter_map(of_field).collect()
}

/// The value that has gained the most.
struct Gain {
    /// Its share before and now, and the share of all rows that would have to be turned into it.
    before: f64,
    now: f64,
    part: f64,
    errors: f64,
    stands_for_none: bool,
    is_outside: bool,
    /// Whether several values are taken for one, for all that is known.
    is_surely_one: bool,
    /// Whether all that is known of it is that it is between two values, outside of which the reference has none.
    is_in_gap: bool,
    /// How far the others are from what they were, among themselves.
    rest: Gap,
    explained: f64,
    effective_cells: f64,
}

fn gain_of(field: &Field) -> Option<Gain> {
    match (&field.numbers, &field.categories) {
        (Some(numbers), _) => of_numbers(numbers),
        (_, Some(categories)) => of_categories(categories),
        _ => None,
    }
}

fn of_numbers(numbers: &Numbers) -> Option<Gain> {
    let (reference, current) = (&numbers.reference, &numbers.current);
    let gained = |cell: &usize| current.share(*cell) - reference.share(*cell);
    let cell = (0..current.cells()).max_by(|a, b| gained(a).total_cmp(&gained(b)))?;
    let (before, now) = (reference.share(cell), current.share(cell));
    let part = (now - before) / (1.0 - before).max(f64::MIN_POSITIVE);
    let rest = |through: usize| (1.0 - part) * reference.through(through) + if through >= cell { part } else { 0.0 };
    let after = current.from_expected(rest, numbers.noise());
    let is_outside = cell == 0 || cell + 1 == current.cells();
    let (low, high) = current.grid.bounds(cell);
    // In a gap outside, the values are one if the extreme of them is their mean.
    let in_cell = now * current.n;
    let spread = if cell == 0 {
        let mean = current.tally.sum_below.value() / in_cell;
        (mean - numbers.now.min) / (high - numbers.now.min)
    } else if is_outside {
        let mean = current.tally.sum_above.value() / in_cell;
        (numbers.now.max - mean) / (numbers.now.max - low)
    } else {
        0.0
    };
    let is_one = numbers.now.is_constant() || cell % 2 == 1 || if is_outside { spread.abs() < 0.02 } else { now < ALL };
    let value = |known: f64| {
        let known_to_be = if numbers.now.is_constant() || cell == 0 {
            Some(numbers.now.min)
        } else if is_outside {
            Some(numbers.now.max)
        } else {
            None
        };
        let is_in_cell = if cell % 2 == 1 { known == low } else { low < known && known < high };
        known_to_be.map_or(is_in_cell, |value| value == known)
    };
    Some(Gain {
        before,
        now,
        part,
        errors: share_errors(before, reference.n, now, current.n),
        stands_for_none: NUMBERS_FOR_NONE.into_iter().any(value),
        is_outside,
        is_surely_one: is_one,
        is_in_gap: current.grid.is_exact() && !is_outside && cell % 2 == 0 && !numbers.now.is_constant(),
        rest: of_rest(after, part, reference.n, current.n),
        explained: explained(&numbers.gap, &after),
        effective_cells: numbers.effective_cells(),
    })
}

fn of_categories(categories: &Categories) -> Option<Gain> {
    let Categories { reference, current, .. } = categories;
    let gained = |cell: &usize| current[*cell] - reference[*cell];
    let cell = (0..current.len()).max_by(|a, b| gained(a).total_cmp(&gained(b)))?;
    let (before, now) = (reference[cell], current[cell]);
    let part = (now - before) / (1.0 - before).max(f64::MIN_POSITIVE);
    let expected: Vec<f64> = reference
        .iter()
        .enumerate()
        .map(|(other, share)| (1.0 - part) * share + if other == cell { part } else { 0.0 })
        .collect();
    let after = categories.from_expected(&expected);
    let is_outside = cell + 1 == current.len();
    let name = match categories.vocabulary.values().get(cell) {
        Some(name) => name.as_str(),
        None => categories.unseen.first().map_or("", |(name, _)| name.as_str()),
    };
    let commonest = categories.unseen.first().map_or(0.0, |(_, share)| *share);
    Some(Gain {
        before,
        now,
        part,
        errors: share_errors(before, categories.n, now, categories.m),
        stands_for_none: TEXTS_FOR_NONE.contains(&name.trim().to_lowercase().as_str()),
        is_outside,
        is_surely_one: !is_outside || commonest >= 0.95 * now,
        is_in_gap: false,
        rest: of_rest(after, part, categories.n, categories.m),
        explained: explained(&categories.gap, &after),
        effective_cells: categories.effective_cells(),
    })
}

/// The gap among the rows that do not have the value.
fn of_rest(after: Gap, part: f64, n: f64, m: f64) -> Gap {
    let left = (1.0 - part).clamp(1e-9, 1.0);
    let usual = (1.0 / n + 1.0 / m).sqrt();
    Gap { distance: after.distance / left, noise: after.noise / usual * (1.0 / n + 1.0 / (m * left).max(1.0)).sqrt() }
}

fn told(field: &Field, gain: &Gain) -> Option<Likely> {
    // A new category is a new category, unless it stands for none.
    let is_new_category = field.categories.is_some() && gain.is_outside && !gain.stands_for_none && gain.part < ALL;
    if !gain.is_surely_one || is_new_category {
        return None;
    }
    let (absent_before, absent_now) = field.absent();
    let rows = field.rows().max(1) as f64;
    let in_place_of_nulls = {
        let gone = absent_before - absent_now;
        let gained = gain.part * field.current.valued() as f64 / rows;
        gone > 0.01 && (gone - gained).abs() < 0.25 * gone + 3.0 * (gone / rows).sqrt()
    };
    let is_all = gain.part >= ALL;
    let is_none = !is_all && (gain.stands_for_none || in_place_of_nulls || gain.is_outside);
    let least = if gain.stands_for_none || in_place_of_nulls { LEAST_OF_NONE } else { LEAST };
    if gain.part < least {
        return None;
    }
    // With few values, one that gains on all others alike is not a rare thing to happen.
    let chance = (2.5 / gain.effective_cells).min(1.0);
    let quality = match (is_all, is_none) {
        (true, _) => 0.95,
        _ if in_place_of_nulls => 0.95,
        (_, true) if gain.stands_for_none && (gain.is_outside || gain.before < 0.001) => 0.93,
        (_, true) => 0.85 - 0.35 * chance,
        _ => 0.9 - 0.6 * chance,
    };
    let unlike = if gain.rest.is_real() { CONTRADICTED.max(1.0 - 2.0 * gain.rest.distance) } else { 1.0 };
    // Between two whole numbers there may be any number of others.
    let in_gap = if gain.is_in_gap { 0.6 } else { 1.0 };
    let fits = gain.explained * unlike * in_gap;
    let cause = if is_none { Cause::NullSpike } else { Cause::StuckValue };
    let place = match (gain.is_outside, is_none) {
        (true, _) => "one value that the reference does not have",
        (false, true) => "one value of those that often stand for none",
        (false, false) => "one and the same value",
    };
    let others = if gain.part > 0.97 {
        "there are hardly any others"
    } else if gain.rest.is_real() {
        "the others are not quite as before"
    } else {
        "the others are distributed as before"
    };
    let nulls = if in_place_of_nulls {
        format!("; as many fewer than before are null: {} after {}", percent(absent_now), percent(absent_before))
    } else {
        String::new()
    };
    Some(Likely {
        cause,
        subjects: vec![field.subject.to_owned()],
        confidence: quality * fits * trust(gain.errors),
        evidence: format!(
            "{} of {} have {place}, where {} had it; {others}{nulls}",
            percent(gain.now),
            counted(field.current.valued()),
            percent(gain.before),
        ),
    })
}
