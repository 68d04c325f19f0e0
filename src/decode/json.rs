//! JSON records to columns, in one pass and without a document in between.

mod keys;
#[cfg(test)]
mod tests;
mod text;

use std::fmt;
use std::mem;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Columns, Probabilities, Scalar};
use crate::rows::{Reason, Rows, Wanted};
use crate::time::Time;
use keys::{Edge, Guess, Keys, Place};

/// Turns records that are JSON objects into columns.
///
/// A record is read if it is one JSON object (RFC 8259) in UTF-8, nested at most 127 deep, whose escaped surrogates are
/// in pairs; `NaN`, `Infinity` and `-Infinity` may stand for numbers, since Python writes them, and numbers beyond the
/// doubles are infinite. Which columns are wanted has no part in that.
///
/// Where several places of a record lead to the same column, which takes a repeated key or two spellings of a path, the
/// last one counts.
pub struct Decoder {
    /// Records of more bytes than this, 4 MiB unless it is set, are turned away.
    pub limit: usize,
    pub parser: Parser,
    keys: Keys,
    columns: Columns,
    /// Where a record is written again when it needs mending; kept for its room.
    quoted: String,
    /// For how many more records mending is tried first, since one needed it lately.
    patience: u32,
}

/// For how many records mending is tried first after one that needed it. A log with some bare words has more of them,
/// and looking for them costs less than failing at them.
const PATIENCE: u32 = 16;

/// Which library reads the text. What comes of it is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parser {
    Sonic,
    SerdeJson,
}

impl Decoder {
    /// Compiles the columns that are wanted, which must be distinct.
    pub fn new(wanted: &[Wanted]) -> Decoder {
        let paths: Vec<&str> = wanted.iter().map(|column| column.path.0.as_str()).collect();
        Decoder {
            limit: 4 << 20,
            parser: Parser::Sonic,
            keys: Keys::new(&paths),
            columns: Columns::new(wanted),
            quoted: String::new(),
            patience: 0,
        }
    }

    /// Adds a record as a row.
    ///
    /// # Errors [`Reason::NotJson`] or [`Reason::TooLarge`]; a record that is turned away leaves no trace in any
    /// column. A record is also too large if with it the texts of one column and batch would be more than 2 GiB.
    pub fn push(&mut self, bytes: &[u8], offset: i64, logged: Option<Time>) -> Result<(), Reason> {
        if bytes.len() > self.limit {
            return Err(Reason::TooLarge);
        }
        let text = text::vetted(bytes).ok_or(Reason::NotJson)?;
        let is_read = if self.patience == 0 {
            self.read(text) || self.read_mended(text) == Some(true)
        } else {
            self.patience -= 1;
            self.read_mended(text).unwrap_or_else(|| self.read(text))
        };
        if is_read { self.columns.commit(offset, logged) } else { Err(Reason::NotJson) }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.columns.rows()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the rows out. The decoder is empty then, with room for as many again.
    pub fn finish(&mut self) -> Rows {
        self.columns.finish()
    }

    fn read(&mut self, text: &str) -> bool {
        let object = Object { keys: &self.keys, columns: &mut self.columns, place: self.keys.root() };
        let is_read = match self.parser {
            Parser::Sonic => {
                let mut deserializer = sonic_rs::Deserializer::from_str(text);
                object.deserialize(&mut deserializer).and_then(|()| deserializer.end()).is_ok()
            }
            Parser::SerdeJson => {
                let mut deserializer = serde_json::Deserializer::from_str(text);
                object.deserialize(&mut deserializer).and_then(|()| deserializer.end()).is_ok()
            }
        };
        if !is_read {
            self.columns.discard();
        }
        is_read
    }

    /// `None` when there was nothing to mend.
    fn read_mended(&mut self, text: &str) -> Option<bool> {
        let mut quoted = mem::take(&mut self.quoted);
        let is_read = text::quote_bare_words(text, &mut quoted).then(|| {
            self.patience = PATIENCE;
            self.read(&quoted)
        });
        self.quoted = quoted;
        is_read
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Decoder({} rows)", self.len())
    }
}

/// Reads the object at a place.
struct Object<'a> {
    keys: &'a Keys,
    columns: &'a mut Columns,
    place: &'a Place,
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Object { keys, columns, place } = self;
        let mut guess = &place.first;
        while let Some(found) = map.next_key_seed(Key { place, guess })? {
            match found {
                Some(edge) => {
                    map.next_value_seed(Value { keys, columns, edge })?;
                    guess = &edge.next;
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// Reads a key and finds its edge.
struct Key<'a> {
    place: &'a Place,
    guess: &'a Guess,
}

impl<'a, 'de> DeserializeSeed<'de> for Key<'a> {
    type Value = Option<&'a Edge>;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<&'a Edge>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a> Visitor<'_> for Key<'a> {
    type Value = Option<&'a Edge>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    #[inline]
    fn visit_str<E>(self, key: &str) -> Result<Option<&'a Edge>, E> {
        Ok(self.place.find(self.guess, key))
    }
}

/// Reads the value to which an edge leads, whatever it is.
struct Value<'a> {
    keys: &'a Keys,
    columns: &'a mut Columns,
    edge: &'a Edge,
}

impl Value<'_> {
    /// Whether a column wants the probabilities, if the value is several.
    fn wants_probabilities(&self) -> bool {
        self.edge.columns.iter().any(|&column| self.columns.wants_probabilities(column))
    }

    /// Reads an object of probabilities, of which some may be wanted by themselves as well.
    fn visit_probabilities<'de, A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Value { keys, columns, edge } = self;
        let mut probabilities = Probabilities::default();
        let (nowhere, inner) = (Place::default(), keys.inner(edge));
        let place = inner.unwrap_or(&nowhere);
        while let Some(edge) = map.next_key_seed(Key { place, guess: &place.first })? {
            map.next_value_seed(Probability { keys, columns, edge, all: &mut probabilities })?;
        }
        Value { keys, columns, edge }.put(Scalar::Probabilities(probabilities))
    }

