//! Reads how alerts find their receivers: routes, inhibitions, silences and the watchdog.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{Item, Map, Problem, Reader, all, hint, shown};
use crate::notify::receiver;
use crate::route::{Config, Grouping, INCIDENT, Inhibition, Manner, Matcher, Route, Silence, Timing, Watchdog};
use crate::rule::alert::stable_id;
use crate::time::Span;

/// The receivers' names, as far as they are known.
type Names<'a> = Option<&'a BTreeSet<String>>;

pub fn read(
    map: &Map<'_>,
    names: Names,
    receivers: Option<&BTreeMap<String, receiver::Config>>,
    problems: &mut Vec<Problem>,
) -> Option<Config> {
    let root = map.or("route", Route::default(), |item| route(item, None, names));
    let inhibitions = map.or("inhibit", Vec::new(), |item| all(item.list()?.into_iter().map(inhibition)));
    let silences = map.or("silences", Vec::new(), |item| silences(item, problems));
    let watchdog = map.maybe("watchdog", |item| watchdog(item, names));
    let receivers = receivers?.iter().map(|(name, receiver)| (name.clone(), receiver.manner()));
    Some(Config {
        root: root?,
        receivers: receivers.collect::<BTreeMap<String, Manner>>(),
        inhibitions: inhibitions?,
        silences: silences?,
        watchdog: watchdog?,
    })
}

/// A route; what it does not say it has from the one above.
fn route(item: Item<'_>, above: Option<&Route>, names: Names) -> Option<Route> {
    let map = item.map()?;
    let default = above.cloned().unwrap_or_default();
    let (matchers, goes_on) = match above {
        Some(_) => (map.need("match", "[severity = critical]", matchers), map.or("continue", false, Item::yes_or_no)),
        None => (Some(Vec::new()), Some(false)),
    };
    let receiver = map.or("receiver", default.receiver.clone(), |item| Some(Some(receiver(item, names)?)));
    let grouping = map.or("group_by", default.grouping.clone(), grouping);
    let wait = map.or("group_wait", default.timing.wait, Item::span);
    let interval = map.or("group_interval", default.timing.interval, Item::span);
    let repeat = map.or("repeat_interval", default.timing.repeat, Item::positive_span);
    let timing = wait.zip(interval).zip(repeat).map(|((wait, interval), repeat)| Timing { wait, interval, repeat });
    // Those below are examined even if something is wrong with this one.
    let here = Route {
        matchers: matchers.clone().unwrap_or_default(),
        receiver: receiver.clone().unwrap_or_default(),
        grouping: grouping.clone().unwrap_or_default(),
        timing: timing.unwrap_or_default(),
        goes_on: goes_on.unwrap_or_default(),
        routes: Vec::new(),
    };
    let routes =
        map.or("routes", Vec::new(), |item| all(item.list()?.into_iter().map(|item| route(item, Some(&here), names))));
    let is_whole = matchers.is_some() && receiver.is_some() && grouping.is_some() && goes_on.is_some();
    routes.filter(|_| is_whole && timing.is_some()).map(|routes| Route { routes, ..here })
}

fn receiver(item: Item<'_>, names: Names) -> Option<String> {
    let name = item.text_like("the name of a receiver")?;
    if let Some(names) = names.filter(|names| !names.contains(name)) {
        let hint = hint(name, names.iter().map(String::as_str)).or(Some("add it under `receivers`".to_owned()));
        item.report(format!("there is no receiver `{}`", shown(name)), hint);
    }
    Some(name.to_owned())
}

/// Labels to group by, or `none` to tell each alert by itself.
fn grouping(item: Item<'_>) -> Option<Grouping> {
    if item.is_scalar() {
        let text = item.text_like("a list of labels, or none")?;
        if text != "none" {
            let hint = "write a list of labels such as [incident], or none".to_owned();
            item.report(format!("{item} cannot be `{}`", shown(text)), Some(hint));
            return None;
        }
        return Some(Grouping::None);
    }
    let labels = all(item.list()?.into_iter().map(|item| item.text_like("a label such as model, or incident")));
    labels.map(|labels| Grouping::By(labels.into_iter().map(str::to_owned).collect()))
}

