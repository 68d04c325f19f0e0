//! Reads which statistics a monitor wants, and from which values on they are a breach.

use super::outcomes;
use crate::config::{Item, all, hint, shown};
use crate::measurement::Family;
use crate::monitor::{Correction, Judging, Measure};
use crate::rule::condition::applies;
use crate::schema::{Field, Role};
use crate::stat::{self, On, Statistic, surprise};

/// What is measured of fields of one kind when the file does not say.
const NUMERIC: [&str; 3] = ["ks", "psi", "wasserstein"];
const CATEGORICAL: [&str; 3] = ["psi", "js_distance", "chi_squared"];

/// What to write for surprises to be measured.
pub const BUDGET: &str = "write `budget: 2 pages per 30d` into the monitor";

/// The name of a statistic, and the value from which on it is a breach.
pub type Threshold = (&'static str, f64);

pub type Thresholds = Vec<Threshold>;

/// What a monitor says of each family, where it says anything.
#[derive(Clone, Copy)]
pub struct Items<'a> {
    pub drift: Option<Item<'a>>,
    pub quality: Option<Item<'a>>,
    pub attribution: Option<Item<'a>>,
    /// Whether it has a budget of false alarms, by which surprises are measured.
    pub has_budget: bool,
}

/// What is measured of predictions and labels.
pub struct OfOutcomes<'a> {
    pub known: outcomes::Known<'a>,
    /// Own thresholds, as far as they could be read.
    pub performance: Option<&'a [Threshold]>,
    pub estimate: Option<&'a [Threshold]>,
    pub fairness: Option<&'a [Threshold]>,
    /// Fields of which nothing may be told but with noise.
    pub private: &'a [String],
}

/// Everything that is measured: telemetry and quality wherever they apply, drift as far as it is asked for, how
/// attributions have drifted where there are any, and of predictions and labels all that can be known. There may be as
/// many attributions as features, so of each by itself only that is measured which is asked for.
pub fn read(items: Items<'_>, outcomes: &OfOutcomes<'_>, fields: Option<&[Field]>) -> Option<(Vec<Measure>, Judging)> {
    let drift = items.drift.map_or_else(|| Some(Drift::default()), read_drift);
    let of_family =
        |item: Option<Item<'_>>, family| item.map_or(Some(Vec::new()), |item| read_thresholds(item, family));
    let quality = of_family(items.quality, Family::Quality);
    let attribution = of_family(items.attribution, Family::Attribution);
    let (performance, estimate, fairness) = (outcomes.performance, outcomes.estimate, outcomes.fairness);
    let (fields, drift, quality, attribution) = (fields?, drift?, quality?, attribution?);
    let (performance, estimate, fairness) = (performance?, estimate?, fairness?);
    let drift = Drift { has_budget: items.has_budget, ..drift };
    let measure = |field: Option<usize>, statistic: &'static Statistic| {
        let thresholds = match statistic.family {
            Family::Drift => drift.thresholds.as_slice(),
            Family::Attribution => &attribution,
            Family::Performance => performance,
            Family::Estimate => estimate,
            Family::Fairness => fairness,
            Family::Quality | Family::Telemetry => &quality,
        };
        let own = thresholds.iter().find(|(name, _)| *name == statistic.name).map(|(_, threshold)| *threshold);
        Measure { field, statistic, threshold: own.or(statistic.threshold), significance: drift.significance }
    };
    let has_attributions = fields.iter().any(|field| field.role == Role::Attribution);
    let is_of_log = |row: &&&Statistic| match row.on {
        On::Log => true,
        On::Attributions => has_attributions,
        On::Outcomes(_) => outcomes.known.lacks(row).is_none(),
        _ => false,
    };
    let of_log = stat::ALL.iter().filter(is_of_log).map(|row| measure(None, row));
    let is_public = |(_, field): &(usize, &Field)| !outcomes.private.contains(&field.subject);
    let of_fields = fields.iter().enumerate().filter(is_public).flat_map(|(index, field)| {
        let wanted = |row: &&&'static Statistic| applies(row.on, field) && drift.wants(row, field);
        stat::ALL.iter().filter(wanted).map(move |row| (index, *row))
    });
    let of_fields = of_fields.map(|(index, row)| measure(Some(index), row));
    Some((of_log.chain(of_fields).collect(), drift.judging))
}

/// The `drift` of a monitor.
struct Drift {
    numeric: Vec<&'static str>,
    categorical: Vec<&'static str>,
    attributions: Vec<&'static str>,
    thresholds: Thresholds,
    significance: f64,
    judging: Judging,
    has_budget: bool,
}

impl Default for Drift {
    fn default() -> Drift {
        let (numeric, categorical) = (NUMERIC.to_vec(), CATEGORICAL.to_vec());
        Drift {
            numeric,
            categorical,
            attributions: Vec::new(),
            thresholds: Vec::new(),
            significance: 0.001,
            judging: Judging::default(),
            has_budget: false,
        }
    }
}

