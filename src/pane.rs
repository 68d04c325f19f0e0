//! A pane: what one partition counted in the smallest slice of event time.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::tally::FieldTally;
use crate::time::Time;

/// One partition of one topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Partition {
    pub topic: Arc<str>,
    pub partition: i32,
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.topic, self.partition)
    }
}

/// What makes a pane the same pane: storing it again replaces it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PaneKey {
    pub model: Arc<str>,
    pub start: Time,
    pub version: Arc<str>,
    /// Which rows: `""` for all.
    pub slice: Arc<str>,
    pub partition: Partition,
}

/// The counts of one pane, in the packed form in which it is stored and kept until its windows are due.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pane {
    pub key: PaneKey,
    /// The hash of the axes that it was counted on.
    pub axes: Arc<str>,
    pub rows: u64,
    /// The offsets of its first and last row.
    pub offsets: (i64, i64),
    /// The tallies of the input's fields, packed.
    packed: Vec<u8>,
}

impl Pane {
    pub fn new(key: PaneKey, axes: Arc<str>, rows: u64, offsets: (i64, i64), fields: &[FieldTally]) -> Pane {
        let packed = postcard::to_stdvec(fields).unwrap_or_default();
        Pane { key, axes, rows, offsets, packed }
    }

    /// The tallies of the input's fields; `None` when the bytes are damaged.
    pub fn fields(&self) -> Option<Vec<FieldTally>> {
        postcard::from_bytes(&self.packed).ok()
    }
}
