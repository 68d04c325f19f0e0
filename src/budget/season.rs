//! What a series usually is at an hour of the day, on a day of the week, and at an hour of the week.

use serde::{Deserialize, Serialize};

use crate::time::{Span, Time};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
const WEEK: i64 = 7 * DAY;
/// 1970-01-01 was a Thursday; weeks are counted from a Monday.
const MONDAY: i64 = 4 * DAY;

/// How many visits an hour of the day, a day of the week and an hour of the week are remembered for. Seasons change,
/// though slowly.
const REMEMBERED: [f64; 3] = [60.0, 16.0, 20.0];
/// How many visits the belief is worth that a slot has no season of its own. Hours of the week need to show that
/// they are more than their hour and their day together.
const BELIEF: [f64; 3] = [1.0, 1.0, 6.0];

/// The season of one series: three tables whose sum is the expected deviation from the series' level.
///
/// Each table keeps a mean of zero, so a change that is the same at all hours never becomes season. Windows of a day or
/// longer have no hours, and windows of a week or longer have no season at all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Season {
    hours: Table,
    days: Table,
    hours_of_week: Table,
}

/// A value for each slot, and how often each was visited. A slot's visit is the time that it lasts, however many
/// windows that holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Table {
    values: Vec<f32>,
    visits: Vec<f32>,
}

impl Table {
    fn of(slots: usize) -> Table {
        Table { values: vec![0.0; slots], visits: vec![0.0; slots] }
    }

    fn value(&self, slot: usize) -> f64 {
        self.values.get(slot).map_or(0.0, |value| f64::from(*value))
    }

    /// Moves a slot towards what was found there beyond all that was expected.
    fn learn(&mut self, slot: usize, excess: f64, visit: f64, remembered: f64, belief: f64) {
        let (Some(value), Some(visits)) = (self.values.get_mut(slot), self.visits.get_mut(slot)) else { return };
        *visits += visit as f32;
        let weight = (visit / (f64::from(*visits) + belief)).max(visit / remembered).min(1.0);
        let step = excess * weight;
        *value += step as f32;
        // Windows of six hours visit four hours of the day, and the mean of those has to be zero.
        let is_visited = |visits: &f32| f32::from(u8::from(*visits > 0.0));
        let visited: f32 = self.visits.iter().map(is_visited).sum();
        let shared = step as f32 / visited.max(1.0);
        for (value, visits) in self.values.iter_mut().zip(&self.visits) {
            *value -= shared * is_visited(visits);
        }
    }
}

/// Which slots a window is in, and what share of each it fills.
struct Slots {
    hour: Option<(usize, f64)>,
    day: Option<(usize, f64)>,
    hour_of_week: Option<(usize, f64)>,
}

impl Slots {
    /// A window is where its middle is.
    fn of(end: Time, length: Span) -> Slots {
        let length = length.0.max(1);
        let middle = end.0.saturating_sub(length / 2).saturating_sub(MONDAY);
        let hour = (middle.rem_euclid(WEEK) / HOUR) as usize;
        let share = |slot: i64| (length as f64 / slot as f64).min(1.0);
        Slots {
            hour: (length < DAY).then(|| (hour % 24, share(HOUR))),
            day: (length < WEEK).then(|| (hour / 24, share(DAY))),
            hour_of_week: (length < DAY).then(|| (hour, share(HOUR))),
        }
    }
}

impl Default for Season {
    fn default() -> Season {
        Season { hours: Table::of(24), days: Table::of(7), hours_of_week: Table::of(168) }
    }
}

impl Season {
    /// What is expected of a window beyond the level.
    pub fn expected(&self, end: Time, length: Span) -> f64 {
        let slots = Slots::of(end, length);
        let of = |table: &Table, slot: Option<(usize, f64)>| slot.map_or(0.0, |(slot, _)| table.value(slot));
        of(&self.hours, slots.hour) + of(&self.days, slots.day) + of(&self.hours_of_week, slots.hour_of_week)
    }

    /// Takes in what a window was beyond level and season together. `trust` is between 0, for not at all, and 1.
    pub fn learn(&mut self, end: Time, length: Span, excess: f64, trust: f64) {
        let slots = Slots::of(end, length);
        let tables = [&mut self.hours, &mut self.days, &mut self.hours_of_week];
        for (place, (table, slot)) in tables.into_iter().zip([slots.hour, slots.day, slots.hour_of_week]).enumerate() {
            if let Some((slot, visit)) = slot {
                table.learn(slot, excess, visit * trust, REMEMBERED[place], BELIEF[place]);
            }
        }
    }

    /// How much event time a season of windows this long needs to be seen twice.
    pub fn two_rounds(length: Span) -> Span {
        if length.0 < WEEK { Span(2 * WEEK) } else { Span(0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learnt(length: i64, weeks: i64, of: impl Fn(i64) -> f64) -> Season {
        let mut season = Season::default();
        for end in (1..=weeks * WEEK / length).map(|window| window * length) {
            let excess = of(end - length) - season.expected(Time(end), Span(length));
            season.learn(Time(end), Span(length), excess, 1.0);
        }
        season
    }

    #[test]
    fn hours_and_days_are_learnt_together() {
        let wave = |at: i64| {
            let day = (at.div_euclid(DAY).rem_euclid(7) - 3) as f64;
            (at.rem_euclid(DAY) / HOUR) as f64 - 11.5 + day
        };
        let season = learnt(HOUR, 26, wave);
        for hour in 0..168 {
            let found = season.expected(Time((hour + 1) * HOUR), Span(HOUR));
            assert!((found - wave(hour * HOUR)).abs() < 1.0, "{hour}: {found} for {}", wave(hour * HOUR));
        }
    }

    #[test]
    fn a_change_that_is_the_same_at_all_hours_is_no_season() {
        for length in [HOUR / 4, HOUR, 6 * HOUR, DAY, WEEK] {
            let mut season = Season::default();
            for window in 1..=8 * WEEK / length {
                season.learn(Time(window * length), Span(length), 1.0, 1.0);
            }
            let mean: f64 = (1..=WEEK / length.min(WEEK))
                .map(|window| season.expected(Time(window * length), Span(length)))
                .sum::<f64>()
                / (WEEK / length.min(WEEK)) as f64;
            assert!(mean.abs() < 0.05, "{length}: {mean}");
        }
    }
}
