//! The surprise that a subject's window is after all windows before it, and what tells of it.

use super::{Answer, Bins, Case, Null, On, Shift, Statistic, Undefined, Worse};
use crate::measurement::Family;
use crate::tally::FieldTally;

pub const ROW: Statistic = Statistic {
    name: "surprise",
    family: Family::Drift,
    on: On::Valued,
    unit: "",
    threshold: Some(1.0),
    worse: Worse::Above,
    null: Null::Unknown,
    range: (0.0, f64::INFINITY),
    about: "How much evidence there is that the subject has shifted from what it usually is, window after window, over \
            what the monitor's `budget` of false alarms asks for before it allows a page: 1 and more from the window \
            that is paged for until the shift is over, less than 1 otherwise; of the logarithms, and the largest of \
            what the mean, PSI and the share of rows without a usable value say; 0 and up (Shiryaev-Roberts \
            e-detector; Shin, Ramdas and Rinaldo, 2022).",
    compute,
};

/// Whether a statistic is this one, which one window alone has nothing to say of.
pub fn is(statistic: &Statistic) -> bool {
    (statistic.family, statistic.name) == (ROW.family, ROW.name)
}

/// What tells of a shift in one window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Signal {
    pub statistic: &'static str,
    pub value: f64,
    pub scale: Scale,
}

/// How a signal varies by sampling alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// It moves either way, with this standard deviation.
    Signed { deviation: f64 },
    /// It is zero or more, and grows with this and with the square of a change: `1/n + 1/m` at these sizes.
    Divergence { unit: f64 },
}

/// It takes memory to be surprised, which a function of one window's counts has not.
fn compute(case: &Case) -> Answer {
    is_enough(case)?;
    Err(Undefined::NothingToGoBy)
}

fn is_enough(case: &Case) -> Result<(), Undefined> {
    match case.current.map(|side| side.tally) {
        Some(FieldTally::Categorical(_)) => case.two_categorical().map(drop),
        _ => case.two_numeric().map(drop),
    }
}

/// All that tells of a shift of a subject, as far as it is defined; the most general first.
pub fn signals(case: &Case) -> Vec<Signal> {
    let sizes = case.current.zip(case.reference).map(|(current, reference)| (current.tally, reference));
    let psi = Bins::of(case).ok().zip(sizes).map(|(bins, (current, reference))| {
        let unit = 1.0 / reference.valued() as f64 + 1.0 / current.valued() as f64;
        Signal { statistic: "psi", value: bins.stability_index(), scale: Scale::Divergence { unit } }
    });
    let shift = Shift::of(case).ok().map(|shift| {
        let deviation = shift.error().sqrt();
        Signal { statistic: "mean_shift", value: shift.value, scale: Scale::Signed { deviation } }
    });
    [psi, shift, unusable(case)].into_iter().flatten().collect()
}

/// The share of rows without a usable value, on the scale of Anscombe (1948), on which its deviation by sampling is the
/// same whatever it is: rates that are nearly zero would otherwise make one null among thousands of rows a surprise.
fn unusable(case: &Case) -> Option<Signal> {
    let tally = case.current?.tally;
    let rows = case.present().ok().filter(|presence| presence.rows >= case.min_rows.max(1))?.rows;
    let (rows, unusable) = (rows as f64, rows.saturating_sub(tally.valued()) as f64);
    let value = 2.0 * ((unusable + 0.375) / (rows + 0.75)).sqrt().asin();
    Some(Signal { statistic: "unusable_rate", value, scale: Scale::Signed { deviation: 1.0 / (rows + 0.5).sqrt() } })
}

#[cfg(test)]
mod tests {
    use super::super::{Sample, case};
    use super::*;

    fn told(reference: &[f64], current: &[f64]) -> Vec<(&'static str, f64)> {
        let sample = Sample::numeric(reference, current, 100);
        signals(&case(&sample)).iter().map(|signal| (signal.statistic, signal.value)).collect()
    }

    #[test]
    fn a_shift_has_a_sign_and_what_is_undefined_is_left_out() {
        let values: Vec<f64> = (0..100).map(f64::from).collect();
        let moved = |by: f64| -> Vec<f64> { values.iter().map(|value| value + by).collect() };
        let [up, down] = [10.0, -10.0].map(|by| told(&values, &moved(by)));
        assert_eq!(up.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["psi", "mean_shift", "unusable_rate"]);
        assert!(up[1].1 > 0.3 && (up[1].1 + down[1].1).abs() < 1e-9, "{up:?} {down:?}");
        assert_eq!(up[2], down[2]);
        assert_eq!(told(&[1.0, 1.0], &[1.0, 2.0]).len(), 2, "a constant reference has no deviation");
        assert_eq!(told(&[1.0, 2.0], &[]), [], "there are no rows");
    }

    #[test]
    fn one_null_among_many_rows_is_hardly_more_than_none() {
        let sample = Sample::numeric(&[1.0, 2.0], &vec![1.0; 1000], 10);
        let none = unusable(&case(&sample)).expect("there are rows");
        let Scale::Signed { deviation } = none.scale else { panic!("it has a sign") };
        let one = 2.0 * (1.375f64 / 1000.75).sqrt().asin();
        assert!((one - none.value) / deviation < 1.2);
    }
}
