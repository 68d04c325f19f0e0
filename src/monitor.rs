//! A monitor: what is watched, on what, against what, and what to do about it.

use std::sync::Arc;

use crate::budget::Budget;
use crate::rule::Rule;
use crate::rule::condition::{Condition, Per, Subjects};
use crate::schema::{Field, Path, Schema, Secret};
use crate::slice::Slicing;
use crate::stat::{Choices, Statistic};
use crate::time::{Span, Time, Window, Windowing};

/// Everything that one file under `rules/` says, checked.
#[derive(Clone, Debug)]
pub struct Monitor {
    /// The model's name, which is also the monitor's.
    pub model: String,
    pub inputs: Vec<Input>,
    pub schema: Schema,
    /// What fixes the axes on which everything is counted.
    pub reference: Source,
    /// What is compared with on those axes.
    pub against: Against,
    /// The most values of a numeric axis.
    pub resolution: usize,
    pub windowing: Windowing,
    pub slicing: Slicing,
    /// Where labels come from, if they do.
    pub labels: Option<Labels>,
    pub grouping: Grouping,
    /// What users have chosen about statistics of outcomes.
    pub choices: Choices,
    pub measures: Vec<Measure>,
    pub judging: Judging,
    /// How many false alarms `drift.surprise` may give, if it is measured.
    pub budget: Option<Budget>,
    pub rules: Vec<Arc<Rule>>,
}

/// A log that the monitor reads, and which of the schema's fields it carries.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    pub topic: String,
    /// Indices into the schema's fields.
    pub fields: Vec<usize>,
}

/// The log that says what turned out.
#[derive(Clone, Debug, PartialEq)]
pub struct Labels {
    /// Its topic, which may be one that also carries predictions.
    pub topic: String,
    pub id: Path,
    /// When it turned out.
    pub time: Path,
    pub value: Path,
    /// The same in the reference's data set.
    pub in_reference: Path,
    /// How long before or after its prediction a label may be and still belong to it.
    pub wait: Span,
    /// How far behind the latest label of its partition one may be and still be waited for.
    pub lateness: Span,
    /// A condition over figures that need labels is unknown as long as fewer of a window's rows than this share have
    /// theirs, unless the condition itself says how many it wants.
    pub min_coverage: f64,
}

/// By what rows are told apart as groups that ought to be treated alike.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grouping {
    pub attributes: Vec<Attribute>,
    /// The feature on which demographic disparity is conditioned.
    pub condition: Option<String>,
    /// How counts of groups are made private, if they are.
    pub noise: Option<Noise>,
}

/// A protected attribute, or a crossing of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// What measurements call it: the attributes' names with dots between them.
    pub subject: String,
    pub by: Vec<String>,
}

/// Differential privacy of what is told of groups: to every count of a group, a number drawn from Laplace's distribution
/// is added, by a secret, so that the same count of the same window always gets the same number.
#[derive(Clone, Debug, PartialEq)]
pub struct Noise {
    /// By how much, at most, all that is ever told of groups can depend on whether one row was there: its logarithm's
    /// ratio of probabilities.
    pub epsilon: f64,
    pub secret: Secret,
}

impl Grouping {
    /// The dimensions by which groups are told apart: those of the attributes, then each crossed with the condition.
    pub fn dimensions(&self) -> Vec<Vec<String>> {
        let own = self.attributes.iter().map(|attribute| attribute.by.clone());
        let crossed = self.attributes.iter().filter_map(|attribute| {
            let condition = self.condition.as_ref()?;
            Some(attribute.by.iter().chain([condition]).cloned().collect())
        });
        own.chain(crossed).collect()
    }

    /// How groups are chosen by the reference: all that it has, as far as they are not very many.
    pub fn slicing(&self) -> Slicing {
        const MOST: usize = 1000;
        Slicing { by: self.dimensions(), most: MOST, min_rows: 1 }
    }
}

/// Where the reference comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A file of Parquet, CSV or NDJSON, or what `profile` has kept of one.
    Dataset(std::path::PathBuf),
    /// What stands beside a version of a model in MLflow.
    Registered(Registered),
    /// The first so many rows of each version.
    Learnt { rows: usize },
}

/// A version of a model in MLflow's registry, and the artifact beside it that is the reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The registered model's name.
    pub name: String,
    pub which: Which,
    /// The artifact's path, under those of the version or else of the run that made it.
    pub artifact: String,
}

/// Which version of a registered model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// The one that this stands for at the time.
    Alias(String),
    /// Always the same.
    Version(String),
}

