//! Reads how challengers are to be compared with the champion.

use super::outcomes;
use crate::config::{Item, hint, shown};
use crate::measurement::Family;
use crate::monitor::{Against, Measure};
use crate::stat::{self, Of, On, Statistic, choices, coverage, error_quantiles, estimate, regression};
use crate::verdict::Challenge;

const LIKE: &str = "{metric: performance.accuracy}";

/// Of these neither more nor less is better: they depend on how many rows there are, or are best somewhere between.
const NEUTRAL: [&Statistic; 16] = [
    &coverage::COVERAGE,
    &coverage::EXPECTED_COVERAGE,
    &choices::TRUE_POSITIVES,
    &choices::FALSE_POSITIVES,
    &choices::FALSE_NEGATIVES,
    &choices::TRUE_NEGATIVES,
    &regression::BIAS,
    &error_quantiles::P05,
    &error_quantiles::P50,
    &error_quantiles::P95,
    &estimate::choices::TRUE_POSITIVES,
    &estimate::choices::FALSE_POSITIVES,
    &estimate::choices::FALSE_NEGATIVES,
    &estimate::choices::TRUE_NEGATIVES,
    &estimate::gaps::ACCURACY,
    &estimate::gaps::ROC_AUC,
];

/// What of the rest of the monitor this has to agree with, as far as it could be read.
pub struct Known<'a> {
    pub outcomes: outcomes::Known<'a>,
    pub measures: Option<&'a [Measure]>,
    pub against: Option<&'a Against>,
    /// Whether rows say which version has answered.
    pub has_versions: Option<bool>,
}

/// Reads `challenge`. Without a `champion` it is the version that drift is measured against, if there is one.
pub fn read(item: Item<'_>, known: &Known<'_>) -> Option<Challenge> {
    let map = item.map()?;
    let champion = map.maybe("champion", |item| item.text_like("the version that the others are compared with"));
    let statistic = map.need("metric", "performance.accuracy", |item| metric(item, known));
    let margin =
        map.or("margin", 0.0, |item| item.number("a number of at least 0", "a number such as 0.01", |x| x >= 0.0));
    let confidence = map.or("confidence", 0.95, |item| {
        let is_probability = |x: f64| (0.5..1.0).contains(&x);
        item.number("a probability of at least 0.5 and below 1", "a number such as 0.95", is_probability)
    });
    if known.has_versions == Some(false) {
        let hint = "write where the version is in a row: `version: PATH` under `schema`".to_owned();
        item.report("the schema has no `version`", Some(hint));
        return None;
    }
    let of_drift = match known.against? {
        Against::Version(version) => Some(version.as_str()),
        _ => None,
    };
    let champion = champion?.or(of_drift).map(Into::into);
    Some(Challenge { champion, statistic: statistic?, margin: margin?, confidence: confidence? })
}

/// The statistic of a metric, which has one value for each version and window.
fn metric(item: Item<'_>, known: &Known<'_>) -> Option<&'static Statistic> {
    let text = item.text_like("performance.accuracy")?;
    let named = stat::ALL.iter().copied().find(|row| row.family.with(row.name) == text);
    let Some(row) = named else {
        let names: Vec<String> =
            stat::ALL.iter().copied().filter(|row| is_comparable(row)).map(|row| row.family.with(row.name)).collect();
        item.report(format!("unknown metric `{}`", shown(text)), hint(text, names.iter().map(String::as_str)));
        return None;
    };
    let text = shown(text);
    if !is_comparable(row) {
        let hint = format!("write a figure of performance or of its estimate, as in `{LIKE}`");
        item.report(format!("`{text}` does not say which version is better"), Some(hint));
        return None;
    }
    let classes = known.outcomes.answers.flatten().map_or(0, |answers| answers.classes.len());
    if row.on.outcomes().is_some_and(|asked| asked.of == Of::Class) && classes > 1 {
        let average = stat::find(row.family, &format!("{}_macro", row.name))
            .map_or("performance.accuracy".into(), |row| row.family.with(row.name));
        let hint = format!("write a figure of all classes together, such as `{average}`");
        item.report(format!("`{text}` has a value for each of {classes} classes"), Some(hint));
        return None;
    }
    let is_measured = |measure: &Measure| (measure.statistic.family, measure.statistic.name) == (row.family, row.name);
    if !known.measures?.iter().any(is_measured) {
        let hint = known.outcomes.lacks(row).unwrap_or_else(|| "write where it is in a row under `schema`".to_owned());
        item.report(format!("`{text}` is not measured"), Some(hint));
        return None;
    }
    Some(row)
}

/// Whether a statistic has one value for each version and window, of which more is better or less.
fn is_comparable(row: &Statistic) -> bool {
    let is_single = match row.on {
        On::Outcomes(asked) => matches!(asked.of, Of::Rows | Of::Class),
        On::Latency | On::Flag => true,
        _ => false,
    };
    let is_neutral = NEUTRAL.iter().any(|neutral| (neutral.family, neutral.name) == (row.family, row.name));
    matches!(row.family, Family::Performance | Family::Estimate | Family::Telemetry) && is_single && !is_neutral
}
