//! What both sides of each column are, and whether they differ: really, and enough to matter.

use std::num::NonZero;
use std::sync::{Mutex, PoisonError};
use std::thread;

use serde::Serialize;

use crate::finding::{Base, Finding, calibrate, correct};
use crate::grid::Axis;
use crate::measurement::{Family, Measurement};
use crate::monitor::{Correction, Measure};
use crate::null::Nulls;
use crate::schema::Kind;
use crate::stat::{Answer, Case, Side, Worse};
use crate::tally::FieldTally;
use crate::time::Span;

use super::Question;
use super::count::Both;
use super::drawing::Drawing;
use super::side::{self, Summary};

/// One column, on both sides.
#[derive(Clone, Debug, Serialize)]
pub struct Compared {
    pub subject: String,
    pub kind: Kind,
    /// Whether a drift statistic is breached.
    pub drifted: bool,
    /// Whether a quality statistic is.
    pub worse_quality: bool,
    /// The largest value of a statistic relative to its threshold, among those that are breached if any is: 1 and up is
    /// beyond it.
    pub effect: Option<f64>,
    /// The statistic that has it.
    pub strongest: Option<String>,
    /// What changed, in the words of the field: where the mean went, or which category became commoner.
    pub change: Option<String>,
    pub reference: Summary,
    pub current: Summary,
    #[serde(skip)]
    pub measurements: Vec<Measurement>,
    #[serde(skip)]
    pub drawing: Drawing,
}

/// How much worse a quality rate may be than the reference's before it is told, when nobody said.
const WORSE_QUALITY: f64 = 0.05;

/// The columns that both files have, those that matter most first.
pub fn compare(question: &Question, both: &Both) -> Vec<Compared> {
    let measures = question.measures.iter().map(|measure| on_quality(question, both, measure)).collect::<Vec<_>>();
    let mut findings: Vec<Finding> = measures.iter().filter_map(|measure| finding(question, both, measure)).collect();
    simulate(both, &mut findings);
    if question.judging.correction == Correction::BenjaminiHochberg {
        correct(&mut findings);
    }
    let mut by_field: Vec<Vec<Measurement>> = vec![Vec::new(); question.fields.len()];
    for finding in findings {
        if let Some(field) = finding.measure.field {
            let model = question.model.clone();
            by_field[field].push(Measurement { model, ..finding.told(&question.judging) });
        }
    }
    let mut compared: Vec<Compared> = by_field
        .into_iter()
        .enumerate()
        .filter_map(|(field, measurements)| column(question, both, field, measurements))
        .collect();
    let rank = |c: &Compared| (c.drifted || c.worse_quality, c.effect.unwrap_or(f64::NEG_INFINITY));
    compared.sort_by(|a, b| {
        let ((breached_a, effect_a), (breached_b, effect_b)) = (rank(a), rank(b));
        breached_b.cmp(&breached_a).then(effect_b.total_cmp(&effect_a)).then_with(|| a.subject.cmp(&b.subject))
    });
    compared
}

/// Gives the findings their p-values by simulation, on all cores.
fn simulate(both: &Both, findings: &mut [Finding]) {
    let counted = |subject: &str| both.reference.fields.get(subject).map(|counted| (&counted.axis, &counted.tally));
    let base = Base { hash: &both.reference.hash, slice: "", fixes_axes: true, counted: &counted };
    let columns = Mutex::new(findings.chunk_by_mut(|a, b| a.subject == b.subject));
    let next = || columns.lock().unwrap_or_else(PoisonError::into_inner).next();
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(|| {
                let mut nulls = Nulls::for_one_size();
                while let Some(column) = next() {
                    calibrate(&mut nulls, &base, column);
                }
            });
        }
    });
}

/// What a statistic says of a subject. This is the one place where an answer is asked for.
fn answer(measure: &Measure, case: &Case) -> Answer {
    (measure.statistic.compute)(case)
}

fn case<'a>(question: &Question, both: &'a Both, measure: &Measure, subject: &str) -> Option<Case<'a>> {
    let reference = both.reference.fields.get(subject)?;
    let tally = both.current.get(subject)?;
    Some(Case {
        rows: both.rows,
        // Nothing that is asked here is per time.
        window: Span(0),
        current: Some(Side { axis: &reference.axis, tally }),
        reference: Some(&reference.tally),
        min_rows: question.min_rows,
        significance: measure.significance,
        // A data set without a monitor does not say what its attributions are.
        attributions: &[],
        outcomes: None,
    })
}

