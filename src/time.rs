//! Event time: instants, spans, and how a stream is cut into panes and windows.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, SecondsFormat};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An instant, in milliseconds since 1970-01-01T00:00:00Z. Shown and serialised as RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub i64);

impl Time {
    /// Before every instant that a row can carry.
    pub const MIN: Time = Time(i64::MIN / 4);
    /// After every instant that a row can carry.
    pub const MAX: Time = Time(i64::MAX / 4);

    /// The start of the span-long slot, counted from the epoch, that holds this instant.
    pub fn floor(self, slot: Span) -> Time {
        Time(self.0.div_euclid(slot.0) * slot.0)
    }

    /// Reads a number whose unit is told by its size: seconds up to the year 5138, then milliseconds,
    /// microseconds and nanoseconds. `None` when it is not finite or beyond nanoseconds.
    pub fn from_epoch(number: f64) -> Option<Time> {
        let magnitude = number.abs();
        let millis = if magnitude < 1e11 {
            number * 1e3
        } else if magnitude < 1e14 {
            number
        } else if magnitude < 1e17 {
            number / 1e3
        } else if magnitude < 1e20 {
            number / 1e6
        } else {
            return None;
        };
        Some(Time(millis.floor() as i64))
    }

    /// The same for an integer, of which no digit is lost: nanoseconds have more than a double holds.
    pub fn from_epoch_integer(number: i64) -> Time {
        let magnitude = number.unsigned_abs();
        Time(if magnitude < 100_000_000_000 {
            number * 1_000
        } else if magnitude < 100_000_000_000_000 {
            number
        } else if magnitude < 100_000_000_000_000_000 {
            number.div_euclid(1_000)
        } else {
            number.div_euclid(1_000_000)
        })
    }
}

impl std::ops::Add<Span> for Time {
    type Output = Time;
    fn add(self, span: Span) -> Time {
        Time(self.0.saturating_add(span.0))
    }
}

impl std::ops::Sub<Span> for Time {
    type Output = Time;
    fn sub(self, span: Span) -> Time {
        Time(self.0.saturating_sub(span.0))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::from_timestamp_millis(self.0) {
            Some(at) if self.0 % 1000 == 0 => f.write_str(&at.to_rfc3339_opts(SecondsFormat::Secs, true)),
            Some(at) => f.write_str(&at.to_rfc3339_opts(SecondsFormat::Millis, true)),
            None => write!(f, "{}ms", self.0),
        }
    }
}

impl FromStr for Time {
    type Err = &'static str;

    /// Reads RFC 3339, with `T` or a space between date and time; a time without an offset is UTC.
    fn from_str(text: &str) -> Result<Time, Self::Err> {
        let text = text.trim();
        let parsed = DateTime::parse_from_rfc3339(text).map(|at| at.timestamp_millis());
        let naive = || {
            ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"]
                .iter()
                .find_map(|format| chrono::NaiveDateTime::parse_from_str(text, format).ok())
                .map(|at| at.and_utc().timestamp_millis())
        };
        parsed.ok().or_else(naive).map(Time).ok_or("not an RFC 3339 time")
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_i64(self.0) }
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
        } else {
            i64::deserialize(deserializer).map(Time)
        }
    }
}

/// A length of time in milliseconds, written `90s`, `5m`, `1h30m`, `7d`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span(pub i64);

impl Span {
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1e3
    }
}

const UNITS: [(&str, i64); 6] =
    [("ms", 1), ("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];

impl FromStr for Span {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Span, Self::Err> {
        const WRONG: &str = "not a length of time: write 90s, 5m, 1h30m or 7d";
        let mut rest = text.trim();
        let mut total: i64 = 0;
        if rest.is_empty() {
            return Err(WRONG);
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or(WRONG)?;
            let number: i64 = rest[..digits].parse().map_err(|_| WRONG)?;
            rest = &rest[digits..];
            let (unit, millis) = UNITS.iter().find(|(unit, _)| rest.starts_with(unit)).ok_or(WRONG)?;
            rest = &rest[unit.len()..];
            total = number.checked_mul(*millis).and_then(|part| total.checked_add(part)).ok_or(WRONG)?;
        }
        Ok(Span(total))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, millis) in [UNITS[2], UNITS[3], UNITS[4], UNITS[5], UNITS[0]] {
            if rest >= millis {
                write!(f, "{}{unit}", rest / millis)?;
                rest %= millis;
            }
        }
        Ok(())
    }
}

/// How a stream is cut. A window is a run of panes; a pane is the step from one window to the next, so tumbling
/// windows have one pane each. All are aligned to the epoch in UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Windowing {
    /// The length of a window; a multiple of `every`.
    pub size: Span,
    /// The step from one window's end to the next, which is a pane's length.
    pub every: Span,
    /// How far behind the latest event time of its partition a row may be and still count.
    pub lateness: Span,
    /// How long, by the clock, a drained partition may be silent before the others stop waiting for it.
    pub idle: Span,
    /// Fewer values than this, in the window or in the reference, and a comparison is undefined.
    pub min_rows: u64,
}

/// The half-open interval of event time `[start, end)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    pub start: Time,
    pub end: Time,
}

impl Windowing {
    /// The start of the pane that holds an instant.
    pub fn pane(&self, at: Time) -> Time {
        at.floor(self.every)
    }

    /// The window that ends at a pane's boundary.
    pub fn window(&self, end: Time) -> Window {
        Window { start: end - self.size, end }
    }

    /// How much event time a block of the history holds: whole panes, an hour or little more.
    pub fn block(&self) -> Span {
        const HOUR: i64 = 3_600_000;
        let every = self.every.0.max(1);
        Span(every * ((HOUR + every - 1) / every))
    }

    /// The pane boundary up to which nothing more is expected once `latest` has been seen.
    pub fn frontier(&self, latest: Time) -> Time {
        (latest - self.lateness).floor(self.every)
    }
}
