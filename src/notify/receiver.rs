//! The kinds of receivers: what each is configured with, and how it is told.

use std::time::Duration;

use super::alertmanager::{self, Alertmanager};
use super::attempt::{Failure, Unusable};
use super::chat::{self, Chat};
use super::email::{self, Email};
use super::origin::Origin;
use super::pagerduty::{self, PagerDuty};
use super::webhook::{self, Format, Webhook};
use super::{slack, teams};
use crate::notice::Notice;
use crate::route::Manner;
use crate::time::Span;

/// What a receiver is to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Config {
    Email(email::Config),
    Slack(chat::Config),
    PagerDuty(pagerduty::Config),
    Teams(chat::Config),
    Alertmanager(alertmanager::Config),
    Webhook(webhook::Config),
}

impl Config {
    /// How many addresses there are that are told separately.
    pub fn addresses(&self) -> usize {
        match self {
            Config::Alertmanager(config) => config.urls.len(),
            _ => 1,
        }
    }

    /// How it wants to be told.
    pub fn manner(&self) -> Manner {
        match self {
            Config::Alertmanager(config) => Manner::Forgets { resend: Span(config.resend.as_millis() as i64) },
            Config::Webhook(config) if config.format == Format::CloudEvent => Manner::Each,
            _ => Manner::Grouped,
        }
    }
}

/// One who can be told.
#[derive(Debug)]
pub enum Receiver {
    Email(Email),
    Chat(Chat),
    PagerDuty(PagerDuty),
    Alertmanager(Alertmanager),
    Webhook(Webhook),
}

impl Receiver {
    /// Reads everything once, so that what is wrong is known at the start.
    ///
    /// # Errors
    /// When a file or variable that it names cannot be read, or what it says cannot be used.
    pub fn new(config: Config, origin: &Origin) -> Result<Receiver, Unusable> {
        Ok(match config {
            Config::Email(config) => Receiver::Email(Email::new(config, origin)?),
            Config::Slack(config) => Receiver::Chat(Chat::new(config, origin, slack::message)?),
            Config::PagerDuty(config) => Receiver::PagerDuty(PagerDuty::new(config, origin)?),
            Config::Teams(config) => Receiver::Chat(Chat::new(config, origin, teams::message)?),
            Config::Alertmanager(config) => Receiver::Alertmanager(Alertmanager::new(config, origin)?),
            Config::Webhook(config) => Receiver::Webhook(Webhook::new(config, origin)?),
        })
    }

    /// Makes one attempt to tell the notice to one of its addresses.
    ///
    /// # Errors
    /// Why it did not arrive, and whether it is to be tried again.
    pub async fn deliver(&self, notice: &Notice, address: usize) -> Result<(), Failure> {
        match self {
            Receiver::Email(email) => email.deliver(notice).await,
            Receiver::Chat(chat) => chat.deliver(notice).await,
            Receiver::PagerDuty(pagerduty) => pagerduty.deliver(notice).await,
            Receiver::Alertmanager(alertmanager) => alertmanager.deliver(notice, address).await,
            Receiver::Webhook(webhook) => webhook.deliver(notice).await,
        }
    }

    /// How many addresses there are that are told separately.
    pub fn addresses(&self) -> usize {
        match self {
            Receiver::Alertmanager(alertmanager) => alertmanager.addresses(),
            _ => 1,
        }
    }

    /// The age at which it no longer wants a letter, if it is told everything again before that.
    pub fn gives_up(&self) -> Option<Duration> {
        match self {
            Receiver::Alertmanager(alertmanager) => Some(alertmanager.gives_up()),
            _ => None,
        }
    }
}
