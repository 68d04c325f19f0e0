//! Tests of rules: figures or rows go in, and the alerts and retrains that come of them are held to those expected.

mod compare;
mod feed;

use std::path::Path;
use std::sync::Arc;

use crate::config::ruletest::{Given, RuleTest};
use crate::config::{self, Position, Problem};
use crate::monitor::Monitor;
use crate::reference::Reference;
use crate::replay;
use crate::rule::alert::{AlertEvent, AlertKey, RetrainRequest};

/// What came of a test.
#[derive(Default)]
struct Came {
    alerts: Vec<AlertEvent>,
    retrains: Vec<RetrainRequest>,
    /// Why it is not known at the end whether a condition holds, where that is so.
    unknown: Vec<(AlertKey, String)>,
    /// How many rows are no good, by why; and those that came too late for every window.
    rejected: u64,
    reasons: Vec<String>,
    late: u64,
}

/// What is wrong with a test: where, what, and what to do about it.
type Fault = (Position, String, Option<String>);

/// Runs the tests of a monitor. Returns how many there are.
///
/// # Errors
/// Everything that is wrong with the file, or else everything that came and was not expected, or was and did not come.
pub fn run(file: &Path, monitor: &Arc<Monitor>) -> Result<usize, Vec<Problem>> {
    let tests = config::load_rule_tests(file, monitor)?;
    let mut reference = None;
    let faults: Vec<Fault> = tests.iter().flat_map(|test| faults(test, monitor, &mut reference)).collect();
    if faults.is_empty() {
        return Ok(tests.len());
    }
    let problem = |(at, message, hint): Fault| {
        let (Position { line, column }, message) = (at, message.replace('\n', " "));
        Problem { file: file.to_owned(), line, column, message, hint }
    };
    Err(faults.into_iter().map(problem).collect())
}

/// The monitor's reference, once a test has asked for it.
type Built = Option<Option<Arc<Reference>>>;

fn faults(test: &RuleTest, monitor: &Arc<Monitor>, reference: &mut Built) -> Vec<Fault> {
    let came = match &test.given {
        Given::Measurements(series) => Ok(feed::measurements(test.start, series, monitor)),
        Given::Rows { feeds, .. } => {
            let built = reference.take().map_or_else(|| replay::reference(monitor), Ok);
            built.and_then(|built| {
                *reference = Some(built.clone());
                feed::rows(feeds, monitor, built)
            })
        }
    };
    match came {
        Ok(came) => compare::compare(test, &came, monitor),
        Err(error) => vec![(test.at, format!("`{}`: {error:#}", test.name), None)],
    }
}
