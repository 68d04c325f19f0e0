//! A receiver that is a channel of a chat: a message for people, posted to an address that is the channel's secret.

use serde_json::Value;

use super::attempt::{Failure, Unusable};
use super::client::{self, Client};
use super::origin::Origin;
use super::secret::Secret;
use crate::notice::Notice;

#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where the chat takes messages for the channel.
    pub url: Secret,
    pub web: client::Config,
    /// Templates in place of the usual texts.
    pub title: Option<String>,
    pub text: Option<String>,
}

/// Makes a message as one chat takes it, by the templates for its title and text.
pub type Message = fn(&Notice, &Origin, Option<&String>, Option<&String>) -> Value;

#[derive(Debug)]
pub struct Chat {
    config: Config,
    origin: Origin,
    client: Client,
    message: Message,
}

impl Chat {
    /// Reads everything once, so that what is wrong is known at the start.
    pub fn new(config: Config, origin: &Origin, message: Message) -> Result<Chat, Unusable> {
        let client = Client::new(config.web.clone(), std::slice::from_ref(&config.url))?;
        Ok(Chat { config, origin: origin.clone(), client, message })
    }

    pub async fn deliver(&self, notice: &Notice) -> Result<(), Failure> {
        let Config { url, title, text, .. } = &self.config;
        let message = (self.message)(notice, &self.origin, title.as_ref(), text.as_ref());
        self.client.post(client::url(url)?, "application/json", &[], message.to_string()).await
    }
}
