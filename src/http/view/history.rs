//! The windows that were measured lately.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::measurement::Measurement;
use crate::time::Time;

/// The measurements of one window of one model, version and slice.
pub type MeasuredWindow = Arc<[Measurement]>;

/// For each model, the windows of this many ends are kept, and beside them the latest of every version and slice.
const ENDS_KEPT: usize = 100;

/// Measured windows, of which the oldest go when there are too many measurements.
pub(super) struct History {
    /// The most measurements kept.
    limit: usize,
    kept: usize,
    models: BTreeMap<String, Model>,
}

#[derive(Default)]
struct Model {
    windows: BTreeMap<Key, MeasuredWindow>,
    latest: BTreeMap<Group, Time>,
    /// The newest ends of windows.
    ends: BTreeSet<Time>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    end: Time,
    group: Group,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    version: String,
    slice: String,
}

impl History {
    pub fn new(limit: usize) -> History {
        History { limit, kept: 0, models: BTreeMap::new() }
    }

    /// Keeps a window. What was measured of it before and is not measured again stays.
    pub fn keep(&mut self, measurements: &[Measurement]) {
        let Some(first) = measurements.first() else { return };
        let group = Group { version: first.version.clone(), slice: first.slice.clone() };
        let model = self.models.entry(first.model.clone()).or_default();
        let key = Key { end: first.window_end, group };
        let before = model.windows.get(&key).map_or(&[][..], |window| window);
        let again: BTreeSet<(&str, &str, &str)> = measurements.iter().map(what).collect();
        let stays = before.iter().filter(|measurement| !again.contains(&what(measurement))).cloned();
        let window: Vec<Measurement> = stays.chain(measurements.iter().cloned()).collect();
        self.kept += window.len();
        self.kept -= model.keep(key, window.into());
        while self.kept > self.limit && self.forget_oldest() {}
    }

    /// Forgets the models that are not kept.
    pub fn retain(&mut self, keeps: impl Fn(&str) -> bool) {
        self.models.retain(|model, _| keeps(model));
        self.kept = self.models.values().flat_map(|model| model.windows.values()).map(|window| window.len()).sum();
    }

    /// Measurements that are kept.
    pub fn len(&self) -> usize {
        self.kept
    }

    pub fn limit(&self) -> usize {
        self.limit
    }

    /// The windows that end after an instant, newest first; of one model or of all.
    pub fn since(&self, after: Time, model: Option<&str>) -> Vec<MeasuredWindow> {
        let models = self.models.iter().filter(|(name, _)| model.is_none_or(|wanted| wanted == *name));
        let mut windows: Vec<_> =
            models.flat_map(|(_, model)| &model.windows).filter(|(key, _)| key.end > after).collect();
        windows.sort_by_key(|(key, _)| Reverse(key.end));
        windows.into_iter().map(|(_, window)| window.clone()).collect()
    }

    /// The latest window of each version and slice of a model.
    pub fn latest(&self, model: &str) -> impl Iterator<Item = &MeasuredWindow> {
        self.models.get(model).into_iter().flat_map(|model| {
            model.latest.iter().filter_map(|(group, &end)| model.windows.get(&Key { end, group: group.clone() }))
        })
    }

    /// Forgets the oldest window, a latest one only when there are no others. Returns whether there was one.
    fn forget_oldest(&mut self) -> bool {
        for superseded in [true, false] {
            let firsts = self.models.iter().filter_map(|(name, model)| Some((model.first(superseded)?.clone(), name)));
            if let Some((key, name)) = firsts.min().map(|(key, name)| (key, name.clone())) {
                self.kept -= self.models.get_mut(&name).map_or(0, |model| model.forget(&key));
                return true;
            }
        }
        false
    }
}

/// What a measurement of a window, version and slice is of.
fn what(measurement: &Measurement) -> (&str, &str, &str) {
    (measurement.family.name(), &measurement.subject, &measurement.statistic)
}

