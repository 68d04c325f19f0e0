//! The logarithmic loss of probabilities.

use super::{
    Answer, Asked, Case, Needs, Null, Of, On, Reading, Statistic, Task, Undefined, Worse, mean_of, probabilities,
};
use crate::measurement::Family;

pub const ROW: Statistic = Statistic {
    name: "log_loss",
    family: Family::Performance,
    on: On::Outcomes(Asked { of: Of::Rows, task: Task::Classes, needs: Needs::Labels }),
    unit: "",
    threshold: None,
    worse: Worse::Above,
    null: Null::Unknown,
    range: (0.0, f64::INFINITY),
    about: "Mean over the rows of the negative natural logarithm of the probability of what turned out, probabilities \
            below 2.2e-16 counting as that, as in scikit-learn; rows of classes that are not listed are left out where \
            several are; scores in one gap of the grid count as its middle, which changes it by at most the error \
            bound; undefined for scores that are not between 0 and 1; with its 95 % Student interval; 0 and up (Good, \
            1952).",
    compute,
};

fn compute(case: &Case) -> Answer {
    let outcomes = case.judged(Task::Classes)?;
    let mut losses = Vec::new();
    let mut doubt = 0.0;
    for class in 0..outcomes.axis.classes.len() {
        for row in probabilities(outcomes, class)? {
            // Of several classes, each has its own probability; of one, the rest is that of the other.
            if !row.is_it && !outcomes.axis.is_binary() {
                continue;
            }
            let loss = |p: f64| -f64::ln(if row.is_it { p } else { 1.0 - p }.max(f64::EPSILON)).min(0.0);
            losses.push((loss(row.value), row.rows));
            doubt += row.doubt(loss) * row.rows as f64;
        }
    }
    let n: u64 = losses.iter().map(|loss| loss.1).sum();
    if n == 0 {
        return Err(Undefined::Nothing { what: "is of a listed class" });
    }
    Ok(Reading { error_bound: Some(doubt / n as f64), ..mean_of(&losses, ROW.range) })
}
