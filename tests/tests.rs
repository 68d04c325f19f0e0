//! All integration tests, in one binary, told in order.

/// The modules keep to their layers, and files to one desk.
mod layers;

/// What is shipped beside the code says what the code does.
mod documents;

/// The daemon without its edges, for the tests of the core.
mod watch;

/// Counting is a function of the log.
mod counting;

/// A real production log, replayed, gives the numbers that other programs give.
mod elec2;

/// What conditions say of measurements.
mod conditions;

/// Behaviour told as scripts.
mod scenarios;

/// Against real brokers, where they are asked for: the same numbers as in a replay, also after crashes.
mod real_kafka;
