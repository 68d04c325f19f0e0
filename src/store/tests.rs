//! Tests of the store: what comes back, after a crash and after damage too.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicU32;

use super::post::tests::letter;
use super::*;
use crate::audit::{Entry, What, verify};
use crate::block::{BlockKey, Series};
use crate::join::{Ledger as _, Place};
use crate::outcome::{Id, OutcomeAxis, Truth};
use crate::pane::PaneKey;
use crate::retrain::Run;
use crate::route::Silence;
use crate::rule::alert::AlertKey;
use crate::rule::life::Active;
use crate::tally::outcome::OutcomeTally;

/// A directory of its own, removed at the end.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new() -> Scratch {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("tidegauge-store-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        Scratch(path)
    }

    pub(super) fn open(&self) -> Store {
        self.try_open().unwrap()
    }

    pub(super) fn try_open(&self) -> Result<Store, StoreError> {
        Store::open(&Config { path: self.0.clone(), cache: CACHE })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn partition(partition: i32) -> Partition {
    Partition { topic: "credit.predictions".into(), partition }
}

fn pane(model: &str, start: i64, rows: u64) -> Pane {
    let key = PaneKey {
        model: model.into(),
        start: Time(start),
        version: "7".into(),
        slice: "country=US".into(),
        partition: partition(0),
    };
    Pane::new(key, "axes".into(), rows, (3, 9), &[], None)
}

fn position(next: i64) -> Position {
    Position { resume: next - 5, next, latest: BTreeMap::from([("credit".into(), Time(next * 1000))]) }
}

fn state(published: i64) -> State {
    let key = AlertKey { rule: "Drift".into(), version: "7".into(), slice: "".into(), subject: "income".into() };
    let active = Active {
        id: "episode".into(),
        since: Time(5),
        recent: vec![(Time(9), true)],
        held: Time(9),
        firing: true,
        unknown: None,
    };
    State { published: Time(published), alerts: vec![(key, active)], ..State::default() }
}

fn learnt(model: &str) -> (LearntKey, Arc<Reference>) {
    let key = LearntKey { model: model.into(), version: "7".into(), topic: "credit.predictions".into() };
    (key, Arc::new(Reference { hash: "12".into(), ..Reference::new("learnt", 500, BTreeMap::new()) }))
}

fn block(model: &str, start: i64, rows: u64) -> Block {
    let series = Series { version: "7".into(), slice: "country=US".into(), topic: "credit.predictions".into() };
    let mut block = Block::new(BlockKey { model: model.into(), start: Time(start), series }, "axes".into());
    block.fold(&[pane(model, start, rows)]);
    block
}

/// A step that changes something of each kind; the n-th is told by its numbers.
fn step(n: i64) -> Commit {
    Commit {
        positions: vec![(partition(0), position(n))],
        panes: vec![pane("credit", n, n as u64)],
        expired: vec![("credit".into(), Time(n - 2))],
        states: vec![("credit".into(), state(n))],
        learnt: vec![learnt("credit")],
        blocks: vec![block("credit", n, n as u64)],
        forgotten: vec![("credit".into(), Time(n - 3))],
        joined: vec![("credit".into(), joined(n))],
        records: vec![record(n)],
        letters: vec![letter(n as u64)],
        routed: vec![routed(n)],
        audit: vec![act(n)],
        runs: vec![run(n)],
    }
}

/// What a receiver knows, which each step changes.
fn routed(n: i64) -> route::Change {
    route::Change { key: "alert/a".into(), kept: Some(route::Kept::Alert(n.to_string())) }
}

fn run(n: i64) -> Run {
    Run::requested(crate::retrain::tests::request(n as u32, "nightly", "credit"), Time(n))
}

fn act(n: i64) -> Act {
    let what = What::Reload { accepted: true, problems: n as u64 };
    Act { at: Time(n), who: "somebody".into(), config_hash: "12".into(), what }
}

/// What is kept of an id of its own, and of one of which each step keeps something else.
fn joined(n: i64) -> join::Changes {
    let entries = [Id(n as u128), Id(0)].map(|id| (id, entry(n))).into();
    let outcomes = vec![(place(n), OutcomeTally::empty(&axis()))];
    let (sorts, forgotten) = (Some(sorts(n)), Some((Time(n - 2), Time(n - 2))));
    join::Changes { sorts, entries, outcomes, delays: vec![delay(n)], forgotten }
}

fn sorts(n: i64) -> Vec<join::Sort> {
    vec![join::Sort { version: n.to_string().into(), axes: "axes".into() }]
}

fn place(n: i64) -> Place {
    Place { pane: Time(n), sort: 1, slice: join::WHOLE }
}

fn axis() -> OutcomeAxis {
    OutcomeAxis { classes: ["yes".to_owned()].into(), grids: [].into(), calibration: None }
}

fn delay(n: i64) -> (Time, join::DelayTally) {
    (Time(n), join::DelayTally::default())
}

fn record(n: i64) -> Record {
    Record { topic: "tidegauge.measurements".into(), key: n.to_string(), headers: vec![], value: vec![] }
}

/// A label without a prediction.
fn entry(n: i64) -> join::Entry {
    let parts = (None::<()>, Some((Time(n), Truth::Value(n as f64))), (0i32, 0i64), (1i32, n));
    postcard::from_bytes(&postcard::to_stdvec(&parts).unwrap()).unwrap()
}

/// The number of the last step, after a check that the store holds all of it and of those before, and nothing else.
fn last_step(store: &Store) -> i64 {
    let Some(position) = store.position(&partition(0)).unwrap() else {
        assert_eq!(store.monitor("credit").unwrap(), Kept::default());
        assert!(store.letters().unwrap().is_empty());
        assert_eq!(store.audit_head(), Head::NONE);
        return 0;
    };
    let n = position.next;
    assert_eq!(position, super::tests::position(n));
    let ids: Vec<Id> = (0..=n as u128 + 1).map(Id).collect();
    let of = |id: i64| if id == 0 { Some(n) } else { Some(id).filter(|id| (n - 2..=n).contains(id)) };
    assert_eq!(store.entries("credit", &ids), (0..=n + 1).map(|id| of(id).map(entry)).collect::<Vec<_>>());
    let panes = || 1.max(n - 2)..=n;
    assert_eq!(store.places("credit", Time::MIN, Time::MAX), panes().map(place).collect::<Vec<_>>());
    assert_eq!(store.outcomes("credit", place(n)), Some(OutcomeTally::empty(&axis())));
    assert_eq!(store.delays("credit").unwrap(), panes().map(delay).collect::<Vec<_>>());
    assert_eq!(store.records().unwrap(), [record(n)]);
    store.check().unwrap();
    let kept = store.monitor("credit").unwrap();
    assert_eq!(kept.state, state(n));
    assert_eq!(kept.panes, panes().map(|n| pane("credit", n, n as u64)).collect::<Vec<_>>());
    assert_eq!(kept.learnt, [learnt("credit")]);
    assert_eq!(kept.blocks, (1.max(n - 3)..=n).map(|n| block("credit", n, n as u64)).collect::<Vec<_>>());
    assert_eq!(store.runs().unwrap(), (1..=n).map(run).collect::<Vec<_>>());
    assert_eq!(store.sorts("credit").unwrap(), sorts(n));
    assert_eq!(store.routed().unwrap(), Vec::from_iter(routed(n).kept));
    // One of them says that the log begins.
    let audited = verify(store.audit_from(0, 1000).unwrap().0.iter().map(|text| Entry::from_json(text)), None, &[]);
    let head = audited.unwrap().head;
    assert_eq!((head, head.count), (store.audit_head(), n as u64 + 1));
    assert_eq!(store.letters().unwrap(), (1..=n).map(|n| letter(n as u64)).collect::<Vec<_>>());
    n
}

/// A copy of the store as a crash at this moment would leave it, with the journal's first bytes only.
fn crashed(store: &Store, journal: usize) -> Scratch {
    let copy = Scratch::new();
    copy_all(&store.path.join("db"), &copy.0.join("db"));
    let path = copy.0.join("db/0.jnl");
    fs::write(&path, &fs::read(store.path.join("db/0.jnl")).unwrap()[..journal]).unwrap();
    copy
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_all(&entry.path(), &target);
        } else if entry.path().extension().is_none_or(|extension| extension != "jnl") {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// How much of the journal is written; the rest of its file is zeros.
fn journal(store: &Store) -> usize {
    let bytes = fs::read(store.path.join("db/0.jnl")).unwrap();
    bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1)
}

#[test]
fn everything_comes_back() {
    let scratch = Scratch::new();
    let store = scratch.open();
    assert_eq!(last_step(&store), 0);
    for n in 1..=20 {
        store.commit(&step(n)).unwrap();
        assert_eq!(last_step(&store), n);
    }
    drop(store);
    let store = scratch.open();
    assert_eq!(last_step(&store), 20);
    assert_eq!(store.positions().unwrap(), [(partition(0), position(20))]);
    assert_eq!(store.position(&partition(1)).unwrap(), None);
    assert_eq!((store.monitor("cred").unwrap(), store.damaged()), (Kept::default(), 0));
}

#[test]
fn panes_are_by_start_and_expire_up_to_a_time() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let starts = [-2000, -1, 0, 255, 256, 70_000];
    let panes = starts.iter().rev().flat_map(|&start| [pane("a", start, 1), pane("ab", start, 2)]).collect();
    store.commit(&Commit { panes, ..Commit::default() }).unwrap();
    let kept = |model| store.monitor(model).unwrap().panes.iter().map(|pane| pane.key.start.0).collect::<Vec<_>>();
    assert_eq!(kept("a"), starts);
    // One that comes in the step in which it expires is not kept either.
    let panes = vec![pane("a", -5, 1), pane("a", 300, 1)];
    store.commit(&Commit { panes, expired: vec![("a".into(), Time(256))], ..Commit::default() }).unwrap();
    assert_eq!(kept("a"), [256, 300, 70_000]);
    assert_eq!(kept("ab"), starts);
    store.commit(&Commit { expired: vec![("a".into(), Time::MAX)], ..Commit::default() }).unwrap();
    assert_eq!((kept("a"), kept("ab").len()), (vec![], 6));
}

