//! What holds of runs whatever comes, and what is said of them.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const HOUR: i64 = 3_600_000;

pub(crate) fn request(id: u32, action: &str, model: &str) -> RetrainRequest {
    RetrainRequest {
        id: format!("{id:032x}"),
        retrain: action.to_owned(),
        model: model.to_owned(),
        version: "7".to_owned(),
        slice: String::new(),
        alert: "FeatureDrift".to_owned(),
        condition: "drift.psi > 0.2".to_owned(),
        subjects: vec!["income".to_owned()],
        window_start: Time(0),
        window_end: Time(HOUR),
        evidence: vec![],
        offsets: vec![crate::rule::basis::OffsetRange {
            partition: crate::pane::Partition { topic: "credit".into(), partition: 0 },
            first: 0,
            last: 9,
        }],
        reason: String::new(),
        rows: 1000,
        labelled: Some(300),
        coverage: Some(0.3),
        link: String::new(),
        quiet_until: Time(0),
    }
}

fn ask(id: u32) -> Event {
    Event::Requested(Box::new(request(id, "nightly", "credit")))
}

fn id(number: u32) -> String {
    format!("{number:032x}")
}

fn guarded(guards: Guards) -> Retrains {
    Retrains::resume(BTreeMap::from([("nightly".to_owned(), guards)]), Vec::new(), Time(0)).0
}

fn triggers(effects: &[Effect]) -> usize {
    effects.iter().filter(|effect| matches!(effect, Effect::Trigger(_))).count()
}

fn stored(effects: &[Effect]) -> Vec<State> {
    let changed = effects.iter().filter_map(|effect| match effect {
        Effect::Changed(run) => Some(run.state),
        _ => None,
    });
    changed.collect()
}

#[test]
fn a_run_goes_its_way() {
    let mut retrains = guarded(Guards::default());
    assert_eq!(triggers(&retrains.step(ask(1), Time(0))), 1);
    assert_eq!(retrains.step(ask(1), Time(1)), [], "the same request once more");
    let run = Some("manual__1".to_owned());
    assert_eq!(stored(&retrains.step(Event::Triggered { id: id(1), run }, Time(2))), [State::Triggered]);
    assert_eq!(stored(&retrains.step(Event::Started { id: id(1) }, Time(3))), [State::Started]);
    let version = Some("8".to_owned());
    assert_eq!(stored(&retrains.step(Event::Succeeded { id: id(1), version }, Time(4))), [State::Succeeded]);
    let run = retrains.run(&id(1)).expect("it is there");
    assert_eq!((run.new_version.as_deref(), run.run.as_deref()), (Some("8"), Some("manual__1")));
    assert_eq!(retrains.step(Event::Failed { id: id(1), why: String::new() }, Time(5)), [], "it is over");
}

#[test]
fn what_a_guard_holds_stays_held_until_somebody_wants_it() {
    let mut retrains = guarded(Guards { most_per_day: 9, ..Guards::default() });
    retrains.step(ask(1), Time(0));
    assert_eq!(stored(&retrains.step(ask(2), Time(1))), [State::Held]);
    assert_eq!(retrains.run(&id(2)).map(|run| run.why.clone()), Some(format!("the run {} is in flight", id(1))));
    retrains.step(Event::Succeeded { id: id(1), version: None }, Time(HOUR));
    let approved = || Event::Approved { id: id(2), who: "anna".to_owned() };
    assert_eq!(stored(&retrains.step(approved(), Time(2 * HOUR))), [State::Held]);
    let why = "the last run was triggered not long ago: none is before 1970-01-02T00:00:00Z";
    assert_eq!(retrains.run(&id(2)).map(|run| run.why.as_str()), Some(why));
    let effects = retrains.step(approved(), Time(24 * HOUR));
    assert_eq!((stored(&effects), triggers(&effects)), (vec![State::Triggering], 1));
}

