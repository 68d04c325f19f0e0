//! How far predicted numbers were off.

use super::{
    Answer, Asked, Case, ErrorTally, Needs, Null, Of, On, Reading, Statistic, Task, Undefined, Worse, Z, mean,
};
use crate::exact::ExactSum;
use crate::measurement::Family;

const TASK: Task = Task::Numbers;

pub const MAE: Statistic = Statistic {
    name: "mae",
    family: Family::Performance,
    on: On::Outcomes(Asked { of: Of::Rows, task: TASK, needs: Needs::Labels }),
    unit: "",
    threshold: None,
    worse: Worse::Above,
    null: Null::Unknown,
    range: (0.0, f64::INFINITY),
    about: "Mean absolute error, of rows that have a prediction and a label, with its 95 % Student interval; 0 and up.",
    compute: |case| {
        let errors = errors(case)?;
        Ok(of_terms(sum(&errors.magnitudes)?, &errors.squares, errors.n, MAE.range))
    },
};

pub const MSE: Statistic = Statistic {
    name: "mse",
    about: "Mean squared error, with its 95 % Student interval; 0 and up.",
    compute: |case| squared(errors(case)?),
    ..MAE
};

pub const RMSE: Statistic = Statistic {
    name: "rmse",
    about: "Root of the mean squared error; the ends of the 95 % interval are the roots of that one's; 0 and up.",
    compute: |case| {
        let squared = squared(errors(case)?)?;
        let [low, high] = [squared.low, squared.high].map(|end| end.map(f64::sqrt));
        Ok(Reading { low, high, ..Reading::exact(squared.value.sqrt()) })
    },
    ..MAE
};

pub const MAPE: Statistic = Statistic {
    name: "mape",
    unit: "ratio",
    about: "Mean absolute error as a share of the label's magnitude (1 is 100 %), of rows whose label is not zero, with \
            its 95 % Student interval; scikit-learn divides by 2.2e-16 where the label is zero; 0 and up.",
    compute: |case| {
        let errors = errors(case)?;
        if errors.relative_n == 0 {
            return Err(Undefined::Nothing { what: "has a label other than zero" });
        }
        Ok(of_terms(sum(&errors.relative)?, &errors.relative_squares, errors.relative_n, MAPE.range))
    },
    ..MAE
};

pub const SMAPE: Statistic = Statistic {
    name: "smape",
    unit: "ratio",
    range: (0.0, 2.0),
    about: "Mean absolute error as a share of the mean of the prediction's and the label's magnitudes (1 is 100 %), 0 \
            where both are zero, with its 95 % Student interval; 0 to 2 (Makridakis, 1993).",
    compute: |case| {
        let errors = errors(case)?;
        Ok(of_terms(sum(&errors.symmetric)?, &errors.symmetric_squares, errors.n, SMAPE.range))
    },
    ..MAE
};

pub const R2: Statistic = Statistic {
    name: "r2",
    worse: Worse::Below,
    range: (f64::NEG_INFINITY, 1.0),
    about: "Coefficient of determination: 1 less the mean squared error as a share of the labels' variance (n in the \
            denominator); undefined, where scikit-learn says 0 or 1, when all labels are equal; the 95 % interval \
            combines that of the mean squared error and that of the labels' variance as if these were normal and did \
            not depend on one another; up to 1, and 0 for predicting the labels' mean.",
    compute: r2,
    ..MAE
};

pub const BIAS: Statistic = Statistic {
    name: "bias",
    range: (f64::NEG_INFINITY, f64::INFINITY),
    about: "Mean of prediction less label, with its 95 % Student interval; above 0 where predictions are too high.",
    compute: |case| {
        let errors = errors(case)?;
        sum(&errors.magnitudes)?;
        Ok(of_terms(errors.sum.value(), &errors.squares, errors.n, BIAS.range))
    },
    ..MAE
};

pub const PINBALL_LOSS: Statistic = Statistic {
    name: "pinball_loss",
    about: "Mean pinball loss of predictions of a quantile (0.9 where nothing is set): that times the error where the \
            label is above the prediction, and 1 less that times it where it is below, with its 95 % Student interval; \
            0 and up (Koenker and Bassett, 1978).",
    compute: pinball_loss,
    ..MAE
};

