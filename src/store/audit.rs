//! The audit log in the store: entries by their number, and apart from them the head.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};

use super::{Changes, Commit, Kind, Store, StoreError};
use crate::audit::{Act, Entry, Hash, Head, What};

/// The key of the head, in the part that is about the store.
const HEAD: &[u8] = b"audit";

/// The key of what each model was last compared with, beside it.
const REFERENCES: &[u8] = b"references";

/// What is compared: a model, its version and the topic; the latter two are empty where one reference is for all.
type Measured = (String, String, String);

/// Acts that have their place, and what the head becomes when they are on the disk. As long as this is there, nobody
/// else adds any.
pub(super) struct Placed<'a> {
    head: MutexGuard<'a, Head>,
    next: Head,
}

impl Placed<'_> {
    pub fn written(mut self) {
        *self.head = self.next;
    }
}

impl Store {
    /// Gives acts their places in the log.
    pub(super) fn place(&self, acts: &[Act], changes: &mut Changes) -> Result<Option<Placed<'_>>, StoreError> {
        let Some(first) = acts.first() else { return Ok(None) };
        let references = acts.iter().filter_map(|act| match &act.what {
            What::Reference { model, version, topic, to, .. } => Some((model, version, topic, to)),
            _ => None,
        });
        let changed: Vec<(Measured, String)> = references
            .map(|(model, version, topic, to)| ((model.clone(), version.clone(), topic.clone()), to.clone()))
            .collect();
        if !changed.is_empty() {
            let mut references = self.references()?;
            references.extend(changed);
            changes.put(Kind::About, REFERENCES.to_vec(), &references);
        }
        let head = self.audit.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = *head;
        let mut put = |entry: Entry| {
            changes.put(Kind::Audit, entry.sequence.to_be_bytes().to_vec(), &entry.to_json());
            Head::after(&entry)
        };
        if next == Head::NONE {
            // Nobody has to be kept from guessing the name: it is to be another one each time.
            next = put(Entry::genesis(format!("{:032x}", fastrand::u128(..)), first));
        }
        for act in acts {
            next = put(Entry::new(next, act.clone()));
        }
        changes.put(Kind::About, HEAD.to_vec(), &next.to_string());
        Ok(Some(Placed { head, next }))
    }

    /// The hash of what each model's version was last compared with in a topic, as the log has it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn references(&self) -> Result<BTreeMap<Measured, String>, StoreError> {
        Ok(self.get(Kind::About, REFERENCES)?.unwrap_or_default())
    }

    /// Puts acts into the log that belong to no other step.
    ///
    /// # Errors
    /// When the store cannot be written to.
    pub fn record(&self, acts: Vec<Act>) -> Result<(), StoreError> {
        self.commit(&Commit { audit: acts, ..Commit::default() })
    }

    /// Finds where the log goes on. Where the head is damaged that is after the last entry that there is, so that none is
    /// ever written over; that something was damaged then shows when the log is checked.
    pub(super) fn load_audit_head(&self) -> Result<(), StoreError> {
        let head: Option<String> = self.get(Kind::About, HEAD)?;
        let head = match head.and_then(|head| head.parse().ok()) {
            Some(head) => head,
            None => self.last_entry()?,
        };
        *self.audit.lock().unwrap_or_else(PoisonError::into_inner) = head;
        Ok(())
    }

    fn last_entry(&self) -> Result<Head, StoreError> {
        for entry in self.keyspace(Kind::Audit).iter().rev() {
            let (key, sealed) = entry.into_inner().map_err(|cause| self.failed("read", cause))?;
            let Ok(number) = <[u8; 8]>::try_from(&*key) else { continue };
            let text: Option<String> = self.decode(Kind::Audit, &key, &sealed)?;
            let hash = text.and_then(|text| Entry::from_json(&text).ok()).map_or(Hash::ZERO, |entry| entry.hash);
            return Ok(Head { count: u64::from_be_bytes(number).saturating_add(1), hash });
        }
        Ok(Head::NONE)
    }

    /// How far the log goes.
    pub fn audit_head(&self) -> Head {
        *self.audit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Entries from a number on, as they are stored, no more than so many, and the number from which to go on; `None` at
    /// the end. One that is damaged is left out, which breaks the chain.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn audit_from(&self, first: u64, most: usize) -> Result<(Vec<String>, Option<u64>), StoreError> {
        let mut found = Vec::new();
        for entry in self.keyspace(Kind::Audit).range(first.to_be_bytes().as_slice()..) {
            let (key, sealed) = entry.into_inner().map_err(|cause| self.failed("read", cause))?;
            // Beside entries there is the mark.
            let Ok(number) = <[u8; 8]>::try_from(&*key) else { continue };
            if found.len() >= most {
                return Ok((found, Some(u64::from_be_bytes(number))));
            }
            found.extend(self.decode(Kind::Audit, &key, &sealed)?);
        }
        Ok((found, None))
    }
}
