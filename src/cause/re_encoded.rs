//! Categories go by other names.

use std::collections::BTreeSet;

use super::{Categories, Cause, Facts, Field, Gap, Likely, counted, explained, percent, share_errors, trust};

/// The least share of rows under new names.
const LEAST: f64 = 0.03;
/// How many of the commonest are held against one another. Of more, chance decides which is commoner.
const COMPARED: usize = 20;

pub fn likely(facts: &Facts) -> Vec<Likely> {
    let alarmed = facts.alarmed().filter_map(|field| Some((field, field.categories.as_ref()?)));
    let told = alarmed.filter_map(|(field, categories)| {
        let told = renamed(field, categories).or_else(|| permuted(field, categories))?;
        // Names that another column has are rather its than new ones.
        let confidence = told.confidence * (1.0 - 0.8 * of_others(facts, field, categories));
        Some(Likely { confidence, ..told })
    });
    told.collect()
}

/// The share of the rows with new names whose name another column's reference has.
fn of_others(facts: &Facts, field: &Field, categories: &Categories) -> f64 {
    let all: f64 = categories.unseen.iter().map(|(_, share)| share).sum();
    let in_column = |other: &Field| -> Option<f64> {
        let vocabulary = other.categories.as_ref().filter(|_| other.subject != field.subject)?.vocabulary;
        let is_known = |name: &str| vocabulary.cell(name).is_some();
        let known = categories.unseen.iter().filter(|(name, _)| is_known(name)).map(|(_, share)| share);
        Some(known.sum::<f64>() / all.max(f64::MIN_POSITIVE))
    };
    facts.fields.iter().filter_map(in_column).fold(0.0, f64::max)
}

/// Categories that have gone, and others that have come in their place.
fn renamed(field: &Field, categories: &Categories) -> Option<Likely> {
    let Categories { reference, current, n, m, .. } = categories;
    let (known, unseen) = (reference.len() - 1, current.len() - 1);
    let (before, now) = (reference[unseen], current[unseen]);
    let errors = share_errors(before, *n, now, *m);
    let come = now - before;
    if come < LEAST || trust(errors) <= 0.0 {
        return None;
    }
    let lost: Vec<f64> = reference[..known].iter().zip(current).map(|(r, c)| (r - c).max(0.0)).collect();
    let spelling = Spelling::of(categories, &lost);
    let shares = sorted_match(categories, &lost);
    let names = categories.unseen.iter().filter(|(_, share)| *share > 0.02 * come).count();
    let (quality, how) = match spelling {
        Some(Spelling { how, matched }) if matched >= 0.7 => (0.97, format!("whose names differ by {how} only")),
        // One for one is as well a new category that does the work of an old one.
        _ if names < 2 => (0.6 * shares, "of the same share".to_owned()),
        _ if names == 2 => (0.8 * shares, "of the same shares".to_owned()),
        // Where the rarest cannot be told apart, that nothing has its old name is all that is known.
        _ if categories.unseen_error > 0.25 * come / names as f64 => {
            (if now > 0.9 { 0.75 } else { 0.45 }, "which are too many to compare one by one".to_owned())
        }
        _ => (0.92 * shares, "which, the commonest first, have the shares of those that went".to_owned()),
    };
    let cause = match spelling {
        Some(Spelling { how, matched }) if matched >= 0.7 && how == CUT => Cause::Truncation,
        _ => Cause::ReEncodedCategories,
    };
    Some(Likely {
        cause,
        subjects: vec![field.subject.to_owned()],
        confidence: quality * trust(errors),
        evidence: format!(
            "{} of {} have categories that the reference does not know, where {} had; as many have left known ones \
             ({}) for new ones {how}",
            percent(now),
            counted(categories.tally.n()),
            percent(before),
            percent(lost.iter().sum::<f64>()),
        ),
    })
}

/// How alike the shares are that went and those that came, commonest first, from 0 to 1.
fn sorted_match(categories: &Categories, lost: &[f64]) -> f64 {
    let mut lost = lost.to_vec();
    lost.sort_by(|a, b| b.total_cmp(a));
    let come: Vec<f64> = categories.unseen.iter().map(|(_, share)| *share).collect();
    let (n, m) = (categories.n, categories.m);
    let (mut apart, mut noise, mut all) = (0.0, 0.0, 0.0);
    for place in 0..COMPARED {
        let at = |shares: &[f64]| shares.get(place).copied().unwrap_or(0.0);
        let (went, came) = (at(&lost), at(&come));
        // The sketch may count a name too low, and sampling moves all three shares that are compared.
        apart += ((went - came).abs() - categories.unseen_error).max(0.0);
        noise += (0.64 * (went / n + (went + 2.0 * came) / m)).sqrt();
        all += went.max(came);
    }
    let beyond_chance = (apart - 1.5 * noise).max(0.0) / all.max(f64::MIN_POSITIVE);
    (1.0 - 2.5 * beyond_chance).clamp(0.0, 1.0)
}

