//! What a window says of challengers and their champion, once it can say nothing else any more.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Effect;
use super::watched::Watched;
use crate::measurement::Measurement;
use crate::shard::OTHER_VERSIONS;
use crate::time::Window;
use crate::verdict::Measured;

impl Watched {
    /// Compares the versions by what was told of a window, and says of whom something else is known now.
    pub(super) fn compare_versions(&mut self, window: Window, told: &[Effect]) -> Vec<Effect> {
        let (Some(challenge), Some(contest)) = (&self.monitor.challenge, &mut self.contest) else { return Vec::new() };
        let statistic = challenge.statistic;
        let is_asked = |m: &&Measurement| {
            let is_it = m.family == statistic.family && m.statistic == statistic.name;
            is_it && m.slice.is_empty() && is_version(&m.version) && !m.provisional
        };
        let measurements = told.iter().flat_map(|effect| match effect {
            Effect::Measured(measurements) => measurements.as_slice(),
            _ => &[],
        });
        let measured: BTreeMap<Arc<str>, Measured> =
            measurements.filter(is_asked).map(|m| (m.version.as_str().into(), measured(m))).collect();
        let model = &self.monitor.model;
        let changed = contest.step(window, &measured);
        let standings = changed.iter().filter_map(|version| contest.standing(model, version));
        standings.map(|standing| Effect::Verdict(Box::new(standing))).collect()
    }
}

/// Rows that do not say which version has answered, and those of all that there is no room for, are of no one version.
fn is_version(name: &str) -> bool {
    !name.is_empty() && name != OTHER_VERSIONS
}

/// What labels say is of the rows that have one.
fn measured(m: &Measurement) -> Measured {
    Measured { value: m.value, low: m.low, high: m.high, rows: m.covered() }
}
