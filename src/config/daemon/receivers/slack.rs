//! Reads a receiver that is a channel in Slack.

use super::parts::{template, url, web};
use crate::config::Item;
use crate::notify::receiver::Config;
use crate::notify::slack;

pub fn read(item: Item<'_>) -> Option<Config> {
    let map = item.map()?;
    let url = map.need("url", "{file: PATH}", url);
    let (web, title, text) = (web(&map), map.maybe("title", template), map.maybe("text", template));
    Some(Config::Slack(slack::Config { url: url?, web: web?, title: title?, text: text? }))
}
