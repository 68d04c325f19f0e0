//! Telling the world: events, and the courier that takes letters to receivers until they have arrived.

pub mod event;
pub mod publisher;
pub mod secret;
pub mod attempt;
pub mod chat;
pub mod client;
pub mod origin;
pub mod limit;
pub mod chart;
pub mod payload;
pub mod story;
pub mod template;
pub mod email;
pub mod slack;
pub mod pagerduty;
pub mod teams;
pub mod alertmanager;
pub mod webhook;
pub mod receiver;

#[cfg(test)]
mod tests;

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};

use crate::notice::Notice;
use crate::time::Time;
use attempt::Failure;
use receiver::Receiver;

/// Ids sort by age.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LetterId(pub String);

impl LetterId {
    pub fn new(sequence: u64, notice: &str, receiver: &str) -> LetterId {
        LetterId(format!("{sequence:020}-{notice}-{receiver}"))
    }

    /// Where it is in the order of letters.
    pub fn sequence(&self) -> u64 {
        self.0.get(..20).and_then(|digits| digits.parse().ok()).unwrap_or(0)
    }
}

impl fmt::Display for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What one receiver is to be told, at one of its addresses. It is stored before it is sent, until it has arrived or is
/// given up. What is sent is made of it for each attempt, so no secret is ever stored, and a template that was changed
/// applies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Letter {
    pub id: LetterId,
    #[serde(with = "as_json")]
    pub notice: Notice,
    /// Which of the receiver's addresses.
    pub address: usize,
    /// An address of a receiver gets letters of the same order one after the other.
    pub order: String,
    /// By the clock: letters are given up when they are too old.
    pub created: Time,
}

/// The store's own form has no names, so it cannot tell which of the fields that may be missing are.
mod as_json {
    use serde::de::Error as _;
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::notice::Notice;

