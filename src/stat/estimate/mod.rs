//! What a model's figures are expected to be before labels have come, and how far off that was.

mod expected;

pub mod areas;
pub mod averages;
pub mod choices;
pub mod gaps;

#[cfg(test)]
mod golden;
#[cfg(test)]
mod laws;

use expected::{Figure, Part, Ranked, choices, enough, of_calibration, parts, reading, sober, stretched};