impl std::fmt::Display for Registered {
    /// As MLflow writes it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.which {
            Which::Alias(alias) => write!(f, "models:/{}@{alias}", self.name),
            Which::Version(version) => write!(f, "models:/{}/{version}", self.name),
        }
    }
}

/// What drift is measured against.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Against {
    /// The rows that fixed the axes.
    #[default]
    Reference,
    /// The same version in the `last` so much time, up to `lag` before the window begins.
    Trailing { last: Span, lag: Span },
    /// The same version at the same time of the past weeks.
    Seasonal { by: Season, weeks: u32 },
    /// Another version in the same window. That version itself is compared with the rows that fixed the axes.
    Version(String),
}

/// What comes round again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Season {
    HourOfDay,
    HourOfWeek,
}

impl Season {
    pub fn length(self) -> Span {
        match self {
            Season::HourOfDay => Span(86_400_000),
            Season::HourOfWeek => Span(7 * 86_400_000),
        }
    }
}

const WEEK: i64 = 7 * 86_400_000;

impl Against {
    /// The half-open stretches of time, of whole blocks, whose rows a window is compared with. They do not overlap, and
    /// end where the window begins or before. Empty where no history is needed.
    ///
    /// What trails ends with the last whole block that is `lag` or more before the window, so all windows that begin in
    /// one block are compared with the same. What is seasonal are the blocks that the window touches, as they were.
    pub fn stretches(&self, window: Window, block: Span) -> Vec<Window> {
        match *self {
            Against::Reference | Against::Version(_) => Vec::new(),
            Against::Trailing { last, lag } => {
                let end = (window.start - lag).floor(block);
                vec![Window { start: end - last, end }]
            }
            Against::Seasonal { by, weeks } => {
                let season = by.length();
                let (start, end) = (window.start.floor(block), (window.end + Span(block.0 - 1)).floor(block));
                let mut stretches: Vec<Window> = Vec::new();
                for back in (1..=i64::from(weeks) * WEEK / season.0).rev() {
                    let ago = Span(back * season.0);
                    // Rounded to blocks, one may reach into the next, and the last one into the window.
                    let after = stretches.last().map_or(Time::MIN, |before| before.end);
                    let one =
                        Window { start: (start - ago).max(after), end: (end - ago).min(window.start.floor(block)) };
                    stretches.extend(Some(one).filter(|one| one.start < one.end));
                }
                stretches
            }
        }
    }

    /// The start of the first block that a window which begins then, or a later one, is compared with.
    pub fn needed_from(&self, window_start: Time, block: Span) -> Time {
        match *self {
            Against::Reference | Against::Version(_) => Time::MAX,
            Against::Trailing { last, lag } => (window_start - lag).floor(block) - last,
            Against::Seasonal { weeks, .. } => window_start.floor(block) - Span(i64::from(weeks) * WEEK),
        }
    }
}

/// A statistic that the monitor wants of a subject.
#[derive(Clone, Copy)]
pub struct Measure {
    /// An index into the schema's fields; `None` for each log as a whole, and for what is asked of outcomes.
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

    /// Whether it wants rows or labels of a topic.
    pub fn reads(&self, topic: &str) -> bool {
        let has_labels = self.labels.as_ref().is_some_and(|labels| labels.topic == topic);
        has_labels || self.inputs.iter().any(|input| input.topic == topic)
    }

