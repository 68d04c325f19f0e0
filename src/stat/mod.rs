//! The table of statistics: functions of tallies, one file and one row each.

// What several of them need.
mod area;
mod bins;
pub mod interval;
mod groups;
mod jensen_shannon;
mod kolmogorov;
mod levels;
mod limits;
mod matrix;
mod mover;
mod outcomes;
mod power;
mod probabilities;
mod proportion;
mod sides;
mod smirnov;
mod steps;
mod student;

pub mod agreement;
pub mod against_rest;
pub mod anderson_darling;
pub mod attribution;
pub mod average_precision;
pub mod averages;
pub mod brier_score;
pub mod calibration_error;
pub mod chi_squared;
pub mod choices;
pub mod coverage;
pub mod cramers_v;
pub mod cramer_von_mises;
pub mod energy_distance;
pub mod error_quantiles;
pub mod error_rate;
pub mod estimate;
pub mod fisher_exact;
pub mod g_test;
pub mod group_rates;
pub mod hellinger;
pub mod highest;
pub mod inequality;
pub mod js_distance;
pub mod js_divergence;
pub mod kl_divergence;
pub mod ks;
pub mod kuiper;
pub mod latency;
pub mod linf;
pub mod log_loss;
pub mod mann_whitney;
pub mod mean_shift;
pub mod mismatch_rate;
pub mod missing_rate;
pub mod nan_rate;
pub mod null_rate;
pub mod out_of_range_rate;
pub mod parity;
pub mod psi;
pub mod regression;
pub mod roc_auc;
pub mod rows;
pub mod rows_per_second;
pub mod surprise;
pub mod total_variation;
pub mod two_proportion_z;
pub mod unseen_rate;
pub mod variance_shift;
pub mod wasserstein;
pub mod wasserstein_raw;

#[cfg(test)]
mod contract;
#[cfg(test)]
mod contract_outcomes;
#[cfg(test)]
mod coverage_fairness;
#[cfg(test)]
mod drawn;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod golden_bins;
#[cfg(test)]
mod golden_fairness;
#[cfg(test)]
mod golden_performance;
#[cfg(test)]
mod golden_ranks;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod laws_fairness;
#[cfg(test)]
mod laws_performance;
#[cfg(test)]
mod people;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod sparse;

use crate::grid::Axis;
use crate::measurement::Family;
use crate::tally::FieldTally;
use crate::tally::error::ErrorTally;
use crate::tally::outcome::{Confusion, Is};
use crate::time::Span;

use area::{Area, area, outer_areas, within};
use bins::Bins;
use groups::{Decided, Rate};
#[cfg(test)]
use interval::student_quantile;
use interval::{Z, average, mean, mean_of, normal, recovered};
use jensen_shannon::divergence;
use kolmogorov::{kolmogorov_quantile, kolmogorov_sf, kuiper_quantile, kuiper_sf};
use levels::{Level, Levels};
use limits::{Moments, anderson_darling_sf, cramer_von_mises_sf};
use matrix::{Gradient, Matrix};
use mean_shift::Shift;
use mover::{Bounded, errors_of, pairs_of};
pub use outcomes::{Asked, Choices, Group, Needs, Of, Outcomes, Task};
#[cfg(test)]
use people::{People, Person};
pub use power::POWER;
use power::{normal_quantile, smallest_noncentrality, smallest_shift};
use probabilities::{Probability, probabilities};
use proportion::{proportion, share, wilson, wilson_at};
#[cfg(test)]
use sample::{
    Judged, Sample, case, counted_again, counted_on, numbers_and_labels, outcome_case, outcomes as counted_outcomes,
};
use sides::Numbers;
use smirnov::smirnov_sf;
use steps::Step;
use student::student_two_sided;