const CUT: &str = "having been cut short";

/// In what way new names are old ones.
#[derive(Clone, Copy)]
struct Spelling {
    how: &'static str,
    /// The share of the rows with new names that have an old name so.
    matched: f64,
}

impl Spelling {
    /// The way that explains the most of the names.
    fn of(categories: &Categories, lost: &[f64]) -> Option<Spelling> {
        let old: Vec<&str> = categories
            .vocabulary
            .values()
            .iter()
            .zip(lost)
            .filter(|(_, lost)| **lost > 0.0)
            .map(|(name, _)| name.as_str())
            .collect();
        let new: Vec<(&str, f64)> = categories.unseen.iter().map(|(name, share)| (name.as_str(), *share)).collect();
        if old.is_empty() || new.len() < 2 {
            return None;
        }
        let matched = |how, old_form: &dyn Fn(&str) -> String, new_form: &dyn Fn(&str) -> String| {
            let forms: BTreeSet<String> = old.iter().map(|name| old_form(name)).collect();
            let is_old = |name: &str| !name.is_empty() && forms.contains(name);
            let all: f64 = new.iter().map(|(_, share)| share).sum();
            let found: f64 = new.iter().filter(|(name, _)| is_old(&new_form(name))).map(|(_, share)| share).sum();
            Spelling { how, matched: found / all.max(f64::MIN_POSITIVE) }
        };
        let same = |name: &str| name.to_owned();
        let mut ways = vec![
            matched("case", &|name| name.to_lowercase(), &|name| name.to_lowercase()),
            matched("case, spaces and signs", &plain, &plain),
        ];
        let new_names: Vec<&str> = new.iter().map(|(name, _)| *name).collect();
        for length in 1..=common_start(&new_names) {
            ways.push(matched("something put before them", &same, &|name| name.chars().skip(length).collect()));
        }
        for length in 1..=common_start(&old) {
            ways.push(matched("something that was before them", &|name| name.chars().skip(length).collect(), &same));
        }
        for length in 1..=common_end(&new_names) {
            ways.push(matched("something put after them", &same, &|name| without_end(name, length)));
        }
        for length in 1..=common_end(&old) {
            ways.push(matched("something that was after them", &|name| without_end(name, length), &same));
        }
        // Names that are cut are all of one length, but for those that were short enough.
        let longest = new_names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let cut = |name: &str| {
            if name.chars().count() > longest { name.chars().take(longest).collect() } else { String::new() }
        };
        if longest >= 2 {
            ways.push(matched(CUT, &cut, &same));
        }
        ways.into_iter().max_by(|a, b| a.matched.total_cmp(&b.matched))
    }
}

/// A name by its letters and digits.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn without_end(name: &str, length: usize) -> String {
    name.chars().take(name.chars().count().saturating_sub(length)).collect()
}

/// How many characters all names begin with.
fn common_start(names: &[&str]) -> usize {
    const MOST: usize = 24;
    let Some((first, others)) = names.split_first() else { return 0 };
    let shared = |other: &&str| first.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    others.iter().map(shared).min().unwrap_or(0).min(MOST)
}

fn common_end(names: &[&str]) -> usize {
    let backwards: Vec<String> = names.iter().map(|name| name.chars().rev().collect()).collect();
    common_start(&backwards.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The same names for other categories, as when they are numbered anew: the shares are as before, but in other places.
fn permuted(field: &Field, categories: &Categories) -> Option<Likely> {
    const FEWEST: f64 = 3.2;
    if !categories.gap.is_real() || categories.effective_cells() < FEWEST {
        return None;
    }
    let sorted = |shares: &[f64]| {
        let mut shares = shares.to_vec();
        shares.sort_by(|a, b| b.total_cmp(a));
        shares
    };
    let after =
        Gap::of_categories(&sorted(&categories.reference), &sorted(&categories.current), categories.n, categories.m);
    let explained = explained(&categories.gap, &after);
    // Sorting brings any two lists of shares nearer, so that it must bring them all the way.
    if explained < 0.85 || after.distance > 0.3 * categories.gap.distance {
        return None;
    }
    Some(Likely {
        cause: Cause::ReEncodedCategories,
        subjects: vec![field.subject.to_owned()],
        confidence: 0.8 * explained * trust(categories.gap.errors()),
        evidence: format!(
            "the shares of the categories in {} are those of the reference, but of other categories: {} of the rows \
             would have to change theirs, and only {} if the commonest is taken for the commonest, and so on",
            counted(categories.tally.n()),
            percent(categories.gap.distance),
            percent(after.distance),
        ),
    })
}
