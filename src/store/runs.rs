//! What has become of requests for a retrain.

use std::collections::BTreeMap;

use fjall::PersistMode;

use super::audit::Placed;
use super::key::{Key, position_key, text_key};
use super::{Changes, Kind, Store, StoreError};
use crate::audit::Act;
use crate::pane::Partition;
use crate::retrain::{Effect, Run};

impl Store {
    /// All runs that were not forgotten.
    pub fn runs(&self) -> Result<Vec<Run>, StoreError> {
        self.all(Kind::Runs, &[])
    }

    /// Makes durable what has changed of runs, who has done so, and how far the topics are read then in which that was
    /// said. It is on the disk when this returns.
    pub fn keep_runs(
        &self,
        effects: &[Effect],
        acts: &[Act],
        heard: &BTreeMap<Partition, i64>,
    ) -> Result<(), StoreError> {
        self.check()?;
        let mut changes = Changes::default();
        for effect in effects {
            match effect {
                Effect::Changed(run) => changes.put(Kind::Runs, text_key(&run.id), run),
                Effect::Forgotten(id) => changes.delete(Kind::Runs, text_key(id)),
                Effect::Trigger(_) => {}
            }
        }
        for entry in heard {
            changes.put(Kind::About, heard_key(entry.0), &entry);
        }
        let placed = self.place(acts, &mut changes)?;
        self.write(changes, PersistMode::SyncAll)?;
        placed.into_iter().for_each(Placed::written);
        Ok(())
    }

    /// From which offset on partitions have still to be read in which something may be said of runs.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn heard(&self) -> Result<Vec<(Partition, i64)>, StoreError> {
        self.all(Kind::About, HEARD)
    }

    /// Adds runs that are asked for. A request that is made again after a crash may have come further by then.
    pub(super) fn add_runs(&self, runs: &[Run], changes: &mut Changes) -> Result<(), StoreError> {
        for run in runs {
            let key = text_key(&run.id);
            if self.get::<Run>(Kind::Runs, &key)?.is_none() {
                changes.put(Kind::Runs, key, run);
            }
        }
        Ok(())
    }
}

/// What keys begin with, in the part that is about the store, of how far partitions are read.
const HEARD: &[u8] = b"heard";

fn heard_key(partition: &Partition) -> Key {
    [HEARD, &position_key(partition)].concat()
}

#[cfg(test)]
mod tests {
    use super::super::Commit;
    use super::super::tests::Scratch;
    use super::*;
    use crate::retrain::State;
    use crate::retrain::tests::request;
    use crate::time::Time;

    fn run() -> Run {
        Run::requested(request(1, "nightly", "credit"), Time(1))
    }

    #[test]
    fn a_retrain_that_is_asked_for_again_has_come_as_far_as_it_had() {
        let scratch = Scratch::new();
        let store = scratch.open();
        let ask = || store.commit(&Commit { runs: vec![run()], ..Commit::default() }).unwrap();
        ask();
        let begun = Run { state: State::Triggered, ..run() };
        store.keep_runs(&[Effect::Changed(Box::new(begun.clone()))], &[], &BTreeMap::new()).unwrap();
        ask();
        assert_eq!(store.runs().unwrap(), [begun]);
        store.keep_runs(&[Effect::Forgotten(run().id)], &[], &BTreeMap::new()).unwrap();
        assert_eq!(store.runs().unwrap(), []);
    }

    #[test]
    fn how_far_a_topic_is_read_is_kept_with_what_it_says() {
        let scratch = Scratch::new();
        let at = |topic: &str, partition| Partition { topic: topic.into(), partition };
        let changed = [Effect::Changed(Box::new(run()))];
        let heard = BTreeMap::from([(at("reports", 0), 7), (at("reports", 1), 3)]);
        scratch.open().keep_runs(&changed, &[], &heard).unwrap();
        let store = scratch.open();
        assert_eq!((store.runs().unwrap(), store.heard().unwrap().len()), (vec![run()], 2));
        store.keep_runs(&[], &[], &BTreeMap::from([(at("reports", 0), 9)])).unwrap();
        let found: BTreeMap<Partition, i64> = store.heard().unwrap().into_iter().collect();
        assert_eq!(found, BTreeMap::from([(at("reports", 0), 9), (at("reports", 1), 3)]));
        assert_eq!(store.positions().unwrap(), [], "what is read there is another matter");
    }
}
