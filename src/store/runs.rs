//! What has become of requests for a retrain.

use fjall::PersistMode;

use super::audit::Placed;
use super::key::text_key;
use super::{Changes, Kind, Store, StoreError};
use crate::audit::Act;
use crate::retrain::{Effect, Run};

impl Store {
    /// All runs that were not forgotten.
    pub fn runs(&self) -> Result<Vec<Run>, StoreError> {
        self.all(Kind::Runs, &[])
    }

    /// Makes durable what has changed of runs, and who has done so. It is on the disk when this returns.
    pub fn keep_runs(&self, effects: &[Effect], acts: &[Act]) -> Result<(), StoreError> {
        self.check()?;
        let mut changes = Changes::default();
        for effect in effects {
            match effect {
                Effect::Changed(run) => changes.put(Kind::Runs, text_key(&run.id), run),
                Effect::Forgotten(id) => changes.delete(Kind::Runs, text_key(id)),
                Effect::Trigger(_) => {}
            }
        }
        let placed = self.place(acts, &mut changes)?;
        self.write(changes, PersistMode::SyncAll)?;
        placed.into_iter().for_each(Placed::written);
        Ok(())
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
        store.keep_runs(&[Effect::Changed(Box::new(begun.clone()))], &[]).unwrap();
        ask();
        assert_eq!(store.runs().unwrap(), [begun]);
        store.keep_runs(&[Effect::Forgotten(run().id)], &[]).unwrap();
        assert_eq!(store.runs().unwrap(), []);
    }
}
