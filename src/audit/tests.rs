//! Any one change to a log is found.

use std::fs;

use proptest::prelude::*;

use super::*;
use crate::measurement::{Family, Measurement};
use crate::pane::Partition;

fn what(seed: u8, text: &str) -> What {
    let text = || text.to_owned();
    let window_end = Time(i64::from(seed) * 60_000);
    match seed % 9 {
        0 => What::Start { version: text() },
        1 => What::Stop { reason: text() },
        2 => What::Reload { accepted: seed > 99, problems: u64::from(seed) },
        3 => What::Alert {
            id: text(),
            alert: "Drift".into(),
            state: State::Firing,
            severity: Severity::Critical,
            model: text(),
            version: "3".into(),
            slice: "country=NL".into(),
            subject: text(),
            window_start: Time(0),
            window_end,
            condition: "drift.psi > 0.25".into(),
            counted: vec![Stretch {
                topic: text().into(),
                partition: 3,
                first: 0,
                last: 1 << 40,
                first_pane: Time(0),
                last_pane: window_end,
            }],
            compared: Vec::new(),
            joined: (seed > 99).then(|| Joined {
                predictions: Vec::new(),
                labels: vec![range(text())],
                coming: Some(0.1 + f64::from(seed)),
            }),
            recalled: Vec::new(),
            evidence: vec![Told::from(&told(f64::from(seed), text()))],
        },
        4 => What::Retrain {
            id: text(),
            retrain: "nightly".into(),
            model: text(),
            version: "3".into(),
            slice: String::new(),
            alert: "Drift".into(),
            window_end,
        },
        5 => {
            What::Silence { id: text(), change: Change::Created, matchers: text(), until: window_end, comment: text() }
        }
        7 => What::Verdict {
            model: text(),
            version: "8".into(),
            champion: "7".into(),
            metric: "performance.accuracy".into(),
            verdict: Verdict::Better,
            window_end,
        },
        6 => What::Approval { of: text(), approved: seed > 99, comment: text() },
        _ => What::Reference {
            model: text(),
            version: "3".into(),
            topic: "log".into(),
            from: String::new(),
            to: text(),
            learnt_from: if seed > 99 { vec![range(text())] } else { Vec::new() },
        },
    }
}

fn range(topic: String) -> OffsetRange {
    OffsetRange { partition: Partition { topic: topic.into(), partition: 3 }, first: 0, last: 1 << 40 }
}

fn told(number: f64, text: String) -> Measurement {
    Measurement {
        value: Some((number * 0.1).exp()),
        p_value: Some((-number).exp()),
        low: Some(-0.0),
        high: Some(f64::INFINITY),
        undefined: (number > 99.0).then_some(text),
        ..Measurement::new(Family::Drift, "income", "psi")
    }
}

fn act(seed: u8, text: &str) -> Act {
    let (at, who) = (Time(1_767_225_600_000 + i64::from(seed)), text.to_owned());
    Act { at, who, config_hash: "c0ffee".into(), what: what(seed, text) }
}

fn log(name: &str, acts: &[Act]) -> Vec<Entry> {
    let mut entries = vec![Entry::genesis(name.into(), &acts[0])];
    for act in acts {
        entries.push(Entry::new(Head::after(entries.last().expect("a genesis")), act.clone()));
    }
    entries
}

fn check(entries: &[Entry], head: Option<Head>, noted: &[Head]) -> Result<Summary, Broken> {
    verify(entries.iter().cloned().map(Ok), head, noted)
}

fn head(entries: &[Entry]) -> Head {
    entries.last().map_or(Head::NONE, Head::after)
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = (any::<u8>(), "\\PC{0,8}|[\\x00-\\x1f\"\\\\/é😀]{0,6}").prop_map(|(seed, text)| act(seed, &text));
    prop::collection::vec(act, 2..12)
}

/// Everything a change of one text inside an entry's JSON can be, where the entry can still be read.
fn changed(entry: &Entry, at: prop::sample::Index, by: char) -> Option<Entry> {
    let mut characters: Vec<char> = entry.to_json().chars().collect();
    let place = at.index(characters.len());
    characters[place] = by;
    let changed = Entry::from_json(&characters.into_iter().collect::<String>()).ok()?;
    (changed != *entry).then_some(changed)
}

