//! All by which an alert's numbers can be computed again: where the records are that they come of, and what else they do.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::pane::{Extent, Partition};
use crate::time::Time;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Basis {
    /// The rows of the window, of all versions and slices; empty where it is told again with labels.
    pub counted: Vec<Stretch>,
    /// The earlier rows of the version and slice that these are compared with, where that moves with the stream.
    pub compared: Vec<Stretch>,
    /// What is known of how the window's rows turned out, where labels are read.
    pub joined: Option<Joined>,
    /// What was remembered of earlier windows, where it is told how surprising this one is.
    pub recalled: Vec<Recalled>,
}

/// Offsets of one partition, both ends included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OffsetRange {
    #[serde(flatten)]
    pub partition: Partition,
    pub first: i64,
    pub last: i64,
}

/// The part of a partition that has certain rows, both ends included. Between them are others, and rows that came too
/// late to be counted: that is told by their panes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stretch {
    pub topic: Arc<str>,
    pub partition: i32,
    pub first: i64,
    pub last: i64,
    /// The starts of the first and the last pane that have the rows in this partition. Panes are closed in order: what is
    /// of an earlier one came when it was closed, and a later one was open still when this was told.
    pub first_pane: Time,
    pub last_pane: Time,
}

impl Stretch {
    pub fn new(at: &Partition, extent: Extent) -> Stretch {
        Stretch {
            topic: at.topic.clone(),
            partition: at.partition,
            first: extent.rows.0,
            last: extent.rows.1,
            first_pane: extent.panes.0,
            last_pane: extent.panes.1,
        }
    }

    /// Its offsets.
    pub fn range(&self) -> OffsetRange {
        let partition = Partition { topic: self.topic.clone(), partition: self.partition };
        OffsetRange { partition, first: self.first, last: self.last }
    }

    /// Whether a pane is of the stretch.
    pub fn has(&self, pane: Time) -> bool {
        (self.first_pane..=self.last_pane).contains(&pane)
    }
}

/// The predictions of a window, and the labels that had come to them by then.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Joined {
    /// Where they are, with those of other windows that stand in place of one of this.
    pub predictions: Vec<Stretch>,
    /// Where they are; among them are those of other windows.
    pub labels: Vec<OffsetRange>,
    /// The share of the predictions without a label that was expected to have one in the end, by all delays of labels
    /// before; there is none as long as too little is known of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coming: Option<f64>,
}

/// What was remembered of a statistic's windows before this one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recalled {
    pub subject: String,
    pub statistic: String,
    /// The logarithm of the evidence that may be paged for.
    pub line: f64,
    /// The memory of the series, in base64. There are means, variances and the like in it.
    pub memory: String,
}
