//! The names in a condition, and the measurements that they mean.

use std::collections::BTreeSet;

use cel::common::ast::Expr;
use cel::{IdedExpr, Program};

use super::{Fault, Subjects, applies, qualified_name};
use crate::measurement::{Family, Measurement};
use crate::stat::{self, Needs, Of, On, Statistic};

/// A measurement's field that a condition names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// As it is written.
    pub text: String,
    pub family: Family,
    /// `None` for the subject at hand.
    pub subject: Option<String>,
    pub statistic: &'static str,
    pub(super) attribute: Attribute,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Attribute {
    Value,
    PValue,
    QValue,
    Low,
    High,
    ErrorBound,
    Detectable,
    Threshold,
    Breached,
    Rows,
    Coverage,
}

const ATTRIBUTES: [(&str, Attribute); 11] = [
    ("value", Attribute::Value),
    ("p_value", Attribute::PValue),
    ("q_value", Attribute::QValue),
    ("low", Attribute::Low),
    ("high", Attribute::High),
    ("error_bound", Attribute::ErrorBound),
    ("detectable", Attribute::Detectable),
    ("threshold", Attribute::Threshold),
    ("breached", Attribute::Breached),
    ("rows", Attribute::Rows),
    ("coverage", Attribute::Coverage),
];

const VARIABLES: [&str; 6] = ["rows", "coverage", "subject", "version", "slice", "model"];

impl Attribute {
    /// What a measurement has of it, if that is a number.
    pub fn number(self, measurement: &Measurement) -> Option<f64> {
        match self {
            Attribute::Value => measurement.value,
            Attribute::PValue => measurement.p_value,
            Attribute::QValue => measurement.q_value,
            Attribute::Low => measurement.low,
            Attribute::High => measurement.high,
            Attribute::ErrorBound => measurement.error_bound,
            Attribute::Detectable => measurement.detectable,
            Attribute::Threshold => measurement.threshold,
            Attribute::Rows => Some(measurement.rows as f64),
            Attribute::Coverage => measurement.coverage,
            Attribute::Breached => None,
        }
    }
}

impl Name {
    /// Whether a measurement is what is named, when this subject and its log are at hand.
    pub fn means(&self, measurement: &Measurement, subject: &str, log: &str) -> bool {
        let subject = self.subject.as_deref().unwrap_or(if self.on().is_log() { log } else { subject });
        measurement.family == self.family && measurement.statistic == self.statistic && measurement.subject == subject
    }

    /// What its statistic applies to.
    pub fn on(&self) -> On {
        // A name is made of a statistic that there is.
        stat::find(self.family, self.statistic).map_or(On::Log, |row| row.on)
    }

    pub(super) fn needs_labels(&self) -> bool {
        needs_labels(self.on())
    }
}

fn needs_labels(on: On) -> bool {
    on.outcomes().is_some_and(|asked| asked.needs == Needs::Labels)
}

/// Collects the names in an expression.
pub(super) struct Walk<'a> {
    program: &'a Program,
    subjects: &'a Subjects<'a>,
    pub names: BTreeSet<Name>,
    pub faults: Vec<Fault>,
    /// Where `coverage` is first named.
    coverage: Option<usize>,
}

