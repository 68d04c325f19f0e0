//! From bytes to columns: one decoder for each format.

mod columns;
pub mod json;

pub use columns::write_number;
pub use columns::{Columns, Scalar};
