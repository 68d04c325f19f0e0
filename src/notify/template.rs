//! Texts that users write for a receiver in place of the usual ones, as templates over a notice.

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Value, context};

use super::origin::Origin;
use super::payload::payload;
use crate::notice::Notice;

/// What a notice gives to its templates: first what Alertmanager's templates have, by the names that its payload has
/// for them, then what there is beside that.
pub const VARIABLES: [&str; 13] = [
    "status",
    "receiver",
    "groupLabels",
    "commonLabels",
    "commonAnnotations",
    "alerts",
    "externalURL",
    "groupKey",
    "firing",
    "resolved",
    "title",
    "incident",
    "notice",
];

/// What is put in place of characters that mean something where the text goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Plain,
    Html,
    /// Slack's, in which `<` begins links and mentions.
    Mrkdwn,
    /// That of Teams, in which `[` begins a link.
    Markdown,
}

/// A template costs no more steps than this, so that none can hold up the others.
const FUEL: u64 = 100_000;
/// How deeply a template may call itself.
const DEEPEST: usize = 50;

/// The text that the template, if there is one, makes of the notice, or else the usual one. One that fails shows its
/// error below the usual text, since a poor text is better than none.
pub fn or_usual(
    template: Option<&String>,
    dialect: Dialect,
    (notice, origin, title): (&Notice, &Origin, &str),
    usual: impl FnOnce() -> String,
) -> String {
    let Some(template) = template else { return usual() };
    match render(template, dialect, notice, origin, title) {
        Ok(text) if !text.trim().is_empty() => text,
        Ok(_) => usual(),
        Err(error) => {
            let error = escaped(&error, dialect);
            match dialect {
                Dialect::Html => format!("{}\n<p>(its template failed: {error})</p>", usual()),
                _ => format!("{}\n(its template failed: {error})", usual()),
            }
        }
    }
}

fn render(template: &str, dialect: Dialect, notice: &Notice, origin: &Origin, title: &str) -> Result<String, String> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(DEEPEST);
    environment.set_auto_escape_callback(move |_| match dialect {
        Dialect::Plain => AutoEscape::None,
        Dialect::Html => AutoEscape::Html,
        Dialect::Mrkdwn | Dialect::Markdown => AutoEscape::Custom("dialect".into()),
    });
    environment.set_formatter(move |out, state, value| match state.auto_escape() {
        AutoEscape::Custom(_) if value.is_safe() || value.is_undefined() || value.is_none() => {
            Ok(write!(out, "{}", value.as_str().unwrap_or_default())?)
        }
        AutoEscape::Custom(_) => Ok(out.write_str(&escaped(&value.to_string(), dialect))?),
        _ => minijinja::escape_formatter(out, state, value),
    });
    let payload = payload(notice, origin);
    let of_status = |status: &str| {
        let alerts = payload.alerts.iter().filter(|alert| alert.status == status);
        Value::from_iter(alerts.map(|alert| Value::from(Serde(alert))))
    };
    let incident = notice.alerts.iter().find_map(|alert| alert.incident.as_ref());
    let context = context! {
        firing => of_status("firing"), resolved => of_status("resolved"), title => title,
        incident => Value::from(Serde(incident)), notice => Value::from(Serde(notice)),
        ..Value::from(Serde(&payload))
    };
    let rendered = environment.render_str(template, context);
    rendered.map_err(|error| {
        let place = error.line().map(|line| format!(" in line {line}")).unwrap_or_default();
        let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
        format!("{}{place}{detail}", error.kind())
    })
}

/// The text with nothing in it that would mean something in this dialect.
pub fn escaped(text: &str, dialect: Dialect) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match (dialect, c) {
            (Dialect::Html | Dialect::Mrkdwn, '&') => escaped.push_str("&amp;"),
            (Dialect::Html | Dialect::Mrkdwn, '<') => escaped.push_str("&lt;"),
            (Dialect::Html | Dialect::Mrkdwn, '>') => escaped.push_str("&gt;"),
            (Dialect::Html, '"') => escaped.push_str("&quot;"),
            (Dialect::Html, '\'') => escaped.push_str("&#39;"),
            (Dialect::Markdown, '[') => escaped.push_str("\\["),
            _ => escaped.push(c),
        }
    }
    escaped
}
