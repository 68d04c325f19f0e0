//! Drop a file in `tests/configs`, get a test: good ones load, bad ones give the very problems that stand beside them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proptest::prelude::*;

use super::{
    Item, Problem, Problems, Reader, daemon, files as configuration, is_daemon, load, load_monitor, monitor, ruletest,
};
use crate::measurement::Family;
use crate::monitor::{Against, Attribute, Correction, Input, Judging, Labels, Measure, Monitor, Season, Source};
use crate::notify::receiver::Config as Receiver;
use crate::route::{Grouping, Manner, Timing};
use crate::rule::{Retrain, Severity};
use crate::schema::{Answers, Choice, Kind, Path as KeyPath, Role};
use crate::slice::Slicing;
use crate::stat::Choices;
use crate::time::{Span, Windowing};

/// The files of a folder under `tests/configs`, sorted.
fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/configs").join(folder);
    let entries = fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|it| it == "yaml")).collect();
    files.sort();
    files
}

fn problems(file: &Path) -> Vec<Problem> {
    if is_daemon(file) { load(file).err().unwrap_or_default() } else { load_monitor(file).err().unwrap_or_default() }
}

/// The problems as they are printed, with paths as seen from the file's folder.
fn printed(file: &Path) -> String {
    let folder = format!("{}/", file.parent().expect("a folder").display());
    problems(file).iter().map(|problem| format!("{problem}\n").replace(&folder, "")).collect()
}

#[test]
fn good_files_load() {
    let files = files("good");
    assert!(files.len() >= 5);
    for file in files {
        assert_eq!(printed(&file), "", "{}", file.display());
    }
}

