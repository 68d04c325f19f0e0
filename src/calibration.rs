//! Calibration: what share of rows with a score turned out to be of its class, in the reference.

/// For each class, the probability that stands for each cell of its score.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Calibration {
    pub classes: Vec<Vec<f64>>,
}
