//! What a model's figures are expected to be, by what its scores mean: confidence-based performance estimation (CBPE).
//!
//! A row whose score means a probability p is of the class with that probability, so what was chosen is right for a
//! known share of rows before any label has come (NannyML's CBPE; Guillory and others, *Predicting with confidence on
//! unseen distributions*, 2021). It holds as long as a score means what it meant in the reference: rows may come to have
//! other scores, but among rows with the same score as many must be of the class as before. Where that is no longer so,
//! which is what concept drift is, estimates are wrong and say nothing of it; the gaps to what labels show do.
//!
//! The band is of the figure that labels will show. Given scores, labels of different rows do not depend on one another,
//! so the variance of a sum is that of a Poisson-binomial variable, and that of what is not a sum follows by the delta
//! method. To it comes the variance of what scores mean, which is known from so many rows of the reference: all rows
//! that go by the same rows of it err together. Rows that are counted together although their probabilities differ are
//! taken to have the mean of those, which makes the band too wide rather than too narrow. Where labels say what scores
//! mean, the band also reaches to what the figure would be without the part of the fit that held-out rows do not bear
//! out: a fit to few rows tells them apart better than others.

use std::collections::BTreeMap;

use crate::calibration::{Calibration, Unknown};
use crate::stat::{Answer, Case, Outcomes, Reading, Task, Undefined, normal_quantile};
use crate::tally::outcome::{Expected, Is};

/// Rows of a class's cell, alike in what was chosen for them.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    pub class: usize,
    pub rows: Expected,
}

/// The rows of a class that have scores, chosen or not, labelled or not.
///
/// # Errors
/// Why nothing can be expected of them.
pub fn parts(case: &Case, task: Task, class: usize) -> Result<Vec<Part>, Undefined> {
    let outcomes = case.outcomes.filter(|outcomes| task.includes(outcomes.axis)).ok_or(Undefined::NotApplicable)?;
    case.predicted()?;
    if !outcomes.axis.is_of_classes() {
        return Err(Undefined::NotApplicable);
    }
    if outcomes.axis.calibration.is_none() {
        return Err(unknown(outcomes));
    }
    let parts: Vec<Part> =
        outcomes.tally.expected(outcomes.axis, class).into_iter().map(|rows| Part { class, rows }).collect();
    if parts.is_empty() { Err(Undefined::NoScores) } else { Ok(parts) }
}

/// The rows that have a choice, as ones for which the class that was chosen is right or not.
///
/// # Errors
/// Why nothing can be expected of them.
pub fn choices(case: &Case) -> Result<Vec<Part>, Undefined> {
    let first = parts(case, Task::Classes, 0)?;
    let Some(outcomes) = case.outcomes.filter(|outcomes| !outcomes.axis.is_binary()) else { return Ok(first) };
    let (mut chosen, mut others) = (Vec::new(), Vec::new());
    for class in 0..outcomes.axis.classes.len() {
        let own = outcomes.tally.expected(outcomes.axis, class).into_iter();
        chosen.extend(own.filter(|rows| rows.chosen == Is::It).map(|rows| Part { class, rows }));
    }
    // No row is expected to be of another class than those that have scores.
    for label in [Is::Not, Is::Unknown] {
        let is_alike = |part: &&Part| (part.rows.label == Is::Unknown) == (label == Is::Unknown);
        let is_chosen = |part: &&Part| part.rows.chosen != Is::Unknown;
        let count = |parts: &[Part]| -> f64 {
            parts.iter().filter(is_alike).filter(is_chosen).map(|part| part.rows.rows).sum()
        };
        let rows = count(&first) - count(&chosen);
        if rows > 0.0 {
            let none = Expected { cell: 0, chosen: Is::It, label, rows, positives: 0.0, slack: 0.0 };
            others.push(Part { class: outcomes.axis.classes.len(), rows: none });
        }
    }
    chosen.extend(others);
    Ok(chosen)
}

