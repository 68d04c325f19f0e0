//! Precision, recall and F1 of several classes as one number each.

use super::{
    Answer, Asked, Case, Gradient, Matrix, Needs, Null, Of, On, Reading, Statistic, Task, Undefined, Worse, proportion,
    recovered,
};
use crate::measurement::Family;

const TASK: Task = Task::Multiclass;

pub const PRECISION_MACRO: Statistic = Statistic {
    name: "precision_macro",
    family: Family::Performance,
    on: On::Outcomes(Asked { of: Of::Rows, task: TASK, needs: Needs::Labels }),
    unit: "ratio",
    threshold: None,
    worse: Worse::Below,
    null: Null::Unknown,
    range: (0.0, 1.0),
    about: "Mean of the listed classes' precisions, without those of classes that were never chosen (scikit-learn's \
            zero_division=nan); the 95 % interval is Newcombe's (1998) of the classes' Wilson intervals; 0 to 1.",
    compute: |case| {
        let matrix = case.matrix(TASK)?;
        mean_share(&matrix, &matrix.chosen, NEVER_CHOSEN)
    },
};

pub const PRECISION_MICRO: Statistic = Statistic {
    name: "precision_micro",
    about: "Precision of the listed classes taken together: the share of rows of which one of them was chosen that are \
            of the class that was, with its 95 % Wilson interval; the accuracy where no other class occurs; 0 to 1.",
    compute: |case| {
        let matrix = case.matrix(TASK)?;
        total_share(&matrix, &matrix.chosen, NEVER_CHOSEN)
    },
    ..PRECISION_MACRO
};

pub const PRECISION_WEIGHTED: Statistic = Statistic {
    name: "precision_weighted",
    about: "Mean of the listed classes' precisions, each weighted by how many rows are of the class, without those of \
            classes that were never chosen; the 95 % interval is by the delta method, and for a variance of zero \
            Wilson's; 0 to 1.",
    compute: |case| weighted(&case.matrix(TASK)?, |share| (share.chosen > 0.0).then(|| share.precision())),
    ..PRECISION_MACRO
};

pub const RECALL_MACRO: Statistic = Statistic {
    name: "recall_macro",
    about: "Mean of the listed classes' recalls, without those of classes that have no rows; the 95 % interval is \
            Newcombe's (1998) of the classes' Wilson intervals; the balanced accuracy where no other class occurs; 0 \
            to 1.",
    compute: |case| {
        let matrix = case.matrix(TASK)?;
        mean_share(&matrix, &matrix.labels, NOT_LISTED)
    },
    ..PRECISION_MACRO
};

pub const RECALL_MICRO: Statistic = Statistic {
    name: "recall_micro",
    about: "Recall of the listed classes taken together: the share of their rows for which the right one was chosen, \
            with its 95 % Wilson interval; the accuracy where no other class occurs; 0 to 1.",
    compute: total_recall,
    ..PRECISION_MACRO
};

pub const RECALL_WEIGHTED: Statistic = Statistic {
    name: "recall_weighted",
    about: "Mean of the listed classes' recalls, each weighted by how many rows are of the class, with its 95 % Wilson \
            interval; by definition the same as recall_micro; 0 to 1.",
    compute: total_recall,
    ..PRECISION_MACRO
};

pub const F1_MACRO: Statistic = Statistic {
    name: "f1_macro",
    unit: "",
    about: "Mean of the listed classes' F1, without those of classes that were neither chosen nor turned out; the 95 % \
            interval is by the delta method (Takahashi et al., 2022), and for a variance of zero Wilson's; 0 to 1.",
    compute: f1_macro,
    ..PRECISION_MACRO
};

pub const F1_MICRO: Statistic = Statistic {
    name: "f1_micro",
    unit: "",
    about: "F1 of the listed classes taken together, the harmonic mean of precision_micro and recall_micro; the 95 % \
            interval is by the delta method (Takahashi et al., 2022), and for a variance of zero Wilson's; 0 to 1.",
    compute: f1_micro,
    ..PRECISION_MACRO
};

pub const F1_WEIGHTED: Statistic = Statistic {
    name: "f1_weighted",
    unit: "",
    about: "Mean of the listed classes' F1, each weighted by how many rows are of the class; the 95 % interval is by the \
            delta method, and for a variance of zero Wilson's; 0 to 1.",
    compute: |case| weighted(&case.matrix(TASK)?, |share| (share.chosen + share.label > 0.0).then(|| share.f1())),
    ..PRECISION_MACRO
};

const NEVER_CHOSEN: Undefined = Undefined::Nothing { what: "was taken for one of the listed classes" };
const NOT_LISTED: Undefined = Undefined::Nothing { what: "is of a listed class" };

/// The classes without the last, which stands for all others.
fn listed(matrix: &Matrix) -> std::ops::Range<usize> {
    0..matrix.classes() - 1
}

