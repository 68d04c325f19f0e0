//! What can be wrong with a receiver, and what can come of one attempt to tell it something.

use std::error::Error;
use std::io;
use std::time::Duration;

use super::secret::Secret;

/// Why a receiver cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    #[error("read the {what}: {cause}")]
    Unread { what: String, cause: io::Error },
    #[error("the {what} is not {expected}")]
    Malformed { what: String, expected: &'static str },
    #[error("prepare TLS: {0}")]
    Tls(String),
}

impl Unusable {
    pub fn malformed(what: impl Into<String>, expected: &'static str) -> Unusable {
        Unusable::Malformed { what: what.into(), expected }
    }
}

/// Why an attempt failed. No text shows a secret, nor more of a URL than scheme and host.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum Failure {
    /// It may pass: try again, and not before `after` where the receiver has said so.
    #[error("{why}")]
    Passing { why: String, after: Option<Duration> },
    /// It would fail again.
    #[error("{why}")]
    Lasting { why: String },
}

impl Failure {
    pub fn passing(why: impl Into<String>) -> Failure {
        Failure::Passing { why: why.into(), after: None }
    }
}

/// What a receiver reads anew for each attempt may be on its way to being replaced.
impl From<Unusable> for Failure {
    fn from(error: Unusable) -> Failure {
        Failure::passing(error.to_string())
    }
}

/// What a secret says now.
pub fn read(what: impl Into<String>, secret: &Secret) -> Result<String, Unusable> {
    secret.read().map_err(|cause| Unusable::Unread { what: what.into(), cause })
}

/// The whole chain of causes, whose first links say little.
pub fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let next_text = next.to_string();
        // Some show their cause themselves.
        if !text.ends_with(&next_text) {
            text.push_str(&format!(": {next_text}"));
        }
        cause = next.source();
    }
    text
}
