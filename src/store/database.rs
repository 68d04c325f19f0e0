//! Opening the database under the store.

use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use fjall::compaction::filter::Factory;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::ledger::{self, Ledger};
use super::{Config, Kind, MOVE_AWAY, StoreError};

/// The folder that the database is in, below the store's.
pub(super) const DATABASE: &str = "db";

type Parts = (Database, Vec<Keyspace>, Ledger);

/// Opens the database, or makes it. It is made under another name and then renamed, because one whose making was
/// interrupted could not be opened again.
pub(super) fn open_database(config: &Config) -> Result<Parts, StoreError> {
    let path = &config.path;
    let (at, making) = (path.join(DATABASE), path.join("db.new"));
    let failed = |cause: fjall::Error| StoreError::Open {
        path: path.clone(),
        hint: hint(&cause),
        cause: match cause {
            fjall::Error::Io(cause) => cause.to_string(),
            cause => cause.to_string(),
        },
    };
    if !at.exists() {
        let make = || -> Result<(), fjall::Error> {
            if making.exists() {
                fs::remove_dir_all(&making)?;
            }
            fs::create_dir_all(path)?;
            drop(parts(&making, config.cache)?);
            fs::rename(&making, &at)?;
            Ok(fs::File::open(path)?.sync_all()?)
        };
        make().map_err(failed)?;
    }
    // It panics on some damaged files.
    let opened = catch_unwind(AssertUnwindSafe(|| parts(&at, config.cache)));
    opened.unwrap_or(Err(fjall::Error::Unrecoverable)).map_err(failed)
}

fn parts(path: &Path, cache: u64) -> Result<Parts, fjall::Error> {
    let models = Arc::new(ledger::Models::default());
    let filter = models.clone();
    let database = Database::builder(path)
        .cache_size(cache)
        .max_journaling_size(JOURNALS)
        .worker_threads(1)
        .with_compaction_filter_factories(Arc::new(move |keyspace| {
            (keyspace == Kind::Entries.name()).then(|| filter.clone() as Arc<dyn Factory>)
        }))
        .open()?;
    let options = |kind| match kind {
        Kind::Entries => ledger::options(),
        _ => KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE),
    };
    let keyspaces = Kind::ALL.iter().map(|&kind| database.keyspace(kind.name(), || options(kind)));
    let keyspaces: Vec<Keyspace> = keyspaces.collect::<Result<_, _>>()?;
    database.persist(PersistMode::SyncAll)?;
    let ledger = Ledger::new(keyspaces[Kind::Entries as usize].clone(), models);
    Ok((database, keyspaces, ledger))
}

const MEMTABLE: u64 = 16 << 20;
const JOURNALS: u64 = 256 << 20;

fn hint(cause: &fjall::Error) -> &'static str {
    match cause {
        fjall::Error::Locked => "another process is using it: give each its own directory",
        fjall::Error::Io(cause) if cause.kind() == io::ErrorKind::StorageFull => "make room on the disk",
        fjall::Error::Io(_) => "make it a directory that this user may write to",
        _ => MOVE_AWAY,
    }
}
