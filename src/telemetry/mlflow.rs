//! What is told of how it goes with MLflow.

use super::{Telemetry, table};

impl Telemetry {
    /// MLflow was asked for a model's reference, and it could be had or not.
    pub fn polled(&self, model: &str, succeeded: bool) {
        self.count(table::MLFLOW_POLLS, &[model], 1);
        self.count(table::MLFLOW_POLL_FAILURES, &[model], u64::from(!succeeded));
    }

    /// The reference of another version was taken up.
    pub fn promoted(&self, model: &str) {
        self.count(table::MLFLOW_PROMOTIONS, &[model], 1);
    }

    /// In how many points a model's schema and its version's signature differ.
    pub fn signature_differences(&self, model: &str, differences: usize) {
        self.set(table::MLFLOW_SIGNATURE_DIFFERENCES, &[model], differences as f64);
    }

    /// The figures of windows were written to a run.
    pub fn recorded(&self, model: &str, windows: usize) {
        self.count(table::MLFLOW_WINDOWS, &[model], windows as u64);
    }

    /// The figures of windows will never be written.
    pub fn unrecorded(&self, model: &str, windows: usize) {
        self.count(table::MLFLOW_DROPPED_WINDOWS, &[model], windows as u64);
    }

    /// An attempt to write figures failed.
    pub fn record_failed(&self, model: &str) {
        self.count(table::MLFLOW_WRITE_FAILURES, &[model], 1);
    }
}
