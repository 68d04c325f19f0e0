//! A pane: what one partition counted in the smallest slice of event time.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::tally::FieldTally;
use crate::tally::outcome::OutcomeTally;
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
    /// The tallies, packed.
    packed: Vec<u8>,
}

impl Pane {
    /// `outcomes` are what the model said, where it is known what that can be held against.
    pub fn new(
        key: PaneKey,
        axes: Arc<str>,
        rows: u64,
        offsets: (i64, i64),
        fields: &[FieldTally],
        outcomes: Option<&OutcomeTally>,
    ) -> Pane {
        let packed = postcard::to_stdvec(&(fields, outcomes)).unwrap_or_default();
        Pane { key, axes, rows, offsets, packed }
    }

    /// The tallies of the input's fields; `None` when the bytes are damaged.
    pub fn fields(&self) -> Option<Vec<FieldTally>> {
        postcard::take_from_bytes(&self.packed).ok().map(|(fields, _)| fields)
    }

    /// The tallies of the input's fields, of which a group has none, and of what the model said.
    pub fn tallies(&self) -> Option<(Vec<FieldTally>, Option<OutcomeTally>)> {
        postcard::from_bytes(&self.packed).ok()
    }
}
