//! What receivers come to know, and when.

use proptest::prelude::*;

use super::*;
use crate::rule::alert::Incident;

const MINUTE: i64 = 60_000;

fn event(subject: &str, episode: i64, state: State) -> AlertEvent {
    AlertEvent {
        id: format!("{subject}-{episode}"),
        alert: "Drift".into(),
        state,
        severity: Severity::Warning,
        model: "credit".into(),
        version: "7".into(),
        subject: subject.into(),
        window_start: Time(episode),
        window_end: Time(episode + i64::from(state == State::Resolved)),
        annotations: BTreeMap::new(),
        ..watchdog::alive(Time(episode), Time(0))
    }
}

fn fires(subject: &str) -> AlertEvent {
    event(subject, 0, State::Firing)
}

fn resolves(subject: &str) -> AlertEvent {
    event(subject, 0, State::Resolved)
}

fn matchers(texts: &[&str]) -> Vec<Matcher> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn config(root: Route) -> Config {
    let receivers = [
        ("people", Manner::Grouped),
        ("pager", Manner::Grouped),
        ("hook", Manner::Each),
        ("manager", Manner::Forgets { resend: Span(MINUTE) }),
    ];
    let receivers = receivers.map(|(name, manner)| (name.to_owned(), manner)).into();
    Config { root, receivers, ..Config::default() }
}

fn to(receiver: &str) -> Route {
    Route { receiver: Some(receiver.into()), ..Route::default() }
}

/// A router, and what is kept of it.
struct Bench {
    router: Router,
    config: Config,
    kept: BTreeMap<String, Vec<u8>>,
}

impl Bench {
    fn new(config: Config) -> Bench {
        let router = Router::new(config.clone(), [], |alert| Some(alert.notify.clone()), Time(0));
        Bench { router, config, kept: BTreeMap::new() }
    }

    fn to(receiver: &str) -> Bench {
        Bench::new(config(to(receiver)))
    }

    /// What is told at this minute after these have changed: the receiver, and each alert's subject and state.
    fn at(&mut self, minute: i64, changed: &[AlertEvent]) -> Vec<String> {
        let now = Time(minute * MINUTE);
        changed.iter().for_each(|event| self.router.take(event, now));
        let notices = self.router.due(now);
        self.keep();
        notices.iter().map(told).collect()
    }

    fn keep(&mut self) {
        for Change { key, kept } in self.router.changes() {
            match kept {
                Some(kept) => drop(self.kept.insert(key, postcard::to_stdvec(&kept).unwrap())),
                None => drop(self.kept.remove(&key)),
            }
        }
    }

    fn restart(&mut self, minute: i64) {
        let kept: Vec<Kept> = self.kept.values().map(|bytes| postcard::from_bytes(bytes).unwrap()).collect();
        let silences = std::mem::take(&mut self.router.silences);
        self.router = Router::new(self.config.clone(), kept, |_| Some(Vec::new()), Time(minute * MINUTE));
        self.router.silence(silences);
    }
}

fn told(notice: &Notice) -> String {
    let alerts = notice.alerts.iter().map(|alert| {
        let sign = if alert.state == State::Firing { '+' } else { '-' };
        format!(" {sign}{}", alert.subject)
    });
    format!("{}:{}", notice.receiver, alerts.collect::<String>())
}

#[test]
fn alerts_of_one_group_are_told_together_and_changes_wait_for_the_interval() {
    let mut bench = Bench::to("people");
    assert_eq!(bench.at(0, &[fires("b"), fires("a")]), ["people: +a +b"]);
    assert!(bench.at(1, &[fires("c")]).is_empty());
    assert!(bench.at(4, &[resolves("a")]).is_empty());
    assert_eq!(bench.at(5, &[]), ["people: +b +c -a"]);
    assert!(bench.at(11, &[]).is_empty(), "nothing has changed");
    assert_eq!(bench.at(12, &[resolves("b"), resolves("c")]), ["people: -b -c"]);
    assert!(bench.kept.is_empty(), "of what is over nothing is kept");
}

#[test]
fn a_new_group_waits_if_it_is_to_and_what_does_not_change_is_told_again() {
    let timing = Timing { wait: Span(MINUTE), ..Timing::default() };
    let mut bench = Bench::new(config(Route { timing, ..to("people") }));
    assert!(bench.at(0, &[fires("a")]).is_empty());
    assert_eq!(bench.at(1, &[]), ["people: +a"]);
    assert!(bench.at(240, &[]).is_empty());
    bench.restart(240);
    assert_eq!(bench.at(241, &[]), ["people: +a"]);
    assert!(bench.at(242, &[]).is_empty());
    assert_eq!(bench.at(481, &[]), ["people: +a"]);
}

