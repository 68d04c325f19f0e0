//! What is posted to an incoming webhook of Slack: blocks.

use serde_json::{Value, json};

use super::chart;
use super::limit::{and_more, cut, length, line, most_that_fit};
use super::origin::Origin;
use super::story::{Entry, Story, story, title};
use super::template::{Dialect, escaped, or_usual};
use crate::notice::Notice;

/// What Slack takes at once. That all texts together are bounded is not documented; beyond some 13 200 characters it
/// answers `msg_blocks_too_long`.
const MOST_BLOCKS: usize = 50;
const LONGEST_HEADER: usize = 150;
const LONGEST_SECTION: usize = 3000;
const LONGEST_TOGETHER: usize = 12_500;

/// The message for a notice, within Slack's limits.
pub fn message(notice: &Notice, origin: &Origin, of_title: Option<&String>, of_text: Option<&String>) -> Value {
    let usual_title = title(notice);
    // A header shows text as it is, and the notification shows it with marks.
    let title = or_usual(of_title, Dialect::Plain, (notice, origin, &usual_title), || usual_title.clone());
    let title = line(&title, LONGEST_HEADER);
    let told = story(notice, origin);
    let usual = || {
        let fits = |shown| {
            let blocks = blocks(&told, &title, shown);
            blocks.len() <= MOST_BLOCKS && together(&blocks) <= LONGEST_TOGETHER
        };
        blocks(&told, &title, most_that_fit(told.entries.len().min(MOST_BLOCKS), fits))
    };
    let blocks = match of_text {
        None => usual(),
        Some(_) => {
            let usual_text = || escaped(&told.text(told.entries.len()), Dialect::Mrkdwn);
            let text = or_usual(of_text, Dialect::Mrkdwn, (notice, origin, &title), usual_text);
            let sections = sections(&cut(&text, LONGEST_TOGETHER - LONGEST_HEADER));
            std::iter::once(header(&title)).chain(sections).collect()
        }
    };
    json!({"text": escaped(&title, Dialect::Mrkdwn), "blocks": blocks})
}

fn blocks(told: &Story<'_>, title: &str, shown: usize) -> Vec<Value> {
    let plain = |text: &str| escaped(text, Dialect::Mrkdwn);
    let mut blocks = vec![header(title)];
    if !told.causes.is_empty() {
        blocks.push(section(&plain(&told.causes.join("\n"))));
    }
    for (index, entry) in told.entries.iter().enumerate().take(shown) {
        if let Some(name) = told.section(index) {
            blocks.push(json!({"type": "divider"}));
            blocks.push(section(&format!("*{name}*")));
        }
        blocks.push(section(&in_mrkdwn(entry)));
    }
    let more = and_more(told.entries.len() - shown);
    let page = (!told.page.is_empty()).then(|| format!("<{}|tidegauge>", plain(&told.page)));
    let end: Vec<String> = more.into_iter().chain(page).collect();
    if !end.is_empty() {
        let element = json!({"type": "mrkdwn", "text": end.join(" · ")});
        blocks.push(json!({"type": "context", "elements": [element]}));
    }
    blocks
}

fn in_mrkdwn(entry: &Entry<'_>) -> String {
    let plain = |text: &str| escaped(text, Dialect::Mrkdwn);
    let mut text = format!("*{}*\n{}", plain(&entry.heading), plain(&entry.summary));
    for (name, fact) in &entry.facts {
        text.push_str(&format!("\n• {name}: {}", plain(fact)));
    }
    if let Some((reference, current)) = entry.shape.and_then(chart::characters) {
        text.push_str(&format!("\n```reference   {reference}\nthis window {current}```"));
    }
    let links: Vec<String> = entry.links.iter().map(|(name, url)| format!("<{}|{name}>", plain(url))).collect();
    if !links.is_empty() {
        text.push_str(&format!("\n{}", links.join(" · ")));
    }
    text
}

fn header(title: &str) -> Value {
    json!({"type": "header", "text": {"type": "plain_text", "text": title, "emoji": false}})
}

fn section(text: &str) -> Value {
    json!({"type": "section", "text": {"type": "mrkdwn", "text": cut(text, LONGEST_SECTION)}})
}

/// A long text in as many sections as it needs, parted between lines where that can be.
fn sections(text: &str) -> Vec<Value> {
    let mut parts = vec![String::new()];
    for line in text.lines() {
        let line = cut(line, LONGEST_SECTION - 1);
        match parts.last_mut() {
            Some(part) if length(part) + length(&line) < LONGEST_SECTION => part.push_str(&format!("{line}\n")),
            _ => parts.push(format!("{line}\n")),
        }
    }
    // A section without a text is refused.
    let parts = parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty());
    parts.take(MOST_BLOCKS - 1).map(section).collect()
}

/// How long all texts are together.
fn together(blocks: &[Value]) -> usize {
    let of = |block: &Value| match block["elements"].as_array() {
        Some(elements) => elements.iter().map(|element| length(element["text"].as_str().unwrap_or_default())).sum(),
        None => length(block["text"]["text"].as_str().unwrap_or_default()),
    };
    blocks.iter().map(of).sum()
}
