//! Reads a receiver that is a channel of a chat.

use super::parts::{template, url, web};
use crate::config::Item;
use crate::notify::chat;
use crate::notify::receiver::Config;

pub fn slack(item: Item<'_>) -> Option<Config> {
    read(item).map(Config::Slack)
}

pub fn teams(item: Item<'_>) -> Option<Config> {
    read(item).map(Config::Teams)
}

fn read(item: Item<'_>) -> Option<chat::Config> {
    let map = item.map()?;
    let url = map.need("url", "{file: PATH}", url);
    let (web, title, text) = (web(&map), map.maybe("title", template), map.maybe("text", template));
    Some(chat::Config { url: url?, web: web?, title: title?, text: text? })
}