#[test]
fn labels_have_to_be_there() {
    let why = |guards: Guards| {
        let mut retrains = guarded(guards);
        retrains.step(ask(1), Time(0));
        retrains.run(&id(1)).expect("it is there").why.clone()
    };
    assert_eq!(why(Guards { min_labels: 300, min_coverage: 0.3, ..Guards::default() }), "");
    let few = "300 rows of the window have labels, and 301 are needed";
    assert_eq!(why(Guards { min_labels: 301, ..Guards::default() }), few);
    let small = "30.0 % of the window's rows have labels, and 50.0 % are needed";
    assert_eq!(why(Guards { min_coverage: 0.5, ..Guards::default() }), small);
}

#[test]
fn a_person_is_asked_of_the_latest_request_only() {
    let mut retrains = guarded(Guards { approval: true, ..Guards::default() });
    assert_eq!(stored(&retrains.step(ask(1), Time(0))), [State::AwaitingApproval]);
    assert_eq!(stored(&retrains.step(ask(2), Time(1))), [State::Held, State::AwaitingApproval]);
    let denied = Event::Denied { id: id(1), who: "anna".to_owned() };
    assert_eq!(retrains.allows(&denied), Err(Refusal::Not(State::Held)));
    let effects = retrains.step(Event::Approved { id: id(2), who: "anna".to_owned() }, Time(2));
    assert_eq!((stored(&effects), triggers(&effects)), (vec![State::Triggering], 1));
    assert_eq!(retrains.run(&id(2)).and_then(|run| run.who.as_deref()), Some("anna"));
    let unknown = Event::Approved { id: id(3), who: String::new() };
    assert_eq!(retrains.allows(&unknown), Err(Refusal::Unknown));
}

#[test]
fn a_dry_run_takes_no_action_and_keeps_the_pace() {
    let mut retrains = guarded(Guards { dry_run: true, ..Guards::default() });
    let effects = retrains.step(ask(1), Time(0));
    assert_eq!((stored(&effects), triggers(&effects)), (vec![State::DryRun], 0));
    assert_eq!(stored(&retrains.step(ask(2), Time(1))), [State::Held]);
    assert_eq!(stored(&retrains.step(ask(3), Time(24 * HOUR))), [State::DryRun]);
}

#[test]
fn what_nobody_took_keeps_nothing_away_and_what_is_lost_is_not_waited_for() {
    let mut retrains = guarded(Guards { cooldown: Span(HOUR), most_per_day: 9, ..Guards::default() });
    retrains.step(ask(1), Time(0));
    let failed = Event::TriggerFailed { id: id(1), why: "it answered 401".to_owned() };
    assert_eq!(stored(&retrains.step(failed, Time(1))), [State::Failed]);
    assert_eq!(triggers(&retrains.step(ask(2), Time(2))), 1);
    retrains.step(Event::Triggered { id: id(2), run: None }, Time(3));
    assert_eq!(retrains.step(Event::Tick, Time(DAY.0)), []);
    assert_eq!(stored(&retrains.step(Event::Tick, Time(3 + DAY.0))), [State::Lost]);
    assert_eq!(
        stored(&retrains.step(Event::Succeeded { id: id(2), version: None }, Time(4 + DAY.0))),
        [State::Succeeded]
    );
}

/// A command is both asked to begin the run and the run itself, so its end is told as both.
#[test]
fn a_command_that_fails_ends_its_run_whether_or_not_it_has_said_that_it_started() {
    let ended = |retrains: &mut Retrains, number: u32, now: Time| {
        let why = || "the command ended with exit status: 1".to_owned();
        let mut states = stored(&retrains.step(Event::TriggerFailed { id: id(number), why: why() }, now));
        states.extend(stored(&retrains.step(Event::Failed { id: id(number), why: why() }, now)));
        assert_eq!(retrains.run(&id(number)).map(|run| run.why.clone()), Some(why()));
        states
    };
    let mut retrains = guarded(Guards { cooldown: Span(HOUR), most_per_day: 9, ..Guards::default() });
    retrains.step(ask(1), Time(0));
    assert_eq!(ended(&mut retrains, 1, Time(1)), [State::Failed]);
    assert_eq!(retrains.run(&id(1)).map(|run| run.triggered), Some(None), "it keeps no other away");
    assert_eq!(triggers(&retrains.step(ask(2), Time(2))), 1);
    retrains.step(Event::Started { id: id(2) }, Time(3));
    assert_eq!(ended(&mut retrains, 2, Time(4)), [State::Failed]);
    assert_eq!(triggers(&retrains.step(ask(3), Time(2 + HOUR))), 1, "only the cool-down keeps others away");
}

