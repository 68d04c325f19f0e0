//! What has probably happened to data that changed: which of the accidents that befall columns its counts look like.
//!
//! Nothing but counts is known here: of each field the reference's tally and the window's, on one axis. Each cause says
//! what the window would look like if it had befallen the reference, with as few free numbers as it can, and is as likely
//! as the difference it leaves unexplained is small. What samples of these sizes differ by anyway explains nothing and
//! needs no explanation, so a window of a hundred rows gives little confidence in anything.
//!
//! A new cause is one file and one row of [`CAUSES`].
//!
//! How often it is right is measured by the test `causes`, which prints a table for each size of windows: `cargo test
//! --test tests causes -- --nocapture`. Accidents of three strengths befall columns of nine distributions, numeric and
//! categorical, of which a reference of 5000 rows is all that is known. Of windows of 2000 rows that raised an alarm, with
//! `SEEDS` at 40,000 to 40,009, this was told first:
//!
//! | truth | right | of | told as something else | 500 rows | 10,000 rows |
//! |---|--:|--:|---|--:|--:|
//! | unit change | 95.6 % | 180 | covariate drift 8 | 89.2 % | 96.7 % |
//! | null spike | 100 % | 270 | | 99.3 % | 100 % |
//! | re-encoded categories | 100 % | 90 | | 100 % | 100 % |
//! | swapped columns | 100 % | 270 | | 95.9 % | 100 % |
//! | stuck value | 92.6 % | 270 | covariate drift 20 | 92.8 % | 92.2 % |
//! | truncation | 96.3 % | 269 | covariate drift 10 | 91.9 % | 95.2 % |
//! | clock skew | 100 % | 269 | | 88.6 % | 100 % |
//! | traffic mix | 100 % | 208 | | 100 % | 100 % |
//! | covariate drift | 96.3 % | 269 | unit change 7, truncation 2, stuck value 1 | 90.7 % | 98.5 % |
//! | label drift | 100 % | 270 | | 99.3 % | 100 % |
//! | concept drift | 100 % | 270 | | 91.9 % | 100 % |
//! | nothing | 100 % | 270 | | 100 % | 100 % |
//!
//! Of alarmed windows of 100 rows it is right in four of five, and where it is wrong it has a confidence of 0.23 on
//! average. What goes wrong at any size is what counts do not tell apart: one of three categories
//! that gains may be stuck; a factor of 1.6 about nought may be miles, or a world that has spread; and amounts that have
//! grown may by chance have grown 2.54 times.

// What several of them need.
mod curve;
mod facts;
mod gap;
mod moments;
mod words;

mod clock_skew;
mod drift;
mod nulls;
mod one_value;
mod rank;
mod re_encoded;
mod swapped;
mod traffic_mix;
mod truncation;
mod unit_change;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::grid::Axis;
use crate::schema::Role;
use crate::tally::FieldTally;

use curve::{Curve, Range, points};
use facts::{Categories, Facts, Field, Numbers};
use gap::{CONTRADICTED, Gap, SURELY, errors_of, errors_of_categories, explained, share_errors, trust};
use moments::{Moments, kurtosis};
pub use rank::{Weight, rank};
use words::{counted, join, percent, times};

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

/// What is known of a window and of what it is compared with.
#[derive(Debug, Default)]
pub struct Scene<'a> {
    /// All fields that are compared, whether they have drifted or not.
    pub fields: Vec<Compared<'a>>,
    /// The subjects with alerts that fire, which are fields or what is measured of outcomes.
    pub alarmed: BTreeSet<&'a str>,
    /// The rows apart by each dimension, where they are told apart.
    pub slices: Vec<Sliced<'a>>,
    pub clock: Option<Clock>,
    pub outcomes: Option<Outcomes>,
}

/// One field's counts in the reference and in the window, on the same axis.
#[derive(Clone, Copy, Debug)]
pub struct Compared<'a> {
    pub subject: &'a str,
    pub role: Role,
    pub axis: &'a Axis,
    pub reference: &'a FieldTally,
    pub current: &'a FieldTally,
}

