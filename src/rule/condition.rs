//! Conditions: CEL expressions over the measurements of one window.

use std::collections::BTreeSet;

use cel::common::ast::Expr;
use cel::{Context, IdedExpr, Program};

use crate::measurement::{Family, Measurement};
use crate::schema::{Field, Kind, Role};
use crate::stat::{self, On};

/// A compiled condition.
///
/// `family.statistic` is the statistic's value for the subject at hand, so the condition is asked once for each subject
/// that has all the statistics it names in this way; `family.subject.statistic` is that of a fixed subject. Either may
/// be followed by a field of the measurement, as in `drift.ks.p_value`. `rows`, `subject`, `version` and `model` are
/// variables too. A value that is undefined makes the condition unknown, unless the rest decides it alone.
pub struct Condition {
    text: String,
    program: Program,
    names: Vec<Name>,
}

/// A measurement's field that a condition names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// As it is written.
    pub text: String,
    pub family: Family,
    /// `None` for the subject at hand.
    pub subject: Option<String>,
    pub statistic: &'static str,
    attribute: Attribute,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Attribute {
    Value,
    PValue,
    Low,
    High,
    ErrorBound,
    Threshold,
    Breached,
    Rows,
}

const ATTRIBUTES: [(&str, Attribute); 8] = [
    ("value", Attribute::Value),
    ("p_value", Attribute::PValue),
    ("low", Attribute::Low),
    ("high", Attribute::High),
    ("error_bound", Attribute::ErrorBound),
    ("threshold", Attribute::Threshold),
    ("breached", Attribute::Breached),
    ("rows", Attribute::Rows),
];

const VARIABLES: [&str; 4] = ["rows", "subject", "version", "model"];

/// What is wrong with a condition, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Bytes into the text.
    pub offset: usize,
    pub message: String,
    pub hint: Option<String>,
}

/// What a condition says of a window.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    Holds,
    Fails,
    /// It needs a number that is undefined, for this reason.
    Unknown(String),
}

impl std::fmt::Debug for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Condition({})", self.text)
    }
}

impl Condition {
    /// Compiles a condition over a monitor's fields.
    ///
    /// # Errors
    /// Everything that is wrong: the syntax, or each name that no measurement can have.
    pub fn parse(text: &str, fields: &[Field]) -> Result<Condition, Vec<Fault>> {
        let program = compile(text)?;
        let mut walk = Walk { program: &program, fields, names: BTreeSet::new(), faults: Vec::new() };
        walk.expression(program.expression(), &mut Vec::new());
        let (names, faults) = (walk.names, walk.faults);
        if !faults.is_empty() {
            return Err(faults);
        }
        let condition = Condition { text: text.to_owned(), names: names.into_iter().collect(), program };
        if condition.is_per_subject() && !fields.iter().any(|field| condition.concerns(field)) {
            let statistics: Vec<_> = condition.floating().map(|name| format!("`{}`", name.text)).collect();
            return Err(vec![Fault {
                offset: 0,
                message: format!("no subject has {} at once", statistics.join(" and ")),
                hint: Some("write one alert for each kind of subject".to_owned()),
            }]);
        }
        Ok(condition)
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn names(&self) -> &[Name] {
        &self.names
    }

    /// Whether it is asked for each subject, rather than once a window.
    pub fn is_per_subject(&self) -> bool {
        self.floating().next().is_some()
    }

    /// Whether it is to be asked for a subject.
    pub fn concerns(&self, field: &Field) -> bool {
        self.floating().all(|name| stat::find(name.family, name.statistic).is_some_and(|row| applies(row.on, field)))
    }

    fn floating(&self) -> impl Iterator<Item = &Name> {
        self.names.iter().filter(|name| name.subject.is_none() && !is_of_log(name))
    }

    /// Asks the condition of one window's measurements, all of one model, version and slice.
    ///
    /// `subject` is the one at hand; it must be `""` for a condition that is not per subject.
    pub fn ask(&self, measurements: &[Measurement], subject: &str) -> Verdict {
        let mut context = Context::default();
        let mut undefined = None;
        for name in &self.names {
            let subject = name.subject.as_deref().unwrap_or(if is_of_log(name) { "" } else { subject });
            let found = measurements
                .iter()
                .find(|m| m.family == name.family && m.statistic == name.statistic && m.subject == subject);
            let Some(measurement) = found else { continue };
            let number = match name.attribute {
                Attribute::Value => measurement.value,
                Attribute::PValue => measurement.p_value,
                Attribute::Low => measurement.low,
                Attribute::High => measurement.high,
                Attribute::ErrorBound => measurement.error_bound,
                Attribute::Threshold => measurement.threshold,
                Attribute::Rows => Some(measurement.rows as f64),
                Attribute::Breached => {
                    if let Some(breached) = measurement.breached {
                        let _ = context.add_variable(name.text.as_str(), breached);
                    }
                    None
                }
            };
            match number {
                Some(number) => drop(context.add_variable(name.text.as_str(), number)),
                None => undefined = undefined.or(measurement.undefined.clone()),
            }
        }
        if let Some(first) = measurements.first() {
            let rows = measurements.iter().map(|m| m.rows).max().unwrap_or(0);
            let _ = context.add_variable("rows", rows as f64);
            let _ = context.add_variable("subject", subject);
            let _ = context.add_variable("version", first.version.as_str());
            let _ = context.add_variable("model", first.model.as_str());
        }
        match self.program.execute(&context) {
            Ok(cel::Value::Bool(true)) => Verdict::Holds,
            Ok(cel::Value::Bool(false)) => Verdict::Fails,
            Ok(_) => Verdict::Unknown("the condition is neither true nor false".to_owned()),
            Err(error) => Verdict::Unknown(undefined.unwrap_or_else(|| error.to_string())),
        }
    }
}

/// Whether a statistic is of the log as a whole.
fn is_of_log(name: &Name) -> bool {
    stat::find(name.family, name.statistic).is_some_and(|row| row.on == On::Log)
}

/// Whether a statistic is measured of a field.
pub fn applies(on: On, field: &Field) -> bool {
    let measured = matches!(field.role, Role::Feature | Role::Score | Role::Prediction);
    match on {
        On::Log => false,
        On::Field => measured,
        On::Numeric => measured && field.kind == Kind::Numeric,
        On::Categorical => measured && field.kind == Kind::Categorical,
        On::Valued => measured && matches!(field.kind, Kind::Numeric | Kind::Categorical),
        On::Latency => field.role == Role::Latency,
        On::Flag => field.role == Role::Error,
    }
}

fn compile(text: &str) -> Result<Program, Vec<Fault>> {
    // The grammar is recursive; a condition that a person wrote is short.
    const LONGEST: usize = 4096;
    if text.len() > LONGEST {
        return Err(vec![Fault { offset: 0, message: "the condition is too long".to_owned(), hint: None }]);
    }
    Program::compile(text).map_err(|errors| {
        let fault = |error: &cel::ParseError| {
            let line_start: usize =
                text.split_inclusive('\n').take((error.pos.0.max(1) - 1) as usize).map(str::len).sum();
            let offset = (line_start + (error.pos.1.max(1) - 1) as usize).min(text.len());
            let message = format!("not a CEL expression: {}", error.msg);
            Fault { offset, message, hint: Some("write for example `drift.psi > 0.2`".to_owned()) }
        };
        errors.errors.iter().map(fault).collect()
    })
}

/// Collects the names in an expression.
struct Walk<'a> {
    program: &'a Program,
    fields: &'a [Field],
    names: BTreeSet<Name>,
    faults: Vec<Fault>,
}

