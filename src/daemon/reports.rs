//! Reads from a topic what training jobs say of their runs, for the clerk.
//!
//! Runs are in the store of the one daemon that has asked for them, so of several in a group each reads the whole topic.
//! How far it has read is in the same store: it is written in one step with what was said, so that a report counts once,
//! whenever this ends, and no group is needed for it.

use std::collections::BTreeMap;
use std::thread;

use anyhow::{Context, Result};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use tokio::sync::{mpsc, oneshot};

use crate::pane::Partition;
use crate::retrain::Event;
use crate::retrain::report::{Unheard, of_event};
use crate::source::cloudevent;
use crate::source::follow::Follower;
use crate::source::kafka::Config;
use crate::store::Store;

/// Batches that may wait for the clerk; reading waits when there are more.
const WAITING: usize = 4;
/// What every intermediary has to forward of an event; none that means anything here comes near it.
const LONGEST: usize = 64 * 1024;

/// What one record says, or why it says nothing.
pub struct Heard {
    pub partition: Partition,
    pub offset: i64,
    pub said: Result<Event, Unheard>,
}

/// Reports as they come, until this is dropped.
pub struct Reports {
    pub heard: mpsc::Receiver<Vec<Heard>>,
    /// Completes when the reading has ended.
    pub ended: oneshot::Receiver<()>,
}

impl Reports {
    /// Of no topic.
    pub fn none() -> Reports {
        Reports { heard: mpsc::channel(1).1, ended: oneshot::channel().1 }
    }

    /// Begins to read where the store says.
    ///
    /// # Errors
    /// When the store cannot be read, or librdkafka refuses its configuration.
    pub fn read(topic: &str, kafka: &Config, store: &Store) -> Result<Reports> {
        let heard = store.heard().context("read the store")?.into_iter().filter(|(at, _)| &*at.topic == topic);
        let next: BTreeMap<i32, i64> = heard.map(|(at, next)| (at.partition, next)).collect();
        let mut follower = Follower::new(kafka, topic, next).context("start to read reports on retrains")?;
        let (tell, heard) = mpsc::channel(WAITING);
        let (end, ended) = oneshot::channel::<()>();
        thread::Builder::new()
            .name("kafka-reports".to_owned())
            .spawn(move || {
                pass_on(&mut follower, &tell);
                drop(follower);
                drop(end);
            })
            .context("start to read reports on retrains")?;
        Ok(Reports { heard, ended })
    }
}

fn pass_on(follower: &mut Follower, tell: &mpsc::Sender<Vec<Heard>>) {
    while !tell.is_closed() {
        let mut batch = Vec::new();
        follower.take(|message| batch.push(heard(message)));
        if !batch.is_empty() && tell.blocking_send(batch).is_err() {
            return;
        }
    }
}

fn heard(message: &BorrowedMessage<'_>) -> Heard {
    let value = message.payload().unwrap_or_default();
    let headers = message.headers();
    let number = headers.map_or(0, Headers::count);
    let headers = (0..number).filter_map(|at| {
        let header = headers?.get(at);
        Some((header.key, header.value?))
    });
    let partition = Partition { topic: message.topic().into(), partition: message.partition() };
    Heard { partition, offset: message.offset(), said: said(headers, value) }
}

fn said<'a>(headers: impl Iterator<Item = (&'a str, &'a [u8])> + Clone, value: &[u8]) -> Result<Event, Unheard> {
    if value.len() > LONGEST {
        return Err(Unheard::TooLong);
    }
    let event = cloudevent::read(headers, value).ok_or(Unheard::NoEvent)?;
    of_event(&event.kind, event.data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retrain::report::SUCCEEDED;

    #[test]
    fn a_record_says_something_or_why_not() {
        let read = |kind: &str, value: &str| {
            let headers = [("ce_specversion", "1.0"), ("ce_id", "1"), ("ce_source", "/trainer"), ("ce_type", kind)];
            said(headers.iter().map(|(name, text)| (*name, text.as_bytes())), value.as_bytes())
        };
        let version = Some("8".to_owned());
        let id = "r".to_owned();
        assert_eq!(read(SUCCEEDED, r#"{"id": "r", "version": "8"}"#), Ok(Event::Succeeded { id, version }));
        assert_eq!(read(SUCCEEDED, r#"{"id": "r""#), Err(Unheard::BadData));
        assert_eq!(read("", r#"{"id": "r"}"#), Err(Unheard::NoEvent));
        assert_eq!(read("another", r#"{"id": "r"}"#), Err(Unheard::OtherType));
        assert_eq!(read(SUCCEEDED, &" ".repeat(LONGEST + 1)), Err(Unheard::TooLong));
        assert_eq!(said([].into_iter(), b"{}"), Err(Unheard::NoEvent));
    }
}
