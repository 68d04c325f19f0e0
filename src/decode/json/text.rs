//! What has to be known of a record's text before a JSON parser may see it, and how to mend what Python writes.

use serde::de::IgnoredAny;

/// Objects and arrays may be nested this deep, which is as deep as `serde_json` reads too.
pub const DEEPEST: usize = 127;

/// The text of a record; `None` when it is surely not JSON.
///
/// When sonic-rs skips a value, it recurses without limit, does not look at what follows `\u`, and does not look at
/// UTF-8 at all. So that is seen to here.
pub fn vetted(bytes: &[u8]) -> Option<&str> {
    let (openers, backslashes) = survey(bytes);
    let is_sound = (backslashes == 0 || escapes_are_whole(bytes)) && (openers <= DEEPEST || depth(bytes) <= DEEPEST);
    if is_sound { std::str::from_utf8(bytes).ok() } else { None }
}

/// Writes the text again with the words quoted that are no JSON but that Python's `json.dumps` makes of numbers without
/// a JSON form: `NaN`, `Infinity` and `-Infinity`. A number beyond the doubles is JSON, but no parser reads it, so it
/// becomes an infinity likewise.
///
/// Returns whether there was any. Only words that stand where a value may stand are quoted, so nothing becomes JSON
/// that would not be with a number in that place.
pub fn quote_bare_words(text: &str, quoted: &mut String) -> bool {
    quoted.clear();
    let bytes = text.as_bytes();
    let (mut at, mut copied, mut before) = (0, 0, b' ');
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at = string_end(bytes, at);
                before = byte;
            }
            b' ' | b'\t' | b'\n' | b'\r' => at += 1,
            b',' | b':' | b'[' | b']' | b'{' | b'}' => {
                at += 1;
                before = byte;
            }
            _ => {
                let end =
                    bytes[at..].iter().position(|byte| ends_word(*byte)).map_or(bytes.len(), |length| at + length);
                let is_key = bytes[end..].trim_ascii_start().starts_with(b":");
                if matches!(before, b',' | b':' | b'[')
                    && !is_key
                    && let Some(word) = quotable(&text[at..end])
                {
                    quoted.push_str(&text[copied..at]);
                    quoted.push_str(word);
                    copied = end;
                }
                at = end;
                before = byte;
            }
        }
    }
    quoted.push_str(&text[copied..]);
    copied > 0
}

fn quotable(word: &str) -> Option<&'static str> {
    match word {
        "NaN" => Some(r#""NaN""#),
        "Infinity" => Some(r#""Infinity""#),
        "-Infinity" => Some(r#""-Infinity""#),
        _ if may_overflow(word) => {
            let is_json = || serde_json::from_str::<IgnoredAny>(word).is_ok();
            match word.parse::<f64>() {
                Ok(f64::INFINITY) if is_json() => Some(r#""Infinity""#),
                Ok(f64::NEG_INFINITY) if is_json() => Some(r#""-Infinity""#),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Whether a number has as many digits as the largest double, or an exponent.
fn may_overflow(word: &str) -> bool {
    word.len() > f64::MAX_10_EXP as usize || word.bytes().any(|byte| matches!(byte, b'e' | b'E'))
}

fn ends_word(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b',' | b':' | b'[' | b']' | b'{' | b'}' | b'"')
}

/// Where the string that opens here has ended.
fn string_end(bytes: &[u8], open: usize) -> usize {
    let mut at = open + 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// How many brackets and braces open, in strings too, and how many backslashes there are.
///
/// Nearly every record is found harmless by this. The compiler makes vector instructions of it, if the blocks are of a
/// fixed size, small enough for counts of one byte, and nothing depends on the block before.
fn survey(bytes: &[u8]) -> (usize, usize) {
    const BLOCK: usize = 128;
    let (mut openers, mut backslashes) = (0, 0);
    let mut count = |block: &[u8]| {
        let (mut open, mut back) = (0u8, 0u8);
        for &byte in block {
            // This bit is all that `[` and `{` differ by.
            open += u8::from(byte | 0x20 == b'{');
            back += u8::from(byte == b'\\');
        }
        openers += usize::from(open);
        backslashes += usize::from(back);
    };
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    blocks.iter().for_each(|block| count(block));
    count(rest);
    (openers, backslashes)
}

/// Whether four hexadecimal digits follow every `\u`, and surrogates come in pairs.
fn escapes_are_whole(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|&byte| byte == b'\\') {
        rest = &rest[at..];
        let Some(unit) = escaped_unit(rest) else {
            if rest.starts_with(br"\u") {
                return false;
            }
            // Whatever else is escaped, it may be a backslash, which then escapes nothing.
            rest = rest.get(2..).unwrap_or_default();
            continue;
        };
        rest = &rest[6..];
        match unit {
            0xD800..0xDC00 => match escaped_unit(rest) {
                Some(0xDC00..0xE000) => rest = &rest[6..],
                _ => return false,
            },
            0xDC00..0xE000 => return false,
            _ => {}
        }
    }
    true
}

/// The code unit of the `\uXXXX` at the start of a text.
fn escaped_unit(bytes: &[u8]) -> Option<u32> {
    let digits = bytes.strip_prefix(br"\u")?.get(..4)?;
    digits.iter().try_fold(0, |unit, &digit| Some(unit * 16 + char::from(digit).to_digit(16)?))
}

/// How deep objects and arrays are nested, as far as the text is JSON.
fn depth(bytes: &[u8]) -> usize {
    let (mut at, mut depth, mut deepest) = (0usize, 0usize, 0usize);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at = string_end(bytes, at);
                continue;
            }
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    deepest
}