impl Drift {
    fn wants(&self, statistic: &Statistic, field: &Field) -> bool {
        let listed = match field.role {
            Role::Attribution => &self.attributions,
            _ if field.kind.is_numeric() => &self.numeric,
            _ => &self.categorical,
        };
        match statistic.family {
            Family::Drift if surprise::is(statistic) => self.has_budget && field.role != Role::Attribution,
            Family::Drift => listed.contains(&statistic.name),
            _ => field.role != Role::Attribution,
        }
    }
}

fn read_drift(item: Item<'_>) -> Option<Drift> {
    let default = Drift::default();
    let map = item.map()?;
    let numeric = map.or("numeric", default.numeric, |item| statistics(item, On::Numeric));
    let categorical = map.or("categorical", default.categorical, |item| statistics(item, On::Categorical));
    let attributions = map.or("attributions", default.attributions, |item| statistics(item, On::Numeric));
    let listed = [numeric.as_deref(), categorical.as_deref(), attributions.as_deref()];
    let thresholds = map.or("thresholds", Vec::new(), |item| {
        thresholds(item, Family::Drift, |row, item| {
            let is_measured = listed.iter().any(|list| list.is_none_or(|list| list.contains(&row.name)));
            if !is_measured {
                let hint = format!("add `{}` to `numeric` or `categorical`, or leave its threshold out", row.name);
                item.report(format!("`{}` has a threshold, but is not measured", row.name), Some(hint));
            }
        })
    });
    let significance = map.or("p_value", default.significance, |item| {
        item.number("a probability above 0 and up to 1", "a number such as 0.001", |p| p > 0.0 && p <= 1.0)
    });
    const CORRECTIONS: [(&str, Correction); 2] =
        [("none", Correction::None), ("benjamini_hochberg", Correction::BenjaminiHochberg)];
    let correction = map.or("correction", Correction::None, |item| item.choice(&CORRECTIONS));
    const UNDERPOWERED: [(&str, bool); 2] = [("undefined", false), ("told", true)];
    let tells_underpowered = map.or("underpowered", false, |item| item.choice(&UNDERPOWERED));
    let judging = Judging { correction: correction?, tells_underpowered: tells_underpowered? };
    let significance = significance?;
    Some(Drift {
        numeric: numeric?,
        categorical: categorical?,
        attributions: attributions?,
        thresholds: thresholds?,
        significance,
        judging,
        has_budget: default.has_budget,
    })
}

/// What a monitor says of a family of which it does not choose the statistics.
fn read_thresholds(item: Item<'_>, family: Family) -> Option<Thresholds> {
    let map = item.map()?;
    map.or("thresholds", Vec::new(), |item| thresholds(item, family, |_, _| ()))
}

/// A list of drift statistics that apply to fields of one kind.
fn statistics(item: Item<'_>, kind: On) -> Option<Vec<&'static str>> {
    let items = item.list()?;
    let names = all(items.iter().map(|item| {
        let applicable = |row: &&&Statistic| {
            row.family == Family::Drift && [kind, On::Valued, On::Field].contains(&row.on) && !surprise::is(row)
        };
        let known = || stat::ALL.iter().filter(applicable).map(|row| row.name);
        let name = item.text()?;
        let found = known().find(|known| *known == name);
        if found.is_none() {
            let message = match stat::find(Family::Drift, name) {
                Some(row) if surprise::is(row) => {
                    item.report(format!("`{name}` is measured where there is a budget"), Some(BUDGET.to_owned()));
                    return None;
                }
                Some(row) if kind == On::Numeric => format!("`{}` does not apply to numeric fields", row.name),
                Some(row) => format!("`{}` does not apply to categorical fields", row.name),
                None => format!("unknown statistic `{}`", shown(name)),
            };
            item.report(message, hint(name, known()));
        }
        found
    }))?;
    for (index, name) in names.iter().enumerate() {
        if names[..index].contains(name) {
            items[index].report(format!("`{name}` is listed twice"), None);
        }
    }
    Some(names)
}

/// Thresholds of a family's statistics; `also` may put more on record.
pub fn thresholds(item: Item<'_>, family: Family, also: impl Fn(&Statistic, Item<'_>)) -> Option<Thresholds> {
    let map = item.map()?;
    all(map.entries().map(|(name, item, at)| {
        let Some(row) = stat::find(family, name) else {
            let known = stat::ALL.iter().filter(|row| row.family == family).map(|row| row.name);
            item.reader().report(
                at,
                format!("unknown {} statistic `{}`", family.name(), shown(name)),
                hint(name, known),
            );
            return None;
        };
        also(row, item);
        let (least, most) = row.range;
        let what = if most.is_finite() {
            format!("a number from {least} to {most}")
        } else {
            format!("a number of at least {least}")
        };
        let threshold = item.number(&what, "a number such as 0.1", |x| (least..=most).contains(&x));
        Some((row.name, threshold?))
    }))
}
