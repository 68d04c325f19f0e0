//! Counts in the form in which they are stored: the length and the cells that are not zero.
//!
//! A pane's rows reach few of the thousands of cells of a grid, and few of the hundred thousand of a vocabulary.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub fn serialize<S: Serializer>(counts: &[u64], serializer: S) -> Result<S::Ok, S::Error> {
    let mut gap = 0u64;
    let mut filled = Vec::new();
    for &count in counts {
        if count == 0 {
            gap += 1;
        } else {
            filled.push((gap, count));
            gap = 0;
        }
    }
    (counts.len() as u64, filled).serialize(serializer)
}

pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u64>, D::Error> {
    // More cells than any configuration makes are a sign of a damaged record, not a reason to run out of memory.
    const MOST: u64 = 1 << 24;
    let (cells, filled) = <(u64, Vec<(u64, u64)>)>::deserialize(deserializer)?;
    if cells > MOST {
        return Err(de::Error::custom("too many cells"));
    }
    let mut counts = vec![0; cells as usize];
    let mut at = 0u64;
    for (gap, count) in filled {
        at = at.saturating_add(gap);
        *counts.get_mut(at as usize).ok_or_else(|| de::Error::custom("a count beyond the last cell"))? = count;
        at += 1;
    }
    Ok(counts)
}
