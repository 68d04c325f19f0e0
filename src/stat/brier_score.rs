//! The Brier score of probabilities.

use super::{
    Answer, Asked, Case, Needs, Null, Of, On, Outcomes, Reading, Statistic, Task, Worse, mean_of, probabilities,
};
use crate::measurement::Family;

pub const ROW: Statistic = Statistic {
    name: "brier_score",
    family: Family::Performance,
    on: On::Outcomes(Asked { of: Of::Rows, task: Task::Classes, needs: Needs::Labels }),
    unit: "",
    threshold: None,
    worse: Worse::Above,
    null: Null::Unknown,
    range: (0.0, f64::INFINITY),
    about: "Mean squared difference of the probability of a class and 1 for a row of it or 0 for another, summed over the \
            listed classes where there are several; scores in one gap of the grid count as its middle, which changes \
            it by at most the error bound; undefined for scores that are not between 0 and 1; with its 95 % Student \
            interval, whose ends are summed too, which makes it too wide rather than too narrow; 0 to 1, and to 2 for \
            several classes whose probabilities add up to 1 (Brier, 1950).",
    compute,
};

fn compute(case: &Case) -> Answer {
    let outcomes = case.judged(Task::Classes)?;
    let scores = (0..outcomes.axis.classes.len()).map(|class| of_class(outcomes, class));
    let scores: Vec<Reading> = scores.collect::<Result<_, _>>()?;
    let sum = |figure: fn(&Reading) -> Option<f64>| scores.iter().map(figure).sum::<Option<f64>>();
    Ok(Reading {
        low: sum(|score| score.low),
        high: sum(|score| score.high),
        error_bound: sum(|score| score.error_bound),
        ..Reading::exact(scores.iter().map(|score| score.value).sum())
    })
}

fn of_class(outcomes: &Outcomes, class: usize) -> Answer {
    let mut losses = Vec::new();
    let (mut n, mut doubt) = (0.0, 0.0);
    for row in probabilities(outcomes, class)? {
        let square = |p: f64| (p - f64::from(row.is_it)).powi(2);
        losses.push((square(row.value), row.rows));
        n += row.rows as f64;
        doubt += row.doubt(square) * row.rows as f64;
    }
    Ok(Reading { error_bound: Some(doubt / n), ..mean_of(&losses, (0.0, 1.0)) })
}
