//! All integration tests, in one binary, told in order.

/// The modules keep to their layers, and files to one desk.
mod layers;

/// The daemon without its edges, for the tests of the core.
mod watch;

/// Counting is a function of the log.
mod counting;

/// Learnt references begin where learning ends.
mod learning;

/// What conditions say of measurements.
mod conditions;

/// Behaviour told as scripts.
mod scenarios;
