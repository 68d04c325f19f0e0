//! The form of a stored value: a format number and a checksum before the bytes.

use sha2::{Digest, Sha256};

/// The format of what this version writes. A change to any stored type needs the next number.
pub const FORMAT: u8 = 7;

/// What is found where a value should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened<'a> {
    Intact(&'a [u8]),
    /// Intact, but in a format of another version.
    Foreign(u8, &'a [u8]),
    Damaged,
}

/// Seals bytes under a key.
pub fn seal(key: &[u8], bytes: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(HEAD + bytes.len());
    sealed.push(FORMAT);
    sealed.extend(checksum(FORMAT, key, bytes));
    sealed.extend(bytes);
    sealed
}

/// Opens what was sealed under this key. All versions find the number and the checksum in the same place, so a format
/// that is not known can be told from a damaged one.
pub fn open<'a>(key: &[u8], sealed: &'a [u8]) -> Opened<'a> {
    let Some((head, bytes)) = sealed.split_at_checked(HEAD) else { return Opened::Damaged };
    let format = head[0];
    if head[1..] != checksum(format, key, bytes) {
        return Opened::Damaged;
    }
    if format == FORMAT { Opened::Intact(bytes) } else { Opened::Foreign(format, bytes) }
}

const CHECKSUM: usize = 8;
const HEAD: usize = 1 + CHECKSUM;

/// Covers the key as well, so that a value is not taken for another's.
fn checksum(format: u8, key: &[u8], bytes: &[u8]) -> [u8; CHECKSUM] {
    let mut hash = Sha256::new();
    hash.update([format]);
    hash.update((key.len() as u64).to_le_bytes());
    hash.update(key);
    hash.update(bytes);
    let digest = hash.finalize();
    std::array::from_fn(|at| digest[at])
}

/// A value of another format, as a later version would write it.
#[cfg(test)]
pub fn seal_as(format: u8, key: &[u8], bytes: &[u8]) -> Vec<u8> {
    let mut sealed = seal(key, bytes);
    sealed[0] = format;
    sealed[1..HEAD].copy_from_slice(&checksum(format, key, bytes));
    sealed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_and_every_cut_is_seen() {
        let sealed = seal(b"key", b"a value");
        assert_eq!(open(b"key", &sealed), Opened::Intact(b"a value"));
        assert_eq!(open(b"other", &sealed), Opened::Damaged);
        for bit in 0..sealed.len() * 8 {
            let mut damaged = sealed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(b"key", &damaged), Opened::Damaged, "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert_eq!(open(b"key", &sealed[..length]), Opened::Damaged, "length {length}");
        }
    }

    #[test]
    fn another_format_is_told_from_damage() {
        assert_eq!(open(b"key", &seal_as(9, b"key", b"x")), Opened::Foreign(9, b"x"));
    }
}
