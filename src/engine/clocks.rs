//! When rows come: how long after their time, and how long that usually is. Clocks that are off are told by it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::judge::Group;
use super::rules::GroupKey;
use crate::cause::{Clock, Delay};
use crate::tally::arrivals::Arrivals;

/// How long after their time the rows of a log usually come.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Usual {
    seconds: f64,
    windows: u32,
}

/// Windows from which on it is known what is usual, and those that are remembered.
const KNOWN: u32 = 3;
const REMEMBERED: u32 = 100;
/// From then on, a window that is farther off than so many seconds is learnt from as if it were no farther.
const FARTHEST: f64 = 300.0;

impl Usual {
    fn new(seconds: f64) -> Usual {
        Usual { seconds, windows: 1 }
    }

    fn learn(&mut self, now: f64) {
        let away = now - self.seconds;
        let away = if self.windows < KNOWN { away } else { away.clamp(-FARTHEST, FARTHEST) };
        self.seconds += away / f64::from(self.windows.min(REMEMBERED - 1) + 1);
        self.windows = self.windows.saturating_add(1);
    }
}

/// What is usual in each topic, of all versions: so a new one whose clock is off is found at once.
pub(super) type Usuals = BTreeMap<Arc<str>, Usual>;

/// When the rows of a window came, by version; learns from it what is usual. Of several logs the one that is farthest
/// off is told of.
pub(super) fn told(usuals: &mut Usuals, groups: &BTreeMap<GroupKey, Group>) -> BTreeMap<Arc<str>, Clock> {
    let mut clocks: BTreeMap<Arc<str>, Clock> = BTreeMap::new();
    let mut of_topics: BTreeMap<&Arc<str>, Arrivals> = BTreeMap::new();
    for ((version, _), group) in groups.iter().filter(|((_, slice), _)| slice.is_empty()) {
        for (topic, log) in &group.logs {
            of_topics.entry(topic).or_default().merge(&log.arrivals);
            let usual = usuals.get(topic).filter(|usual| usual.windows >= KNOWN);
            let Some((now, usual)) = log.arrivals.median().zip(usual) else { continue };
            let delay = Delay { now, usual: usual.seconds };
            let off = |delay: &Delay| (delay.now - delay.usual).abs();
            let known = clocks.entry(version.clone()).or_default();
            if known.delay.as_ref().is_none_or(|known| off(&delay) > off(known)) {
                known.delay = Some(delay);
            }
        }
    }
    for (topic, arrivals) in of_topics {
        let Some(now) = arrivals.median() else { continue };
        match usuals.get_mut(topic) {
            Some(usual) => usual.learn(now),
            None => drop(usuals.insert(topic.clone(), Usual::new(now))),
        }
    }
    clocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_usual_follows_slowly() {
        let mut usual = Usual::new(10.0);
        (0..200).for_each(|_| usual.learn(20.0));
        assert!((usual.seconds - 20.0).abs() < 0.5, "{usual:?}");
        let before = usual.seconds;
        usual.learn(3620.0);
        assert!((usual.seconds - before - 3.0).abs() < 1e-9, "one window is not soon usual: {usual:?}");
        (0..5000).for_each(|_| usual.learn(3620.0));
        assert!((usual.seconds - 3620.0).abs() < 1.0, "what lasts is: {usual:?}");
    }
}