    pub fn serialize<S: Serializer>(notice: &Notice, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&serde_json::to_string(notice).map_err(S::Error::custom)?)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Notice, D::Error> {
        serde_json::from_str(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

impl Letter {
    /// The receiver's name.
    pub fn receiver(&self) -> &str {
        &self.notice.receiver
    }
}

/// The letters that a notice asks for: one for each address of its receiver. Those of one group are in order; so are
/// those of one alert, where a receiver is told of one at a time.
pub fn letters(notice: &Notice, receiver: &receiver::Config, created: Time, sequence: &mut u64) -> Vec<Letter> {
    let letter = |address| {
        let id = LetterId::new(*sequence, &notice.id, &notice.receiver);
        *sequence += 1;
        Letter { id, notice: notice.clone(), address, order: notice.group_key.clone(), created }
    };
    (0..receiver.addresses()).map(letter).collect()
}

/// What became of a letter, which need not be kept any longer.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivered {
    pub id: LetterId,
    pub receiver: String,
    pub attempts: u32,
    pub outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Arrived,
    /// It will not be tried again, for this reason, which has been logged.
    GivenUp(String),
    /// It did not arrive, for this reason, and will not be tried again, since others that say as much follow it.
    Outlived(String),
}

/// When a letter that did not arrive is tried again. The first attempt is made at once.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// How long to wait after the first failure, the second, and so on; the last of them from then on. Up to a fifth
    /// is added, so that letters which failed together do not all come back together. The longest is also the most that
    /// a receiver may ask us to wait.
    pub waits: Vec<Duration>,
    /// The age at which a letter is given up. It is tried once, however old it is.
    pub give_up: Duration,
}

impl Default for Schedule {
    fn default() -> Schedule {
        let waits = [5, 30, 120, 600, 1800, 7200].map(Duration::from_secs);
        Schedule { waits: waits.into(), give_up: Duration::from_secs(24 * 3600) }
    }
}

impl Schedule {
    /// How long to wait after so many failures, at least as long as was asked for; `letter` tells apart what failed.
    pub fn wait(&self, failures: u32, asked: Option<Duration>, letter: &impl Hash) -> Duration {
        let longest = self.waits.iter().max().copied().unwrap_or_default();
        let place = (failures as usize).saturating_sub(1).min(self.waits.len().saturating_sub(1));
        let planned = self.waits.get(place).copied().unwrap_or_default();
        // No less than planned: a receiver that keeps saying "at once" would be asked without end.
        let least = asked.map_or(planned, |asked| asked.min(longest).max(planned));
        let mut hash = DefaultHasher::new();
        (letter, failures).hash(&mut hash);
        least + least.mul_f64(hash.finish() as f64 / u64::MAX as f64 / 5.0)
    }
}

/// Takes letters to receivers: all at the same time, except that those of one order to one address go one after the other.
/// So no receiver, however slow, holds up another, nor one group of alerts another one.
#[derive(Debug)]
pub struct Courier {
    /// By name.
    pub receivers: BTreeMap<String, Receiver>,
    pub schedule: Schedule,
    /// How long to go on once no more letters can come.
    pub grace: Duration,
}

impl Courier {
    /// Delivers these letters and those that come, which must be durable already, and tells what became of each.
    ///
    /// When the sender of letters is dropped, what can go at once still goes, within the grace period, but nothing is
    /// waited for. What is left when this returns, or when it is dropped, was not told of and is still in the store.
    pub async fn run(
        self,
        waiting: Vec<Letter>,
        mut coming: mpsc::Receiver<Letter>,
        told: mpsc::UnboundedSender<Delivered>,
    ) {
        let (closing, closed) = watch::channel(false);
        let mut round = Round::new(self.receivers, self.schedule, closed);
        waiting.into_iter().for_each(|letter| round.take(letter));
        let mut end = None;
        while end.is_none() || !round.under_way.is_empty() {
            tokio::select! {
                letter = coming.recv(), if end.is_none() => match letter {
                    Some(letter) => round.take(letter),
                    None => {
                        end = Some(Instant::now() + self.grace);
                        closing.send_replace(true);
                    }
                },
                Some(done) = round.under_way.join_next() => {
                    // Whoever listened may have gone first; then the letter is delivered once more next time.
                    round.done(done).into_iter().for_each(|delivered| drop(told.send(delivered)));
                }
                () = sleep_until(end.unwrap_or_else(Instant::now)), if end.is_some() => return,
            }
        }
    }
}

/// Attempts that may be under way at the same time, for each address.
const AT_ONCE: usize = 8;

/// A receiver, and how many letters each of its addresses may be handed at once.
struct Desk {
    receiver: Receiver,
    attempts: Vec<Semaphore>,
}

impl Desk {
    fn new(receiver: Receiver) -> Desk {
        let attempts = (0..receiver.addresses()).map(|_| Semaphore::new(AT_ONCE)).collect();
        Desk { receiver, attempts }
    }

    async fn hand(&self, letter: &Letter) -> Result<(), Failure> {
        let Some(attempts) = self.attempts.get(letter.address) else {
            return Err(Failure::Lasting { why: "this address of the receiver is no longer configured".to_owned() });
        };
        // The semaphore is never closed; were it, one attempt too many would do no harm.
        let _permit = attempts.acquire().await;
        self.receiver.deliver(&letter.notice, letter.address).await
    }
}

/// Whose letters go one after the other: the receiver's name, which of its addresses, and the order.
type Lane = (String, usize, String);

fn lane(letter: &Letter) -> Lane {
    (letter.receiver().to_owned(), letter.address, letter.order.clone())
}

/// What the courier has in hand.
struct Round {
    desks: HashMap<String, Arc<Desk>>,
    schedule: Arc<Schedule>,
    closed: watch::Receiver<bool>,
    /// The first letter of each lane.
    under_way: JoinSet<(Lane, Option<Delivered>)>,
    /// The letters behind it.
    behind: HashMap<Lane, VecDeque<Letter>>,
}

impl Round {
    fn new(receivers: BTreeMap<String, Receiver>, schedule: Schedule, closed: watch::Receiver<bool>) -> Round {
        Round {
            desks: receivers.into_iter().map(|(name, receiver)| (name, Arc::new(Desk::new(receiver)))).collect(),
            schedule: Arc::new(schedule),
            closed,
            under_way: JoinSet::new(),
            behind: HashMap::new(),
        }
    }