impl Model {
    /// Returns how many measurements gave way.
    fn keep(&mut self, key: Key, window: MeasuredWindow) -> usize {
        let latest = self.latest.entry(key.group.clone()).or_insert(key.end);
        *latest = key.end.max(*latest);
        self.ends.insert(key.end);
        while self.ends.len() > ENDS_KEPT {
            self.ends.pop_first();
        }
        let mut gone = self.windows.insert(key, window).map_or(0, |replaced| replaced.len());
        let oldest = self.ends.first().copied().unwrap_or(Time::MIN);
        let is_old = |key: &&Key| key.end < oldest;
        let old: Vec<Key> =
            self.windows.keys().take_while(is_old).filter(|key| !self.is_latest(key)).cloned().collect();
        gone += old.iter().map(|key| self.forget(key)).sum::<usize>();
        gone
    }

    /// The oldest window, or the oldest of those that are no latest one.
    fn first(&self, superseded: bool) -> Option<&Key> {
        self.windows.keys().find(|key| !superseded || !self.is_latest(key))
    }

    fn is_latest(&self, key: &Key) -> bool {
        self.latest.get(&key.group) == Some(&key.end)
    }

    fn forget(&mut self, key: &Key) -> usize {
        if self.is_latest(key) {
            self.latest.remove(&key.group);
        }
        self.windows.remove(key).map_or(0, |window| window.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::sample::measurement;

    fn window(model: &str, version: &str, end: i64, subjects: usize) -> Vec<Measurement> {
        let of_subject = |n: usize| Measurement {
            model: model.to_owned(),
            version: version.to_owned(),
            window_end: Time(end),
            ..measurement("psi", &format!("f{n}"), Some(0.1))
        };
        (0..subjects).map(of_subject).collect()
    }

    fn ends(history: &History, model: &str) -> Vec<i64> {
        history.since(Time::MIN, Some(model)).iter().map(|window| window[0].window_end.0).collect()
    }

    #[test]
    fn newest_windows_are_kept_and_the_latest_of_each_version() {
        let mut history = History::new(10_000);
        history.keep(&window("m", "old", 1, 3));
        for end in 2..=150 {
            history.keep(&window("m", "new", end, 2));
        }
        let expected: Vec<i64> = (51..=150).rev().chain([1]).collect();
        assert_eq!(ends(&history, "m"), expected);
        assert_eq!(history.len(), 3 + 2 * 100);
        let latest: Vec<(&str, i64)> =
            history.latest("m").map(|window| (window[0].version.as_str(), window[0].window_end.0)).collect();
        assert_eq!(latest, [("new", 150), ("old", 1)]);
    }

    #[test]
    fn a_revision_replaces_what_it_tells_again_and_a_straggler_is_not_the_latest() {
        let mut history = History::new(10_000);
        history.keep(&window("m", "1", 20, 5));
        history.keep(&window("m", "1", 10, 1));
        history.keep(&window("m", "1", 20, 2));
        assert_eq!((ends(&history, "m"), history.len()), (vec![20, 10], 6));
        assert_eq!(history.latest("m").next().map(|window| window.len()), Some(5));
        assert_eq!(history.since(Time(10), None).len(), 1);
    }

    #[test]
    fn the_oldest_windows_go_when_there_are_too_many_measurements() {
        let mut history = History::new(10);
        history.keep(&window("quiet", "1", 1, 4));
        for end in 2..10 {
            history.keep(&window("busy", "1", end, 2));
        }
        assert_eq!((ends(&history, "quiet"), ends(&history, "busy"), history.len()), (vec![1], vec![9, 8, 7], 10));
        history.keep(&window("huge", "1", 9, 6));
        assert_eq!((ends(&history, "quiet"), ends(&history, "busy"), history.len()), (vec![], vec![9], 8));
        history.retain(|model| model == "busy");
        assert_eq!(history.len(), 2);
    }
}
