//! The ledger: what is kept under the ids of rows, found again in batches, and forgotten by time.
//!
//! All entries are in one keyspace, ordered by model and id, so that a lookup asks one tree. Of each model there is a
//! time, moved on by a step, before which entries are dead: from then on they are not found, and the engine leaves them
//! out when it next rewrites the files that they are in, which it does anyway.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::{Arc, PoisonError, RwLock};

use fjall::compaction::filter::{CompactionFilter, CompactionFilterResult, Context, Factory, ItemAccessor, Verdict};
use fjall::config::{BloomConstructionPolicy, FilterPolicy, FilterPolicyEntry, PartitioningPolicy, PinningPolicy};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, Readable, UserValue};
use serde::{Deserialize, Serialize};

use crate::time::Time;

pub(super) struct Ledger {
    keyspace: Keyspace,
    models: Arc<Models>,
}

/// What a step does to the ledger.
#[derive(Default)]
pub(super) struct Additions {
    entries: Vec<(EntryKey, UserValue)>,
    /// By number.
    models: BTreeMap<u32, Model>,
}

/// What is stored of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Model {
    /// Entries begin with it. It is never given to another model, so that one that is gone leaves nothing to others.
    number: u32,
    /// The hash of its name.
    name: Vec<u8>,
    /// Entries of an age below this are dead.
    before: Age,
}

impl Model {
    pub fn key(&self) -> Vec<u8> {
        [MODEL, &self.number.to_be_bytes()].concat()
    }
}

/// The key of an entry: the number of its model and its id. The engine keeps keys of up to 20 bytes in place.
pub(super) type EntryKey = [u8; 4 + 16];

/// A time in the form in which it stands before an entry's bytes, where it sorts like the time. It has milliseconds
/// over 8,900 years; what is beyond is taken for the first or the last of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Age([u8; 6]);

impl Age {
    const LEAST: Age = Age([0; 6]);
    /// That of a model that is gone: no entry is of an age above it.
    const GONE: Age = Age([u8::MAX; 6]);

    fn of(time: Time) -> Age {
        const HALF: i64 = 1 << 47;
        let [_, _, age @ ..] = (time.0.clamp(-HALF, HALF - 2) + HALF).to_be_bytes();
        Age(age)
    }

    /// Takes an entry's value apart.
    fn split(value: &[u8]) -> Option<(Age, &[u8])> {
        value.split_first_chunk().map(|(age, bytes)| (Age(*age), bytes))
    }
}

impl Ledger {
    pub fn new(keyspace: Keyspace, models: Arc<Models>) -> Ledger {
        Ledger { keyspace, models }
    }

    /// What is kept under these ids, in their order, as `read` makes it of an id and its bytes. It sees whole steps only.
    /// Of many ids some are looked up by other threads.
    pub fn get<T: Send>(
        &self,
        database: &Database,
        model: &[u8],
        ids: &[u128],
        read: impl Fn(u128, &[u8]) -> Option<T> + Sync,
    ) -> Result<Vec<Option<T>>, fjall::Error> {
        let Some((number, before)) = self.models.find(model) else {
            return Ok(ids.iter().map(|_| None).collect());
        };
        let snapshot = database.snapshot();
        let find = |id: &u128| {
            let value = snapshot.get(&self.keyspace, entry_key(number, *id))?;
            let alive = value.as_deref().and_then(Age::split).filter(|(age, _)| *age >= before);
            Ok(alive.and_then(|(_, bytes)| read(*id, bytes)))
        };
        if ids.is_sorted() {
            return in_parallel(ids, find);
        }
        // In order, neighbours are found in the same files, and what was read for one serves the next.
        let mut places: Vec<usize> = (0..ids.len()).collect();
        places.sort_unstable_by_key(|&place| ids[place]);
        let sorted: Vec<u128> = places.iter().map(|&place| ids[place]).collect();
        let mut found: Vec<Option<T>> = ids.iter().map(|_| None).collect();
        for (place, entry) in places.into_iter().zip(in_parallel(&sorted, find)?) {
            found[place] = entry;
        }
        Ok(found)
    }

