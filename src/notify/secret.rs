//! Texts that no log, error or page may show.

use std::path::PathBuf;
use std::{env, fmt, fs, io};

#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    Given(String),
    /// Read anew each time it is used, so that it can be changed while the daemon runs.
    File(PathBuf),
    /// The name of a variable of the environment.
    Environment(String),
}

impl Secret {
    pub fn read(&self) -> io::Result<String> {
        match self {
            Secret::Given(text) => Ok(text.clone()),
            Secret::File(path) => fs::read_to_string(path).map(|text| text.trim().to_owned()),
            Secret::Environment(name) => env::var(name).map(|text| text.trim().to_owned()).map_err(|_| {
                io::Error::new(io::ErrorKind::NotFound, format!("the environment has no variable {name} of text"))
            }),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Secret::Given(_) => f.write_str("<secret>"),
            Secret::File(path) => write!(f, "<secret in {}>", path.display()),
            Secret::Environment(name) => write!(f, "<secret in ${name}>"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_from_where_it_is_and_not_shown() {
        let given = Secret::Given("s3cret".into());
        assert_eq!((given.read().unwrap().as_str(), format!("{given:?}").as_str()), ("s3cret", "<secret>"));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, "s3cret\n").unwrap();
        assert_eq!(Secret::File(path.clone()).read().unwrap(), "s3cret");
        assert_eq!(format!("{:?}", Secret::File("/run/url".into())), "<secret in /run/url>");
        // Every environment has it; a test may not set one, since others run beside it.
        let path = Secret::Environment("PATH".into());
        assert_eq!(path.read().unwrap(), env::var("PATH").unwrap().trim());
        assert_eq!(format!("{path:?}"), "<secret in $PATH>");
        let missing = Secret::Environment("TIDEGAUGE_NO_SUCH".into()).read().unwrap_err();
        assert_eq!(missing.to_string(), "the environment has no variable TIDEGAUGE_NO_SUCH of text");
    }
}
