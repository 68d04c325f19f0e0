//! What conditions say of measurements, and what is said of conditions that are wrong.

use tidegauge::measurement::{Family, Measurement};
use tidegauge::rule::condition::{Condition, Fault, Per, Subjects, Verdict};
use tidegauge::schema::{Field, Kind, Path, Role};
use tidegauge::stat::{self, Needs, Of};
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

/// A condition over the fields, and over what there is to ask of a model that says whether a loan goes bad.
fn parse(text: &str) -> Result<Condition, Vec<Fault>> {
    parse_for(text, &["bad"])
}

fn parse_for(text: &str, classes: &[&str]) -> Result<Condition, Vec<Fault>> {
    let (fields, classes) = (fields(), classes.iter().map(|class| (*class).to_owned()).collect::<Vec<_>>());
    let attributes = vec!["sex", "sex.age_group"];
    Condition::parse(text, &Subjects { fields: &fields, classes: &classes, attributes })
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
    let condition = parse(text).unwrap_or_else(|faults| panic!("{text}: {faults:?}"));
    assert_eq!(condition.is_per_subject(), !subject.is_empty(), "{text}");
    let verdict = condition.ask(&window(), subject, "", 0.0);
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
    let condition = parse("drift.psi > 0.2 && drift.ks > 0.1").expect("it compiles");
    let verdict = condition.ask(&window(), "income", "", 0.0);
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
    let condition = parse("telemetry.rows > 5").expect("it compiles");
    assert_eq!(condition.per(), Per::Log);
    assert_eq!(condition.ask(&two, "a", "a", 0.0), Verdict::Fails);
    assert_eq!(condition.ask(&two, "b", "b", 0.0), Verdict::Holds);
}

/// What is wrong, with a caret under the place.
#[track_caller]
fn check_wrong(text: &str, place: &str, message: &str, hint: &str) {
    let faults = parse(text).expect_err("it is wrong");
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
    let faults = parse("a > 1 &&\n  b > 2").expect_err("it is wrong");
    assert_eq!(faults.iter().map(|fault| fault.offset).collect::<Vec<_>>(), [0, 11]);
}

#[test]
fn what_is_not_a_condition_is_told() {
    for text in ["", "drift.psi >", "drift.psi > 0.2 &&", "drift.psi > > 1", "\"", "a\nb"] {
        let faults = parse(text).expect_err(text);
        assert!(faults.iter().all(|fault| fault.offset <= text.len()), "{text}: {faults:?}");
    }
    let faults = parse(&"(".repeat(5000)).expect_err("it is long");
    assert_eq!(faults[0].message, "the condition is too long");
    let faults = parse("drift.ks > 0.1 && drift.chi_squared > 1.0").expect_err("nothing has both");
    assert_eq!(faults[0].message, "no subject has `drift.chi_squared` and `drift.ks` at once");
}

#[test]
fn what_can_never_be_true_or_false_is_told() {
    for text in
        ["drift.psi", "telemetry.rows + 1", "subject", "drift.psi > 'a'", "drift.psi && true", "rows > 1 && model > 2"]
    {
        assert!(parse(text).is_err(), "{text}");
    }
}

/// How many of the labels of a window have come, whether more may, and what they say of its only figure.
fn coverage(share: f64, provisional: bool) -> Vec<Measurement> {
    let all = measured("", Family::Performance, "coverage", Some(share));
    let expected = measured("", Family::Performance, "expected_coverage", None);
    let of_labels = |m: Measurement| Measurement { coverage: Some(share), provisional, revision: 3, ..m };
    let mut measurements = window();
    measurements.extend([of_labels(all), of_labels(expected)]);
    measurements
}

/// Asks while labels may still come, and when no more can.
#[track_caller]
fn check_labels(text: &str, share: f64, min_coverage: f64, [provisional, last]: [Says; 2]) {
    let condition = parse(text).unwrap_or_else(|faults| panic!("{text}: {faults:?}"));
    assert!(condition.needs_labels(), "{text}");
    for (is_provisional, expected) in [(true, provisional), (false, last)] {
        let verdict = condition.ask(&coverage(share, is_provisional), "", "", min_coverage);
        let says = match &verdict {
            Verdict::Holds => Yes,
            Verdict::Fails => No,
            Verdict::Unknown(_) => Unknown,
        };
        assert_eq!(says, expected, "{text} at {share}, provisional: {is_provisional}: {verdict:?}");
    }
}

