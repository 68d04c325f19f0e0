//! The store: what has to outlive the process, in one directory.
//!
//! Each step of the daemon is one atomic batch, on the disk before anything of it is told. A value is an upsert:
//! writing the same again leaves the same content, so a step that is repeated after a crash does no harm.

mod audit;
mod database;
mod joined;
mod key;
mod ledger;
mod post;
mod runs;
mod value;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use fjall::{Database, Keyspace, OwnedWriteBatch, PersistMode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::audit::{Act, Head};
use crate::block::Block;
use crate::engine::{LearntKey, State};
use crate::join;
use crate::notify::Letter;
use crate::notify::event::Record;
use crate::pane::{Pane, Partition};
use crate::reference::Reference;
use crate::retrain::Run;
use crate::route;
use crate::time::Time;
use database::{DATABASE, open_database};
use key::{Key, block_key, learnt_key, letter_key, model_key, pane_key, position_key, starting_at, text_key};
use ledger::{Additions, Ledger};
pub use post::DeadLetter;
use value::Opened;

#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The directory; it is made when it is missing, and one process at a time may use it.
    pub path: PathBuf,
    /// How many bytes of its files stay in memory.
    pub cache: u64,
}

/// What predictions that wait for their labels are looked up in. Without labels little of it is ever filled: the rest
/// of the store is read once, at the start, and then only written to.
pub const CACHE: u64 = 256 << 20;

/// Where counting of a partition goes on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// The offset from which to read again to have every row of the panes that are still open.
    pub resume: i64,
    /// The offset after the last row looked at.
    pub next: i64,
    /// For each model, the latest event time seen when `resume` was reported.
    pub latest: BTreeMap<Arc<str>, Time>,
}

/// Everything that one step of the daemon makes durable.
#[derive(Debug, Default)]
pub struct Commit {
    pub positions: Vec<(Partition, Position)>,
    pub panes: Vec<Pane>,
    /// Panes of this model that start before this are forgotten, also those of this commit.
    pub expired: Vec<(Arc<str>, Time)>,
    pub states: Vec<(Arc<str>, State)>,
    pub learnt: Vec<(LearntKey, Arc<Reference>)>,
    pub blocks: Vec<Block>,
    /// Blocks of this model that start before this are forgotten, also those of this commit.
    pub forgotten: Vec<(Arc<str>, Time)>,
    /// To be delivered.
    pub letters: Vec<Letter>,
    /// What has changed in what receivers know.
    pub routed: Vec<route::Change>,
    /// Retrains that are asked for. One that is stored already stays as it is.
    pub runs: Vec<Run>,
    /// What has changed in the joins, by model.
    pub joined: Vec<(Arc<str>, join::Changes)>,
    /// Records that are to be published when this is on the disk, in place of those of the step before.
    pub records: Vec<Record>,
    /// What goes into the audit log; it gets its places there when it is stored.
    pub audit: Vec<Act>,
}

/// What is kept of one monitor.
#[derive(Debug, Default, PartialEq)]
pub struct Kept {
    /// The default one when there is none.
    pub state: State,
    /// By start.
    pub panes: Vec<Pane>,
    pub learnt: Vec<(LearntKey, Arc<Reference>)>,
    /// By start.
    pub blocks: Vec<Block>,
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The daemon cannot start on it.
    #[error("open the store in {}: {cause}; {hint}", path.display())]
    Open { path: PathBuf, cause: String, hint: &'static str },
    /// The daemon cannot start on it, but another version can.
    #[error(
        "open the store in {}: tidegauge {writer} wrote it in format {format}, and this version reads format {}; run \
         that version, or {MOVE_AWAY}",
        path.display(), value::FORMAT
    )]
    Format { path: PathBuf, writer: String, format: u8 },
    /// What is on the disk is no longer certain: end the process, and start again from what it holds.
    #[error("{doing} the store in {}: {cause}", path.display())]
    Failed { doing: &'static str, path: PathBuf, cause: fjall::Error },
}

pub struct Store {
    path: PathBuf,
    database: Database,
    /// In the order of [`Kind::ALL`].
    keyspaces: Vec<Keyspace>,
    ledger: Ledger,
    /// How far the audit log goes.
    audit: Mutex<Head>,
    marks: Mutex<Marks>,
    damaged: AtomicU64,
    /// What went wrong in reading for a join.
    failure: Mutex<Option<StoreError>>,
}

impl Store {
    pub fn open(config: &Config) -> Result<Store, StoreError> {
        let (database, keyspaces, ledger) = open_database(config)?;
        let (path, marks, damaged) = (config.path.clone(), Mutex::default(), AtomicU64::new(0));
        let audit = Mutex::new(Head::NONE);
        let store = Store { path, database, keyspaces, ledger, audit, marks, damaged, failure: Mutex::default() };
        store.check_writer()?;
        store.check_marks()?;
        store.load_ledger()?;
        store.load_audit_head()?;
        Ok(store)
    }

