//! Opening the database under the store.

use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::{Kind, MOVE_AWAY, StoreError};

/// Opens the database, or makes it. It is made under another name and then renamed, because one whose making was
/// interrupted could not be opened again.
pub(super) fn open_database(path: &Path) -> Result<(Database, Vec<Keyspace>), StoreError> {
    let (at, making) = (path.join("db"), path.join("db.new"));
    let failed = |cause: fjall::Error| StoreError::Open {
        path: path.to_owned(),
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
            drop(keyspaces(&making)?);
            fs::rename(&making, &at)?;
            Ok(fs::File::open(path)?.sync_all()?)
        };
        make().map_err(failed)?;
    }
    // It panics on some damaged files.
    let opened = catch_unwind(AssertUnwindSafe(|| keyspaces(&at)));
    opened.unwrap_or(Err(fjall::Error::Unrecoverable)).map_err(failed)
}

fn keyspaces(path: &Path) -> Result<(Database, Vec<Keyspace>), fjall::Error> {
    let database = Database::builder(path).cache_size(CACHE).max_journaling_size(JOURNALS).worker_threads(1).open()?;
    let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE);
    let keyspaces = Kind::ALL.iter().map(|kind| database.keyspace(kind.name(), options)).collect::<Result<_, _>>()?;
    database.persist(PersistMode::SyncAll)?;
    Ok((database, keyspaces))
}

// It is read once, at the start, and then only written to.
const CACHE: u64 = 8 << 20;
const MEMTABLE: u64 = 16 << 20;
const JOURNALS: u64 = 128 << 20;

fn hint(cause: &fjall::Error) -> &'static str {
    match cause {
        fjall::Error::Locked => "another process is using it: give each its own directory",
        fjall::Error::Io(cause) if cause.kind() == io::ErrorKind::StorageFull => "make room on the disk",
        fjall::Error::Io(_) => "make it a directory that this user may write to",
        _ => MOVE_AWAY,
    }
}
