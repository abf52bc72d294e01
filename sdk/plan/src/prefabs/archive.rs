//! A folder that an archive is unpacked to.

use std::path::PathBuf;

use serde::Serialize;

use super::Absent;
use crate::{
    action::{Action, Change},
    fault::{Fault, FaultKind},
    look::{Kind, Look},
    prefab::Prefab,
    record::Made,
    run::Run,
    settled::Settled,
    unpack::{NOTE, Unpack},
};

/// A folder that an archive is unpacked to. Made by [`archive`].
#[derive(Debug, Clone)]
#[must_use = "it does nothing until a run ensures it"]
pub struct Archive {
    archive: PathBuf,
    folder: PathBuf,
    digest: Option<String>,
    strip: usize,
    max_bytes: u64,
}

/// A folder that an archive of `tar` on the host is unpacked to. The digest has to be said.
///
/// Which archive a folder has come from stands in a file `.wxec-archive` in it, so the archive is not
/// needed any more then. Another one takes the place of the whole folder, with all that was put there
/// meanwhile; a folder that has come from none is not replaced. The archive is unpacked to a folder
/// beside, and that is renamed. Between one archive and the next is a short time without a folder.
///
/// The files belong to the account that the plan runs as. Nothing is unpacked of an archive with
/// paths or links that lead out of the folder, with devices, with more than 100 000 files, or with
/// more than [`max_bytes`](Archive::max_bytes). A plan needs `run = "tar"`, the grants to read the
/// archive and to write to the folder that the folder stands in.
///
/// ```no_run
/// use wxec_plan::{Fault, Run, archive, download, plan};
///
/// const DIGEST: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
///
/// /// A tool, as its makers pack it.
/// #[plan(write = "/opt /var/cache", run = "curl wget tar", attributes)]
/// fn tool(run: &mut Run) -> Result<(), Fault> {
///     let packed = "/var/cache/tool-1.2.tar.gz";
///     download("https://example.org/tool-1.2.tar.gz", packed).sha256(DIGEST).ensure(run)?;
///     archive(packed, "/opt/tool").sha256(DIGEST).strip(1).ensure(run)?;
///     Ok(())
/// }
/// ```
pub fn archive(archive: impl Into<PathBuf>, folder: impl Into<PathBuf>) -> Archive {
    Archive {
        archive: archive.into(),
        folder: folder.into(),
        digest: None,
        strip: 0,
        max_bytes: MAX_UNPACKED_BYTES,
    }
}

/// Most bytes that an archive unpacks to, if nothing else is said: a few times the largest download.
pub const MAX_UNPACKED_BYTES: u64 = 4 << 30;

impl Archive {
    /// Is the archive with this digest: the 64 digits that `sha256sum` prints.
    pub fn sha256(mut self, digest: impl Into<String>) -> Self {
        self.digest = Some(digest.into());
        self
    }

    /// Leaves out so many names at the beginning of each path. Archives of sources often have one
    /// folder at their top, which 1 leaves out.
    pub fn strip(mut self, names: usize) -> Self {
        self.strip = names;
        self
    }

    /// Unpacks to at most this many bytes, in place of [`MAX_UNPACKED_BYTES`].
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Wants the folder not to be there, with all that is in it.
    pub fn absent(self) -> Absent {
        Absent::new(self.folder, Kind::Folder)
    }

    /// Sees to it in `run`.
    pub fn ensure(&self, run: &mut Run) -> Result<Settled, Fault> {
        run.ensure(self)
    }

    fn unpack(&self) -> Result<Unpack, Fault> {
        let refused = |message: String| Fault::of(FaultKind::Refused, message).at(&self.folder);
        let Some(digest) = &self.digest else {
            return Err(refused(
                "an archive has a `.sha256(…)` to be verified by".into(),
            ));
        };
        let wrong = |error| refused(format!("{digest:?} is no sha256: {error}"));
        Ok(Unpack {
            archive: self.archive.clone(),
            folder: self.folder.clone(),
            digest: digest.parse().map_err(wrong)?,
            strip: self.strip,
            max_bytes: self.max_bytes,
        })
    }
}

/// A path, as far as an archive's prefab looks at it.
#[derive(Debug, PartialEq, Serialize)]
#[doc(hidden)]
pub enum SeenArchive {
    /// Nothing, or an empty folder.
    Free,
    /// A folder that has come from an archive.
    From(Vec<u8>),
    /// A folder with other things in it.
    Taken,
    Other(Kind),
}

impl Prefab for Archive {
    type Seen = SeenArchive;

    fn name(&self) -> String {
        format!("archive {}", self.folder.display())
    }

    fn look(&self, look: &Look<'_>) -> Result<SeenArchive, Fault> {
        Ok(match look.entry(&self.folder)? {
            None => SeenArchive::Free,
            Some(entry) if entry.kind != Kind::Folder => SeenArchive::Other(entry.kind),
            Some(_) => match look.read(self.folder.join(NOTE))? {
                Some(note) => SeenArchive::From(note),
                None if look
                    .names(&self.folder)?
                    .is_none_or(|names| names.is_empty()) =>
                {
                    SeenArchive::Free
                }
                None => SeenArchive::Taken,
            },
        })
    }

    fn plan(&self, seen: &SeenArchive) -> Change {
        let unpack = match self.unpack() {
            Ok(unpack) => unpack,
            Err(fault) => return Change::refused(fault),
        };
        match seen {
            SeenArchive::From(note) if *note == unpack.note().as_bytes() => Change::settled(),
            SeenArchive::Free | SeenArchive::From(_) => Change::of([Action::Unpack(unpack)]),
            SeenArchive::Other(kind) => Change::refused(kind.instead_of(&self.folder, "folder")),
            SeenArchive::Taken => {
                let message =
                    "there is a folder that no archive was unpacked to, it is not replaced";
                Change::refused(Fault::refused(&self.folder, message))
            }
        }
    }

    fn made(&self, seen: &SeenArchive) -> Vec<Made> {
        let makes = *seen == SeenArchive::Free;
        let made = makes.then(|| Made::Tree {
            path: self.folder.clone(),
            sign: NOTE.to_owned(),
        });
        made.into_iter().collect()
    }
}
