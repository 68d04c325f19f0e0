//! How far the groups of an attribute are apart in what is decided about them, and in how right that is.

use super::{
    Answer, Asked, Bounded, Case, Decided, Needs, Null, Of, On, Rate, Statistic, Task, Undefined, Worse, errors_of,
    pairs_of,
};
use crate::measurement::Family;

const LABELS: On = On::Outcomes(Asked { of: Of::Attribute, task: Task::Binary, needs: Needs::Labels });

pub const DEMOGRAPHIC_PARITY_DIFFERENCE: Statistic = Statistic {
    name: "demographic_parity_difference",
    family: Family::Fairness,
    on: On::Outcomes(Asked { of: Of::Attribute, task: Task::Binary, needs: Needs::Predictions }),
    unit: "",
    threshold: None,
    worse: Worse::Above,
    null: Null::Unknown,
    range: (0.0, 1.0),
    about: "Largest selection rate of a group less the smallest, without sign, of all rows that were decided, with a \
            label or without; the 95 % interval is the largest of Newcombe's (1998) of all pairs of groups, which hold \
            at once (Bonferroni), so with more than two groups it is too wide rather than too narrow; groups that are \
            withheld are left out; 0 to 1 (fairlearn).",
    compute: |case| difference(case, &Rate::SELECTION),
};

pub const DEMOGRAPHIC_PARITY_RATIO: Statistic = Statistic {
    name: "demographic_parity_ratio",
    on: DEMOGRAPHIC_PARITY_DIFFERENCE.on,
    threshold: Some(0.8),
    worse: Worse::Below,
    about: "Smallest selection rate of a group divided by the largest, of all rows that were decided, with a label or \
            without: below 0.8 it breaks the four-fifths rule (29 CFR 1607.4 D, 1978); undefined where nobody was \
            chosen; the 95 % interval is the least of all pairs' of groups, which hold at once (Bonferroni), each of \
            two Wilson intervals (Donner and Zou, 2012); groups that are withheld are left out; a breach is below the \
            threshold; 0 to 1 (fairlearn).",
    compute: |case| ratio(case, &Rate::SELECTION),
    ..DEMOGRAPHIC_PARITY_DIFFERENCE
};

pub const EQUAL_OPPORTUNITY_DIFFERENCE: Statistic = Statistic {
    name: "equal_opportunity_difference",
    on: LABELS,
    about: "Largest true positive rate of a group less the smallest, without sign; groups without positive rows are left \
            out, as are those that are withheld; the interval is made as demographic_parity_difference's; 0 to 1 \
            (Hardt, Price and Srebro, 2016; fairlearn, which says 0 of a group without positive rows).",
    compute: |case| difference(case, &Rate::TRUE_POSITIVE),
    ..DEMOGRAPHIC_PARITY_DIFFERENCE
};

pub const EQUAL_OPPORTUNITY_RATIO: Statistic = Statistic {
    name: "equal_opportunity_ratio",
    worse: Worse::Below,
    about: "Smallest true positive rate of a group divided by the largest; groups without positive rows are left out, as \
            are those that are withheld; undefined where all are 0; the interval is made as demographic_parity_ratio's; \
            0 to 1 (fairlearn).",
    compute: |case| ratio(case, &Rate::TRUE_POSITIVE),
    ..EQUAL_OPPORTUNITY_DIFFERENCE
};

pub const EQUALIZED_ODDS_DIFFERENCE: Statistic = Statistic {
    name: "equalized_odds_difference",
    about: "The larger of the differences of groups' true positive rates and of their false positive rates, each the \
            largest less the smallest, without sign; groups without positive rows are left out of the first and those \
            without negative ones of the second, as are those that are withheld; the interval is made as \
            demographic_parity_difference's, of all pairs in both; 0 to 1 (fairlearn).",
    compute: odds_difference,
    ..EQUAL_OPPORTUNITY_DIFFERENCE
};

pub const EQUALIZED_ODDS_RATIO: Statistic = Statistic {
    name: "equalized_odds_ratio",
    about: "The smaller of the ratios of groups' true positive rates and of their false positive rates, each the \
            smallest divided by the largest; groups without positive rows are left out of the first and those without \
            negative ones of the second, as are those that are withheld; undefined where all of either are 0; the \
            interval is made as demographic_parity_ratio's, of all pairs in both; 0 to 1 (fairlearn).",
    compute: odds_ratio,
    ..EQUAL_OPPORTUNITY_RATIO
};

pub const AVERAGE_ODDS_DIFFERENCE: Statistic = Statistic {
    name: "average_odds_difference",
    about: "Largest mean of a group's true and false positive rates less the smallest: AIF360's average odds difference, \
            of the two groups of which it is largest and without sign, since no group is said to be privileged; groups \
            without positive or without negative rows are left out, as are those that are withheld; the interval is \
            made as demographic_parity_difference's, of four Wilson intervals for each pair; 0 to 1.",
    compute: average_odds,
    ..EQUAL_OPPORTUNITY_DIFFERENCE
};

pub const PREDICTIVE_PARITY_DIFFERENCE: Statistic = Statistic {
    name: "predictive_parity_difference",
    about: "Largest positive predictive value of a group less the smallest, without sign; groups of which nobody was \
            chosen are left out, as are those that are withheld; the interval is made as \
            demographic_parity_difference's; 0 to 1 (Chouldechova, 2017).",
    compute: |case| difference(case, &Rate::POSITIVE_PREDICTIVE),
    ..EQUAL_OPPORTUNITY_DIFFERENCE
};