#[test]
fn nobody_hears_of_what_was_over_before_anyone_was_told() {
    let mut bench = Bench::to("people");
    assert!(bench.at(0, &[fires("a"), resolves("a")]).is_empty());
    assert!(bench.kept.is_empty());
    let back = event("a", 1, State::Firing);
    assert_eq!(bench.at(1, &[fires("a")]), ["people: +a"]);
    assert!(bench.at(7, &[resolves("a"), back]).is_empty(), "it fires as it did");
}

#[test]
fn programs_are_told_of_each_change_at_once_and_once() {
    let mut bench = Bench::to("hook");
    let back = event("a", 1, State::Firing);
    let told = bench.at(0, &[fires("a"), fires("b"), resolves("a"), back]);
    assert_eq!(told, ["hook: +a", "hook: +b", "hook: -a", "hook: +a"]);
    assert!(bench.at(999, &[]).is_empty());
    assert_eq!(bench.at(1000, &[resolves("b")]), ["hook: -b"]);
}

#[test]
fn who_forgets_is_told_all_again_and_for_a_while_also_what_is_over() {
    let mut bench = Bench::to("manager");
    assert_eq!(bench.at(0, &[fires("a"), fires("b")]), ["manager: +a", "manager: +b"]);
    assert_eq!(bench.at(1, &[]), ["manager: +a +b"]);
    bench.restart(1);
    assert_eq!(bench.at(2, &[resolves("a")]), ["manager: -a", "manager: +b -a"]);
    assert_eq!(bench.at(16, &[]), ["manager: +b -a"]);
    assert_eq!(bench.at(17, &[]), ["manager: +b -a"]);
    assert_eq!(bench.at(18, &[]), ["manager: +b"]);
}

#[test]
fn routes_lead_to_the_deepest_that_match_and_rules_name_others() {
    let route = |texts: &[&str], receiver: &str, goes_on| Route { matchers: matchers(texts), goes_on, ..to(receiver) };
    let routes = vec![
        route(&["subject = a"], "pager", true),
        route(&["subject =~ a|b"], "hook", false),
        route(&["model = credit"], "manager", false),
    ];
    let mut bench = Bench::new(config(Route { routes, ..to("people") }));
    let other = AlertEvent { model: "fraud".into(), ..fires("d") };
    let named = AlertEvent { notify: vec!["people".into(), "nobody".into()], ..fires("e") };
    let mut told = bench.at(0, &[fires("a"), fires("b"), fires("c"), other, named]);
    told.sort();
    let all = ["hook: +a", "hook: +b", "manager: +c", "manager: +e", "pager: +a", "people: +d", "people: +e"];
    assert_eq!(told, all);
}

#[test]
fn one_incident_is_one_notice_and_labels_may_part_it() {
    let incident = |id: &str| Some(Incident { id: id.into(), ..serde_json::from_str(INCIDENT_OF_NOTHING).unwrap() });
    let of = |subject: &str, id: &str| AlertEvent { incident: incident(id), ..fires(subject) };
    let mut bench = Bench::to("people");
    let told = bench.at(0, &[of("a", "1"), of("b", "1"), of("c", "2"), fires("d")]);
    assert_eq!(told, ["people: +a +b", "people: +c", "people: +d"]);
    let grouping = Grouping::By(vec!["subject".into()]);
    let mut bench = Bench::new(config(Route { grouping, ..to("people") }));
    assert_eq!(bench.at(0, &[of("a", "1"), of("b", "1")]), ["people: +a", "people: +b"]);
    let mut bench = Bench::new(config(Route { grouping: Grouping::None, ..to("people") }));
    assert_eq!(bench.at(0, &[fires("a"), fires("b")]), ["people: +a", "people: +b"]);
}

const INCIDENT_OF_NOTHING: &str = r#"{"id": "", "opened": "2026-01-01T00:00:00Z", "firing": 1, "likely": []}"#;

fn silence(texts: &[&str], minutes: std::ops::Range<i64>) -> Silence {
    let (starts_at, ends_at) = (Time(minutes.start * MINUTE), Time(minutes.end * MINUTE));
    let (created_by, comment) = ("ada".into(), "moving".into());
    Silence { id: "silence".into(), matchers: matchers(texts), starts_at, ends_at, created_by, comment }
}

