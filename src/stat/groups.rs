//! What was decided about groups of people, and which of them are large enough to tell anything of.

use super::{Bounded, Case, Group, Needs, Outcomes, Undefined};
use crate::tally::outcome::{Confusion, OutcomeTally};

/// What was decided about the rows of a group, or of several together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Decided {
    /// Rows that were chosen, and rows of which it is known whether they were; with a label or without.
    pub chosen: u64,
    pub decided: u64,
    /// Those that have a label.
    pub confusion: Confusion,
}

impl Decided {
    pub fn of(tally: &OutcomeTally, class: usize) -> Decided {
        let (chosen, decided) = tally.chosen(class);
        Decided { chosen, decided, confusion: tally.confusion(class) }
    }

    /// All rows of several groups.
    pub fn together(groups: &[Decided]) -> Decided {
        groups.iter().fold(Decided::default(), |all, group| Decided {
            chosen: all.chosen + group.chosen,
            decided: all.decided + group.decided,
            confusion: Confusion {
                true_positives: all.confusion.true_positives + group.confusion.true_positives,
                false_positives: all.confusion.false_positives + group.confusion.false_positives,
                false_negatives: all.confusion.false_negatives + group.confusion.false_negatives,
                true_negatives: all.confusion.true_negatives + group.confusion.true_negatives,
            },
        })
    }

    /// How many rows a figure with these needs is about.
    fn rows(&self, needs: Needs) -> u64 {
        match needs {
            Needs::Predictions => self.decided,
            Needs::Labels => self.confusion.n(),
        }
    }

    /// How many false negatives there are for each false positive, by the share of them among errors; `None` without a
    /// false positive.
    pub fn treatment(&self, errors: f64) -> Option<Bounded> {
        let Confusion { false_positives, false_negatives, .. } = self.confusion;
        let wrong = false_positives + false_negatives;
        (false_positives > 0).then(|| Bounded::share((false_negatives, wrong), errors).odds())
    }
}

/// A share of the rows of a group.
pub struct Rate {
    pub needs: Needs,
    /// The rows that it counts, and those of which they are a share.
    pub share: fn(&Decided) -> (u64, u64),
    /// What completes the sentence that there is no row of which it could be the share.
    pub nothing: &'static str,
}

impl Rate {
    pub const SELECTION: Rate = Rate {
        needs: Needs::Predictions,
        share: |Decided { chosen, decided, .. }| (*chosen, *decided),
        nothing: "says which class was chosen",
    };

    pub const TRUE_POSITIVE: Rate = Rate {
        needs: Needs::Labels,
        share: |Decided { confusion: c, .. }| (c.true_positives, c.true_positives + c.false_negatives),
        nothing: "is positive",
    };

    pub const FALSE_NEGATIVE: Rate = Rate {
        share: |Decided { confusion: c, .. }| (c.false_negatives, c.true_positives + c.false_negatives),
        ..Rate::TRUE_POSITIVE
    };

    pub const FALSE_POSITIVE: Rate = Rate {
        needs: Needs::Labels,
        share: |Decided { confusion: c, .. }| (c.false_positives, c.false_positives + c.true_negatives),
        nothing: "is negative",
    };

    pub const TRUE_NEGATIVE: Rate = Rate {
        share: |Decided { confusion: c, .. }| (c.true_negatives, c.false_positives + c.true_negatives),
        ..Rate::FALSE_POSITIVE
    };

    pub const POSITIVE_PREDICTIVE: Rate = Rate {
        needs: Needs::Labels,
        share: |Decided { confusion: c, .. }| (c.true_positives, c.true_positives + c.false_positives),
        nothing: "with a label was chosen",
    };

    pub const NEGATIVE_PREDICTIVE: Rate = Rate {
        needs: Needs::Labels,
        share: |Decided { confusion: c, .. }| (c.true_negatives, c.true_negatives + c.false_negatives),
        nothing: "with a label was rejected",
    };

    pub const ACCURACY: Rate = Rate {
        needs: Needs::Labels,
        share: |Decided { confusion: c, .. }| (c.true_positives + c.true_negatives, c.n()),
        nothing: "has a choice and a label",
    };

    /// The rate of a group, if it has rows of which that is a share.
    pub fn of(&self, group: &Decided, errors: f64) -> Option<Bounded> {
        let share = (self.share)(group);
        (share.1 > 0).then(|| Bounded::share(share, errors))
    }
}

impl<'a> Case<'a> {
    /// The outcomes of a question about groups, which can be asked of binary decisions only.
    fn of_groups(&self) -> Result<&'a Outcomes<'a>, Undefined> {
        self.outcomes
            .filter(|outcomes| outcomes.axis.is_binary() && !outcomes.groups.is_empty())
            .ok_or(Undefined::NotApplicable)
    }

    /// The group at hand, if enough is known of it to tell anything. How few rows there are of people who could be told
    /// by it is not told either.
    pub(super) fn group(&self, needs: Needs) -> Result<(&'a Outcomes<'a>, &'a Group<'a>), Undefined> {
        let outcomes = self.of_groups()?;
        let group = outcomes.group.and_then(|group| outcomes.groups.get(group)).ok_or(Undefined::NotApplicable)?;
        let least = outcomes.choices.min_group;
        let (rows, labelled) = (group.tally.rows(), group.tally.labelled());
        if rows < least || (needs == Needs::Labels && 0 < labelled && labelled < least) {
            return Err(Undefined::Withheld { least });
        }
        match needs {
            Needs::Predictions => self.predicted()?,
            Needs::Labels => self.labelled()?,
        };
        Ok((outcomes, group))
    }

    /// What was decided about the group at hand.
    pub(super) fn decided(&self, needs: Needs) -> Result<Decided, Undefined> {
        let (outcomes, group) = self.group(needs)?;
        let decided = Decided::of(group.tally, outcomes.class);
        let least = outcomes.choices.min_group;
        match decided.rows(needs) {
            0 => Err(Undefined::NoChoices),
            n if n < least => Err(Undefined::Withheld { least }),
            _ => Ok(decided),
        }
    }

    /// The places of those groups that are large enough.
    fn large(&self, needs: Needs) -> Result<Vec<usize>, Undefined> {
        let outcomes = self.of_groups()?;
        let least = outcomes.choices.min_group.max(1);
        let is_large = |group: &Group| Decided::of(group.tally, outcomes.class).rows(needs) >= least;
        let large: Vec<usize> =
            outcomes.groups.iter().enumerate().filter(|(_, group)| is_large(group)).map(|(place, _)| place).collect();
        if large.len() < 2 { Err(Undefined::TooFewGroups) } else { Ok(large) }
    }

    /// What was decided about those groups of the attribute at hand that are large enough; two or more.
    pub(super) fn compared(&self, needs: Needs) -> Result<Vec<Decided>, Undefined> {
        let outcomes = self.of_groups()?;
        match needs {
            Needs::Predictions => self.predicted()?,
            Needs::Labels => self.labelled()?,
        };
        let decided = |place: usize| Decided::of(outcomes.groups[place].tally, outcomes.class);
        Ok(self.large(needs)?.into_iter().map(decided).collect())
    }

    /// The group at hand, and all others that are large enough.
    pub(super) fn against_rest(&self, needs: Needs) -> Result<(&'a Group<'a>, Vec<&'a Group<'a>>), Undefined> {
        self.decided(needs)?;
        let (outcomes, group) = self.group(needs)?;
        let rest = self.large(needs)?.into_iter().filter(|place| Some(*place) != outcomes.group);
        Ok((group, rest.map(|place| &outcomes.groups[place]).collect()))
    }
}
