//! A partition's lane: records pass through the decoder into the shard.

use crate::decode::json::Decoder;
use crate::pane::Partition;
use crate::plan::TopicPlan;
use crate::rows::{Rejected, Rows};
use crate::shard::{Axes, Report, Resumed, Shard};
use crate::time::Time;

pub struct Lane {
    decoder: Decoder,
    shard: Shard,
}

impl Lane {
    pub fn new(partition: Partition, plan: &TopicPlan, resumed: &Resumed) -> Lane {
        Lane { decoder: Decoder::new(&plan.wanted), shard: Shard::new(partition, &plan.plans, &plan.labels, resumed) }
    }

    /// Decodes and counts records, each with its offset and time of logging; offsets ascend.
    pub fn count<'a>(&mut self, records: impl Iterator<Item = (&'a [u8], i64, Option<Time>)>) -> Report {
        let (rows, rejected) = self.decode(records);
        self.count_decoded(&rows, rejected)
    }

    /// Decodes records, which are still to be counted.
    pub fn decode<'a>(
        &mut self,
        records: impl Iterator<Item = (&'a [u8], i64, Option<Time>)>,
    ) -> (Rows, Vec<Rejected>) {
        let mut rejected = Vec::new();
        for (bytes, offset, logged) in records {
            if let Err(reason) = self.decoder.push(bytes, offset, logged) {
                rejected.push(Rejected { offset, reason });
            }
        }
        (self.decoder.finish(), rejected)
    }

    /// Counts what was decoded.
    pub fn count_decoded(&mut self, rows: &Rows, rejected: Vec<Rejected>) -> Report {
        self.shard.observe(rows, rejected)
    }

    /// Counts rows that are columns already, in the order that the plan wants.
    pub fn count_rows(&mut self, rows: &Rows) -> Report {
        self.shard.observe(rows, Vec::new())
    }

    /// See [`Shard::learnt`].
    pub fn learnt(&mut self, model: &str, version: &str, axes: Axes) -> Time {
        self.shard.learnt(model, version, axes)
    }

    /// Closes all panes, because no more records will come.
    pub fn finish(&mut self) -> Report {
        self.shard.finish()
    }
}