pub const PREDICTIVE_EQUALITY_DIFFERENCE: Statistic = Statistic {
    name: "predictive_equality_difference",
    about: "Largest false positive rate of a group less the smallest, without sign; groups without negative rows are \
            left out, as are those that are withheld; the interval is made as demographic_parity_difference's; 0 to 1 \
            (Corbett-Davies et al., 2017).",
    compute: |case| difference(case, &Rate::FALSE_POSITIVE),
    ..EQUAL_OPPORTUNITY_DIFFERENCE
};

pub const TREATMENT_EQUALITY_DIFFERENCE: Statistic = Statistic {
    name: "treatment_equality_difference",
    range: (0.0, f64::INFINITY),
    about: "Largest number of false negatives for each false positive in a group less the smallest, without sign; groups \
            without false positives, of which it cannot be known, are left out, as are those that are withheld; the \
            interval is made as demographic_parity_difference's, by Wilson's of the share of false negatives among a \
            group's errors; 0 and up (Berk et al., 2018).",
    compute: treatment_equality,
    ..EQUAL_OPPORTUNITY_DIFFERENCE
};

pub const ACCURACY_DIFFERENCE: Statistic = Statistic {
    name: "accuracy_difference",
    about: "Largest accuracy of a group less the smallest, without sign; groups that are withheld are left out; the \
            interval is made as demographic_parity_difference's; 0 to 1 (fairlearn's MetricFrame).",
    compute: |case| difference(case, &Rate::ACCURACY),
    ..EQUAL_OPPORTUNITY_DIFFERENCE
};

/// The groups of which a rate is known; two or more.
fn known(groups: &[Decided], rate: &Rate) -> Result<Vec<Decided>, Undefined> {
    let known: Vec<Decided> = groups.iter().filter(|group| (rate.share)(group).1 > 0).copied().collect();
    if known.len() < 2 { Err(Undefined::NothingInGroups { what: rate.nothing }) } else { Ok(known) }
}

/// The rates of groups of which they are known.
fn rates(groups: &[Decided], rate: &Rate, errors: f64) -> Vec<Bounded> {
    groups.iter().filter_map(|group| rate.of(group, errors)).collect()
}

/// The least ratio of rates.
fn narrowest(rates: &[Bounded]) -> Result<Bounded, Undefined> {
    Bounded::narrowest(rates).ok_or(Undefined::ZeroInEveryGroup)
}

fn difference(case: &Case, rate: &Rate) -> Answer {
    let groups = known(&case.compared(rate.needs)?, rate)?;
    let rates = rates(&groups, rate, errors_of(pairs_of(groups.len())));
    Ok(Bounded::widest(&rates).reading((0.0, 1.0)))
}

fn ratio(case: &Case, rate: &Rate) -> Answer {
    let groups = known(&case.compared(rate.needs)?, rate)?;
    let rates = rates(&groups, rate, errors_of(pairs_of(groups.len())));
    Ok(narrowest(&rates)?.reading((0.0, 1.0)))
}

/// The two parts of equalized odds: the groups' true positive rates and their false positive rates, with intervals of
/// which all pairs' in both hold at once.
fn odds(case: &Case) -> Result<[Vec<Bounded>; 2], Undefined> {
    let groups = case.compared(Needs::Labels)?;
    let [positives, negatives] = [known(&groups, &Rate::TRUE_POSITIVE)?, known(&groups, &Rate::FALSE_POSITIVE)?];
    let errors = errors_of(pairs_of(positives.len()) + pairs_of(negatives.len()));
    Ok([rates(&positives, &Rate::TRUE_POSITIVE, errors), rates(&negatives, &Rate::FALSE_POSITIVE, errors)])
}

fn odds_difference(case: &Case) -> Answer {
    let [one, other] = odds(case)?.map(|rates| Bounded::widest(&rates));
    let larger = |end: fn(Bounded) -> f64| end(one).max(end(other));
    let larger = Bounded { value: larger(|b| b.value), low: larger(|b| b.low), high: larger(|b| b.high) };
    Ok(larger.reading((0.0, 1.0)))
}

fn odds_ratio(case: &Case) -> Answer {
    let [positives, negatives] = odds(case)?;
    let one = narrowest(&positives)?;
    let other = narrowest(&negatives)?;
    let smaller = |end: fn(Bounded) -> f64| end(one).min(end(other));
    let smaller = Bounded { value: smaller(|b| b.value), low: smaller(|b| b.low), high: smaller(|b| b.high) };
    Ok(smaller.reading((0.0, 1.0)))
}

fn average_odds(case: &Case) -> Answer {
    let groups = known(&known(&case.compared(Needs::Labels)?, &Rate::TRUE_POSITIVE)?, &Rate::FALSE_POSITIVE)?;
    let errors = errors_of(pairs_of(groups.len()));
    let mean = |group: &Decided| {
        let (positives, negatives) = (Rate::TRUE_POSITIVE.of(group, errors)?, Rate::FALSE_POSITIVE.of(group, errors)?);
        Some(Bounded::sum(&[(0.5, positives), (0.5, negatives)]))
    };
    let means: Vec<Bounded> = groups.iter().filter_map(mean).collect();
    Ok(Bounded::widest(&means).reading((0.0, 1.0)))
}

fn treatment_equality(case: &Case) -> Answer {
    let groups = case.compared(Needs::Labels)?;
    let known: Vec<Decided> = groups.into_iter().filter(|group| group.confusion.false_positives > 0).collect();
    if known.len() < 2 {
        return Err(Undefined::NothingInGroups { what: "is a false positive" });
    }
    let errors = errors_of(pairs_of(known.len()));
    let treatments: Vec<Bounded> = known.iter().filter_map(|group| group.treatment(errors)).collect();
    Ok(Bounded::widest(&treatments).reading(TREATMENT_EQUALITY_DIFFERENCE.range))
}