/// Why it is not known what scores mean.
fn unknown(outcomes: &Outcomes) -> Undefined {
    let Some(reference) = outcomes.reference.filter(|reference| reference.labelled() > 0) else {
        return if outcomes.axis.grids.is_empty() { Undefined::NoScores } else { Undefined::NoReferenceLabels };
    };
    if outcomes.axis.grids.is_empty() || reference.known(outcomes.class).is_empty() {
        return Undefined::NoScores;
    }
    // With several classes, one that never turned out is no reason while its scores are probabilities.
    let why = outcomes.axis.is_binary().then(|| reference.calibration(outcomes.axis).err());
    match why {
        Some(Some(Unknown::OneClass)) => Undefined::OneClass,
        Some(None) => Undefined::NoReferenceLabels,
        Some(Some(Unknown::NotProbabilities)) | None => Undefined::NotProbabilities,
    }
}

/// A ratio of two sums over rows, by what a true positive, a false positive, a false negative and a true negative count
/// in each. Without a lower one it is a sum.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    pub top: [f64; 4],
    pub bottom: Option<[f64; 4]>,
    /// What there is none of when the lower sum is nought.
    pub of: &'static str,
}

/// Expected numbers of true positives, false positives, false negatives and true negatives, in one figure's case.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    chosen: f64,
    others: f64,
    /// How many of those are expected to be of the class.
    hits: f64,
    misses: f64,
    /// How wrong these may be.
    hits_slack: f64,
    misses_slack: f64,
}

impl Totals {
    fn of(parts: &[Part]) -> Totals {
        let mut totals = Totals::default();
        for Part { rows, .. } in parts {
            match rows.chosen {
                Is::It => {
                    totals.chosen += rows.rows;
                    totals.hits += rows.positives;
                    totals.hits_slack += rows.slack;
                }
                Is::Not => {
                    totals.others += rows.rows;
                    totals.misses += rows.positives;
                    totals.misses_slack += rows.slack;
                }
                Is::Unknown => {}
            }
        }
        totals
    }

    fn sum(&self, counts: [f64; 4]) -> f64 {
        let [tp, fp, r#fn, tn] = counts;
        // What is not expected to be of the class is not it.
        tp * self.hits + fp * (self.chosen - self.hits) + r#fn * self.misses + tn * (self.others - self.misses)
    }
}

impl Figure {
    /// Of rows for which what was chosen is right, or is not; see [`choices`].
    pub const ACCURACY: Figure = Figure { top: [1.0, 0.0, 0.0, 1.0], bottom: Some([1.0; 4]), of: "has a choice" };
    pub const PRECISION: Figure =
        Figure { top: [1.0, 0.0, 0.0, 0.0], bottom: Some([1.0, 1.0, 0.0, 0.0]), of: "was chosen" };
    pub const RECALL: Figure =
        Figure { top: [1.0, 0.0, 0.0, 0.0], bottom: Some([1.0, 0.0, 1.0, 0.0]), of: "is expected to be positive" };
    pub const SPECIFICITY: Figure =
        Figure { top: [0.0, 0.0, 0.0, 1.0], bottom: Some([0.0, 1.0, 0.0, 1.0]), of: "is expected to be negative" };
    pub const F1: Figure = Figure {
        top: [2.0, 0.0, 0.0, 0.0],
        bottom: Some([2.0, 1.0, 1.0, 0.0]),
        of: "was chosen or is expected to be positive",
    };

    fn value(&self, totals: &Totals) -> f64 {
        totals.sum(self.top) / self.bottom.map_or(1.0, |bottom| totals.sum(bottom))
    }

    /// By how much the figure grows when one more of the rows for which the class was chosen, or was not, is of it.
    fn slopes(&self, totals: &Totals) -> [f64; 2] {
        let Figure { top, bottom, .. } = self;
        let below = bottom.map_or(1.0, |bottom| totals.sum(bottom));
        let value = totals.sum(*top) / below;
        let bottom = bottom.unwrap_or([0.0; 4]);
        let slope = |is: usize, is_not: usize| (top[is] - top[is_not] - value * (bottom[is] - bottom[is_not])) / below;
        [slope(0, 1), slope(2, 3)]
    }

    /// The most by which the figure is wrong when the sums are. Of a ratio of sums it is at a corner.
    fn bound(&self, totals: &Totals) -> f64 {
        let value = self.value(totals);
        let corner = |chosen: f64, others: f64| {
            let hits = (totals.hits + chosen * totals.hits_slack).clamp(0.0, totals.chosen);
            let misses = (totals.misses + others * totals.misses_slack).clamp(0.0, totals.others);
            let off = (self.value(&Totals { hits, misses, ..*totals }) - value).abs();
            if off.is_nan() { 1.0 } else { off }
        };
        if totals.hits_slack + totals.misses_slack == 0.0 {
            return 0.0;
        }
        [(1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0)].map(|(a, b)| corner(a, b)).into_iter().fold(0.0, f64::max)
    }

