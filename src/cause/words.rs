//! How evidence is told.

/// A share as a person reads it.
pub fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent != 0.0 && percent.abs() < 10.0 { format!("{percent:.1} %") } else { format!("{percent:.0} %") }
}

/// A ratio in as many digits as anybody wants of one.
pub fn times(ratio: f64) -> String {
    let magnitude = ratio.abs();
    if magnitude >= 1e6 || (magnitude < 1e-3 && magnitude > 0.0) {
        return format!("{ratio:.3e}");
    }
    let digits = if magnitude >= 100.0 { 0 } else { (2.0 - magnitude.log10().floor()).clamp(0.0, 6.0) as usize };
    let text = format!("{ratio:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

pub fn counted(rows: u64) -> String {
    if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") }
}

/// Names in a sentence.
pub fn join(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let ratios = [1000.0, 2.54, 37.21, 0.4536, 0.001, 1e9, 100.0, 60.0, 0.0];
        assert_eq!(ratios.map(times), ["1000", "2.54", "37.2", "0.454", "0.001", "1.000e9", "100", "60", "0"]);
        assert_eq!([0.031, 0.31, 1.0, 0.0].map(percent), ["3.1 %", "31 %", "100 %", "0 %"]);
        assert_eq!(join(&["a", "b", "c"]), "a, b and c");
    }
}