/// What a name is of: its statistic, the subject unless that is the one at hand, and what of the measurement.
type Resolved = (&'static Statistic, Option<String>, Attribute);

/// What is wrong with a name, and what could stand there.
type Wrong = (String, Vec<String>);

impl<'a> Walk<'a> {
    pub fn new(program: &'a Program, subjects: &'a Subjects<'a>) -> Walk<'a> {
        let (names, faults) = (BTreeSet::new(), Vec::new());
        let mut walk = Walk { program, subjects, names, faults, coverage: None };
        walk.expression(program.expression(), &mut Vec::new());
        if let Some(offset) = walk.coverage.filter(|_| walk.faults.is_empty())
            && !walk.names.iter().any(Name::needs_labels)
        {
            let message = "`coverage` is of figures that need labels, and no such figure is named".to_owned();
            let hint = Some("write for example `performance.coverage > 0.9`".to_owned());
            walk.faults.push(Fault { offset, message, hint });
        }
        walk
    }

    /// `bound` are the variables of the macros around (`all`, `exists` and so on).
    fn expression(&mut self, node: &IdedExpr, bound: &mut Vec<String>) {
        if let Some(segments) = qualified_name(&node.expr) {
            if !bound.contains(&segments[0]) {
                self.name(node, &segments);
            }
            return;
        }
        match &node.expr {
            Expr::Call(call) => {
                call.target.iter().for_each(|target| self.expression(target, bound));
                call.args.iter().for_each(|argument| self.expression(argument, bound));
            }
            Expr::List(list) => list.elements.iter().for_each(|element| self.expression(element, bound)),
            Expr::Select(select) => self.expression(&select.operand, bound),
            Expr::Comprehension(inner) => {
                self.expression(&inner.iter_range, bound);
                let outside = bound.len();
                bound.extend([inner.iter_var.clone(), inner.accu_var.clone()]);
                for part in [&inner.accu_init, &inner.loop_cond, &inner.loop_step, &inner.result] {
                    self.expression(part, bound);
                }
                bound.truncate(outside);
            }
            _ => {}
        }
    }

    fn name(&mut self, node: &IdedExpr, segments: &[String]) {
        let text = segments.join(".");
        match self.resolve(segments) {
            Ok(Some((row, subject, attribute))) => {
                self.names.insert(Name { text, family: row.family, subject, statistic: row.name, attribute });
            }
            Ok(None) if text == "coverage" => {
                let offset = self.offset(node);
                self.coverage.get_or_insert(offset);
            }
            Ok(None) => {}
            Err((message, known)) => {
                let offset = self.offset(node);
                let hint = (!known.is_empty()).then(|| format!("known: {}", known.join(", ")));
                self.faults.push(Fault { offset, message, hint });
            }
        }
    }

    /// Where a name begins; of the nodes of `a.b.c`, only that of `a` says so.
    fn offset(&self, mut node: &IdedExpr) -> usize {
        while let Expr::Select(select) = &node.expr {
            node = &select.operand;
        }
        self.program.source_info().offset_for(node.id).map_or(0, |(start, _)| start as usize)
    }

    /// The measurement that is named; `None` for a variable.
    fn resolve(&self, segments: &[String]) -> Result<Option<Resolved>, Wrong> {
        let first = segments[0].as_str();
        if segments.len() == 1 && VARIABLES.contains(&first) {
            return Ok(None);
        }
        let Some(family) = Family::ALL.into_iter().find(|family| family.name() == first) else {
            let known = Family::ALL.iter().map(|family| format!("{}.…", family.name()));
            return Err((format!("unknown name `{first}`"), known.chain(VARIABLES.map(str::to_owned)).collect()));
        };
        let statistics = || stat::ALL.iter().filter(|row| row.family == family).map(|row| row.name.to_owned());
        let rest: Vec<&str> = segments[1..].iter().map(String::as_str).collect();
        let Some(&second) = rest.first() else {
            return Err((format!("`{first}` needs a statistic"), statistics().collect()));
        };
        let subjects = self.subjects_of(family);
        // A class may have the name of a statistic, which then has another statistic after it.
        let is_statistic = |name: &&str| stat::find(family, name).is_some();
        let is_subject = subjects.contains(&second) && rest.get(1).is_some_and(is_statistic);
        if let Some(row) = stat::find(family, second).filter(|_| !is_subject) {
            return Ok(Some((row, self.unnamed(row.on), attribute(row, &rest[1..])?)));
        }
        // A subject may itself have dots, and the longest one that fits is meant.
        let found = (1..=rest.len()).rev().find_map(|taken| {
            let name = rest[..taken].join(".");
            subjects.iter().find(|subject| **subject == name).map(|subject| (*subject, taken))
        });
        let Some((subject, taken)) = found else {
            let known = statistics().chain(subjects.into_iter().map(str::to_owned)).collect();
            return Err((format!("`{second}` is neither a statistic of `{first}` nor a subject"), known));
        };
        let fits = |row: &Statistic| row.family == family && self.has(subject, row.on);
        let known = || stat::ALL.iter().filter(|row| fits(row)).map(|row| row.name.to_owned()).collect();
        match rest.get(taken).map(|name| (name, stat::find(family, name))) {
            Some((_, Some(row))) if fits(row) => {
                // Where there is one class that matters, what is of it is of the rows.
                let subject = self.unnamed(row.on).unwrap_or_else(|| subject.to_owned());
                Ok(Some((row, Some(subject), attribute(row, &rest[taken + 1..])?)))
            }
            Some((name, _)) => Err((format!("`{subject}` has no `{first}` statistic `{name}`"), known())),
            None => Err((format!("`{first}.{subject}` needs a statistic"), known())),
        }
    }

    /// The subjects that statistics of a family have.
    fn subjects_of(&self, family: Family) -> Vec<&'a str> {
        match family {
            Family::Performance | Family::Estimate => self.subjects.classes.iter().map(String::as_str).collect(),
            Family::Fairness => self.subjects.attributes.clone(),
            _ => self.subjects.fields.iter().map(|field| field.subject.as_str()).collect(),
        }
    }

    /// Whether a statistic is measured of a subject.
    fn has(&self, subject: &str, on: On) -> bool {
        match on.outcomes().map(|asked| asked.of) {
            Some(Of::Rows) => false,
            Some(Of::Class) => self.subjects.classes.iter().any(|class| class == subject),
            Some(Of::Attribute | Of::Group) => self.subjects.attributes.contains(&subject),
            None => self.subjects.fields.iter().any(|field| field.subject == subject && applies(on, field)),
        }
    }

    /// The subject of a statistic that is named without one, where that is not the one at hand.
    fn unnamed(&self, on: On) -> Option<String> {
        let is_of_rows = match on.outcomes()?.of {
            Of::Rows => true,
            Of::Class => self.subjects.classes.len() < 2,
            Of::Attribute | Of::Group => false,
        };
        is_of_rows.then(String::new)
    }
}

/// What of a measurement the rest of a name means.
fn attribute(row: &Statistic, rest: &[&str]) -> Result<Attribute, Wrong> {
    let known = || ATTRIBUTES.iter().map(|(name, _)| (*name).to_owned()).collect();
    match rest {
        [] => Ok(Attribute::Value),
        [one] => match ATTRIBUTES.iter().find(|(name, _)| name == one) {
            Some((_, Attribute::Coverage)) if !needs_labels(row.on) => {
                Err((format!("`{}` needs no labels, so it has no `coverage`", row.name), Vec::new()))
            }
            Some((_, attribute)) => Ok(*attribute),
            None => Err((format!("a measurement has no `{one}`"), known())),
        },
        [_, more, ..] => Err((format!("nothing can follow with `{more}`"), known())),
    }
}