#[test]
fn a_pane_that_is_written_again_replaces_itself() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let commit = |panes| store.commit(&Commit { panes, ..Commit::default() }).unwrap();
    commit(vec![pane("a", 0, 1), pane("a", 0, 2)]);
    assert_eq!(store.monitor("a").unwrap().panes, [pane("a", 0, 2)]);
    commit(vec![pane("a", 0, 3)]);
    commit(vec![pane("a", 0, 3)]);
    assert_eq!(store.monitor("a").unwrap().panes, [pane("a", 0, 3)]);
}

#[test]
fn monitors_that_are_gone_are_forgotten() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let kept = |model: &str| {
        let commit = Commit { panes: vec![pane(model, 0, 1)], learnt: vec![learnt(model)], ..Commit::default() };
        let commit = Commit { blocks: vec![block(model, 0, 1)], ..commit };
        store.commit(&Commit { states: vec![(model.into(), state(1))], ..commit }).unwrap();
    };
    ["a", "b"].iter().for_each(|model| kept(model));
    store.retain(&["b", "c"]).unwrap();
    assert_eq!(store.monitor("a").unwrap(), Kept::default());
    assert_eq!(store.monitor("b").unwrap().panes.len(), 1);
    drop(store);
    scratch.open();
}

#[test]
fn a_step_is_there_after_a_crash_and_one_that_was_cut_off_is_not() {
    let scratch = Scratch::new();
    let store = scratch.open();
    store.commit(&step(1)).unwrap();
    let first = journal(&store);
    store.commit(&step(2)).unwrap();
    let second = journal(&store);
    for cut in (first..second).step_by(37) {
        assert_eq!(last_step(&crashed(&store, cut).open()), 1, "cut at {cut} of {first}..{second}");
    }
    let crashed = crashed(&store, second);
    assert_eq!(last_step(&crashed.open()), 2);
    // Work goes on from there.
    crashed.open().commit(&step(3)).unwrap();
    assert_eq!(last_step(&crashed.open()), 3);
}

