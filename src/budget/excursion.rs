//! How far evidence rises in a series though nothing has shifted, and so how much of it is needed.

use serde::{Deserialize, Serialize};

/// The share of the evidence needed, as logarithms, from which a rise counts.
const NOTABLE: f64 = 2.0 / 3.0;
/// A rise is over when the evidence has fallen by so much below that.
const FALLEN: f64 = 2.0;
/// How many rises the belief is worth that evidence is what it claims, and how many those of series alike are worth to
/// one of them.
const BELIEF: f64 = 10.0;
const ALIKE: f64 = 20.0;
/// What is claimed is believed at least so far.
const LEAST: f64 = 0.2;

/// The rises of a series' evidence.
///
/// If evidence is what it claims to be, it exceeds `x` once in `x` windows, so what a rise has beyond a fixed height is
/// exponential in logarithms, with a mean of one. Where the series departs from what is assumed of it the mean is
/// larger, and that is learnt: it stretches the way from that height to the line in proportion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Excursions {
    count: f64,
    excess: f64,
    /// The highest evidence of a rise that lasts; zero when there is none.
    peak: f64,
}

impl Excursions {
    /// Takes in the evidence of a window.
    pub fn learn(&mut self, evidence: f64, line: f64) {
        let notable = notable(line);
        if evidence >= notable {
            self.peak = self.peak.max(evidence.min(line));
        } else if self.peak > 0.0 && evidence < notable - FALLEN {
            self.count += 1.0;
            self.excess += (self.peak - notable).max(0.0);
            self.peak = 0.0;
        }
    }

    /// Counts the rises of another series too.
    pub fn add(&mut self, other: &Excursions) {
        self.count += other.count;
        self.excess += other.excess;
    }

    /// How much evidence is needed in this series where it would be `line` if all were as assumed. `alike` are the
    /// rises of all series of the same statistic.
    pub fn line(&self, alike: &Excursions, line: f64) -> f64 {
        let notable = notable(line);
        let slope = (BELIEF + alike.excess) / (BELIEF + alike.count);
        let own = (ALIKE * slope + self.excess) / (ALIKE + self.count);
        notable + (line - notable) * own.clamp(1.0, 1.0 / LEAST)
    }
}

fn notable(line: f64) -> f64 {
    line * NOTABLE
}