impl Walk<'_> {
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
            Ok(None) => {}
            Ok(Some((family, subject, statistic, attribute))) => {
                self.names.insert(Name { text, family, subject, statistic, attribute });
            }
            Err((message, known)) => {
                let offset = self.program.source_info().offset_for(node.id).map_or(0, |(start, _)| start as usize);
                let hint = (!known.is_empty()).then(|| format!("known: {}", known.join(", ")));
                self.faults.push(Fault { offset, message, hint });
            }
        }
    }

    #[allow(clippy::type_complexity, reason = "the parts of one name, taken apart by its only caller")]
    fn resolve(
        &self,
        segments: &[String],
    ) -> Result<Option<(Family, Option<String>, &'static str, Attribute)>, (String, Vec<String>)> {
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
        if let Some(row) = stat::find(family, second) {
            return Ok(Some((family, None, row.name, attribute(&rest[1..])?)));
        }
        let Some(field) = self.fields.iter().find(|field| field.subject == second) else {
            let known = statistics().chain(self.fields.iter().map(|field| field.subject.clone())).collect();
            return Err((format!("`{second}` is neither a statistic of `{first}` nor a subject"), known));
        };
        let fitting = |row: &&&stat::Statistic| row.family == family && applies(row.on, field);
        let known = || stat::ALL.iter().filter(fitting).map(|row| row.name.to_owned()).collect();
        match rest.get(1).map(|name| (name, stat::find(family, name))) {
            Some((_, Some(row))) if applies(row.on, field) => {
                Ok(Some((family, Some(second.to_owned()), row.name, attribute(&rest[2..])?)))
            }
            Some((name, _)) => Err((format!("`{second}` has no `{first}` statistic `{name}`"), known())),
            None => Err((format!("`{first}.{second}` needs a statistic"), known())),
        }
    }
}

fn attribute(rest: &[&str]) -> Result<Attribute, (String, Vec<String>)> {
    let known = || ATTRIBUTES.iter().map(|(name, _)| (*name).to_owned()).collect();
    match rest {
        [] => Ok(Attribute::Value),
        [one] => match ATTRIBUTES.iter().find(|(name, _)| name == one) {
            Some((_, attribute)) => Ok(*attribute),
            None => Err((format!("a measurement has no `{one}`"), known())),
        },
        [_, more, ..] => Err((format!("nothing can follow with `{more}`"), known())),
    }
}

/// The segments of `a.b.c`; `None` for anything that is not a name.
fn qualified_name(mut expression: &Expr) -> Option<Vec<String>> {
    let mut segments = Vec::new();
    loop {
        match expression {
            Expr::Ident(name) => {
                segments.push(name.clone());
                segments.reverse();
                return Some(segments);
            }
            Expr::Select(select) if !select.test => {
                segments.push(select.field.clone());
                expression = &select.operand.expr;
            }
            _ => return None,
        }
    }
}
