//! Behaviour told as scripts: every file of `tests/scenarios/` is run plain, with its rows split over three partitions,
//! and with the process killed and started again after every line. All must have the same outcome.
//!
//! A line is a command; indented lines under it belong to it; `#` begins a comment. Times are of 2026-01-01, those of
//! another day of that month have its number before them, as in 08T10:00.
//!
//! ```text
//! monitor                 its YAML, indented; a second one is a changed configuration
//! dataset                 the CSV of its reference, which the YAML calls reference.csv; stands before the monitor
//! versions N              measured apart at the most; stands before the monitor
//!
//! load AT [SPAN xN] ROW…  N records (1 unless said), evenly over the span from AT on, taking the rows in turn;
//!                         each row is JSON without blanks, to which the time is added as "ts"
//! raw TEXT                a record as it stands in TOPIC or p=N         before the rows or the text: into that topic,
//! or that partition (0 unless said) idle p=N                the partition is silent       revoke p=N    it is taken
//! away      assign p=N    it comes back finish                  all logs end
//!
//! expect windows AT…      the ends of the windows published, in order expect value AT NAME [of SUBJECT] [version V]
//! [slice S] is X      where X is a number to four digits, or why there is none expect alerts           each change of
//! an alert, indented, as `STATE RULE [of SUBJECT] [version V] [slice S] at END #N`; an N is
//!                         the alert's id, counted in the order of their coming
//! expect told TEXT        the summary of some alert's change
//! expect label NAME TEXT  the same for a label
//! expect retrains         each request, indented, as `NAME [version V] [slice S] for SUBJECTS at END until END`
//! expect verdicts         each, indented, as `VERSION VERDICT against CHAMPION at END after N windows`
//! expect late N           expect rejected REASON…
//! expect learnt ROWS [version V]
//! ```
//!
//! Expectations are of all that happened since the last line that was none. Alerts, retrains, verdicts, late and rejected rows
//! that nobody expected are faults.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use tidegauge::engine::Effect;
use tidegauge::measurement::Measurement;
use tidegauge::pane::Partition;
use tidegauge::rule::alert::{AlertEvent, RetrainRequest};
use tidegauge::time::{Span, Time};
use tidegauge::verdict::Standing;

use crate::watch::{Told, Watch, monitor};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Plain,
    Split,
    Restarted,
}

#[test]
fn scenarios() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut files: Vec<_> =
        fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let text = fs::read_to_string(&file).expect("the scenario can be read");
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let plain = run(&name, &text, Way::Plain);
        for way in [Way::Split, Way::Restarted] {
            let other = run(&name, &text, way);
            for (other, plain) in other.iter().zip(&plain) {
                assert_eq!(other, plain, "{name}, {way:?}");
            }
            assert_eq!(other.len(), plain.len(), "{name}, {way:?}");
        }
    }
}

/// Runs a scenario. Returns all that it published, so that it can be compared.
fn run(name: &str, text: &str, way: Way) -> Vec<String> {
    let mut run = Run { way, ..Run::default() };
    let mut lines =
        text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty() && !line.starts_with('#')).peekable();
    while let Some((line, number)) = lines.next() {
        let mut block = Vec::new();
        while let Some((inner, _)) = lines.next_if(|(line, _)| line.starts_with(' ')) {
            block.push(inner);
        }
        let place = format!("{name}:{number}, {way:?}: {line}");
        run.command(&place, line, &block);
    }
    run.settle(name);
    run.published
}

struct Run {
    way: Way,
    dataset: Option<String>,
    versions: usize,
    watch: Option<Watch>,
    topics: Vec<String>,
    is_away: bool,
    /// What came since the last command, and whether it has been looked at.
    told: Told,
    expected: BTreeSet<&'static str>,
    ids: BTreeMap<String, usize>,
    published: Vec<String>,
}

impl Default for Run {
    fn default() -> Run {
        Run {
            way: Way::Plain,
            dataset: None,
            versions: 20,
            watch: None,
            topics: Vec::new(),
            is_away: false,
            told: Told::default(),
            expected: BTreeSet::new(),
            ids: BTreeMap::new(),
            published: Vec::new(),
        }
    }
}

