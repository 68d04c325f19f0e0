//! Canonical JSON (RFC 8785): one text for what has one meaning.
//!
//! Entries have keys in ASCII, so sorting those and writing fractions as ECMAScript does is all there is to it: of all
//! else serde_json writes what the standard wants, as long as whole numbers stay below 2^53, up to which a double has
//! them all.

use serde::Serialize;
use serde_json::{Number, Value};

/// A value on one line, its objects by their keys; of the outermost one, a key is left out.
pub(super) fn json(value: &impl Serialize, without: Option<&str>) -> String {
    // No entry has a key that is no text, or else fails to be written.
    let mut value = serde_json::to_value(value).unwrap_or_default();
    if let (Some(map), Some(key)) = (value.as_object_mut(), without) {
        map.remove(key);
    }
    let mut text = String::new();
    write(&value, &mut text);
    text
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Object(map) => {
            // Whether the map has an order of its own depends on what else is built with the library.
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            text.push('{');
            for (index, (key, value)) in entries.into_iter().enumerate() {
                text.push_str(if index == 0 { "" } else { "," });
                write(&Value::String(key.clone()), text);
                text.push(':');
                write(value, text);
            }
            text.push('}');
        }
        Value::Array(values) => {
            text.push('[');
            for (index, value) in values.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { "," });
                write(value, text);
            }
            text.push(']');
        }
        Value::Number(number) => text.push_str(&in_digits(number)),
        scalar => text.push_str(&scalar.to_string()),
    }
}

/// A number in the fewest digits that tell it from all others, as ECMAScript writes it. Such a text is read as the same
/// number, to the last bit.
fn in_digits(number: &Number) -> String {
    let text = number.to_string();
    if !number.is_f64() {
        return text;
    }
    // The digits are the same ones; the two differ in where they put the point.
    let (sign, unsigned) = text.strip_prefix('-').map_or(("", &*text), |rest| ("-", rest));
    let (mantissa, exponent) = unsigned.split_once('e').unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0');
    let leading = (all.len() - digits.len()) as i32;
    let digits = digits.trim_end_matches('0');
    // The number is 0.DIGITS times ten to this power.
    let point = whole.len() as i32 - leading + exponent.parse::<i32>().unwrap_or(0);
    let count = digits.len() as i32;
    let zeros = |count: i32| "0".repeat(count.max(0) as usize);
    match point {
        _ if digits.is_empty() => "0".to_owned(),
        1..=21 if point >= count => format!("{sign}{digits}{}", zeros(point - count)),
        1..=21 => format!("{sign}{}.{}", &digits[..point as usize], &digits[point as usize..]),
        -5..=0 => format!("{sign}0.{}{digits}", zeros(-point)),
        _ if count == 1 => format!("{sign}{digits}e{:+}", point - 1),
        _ => format!("{sign}{}.{}e{:+}", &digits[..1], &digits[1..], point - 1),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(value: f64) -> String {
        json(&value, None)
    }

    /// The numbers are those of RFC 8785, appendix B.
    #[test]
    fn numbers_are_written_as_the_standard_has_them() {
        let written = [
            (0x0000000000000000, "0"),
            (0x8000000000000000, "0"),
            (0x0000000000000001, "5e-324"),
            (0x8000000000000001, "-5e-324"),
            (0x7fefffffffffffff, "1.7976931348623157e+308"),
            (0xffefffffffffffff, "-1.7976931348623157e+308"),
            (0x4340000000000000, "9007199254740992"),
            (0xc340000000000000, "-9007199254740992"),
            (0x4430000000000000, "295147905179352830000"),
            (0x44b52d02c7e14af5, "9.999999999999997e+22"),
            (0x44b52d02c7e14af6, "1e+23"),
            (0x44b52d02c7e14af7, "1.0000000000000001e+23"),
            (0x444b1ae4d6e2ef4e, "999999999999999700000"),
            (0x444b1ae4d6e2ef4f, "999999999999999900000"),
            (0x444b1ae4d6e2ef50, "1e+21"),
            (0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"),
            (0x3eb0c6f7a0b5ed8d, "0.000001"),
            (0x41b3de4355555553, "333333333.3333332"),
            (0x41b3de4355555554, "333333333.33333325"),
            (0x41b3de4355555555, "333333333.3333333"),
            (0x41b3de4355555556, "333333333.3333334"),
            (0x41b3de4355555557, "333333333.33333343"),
            (0xbecbf647612f3696, "-0.0000033333333333333333"),
            (0x43143ff3c1cb0959, "1424953923781206.2"),
        ];
        for (bits, expected) in written {
            assert_eq!(text(f64::from_bits(bits)), expected);
        }
        assert_eq!(json(&((1u64 << 53) - 1), None), "9007199254740991");
    }

    proptest! {
        #[test]
        fn a_number_is_read_as_it_was_to_the_last_bit(bits in any::<u64>(), near in -1e22..1e22f64) {
            for value in [f64::from_bits(bits), near, near.trunc()] {
                prop_assume!(value.is_finite());
                let read: f64 = serde_json::from_str(&text(value)).expect("a number");
                prop_assert_eq!(read.to_bits(), (value + 0.0).to_bits());
            }
        }
    }
}
