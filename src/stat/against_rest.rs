//! One group of people against all others of its attribute, by the figures of SageMaker Clarify.

use super::{
    Answer, Asked, Bounded, Case, Confusion, Decided, Group, Needs, Null, Of, On, Rate, Statistic, Task, Undefined,
    Worse, errors_of,
};
use crate::measurement::Family;

const LABELS: On = On::Outcomes(Asked { of: Of::Group, task: Task::Binary, needs: Needs::Labels });
const ANY: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);

pub const DPPL: Statistic = Statistic {
    name: "dppl",
    family: Family::Fairness,
    on: On::Outcomes(Asked { of: Of::Group, task: Task::Binary, needs: Needs::Predictions }),
    unit: "",
    threshold: None,
    worse: Worse::Above,
    null: Null::Unknown,
    range: (-1.0, 1.0),
    about: "Difference in positive proportions in predicted labels, a - d: the selection rate of all other groups of the \
            attribute together (a) less that of this one (d), so that above 0 this one is chosen more rarely; groups \
            that are withheld are in neither; the 95 % interval is Newcombe's (1998), of this comparison by itself; a \
            breach is above the threshold; -1 to 1 (Amazon SageMaker Clarify).",
    compute: |case| difference(case, &Rate::SELECTION, Sign::RestLessGroup),
};

pub const DI: Statistic = Statistic {
    name: "di",
    worse: Worse::Below,
    range: (0.0, f64::INFINITY),
    about: "Disparate impact, d / a: the selection rate of this group (d) divided by that of all others of the attribute \
            together (a), so that below 1 this one is chosen more rarely; undefined, where Clarify says infinity or 0, \
            if nobody else was chosen; groups that are withheld are in neither; the 95 % interval is of two Wilson \
            intervals (Donner and Zou, 2012); a breach is below the threshold; 0 and up (Amazon SageMaker Clarify).",
    compute: disparate_impact,
    ..DPPL
};

pub const DCA: Statistic = Statistic {
    name: "dca",
    on: LABELS,
    range: ANY,
    about: "Difference in conditional acceptance, a - d: positive rows for each one that was chosen, in all other groups \
            of the attribute together (a) less in this one (d); undefined, where Clarify says infinity or 0, if nobody \
            was chosen in either; groups that are withheld are in neither; the 95 % interval is of four Wilson \
            intervals, those of the same rows correlated as their counts are (Donner and Zou, 2012); a breach is above \
            the threshold; any number (Amazon SageMaker Clarify).",
    compute: |case| compare(case, Sign::RestLessGroup, "with a label was chosen", conditional_acceptance),
    ..DPPL
};

pub const DCR: Statistic = Statistic {
    name: "dcr",
    about: "Difference in conditional rejection, d - a: negative rows for each one that was rejected, in this group (d) \
            less in all others of the attribute together (a); undefined, where Clarify says infinity or 0, if all were \
            chosen in either; groups that are withheld are in neither; the interval is made as dca's; a breach is above \
            the threshold; any number (Amazon SageMaker Clarify).",
    compute: |case| compare(case, Sign::GroupLessRest, "with a label was rejected", conditional_rejection),
    ..DCA
};

pub const RD: Statistic = Statistic {
    name: "rd",
    range: DPPL.range,
    about: "Recall difference, a - d: the true positive rate of all other groups of the attribute together (a) less that \
            of this one (d); undefined, where Clarify takes a share of no rows to be 0, without positive rows in \
            either; groups that are withheld are in neither; the 95 % interval is Newcombe's (1998); a breach is above \
            the threshold; -1 to 1 (Amazon SageMaker Clarify).",
    compute: |case| difference(case, &Rate::TRUE_POSITIVE, Sign::RestLessGroup),
    ..DCA
};

pub const SD: Statistic = Statistic {
    name: "sd",
    about: "Specificity difference, d - a: the true negative rate of this group (d) less that of all others of the \
            attribute together (a); undefined, where Clarify takes a share of no rows to be 0, without negative rows in \
            either; groups that are withheld are in neither; the 95 % interval is Newcombe's (1998); a breach is above \
            the threshold; -1 to 1 (Amazon SageMaker Clarify).",
    compute: |case| difference(case, &Rate::TRUE_NEGATIVE, Sign::GroupLessRest),
    ..RD
};

