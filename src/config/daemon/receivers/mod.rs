//! Reads who is notified.

mod alertmanager;
mod chat;
mod email;
mod pagerduty;
pub(super) mod parts;
mod webhook;

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{Item, all, alternatives};
use crate::notify::receiver::Config;

type Read = fn(Item<'_>) -> Option<Config>;

/// The kinds of receivers, and who reads them.
const KINDS: [(&str, Read); 6] = [
    ("email", email::read),
    ("slack", chat::slack),
    ("pagerduty", pagerduty::read),
    ("teams", chat::teams),
    ("alertmanager", alertmanager::read),
    ("webhook", webhook::read),
];

/// The receivers' names, be they otherwise right or wrong.
pub fn names(item: Item<'_>) -> Option<BTreeSet<String>> {
    let map = item.map()?;
    Some(map.entries().map(|(name, _, _)| name.to_owned()).collect())
}

pub fn read(item: Item<'_>) -> Option<BTreeMap<String, Config>> {
    let map = item.map()?;
    let receivers = all(map.entries().map(|(name, item, _)| Some((name.to_owned(), receiver(item)?))));
    Some(receivers?.into_iter().collect())
}

fn receiver(item: Item<'_>) -> Option<Config> {
    let map = item.map()?;
    let found: Vec<_> = KINDS.iter().filter_map(|(kind, read)| Some((map.find(kind)?, read))).collect();
    match found.as_slice() {
        [(item, read)] => read(*item),
        [] => {
            let kinds = alternatives(&KINDS.map(|(kind, _)| kind), "or").unwrap_or_default();
            let hint = format!("write {kinds}, such as `webhook: {{url: https://…}}`");
            item.report(format!("{item} is no kind of receiver"), Some(hint));
            None
        }
        [_, (second, _), ..] => {
            second.report(format!("{item} is of more than one kind"), Some("write a receiver for each".to_owned()));
            None
        }
    }
}