    /// Whether there is a store in a directory. To open one is to make it where there is none.
    pub fn is_at(path: &Path) -> bool {
        path.join(DATABASE).is_dir()
    }

    /// Makes a step durable, all of it or nothing. It is on the disk when this returns.
    pub fn commit(&self, commit: &Commit) -> Result<(), StoreError> {
        self.check()?;
        let mut changes = Changes::default();
        for (model, joined) in &commit.joined {
            self.put_joined(model, joined, &mut changes)?;
        }
        for (number, record) in (0u64..).zip(&commit.records) {
            changes.put(Kind::Records, number.to_be_bytes().to_vec(), record);
        }
        for pane in &commit.panes {
            changes.put(Kind::Panes, pane_key(pane), pane);
        }
        for block in &commit.blocks {
            changes.put(Kind::Blocks, block_key(block), block);
        }
        let expired = commit.expired.iter().map(|before| (Kind::Panes, before));
        let forgotten = commit.forgotten.iter().map(|before| (Kind::Blocks, before));
        for (kind, (model, before)) in expired.chain(forgotten) {
            self.delete_before(kind, model, *before, &mut changes)?;
        }
        for (partition, position) in &commit.positions {
            changes.put(Kind::Positions, position_key(partition), &(partition, position));
        }
        for (model, state) in &commit.states {
            changes.put(Kind::States, model_key(model), state);
        }
        for (learnt, reference) in &commit.learnt {
            changes.put(Kind::Learnt, learnt_key(learnt), &(learnt, reference));
        }
        for letter in &commit.letters {
            changes.put(Kind::Letters, letter_key(&letter.id), letter);
        }
        for route::Change { key, kept } in &commit.routed {
            match kept {
                Some(kept) => changes.put(Kind::Routed, text_key(key), kept),
                None => changes.delete(Kind::Routed, text_key(key)),
            }
        }
        self.add_runs(&commit.runs, &mut changes)?;
        let placed = self.place(&commit.audit, &mut changes)?;
        self.write(changes, PersistMode::SyncAll)?;
        placed.into_iter().for_each(|placed| placed.written());
        Ok(())
    }

    /// Forgets what is of a model and starts before this, be it stored or just about to be.
    fn delete_before(&self, kind: Kind, model: &str, before: Time, changes: &mut Changes) -> Result<(), StoreError> {
        let (from, to) = (starting_at(model, Time::MIN), starting_at(model, before));
        for entry in self.keyspace(kind).range(from.as_slice()..to.as_slice()) {
            changes.delete(kind, entry.key().map_err(|cause| self.failed("read", cause))?.to_vec());
        }
        changes.delete_range(kind, from, to);
        Ok(())
    }

    /// Records of the last step that are still to be published, or are to be once more.
    pub fn records(&self) -> Result<Vec<Record>, StoreError> {
        self.all(Kind::Records, &[])
    }

    /// The records have been published. Does not wait for the disk: after a crash they may be published once more.
    pub fn published(&self) -> Result<(), StoreError> {
        let mut changes = Changes::default();
        for entry in self.keyspace(Kind::Records).iter() {
            let key = entry.key().map_err(|cause| self.failed("read", cause))?;
            if *key != *MARK {
                changes.delete(Kind::Records, key.to_vec());
            }
        }
        self.write(changes, PersistMode::Buffer)
    }

    pub fn position(&self, partition: &Partition) -> Result<Option<Position>, StoreError> {
        let found: Option<(Partition, Position)> = self.get(Kind::Positions, &position_key(partition))?;
        Ok(found.map(|(_, position)| position))
    }

    pub fn positions(&self) -> Result<Vec<(Partition, Position)>, StoreError> {
        self.all(Kind::Positions, &[])
    }

    pub fn monitor(&self, model: &str) -> Result<Kept, StoreError> {
        let key = model_key(model);
        Ok(Kept {
            state: self.get(Kind::States, &key)?.unwrap_or_default(),
            panes: self.all(Kind::Panes, &key)?,
            learnt: self.all(Kind::Learnt, &key)?,
            blocks: self.all(Kind::Blocks, &key)?,
        })
    }

    /// Forgets all monitors but these.
    pub fn retain(&self, models: &[&str]) -> Result<(), StoreError> {
        let kept: Vec<Key> = models.iter().map(|model| model_key(model)).collect();
        let mut changes = Changes::default();
        for kind in [Kind::Panes, Kind::States, Kind::Learnt, Kind::Blocks, Kind::Outcomes, Kind::Delays, Kind::Sorts] {
            for entry in self.keyspace(kind).iter() {
                let key = entry.key().map_err(|cause| self.failed("read", cause))?;
                if *key != *MARK && !kept.iter().any(|model| key.starts_with(model)) {
                    changes.delete(kind, key.to_vec());
                }
            }
        }
        self.ledger.retain(&kept, &mut changes.additions);
        self.write(changes, PersistMode::SyncAll)
    }