#[test]
fn what_needs_labels_waits_for_as_many_as_the_monitor_says() {
    check_labels("performance.coverage < 0.9", 0.3, 0.5, [Unknown, Yes]);
    check_labels("performance.coverage < 0.9", 0.5, 0.5, [Yes, Yes]);
    check_labels("performance.coverage > 0.9", 0.3, 0.5, [Unknown, No]);
    check_labels("performance.coverage.coverage < 0.9 && performance.coverage.value < 0.9", 0.3, 0.5, [Unknown, Yes]);
    check_labels("performance.coverage < 0.9 || telemetry.rows > 100", 0.3, 0.5, [Unknown, Yes]);
    // Where coverage is only a part of what is asked, it is no gate.
    check_labels("performance.coverage < 0.9 || coverage > 0.9", 0.3, 0.5, [Unknown, Yes]);
    check_labels("performance.coverage < 0.9 && (coverage > 0.9 || rows > 100)", 0.3, 0.5, [Unknown, Yes]);
    check_labels("performance.expected_coverage < 0.9", 0.6, 0.5, [Unknown, Unknown]);
    // What needs none is judged at once.
    let condition = parse("drift.income.psi > 0.2").expect("it compiles");
    assert_eq!((condition.needs_labels(), condition.is_of_outcomes()), (false, false));
    assert_eq!(condition.ask(&coverage(0.1, true), "", "", 0.5), Verdict::Holds);
}

#[test]
fn a_condition_may_say_itself_how_many_labels_it_takes() {
    check_labels("performance.coverage < 0.9 && coverage > 0.2", 0.3, 0.5, [Yes, Yes]);
    check_labels("performance.coverage < 0.9 && coverage > 0.8", 0.3, 0.1, [Unknown, Unknown]);
    check_labels("performance.coverage > 0.9 && coverage > 0.8", 0.3, 0.1, [Unknown, Unknown]);
    check_labels("performance.coverage > 0.9 && coverage > 0.8", 0.85, 0.1, [No, No]);
    check_labels("0.8 < coverage && telemetry.rows > 100 && performance.coverage < 0.9", 0.85, 0.0, [Yes, Yes]);
    check_labels("performance.coverage < 1 && (coverage > 0.2 && coverage * 2 < 1)", 0.3, 0.9, [Yes, Yes]);
    check_labels("performance.coverage < 1 && (coverage > 0.2 && coverage * 2 < 1)", 0.6, 0.9, [Unknown, Unknown]);
    check_labels("performance.coverage < 1 && (coverage > 0.9 || coverage < 0.1)", 0.3, 0.9, [Unknown, Unknown]);
    check_labels("performance.coverage < 1 && coverage >= 0", 0.3, 0.9, [Yes, Yes]);
    let condition = parse("performance.coverage < 0.5 && coverage > 0.3").expect("it compiles");
    let why = |share| condition.ask(&coverage(share, true), "", "", 0.5);
    assert_eq!(why(0.29), Verdict::Unknown("labels of 29 % of the rows have come".into()));
    assert_eq!(why(0.2999), Verdict::Unknown("labels of 29 % of the rows have come".into()));
    // What was not measured at all has no coverage, which is unknown and not too little.
    assert!(matches!(condition.ask(&window(), "", "", 0.5), Verdict::Unknown(why) if !why.contains('%')));
}

#[test]
fn coverage_is_of_figures_that_need_labels() {
    let (hint, message) = ("performance.", "`coverage` is of figures that need labels, and no such figure is named");
    check_wrong("drift.psi > 0.2 && coverage > 0.9", "coverage", message, hint);
    check_wrong("drift.psi.coverage > 0.9", "drift", "`psi` needs no labels, so it has no `coverage`", "");
    check_wrong("covrage > 0.9", "covrage", "unknown name `covrage`", "coverage");
}

/// A statistic that is of such a subject, if there is any.
fn statistic(family: Family, of: Of) -> Option<&'static str> {
    let is = |row: &&&stat::Statistic| row.family == family && row.on.outcomes().is_some_and(|asked| asked.of == of);
    stat::ALL.iter().find(is).map(|row| row.name)
}

#[test]
fn figures_of_one_class_that_matters_are_of_the_rows() {
    let Some(name) = statistic(Family::Performance, Of::Class) else { return };
    for text in [format!("performance.{name} < 0.7"), format!("performance.bad.{name} < 0.7")] {
        let condition = parse(&text).expect("it compiles");
        assert_eq!((condition.per(), condition.names()[0].subject.as_deref()), (Per::Window, Some("")), "{text}");
        let m = measured("", Family::Performance, name, Some(0.5));
        assert_eq!(condition.ask(&[m], "", "", 0.5), Verdict::Holds);
    }
    let per = |text: &str| parse(text).map(|condition| condition.per());
    assert_eq!(per(&format!("performance.{name} < 0.7 && telemetry.rows > 10")), Ok(Per::Log));
    assert_eq!(per(&format!("performance.{name} < 0.7 && drift.psi > 0.2")), Ok(Per::Field));
}