#[test]
fn a_damaged_journal_is_refused_or_holds_whole_steps() {
    let scratch = Scratch::new();
    let store = scratch.open();
    (1..=4).for_each(|n| store.commit(&step(n)).unwrap());
    let length = journal(&store);
    for at in (0..length).step_by(length / 100) {
        let damaged = crashed(&store, length);
        let path = damaged.0.join("db/0.jnl");
        let mut bytes = fs::read(&path).unwrap();
        bytes[at] ^= 4;
        fs::write(&path, bytes).unwrap();
        match damaged.try_open() {
            // Some damage changes nothing, as where a batch is numbered higher and is the last one all the same.
            Ok(store) => assert!(last_step(&store) <= 4, "damaged at {at}"),
            Err(error) => {
                assert!(matches!(error, StoreError::Open { hint: MOVE_AWAY, .. }), "damaged at {at}: {error}")
            }
        }
    }
}

/// Is another process, in which steps are made until it is killed: see the next test.
#[test]
fn a_process_that_is_killed() {
    let Some(path) = std::env::var_os(KILLED) else { return };
    let store = Store::open(&Config { path: path.into(), cache: CACHE }).unwrap();
    for n in last_step(&store) + 1.. {
        store.commit(&step(n)).unwrap();
        println!("\nstep {n}");
    }
}

