//! Conditions: CEL expressions over the measurements of one window.

mod instead;

use std::collections::BTreeSet;

use cel::common::ast::operators::{ADD, DIVIDE, MULTIPLY, NEGATE, SUBSTRACT};
use cel::common::ast::{Expr, LiteralValue};
use cel::{Context, ExecutionError, IdedExpr, Program, Value};

use crate::measurement::{Family, Measurement};
use crate::schema::{Field, Kind, Role};
use crate::stat::{self, On};

/// A compiled condition.
///
/// `family.statistic` is the statistic's value for the subject at hand, so the condition is asked once for each subject
/// that has all the statistics it names in this way; `family.subject.statistic` is that of a fixed subject. A statistic
/// of a log as a whole is that of the log which carries the subject, or of each log if there is no subject. Either may
/// be followed by a field of the measurement, as in `drift.ks.p_value`. `rows`, `subject`, `version`, `slice` and
/// `model` are variables too. A value that is undefined makes the condition unknown, unless the rest decides it alone.
pub struct Condition {
    text: String,
    expression: IdedExpr,
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
    QValue,
    Low,
    High,
    ErrorBound,
    Detectable,
    Threshold,
    Breached,
    Rows,
}

const ATTRIBUTES: [(&str, Attribute); 10] = [
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
];

const VARIABLES: [&str; 5] = ["rows", "subject", "version", "slice", "model"];

const EXAMPLE: &str = "write for example `drift.psi > 0.2`";

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