/// The errors of the window; there are any.
pub fn errors<'a>(case: &Case<'a>) -> Result<&'a ErrorTally, Undefined> {
    let errors = case.judged(TASK)?.tally.errors().ok_or(Undefined::NotApplicable)?;
    if errors.n == 0 { Err(Undefined::NoPredictions) } else { Ok(errors) }
}

/// A sum of magnitudes. What is beyond all doubles was counted as the largest of them.
fn sum(sum: &ExactSum) -> Result<f64, Undefined> {
    let value = sum.value();
    if value >= f64::MAX { Err(Undefined::TooLarge) } else { Ok(value) }
}

/// The mean of terms of this sum and sum of squares. Squares too large to be told leave it without an interval.
fn of_terms(total: f64, squares: &ExactSum, n: u64, range: (f64, f64)) -> Reading {
    let (value, square) = (total / n as f64, sum(squares).map_or(f64::INFINITY, |sum| sum / n as f64));
    mean(value, square - value * value, n, range)
}

fn squared(errors: &ErrorTally) -> Answer {
    Ok(of_terms(sum(&errors.squares)?, &errors.fourths, errors.n, MSE.range))
}

fn r2(case: &Case) -> Answer {
    let errors = errors(case)?;
    let squared = squared(errors)?;
    let n = errors.n as f64;
    if (sum(&errors.label_squares)? * n).is_infinite() {
        return Err(Undefined::TooLarge);
    }
    let spread = spread(errors);
    if spread == 0.0 {
        return Err(Undefined::LabelsAreConstant);
    }
    let share = |squares: f64| squares * n / spread * n;
    let unexplained = share(squared.value);
    let value = 1.0 - unexplained;
    if !value.is_finite() {
        return Err(Undefined::TooLarge);
    }
    // A variance of normal values has a relative variance of 2 / n; distances add up as their squares do.
    let by_labels = Z * (2.0 / n).sqrt() * unexplained;
    let distance = |end: Option<f64>| end.map_or(f64::NAN, |end| (share(end) - unexplained).hypot(by_labels));
    Ok(Reading::exact(value).between(value - distance(squared.high), value + distance(squared.low), R2.range))
}

/// The labels' variance times the square of their number: that times the sum of their squares, less the square of their
/// sum. Far from zero the two are nearly equal, so their difference is taken exactly before it is rounded.
fn spread(errors: &ErrorTally) -> f64 {
    let mut spread = ExactSum::default();
    let mut add = |a: f64, b: f64| {
        let product = a * b;
        spread.add(product);
        spread.add(a.mul_add(b, -product));
    };
    parts(&errors.label_squares).into_iter().for_each(|part| add(part, errors.n as f64));
    let sums = parts(&errors.labels);
    sums.iter().for_each(|&a| sums.iter().for_each(|&b| add(-a, b)));
    spread.value().max(0.0)
}

/// The numbers whose sum is exactly this, each the nearest double to what is left.
fn parts(sum: &ExactSum) -> Vec<f64> {
    let mut rest = sum.clone();
    let mut parts = Vec::new();
    while !rest.is_zero() {
        let part = rest.value();
        if !part.is_finite() {
            break;
        }
        rest.add(-part);
        parts.push(part);
    }
    parts
}

fn pinball_loss(case: &Case) -> Answer {
    let errors = errors(case)?;
    // Half of each error's magnitude counts with either sign, and half of the error against it.
    let tilt = 1.0 - 2.0 * case.judged(TASK)?.choices.quantile;
    let loss = sum(&errors.magnitudes)? / 2.0 + tilt / 2.0 * errors.sum.value();
    let value = loss.max(0.0) / errors.n as f64;
    let square = sum(&errors.squares).map_or(f64::INFINITY, |squares| {
        (squares * (1.0 + tilt * tilt) + 2.0 * tilt * errors.signed_squares.value()) / 4.0 / errors.n as f64
    });
    Ok(mean(value, square - value * value, errors.n, PINBALL_LOSS.range))
}
