//! How well choices agree with labels, over all classes.

use super::{
    Answer, Asked, Case, Gradient, Matrix, Needs, Null, Of, On, Statistic, Task, Undefined, Worse, proportion,
    recovered,
};
use crate::measurement::Family;

const TASK: Task = Task::Classes;

pub const ACCURACY: Statistic = Statistic {
    name: "accuracy",
    family: Family::Performance,
    on: On::Outcomes(Asked { of: Of::Rows, task: TASK, needs: Needs::Labels }),
    unit: "ratio",
    threshold: None,
    worse: Worse::Below,
    null: Null::Unknown,
    range: (0.0, 1.0),
    about: "Share of rows whose label is the class that was chosen, classes that are not listed counting as one, with \
            its 95 % Wilson interval; 0 to 1.",
    compute: |case| {
        let matrix = case.matrix(TASK)?;
        Ok(proportion(matrix.agreed(), matrix.n))
    },
};

pub const BALANCED_ACCURACY: Statistic = Statistic {
    name: "balanced_accuracy",
    about: "Mean over the classes that have labels of the share of their rows for which they were chosen; undefined \
            with labels of only one class; the 95 % interval is Newcombe's (1998) of the classes' Wilson intervals; 0 \
            to 1, and 1 divided by the number of classes for choices that do not depend on the row (Brodersen et al., \
            2010).",
    compute: balanced_accuracy,
    ..ACCURACY
};

pub const MCC: Statistic = Statistic {
    name: "mcc",
    unit: "",
    range: (-1.0, 1.0),
    about: "Matthews' correlation coefficient of choices and labels, for several classes in Gorodkin's (2004) form; \
            undefined, where scikit-learn says 0, when only one class was chosen or turned out; the 95 % interval is \
            by the delta method, and for a variance of zero Wilson's; -1 to 1, and 0 for choices that do not depend on \
            the label (Matthews, 1975).",
    compute: mcc,
    ..ACCURACY
};

pub const COHENS_KAPPA: Statistic = Statistic {
    name: "cohens_kappa",
    unit: "",
    range: (-1.0, 1.0),
    about: "Cohen's kappa of choices and labels, without weights: the agreement beyond that of independent choices as \
            frequent, of what there could be at most; undefined when the same one class was always chosen and always \
            turned out; the 95 % interval is by the delta method (Fleiss, Cohen and Everitt, 1969), and for a variance \
            of zero Wilson's; -1 to 1 (Cohen, 1960).",
    compute: cohens_kappa,
    ..ACCURACY
};

fn balanced_accuracy(case: &Case) -> Answer {
    let matrix = case.matrix(TASK)?;
    let recalls: Vec<_> = (0..matrix.classes())
        .filter(|&class| matrix.labels[class] > 0)
        .map(|class| proportion(matrix.hits(class), matrix.labels[class]))
        .collect();
    match recalls.len() {
        0 | 1 => Err(Undefined::OneClass),
        several => Ok(recovered(&recalls, 1.0 / several as f64)),
    }
}

/// By how much choices and labels are of the same class more often than independent ones, and the same of choices with
/// themselves and of labels with themselves, all times `n²`. Sums of products of counts are exact in integers.
fn covariances(matrix: &Matrix) -> (i128, i128, i128) {
    let n = i128::from(matrix.n);
    let product = |a: &[u64], b: &[u64]| a.iter().zip(b).map(|(&a, &b)| i128::from(a) * i128::from(b)).sum::<i128>();
    let (chosen, labels) = (&matrix.chosen, &matrix.labels);
    let both = n * i128::from(matrix.agreed()) - product(chosen, labels);
    (both, n * n - product(chosen, chosen), n * n - product(labels, labels))
}

fn mcc(case: &Case) -> Answer {
    let matrix = case.matrix(TASK)?;
    let (both, of_chosen, of_labels) = covariances(&matrix);
    if of_labels == 0 {
        return Err(Undefined::OneClass);
    }
    if of_chosen == 0 {
        return Err(Undefined::OneChoice);
    }
    let scale = (of_chosen as f64).sqrt() * (of_labels as f64).sqrt();
    let value = both as f64 / scale;
    let squared = matrix.n as f64 * matrix.n as f64;
    let (scale, of_chosen, of_labels) = (scale / squared, of_chosen as f64 / squared, of_labels as f64 / squared);
    let mut gradient = Gradient::zero(matrix.classes());
    for class in 0..matrix.classes() {
        let (chosen, label) = (matrix.share(matrix.chosen[class]), matrix.share(matrix.labels[class]));
        gradient.both[class] = 1.0 / scale;
        gradient.chosen[class] = value * chosen / of_chosen - label / scale;
        gradient.label[class] = value * label / of_labels - chosen / scale;
    }
    Ok(matrix.reading(value, &gradient, MCC.range))
}

fn cohens_kappa(case: &Case) -> Answer {
    let matrix = case.matrix(TASK)?;
    let n = i128::from(matrix.n);
    let (beyond, ..) = covariances(&matrix);
    // What is not agreed, and what would not be by chance.
    let disagreed = n * (n - i128::from(matrix.agreed()));
    let by_chance = beyond + disagreed;
    if by_chance == 0 {
        return Err(Undefined::OneClass);
    }
    let value = beyond as f64 / by_chance as f64;
    let squared = matrix.n as f64 * matrix.n as f64;
    let (disagreed, by_chance) = (disagreed as f64 / squared, by_chance as f64 / squared);
    let mut gradient = Gradient::zero(matrix.classes());
    for class in 0..matrix.classes() {
        let slope = disagreed / (by_chance * by_chance);
        gradient.both[class] = 1.0 / by_chance;
        gradient.chosen[class] = -slope * matrix.share(matrix.labels[class]);
        gradient.label[class] = -slope * matrix.share(matrix.chosen[class]);
    }
    Ok(matrix.reading(value, &gradient, COHENS_KAPPA.range))
}
