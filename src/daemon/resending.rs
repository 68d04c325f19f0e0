//! Tells those again who forget: an Alertmanager takes an alert that it does not hear of any more for resolved.

use std::collections::BTreeMap;
use std::time::Instant;

use super::outlets::now;
use crate::notice::Notice;
use crate::notify::receiver::Config;
use crate::notify::{Letter, letters};
use crate::rule::alert::AlertEvent;

/// When each receiver that forgets was last told what fires.
#[derive(Debug, Default)]
pub struct Resending(BTreeMap<String, Instant>);

impl Resending {
    /// The letters that are due at this time, of the alerts that fire. They need not be stored: soon there are others,
    /// which say the same.
    pub fn due(
        &mut self,
        receivers: &BTreeMap<String, Config>,
        firing: impl FnOnce() -> Vec<AlertEvent>,
        at: Instant,
        sequence: &mut u64,
    ) -> Vec<Letter> {
        let is_due = |(name, receiver): &(&String, &Config)| {
            let waited = |every| self.0.get(*name).is_none_or(|last| at.duration_since(*last) >= every);
            receiver.resend().is_some_and(waited)
        };
        let due: Vec<(&String, &Config)> = receivers.iter().filter(is_due).collect();
        if due.is_empty() {
            return Vec::new();
        }
        let (firing, mut told) = (firing(), Vec::new());
        for (name, receiver) in due {
            self.0.insert(name.clone(), at);
            for alert in firing.iter().filter(|alert| alert.notify.contains(name)) {
                let notice = Notice::of_one(alert.id.clone(), name, alert.clone(), now());
                told.extend(letters(notice, receiver, now(), sequence));
            }
        }
        told
    }
}
