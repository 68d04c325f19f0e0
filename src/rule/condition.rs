//! Conditions: CEL expressions over the measurements of one window.

mod doubles;
mod gate;
mod instead;
mod names;

use cel::common::ast::Expr;
use cel::{Context, ExecutionError, IdedExpr, Program, Value};

use crate::measurement::Measurement;
use crate::schema::{Field, Kind, Role};
use crate::stat::{Of, On};
use doubles::make_doubles;
use gate::{gates, of_coverage};
pub use names::Name;
use names::{Attribute, Walk};

/// A compiled condition.
///
/// `family.statistic` is the statistic's value for the subject at hand, so the condition is asked once for each subject
/// that has all the statistics it names in this way; `family.subject.statistic` is that of a fixed subject. Subjects are
/// fields; of `performance` and `estimate` they are the classes where there are several, and of `fairness` the
/// attributes. A statistic of a log as a whole is that of the log which carries the subject, or of each log if there is
/// no subject; one of all predictions together has no subject. Either may be followed by a field of the measurement, as
/// in `drift.ks.p_value`. `rows`, `coverage`, `subject`, `version`, `slice` and `model` are variables too. A value that
/// is undefined makes the condition unknown, unless the rest decides it alone.
///
/// An operand of the outermost `&&` that names `coverage` and nothing else is a gate: as long as too few labels have
/// come for it, the condition is unknown.
pub struct Condition {
    text: String,
    expression: IdedExpr,
    names: Vec<Name>,
    per: Per,
    gates: Vec<IdedExpr>,
}

/// For what a condition is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    /// Once a window.
    Window,
    /// For each log, where there are several.
    Log,
    Field,
    /// For each of several classes.
    Class,
    /// For each attribute by which groups are told apart.
    Attribute,
}

/// What there is to ask of.
#[derive(Clone, Debug, Default)]
pub struct Subjects<'a> {
    pub fields: &'a [Field],
    /// The classes that the model's answers are told apart by. A single one needs no name.
    pub classes: &'a [String],
    /// The subjects of the attributes by which groups are told apart.
    pub attributes: Vec<&'a str>,
}

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

impl std::fmt::Debug for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Condition({})", self.text)
    }
}

impl Condition {
    /// Compiles a condition over what a monitor measures.
    ///
    /// # Errors
    /// Everything that is wrong: the syntax, or each name that no measurement can have.
    pub fn parse(text: &str, subjects: &Subjects) -> Result<Condition, Vec<Fault>> {
        let program = compile(text)?;
        let Walk { names, faults, .. } = Walk::new(&program, subjects);
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut expression = program.expression().clone();
        make_doubles(&mut expression);
        let names: Vec<Name> = names.into_iter().collect();
        let whole = |(message, hint): (String, String)| vec![Fault { offset: 0, message, hint: Some(hint) }];
        let per = per(&names).map_err(whole)?;
        let condition = Condition { text: text.to_owned(), names, per, gates: gates(&expression), expression };
        if condition.is_per_subject() && condition.subjects(subjects).is_empty() {
            return Err(whole(condition.has_no_subject()));
        }
        match condition.rehearse() {
            Some(message) => Err(vec![Fault { offset: 0, message, hint: Some(EXAMPLE.to_owned()) }]),
            None => Ok(condition),
        }
    }

    /// Why there is nothing to ask it of, and what to do about it.
    fn has_no_subject(&self) -> (String, String) {
        match self.per {
            Per::Attribute => (
                format!("there are no groups for {}", listed(self.floating())),
                "write `fairness: {}`, and what is `protected` under `schema`".to_owned(),
            ),
            _ => has_none_at_once(self.floating()),
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
            let _ = context.add_variable("coverage", number);
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

    pub fn per(&self) -> Per {
        self.per
    }

    /// Whether it is asked for each subject, rather than once a window.
    pub fn is_per_subject(&self) -> bool {
        matches!(self.per, Per::Field | Per::Class | Per::Attribute)
    }

    /// Whether any of its figures is of predictions, or of what became of them.
    pub fn is_of_outcomes(&self) -> bool {
        self.names.iter().any(|name| name.on().outcomes().is_some())
    }

    /// Whether any of its figures changes as labels come.
    pub fn needs_labels(&self) -> bool {
        self.names.iter().any(Name::needs_labels)
    }

    /// The subjects that it is asked of, in their order; none where it is not asked of subjects.
    pub fn subjects<'a>(&self, known: &Subjects<'a>) -> Vec<&'a str> {
        match self.per {
            Per::Window | Per::Log => Vec::new(),
            Per::Field => {
                let is_of_all = |field: &&Field| self.floating().all(|name| applies(name.on(), field));
                known.fields.iter().filter(is_of_all).map(|field| field.subject.as_str()).collect()
            }
            Per::Class => known.classes.iter().map(String::as_str).collect(),
            Per::Attribute => known.attributes.clone(),
        }
    }

