//! How long after their time rows came to their log.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::time::Span;

/// Rows by the whole minutes that they took, which are negative where rows came before their time. What is a day or more
/// off is counted as that.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrivals {
    minutes: BTreeMap<i16, u64>,
}

const MINUTE: i64 = 60_000;
const DAY: i64 = 1440;

impl Arrivals {
    pub fn add(&mut self, delay: Span) {
        let minute = delay.0.div_euclid(MINUTE).clamp(-DAY, DAY);
        *self.minutes.entry(minute as i16).or_default() += 1;
    }

    pub fn merge(&mut self, other: &Arrivals) {
        for (minute, rows) in &other.minutes {
            *self.minutes.entry(*minute).or_default() += rows;
        }
    }

    /// The median in seconds, to the half minute; `None` where it is not known when rows came.
    pub fn median(&self) -> Option<f64> {
        let rows: u64 = self.minutes.values().sum();
        let mut passed = 0;
        let (minute, _) = self.minutes.iter().find(|(_, count)| {
            passed += **count;
            2 * passed >= rows
        })?;
        Some(f64::from(*minute) * 60.0 + 30.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(seconds: &[i64]) -> Arrivals {
        let mut arrivals = Arrivals::default();
        seconds.iter().for_each(|&seconds| arrivals.add(Span(seconds * 1000)));
        arrivals
    }

    #[test]
    fn the_median_is_to_the_half_minute() {
        assert_eq!(of(&[]).median(), None);
        assert_eq!(of(&[0]).median(), Some(30.0));
        assert_eq!(of(&[3, 4, 3601, 3602, 3659]).median(), Some(3630.0));
        assert_eq!(of(&[-1, -2, 5]).median(), Some(-30.0), "they came before their time");
        assert_eq!(of(&[i64::MAX / 1000, i64::MAX / 1000]).median(), Some(86_430.0));
    }

    #[test]
    fn merged_is_as_counted_together() {
        let (one, other) = ([1, 2, 90], [-70, 2, 4000]);
        let mut merged = of(&one);
        merged.merge(&of(&other));
        assert_eq!(merged, of(&[one, other].concat()));
    }
}
