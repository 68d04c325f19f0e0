//! Reads what has to come of a test: changes of alerts, and requests for retrains.

use super::{Known, end, slice, version};
use crate::config::{Item, Map, Position, all, hint, shown};
use crate::rule::{Rule, Severity, State};
use crate::time::Time;

/// A change of an alert that has to come.
pub struct Alert {
    pub at: Position,
    /// The end of the window with which it comes.
    pub end: Time,
    pub alert: String,
    pub subject: String,
    pub version: String,
    pub slice: String,
    pub state: State,
    /// `None` when it is not asked, like labels and annotations that are not here.
    pub severity: Option<Severity>,
    pub labels: Vec<Text>,
    pub annotations: Vec<Text>,
}

/// A text under a name, and where it stands.
pub struct Text {
    pub at: Position,
    pub name: String,
    pub text: String,
}

/// A request for a retrain that has to come.
pub struct Retrain {
    pub at: Position,
    pub end: Time,
    pub retrain: String,
    pub version: String,
    pub slice: String,
    /// `None` when it is not asked.
    pub subjects: Option<Vec<String>>,
}

pub fn alerts(item: Item<'_>, known: &Known<'_>) -> Option<Vec<Alert>> {
    all(item.list()?.into_iter().map(|item| alert(item, known)))
}

fn alert(item: Item<'_>, known: &Known<'_>) -> Option<Alert> {
    let map = item.map()?;
    let at = map.need("at", "12h", |item| end(item, known));
    let rule = map.need("alert", "FeatureDrift", |item| rule(item, known));
    let subject = subject(&map, rule, known);
    let (version, slice) = group(&map, known);
    let state = map.need("state", "firing", |item| item.choice(&State::ALL.map(|state| (state.name(), state))));
    let severity =
        map.maybe("severity", |item| item.choice(&Severity::ALL.map(|severity| (severity.name(), severity))));
    let labels = map.or("labels", Vec::new(), texts);
    let annotations = map.or("annotations", Vec::new(), texts);
    Some(Alert {
        at: item.at(),
        end: at?,
        alert: rule?.name.clone(),
        subject: subject?,
        version: version?,
        slice: slice?,
        state: state?,
        severity: severity?,
        labels: labels?,
        annotations: annotations?,
    })
}

fn rule<'a>(item: Item<'_>, known: &Known<'a>) -> Option<&'a Rule> {
    let name = item.text_like("the name of an alert")?;
    let rule = known.monitor.rules.iter().find(|rule| rule.name == name);
    if rule.is_none() {
        let names = known.monitor.rules.iter().map(|rule| rule.name.as_str());
        item.report(format!("the monitor has no alert `{}`", shown(name)), hint(name, names));
    }
    rule.map(|rule| &**rule)
}

/// Of what an alert is: one of the subjects that its rule is asked of, which is nothing where there is only one.
fn subject(map: &Map<'_>, rule: Option<&Rule>, known: &Known<'_>) -> Option<String> {
    let item = map.find("subject");
    let subject = item.map_or(Some(""), Item::text)?;
    let rule = rule?;
    let asked = known.monitor.asked_of(&rule.when);
    if asked.contains(&subject) {
        return Some(subject.to_owned());
    }
    let (message, hint) = match item {
        None => {
            let hint = asked.first().map(|first| format!("write `subject: {first}`"));
            (format!("it is not said of what `{}` is", rule.name), hint)
        }
        Some(_) if asked == [""] => {
            (format!("`{}` is not asked of any subject", rule.name), Some("leave `subject` out".to_owned()))
        }
        Some(_) => {
            let message = format!("`{}` is not asked of `{}`", rule.name, shown(subject));
            (message, hint(subject, asked))
        }
    };
    item.unwrap_or(map.item()).report(message, hint);
    None
}

fn group(map: &Map<'_>, known: &Known<'_>) -> (Option<String>, Option<String>) {
    let version = map.or("version", known.version.clone(), |item| version(item, known.monitor));
    let slice = map.or("slice", String::new(), |item| slice(item, known.monitor));
    (version, slice)
}

fn texts(item: Item<'_>) -> Option<Vec<Text>> {
    let map = item.map()?;
    all(map.entries().map(|(name, item, at)| {
        let text = item.text_like("the text that it has to have")?.to_owned();
        Some(Text { at, name: name.to_owned(), text })
    }))
}

pub fn retrains(item: Item<'_>, known: &Known<'_>) -> Option<Vec<Retrain>> {
    all(item.list()?.into_iter().map(|item| retrain(item, known)))
}

fn retrain(item: Item<'_>, known: &Known<'_>) -> Option<Retrain> {
    let map = item.map()?;
    let at = map.need("at", "12h", |item| end(item, known));
    let name = map.need("retrain", "nightly", |item| {
        let name = item.text_like("the name of a retrain")?;
        let names: Vec<&str> =
            known.monitor.rules.iter().filter_map(|rule| Some(rule.retrain.as_ref()?.name.as_str())).collect();
        if !names.contains(&name) {
            item.report(format!("no alert of the monitor asks for `{}`", shown(name)), hint(name, names));
            return None;
        }
        Some(name.to_owned())
    });
    let (version, slice) = group(&map, known);
    let subjects = map.maybe("subjects", |item| {
        let mut subjects = all(item.list()?.into_iter().map(|item| item.text().map(str::to_owned)))?;
        subjects.sort();
        Some(subjects)
    });
    Some(Retrain { at: item.at(), end: at?, retrain: name?, version: version?, slice: slice?, subjects: subjects? })
}
