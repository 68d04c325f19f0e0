//! Choices against labels, of all classes at once.

use super::{Case, Outcomes, Reading, Task, Undefined, normal};

impl<'a> Case<'a> {
    /// The predictions of the window, with enough labels, where they are of this kind.
    pub(super) fn judged(&self, task: Task) -> Result<&'a Outcomes<'a>, Undefined> {
        let outcomes = self.labelled()?;
        if task.includes(outcomes.axis) { Ok(outcomes) } else { Err(Undefined::NotApplicable) }
    }

    /// The rows that have a choice and a label, by both.
    pub(super) fn matrix(&self, task: Task) -> Result<Matrix, Undefined> {
        let outcomes = self.judged(task)?;
        let matrix = Matrix::of(outcomes);
        if matrix.n == 0 { Err(Undefined::NoChoices) } else { Ok(matrix) }
    }
}

/// How many rows have each choice and label; the last class is another than those that are listed, which in the binary
/// case is the negative one.
pub struct Matrix {
    pub n: u64,
    rows: Vec<u64>,
    /// Rows of each choice, and of each label.
    pub chosen: Vec<u64>,
    pub labels: Vec<u64>,
}

/// The derivative of a figure in the share of rows with a choice and a label, in three parts: one for the choice, one for
/// the label, and one more where the two agree.
pub struct Gradient {
    pub chosen: Vec<f64>,
    pub label: Vec<f64>,
    pub both: Vec<f64>,
}

impl Gradient {
    /// That of a figure that depends on nothing yet.
    pub fn zero(classes: usize) -> Gradient {
        Gradient { chosen: vec![0.0; classes], label: vec![0.0; classes], both: vec![0.0; classes] }
    }
}

impl Matrix {
    fn of(outcomes: &Outcomes) -> Matrix {
        let classes = outcomes.axis.classes.len() + 1;
        let mut matrix = Matrix { n: 0, rows: Vec::new(), chosen: vec![0; classes], labels: vec![0; classes] };
        for chosen in 0..classes {
            for label in 0..classes {
                let rows = outcomes.tally.rows_of(Some(chosen), Some(label));
                matrix.n += rows;
                matrix.chosen[chosen] += rows;
                matrix.labels[label] += rows;
                matrix.rows.push(rows);
            }
        }
        matrix
    }

    /// Classes, and another.
    pub fn classes(&self) -> usize {
        self.chosen.len()
    }

    /// Rows of which a class was chosen and turned out.
    pub fn hits(&self, class: usize) -> u64 {
        self.rows[class * (self.classes() + 1)]
    }

    pub fn agreed(&self) -> u64 {
        (0..self.classes()).map(|class| self.hits(class)).sum()
    }

    /// A number of rows as a share of all.
    pub fn share(&self, rows: u64) -> f64 {
        rows as f64 / self.n as f64
    }

    /// A figure that is a smooth function of the counts, with its interval by the delta method: rows are drawn one by
    /// one, so the counts are multinomial.
    pub fn reading(&self, value: f64, gradient: &Gradient, range: (f64, f64)) -> Reading {
        let classes = self.classes();
        let slope = |place: usize| {
            let (chosen, label) = (place / classes, place % classes);
            let agree = if chosen == label { gradient.both[label] } else { 0.0 };
            gradient.chosen[chosen] + gradient.label[label] + agree
        };
        let filled = || self.rows.iter().enumerate().filter(|(_, rows)| **rows > 0);
        let mean: f64 = filled().map(|(place, &rows)| self.share(rows) * slope(place)).sum();
        let spread: f64 = filled().map(|(place, &rows)| self.share(rows) * (slope(place) - mean).powi(2)).sum();
        normal(value, spread / self.n as f64, self.n, range)
    }
}
