//! Tests of the ledger: against a map, over whatever happens to it.

use std::collections::BTreeMap;

use fjall::{Keyspace, PersistMode};
use proptest::prelude::*;

use super::super::key::model_key;
use super::super::tests::Scratch;
use super::super::{Changes, Kind, MOVE_AWAY, Store, StoreError};
use super::*;

struct Entry {
    id: u128,
    time: Time,
    bytes: Vec<u8>,
}

fn entry(id: u128, time: i64, bytes: &[u8]) -> Entry {
    Entry { id, time: Time(time), bytes: bytes.to_vec() }
}

fn add(store: &Store, model: &str, entries: Vec<Entry>, changes: &mut Changes) {
    let entries = entries.into_iter().map(|entry| (entry.id, entry.time, entry.bytes));
    store.ledger.put(&model_key(model), entries, &mut changes.additions);
}

fn put(store: &Store, model: &str, entries: Vec<Entry>) {
    step(store, |changes| add(store, model, entries, changes));
}

fn expire(store: &Store, model: &str, before: i64) {
    step(store, |changes| store.ledger.expire(&model_key(model), Time(before), &mut changes.additions));
}

fn step(store: &Store, change: impl FnOnce(&mut Changes)) {
    let mut changes = Changes::default();
    change(&mut changes);
    store.write(changes, PersistMode::SyncAll).unwrap();
}

fn get(store: &Store, model: &str, ids: &[u128]) -> Vec<Option<Vec<u8>>> {
    store.ledger.get(&store.database, &model_key(model), ids, |_, bytes| Some(bytes.to_vec())).unwrap()
}

fn keyspace(store: &Store) -> &Keyspace {
    store.keyspace(Kind::Entries)
}

/// Writes what is in memory to a file, and then all files anew, as the engine does in its own time.
fn rewrite(store: &Store) {
    keyspace(store).rotate_memtable_and_wait().unwrap();
    keyspace(store).major_compact().unwrap();
}

/// How many entries the engine still has, whether they are found or not.
fn held(store: &Store) -> usize {
    keyspace(store).iter().map(|entry| entry.key().unwrap()).filter(|key| key.len() == 20).count()
}

#[test]
fn entries_are_found_in_the_order_asked_and_by_model() {
    let scratch = Scratch::new();
    let store = scratch.open();
    assert_eq!(get(&store, "a", &[1, 2]), [None, None]);
    put(&store, "a", vec![entry(1, 10, b"one"), entry(u128::MAX, -10, b""), entry(3, i64::MIN, b"three")]);
    put(&store, "b", vec![entry(1, 10, b"other")]);
    let found = |store: &Store| (get(store, "a", &[3, 2, u128::MAX, 1, 3]), get(store, "b", &[1, 3]));
    let three = Some(b"three".to_vec());
    let expected =
        (vec![three.clone(), None, Some(vec![]), Some(b"one".to_vec()), three], vec![Some(b"other".to_vec()), None]);
    assert_eq!(found(&store), expected);
    rewrite(&store);
    assert_eq!(found(&store), expected);
    drop(store);
    assert_eq!(found(&scratch.open()), expected);
}

#[test]
fn many_are_found_by_threads_in_whatever_order() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let id = |n: u64| u128::from(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)) << 64;
    put(&store, "a", (0..5000).map(|n| entry(id(n), 0, &n.to_be_bytes())).collect());
    let mut ids: Vec<u128> = (0..10_001).map(id).collect();
    let expected = |n: u64| (n < 5000).then(|| n.to_be_bytes().to_vec());
    assert_eq!(get(&store, "a", &ids), (0..10_001).map(expected).collect::<Vec<_>>());
    let place: BTreeMap<u128, u64> = ids.iter().copied().zip(0..).collect();
    ids.sort_unstable();
    assert_eq!(get(&store, "a", &ids), ids.iter().map(|id| expected(place[id])).collect::<Vec<_>>());
}

#[test]
fn the_last_of_a_step_wins() {
    let scratch = Scratch::new();
    let store = scratch.open();
    step(&store, |changes| {
        add(&store, "a", vec![entry(1, 1, b"1"), entry(1, 2, b"2")], changes);
        add(&store, "a", vec![entry(1, 1, b"3"), entry(1, 2, b"4")], changes);
    });
    assert_eq!(get(&store, "a", &[1]), [Some(b"4".to_vec())]);
    drop(store);
    assert_eq!(get(&scratch.open(), "a", &[1]), [Some(b"4".to_vec())]);
}