#[test]
fn bad_files_give_their_problems() {
    let files = files("bad");
    assert!(files.len() >= 15);
    let mut wrong = String::new();
    for file in files {
        let (found, beside) = (printed(&file), file.with_extension("expected"));
        let expected = fs::read_to_string(&beside).unwrap_or_default();
        if expected.is_empty() || found != expected {
            wrong.push_str(&format!(
                "--- {} should say\n{found}--- but {} says\n{expected}\n",
                file.display(),
                beside.display()
            ));
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

fn good(name: &str) -> PathBuf {
    files("good").into_iter().find(|file| file.ends_with(name)).expect("the file")
}

#[test]
fn a_monitor_is_what_its_file_says() {
    let monitor = load_monitor(&good("credit.yaml")).expect("a monitor");
    assert_eq!(monitor.model, "credit");
    let fields: Vec<_> =
        monitor.fields().iter().map(|f| (f.subject.as_str(), f.path.0.as_str(), f.kind, f.scale)).collect();
    assert_eq!(
        fields,
        [
            ("income", "features.income", Kind::Numeric, 1.0),
            ("purpose", "features.purpose", Kind::Categorical, 1.0),
            ("score", "prediction.score", Kind::Numeric, 1.0),
            ("prediction", "prediction.class", Kind::Categorical, 1.0),
            ("latency", "latency_ms", Kind::Numeric, 1e-3),
            ("error", "error", Kind::Flag, 1.0),
        ]
    );
    assert_eq!(monitor.inputs, [Input { topic: "credit.predictions".to_owned(), fields: vec![0, 1, 2, 3, 4, 5] }]);
    assert_eq!(monitor.resolution, 1024);
    assert!(matches!(&monitor.reference, Source::Dataset(path) if path.ends_with("good/reference.csv")));
    let (minute, second) = (Span(60_000), Span(1000));
    let (size, every, lateness, idle) =
        (Span(60 * minute.0), Span(5 * minute.0), Span(2 * minute.0), Span(30 * second.0));
    assert_eq!(monitor.windowing, Windowing { size, every, lateness, idle, min_rows: 100 });
    assert_eq!(monitor.judging, Judging { correction: Correction::BenjaminiHochberg, tells_underpowered: true });
    let rule = &monitor.rules[0];
    assert_eq!((rule.name.as_str(), rule.patience.windows, rule.severity), ("FeatureDrift", 2, Severity::Critical));
    assert_eq!(rule.retrain, Some(Retrain { name: "nightly".to_owned(), cooldown: Span(43_200_000) }));
    assert_eq!(monitor.rules[1].retrain, Some(Retrain { name: "nightly".to_owned(), cooldown: Span(86_400_000) }));
}

#[test]
fn everything_that_applies_is_measured() {
    let monitor = load_monitor(&good("credit.yaml")).expect("a monitor");
    let of = |subject: &str, family| -> Vec<(&str, Option<f64>)> {
        let is = |measure: &&Measure| measure.field.map_or("", |field| &monitor.fields()[field].subject) == subject;
        let wanted = monitor.measures.iter().filter(is).filter(|measure| measure.statistic.family == family);
        wanted.map(|measure| (measure.statistic.name, measure.threshold)).collect()
    };
    let names = |list: Vec<(&'static str, Option<f64>)>| list.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(of("", Family::Telemetry)), ["rows", "rows_per_second"]);
    assert_eq!(names(of("income", Family::Drift)), ["psi", "ks", "wasserstein"]);
    assert_eq!(names(of("prediction", Family::Drift)), ["psi", "js_distance", "chi_squared"]);
    assert_eq!(of("income", Family::Drift)[..2], [("psi", Some(0.25)), ("ks", Some(0.1))]);
    assert!(of("income", Family::Quality).contains(&("null_rate", Some(0.1))));
    assert!(names(of("score", Family::Quality)).contains(&"out_of_range_rate"));
    assert!(names(of("purpose", Family::Quality)).contains(&"unseen_rate"));
    assert_eq!(of("latency", Family::Telemetry).len(), 3);
    assert_eq!(of("error", Family::Telemetry).len(), 1);
    assert_eq!(of("error", Family::Quality), []);
    assert!(monitor.measures.iter().all(|measure| measure.significance == 0.0001));
}

#[test]
fn what_is_not_written_has_a_default() {
    let monitor = load_monitor(&good("minimal.yaml")).expect("a monitor");
    assert_eq!(monitor.windowing.every, monitor.windowing.size);
    assert_eq!(monitor.judging, Judging { correction: Correction::None, tells_underpowered: false });
    assert_eq!((monitor.windowing.lateness, monitor.windowing.idle), (Span(0), Span(30_000)));
    assert_eq!((monitor.resolution, monitor.reference), (2048, Source::Learnt { rows: 5000 }));
    assert_eq!(monitor.schema.plausible.earliest.to_string(), "1990-01-01T00:00:00Z");
    let two = load_monitor(&good("two-logs.yaml")).expect("a monitor");
    assert_eq!(two.inputs.iter().map(|input| input.fields.as_slice()).collect::<Vec<_>>(), [[0, 1], [2, 3]]);
    let sliced = load_monitor(&good("slices.yaml")).expect("a monitor").slicing;
    assert_eq!(
        (sliced.by[1].as_slice(), sliced.most, sliced.min_rows),
        (&["a".to_owned(), "b".to_owned()][..], 20, 30)
    );
    assert_eq!(load_monitor(&good("minimal.yaml")).expect("a monitor").slicing, Slicing::default());
    let config = load(&good("tidegauge-minimal.yaml")).expect("a configuration");
    assert_eq!((config.kafka.group.as_str(), config.kafka.from_start), ("tidegauge", true));
    assert_eq!(config.monitors.iter().map(|monitor| monitor.model.as_str()).collect::<Vec<_>>(), ["minimal"]);
    assert_eq!((config.http.listen.to_string(), config.limits.series), ("127.0.0.1:9909".to_owned(), 10_000));
    assert!(config.store.path.ends_with("good/data") && config.workers >= 1);
    assert_eq!((config.topics.retrain.as_str(), config.topics.dead_letters), ("tidegauge.retrain", None));
    assert_eq!(config.retrain_reports, None);
    let full = load(&good("tidegauge.yaml")).expect("a configuration");
    assert_eq!(full.retrain_reports.as_deref(), Some("ml.retrains"));
}

#[test]
fn what_moves_with_the_stream_is_beside_what_fixes_the_axes() {
    const HOUR: i64 = 3_600_000;
    let read = |name: &str| {
        let monitor = load_monitor(&good(name)).expect("a monitor");
        (matches!(monitor.reference, Source::Dataset(_)), monitor.against)
    };
    let trailing = Against::Trailing { last: Span(7 * 24 * HOUR), lag: Span(24 * HOUR) };
    assert_eq!(read("trailing.yaml"), (false, trailing));
    assert_eq!(read("seasonal.yaml"), (true, Against::Seasonal { by: Season::HourOfWeek, weeks: 4 }));
    assert_eq!(read("champion.yaml"), (true, Against::Version("1".to_owned())));
    assert_eq!(read("minimal.yaml"), (false, Against::Reference));
}

#[test]
fn what_is_answered_and_what_becomes_of_it_is_as_written() {
    let monitor = load_monitor(&good("outcomes.yaml")).expect("a monitor");
    let (schema, day) = (&monitor.schema, 86_400_000);
    let text = |text: &str| text.to_owned();
    assert_eq!(schema.id, Some(KeyPath(text("request.id"))));
    let answers = Answers { classes: vec![text("bad")], choice: Choice::Said, scores: vec![text("score")] };
    assert_eq!(schema.answers, Some(answers));
    let disguised = |subject: &str| schema.field(subject).expect("a field").disguise.as_ref();
    let named = ["F", "f", "M", "x"].map(|value| disguised("sex").expect("names").of(value).into_owned());
    assert_eq!(named, ["women", "women", "men", "unnamed"]);
    assert_eq!(disguised("age_group"), None);
    assert_eq!(disguised("origin").expect("a hash").of("Nepal").len(), 12);
    assert_eq!(schema.field("origin").map(|field| field.path.0.as_str()), Some("person.origin"));
    let labels = Labels {
        topic: text("credit.labels"),
        id: KeyPath(text("id")),
        time: KeyPath(text("decided")),
        value: KeyPath(text("outcome")),
        in_reference: KeyPath(text("defaulted")),
        wait: Span(30 * day),
        lateness: Span(600_000),
        min_coverage: 0.8,
    };
    assert_eq!(monitor.labels, Some(labels));
    let crossed = Attribute { subject: text("sex.age_group"), by: vec![text("sex"), text("age_group")] };
    assert_eq!(monitor.grouping.attributes[1], crossed);
    assert_eq!(monitor.grouping.condition.as_deref(), Some("region"));
    assert_eq!(monitor.grouping.noise.as_ref().map(|noise| noise.epsilon), Some(1.5));
    let values = [5.0, -1.0, -10.0, 0.0];
    assert_eq!(monitor.choices, Choices { beta: 0.5, top: 0.05, quantile: 0.75, values, min_group: 50 });
    // What is told of groups only with noise is not told of their attributes without.
    let of =
        |subject: &str| monitor.measures.iter().any(|m| m.field.is_some_and(|at| schema.fields[at].subject == subject));
    assert!(of("region") && of("score") && !of("sex") && !of("origin"));
}

#[test]
fn answers_are_of_classes_or_numbers() {
    let answers = |name: &str| load_monitor(&good(name)).expect("a monitor").schema.answers;
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let classes = texts(&["cat", "dog", "1"]);
    let scores = texts(&["probability.cat", "probability.dog", "probability.1"]);
    assert_eq!(answers("classes.yaml"), Some(Answers { classes, choice: Choice::Likeliest, scores }));
    let monitor = load_monitor(&good("classes.yaml")).expect("a monitor");
    let one = monitor.schema.field("probability.1").expect("a field");
    assert_eq!((one.path.0.as_str(), one.kind, one.role), ("probs.1", Kind::Numeric, Role::Score));
    assert_eq!(monitor.answering(), Some("answers"));
    let numbers = Answers { classes: Vec::new(), choice: Choice::Said, scores: Vec::new() };
    assert_eq!(answers("regression.yaml"), Some(numbers));
    let least = Answers { classes: texts(&["true"]), choice: Choice::AtLeast(0.7), scores: texts(&["score"]) };
    assert_eq!(answers("threshold.yaml"), Some(least));
    let grouping = load_monitor(&good("threshold.yaml")).expect("a monitor").grouping;
    assert_eq!(grouping.dimensions(), [texts(&["sex"]), texts(&["age_group"])]);
    assert_eq!(answers("credit.yaml"), None);
}

#[test]
fn outcomes_are_measured_where_there_are_any() {
    let measured = |name: &str| -> Vec<&str> {
        let measures = load_monitor(&good(name)).expect("a monitor").measures;
        let of_outcomes = measures.into_iter().filter(|measure| measure.statistic.on.outcomes().is_some());
        of_outcomes.map(|measure| measure.statistic.name).collect()
    };
    assert!(["outcomes.yaml", "classes.yaml", "regression.yaml"].iter().all(|it| measured(it).contains(&"coverage")));
    assert!(!measured("threshold.yaml").contains(&"coverage") && measured("credit.yaml").is_empty());
    let monitor = load_monitor(&good("outcomes.yaml")).expect("a monitor");
    let coverage =
        monitor.measures.iter().find(|measure| measure.statistic.name == "coverage").expect("it is measured");
    assert_eq!((coverage.field, coverage.threshold), (None, Some(0.5)));
}

#[test]
fn a_challenge_is_by_a_figure_that_is_measured() {
    let challenge = |name: &str| load_monitor(&good(name)).expect("a monitor").challenge.expect("a challenge");
    let (full, least) = (challenge("outcomes.yaml"), challenge("challenge.yaml"));
    assert_eq!((full.champion.as_deref(), full.metric().as_str()), (Some("7"), "performance.recall"));
    assert_eq!((full.margin, full.confidence), (0.01, 0.9));
    assert_eq!((least.champion.as_deref(), least.metric().as_str()), (Some("a"), "telemetry.error_rate"));
    assert_eq!((least.margin, least.confidence), (0.0, 0.95));
}

#[test]
fn a_fault_inside_a_text_is_told_where_it_is() {
    let at = |text: &str| {
        let reader = Reader::of_text(text);
        let map = reader.root().and_then(Item::map).expect("a map");
        map.find("when").expect("the key").report_within(3, "here", None);
        drop(map);
        let problem = reader.into_problems().remove(0);
        (problem.line, problem.column)
    };
    assert_eq!(at("when: a > b\n"), (1, 10));
    assert_eq!(at("when: \"é > b\"\n"), (1, 10));
    assert_eq!(at("when: 'a > b'\n"), (1, 11));
    assert_eq!(at("when: 'it''s'\n"), (1, 7));
    assert_eq!(at("when:\n  a > b\n"), (2, 6));
    assert_eq!(at("when: |\n  a > b\n"), (2, 3));
}

#[test]
fn files_that_cannot_be_read_are_a_problem() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/configs");
    for file in [folder.join("nowhere.yaml"), folder.clone()] {
        let problems = load(&file).expect_err("a problem");
        assert_eq!((problems.len(), problems[0].line, problems[0].column), (1, 1, 1));
        assert!(problems[0].message.starts_with("cannot read the file: "), "{}", problems[0]);
        assert_eq!(load_monitor(&file).expect_err("a problem"), problems);
    }
}

#[test]
fn a_route_has_what_it_does_not_say_from_the_one_above() {
    let route = load(&good("tidegauge-routing.yaml")).expect("a configuration").route;
    let (names, incident) = (["model", "incident"].map(str::to_owned).to_vec(), Grouping::default());
    let severe = &route.root.routes[1];
    let risk = &severe.routes[0];
    let receivers = [&route.root, &route.root.routes[0], severe, risk].map(|route| route.receiver.as_deref());
    assert_eq!(receivers, [Some("chat"), Some("audit"), Some("oncall"), Some("oncall")]);
    let groupings = [&route.root.grouping, &severe.grouping, &risk.grouping];
    assert_eq!(groupings, [&incident, &Grouping::By(names), &Grouping::None]);
    let timing = Timing { wait: Span(30_000), ..Timing::default() };
    assert_eq!((severe.timing, risk.timing), (timing, Timing { repeat: Span(3_600_000), ..timing }));
    assert_eq!(route.root.routes.iter().map(|route| route.goes_on).collect::<Vec<_>>(), [true, false]);
    let manners = ["audit", "chat", "oncall"].map(|name| route.receivers[name]);
    assert_eq!(manners, [Manner::Each, Manner::Grouped, Manner::Grouped]);
    assert_eq!((route.silences.len(), route.silences[0].created_by.as_str()), (1, "ada@example.com"));
    assert_eq!(route.watchdog.map(|watchdog| watchdog.every), Some(Span(300_000)));
}

#[test]
fn secrets_are_not_shown() {
    let config = load(&good("tidegauge.yaml")).expect("a configuration");
    let Receiver::Webhook(oncall) = &config.receivers["oncall"] else { panic!("a webhook") };
    assert_eq!(oncall.url.read().expect("a secret"), "https://hooks.example/a-secret");
    assert_eq!(config.kafka.properties["sasl.password"], "hunter2");
    let shown = format!("{config:?}");
    for secret in ["a-secret", "hunter2", "chat.example"] {
        assert!(!shown.contains(secret), "{secret}");
    }
}

#[test]
fn what_is_the_daemons_is_told_from_monitors() {
    for file in files("good").into_iter().chain(files("bad")) {
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        assert_eq!(is_daemon(&file), name.starts_with("tidegauge"), "{name}");
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/configs/good");
    let found = configuration(&[folder.join("rules"), folder.join("credit.yaml")]).expect("files");
    assert_eq!(found, [folder.join("rules/minimal.yaml"), folder.join("credit.yaml")]);
    let problems = configuration(&[folder.join("nowhere"), folder.join("secrets")]).expect_err("problems");
    let text = Problems(problems).to_string().replace(&format!("{}/", folder.display()), "");
    assert_eq!(
        text,
        "nowhere:1:1: cannot read it: No such file or directory (os error 2)\n\
         secrets:1:1: there is no configuration in this folder"
    );
}

/// What tests of rules are read by.
static MONITOR: LazyLock<Monitor> = LazyLock::new(|| load_monitor(&shipped("starting-point.yaml")).expect("a monitor"));

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("rules").join(name)
}

/// Examines a text as each kind of file. What counts is that it returns, and says why when it gives nothing.
fn examine(text: &str) {
    let reading = monitor::read(Reader::of_text(text), None);
    assert!(reading.monitor.is_some() || !reading.problems.is_empty(), "{text}");
    let (config, problems) = daemon::read(Reader::of_text(text), monitor::read);
    assert!(config.is_some() || !problems.is_empty(), "{text}");
    let reader = Reader::of_text(text);
    let tests = ruletest::read(&reader, &MONITOR);
    let of_tests = reader.into_problems();
    assert!(tests.is_some() || !of_tests.is_empty(), "{text}");
    for problem in reading.problems.iter().chain(&problems).chain(&of_tests) {
        assert!(problem.line >= 1 && problem.column >= 1, "{problem}");
        assert!(!problem.message.is_empty() && !problem.message.contains('\n'), "{problem}");
    }
}

/// Pieces of YAML in any order.
const YAML: &str = "([a-z]{1,3}: |- |[\\[\\]{},:?&*!|>'\"%@`~<#]|\n|  |[0-9]{1,3}|\t|é|model|alerts|kafka|when){0,60}";

fn good_texts() -> Vec<String> {
    let files = files("good").into_iter().chain([shipped("starting-point.test.yaml")]);
    files.map(|file| fs::read_to_string(file).expect("a text")).collect()
}

#[test]
fn no_depth_is_too_much() {
    let start =
        "model: m\ninputs: [{topic: t}]\nschema: {time: ts}\nwindow: {size: 1h}\nreference: {learnt: {rows: 500}}\n";
    for (open, close) in
        [("(", ")"), ("[", "]"), ("-", ""), ("not ", ""), ("!", ""), ("", "[0]"), ("", ".a"), ("", "|e"), ("x+", "")]
    {
        for length in [4000, 100_000] {
            let times = length / (open.len() + close.len());
            let expression = format!("{}rows{}", open.repeat(times), close.repeat(times));
            let alert = format!("{{alert: A, when: '{expression}', labels: {{a: '{{{{ {expression} }}}}'}}}}");
            examine(&format!("{start}alerts: [{alert}]\n"));
        }
    }
}

proptest! {
    #[test]
    fn no_text_is_too_much(text in any::<String>()) {
        examine(&text);
    }

    #[test]
    fn no_yaml_is_too_much(text in YAML) {
        examine(&text);
    }

    #[test]
    fn no_change_to_a_good_file_is_too_much(
        file in any::<prop::sample::Index>(),
        cut in any::<(prop::sample::Index, prop::sample::Index)>(),
        inserted in "[\\x00-\\x7f]{0,6}|[a-z]{1,5}: |\\PC{1,3}",
    ) {
        let texts = good_texts();
        let mut characters: Vec<char> = file.get(&texts).chars().collect();
        let (from, length) = (cut.0.index(characters.len()), cut.1.index(12));
        let to = (from + length).min(characters.len());
        characters.splice(from..to, inserted.chars());
        examine(&characters.into_iter().collect::<String>());
    }

    #[test]
    fn no_mixture_of_lines_is_too_much(lines in prop::collection::vec(any::<prop::sample::Index>(), 0..40)) {
        let texts = good_texts().join("\n");
        let all: Vec<&str> = texts.lines().collect();
        examine(&lines.iter().map(|line| format!("{}\n", line.get(&all))).collect::<String>());
    }
}