impl Run {
    fn command(&mut self, place: &str, line: &str, block: &[&str]) {
        let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
        if command == "expect" {
            let (what, rest) = rest.split_once(' ').unwrap_or((rest, ""));
            return self.expect(place, what, rest, block);
        }
        self.settle(place);
        match command {
            "dataset" => self.dataset = Some(unindented(block)),
            "versions" => self.versions = rest.parse().expect(place),
            "monitor" => self.open(&unindented(block)),
            "load" | "raw" => self.load(place, command, rest),
            "idle" | "revoke" | "assign" => {
                let partitions = self.partitions_of(rest);
                let watch = self.watch.as_mut().expect(place);
                match command {
                    "idle" => partitions.into_iter().for_each(|partition| watch.silence(partition)),
                    "revoke" => partitions.iter().for_each(|partition| watch.revoke(partition)),
                    _ => watch.assign(&partitions),
                }
            }
            "finish" => self.watch.as_mut().expect(place).finish(),
            _ => panic!("{place}: no such command"),
        }
        if let Some(watch) = self.watch.as_mut() {
            self.is_away = command == "revoke" || (self.is_away && command != "assign");
            // Whoever starts does not wait for a partition that is away, and what is being learnt is begun anew.
            let can_restart = !self.is_away && !watch.is_learning() && command != "finish";
            if self.way == Way::Restarted && can_restart {
                watch.restart();
            }
            self.told = std::mem::take(&mut watch.told);
        }
        self.record();
    }

    fn open(&mut self, yaml: &str) {
        let subscriber = monitor(yaml, self.dataset.as_deref());
        if let Some(watch) = self.watch.as_mut() {
            return watch.change(vec![subscriber]);
        }
        let labels = subscriber.monitor.labels.iter().map(|labels| labels.topic.clone());
        self.topics = subscriber.monitor.inputs.iter().map(|input| input.topic.clone()).chain(labels).collect();
        self.topics.dedup();
        let mut watch = Watch::new(vec![subscriber], self.versions);
        let [first, second] = [0, 1].map(|number| -> Vec<Partition> {
            self.topics.iter().flat_map(|topic| self.split(topic, number)).collect()
        });
        watch.assign(&[first, second.clone()].concat());
        // Most scenarios have one partition; the second is silent until it is spoken of.
        second.into_iter().for_each(|partition| watch.silence(partition));
        self.watch = Some(watch);
    }

    /// The partitions that stand for one of the scenario.
    fn split(&self, topic: &str, number: i32) -> Vec<Partition> {
        let parts = if self.way == Way::Split { 3 } else { 1 };
        (0..parts).map(|part| Partition { topic: topic.into(), partition: number * parts + part }).collect()
    }

    /// Reads `in TOPIC` and `p=N`.
    fn partitions_of(&self, text: &str) -> Vec<Partition> {
        let words: Vec<&str> = text.split(' ').collect();
        let topic = words.iter().position(|word| *word == "in").map_or(self.topics[0].as_str(), |at| words[at + 1]);
        let number = words.iter().find_map(|word| word.strip_prefix("p="));
        self.split(topic, number.map_or(0, |number| number.parse().expect("a partition's number")))
    }