    /// What conditions can be asked of.
    pub fn subjects(&self) -> Subjects<'_> {
        let classes = self.schema.answers.as_ref().map_or(&[][..], |answers| &answers.classes);
        let attributes = self.grouping.attributes.iter().map(|attribute| attribute.subject.as_str());
        Subjects { fields: self.fields(), classes, attributes: attributes.collect() }
    }

    /// All that a condition is asked of: subjects, logs, or `""` when it is asked once a window.
    pub fn asked_of(&self, condition: &Condition) -> Vec<&str> {
        match condition.per() {
            Per::Window => vec![""],
            // What is known of answers is known of the log that has them.
            Per::Log if condition.is_of_outcomes() => {
                self.answering().map(|topic| self.subject_of(topic)).into_iter().collect()
            }
            Per::Log => self.inputs.iter().map(|input| self.subject_of(&input.topic)).collect(),
            Per::Field | Per::Class | Per::Attribute => condition.subjects(&self.subjects()),
        }
    }

    /// The log at hand when a condition is asked of a subject, as measurements of the log call it.
    pub fn log_at<'a>(&'a self, condition: &Condition, subject: &'a str) -> &'a str {
        match condition.per() {
            Per::Window | Per::Log => subject,
            Per::Field => self.log_of(subject).unwrap_or(""),
            Per::Class | Per::Attribute => self.answering().map_or("", |topic| self.subject_of(topic)),
        }
    }

    /// How large a share of a window's rows must have their label before conditions that need labels are judged, unless
    /// they say so themselves.
    pub fn min_coverage(&self) -> f64 {
        self.labels.as_ref().map_or(0.0, |labels| labels.min_coverage)
    }

    /// The topic of the log that carries what the model says, where that can be right or wrong.
    pub fn answering(&self) -> Option<&str> {
        let answers = self.schema.answers.as_ref()?;
        let said: Vec<&str> = answers.said().collect();
        let carries =
            |input: &&Input| input.fields.iter().any(|&field| said.contains(&self.fields()[field].subject.as_str()));
        self.inputs.iter().find(carries).map(|input| input.topic.as_str())
    }

    /// The fields that a topic carries, in the order in which its shards count them.
    pub fn fields_of(&self, topic: &str) -> Vec<Field> {
        let input = self.inputs.iter().find(|input| input.topic == topic);
        input.map_or(Vec::new(), |input| input.fields.iter().map(|&field| self.fields()[field].clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn windowing(every: i64, size: i64) -> Windowing {
        let (size, every) = (Span(size), Span(every));
        Windowing { size, every, lateness: Span(0), idle: Span(0), min_rows: 1 }
    }

    #[test]
    fn a_block_is_the_least_number_of_panes_that_last_an_hour() {
        let minutes = |every: i64| windowing(every * 60_000, every * 60_000).block().0 / 60_000;
        assert_eq!([5, 7, 45, 60, 90, 1440].map(minutes), [60, 63, 90, 60, 90, 1440]);
        assert_eq!(windowing(7, 7).block(), Span(3_600_002));
    }

    #[test]
    fn what_trails_ends_with_a_whole_block_before_the_lag() {
        const HOUR: i64 = 3_600_000;
        let against = Against::Trailing { last: Span(24 * HOUR), lag: Span(2 * HOUR) };
        let stretches = |start: i64| {
            let window = Window { start: Time(start), end: Time(start + HOUR) };
            let found = against.stretches(window, Span(HOUR));
            found.iter().map(|one| (one.start.0 / HOUR, one.end.0 / HOUR)).collect::<Vec<_>>()
        };
        assert_eq!(stretches(100 * HOUR), [(74, 98)]);
        assert_eq!(stretches(101 * HOUR - 1), [(74, 98)]);
        assert_eq!(stretches(101 * HOUR), [(75, 99)]);
    }

    #[test]
    fn what_is_seasonal_are_the_blocks_that_the_window_touches() {
        const HOUR: i64 = 3_600_000;
        let stretches = |by, weeks, start: i64, end: i64| {
            let window = Window { start: Time(start), end: Time(end) };
            let found = Against::Seasonal { by, weeks }.stretches(window, Span(HOUR));
            found.iter().map(|one| (one.start.0 / HOUR, one.end.0 / HOUR)).collect::<Vec<_>>()
        };
        let at = 1000 * HOUR;
        assert_eq!(stretches(Season::HourOfWeek, 2, at, at + HOUR), [(664, 665), (832, 833)]);
        assert_eq!(stretches(Season::HourOfWeek, 1, at + 1, at + HOUR + 1), [(832, 834)]);
        let days: Vec<_> = (1..=7).rev().map(|day| (1000 - 24 * day, 1001 - 24 * day)).collect();
        assert_eq!(stretches(Season::HourOfDay, 1, at, at + HOUR), days);
        // A window of a whole day, between two hours: each hour counts once, and none of the window's own.
        assert_eq!(stretches(Season::HourOfDay, 1, at + 1, at + 24 * HOUR + 1).last(), Some(&(977, 1000)));
    }

    proptest! {
        #[test]
        fn no_window_is_compared_with_itself_nor_with_anything_twice_or_forgotten(
            (every, panes) in (1..200_000i64, 1..300i64),
            end in -3_000_000..3_000_000i64,
            (blocks, lag) in (1..50i64, 0..50i64),
            (is_of_day, weeks) in (any::<bool>(), 1..4u32),
        ) {
            let windowing = windowing(every * 1000, every * 1000 * panes);
            let (block, window) = (windowing.block(), windowing.window(Time(end * every * 1000)));
            let by = if is_of_day { Season::HourOfDay } else { Season::HourOfWeek };
            let trailing = Against::Trailing { last: Span(blocks * block.0), lag: Span(lag * block.0) };
            for against in [trailing, Against::Seasonal { by, weeks }] {
                let mut before = against.needed_from(window.start, block);
                for one in against.stretches(window, block) {
                    prop_assert!(before <= one.start && one.start < one.end && one.end <= window.start);
                    before = one.end;
                }
            }
        }
    }
}
