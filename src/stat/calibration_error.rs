//! How far probabilities are from the frequencies of what they are of.

use std::f64::consts::PI;

use super::{
    Answer, Asked, Case, Needs, Null, Of, On, Probability, Reading, Statistic, Task, Undefined, Worse, Z, probabilities,
};
use crate::measurement::Family;

pub const ROW: Statistic = Statistic {
    name: "expected_calibration_error",
    family: Family::Performance,
    on: On::Outcomes(Asked { of: Of::Rows, task: Task::Classes, needs: Needs::Labels }),
    unit: "",
    threshold: None,
    worse: Worse::Above,
    null: Null::Unknown,
    range: (0.0, 1.0),
    about: "Expected calibration error: scores are cut into ten bins of equal width, each without its lower end but the \
            first, and the differences of mean score and share of positive rows are averaged by rows; of several \
            classes the score is that of the class that was chosen, and the row is positive if it was right; scores in \
            one gap of the grid count as its middle, which changes it by at most the error bound; undefined for scores \
            that are not between 0 and 1; the 95 % interval is normal, its low end lower by as much as so few rows of \
            calibrated scores would show; 0 to 1 (Guo et al., 2017).",
    compute,
};

const BINS: usize = 10;

#[derive(Clone, Copy, Default)]
struct Bin {
    rows: f64,
    positives: f64,
    scores: f64,
}

fn compute(case: &Case) -> Answer {
    let outcomes = case.judged(Task::Classes)?;
    let mut rows = Vec::new();
    for class in 0..outcomes.axis.classes.len() {
        let of_class = probabilities(outcomes, class)?;
        rows.extend(of_class.into_iter().filter(|row| row.is_chosen || outcomes.axis.is_binary()));
    }
    if rows.is_empty() {
        return Err(Undefined::NoChoices);
    }
    let mut bins = [Bin::default(); BINS];
    let mut doubt = 0.0;
    for row in &rows {
        let bin = &mut bins[bin(row.value)];
        let n = row.rows as f64;
        bin.rows += n;
        bin.scores += n * row.value;
        bin.positives += if row.is_it { n } else { 0.0 };
        doubt += n * doubt_of(row);
    }
    let n: f64 = bins.iter().map(|bin| bin.rows).sum();
    let (mut value, mut bias, mut variance) = (0.0, 0.0, 0.0);
    for bin in bins.iter().filter(|bin| bin.rows > 0.0) {
        let (score, share, weight) = (bin.scores / bin.rows, bin.positives / bin.rows, bin.rows / n);
        // The larger of what the scores say and of what the labels do: few rows may all be alike.
        let squared = f64::max(score * (1.0 - score), share * (1.0 - share)).max(0.0) / bin.rows;
        value += weight * (score - share).abs();
        // The mean of a normal difference without its sign, which is the most that chance adds.
        bias += weight * (squared * 2.0 / PI).sqrt();
        variance += weight * weight * squared;
    }
    let half = Z * variance.sqrt();
    let reading = Reading { error_bound: Some((doubt / n).min(1.0)), ..Reading::exact(value) };
    Ok(reading.between(value - bias - half, value + half, ROW.range))
}

/// The bin of a probability.
fn bin(p: f64) -> usize {
    (1..BINS).filter(|&edge| p > edge as f64 / BINS as f64).count()
}

/// By how much a row in a gap can change the sum: by the difference of its score from the middle, or, if it may be in
/// another bin, by all that it adds to one and takes from the other.
fn doubt_of(row: &Probability) -> f64 {
    let [low, high] = row.ends;
    // Where the gap ends at the upper end of a bin, or begins there, none of it is in the next.
    let is_inside = (1..BINS).all(|edge| {
        let edge = edge as f64 / BINS as f64;
        edge <= low || high <= edge
    });
    if is_inside { row.value - low } else { 2.0 }
}