    fn load(&mut self, place: &str, command: &str, rest: &str) {
        let brace = rest.find('{').unwrap_or(rest.len());
        let (head, rows) = if command == "raw" { ("", rest) } else { rest.split_at(brace) };
        let partitions = self.partitions_of(head);
        let mut records = Vec::new();
        if command == "raw" {
            records.push(rows.as_bytes().to_vec());
        } else {
            let words: Vec<&str> = head.split_whitespace().collect();
            let span = words.get(1).and_then(|word| word.parse::<Span>().ok()).unwrap_or_default();
            let count =
                words.iter().find_map(|word| word.strip_prefix('x')).map_or(1, |count| count.parse().expect(place));
            let rows: Vec<&str> = rows.split(' ').collect();
            for (index, row) in (0..count).zip(rows.iter().cycle()) {
                let time = Time(at(words[0]).0 + span.0 * index / count);
                let more = row.strip_prefix('{').expect(place);
                let comma = if more == "}" { "" } else { "," };
                records.push(format!(r#"{{"ts":"{time}"{comma}{more}"#).into_bytes());
            }
        }
        let watch = self.watch.as_mut().expect(place);
        let parts = partitions.len();
        for (index, partition) in partitions.iter().enumerate() {
            let mine = records.iter().skip(index).step_by(parts).map(|record| (record.clone(), None));
            watch.load(partition, mine.collect());
        }
    }

    /// Holds against what happened that something was expected of all of it that matters.
    fn settle(&mut self, place: &str) {
        let told = std::mem::take(&mut self.told);
        let expected = std::mem::take(&mut self.expected);
        let unexpected = |what: &str, is: bool| {
            assert!(!is || expected.contains(what), "before {place}: unexpected {what}: {:#?}", told.effects)
        };
        unexpected("alerts", told.effects.iter().any(|effect| matches!(effect, Effect::Alert(_))));
        unexpected("retrains", told.effects.iter().any(|effect| matches!(effect, Effect::Retrain(_))));
        unexpected("verdicts", told.effects.iter().any(|effect| matches!(effect, Effect::Verdict(_))));
        unexpected("late", told.late > 0);
        unexpected("rejected", !told.rejected.is_empty());
    }

    fn expect(&mut self, place: &str, what: &str, rest: &str, block: &[&str]) {
        let block: Vec<String> = block.iter().map(|line| line.trim().to_owned()).collect();
        match what {
            "windows" => {
                let mut ends: Vec<Time> = self.measured().map(|one| one.window_end).collect();
                ends.dedup();
                let wanted: Vec<Time> = rest.split_whitespace().map(at).collect();
                assert_eq!(show(&ends), show(&wanted), "{place}");
            }
            "value" => self.expect_value(place, rest),
            "alerts" => {
                let is: Vec<String> = self.alerts().map(|alert| self.say(alert)).collect();
                assert_eq!(is, block, "{place}");
                self.expected.insert("alerts");
            }
            "told" => {
                let is: Vec<&String> = self.alerts().filter_map(|alert| alert.annotations.get("summary")).collect();
                assert!(is.iter().any(|is| *is == rest), "{place}: {is:#?}");
            }
            "label" => {
                let (name, text) = rest.split_once(' ').expect(place);
                let is: Vec<&String> = self.alerts().filter_map(|alert| alert.labels.get(name)).collect();
                assert!(is.iter().any(|is| *is == text), "{place}: {is:#?}");
            }
            "retrains" => {
                let is: Vec<String> = self.told.effects.iter().filter_map(retrain).map(said_request).collect();
                assert_eq!(is, block, "{place}");
                self.expected.insert("retrains");
            }
            "verdicts" => {
                let is: Vec<String> = self.told.effects.iter().filter_map(verdict).map(said_verdict).collect();
                assert_eq!(is, block, "{place}");
                self.expected.insert("verdicts");
            }
            "late" => {
                assert_eq!(self.told.late.to_string(), rest, "{place}");
                self.expected.insert("late");
            }
            "rejected" => {
                let is: Vec<&str> = self.told.rejected.iter().map(|row| row.reason.name()).collect();
                assert_eq!(is.join(" "), rest, "{place}");
                self.expected.insert("rejected");
            }
            "learnt" => {
                let learnt = self.told.effects.iter().filter_map(|effect| match effect {
                    Effect::Learnt { learnt, known, .. } => {
                        Some(format!("{}{}", known.reference.rows, of_version(&learnt.version)))
                    }
                    _ => None,
                });
                assert_eq!(learnt.collect::<Vec<_>>().join(", "), rest, "{place}");
            }
            _ => panic!("{place}: no such expectation"),
        }
    }

    fn measured(&self) -> impl Iterator<Item = &Measurement> {
        self.told.effects.iter().flat_map(|effect| match effect {
            Effect::Measured(measurements) => measurements.as_slice(),
            _ => &[],
        })
    }

    fn alerts(&self) -> impl Iterator<Item = &AlertEvent> {
        self.told.effects.iter().filter_map(alert)
    }

    fn expect_value(&self, place: &str, rest: &str) {
        let (which, value) = rest.split_once(" is ").expect(place);
        let words: Vec<&str> = which.split(' ').collect();
        let after = |name: &str| words.iter().position(|word| *word == name).map_or("", |found| words[found + 1]);
        let (end, (family, statistic), subject, version, slice) =
            (at(words[0]), words[1].split_once('.').expect(place), after("of"), after("version"), after("slice"));
        let is_it = |one: &&Measurement| {
            one.window_end == end
                && one.family.name() == family
                && one.statistic == statistic
                && one.subject == subject
                && one.version == version
                && one.slice == slice
        };
        let found: Vec<String> = self.measured().filter(is_it).map(said_value).collect();
        assert_eq!(found, [value], "{place}");
    }

    fn say(&self, alert: &AlertEvent) -> String {
        let subject = if alert.subject.is_empty() { String::new() } else { format!(" of {}", alert.subject) };
        let (version, end) = (of_version(&alert.version) + &of_slice(&alert.slice), clock(alert.window_end));
        format!("{} {}{subject}{version} at {end} #{}", alert.state.name(), alert.alert, self.ids[&alert.id])
    }

    /// Numbers the alerts, and remembers all that was published.
    fn record(&mut self) {
        for effect in &self.told.effects {
            match effect {
                Effect::Alert(alert) => {
                    let next = self.ids.len() + 1;
                    self.ids.entry(alert.id.clone()).or_insert(next);
                    // Where the rows are is not the same when they are split.
                    let alert = AlertEvent { offsets: Vec::new(), basis: Default::default(), ..(**alert).clone() };
                    self.published.push(format!("{alert:?}"));
                }
                Effect::Measured(measurements) => {
                    self.published.extend(measurements.iter().map(|one| format!("{one:?}")))
                }
                Effect::Retrain(request) => {
                    let request = RetrainRequest { offsets: Vec::new(), ..(**request).clone() };
                    self.published.push(format!("{request:?}"));
                }
                Effect::Verdict(standing) => self.published.push(format!("{standing:?}")),
                Effect::Learnt { .. }
                | Effect::Late { .. }
                | Effect::Expired { .. }
                | Effect::Folded(_)
                | Effect::Forgotten { .. }
                | Effect::Joined { .. } => {}
            }
        }
    }
}

fn alert(effect: &Effect) -> Option<&AlertEvent> {
    if let Effect::Alert(alert) = effect { Some(alert) } else { None }
}

fn retrain(effect: &Effect) -> Option<&RetrainRequest> {
    if let Effect::Retrain(request) = effect { Some(request) } else { None }
}

fn verdict(effect: &Effect) -> Option<&Standing> {
    if let Effect::Verdict(standing) = effect { Some(standing) } else { None }
}

fn said_verdict(one: &Standing) -> String {
    let (end, verdict) = (clock(one.window_end), one.verdict.name());
    format!("{} {verdict} against {} at {end} after {} windows", one.version, one.champion, one.windows)
}

fn said_request(request: &RetrainRequest) -> String {
    let version = of_version(&request.version) + &of_slice(&request.slice);
    let (end, until) = (clock(request.window_end), clock(request.quiet_until));
    format!("{}{version} for {} at {end} until {until}", request.retrain, request.subjects.join(","))
}

fn said_value(one: &Measurement) -> String {
    match (one.value, &one.undefined) {
        (Some(value), _) => ((value * 1e4).round() / 1e4).to_string(),
        (None, why) => why.clone().unwrap_or_default(),
    }
}

fn of_version(version: &str) -> String {
    if version.is_empty() { String::new() } else { format!(" version {version}") }
}

fn of_slice(slice: &str) -> String {
    if slice.is_empty() { String::new() } else { format!(" slice {slice}") }
}

fn at(clock: &str) -> Time {
    let (day, clock) = clock.split_once('T').unwrap_or(("01", clock));
    let seconds = if clock.len() == 5 { ":00" } else { "" };
    format!("2026-01-{day}T{clock}{seconds}Z").parse().expect("a time such as 10:00, 10:00:30 or 02T10:00")
}

/// A time as scenarios write it.
fn clock(time: Time) -> String {
    let text = time.to_string();
    let clock = text.trim_start_matches("2026-01-").trim_start_matches("01T").trim_end_matches('Z');
    clock.strip_suffix(":00").unwrap_or(clock).to_owned()
}

fn show(times: &[Time]) -> Vec<String> {
    times.iter().map(|time| clock(*time)).collect()
}

fn unindented(block: &[&str]) -> String {
    block.iter().map(|line| format!("{}\n", line.get(2..).unwrap_or_default())).collect()
}