#[test]
fn what_is_silenced_is_told_when_the_silence_is_over_and_it_still_fires() {
    for receiver in ["people", "hook", "manager"] {
        let mut bench = Bench::to(receiver);
        bench.router.silence(vec![silence(&["subject = a"], 0..10)]);
        assert_eq!(bench.at(0, &[fires("a"), fires("b")]), [format!("{receiver}: +b")]);
        bench.restart(9);
        assert!(!bench.at(9, &[]).concat().contains("+a"));
        let told = bench.at(10, &[]);
        assert!(told.concat().contains("+a"), "{receiver} {told:?}");
    }
}

#[test]
fn whoever_was_told_that_it_fires_is_told_that_it_is_over_in_spite_of_a_silence() {
    for receiver in ["people", "hook", "manager"] {
        let mut bench = Bench::to(receiver);
        assert_eq!(bench.at(0, &[fires("a")]).concat(), format!("{receiver}: +a"));
        bench.router.silence(vec![silence(&["model = credit"], 0..100)]);
        assert!(bench.at(10, &[resolves("a")]).concat().contains("-a"));
        let told = bench.at(20, &[event("a", 1, State::Firing)]).concat();
        assert!(!told.contains("+a"), "{receiver} {told}");
        assert!(bench.at(60, &[event("a", 1, State::Resolved)]).is_empty(), "nobody knew of the second one");
    }
}

#[test]
fn an_alert_inhibits_those_that_it_explains() {
    let inhibition = Inhibition {
        source: matchers(&["severity = critical"]),
        target: matchers(&["severity =~ warning|critical"]),
        equal: vec!["model".into()],
    };
    let mut bench = Bench::new(Config { inhibitions: vec![inhibition], ..config(to("hook")) });
    let critical = AlertEvent { severity: Severity::Critical, ..fires("a") };
    let other = AlertEvent { model: "fraud".into(), ..fires("c") };
    let told = bench.at(0, &[fires("b"), critical.clone(), other]);
    assert_eq!(told, ["hook: +a", "hook: +c"], "neither itself nor another model");
    let inhibited = Muted { silenced_by: Vec::new(), inhibited: true };
    assert_eq!(bench.router.muted(Time(MINUTE)), BTreeMap::from([(fires("b").id, inhibited)]));
    bench.router.silence(vec![silence(&["model = fraud"], 0..1000)]);
    let muted: Vec<_> = bench.router.muted(Time(MINUTE)).into_values().map(|muted| muted.silenced_by.len()).collect();
    assert_eq!(muted.into_iter().sum::<usize>(), 1, "the other model's is silenced now");
    bench.router.silence(Vec::new());
    assert_eq!(bench.at(1, &[AlertEvent { state: State::Resolved, ..critical }]), ["hook: -a", "hook: +b"]);
}

#[test]
fn another_configuration_tells_new_receivers_and_ends_what_has_no_rule() {
    let mut bench = Bench::to("people");
    bench.at(0, &[fires("a"), fires("b")]);
    bench.config = config(to("pager"));
    bench.restart(1);
    assert_eq!(bench.at(1, &[]), ["pager: +a +b"]);
    assert_eq!(bench.at(9, &[resolves("a")]), ["pager: +b -a", "people: -a"], "who was told before is told the end");
    let kept: Vec<Kept> = bench.kept.values().map(|bytes| postcard::from_bytes(bytes).unwrap()).collect();
    bench.router = Router::new(bench.config.clone(), kept, |_| None, Time(20 * MINUTE));
    let notices = bench.router.due(Time(20 * MINUTE));
    assert_eq!(notices.iter().map(told).collect::<Vec<_>>(), ["pager: -b", "people: -b"]);
    assert_eq!(notices[0].alerts[0].reason, "its rule is no longer configured");
}

#[test]
fn the_watchdog_always_fires() {
    let watchdog = Watchdog { receivers: vec!["people".into(), "hook".into()], every: Span(5 * MINUTE) };
    let config = Config { watchdog: Some(watchdog), ..config(Route::default()) };
    let mut bench = Bench::new(config);
    bench.router.silence(vec![silence(&["model =~ .*"], 0..1000)]);
    assert_eq!(bench.at(0, &[]), ["people: +", "hook: +"]);
    assert!(bench.at(4, &[]).is_empty());
    let notices = bench.router.due(Time(5 * MINUTE));
    assert_eq!(notices.len(), 2);
    assert!(notices.iter().all(|notice| notice.alerts[0].alert == WATCHDOG && notice.lives == Some(Span(5 * MINUTE))));
}

