//! Reads the alert rules of a monitor.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::measures::BUDGET;
use super::outcomes;
use crate::config::{Giver, Item, all, alternatives, hint, shown};
use crate::measurement::Family;
use crate::monitor::Measure;
use crate::rule::condition::{Condition, Name, Per, Subjects};
use crate::rule::life::Patience;
use crate::rule::{Retrain, Rule, Severity};
use crate::schema::{Field, Role};
use crate::stat::{self, surprise};
use crate::time::Span;

/// What an alert rule can refer to. What is `None` is not known, and is then not asked.
pub struct Known<'a> {
    pub subjects: Option<&'a Subjects<'a>>,
    pub measures: Option<&'a [Measure]>,
    pub outcomes: outcomes::Known<'a>,
    pub receivers: Option<&'a BTreeSet<String>>,
}

pub fn read(item: Item<'_>, known: &Known<'_>) -> Option<Vec<Arc<Rule>>> {
    let items = item.list()?;
    let mut names = BTreeSet::new();
    all(items.into_iter().map(|item| rule(item, known, &mut names)))
        .map(|rules| rules.into_iter().map(Arc::new).collect())
}

fn rule<'a>(item: Item<'a>, known: &Known<'_>, names: &mut BTreeSet<&'a str>) -> Option<Rule> {
    let map = item.map()?;
    let name = map.need("alert", "FeatureDrift", |item| {
        let name = item.text_like("a name such as FeatureDrift")?;
        if !is_identifier(name) {
            let hint = "write letters, digits and underscores, such as FeatureDrift".to_owned();
            item.report(format!("`{}` cannot be the name of an alert", shown(name)), Some(hint));
            return None;
        }
        if !names.insert(name) {
            let hint = "give each alert a name of its own".to_owned();
            item.report(format!("a second alert is called `{name}`"), Some(hint));
        }
        Some(name.to_owned())
    });
    let when = map.need("when", "drift.psi > 0.2", |item| condition(item, known));
    let lasting = map.or("for", (1, 1), lasting);
    let keep = map.or("keep_firing_for", Span(0), Item::span);
    let severity = map.or("severity", Severity::Warning, |item| {
        item.choice(&Severity::ALL.map(|severity| (severity.name(), severity)))
    });
    let labels = map.or("labels", BTreeMap::new(), templates);
    let annotations = map.or("annotations", BTreeMap::new(), templates);
    let notify = map.or("notify", Vec::new(), |item| notify(item, known.receivers));
    let retrain = map.maybe("retrain", retrain);
    Some(Rule {
        name: name?,
        when: when?,
        patience: lasting.zip(keep).map(|((windows, of), keep)| Patience { windows, of, keep })?,
        severity: severity?,
        labels: labels?,
        annotations: annotations?,
        notify: notify?,
        retrain: retrain?,
    })
}

/// In how many windows, and of how many, a condition has to hold: `3`, or `3 of 5`.
fn lasting(item: Item<'_>) -> Option<(u32, u32)> {
    const MOST: u32 = 10_000;
    let text = item.text_like("a number of windows such as 2, or 3 of 5")?;
    let mut words = text.split_whitespace();
    let windows = words.next().and_then(|word| word.parse().ok());
    let of = match (words.next(), words.next(), words.next()) {
        (None, ..) => windows,
        (Some("of"), Some(of), None) => of.parse().ok(),
        _ => None,
    };
    let is_good = |(windows, of): &(u32, u32)| 1 <= *windows && windows <= of && *of <= MOST;
    let lasting = windows.zip(of).filter(is_good);
    if lasting.is_none() {
        let message = format!("`{}` is not a number of windows from 1 to {MOST}, nor some of so many", shown(text));
        item.report(message, Some("write for example 2, or 3 of 5".to_owned()));
    }
    lasting
}

fn condition(item: Item<'_>, known: &Known<'_>) -> Option<Condition> {
    let text = item.text_like("a condition such as drift.psi > 0.2")?;
    let condition = match Condition::parse(text, known.subjects?) {
        Ok(condition) => condition,
        Err(faults) => {
            for fault in faults {
                item.report_within(fault.offset, fault.message, fault.hint);
            }
            return None;
        }
    };
    check_measured(item, &condition, known.subjects?.fields, known.measures?, &known.outcomes);
    Some(condition)
}

