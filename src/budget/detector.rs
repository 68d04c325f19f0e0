//! Evidence for a lasting shift, gathered window by window.

use serde::{Deserialize, Serialize};

use super::wander::ORDER;

/// The sizes of shift that are looked for, in standard deviations of what a window's value surprises by.
const SIZES: [f64; 4] = [0.75, 1.5, 3.0, 6.0];
/// The windows since an onset that are told apart: the prediction takes up a shift over so many, and is steady then.
const STAGES: usize = ORDER + 1;

/// Evidence below this is none.
const NOTHING: f64 = 1e-100;

/// The evidence for each size and direction, by how many windows ago the shift may have begun.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Detector {
    up: [[f64; STAGES]; SIZES.len()],
    down: [[f64; STAGES]; SIZES.len()],
}

/// What one window says.
#[derive(Clone, Copy, Debug)]
pub struct Surprise<'a> {
    /// By how many standard deviations the value is beyond what was expected; standard normal without a shift.
    pub z: f64,
    /// What part of a shift is left in a surprise, by windows since its onset.
    pub signature: &'a [f64; STAGES],
    /// How far the mean of `z` may be from zero though nothing has shifted, since expectations are learnt.
    pub margin: f64,
    /// The variance of sums of `z` over many windows, for each of them: 1 where surprises are independent.
    pub persistence: f64,
    /// Whether a shift downward is of interest too.
    pub two_sided: bool,
}

impl Detector {
    /// Takes in a window. `ceiling` is the logarithm of the most evidence that is kept: what is beyond it would only
    /// delay the notice that all is well again.
    pub fn step(&mut self, surprise: Surprise, ceiling: f64) {
        advance(&mut self.up, surprise.z, &surprise);
        if surprise.two_sided {
            advance(&mut self.down, -surprise.z, &surprise);
        }
        let above = self.evidence(surprise.two_sided) - ceiling;
        if above > 0.0 {
            let scale = (-above).exp();
            self.up.iter_mut().chain(&mut self.down).flatten().for_each(|evidence| *evidence *= scale);
        }
    }

    /// The natural logarithm of the evidence, a mean over all sizes and directions.
    pub fn evidence(&self, two_sided: bool) -> f64 {
        let sum: f64 = self.up.iter().chain(&self.down).flatten().sum();
        let alternatives = SIZES.len() as f64 * if two_sided { 2.0 } else { 1.0 };
        (sum / alternatives).max(f64::MIN_POSITIVE).ln()
    }

    /// How the evidence divides between a shift upward and one downward: its sign.
    pub fn is_upward(&self) -> bool {
        let sum = |side: &[[f64; STAGES]]| side.iter().flatten().sum::<f64>();
        sum(&self.up) >= sum(&self.down)
    }
}

/// Multiplies what there is by the likelihood ratio of the window, and begins anew: a shift may start at any window.
fn advance(sizes: &mut [[f64; STAGES]; SIZES.len()], z: f64, surprise: &Surprise) {
    for (evidence, size) in sizes.iter_mut().zip(SIZES) {
        let ratio = |stage: usize| {
            let shift = size * surprise.signature[stage];
            let variance = 1.0 + (surprise.persistence - 1.0) * stage as f64 / ORDER as f64;
            (shift * z - variance * shift * shift / 2.0 - shift.abs() * surprise.margin).min(300.0).exp()
        };
        evidence[ORDER] = (evidence[ORDER] + evidence[ORDER - 1]) * ratio(ORDER);
        for stage in (1..ORDER).rev() {
            evidence[stage] = evidence[stage - 1] * ratio(stage);
        }
        evidence[0] = ratio(0);
        // Numbers that are nearly zero are slow to reckon with.
        evidence.iter_mut().filter(|evidence| **evidence < NOTHING).for_each(|evidence| *evidence = 0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_distr::{Distribution, StandardNormal};
    use rand_pcg::Pcg64Mcg;
    use rand_pcg::rand_core::SeedableRng;

    /// The bound on the mean run length holds for every signature, with three standard deviations of a Poisson count
    /// to spare. It is not far from exact, either: otherwise there would be power to gain.
    #[test]
    fn run_lengths_are_no_shorter_than_the_evidence_asked_for() {
        const WINDOWS: usize = 400_000;
        let falling = [1.0, 0.6, 0.4, 0.3, 0.25, 0.2, 0.2];
        for (signature, two_sided) in [([1.0; STAGES], true), ([1.0; STAGES], false), (falling, true)] {
            for run_length in [100.0f64, 1000.0] {
                let mut random = Pcg64Mcg::seed_from_u64(7);
                let (mut detector, mut crossings) = (Detector::default(), 0);
                for _ in 0..WINDOWS {
                    let z = StandardNormal.sample(&mut random);
                    let surprise = Surprise { z, signature: &signature, margin: 0.0, persistence: 1.0, two_sided };
                    detector.step(surprise, 30.0);
                    if detector.evidence(two_sided) >= run_length.ln() {
                        crossings += 1;
                        detector = Detector::default();
                    }
                }
                let allowed = WINDOWS as f64 / run_length;
                let (least, most) = (allowed / 8.0, allowed + 3.0 * allowed.sqrt());
                assert!((least..most).contains(&f64::from(crossings)), "{crossings} of {allowed}");
            }
        }
    }

    #[test]
    fn it_knows_up_from_down() {
        for z in [2.0, -2.0] {
            let mut detector = Detector::default();
            for _ in 0..10 {
                let surprise =
                    Surprise { z, signature: &[1.0; STAGES], margin: 0.0, persistence: 1.0, two_sided: true };
                detector.step(surprise, 100.0);
            }
            assert_eq!(detector.is_upward(), z > 0.0);
            assert!(detector.evidence(true) > 15.0);
        }
    }
}
