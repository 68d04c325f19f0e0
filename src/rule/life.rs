//! The life of an alert: how what is said of window after window moves it.

use serde::{Deserialize, Serialize};

use super::State;
use super::condition::Verdict;
use crate::time::{Span, Time};

/// How often a condition has to hold before anybody is told, and to fail before that is taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// It fires when the condition held in so many of the last `of` windows in which it was known.
    pub windows: u32,
    pub of: u32,
    /// It goes on firing for this much event time after the last window in which the condition held.
    pub keep: Span,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience { windows: 1, of: 1, keep: Span(0) }
    }
}

/// An alert that is pending or firing. There is none for what is fine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Active {
    /// Stable through the whole episode: the same in the event that says firing and in the one that says resolved.
    pub id: String,
    /// The end of the first window for which the condition held.
    pub since: Time,
    /// The windows of which it was known whether the condition holds, oldest first: as many as decide.
    pub recent: Vec<(Time, bool)>,
    /// The end of the last window in which it held.
    pub held: Time,
    pub firing: bool,
    /// What has kept it from being known since.
    pub unknown: Option<Unknown>,
}

/// Since when it is not known whether a condition holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unknown {
    /// The end of the first window of which it was not.
    pub since: Time,
    pub why: Lack,
    /// For a person.
    pub reason: String,
}

/// Why a condition is neither good nor bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lack {
    /// There are no rows of it at all.
    NoData,
    /// There are rows, but too few, or what else it would take to know.
    InsufficientData,
}

impl Lack {
    pub const ALL: [Lack; 2] = [Lack::NoData, Lack::InsufficientData];

    pub fn name(self) -> &'static str {
        match self {
            Lack::NoData => "no_data",
            Lack::InsufficientData => "insufficient_data",
        }
    }
}

impl Active {
    /// The end of the last window of which anything was known.
    fn last(&self) -> Time {
        self.recent.last().map_or(Time::MIN, |(end, _)| *end)
    }

    fn held_in(&self) -> usize {
        self.recent.iter().filter(|(_, held)| *held).count()
    }

    /// Whether windows that held already would be among those that make it fire, if all that come held.
    fn may_fire(&self, patience: Patience) -> bool {
        let held_of_last = |last: u32| self.recent.iter().rev().take(last as usize).filter(|(_, held)| *held).count();
        (1..patience.windows).any(|more| held_of_last(patience.of - more) >= (patience.windows - more) as usize)
    }

    pub fn state(&self) -> State {
        if self.firing { State::Firing } else { State::Pending }
    }

    /// Remembers a window; what was said of the same one before is forgotten.
    fn note(&mut self, end: Time, holds: bool, of: u32) {
        self.recent.pop_if(|(last, _)| *last == end);
        self.recent.push((end, holds));
        let surplus = self.recent.len().saturating_sub(of as usize);
        self.recent.drain(..surplus);
        if holds {
            self.held = end;
        }
        if !self.firing {
            // It began with the first window that held and still counts.
            let good = self.recent.iter().take_while(|(_, held)| !held).count();
            self.recent.drain(..good);
            self.since = self.recent.first().map_or(self.since, |(first, _)| *first);
        }
    }

    /// There are no rows to ask of. That resolves nothing.
    pub fn lacks(&mut self, why: Lack, reason: &str, end: Time) {
        let since = self.unknown.as_ref().filter(|before| before.why == why).map_or(end, |before| before.since);
        self.unknown = Some(Unknown { since, why, reason: reason.to_owned() });
    }
}