pub const DAR: Statistic = Statistic {
    name: "dar",
    about: "Difference in acceptance rates, a - d: the positive predictive value of all other groups of the attribute \
            together (a) less that of this one (d); undefined, where Clarify takes a share of no rows to be 0, if nobody \
            was chosen in either; groups that are withheld are in neither; the 95 % interval is Newcombe's (1998); a \
            breach is above the threshold; -1 to 1 (Amazon SageMaker Clarify).",
    compute: |case| difference(case, &Rate::POSITIVE_PREDICTIVE, Sign::RestLessGroup),
    ..RD
};

pub const DRR: Statistic = Statistic {
    name: "drr",
    about: "Difference in rejection rates, d - a: the negative predictive value of this group (d) less that of all others \
            of the attribute together (a); undefined, where Clarify takes a share of no rows to be 0, if all were chosen \
            in either; groups that are withheld are in neither; the 95 % interval is Newcombe's (1998); a breach is \
            above the threshold; -1 to 1 (Amazon SageMaker Clarify).",
    compute: |case| difference(case, &Rate::NEGATIVE_PREDICTIVE, Sign::GroupLessRest),
    ..RD
};

pub const AD: Statistic = Statistic {
    name: "ad",
    about: "Accuracy difference, a - d: the accuracy of all other groups of the attribute together (a) less that of this \
            one (d); groups that are withheld are in neither; the 95 % interval is Newcombe's (1998); a breach is above \
            the threshold; -1 to 1 (Amazon SageMaker Clarify).",
    compute: |case| difference(case, &Rate::ACCURACY, Sign::RestLessGroup),
    ..RD
};

pub const TE: Statistic = Statistic {
    name: "te",
    about: "Treatment equality, d - a: false negatives for each false positive in this group (d) less in all others of \
            the attribute together (a); undefined, where Clarify says infinity or 0, without false positives in either; \
            groups that are withheld are in neither; the 95 % interval is Newcombe's (1998), by Wilson's of the share of \
            false negatives among errors; a breach is above the threshold; any number (Amazon SageMaker Clarify).",
    compute: |case| compare(case, Sign::GroupLessRest, "is a false positive", |side| side.treatment(errors_of(1))),
    ..DCA
};

pub const CDDPL: Statistic = Statistic {
    name: "cddpl",
    about: "Conditional demographic disparity in predicted labels: this group's share of all that were rejected less its \
            share of all that were chosen, within each value of the attribute on which it is conditioned, averaged by \
            how many rows have the value; above 0, this group has more of the rejections than of the choices; values \
            where all were chosen or all rejected, of which Clarify takes a share of no rows to be 0, are left out, as \
            are groups that are withheld; the 95 % interval is Newcombe's (1998), of the Wilson intervals of all these \
            shares; a breach is above the threshold; -1 to 1 (Wachter, Mittelstadt and Russell, 2021; Amazon SageMaker \
            Clarify).",
    compute: conditional_disparity,
    ..DPPL
};

/// Which of the two is subtracted from the other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sign {
    RestLessGroup,
    GroupLessRest,
}

/// What was decided about the group at hand, and about all others together.
fn sides(case: &Case, needs: Needs) -> Result<[Decided; 2], Undefined> {
    let (group, rest) = case.against_rest(needs)?;
    let class = case.predicted()?.class;
    let rest: Vec<Decided> = rest.into_iter().map(|group| Decided::of(group.tally, class)).collect();
    Ok([Decided::of(group.tally, class), Decided::together(&rest)])
}

fn difference(case: &Case, rate: &Rate, sign: Sign) -> Answer {
    let [group, rest] = sides(case, rate.needs)?.map(|side| rate.of(&side, errors_of(1)));
    subtract(group, rest, sign, rate.nothing, DPPL.range)
}