    /// How many damaged values were found and passed over since this store was opened.
    pub fn damaged(&self) -> u64 {
        self.damaged.load(Ordering::Relaxed)
    }

    /// Checks which version wrote the store, and says that this one does now.
    fn check_writer(&self) -> Result<(), StoreError> {
        let writer = env!("CARGO_PKG_VERSION").as_bytes();
        let found = self.keyspace(Kind::About).get(WRITER).map_err(|cause| self.failed("read", cause))?;
        match found.as_deref().map(|sealed| value::open(WRITER, sealed)) {
            Some(Opened::Foreign(format, writer)) => return Err(self.foreign(format, writer)),
            Some(Opened::Intact(last)) if last == writer => return Ok(()),
            Some(Opened::Damaged) => self.count_damaged(Kind::About, WRITER),
            Some(Opened::Intact(_)) | None => {}
        }
        let sealed = value::seal(WRITER, writer);
        let inserted = self.keyspace(Kind::About).insert(WRITER, sealed);
        inserted.map_err(|cause| self.failed("write to", cause))
    }

    /// Checks that no part of the store has lost what another still has: counts would be wrong without a sign of it.
    fn check_marks(&self) -> Result<(), StoreError> {
        let marks: Marks = self.get(Kind::About, MARK)?.unwrap_or_default();
        for kind in Kind::ALL {
            let own: Option<Marks> = self.get(kind, MARK)?;
            if own.unwrap_or_default()[kind as usize] != marks[kind as usize] {
                return self.refused(format!("its {} are not of the same step as the rest", kind.name()));
            }
        }
        let steps = self.keyspace(Kind::About).prefix(STEP).map(|entry| Ok(entry.key()?.to_vec()));
        let steps: Vec<Key> = steps.collect::<Result<_, _>>().map_err(|cause| self.failed("read", cause))?;
        let last = Some(last_of(&marks)).filter(|&last| last > 0);
        if steps != last.map(step_key).into_iter().collect::<Vec<_>>() {
            return self.refused("its steps are not in the order in which they were made".to_owned());
        }
        *self.marks.lock().unwrap_or_else(PoisonError::into_inner) = marks;
        Ok(())
    }

    fn refused(&self, cause: String) -> Result<(), StoreError> {
        Err(StoreError::Open { path: self.path.clone(), cause, hint: MOVE_AWAY })
    }

    fn write(&self, mut changes: Changes, mode: PersistMode) -> Result<(), StoreError> {
        let (entries, models) = std::mem::take(&mut changes.additions).into_parts();
        // A step that adds entries stores their models as well, and so their part gets its mark.
        models.iter().for_each(|model| changes.put(Kind::Entries, model.key(), model));
        if changes.values.is_empty() {
            return Ok(());
        }
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        changes.mark(&mut marks);
        let size = changes.values.len() + entries.len();
        let mut batch = OwnedWriteBatch::with_capacity(self.database.clone(), size).durability(Some(mode));
        for ((kind, key), value) in changes.values {
            match value {
                Some(value) => batch.insert(self.keyspace(kind), key, value),
                None => batch.remove(self.keyspace(kind), key),
            }
        }
        for (key, value) in entries {
            batch.insert(self.keyspace(Kind::Entries), key, value);
        }
        batch.commit().map_err(|cause| self.failed("write to", cause))?;
        self.ledger.written(models);
        Ok(())
    }

    fn get<T: DeserializeOwned>(&self, kind: Kind, key: &[u8]) -> Result<Option<T>, StoreError> {
        let sealed = self.keyspace(kind).get(key).map_err(|cause| self.failed("read", cause))?;
        sealed.map_or(Ok(None), |sealed| self.decode(kind, key, &sealed))
    }

    /// Everything whose key begins so, by key.
    fn all<T: DeserializeOwned>(&self, kind: Kind, prefix: &[u8]) -> Result<Vec<T>, StoreError> {
        let mut found = Vec::new();
        for entry in self.keyspace(kind).prefix(prefix) {
            let (key, sealed) = entry.into_inner().map_err(|cause| self.failed("read", cause))?;
            if *key != *MARK {
                found.extend(self.decode(kind, &key, &sealed)?);
            }
        }
        Ok(found)
    }

