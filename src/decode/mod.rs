//! From bytes to columns: one decoder for each format.

mod columns;
pub mod json;
mod probabilities;
mod veil;

pub use columns::write_number;
pub use columns::{Columns, Scalar};
pub use probabilities::Probabilities;
use veil::Veil;