    #[inline]
    fn put<E>(self, scalar: Scalar<'_>) -> Result<(), E> {
        for &column in &self.edge.columns {
            self.columns.put(column, scalar);
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    #[inline]
    fn visit_unit<E>(self) -> Result<(), E> {
        self.put(Scalar::Null)
    }

    #[inline]
    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.put(Scalar::Bool(value))
    }

    #[inline]
    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.put(Scalar::Unsigned(number))
    }

    #[inline]
    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.put(Scalar::Signed(number))
    }

    #[inline]
    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        self.put(Scalar::Float(number))
    }

    #[inline]
    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.put(Scalar::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        if !self.wants_probabilities() {
            while elements.next_element::<IgnoredAny>()?.is_some() {}
            return self.put(Scalar::Composite);
        }
        let mut probabilities = Probabilities::default();
        let Value { keys, columns, .. } = self;
        while elements.next_element_seed(Probability { keys, columns, edge: None, all: &mut probabilities })?.is_some()
        {
        }
        Value { keys, columns, edge: self.edge }.put(Scalar::Probabilities(probabilities))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        if self.wants_probabilities() {
            return self.visit_probabilities(map);
        }
        match self.keys.inner(self.edge) {
            Some(place) => Object { keys: self.keys, columns: self.columns, place }.visit_map(map)?,
            None => while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {},
        }
        self.put(Scalar::Composite)
    }
}

/// Reads one value out of several, which should be a probability, and which columns may want by itself too.
struct Probability<'a> {
    keys: &'a Keys,
    columns: &'a mut Columns,
    edge: Option<&'a Edge>,
    all: &'a mut Probabilities,
}

impl<'a> Probability<'a> {
    fn take<E>(self, number: Option<f64>, scalar: Scalar<'_>) -> Result<(), E> {
        match number {
            Some(number) => self.all.add(number),
            None => self.all.spoil(),
        }
        self.value().map_or(Ok(()), |value| value.put(scalar))
    }

    /// The reader of a value that is wanted by itself.
    fn value(self) -> Option<Value<'a>> {
        let Probability { keys, columns, edge, .. } = self;
        edge.map(|edge| Value { keys, columns, edge })
    }
}

impl<'de> DeserializeSeed<'de> for Probability<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Probability<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    /// A class without a value is as good as one that is not there.
    fn visit_unit<E>(self) -> Result<(), E> {
        self.value().map_or(Ok(()), |value| value.put(Scalar::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.take(None, Scalar::Bool(value))
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.take(Some(number as f64), Scalar::Unsigned(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.take(Some(number as f64), Scalar::Signed(number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        self.take(Some(number), Scalar::Float(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.take(None, Scalar::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        self.all.spoil();
        match self.value() {
            Some(value) => value.visit_seq(elements),
            None => {
                while elements.next_element::<IgnoredAny>()?.is_some() {}
                Ok(())
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.all.spoil();
        match self.value() {
            Some(value) => value.visit_map(map),
            None => {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(())
            }
        }
    }
}
