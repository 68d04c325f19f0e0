//! What joins keep: entries by id, outcomes by pane and slice, and how long labels took.

use std::fmt;
use std::sync::PoisonError;

use super::{Changes, Key, Kind, Store, StoreError, model_key, starting_at};
use crate::join::{self, DelayTally, Entry, Ledger, Place};
use crate::outcome::Id;
use crate::tally::outcome::OutcomeTally;
use crate::time::Time;

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Store {
    /// Puts into a step what has changed in a model's join.
    pub(super) fn put_joined(
        &self,
        model: &str,
        joined: &join::Changes,
        changes: &mut Changes,
    ) -> Result<(), StoreError> {
        for (id, entry) in &joined.entries {
            changes.put(Kind::Entries, entry_key(model, *id), entry);
        }
        for (place, tally) in &joined.outcomes {
            changes.put(Kind::Outcomes, place_key(model, *place), &(place, tally));
        }
        for (pane, delays) in &joined.delays {
            changes.put(Kind::Delays, starting_at(model, *pane), &(pane, delays));
        }
        if let Some((_, panes)) = joined.forgotten {
            for kind in [Kind::Outcomes, Kind::Delays] {
                self.delete_before(kind, model, panes, changes)?;
            }
        }
        Ok(())
    }

    /// How long labels took that have come for the predictions of each pane.
    pub fn delays(&self, model: &str) -> Result<Vec<(Time, DelayTally)>, StoreError> {
        self.all(Kind::Delays, &model_key(model))
    }

    /// Reading for a join cannot fail half-way: what it took for nothing would be wrong in what is written next. So a
    /// failure is remembered, and nothing is written after it.
    fn or_fail<T>(&self, found: Result<T, StoreError>, otherwise: T) -> T {
        found.unwrap_or_else(|error| {
            self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            otherwise
        })
    }

    /// # Errors
    /// When reading has failed before: what has been computed since may be wrong.
    pub fn check(&self) -> Result<(), StoreError> {
        match self.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

impl Ledger for Store {
    fn entries(&self, model: &str, ids: &[Id]) -> Vec<Option<Entry>> {
        let found = ids.iter().map(|id| self.get(Kind::Entries, &entry_key(model, *id))).collect();
        self.or_fail(found, vec![None; ids.len()])
    }

    fn outcomes(&self, model: &str, place: Place) -> Option<OutcomeTally> {
        let found = self.get(Kind::Outcomes, &place_key(model, place));
        self.or_fail(found, None).map(|(_, tally): (Place, OutcomeTally)| tally)
    }

    fn places(&self, model: &str, from: Time, to: Time) -> Vec<Place> {
        let (from, to) = (starting_at(model, from), starting_at(model, to));
        let places = || -> Result<Vec<Place>, StoreError> {
            let mut places = Vec::new();
            for entry in self.keyspace(Kind::Outcomes).range(from..to) {
                let key = entry.key().map_err(|cause| self.failed("read", cause))?;
                places.extend(place_of(&key));
            }
            Ok(places)
        };
        self.or_fail(places(), Vec::new())
    }
}

fn entry_key(model: &str, id: Id) -> Key {
    let mut key = model_key(model);
    key.extend(id.0.to_be_bytes());
    key
}

fn place_key(model: &str, place: Place) -> Key {
    let mut key = starting_at(model, place.pane);
    key.extend(place.sort.to_be_bytes());
    key.extend(place.slice.to_be_bytes());
    key
}

/// The place that a key is of.
fn place_of(key: &[u8]) -> Option<Place> {
    let (rest, slice) = key.split_last_chunk::<2>()?;
    let (rest, sort) = rest.split_last_chunk::<2>()?;
    let (_, pane) = rest.split_last_chunk::<8>()?;
    let pane = Time(i64::from_be_bytes(*pane) ^ i64::MIN);
    Some(Place { pane, sort: u16::from_be_bytes(*sort), slice: u16::from_be_bytes(*slice) })
}
