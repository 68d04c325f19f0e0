//! Measurements that were made before, judged once more by other thresholds and rules.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::judge::{Group, Judged, ask, obsolete, request};
use crate::finding;
use crate::measurement::Measurement;
use crate::monitor::{Judging, Measure, Monitor};
use crate::null::Nulls;
use crate::rule::alert::{Active, AlertEvent, AlertKey, RetrainRequest};
use crate::time::{Time, Window};

/// A monitor that judges what another one measured. The two may differ in thresholds and rules, and in nothing else.
pub struct Again<'a> {
    monitor: &'a Monitor,
    /// By family, statistic and subject; the subject is `None` for what is measured of a log as a whole.
    measures: BTreeMap<(&'a str, &'a str, Option<&'a str>), &'a Measure>,
    alerts: BTreeMap<AlertKey, Active>,
    quiet: BTreeMap<(String, Arc<str>), Time>,
}

impl<'a> Again<'a> {
    pub fn new(monitor: &'a Monitor) -> Again<'a> {
        let key = |measure: &'a Measure| {
            let subject = measure.field.map(|field| monitor.fields()[field].subject.as_str());
            ((measure.statistic.family.name(), measure.statistic.name, subject), measure)
        };
        let measures = monitor.measures.iter().map(key).collect();
        Again { monitor, measures, alerts: BTreeMap::new(), quiet: BTreeMap::new() }
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
        let key = |measurements: &Vec<Measurement>| -> Option<(Arc<str>, Arc<str>)> {
            let first = measurements.first()?;
            Some((first.version.as_str().into(), first.slice.as_str().into()))
        };
        let groups: BTreeMap<_, _> = measured.iter().filter_map(key).map(|key| (key, Group::default())).collect();
        // The slices are what was measured.
        let mut sliced: BTreeMap<Arc<str>, BTreeSet<Arc<str>>> = BTreeMap::new();
        for (version, slice) in groups.keys() {
            sliced.entry(version.clone()).or_default().insert(slice.clone());
        }
        let (alerts, quiet) = (&mut self.alerts, &mut self.quiet);
        // Nothing is measured here, so nothing is simulated.
        let nulls = &mut Nulls::default();
        let mut judged = Judged { monitor: self.monitor, window, groups, labels: None, nulls, alerts, quiet };
        let (mut events, mut requests) = (Vec::new(), Vec::new());
        for measurements in &*measured {
            let Some((version, slice)) = key(measurements) else { continue };
            for rule in &self.monitor.rules {
                let asked = ask(&mut judged, rule, &version, &slice, measurements);
                requests.extend(rule.retrain.as_ref().and_then(|retrain| {
                    let group = Group::default();
                    request(&mut judged, rule, retrain, &version, &slice, &group, measurements, &asked)
                }));
                events.extend(asked);
            }
        }
        events.extend(obsolete(&mut judged, &sliced));
        (events, requests)
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
