//! The notation for one value a window: `0.05x10 0.3 ? _x2 0.1+0.05x5`.

/// What there is of a figure in one window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sample {
    /// `_`: no rows, and so no figure.
    Absent,
    /// `?`: there are rows, but not enough to know.
    Undefined,
    Value(f64),
}

/// What is wrong, and how many bytes into the text.
#[derive(Debug, PartialEq)]
pub struct Fault {
    pub offset: usize,
    pub message: String,
}

/// The most windows of a test; a longer one was not meant.
pub const MOST: usize = 10_000;

/// Reads values with blanks between them, each once or, with `xN` after it, N times. With `+S` or `-S` before the `x`
/// each of the N is so much more or less than the one before.
///
/// # Errors
/// The first thing that is wrong.
pub fn parse(text: &str) -> Result<Vec<Sample>, Fault> {
    let mut samples = Vec::new();
    let mut offset = 0;
    for word in text.split_inclusive(char::is_whitespace) {
        let trimmed = word.trim_end();
        if !trimmed.is_empty() {
            let fault = |message| Fault { offset, message };
            let (first, step, times) = read(trimmed).ok_or_else(|| fault(format!("`{trimmed}` is no value")))?;
            if samples.len() + times > MOST {
                return Err(fault(format!("these are more than {MOST} values")));
            }
            let last = stepped(first, step, times - 1);
            if matches!(last, Sample::Value(value) if !value.is_finite()) {
                return Err(fault(format!("`{trimmed}` goes beyond all numbers")));
            }
            samples.extend((0..times).map(|at| stepped(first, step, at)));
        }
        offset += word.len();
    }
    Ok(samples)
}

/// The first value of a word, by how much each differs from the one before, and how many there are.
fn read(word: &str) -> Option<(Sample, f64, usize)> {
    let Some((head, times)) = word.rsplit_once('x') else { return Some((sample(word)?, 0.0, 1)) };
    // A count is written as such: no sign before it.
    let is_count = !times.is_empty() && times.bytes().all(|byte| byte.is_ascii_digit());
    let times = times.parse().ok().filter(|times| is_count && (1..=MOST).contains(times))?;
    if let Some(sample) = sample(head) {
        return Some((sample, 0.0, times));
    }
    let is_sign = |&(at, byte): &(usize, u8)| {
        at > 0 && matches!(byte, b'+' | b'-') && !matches!(head.as_bytes()[at - 1], b'e' | b'E')
    };
    let (at, _) = head.bytes().enumerate().rfind(is_sign)?;
    Some((Sample::Value(number(&head[..at])?), number(&head[at..])?, times))
}

fn sample(word: &str) -> Option<Sample> {
    match word {
        "_" => Some(Sample::Absent),
        "?" => Some(Sample::Undefined),
        _ => number(word).map(Sample::Value),
    }
}

/// A number in digits: none of the words that also stand for one.
fn number(text: &str) -> Option<f64> {
    let is_written = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    text.parse().ok().filter(|number: &f64| is_written && number.is_finite())
}

fn stepped(first: Sample, step: f64, at: usize) -> Sample {
    match first {
        Sample::Value(value) => Sample::Value(value + step * at as f64),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> Result<String, String> {
        let word = |sample: &Sample| match sample {
            Sample::Absent => "_".to_owned(),
            Sample::Undefined => "?".to_owned(),
            // As a person would write the sum of decimals.
            Sample::Value(value) => ((value * 1e9).round() / 1e9).to_string(),
        };
        let samples = parse(text).map_err(|fault| format!("{}: {}", fault.offset, fault.message))?;
        Ok(samples.iter().map(word).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn values_are_written_short() {
        for (text, expected) in [
            ("", ""),
            ("0.3", "0.3"),
            ("0.05x3 0.3x2", "0.05 0.05 0.05 0.3 0.3"),
            ("_ ?x2  _x1\t1", "_ ? ? _ 1"),
            ("0.1+0.05x4", "0.1 0.15 0.2 0.25"),
            ("1-0.25x3", "1 0.75 0.5"),
            ("-1+1x3 -2-1e-1x2", "-1 0 1 -2 -2.1"),
            ("1e-3x1 1e3+1e+2x2", "0.001 1000 1100"),
        ] {
            assert_eq!(shown(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_at_its_place() {
        for (text, expected) in [
            ("0.1 high", "4: `high` is no value"),
            ("0.1 0.2x", "4: `0.2x` is no value"),
            ("1x0", "0: `1x0` is no value"),
            ("1x+2", "0: `1x+2` is no value"),
            ("1+2", "0: `1+2` is no value"),
            ("inf", "0: `inf` is no value"),
            ("1+nanx3", "0: `1+nanx3` is no value"),
            ("_+1x3", "0: `_+1x3` is no value"),
            ("é 1", "0: `é` is no value"),
            ("1 1e308+1e308x3", "2: `1e308+1e308x3` goes beyond all numbers"),
            ("1x10001", "0: `1x10001` is no value"),
            ("1x9000 1x1001", "7: these are more than 10000 values"),
        ] {
            assert_eq!(shown(text), Err(expected.to_owned()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_much(text in any::<String>()) {
            let _ = parse(&text);
        }

        #[test]
        fn no_mixture_of_its_own_signs_is_too_much(text in "([0-9]{0,5}|[-+x_?.eE ]|inf|nan|é){0,24}") {
            match parse(&text) {
                Ok(samples) => prop_assert!(samples.len() <= MOST),
                Err(fault) => prop_assert!(text.is_char_boundary(fault.offset) && fault.offset < text.len()),
            }
        }

        #[test]
        fn every_number_is_read_as_written_and_so_often(
            value in -1e6..1e6f64,
            step in -1e3..1e3f64,
            times in 1..50usize,
        ) {
            let expected: Vec<Sample> = (0..times).map(|at| Sample::Value(value + step * at as f64)).collect();
            prop_assert_eq!(parse(&format!("{value}{step:+}x{times}")), Ok(expected));
            prop_assert_eq!(parse(&format!("{value}x{times}")), Ok(vec![Sample::Value(value); times]));
        }
    }
}
