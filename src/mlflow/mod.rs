//! MLflow: which version of a model its registry says is the one, the reference that stands beside it, and a run to
//! which windows are written.
//!
//! A monitor may take its reference from a registered model: `models:/credit@champion`. The alias is resolved again and
//! again, and sooner when MLflow itself says by a webhook that something has changed. What is found is kept on a shelf,
//! so that a start without MLflow has what there was.

pub mod error;
pub mod client;
pub mod signature;
pub mod registry;
pub mod shelf;
pub mod headline;
pub mod journal;
pub mod recorder;
pub mod hook;

use std::time::Duration;

use crate::notify::client as web;
use crate::notify::secret::Secret;

#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where the server is; it may be served below a path.
    pub url: Secret,
    pub auth: Auth,
    pub web: web::Config,
    /// How often an alias is resolved.
    pub poll: Duration,
    /// The experiment whose runs windows are written to.
    pub experiment: String,
    /// What webhooks are signed with; without any, none is listened to.
    pub webhook: Vec<Secret>,
}

/// As whom MLflow is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    None,
    Basic { username: Secret, password: Secret },
    Bearer(Secret),
}
