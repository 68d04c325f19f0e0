//! What can come of asking MLflow.

use std::time::Duration;

use crate::notify::attempt::Unusable;

/// Why MLflow has not done what it was asked for. No text shows a secret, nor more of a URL than scheme and host.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It may pass: try again, and not before `after` where MLflow has said so.
    #[error("{why}")]
    Passing { why: String, after: Option<Duration> },
    /// There is no such thing.
    #[error("{why}")]
    Missing { why: String },
    /// There is such a thing already.
    #[error("{why}")]
    Taken { why: String },
    /// It would fail again.
    #[error("{why}")]
    Lasting { why: String },
}

/// However long MLflow asks for, it is tried again after this.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

impl Error {
    pub fn passing(why: impl Into<String>) -> Error {
        Error::Passing { why: why.into(), after: None }
    }

    pub fn lasting(why: impl Into<String>) -> Error {
        Error::Lasting { why: why.into() }
    }

    /// How long to wait before it is tried again, when at the first the pause would be `usual`; `None` when it would be
    /// in vain.
    pub fn pause(&self, usual: Duration) -> Option<Duration> {
        match self {
            Error::Passing { after, .. } => Some(after.unwrap_or_default().min(LONGEST_PAUSE).max(usual)),
            _ => None,
        }
    }
}

/// What is read anew for each request may be on its way to being replaced.
impl From<Unusable> for Error {
    fn from(error: Unusable) -> Error {
        Error::passing(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_mlflow_asks_for_is_granted_within_reason() {
        let usual = Duration::from_secs(30);
        let pause = |after: Option<u64>| {
            let after = after.map(Duration::from_secs);
            Error::Passing { why: String::new(), after }.pause(usual).map(|pause| pause.as_secs())
        };
        assert_eq!([None, Some(1), Some(120), Some(u64::MAX)].map(pause), [30, 30, 120, 600].map(Some));
        assert_eq!(Error::lasting("").pause(usual), None);
    }
}
