//! A challenger for the tests of what is told of one.

use super::{Standing, Verdict};
use crate::time::Time;

pub fn standing(verdict: Verdict) -> Standing {
    Standing {
        model: "credit".into(),
        version: "8".into(),
        champion: "7".into(),
        metric: "performance.accuracy".into(),
        verdict,
        decided: Some(Time(3_600_000)),
        difference: Some(0.05),
        low: Some(0.02),
        high: Some(0.08),
        margin: 0.01,
        confidence: 0.95,
        windows: 12,
        rows: 1200,
        champion_rows: 10_800,
        since: Time(0),
        window_end: Time(3_600_000),
    }
}