#[test]
fn what_is_told_of_a_run_has_names_and_what_is_stored_comes_back() {
    let run = Run::requested(request(1, "nightly", "credit"), Time(0));
    let told = serde_json::to_value(&run).expect("JSON");
    assert_eq!((&told["state"], &told["request"]["model"]), (&"requested".into(), &"credit".into()));
    let bytes = postcard::to_stdvec(&run).expect("bytes");
    assert_eq!(postcard::from_bytes::<Run>(&bytes).expect("a run"), run);
    for state in State::ALL {
        assert_eq!(serde_json::to_value(state).expect("JSON"), state.name());
    }
}

#[test]
fn old_runs_are_forgotten_but_not_those_that_count() {
    let mut retrains = guarded(Guards { cooldown: Span(30 * DAY.0), ..Guards::default() });
    retrains.step(ask(0), Time(0));
    retrains.step(Event::Succeeded { id: id(0), version: None }, Time(1));
    let mut forgotten = 0;
    for number in 1..500 {
        let effects = retrains.step(ask(number), Time(2 * DAY.0 + i64::from(number)));
        forgotten += effects.iter().filter(|effect| matches!(effect, Effect::Forgotten(_))).count();
    }
    assert_eq!(retrains.runs().count() + forgotten, 500);
    assert!(retrains.runs().count() < 110, "{}", retrains.runs().count());
    assert!(retrains.run(&id(0)).is_some(), "the last that was triggered");
}

fn any_guards() -> impl Strategy<Value = Guards> {
    (0..30i64, 1..4u32, 1..40i64, any::<bool>(), prop::bool::weighted(0.2)).prop_map(
        |(cooldown, most_per_day, lost_after, approval, dry_run)| Guards {
            cooldown: Span(cooldown * HOUR),
            most_per_day,
            lost_after: Span(lost_after * HOUR),
            min_labels: 0,
            min_coverage: 0.0,
            approval,
            dry_run,
        },
    )
}

fn any_event() -> impl Strategy<Value = Event> {
    let number = 0..12u32;
    let asked = (number.clone(), prop::bool::ANY).prop_map(|(number, other)| {
        // An id is always of the same request.
        let model = if number % 3 == 0 { "churn" } else { "credit" };
        let action = if number % 5 == 0 && other { "weekly" } else { "nightly" };
        let action = if number % 5 == 0 { action } else { "nightly" };
        Event::Requested(Box::new(request(number, action, model)))
    });
    let of = |make: fn(String) -> Event| number.clone().prop_map(move |number| make(id(number)));
    prop_oneof![
        6 => asked,
        3 => of(|id| Event::Approved { id, who: "anna".to_owned() }),
        1 => of(|id| Event::Denied { id, who: "anna".to_owned() }),
        3 => of(|id| Event::Triggered { id, run: None }),
        1 => of(|id| Event::TriggerFailed { id, why: "no".to_owned() }),
        2 => of(|id| Event::Started { id }),
        2 => of(|id| Event::Succeeded { id, version: None }),
        1 => of(|id| Event::Failed { id, why: "no".to_owned() }),
        2 => Just(Event::Tick),
    ]
}