const KILLED: &str = "TIDEGAUGE_TEST_KILLED";

#[test]
fn what_was_committed_outlives_a_killed_process() {
    let scratch = Scratch::new();
    let mut told = 0;
    for kill in 0..4 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::tests::a_process_that_is_killed", "--nocapture"])
            .env(KILLED, &scratch.0)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut steps = lines.filter_map(|line| line.strip_prefix("step ")?.parse::<i64>().ok());
        told = steps.by_ref().nth(kill * 3).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        told = steps.last().unwrap_or(told);
        let found = last_step(&scratch.open());
        assert!(found == told || found == told + 1, "told {told}, found {found}");
    }
    assert!(told >= 4);
}

#[test]
fn a_damaged_value_is_passed_over_and_counted() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let commit = Commit { panes: vec![pane("credit", 1, 1), pane("credit", 2, 2)], expired: vec![], ..step(2) };
    store.commit(&commit).unwrap();
    for (kind, key) in [
        (Kind::Positions, position_key(&partition(0))),
        (Kind::Panes, pane_key(&pane("credit", 1, 1))),
        (Kind::States, model_key("credit")),
        (Kind::Learnt, learnt_key(&learnt("credit").0)),
        (Kind::Letters, letter_key(&letter(2).id)),
        (Kind::Blocks, block_key(&block("credit", 2, 2))),
    ] {
        let mut sealed = store.keyspace(kind).get(&key).unwrap().unwrap().to_vec();
        let last = sealed.len() - 1;
        sealed[last] ^= 1;
        store.keyspace(kind).insert(key, sealed).unwrap();
    }
    drop(store);
    let store = scratch.open();
    assert_eq!(store.damaged(), 0);
    assert_eq!(store.position(&partition(0)).unwrap(), None);
    assert_eq!(store.monitor("credit").unwrap(), Kept { panes: vec![pane("credit", 2, 2)], ..Kept::default() });
    assert_eq!(store.letters().unwrap(), []);
    assert_eq!(store.damaged(), 6);
    // Writing mends.
    store.commit(&step(2)).unwrap();
    assert_eq!(store.position(&partition(0)).unwrap(), Some(position(2)));
}

#[test]
fn a_store_of_another_version_says_whose_it_is() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let later = value::FORMAT + 1;
    store.keyspace(Kind::States).insert(model_key("a"), value::seal_as(later, &model_key("a"), b"")).unwrap();
    let told = store.monitor("a").unwrap_err().to_string();
    assert!(
        told.contains(&format!(
            "tidegauge of another version wrote it in format {later}, and this version reads format"
        )),
        "{told}"
    );
    store.keyspace(Kind::About).insert(WRITER, value::seal_as(later, WRITER, b"7.8.9")).unwrap();
    drop(store);
    let told = scratch.try_open().err().unwrap().to_string();
    assert!(told.contains(scratch.0.to_str().unwrap()), "{told}");
    assert!(told.contains(&format!("tidegauge 7.8.9 wrote it in format {later}")), "{told}");
}

