//! Where rows come from.

pub mod table;