#[test]
fn figures_of_several_classes_are_asked_of_each() {
    let Some(name) = statistic(Family::Performance, Of::Class) else { return };
    let classes = ["cat", "dog", name];
    let parse = |text: &str| parse_for(text, &classes);
    let condition = parse(&format!("performance.{name} < 0.7 && telemetry.rows > 10")).expect("it compiles");
    let names = classes.map(str::to_owned);
    let known = Subjects { classes: &names, ..Subjects::default() };
    assert_eq!((condition.per(), condition.subjects(&known)), (Per::Class, classes.to_vec()));
    let mut window = window();
    window.extend([("cat", 0.9), ("dog", 0.5)].map(|(it, value)| measured(it, Family::Performance, name, Some(value))));
    assert_eq!(condition.ask(&window, "cat", "", 0.5), Verdict::Fails);
    assert_eq!(condition.ask(&window, "dog", "", 0.5), Verdict::Holds);
    assert!(matches!(condition.ask(&window, name, "", 0.5), Verdict::Unknown(_)));
    let condition = parse(&format!("performance.dog.{name}.value < 0.7")).expect("it compiles");
    assert_eq!((condition.per(), condition.ask(&window, "", "", 0.5)), (Per::Window, Verdict::Holds));
    // A class may be called like a statistic.
    let condition = parse(&format!("performance.{name}.{name} < 0.7")).expect("it compiles");
    assert_eq!(condition.names()[0].subject.as_deref(), Some(name));
    let faults = parse(&format!("performance.{name} < 0.7 && drift.psi > 0.2")).expect_err("they have no subject");
    assert!(faults[0].message.starts_with("no subject has "), "{faults:?}");
    let faults = parse(&format!("performance.cow.{name} < 0.7")).expect_err("there is no such class");
    assert_eq!(faults[0].message, "`cow` is neither a statistic of `performance` nor a subject");
}

#[test]
fn fairness_is_asked_of_each_attribute() {
    let Some(name) = statistic(Family::Fairness, Of::Attribute) else { return };
    let condition = parse(&format!("fairness.{name}.high < 0.8")).expect("it compiles");
    let known = Subjects { attributes: vec!["sex", "sex.age_group"], ..Subjects::default() };
    assert_eq!((condition.per(), condition.subjects(&known)), (Per::Attribute, vec!["sex", "sex.age_group"]));
    let interval = |subject: &str, high| Measurement {
        high: Some(high),
        ..measured(subject, Family::Fairness, name, Some(high / 2.0))
    };
    let window = [interval("sex", 0.9), interval("sex.age_group", 0.7)];
    assert_eq!(condition.ask(&window, "sex", "", 0.0), Verdict::Fails);
    assert_eq!(condition.ask(&window, "sex.age_group", "", 0.0), Verdict::Holds);
    for (text, expected) in [("sex", Verdict::Fails), ("sex.age_group", Verdict::Holds)] {
        let condition = parse(&format!("fairness.{text}.{name}.high < 0.8")).expect("it compiles");
        assert_eq!((condition.per(), condition.ask(&window, "", "", 0.0)), (Per::Window, expected));
    }
    let fields = fields();
    let faults =
        Condition::parse(&format!("fairness.{name} < 0.8"), &Subjects { fields: &fields, ..Subjects::default() });
    assert!(faults.expect_err("there are none")[0].message.starts_with("there are no groups for "));
}

#[test]
fn figures_of_one_group_are_asked_of_its_attribute() {
    let Some(name) = statistic(Family::Fairness, Of::Group) else { return };
    let condition = parse(&format!("fairness.{name} < 0.2")).expect("it compiles");
    assert_eq!(condition.per(), Per::Attribute);
    let of_group = Measurement { slice: "sex=F".into(), ..measured("sex", Family::Fairness, name, Some(0.1)) };
    assert_eq!(condition.ask(&[of_group], "sex", "", 0.0), Verdict::Holds);
    let Some(of_all) = statistic(Family::Fairness, Of::Attribute) else { return };
    let faults = parse(&format!("fairness.{name} < 0.2 && fairness.sex.{of_all} < 0.8")).expect_err("never at once");
    assert_eq!(
        faults[0].message,
        format!("`fairness.{name}` is of one group, and `fairness.sex.{of_all}` of all together")
    );
}

#[test]
fn what_labels_may_still_change_is_known_of_every_statistic_that_needs_them() {
    for row in stat::ALL.iter().filter(|row| row.on.outcomes().is_some()) {
        let asked = row.on.outcomes().expect("it is of outcomes");
        let condition = parse(&format!("{}.{} > 0", row.family.name(), row.name)).expect("it compiles");
        assert_eq!(condition.needs_labels(), asked.needs == Needs::Labels, "{}", row.name);
        assert!(condition.is_of_outcomes());
    }
}
