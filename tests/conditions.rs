//! What conditions say of measurements, and what is said of conditions that are wrong.

use tidegauge::measurement::{Family, Measurement};
use tidegauge::rule::condition::{Condition, Verdict};
use tidegauge::schema::{Field, Kind, Path, Role};
use tidegauge::time::Time;

fn fields() -> Vec<Field> {
    let field = |subject: &str, kind, role| Field {
        subject: subject.into(),
        path: Path(subject.into()),
        kind,
        role,
        scale: 1.0,
        disguise: None,
    };
    vec![
        field("income", Kind::Numeric, Role::Feature),
        field("purpose", Kind::Categorical, Role::Feature),
        field("loan.term", Kind::Numeric, Role::Feature),
        field("latency", Kind::Numeric, Role::Latency),
    ]
}

fn measured(subject: &str, family: Family, statistic: &str, value: Option<f64>) -> Measurement {
    Measurement {
        model: "credit".into(),
        version: "3".into(),
        window_start: Time(0),
        window_end: Time(60_000),
        rows: 200,
        value,
        undefined: value.is_none().then(|| "too few rows: 200 of 500".into()),
        threshold: Some(0.2),
        breached: value.map(|value| value > 0.2),
        ..Measurement::new(family, subject, statistic)
    }
}

/// A window in which the income drifted, the purpose did not, and the KS of the income is not known.
fn window() -> Vec<Measurement> {
    let significant =
        Measurement { p_value: Some(1e-9), ..measured("income", Family::Drift, "wasserstein", Some(3.0)) };
    vec![
        measured("", Family::Telemetry, "rows", Some(200.0)),
        measured("", Family::Telemetry, "rows_per_second", Some(2.0)),
        measured("income", Family::Quality, "null_rate", Some(0.0)),
        measured("income", Family::Drift, "psi", Some(0.5)),
        measured("income", Family::Drift, "ks", None),
        significant,
        measured("purpose", Family::Quality, "null_rate", Some(0.25)),
        measured("purpose", Family::Drift, "psi", Some(0.125)),
    ]
}

#[derive(Debug, PartialEq)]
enum Says {
    Yes,
    No,
    Unknown,
}
use Says::{No, Unknown, Yes};

#[track_caller]
fn check(text: &str, subject: &str, expected: Says) {
    let condition = Condition::parse(text, &fields()).unwrap_or_else(|faults| panic!("{text}: {faults:?}"));
    assert_eq!(condition.is_per_subject(), !subject.is_empty(), "{text}");
    let verdict = condition.ask(&window(), subject, "");
    let says = match &verdict {
        Verdict::Holds => Yes,
        Verdict::Fails => No,
        Verdict::Unknown(_) => Unknown,
    };
    assert_eq!(says, expected, "{text}: {verdict:?}");
}

#[test]
fn numbers_compare_whether_they_are_written_whole_or_not() {
    check("telemetry.rows > 100", "", Yes);
    check("telemetry.rows >= 200.0", "", Yes);
    check("telemetry.rows == 200", "", Yes);
    check("telemetry.rows < 200", "", No);
    check("rows == 200 && rows != 200.5", "", Yes);
    check("telemetry.rows in [100, 200]", "", Yes);
    check("quality.null_rate == 0", "income", Yes);
    check("quality.null_rate > 0", "purpose", Yes);
    check("drift.psi > 0.2", "income", Yes);
    check("drift.psi > 0.2", "purpose", No);
    check("drift.psi > -1", "purpose", Yes);
}

#[test]
fn numbers_can_be_reckoned_with_whether_they_are_written_whole_or_not() {
    check("drift.psi * 2.0 > 0.9", "income", Yes);
    check("drift.psi * 2 > 0.9", "income", Yes);
    check("telemetry.rows / 2 == 100", "", Yes);
    check("1 - drift.psi < 0.6", "income", Yes);
    check("telemetry.rows - 100 > 50 + 25", "", Yes);
    check("-drift.psi < 0", "income", Yes);
    check("drift.psi > (1 + 2) * 0.1", "income", Yes);
    // Whole numbers among themselves stay whole, as CEL has it.
    check("7 / 2 == 3", "", Yes);
    check("size(subject) + 1 == 7 && drift.psi > 0", "income", Yes);
}

#[test]
fn what_is_undefined_leaves_open_what_depends_on_it() {
    check("drift.ks > 0.1", "income", Unknown);
    check("!(drift.ks > 0.1)", "income", Unknown);
    check("drift.ks > 0.1 && drift.psi > 0.2", "income", Unknown);
    check("drift.psi > 0.2 && drift.ks > 0.1", "income", Unknown);
    check("drift.ks > 0.1 || drift.psi > 0.9", "income", Unknown);
    check("drift.ks.p_value < 0.01", "income", Unknown);
    check("drift.ks.breached", "income", Unknown);
    // An attribute that this statistic does not have, though it has a value.
    check("drift.psi.p_value < 0.01", "income", Unknown);
    // A subject that this window did not measure.
    check("drift.psi > 0.2", "loan.term", Unknown);
}