    /// The figure of these rows, how it grows, and the most by which it is wrong.
    ///
    /// # Errors
    /// There are no rows that it is of.
    pub fn of(&self, parts: &[Part]) -> Result<(f64, [f64; 2], f64), Undefined> {
        let totals = Totals::of(parts);
        if totals.chosen + totals.others == 0.0 {
            return Err(Undefined::NoChoices);
        }
        if self.bottom.is_some_and(|bottom| totals.sum(bottom) <= 0.0) {
            return Err(Undefined::Nothing { what: self.of });
        }
        Ok((self.value(&totals), self.slopes(&totals), self.bound(&totals)))
    }

    /// The figure with its band.
    pub fn estimate(&self, case: &Case, parts: &[Part], range: (f64, f64)) -> Answer {
        let (value, slopes, bound) = self.of(parts)?;
        enough(case, parts.iter().filter(|part| part.rows.chosen != Is::Unknown))?;
        let variance = self.variance(case, parts, slopes);
        let told = reading(value, variance, bound, range);
        Ok(stretched(told, self.of(&sober(case, parts)).map_or(value, |(sober, ..)| sober), range))
    }

    /// The variance of the figure, given how it grows.
    pub fn variance(&self, case: &Case, parts: &[Part], slopes: [f64; 2]) -> f64 {
        let calibration = case.outcomes.and_then(|outcomes| outcomes.axis.calibration.as_deref());
        let weight = |part: &Part| match part.rows.chosen {
            Is::It => slopes[0],
            Is::Not => slopes[1],
            Is::Unknown => 0.0,
        };
        of_labels(parts, weight) + of_calibration(calibration, parts, weight)
    }
}

/// Whether there are as many rows as a monitor asks for.
pub fn enough<'a>(case: &Case, parts: impl Iterator<Item = &'a Part>) -> Result<(), Undefined> {
    let (n, least) = (parts.map(|part| part.rows.rows as u64).sum(), case.min_rows);
    if n < least { Err(Undefined::TooFewRows { n, least }) } else { Ok(()) }
}

/// The variance of a weighted sum of labels that are not known yet.
pub fn of_labels(parts: &[Part], weight: impl Fn(&Part) -> f64) -> f64 {
    let one = |part: &Part| {
        let Expected { rows, positives, .. } = part.rows;
        weight(part).powi(2) * (positives * (1.0 - positives / rows)).max(0.0)
    };
    parts.iter().map(one).sum()
}

/// The variance of the same because of what is not known of the meaning of scores.
pub fn of_calibration(calibration: Option<&Calibration>, parts: &[Part], weight: impl Fn(&Part) -> f64) -> f64 {
    let Some(calibration) = calibration else { return 0.0 };
    let mut groups: BTreeMap<(usize, u32), f64> = BTreeMap::new();
    for part in parts {
        let Some(scale) = calibration.classes.get(part.class) else { continue };
        let group = scale.groups.get(part.rows.cell).copied().unwrap_or(0);
        *groups.entry((part.class, group)).or_default() += weight(part) * part.rows.rows;
    }
    let variance = |((class, group), weight): ((usize, u32), f64)| {
        let scale = calibration.classes.get(class);
        scale.and_then(|scale| scale.variances.get(group as usize)).map_or(0.0, |variance| weight * weight * variance)
    };
    groups.into_iter().map(variance).sum()
}

/// The same rows, with the probabilities that a fit exaggerates drawn back to what held-out rows bear out.
pub fn sober(case: &Case, parts: &[Part]) -> Vec<Part> {
    let calibration = case.outcomes.and_then(|outcomes| outcomes.axis.calibration.as_deref());
    let sober = |part: &Part| {
        let Some(scale) = calibration.and_then(|calibration| calibration.classes.get(part.class)) else { return *part };
        let share = scale.held_out.sober(part.rows.positives / part.rows.rows).clamp(0.0, 1.0);
        Part { rows: Expected { positives: part.rows.rows * share, ..part.rows }, ..*part }
    };
    parts.iter().map(sober).collect()
}

