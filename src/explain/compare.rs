//! Whether two numbers are the same, and of which that cannot be asked.

use crate::audit::Told;
use crate::rule::basis::Recalled;
use crate::stat::{self, Needs, surprise};

/// A measurement of an alert, part by part.
pub struct Number {
    pub name: String,
    pub parts: Vec<Part>,
    /// What it depends on beside the rows of its window.
    pub depends: Option<&'static str>,
}

pub struct Part {
    pub name: &'static str,
    /// Empty where there is none.
    pub recorded: String,
    /// `None` where nothing was computed again.
    pub recomputed: Option<String>,
}

impl Part {
    pub fn is_same(&self) -> bool {
        self.recomputed.as_ref() == Some(&self.recorded)
    }
}

impl Number {
    pub fn is_same(&self) -> bool {
        self.parts.iter().all(Part::is_same)
    }
}

/// What a number comes of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The rows of the window, what they were compared with, and what was remembered of windows before.
    Rows,
    /// The labels that had come by then.
    Labels,
    /// All windows before, of which nothing was remembered, since there were too many series to follow.
    Before,
}

pub fn origin(told: &Told, recalled: &[Recalled]) -> Origin {
    let statistic = stat::find(told.family, &told.statistic);
    let asks_labels = statistic.and_then(|found| found.on.outcomes()).is_some_and(|asked| asked.needs == Needs::Labels);
    if told.revision > 0 || told.coverage.is_some() || asks_labels {
        return Origin::Labels;
    }
    let is_recalled = recalled.iter().any(|one| one.subject == told.subject);
    if statistic.is_some_and(surprise::is) && !is_recalled { Origin::Before } else { Origin::Rows }
}

/// Whether two measurements are of the same, in one version, slice and window.
pub fn is_of_the_same(one: &Told, other: &Told) -> bool {
    (one.family, &one.subject, &one.statistic) == (other.family, &other.subject, &other.statistic)
}

/// A number beside the one that was computed again, if there is any.
pub fn number(told: &Told, again: Option<&Told>) -> Number {
    let recorded = parts(told);
    let recomputed = again.map(parts);
    let part = |(at, (name, recorded)): (usize, (&'static str, String))| {
        // One that is measured no more is there as nothing, which is not the same as none.
        let recomputed = recomputed.as_ref().map_or("not measured".to_owned(), |parts| parts[at].1.clone());
        let is_there = !recorded.is_empty() || (again.is_some() && !recomputed.is_empty());
        is_there.then_some(Part { name, recorded, recomputed: Some(recomputed) })
    };
    Number { name: name(told), parts: recorded.into_iter().enumerate().filter_map(part).collect(), depends: None }
}

/// A number that is not computed again.
pub fn alone(told: &Told, origin: Origin) -> Number {
    let recorded = parts(told).into_iter().filter(|(_, text)| !text.is_empty());
    let parts = recorded.map(|(name, recorded)| Part { name, recorded, recomputed: None }).collect();
    let depends = (origin == Origin::Before).then_some("all windows before, of which nothing was remembered");
    Number { name: name(told), parts, depends }
}

fn name(told: &Told) -> String {
    let of = if told.subject.is_empty() { String::new() } else { format!(" of {}", told.subject) };
    format!("{}.{}{of}", told.family.name(), told.statistic)
}

/// All that a measurement says, always in the same order. No two numbers have the same text.
fn parts(told: &Told) -> Vec<(&'static str, String)> {
    let number = |number: Option<f64>| number.map_or(String::new(), shortest);
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    vec![
        ("rows", told.rows.to_string()),
        ("value", number(told.value)),
        ("undefined", text(&told.undefined)),
        ("p_value", number(told.p_value)),
        ("q_value", number(told.q_value)),
        ("low", number(told.low)),
        ("high", number(told.high)),
        ("error_bound", number(told.error_bound)),
        ("detectable", number(told.detectable)),
        ("threshold", number(told.threshold)),
        ("breached", told.breached.map_or(String::new(), |breached| breached.to_string())),
        ("coverage", number(told.coverage)),
    ]
}

/// The fewest digits that tell a number from all others.
fn shortest(number: f64) -> String {
    let is_handy = number == 0.0 || (1e-5..1e16).contains(&number.abs());
    if is_handy { number.to_string() } else { format!("{number:e}") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::measurement::{Family, Measurement};

    fn told(value: f64) -> Told {
        Told::from(&Measurement { value: Some(value), ..Measurement::new(Family::Drift, "income", "psi") })
    }

    fn same(one: &Told, other: &Told) -> bool {
        number(one, Some(other)).is_same()
    }

    proptest! {
        #[test]
        fn numbers_are_the_same_when_all_their_bits_are(bits in any::<u64>(), other in any::<u64>()) {
            let (one, other) = (f64::from_bits(bits), f64::from_bits(other));
            let next = f64::from_bits(bits ^ 1);
            prop_assume!(one.is_finite() && other.is_finite() && next.is_finite());
            prop_assert!(same(&told(one), &told(one)));
            prop_assert_eq!(same(&told(one), &told(other)), one == other);
            prop_assert_eq!(same(&told(one), &told(next)), one == next);
        }
    }

    #[test]
    fn each_part_counts_and_what_is_missing_is_not_the_same() {
        let psi = told(0.3);
        let others = [
            Told { rows: 7, ..psi.clone() },
            Told { value: None, undefined: Some("no rows".into()), ..psi.clone() },
            Told { p_value: Some(0.1), ..psi.clone() },
            Told { q_value: Some(0.1), ..psi.clone() },
            Told { low: Some(0.1), ..psi.clone() },
            Told { high: Some(0.1), ..psi.clone() },
            Told { error_bound: Some(0.0), ..psi.clone() },
            Told { detectable: Some(0.1), ..psi.clone() },
            Told { threshold: Some(0.1), ..psi.clone() },
            Told { breached: Some(true), ..psi.clone() },
            Told { coverage: Some(0.1), ..psi.clone() },
        ];
        for other in &others {
            assert!(!same(&psi, other) && !same(other, &psi), "{other:?}");
        }
        assert!(!number(&psi, None).is_same());
        assert!(!alone(&psi, Origin::Rows).is_same());
        assert!(!alone(&psi, Origin::Before).is_same());
    }
}