/// Changes something of each kind.
fn change_all(store: &Store, n: i64) {
    store.commit(&step(n)).unwrap();
    store.give_up(&letter(n as u64).id, "it answered 500", Time(n)).unwrap();
    let matchers = vec!["model = credit".parse().unwrap()];
    let (created_by, comment) = ("ada".into(), "moving".into());
    let silence = Silence { id: "s".into(), matchers, starts_at: Time(0), ends_at: Time(n), created_by, comment };
    store.silence(&silence, act(n)).unwrap();
}

#[test]
fn parts_that_are_not_of_the_same_step_are_refused() {
    for kind in Kind::ALL {
        let scratch = Scratch::new();
        let store = scratch.open();
        change_all(&store, 1);
        let old = store.keyspace(kind).get(MARK).unwrap().unwrap();
        change_all(&store, 2);
        store.keyspace(kind).insert(MARK, old).unwrap();
        drop(store);
        let told = scratch.try_open().err().unwrap().to_string();
        assert!(told.contains("not of the same step"), "{told}");
    }
}

#[test]
fn a_store_that_cannot_be_opened_says_where_and_what_to_do() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let told = scratch.try_open().err().unwrap().to_string();
    assert!(told.contains(scratch.0.to_str().unwrap()) && told.contains("another process is using it"), "{told}");
    drop(store);
    fs::write(scratch.0.join("db/version"), "?").unwrap();
    let told = scratch.try_open().err().unwrap().to_string();
    assert!(told.contains(MOVE_AWAY), "{told}");
    let file = Scratch::new();
    fs::write(&file.0, "").unwrap();
    let told = file.try_open().err().unwrap().to_string();
    assert!(told.contains("make it a directory that this user may write to"), "{told}");
    fs::remove_file(&file.0).unwrap();
}

#[test]
fn a_store_whose_making_was_interrupted_is_made_anew() {
    let scratch = Scratch::new();
    fs::create_dir_all(scratch.0.join("db.new/keyspaces")).unwrap();
    fs::write(scratch.0.join("db.new/0.jnl"), [0; 100]).unwrap();
    scratch.open().commit(&step(1)).unwrap();
    assert_eq!(last_step(&scratch.open()), 1);
    assert!(!scratch.0.join("db.new").exists());
}

#[test]
fn the_audit_log_is_one_chain_over_restarts_and_a_damaged_entry_breaks_it() {
    let scratch = Scratch::new();
    let acts = |acts: &[i64]| Commit { audit: acts.iter().map(|&n| act(n)).collect(), ..Commit::default() };
    scratch.open().commit(&acts(&[1, 2])).unwrap();
    let store = scratch.open();
    store.commit(&acts(&[])).unwrap();
    store.commit(&acts(&[3])).unwrap();
    let whole = |store: &Store| {
        let (lines, _) = store.audit_from(0, 1000).unwrap();
        verify(lines.iter().map(|line| Entry::from_json(line)), Some(store.audit_head()), &[])
    };
    assert_eq!(whole(&store).unwrap().head.count, 4);
    assert_eq!(store.audit_from(1, 2).unwrap().1, Some(3));
    let key = 3u64.to_be_bytes().to_vec();
    assert!(store.audit_from(3, 2).unwrap().0[0].contains("\"problems\":3"));

    let mut sealed = store.keyspace(Kind::Audit).get(&key).unwrap().unwrap().to_vec();
    sealed[20] ^= 1;
    store.keyspace(Kind::Audit).insert(&key, sealed).unwrap();
    let noted = store.audit_head();
    store.keyspace(Kind::About).remove("audit").unwrap();
    drop(store);
    // Without its head it goes on after all that there is, and writes over nothing.
    let store = scratch.open();
    assert_eq!(store.audit_head().count, noted.count);
    store.commit(&acts(&[4])).unwrap();
    assert_eq!(whole(&store).unwrap_err().sequence, 3);
}