/// One row of the table: all that anything else needs to know of a statistic.
pub struct Statistic {
    /// What monitors, conditions, records and metrics call it.
    pub name: &'static str,
    pub family: Family,
    pub on: On,
    /// The unit that ends its metric's name: `ratio`, `seconds`, or empty for a pure number.
    pub unit: &'static str,
    /// The threshold of a monitor that names none.
    pub threshold: Option<f64>,
    /// On which side of the threshold a value is a breach.
    pub worse: Worse,
    pub null: Null,
    /// The least and the greatest value it can have; infinite where there is no limit, though no value is infinite.
    pub range: (f64, f64),
    /// One sentence: what it is, its convention and its range.
    pub about: &'static str,
    pub compute: fn(&Case) -> Answer,
}

/// On which side of a threshold something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worse {
    Above,
    Below,
}

impl Worse {
    pub fn is_beyond(self, value: f64, threshold: f64) -> bool {
        match self {
            Worse::Above => value > threshold,
            Worse::Below => value < threshold,
        }
    }
}

/// How a value is distributed if nothing has changed, which is where its p-value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Null {
    /// It is not compared with anything, or no p-value is known for it.
    Unknown,
    /// By a formula: the reading has the p-value.
    Formula,
    /// By simulation from the reference, at the sizes of reference and window. Values at sizes `n` and `m` shrink as
    /// `1/n + 1/m` does.
    Linear,
    /// The same for values that shrink as the square root of that.
    Root,
    /// By a formula that holds for normal values only: the reading has its p-value, and simulation says how often one
    /// so small comes about with this reference.
    Studentised,
}

/// What a statistic applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// The log as a whole.
    Log,
    /// Any field.
    Field,
    Numeric,
    Categorical,
    /// Numeric and categorical fields, but not flags.
    Valued,
    Latency,
    Flag,
    /// All attributions of a log together.
    Attributions,
    /// Predictions and what became of them.
    Outcomes(Asked),
}

impl On {
    /// Whether there is one value for a log, rather than one for each field.
    pub fn is_log(self) -> bool {
        matches!(self, On::Log | On::Attributions)
    }

    /// What is asked of outcomes, if it is.
    pub fn outcomes(self) -> Option<Asked> {
        match self {
            On::Outcomes(asked) => Some(asked),
            _ => None,
        }
    }
}

/// What a statistic is computed from.
pub struct Case<'a> {
    /// Rows of the window in the log that has the subject.
    pub rows: u64,
    pub window: Span,
    /// The subject's counts; `None` for the log as a whole.
    pub current: Option<Side<'a>>,
    /// The reference's counts on the same axis; `None` when the reference does not have the subject.
    pub reference: Option<&'a FieldTally>,
    /// The attributions of the log, for what is asked of all of them together.
    pub attributions: &'a [Attributed<'a>],
    /// Predictions and what became of them, for what is asked of those.
    pub outcomes: Option<&'a Outcomes<'a>>,
    /// Fewer values than this on either side, and a comparison is undefined.
    pub min_rows: u64,
    /// The p-value at which a change is taken to be real.
    pub significance: f64,
}

/// One field's counts, and the axis they are on.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    pub axis: &'a Axis,
    pub tally: &'a FieldTally,
}

/// One feature's attributions in the window and in the reference, which may lack them.
#[derive(Clone, Copy)]
pub struct Attributed<'a> {
    pub current: &'a FieldTally,
    pub reference: Option<&'a FieldTally>,
}

/// A statistic's value, or why there is none.
pub type Answer = Result<Reading, Undefined>;

/// A value and what is known about it; see the fields of the same names in a measurement.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    pub value: f64,
    pub p_value: Option<f64>,
    pub low: Option<f64>,
    pub high: Option<f64>,
    pub error_bound: Option<f64>,
    pub detectable: Option<f64>,
}

impl Reading {
    /// A value that is exact and has no sampling distribution of its own.
    pub fn exact(value: f64) -> Reading {
        Reading { value, ..Reading::default() }
    }
}