#[test]
fn the_rest_may_decide_alone() {
    check("drift.ks > 0.1 && drift.psi > 0.9", "income", No);
    check("drift.psi > 0.9 && drift.ks > 0.1", "income", No);
    check("drift.ks > 0.1 || drift.psi > 0.2", "income", Yes);
    check("drift.psi > 0.2 || drift.ks > 0.1", "income", Yes);
    check("drift.psi > 0.2 ? rows > 10 : drift.ks > 0.1", "income", Yes);
}

#[test]
fn the_reason_is_that_of_the_measurement() {
    let condition = Condition::parse("drift.psi > 0.2 && drift.ks > 0.1", &fields()).expect("it compiles");
    let verdict = condition.ask(&window(), "income", "");
    assert_eq!(verdict, Verdict::Unknown("too few rows: 200 of 500".into()));
}

#[test]
fn attributes_fixed_subjects_and_variables_have_names() {
    check("drift.psi.breached", "income", Yes);
    check("!drift.psi.breached", "purpose", Yes);
    check("drift.psi.value > drift.psi.threshold", "income", Yes);
    check("drift.psi.rows == 200", "income", Yes);
    check("drift.wasserstein > 1 && drift.wasserstein.p_value < 0.001", "income", Yes);
    check("drift.income.psi > 0.2", "", Yes);
    check("drift.income.psi.value > 0.2 && drift.purpose.psi < 0.2", "", Yes);
    check("drift.purpose.psi < drift.psi", "income", Yes);
    check("drift.psi > 0.2 && telemetry.rows > 100", "income", Yes);
    check("drift.psi > 0.2 && subject != 'income'", "income", No);
    check("drift.psi > 0.2 && version == '3' && model.startsWith('cre')", "income", Yes);
    check("[drift.income.psi, drift.purpose.psi].exists(x, x > 0.2)", "", Yes);
    check("[drift.income.psi, drift.purpose.psi].all(rows, rows > 0.2)", "", No);
}

#[test]
fn a_statistic_of_a_log_is_that_of_the_log_at_hand() {
    let two =
        [measured("a", Family::Telemetry, "rows", Some(1.0)), measured("b", Family::Telemetry, "rows", Some(9.0))];
    let condition = Condition::parse("telemetry.rows > 5", &fields()).expect("it compiles");
    assert!(condition.is_per_log());
    assert_eq!(condition.ask(&two, "a", "a"), Verdict::Fails);
    assert_eq!(condition.ask(&two, "b", "b"), Verdict::Holds);
}

/// What is wrong, with a caret under the place.
#[track_caller]
fn check_wrong(text: &str, place: &str, message: &str, hint: &str) {
    let faults = Condition::parse(text, &fields()).expect_err("it is wrong");
    let first = &faults[0];
    assert_eq!((first.offset, first.message.as_str()), (text.find(place).expect("the place"), message), "{text}");
    let hinted = first.hint.as_deref().unwrap_or_default();
    assert!(hinted.contains(hint), "{text}: {hinted}");
}

#[test]
fn an_unknown_name_is_pointed_at() {
    check_wrong("rows > 10 && drfit.psi > 0.2", "drfit", "unknown name `drfit`", "drift.…");
    check_wrong("drift.pis > 0.2", "drift", "`pis` is neither a statistic of `drift` nor a subject", "psi");
    check_wrong("rows > 5 && drift > 0.2", "drift >", "`drift` needs a statistic", "ks");
    check_wrong("drift.income > 0.2", "drift", "`drift.income` needs a statistic", "ks");
    check_wrong("drift.purpose.ks > 0.2", "drift", "`purpose` has no `drift` statistic `ks`", "chi_squared");
    check_wrong("drift.psi.p > 0.2", "drift", "a measurement has no `p`", "p_value");
    check_wrong("drift.psi.value.x > 0.2", "drift", "nothing can follow with `x`", "");
    check_wrong("[1, 2].all(x, y > 0)", "y >", "unknown name `y`", "subject");
}

#[test]
fn all_unknown_names_are_told_at_once() {
    let faults = Condition::parse("a > 1 &&\n  b > 2", &fields()).expect_err("it is wrong");
    assert_eq!(faults.iter().map(|fault| fault.offset).collect::<Vec<_>>(), [0, 11]);
}

#[test]
fn what_is_not_a_condition_is_told() {
    for text in ["", "drift.psi >", "drift.psi > 0.2 &&", "drift.psi > > 1", "\"", "a\nb"] {
        let faults = Condition::parse(text, &fields()).expect_err(text);
        assert!(faults.iter().all(|fault| fault.offset <= text.len()), "{text}: {faults:?}");
    }
    let faults = Condition::parse(&"(".repeat(5000), &fields()).expect_err("it is long");
    assert_eq!(faults[0].message, "the condition is too long");
    let faults =
        Condition::parse("drift.ks > 0.1 && drift.chi_squared > 1.0", &fields()).expect_err("nothing has both");
    assert_eq!(faults[0].message, "no subject has `drift.chi_squared` and `drift.ks` at once");
}

#[test]
fn what_can_never_be_true_or_false_is_told() {
    for text in
        ["drift.psi", "telemetry.rows + 1", "subject", "drift.psi > 'a'", "drift.psi && true", "rows > 1 && model > 2"]
    {
        assert!(Condition::parse(text, &fields()).is_err(), "{text}");
    }
}
