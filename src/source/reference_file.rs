//! Reference files: what `profile` keeps of a data set, for monitors to read in its place.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::grid::Axis;
use crate::reference::{Counted, Reference};
use crate::schema::Field;
use crate::tally::FieldTally;

/// What the name of a reference file ends in.
pub const EXTENSION: &str = "tidegauge";

/// A file is this mark, the format's version and the length of the body as little-endian numbers of 4 and 8 bytes, the
/// body, which is a [`Kept`] in postcard, and the SHA-256 of all that stands before it.
const MARK: [u8; 8] = *b"tidegref";
const VERSION: u32 = 2;
const HEAD: usize = MARK.len() + 4 + 8;
const DIGEST: usize = 32;
/// No monitor has so many fields that its file would be larger.
const LARGEST: u64 = 4 << 30;

/// What a reference file holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// The most values of a numeric axis, as the monitor had it.
    pub resolution: usize,
    /// The fields that were looked for, of which the reference has those that the data had.
    pub fields: Vec<Field>,
    pub reference: Reference,
}

/// Why a reference file cannot be read, or not be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("{}: {cause}", path.display())]
    Io { path: PathBuf, cause: io::Error },
    #[error("{}: it is not a reference file; `tidegauge profile` makes one", path.display())]
    NotOne { path: PathBuf },
    #[error(
        "{}: it has the format {version}, and this program reads {VERSION}; make it anew with `tidegauge profile`",
        path.display()
    )]
    Format { path: PathBuf, version: u32 },
    #[error("{}: it is damaged: {why}", path.display())]
    Damaged { path: PathBuf, why: &'static str },
    #[error(
        "{}: it does not fit the monitor: {}; make it anew with `tidegauge profile`",
        path.display(),
        reasons.join("; ")
    )]
    Other { path: PathBuf, reasons: Vec<String> },
}

/// Whether a path is, by its name, that of a reference file.
pub fn is_named(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == EXTENSION)
}

/// Whether a file is, by its first bytes, a reference file, of whatever version and in whatever state.
pub fn is_one(path: &Path) -> bool {
    let mut mark = [0; MARK.len()];
    File::open(path).and_then(|mut file| file.read_exact(&mut mark)).is_ok() && mark == MARK
}

/// Reads the reference for a monitor with these fields and this resolution.
///
/// # Errors
/// When the file cannot be read or is damaged, or was made for other fields or another resolution.
pub fn load(path: &Path, fields: &[Field], resolution: usize) -> Result<Reference, FileError> {
    let kept = read(path)?;
    let reasons = kept.differences(fields, resolution);
    if reasons.is_empty() { Ok(kept.reference) } else { Err(FileError::Other { path: path.to_owned(), reasons }) }
}

