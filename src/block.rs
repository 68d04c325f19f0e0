//! A block: what the panes of an hour or more add up to, once no window needs them any more.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::pane::{Extent, Pane, Partition};
use crate::tally::{FieldTally, Tally};
use crate::time::Time;

/// The rows of one version and slice, in one log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Series {
    pub version: Arc<str>,
    /// Which rows: `""` for all.
    pub slice: Arc<str>,
    pub topic: Arc<str>,
}

/// What makes a block the same block: storing it again replaces it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BlockKey {
    pub model: Arc<str>,
    pub start: Time,
    pub series: Series,
}

/// The counts of all partitions in a stretch of event time, packed. Blocks are what a reference that moves with the
/// stream is merged from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Block {
    pub key: BlockKey,
    /// The hash of the axes that it was counted on, and of a block's length.
    pub axes: Arc<str>,
    pub rows: u64,
    /// For each partition, where the rows are that are in here.
    folded: BTreeMap<i32, Extent>,
    /// The tallies of the input's fields, packed.
    packed: Vec<u8>,
}

impl Block {
    pub fn new(key: BlockKey, axes: Arc<str>) -> Block {
        Block { key, axes, rows: 0, folded: BTreeMap::new(), packed: Vec::new() }
    }

    /// Adds up what panes counted, those of a partition in the order of their starts.
    ///
    /// A partition's panes close in that order, so one that is not after the last is here already. Folding again after
    /// a crash, or after another copy has counted the same rows, changes nothing.
    pub fn fold<'a>(&mut self, panes: impl IntoIterator<Item = &'a Pane>) {
        let mut fields = if self.rows == 0 { None } else { self.fields() };
        for pane in panes {
            let (partition, start) = (pane.key.partition.partition, pane.key.start);
            if self.folded.get(&partition).is_some_and(|folded| start <= folded.panes.1) {
                continue;
            }
            let Some(theirs) = pane.fields() else { continue };
            match &mut fields {
                None => fields = Some(theirs),
                Some(mine) => mine.iter_mut().zip(&theirs).for_each(|(mine, theirs)| mine.merge(theirs)),
            }
            self.rows += pane.rows;
            let extent = pane.extent();
            self.folded.entry(partition).and_modify(|folded| folded.merge(extent)).or_insert(extent);
        }
        self.packed = fields.and_then(|fields| postcard::to_stdvec(&fields).ok()).unwrap_or_default();
    }

    /// Where its rows are.
    pub fn extents(&self) -> impl Iterator<Item = (Partition, Extent)> {
        let topic = &self.key.series.topic;
        self.folded.iter().map(|(&partition, &extent)| (Partition { topic: topic.clone(), partition }, extent))
    }

    /// The tallies of the input's fields; `None` when the bytes are damaged, or there are none.
    pub fn fields(&self) -> Option<Vec<FieldTally>> {
        postcard::from_bytes(&self.packed).ok()
    }

    /// How many bytes the packed tallies take.
    pub fn bytes(&self) -> usize {
        self.packed.len()
    }
}