#[test]
fn what_is_dead_is_not_found_and_is_taken_away_when_files_are_rewritten() {
    let scratch = Scratch::new();
    let store = scratch.open();
    put(&store, "a", (0..100).map(|n| entry(n, n as i64, b"x")).collect());
    put(&store, "b", vec![entry(5, 5, b"y")]);
    rewrite(&store);
    expire(&store, "a", 60);
    // It does not go back.
    expire(&store, "a", 30);
    let found = |store: &Store| get(store, "a", &(0..100).collect::<Vec<_>>()).iter().flatten().count();
    assert_eq!((found(&store), held(&store)), (40, 101));
    drop(store);
    let store = scratch.open();
    assert_eq!((found(&store), held(&store)), (40, 101));
    rewrite(&store);
    assert_eq!((found(&store), held(&store)), (40, 41));
    // One that comes when it is dead already is as dead as the others.
    put(&store, "a", vec![entry(1000, 59, b"late"), entry(1001, 60, b"in time")]);
    assert_eq!(get(&store, "a", &[1000, 1001]), [None, Some(b"in time".to_vec())]);
    assert_eq!(get(&store, "b", &[5]), [Some(b"y".to_vec())]);
}

#[test]
fn an_earlier_entry_does_not_come_back_when_a_later_one_dies() {
    let scratch = Scratch::new();
    let store = scratch.open();
    put(&store, "a", vec![entry(1, 100, b"first")]);
    rewrite(&store);
    put(&store, "a", vec![entry(1, 10, b"second")]);
    expire(&store, "a", 50);
    for _ in 0..2 {
        assert_eq!(get(&store, "a", &[1]), [None]);
        rewrite(&store);
    }
    assert_eq!((get(&store, "a", &[1]), held(&store)), (vec![None], 0));
}

#[test]
fn a_model_that_is_gone_leaves_nothing_to_one_of_its_name() {
    let scratch = Scratch::new();
    let store = scratch.open();
    for model in ["a", "b", "c"] {
        put(&store, model, vec![entry(1, 100, model.as_bytes())]);
    }
    store.retain(&["b"]).unwrap();
    let found = |store: &Store| ["a", "b", "c"].map(|model| get(store, model, &[1]).remove(0));
    assert_eq!(found(&store), [None, Some(b"b".to_vec()), None]);
    put(&store, "a", vec![entry(2, 100, b"new")]);
    drop(store);
    let store = scratch.open();
    assert_eq!(found(&store), [None, Some(b"b".to_vec()), None]);
    assert_eq!(get(&store, "a", &[2]), [Some(b"new".to_vec())]);
    rewrite(&store);
    assert_eq!(held(&store), 2);
    store.retain(&["a", "b"]).unwrap();
    assert_eq!(get(&store, "a", &[2]), [Some(b"new".to_vec())]);
}

#[test]
fn a_step_that_was_given_up_leaves_no_gap() {
    let scratch = Scratch::new();
    let store = scratch.open();
    store.ledger.put(b"given up", [(1, Time(1), b"x")], &mut Additions::default());
    put(&store, "a", vec![entry(1, 1, b"y")]);
    drop(store);
    assert_eq!(get(&scratch.open(), "a", &[1]), [Some(b"y".to_vec())]);
}

#[test]
fn a_ledger_that_is_damaged_or_gone_is_refused() {
    for is_gone in [false, true] {
        let scratch = Scratch::new();
        let store = scratch.open();
        put(&store, "a", vec![entry(1, 1, b"x")]);
        put(&store, "b", vec![entry(1, 1, b"x")]);
        let key = [MODEL, &[0; 4]].concat();
        let mut sealed = keyspace(&store).get(&key).unwrap().unwrap().to_vec();
        sealed[0] ^= 1;
        if is_gone {
            keyspace(&store).remove(&key).unwrap();
        } else {
            keyspace(&store).insert(key, sealed).unwrap();
        }
        drop(store);
        let error = scratch.try_open().err().unwrap();
        assert!(matches!(error, StoreError::Open { hint: MOVE_AWAY, .. }), "{error}");
    }
    let scratch = Scratch::new();
    let store = scratch.open();
    put(&store, "a", vec![entry(1, 1, b"x")]);
    rewrite(&store);
    let path = keyspace(&store).path().to_owned();
    put(&store, "a", vec![entry(2, 1, b"x")]);
    drop(store);
    std::fs::remove_dir_all(path).unwrap();
    let error = scratch.try_open().err().unwrap();
    assert!(matches!(error, StoreError::Open { hint: MOVE_AWAY, .. }), "{error}");
}

