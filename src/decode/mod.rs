//! From bytes to columns: one decoder for each format.

pub mod json;
