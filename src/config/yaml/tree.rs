//! From YAML text to a tree in which every key and value knows its position.

use std::collections::HashMap;

use serde_saphyr::granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, ScanError, Span};

/// Where something is in a file: both count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

impl Position {
    pub const START: Position = Position { line: 1, column: 1 };
}

#[derive(Clone, Debug)]
pub struct Node {
    pub at: Position,
    pub value: Value,
}

#[derive(Clone, Debug)]
pub enum Value {
    Null,
    Scalar(Scalar),
    List(Vec<Node>),
    /// In the order of the file; no key is there twice.
    Map(Vec<Entry>),
}

/// A text, a number or a boolean: which of them it is depends on who asks, so that `1.10` stays `1.10` where a text is
/// wanted, and `no` is never a boolean by accident.
#[derive(Clone, Debug)]
pub struct Scalar {
    pub text: String,
    /// Whether it stands without quotes.
    pub plain: bool,
    /// How many columns come before its text, if the file shows that text as it is and on one line.
    pub verbatim: Option<usize>,
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub key: String,
    pub at: Position,
    pub value: Node,
}

/// What is wrong with the text, and where.
#[derive(Clone, Debug)]
pub struct Fault {
    pub at: Position,
    pub message: String,
    pub hint: Option<String>,
}

/// The deepest nesting: what follows may recurse over the tree.
const DEEPEST: usize = 32;
/// The most values, those that aliases repeat included: a file of a kilobyte must not fill the memory.
const MOST: usize = 100_000;

/// Reads one document. The tree is there unless the text is not YAML or goes beyond a limit; with any fault it is only
/// good for finding more of them.
pub fn parse(text: &str) -> (Option<Node>, Vec<Fault>) {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let step = event.map_err(|error| not_yaml(&error)).and_then(|(event, span)| builder.step(event, span, text));
        if let Err(fault) = step {
            builder.faults.push(fault);
            return (None, builder.faults);
        }
    }
    let empty = Node { at: Position::START, value: Value::Null };
    (Some(builder.root.unwrap_or(empty)), builder.faults)
}

/// Builds the tree with a stack of its own, so that no input can exhaust the thread's.
#[derive(Default)]
struct Builder {
    stack: Vec<Open>,
    root: Option<Node>,
    faults: Vec<Fault>,
    anchors: HashMap<usize, Anchored>,
    documents: usize,
    nodes: usize,
}

/// A list or map whose end has not come yet.
struct Open {
    at: Position,
    anchor: usize,
    /// How many nodes there were before it.
    nodes: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, key: Option<(String, Position)> },
}

/// A value that aliases may repeat.
struct Anchored {
    node: Node,
    nodes: usize,
}

impl Builder {
    fn step(&mut self, event: Event<'_>, span: Span, source: &str) -> Result<(), Fault> {
        let at = position(&span.start);
        if let Some(tag) = event.tag() {
            let message = format!("the tag `{}` is not supported", tag.original());
            self.fault(at, message, "leave it out: what is wanted is known from the key");
        }
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    let hint = Some("write each document to a file of its own".to_owned());
                    return Err(Fault { at, message: "a second document begins here".to_owned(), hint });
                }
                Ok(())
            }
            Event::Scalar(text, style, anchor, _) => {
                let value = scalar(text.into_owned(), style, span, source);
                self.nodes += 1;
                self.complete(Node { at, value }, anchor, 1)
            }
            Event::SequenceStart(_, anchor, _) => self.open(at, anchor, Content::List(Vec::new())),
            Event::MappingStart(_, anchor, _) => self.open(at, anchor, Content::Map { entries: Vec::new(), key: None }),
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(anchor) => self.repeat(at, anchor),
            _ => Ok(()),
        }
    }

    fn open(&mut self, at: Position, anchor: usize, content: Content) -> Result<(), Fault> {
        if self.stack.len() >= DEEPEST {
            let message = format!("nested more than {DEEPEST} levels deep");
            return Err(Fault { at, message, hint: None });
        }
        self.nodes += 1;
        self.stack.push(Open { at, anchor, nodes: self.nodes - 1, content });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Fault> {
        let Some(open) = self.stack.pop() else { return Ok(()) };
        let value = match open.content {
            Content::List(items) => Value::List(items),
            Content::Map { entries, .. } => Value::Map(self.without_repetition(entries)),
        };
        let nodes = self.nodes - open.nodes;
        self.complete(Node { at: open.at, value }, open.anchor, nodes)
    }

    fn repeat(&mut self, at: Position, anchor: usize) -> Result<(), Fault> {
        let Some(anchored) = self.anchors.get(&anchor) else {
            return Err(Fault { at, message: "the alias stands inside of what it names".to_owned(), hint: None });
        };
        let (nodes, node) = (anchored.nodes, anchored.node.clone());
        self.nodes += nodes;
        self.complete(node, 0, nodes)
    }

    /// Puts a node, with all that is in it, where it belongs.
    fn complete(&mut self, node: Node, anchor: usize, nodes: usize) -> Result<(), Fault> {
        if self.nodes > MOST {
            return Err(Fault { at: node.at, message: format!("more than {MOST} values"), hint: None });
        }
        if anchor != 0 {
            self.nodes += nodes;
            self.anchors.insert(anchor, Anchored { node: node.clone(), nodes });
        }
        match self.stack.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(Content::List(items)) => items.push(node),
            Some(Content::Map { entries, key }) => match key.take() {
                Some((key, at)) if !key.is_empty() => entries.push(Entry { key, at, value: node }),
                Some(_) => {}
                None => {
                    let at = node.at;
                    let (text, hint) = match node.value {
                        Value::Scalar(scalar) => (scalar.text, "give it a name"),
                        Value::Null => (String::new(), "put quotes around it, or give it a name"),
                        Value::List(_) | Value::Map(_) => {
                            (String::new(), "put quotes around a text that begins with `{` or `[`")
                        }
                    };
                    *key = Some((text.clone(), at));
                    if text.is_empty() {
                        self.fault(at, "a key is a text", hint);
                    } else if text == "<<" {
                        self.fault(at, "merging with `<<` is not supported", "write the keys out");
                    }
                }
            },
        }
        Ok(())
    }

    fn without_repetition(&mut self, mut entries: Vec<Entry>) -> Vec<Entry> {
        let mut first: HashMap<String, Position> = HashMap::new();
        entries.retain(|entry| match first.get(&entry.key) {
            Some(earlier) => {
                let message = format!("`{}` is written twice", super::shown(&entry.key));
                let hint = format!("the first is in line {}", earlier.line);
                self.faults.push(Fault { at: entry.at, message, hint: Some(hint) });
                false
            }
            None => {
                first.insert(entry.key.clone(), entry.at);
                true
            }
        });
        entries
    }

    fn fault(&mut self, at: Position, message: impl Into<String>, hint: &str) {
        self.faults.push(Fault { at, message: message.into(), hint: Some(hint.to_owned()) });
    }
}