    /// `None` for a damaged value: what it held is counted again from Kafka, or is lost, but nothing else is.
    fn decode<T: DeserializeOwned>(&self, kind: Kind, key: &[u8], sealed: &[u8]) -> Result<Option<T>, StoreError> {
        let decoded = match value::open(key, sealed) {
            Opened::Intact(bytes) => postcard::from_bytes(bytes).ok(),
            Opened::Foreign(format, _) => return Err(self.foreign(format, b"of another version")),
            Opened::Damaged => None,
        };
        if decoded.is_none() {
            self.count_damaged(kind, key);
        }
        Ok(decoded)
    }

    fn count_damaged(&self, kind: Kind, key: &[u8]) {
        self.damaged.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(kind = kind.name(), key = %key.escape_ascii(), "passed over a damaged value in the store");
    }

    fn keyspace(&self, kind: Kind) -> &Keyspace {
        &self.keyspaces[kind as usize]
    }

    fn foreign(&self, format: u8, writer: &[u8]) -> StoreError {
        StoreError::Format { path: self.path.clone(), writer: String::from_utf8_lossy(writer).into_owned(), format }
    }

    fn failed(&self, doing: &'static str, cause: fjall::Error) -> StoreError {
        StoreError::Failed { doing, path: self.path.clone(), cause }
    }
}

/// The key of the version that wrote the store.
const WRITER: &[u8] = b"writer";

/// The key, in each part, of the number of the last step that changed it. The part `about` has the numbers of all.
const MARK: &[u8] = b"mark";

type Marks = [u64; Kind::ALL.len()];

fn last_of(marks: &Marks) -> u64 {
    marks.iter().max().copied().unwrap_or(0)
}

/// What the key begins with that each step adds, and the next one takes away. The engine under the store does not check
/// the numbers by which it orders batches: with one of them damaged, an old step would come last, and nothing else
/// would tell. Then more than one such key is left.
const STEP: &[u8] = b"step";

fn step_key(step: u64) -> Key {
    [STEP, &step.to_be_bytes()].concat()
}

const MOVE_AWAY: &str = "move the directory away to begin anew with what Kafka still has";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    About,
    Positions,
    Panes,
    States,
    Learnt,
    Letters,
    Blocks,
    Entries,
    Outcomes,
    Delays,
    Records,
    DeadLetters,
    Routed,
    Silences,
    Audit,
    Runs,
    Sorts,
}

impl Kind {
    const ALL: [Kind; 17] = [
        Kind::About,
        Kind::Positions,
        Kind::Panes,
        Kind::States,
        Kind::Learnt,
        Kind::Letters,
        Kind::Blocks,
        Kind::Entries,
        Kind::Outcomes,
        Kind::Delays,
        Kind::Records,
        Kind::DeadLetters,
        Kind::Routed,
        Kind::Silences,
        Kind::Audit,
        Kind::Runs,
        Kind::Sorts,
    ];

    fn name(self) -> &'static str {
        match self {
            Kind::About => "about",
            Kind::Positions => "positions",
            Kind::Panes => "panes",
            Kind::States => "states",
            Kind::Learnt => "learnt",
            Kind::Letters => "letters",
            Kind::Blocks => "blocks",
            Kind::Entries => "entries",
            Kind::Outcomes => "outcomes",
            Kind::Delays => "delays",
            Kind::Records => "records",
            Kind::DeadLetters => "dead letters",
            Kind::Routed => "routed alerts",
            Kind::Silences => "silences",
            Kind::Audit => "audit",
            Kind::Runs => "runs",
            Kind::Sorts => "sorts",
        }
    }
}

/// What a batch does.
#[derive(Default)]
struct Changes {
    /// To each key: the engine under the store does not say which of two changes to one key wins.
    values: BTreeMap<(Kind, Key), Option<Vec<u8>>>,
    /// To the ledger, apart because there are so many.
    additions: Additions,
}

impl Changes {
    fn put(&mut self, kind: Kind, key: Key, content: &impl Serialize) {
        // What is stored has no part that postcard cannot write; were there one, it would read as damaged.
        let bytes = postcard::to_stdvec(content).unwrap_or_default();
        let sealed = value::seal(&key, &bytes);
        self.values.insert((kind, key), Some(sealed));
    }

    fn delete(&mut self, kind: Kind, key: Key) {
        self.values.insert((kind, key), None);
    }

    /// Numbers this step.
    fn mark(&mut self, marks: &mut Marks) {
        let step = 1 + last_of(marks);
        self.put(Kind::About, step_key(step), &());
        self.delete(Kind::About, step_key(step - 1));
        let changed: BTreeSet<Kind> = self.values.keys().map(|(kind, _)| *kind).chain([Kind::About]).collect();
        changed.iter().for_each(|&kind| marks[kind as usize] = step);
        changed.iter().for_each(|&kind| self.put(kind, MARK.to_vec(), marks));
    }

    fn delete_range(&mut self, kind: Kind, from: Key, to: Key) {
        self.values.range_mut((kind, from)..(kind, to)).for_each(|(_, change)| *change = None);
    }
}