#[derive(Clone, Debug)]
enum Act {
    Put(usize, Vec<(u8, i64, u8)>),
    Expire(usize, i64),
    /// Both in one step.
    Both(usize, Vec<(u8, i64, u8)>, i64),
    Retain(usize),
    Flush,
    Rewrite,
    Reopen,
}

fn act() -> impl Strategy<Value = Act> {
    let entries = || prop::collection::vec((0u8..24, -40i64..40, any::<u8>()), 0..12);
    prop_oneof![
        6 => (0usize..3, entries()).prop_map(|(model, entries)| Act::Put(model, entries)),
        2 => (0usize..3, -45i64..45).prop_map(|(model, before)| Act::Expire(model, before)),
        2 => (0usize..3, entries(), -45i64..45).prop_map(|(model, entries, before)| Act::Both(model, entries, before)),
        1 => (0usize..3).prop_map(Act::Retain),
        2 => Just(Act::Flush),
        1 => Just(Act::Rewrite),
        1 => Just(Act::Reopen),
    ]
}

const MODELS: [&str; 3] = ["a", "ab", "b"];

/// What a ledger should hold.
#[derive(Default)]
struct Mirror {
    entries: BTreeMap<(usize, u8), (i64, u8)>,
    before: [Option<i64>; 3],
}

impl Mirror {
    fn put(&mut self, model: usize, entries: &[(u8, i64, u8)]) {
        self.entries.extend(entries.iter().map(|&(id, time, byte)| ((model, id), (time, byte))));
    }

    fn expire(&mut self, model: usize, before: i64) {
        self.before[model] = self.before[model].max(Some(before));
    }

    fn get(&self, model: usize, id: u8) -> Option<Vec<u8>> {
        let alive = self.entries.get(&(model, id)).filter(|(time, _)| Some(*time) >= self.before[model]);
        alive.map(|(_, byte)| vec![*byte])
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn it_is_a_map_whatever_happens(acts in prop::collection::vec(act(), 1..24)) {
        let scratch = Scratch::new();
        let mut store = scratch.open();
        let mut mirror = Mirror::default();
        let entries = |entries: &[(u8, i64, u8)]| -> Vec<Entry> {
            entries.iter().map(|&(id, time, byte)| entry(u128::from(id), time, &[byte])).collect()
        };
        for act in acts {
            match act {
                Act::Put(model, new) => {
                    put(&store, MODELS[model], entries(&new));
                    mirror.put(model, &new);
                }
                Act::Expire(model, before) => {
                    expire(&store, MODELS[model], before);
                    mirror.expire(model, before);
                }
                Act::Both(model, new, before) => {
                    step(&store, |changes| {
                        store.ledger.expire(&model_key(MODELS[model]), Time(before), &mut changes.additions);
                        add(&store, MODELS[model], entries(&new), changes);
                    });
                    mirror.put(model, &new);
                    mirror.expire(model, before);
                }
                Act::Retain(without) => {
                    let kept: Vec<&str> = MODELS.into_iter().filter(|model| *model != MODELS[without]).collect();
                    store.retain(&kept).unwrap();
                    mirror.entries.retain(|(model, _), _| *model != without);
                    mirror.before[without] = None;
                }
                Act::Flush => keyspace(&store).rotate_memtable_and_wait().unwrap(),
                Act::Rewrite => rewrite(&store),
                Act::Reopen => {
                    drop(store);
                    store = scratch.open();
                }
            }
            for (model, name) in MODELS.iter().enumerate() {
                let expected: Vec<_> = (0..24).map(|id| mirror.get(model, id)).collect();
                prop_assert_eq!(get(&store, name, &(0..24).collect::<Vec<_>>()), expected);
            }
        }
        drop(store);
        let store = scratch.open();
        for (model, name) in MODELS.iter().enumerate() {
            let expected: Vec<_> = (0..24).map(|id| mirror.get(model, id)).collect();
            prop_assert_eq!(get(&store, name, &(0..24).collect::<Vec<_>>()), expected);
        }
    }
}
