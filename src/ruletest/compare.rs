//! Holds what came of a test to what was expected.

use std::collections::BTreeSet;

use super::{Came, Fault};
use crate::config::Position;
use crate::config::ruletest::{Alert, Given, Retrain, RuleTest, Series, Text};
use crate::measurement::Measurement;
use crate::monitor::Monitor;
use crate::rule::State;
use crate::rule::alert::{AlertEvent, AlertKey, RetrainRequest};
use crate::rule::condition::Name;
use crate::time::Time;

/// Everything that came and was not expected, and that was and did not come.
///
/// That an alert is pending may be left out of what is expected; it is on its way to something that may not be.
pub(super) fn compare(test: &RuleTest, came: &Came, monitor: &Monitor) -> Vec<Fault> {
    let mut faults = alerts(test, came, monitor);
    if let Some((expected, at)) = &test.retrains {
        faults.extend(retrains(expected, *at, &came.retrains));
    }
    if let Given::Rows { rejected, .. } = &test.given {
        faults.extend(rows(test.at, *rejected, came));
    }
    let named = |(at, message, hint): Fault| (at, format!("`{}`: {message}", test.name), hint);
    faults.into_iter().map(named).collect()
}

/// What makes an alert the same alert: its rule, and what it is of.
type Key<'a> = (&'a str, &'a str, &'a str, &'a str);

fn key(event: &AlertEvent) -> Key<'_> {
    (&event.alert, &event.subject, &event.version, &event.slice)
}

fn expected_key(alert: &Alert) -> Key<'_> {
    (&alert.alert, &alert.subject, &alert.version, &alert.slice)
}

/// An alert for a person: `FeatureDrift of income, version 3, country=NL`.
fn called((alert, subject, version, slice): Key<'_>) -> String {
    let mut text = alert.to_owned();
    for (before, part) in [(" of ", subject), (", version ", version), (", ", slice)] {
        if !part.is_empty() {
            text.push_str(before);
            text.push_str(part);
        }
    }
    text
}

fn alerts(test: &RuleTest, came: &Came, monitor: &Monitor) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut met = vec![false; came.alerts.len()];
    // An alert of which something is missing: all that came of it is told with that.
    let mut told: BTreeSet<Key> = BTreeSet::new();
    for expected in &test.alerts {
        let is_it = |event: &AlertEvent| {
            key(event) == expected_key(expected) && (event.window_end, event.state) == (expected.end, expected.state)
        };
        match (0..met.len()).find(|&at| !met[at] && is_it(&came.alerts[at])) {
            Some(at) => {
                met[at] = true;
                faults.extend(differences(expected, &came.alerts[at]));
            }
            None => {
                told.insert(expected_key(expected));
                faults.push(missing(expected, came, hint(expected, test, came, monitor)));
            }
        }
    }
    let is_left = |at: &usize| {
        let event = &came.alerts[*at];
        !met[*at] && event.state != State::Pending && !told.contains(&key(event))
    };
    let left: Vec<&AlertEvent> = (0..met.len()).filter(is_left).map(|at| &came.alerts[at]).collect();
    faults.extend(left.iter().take(MOST).map(|event| unexpected(event, test.alerts_at)));
    faults.extend(and_more(left.len(), test.alerts_at));
    faults
}

/// So many things that nobody expected are told one by one: more have one cause.
const MOST: usize = 10;

fn and_more(count: usize, at: Position) -> Option<Fault> {
    let more = count.checked_sub(MOST).filter(|more| *more > 0)?;
    Some((at, format!("and {more} more that nobody expected"), None))
}

fn missing(expected: &Alert, came: &Came, hint: Option<String>) -> Fault {
    let of_it: Vec<String> = came
        .alerts
        .iter()
        .filter(|event| key(event) == expected_key(expected))
        .map(|event| format!("{} at {}", event.state.name(), event.window_end))
        .collect();
    let got = if of_it.is_empty() { "nothing of it".to_owned() } else { of_it.join(", ") };
    let message = format!(
        "expected {} to be {} at {}; got {got}",
        called(expected_key(expected)),
        expected.state.name(),
        expected.end
    );
    (expected.at, message, hint)
}

/// Why something may not have come: the condition asks for what the test does not give, or for what is not known.
fn hint(expected: &Alert, test: &RuleTest, came: &Came, monitor: &Monitor) -> Option<String> {
    let rule = monitor.rules.iter().find(|rule| rule.name == expected.alert)?;
    if let Given::Measurements(series) = &test.given {
        let log = monitor.log_at(&rule.when, &expected.subject);
        let is_of_it = |series: &&Series| (series.version(), series.slice()) == (&*expected.version, &*expected.slice);
        let given: Vec<&Measurement> = series.iter().filter(is_of_it).map(Series::of).collect();
        let is_given = |name: &&Name| given.iter().any(|m| name.means(m, &expected.subject, log));
        let missing = rule.when.names().iter().filter(|name| !is_given(name));
        let missing: Vec<String> = missing.map(|name| format!("`{}`", name.text)).collect();
        if !missing.is_empty() {
            return Some(format!("the condition asks for {}, and the test gives none", missing.join(", ")));
        }
    }
    let is_it = |key: &AlertKey| {
        (key.rule.as_str(), key.subject.as_str(), &*key.version, &*key.slice) == expected_key(expected)
    };
    let (_, why) = came.unknown.iter().find(|(key, _)| is_it(key))?;
    Some(format!("at the end it is not known whether the condition holds: {why}"))
}

