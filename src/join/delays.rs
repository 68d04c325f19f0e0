//! How long labels take, learnt from those that have come and from those that have not.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::pane::Extent;
use crate::time::{Span, Time};

/// Bins of an octave each two; the last ends with the time that is waited.
const BINS: usize = 41;

/// The predictions of a pane, and how long those of their labels took that have come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelayTally {
    rows: u64,
    /// Labels by the bin of their delay.
    bins: Vec<u32>,
    records: Records,
}

/// Where the records are by which the counts of a pane are known, for each partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Records {
    /// Predictions, with those of other panes that stand in place of one of this.
    pub predictions: BTreeMap<i32, Extent>,
    /// All labels that have come to predictions of the pane.
    pub labels: BTreeMap<i32, Extent>,
}

impl Records {
    pub fn add_prediction(&mut self, at: At, pane: Time) {
        widen(&mut self.predictions, at, pane);
    }

    pub fn add_label(&mut self, at: At, pane: Time) {
        widen(&mut self.labels, at, pane);
    }
}

/// A partition and an offset.
pub type At = (i32, i64);

fn widen(extents: &mut BTreeMap<i32, Extent>, (partition, offset): At, pane: Time) {
    let extent = Extent { rows: (offset, offset), panes: (pane, pane) };
    extents.entry(partition).and_modify(|all| all.merge(extent)).or_insert(extent);
}

/// The delays of all panes whose labels may still come, or have only just come.
#[derive(Clone, Debug)]
pub struct Delays {
    wait: Span,
    panes: BTreeMap<Time, DelayTally>,
    changed: BTreeSet<Time>,
}

impl Delays {
    pub fn new(wait: Span, panes: Vec<(Time, DelayTally)>) -> Delays {
        Delays { wait, panes: panes.into_iter().collect(), changed: BTreeSet::new() }
    }

    /// The longest delay of a bin.
    fn end(&self, bin: usize) -> f64 {
        self.wait.0 as f64 * 2f64.powf((bin as f64 - (BINS - 1) as f64) / 2.0)
    }

    fn bin(&self, delay: Span) -> usize {
        (0..BINS - 1).find(|&bin| (delay.0 as f64) <= self.end(bin)).unwrap_or(BINS - 1)
    }

    /// Takes in a prediction, with the delay of its label if that has come; or takes it out.
    pub fn count(&mut self, pane: Time, delay: Option<Span>, is_in: bool) {
        let bin = delay.map(|delay| self.bin(delay));
        let tally = self.panes.entry(pane).or_default();
        tally.rows = if is_in { tally.rows + 1 } else { tally.rows.saturating_sub(1) };
        if let Some(bin) = bin {
            if tally.bins.is_empty() {
                tally.bins = vec![0; BINS];
            }
            if let Some(count) = tally.bins.get_mut(bin) {
                *count = if is_in { *count + 1 } else { count.saturating_sub(1) };
            }
        }
        self.changed.insert(pane);
    }

    /// Where the records of a pane are, to be added to.
    pub fn records_of(&mut self, pane: Time) -> &mut Records {
        self.changed.insert(pane);
        &mut self.panes.entry(pane).or_default().records
    }

    /// Where the records of these panes are.
    pub fn records(&self, from: Time, to: Time) -> impl Iterator<Item = &Records> {
        self.panes.range(from..to).map(|(_, tally)| &tally.records)
    }

