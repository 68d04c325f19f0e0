//! A group: alerts that one receiver is told of together, and what it knows of each.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::matcher::Labels;
use super::tree::Timing;
use super::{Identity, Manner};
use crate::rule::State;
use crate::time::{Span, Time};

/// What has to outlive the process of a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    pub receiver: String,
    /// What its alerts have in common.
    pub labels: Labels,
    /// What the receiver calls it by, for as long as any of its alerts fires.
    pub key: String,
    pub members: BTreeMap<Identity, Member>,
    pub opened: Time,
    pub told: Option<Time>,
    /// How often it was told without a change.
    pub repeats: u32,
    /// How its receiver wants to be told, and when: as the configuration has it now.
    #[serde(skip)]
    pub manner: Manner,
    #[serde(skip)]
    pub timing: Timing,
}

/// An alert of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// What the receiver was last told of it.
    pub told: Option<State>,
    /// By the clock, when it was resolved.
    pub ended: Option<Time>,
    /// No route leads here any more: only its end is still to be told.
    pub is_led_elsewhere: bool,
}

impl Member {
    /// Whether there is something that the receiver does not know. Whoever was told that an alert fires is told that it
    /// no longer does, muted or not; that one was over before anyone was told is nothing to tell.
    pub fn is_news(&self, is_muted: impl FnOnce() -> bool) -> bool {
        match self.ended {
            None => !self.is_led_elsewhere && self.told != Some(State::Firing) && !is_muted(),
            Some(_) => self.told == Some(State::Firing),
        }
    }

    pub fn is_firing(&self) -> bool {
        self.ended.is_none()
    }
}

/// For how long an alert that is over is told to those that forget, as Prometheus does it.
const REMEMBERED: Span = Span(15 * 60 * 1000);

/// Why a group is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    News,
    Repeat,
}

impl Group {
    /// Whether it is to be told now. `has_news` is whether any member is news.
    pub fn occasion(&self, has_news: bool, now: Time) -> Option<Occasion> {
        // The clock may have been set back.
        let told = self.told.map(|told| told.min(now));
        let (wait, repeat) = match self.manner {
            Manner::Grouped => {
                let from = told.map_or(self.opened.min(now) + self.timing.wait, |told| told + self.timing.interval);
                (from, Some(self.timing.repeat))
            }
            Manner::Each => (now, None),
            Manner::Forgets { resend } => (now, Some(resend)),
        };
        if has_news {
            return (now >= wait).then_some(Occasion::News);
        }
        let is_due = told.zip(repeat).is_some_and(|(told, repeat)| now >= told + repeat);
        is_due.then_some(Occasion::Repeat)
    }

    /// Lets go of members of which nothing is left to tell.
    pub fn forget(&mut self, now: Time) {
        let remembered = if matches!(self.manner, Manner::Forgets { .. }) { REMEMBERED } else { Span(0) };
        self.members.retain(|_, member| {
            let is_over = |ended: Time| member.told != Some(State::Firing) && now >= ended + remembered;
            !member.ended.is_some_and(is_over)
        });
    }
}
