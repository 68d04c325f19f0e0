//! The webhook receiver: posts our events, or what Alertmanager would post, signed if that is wanted.

mod signature;

use std::time::{SystemTime, UNIX_EPOCH};

use super::attempt::{Failure, Unusable, read};
use super::client::{self, Client};
use super::event::{self, STRUCTURED};
use super::origin::Origin;
use super::payload::payload;
use super::secret::Secret;
use crate::notice::Notice;

#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where to post: `http` or `https`. Many receivers are told apart by a secret in its path.
    pub url: Secret,
    pub web: client::Config,
    pub format: Format,
    /// `whsec_` and base64: each signs requests as Standard Webhooks has it. There are several while one is replaced.
    pub signing: Vec<Secret>,
}

/// What is posted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// An event for each alert.
    #[default]
    CloudEvent,
    /// Version 4 of the payload that Alertmanager posts, for a group of alerts.
    Alertmanager,
}

#[derive(Debug)]
pub struct Webhook {
    config: Config,
    origin: Origin,
    client: Client,
}

impl Webhook {
    /// Reads everything once, so that what is wrong is known at the start.
    pub fn new(config: Config, origin: &Origin) -> Result<Webhook, Unusable> {
        let client = Client::new(config.web.clone(), std::slice::from_ref(&config.url))?;
        headers(&config.signing, "", "")?;
        Ok(Webhook { config, origin: origin.clone(), client })
    }

    pub async fn deliver(&self, notice: &Notice) -> Result<(), Failure> {
        match self.config.format {
            Format::CloudEvent => {
                // Each of them has a letter of its own.
                for alert in &notice.alerts {
                    let event = event::alert(&self.origin.group, alert);
                    self.post(&event.id, STRUCTURED, event.structured()).await?;
                }
                Ok(())
            }
            Format::Alertmanager => {
                let body = event::json(&payload(notice, &self.origin));
                self.post(&notice.id, "application/json", body).await
            }
        }
    }

    async fn post(&self, id: &str, content_type: &'static str, body: String) -> Result<(), Failure> {
        let headers = headers(&self.config.signing, id, &body)?;
        self.client.post(client::url(&self.config.url)?, content_type, &headers, body).await
    }
}

/// Whether it is a secret of Standard Webhooks.
pub fn signs(secret: &str) -> bool {
    signature::sign(secret, "", 0, "").is_some()
}

/// The headers of Standard Webhooks, for an attempt that is made now.
fn headers(signing: &[Secret], id: &str, body: &str) -> Result<Vec<(&'static str, String)>, Unusable> {
    let timestamp = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs() as i64);
    let mut headers = vec![("webhook-id", id.to_owned()), ("webhook-timestamp", timestamp.to_string())];
    let sign = |secret: &Secret| {
        let signed = signature::sign(&read("signing secret", secret)?, id, timestamp, body);
        signed.ok_or_else(|| Unusable::malformed("signing secret", "whsec_ and base64"))
    };
    let signatures = signing.iter().map(sign).collect::<Result<Vec<String>, Unusable>>()?;
    if !signatures.is_empty() {
        headers.push(("webhook-signature", signatures.join(" ")));
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(signing: &[&str]) -> Config {
        let given = |text: &str| Secret::Given(text.to_owned());
        let signing = signing.iter().map(|secret| given(secret)).collect();
        Config { url: given("http://host/s3cret"), web: client::Config::default(), format: Format::CloudEvent, signing }
    }

    #[test]
    fn what_is_wrong_is_known_at_the_start_and_told_without_the_secret() {
        let told = |config| Webhook::new(config, &Origin::default()).expect_err("it is wrong").to_string();
        assert_eq!(told(config(&["s3cret"])), "the signing secret is not whsec_ and base64");
        let url = Config { url: Secret::Given("s3cret".into()), ..config(&[]) };
        assert_eq!(told(url), "the URL is not a URL that begins with http:// or https://");
        let shown = format!("{:?}", Webhook::new(config(&["whsec_s3cretAA"]), &Origin::default()));
        assert!(shown.contains("signing") && !shown.contains("s3cret"), "{shown}");
    }

    #[test]
    fn each_secret_signs() {
        let secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAAA"].map(|it| Secret::Given(it.to_owned()));
        let headers = headers(&secrets, "id", "body").unwrap();
        let (name, signatures) = headers.last().unwrap();
        assert_eq!(*name, "webhook-signature");
        let timestamp = headers[1].1.parse().unwrap();
        let first = signature::sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "id", timestamp, "body").unwrap();
        let second = signature::sign("whsec_AAAA", "id", timestamp, "body").unwrap();
        assert_eq!(*signatures, format!("{first} {second}"));
    }
}
