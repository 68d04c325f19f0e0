//! Where rows come from.

pub mod embedded;
pub mod kafka;
pub mod reread;
pub mod follow;
pub mod cloudevent;
pub mod reference_file;
pub mod table;