/// Events, each some hours after the one before.
fn any_story() -> impl Strategy<Value = Vec<(Event, i64)>> {
    prop::collection::vec((any_event(), 0..20i64), 0..80)
}

/// What is on the disk, as it is there.
#[derive(Default)]
struct Disk(BTreeMap<String, Vec<u8>>);

impl Disk {
    fn keep(&mut self, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Changed(run) => {
                    drop(self.0.insert(run.id.clone(), postcard::to_stdvec(run).expect("bytes")));
                }
                Effect::Forgotten(id) => drop(self.0.remove(id)),
                Effect::Trigger(_) => {}
            }
        }
    }

    fn runs(&self) -> Vec<Run> {
        self.0.values().map(|bytes| postcard::from_bytes(bytes).expect("a run")).collect()
    }
}

proptest! {
    #[test]
    fn the_guards_hold(guards in any_guards(), story in any_story()) {
        let all = BTreeMap::from([("nightly".to_owned(), guards.clone()), ("weekly".to_owned(), guards.clone())]);
        let (mut retrains, _) = Retrains::resume(all, Vec::new(), Time(0));
        let mut now = Time(0);
        // For each action and model, when runs were triggered, but for those that nobody took.
        let mut triggered: BTreeMap<(String, String), BTreeMap<String, Time>> = BTreeMap::new();
        for (event, hours) in story {
            now = now + Span(hours * HOUR);
            for effect in retrains.step(event, now) {
                match effect {
                    Effect::Trigger(run) => {
                        prop_assert!(!guards.dry_run);
                        let times = triggered.entry((run.action.clone(), run.request.model.clone())).or_default();
                        prop_assert!(times.values().all(|&at| at + guards.cooldown <= now), "a cool-down was kept");
                        prop_assert!(!times.contains_key(&run.id), "a request is triggered once");
                        times.insert(run.id.clone(), now);
                        let recent = times.values().filter(|&&at| now < at + DAY).count();
                        prop_assert!(recent <= guards.most_per_day as usize, "no more than so many a day");
                    }
                    Effect::Changed(run) if run.state == State::Failed && run.triggered.is_none() => {
                        triggered.values_mut().for_each(|times| times.retain(|id, _| *id != run.id));
                    }
                    _ => {}
                }
            }
            let mut busy = BTreeSet::new();
            for run in retrains.runs().filter(|run| run.state.is_in_flight()) {
                prop_assert!(busy.insert((run.action.clone(), run.request.model.clone())), "one in flight");
            }
        }
    }

    #[test]
    fn a_restart_at_any_point_changes_nothing(
        guards in any_guards(),
        story in any_story(),
        at in any::<prop::sample::Index>(),
    ) {
        let all = || BTreeMap::from([("nightly".to_owned(), guards.clone()), ("weekly".to_owned(), guards.clone())]);
        let (mut whole, _) = Retrains::resume(all(), Vec::new(), Time(0));
        let mut now = Time(0);
        let restart = at.index(story.len() + 1);
        let mut disk = Disk::default();
        let mut resumed = whole.clone();
        for (number, (event, hours)) in story.iter().enumerate() {
            if number == restart {
                let (again, effects) = Retrains::resume(all(), disk.runs(), now);
                let under_way = whole.runs().filter(|run| run.state == State::Triggering).count();
                prop_assert_eq!(triggers(&effects), under_way, "what was under way goes on");
                prop_assert_eq!(stored(&effects), vec![]);
                resumed = again;
            }
            now = now + Span(hours * HOUR);
            let effects = whole.step(event.clone(), now);
            disk.keep(&effects);
            prop_assert_eq!(&resumed.step(event.clone(), now), &effects);
            // A request that comes again changes nothing, whenever it comes.
            let known: Vec<RetrainRequest> = whole.runs().map(|run| run.request.clone()).collect();
            for request in known {
                prop_assert_eq!(whole.step(Event::Requested(Box::new(request)), now), vec![]);
            }
        }
        prop_assert_eq!(resumed, whole);
    }
}
