//! How challengers stand against the champion, as metrics.

use super::{Telemetry, table};
use crate::verdict::{Standing, Verdict};

impl Telemetry {
    /// How the challengers of a model stand, all of them.
    pub fn standings(&self, model: &str, standings: &[Standing]) {
        for metric in [table::CHALLENGER_VERDICT, table::CHALLENGER_DIFFERENCE] {
            self.retain(metric, |labels| {
                let is = |standing: &Standing| {
                    labels.get("version") == Some(standing.version.as_str())
                        && labels.get("champion") == Some(standing.champion.as_str())
                };
                labels.get("model") != Some(model) || standings.iter().any(is)
            });
        }
        for standing in standings {
            let Standing { version, champion, difference, low, high, .. } = standing;
            for verdict in Verdict::ALL {
                let labels = [model, version, champion, verdict.name()];
                self.set(table::CHALLENGER_VERDICT, &labels, f64::from(u8::from(standing.verdict == verdict)));
            }
            for (bound, value) in [("estimate", difference), ("low", low), ("high", high)] {
                if let Some(value) = value {
                    self.set(table::CHALLENGER_DIFFERENCE, &[model, version, champion, bound], *value);
                }
            }
        }
    }
}