/// What is not as it should be with an alert that did come.
fn differences(expected: &Alert, event: &AlertEvent) -> Vec<Fault> {
    let mut faults = Vec::new();
    if let Some(severity) = expected.severity.filter(|severity| *severity != event.severity) {
        let message = format!(
            "expected {} to be {}; got {}",
            called(expected_key(expected)),
            severity.name(),
            event.severity.name()
        );
        faults.push((expected.at, message, None));
    }
    let texts = [("label", &expected.labels, &event.labels), ("annotation", &expected.annotations, &event.annotations)];
    for (kind, expected, actual) in texts {
        for Text { at, name, text } in expected {
            let actual = actual.get(name);
            if actual != Some(text) {
                let got = actual.map_or("none".to_owned(), |actual| format!("`{actual}`"));
                faults.push((*at, format!("expected the {kind} `{name}` to be `{text}`; got {got}"), None));
            }
        }
    }
    faults
}

fn unexpected(event: &AlertEvent, at: Position) -> Fault {
    let (state, end) = (event.state.name(), event.window_end);
    let message = format!("{} is {state} at {end}, which nobody expected", called(key(event)));
    let more = [("subject", &event.subject), ("version", &event.version), ("slice", &event.slice)];
    let like = entry(end, "alert", &event.alert, &more);
    (at, message, Some(format!("if that is right, add `{like}, state: {state}}}`")))
}

/// The beginning of an entry that expects this.
fn entry(end: Time, kind: &str, name: &str, more: &[(&str, &String)]) -> String {
    let more = more.iter().filter(|(_, value)| !value.is_empty());
    let more: String = more.map(|(key, value)| format!(", {key}: {}", written(value))).collect();
    format!("{{at: {end}, {kind}: {}{more}", written(name))
}

/// A text as YAML has it in a map on one line.
fn written(text: &str) -> String {
    let is_plain = text.chars().all(|c| c.is_alphanumeric() || "_.=~-".contains(c));
    let starts_plain = text.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    if is_plain && starts_plain { text.to_owned() } else { format!("{text:?}") }
}

fn retrains(expected: &[Retrain], at: Position, came: &[RetrainRequest]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut met = vec![false; came.len()];
    for expected in expected {
        let is_of_it = |request: &RetrainRequest| {
            (&request.retrain, &request.version, &request.slice)
                == (&expected.retrain, &expected.version, &expected.slice)
        };
        let found = (0..came.len()).find(|&at| !met[at] && is_of_it(&came[at]) && came[at].window_end == expected.end);
        let name = called((&expected.retrain, "", &expected.version, &expected.slice));
        let Some(found) = found else {
            let of_it: Vec<String> =
                came.iter().filter(|request| is_of_it(request)).map(|r| format!("one at {}", r.window_end)).collect();
            let got = if of_it.is_empty() { "none".to_owned() } else { of_it.join(", ") };
            faults.push((expected.at, format!("expected a request for {name} at {}; got {got}", expected.end), None));
            continue;
        };
        met[found] = true;
        let mut subjects = came[found].subjects.clone();
        subjects.sort();
        if let Some(wanted) = expected.subjects.as_ref().filter(|wanted| **wanted != subjects) {
            let list = |subjects: &[String]| format!("[{}]", subjects.join(", "));
            let message = format!("expected a request for {name} for {}; got it for {}", list(wanted), list(&subjects));
            faults.push((expected.at, message, None));
        }
    }
    let left: Vec<&RetrainRequest> =
        came.iter().zip(&met).filter(|(_, met)| !**met).map(|(request, _)| request).collect();
    faults.extend(left.iter().take(MOST).map(|request| {
        let name = called((&request.retrain, "", &request.version, &request.slice));
        let message = format!("{} asks for {name} at {}, which nobody expected", request.alert, request.window_end);
        let more = [("version", &request.version), ("slice", &request.slice)];
        let like = entry(request.window_end, "retrain", &request.retrain, &more);
        (at, message, Some(format!("if that is right, add `{like}}}`")))
    }));
    faults.extend(and_more(left.len(), at));
    faults
}

/// Rows that are not counted would make a test good that tests nothing.
fn rows(at: Position, rejected: u64, came: &Came) -> Vec<Fault> {
    let mut faults = Vec::new();
    if came.rejected != rejected {
        let reasons = if came.reasons.is_empty() { String::new() } else { format!(" ({})", came.reasons.join(", ")) };
        let message = format!("expected {rejected} rows to be rejected; got {}{reasons}", came.rejected);
        let hint = format!("if that is right, add `rejected: {}`", came.rejected);
        faults.push((at, message, Some(hint)));
    }
    if came.late > 0 {
        let hint = "put them in the order of their times, or give the monitor's window a `lateness`".to_owned();
        faults.push((at, format!("{} rows came too late for their windows", came.late), Some(hint)));
    }
    faults
}