/// Why a number cannot be known.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum Undefined {
    #[error("no rows")]
    NoRows,
    #[error("too few rows: {n} of {least}")]
    TooFewRows { n: u64, least: u64 },
    #[error("too few rows: {n} show nothing smaller than {detectable:.3}, and {threshold} matters")]
    Underpowered { n: u64, detectable: f64, threshold: f64 },
    #[error("too few rows in the reference: {n} of {least}")]
    TooFewReferenceRows { n: u64, least: u64 },
    #[error("the reference does not have it")]
    NotInReference,
    #[error("the reference has a single value")]
    ReferenceIsConstant,
    #[error("the window has a single value")]
    WindowIsConstant,
    #[error("every attribution in the reference is zero")]
    NothingAttributed,
    #[error("infinite values")]
    Infinite,
    #[error("values too large for double precision")]
    TooLarge,
    #[error("only one category on both sides")]
    OneCategory,
    #[error("applies to two categories, and there are {n}")]
    NotTwoCategories { n: usize },
    #[error("too few rows of all categories but one")]
    TooSparse,
    #[error("does not apply to this kind of field")]
    NotApplicable,
    #[error("no labels yet, of {rows} rows")]
    NoLabels { rows: u64 },
    #[error("too few labels: {n} of {least}")]
    TooFewLabels { n: u64, least: u64 },
    #[error("no row says which class was chosen")]
    NoChoices,
    #[error("only one class was chosen")]
    OneChoice,
    #[error("no row has a predicted number")]
    NoPredictions,
    #[error("no row has a score")]
    NoScores,
    #[error("scores are not between 0 and 1")]
    NotProbabilities,
    #[error("labels of only one class")]
    OneClass,
    #[error("all labels are equal")]
    LabelsAreConstant,
    #[error("no row {what}")]
    Nothing {
        /// Completes the sentence: `is positive`, `was chosen`.
        what: &'static str,
    },
    #[error("the reference has no labels")]
    NoReferenceLabels,
    #[error("fewer than {least} rows, so it is withheld")]
    Withheld { least: u64 },
    #[error("fewer than two groups that are large enough")]
    TooFewGroups,
    #[error("fewer than two groups with a row that {what}")]
    NothingInGroups {
        /// Completes the sentence: `is positive`, `was chosen`.
        what: &'static str,
    },
    #[error("zero in every group")]
    ZeroInEveryGroup,
    #[error("no feature is said to condition it on")]
    NoCondition,
    #[error("how long labels take is not known yet")]
    NoDelays,
    #[error("nothing is remembered of earlier windows")]
    NothingToGoBy,
}

