//! What the store keeps of notifications: letters on their way, those that were given up, what receivers know, and
//! silences.

use fjall::PersistMode;
use serde::{Deserialize, Serialize};

use super::audit::Placed;
use super::key::{letter_key, text_key};
use super::{Changes, Kind, Store, StoreError};
use crate::audit::Act;
use crate::notify::{Letter, LetterId};
use crate::route::{self, Silence};
use crate::time::Time;

/// A letter that did not arrive within its schedule, or that its receiver will never take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeadLetter {
    pub letter: Letter,
    pub why: String,
    /// By the clock.
    pub given_up: Time,
}

/// So many of them are kept.
const DEAD_LETTERS: usize = if cfg!(test) { 10 } else { 1000 };

impl Store {
    /// Letters that are still to be delivered, oldest first.
    pub fn letters(&self) -> Result<Vec<Letter>, StoreError> {
        self.all(Kind::Letters, &[])
    }

    /// Forgets letters. Does not wait for the disk: after a crash they may be delivered once more, which is allowed.
    pub fn delivered(&self, letters: &[LetterId]) -> Result<(), StoreError> {
        let mut changes = Changes::default();
        letters.iter().for_each(|id| changes.delete(Kind::Letters, letter_key(id)));
        self.write(changes, PersistMode::Buffer)
    }

    /// Takes a letter out that was given up, and keeps it apart, so that it can be looked at and sent after all. The
    /// oldest of those that are too many are forgotten.
    pub fn give_up(&self, id: &LetterId, why: &str, at: Time) -> Result<(), StoreError> {
        let mut changes = Changes::default();
        changes.delete(Kind::Letters, letter_key(id));
        if let Some(letter) = self.get::<Letter>(Kind::Letters, &letter_key(id))? {
            let dead = DeadLetter { letter, why: why.to_owned(), given_up: at };
            changes.put(Kind::DeadLetters, letter_key(id), &dead);
            let mut older = self.dead_letters()?;
            older.truncate((older.len() + 1).saturating_sub(DEAD_LETTERS));
            older.iter().for_each(|dead| changes.delete(Kind::DeadLetters, letter_key(&dead.letter.id)));
        }
        self.write(changes, PersistMode::SyncAll)
    }

    /// Letters that were given up, oldest first.
    pub fn dead_letters(&self) -> Result<Vec<DeadLetter>, StoreError> {
        let mut dead: Vec<DeadLetter> = self.all(Kind::DeadLetters, &[])?;
        dead.sort_by(|one, other| (one.given_up, &one.letter.id).cmp(&(other.given_up, &other.letter.id)));
        Ok(dead)
    }

    /// Makes a letter that was given up one to be delivered, as if it were made at this time; `None` if there is none.
    pub fn revive(&self, id: &LetterId, at: Time) -> Result<Option<Letter>, StoreError> {
        let Some(DeadLetter { letter, .. }) = self.get(Kind::DeadLetters, &letter_key(id))? else { return Ok(None) };
        let letter = Letter { created: at, ..letter };
        let mut changes = Changes::default();
        changes.delete(Kind::DeadLetters, letter_key(id));
        changes.put(Kind::Letters, letter_key(id), &letter);
        self.write(changes, PersistMode::SyncAll)?;
        Ok(Some(letter))
    }

    /// What receivers know.
    pub fn routed(&self) -> Result<Vec<route::Kept>, StoreError> {
        self.all(Kind::Routed, &[])
    }

    /// Makes a silence durable, in place of the one with its id, and that somebody did so.
    pub fn silence(&self, silence: &Silence, act: Act) -> Result<(), StoreError> {
        let mut changes = Changes::default();
        changes.put(Kind::Silences, text_key(&silence.id), silence);
        let placed = self.place(&[act], &mut changes)?;
        self.write(changes, PersistMode::SyncAll)?;
        placed.into_iter().for_each(Placed::written);
        Ok(())
    }

    pub fn silences(&self) -> Result<Vec<Silence>, StoreError> {
        self.all(Kind::Silences, &[])
    }

    /// Forgets silences.
    pub fn forget_silences<'a>(&self, ids: impl IntoIterator<Item = &'a str>) -> Result<(), StoreError> {
        let mut changes = Changes::default();
        ids.into_iter().for_each(|id| changes.delete(Kind::Silences, text_key(id)));
        self.write(changes, PersistMode::Buffer)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::Commit;
    use super::super::tests::Scratch;
    use super::*;
    use crate::notice::Notice;

    pub(in crate::store) fn letter(sequence: u64) -> Letter {
        Letter {
            id: LetterId::new(sequence, "event", "hook"),
            notice: notice(),
            address: 1,
            order: "episode".into(),
            created: Time(7),
        }
    }

    fn notice() -> Notice {
        Notice {
            id: "event".into(),
            receiver: "hook".into(),
            group: [("model".into(), "credit".into())].into(),
            group_key: "episode".into(),
            alerts: vec![],
            made: Time(7),
            lives: None,
        }
    }

    #[test]
    fn letters_are_oldest_first_until_they_are_delivered() {
        let scratch = Scratch::new();
        let store = scratch.open();
        store.commit(&Commit { letters: [11, 9, 100, 10].map(letter).into(), ..Commit::default() }).unwrap();
        let left =
            |store: &Store| store.letters().unwrap().iter().map(|letter| letter.id.sequence()).collect::<Vec<_>>();
        assert_eq!(left(&store), [9, 10, 11, 100]);
        store.delivered(&[letter(10).id, letter(100).id, letter(5).id]).unwrap();
        drop(store);
        assert_eq!(left(&scratch.open()), [9, 11]);
    }

    #[test]
    fn what_is_given_up_is_kept_apart_but_not_without_end() {
        let scratch = Scratch::new();
        let store = scratch.open();
        for n in 0..12 {
            store.commit(&Commit { letters: vec![letter(n)], ..Commit::default() }).unwrap();
            store.give_up(&letter(n).id, "it answered 500", Time(n as i64)).unwrap();
        }
        assert_eq!(store.letters().unwrap(), []);
        let kept = store.dead_letters().unwrap();
        assert_eq!((kept.len(), &kept[0].letter, kept[0].why.as_str()), (10, &letter(2), "it answered 500"));
    }
}