fn scalar(text: String, style: ScalarStyle, span: Span, source: &str) -> Value {
    let plain = style == ScalarStyle::Plain;
    if plain && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL") {
        return Value::Null;
    }
    let raw = span.slice(source).unwrap_or_default();
    let quoted = || raw.get(1..raw.len().saturating_sub(1)) == Some(text.as_str());
    let verbatim = match style {
        ScalarStyle::Plain if raw == text => Some(0),
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted if quoted() => Some(1),
        _ => None,
    };
    let verbatim = verbatim.filter(|_| !text.contains('\n'));
    Value::Scalar(Scalar { text, plain, verbatim })
}

fn not_yaml(error: &ScanError) -> Fault {
    let hint = match error.kind() {
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabAtBlockScalarStart => Some("indent with spaces, not with tabs"),
        ErrorKind::MappingValueNotAllowed => {
            Some("check the indentation, or put quotes around a text that contains `: `")
        }
        ErrorKind::UnexpectedCharacter { .. } => Some("put quotes around a text that begins with this character"),
        _ => None,
    };
    let message = format!("not YAML: {}", error.info());
    Fault { at: position(error.marker()), message, hint: hint.map(str::to_owned) }
}

fn position(marker: &Marker) -> Position {
    Position { line: marker.line().max(1), column: marker.col() + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn first_fault(text: &str) -> String {
        let (_, faults) = parse(text);
        let fault = faults.first().expect("a fault");
        format!("{}:{}: {}", fault.at.line, fault.at.column, fault.message)
    }

    #[test]
    fn values_know_where_they_are() {
        let (node, faults) = parse("\u{feff}a: 1\n\"b\":\n  - 'é: x'\n  - |\n    two\n    lines\nc:\n");
        assert!(faults.is_empty(), "{faults:?}");
        let Some(Node { value: Value::Map(entries), .. }) = node else { panic!("a map") };
        let at: Vec<_> = entries.iter().map(|entry| (entry.key.as_str(), entry.at.line, entry.at.column)).collect();
        assert_eq!(at, [("a", 1, 1), ("b", 2, 1), ("c", 7, 1)]);
        let Value::List(items) = &entries[1].value.value else { panic!("a list") };
        let Value::Scalar(quoted) = &items[0].value else { panic!("a scalar") };
        assert_eq!((quoted.text.as_str(), quoted.plain, quoted.verbatim), ("é: x", false, Some(1)));
        let Value::Scalar(block) = &items[1].value else { panic!("a scalar") };
        assert_eq!((block.text.as_str(), block.verbatim), ("two\nlines\n", None));
        assert!(matches!(entries[2].value.value, Value::Null));
    }

    #[test]
    fn what_is_not_yaml_is_told_with_its_position() {
        assert_eq!(first_fault("a: [1, 2\nb: 3\n"), "2:2: not YAML: illegal placement of ':' indicator");
        assert_eq!(first_fault("a: b: c\n"), "1:5: not YAML: mapping values are not allowed in this context");
        assert_eq!(first_fault("a: 1\n---\nb: 1\n"), "2:1: a second document begins here");
        assert_eq!(first_fault("a: 1\nb: 2\na: 3\n"), "3:1: `a` is written twice");
        assert_eq!(first_fault("a: {{ x }}\n"), "1:5: a key is a text");
        assert_eq!(first_fault("a: !!int 5\n"), "1:10: the tag `!!int` is not supported");
        assert_eq!(first_fault("a: &x {k: v}\nb:\n  <<: *x\n"), "3:3: merging with `<<` is not supported");
        assert_eq!(first_fault("a: &x [*x]\n"), "1:8: the alias stands inside of what it names");
    }

    #[test]
    fn bombs_are_defused() {
        let laughs: String =
            (1..20).map(|i| format!("l{i}: &l{i} [{}]\n", vec![format!("*l{}", i - 1); 10].join(","))).collect();
        assert!(first_fault(&format!("l0: &l0 lol\n{laughs}")).ends_with("more than 100000 values"));
        for (open, close) in [("[", "]"), ("{a: ", "}"), ("- ", ""), ("? ", "")] {
            let nested = |levels| format!("{}{}", open.repeat(levels), close.repeat(levels));
            assert!(first_fault(&nested(100)).ends_with("nested more than 32 levels deep"), "{open}");
            assert!(!first_fault(&nested(100_000)).is_empty(), "{open}");
        }
    }
}