/// Something that may happen: so many minutes pass; an alert changes, or a silence begins or ends.
#[derive(Clone, Debug)]
enum Happening {
    Pass(i64),
    Change(usize),
    Silence(bool),
}

fn happenings() -> impl Strategy<Value = Vec<(Happening, bool)>> {
    let happening = prop_oneof![
        (0i64..8).prop_map(Happening::Pass),
        (0usize..4).prop_map(Happening::Change),
        any::<bool>().prop_map(Happening::Silence),
    ];
    prop::collection::vec((happening, any::<bool>()), 1..60)
}

/// Plays what happens, with restarts where they are said to be, and then long enough for everything to be told. What
/// comes of it: all notices, and which alerts fire in the end.
fn play(receiver: &str, happenings: &[(Happening, bool)], restarts: bool) -> (Vec<Notice>, BTreeSet<String>) {
    let mut bench = Bench::to(receiver);
    let (mut now, mut episodes, mut firing) = (0, [0i64; 4], BTreeSet::new());
    let mut notices = Vec::new();
    for (happening, is_restarted) in happenings {
        match happening {
            Happening::Pass(minutes) => now += minutes,
            Happening::Change(which) => {
                let subject = ["a", "b", "c", "d"][*which];
                let id = format!("{subject}-{}", episodes[*which]);
                let state = if firing.contains(&id) { State::Resolved } else { State::Firing };
                bench.router.take(&event(subject, episodes[*which], state), Time(now * MINUTE));
                if !firing.remove(&id) {
                    firing.insert(id);
                } else {
                    episodes[*which] += 1;
                }
            }
            Happening::Silence(begins) => {
                let silences = if *begins { vec![silence(&["subject = a"], 0..1 << 40)] } else { vec![] };
                bench.router.silence(silences);
            }
        }
        notices.extend(bench.router.due(Time(now * MINUTE)));
        bench.keep();
        if restarts && *is_restarted {
            bench.restart(now);
        }
    }
    bench.router.silence(vec![]);
    notices.extend(bench.router.due(Time((now + 6) * MINUTE)));
    (notices, firing)
}

/// The last that was told of each alert. Programs are told of an episode by its id, people of what fires by its name.
fn believed(notices: &[Notice]) -> BTreeSet<String> {
    let mut believed = BTreeMap::new();
    for alert in notices.iter().flat_map(|notice| &notice.alerts) {
        believed.insert(alert.subject.clone(), (alert.state, alert.subject.clone()));
    }
    believed.into_values().filter(|(state, _)| *state == State::Firing).map(|(_, subject)| subject).collect()
}

proptest! {
    #[test]
    fn in_the_end_everyone_knows_what_fires(happenings in happenings(), receiver in 0usize..3) {
        let receiver = ["people", "hook", "manager"][receiver];
        let (notices, firing) = play(receiver, &happenings, true);
        let firing: BTreeSet<String> = firing.iter().map(|id| id[..1].to_owned()).collect();
        prop_assert_eq!(believed(&notices), firing);
    }

    #[test]
    fn restarts_change_nothing(happenings in happenings(), receiver in 0usize..3) {
        let receiver = ["people", "hook", "manager"][receiver];
        prop_assert_eq!(play(receiver, &happenings, true), play(receiver, &happenings, false));
    }

    #[test]
    fn no_notice_has_the_id_of_another(happenings in happenings(), receiver in 0usize..3) {
        let (notices, _) = play(["people", "hook", "manager"][receiver], &happenings, true);
        let ids: BTreeSet<&String> = notices.iter().map(|notice| &notice.id).collect();
        prop_assert_eq!(ids.len(), notices.len());
    }

    #[test]
    fn a_program_hears_of_each_change_once_and_in_order(happenings in happenings()) {
        let loud: Vec<_> =
            happenings.into_iter().filter(|(happening, _)| !matches!(happening, Happening::Silence(_))).collect();
        let (notices, _) = play("hook", &loud, true);
        let told: Vec<(String, State)> =
            notices.iter().flat_map(|notice| &notice.alerts).map(|alert| (alert.id.clone(), alert.state)).collect();
        let (mut expected, mut episodes, mut fires) = (Vec::new(), [0i64; 4], [false; 4]);
        for (happening, _) in &loud {
            if let Happening::Change(which) = happening {
                let id = format!("{}-{}", ["a", "b", "c", "d"][*which], episodes[*which]);
                expected.push((id, if fires[*which] { State::Resolved } else { State::Firing }));
                episodes[*which] += i64::from(fires[*which]);
                fires[*which] = !fires[*which];
            }
        }
        prop_assert_eq!(told, expected);
    }
}
