//! Alerts that move together are one incident, from its first alert to its last, and it says what has probably happened.

use std::collections::BTreeSet;

use tidegauge::cause::{Cause, Likely};
use tidegauge::engine::Effect;
use tidegauge::pane::Partition;
use tidegauge::rule::State;
use tidegauge::rule::alert::{AlertEvent, Incident};
use tidegauge::time::Time;

use crate::watch::{Record, Watch, monitor};

const START: i64 = 1_767_225_600_000;
const MINUTE: i64 = 60_000;
/// Rows a minute, and of the reference.
const ROWS: i64 = 600;

const YAML: &str = r#"
model: credit
inputs: [{topic: log}]
schema:
  time: ts
  features: {income: numeric, age: numeric, debt: numeric, region: categorical}
  prediction: {score: p}
reference: {dataset: reference.csv}
window: {size: 1m, min_rows: 50}
slices: [region]
drift: {underpowered: told}
alerts:
  - {alert: Drift, when: drift.psi > 0.2}
  - {alert: Shift, when: drift.ks.breached}
  - {alert: OutOfRange, when: quality.out_of_range_rate > 0.2}
  - {alert: Nulls, when: quality.null_rate > 0.2}
  - {alert: Silence, when: telemetry.rows < 100, for: 3}
"#;

const REGIONS: [&str; 3] = ["REGION-north", "REGION-south", "REGION-west"];

/// A row's income, age, debt, region and score. What follows one another does not look alike.
#[derive(Clone, Copy)]
struct Row {
    income: Option<f64>,
    age: Option<f64>,
    debt: f64,
    region: usize,
    score: f64,
}

impl Row {
    /// The row with this number. Scores go by income, as the model does.
    fn new(number: i64) -> Row {
        let part = |step: i64| ((number * step) % 997) as f64 / 997.0;
        let income = 20_000.0 + 60_000.0 * part(101) * part(37);
        let (age, debt) = (18.0 + 60.0 * part(211), 5_000.0 * part(53));
        Row { income: Some(income), age: Some(age), debt, region: number as usize % 3, score: 0.0 }.scored()
    }

    fn scored(self) -> Row {
        let income = self.income.unwrap_or(40_000.0);
        Row { score: 1.0 / (1.0 + (income / 30_000.0 - 1.0).exp()), ..self }
    }

    fn csv(self) -> String {
        let number = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
        let (income, age) = (number(self.income), number(self.age));
        format!("{income},{age},{},{},{}", self.debt, REGIONS[self.region], self.score)
    }

    fn json(self, ts: i64) -> Record {
        let number = |value: Option<f64>| value.map_or("null".to_owned(), |value| value.to_string());
        let text = format!(
            r#"{{"ts":{ts},"income":{},"age":{},"debt":{},"region":"{}","p":{}}}"#,
            number(self.income),
            number(self.age),
            self.debt,
            REGIONS[self.region],
            self.score
        );
        (text.into_bytes(), None)
    }
}

/// A daemon that watches the log, and the minute that comes next.
struct Story {
    watch: Watch,
    minute: i64,
    restarts: bool,
}

impl Story {
    fn new(restarts: bool) -> Story {
        let rows = (0..ROWS).map(|number| Row::new(number).csv()).collect::<Vec<_>>().join("\n");
        let dataset = format!("income,age,debt,region,p\n{rows}\n");
        let mut watch = Watch::new(vec![monitor(YAML, Some(&dataset))], 20);
        watch.assign(&[log()]);
        Story { watch, minute: 0, restarts }
    }

    /// A minute's rows, each changed so, and the alerts that change when the minute is over.
    fn minute(&mut self, change: impl Fn(i64, Row) -> Row) -> Vec<AlertEvent> {
        let start = START + self.minute * MINUTE;
        let row = |index: i64| change(index, Row::new(self.minute * ROWS + index)).json(start + index * MINUTE / ROWS);
        self.watch.load(&log(), (0..ROWS).map(row).collect());
        self.minute += 1;
        // A row of the next minute closes this one.
        self.watch.load(&log(), vec![Row::new(self.minute * ROWS).json(start + MINUTE)]);
        if self.restarts {
            self.watch.restart();
        }
        let told = std::mem::take(&mut self.watch.told);
        let alerts = told.effects.into_iter().filter_map(|effect| match effect {
            Effect::Alert(alert) => Some(*alert),
            _ => None,
        });
        alerts.collect()
    }
}