    /// Adds entries to a step, each in place of an earlier one under its id, be that of this step or not.
    pub fn put<B: AsRef<[u8]>>(
        &self,
        model: &[u8],
        entries: impl IntoIterator<Item = (u128, Time, B)>,
        additions: &mut Additions,
    ) {
        let mut entries = entries.into_iter().peekable();
        if entries.peek().is_none() {
            return;
        }
        let number = self.change(model, additions).number;
        additions.entries.extend(entries.map(|(id, time, bytes)| {
            let Age(age) = Age::of(time);
            (entry_key(number, id), UserValue::from([&age, bytes.as_ref()].concat()))
        }));
    }

    /// Forgets entries of a time before this, also those of the same step.
    pub fn expire(&self, model: &[u8], before: Time, additions: &mut Additions) {
        let before = Age::of(before);
        if before > Age::LEAST {
            let model = self.change(model, additions);
            model.before = model.before.max(before);
        }
    }

    /// Forgets all models but these.
    pub fn retain(&self, kept: &[Vec<u8>], additions: &mut Additions) {
        for name in self.models.names().iter().filter(|&name| !kept.contains(name)) {
            self.change(name, additions).before = Age::GONE;
        }
    }

    /// The model as a step is to store it.
    fn change<'a>(&self, name: &[u8], additions: &'a mut Additions) -> &'a mut Model {
        let (model, unstored) = self.models.number(name);
        // Were a step given up, those that it was to store would be missing before the next.
        for model in unstored {
            additions.models.entry(model.number).or_insert(model);
        }
        additions.models.entry(model.number).or_insert(model)
    }

    /// The step is on the disk that makes this of models. What is dead from now on may be taken away.
    pub fn written(&self, models: Vec<Model>) {
        self.models.set(models.into_iter());
    }

    /// Takes over what is stored of models. `false` when it is not all there.
    pub fn load(&self, stored: Vec<Option<Model>>) -> bool {
        let is_whole = (0u32..).zip(&stored).all(|(at, model)| model.as_ref().is_some_and(|model| model.number == at));
        self.models.set(stored.into_iter().flatten());
        is_whole
    }
}

impl Additions {
    /// The entries, of which no two have the same key, and their models with others that change.
    pub fn into_parts(mut self) -> (Vec<(EntryKey, UserValue)>, Vec<Model>) {
        // The engine does not say which of two changes to one key wins. Of equal ones the last comes first here, and
        // the first stays.
        self.entries.reverse();
        self.entries.sort_by_key(|(key, _)| *key);
        self.entries.dedup_by_key(|(key, _)| *key);
        (self.entries, self.models.into_values().collect())
    }
}

/// What the keys begin with of what is stored of models. They are shorter than those of entries.
pub(super) const MODEL: &[u8] = b"model";

fn entry_key(number: u32, id: u128) -> EntryKey {
    let mut key = EntryKey::default();
    key[..4].copy_from_slice(&number.to_be_bytes());
    key[4..].copy_from_slice(&id.to_be_bytes());
    key
}

/// Fewer are looked up faster than a thread is started.
const LEAST: usize = 1024;
const READERS: usize = 2;

/// Does it to each, in a few threads when there are many; the results are in order.
fn in_parallel<A: Sync, T: Send>(
    of: &[A],
    work: impl Fn(&A) -> Result<T, fjall::Error> + Sync,
) -> Result<Vec<T>, fjall::Error> {
    if of.len() < LEAST {
        return of.iter().map(work).collect();
    }
    let work = &work;
    let parts = std::thread::scope(|scope| {
        let part = |part| scope.spawn(move || <[A]>::iter(part).map(work).collect::<Result<Vec<T>, fjall::Error>>());
        let threads: Vec<_> = of.chunks(of.len().div_ceil(READERS)).map(part).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect::<Vec<_>>()
    });
    let mut results = Vec::with_capacity(of.len());
    for part in parts {
        results.extend(part?);
    }
    Ok(results)
}