impl Name {
    /// Whether a measurement is what is named, when this subject and its log are at hand.
    pub fn means(&self, measurement: &Measurement, subject: &str, log: &str) -> bool {
        let subject = self.subject.as_deref().unwrap_or(if is_of_log(self) { log } else { subject });
        measurement.family == self.family && measurement.statistic == self.statistic && measurement.subject == subject
    }
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
        let mut expression = program.expression().clone();
        make_doubles(&mut expression);
        let condition = Condition { text: text.to_owned(), names: names.into_iter().collect(), expression };
        if condition.is_per_subject() && !fields.iter().any(|field| condition.concerns(field)) {
            let statistics: Vec<_> = condition.floating().map(|name| format!("`{}`", name.text)).collect();
            return Err(vec![Fault {
                offset: 0,
                message: format!("no subject has {} at once", statistics.join(" and ")),
                hint: Some("write one alert for each kind of subject".to_owned()),
            }]);
        }
        match condition.rehearse() {
            Some(message) => Err(vec![Fault { offset: 0, message, hint: Some(EXAMPLE.to_owned()) }]),
            None => Ok(condition),
        }
    }

    /// Tries the condition on some numbers. Returns what is wrong if it is neither true nor false with any of them,
    /// because then it never would be.
    fn rehearse(&self) -> Option<String> {
        for (number, is_breached) in [(0.0, false), (0.5, true), (1e9, true), (-1.0, false)] {
            let mut context = Context::default();
            for name in &self.names {
                let _ = match name.attribute {
                    Attribute::Breached => context.add_variable(name.text.as_str(), is_breached),
                    _ => context.add_variable(name.text.as_str(), number),
                };
            }
            let _ = context.add_variable("rows", number);
            for name in ["subject", "version", "slice", "model"] {
                let _ = context.add_variable(name, "");
            }
            match Value::resolve(&self.expression, &context) {
                Ok(Value::Bool(_)) => {}
                Ok(_) => return Some("the condition is neither true nor false".to_owned()),
                // These come of the values and not of their kinds.
                Err(
                    ExecutionError::DivisionByZero(_)
                    | ExecutionError::RemainderByZero(_)
                    | ExecutionError::Overflow(..)
                    | ExecutionError::IndexOutOfBounds(_)
                    | ExecutionError::NoSuchKey(_),
                ) => {}
                Err(error) => return Some(format!("the condition cannot be computed: {error}")),
            }
        }
        None
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn names(&self) -> &[Name] {
        &self.names
    }

    /// Whether it names a figure that changes as labels come.
    pub fn needs_labels(&self) -> bool {
        let needs = |name: &Name| stat::find(name.family, name.statistic)?.on.outcomes().map(|asked| asked.needs);
        self.names.iter().any(|name| needs(name) == Some(stat::Needs::Labels))
    }

    /// Whether it is asked for each subject, rather than once a window.
    pub fn is_per_subject(&self) -> bool {
        self.floating().next().is_some()
    }

    /// Whether it is asked for each log, where there are several, rather than once a window.
    pub fn is_per_log(&self) -> bool {
        !self.is_per_subject() && self.names.iter().any(is_of_log)
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
    /// `subject` is the one at hand; it is `""` for a condition that is not per subject, or the log for one that is per
    /// log. `log` is what the measurements of its log as a whole have as their subject.
    pub fn ask(&self, measurements: &[Measurement], subject: &str, log: &str) -> Verdict {
        let mut context = Context::default();
        let mut undefined = None;
        for name in &self.names {
            let found = measurements.iter().find(|measurement| name.means(measurement, subject, log));
            let Some(measurement) = found else { continue };
            let number = match name.attribute {
                Attribute::Value => measurement.value,
                Attribute::PValue => measurement.p_value,
                Attribute::QValue => measurement.q_value,
                Attribute::Low => measurement.low,
                Attribute::High => measurement.high,
                Attribute::ErrorBound => measurement.error_bound,
                Attribute::Detectable => measurement.detectable,
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
            let of_log = measurements.iter().filter(|m| m.subject == log).map(|m| m.rows);
            let rows = of_log.max().or(measurements.iter().map(|m| m.rows).max()).unwrap_or(0);
            let _ = context.add_variable("rows", rows as f64);
            let _ = context.add_variable("subject", subject);
            let _ = context.add_variable("version", first.version.as_str());
            let _ = context.add_variable("slice", first.slice.as_str());
            let _ = context.add_variable("model", first.model.as_str());
        }
        match Value::resolve(&self.expression, &context) {
            Ok(Value::Bool(true)) => Verdict::Holds,
            Ok(Value::Bool(false)) => Verdict::Fails,
            Ok(_) => Verdict::Unknown("the condition is neither true nor false".to_owned()),
            Err(error) => Verdict::Unknown(undefined.unwrap_or_else(|| error.to_string())),
        }
    }
}

/// Whether a statistic is of the log as a whole.
fn is_of_log(name: &Name) -> bool {
    stat::find(name.family, name.statistic).is_some_and(|row| row.on.is_log())
}

/// Whether a statistic is measured of a field.
pub fn applies(on: On, field: &Field) -> bool {
    let measured = !matches!(field.role, Role::Latency | Role::Error);
    match on {
        On::Log | On::Attributions | On::Outcomes(_) => false,
        On::Field => measured,
        On::Numeric => measured && field.kind.is_numeric(),
        On::Categorical => measured && field.kind == Kind::Categorical,
        On::Valued => measured && (field.kind.is_numeric() || field.kind == Kind::Categorical),
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
            Fault { offset, message, hint: Some(EXAMPLE.to_owned()) }
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
        // A subject may itself have dots, and the longest one that fits is meant.
        let subjects = (1..=rest.len()).rev().map(|taken| (taken, rest[..taken].join(".")));
        let found = subjects.into_iter().find_map(|(taken, name)| {
            self.fields.iter().find(|field| field.subject == name).map(|field| (field, taken))
        });
        let Some((field, taken)) = found else {
            let known = statistics().chain(self.fields.iter().map(|field| field.subject.clone())).collect();
            return Err((format!("`{second}` is neither a statistic of `{first}` nor a subject"), known));
        };
        let fitting = |row: &&&stat::Statistic| row.family == family && applies(row.on, field);
        let known = || stat::ALL.iter().filter(fitting).map(|row| row.name.to_owned()).collect();
        let subject = &field.subject;
        match rest.get(taken).map(|name| (name, stat::find(family, name))) {
            Some((_, Some(row))) if applies(row.on, field) => {
                Ok(Some((family, Some(subject.clone()), row.name, attribute(&rest[taken + 1..])?)))
            }
            Some((name, _)) => Err((format!("`{subject}` has no `{first}` statistic `{name}`"), known())),
            None => Err((format!("`{first}.{subject}` needs a statistic"), known())),
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

/// Makes doubles of the whole numbers that are reckoned with together with measured ones, since CEL has no `psi * 2`
/// but only `psi * 2.0`. Returns whether the expression is such a number.
fn make_doubles(node: &mut IdedExpr) -> bool {
    if let Some(segments) = qualified_name(&node.expr) {
        return segments.len() > 1 || segments[0] == "rows";
    }
    match &mut node.expr {
        Expr::Literal(LiteralValue::Double(_)) => true,
        Expr::Call(call) if [ADD, SUBSTRACT, MULTIPLY, DIVIDE, NEGATE].contains(&call.func_name.as_str()) => {
            let mut is_double = false;
            for argument in &mut call.args {
                is_double |= make_doubles(argument);
            }
            if is_double {
                call.args.iter_mut().for_each(make_double);
            }
            is_double
        }
        Expr::Call(call) => {
            for part in call.target.iter_mut().map(|target| &mut **target).chain(&mut call.args) {
                make_doubles(part);
            }
            false
        }
        Expr::List(list) => {
            for element in &mut list.elements {
                make_doubles(element);
            }
            false
        }
        Expr::Comprehension(inner) => {
            make_doubles(&mut inner.iter_range);
            make_doubles(&mut inner.loop_step);
            false
        }
        _ => false,
    }
}

/// Makes doubles of the whole numbers in a sum or product.
fn make_double(node: &mut IdedExpr) {
    match &mut node.expr {
        Expr::Literal(literal) => {
            if let LiteralValue::Int(whole) = literal {
                *literal = LiteralValue::Double((*whole.inner() as f64).into());
            }
        }
        Expr::Call(call) if [ADD, SUBSTRACT, MULTIPLY, DIVIDE, NEGATE].contains(&call.func_name.as_str()) => {
            call.args.iter_mut().for_each(make_double);
        }
        _ => {}
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