fn log() -> Partition {
    Partition { topic: "log".into(), partition: 0 }
}

fn as_ever(_: i64, row: Row) -> Row {
    row
}

fn in_thousandths(_: i64, row: Row) -> Row {
    Row { income: row.income.map(|income| 1000.0 * income), ..row }.scored()
}

fn without_age(index: i64, row: Row) -> Row {
    Row { age: row.age.filter(|_| index % 5 > 1), ..row }
}

/// The one incident that all of them are of.
#[track_caller]
fn incident_of(alerts: &[AlertEvent]) -> Incident {
    let of = |alert: &AlertEvent| alert.incident.clone().unwrap_or_else(|| panic!("no incident: {alert:#?}"));
    let first = of(alerts.first().expect("an alert"));
    for alert in alerts {
        assert_eq!(of(alert), first, "{}", alert.alert);
    }
    first
}

#[track_caller]
fn check_causes(incident: &Incident, expected: &[(Cause, &str)]) {
    let is: Vec<(Cause, &str)> = incident.likely.iter().map(|one| (one.cause, one.subjects[0].as_str())).collect();
    assert_eq!(is, expected, "{incident:#?}");
}

fn ids(alerts: &[AlertEvent]) -> BTreeSet<String> {
    alerts.iter().map(|alert| alert.id.clone()).collect()
}

/// What the README shows of an incident is what this one is told as.
fn the_readme_quotes(likely: &Likely) {
    let readme = include_str!("../README.md").replace("\n> ", " ");
    let (evidence, confidence) = (&likely.evidence, 100.0 * likely.confidence);
    let told = format!("Probably a change of unit (income): {evidence}. Confidence {confidence:.0} %.");
    assert!(readme.contains(&told), "the README should have: {told}");
}

/// What is told of an incident that begins with one accident, grows by another, and ends.
fn told(restarts: bool) -> Vec<AlertEvent> {
    let mut story = Story::new(restarts);
    let mut all = story.minute(as_ever);
    all.extend(story.minute(as_ever));
    assert!(all.is_empty(), "{all:#?}");

    let began = story.minute(in_thousandths);
    let first = incident_of(&began);
    let of = |subject: &str| began.iter().filter(|alert| alert.subject == subject).count();
    assert!(of("income") >= 8 && of("score") >= 1, "{:#?}", ids(&began));
    assert_eq!((first.firing, first.opened), (began.len(), began[0].window_end));
    // The score is stuck at an end, which explains less than why it is.
    check_causes(&first, &[(Cause::UnitChange, "income"), (Cause::StuckValue, "score")]);
    assert_eq!(first.ranked[0], "income");
    assert!(first.likely[0].evidence.contains("1000 times"), "{}", first.likely[0].evidence);
    the_readme_quotes(&first.likely[0]);
    let income = began.iter().find(|alert| alert.subject == "income" && alert.slice.is_empty()).expect("it fires");
    let shape = income.shape.as_ref().expect("its picture");
    assert_eq!((shape.reference.len(), shape.current.len()), (20, 20));
    assert!(shape.current[19] > 0.99, "all but the first row is above what there was: {shape:?}");

    // It goes on, and what begins meanwhile is part of it.
    assert_eq!(story.minute(in_thousandths), []);
    let more = story.minute(|index, row| without_age(index, in_thousandths(index, row)));
    let grown = incident_of(&more);
    assert!(more.iter().all(|alert| alert.subject == "age" && alert.state == State::Firing), "{more:#?}");
    assert_eq!((&grown.id, grown.opened, grown.firing), (&first.id, first.opened, began.len() + more.len()));
    let causes: BTreeSet<(Cause, &str)> =
        grown.likely.iter().map(|one| (one.cause, one.subjects[0].as_str())).collect();
    let expected = [(Cause::UnitChange, "income"), (Cause::StuckValue, "score"), (Cause::NullSpike, "age")];
    assert_eq!(causes, BTreeSet::from(expected));
    assert_eq!(grown.likely.last().map(|one| one.cause), Some(Cause::StuckValue));
    assert_eq!((grown.ranked[0].as_str(), grown.ranked.len()), ("income", 3));
    assert_eq!(story.watch.incidents("credit"), 1);

    // It ends with the last of its alerts, and says so with each.
    let unit = story.minute(without_age);
    assert_eq!(ids(&unit), ids(&began));
    let fewer = incident_of(&unit);
    assert_eq!((&fewer.id, fewer.firing), (&first.id, more.len()));
    let over = story.minute(as_ever);
    assert_eq!(ids(&over), ids(&more));
    assert_eq!((incident_of(&over).id, incident_of(&over).firing), (first.id.clone(), 0));
    assert_eq!(story.watch.incidents("credit"), 0);

    // What comes later is another one.
    let later = story.minute(without_age);
    assert_ne!(incident_of(&later).id, first.id);
    check_causes(&incident_of(&later), &[(Cause::NullSpike, "age")]);
    assert_eq!(incident_of(&later).ranked, ["age"]);
    for alerts in [began, more, unit, over, later] {
        all.extend(alerts);
    }
    all
}

