//! Windows that are still to be written to MLflow.
//!
//! There is room for so many, since MLflow may be away for long: then the oldest make way.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::headline::{Drift, figures};
use crate::measurement::Measurement;
use crate::time::Time;

/// The most windows that wait.
const MOST: usize = 4096;
/// The most that are written at once. Each has some tens of figures, and a request a thousand.
const AT_ONCE: usize = 64;

/// What is told of one window of one version.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// The monitor's model.
    pub model: Arc<str>,
    /// The registered model.
    pub name: Arc<str>,
    /// The registered version that the rows name, or the one that is followed when they name none.
    pub version: Arc<str>,
    pub end: Time,
    pub revision: u32,
    pub figures: BTreeMap<String, f64>,
    pub drift: Option<Drift>,
}

impl Told {
    /// What is told of a window of all rows; `None` of a slice.
    pub fn of(window: &[Measurement], name: &Arc<str>, followed: &Arc<str>) -> Option<Told> {
        let first = window.first().filter(|first| first.slice.is_empty())?;
        let version = if first.version.is_empty() { followed.clone() } else { first.version.as_str().into() };
        Some(Told {
            model: first.model.as_str().into(),
            name: name.clone(),
            version,
            end: first.window_end,
            revision: first.revision,
            figures: figures(window),
            drift: Drift::of(window),
        })
    }

    fn is_of_same(&self, other: &Told) -> bool {
        (&self.model, &self.name, &self.version) == (&other.model, &other.name, &other.version)
    }
}

/// A queue that never holds up who puts something in. Clones share it.
#[derive(Clone, Default)]
pub struct Journal(Arc<Shared>);

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Notify,
}

#[derive(Default)]
struct Queue {
    /// What was handed out and is not done. Whoever goes on after one that was broken off begins with it.
    taken: Vec<Told>,
    waiting: VecDeque<Told>,
    is_closed: bool,
}

impl Journal {
    /// Puts a window in. Returns the one that has had to make way for it, if one has.
    pub fn put(&self, told: Told) -> Option<Told> {
        let mut queue = self.queue();
        queue.waiting.push_back(told);
        let dropped = if queue.waiting.len() > MOST { queue.waiting.pop_front() } else { None };
        drop(queue);
        self.0.changed.notify_one();
        dropped
    }

    /// Nothing more will come.
    pub fn close(&self) {
        self.queue().is_closed = true;
        self.0.changed.notify_one();
    }

    /// The oldest windows, all of one version, as soon as there are any; nothing at the end. They are the same until
    /// they are done.
    pub async fn next(&self) -> Vec<Told> {
        loop {
            {
                let mut queue = self.queue();
                let Queue { taken, waiting, is_closed } = &mut *queue;
                while taken.len() < AT_ONCE
                    && let Some(next) = waiting.pop_front_if(|next| taken.first().is_none_or(|of| next.is_of_same(of)))
                {
                    taken.push(next);
                }
                if !taken.is_empty() || *is_closed {
                    return taken.clone();
                }
            }
            self.0.changed.notified().await;
        }
    }

    /// What was handed out last is done.
    pub fn done(&self) {
        self.queue().taken.clear();
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement::Family;

    fn told(version: &str, end: i64) -> Told {
        let first = Measurement { window_end: Time(end), rows: 3, ..Measurement::new(Family::Telemetry, "", "rows") };
        let first = Measurement { model: "loan".into(), version: version.into(), ..first };
        Told::of(&[first], &"credit".into(), &"7".into()).expect("it is of all rows")
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
    }

    #[test]
    fn windows_come_out_by_version_and_in_their_order() {
        let journal = Journal::default();
        // Rows without a version are of the one that is followed.
        for told in [told("1", 1), told("1", 2), told("", 3), told("7", 4), told("1", 5)] {
            assert_eq!(journal.put(told), None);
        }
        journal.close();
        let next = || {
            let found = run(journal.next());
            // Until it is done, it is the same.
            assert_eq!(run(journal.next()), found);
            journal.done();
            found.iter().map(|told| (told.version.to_string(), told.end.0)).collect::<Vec<_>>()
        };
        let of = |version: &str, end| (version.to_owned(), end);
        assert_eq!(next(), [of("1", 1), of("1", 2)]);
        assert_eq!(next(), [of("7", 3), of("7", 4)]);
        assert_eq!(next(), [of("1", 5)]);
        assert_eq!(next(), []);
    }

    #[test]
    fn the_oldest_makes_way_when_there_is_no_room() {
        let journal = Journal::default();
        let dropped: Vec<i64> =
            (0..MOST as i64 + 2).filter_map(|end| journal.put(told("1", end))).map(|told| told.end.0).collect();
        assert_eq!(dropped, [0, 1]);
        assert_eq!(run(journal.next()).len(), AT_ONCE);
    }

    #[test]
    fn a_slice_is_not_told() {
        let slice = Measurement { slice: "country=US".into(), ..Measurement::new(Family::Telemetry, "", "rows") };
        assert_eq!(Told::of(&[slice], &"credit".into(), &"7".into()), None);
        assert_eq!(Told::of(&[], &"credit".into(), &"7".into()), None);
    }
}
