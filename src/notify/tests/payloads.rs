//! What programs read: payloads against texts that were written by hand after what each service documents, and against
//! its limits.

use serde_json::{Value, json};

use super::texts::known;
use super::*;
use crate::notify::origin::Origin;
use crate::notify::{event, pagerduty, payload, slack, teams};

#[track_caller]
fn check(payload: &Value, golden: &str) {
    let golden: Value = serde_json::from_str(golden).unwrap();
    assert_eq!(*payload, golden, "it should be\n{golden:#}\nbut is\n{payload:#}");
}

fn both() -> Notice {
    notice_of(vec![known(State::Firing), alert("age", State::Resolved)])
}

#[test]
fn a_webhook_can_have_what_alertmanager_would_post() {
    let posted = event::json(&payload::payload(&both(), &origin()));
    assert_eq!(posted, include_str!("golden/alertmanager-v4.json"), "byte for byte");
    let resolved = payload::payload(&notice_of(vec![alert("age", State::Resolved)]), &Origin::default());
    assert_eq!((resolved.status, resolved.external_url.as_str()), ("resolved", ""));
    assert_eq!(resolved.alerts[0].generator_url, "");
}

#[test]
fn labels_are_such_as_alertmanager_takes() {
    let mut told = alert("income", State::Firing);
    for (name, value) in [("model", "mine"), ("a.b", "x"), ("empty", ""), ("_ok1", "y"), ("1st", "z"), ("", "w")] {
        told.labels.insert(name.into(), value.into());
    }
    told.version.clear();
    let labels: Vec<_> = crate::notice::labels(&told).into_iter().collect();
    let expected = [
        ("_ok1", "y"),
        ("alertname", "FeatureDrift"),
        ("model", "credit"),
        ("severity", "critical"),
        ("subject", "income"),
        ("team", "risk"),
    ];
    assert_eq!(labels, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn slack_is_told_in_blocks() {
    let mut told = known(State::Firing);
    told.slice = "country=US<!channel>".into();
    let told = notice_of(vec![told, alert("age", State::Resolved)]);
    check(&slack::message(&told, &origin(), None, None), include_str!("golden/slack.json"));
}

#[test]
fn pagerduty_is_told_of_the_incident_and_of_its_end() {
    let event = |notice: &Notice| pagerduty::event(notice, &origin(), "R0UT1NG", None, None);
    check(&event(&both()), include_str!("golden/pagerduty.json"));
    let over = json!({"routing_key": "R0UT1NG", "event_action": "resolve", "dedup_key": "{}/{model=\"credit\"}"});
    assert_eq!(event(&notice_of(vec![alert("age", State::Resolved)])), over);
    for (severity, expected) in
        [(Severity::Info, "info"), (Severity::Warning, "warning"), (Severity::Critical, "critical")]
    {
        let told = notice_of(vec![AlertEvent { severity, ..alert("age", State::Firing) }]);
        assert_eq!(event(&told)["payload"]["severity"], expected);
    }
    let long = Notice { group_key: "k".repeat(256), ..both() };
    assert_eq!(event(&long)["dedup_key"].as_str().unwrap().len(), 32);
}

#[test]
fn teams_is_told_with_a_card() {
    let over = notice_of(vec![alert("age", State::Resolved)]);
    check(&teams::message(&over, &origin(), None, None), include_str!("golden/teams.json"));
    let card = &teams::message(&both(), &origin(), None, None)["attachments"][0]["content"];
    let runs = |text: &str| json!({"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text}]});
    let cause = "Or perhaps inputs that have drifted (income, debt). Confidence 5 %.";
    assert!(card["body"].as_array().unwrap().contains(&runs(cause)));
    let bars = json!({"type": "TextRun", "text": "this window ▁▁█", "fontType": "monospace"});
    assert!(card["body"].as_array().unwrap().iter().any(|block| block["inlines"][0] == bars));
    assert_eq!(card["actions"][0]["url"], "https://runbooks.example/drift?a=1&b=2");
}

/// The texts of a template that is as long as it may be.
fn long() -> Option<String> {
    Some(
        "{% for a in alerts %}{% for i in range(40) %}{{ a.annotations.summary }}\n{% endfor %}{% endfor %}".to_owned(),
    )
}

#[test]
fn of_many_alerts_as_many_are_told_as_find_room() {
    let many = |count: usize, length: usize| {
        let mut told = notice(count);
        for alert in &mut told.alerts {
            alert.annotations.insert("summary".into(), "🌊<&>\"".repeat(length / 6));
        }
        told
    };
    for count in [1, 5, 45, 46, 47, 400] {
        for length in [6, 600, 6000] {
            let told = many(count, length);
            for template in [None, long()] {
                check_limits(&told, template.as_ref());
            }
        }
    }
    let message = slack::message(&many(300, 60), &origin(), None, None);
    let blocks = message["blocks"].as_array().unwrap();
    let shown = blocks.len() - 4;
    assert_eq!(
        blocks.last().unwrap()["elements"][0]["text"],
        format!("and {} more · <https://tidegauge.example/x|tidegauge>", 300 - shown)
    );
    let event = pagerduty::event(&many(3000, 600), &origin(), "key", None, None);
    let details = &event["payload"]["custom_details"];
    let shown = details["firing"].as_array().unwrap().len();
    assert_eq!(details["left_out"], format!("and {} more", 3000 - shown));
}

#[test]
fn texts_can_be_replaced_by_templates() {
    let (title, text) =
        (Some("{{ status }}\n{{ 1 + {} }}".to_owned()), Some("*{{ receiver }}*: {{ title }}".to_owned()));
    let told = notice(1);
    let usual = "[critical] credit/7: FeatureDrift, f0";
    let message = slack::message(&told, &origin(), title.as_ref(), text.as_ref());
    let blocks = message["blocks"].as_array().unwrap();
    let header = blocks[0]["text"]["text"].as_str().unwrap();
    assert!(header.starts_with(&format!("{usual} (its template failed: ")), "on one line: {header}");
    assert_eq!((blocks.len(), &blocks[1]["text"]["text"]), (2, &json!(format!("*hook*: {header}"))));
    let event = pagerduty::event(&told, &origin(), "key", text.as_ref(), text.as_ref());
    let expected = format!("*hook*: {usual}");
    assert_eq!(
        (&event["payload"]["summary"], &event["payload"]["custom_details"]["text"]),
        (&json!(expected), &json!(expected))
    );
    let body = &teams::message(&told, &origin(), None, text.as_ref())["attachments"][0]["content"]["body"];
    assert_eq!(
        body[1],
        json!({"type": "TextBlock", "text": "*hook*: \\[critical] credit/7: FeatureDrift, f0", "wrap": true})
    );
}

#[track_caller]
fn check_limits(told: &Notice, template: Option<&String>) {
    let units = |value: &Value| value.as_str().unwrap().encode_utf16().count();
    let message = slack::message(told, &origin(), template, template);
    let blocks = message["blocks"].as_array().unwrap();
    assert!(blocks.len() <= 50 && blocks.len() > 1);
    let mut together = 0;
    for block in blocks {
        let (text, most) = match block["type"].as_str().unwrap() {
            "header" => (&block["text"]["text"], 150),
            "section" => (&block["text"]["text"], 3000),
            "context" => (&block["elements"][0]["text"], 3000),
            _ => continue,
        };
        assert!((1..=most).contains(&units(text)), "{block}");
        together += units(text);
    }
    assert!(together <= 13_000);
    let event = pagerduty::event(told, &origin(), "key", template, template);
    assert!(event.to_string().len() <= 512_000 && units(&event["payload"]["summary"]) <= 1024);
    let card = teams::message(told, &origin(), template, template);
    assert!(card.to_string().len() <= 28_000, "{}", card.to_string().len());
}