/// The rows that have one value of a dimension.
#[derive(Clone, Debug)]
pub struct Sliced<'a> {
    /// The dimension's subjects, joined by commas. The slices of one dimension hold each row once.
    pub dimension: &'a str,
    pub name: &'a str,
    pub reference_rows: u64,
    pub rows: u64,
    /// Those that are counted in the slice, on the axes of the whole.
    pub fields: Vec<Compared<'a>>,
}

/// How well the times of rows agree with when they came, in the window and usually.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Clock {
    pub rows: u64,
    pub late: u64,
    pub usual_rows: u64,
    pub usual_late: u64,
    pub delay: Option<Delay>,
}

/// Seconds from a row's event time to its arrival, in the middle of the rows; negative where rows come before their time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Delay {
    pub now: f64,
    pub usual: f64,
}

/// What is known of how right the model is, and of what it says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Outcomes {
    /// The accuracy that labels show. What it was before is best what was expected of the same rows by their scores, and
    /// else the reference's.
    pub accuracy: Option<Change>,
    /// The error of calibration that labels show.
    pub calibration_error: Option<Change>,
    /// The share of rows that turned out to be of the class that matters.
    pub turned_out: Option<Change>,
    /// The share of rows that the model said to be of it.
    pub predicted: Option<Change>,
}

/// A number that has changed, or not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    pub before: f64,
    pub now: f64,
    pub p_value: f64,
    /// Rows of the window that it is of.
    pub rows: u64,
}

/// What can have befallen columns, each by itself: all that speaks for it in a scene. Later ones that explain a subject
/// equally well give way to earlier ones.
const CAUSES: &[fn(&Facts) -> Vec<Likely>] = &[
    nulls::likely,
    unit_change::likely,
    swapped::likely,
    re_encoded::likely,
    one_value::likely,
    truncation::likely,
    clock_skew::likely,
    traffic_mix::likely,
    drift::of_inputs,
];

/// What has probably happened, likeliest first, but accidents to inputs before accidents to what the model says. What one
/// cause explains, no other does: a subject is in one of them.
///
/// Where nothing that was alarmed is seen to differ by more than chance, there is no cause.
pub fn likely(scene: &Scene) -> Vec<Likely> {
    let facts = Facts::new(scene);
    let mut found: Vec<Likely> = CAUSES.iter().flat_map(|cause| cause(&facts)).collect();
    found.retain(|one| drift::explains_more(&facts, one));
    // The order is stable, so that the same scene always has the same causes.
    found.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    let mut explained: BTreeSet<String> = BTreeSet::new();
    let mut chosen: Vec<Likely> = Vec::new();
    for mut one in found {
        // What is explained already is not explained by the rest of a cause that needs it.
        if one.cause == Cause::SwappedColumns && one.subjects.iter().any(|subject| explained.contains(subject)) {
            continue;
        }
        one.subjects.retain(|subject| !explained.contains(subject));
        if one.subjects.iter().any(|subject| scene.alarmed.contains(subject.as_str())) {
            explained.extend(one.subjects.iter().cloned());
            chosen.push(one);
        }
    }
    let mut chosen = drift::joined(chosen);
    drift::of_outputs(&facts, &mut chosen);
    chosen.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    // What the model says follows from what it is given: a score that is stuck may well be so because of bad inputs.
    let is_accident =
        |one: &Likely| !matches!(one.cause, Cause::CovariateDrift | Cause::LabelDrift | Cause::ConceptDrift);
    let is_of_inputs = |one: &Likely| facts.features().any(|field| one.subjects.iter().any(|it| it == field.subject));
    if chosen.iter().any(|one| is_accident(one) && is_of_inputs(one)) {
        chosen.sort_by_key(|one| is_accident(one) && !is_of_inputs(one));
    }
    chosen
}
