//! Decisions about people in groups, for tests: raw rows counted as shards and the join count them.

use super::{Answer, Case, Choices, Group, Of, Outcomes, Statistic, counted_outcomes, outcome_case};
use crate::outcome::{OutcomeAxis, Truth};
use crate::tally::outcome::OutcomeTally;

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Person {
    /// The place of the group; `None` for a row that is in none.
    pub group: Option<usize>,
    pub chosen: Option<bool>,
    pub label: Option<bool>,
    pub score: Option<f64>,
    /// The place of the value on which disparity is conditioned.
    pub stratum: usize,
}

/// The rows, told apart by group and by stratum.
pub struct People {
    axis: OutcomeAxis,
    whole: OutcomeTally,
    groups: Vec<OutcomeTally>,
    strata: Vec<Vec<OutcomeTally>>,
}

fn class(is_it: bool) -> &'static str {
    if is_it { "yes" } else { "no" }
}

impl People {
    /// So many groups and strata, and no stratum where nothing is conditioned on; scores are on a grid of this
    /// resolution.
    pub fn count(people: &[Person], groups: usize, strata: usize, resolution: usize) -> People {
        let judged: Vec<_> = people
            .iter()
            .map(|person| {
                let scores = vec![person.score.unwrap_or(f64::NAN)];
                (person.chosen.map(class), scores, person.label.map(class))
            })
            .collect();
        let (axis, whole) = counted_outcomes(&["yes"], resolution, &judged);
        let mut counted = People {
            groups: vec![OutcomeTally::empty(&axis); groups],
            strata: vec![vec![OutcomeTally::empty(&axis); strata]; groups],
            axis,
            whole,
        };
        for (person, (chosen, scores, label)) in people.iter().zip(&judged) {
            let prediction = counted.axis.prediction(*chosen, scores.iter().copied().map(Some), None);
            let label = label.map(|label| Truth::Class(counted.axis.class(label)));
            let Some(group) = person.group else { continue };
            counted.groups[group].add(&prediction, label);
            if let Some(stratum) = counted.strata[group].get_mut(person.stratum) {
                stratum.add(&prediction, label);
            }
        }
        counted
    }

    /// Asks a statistic about all groups, or about one.
    pub fn ask(&self, statistic: &Statistic, group: Option<usize>, min_group: u64, min_rows: u64) -> Answer {
        let groups: Vec<Group> =
            self.groups.iter().zip(&self.strata).map(|(tally, strata)| Group { tally, strata }).collect();
        let asked = statistic.on.outcomes().expect("it is of outcomes");
        assert_eq!(asked.of == Of::Group, group.is_some(), "{}", statistic.name);
        let outcomes = Outcomes {
            axis: &self.axis,
            tally: group.map_or(&self.whole, |group| &self.groups[group]),
            reference: None,
            calibration: None,
            class: 0,
            groups: &groups,
            group,
            expected_coverage: None,
            choices: &Choices { min_group, ..Choices::default() },
        };
        (statistic.compute)(&Case { min_rows, ..outcome_case(&outcomes) })
    }
}
