//! The real binary against a real Apache Kafka, because a mock agrees with whoever wrote it.
//!
//! `TIDEGAUGE_KAFKA=3.9.1,4.1.1` names the versions to run against; without it these tests say that they did not run.

mod broker;
mod daemon;
mod killed;
mod rough;
mod same;
mod shared;
mod stream;
mod topics;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// One test at a time has a broker: they measure by the clock, and a broker takes much of a small machine.
static TURN: Mutex<()> = Mutex::new(());

/// The versions to run against, and the turn.
fn versions(test: &str) -> Option<(Vec<String>, MutexGuard<'static, ()>)> {
    let named = std::env::var("TIDEGAUGE_KAFKA").unwrap_or_default();
    let versions: Vec<String> =
        named.split(',').map(|version| version.trim().to_owned()).filter(|version| !version.is_empty()).collect();
    if versions.is_empty() {
        eprintln!("{test} did not run: TIDEGAUGE_KAFKA names no version of Kafka, such as 4.1.1");
        return None;
    }
    Some((versions, TURN.lock().unwrap_or_else(PoisonError::into_inner)))
}
