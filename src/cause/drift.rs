//! The world has changed: inputs, what turns out, or what follows from the one for the other.

use super::{Cause, Change, Facts, Likely, SURELY, counted, errors_of, join, percent, times, trust};
use crate::schema::Role;

/// What nothing else explains is half explained by saying that it has changed.
const OF_INPUTS: f64 = 0.5;

/// Each alarmed input that differs by more than chance.
pub fn of_inputs(facts: &Facts) -> Vec<Likely> {
    let alarmed = facts.alarmed().filter(|field| field.role == Role::Feature);
    let changed = alarmed.filter(|field| field.errors() > SURELY);
    let told = changed.filter_map(|field| Some((field, field.gap()?))).map(|(field, gap)| Likely {
        cause: Cause::CovariateDrift,
        subjects: vec![field.subject.to_owned()],
        confidence: OF_INPUTS * trust(field.errors()),
        evidence: format!("{} of {} in {}", percent(gap.distance), counted(field.current.valued()), field.subject),
    });
    told.collect()
}

/// Whether a cause explains more of what it is about than that it has changed.
pub fn explains_more(facts: &Facts, one: &Likely) -> bool {
    const LEAST: f64 = 0.02;
    let of_it = facts.alarmed().filter(|field| one.subjects.iter().any(|subject| subject == field.subject));
    let errors = of_it.map(|field| field.errors()).fold(0.0, f64::max);
    let as_drift =
        if one.cause == Cause::CovariateDrift || errors <= SURELY { LEAST } else { OF_INPUTS * trust(errors) };
    one.confidence >= as_drift
}

/// One drift of inputs for all of them.
pub fn joined(chosen: Vec<Likely>) -> Vec<Likely> {
    let (drifted, mut others): (Vec<Likely>, Vec<Likely>) =
        chosen.into_iter().partition(|one| one.cause == Cause::CovariateDrift);
    if !drifted.is_empty() {
        let evidence: Vec<&str> = drifted.iter().map(|one| one.evidence.as_str()).collect();
        others.push(Likely {
            cause: Cause::CovariateDrift,
            confidence: drifted.iter().map(|one| one.confidence).fold(0.0, f64::max),
            evidence: format!("distributed otherwise, in none of the ways that accidents make: {}", join(&evidence)),
            subjects: drifted.into_iter().flat_map(|one| one.subjects).collect(),
        });
    }
    others
}

/// Explains what the model says and how right it is, which is alarmed and not yet explained.
pub fn of_outputs(facts: &Facts, chosen: &mut Vec<Likely>) {
    let is_explained = |subject: &str| chosen.iter().any(|one| one.subjects.iter().any(|other| other == subject));
    let is_input = |subject: &str| {
        facts.fields.iter().any(|field| {
            field.subject == subject
                && matches!(field.role, Role::Feature | Role::Latency | Role::Error | Role::Attribution)
        })
    };
    let open = facts.scene.alarmed.iter().filter(|subject| !is_input(subject) && !is_explained(subject));
    let open: Vec<String> = open.map(|subject| (*subject).to_owned()).collect();
    if open.is_empty() {
        return;
    }
    let accident = chosen.iter().position(|one| one.cause != Cause::CovariateDrift);
    let drifted = chosen.iter().position(|one| one.cause == Cause::CovariateDrift);
    let (concept, label) = (concept(facts), label(facts, &open));
    let told = match (accident, drifted, concept, label) {
        // A model errs on bad data, and that says nothing of what the data means.
        (Some(at), ..) => return follows(chosen, at, open),
        // What was expected of the rows by their scores allows for inputs that have drifted, but not for all of it.
        (_, drifted, Some(concept), _) => {
            Likely { confidence: concept.confidence * if drifted.is_some() { 0.8 } else { 1.0 }, ..concept }
        }
        (_, Some(at), ..) => return follows(chosen, at, open),
        (_, None, None, Some(label)) => label,
        _ => return,
    };
    chosen.push(Likely { subjects: open, ..told });
}

/// What else has moved with the inputs of a cause.
fn follows(chosen: &mut [Likely], at: usize, open: Vec<String>) {
    if let Some(one) = chosen.get_mut(at) {
        let names: Vec<&str> = open.iter().map(String::as_str).collect();
        one.evidence = format!("{}; {} followed", one.evidence, join(&names));
        one.subjects.extend(open);
    }
}

/// Whether a change is no chance: one in a thousand.
fn is_real(change: &&Change) -> bool {
    change.p_value < 1e-3
}

fn concept(facts: &Facts) -> Option<Likely> {
    let outcomes = facts.scene.outcomes.as_ref()?;
    let accuracy = outcomes.accuracy.as_ref().filter(is_real).filter(|change| change.now < change.before);
    let calibration = outcomes.calibration_error.as_ref().filter(is_real).filter(|change| change.now > change.before);
    let (change, what, now) = match (accuracy, calibration) {
        (Some(change), _) => (change, "right", change.now),
        (None, Some(change)) => (change, "off in probability", change.now),
        (None, None) => return None,
    };
    Some(Likely {
        cause: Cause::ConceptDrift,
        subjects: Vec::new(),
        confidence: 0.88 * trust(errors_of(change.p_value)),
        evidence: format!(
            "of {} the model is {what} in {}, where {} was expected (p = {}), and no accident to the inputs explains it",
            counted(change.rows),
            percent(now),
            percent(change.before),
            times(change.p_value),
        ),
    })
}

fn label(facts: &Facts, open: &[String]) -> Option<Likely> {
    let outcomes = facts.scene.outcomes.unwrap_or_default();
    let shares = [("turned out so", outcomes.turned_out), ("were said to be so", outcomes.predicted)];
    let changed = shares.iter().filter_map(|(what, change)| Some((what, change.as_ref().filter(is_real)?)));
    let surest = changed.max_by(|a, b| b.1.p_value.total_cmp(&a.1.p_value));
    // Where shares are not known, what the model says is compared as a field.
    let fields = facts.alarmed().filter(|field| open.iter().any(|subject| subject == field.subject));
    let field = fields.filter_map(|field| Some((field, field.gap().filter(|gap| gap.is_real())?)));
    let field = field.max_by(|a, b| a.1.errors().total_cmp(&b.1.errors()));
    let inputs_moved = facts.features().any(|field| field.gap().is_some_and(|gap| gap.is_real()));
    let quality = if inputs_moved { 0.6 } else { 0.85 };
    let inputs = if inputs_moved { "and inputs have moved little" } else { "and inputs are as before" };
    let (errors, what) = match (surest, field) {
        (Some((what, change)), _) => (
            errors_of(change.p_value),
            format!("{} of {} {what}, where {} did", percent(change.now), counted(change.rows), percent(change.before)),
        ),
        (None, Some((field, gap))) => (
            gap.errors(),
            format!("{} differs in {} of {}", field.subject, percent(gap.distance), counted(field.current.valued())),
        ),
        (None, None) => return None,
    };
    Some(Likely {
        cause: Cause::LabelDrift,
        subjects: Vec::new(),
        confidence: quality * trust(errors),
        evidence: format!("{what}, {inputs}"),
    })
}
