//! A condition with another number in it, to see what it would have said.

use cel::IdedExpr;
use cel::common::ast::operators::{GREATER, GREATER_EQUALS, LESS, LESS_EQUALS};
use cel::common::ast::{Expr, LiteralValue};

use super::{Condition, gates, qualified_name};

impl Condition {
    /// The same condition with this number wherever the name, written as in `drift.psi` or `drift.score.ks.p_value`, is
    /// compared with a number; `None` where it is not.
    pub fn with_number(&self, name: &str, number: f64) -> Option<Condition> {
        let mut expression = self.expression.clone();
        let changed = replace(&mut expression, name.strip_suffix(".value").unwrap_or(name), number);
        let (text, names, per) = (self.text.clone(), self.names.clone(), self.per);
        changed.then(|| Condition { text, names, per, gates: gates(&expression), expression })
    }
}

/// Returns whether anything was replaced.
fn replace(node: &mut IdedExpr, name: &str, number: f64) -> bool {
    match &mut node.expr {
        Expr::Call(call) => {
            let compares = [LESS, LESS_EQUALS, GREATER, GREATER_EQUALS].contains(&call.func_name.as_str());
            if let (true, [left, right]) = (compares, call.args.as_mut_slice()) {
                let literal = if is_named(left, name) {
                    right
                } else if is_named(right, name) {
                    left
                } else {
                    return false;
                };
                let is_number = matches!(
                    literal.expr,
                    Expr::Literal(LiteralValue::Int(_) | LiteralValue::UInt(_) | LiteralValue::Double(_))
                );
                if is_number {
                    literal.expr = Expr::Literal(LiteralValue::Double(number.into()));
                }
                return is_number;
            }
            let parts = call.target.iter_mut().map(|target| &mut **target).chain(&mut call.args);
            parts.fold(false, |changed, part| replace(part, name, number) | changed)
        }
        Expr::List(list) => list.elements.iter_mut().fold(false, |changed, part| replace(part, name, number) | changed),
        Expr::Comprehension(inner) => {
            let parts = [&mut inner.iter_range, &mut inner.loop_step, &mut inner.result];
            parts.into_iter().fold(false, |changed, part| replace(part, name, number) | changed)
        }
        _ => false,
    }
}

fn is_named(node: &IdedExpr, name: &str) -> bool {
    qualified_name(&node.expr).is_some_and(|segments| {
        let text = segments.join(".");
        text.strip_suffix(".value").unwrap_or(&text) == name
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement::{Family, Measurement};
    use crate::rule::condition::{Subjects, Verdict};
    use crate::schema::{Field, Kind, Path, Role};

    fn measured(psi: f64) -> Vec<Measurement> {
        let income = Measurement::new(Family::Drift, "income", "psi");
        vec![Measurement { value: Some(psi), p_value: Some(0.01), ..income }]
    }

    #[track_caller]
    fn check(text: &str, name: &str, number: f64, expected: Option<Verdict>) {
        let (path, kind, role) = (Path("income".into()), Kind::Numeric, Role::Feature);
        let field = Field { subject: "income".into(), path, kind, role, scale: 1.0, disguise: None };
        let condition =
            Condition::parse(text, &Subjects { fields: &[field], ..Subjects::default() }).expect("a condition");
        let changed = condition.with_number(name, number);
        assert_eq!(changed.map(|condition| condition.ask(&measured(0.3), "income", "", 0.0)), expected, "{text}");
    }

    #[test]
    fn the_number_that_a_name_is_compared_with_is_another() {
        use Verdict::{Fails, Holds};
        check("drift.psi > 0.2", "drift.psi", 0.4, Some(Fails));
        check("drift.psi.value > 0.5", "drift.psi", 0.1, Some(Holds));
        check("0 < drift.psi", "drift.psi", 0.4, Some(Fails));
        check("!(drift.psi >= 1) && drift.psi.p_value < 0.001", "drift.psi", 0.3, Some(Fails));
        check("drift.psi > 0.2 && drift.psi.p_value < 0.001", "drift.psi.p_value", 0.05, Some(Holds));
        check("drift.income.psi > 0.5 || drift.psi > 0.5", "drift.income.psi", 0.2, Some(Holds));
        // These are not the name, or not compared with a number.
        check("drift.income.psi > 0.2", "drift.psi", 0.4, None);
        check("drift.psi * 2 > 0.2", "drift.psi", 0.4, None);
        check("drift.psi > drift.psi.p_value", "drift.psi", 0.4, None);
    }
}