    fn take(&mut self, letter: Letter) {
        match self.behind.entry(lane(&letter)) {
            Entry::Occupied(mut queue) => queue.get_mut().push_back(letter),
            Entry::Vacant(lane) => {
                lane.insert(VecDeque::new());
                self.start(letter);
            }
        }
    }

    fn start(&mut self, letter: Letter) {
        let desk = self.desks.get(letter.receiver()).cloned();
        let (schedule, closed) = (self.schedule.clone(), self.closed.clone());
        self.under_way.spawn(async move {
            let delivered = deliver(&letter, desk, &schedule, closed).await;
            (lane(&letter), delivered)
        });
    }

    /// Goes on with the lane whose first letter is done.
    fn done(&mut self, done: Result<(Lane, Option<Delivered>), JoinError>) -> Option<Delivered> {
        let (lane, delivered) = match done {
            Ok(done) => done,
            // Its lane would stand still for good; the end of the courier is seen.
            Err(failed) if failed.is_panic() => std::panic::resume_unwind(failed.into_panic()),
            Err(_) => return None,
        };
        let queue = self.behind.get_mut(&lane);
        match queue.and_then(VecDeque::pop_front).filter(|_| delivered.is_some()) {
            Some(letter) => self.start(letter),
            None => drop(self.behind.remove(&lane)),
        }
        delivered
    }
}

/// Tries until it has arrived or is given up; `None` when it should be tried again but there is no time to wait.
async fn deliver(
    letter: &Letter,
    desk: Option<Arc<Desk>>,
    schedule: &Schedule,
    mut closed: watch::Receiver<bool>,
) -> Option<Delivered> {
    let mut attempts = 0;
    let done = |attempts, outcome| {
        let receiver = letter.receiver();
        match &outcome {
            Outcome::Arrived => {}
            Outcome::GivenUp(why) => tracing::error!(receiver, letter = %letter.id, attempts, why, "gave up a letter"),
            Outcome::Outlived(why) => {
                tracing::warn!(receiver, letter = %letter.id, attempts, why, "left a letter to those that follow it");
            }
        }
        let (id, receiver) = (letter.id.clone(), receiver.to_owned());
        Some(Delivered { id, receiver, attempts, outcome })
    };
    let Some(desk) = desk else {
        return done(attempts, Outcome::GivenUp("no receiver of this name is configured".to_owned()));
    };
    let lives = letter.notice.lives.map(|lives| Duration::from_millis(u64::try_from(lives.0).unwrap_or(0)));
    let give_up = lives.into_iter().chain(desk.receiver.gives_up()).fold(schedule.give_up, Duration::min);
    loop {
        let told = desk.hand(letter).await;
        attempts += 1;
        let (why, after) = match told {
            Ok(()) => return done(attempts, Outcome::Arrived),
            Err(Failure::Lasting { why }) => return done(attempts, Outcome::GivenUp(why)),
            Err(Failure::Passing { why, after }) => (why, after),
        };
        let wait = schedule.wait(attempts, after, &letter.id);
        if age(letter) + wait > give_up {
            let is_outlived = give_up < schedule.give_up;
            return done(attempts, if is_outlived { Outcome::Outlived(why) } else { Outcome::GivenUp(why) });
        }
        tracing::warn!(receiver = letter.receiver(), letter = %letter.id, attempts, ?wait, why, "will try again");
        tokio::select! {
            () = sleep(wait) => {}
            _ = closed.wait_for(|&closed| closed) => return None,
        }
    }
}

/// Nought when the clock was set back.
fn age(letter: &Letter) -> Duration {
    let created = UNIX_EPOCH + Duration::from_millis(u64::try_from(letter.created.0).unwrap_or(0));
    SystemTime::now().duration_since(created).unwrap_or_default()
}
