//! Which known word a misspelt one is likely to mean.

/// A hint for a word that is not known: the nearest known one, or else all of them.
pub fn hint<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let known: Vec<&str> = known.into_iter().collect();
    if let Some(near) = nearest(word, &known) {
        return Some(format!("did you mean `{near}`?"));
    }
    alternatives(&known, "and").map(|list| format!("known: {list}"))
}

/// `` `a`, `b` and `c` ``, or `None` for none at all.
pub fn alternatives(words: &[&str], conjunction: &str) -> Option<String> {
    let (last, rest) = words.split_last()?;
    if rest.is_empty() {
        return Some(format!("`{last}`"));
    }
    let rest: Vec<_> = rest.iter().map(|word| format!("`{word}`")).collect();
    Some(format!("{} {conjunction} `{last}`", rest.join(", ")))
}

/// The known word at the least distance, if that is small for a word of this length.
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    const LONGEST: usize = 64;
    let letters: Vec<char> = word.chars().flat_map(char::to_lowercase).take(LONGEST + 1).collect();
    let most = match letters.len() {
        0..=2 => 1,
        3..=7 => 2,
        8..=LONGEST => 3,
        _ => return None,
    };
    known
        .iter()
        .filter(|known| known.len() <= LONGEST)
        .map(|known| (distance(&letters, &known.chars().flat_map(char::to_lowercase).collect::<Vec<_>>()), *known))
        .filter(|(distance, known)| *distance <= most && *distance < known.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// The least number of letters to insert, leave out, replace or swap with their neighbour.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            if i == 0 || j == 0 {
                table[i][j] = i + j;
                continue;
            }
            let replaced = table[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(table[i - 2][j - 2] + 1);
            }
            table[i][j] = least;
        }
    }
    table[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_word_is_recognised() {
        let known = ["topic", "format", "fields"];
        assert_eq!(hint("tpoic", known).as_deref(), Some("did you mean `topic`?"));
        assert_eq!(hint("Field", known).as_deref(), Some("did you mean `fields`?"));
        assert_eq!(hint("pis", ["ks", "psi"]).as_deref(), Some("did you mean `psi`?"));
        assert_eq!(hint("group", known).as_deref(), Some("known: `topic`, `format` and `fields`"));
        assert_eq!(hint("x", ["y"]).as_deref(), Some("known: `y`"));
        assert_eq!(hint("x", []), None);
    }
}
