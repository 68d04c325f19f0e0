//! Asking the registry: which version an alias stands for, and what stands beside that version.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::client::Client;
use super::error::Error;
use super::signature::Signature;
use crate::monitor::{Registered, Which};

/// The largest reference that is brought.
const LARGEST: u64 = 4 << 30;
/// The largest description of a model that is read.
const LARGEST_MODEL: u64 = 4 << 20;

/// A version of a registered model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Version {
    pub name: String,
    pub version: String,
    /// The run that has made it; empty when it is not known.
    pub run_id: String,
    #[serde(skip_serializing)]
    pub tags: Vec<Tag>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tag {
    pub key: String,
    pub value: String,
}

#[derive(Deserialize)]
struct Found {
    model_version: Version,
}

impl Version {
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.tags.iter().find(|tag| tag.key == key).map(|tag| tag.value.as_str())
    }
}

impl Client {
    /// The version that is meant at this moment.
    pub async fn resolve(&self, registered: &Registered) -> Result<Version, Error> {
        match &registered.which {
            Which::Version(version) => self.version(&registered.name, version).await,
            Which::Alias(alias) => {
                let query = [("name", registered.name.as_str()), ("alias", alias)];
                let found: Found = self.get("registered-models/alias", &query).await?;
                Ok(found.model_version)
            }
        }
    }

    pub async fn version(&self, name: &str, version: &str) -> Result<Version, Error> {
        let found: Found = self.get("model-versions/get", &[("name", name), ("version", version)]).await?;
        Ok(found.model_version)
    }

    /// Brings an artifact of the version or, if that has none, of the run that has made it.
    pub async fn bring(&self, version: &Version, artifact: &str, file: &Path) -> Result<u64, Error> {
        let mut into = create(file)?;
        let missing = match self.artifact_of_version(version, artifact, LARGEST, &mut into).await {
            Err(Error::Missing { why }) => why,
            brought => return brought,
        };
        if version.run_id.is_empty() {
            return Err(Error::Missing { why: missing });
        }
        let mut into = create(file)?;
        let query = [("run_id", version.run_id.as_str()), ("path", artifact)];
        match self.download("get-artifact", &query, LARGEST, &mut into).await {
            Err(Error::Missing { .. }) => {
                let (name, version) = (&version.name, &version.version);
                let why = format!("neither version {version} of {name} nor its run has the artifact {artifact}");
                Err(Error::Missing { why })
            }
            brought => brought,
        }
    }

    /// What the version says of its inputs; `None` when it does not say, or is no model.
    pub async fn signature(&self, version: &Version) -> Result<Option<Signature>, Error> {
        let mut text = Vec::new();
        match self.artifact_of_version(version, "MLmodel", LARGEST_MODEL, &mut text).await {
            Ok(_) => Ok(Signature::of_model(&String::from_utf8_lossy(&text))),
            Err(Error::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn artifact_of_version(
        &self,
        version: &Version,
        path: &str,
        largest: u64,
        into: &mut (dyn Write + Send),
    ) -> Result<u64, Error> {
        let query = [("name", version.name.as_str()), ("version", version.version.as_str()), ("path", path)];
        self.download("model-versions/get-artifact", &query, largest, into).await
    }
}

fn create(file: &Path) -> Result<File, Error> {
    File::create(file).map_err(|error| Error::passing(format!("keep what MLflow sends in {}: {error}", file.display())))
}