    /// The panes of these times that have predictions.
    pub fn panes(&self, from: Time, to: Time) -> impl Iterator<Item = Time> + '_ {
        self.panes.range(from..to).filter(|(_, tally)| tally.rows > 0).map(|(pane, _)| *pane)
    }

    /// The share of the predictions in these panes without a label yet that will have one in the end, at this time.
    ///
    /// It is the Kaplan-Meier estimate over all panes: in each bin of delays, labels out of the predictions that had
    /// none before and are old enough to tell. `None` as long as no pane has been watched for as long as labels are
    /// waited for.
    pub fn coming(&self, panes: (Time, Time), every: Span, now: Time) -> Option<f64> {
        let (mut at_risk, mut events) = ([0u64; BINS], [0u64; BINS]);
        for (pane, tally) in &self.panes {
            // As old as its youngest prediction may be.
            let age = (now.0 - (*pane + every).0) as f64;
            let mut open = tally.rows;
            for bin in (0..BINS).take_while(|&bin| self.end(bin) <= age) {
                let labels = tally.bins.get(bin).copied().map_or(0, u64::from);
                at_risk[bin] += open;
                events[bin] += labels;
                open = open.saturating_sub(labels);
            }
        }
        if at_risk[BINS - 1] == 0 {
            // The last bin was reached by nobody, either for want of time or because all labels had come before.
            let is_old = |pane: Time| (now.0 - (pane + every).0) as f64 >= self.wait.0 as f64;
            let is_told = self.panes.iter().any(|(pane, tally)| tally.rows > 0 && is_old(*pane));
            if !is_told {
                return None;
            }
        }
        // The share of predictions whose label takes longer than each bin.
        let mut survival = [1.0; BINS];
        let mut left = 1.0;
        for bin in 0..BINS {
            if at_risk[bin] > 0 {
                left *= 1.0 - events[bin] as f64 / at_risk[bin] as f64;
            }
            survival[bin] = left;
        }
        let (mut open, mut coming) = (0.0, 0.0);
        for (pane, tally) in self.panes.range(panes.0..panes.1) {
            let age = (now.0 - (*pane + every).0) as f64;
            let passed = (0..BINS).take_while(|&bin| self.end(bin) <= age).last();
            let so_far = passed.map_or(1.0, |bin| survival[bin]);
            let labels: u64 = tally.bins.iter().map(|&count| u64::from(count)).sum();
            let waiting = tally.rows.saturating_sub(labels) as f64;
            open += waiting;
            coming += if so_far > 0.0 { waiting * (1.0 - left / so_far) } else { 0.0 };
        }
        Some(if open > 0.0 { (coming / open).clamp(0.0, 1.0) } else { 0.0 })
    }

    /// Forgets panes before this.
    pub fn forget(&mut self, before: Time) {
        self.panes = self.panes.split_off(&before);
        self.changed = self.changed.split_off(&before);
    }

    pub(super) fn changed(&self) -> Vec<(Time, DelayTally)> {
        self.changed.iter().filter_map(|pane| Some((*pane, self.panes.get(pane)?.clone()))).collect()
    }

    pub(super) fn written(&mut self) {
        self.changed.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    /// A hundred panes of a hundred predictions: half of the labels come after an hour and three tenths after five.
    fn delays(now: i64) -> Delays {
        let mut delays = Delays::new(Span(10 * HOUR), Vec::new());
        for pane in 0..100 {
            let start = Time(pane * HOUR);
            for row in 0..100 {
                let after = match row {
                    0..50 => Some(HOUR),
                    50..80 => Some(5 * HOUR),
                    _ => None,
                };
                let here = after.filter(|after| start.0 + after <= now);
                delays.count(start, here.map(Span), true);
            }
        }
        delays
    }

    #[test]
    fn what_is_still_to_come_is_what_came_before_of_those_that_had_none_at_that_age() {
        let now = Time(100 * HOUR);
        let delays = delays(now.0);
        let coming = |pane: i64| {
            let start = Time(pane * HOUR);
            delays.coming((start, start + Span(HOUR)), Span(HOUR), now).expect("panes were watched for long enough")
        };
        // One that is three hours old has its half; of the others three of five are to come.
        assert!((coming(96) - 0.6).abs() < 1e-9, "{}", coming(96));
        assert!(coming(92).abs() < 1e-9, "{}", coming(92));
        // One that is just over: eight of ten.
        assert!((coming(99) - 0.8 / 1.0).abs() < 0.31, "{}", coming(99));
    }

    #[test]
    fn nothing_is_known_before_a_pane_was_watched_to_the_end() {
        let now = Time(9 * HOUR);
        assert_eq!(delays(now.0).coming((Time(0), Time(HOUR)), Span(HOUR), now), None);
    }

    #[test]
    fn what_is_taken_out_leaves_no_trace() {
        let mut delays = Delays::new(Span(HOUR), Vec::new());
        delays.count(Time(0), None, true);
        delays.count(Time(0), None, false);
        delays.count(Time(0), Some(Span(5)), true);
        let once = delays.clone();
        delays.count(Time(0), Some(Span(9_000)), true);
        delays.count(Time(0), Some(Span(9_000)), false);
        assert_eq!(delays.changed(), once.changed());
    }
}