fn finding<'a>(question: &'a Question, both: &Both, measure: &'a Measure) -> Option<Finding<'a>> {
    let subject = question.fields[measure.field?].subject.as_str();
    let case = case(question, both, measure, subject)?;
    let answer = answer(measure, &case);
    let reference = Some(both.reference.hash.clone());
    let sizes = case.current.zip(case.reference).map(|(current, of)| (current.tally.valued(), of.valued()));
    Some(Finding { measure, subject, answer, q_value: None, rows: both.rows, sizes, reference })
}

/// Gives a quality rate the threshold that it has when nobody named one: clearly worse than the reference's own.
fn on_quality(question: &Question, both: &Both, measure: &Measure) -> Measure {
    let row = measure.statistic;
    let is_rate = row.family == Family::Quality && row.range == (0.0, 1.0) && row.worse == Worse::Above;
    let threshold = || {
        let subject = question.fields[measure.field?].subject.as_str();
        let reference = both.reference.fields.get(subject)?;
        let current = Some(Side { axis: &reference.axis, tally: &reference.tally });
        let of_current = case(question, both, measure, subject)?;
        let rate = answer(measure, &Case { rows: both.reference.rows, current, ..of_current }).ok()?.value;
        // Three standard errors of the difference of two such rates, with one more row on the side that has none.
        let (n, m) = (both.reference.rows as f64, both.rows as f64);
        let p = (rate * n + 1.0) / (n + 2.0);
        let error = (p * (1.0 - p) * (1.0 / n + 1.0 / m)).sqrt();
        Some(rate + WORSE_QUALITY + 3.0 * error).filter(|threshold| *threshold < 1.0)
    };
    match measure.threshold {
        None if question.is_inferred && is_rate => Measure { threshold: threshold(), ..*measure },
        _ => *measure,
    }
}

fn column(question: &Question, both: &Both, field: usize, measurements: Vec<Measurement>) -> Option<Compared> {
    let field = &question.fields[field];
    let counted = both.reference.fields.get(&field.subject)?;
    let current = both.current.get(&field.subject)?;
    if measurements.is_empty() {
        return None;
    }
    let is_breached = |family| measurements.iter().any(|m| m.family == family && m.breached == Some(true));
    let (drifted, worse_quality) = (is_breached(Family::Drift), is_breached(Family::Quality));
    let strongest = measurements
        .iter()
        .filter(|m| if drifted || worse_quality { m.breached == Some(true) } else { m.family == Family::Drift })
        .filter_map(|m| Some((relative(m)?, m)))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    Some(Compared {
        subject: field.subject.clone(),
        kind: field.kind,
        drifted,
        worse_quality,
        effect: strongest.map(|(effect, _)| effect),
        strongest: strongest.map(|(_, m)| m.statistic.clone()),
        change: change(&counted.axis, &counted.tally, current),
        reference: Summary::of(&counted.axis, &counted.tally),
        current: Summary::of(&counted.axis, current),
        drawing: Drawing::of(&counted.axis, &counted.tally, current),
        measurements,
    })
}

/// A value in units of its threshold, if that can be told.
pub fn relative(m: &Measurement) -> Option<f64> {
    let (value, threshold) = (m.value?, m.threshold?);
    let row = crate::stat::find(m.family, &m.statistic)?;
    let effect = if row.worse == Worse::Above { value / threshold } else { threshold / value };
    effect.is_finite().then_some(effect)
}

/// Where a numeric column went, in standard deviations of the reference, or which category changed most.
fn change(axis: &Axis, reference: &FieldTally, current: &FieldTally) -> Option<String> {
    match (axis, reference, current) {
        (_, FieldTally::Numeric(before), FieldTally::Numeric(after)) => {
            let (from, to) = (before.mean()?, after.mean()?);
            match before.standard_deviation().filter(|deviation| *deviation > 0.0) {
                Some(deviation) => {
                    let shift = (to - from) / deviation;
                    shift.is_finite().then(|| format!("mean {} sd", side::signed(shift)))
                }
                None => (from != to).then(|| format!("mean {} → {}", side::short(from), side::short(to))),
            }
        }
        (Axis::Categorical(vocabulary), FieldTally::Categorical(before), FieldTally::Categorical(after)) => {
            let (n, m) = (before.n(), after.n());
            if n == 0 || m == 0 {
                return None;
            }
            let names = vocabulary.values().iter().map(String::as_str).chain(["(other values)"]);
            let shares = before.counts.iter().zip(&after.counts);
            let shares = shares.map(|(&r, &c)| (r as f64 / n as f64, c as f64 / m as f64));
            let (name, (from, to)) =
                names.zip(shares).max_by(|(_, a), (_, b)| (a.1 - a.0).abs().total_cmp(&(b.1 - b.0).abs()))?;
            let name = side::cut(name, 20);
            Some(format!("{name} {} → {}", side::percent(from), side::percent(to)))
        }
        _ => None,
    }
}
