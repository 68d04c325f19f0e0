//! Reads a receiver that is a service of PagerDuty.

use super::parts::{any_secret, template, url, web};
use crate::config::Item;
use crate::notify::pagerduty;
use crate::notify::receiver::Config;
use crate::notify::secret::Secret;

pub fn read(item: Item<'_>) -> Option<Config> {
    let map = item.map()?;
    let routing_key = map.need("routing_key", "{file: PATH}", any_secret);
    let url = map.or("url", Secret::Given(pagerduty::URL.to_owned()), url);
    let (web, title, text) = (web(&map), map.maybe("title", template), map.maybe("text", template));
    let config = pagerduty::Config { routing_key: routing_key?, url: url?, web: web?, title: title?, text: text? };
    Some(Config::PagerDuty(config))
}
