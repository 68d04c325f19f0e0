//! What actions say, as templates over a run.

use minijinja::value::{Serde, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value as Given, context};
use serde_json::Value;

use crate::retrain::Run;

/// What a run gives to the templates of its action.
pub const VARIABLES: [&str; 21] = [
    "id",
    "name",
    "action",
    "model",
    "version",
    "slice",
    "alert",
    "condition",
    "reason",
    "subjects",
    "window_start",
    "window_end",
    "rows",
    "labelled",
    "coverage",
    "offsets",
    "evidence",
    "link",
    "request",
    "guards",
    "topics",
];

/// A template costs no more steps than this, so that none can hold up the others.
const FUEL: u64 = 100_000;
/// How deeply a template may call itself.
const DEEPEST: usize = 50;

/// What a run is called where a name is needed: letters, digits and hyphens, and the same for each attempt.
pub fn name(run: &Run) -> String {
    let plain = run.id.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
    format!("tidegauge-{}", plain.to_ascii_lowercase())
}

/// A run as its templates see it.
pub struct Filler {
    text: Environment<'static>,
    url: Environment<'static>,
    context: Given,
}

impl Filler {
    pub fn new(run: &Run) -> Filler {
        let request = &run.request;
        let mut topics: Vec<String> = request.offsets.iter().map(|range| range.partition.topic.to_string()).collect();
        topics.dedup();
        let context = context! {
            id => run.id.as_str(), name => name(run), action => run.action.as_str(),
            model => request.model.as_str(), version => request.version.as_str(), slice => request.slice.as_str(),
            alert => request.alert.as_str(), condition => request.condition.as_str(),
            reason => request.reason.as_str(), link => request.link.as_str(),
            subjects => request.subjects.clone(), topics => topics,
            window_start => request.window_start.to_string(), window_end => request.window_end.to_string(),
            rows => request.rows, labelled => request.labelled, coverage => request.coverage,
            offsets => Given::from(Serde(&request.offsets)), evidence => Given::from(Serde(&request.evidence)),
            request => Given::from(Serde(request)), guards => Given::from(Serde(&run.guards)),
        };
        Filler { text: environment(as_text), url: environment(as_part_of_a_url), context }
    }

    /// Fills in a text. What is not a text itself is written as JSON.
    pub fn text(&self, template: &str) -> Result<String, String> {
        self.text.render_str(template, &self.context).map_err(|error| told(&error))
    }

    /// Fills in an address: whatever a value has in it, it stays one segment of a path, or one value of a query.
    pub fn url(&self, template: &str) -> Result<String, String> {
        self.url.render_str(template, &self.context).map_err(|error| told(&error))
    }

    /// Fills in a value: a template that is a single `{{ expression }}` keeps its type, and any other gives a text.
    pub fn value(&self, template: &str) -> Result<Value, String> {
        let Some(expression) = single(template) else { return self.text(template).map(Value::String) };
        let evaluated = self.text.compile_expression(expression).and_then(|it| it.eval(&self.context));
        let value = evaluated.map_err(|error| told(&error))?;
        if value.is_undefined() {
            return Err(format!("`{expression}` is not known"));
        }
        serde_json::to_value(&value).map_err(|error| error.to_string())
    }

    /// Fills in all texts of a tree.
    pub fn tree(&self, tree: &Value) -> Result<Value, String> {
        Ok(match tree {
            Value::String(template) => self.value(template)?,
            Value::Array(items) => Value::Array(items.iter().map(|item| self.tree(item)).collect::<Result<_, _>>()?),
            Value::Object(map) => {
                let fill = |(key, value): (&String, &Value)| Ok((key.clone(), self.tree(value)?));
                Value::Object(map.iter().map(fill).collect::<Result<_, String>>()?)
            }
            other => other.clone(),
        })
    }
}

/// The same template, of which a text comes whatever its type is.
pub fn always_text(template: &str) -> String {
    match single(template) {
        Some(expression) => format!("{{{{ ({expression}) | text }}}}"),
        None => template.to_owned(),
    }
}

/// A text that stands for itself in a template.
pub fn literal(text: &str) -> String {
    const OPENINGS: [&str; 3] = ["{{", "{%", "{#"];
    if !OPENINGS.iter().any(|opening| text.contains(opening)) && single(text).is_none() {
        return text.to_owned();
    }
    // As a string of the template language, which has the escapes of JSON.
    format!("{{{{ {} }}}}", Value::from(text))
}

fn single(template: &str) -> Option<&str> {
    let expression = template.trim().strip_prefix("{{")?.strip_suffix("}}")?.trim();
    let is_one = !["{{", "}}", "{%", "{#"].iter().any(|mark| expression.contains(mark));
    (is_one && !expression.starts_with('-') && !expression.ends_with('-')).then_some(expression)
}

type Format = fn(&mut Output, &mut State, &Given) -> Result<(), Error>;

fn environment(format: Format) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(DEEPEST);
    // A request with a hole in it would train something else.
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_formatter(format);
    environment.add_filter("text", |value: &Given| written(value));
    environment.add_filter("json", |value: &Given| json(value));
    environment.add_filter("variable", variable);
    environment
}

fn as_text(out: &mut Output, _: &mut State, value: &Given) -> Result<(), Error> {
    Ok(out.write_str(&written(value)?)?)
}

fn as_part_of_a_url(out: &mut Output, _: &mut State, value: &Given) -> Result<(), Error> {
    for byte in written(value)?.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.write_str(char::from(byte).encode_utf8(&mut [0; 4]))?;
        } else {
            out.write_str(&format!("%{byte:02X}"))?;
        }
    }
    Ok(())
}

fn written(value: &Given) -> Result<String, Error> {
    match value.kind() {
        ValueKind::Undefined => Err(Error::from(ErrorKind::UndefinedError)),
        ValueKind::None => Ok(String::new()),
        ValueKind::String => Ok(value.to_string()),
        _ => json(value),
    }
}

/// A text for a variable; none where it is too long for one.
fn variable(value: &Given) -> Result<String, Error> {
    Ok(Some(written(value)?).filter(|text| text.len() <= super::LONGEST_VARIABLE).unwrap_or_default())
}

fn json(value: &Given) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))
}

fn told(error: &Error) -> String {
    let place = error.line().filter(|&line| line > 1).map(|line| format!(" in line {line}")).unwrap_or_default();
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    format!("its template failed: {}{place}{detail}", error.kind())
}
