//! What is told of retrains: that they are asked for, how far they come, and what is heard of them.

use super::{Telemetry, table};
use crate::retrain::State;
use crate::retrain::report::Unheard;
use crate::rule::alert::RetrainRequest;

impl Telemetry {
    pub fn retrain_requested(&self, request: &RetrainRequest) {
        self.count(table::RETRAIN_REQUESTS, &[&request.model], 1);
    }

    pub fn retrain_moved(&self, model: &str, state: State) {
        self.count(table::RETRAIN_TRANSITIONS, &[model, state.name()], 1);
    }

    /// Reports on retrains are read from a topic from now on.
    pub fn hearing(&self) {
        Unheard::ALL.iter().for_each(|why| self.count(table::UNHEARD_REPORTS, &[why.name()], 0));
    }

    /// So many records were read that may be reports on retrains.
    pub fn heard(&self, reports: u64) {
        self.count(table::REPORTS, &[], reports);
    }

    /// So many of them meant nothing.
    pub fn unheard(&self, why: Unheard, reports: u64) {
        self.count(table::UNHEARD_REPORTS, &[why.name()], reports);
    }
}
