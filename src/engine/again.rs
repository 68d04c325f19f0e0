//! Measurements that were made before, judged once more by other thresholds and rules.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::rules::{Asking, Evidence, GroupKey, Memory, Records};
use crate::finding;
use crate::measurement::Measurement;
use crate::monitor::{Judging, Measure, Monitor};
use crate::rule::alert::{AlertEvent, AlertKey, RetrainRequest};
use crate::rule::life::Lack;
use crate::time::Window;

/// A monitor that judges what another one measured. The two may differ in thresholds and rules, and in nothing else.
pub struct Again<'a> {
    monitor: &'a Monitor,
    /// By family, statistic and subject; the subject is `None` for what is measured of a log as a whole.
    measures: BTreeMap<(&'a str, &'a str, Option<&'a str>), &'a Measure>,
    /// The slices that each version is counted in, with or without rows; empty where they are what was measured.
    sliced: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
    memory: Memory,
}

impl<'a> Again<'a> {
    pub fn new(monitor: &'a Monitor) -> Again<'a> {
        let key = |measure: &'a Measure| {
            let subject = measure.field.map(|field| monitor.fields()[field].subject.as_str());
            ((measure.statistic.family.name(), measure.statistic.name, subject), measure)
        };
        let measures = monitor.measures.iter().map(key).collect();
        Again { monitor, measures, sliced: BTreeMap::new(), memory: Memory::default() }
    }

    /// Says what versions are counted, each with its slices: one that has no rows in a window is then still measured.
    pub fn counting<'b>(mut self, groups: impl IntoIterator<Item = (&'b str, &'b str)>) -> Again<'a> {
        for (version, slice) in groups {
            self.sliced.entry(version.into()).or_default().insert(slice.into());
        }
        self
    }

    /// The measure that a measurement came of.
    pub fn measure(&self, m: &Measurement) -> Option<&'a Measure> {
        let key = |subject| (m.family.name(), m.statistic.as_str(), subject);
        self.measures.get(&key(Some(m.subject.as_str()))).or_else(|| self.measures.get(&key(None))).copied()
    }

    /// Judges a window: its measurements, a list for each version and slice, which were told whatever the window could
    /// have shown. Windows come in order.
    pub fn judge(
        &mut self,
        window: Window,
        measured: &mut [Vec<Measurement>],
    ) -> (Vec<AlertEvent>, Vec<RetrainRequest>) {
        for m in measured.iter_mut().flatten() {
            if let Some(measure) = self.measure(m) {
                retell(m, measure, &self.monitor.judging);
            }
        }
        let key = |measurements: &Vec<Measurement>| -> Option<GroupKey> {
            let first = measurements.first()?;
            Some((first.version.as_str().into(), first.slice.as_str().into()))
        };
        let seen: BTreeSet<GroupKey> = measured.iter().filter_map(key).collect();
        let mut sliced = self.sliced.clone();
        if sliced.is_empty() {
            for (version, slice) in &seen {
                sliced.entry(version.clone()).or_default().insert(slice.clone());
            }
        }
        let mut asking = Asking { monitor: self.monitor, window, revision: 0, memory: &mut self.memory };
        let (mut events, mut requests) = (Vec::new(), Vec::new());
        let (offsets, compared, records) = (&BTreeMap::new(), &BTreeMap::new(), &Records::default());
        for measurements in &*measured {
            let Some((version, slice)) = key(measurements) else { continue };
            for rule in &self.monitor.rules {
                let (version, slice) = (&version, &slice);
                let evidence = Evidence { version, slice, measurements, offsets, compared, records };
                let (told, request) = asking.ask(rule, evidence);
                events.extend(told);
                requests.extend(request);
            }
        }
        events.extend(asking.finish(&seen, &sliced));
        (events, requests)
    }

    /// Of what it was not known in the last window whether a condition holds, and why, as far as that is known.
    pub fn unknown(&self) -> Vec<(AlertKey, String)> {
        let Memory { alerts, lacking, .. } = &self.memory;
        let why = |(key, lack): (&AlertKey, &Lack)| {
            let reason = alerts.get(key).and_then(|active| Some(active.unknown.as_ref()?.reason.clone()));
            (key.clone(), reason.unwrap_or_else(|| lack.name().replace('_', " ")))
        };
        lacking.iter().map(why).collect()
    }
}

/// Tells a measurement as by this measure.
fn retell(m: &mut Measurement, measure: &Measure, judging: &Judging) {
    m.threshold = measure.threshold;
    let Some(value) = m.value else {
        m.breached = None;
        return;
    };
    match finding::judge(measure, judging, m.rows, value, m.q_value.or(m.p_value), m.detectable, (m.low, m.high)) {
        Ok(breached) => m.breached = breached,
        Err(why) => {
            let undefined = Some(why.to_string());
            let (value, p_value, q_value, low, high, error_bound, breached) = Default::default();
            *m = Measurement { value, undefined, p_value, q_value, low, high, error_bound, breached, ..m.clone() };
        }
    }
}
