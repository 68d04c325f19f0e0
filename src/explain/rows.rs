//! Reading the rows of an alert again.

use std::sync::Arc;

use anyhow::{Context, Result};

use super::base::Base;
use crate::config::Config;
use crate::lane::Lane;
use crate::monitor::Monitor;
use crate::pane::Partition;
use crate::plan::{Subscriber, TopicPlan};
use crate::rule::basis::OffsetRange;
use crate::shard::Report;
use crate::source::reread::Reader;

/// Reads rows of one monitor.
pub struct Rereader {
    monitor: Arc<Monitor>,
    most_versions: usize,
    reader: Reader,
}

impl Rereader {
    pub fn new(monitor: &Arc<Monitor>, config: &Config) -> Result<Rereader> {
        let reader = Reader::new(&config.kafka).context("start a Kafka consumer")?;
        Ok(Rereader { monitor: monitor.clone(), most_versions: config.limits.versions, reader })
    }

    /// Which of these offsets Kafka no longer has.
    pub fn gone(&self, wanted: impl IntoIterator<Item = OffsetRange>) -> Result<Vec<String>> {
        let mut gone = Vec::new();
        for OffsetRange { partition: at, first, last } in wanted {
            let (low, high) = self.reader.held(&at).with_context(|| format!("ask Kafka what {at} holds"))?;
            let missing = missing((first, last), (low, high)).into_iter();
            gone.extend(missing.map(|(from, to)| {
                let Partition { topic, partition } = &at;
                format!("{topic}/{partition}: offsets {from}-{to} of {first}-{last} are no longer held")
            }));
        }
        Ok(gone)
    }

    /// Counts what there is from the first offset to the last, on what there is to count on. Returns how many rows there
    /// were.
    pub fn read(&self, range: &OffsetRange, base: &Base, mut take: impl FnMut(Report)) -> Result<u64> {
        let OffsetRange { partition: at, first, last } = range;
        let subscriber = Subscriber { monitor: self.monitor.clone(), reference: base.given() };
        let plan = TopicPlan::new(&at.topic, std::slice::from_ref(&subscriber), self.most_versions);
        let resumed = base.resumed(&self.monitor, &at.topic, *first);
        let (mut lane, mut rows) = (Lane::new(at.clone(), &plan, &resumed), 0);
        let read = self.reader.read(at, (*first, *last), |batch| {
            rows += batch.len() as u64;
            take(lane.count(batch.iter()));
        });
        read.with_context(|| format!("read {at} again"))?;
        take(lane.finish());
        Ok(rows)
    }
}

/// Of the offsets from the first to the last those that are not held, which are those from `low` on and before `high`.
fn missing((first, last): (i64, i64), (low, high): (i64, i64)) -> Vec<(i64, i64)> {
    if high <= first || low > last {
        return vec![(first, last)];
    }
    let before = (low > first).then_some((first, low - 1));
    let after = (high <= last).then_some((high, last));
    before.into_iter().chain(after).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_which_offsets_are_gone() {
        let of = |held| missing((100, 912), held);
        assert_eq!(of((0, 913)), []);
        assert_eq!(of((100, 2000)), []);
        assert_eq!(of((181, 2000)), [(100, 180)]);
        assert_eq!(of((0, 900)), [(900, 912)]);
        assert_eq!(of((101, 912)), [(100, 100), (912, 912)]);
        for held in [(913, 2000), (0, 0), (0, 100), (50, 50)] {
            assert_eq!(of(held), [(100, 912)], "{held:?}");
        }
    }
}
