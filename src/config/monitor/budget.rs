//! Reads the budget of false alarms.

use crate::budget::Budget;
use crate::config::{Item, Map};
use crate::rule::Rule;
use crate::stat::surprise;
use crate::time::Span;

const LIKE: &str = "2 pages per 30d";

/// A budget that looks further back than this is not kept: who would wait for it?
const LONGEST: Span = Span(366 * 86_400_000);
const MOST: f64 = 10_000.0;

pub fn read(item: Item<'_>) -> Option<Budget> {
    let text = item.text_like(LIKE)?;
    let budget = match Budget::parse(text) {
        Ok(budget) => budget,
        Err(fault) => {
            item.report(fault.message, Some(fault.hint.to_owned()));
            return None;
        }
    };
    if budget.pages > MOST || budget.per > LONGEST {
        let message = format!("a budget is of {MOST} pages at the most, for {LONGEST} at the longest");
        item.report(message, Some(format!("write for example `{LIKE}`")));
        return None;
    }
    Some(budget)
}

/// Puts on record a budget that nobody would be paged by.
pub fn check_asked<'a>(map: &Map<'_>, rules: impl IntoIterator<Item = &'a Rule>) {
    let is_asked = |rule: &Rule| {
        let mut names = rule.when.names().iter();
        names.any(|name| name.family == surprise::ROW.family && name.statistic == surprise::ROW.name)
    };
    if let Some(item) = map.find("budget").filter(|_| !rules.into_iter().any(is_asked)) {
        let hint = "add `{alert: Surprise, when: drift.surprise >= 1}` to the `alerts`".to_owned();
        item.report("no alert asks for what the `budget` is for", Some(hint));
    }
}
