//! How much a receiver takes: texts that are cut, and as many alerts as find room.

/// How long a text is for the programs that count it: most are written in languages whose characters are of 16 bits.
pub fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

/// The text, or its beginning with an ellipsis. What is written as `&amp;` is not cut in two.
pub fn cut(text: &str, most: usize) -> String {
    if length(text) <= most {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut left = most.saturating_sub(1);
    for c in text.chars() {
        match left.checked_sub(c.len_utf16()) {
            Some(rest) => left = rest,
            None => break,
        }
        kept.push(c);
    }
    let open = kept.rfind('&').filter(|&at| !kept[at..].contains(';') && text[at..].contains(';'));
    kept.truncate(open.unwrap_or(kept.len()));
    kept.truncate(kept.trim_end().len());
    kept.push('…');
    kept
}

/// The text on one line, without characters that cannot be seen, and not too long.
pub fn line(text: &str, most: usize) -> String {
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    cut(&words.join(" "), most)
}

/// The most of `count` things for which it fits; `fits` must not come to hold again once it does not.
pub fn most_that_fit(count: usize, fits: impl Fn(usize) -> bool) -> usize {
    let (mut fitting, mut beyond) = (0, count + 1);
    while beyond - fitting > 1 {
        let middle = fitting + (beyond - fitting) / 2;
        if fits(middle) {
            fitting = middle;
        } else {
            beyond = middle;
        }
    }
    fitting
}

/// `and 3 more`, if anything was left out.
pub fn and_more(left_out: usize) -> Option<String> {
    (left_out > 0).then(|| format!("and {left_out} more"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_where_the_receiver_counts() {
        assert_eq!(cut("short", 5), "short");
        assert_eq!(cut("longer", 5), "long…");
        assert_eq!(cut("🌊🌊🌊", 5), "🌊🌊…");
        assert_eq!(cut("a &amp; b", 6), "a…");
        assert_eq!(cut("a & b and so on", 6), "a & b…");
        assert_eq!(line(" a\r\n b\u{0}c ", 99), "a b c");
    }

    #[test]
    fn as_many_as_fit() {
        for count in 0..20 {
            for most in 0..20 {
                assert_eq!(most_that_fit(count, |n| n <= most), count.min(most));
            }
        }
    }
}
