//! A pane: what one partition counted in the smallest slice of event time.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::tally::FieldTally;
use crate::tally::arrivals::Arrivals;
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

/// Where rows of a partition are: the offsets of the first and the last, and the starts of their first and last pane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    pub rows: (i64, i64),
    pub panes: (Time, Time),
}

impl Extent {
    pub fn merge(&mut self, other: Extent) {
        self.rows = (self.rows.0.min(other.rows.0), self.rows.1.max(other.rows.1));
        self.panes = (self.panes.0.min(other.panes.0), self.panes.1.max(other.panes.1));
    }
}

/// Where rows are that are in several places, by what those of one place have in common.
pub fn together<K: Ord>(extents: impl IntoIterator<Item = (K, Extent)>) -> BTreeMap<K, Extent> {
    let mut together: BTreeMap<K, Extent> = BTreeMap::new();
    for (key, extent) in extents {
        together.entry(key).and_modify(|all| all.merge(extent)).or_insert(extent);
    }
    together
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
    /// How long after their time the rows came. That of a slice is not asked for.
    pub arrivals: Arrivals,
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
        Pane { key, axes, rows, offsets, packed, arrivals: Arrivals::default() }
    }

    /// The same, with how long after their time the rows came.
    pub fn arrived(self, arrivals: Arrivals) -> Pane {
        Pane { arrivals, ..self }
    }

    /// Where its rows are.
    pub fn extent(&self) -> Extent {
        Extent { rows: self.offsets, panes: (self.key.start, self.key.start) }
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
