//! How unequally decisions benefit people, and how much of that is between groups.

use std::f64::consts::LN_2;

use super::{
    Answer, Asked, Bounded, Case, Confusion, Decided, Needs, Null, Of, On, Reading, Statistic, Task, Undefined, Worse,
    errors_of,
};
use crate::measurement::Family;

pub const THEIL_INDEX: Statistic = Statistic {
    name: "theil_index",
    family: Family::Fairness,
    on: On::Outcomes(Asked { of: Of::Attribute, task: Task::Binary, needs: Needs::Labels }),
    unit: "",
    threshold: None,
    worse: Worse::Above,
    null: Null::Unknown,
    range: (0.0, f64::INFINITY),
    about: "Theil's index of the inequality of benefits: the mean of (b / m) ln(b / m), where the benefit b of a row is 0 \
            for a false negative, 2 for a false positive and else 1, and m is the mean benefit; of the labelled rows of \
            all groups of the attribute that are not withheld; undefined where all are false negatives; the 95 % \
            interval spans all shares of false negatives and of false positives within their Wilson intervals, which \
            hold at once (Bonferroni), and so is too wide rather than too narrow; 0 and up (Speicher et al., 2018; \
            AIF360).",
    compute: |case| inequality(case, &THEIL),
};

pub const GENERALIZED_ENTROPY_INDEX: Statistic = Statistic {
    name: "generalized_entropy_index",
    about: "Generalised entropy index with alpha 2 of the inequality of benefits, half their squared coefficient of \
            variation: half the mean of (b / m)^2 - 1, where the benefit b of a row is 0 for a false negative, 2 for a \
            false positive and else 1, and m is the mean benefit; rows, what is undefined and the interval are as in \
            theil_index; 0 and up (Speicher et al., 2018; AIF360; GE of SageMaker Clarify).",
    compute: |case| inequality(case, &SQUARED),
    ..THEIL_INDEX
};

pub const BETWEEN_GROUP_THEIL_INDEX: Statistic = Statistic {
    name: "between_group_theil_index",
    about: "That part of theil_index, of the same rows, which is between groups: the index of benefits of which each is \
            replaced by the mean of its group; without an interval; 0 and up (Speicher et al., 2018; AIF360, whose \
            groups are all of the attribute's).",
    compute: |case| between(case, &THEIL),
    ..THEIL_INDEX
};

pub const BETWEEN_GROUP_GENERALIZED_ENTROPY_INDEX: Statistic = Statistic {
    name: "between_group_generalized_entropy_index",
    about: "That part of generalized_entropy_index, of the same rows, which is between groups: the index of benefits of \
            which each is replaced by the mean of its group; without an interval; 0 and up (Speicher et al., 2018; \
            AIF360, whose groups are all of the attribute's).",
    compute: |case| between(case, &SQUARED),
    ..THEIL_INDEX
};

/// An index that is the mean of a function of each benefit over the mean benefit.
struct Index {
    of: fn(f64) -> f64,
    /// The share of false positives at which it is greatest, over the share of rows that are no false negatives.
    peak: f64,
}

const THEIL: Index = Index { of: |b| if b > 0.0 { b * b.ln() } else { 0.0 }, peak: 2.0 * LN_2 - 1.0 };
const SQUARED: Index = Index { of: |b| (b * b - 1.0) / 2.0, peak: 1.0 / 3.0 };

impl Index {
    /// Of rows of which `others` are no false negatives, and `false_positives` of these are that.
    fn at(&self, others: f64, false_positives: f64) -> f64 {
        let mean = others + false_positives;
        let shares = [1.0 - others, others - false_positives, false_positives];
        let terms = shares.into_iter().zip([0.0, 1.0, 2.0]).map(|(share, benefit)| share * (self.of)(benefit / mean));
        terms.sum::<f64>().max(0.0)
    }

    /// It falls with the share of what is no false negative, and rises with that of false positives up to its peak.
    fn bounded(&self, confusion: Confusion) -> Bounded {
        let n = confusion.n();
        let errors = errors_of(2);
        let others = Bounded::share((n - confusion.false_negatives, n), errors);
        let false_positives = Bounded::share((confusion.false_positives, n), errors);
        let most = false_positives.high.min(others.high);
        let low = self.at(others.high, false_positives.low).min(self.at(others.high, most));
        // There are no more false positives than rows that are no false negatives.
        let least = others.low.max(false_positives.low);
        let peak = (self.peak * least).clamp(false_positives.low, false_positives.high.min(least));
        Bounded { value: self.at(others.value, false_positives.value), low, high: self.at(least, peak) }
    }
}

/// The groups of the attribute at hand, and all their rows; some benefit is not zero.
fn benefited(case: &Case) -> Result<(Vec<Decided>, Confusion), Undefined> {
    let groups = case.compared(Needs::Labels)?;
    let all = Decided::together(&groups).confusion;
    if all.false_negatives == all.n() {
        return Err(Undefined::Nothing { what: "is anything but a false negative" });
    }
    Ok((groups, all))
}

fn inequality(case: &Case, index: &Index) -> Answer {
    let (_, all) = benefited(case)?;
    Ok(index.bounded(all).reading(THEIL_INDEX.range))
}

fn between(case: &Case, index: &Index) -> Answer {
    let (groups, all) = benefited(case)?;
    let mean = |c: &Confusion| (c.n() - c.false_negatives + c.false_positives) as f64 / c.n() as f64;
    let term = |group: &Decided| {
        let share = group.confusion.n() as f64 / all.n() as f64;
        share * (index.of)(mean(&group.confusion) / mean(&all))
    };
    // Terms that cancel may leave a little less than nothing.
    Ok(Reading::exact(groups.iter().map(term).sum::<f64>().max(0.0)))
}
