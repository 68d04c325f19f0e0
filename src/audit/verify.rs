//! Checks a log from its first entry to its last.

use super::{Entry, FORMAT, Hash, Head, What};
use crate::time::Time;

/// A log that is whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    pub head: Head,
    /// When the first and the last entry were made.
    pub span: Option<(Time, Time)>,
}

/// Where a log is first found not to be whole.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("entry {sequence}: {why}")]
pub struct Broken {
    pub sequence: u64,
    pub why: Why,
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Why {
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    #[error("in its place is entry {found}: one was taken out, added or moved")]
    Sequence { found: u64 },
    #[error("the log does not begin with it, since it says of itself that it is no beginning")]
    NoGenesis,
    #[error("a second log begins with it")]
    SecondGenesis,
    #[error("it is of format {0}, and this version reads format {FORMAT}")]
    Format(u8),
    #[error("it does not follow from the entry before, which was changed or replaced")]
    Previous,
    #[error("it was changed: its hash is of something else")]
    Changed,
    #[error("it is not there, and a head says that there were {count} entries: the log was cut")]
    Cut { count: u64 },
    #[error("a head says that its hash was {noted}: it, or what came before it, was replaced")]
    Replaced { noted: Hash },
    #[error("the log's own head knows nothing of it: it was added")]
    Added,
}

/// Checks entries in the order in which they are kept, which are read one by one: what is `Err` could not be.
///
/// `head` is the log's own, and has to be that of the last entry. Those that were `noted` at some time have to be those
/// of entries that are there.
///
/// # Errors
/// The first thing that is wrong.
pub fn verify(
    entries: impl IntoIterator<Item = Result<Entry, String>>,
    head: Option<Head>,
    noted: &[Head],
) -> Result<Summary, Broken> {
    let (mut reached, mut span) = (Head::NONE, None::<(Time, Time)>);
    for entry in entries {
        let broken = |why| Broken { sequence: reached.count, why };
        let entry = entry.map_err(|error| broken(Why::Unreadable(error)))?;
        check(&entry, reached).map_err(broken)?;
        if head.is_some_and(|head| reached.count >= head.count) {
            return Err(broken(Why::Added));
        }
        reached = Head::after(&entry);
        let not_as_noted = |noted: &&Head| noted.count == reached.count && noted.hash != reached.hash;
        if let Some(noted) = noted.iter().chain(&head).find(not_as_noted) {
            return Err(Broken { sequence: entry.sequence, why: Why::Replaced { noted: noted.hash } });
        }
        span = Some((span.map_or(entry.at, |(first, _)| first), entry.at));
    }
    match noted.iter().chain(&head).find(|noted| noted.count > reached.count) {
        Some(noted) => Err(Broken { sequence: reached.count, why: Why::Cut { count: noted.count } }),
        None => Ok(Summary { head: reached, span }),
    }
}

/// Checks an entry that comes after all that the head is of.
fn check(entry: &Entry, before: Head) -> Result<(), Why> {
    if entry.sequence != before.count {
        return Err(Why::Sequence { found: entry.sequence });
    }
    if entry.previous != before.hash {
        return Err(Why::Previous);
    }
    if entry.hash != entry.content_hash() {
        return Err(Why::Changed);
    }
    match (&entry.what, entry.sequence) {
        (What::Genesis { format, .. }, 0) if *format != FORMAT => Err(Why::Format(*format)),
        (What::Genesis { .. }, 0) => Ok(()),
        (What::Genesis { .. }, _) => Err(Why::SecondGenesis),
        (_, 0) => Err(Why::NoGenesis),
        _ => Ok(()),
    }
}
