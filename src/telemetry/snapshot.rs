//! The series that stand for the latest window of each model, version and slice.

use std::collections::{BTreeMap, BTreeSet};

use crate::time::Time;

/// A version or slice that has had no rows in this many windows of its model is no longer shown.
const WINDOWS_SHOWN: usize = 10;

/// What is shown of all models.
pub(super) struct Snapshot {
    /// The most series shown.
    limit: usize,
    /// Series shown now.
    series: usize,
    groups: BTreeMap<GroupKey, Group>,
    /// For each model, the ends of its newest windows.
    newest: BTreeMap<(String, bool), BTreeSet<Time>>,
}

/// Whose window it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct GroupKey {
    pub model: String,
    pub version: String,
    pub slice: String,
    /// Whether it is of what needs labels, which is the latest that enough of them say of.
    pub is_of_labels: bool,
}

/// What tells a series from the others of its group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SeriesKey {
    pub metric: &'static str,
    /// The values of the labels that follow those of the group.
    pub labels: Vec<String>,
}

struct Group {
    end: Time,
    series: BTreeMap<SeriesKey, f64>,
}

impl Snapshot {
    pub fn new(limit: usize) -> Snapshot {
        Snapshot { limit, series: 0, groups: BTreeMap::new(), newest: BTreeMap::new() }
    }

    /// Shows a window in place of the group's previous one, unless it is older. Returns how many series found no room.
    ///
    /// Series that the previous window had stay; new ones are let in in the order given. So when there is no room, a
    /// graph that someone watches goes on, and the same windows always show the same series.
    pub fn show(&mut self, key: GroupKey, end: Time, wanted: Vec<(SeriesKey, f64)>) -> u64 {
        if !self.is_shown(&key, end) {
            return 0;
        }
        let previous = self.groups.remove(&key).map(|group| group.series).unwrap_or_default();
        self.series -= previous.len();
        let room = self.limit - self.series;
        let (known, new): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|(key, _)| previous.contains_key(key));
        let mut series = BTreeMap::new();
        let mut dropped = 0;
        for (key, value) in known.into_iter().chain(new) {
            if series.len() < room {
                // Two logs may carry the same field; two series of one name would make the whole page unreadable.
                series.entry(key).or_insert(value);
            } else {
                dropped += 1;
            }
        }
        self.series += series.len();
        self.groups.insert(key, Group { end, series });
        dropped
    }

    /// Shows nothing more of the models that are not kept.
    pub fn retain(&mut self, keeps: impl Fn(&str) -> bool) {
        self.newest.retain(|(model, _), _| keeps(model));
        self.remove_if(|key, _| !keeps(&key.model));
    }

    /// Series shown now.
    pub fn len(&self) -> usize {
        self.series
    }

    pub fn iter(&self) -> impl Iterator<Item = (&GroupKey, &SeriesKey, f64)> {
        self.groups.iter().flat_map(|(group, shown)| shown.series.iter().map(move |(key, &value)| (group, key, value)))
    }

    /// Takes note of a window's end, and says whether the window is to be shown.
    fn is_shown(&mut self, key: &GroupKey, end: Time) -> bool {
        let newest = self.newest.entry((key.model.clone(), key.is_of_labels)).or_default();
        newest.insert(end);
        while newest.len() > WINDOWS_SHOWN {
            newest.pop_first();
        }
        let oldest = newest.first().copied().unwrap_or(end);
        let is_alike = |other: &GroupKey| other.model == key.model && other.is_of_labels == key.is_of_labels;
        self.remove_if(|other, group| is_alike(other) && group.end < oldest);
        let is_superseded = self.groups.get(key).is_some_and(|group| group.end > end);
        end >= oldest && !is_superseded
    }

    fn remove_if(&mut self, goes: impl Fn(&GroupKey, &Group) -> bool) {
        self.groups.retain(|key, group| {
            let stays = !goes(key, group);
            if !stays {
                self.series -= group.series.len();
            }
            stays
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(model: &str, version: &str) -> GroupKey {
        GroupKey { model: model.to_owned(), version: version.to_owned(), slice: String::new(), is_of_labels: false }
    }

    fn series(subjects: &[&str]) -> Vec<(SeriesKey, f64)> {
        let one = |subject: &&str| (SeriesKey { metric: "psi", labels: vec![(*subject).to_owned()] }, 1.0);
        subjects.iter().map(one).collect()
    }

    fn shown(snapshot: &Snapshot) -> Vec<String> {
        snapshot.iter().map(|(group, key, _)| format!("{}/{}/{}", group.model, group.version, key.labels[0])).collect()
    }

    #[test]
    fn a_window_replaces_the_one_before_it_and_no_later_one() {
        let mut snapshot = Snapshot::new(100);
        snapshot.show(key("m", "1"), Time(10), series(&["a", "b"]));
        snapshot.show(key("m", "1"), Time(20), series(&["b", "c"]));
        snapshot.show(key("m", "1"), Time(10), series(&["a"]));
        assert_eq!(shown(&snapshot), ["m/1/b", "m/1/c"]);
        assert_eq!(snapshot.len(), 2);
    }

    #[test]
    fn when_there_is_no_room_old_series_stay_and_new_ones_are_dropped_in_order() {
        let mut snapshot = Snapshot::new(3);
        assert_eq!(snapshot.show(key("m", "1"), Time(10), series(&["x"])), 0);
        assert_eq!(snapshot.show(key("n", "1"), Time(10), series(&["d", "c", "b"])), 1);
        assert_eq!(shown(&snapshot), ["m/1/x", "n/1/c", "n/1/d"]);
        // `a` comes first, but `c` was there before it.
        assert_eq!(snapshot.show(key("n", "1"), Time(20), series(&["a", "b", "c"])), 1);
        assert_eq!(shown(&snapshot), ["m/1/x", "n/1/a", "n/1/c"]);
        assert_eq!(snapshot.len(), 3);
    }

    #[test]
    fn a_version_that_no_longer_serves_makes_room() {
        let mut snapshot = Snapshot::new(2);
        snapshot.show(key("m", "old"), Time(0), series(&["a"]));
        snapshot.show(key("quiet", "1"), Time(0), series(&["a"]));
        for end in 1..=9 {
            assert_eq!(snapshot.show(key("m", "new"), Time(end), series(&["a"])), 1);
        }
        assert_eq!(shown(&snapshot), ["m/old/a", "quiet/1/a"]);
        assert_eq!(snapshot.show(key("m", "new"), Time(10), series(&["a"])), 0);
        assert_eq!(shown(&snapshot), ["m/new/a", "quiet/1/a"]);
        // A straggler of the retired version is too old to come back.
        snapshot.show(key("m", "old"), Time(0), series(&["a"]));
        assert_eq!(shown(&snapshot), ["m/new/a", "quiet/1/a"]);
    }

    #[test]
    fn a_series_is_shown_once() {
        let mut snapshot = Snapshot::new(10);
        snapshot.show(key("m", "1"), Time(10), series(&["a", "a"]));
        assert_eq!(shown(&snapshot), ["m/1/a"]);
        snapshot.retain(|model| model != "m");
        assert_eq!((shown(&snapshot), snapshot.len()), (vec![], 0));
    }
}
