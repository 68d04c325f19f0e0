//! Reads a receiver that is a webhook.

use super::parts::{checked_url, secret, secret_in_file, url, web};
use crate::config::{Item, all};
use crate::notify::receiver::Config;
use crate::notify::secret::Secret;
use crate::notify::webhook::{self, Format};

pub fn read(item: Item<'_>) -> Option<Config> {
    const LIKE: &str = "write `url: https://…`, or `url_file: PATH` to keep it out of this file";
    const FORMATS: [(&str, Format); 2] = [("cloudevent", Format::CloudEvent), ("alertmanager", Format::Alertmanager)];
    let map = item.map()?;
    let written = map.find("url").map(url);
    let in_file = map.find("url_file").map(|item| checked_url(item, secret_in_file(item)));
    let url = match (written, in_file) {
        (Some(url), None) | (None, Some(url)) => url,
        (Some(_), Some(_)) => {
            item.report("a webhook has either `url` or `url_file`, not both", Some(LIKE.to_owned()));
            None
        }
        (None, None) => {
            item.report("`webhook` has neither `url` nor `url_file`", Some(LIKE.to_owned()));
            None
        }
    };
    let format = map.or("format", Format::default(), |item| item.choice(&FORMATS));
    let signing = map.or("signing_secret", Vec::new(), signing);
    let web = web(&map);
    Some(Config::Webhook(webhook::Config { url: url?, web: web?, format: format?, signing: signing? }))
}

/// One secret, or a list of them while one takes the place of another.
fn signing(item: Item<'_>) -> Option<Vec<Secret>> {
    let one = |item: Item<'_>| {
        let (secret, text) = secret(item)?;
        if !webhook::signs(&text) {
            let hint = "write whsec_ and base64, as the receiver shows it".to_owned();
            item.report(format!("{item} is not a secret of Standard Webhooks"), Some(hint));
            return None;
        }
        Some(secret)
    };
    if item.is_scalar() || item.is_map() { Some(vec![one(item)?]) } else { all(item.list()?.into_iter().map(one)) }
}