/// One matcher, or a list of those that all have to match.
fn matchers(item: Item<'_>) -> Option<Vec<Matcher>> {
    let items = if item.is_scalar() { vec![item] } else { item.list()? };
    if items.is_empty() {
        item.report(format!("{item} asks nothing"), Some("write for example [severity = critical]".to_owned()));
        return None;
    }
    let matcher = |item: Item<'_>| {
        let text = item.text_like("a matcher such as severity = critical")?;
        let matcher: Result<Matcher, String> = text.parse();
        let report = |wrong: &String| {
            let message = format!("`{}` is not a matcher: {wrong}", shown(text));
            item.report(
                message,
                Some("write for example severity = critical, or model =~ \"credit|fraud\"".to_owned()),
            );
        };
        matcher.inspect_err(report).ok()
    };
    all(items.into_iter().map(matcher))
}

fn inhibition(item: Item<'_>) -> Option<Inhibition> {
    let map = item.map()?;
    let source = map.need("source", "[severity = critical]", matchers);
    let target = map.need("target", "[severity = warning]", matchers);
    let equal = map.or("equal", Vec::new(), |item| {
        let labels = all(item.list()?.into_iter().map(|item| item.text_like("a label such as model")))?;
        if labels.contains(&INCIDENT) {
            item.report("`incident` is not a label", Some("compare model and model_version".to_owned()));
        }
        Some(labels.into_iter().map(str::to_owned).collect())
    });
    Some(Inhibition { source: source?, target: target?, equal: equal? })
}

/// Silences, or the name of a file that lists them.
fn silences(item: Item<'_>, problems: &mut Vec<Problem>) -> Option<Vec<Silence>> {
    if !item.is_scalar() {
        return all(item.list()?.into_iter().map(silence));
    }
    let file = item.reader().resolve(item.text_like("a file with silences")?);
    let reader = Reader::open(&file);
    let silences = reader.root().and_then(Item::list).and_then(|items| all(items.into_iter().map(silence)));
    problems.extend(reader.into_problems());
    silences
}

fn silence(item: Item<'_>) -> Option<Silence> {
    let map = item.map()?;
    let matchers = map.need("match", "[model = credit]", matchers);
    let starts_at = map.need("from", "2026-01-31T22:00:00Z", Item::time);
    let ends_at = map.need("until", "2026-02-01T06:00:00Z", |item| {
        let until = item.time()?;
        if starts_at.is_some_and(|from| until <= from) {
            item.report(format!("{item} is not after `from`"), None);
        }
        Some(until)
    });
    let created_by = map.need("by", "ada@example.com", |item| item.text_like("who wants it"));
    let comment = map.need("comment", "the warehouse is moved", |item| item.text_like("why"));
    let (matchers, starts_at, ends_at) = (matchers?, starts_at?, ends_at?);
    let (created_by, comment) = (created_by?.to_owned(), comment?.to_owned());
    let asked: Vec<String> = matchers.iter().map(Matcher::to_string).collect();
    let times = [starts_at.to_string(), ends_at.to_string()];
    let parts: Vec<&str> = asked.iter().chain(&times).map(String::as_str).collect();
    Some(Silence { id: stable_id(&parts), matchers, starts_at, ends_at, created_by, comment })
}

fn watchdog(item: Item<'_>, names: Names) -> Option<Watchdog> {
    const EVERY: Span = Span(5 * 60 * 1000);
    let map = item.map()?;
    let receivers = map.need("notify", "[deadman]", |item| {
        let items = if item.is_scalar() { vec![item] } else { item.list()? };
        all(items.into_iter().map(|item| receiver(item, names)))
    });
    let every = map.or("every", EVERY, Item::positive_span);
    Some(Watchdog { receivers: receivers?, every: every? })
}
