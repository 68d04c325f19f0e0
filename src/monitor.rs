//! A monitor: what is watched, on what, against what, and what to do about it.

use std::sync::Arc;

use crate::rule::Rule;
use crate::schema::{Field, Schema};
use crate::stat::Statistic;
use crate::time::Windowing;

/// Everything that one file under `rules/` says, checked.
#[derive(Clone, Debug)]
pub struct Monitor {
    /// The model's name, which is also the monitor's.
    pub model: String,
    pub inputs: Vec<Input>,
    pub schema: Schema,
    pub reference: Source,
    /// The most values of a numeric axis.
    pub resolution: usize,
    pub windowing: Windowing,
    pub measures: Vec<Measure>,
    pub judging: Judging,
    pub rules: Vec<Arc<Rule>>,
}

/// A log that the monitor reads, and which of the schema's fields it carries.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    pub topic: String,
    /// Indices into the schema's fields.
    pub fields: Vec<usize>,
}

/// Where the reference comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A file of Parquet, CSV or NDJSON.
    Dataset(std::path::PathBuf),
    /// The first so many rows of each version.
    Learnt { rows: usize },
}

/// A statistic that the monitor wants of a subject.
#[derive(Clone, Copy)]
pub struct Measure {
    /// An index into the schema's fields; `None` for each log as a whole.
    pub field: Option<usize>,
    pub statistic: &'static Statistic,
    pub threshold: Option<f64>,
    /// A breach also needs the p-value, where the statistic has one, to be at most this.
    pub significance: f64,
}

/// How it is decided that a change is real.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Judging {
    pub correction: Correction,
    /// Whether a value that is not significant is told although the window could not have shown what matters. Otherwise
    /// it is undefined.
    pub tells_underpowered: bool,
}

/// What is done about asking many subjects at once, of which some will look drifted by chance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Correction {
    /// Each is judged by its own p-value.
    #[default]
    None,
    /// The share of false alarms among the breaches of one statistic in one window is bounded (Benjamini and Hochberg,
    /// 1995).
    BenjaminiHochberg,
}

impl std::fmt::Debug for Measure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}({:?}) > {:?}", self.statistic.name, self.field, self.threshold)
    }
}

impl Monitor {
    pub fn fields(&self) -> &[Field] {
        &self.schema.fields
    }

    /// The subject of the measurements of a log as a whole. With one log, `""` says all that its name would.
    pub fn subject_of<'a>(&self, topic: &'a str) -> &'a str {
        if self.inputs.len() == 1 { "" } else { topic }
    }

    /// The same for the log that carries a field; `None` for what is no field.
    pub fn log_of(&self, subject: &str) -> Option<&str> {
        let field = self.fields().iter().position(|field| field.subject == subject)?;
        let input = self.inputs.iter().find(|input| input.fields.contains(&field))?;
        Some(self.subject_of(&input.topic))
    }

    /// The fields that a topic carries, in the order in which its shards count them.
    pub fn fields_of(&self, topic: &str) -> Vec<Field> {
        let input = self.inputs.iter().find(|input| input.topic == topic);
        input.map_or(Vec::new(), |input| input.fields.iter().map(|&field| self.fields()[field].clone()).collect())
    }
}
