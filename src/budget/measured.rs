//! The rate of false alarms, measured on past surprises in another order.

use rand_distr::{Distribution, Uniform};
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Gamma};

use super::detector::{Detector, Surprise};
use super::gauge::Shuffled;
use super::ledger::Budget;

/// How many windows stay together: half a day of hours, within which surprises may depend on one another.
const BLOCK: usize = 12;
/// How much less evidence is waited for than is paged for.
const EASIER: f64 = 20.0;
/// How many windows a series runs before another is drawn.
const RUN: usize = 500;

/// How a budget stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Account {
    pub budget: Budget,
    /// Pages within the budget's time up to the last window, true alarms among them.
    pub spent: usize,
    pub left: f64,
    pub measured: Option<Measured>,
}

/// How often there would be pages though nothing has shifted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Pages within the budget's time.
    pub pages: f64,
    /// The ends of its 95 % interval (Garwood, 1936).
    pub low: f64,
    pub high: f64,
    /// How many times the budget's time it was measured over.
    pub periods: f64,
}

/// Runs the detectors of series drawn at random on their own past surprises, blocks of which are drawn with
/// replacement, for `steps` windows in all.
///
/// What is paged for comes about too rarely to be counted in a reasonable time. So evidence is counted that is 20 times
/// smaller, and taken to be 20 times as frequent: beyond a height evidence falls off as its reciprocal or faster, which
/// for surprises in random order is a theorem. Pages of several series for one window are counted apart, which errs to
/// the safe side. `None` as long as no series has been seen for long enough.
pub fn measure(series: &[Shuffled], all: usize, windows: f64, steps: usize, seed: u64) -> Option<Measured> {
    let which = Uniform::new(0, series.len()).ok()?;
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let (mut pages, mut run) = (0u32, 0usize);
    while run < steps.max(1) {
        let series = &series[which.sample(&mut random)];
        let starts = Uniform::new(0, series.surprises.len()).ok()?;
        let (line, mut detector) = ((series.line - EASIER.ln()).max(1.0), Detector::default());
        let mut at = 0;
        for window in 0..RUN {
            if window % BLOCK == 0 {
                at = starts.sample(&mut random);
            }
            let surprise = Surprise {
                z: series.surprises[(at + window % BLOCK) % series.surprises.len()],
                signature: &series.signature,
                margin: series.margin,
                persistence: series.persistence,
                two_sided: series.two_sided,
            };
            detector.step(surprise, 2.0 * series.line);
            if detector.evidence(series.two_sided) >= line {
                pages += 1;
                detector = Detector::default();
            }
        }
        run += RUN;
    }
    let periods = EASIER * run as f64 / (windows * all as f64).max(1.0);
    let quantile = |shape: f64, p: f64| Gamma::new(shape, 1.0).map_or(0.0, |gamma| gamma.inverse_cdf(p));
    let low = if pages == 0 { 0.0 } else { quantile(f64::from(pages), 0.025) };
    let high = quantile(f64::from(pages) + 1.0, 0.975);
    Some(Measured { pages: f64::from(pages) / periods, low: low / periods, high: high / periods, periods })
}
