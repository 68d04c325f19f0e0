//! Reads what has to hold before an action is taken.

use crate::config::{Item, Map};
use crate::retrain::Guards;

pub fn read(map: &Map<'_>) -> Option<Guards> {
    let usual = Guards::default();
    let cooldown = map.or("cooldown", usual.cooldown, Item::span);
    let most_per_day = map.or("most_per_day", u64::from(usual.most_per_day), |item| item.count(1..=100));
    let lost_after = map.or("lost_after", usual.lost_after, Item::positive_span);
    let min_labels = map.or("min_labels", usual.min_labels, |item| item.count(0..=u64::MAX));
    let min_coverage = map.or("min_coverage", usual.min_coverage, |item| {
        item.number("a share from 0 to 1", "a share such as 0.5", |share| (0.0..=1.0).contains(&share))
    });
    let approval = map.or("approval", usual.approval, Item::yes_or_no);
    let dry_run = map.or("dry_run", usual.dry_run, Item::yes_or_no);
    Some(Guards {
        cooldown: cooldown?,
        most_per_day: u32::try_from(most_per_day?).unwrap_or(u32::MAX),
        lost_after: lost_after?,
        min_labels: min_labels?,
        min_coverage: min_coverage?,
        approval: approval?,
        dry_run: dry_run?,
    })
}