/// What is known of models. The engine's threads look into it, so it is made before the database is opened.
#[derive(Default)]
pub(super) struct Models(RwLock<Known>);

#[derive(Default)]
struct Known {
    /// By number.
    models: Vec<Model>,
    /// How many of the first are stored.
    stored: usize,
}

impl Known {
    /// Those that are not gone.
    fn living(&self) -> impl Iterator<Item = &Model> {
        self.models.iter().filter(|model| model.before != Age::GONE)
    }
}

impl Models {
    fn find(&self, name: &[u8]) -> Option<(u32, Age)> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.living().find(|model| model.name == name).map(|model| (model.number, model.before))
    }

    fn names(&self) -> Vec<Vec<u8>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.living().map(|model| model.name.clone()).collect()
    }

    /// The model of this name, with the next number if it has none yet, and those that are not stored yet.
    fn number(&self, name: &[u8]) -> (Model, Vec<Model>) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let found = known.living().find(|model| model.name == name).cloned();
        let model = found.unwrap_or_else(|| {
            let new = Model { number: known.models.len() as u32, name: name.to_vec(), before: Age::LEAST };
            known.models.push(new.clone());
            new
        });
        (model, known.models[known.stored..].to_vec())
    }

    /// Takes over what has been stored.
    fn set(&self, stored: impl Iterator<Item = Model>) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for model in stored {
            known.stored = known.stored.max(model.number as usize + 1);
            match known.models.get_mut(model.number as usize) {
                Some(same) => *same = model,
                None => known.models.push(model),
            }
        }
    }
}

impl Factory for Models {
    fn name(&self) -> &str {
        "dead entries"
    }

    fn make_filter(&self, _: &Context) -> Box<dyn CompactionFilter> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Box::new(Living(known.models.iter().map(|model| model.before).collect()))
    }
}

/// Lets through what is alive: by the number of its model, the age from which on entries are.
struct Living(Vec<Age>);

impl CompactionFilter for Living {
    fn filter_item(&mut self, item: ItemAccessor<'_>, _: &Context) -> CompactionFilterResult {
        let Some((number, _)) = item.key().split_first_chunk().filter(|(_, id)| id.len() == 16) else {
            return Ok(Verdict::Keep);
        };
        // Models are not known before the store is open, and files may be rewritten by then.
        let Some(before) = self.0.get(u32::from_be_bytes(*number) as usize) else { return Ok(Verdict::Keep) };
        let value = item.value()?;
        let is_dead = Age::split(&value).is_some_and(|(age, _)| age < *before);
        // An earlier entry under the same id, with a later time, must not come back in its place: so it is deleted,
        // and not just left out.
        Ok(if is_dead { Verdict::Remove } else { Verdict::Keep })
    }
}

/// How the engine keeps entries. Most lookups of a prediction find nothing, which only a filter can say without reading
/// a block, so filters stay in memory, two bytes for an entry together with the index.
pub(super) fn options() -> KeyspaceCreateOptions {
    let filter = FilterPolicyEntry::Bloom(BloomConstructionPolicy::BitsPerKey(10.0));
    KeyspaceCreateOptions::default()
        .max_memtable_size(MEMTABLE)
        .filter_policy(FilterPolicy::all(filter))
        .filter_block_partitioning_policy(PartitioningPolicy::all(false))
        .index_block_partitioning_policy(PartitioningPolicy::all(false))
        .filter_block_pinning_policy(PinningPolicy::all(true))
        .index_block_pinning_policy(PinningPolicy::all(true))
}

const MEMTABLE: u64 = 64 << 20;
