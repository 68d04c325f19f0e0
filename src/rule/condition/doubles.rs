//! Whole numbers made doubles where they are reckoned with together with measured ones.

use cel::IdedExpr;
use cel::common::ast::operators::{ADD, DIVIDE, MULTIPLY, NEGATE, SUBSTRACT};
use cel::common::ast::{Expr, LiteralValue};

use super::qualified_name;

/// Makes doubles of the whole numbers that are reckoned with together with measured ones, since CEL has no `psi * 2`
/// but only `psi * 2.0`. Returns whether the expression is such a number.
pub(super) fn make_doubles(node: &mut IdedExpr) -> bool {
    if let Some(segments) = qualified_name(&node.expr) {
        return segments.len() > 1 || ["rows", "coverage"].contains(&segments[0].as_str());
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
