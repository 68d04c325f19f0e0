//! What the guards of an action say of a run.

use super::{DAY, Figures, Guards, Run};
use crate::time::Time;

impl Guards {
    /// What there is to go by, out of the other runs of the same action and model.
    pub(super) fn figures<'a>(&self, run: &Run, others: impl Iterator<Item = &'a Run>, now: Time) -> Figures {
        let mut figures = Figures {
            most_per_day: self.most_per_day,
            labelled: run.request.labelled,
            coverage: run.request.coverage,
            ..Figures::default()
        };
        for other in others {
            if other.state.is_in_flight() {
                figures.in_flight = Some(other.id.clone());
            }
            let Some(triggered) = other.triggered else { continue };
            if now < triggered + DAY {
                figures.triggered_within_a_day += 1;
            }
            figures.quiet_until = figures.quiet_until.max(Some(triggered + self.cooldown));
        }
        figures
    }

    /// Why a run may not be triggered, if one of them objects.
    pub(super) fn objection(&self, figures: &Figures, now: Time) -> Option<String> {
        let Figures { labelled, coverage, .. } = figures;
        if labelled.unwrap_or(0) < self.min_labels {
            let has = labelled.map_or("it is not known how many".to_owned(), |labelled| labelled.to_string());
            return Some(format!("{has} rows of the window have labels, and {} are needed", self.min_labels));
        }
        if coverage.unwrap_or(0.0) < self.min_coverage {
            let has = coverage.map_or("an unknown share".to_owned(), |coverage| format!("{:.1} %", 100.0 * coverage));
            return Some(format!(
                "{has} of the window's rows have labels, and {:.1} % are needed",
                100.0 * self.min_coverage
            ));
        }
        if let Some(other) = &figures.in_flight {
            return Some(format!("the run {other} is in flight"));
        }
        if let Some(until) = figures.quiet_until.filter(|&until| now < until) {
            return Some(format!("the last run was triggered not long ago: none is before {until}"));
        }
        if figures.triggered_within_a_day >= self.most_per_day {
            return Some(format!("{} were triggered within 24 hours", figures.triggered_within_a_day));
        }
        None
    }
}
