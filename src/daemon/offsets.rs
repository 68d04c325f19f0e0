//! How far the partitions are that are ours, and telling Kafka so.

use std::collections::BTreeMap;
use std::time::Instant;

use super::counting::Mark;
use crate::pane::Partition;
use crate::source::kafka::Running;
use crate::store::Position;

/// What is known of a partition that is ours.
pub struct Lane {
    /// Which one of all assignments it is ours by.
    pub assignment: u64,
    pub idle: bool,
    /// Since when, without a record, it has been known to be read to its end, and when that was last said.
    pub drained: Option<(Instant, Instant)>,
    pub position: Option<Position>,
    /// Whether the position is newer than what is stored.
    pub moved: bool,
    /// What was last committed to Kafka.
    pub committed: Option<i64>,
}

/// What brokers take as an offset's metadata, by default. Without it, a copy that has not our store begins at the
/// offset all the same, but cannot tell late rows.
const LONGEST_MARK: usize = 4096;

/// Tells Kafka where to begin again, for lag tools and for a copy that does not have our store.
pub fn commit_offsets(running: &Running, lanes: &mut BTreeMap<Partition, Lane>, wait: bool) {
    let mut offsets = Vec::new();
    for (partition, lane) in lanes {
        let Some(position) = lane.position.as_ref().filter(|position| lane.committed != Some(position.resume)) else {
            continue;
        };
        let mark = Mark { next: position.next, latest: position.latest.clone() };
        let mark = serde_json::to_string(&mark).ok().filter(|mark| mark.len() <= LONGEST_MARK).unwrap_or_default();
        offsets.push((partition.clone(), position.resume, mark));
        lane.committed = Some(position.resume);
    }
    if let Err(error) = running.commit(&offsets, wait) {
        tracing::warn!(%error, "commit offsets");
    }
}
