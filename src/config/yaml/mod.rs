//! Reads values out of a YAML file and collects everything that is wrong with it.

mod json;
mod near;
mod scalar;
mod template;
mod tree;

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::config::Problem;
use near::nearest;
pub use near::{alternatives, hint};
pub use template::Giver;
pub use tree::Position;
use tree::{Entry, Node, Scalar, Value};

/// A file under examination, and what has been found wrong with it so far.
///
/// Whoever reads a value gets `None` when it is not good, and the problem is on record by then. So reading goes on
/// after the first problem, and nobody has to pass problems along.
pub struct Reader {
    file: PathBuf,
    /// There unless the file cannot be examined any further.
    root: Option<Node>,
    problems: RefCell<Vec<Problem>>,
    /// Whether the data that the file names has to be there.
    pub needs_data: bool,
}

/// No configuration is larger; a file that is was named by mistake.
const LARGEST: u64 = 1 << 20;

impl Reader {
    pub fn open(file: &Path) -> Reader {
        let mut reader = Reader { file: file.to_owned(), root: None, problems: RefCell::default(), needs_data: true };
        if let Some(text) = reader.read_text(file, Position::START, "the file") {
            reader.parse(&text);
        }
        reader
    }

    /// Examines a text in place of a file's content.
    #[cfg(test)]
    pub fn of_text(text: &str) -> Reader {
        let file = PathBuf::from("test.yaml");
        let mut reader = Reader { file, root: None, problems: RefCell::default(), needs_data: true };
        reader.parse(text);
        reader
    }

    /// The file as a whole.
    pub fn root(&self) -> Option<Item<'_>> {
        let item = |node| Item { reader: self, name: "", in_list: false, at: Position::START, node };
        self.root.as_ref().map(item)
    }

    /// The text of a file, of the one under examination or of another that it names at `at`.
    pub fn read_text(&self, file: &Path, at: Position, what: &str) -> Option<String> {
        let mut bytes = Vec::new();
        let read = File::open(file).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes));
        if let Err(error) = read {
            self.report(at, format!("cannot read {what}: {error}"), None);
            return None;
        }
        if bytes.len() as u64 > LARGEST {
            self.report(at, format!("{what} is larger than a mebibyte"), None);
            return None;
        }
        match String::from_utf8(bytes) {
            Ok(text) => Some(text),
            Err(_) => {
                self.report(at, format!("{what} is not UTF-8 text"), None);
                None
            }
        }
    }

    /// The keys of the file as a whole.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        let entries = match self.root.as_ref().map(|node| &node.value) {
            Some(Value::Map(entries)) => entries.as_slice(),
            _ => &[],
        };
        entries.iter().map(|entry| entry.key.as_str())
    }

    pub fn report(&self, at: Position, message: impl Into<String>, hint: Option<String>) {
        // What a library says may be of several lines; a problem is one, so that it can be searched for.
        let (file, message) = (self.file.clone(), message.into().trim().replace(['\n', '\r'], " "));
        self.problems.borrow_mut().push(Problem { file, line: at.line, column: at.column, message, hint });
    }

    /// A path as the file means it: relative to the folder that the file is in.
    pub fn resolve(&self, path: &str) -> PathBuf {
        self.file.parent().unwrap_or(Path::new("")).join(path)
    }

    pub fn into_problems(self) -> Vec<Problem> {
        self.problems.into_inner()
    }

    fn parse(&mut self, text: &str) {
        let (root, faults) = tree::parse(text);
        for fault in faults {
            self.report(fault.at, fault.message, fault.hint);
        }
        self.root = root;
    }
}

/// A value under the key or in the list that names it.
#[derive(Clone, Copy)]
pub struct Item<'a> {
    reader: &'a Reader,
    /// The key, or that of the list around; empty for the file as a whole.
    name: &'a str,
    in_list: bool,
    at: Position,
    node: &'a Node,
}

impl<'a> Item<'a> {
    pub fn reader(&self) -> &'a Reader {
        self.reader
    }

    pub fn at(&self) -> Position {
        self.at
    }

    /// Whether it is a single text, number or boolean, as in the short form of something that may also be a map.
    pub fn is_scalar(&self) -> bool {
        matches!(self.node.value, Value::Scalar(_))
    }

    pub fn is_map(&self) -> bool {
        matches!(self.node.value, Value::Map(_))
    }

    pub fn list(self) -> Option<Vec<Item<'a>>> {
        let Value::List(nodes) = &self.node.value else {
            self.is_not("a list", "a list such as [one, another]");
            return None;
        };
        Some(nodes.iter().map(|node| Item { in_list: true, at: node.at, node, ..self }).collect())
    }

    pub fn map(self) -> Option<Map<'a>> {
        let Value::Map(entries) = &self.node.value else {
            self.is_not("a map", "keys and values such as {key: value}");
            return None;
        };
        let (known, missing) = Default::default();
        Some(Map { item: self, entries, known, missing, is_open: Cell::new(false) })
    }

    /// Puts a problem with this value on record.
    pub fn report(&self, message: impl Into<String>, hint: Option<String>) {
        self.reader.report(self.at, message, hint);
    }

    /// Like `report`, for what is wrong at a byte of the text that this value is.
    pub fn report_within(&self, offset: usize, message: impl Into<String>, hint: Option<String>) {
        let mut at = self.at;
        if let Value::Scalar(Scalar { text, verbatim: Some(before), .. }) = &self.node.value {
            at.column += before + text.char_indices().take_while(|(index, _)| *index < offset).count();
        }
        self.reader.report(at, message, hint);
    }

    /// Puts on record that a value is not what its key asks for; `like` shows what to write.
    fn is_not(&self, what: &str, like: &str) {
        let message = match &self.node.value {
            Value::Null if self.name.is_empty() => "the file is empty".to_owned(),
            Value::Null => format!("{self} has no value"),
            _ => format!("{self} is not {what}"),
        };
        self.report(message, Some(format!("write {like}")));
    }
}