/// The mean of hits as shares of these rows; those of different classes do not depend on one another.
fn mean_share(matrix: &Matrix, of: &[u64], none: Undefined) -> Answer {
    let known = listed(matrix).filter(|&class| of[class] > 0);
    let shares: Vec<Reading> = known.map(|class| proportion(matrix.hits(class), of[class])).collect();
    if shares.is_empty() { Err(none) } else { Ok(recovered(&shares, 1.0 / shares.len() as f64)) }
}

fn total_share(matrix: &Matrix, of: &[u64], none: Undefined) -> Answer {
    let (hits, n) = listed(matrix).fold((0, 0), |(hits, n), class| (hits + matrix.hits(class), n + of[class]));
    if n == 0 { Err(none) } else { Ok(proportion(hits, n)) }
}

fn total_recall(case: &Case) -> Answer {
    let matrix = case.matrix(TASK)?;
    total_share(&matrix, &matrix.labels, NOT_LISTED)
}

/// The shares of rows that are a class's hits, its choices and its labels.
#[derive(Clone, Copy)]
struct Share {
    hits: f64,
    chosen: f64,
    label: f64,
}

/// A figure of one class, and its derivatives in hits, choices and labels.
#[derive(Clone, Copy)]
struct Figure {
    value: f64,
    by_hits: f64,
    by_chosen: f64,
    by_label: f64,
}

impl Share {
    fn of(matrix: &Matrix, class: usize) -> Share {
        let [hits, chosen, label] =
            [matrix.hits(class), matrix.chosen[class], matrix.labels[class]].map(|rows| matrix.share(rows));
        Share { hits, chosen, label }
    }

    fn precision(self) -> Figure {
        let value = self.hits / self.chosen;
        Figure { value, by_hits: 1.0 / self.chosen, by_chosen: -value / self.chosen, by_label: 0.0 }
    }

    fn f1(self) -> Figure {
        let both = self.chosen + self.label;
        let value = 2.0 * self.hits / both;
        Figure { value, by_hits: 2.0 / both, by_chosen: -value / both, by_label: -value / both }
    }
}

impl Gradient {
    fn put(&mut self, class: usize, figure: Figure, weight: f64) {
        self.both[class] += weight * figure.by_hits;
        self.chosen[class] += weight * figure.by_chosen;
        self.label[class] += weight * figure.by_label;
    }
}

/// The mean of a figure of the classes that have one, weighted by their labels.
fn weighted(matrix: &Matrix, figure: fn(Share) -> Option<Figure>) -> Answer {
    let known = || listed(matrix).filter_map(|class| Some((class, figure(Share::of(matrix, class))?)));
    let label = |class: usize| matrix.share(matrix.labels[class]);
    let total: f64 = known().map(|(class, _)| label(class)).sum();
    if total == 0.0 {
        return Err(NOT_LISTED);
    }
    let value = known().map(|(class, figure)| label(class) * figure.value).sum::<f64>() / total;
    let mut gradient = Gradient::zero(matrix.classes());
    for (class, figure) in known() {
        gradient.put(class, figure, label(class) / total);
        // The weights are counted too.
        gradient.label[class] += (figure.value - value) / total;
    }
    Ok(matrix.reading(value, &gradient, PRECISION_MACRO.range))
}

fn f1_macro(case: &Case) -> Answer {
    let matrix = case.matrix(TASK)?;
    let known: Vec<usize> = listed(&matrix).filter(|&class| matrix.chosen[class] + matrix.labels[class] > 0).collect();
    if known.is_empty() {
        return Err(NOT_LISTED);
    }
    let weight = 1.0 / known.len() as f64;
    let mut gradient = Gradient::zero(matrix.classes());
    let mut value = 0.0;
    for class in known {
        let figure = Share::of(&matrix, class).f1();
        value += weight * figure.value;
        gradient.put(class, figure, weight);
    }
    Ok(matrix.reading(value, &gradient, PRECISION_MACRO.range))
}

fn f1_micro(case: &Case) -> Answer {
    let matrix = case.matrix(TASK)?;
    let total = listed(&matrix).map(|class| Share::of(&matrix, class)).fold(
        Share { hits: 0.0, chosen: 0.0, label: 0.0 },
        |sum, share| Share {
            hits: sum.hits + share.hits,
            chosen: sum.chosen + share.chosen,
            label: sum.label + share.label,
        },
    );
    if total.chosen + total.label == 0.0 {
        return Err(NOT_LISTED);
    }
    let figure = total.f1();
    let mut gradient = Gradient::zero(matrix.classes());
    listed(&matrix).for_each(|class| gradient.put(class, figure, 1.0));
    Ok(matrix.reading(figure.value, &gradient, PRECISION_MACRO.range))
}