proptest! {
    #[test]
    fn a_log_is_whole_and_is_read_as_it_was_written(acts in acts()) {
        let entries = log("a", &acts);
        let read = || entries.iter().map(|entry| Entry::from_json(&entry.to_json()));
        let noted: Vec<Head> = entries.iter().map(Head::after).chain([Head::NONE]).collect();
        let summary = verify(read(), Some(head(&entries)), &noted).expect("it is whole");
        prop_assert_eq!(summary.head, head(&entries));
        prop_assert_eq!(read().collect::<Result<Vec<_>, _>>(), Ok(entries.clone()));
        prop_assert_eq!(head(&entries).to_string().parse(), Ok(head(&entries)));
    }

    #[test]
    fn any_one_change_is_found(
        acts in acts(),
        which in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        by in "[0-9a-z\" ]",
    ) {
        let mut entries = log("a", &acts);
        let (own, which) = (head(&entries), which.index(entries.len()));
        let by = by.chars().next().expect("a character");
        if let Some(changed) = changed(&entries[which], at, by) {
            entries[which] = changed;
            let broken = check(&entries, Some(own), &[]).expect_err("it was changed");
            // What does not fit is the entry, or the one before it was to be followed by.
            prop_assert!(broken.sequence == which as u64 || broken.sequence == which as u64 + 1, "{}", broken);
            // The entry's own hash tells without a head as well, unless it is the hash of the last that was changed.
            prop_assert!(check(&entries, None, &[]).is_err());
        }
    }

    #[test]
    fn any_one_entry_that_is_missing_added_or_moved_is_found(
        acts in acts(),
        places in any::<(prop::sample::Index, prop::sample::Index)>(),
    ) {
        let entries = log("a", &acts);
        let own = head(&entries);
        let (one, other) = (places.0.index(entries.len()), places.1.index(entries.len()));
        let is_found = |entries: &[Entry]| check(entries, Some(own), &[]).is_err();

        let mut removed = entries.clone();
        removed.remove(one);
        prop_assert!(is_found(&removed));
        let mut swapped = entries.clone();
        swapped.swap(one, other);
        prop_assert!(one == other || is_found(&swapped));
        let mut repeated = entries.clone();
        repeated.insert(other, entries[one].clone());
        prop_assert!(is_found(&repeated));
        // One that is made to fit what comes before it, and whatever stands in its place before or after.
        let mut inserted = entries.clone();
        inserted.insert(one, Entry::new(head(&entries[..one]), acts[0].clone()));
        prop_assert!(is_found(&inserted));
        inserted.remove(one + 1);
        prop_assert!(inserted == entries || is_found(&inserted));
        // What is added at the end in just the right way is no part of what the head is of.
        let mut added = entries.clone();
        added.push(Entry::new(own, acts[0].clone()));
        let broken = check(&added, Some(own), &[]).expect_err("it was added");
        prop_assert_eq!(broken, Broken { sequence: own.count, why: Why::Added });
    }

    #[test]
    fn a_log_that_was_cut_or_written_anew_is_found_by_any_head_of_what_is_gone(
        acts in acts(),
        cut in any::<prop::sample::Index>(),
    ) {
        let entries = log("a", &acts);
        let cut = cut.index(entries.len());
        let all: Vec<Head> = entries.iter().map(Head::after).collect();
        for noted in &all[cut..] {
            let broken = check(&entries[..cut], None, &[*noted]).expect_err("it was cut");
            prop_assert_eq!(broken, Broken { sequence: cut as u64, why: Why::Cut { count: noted.count } });
        }
        prop_assert!(check(&entries[..cut], None, &all[..cut]).is_ok());
        // Forged from there on, as whoever can write to the store can do: a chain that is whole in itself.
        let mut forged = entries[..cut].to_vec();
        for act in acts.iter().rev() {
            let other = Act { who: format!("{}, or another", act.who), ..act.clone() };
            let entry = match forged.last() {
                None => Entry::genesis("b".into(), &other),
                Some(last) => Entry::new(Head::after(last), other),
            };
            forged.push(entry);
        }
        prop_assert!(check(&forged, None, &[]).is_ok());
        for noted in &all[cut..] {
            prop_assert!(check(&forged, None, &[*noted]).is_err());
        }
    }

    #[test]
    fn no_text_is_too_much(text in "\\PC{0,40}|[0-9a-f:]{0,80}") {
        let _ = (Entry::from_json(&text), text.parse::<Head>(), text.parse::<Hash>());
    }
}

#[test]
fn a_log_begins_once_and_in_this_format() {
    let entries = log("a", &[act(0, "x")]);
    let broken = |entries: &[Entry]| check(entries, None, &[]).expect_err("no log").to_string();
    let headless = [Entry::new(Head::NONE, act(0, "x"))];
    assert!(broken(&headless).starts_with("entry 0: the log does not begin with it"));
    let again = Act { what: What::Genesis { format: FORMAT, log: "b".into() }, ..act(0, "x") };
    let twice = [entries[0].clone(), Entry::new(Head::after(&entries[0]), again.clone())];
    assert_eq!(broken(&twice), "entry 1: a second log begins with it");
    let later = Act { what: What::Genesis { format: 9, log: "b".into() }, ..again };
    assert_eq!(broken(&[Entry::new(Head::NONE, later)]), "entry 0: it is of format 9, and this version reads format 1");
    let read = verify([Err("half a line".to_owned())], None, &[]).expect_err("no log");
    assert_eq!(read.to_string(), "entry 0: it cannot be read: half a line");
    assert_eq!(check(&[], None, &[]).map(|summary| summary.head), Ok(Head::NONE));
    assert_eq!(check(&[], Some(head(&entries)), &[]).expect_err("cut").why, Why::Cut { count: 2 });
    let unknown = entries[0].to_json().replacen('{', "{\"more\":1,", 1);
    assert!(Entry::from_json(&unknown).is_err(), "what is not hashed is not let in");
}

/// `tests/golden/audit.py` made the log with nothing but Python's own library.
#[test]
fn a_log_that_another_program_made_is_whole() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/audit.jsonl");
    let text = fs::read_to_string(path).expect("the file");
    let entries: Vec<Entry> = text.lines().map(|line| Entry::from_json(line).expect("an entry")).collect();
    assert_eq!(check(&entries, None, &[]).map(|summary| summary.head.count), Ok(11));
    for (entry, line) in entries.iter().zip(text.lines()) {
        assert_eq!(entry.to_json(), line);
    }
}