/// What a message calls the value.
impl std::fmt::Display for Item<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.name, self.in_list) {
            ("", _) => f.write_str("the file"),
            (name, true) => write!(f, "an entry of `{}`", shown(name)),
            (name, false) => write!(f, "`{}`", shown(name)),
        }
    }
}

/// The keys and values of a map. When it goes out of scope, the keys that are missing and those that nobody asked for
/// are put on record, so that nothing is ever accepted and ignored.
pub struct Map<'a> {
    item: Item<'a>,
    entries: &'a [Entry],
    known: RefCell<Vec<&'static str>>,
    missing: RefCell<Vec<(&'static str, &'static str)>>,
    is_open: Cell<bool>,
}

impl<'a> Map<'a> {
    pub fn item(&self) -> Item<'a> {
        self.item
    }

    /// The value of a key, if the key is there.
    pub fn find(&self, key: &'static str) -> Option<Item<'a>> {
        if !self.known.borrow().contains(&key) {
            self.known.borrow_mut().push(key);
        }
        self.entries.iter().find(|entry| entry.key == key).map(|entry| self.entry(entry))
    }

    /// Reads the value of a key that has to be there; `like` shows what to write.
    pub fn need<T>(
        &self,
        key: &'static str,
        like: &'static str,
        read: impl FnOnce(Item<'a>) -> Option<T>,
    ) -> Option<T> {
        let found = self.find(key);
        if found.is_none() {
            self.missing.borrow_mut().push((key, like));
        }
        read(found?)
    }

    /// Reads the value of a key that may be missing.
    pub fn or<T>(&self, key: &'static str, default: T, read: impl FnOnce(Item<'a>) -> Option<T>) -> Option<T> {
        match self.find(key) {
            Some(item) => read(item),
            None => Some(default),
        }
    }

    /// Like `or`, where a missing key is `None`.
    pub fn maybe<T>(&self, key: &'static str, read: impl FnOnce(Item<'a>) -> Option<T>) -> Option<Option<T>> {
        self.or(key, None, |item| read(item).map(Some))
    }

    /// All keys with their values, for a map whose keys are names that the user chooses.
    pub fn entries(&self) -> impl Iterator<Item = (&'a str, Item<'a>, Position)> {
        self.is_open.set(true);
        self.entries.iter().map(|entry| (entry.key.as_str(), self.entry(entry), entry.at))
    }

    fn entry(&self, entry: &'a Entry) -> Item<'a> {
        // Where nothing is written, there is no better place to point at than the key.
        let at = if matches!(entry.value.value, Value::Null) { entry.at } else { entry.value.at };
        Item { reader: self.item.reader, name: &entry.key, in_list: false, at, node: &entry.value }
    }
}

impl Drop for Map<'_> {
    fn drop(&mut self) {
        let known = self.known.borrow();
        let mut missing = self.missing.borrow_mut();
        let asked_for = |key: &str| self.is_open.get() || known.contains(&key);
        for entry in self.entries.iter().filter(|entry| !asked_for(&entry.key)) {
            let message = format!("unknown key `{}`", shown(&entry.key));
            self.item.reader.report(entry.at, message, hint(&entry.key, known.iter().copied()));
            // A key that is only misspelt is one mistake, not two.
            let meant = nearest(&entry.key, &known);
            missing.retain(|(key, _)| Some(*key) != meant);
        }
        for (key, like) in missing.iter() {
            let hint = Some(format!("write `{key}: {like}`"));
            self.item.report(format!("{} has no `{key}`", self.item), hint);
        }
    }
}

/// All values, or `None` if any is missing; every one is read, so that every problem is found.
pub fn all<T>(values: impl IntoIterator<Item = Option<T>>) -> Option<Vec<T>> {
    let values: Vec<Option<T>> = values.into_iter().collect();
    values.into_iter().collect()
}

/// A text from the file as a message may show it: on one line and not too long.
pub fn shown(text: &str) -> String {
    const LONGEST: usize = 60;
    let plain = |c: char| match c {
        c if c.is_whitespace() => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    let mut shown: String = text.chars().take(LONGEST).map(plain).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}
