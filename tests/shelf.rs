//! A ledger for tests: what joins keep, in memory, through a trip to bytes and back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tidegauge::join::{Changes, DelayTally, Entry, Ledger, Place, Sort};
use tidegauge::outcome::Id;
use tidegauge::tally::outcome::OutcomeTally;
use tidegauge::time::Time;

type Key<T> = (Arc<str>, T);

#[derive(Debug, Default)]
pub struct Shelf(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    sorts: BTreeMap<Arc<str>, Vec<Sort>>,
    entries: BTreeMap<Key<Id>, Vec<u8>>,
    outcomes: BTreeMap<Key<Place>, Vec<u8>>,
    delays: BTreeMap<Key<Time>, DelayTally>,
}

impl Shelf {
    pub fn keep(&self, model: &Arc<str>, changes: Changes) {
        let mut kept = self.0.lock().expect("nobody panicked");
        kept.sorts.extend(changes.sorts.map(|sorts| (model.clone(), sorts)));
        for (id, entry) in changes.entries {
            kept.entries.insert((model.clone(), id), postcard::to_stdvec(&entry).expect("it can be written"));
        }
        for (place, tally) in changes.outcomes {
            kept.outcomes.insert((model.clone(), place), postcard::to_stdvec(&tally).expect("it can be written"));
        }
        kept.delays.extend(changes.delays.into_iter().map(|(pane, delays)| ((model.clone(), pane), delays)));
        if let Some((entries, panes)) = changes.forgotten {
            kept.entries.retain(|(of, _), bytes| *of != *model || read::<Entry>(bytes).time() >= entries);
            kept.outcomes.retain(|(of, place), _| *of != *model || place.pane >= panes);
            kept.delays.retain(|(of, pane), _| *of != *model || *pane >= panes);
        }
    }

    pub fn sorts(&self, model: &str) -> Vec<Sort> {
        self.0.lock().expect("nobody panicked").sorts.get(model).cloned().unwrap_or_default()
    }

    pub fn delays(&self, model: &str) -> Vec<(Time, DelayTally)> {
        let kept = self.0.lock().expect("nobody panicked");
        let of_model = kept.delays.iter().filter(|((of, _), _)| **of == *model);
        of_model.map(|((_, pane), delays)| (*pane, delays.clone())).collect()
    }

    /// All that is kept, as it is written.
    pub fn bytes(&self) -> Vec<u8> {
        let kept = self.0.lock().expect("nobody panicked");
        let delays = postcard::to_stdvec(&kept.delays).expect("it can be written");
        kept.entries.values().chain(kept.outcomes.values()).flatten().copied().chain(delays).collect()
    }

    /// How many ids are kept.
    pub fn entries(&self) -> usize {
        self.0.lock().expect("nobody panicked").entries.len()
    }
}

fn read<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> T {
    postcard::from_bytes(bytes).expect("it can be read")
}

impl Ledger for Shelf {
    fn entries(&self, model: &str, ids: &[Id]) -> Vec<Option<Entry>> {
        let kept = self.0.lock().expect("nobody panicked");
        ids.iter().map(|id| kept.entries.get(&(model.into(), *id)).map(|bytes| read(bytes))).collect()
    }

    fn outcomes(&self, model: &str, place: Place) -> Option<OutcomeTally> {
        let kept = self.0.lock().expect("nobody panicked");
        kept.outcomes.get(&(model.into(), place)).map(|bytes| read(bytes))
    }

    fn places(&self, model: &str, from: Time, to: Time) -> Vec<Place> {
        let kept = self.0.lock().expect("nobody panicked");
        let is_in = |(of, place): &&Key<Place>| **of == *model && from <= place.pane && place.pane < to;
        kept.outcomes.keys().filter(is_in).map(|(_, place)| *place).collect()
    }
}
