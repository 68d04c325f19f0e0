//! What noticed an injected change, how soon, and how often the same cried wolf before it.

use serde::Serialize;

use super::inject::Injection;
use crate::measurement::{Family, Measurement};
use crate::rule::State;
use crate::rule::alert::AlertEvent;
use crate::time::{Span, Time};

/// What is known of one injection.
///
/// Windows that end at or before the change are before it; those that hold any of its time are after it, over all
/// versions and slices. What breached before did so without this change, though the data may have drifted by itself.
#[derive(Debug, Serialize)]
pub struct Power {
    pub injection: String,
    pub from: Time,
    pub until: Option<Time>,
    pub statistics: Vec<Noticed>,
    pub alerts: Vec<Raised>,
    #[serde(skip)]
    subjects: Vec<String>,
}

/// How a statistic that has a threshold took it.
#[derive(Debug, Serialize)]
pub struct Noticed {
    pub family: Family,
    pub subject: String,
    pub statistic: String,
    pub windows_before: u64,
    pub breached_before: u64,
    pub windows_after: u64,
    pub breached_after: u64,
    /// The share of the windows after the change that were breached.
    pub power: Option<f64>,
    /// The end of the first such window, and how long after the change that is.
    pub first_breach: Option<Time>,
    pub delay_seconds: Option<f64>,
}

/// How an alert took it.
#[derive(Debug, Serialize)]
pub struct Raised {
    pub alert: String,
    pub version: String,
    pub subject: String,
    /// How often it began to fire before the change.
    pub fired_before: u64,
    /// Whether it was firing already, so that it could not begin to.
    pub firing_before: bool,
    pub first_fired: Option<Time>,
    pub delay_seconds: Option<f64>,
}

impl Power {
    pub fn new(injection: &Injection, subjects: &[&str]) -> Power {
        Power {
            injection: injection.text.clone(),
            from: injection.from,
            until: Some(injection.until).filter(|until| *until != Time::MAX),
            statistics: Vec::new(),
            alerts: Vec::new(),
            subjects: subjects.iter().map(|subject| (*subject).to_owned()).collect(),
        }
    }

    /// How long after the change a window ends; `None` for one before it. Windows that begin when it is over have no
    /// part in this.
    fn delay(&self, end: Time) -> Option<Span> {
        (end > self.from).then(|| Span(end.0 - self.from.0))
    }

    fn is_over(&self, start: Time) -> bool {
        self.until.is_some_and(|until| start >= until)
    }

    pub fn measured(&mut self, measurements: &[Measurement]) {
        for m in measurements {
            let concerns = self.subjects.contains(&m.subject) && m.threshold.is_some();
            if !concerns || self.is_over(m.window_start) {
                continue;
            }
            let delay = self.delay(m.window_end);
            let is_it = |n: &Noticed| n.family == m.family && n.subject == m.subject && n.statistic == m.statistic;
            let place = self.statistics.iter().position(is_it).unwrap_or_else(|| {
                self.statistics.push(Noticed::new(m));
                self.statistics.len() - 1
            });
            self.statistics[place].take(m, delay);
        }
    }

    pub fn alert(&mut self, event: &AlertEvent) {
        if self.is_over(event.window_start) {
            return;
        }
        let delay = self.delay(event.window_end);
        let is_it = |r: &Raised| r.alert == event.alert && r.version == event.version && r.subject == event.subject;
        let place = self.alerts.iter().position(is_it).unwrap_or_else(|| {
            self.alerts.push(Raised {
                alert: event.alert.clone(),
                version: event.version.clone(),
                subject: event.subject.clone(),
                fired_before: 0,
                firing_before: false,
                first_fired: None,
                delay_seconds: None,
            });
            self.alerts.len() - 1
        });
        let raised = &mut self.alerts[place];
        match (event.state, delay) {
            (State::Firing, None) => {
                raised.fired_before += 1;
                raised.firing_before = true;
            }
            (State::Resolved, None) => raised.firing_before = false,
            (State::Firing, Some(delay)) if raised.first_fired.is_none() => {
                raised.first_fired = Some(event.window_end);
                raised.delay_seconds = Some(delay.seconds());
            }
            _ => {}
        }
    }

    /// Drops alerts that were only ever pending, and sorts by what noticed it first.
    pub fn finish(&mut self) {
        self.alerts.retain(|raised| raised.fired_before > 0 || raised.first_fired.is_some());
        let soonest = |delay: Option<f64>| delay.unwrap_or(f64::INFINITY);
        self.statistics.sort_by(|a, b| soonest(a.delay_seconds).total_cmp(&soonest(b.delay_seconds)));
        self.alerts.sort_by(|a, b| soonest(a.delay_seconds).total_cmp(&soonest(b.delay_seconds)));
    }
}

impl Noticed {
    fn new(m: &Measurement) -> Noticed {
        Noticed {
            family: m.family,
            subject: m.subject.clone(),
            statistic: m.statistic.clone(),
            windows_before: 0,
            breached_before: 0,
            windows_after: 0,
            breached_after: 0,
            power: None,
            first_breach: None,
            delay_seconds: None,
        }
    }

    fn take(&mut self, m: &Measurement, delay: Option<Span>) {
        let breached = u64::from(m.breached == Some(true));
        let Some(delay) = delay else {
            self.windows_before += 1;
            self.breached_before += breached;
            return;
        };
        self.windows_after += 1;
        self.breached_after += breached;
        self.power = Some(self.breached_after as f64 / self.windows_after as f64);
        if breached > 0 && self.first_breach.is_none() {
            self.first_breach = Some(m.window_end);
            self.delay_seconds = Some(delay.seconds());
        }
    }
}
