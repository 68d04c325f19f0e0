//! What a person reads.

use super::*;
use crate::cause::{Cause, Likely};
use crate::notify::origin::Origin;
use crate::notify::story::{story, title};
use crate::notify::template::{Dialect, or_usual};
use crate::rule::alert::{Incident, Shape};

/// An alert about which everything is known.
pub fn known(state: State) -> AlertEvent {
    let likely = |cause, confidence, evidence: &str| Likely {
        cause,
        subjects: vec!["income".into(), "debt".into()],
        confidence,
        evidence: evidence.into(),
    };
    let incident = Incident {
        id: "incident".into(),
        opened: Time(3_600_000),
        firing: 2,
        ranked: vec!["income".into(), "debt".into()],
        likely: vec![
            likely(Cause::UnitChange, 0.93, "every quantile is 100 times what it was."),
            likely(Cause::CovariateDrift, 0.05, ""),
        ],
    };
    let mut known = alert("income", state);
    known.slice = "country=US".into();
    known.annotations.insert("runbook_url".into(), "https://runbooks.example/drift?a=1&b=2".into());
    known.annotations.insert("description".into(), "Ask the\nbroker team".into());
    AlertEvent {
        shape: Some(Shape { reference: vec![0.5, 0.5, 0.0], current: vec![0.0, 0.0, 1.0] }),
        incident: Some(incident),
        ..known
    }
}

#[track_caller]
fn check_title(alerts: Vec<AlertEvent>, expected: &str) {
    assert_eq!(title(&notice_of(alerts)), expected);
}

#[test]
fn the_first_line_says_what_where_and_how_bad() {
    let firing = |subject: &str| alert(subject, State::Firing);
    check_title(vec![firing("income")], "[critical] credit/7: FeatureDrift, income");
    let mut four: Vec<AlertEvent> = ["income", "age", "debt", "area"].map(firing).into();
    check_title(four.clone(), "[critical] credit/7: FeatureDrift, income and 3 more");
    four.push(AlertEvent { alert: "NullSpike".into(), subject: "age".into(), ..firing("age") });
    check_title(four, "[critical] credit/7: FeatureDrift and 1 more rule, income and 3 more");
    let sliced = AlertEvent { slice: "country=US".into(), version: String::new(), ..firing("") };
    check_title(vec![sliced], "[critical] credit: FeatureDrift in country=US");
    let warning = AlertEvent { severity: Severity::Warning, model: "fraud".into(), ..firing("income") };
    check_title(vec![warning.clone()], "[warning] fraud/7: FeatureDrift, income");
    check_title(vec![warning, firing("income")], "[critical] credit/7 and 1 more model: FeatureDrift, income");
}

#[test]
fn the_first_line_of_what_is_over_says_so_and_how_long_it_lasted() {
    let resolved = |subject: &str| alert(subject, State::Resolved);
    let later = AlertEvent { window_end: Time(7_500_000), ..resolved("age") };
    check_title(vec![resolved("income"), later], "[resolved] credit/7: FeatureDrift, income and 1 more, after 1h5m");
    check_title(vec![alert("age", State::Firing), resolved("income")], "[critical] credit/7: FeatureDrift, age");
}

#[test]
fn a_first_line_is_one_line_and_not_too_long() {
    let odd = AlertEvent { subject: format!("a\r\nBcc: x{}", "🌊".repeat(200)), ..alert("", State::Firing) };
    let title = title(&notice_of(vec![odd]));
    assert!(title.starts_with("[critical] credit/7: FeatureDrift, a Bcc: x🌊") && title.ends_with("🌊…"), "{title}");
    assert!(title.encode_utf16().count() <= 150);
}

#[test]
fn a_text_tells_the_cause_then_each_alert_then_where_to_read_on() {
    let told = notice_of(vec![known(State::Firing), alert("age", State::Resolved)]);
    let expected = "\
[critical] credit/7: FeatureDrift, income in country=US

Probably a change of unit (income, debt): every quantile is 100 times what it was. Confidence 93 %.

Or perhaps inputs that have drifted (income, debt). Confidence 5 %.

Firing: 1

* FeatureDrift: income in country=US
  income of credit has drifted
  values: psi 0.31 (threshold 0.2, p = 0.0004)
  since: 1970-01-01 01:00 UTC
  window: 1970-01-01 00:00 UTC to 1970-01-01 01:00 UTC, 5000 rows
  slice: country=US
  condition: drift.psi > 0.2
  description: Ask the broker team
  labels: team=risk
  reference   ▄▄▁
  this window ▁▁█
  runbook: https://runbooks.example/drift?a=1&b=2
  on the page: https://tidegauge.example/x/#alert-id-income

Resolved: 1

* FeatureDrift: age
  age of credit has drifted
  resolved: 1970-01-01 02:00 UTC after 1h
  reason: the condition no longer holds
  on the page: https://tidegauge.example/x/#alert-id-age

https://tidegauge.example/x
";
    assert_eq!(story(&told, &origin()).text(9), expected);
    let short = story(&told, &Origin::default()).text(1);
    assert!(short.ends_with("\nand 1 more\n"), "{short}");
}