/// Puts on record what a condition names and the monitor does not measure: it could never hold.
fn check_measured(
    item: Item<'_>,
    condition: &Condition,
    fields: &[Field],
    measures: &[Measure],
    outcomes: &outcomes::Known<'_>,
) {
    let is = |name: &Name, measure: &Measure| {
        measure.statistic.family == name.family && measure.statistic.name == name.statistic
    };
    // What has no field is measured of all the subjects that it can have.
    let is_of = |name: &Name, measure: &Measure| {
        let named = name.subject.as_ref();
        measure.field.is_none_or(|field| named.is_none_or(|subject| *subject == fields[field].subject))
    };
    let is_measured = |name: &&Name| measures.iter().any(|measure| is(name, measure) && is_of(name, measure));
    let is_attribution = |name: &Name| {
        fields.iter().any(|field| Some(&field.subject) == name.subject.as_ref() && field.role == Role::Attribution)
    };
    let missing: Vec<&Name> = condition.names().iter().filter(|name| !is_measured(name)).collect();
    for name in &missing {
        let offset = condition.text().find(&name.text).unwrap_or(0);
        let family = name.family.name();
        let of_outcomes = stat::find(name.family, name.statistic).and_then(|row| outcomes.lacks(row));
        let hint = match (name.family, of_outcomes) {
            (_, Some(hint)) => hint,
            (Family::Attribution, _) => "write where they are as `attributions` under `schema`".to_owned(),
            _ if name.family == surprise::ROW.family && name.statistic == surprise::ROW.name => BUDGET.to_owned(),
            _ if is_attribution(name) => format!("add `{}` to the `attributions` under `{family}`", name.statistic),
            _ => format!("add `{}` to the statistics under `{family}`", name.statistic),
        };
        item.report_within(offset, format!("`{}` is not measured by this monitor", name.text), Some(hint));
    }
    let is_at_hand = |name: &&Name| name.subject.is_none() && !name.on().is_log();
    let together: Vec<&Name> = condition.names().iter().filter(is_at_hand).collect();
    let has = |field: usize, name: &Name| measures.iter().any(|m| m.field == Some(field) && is(name, m));
    let is_askable = || (0..fields.len()).any(|field| together.iter().all(|name| has(field, name)));
    if missing.is_empty() && condition.per() == Per::Field && !is_askable() {
        let names: Vec<&str> = together.iter().map(|name| name.text.as_str()).collect();
        let message = format!("no subject has {} at once", alternatives(&names, "and").unwrap_or_default());
        item.report(message, Some("write one alert for each kind of subject".to_owned()));
    }
}

/// Templates by the name of a label or an annotation.
fn templates(item: Item<'_>) -> Option<BTreeMap<String, String>> {
    let map = item.map()?;
    let templates = all(map.entries().map(|(name, item, at)| {
        if !is_identifier(name) || name.starts_with("__") {
            let hint = "write letters, digits and underscores, without two of them in front".to_owned();
            item.reader().report(at, format!("`{}` cannot be the name of a label", shown(name)), Some(hint));
        }
        Some((name.to_owned(), item.template(&ALERT)?))
    }));
    Some(templates?.into_iter().collect())
}

/// What an alert gives to its templates.
const ALERT: Giver = Giver {
    name: "an alert",
    variables: &[
        "alert",
        "state",
        "severity",
        "model",
        "version",
        "slice",
        "subject",
        "condition",
        "window_start",
        "window_end",
        "since",
        "values",
        "reason",
    ],
    // Nobody reads a longer alert.
    longest: 4096,
    like: "\"{{ subject }} drifted\"",
};

fn notify(item: Item<'_>, receivers: Option<&BTreeSet<String>>) -> Option<Vec<String>> {
    let items = item.list()?;
    let names = all(items.iter().map(|item| item.text_like("the name of a receiver")))?;
    for (index, name) in names.iter().enumerate() {
        if names[..index].contains(name) {
            items[index].report(format!("`{}` is listed twice", shown(name)), None);
        } else if let Some(receivers) = receivers.filter(|receivers| !receivers.contains(*name)) {
            let known = receivers.iter().map(String::as_str);
            let hint = hint(name, known).or(Some("add it under `receivers` in the daemon's file".to_owned()));
            items[index].report(format!("there is no receiver `{}`", shown(name)), hint);
        }
    }
    Some(names.into_iter().map(str::to_owned).collect())
}

fn retrain(item: Item<'_>) -> Option<Retrain> {
    const COOLDOWN: Span = Span(86_400_000);
    const LIKE: &str = "a name such as nightly";
    if item.is_scalar() {
        return Some(Retrain { name: item.text_like(LIKE)?.to_owned(), cooldown: COOLDOWN });
    }
    let map = item.map()?;
    let name = map.need("name", "nightly", |item| item.text_like(LIKE));
    let cooldown = map.or("cooldown", COOLDOWN, Item::span);
    Some(Retrain { name: name?.to_owned(), cooldown: cooldown? })
}

fn is_identifier(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && text.starts_with(|c: char| !c.is_ascii_digit())
}
