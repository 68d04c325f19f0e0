//! Many more rows have no value.

use super::{CONTRADICTED, Cause, Facts, Field, Likely, counted, percent, share_errors, times, trust};
use crate::tally::FieldTally;

/// A smaller rise than this is not what an alert is about.
const LEAST: f64 = 0.01;

pub fn likely(facts: &Facts) -> Vec<Likely> {
    facts.alarmed().filter_map(of_field).collect()
}

fn of_field(field: &Field) -> Option<Likely> {
    let (n, m) = (field.reference.presence().rows as f64, field.current.presence().rows as f64);
    let (before, now) = field.absent();
    if n < 1.0 || m < 1.0 || now - before < LEAST {
        return None;
    }
    let errors = share_errors(before, n, now, m);
    let (fit, rest) = match field.gap() {
        _ if field.current.valued() == 0 => (1.0, "and no values are left".to_owned()),
        None => (0.9, "and there is little to compare the others with".to_owned()),
        Some(gap) if !gap.is_real() => (1.0, "and the values that are left are distributed as before".to_owned()),
        // What is left may well be unlike, if rows do not lose their values by chance: but then by no more than they are.
        Some(gap) => {
            let fit = if gap.distance < 0.5 * (now - before) { 0.85 } else { 0.85 * CONTRADICTED.max(now - before) };
            (
                fit,
                format!(
                    "but the values that are left are unlike as well, by {} of them at most",
                    percent(gap.distance)
                ),
            )
        }
    };
    let evidence = format!(
        "{} of {} have no value, {}, where {} had none; {rest}",
        percent(now),
        counted(field.rows()),
        kind(field.current),
        percent(before),
    );
    let more = if before > 0.0 { format!("; that is {} times as many", times(now / before)) } else { String::new() };
    Some(Likely {
        cause: Cause::NullSpike,
        subjects: vec![field.subject.to_owned()],
        confidence: 0.97 * fit * trust(errors),
        evidence: evidence + &more,
    })
}

/// What most of the rows without a value have in its place.
fn kind(tally: &FieldTally) -> &'static str {
    let presence = tally.presence();
    let nan = match tally {
        FieldTally::Numeric(tally) => tally.nan,
        _ => 0,
    };
    let kinds = [
        (presence.null, "most of them null"),
        (presence.missing, "most of them without the field"),
        (presence.mistyped, "most of them with a value of another type"),
        (nan, "most of them not a number"),
    ];
    kinds.into_iter().max_by_key(|(rows, _)| *rows).map_or("", |(_, kind)| kind)
}