/// Every statistic, in the order in which they are shown.
pub const ALL: &[&Statistic] = &[
    &rows::ROW,
    &rows_per_second::ROW,
    &latency::P50,
    &latency::P95,
    &latency::P99,
    &error_rate::ROW,
    &missing_rate::ROW,
    &null_rate::ROW,
    &nan_rate::ROW,
    &mismatch_rate::ROW,
    &out_of_range_rate::ROW,
    &unseen_rate::ROW,
    &psi::ROW,
    &ks::ROW,
    &kuiper::ROW,
    &cramer_von_mises::ROW,
    &anderson_darling::ROW,
    &mann_whitney::ROW,
    &wasserstein::ROW,
    &wasserstein_raw::ROW,
    &energy_distance::ROW,
    &mean_shift::ROW,
    &variance_shift::ROW,
    &js_distance::ROW,
    &js_divergence::ROW,
    &kl_divergence::ROW,
    &hellinger::ROW,
    &total_variation::ROW,
    &linf::ROW,
    &chi_squared::ROW,
    &g_test::ROW,
    &cramers_v::ROW,
    &two_proportion_z::ROW,
    &fisher_exact::ROW,
    &surprise::ROW,
    &coverage::COVERAGE,
    &coverage::EXPECTED_COVERAGE,
    &agreement::ACCURACY,
    &agreement::BALANCED_ACCURACY,
    &agreement::MCC,
    &agreement::COHENS_KAPPA,
    &choices::PRECISION,
    &choices::RECALL,
    &choices::SPECIFICITY,
    &choices::F1,
    &choices::FBETA,
    &roc_auc::ROW,
    &average_precision::ROW,
    &highest::LIFT,
    &highest::GAIN,
    &log_loss::ROW,
    &brier_score::ROW,
    &calibration_error::ROW,
    &choices::TRUE_POSITIVES,
    &choices::FALSE_POSITIVES,
    &choices::FALSE_NEGATIVES,
    &choices::TRUE_NEGATIVES,
    &choices::BUSINESS_VALUE,
    &averages::PRECISION_MACRO,
    &averages::PRECISION_MICRO,
    &averages::PRECISION_WEIGHTED,
    &averages::RECALL_MACRO,
    &averages::RECALL_MICRO,
    &averages::RECALL_WEIGHTED,
    &averages::F1_MACRO,
    &averages::F1_MICRO,
    &averages::F1_WEIGHTED,
    &roc_auc::MACRO,
    &roc_auc::WEIGHTED,
    &average_precision::MACRO,
    &regression::MAE,
    &regression::MSE,
    &regression::RMSE,
    &regression::MAPE,
    &regression::SMAPE,
    &regression::R2,
    &regression::BIAS,
    &regression::PINBALL_LOSS,
    &error_quantiles::P05,
    &error_quantiles::P50,
    &error_quantiles::P95,
    &estimate::choices::ACCURACY,
    &estimate::choices::PRECISION,
    &estimate::choices::RECALL,
    &estimate::choices::SPECIFICITY,
    &estimate::choices::F1,
    &estimate::areas::ROC_AUC,
    &estimate::choices::TRUE_POSITIVES,
    &estimate::choices::FALSE_POSITIVES,
    &estimate::choices::FALSE_NEGATIVES,
    &estimate::choices::TRUE_NEGATIVES,
    &estimate::choices::BUSINESS_VALUE,
    &estimate::averages::PRECISION,
    &estimate::averages::RECALL,
    &estimate::averages::F1,
    &estimate::areas::ROC_AUC_MACRO,
    &estimate::gaps::ACCURACY,
    &estimate::gaps::ROC_AUC,
    &group_rates::SELECTION_RATE,
    &group_rates::TRUE_POSITIVE_RATE,
    &group_rates::FALSE_POSITIVE_RATE,
    &group_rates::TRUE_NEGATIVE_RATE,
    &group_rates::FALSE_NEGATIVE_RATE,
    &group_rates::POSITIVE_PREDICTIVE_VALUE,
    &group_rates::NEGATIVE_PREDICTIVE_VALUE,
    &group_rates::ACCURACY_OF_GROUP,
    &group_rates::CALIBRATION_GAP,
    &parity::DEMOGRAPHIC_PARITY_DIFFERENCE,
    &parity::DEMOGRAPHIC_PARITY_RATIO,
    &parity::EQUAL_OPPORTUNITY_DIFFERENCE,
    &parity::EQUAL_OPPORTUNITY_RATIO,
    &parity::EQUALIZED_ODDS_DIFFERENCE,
    &parity::EQUALIZED_ODDS_RATIO,
    &parity::AVERAGE_ODDS_DIFFERENCE,
    &parity::PREDICTIVE_PARITY_DIFFERENCE,
    &parity::PREDICTIVE_EQUALITY_DIFFERENCE,
    &parity::TREATMENT_EQUALITY_DIFFERENCE,
    &parity::ACCURACY_DIFFERENCE,
    &inequality::THEIL_INDEX,
    &inequality::GENERALIZED_ENTROPY_INDEX,
    &inequality::BETWEEN_GROUP_THEIL_INDEX,
    &inequality::BETWEEN_GROUP_GENERALIZED_ENTROPY_INDEX,
    &against_rest::DPPL,
    &against_rest::DI,
    &against_rest::DCA,
    &against_rest::DCR,
    &against_rest::RD,
    &against_rest::SD,
    &against_rest::DAR,
    &against_rest::DRR,
    &against_rest::AD,
    &against_rest::TE,
    &against_rest::CDDPL,
    &attribution::NDCG,
    &attribution::NORMALISED_L1,
];

/// The row of a statistic.
pub fn find(family: Family, name: &str) -> Option<&'static Statistic> {
    ALL.iter().copied().find(|row| row.family == family && row.name == name)
}
