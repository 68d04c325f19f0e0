//! What joins keep: entries by id, outcomes by pane and slice, and how long labels took.

use std::fmt;
use std::sync::PoisonError;

use super::{Changes, Key, Kind, Store, StoreError, ledger, model_key, starting_at};
use crate::join::{self, DelayTally, Entry, Ledger, Place, Sort};
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
        // An entry has no part that postcard cannot write; were there one, it would read as damaged.
        let bytes = |entry| postcard::to_stdvec(entry).unwrap_or_default();
        let entries = joined.entries.iter().map(|(id, entry)| (id.0, entry.time(), bytes(entry)));
        self.ledger.put(&model_key(model), entries, &mut changes.additions);
        if let Some(sorts) = &joined.sorts {
            changes.put(Kind::Sorts, model_key(model), sorts);
        }
        for (place, tally) in &joined.outcomes {
            changes.put(Kind::Outcomes, place_key(model, *place), &(place, tally));
        }
        for (pane, delays) in &joined.delays {
            changes.put(Kind::Delays, starting_at(model, *pane), &(pane, delays));
        }
        if let Some((entries, panes)) = joined.forgotten {
            self.ledger.expire(&model_key(model), entries, &mut changes.additions);
            for kind in [Kind::Outcomes, Kind::Delays] {
                self.delete_before(kind, model, panes, changes)?;
            }
        }
        Ok(())
    }

    /// Reads what the ledger knows of models, without which no entry is found.
    pub(super) fn load_ledger(&self) -> Result<(), StoreError> {
        let mut models = Vec::new();
        for entry in self.keyspace(Kind::Entries).prefix(ledger::MODEL) {
            let (key, sealed) = entry.into_inner().map_err(|cause| self.failed("read", cause))?;
            models.push(self.decode(Kind::Entries, &key, &sealed)?);
        }
        if self.ledger.load(models) { Ok(()) } else { self.refused("it does not know all its models".to_owned()) }
    }

    /// Of what versions and axes a model's entries are.
    pub fn sorts(&self, model: &str) -> Result<Vec<Sort>, StoreError> {
        Ok(self.get(Kind::Sorts, &model_key(model))?.unwrap_or_default())
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
        let ids: Vec<u128> = ids.iter().map(|id| id.0).collect();
        let read = |id: u128, bytes: &[u8]| {
            let entry: Option<Entry> = postcard::from_bytes(bytes).ok();
            if entry.is_none() {
                self.count_damaged(Kind::Entries, &id.to_be_bytes());
            }
            entry
        };
        let found = self.ledger.get(&self.database, &model_key(model), &ids, read);
        self.or_fail(found.map_err(|cause| self.failed("read", cause)), vec![None; ids.len()])
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