#[test]
fn of_an_incident_the_cause_is_told_once_and_what_matters_most_comes_first() {
    let incident = known(State::Firing).incident;
    let part = |subject: &str| AlertEvent { incident: incident.clone(), ..alert(subject, State::Firing) };
    let mut alerts = ["score", "debt", "age", "income"].map(part);
    alerts[2].severity = Severity::Warning;
    let told = notice_of(alerts.into());
    assert_eq!(title(&told), "[critical] credit/7: FeatureDrift, income and 3 more");
    let text = story(&told, &origin()).text(9);
    assert_eq!(text.matches("Probably").count(), 1, "{text}");
    let headings: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("* FeatureDrift: ")).collect();
    assert_eq!(headings, ["income", "debt", "score", "age"]);
}

#[test]
fn nobody_is_led_to_where_a_page_does_not_lead() {
    for url in ["javascript:alert(1)", "data:text/html,x", "https://a b/", "//x", "https://x/|<!channel>", "ftp://x/"] {
        let mut told = alert("income", State::Firing);
        told.annotations.insert("runbook_url".into(), url.into());
        assert_eq!(story(&notice_of(vec![told]), &Origin::default()).entries[0].links, [], "{url}");
    }
}

#[track_caller]
fn check_template(template: &str, dialect: Dialect, expected: &str) {
    let odd = AlertEvent { slice: "country=<b>&[x](y)".into(), ..known(State::Firing) };
    let told = notice_of(vec![odd, alert("age", State::Resolved)]);
    let text = or_usual(Some(&template.to_owned()), dialect, (&told, &origin(), "TITLE"), || "usual".to_owned());
    assert_eq!(text, expected, "{template}");
}

#[test]
fn a_template_has_what_alertmanagers_have_and_more() {
    let plain = |template: &str, expected: &str| check_template(template, Dialect::Plain, expected);
    plain("{{ status }} {{ receiver }} {{ externalURL }}", "firing hook https://tidegauge.example/x");
    plain("{{ groupLabels.model }} {{ commonLabels.alertname }} {{ commonLabels.subject }}.", "credit FeatureDrift .");
    plain("{% for a in alerts %}{{ a.labels.subject }}:{{ a.status }} {% endfor %}", "income:firing age:resolved ");
    plain("{{ alerts[0].startsAt }} {{ alerts[1].endsAt }}", "1970-01-01T01:00:00Z 1970-01-01T02:00:00Z");
    plain("{{ firing | length }} {{ resolved[0].generatorURL }}", "1 https://tidegauge.example/x/#alert-id-age");
    plain(
        "{{ title }}: {{ incident.likely[0].cause }} {{ notice.alerts[0].evidence[0].value }}",
        "TITLE: unit_change 0.31",
    );
    plain("  \n", "usual");
}

#[test]
fn what_a_template_takes_from_data_is_escaped_for_where_it_goes() {
    let template = "<i>{{ alerts[0].labels.slice }}</i>{{ nothing }}";
    check_template(template, Dialect::Plain, "<i>country=<b>&[x](y)</i>");
    check_template(template, Dialect::Html, "<i>country=&lt;b&gt;&amp;[x](y)</i>");
    check_template(template, Dialect::Mrkdwn, "<i>country=&lt;b&gt;&amp;[x](y)</i>");
    check_template(template, Dialect::Markdown, "<i>country=<b>&\\[x](y)</i>");
}

#[test]
fn a_template_that_fails_leaves_the_usual_text() {
    for (template, why) in [
        ("{% for a in range(100) %}{% for b in range(9999) %}{{ b }}{% endfor %}{% endfor %}", "fuel"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", ""),
        ("{{ 1 + {} }}", "unsupported"),
        ("{{ 'x' * 99999999999 }}", ""),
    ] {
        let told = notice(1);
        let text = or_usual(Some(&template.to_owned()), Dialect::Html, (&told, &origin(), ""), || "usual".to_owned());
        assert!(text.starts_with("usual\n<p>(its template failed: ") && text.contains(why), "{text}");
    }
}