/// A reading whose interval reaches as much further as the value would move if nothing were exaggerated.
pub fn stretched(told: Reading, sober: f64, (least, most): (f64, f64)) -> Reading {
    let off = sober.clamp(least, most) - told.value;
    let low = told.low.map(|low| (low + off.min(0.0)).max(least));
    let high = told.high.map(|high| (high + off.max(0.0)).min(most));
    Reading { low, high, ..told }
}

/// A value with the 95 % interval that this variance makes.
pub fn reading(value: f64, variance: f64, bound: f64, (least, most): (f64, f64)) -> Reading {
    let value = value.clamp(least, most);
    let half = normal_quantile(0.975) * variance.sqrt();
    Reading {
        low: Some((value - half).clamp(least, value)),
        high: Some((value + half).clamp(value, most)),
        error_bound: Some(bound.min(most - least)),
        ..Reading::exact(value)
    }
}

/// The rows of a class by its score, and where they are in the order of all rows.
#[derive(Debug)]
pub struct Ranked {
    /// Rows of each part, and by how much the area grows with a row more of the class.
    pub slopes: Vec<f64>,
    pub area: f64,
    /// The most by which that is wrong because cells are wider than one score.
    pub bound: f64,
}

impl Ranked {
    /// The area under the curve of rows that are of the class in part, and rows with the same score even.
    ///
    /// # Errors
    /// All of them are expected to be of the class, or none is.
    pub fn new(parts: &[Part]) -> Result<Ranked, Undefined> {
        let sums = parts.iter().map(|part| (part.rows.positives, part.rows.rows - part.rows.positives));
        let (positives, negatives) = sums.fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        if positives <= 0.0 || negatives <= 0.0 {
            let what = if positives <= 0.0 { "is expected to be positive" } else { "is expected to be negative" };
            return Err(Undefined::Nothing { what });
        }
        let (mut below, mut above) = (0.0, positives);
        let (mut won, mut even) = (0.0, 0.0);
        let mut places = Vec::with_capacity(parts.len());
        // Parts ascend by cell, and those of one cell are even.
        for cell in parts.chunk_by(|a, b| a.rows.cell == b.rows.cell) {
            let (yes, no) = cell.iter().fold((0.0, 0.0), |sum, part| {
                (sum.0 + part.rows.positives, sum.1 + part.rows.rows - part.rows.positives)
            });
            above -= yes;
            won += yes * (below + no / 2.0);
            if cell[0].rows.cell % 2 == 0 {
                even += yes * no / 2.0;
            }
            places.extend(cell.iter().map(|_| below + no / 2.0 - (above + yes / 2.0)));
            below += no;
        }
        let pairs = positives * negatives;
        let area = (won / pairs).clamp(0.0, 1.0);
        // If probabilities are off, so are the pairs that are won, and how many there are.
        let slack: f64 = parts.iter().map(|part| part.rows.slack).sum();
        let off: f64 = even
            + slack * slack
            + parts.iter().zip(&places).map(|(part, place)| part.rows.slack * place.abs()).sum::<f64>();
        let fewer = pairs - slack * (negatives - positives).abs() - slack * slack;
        let more = pairs + slack * (negatives - positives).abs();
        let bound = if slack == 0.0 {
            even / pairs
        } else if fewer > 0.0 {
            f64::max((won + off) / fewer - area, area - (won - off) / more)
        } else {
            1.0
        };
        let slope = |place: f64| place / pairs - area * (1.0 / positives - 1.0 / negatives);
        Ok(Ranked { slopes: places.into_iter().map(slope).collect(), area, bound: bound.clamp(0.0, 1.0) })
    }

    /// The variance of the area that labels will show.
    pub fn variance(&self, case: &Case, parts: &[Part]) -> f64 {
        let calibration = case.outcomes.and_then(|outcomes| outcomes.axis.calibration.as_deref());
        let slopes: BTreeMap<_, f64> =
            parts.iter().zip(&self.slopes).map(|(part, &slope)| (part.rows.cell, slope)).collect();
        let weight = |part: &Part| slopes.get(&part.rows.cell).copied().unwrap_or(0.0);
        of_labels(parts, weight) + of_calibration(calibration, parts, weight)
    }
}