#[test]
fn an_incident_has_one_id_and_names_its_causes_until_it_is_over() {
    let plain = told(false);
    assert_eq!(plain, told(true), "a restart changes nothing");
    for alert in &plain {
        let text = serde_json::to_string(&(&alert.incident, &alert.shape)).expect("it can be written");
        assert!(!text.contains("REGION") && !text.contains("40000"), "it tells a value: {text}");
    }
}

/// The alerts that change, by subject and by the place of their incident among those of the whole test.
#[track_caller]
fn check_parts(watch: &mut Watch, seen: &mut Vec<String>, expected: &[(&str, usize)]) {
    let told = std::mem::take(&mut watch.told);
    let part = |effect: Effect| match effect {
        Effect::Alert(alert) => {
            let id = alert.incident.unwrap_or_else(|| panic!("{} has no incident", alert.alert)).id;
            let place = seen.iter().position(|known| *known == id).unwrap_or_else(|| {
                seen.push(id);
                seen.len() - 1
            });
            Some((alert.alert, place))
        }
        _ => None,
    };
    let is: Vec<(String, usize)> = told.effects.into_iter().filter_map(part).collect();
    let is: Vec<(&str, usize)> = is.iter().map(|(alert, place)| (alert.as_str(), *place)).collect();
    assert_eq!(is, expected);
}

fn of(topic: &str) -> Partition {
    Partition { topic: topic.into(), partition: 0 }
}

