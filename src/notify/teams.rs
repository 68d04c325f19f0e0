//! What is posted to a workflow of Microsoft Teams: an adaptive card.
//!
//! What is told is in runs of text, which show every character as it is: in a text block, a slice or a label that looks
//! like a link would become one.

use serde_json::{Value, json};

use super::chart;
use super::limit::{and_more, cut, line, most_that_fit};
use super::origin::Origin;
use super::story::{Entry, Story, story, title};
use super::template::{Dialect, escaped, or_usual};
use crate::notice::Notice;
use crate::rule::Severity;

/// Teams refuses a message of more than 28 KB.
const LARGEST: usize = 28_000;
const LONGEST_TITLE: usize = 300;
/// Less than what is left in bytes once a text is written as JSON.
const LONGEST_TEXT: usize = 6000;

/// The message for a notice, within the limit of Teams.
pub fn message(notice: &Notice, origin: &Origin, of_title: Option<&String>, of_text: Option<&String>) -> Value {
    let told = story(notice, origin);
    let usual_title = title(notice);
    let title = or_usual(of_title, Dialect::Plain, (notice, origin, &usual_title), || usual_title.clone());
    let text = of_text.map(|_| {
        let usual = || escaped(&told.text(told.entries.len()), Dialect::Markdown);
        cut(&or_usual(of_text, Dialect::Markdown, (notice, origin, &usual_title), usual), LONGEST_TEXT)
    });
    let card = |shown| card(&told, &line(&title, LONGEST_TITLE), text.as_deref(), shown);
    card(most_that_fit(told.entries.len(), |shown| card(shown).to_string().len() <= LARGEST))
}

fn card(told: &Story<'_>, title: &str, text: Option<&str>, shown: usize) -> Value {
    let mut body = vec![runs(vec![
        json!({"type": "TextRun", "text": title, "size": "large", "weight": "bolder", "color": colour(told.severity)}),
    ])];
    match text {
        Some(text) => body.push(json!({"type": "TextBlock", "text": text, "wrap": true})),
        None => {
            body.extend(told.causes.iter().map(|cause| runs(vec![run(cause)])));
            for (index, entry) in told.entries.iter().enumerate().take(shown) {
                if let Some(name) = told.section(index) {
                    body.push(runs(vec![bold(&name)]));
                }
                body.extend(of_entry(entry));
            }
            body.extend(and_more(told.entries.len() - shown).map(|more| runs(vec![run(&more)])));
        }
    }
    let mut content = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.2",
        "body": body,
        "msteams": {"width": "Full"},
    });
    let actions = actions(told);
    if !actions.is_empty() {
        content["actions"] = actions.into();
    }
    let attachment =
        json!({"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": content});
    json!({"type": "message", "attachments": [attachment]})
}

fn of_entry(entry: &Entry<'_>) -> Vec<Value> {
    let mut blocks = vec![separated(runs(vec![bold(&entry.heading)])), runs(vec![run(&entry.summary)])];
    blocks.extend(entry.facts.iter().map(|(name, fact)| tight(runs(vec![bold(&format!("{name}: ")), run(fact)]))));
    if let Some((reference, current)) = entry.shape.and_then(chart::characters) {
        for line in [format!("reference   {reference}"), format!("this window {current}")] {
            blocks.push(tight(runs(vec![json!({"type": "TextRun", "text": line, "fontType": "monospace"})])));
        }
    }
    blocks
}

/// Buttons: the page, and the first runbook, of which one is enough to begin with.
fn actions(told: &Story<'_>) -> Vec<Value> {
    let runbook = told.entries.iter().flat_map(|entry| &entry.links).find(|(name, _)| *name == "runbook");
    let page = (!told.page.is_empty()).then_some(("tidegauge", told.page.as_str()));
    let links = runbook.map(|(_, url)| ("runbook", url.as_str())).into_iter().chain(page);
    links.map(|(name, url)| json!({"type": "Action.OpenUrl", "title": name, "url": url})).collect()
}

fn runs(inlines: Vec<Value>) -> Value {
    json!({"type": "RichTextBlock", "inlines": inlines})
}

fn run(text: &str) -> Value {
    json!({"type": "TextRun", "text": text})
}

fn bold(text: &str) -> Value {
    json!({"type": "TextRun", "text": text, "weight": "bolder"})
}

fn separated(mut block: Value) -> Value {
    block["separator"] = true.into();
    block
}

fn tight(mut block: Value) -> Value {
    block["spacing"] = "none".into();
    block
}

fn colour(severity: Option<Severity>) -> &'static str {
    match severity {
        Some(Severity::Critical) => "attention",
        Some(Severity::Warning) => "warning",
        Some(Severity::Info) => "accent",
        None => "good",
    }
}