/// Reads a reference file.
///
/// # Errors
/// When it cannot be read, or is not whole.
pub fn read(path: &Path) -> Result<Kept, FileError> {
    let io = |cause| FileError::Io { path: path.to_owned(), cause };
    let damaged = |why| FileError::Damaged { path: path.to_owned(), why };
    let mut file = File::open(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    let mut bytes = Vec::new();
    Read::by_ref(&mut file).take(HEAD as u64).read_to_end(&mut bytes).map_err(io)?;
    let Some(rest) = bytes.strip_prefix(&MARK) else { return Err(FileError::NotOne { path: path.to_owned() }) };
    let Some((version, body)) = rest
        .split_first_chunk()
        .and_then(|(version, rest)| Some((u32::from_le_bytes(*version), u64::from_le_bytes(rest.try_into().ok()?))))
    else {
        return Err(damaged("it is cut off"));
    };
    if version != VERSION {
        return Err(FileError::Format { path: path.to_owned(), version });
    }
    let whole = body.checked_add((HEAD + DIGEST) as u64).filter(|whole| *whole <= LARGEST);
    if whole != Some(length) {
        return Err(damaged("it is not as long as it says"));
    }
    file.read_to_end(&mut bytes).map_err(io)?;
    let Some((content, digest)) = bytes.split_last_chunk::<DIGEST>() else { return Err(damaged("it is cut off")) };
    if Sha256::digest(content).as_slice() != digest {
        return Err(damaged("its checksum is another"));
    }
    let kept: Kept = postcard::from_bytes(&content[HEAD..]).map_err(|_| damaged("its content is not a reference"))?;
    let is_sound = kept.reference.fields.values().all(is_sound);
    if is_sound { Ok(kept) } else { Err(damaged("its counts are not those of its axes")) }
}

/// Whether counts and axis are of one kind and length.
fn is_sound(counted: &Counted) -> bool {
    match (&counted.axis, &counted.tally) {
        (Axis::Numeric(grid), FieldTally::Numeric(tally)) => tally.counts.len() == grid.cells(),
        (Axis::Categorical(vocabulary), FieldTally::Categorical(tally)) => tally.counts.len() == vocabulary.cells(),
        (Axis::Flag, FieldTally::Flag(_)) => true,
        _ => false,
    }
}

impl Kept {
    /// What keeps it from being the reference of a monitor with these fields and this resolution.
    fn differences(&self, fields: &[Field], resolution: usize) -> Vec<String> {
        let mut reasons = Vec::new();
        let kind = |field: &Field| format!("{:?}", field.kind).to_lowercase();
        for field in fields {
            let subject = &field.subject;
            match self.fields.iter().find(|kept| kept.subject == *subject) {
                None => reasons.push(format!("it was made without `{subject}`")),
                Some(kept) if kept.kind != field.kind => {
                    reasons.push(format!("`{subject}` is {} in it and {} in the monitor", kind(kept), kind(field)));
                }
                Some(kept) if kept.scale != field.scale => {
                    reasons.push(format!("`{subject}` has another unit in it"));
                }
                Some(kept) if kept.disguise != field.disguise => {
                    reasons.push(format!("other names or hashes stand for the values of `{subject}` in it"));
                }
                Some(_) => {}
            }
        }
        if self.resolution != resolution {
            let here = self.resolution;
            reasons.push(format!("its resolution is {here} and the monitor's is {resolution}"));
        }
        reasons
    }

    /// Writes the file, whole or not at all. Returns how many bytes it has.
    ///
    /// # Errors
    /// When there is no room, or the folder cannot be written to.
    pub fn write(&self, path: &Path) -> Result<u64, FileError> {
        let io = |cause| FileError::Io { path: path.to_owned(), cause };
        let bytes = self.bytes().map_err(|error| io(io::Error::other(error)))?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // Whom the file is for is told by the folder and the user's mask, as for any other.
        let mut builder = tempfile::Builder::new();
        builder.prefix(".tidegauge-").permissions(Permissions::from_mode(0o666));
        let mut file = builder.tempfile_in(folder).map_err(io)?;
        file.write_all(&bytes).and_then(|()| file.as_file().sync_all()).map_err(io)?;
        file.persist(path).map_err(|error| io(error.error))?;
        // That the name is on the disk too matters less than that the file is there.
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
        Ok(bytes.len() as u64)
    }

    fn bytes(&self) -> postcard::Result<Vec<u8>> {
        let body = postcard::to_stdvec(self)?;
        let mut bytes = Vec::with_capacity(HEAD + body.len() + DIGEST);
        bytes.extend(MARK);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend((body.len() as u64).to_le_bytes());
        bytes.extend(body);
        let digest = Sha256::digest(&bytes);
        bytes.extend(digest.as_slice());
        Ok(bytes)
    }
}

/// Says why a file may not be written, if it may not: what is there and is no reference is never replaced, and a
/// reference only with `force`.
pub fn refusal(path: &Path, force: bool) -> Option<String> {
    let shown = path.display();
    match fs::symlink_metadata(path) {
        Err(_) => None,
        Ok(_) if path.is_dir() => Some(format!("{shown}: this is a folder; name a file")),
        Ok(_) if !is_one(path) => Some(format!("{shown}: this is not a reference file, and is not overwritten")),
        Ok(_) if !force => Some(format!("{shown}: there is a reference already; --force replaces it")),
        Ok(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::{Grid, Vocabulary};
    use crate::schema::{Disguise, Kind, Path as KeyPath, Role, Secret};
    use crate::tally::Tally;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use tempfile::TempDir;

    fn field(subject: &str, kind: Kind) -> Field {
        Field {
            subject: subject.into(),
            path: KeyPath(subject.into()),
            kind,
            role: Role::Feature,
            scale: 1.0,
            disguise: None,
        }
    }

    fn kept() -> Kept {
        let axes = [
            ("error", Axis::Flag),
            ("income", Axis::Numeric(Grid::new([1.0, 2.5, -3.0], false))),
            ("purpose", Axis::Categorical(Vocabulary::new(["car".to_owned(), "ünï".to_owned()]))),
        ];
        let counted = axes.map(|(subject, axis)| {
            let tally = FieldTally::empty(&axis);
            (subject.to_owned(), Counted { axis, tally })
        });
        let fields = vec![field("income", Kind::Numeric), field("purpose", Kind::Categorical)];
        Kept { resolution: 64, fields, reference: Reference::new("a.csv", 7, BTreeMap::from(counted)) }
    }

    fn folder() -> TempDir {
        tempfile::tempdir().expect("a temporary folder")
    }

    #[test]
    fn what_was_written_is_read() {
        let folder = folder();
        let path = folder.path().join("a.tidegauge");
        assert!(is_named(&path) && !is_one(&path) && refusal(&path, false).is_none());
        let length = kept().write(&path).expect("it can be written");
        assert_eq!(length, path.metadata().expect("it is there").len());
        assert_eq!(read(&path).expect("it is whole"), kept());
        assert!(is_one(&path) && refusal(&path, true).is_none());
        assert!(refusal(&path, false).is_some_and(|why| why.ends_with("--force replaces it")));
        assert_eq!(folder.path().read_dir().expect("a folder").count(), 1, "something was left behind");
        let other = folder.path().join("b.tidegauge");
        fs::write(&other, "my thesis").expect("it can be written");
        assert!(refusal(&other, true).is_some_and(|why| why.ends_with("is not overwritten")));
        assert!(refusal(folder.path(), true).is_some_and(|why| why.contains("folder")));
    }

    proptest! {
        #[test]
        fn whatever_is_changed_or_cut_is_noticed(place in 0..10_000usize, change in 1..=255u8, how in 0..3) {
            let folder = folder();
            let path = folder.path().join("a.tidegauge");
            let mut bytes = kept().bytes().expect("it can be written");
            let place = place % bytes.len();
            match how {
                0 => bytes[place] ^= change,
                1 => bytes.truncate(place),
                _ => bytes.insert(place, change),
            }
            fs::write(&path, &bytes).expect("it can be written");
            let said = read(&path).expect_err("it is not whole").to_string();
            prop_assert!(said.starts_with(&path.display().to_string()) && !said.contains('\n'));
        }

        #[test]
        fn a_body_with_a_right_checksum_is_no_reason_to_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let folder = folder();
            let path = folder.path().join("a.tidegauge");
            let mut bytes = [&MARK[..], &VERSION.to_le_bytes(), &(body.len() as u64).to_le_bytes(), &body].concat();
            let digest = Sha256::digest(&bytes);
            bytes.extend(digest.as_slice());
            fs::write(&path, &bytes).expect("it can be written");
            let _ = read(&path);
        }
    }

    #[test]
    fn a_file_of_another_format_and_one_of_another_kind_are_told_apart() {
        let folder = folder();
        let path = folder.path().join("a.tidegauge");
        let mut bytes = kept().bytes().expect("it can be written");
        bytes[MARK.len()] = 9;
        fs::write(&path, &bytes).expect("it can be written");
        let said = |path: &Path| load(path, &[], 64).expect_err("it cannot be read").to_string();
        assert!(
            said(&path).ends_with("and this program reads 2; make it anew with `tidegauge profile`"),
            "{}",
            said(&path)
        );
        fs::write(&path, "PAR1").expect("it can be written");
        assert!(said(&path).contains("it is not a reference file"));
        assert!(said(&folder.path().join("b.tidegauge")).contains("No such file"));
    }

    #[test]
    fn a_disguise_is_kept_as_a_fingerprint_and_held_against_the_monitors() {
        let folder = folder();
        let path = folder.path().join("a.tidegauge");
        let named = |value: &str| Disguise::named(BTreeMap::from([(value.to_owned(), "women".to_owned())]));
        let hashed = |key: &str| Disguise::Hashed(Secret::new(key.as_bytes()));
        for (disguise, other) in [(named("RAW-F"), named("RAW-W")), (hashed("RAW-key"), hashed("another"))] {
            let mut kept = kept();
            kept.fields[1].disguise = Some(disguise);
            kept.write(&path).expect("it can be written");
            let bytes = fs::read(&path).expect("it is there");
            assert!(!bytes.windows(4).any(|window| window == b"RAW-"));
            assert!(load(&path, &kept.fields, 64).is_ok());
            let mut fields = kept.fields.clone();
            for disguise in [None, Some(other)] {
                fields[1].disguise = disguise;
                let error = load(&path, &fields, 64).expect_err("it is another's").to_string();
                assert!(error.contains("other names or hashes stand for the values of `purpose` in it"), "{error}");
            }
            assert!(!format!("{kept:?}").contains("RAW-"));
        }
    }

    #[test]
    fn a_reference_of_another_monitor_says_what_differs() {
        let kept = kept();
        assert_eq!(kept.differences(&kept.fields, 64), [""; 0]);
        assert_eq!(kept.differences(&kept.fields[1..], 64), [""; 0]);
        let mut latency = field("purpose", Kind::Categorical);
        latency.scale = 1e-3;
        let fields = [field("age", Kind::Numeric), field("income", Kind::Categorical), latency];
        assert_eq!(
            kept.differences(&fields, 2048),
            [
                "it was made without `age`",
                "`income` is numeric in it and categorical in the monitor",
                "`purpose` has another unit in it",
                "its resolution is 64 and the monitor's is 2048"
            ]
        );
    }
}