    fn floating(&self) -> impl Iterator<Item = &Name> + Clone {
        floating(&self.names)
    }

    /// Asks the condition of one window's measurements, all of one model, version and slice.
    ///
    /// `subject` is the one at hand; it is `""` for a condition that is not per subject, or the log for one that is per
    /// log. `log` is what the measurements of its log as a whole have as their subject. While labels may still come,
    /// a condition that needs them and has no gate of its own is unknown as long as fewer rows than `min_coverage` have
    /// theirs.
    pub fn ask(&self, measurements: &[Measurement], subject: &str, log: &str, min_coverage: f64) -> Verdict {
        let mut context = Context::default();
        let (mut undefined, mut coverage, mut is_provisional) = (None, None::<f64>, false);
        for name in &self.names {
            let found = measurements.iter().find(|measurement| name.means(measurement, subject, log));
            let Some(measurement) = found else { continue };
            coverage = coverage.into_iter().chain(measurement.coverage).reduce(f64::max);
            is_provisional |= measurement.provisional && name.needs_labels();
            if let (Attribute::Breached, Some(breached)) = (name.attribute, measurement.breached) {
                let _ = context.add_variable(name.text.as_str(), breached);
            }
            match name.attribute.number(measurement) {
                Some(number) => drop(context.add_variable(name.text.as_str(), number)),
                None => undefined = undefined.or(measurement.undefined.clone()),
            }
        }
        if let Some(coverage) = coverage {
            let _ = context.add_variable("coverage", coverage);
            let is_closed = |gate: &IdedExpr| Value::resolve(gate, &context).is_ok_and(|is| is == Value::Bool(false));
            let is_too_little = self.gates.is_empty() && is_provisional && coverage < min_coverage;
            if is_too_little || self.gates.iter().any(is_closed) {
                return Verdict::Unknown(of_coverage(coverage));
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

/// The names that are of the subject at hand.
fn floating(names: &[Name]) -> impl Iterator<Item = &Name> + Clone {
    names.iter().filter(|name| name.subject.is_none() && !name.on().is_log())
}

/// For what a condition with these names is asked.
///
/// # Errors
/// Why nothing can have all of them, and what to do about it.
fn per(names: &[Name]) -> Result<Per, (String, String)> {
    let of = |wanted: Of| names.iter().find(|name| name.on().outcomes().is_some_and(|asked| asked.of == wanted));
    if let (Some(group), Some(attribute)) = (of(Of::Group), of(Of::Attribute)) {
        let message = format!("`{}` is of one group, and `{}` of all together", group.text, attribute.text);
        return Err((message, "write an alert for each: a group is measured as a slice".to_owned()));
    }
    let per = |name: &Name| match name.on().outcomes().map(|asked| asked.of) {
        None => Per::Field,
        Some(Of::Class | Of::Rows) => Per::Class,
        Some(Of::Attribute | Of::Group) => Per::Attribute,
    };
    let mut floating_per = floating(names).map(per);
    match floating_per.next() {
        Some(first) if floating_per.all(|other| other == first) => Ok(first),
        Some(_) => Err(has_none_at_once(floating(names))),
        None if names.iter().any(|name| name.on().is_log()) => Ok(Per::Log),
        None => Ok(Per::Window),
    }
}

fn has_none_at_once<'a>(names: impl Iterator<Item = &'a Name>) -> (String, String) {
    (format!("no subject has {} at once", listed(names)), "write one alert for each kind of subject".to_owned())
}

fn listed<'a>(names: impl Iterator<Item = &'a Name>) -> String {
    names.map(|name| format!("`{}`", name.text)).collect::<Vec<_>>().join(" and ")
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
