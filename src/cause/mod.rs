//! What has probably happened to data that changed: which of the accidents that befall columns its counts look like.

use serde::{Deserialize, Serialize};

/// What can have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Numbers are in another unit: multiplied, as dollars to cents, or multiplied and moved, as Fahrenheit to Celsius.
    UnitChange,
    /// Many more rows have no value, and those that have one are as before.
    NullSpike,
    /// Categories go by other names, with the same shares.
    ReEncodedCategories,
    /// Two columns have each other's values.
    SwappedColumns,
    /// One value where there were many.
    StuckValue,
    /// Values are cut off beyond a bound, or gathered on it.
    Truncation,
    /// Times of rows are off, so windows hold the rows of other hours.
    ClockSkew,
    /// The same slices as ever, in other proportions.
    TrafficMix,
    /// Inputs are distributed otherwise, in none of the ways above.
    CovariateDrift,
    /// What turns out, or is predicted, is of other proportions while inputs are as before.
    LabelDrift,
    /// The same inputs mean something else: the model errs more, or is calibrated worse.
    ConceptDrift,
}

/// A cause that the evidence speaks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Likely {
    pub cause: Cause,
    /// The features, or others, that it has befallen.
    pub subjects: Vec<String>,
    /// How well it explains what is seen, from 0 to 1.
    pub confidence: f64,
    /// What speaks for it, for a person. It names no value of any row.
    pub evidence: String,
}