/// Moves an alert on by one window. `None` in the slot means that all is fine.
///
/// An unknown verdict neither raises an alert nor resolves one, and is not among the windows that are counted. A window
/// that is told again, with more labels, counts once; and nothing that comes to light of a window says more than a later
/// one.
pub fn step(
    slot: &mut Option<Active>,
    patience: Patience,
    verdict: &Verdict,
    end: Time,
    id: impl FnOnce() -> String,
) -> Option<State> {
    if slot.as_ref().is_some_and(|active| active.last() > end) {
        return None;
    }
    let holds = match (verdict, &mut *slot) {
        (Verdict::Unknown(reason), slot) => {
            slot.iter_mut().for_each(|active| active.lacks(Lack::InsufficientData, reason, end));
            return None;
        }
        (Verdict::Fails, None) => return None,
        (Verdict::Holds, _) => true,
        (Verdict::Fails, Some(_)) => false,
    };
    let is_new = slot.is_none();
    let active = slot.get_or_insert_with(|| Active {
        id: id(),
        since: end,
        recent: Vec::new(),
        held: end,
        firing: false,
        unknown: None,
    });
    active.unknown = None;
    active.note(end, holds, patience.of);
    let is_enough = active.held_in() >= patience.windows as usize;
    if active.firing {
        let is_over = !holds && !is_enough && end >= active.held + patience.keep;
        return is_over.then(|| slot.take()).map(|_| State::Resolved);
    }
    if is_enough {
        active.firing = true;
        return Some(State::Firing);
    }
    if !active.may_fire(patience) {
        *slot = None;
    }
    is_new.then_some(State::Pending)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is told of windows that are a minute long: `!` holds, `.` fails, `?` is unknown. The letters say pending,
    /// firing and resolved.
    fn told(patience: Patience, windows: &str) -> String {
        let mut slot = None;
        let word = |(at, window): (usize, char)| {
            let verdict = match window {
                '!' => Verdict::Holds,
                '.' => Verdict::Fails,
                _ => Verdict::Unknown("too few rows".to_owned()),
            };
            match step(&mut slot, patience, &verdict, Time(60_000 * at as i64), || at.to_string()) {
                Some(State::Pending) => 'p',
                Some(State::Firing) => 'f',
                Some(State::Resolved) => 'r',
                None => '-',
            }
        };
        windows.chars().enumerate().map(word).collect()
    }

    fn patience(windows: u32, of: u32, keep: i64) -> Patience {
        Patience { windows, of, keep: Span(60_000 * keep) }
    }

    #[test]
    fn it_fires_when_enough_of_the_last_windows_held() {
        assert_eq!(told(patience(1, 1, 0), "..!!.!"), "--f-rf");
        assert_eq!(told(patience(2, 2, 0), ".!.!!!.!!"), "-p-pf-rpf");
        assert_eq!(told(patience(2, 3, 0), ".!.!..!"), "-p-fr-p");
        assert_eq!(told(patience(3, 5, 0), "!..!....!!!"), "p-------p-f");
    }

    #[test]
    fn what_is_not_known_changes_nothing() {
        assert_eq!(told(patience(1, 1, 0), "?!??.?"), "-f--r-");
        assert_eq!(told(patience(2, 2, 0), "!?!?"), "p-f-");
        let mut slot = None;
        step(&mut slot, patience(1, 1, 0), &Verdict::Holds, Time(1), String::new);
        for end in [2, 3] {
            step(&mut slot, patience(1, 1, 0), &Verdict::Unknown("too few".into()), Time(end), String::new);
        }
        let unknown = Unknown { since: Time(2), why: Lack::InsufficientData, reason: "too few".into() };
        let active = slot.as_mut().expect("it fires");
        assert_eq!(active.unknown.as_ref(), Some(&unknown));
        active.lacks(Lack::NoData, "no rows", Time(4));
        assert_eq!(active.unknown.as_ref().map(|unknown| unknown.since), Some(Time(4)));
        assert!(active.firing);
        step(&mut slot, patience(1, 1, 0), &Verdict::Holds, Time(5), String::new);
        assert_eq!(slot.expect("it fires").unknown, None);
    }

    #[test]
    fn it_goes_on_firing_as_long_as_is_asked() {
        assert_eq!(told(patience(1, 1, 3), "!..!...."), "f-----r-");
        assert_eq!(told(patience(2, 3, 2), "!!.....!"), "pf-r---p");
    }

    #[test]
    fn a_window_that_is_told_again_counts_once_and_later_ones_say_more() {
        let two = patience(2, 2, 0);
        let mut slot = None;
        let mut say = |holds: bool, end: i64| {
            let verdict = if holds { Verdict::Holds } else { Verdict::Fails };
            step(&mut slot, two, &verdict, Time(end), || "id".to_owned())
        };
        assert_eq!(say(true, 1), Some(State::Pending));
        assert_eq!(say(true, 1), None);
        assert_eq!(say(true, 2), Some(State::Firing));
        assert_eq!(say(false, 1), None, "an earlier window has no say any more");
        assert_eq!(say(false, 2), Some(State::Resolved), "the same one has");
    }

    proptest! {
        /// Firing and resolved take turns, nothing resolves while it is not known, and it fires as the definition says.
        #[test]
        fn it_fires_as_defined(windows in 1u32..4, more in 0u32..3, keep in 0i64..4, said in "[!.?]{0,60}") {
            let of = windows + more;
            let told = told(patience(windows, of, keep), &said);
            let turns: String = told.chars().filter(|c| "fr".contains(*c)).collect();
            prop_assert!(!turns.contains("ff") && !turns.contains("rr") && !turns.starts_with('r'), "{}", told);
            let (mut firing, mut known, mut held) = (false, Vec::new(), 0);
            for (at, (window, word)) in said.chars().zip(told.chars()).enumerate() {
                if window != '?' {
                    known.push(window == '!');
                    if window == '!' {
                        held = at;
                    }
                    let recent = known.iter().rev().take(of as usize).filter(|held| **held).count();
                    let is_over = (at - held) as i64 >= keep && window == '.';
                    let was_firing = firing;
                    firing = if firing { recent >= windows as usize || !is_over } else { recent >= windows as usize };
                    if was_firing && !firing {
                        // What is over is begun anew.
                        known.clear();
                    }
                }
                let before_and_now = told[..=at].rfind(['f', 'r']).is_some_and(|last| told[last..].starts_with('f'));
                prop_assert_eq!(firing, before_and_now, "{} {} at {} {}", said, told, at, word);
            }
        }
    }
}
