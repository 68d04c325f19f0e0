//! Hashes of entries, and heads: how far a log goes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

use super::Entry;

/// A SHA-256, written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hash([u8; 32]);

impl Hash {
    /// That of no entry: what comes before the first.
    pub const ZERO: Hash = Hash([0; 32]);

    pub(super) fn of(bytes: &[u8]) -> Hash {
        Hash(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Hash {
    type Err = &'static str;

    /// Only one way to write a hash is read, so that no two texts mean the same.
    fn from_str(text: &str) -> Result<Hash, Self::Err> {
        const WRONG: &str = "not a hash of 64 hexadecimal digits in lower case";
        let digit = |byte: &u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let digits: Option<Vec<u8>> = text.as_bytes().iter().map(digit).collect();
        let bytes: Option<Vec<u8>> = digits
            .map(|digits| digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect());
        let bytes = bytes.filter(|_| text.len() == 64).and_then(|bytes| bytes.try_into().ok());
        bytes.map(Hash).ok_or(WRONG)
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Hash, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// How many entries a log has, and the hash of the last one. Whoever has noted one can tell later whether the log still
/// has all that it had then. Written as `12:` and the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    pub count: u64,
    pub hash: Hash,
}

impl Head {
    /// That of a log without entries.
    pub const NONE: Head = Head { count: 0, hash: Hash::ZERO };

    /// That of a log whose last entry this is.
    pub fn after(entry: &Entry) -> Head {
        Head { count: entry.sequence.saturating_add(1), hash: entry.hash }
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.count, self.hash)
    }
}

impl FromStr for Head {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Head, Self::Err> {
        const WRONG: &str = "not a head: write the number of entries, a colon and 64 hexadecimal digits";
        let (count, hash) = text.split_once(':').ok_or(WRONG)?;
        Ok(Head { count: count.parse().map_err(|_| WRONG)?, hash: hash.parse().map_err(|_| WRONG)? })
    }
}
