//! One value in many rows: stuck, or in the place of values that are not there.

use super::{CONTRADICTED, Categories, Cause, Facts, Field, Gap, Likely, Numbers, counted, explained, percent};
use super::{share_errors, trust};

/// The least share of rows that one value has to gain, if it is what stands for no value, and else.
const LEAST_OF_NONE: f64 = 0.02;
const LEAST: f64 = 0.05;
/// The least errors by which it has to be commoner, and the least rows.
const LEAST_ERRORS: f64 = 3.0;
const LEAST_ROWS: f64 = 7.5;
/// From here on it is as good as all rows.
const ALL: f64 = 0.9;

/// Numbers that stand for no number, wherever the others are.
const NUMBERS_FOR_NONE: [f64; 8] = [0.0, -1.0, -9.0, -99.0, -999.0, -9999.0, -99_999.0, -999_999.0];
/// Texts that stand for no text.
const TEXTS_FOR_NONE: [&str; 15] = [
    "",
    "null",
    "none",
    "nan",
    "na",
    "n/a",
    "nil",
    "unknown",
    "undefined",
    "missing",
    "other",
    "default",
    "-",
    "?",
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
    /// Whether all that is known of it is that it is between two values that are far apart.
    is_in_gap: bool,
    /// Whether there should be values beyond it, as there were, and are none.
    is_at_end: bool,
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
    let after = current.gap_from(rest, numbers.noise());
    let is_outside = cell == 0 || cell + 1 == current.cells();
    let (low, high) = current.grid.bounds(cell);
    let is_in_gap = high - low > 0.1 * numbers.before.deviation;
    let lacks = |now: f64, before: f64| now <= 0.0 && (1.0 - part) * before * current.n > 8.0 && part < ALL;
    let is_constant = numbers.now.is_constant();
    let outside = is_outside.then(|| Outside::of(numbers, cell, now));
    let value = |known: f64| match &outside {
        _ if is_constant => known == numbers.now.min,
        Some(outside) => outside.is_mostly(known),
        None if cell % 2 == 1 => known == low,
        None => low < known && known < high,
    };
    let stands_for_none = NUMBERS_FOR_NONE.into_iter().chain([9999.0, 999_999.0]).any(value);
    let is_one = match &outside {
        _ if is_constant || cell % 2 == 1 => true,
        // All rows are of one value only if the extremes are, and these are not.
        Some(_) if now > 0.999 => false,
        Some(outside) => stands_for_none || outside.is_only(outside.extreme),
        None => now < ALL,
    };
    Some(Gain {
        before,
        now,
        part,
        errors: share_errors(before, reference.n, now, current.n),
        stands_for_none,
        is_outside,
        is_surely_one: is_one,
        is_in_gap: is_in_gap && !is_outside && cell % 2 == 0 && !numbers.now.is_constant(),
        is_at_end: lacks(current.before(cell), reference.before(cell))
            || lacks(1.0 - current.through(cell), 1.0 - reference.through(cell)),
        rest: of_rest(after, part, reference.n, current.n),
        explained: explained(&numbers.gap, &after),
        effective_cells: numbers.effective_cells(),
    })
}

/// The values beyond one end of the grid, of which the sum and the extreme are known.
struct Outside {
    rows: f64,
    sum: f64,
    extreme: f64,
    /// How far it is from the extreme to the grid.
    reach: f64,
    /// Values that are expected there anyway, at the most.
    strays: f64,
}

impl Outside {
    fn of(numbers: &Numbers, cell: usize, share: f64) -> Outside {
        let current = &numbers.current;
        let (low, high) = current.grid.bounds(cell);
        let (sum, extreme, end) = if cell == 0 {
            (current.tally.sum_below.value(), numbers.now.min, high)
        } else {
            (current.tally.sum_above.value(), numbers.now.max, low)
        };
        let strays = 6.0 * (current.n / numbers.reference.n).max(1.0);
        Outside { rows: share * current.n, sum, extreme, reach: (extreme - end).abs(), strays }
    }

    /// Whether all of them are this one, but for what rounding makes of their sum.
    fn is_only(&self, value: f64) -> bool {
        (self.sum - self.rows * value).abs() <= 1e-9 * (self.rows * value).abs()
    }

    /// Whether all of them but for a few are this one, which is known to be met.
    fn is_mostly(&self, value: f64) -> bool {
        let tolerance = self.strays / self.rows * self.reach;
        self.is_only(value) || (self.strays < 0.03 * self.rows && (self.sum / self.rows - value).abs() <= tolerance)
    }
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
    let after = categories.gap_from(&expected);
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
        is_at_end: false,
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
    // Of thousands of values, some gain by chance.
    if gain.errors < LEAST_ERRORS || (gain.now - gain.before) * field.current.valued() as f64 <= LEAST_ROWS {
        return None;
    }
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
    // In a wide gap there may be any number of values, and at an end they may have been cut off.
    let in_gap = match (gain.is_at_end, gain.is_in_gap) {
        (true, _) => 0.5,
        (_, true) if gain.stands_for_none => 0.8,
        (_, true) => 0.5,
        _ => 1.0,
    };
    let fits = gain.explained.powi(2) * unlike * in_gap;
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