/// Rows in the first half of a minute.
fn rows(minute: i64, fields: &str) -> Vec<Record> {
    (0..6)
        .map(|row| (format!(r#"{{"ts":{},{fields}}}"#, START + minute * MINUTE + 5000 * row).into_bytes(), None))
        .collect()
}

#[test]
fn logs_that_nothing_joins_have_incidents_of_their_own() {
    let yaml = r#"
model: m
inputs: [{topic: a, fields: [x]}, {topic: b, fields: [y]}, {topic: said}]
schema: {time: ts, features: {x: numeric, y: numeric}, prediction: {score: s}}
reference: {dataset: reference.csv}
window: {size: 1m, min_rows: 1}
alerts:
  - {alert: X, when: quality.x.null_rate > 0.4}
  - {alert: Y, when: quality.y.null_rate > 0.4}
  - {alert: Said, when: quality.score.null_rate > 0.4}
"#;
    let mut watch = Watch::new(vec![monitor(yaml, Some("x,y,score\n1,1,1\n"))], 20);
    watch.assign(&["a", "b", "said"].map(of));
    let mut seen = Vec::new();
    let value = |is_null: bool| if is_null { "null" } else { "1" };
    // What is null in each minute, and what is told when it is over: the alerts, each with its incident.
    type Told<'a> = &'a [(&'a str, usize)];
    let minutes: [([bool; 3], Told); 5] = [
        ([true, true, false], &[("X", 0), ("Y", 1)]),
        // What the model says joins the older one, which then is upstream of all.
        ([true, true, true], &[("Said", 0)]),
        ([false, false, false], &[("X", 0), ("Y", 1), ("Said", 0)]),
        ([true, true, true], &[("X", 2), ("Y", 2), ("Said", 2)]),
        ([true, true, true], &[]),
    ];
    for (minute, ([x, y, said], expected)) in (0..).zip(minutes) {
        watch.load(&of("a"), rows(minute, &format!(r#""x":{}"#, value(x))));
        watch.load(&of("b"), rows(minute, &format!(r#""y":{}"#, value(y))));
        watch.load(&of("said"), rows(minute, &format!(r#""s":{}"#, value(said))));
        for (topic, field) in [("a", "x"), ("b", "y"), ("said", "s")] {
            watch.load(&of(topic), rows(minute + 1, &format!(r#""{field}":1"#))[..1].to_vec());
        }
        check_parts(&mut watch, &mut seen, expected);
        watch.restart();
    }
}

/// The rows of a version whose clock is half an hour ahead come before their time, and are of another hour.
#[test]
fn a_clock_that_is_off_is_told_by_when_rows_come() {
    let yaml = r#"
model: m
inputs: [{topic: log}]
schema: {time: ts, version: v, features: {x: numeric}}
reference: {dataset: reference.csv}
window: {size: 10m, min_rows: 1}
alerts:
  - {alert: Drift, when: drift.psi > 0.2}
"#;
    let reference: String = (0..1000).map(|i| format!("{}\n", i % 100)).collect();
    let mut watch = Watch::new(vec![monitor(yaml, Some(&format!("x\n{reference}")))], 20);
    watch.assign(&[log()]);
    let rows = |window: i64, version: u8, ahead: i64, more: i64| -> Vec<Record> {
        let row = |i: i64| {
            let logged = START + window * 10 * MINUTE + i * 2000;
            let (ts, x) = (logged - 3000 + ahead * MINUTE, (i * 37 + window) % 100 + more);
            (format!(r#"{{"ts":{ts},"v":"{version}","x":{x}}}"#).into_bytes(), Some(Time(logged)))
        };
        (0..300).map(row).collect()
    };
    for window in 0..12 {
        watch.load(&log(), rows(window, 1, 0, 0));
        if (4..6).contains(&window) {
            watch.load(&log(), rows(window, 2, 30, 40));
        }
        // What is usual outlives a restart.
        watch.restart();
    }
    let alerts = watch.told.effects.iter().filter_map(|effect| match effect {
        Effect::Alert(alert) => Some(&**alert),
        _ => None,
    });
    let first = alerts.map(|alert| (&*alert.version, alert.incident.as_ref().expect("it has one"))).next();
    let (version, incident) = first.expect("there is an alert");
    let likely = &incident.likely[0];
    assert_eq!((version, likely.cause), ("2", Cause::ClockSkew), "{incident:?}");
    assert!(likely.evidence.contains("rows come 30 minutes sooner after their time than usual"), "{}", likely.evidence);
}

#[test]
fn what_labels_say_late_is_of_the_incident_of_its_window() {
    let yaml = r#"
model: m
inputs: [{topic: log}]
labels: {topic: outcomes, id: id, time: ts, value: outcome, wait: 64m}
schema: {time: ts, id: id, features: {x: numeric}, prediction: {class: class, positive: bad}}
reference: {dataset: reference.csv}
window: {size: 1m, min_rows: 1}
alerts:
  - {alert: Nulls, when: quality.x.null_rate > 0.4}
  - {alert: Wrong, when: performance.accuracy < 0.6 && coverage > 0.9}
"#;
    let dataset = "x,class,outcome\n1,bad,bad\n1,good,good\n";
    let mut watch = Watch::new(vec![monitor(yaml, Some(dataset))], 20);
    watch.assign(&[of("log"), of("outcomes")]);
    let mut seen = Vec::new();
    let row = |minute: i64, x: &str| {
        let row = |row: i64| {
            let (ts, id) = (START + minute * MINUTE + 5000 * row, minute * 100 + row);
            (format!(r#"{{"ts":{ts},"id":{id},"x":{x},"class":"bad"}}"#).into_bytes(), None)
        };
        (0..6).map(row).collect::<Vec<Record>>()
    };
    watch.load(&of("log"), row(0, "1"));
    watch.load(&of("log"), row(1, "null"));
    watch.load(&of("log"), row(2, "1"));
    check_parts(&mut watch, &mut seen, &[("Nulls", 0)]);
    watch.load(&of("log"), row(3, "1"));
    check_parts(&mut watch, &mut seen, &[("Nulls", 0)]);
    assert_eq!(watch.incidents("m"), 0);
    watch.restart();
    // The model was wrong while x was null, and it was so again later on.
    let outcome = |at: i64, of: i64| {
        let label = |row: i64| {
            let (ts, id) = (START + at * MINUTE, of * 100 + row);
            (format!(r#"{{"ts":{ts},"id":{id},"outcome":"good"}}"#).into_bytes(), None)
        };
        (0..6).map(label).collect::<Vec<Record>>()
    };
    watch.load(&of("outcomes"), outcome(4, 1));
    watch.load(&of("log"), row(5, "1"));
    check_parts(&mut watch, &mut seen, &[("Wrong", 0)]);
    assert_eq!(watch.incidents("m"), 1);
}
