//! MLflow's webhooks: that something in the registry has changed, so that it is worth looking.
//!
//! MLflow signs what it posts with HMAC-SHA256 over the delivery's id, its time and the body, with dots between them.
//! What a webhook says is not believed beyond that: the alias is asked for as at any other time.

use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::sync::Notify;

use crate::notify::secret::Secret;

pub const SIGNATURE: &str = "x-mlflow-signature";
pub const TIMESTAMP: &str = "x-mlflow-timestamp";
pub const DELIVERY: &str = "x-mlflow-delivery-id";

/// How far the clocks may be apart, in seconds, and how long a delivery may take. What is older may be a repetition by
/// somebody else.
const LONGEST: i64 = 300;

/// What takes webhooks, and wakes who follows an alias. Clones share it.
#[derive(Clone, Default)]
pub struct Hook(Arc<Shared>);

#[derive(Default)]
struct Shared {
    secrets: RwLock<Vec<Secret>>,
    woken: Notify,
}

/// The headers and the body of what was posted, as far as they are of use.
#[derive(Clone, Copy, Debug, Default)]
pub struct Posted<'a> {
    pub delivery: &'a str,
    pub timestamp: &'a str,
    pub signature: &'a str,
    pub body: &'a [u8],
}

/// Why nothing comes of what was posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No secret is configured, so nobody can be told from anybody else.
    NotWanted,
    NotSigned,
    WronglySigned,
    /// It was signed long ago, or is to be.
    OutOfTime,
}

impl Hook {
    /// Webhooks are signed with one of these from now on.
    pub fn set(&self, secrets: &[Secret]) {
        *self.0.secrets.write().unwrap_or_else(PoisonError::into_inner) = secrets.to_vec();
    }

    /// Somebody has posted something at this time by the clock, in seconds.
    pub fn receive(&self, posted: Posted<'_>, now: i64) -> Result<(), Refusal> {
        let secrets = self.0.secrets.read().unwrap_or_else(PoisonError::into_inner).clone();
        if secrets.is_empty() {
            return Err(Refusal::NotWanted);
        }
        if posted.signature.is_empty() {
            return Err(Refusal::NotSigned);
        }
        let is_signed = |secret: &Secret| secret.read().is_ok_and(|secret| posted.is_signed_with(&secret));
        if !secrets.iter().any(is_signed) {
            return Err(Refusal::WronglySigned);
        }
        let is_fresh = posted.timestamp.parse::<i64>().is_ok_and(|then| then.abs_diff(now) <= LONGEST.unsigned_abs());
        if !is_fresh {
            return Err(Refusal::OutOfTime);
        }
        self.0.woken.notify_one();
        Ok(())
    }

    /// Completes when something was posted since the last time.
    pub async fn woken(&self) {
        self.0.woken.notified().await;
    }
}

impl Posted<'_> {
    fn is_signed_with(&self, secret: &str) -> bool {
        let given = self.signature.strip_prefix("v1,").and_then(|text| STANDARD.decode(text).ok());
        let code = Hmac::<Sha256>::new_from_slice(secret.as_bytes());
        let (Some(given), Ok(mut code), false) = (given, code, secret.is_empty()) else { return false };
        code.update(format!("{}.{}.", self.delivery, self.timestamp).as_bytes());
        code.update(self.body);
        code.verify_slice(&given).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As MLflow 3.17.2 signs it with `s3cret`.
    const BODY: &str = r#"{"entity": "model_version_alias", "action": "created", "timestamp": "2026-11-26T03:55:02+00:00", "data": {"name": "credit", "alias": "champion", "version": "2"}}"#;
    const GOOD: Posted<'static> = Posted {
        delivery: "0b2d8a0e-54b4-4b7e-8d0f-0a7f4f3f6c11",
        timestamp: "1795665302",
        signature: "v1,LURK+m58eVocyADXnPSyeYr3H0E+xSYWPxvG0zyI65w=",
        body: BODY.as_bytes(),
    };
    const NOW: i64 = 1_795_665_310;

    fn hook(secrets: &[&str]) -> Hook {
        let hook = Hook::default();
        hook.set(&secrets.iter().map(|secret| Secret::Given((*secret).to_owned())).collect::<Vec<_>>());
        hook
    }

    #[test]
    fn what_mlflow_has_signed_is_taken() {
        assert_eq!(hook(&["s3cret"]).receive(GOOD, NOW), Ok(()));
        assert_eq!(hook(&["the next", "s3cret"]).receive(GOOD, NOW), Ok(()));
    }

    #[test]
    fn what_anybody_else_has_sent_is_not() {
        let hook = |posted| hook(&["s3cret"]).receive(posted, NOW);
        assert_eq!(hook(Posted { signature: "", ..GOOD }), Err(Refusal::NotSigned));
        let others = [
            Posted { signature: "v1,LURK", ..GOOD },
            Posted { signature: "LURK+m58eVocyADXnPSyeYr3H0E+xSYWPxvG0zyI65w=", ..GOOD },
            Posted { delivery: "another", ..GOOD },
            Posted { timestamp: "1795665303", ..GOOD },
            Posted { body: b"{}", ..GOOD },
            Posted { delivery: "0b2d8a0e-54b4-4b7e-8d0f-0a7f4f3f6c11.1795665302", timestamp: "", ..GOOD },
        ];
        others.into_iter().for_each(|other| assert_eq!(hook(other), Err(Refusal::WronglySigned), "{other:?}"));
    }

    #[test]
    fn what_was_signed_long_ago_or_for_another_is_not() {
        for now in [NOW + 400, NOW - 400, i64::MIN] {
            assert_eq!(hook(&["s3cret"]).receive(GOOD, now), Err(Refusal::OutOfTime));
        }
        assert_eq!(hook(&["another", ""]).receive(GOOD, NOW), Err(Refusal::WronglySigned));
        assert_eq!(hook(&[]).receive(GOOD, NOW), Err(Refusal::NotWanted));
    }
}
