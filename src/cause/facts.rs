//! A scene as causes look at it: of each field what it was, what it is, and how far apart these are.

use std::collections::BTreeMap;

use super::{Compared, Curve, Gap, Moments, Scene, errors_of_categories, kurtosis, share_errors};
use crate::grid::{Axis, Vocabulary};
use crate::schema::Role;
use crate::tally::category::CategoryTally;
use crate::tally::{FieldTally, Presence};

pub struct Facts<'a> {
    pub scene: &'a Scene<'a>,
    pub fields: Vec<Field<'a>>,
}

pub struct Field<'a> {
    pub subject: &'a str,
    pub role: Role,
    pub is_alarmed: bool,
    pub reference: &'a FieldTally,
    pub current: &'a FieldTally,
    pub numbers: Option<Numbers<'a>>,
    pub categories: Option<Categories<'a>>,
}

/// A numeric field with numbers on both sides.
pub struct Numbers<'a> {
    pub reference: Curve<'a>,
    pub current: Curve<'a>,
    pub before: Moments,
    pub now: Moments,
    /// The reference's.
    pub kurtosis: f64,
    pub gap: Gap,
}

/// A categorical field with values on both sides.
pub struct Categories<'a> {
    pub vocabulary: &'a Vocabulary,
    pub tally: &'a CategoryTally,
    /// The share of each value of the vocabulary, and last of all others.
    pub reference: Vec<f64>,
    pub current: Vec<f64>,
    pub n: f64,
    pub m: f64,
    /// The commonest of the others with their shares in the window, and the most by which any is too low.
    pub unseen: Vec<(String, f64)>,
    pub unseen_error: f64,
    pub gap: Gap,
    /// By how many errors it is, by the test that sees the most.
    pub errors: f64,
}

impl<'a> Facts<'a> {
    pub fn new(scene: &'a Scene<'a>) -> Facts<'a> {
        let field = |compared: &'a Compared<'a>| Field::new(compared, scene.alarmed.contains(compared.subject));
        Facts { scene, fields: scene.fields.iter().map(field).collect() }
    }

    pub fn alarmed(&self) -> impl Iterator<Item = &Field<'a>> {
        self.fields.iter().filter(|field| field.is_alarmed)
    }

    pub fn features(&self) -> impl Iterator<Item = &Field<'a>> {
        self.fields.iter().filter(|field| field.role == Role::Feature)
    }
}

impl<'a> Field<'a> {
    pub fn new(compared: &Compared<'a>, is_alarmed: bool) -> Field<'a> {
        let Compared { subject, role, axis, reference, current } = *compared;
        let (mut numbers, mut categories) = (None, None);
        match (axis, reference, current) {
            (Axis::Numeric(grid), FieldTally::Numeric(before), FieldTally::Numeric(now))
                if before.counts.len() == grid.cells() && now.counts.len() == grid.cells() =>
            {
                numbers = Numbers::new(Curve::new(grid, before), Curve::new(grid, now));
            }
            (Axis::Categorical(vocabulary), FieldTally::Categorical(before), FieldTally::Categorical(now))
                if before.counts.len() == vocabulary.cells() && now.counts.len() == vocabulary.cells() =>
            {
                categories = Categories::new(vocabulary, before, now);
            }
            _ => {}
        }
        Field { subject, role, is_alarmed, reference, current, numbers, categories }
    }

    /// How far the values are from the reference's.
    pub fn gap(&self) -> Option<Gap> {
        self.numbers.as_ref().map(|numbers| numbers.gap).or(self.categories.as_ref().map(|categories| categories.gap))
    }

    /// By how many errors of sampling they are.
    pub fn errors(&self) -> f64 {
        let categories = self.categories.as_ref().map_or(0.0, |categories| categories.errors);
        self.gap().map_or(0.0, |gap| gap.errors()).max(categories)
    }

    /// The share of rows that have no usable value, in the reference and in the window.
    pub fn absent(&self) -> (f64, f64) {
        (absent(self.reference), absent(self.current))
    }

    pub fn rows(&self) -> u64 {
        self.current.presence().rows
    }
}

fn absent(tally: &FieldTally) -> f64 {
    let Presence { rows, .. } = *tally.presence();
    if rows == 0 { 0.0 } else { (rows - tally.valued().min(rows)) as f64 / rows as f64 }
}

impl<'a> Numbers<'a> {
    fn new(reference: Curve<'a>, current: Curve<'a>) -> Option<Numbers<'a>> {
        let (before, now) = (Moments::of(reference.tally)?, Moments::of(current.tally)?);
        let noise = (1.0 / reference.n + 1.0 / current.n).sqrt();
        let gap = current.gap_from(|cell| reference.through(cell), noise);
        let kurtosis = kurtosis(reference.tally, reference.grid, &before);
        Some(Numbers { reference, current, before, now, kurtosis, gap })
    }

    /// The sampling error of a cumulative share.
    pub fn noise(&self) -> f64 {
        self.gap.noise
    }

    /// In how many cells there would be as many rows as there are, if all were alike.
    pub fn effective_cells(&self) -> f64 {
        let squares: f64 = (0..self.reference.cells()).map(|cell| self.reference.share(cell).powi(2)).sum();
        1.0 / squares.max(f64::MIN_POSITIVE)
    }
}

impl<'a> Categories<'a> {
    fn new(vocabulary: &'a Vocabulary, before: &'a CategoryTally, now: &'a CategoryTally) -> Option<Categories<'a>> {
        let (n, m) = (before.n() as f64, now.n() as f64);
        if n < 2.0 || m < 2.0 {
            return None;
        }
        let shares = |tally: &CategoryTally, n: f64| -> Vec<f64> {
            tally.counts.iter().map(|&count| count as f64 / n).collect()
        };
        let (reference, current) = (shares(before, n), shares(now, m));
        let gap = Gap::of_categories(&reference, &current, n, m);
        let unseen = now.commonest.top(usize::MAX).into_iter().map(|(name, rows)| (name, rows as f64 / m)).collect();
        let unseen_error = now.commonest.error() as f64 / m;
        let last = |shares: &[f64]| shares.last().copied().unwrap_or(0.0);
        let of_unseen = share_errors(last(&reference), n, last(&current), m);
        let errors = errors_of_categories(&reference, &current, n, m).max(gap.errors()).max(of_unseen);
        Some(Categories { vocabulary, tally: now, reference, current, n, m, unseen, unseen_error, gap, errors })
    }

    /// The window's distance from other shares of the same cells.
    pub fn gap_from(&self, expected: &[f64]) -> Gap {
        Gap::of_categories(expected, &self.current, self.n, self.m)
    }

    /// In how many categories there would be as many rows as there are, if all were alike.
    pub fn effective_cells(&self) -> f64 {
        1.0 / self.reference.iter().map(|share| share * share).sum::<f64>().max(f64::MIN_POSITIVE)
    }

    /// The reference's share of each value, by its name.
    pub fn reference_by_name(&self) -> BTreeMap<&str, f64> {
        self.vocabulary.values().iter().map(String::as_str).zip(self.reference.iter().copied()).collect()
    }

    /// The window's, as far as it is known.
    pub fn current_by_name(&self) -> BTreeMap<&str, f64> {
        let known = self.vocabulary.values().iter().map(String::as_str).zip(self.current.iter().copied());
        known.chain(self.unseen.iter().map(|(name, share)| (name.as_str(), *share))).collect()
    }
}
