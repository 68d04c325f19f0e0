//! Gates: the parts of a condition that say how many labels it takes to be judged at all.

use cel::IdedExpr;
use cel::common::ast::Expr;
use cel::common::ast::operators::LOGICAL_AND;

use super::qualified_name;

/// The operands of the outermost `&&` that name `coverage` and nothing else.
pub(super) fn gates(expression: &IdedExpr) -> Vec<IdedExpr> {
    match &expression.expr {
        Expr::Call(call) if call.func_name == LOGICAL_AND => call.args.iter().flat_map(gates).collect(),
        _ if names_only_coverage(expression) == Some(true) => vec![expression.clone()],
        _ => Vec::new(),
    }
}

/// Whether an expression names `coverage`; `None` when it names anything else.
fn names_only_coverage(node: &IdedExpr) -> Option<bool> {
    if let Some(segments) = qualified_name(&node.expr) {
        return (segments == ["coverage"]).then_some(true);
    }
    let parts: Vec<&IdedExpr> = match &node.expr {
        Expr::Literal(_) => Vec::new(),
        Expr::Call(call) => call.target.iter().map(|target| &**target).chain(&call.args).collect(),
        Expr::List(list) => list.elements.iter().collect(),
        _ => return None,
    };
    parts.into_iter().try_fold(false, |found, part| Some(names_only_coverage(part)? | found))
}

/// Why a condition is unknown when too few labels have come.
pub(super) fn of_coverage(coverage: f64) -> String {
    // Rounded down, what is less than was asked for does not look as if it were enough.
    let percent = (coverage * 100.0 + 1e-9).floor();
    format!("labels of {percent} % of the rows have come")
}
