//! The false-alarm contract: so many pages in so long a time, over all that a monitor measures.
//!
//! A monitor has a [`Budget`], such as `2 pages per 30d`, and one [`Watch`] that keeps it. The watch has a [`Gauge`]
//! for each series: one statistic, of one subject and slice, window after window. It says of each value how large a
//! surprise it is, 1 being what the budget allows a page for.
//!
//! ```
//! use tidegauge::budget::{Budget, Kind, Series, Value, Watch};
//! use tidegauge::time::{Span, Time};
//!
//! let mut watch = Watch::new(Budget::parse("2 pages per 30d")?);
//! let of = |statistic: &str| Series {
//!     version: "7".into(), subject: "income".into(), slice: "".into(), statistic: statistic.into(),
//! };
//! // Once for each window: what is defined of it.
//! let unit = 1.0 / 1000.0 + 1.0 / 20_000.0;
//! let values = [
//!     Value { series: of("mean_shift"), value: -0.02, kind: Kind::Signed { deviation: Some(f64::sqrt(unit)) } },
//!     Value { series: of("psi"), value: 0.013, kind: Kind::Divergence { unit: Some(unit) } },
//! ];
//! let end: Time = "2026-11-02T10:00:00Z".parse()?;
//! for surprise in watch.step(end, Span(3_600_000), &values) {
//!     assert!(surprise.surprise < 1.0 && !surprise.pages);
//! }
//! assert_eq!(watch.ledger().left(watch.budget(), end), 2.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How the budget is kept
//!
//! *One window.* A gauge learns what its series is usually like: level, season, autoregression and scale. What a value
//! has beyond that is a surprise, about standard normal as long as nothing has shifted.
//!
//! *One series.* A shift of size `d` that began at window `k` multiplies likelihood ratios from `k` on. Their sum over
//! all `k`, averaged over sizes and directions, is the Shiryaev-Roberts e-detector. Whatever came before, a window adds
//! one to it on average if nothing has shifted; so it takes `A` windows or more, on average, until it reaches `A`
//! (Shin, Ramdas and Rinaldo, *E-detectors: a nonparametric framework for sequential change detection*, 2022). The
//! prediction takes up a part of a lasting shift window by window, and how much is known from its coefficients, so each
//! term tests for what is left of the shift at its age. That keeps a mean of one for each ratio.
//!
//! *All series.* With a share `w` of the budget a series has to reach `A / w`, and is then expected to do so `w` times
//! in `A` windows. Expectations add up, however the series depend on one another: a monitor has one page in `A`
//! windows, and `A` follows from the budget and the length of a window. Shares are hierarchical, so that what is added
//! to one feature is taken from no other. The price of a share is logarithmic: ten times as many features ask for 2.3
//! more of about 13.
//!
//! Why not p-values with a false discovery rate for each window: its unit is the share of false pages among all, which
//! says nothing of how many there are in a month; it sees one window at a time, while small drifts are only seen in
//! many; and it needs p-values that hold from window to window, which sampling alone does not give a stream that
//! wanders. Why not thresholds from simulated run lengths alone: what can be simulated is the reference, and the
//! reference has no tomorrow. The detector's bound holds without, and measuring remains as a check, see [`Measured`].
//!
//! # Where it may fail, and what is done
//!
//! The bound holds for surprises that are what they are taken for. They are learnt, so:
//!
//! - *Learning errs.* Each ratio allows for a mean that is off by 2.5 standard errors of what was learnt.
//! - *Tails are heavy.* Surprises are put on the normal scale by Student's distribution with the kurtosis that was met.
//! - *Wander is longer than the prediction looks back.* Sums of surprises over 16 and 128 windows show it, and lasting
//!   shifts are weighed by the larger variance.
//! - *A statistic is folded at zero*, as PSI and KS are. Its wander is then not linear, and it keeps on more when it is
//!   high. It has a margin of three quarters of a standard deviation more.
//! - *Anything else.* Beyond a height, evidence should fall off as its reciprocal. How it does is learnt from each
//!   series and from all of the same statistic, and the line is moved out in proportion.
//! - *Hardly anything is known yet*, in the first two weeks of a season. Scales are doubled and more, so that only
//!   gross changes are paged for. Before two rounds nobody can tell a season from a drift.
//! - *The budget is spent.* Each page beyond it makes the next one ask for ten times the evidence. Nothing is
//!   suppressed: evidence for a gross change grows by more than that in each window.
//!
//! A page whose change is real counts too, since nobody can tell it from a false one at the time.

mod detector;
mod excursion;
mod gauge;
mod ledger;
mod measured;
mod season;
mod wander;
mod watch;

#[cfg(test)]
mod tests;

pub use gauge::{Gauge, Kind, Observation};
pub use ledger::{Budget, Fault, Ledger};
pub use measured::{Account, Measured};
pub use watch::{Series, Surprise, Value, Watch};
