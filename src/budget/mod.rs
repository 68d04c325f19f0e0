//! (doc to come)
mod detector;
mod excursion;
mod gauge;
mod ledger;
mod season;
mod wander;
mod watch;
pub use gauge::{Gauge, Kind, Observation};
pub use ledger::{Budget, Fault, Ledger};
pub use watch::{Series, Surprise, Value, Watch};
