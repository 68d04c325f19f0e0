//! Reads what a monitor's windows are compared with, beside the rows that fix the axes.

use crate::config::{Item, Map};
use crate::monitor::{Against, Season, Source};
use crate::schema::Path;
use crate::time::{Span, Windowing};

/// The most blocks of the past that are kept of each version and slice.
const MOST: i64 = 10_000;

/// What of the rest of the monitor this has to agree with, as far as it could be read.
pub struct Known<'a> {
    pub base: Option<&'a Source>,
    pub windowing: Option<&'a Windowing>,
    /// The version's path, if the schema has one; `None` when the schema could not be read.
    pub version: Option<Option<&'a Path>>,
}

/// Reads the keys of `reference` that say what moves with the stream; one of them at most.
pub fn read(map: &Map<'_>, known: &Known<'_>) -> Option<Against> {
    let block = known.windowing.map(Windowing::block);
    let found =
        [("trailing", map.find("trailing")), ("seasonal", map.find("seasonal")), ("version", map.find("version"))];
    let found = found.into_iter().filter_map(|(key, item)| Some((key, item?))).collect::<Vec<_>>();
    if let [(first, _), (second, item), ..] = found[..] {
        let hint = "write one of `trailing`, `seasonal` and `version`; another monitor can have the other".to_owned();
        item.report(format!("a window cannot be compared with `{first}` and `{second}` at once"), Some(hint));
        return None;
    }
    match found.first() {
        None => Some(Against::Reference),
        Some(("trailing", item)) => trailing(*item, block),
        Some(("seasonal", item)) => seasonal(*item, known.windowing),
        Some((_, item)) => version(*item, known),
    }
}

fn trailing(item: Item<'_>, block: Option<Span>) -> Option<Against> {
    let map = item.map()?;
    let last = map.need("last", "7d", |item| Some((item.positive_span()?, item)));
    let lag = map.or("lag", None, |item| Some(Some((item.span()?, item))));
    let ((last, of_last), lag) = (last?, lag?);
    let lag_length = lag.map_or(Span(0), |(lag, _)| lag);
    let block = block?;
    let spans = [Some((last, of_last)), lag];
    let mut is_whole = true;
    for (span, item) in spans.into_iter().flatten().filter(|(span, _)| span.0 % block.0 != 0) {
        let whole = Span((span.0 / block.0).max(1) * block.0);
        let hint = format!("the past is kept in blocks of {block}: write {whole} or {}", Span(whole.0 + block.0));
        item.report(format!("{item} ({span}) is not a multiple of {block}"), Some(hint));
        is_whole = false;
    }
    if last.0.saturating_add(lag_length.0) / block.0 > MOST {
        let hint = format!("with the lag, write {} at most", Span(MOST * block.0));
        of_last.report(format!("a reference that reaches back for {last} is too long"), Some(hint));
        is_whole = false;
    }
    is_whole.then_some(Against::Trailing { last, lag: lag_length })
}

fn seasonal(item: Item<'_>, windowing: Option<&Windowing>) -> Option<Against> {
    const BY: [(&str, Season); 2] = [("hour_of_week", Season::HourOfWeek), ("hour_of_day", Season::HourOfDay)];
    let map = item.map()?;
    let by = map.need("by", "hour_of_week", |item| Some((item.choice(&BY)?, item)));
    let weeks = map.need("weeks", "4", |item| item.count(1..=52));
    let ((by, of_by), weeks, windowing) = (by?, weeks?, windowing?);
    let (season, block) = (by.length(), windowing.block());
    let name = if by == Season::HourOfDay { "a day" } else { "a week" };
    if windowing.size > season {
        let hint = format!("write `window.size: {season}` or less, or compare with `trailing`");
        of_by.report(format!("a window of {} is longer than {name}", windowing.size), Some(hint));
        return None;
    }
    if season.0 % block.0 != 0 {
        let hint = format!("write a `window.every` that fits into an hour, or is a whole part of {name}");
        let message = format!("{name} is no multiple of {block}, the least number of steps that last an hour");
        of_by.report(message, Some(hint));
        return None;
    }
    Some(Against::Seasonal { by, weeks: weeks as u32 })
}

fn version(item: Item<'_>, known: &Known<'_>) -> Option<Against> {
    let version = item.text_like("the version that the others are compared with")?;
    if known.version?.is_none() {
        let hint = "write where the version is in a row: `version: PATH` under `schema`".to_owned();
        item.report("the schema has no `version`", Some(hint));
        return None;
    }
    if matches!(known.base?, Source::Learnt { .. }) {
        let hint = "write `dataset: FILE` instead: each version learns axes of its own, and what is counted on two \
                    axes cannot be compared";
        item.report("`version` needs the axes of a `dataset`, not of `learnt`", Some(hint.to_owned()));
        return None;
    }
    Some(Against::Version(version.to_owned()))
}