/// The same for a figure that needs labels and has no limits.
fn compare(case: &Case, sign: Sign, what: &'static str, of: fn(&Decided) -> Option<Bounded>) -> Answer {
    let [group, rest] = sides(case, Needs::Labels)?.map(|side| of(&side));
    subtract(group, rest, sign, what, ANY)
}

fn subtract(
    group: Option<Bounded>,
    rest: Option<Bounded>,
    sign: Sign,
    what: &'static str,
    range: (f64, f64),
) -> Answer {
    let (group, rest) = group.zip(rest).ok_or(Undefined::NothingInGroups { what })?;
    let difference = if sign == Sign::RestLessGroup { rest.minus(group) } else { group.minus(rest) };
    Ok(difference.reading(range))
}

fn disparate_impact(case: &Case) -> Answer {
    let [group, rest] = sides(case, Needs::Predictions)?.map(|side| Rate::SELECTION.of(&side, errors_of(1)));
    let (group, rest) = group.zip(rest).ok_or(Undefined::NothingInGroups { what: Rate::SELECTION.nothing })?;
    let ratio = group.over(rest, 0.0).ok_or(Undefined::Nothing { what: "of another group was chosen" })?;
    Ok(ratio.reading(DI.range))
}

fn conditional_acceptance(side: &Decided) -> Option<Bounded> {
    let Confusion { true_positives, false_positives, false_negatives, .. } = side.confusion;
    paired(side.confusion, true_positives + false_negatives, true_positives + false_positives)
}

fn conditional_rejection(side: &Decided) -> Option<Bounded> {
    let Confusion { true_negatives, false_positives, false_negatives, .. } = side.confusion;
    paired(side.confusion, true_negatives + false_positives, true_negatives + false_negatives)
}

/// The ratio of how many rows turned out so to how many were decided so. Both are shares of the same rows, and correlated
/// as labels are with choices.
fn paired(confusion: Confusion, turned_out: u64, decided: u64) -> Option<Bounded> {
    let n = confusion.n();
    if n == 0 {
        return None;
    }
    let [hits, alarms, misses, rest] =
        [confusion.true_positives, confusion.false_positives, confusion.false_negatives, confusion.true_negatives]
            .map(|rows| rows as f64 / n as f64);
    let margins = (hits + alarms) * (hits + misses) * (alarms + rest) * (misses + rest);
    let correlation = if margins > 0.0 { (hits * rest - alarms * misses) / margins.sqrt() } else { 0.0 };
    let share = |rows: u64| Bounded::share((rows, n), errors_of(1));
    share(turned_out).over(share(decided), correlation.clamp(-1.0, 1.0))
}

fn conditional_disparity(case: &Case) -> Answer {
    let (group, rest) = case.against_rest(Needs::Predictions)?;
    let class = case.predicted()?.class;
    if group.strata.is_empty() {
        return Err(Undefined::NoCondition);
    }
    let mut disparities = Vec::new();
    for (stratum, own) in group.strata.iter().enumerate() {
        let of_group = |group: &&Group| Some(Decided::of(group.strata.get(stratum)?, class));
        let own = Decided::of(own, class);
        let others: Vec<Decided> = rest.iter().filter_map(of_group).collect();
        let all = Decided::together(&[own, Decided::together(&others)]);
        let rejected = (own.decided - own.chosen, all.decided - all.chosen);
        let chosen = (own.chosen, all.chosen);
        if rejected.1 > 0 && chosen.1 > 0 {
            let [rejected, chosen] = [rejected, chosen].map(|share| Bounded::share(share, errors_of(1)));
            disparities.push((all.decided as f64, rejected.minus(chosen)));
        }
    }
    let rows: f64 = disparities.iter().map(|(rows, _)| rows).sum();
    if rows == 0.0 {
        return Err(Undefined::Nothing { what: "was chosen where another was rejected" });
    }
    disparities.iter_mut().for_each(|(weight, _)| *weight /= rows);
    Ok(Bounded::sum(&disparities).reading(CDDPL.range))
}
