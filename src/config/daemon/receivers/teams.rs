//! Reads a receiver that is a workflow of Microsoft Teams.

use super::parts::{template, url, web};
use crate::config::Item;
use crate::notify::receiver::Config;
use crate::notify::teams;

pub fn read(item: Item<'_>) -> Option<Config> {
    let map = item.map()?;
    let url = map.need("url", "{file: PATH}", url);
    let (web, title, text) = (web(&map), map.maybe("title", template), map.maybe("text", template));
    Some(Config::Teams(teams::Config { url: url?, web: web?, title: title?, text: text? }))
}
