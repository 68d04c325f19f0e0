//! What was last brought from MLflow for each monitor, on the disk.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::registry::Version;
use super::signature::Signature;
use crate::monitor::Registered;
use crate::rule::alert::stable_id;

/// Copies of references, each monitor's in a folder of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shelf {
    folder: PathBuf,
}

/// A reference that was brought, and what it is of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Copy {
    /// What was asked for, as the monitor has it.
    pub asked: String,
    pub artifact: String,
    pub version: Version,
    /// What its model says of itself, if it does.
    pub signature: Option<Signature>,
}

/// Which of the copies is in use.
const CURRENT: &str = "current.json";

impl Shelf {
    pub fn new(folder: PathBuf) -> Shelf {
        Shelf { folder }
    }

    /// Removes drafts that were never finished, since whoever made them was killed. Nobody may be making any.
    pub fn tidy(&self) {
        let inside = |folder: &Path| fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
        for draft in inside(&self.folder).flat_map(|folder| inside(&folder.path())) {
            if is_draft(&draft) {
                // It is only in the way of the space on the disk.
                let _ = fs::remove_file(draft.path());
            }
        }
    }

    /// The copy that a monitor last used, if it was of what it asks for now.
    pub fn last(&self, model: &str, registered: &Registered) -> Option<Copy> {
        let text = fs::read(self.folder_of(model).join(CURRENT)).ok()?;
        let copy: Copy = serde_json::from_slice(&text).ok()?;
        let is_it = copy.asked == registered.to_string() && copy.artifact == registered.artifact;
        (is_it && self.file(model, &copy.version, registered).is_file()).then_some(copy)
    }

    /// The file of a copy. Its name ends as the artifact's does, which says of what kind it is.
    pub fn file(&self, model: &str, version: &Version, registered: &Registered) -> PathBuf {
        let name = Path::new(&registered.artifact).file_name().unwrap_or_default().to_string_lossy();
        let plain: String = version.version.chars().filter(char::is_ascii_alphanumeric).collect();
        self.folder_of(model).join(format!("{plain}-{name}"))
    }

    /// Where something may be put until it is whole; it is gone when it is dropped.
    ///
    /// # Errors
    /// When the folder cannot be made or written to.
    pub fn draft(&self, model: &str) -> io::Result<tempfile::TempPath> {
        let folder = self.folder_of(model);
        fs::create_dir_all(&folder)?;
        Ok(tempfile::Builder::new().prefix(".brought-").tempfile_in(folder)?.into_temp_path())
    }

    /// This copy is in use from now on, so the others are not needed any more.
    ///
    /// # Errors
    /// When the folder cannot be written to; then the last copy stays.
    pub fn keep(&self, model: &str, copy: &Copy, registered: &Registered) -> io::Result<()> {
        let (folder, file) = (self.folder_of(model), self.file(model, &copy.version, registered));
        let mut current = tempfile::Builder::new().prefix(".current-").tempfile_in(&folder)?;
        current.write_all(&serde_json::to_vec(copy)?)?;
        current.as_file().sync_all()?;
        current.persist(folder.join(CURRENT)).map_err(|error| error.error)?;
        for entry in fs::read_dir(&folder)?.filter_map(Result::ok) {
            if entry.path() != file && entry.file_name() != CURRENT && !is_draft(&entry) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// Names are hashed, because they may be of any length and have any signs in them.
    fn folder_of(&self, model: &str) -> PathBuf {
        self.folder.join(stable_id(&[model]))
    }
}

fn is_draft(entry: &fs::DirEntry) -> bool {
    entry.file_name().to_string_lossy().starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::Which;

    #[test]
    fn what_was_kept_last_is_found_by_who_asks_for_the_same() {
        let folder = tempfile::tempdir().expect("a folder");
        let shelf = Shelf::new(folder.path().join("mlflow"));
        let champion = Which::Alias("champion".into());
        let registered = Registered { name: "credit".into(), which: champion, artifact: "a/reference.csv".into() };
        assert_eq!(shelf.last("loan", &registered), None);
        let copy = |version: &str| Copy {
            asked: registered.to_string(),
            artifact: registered.artifact.clone(),
            version: Version { name: "credit".into(), version: version.into(), ..Version::default() },
            signature: None,
        };
        for version in ["1", "2"] {
            let draft = shelf.draft("loan").expect("a draft");
            fs::write(&draft, version).expect("it can be written");
            draft.persist(shelf.file("loan", &copy(version).version, &registered)).expect("it can be named");
            shelf.keep("loan", &copy(version), &registered).expect("it is kept");
            assert_eq!(shelf.last("loan", &registered), Some(copy(version)));
        }
        let second = shelf.file("loan", &copy("2").version, &registered);
        assert_eq!(second.file_name().and_then(|name| name.to_str()), Some("2-reference.csv"));
        let left = fs::read_dir(second.parent().expect("a folder")).expect("it can be read").count();
        assert_eq!((fs::read_to_string(&second).expect("it is there").as_str(), left), ("2", 2));
        // What a process that was killed had begun to bring is gone at the next start.
        let _ = shelf.draft("loan").expect("a draft").keep().expect("it stays");
        shelf.tidy();
        let left = fs::read_dir(second.parent().expect("a folder")).expect("it can be read").count();
        assert_eq!((left, shelf.last("loan", &registered)), (2, Some(copy("2"))));
        // What is asked for elsewhere, or of another, was never brought.
        let other = Registered { artifact: "b/reference.csv".into(), ..registered.clone() };
        assert_eq!((shelf.last("loan", &other), shelf.last("cards", &registered)), (None, None));
        fs::remove_file(second).expect("it can be removed");
        assert_eq!(shelf.last("loan", &registered), None);
    }
}
