//! Values are cut off beyond a bound, gathered on it, or told more coarsely.

use super::{Cause, Curve, Facts, Field, Gap, Likely, Numbers, counted, explained, percent, trust};

/// What was beyond a bound in the reference, at the least and at the most, for its loss to be told.
const LEAST: f64 = 0.004;
const MOST: f64 = 0.7;
/// Of values that are gone, rather than gathered on the bound, more than half cannot be told from a smaller unit.
const MOST_GONE: f64 = 0.5;
/// How many rows would have to be beyond the bound, by the reference.
const LEAST_ROWS: f64 = 12.0;

pub fn likely(facts: &Facts) -> Vec<Likely> {
    let alarmed = facts.alarmed().filter_map(|field| Some((field, field.numbers.as_ref()?)));
    alarmed.flat_map(|(field, numbers)| [cut(field, numbers), coarse(field, numbers)]).flatten().collect()
}

/// How the window would look, by how far the reference reaches.
struct Bound {
    below: f64,
    above: f64,
}

fn cut(field: &Field, numbers: &Numbers) -> Option<Likely> {
    let (reference, current) = (&numbers.reference, &numbers.current);
    if numbers.now.is_constant() || current.tally.infinite > 0 {
        return None;
    }
    let beyond = |share: f64, cell: usize| {
        // What is at the very end of the reference is not beyond anything.
        let is_lost = share >= LEAST && share * current.n >= LEAST_ROWS && cell > 0 && cell + 1 < current.cells();
        if is_lost { share } else { 0.0 }
    };
    let grid = current.grid;
    let (first, last) = (grid.cell(numbers.now.min), grid.cell(numbers.now.max));
    let bound = Bound {
        below: beyond(reference.guess(numbers.now.min), first),
        above: beyond(
            1.0 - if last % 2 == 1 { reference.through(last) } else { reference.guess(numbers.now.max) },
            last,
        ),
    };
    let lost = bound.below + bound.above;
    if lost <= 0.0 || lost > MOST {
        return None;
    }
    let has = |share: f64| share > 0.0;
    // Those that were beyond are on the bound now.
    let gathered = current.gap_from(
        |cell| match cell {
            _ if has(bound.above) && cell >= last => 1.0,
            _ if has(bound.below) && cell < first => 0.0,
            _ => reference.through(cell),
        },
        numbers.noise(),
    );
    // Those that were beyond are gone. Nothing is known of where the bound itself is but that it is no nearer.
    let left = 1.0 - lost;
    let gone = current.gap_from(
        |cell| match cell {
            _ if has(bound.above) && cell >= last => 1.0,
            _ if has(bound.below) && cell < first => 0.0,
            _ => ((reference.through(cell) - bound.below) / left).clamp(0.0, 1.0),
        },
        (1.0 / (reference.n * left) + 1.0 / current.n).sqrt(),
    );
    let is_gathered = gathered.distance <= gone.distance;
    if !is_gathered && lost > MOST_GONE {
        return None;
    }
    let after = if is_gathered { gathered } else { gone };
    let fits = fit(numbers, &after);
    // How improbable it is that nothing is beyond by chance, and how far the distribution is off.
    let errors = (lost * current.n / 2.0).sqrt().max(numbers.gap.errors());
    let side = match (has(bound.below), has(bound.above)) {
        (true, true) => "beyond two bounds",
        (true, false) => "below a bound",
        _ => "above a bound",
    };
    let (absent_before, absent_now) = field.absent();
    let has_become_null = absent_now - absent_before > lost / 2.0;
    let now = match (is_gathered, has_become_null) {
        (true, _) => "as many have gathered on it",
        (false, true) => "about as many rows have no value now",
        (false, false) => "they are gone",
    };
    Some(Likely {
        cause: Cause::Truncation,
        subjects: vec![field.subject.to_owned()],
        confidence: 0.93 * fits * trust(errors),
        evidence: format!(
            "no value of {} is {side}, beyond which {} of the reference's are; {now}, and the others are as before",
            counted(current.tally.n()),
            percent(lost),
        ),
    })
}

/// A small loss is no more than chance makes; a larger one is to be explained.
fn fit(numbers: &Numbers, after: &Gap) -> f64 {
    let explained = explained(&numbers.gap, after);
    let within_chance = (1.0 - (after.errors() - 1.4) / 1.2).clamp(0.0, 1.0);
    // What is left of a large difference speaks against a bound more than the rest speaks for it.
    let left = if after.is_real() { 0.7 } else { 1.0 };
    if numbers.gap.is_real() { left * explained * explained } else { explained.min(within_chance) }
}

/// Values are on far fewer levels than the reference's, and else where they were.
fn coarse(field: &Field, numbers: &Numbers) -> Option<Likely> {
    /// A step is no more than this share of the rows: else hardly any values are left to tell it by.
    const WIDEST: f64 = 0.3;
    let (reference, current) = (&numbers.reference, &numbers.current);
    // A value of a grid was chosen from a reference, and none is met again where numbers are continuous.
    let levels_of = |curve: &Curve| -> Vec<f64> {
        (0..curve.cells()).step_by(2).map(|cell| curve.through(cell + 1) - curve.before(cell)).collect()
    };
    let (usual, now) = (levels_of(reference), levels_of(current));
    let expected: f64 = usual.iter().map(|share| -(-share * current.n).exp_m1()).sum();
    let levels = now.iter().filter(|share| **share > 0.0).count() as f64;
    let widest = now.iter().copied().fold(0.0, f64::max);
    // Coarse numbers reach as far as fine ones: else they are few because they are near one another.
    let spread = numbers.now.deviation / numbers.before.deviation;
    if !(0.75..1.34).contains(&spread) {
        return None;
    }
    let is_coarse = levels >= 3.0 && levels <= 0.5 * expected && widest <= WIDEST;
    // Rounding moves no more rows past a level than one step holds.
    let step = Gap { distance: (numbers.gap.distance - 1.2 * widest).max(0.0), noise: numbers.gap.noise };
    if !is_coarse || step.is_real() {
        return None;
    }
    let errors = (expected - levels) / expected.sqrt();
    Some(Likely {
        cause: Cause::Truncation,
        subjects: vec![field.subject.to_owned()],
        confidence: 0.9 * trust(errors),
        evidence: format!(
            "{} are on {levels:.0} levels, where as many of the reference's would be on about {expected:.0}, and between \
             the levels they are distributed as before: as after rounding or cutting digits off",
            counted(current.tally.n()),
        ),
    })
}
