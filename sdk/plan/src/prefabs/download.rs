//! A file from elsewhere.

use std::path::PathBuf;

use wxec::module::Digest;

use super::{
    Absent,
    file::{SeenFile, attributes},
};
use crate::{
    action::{Action, Change, FILE_MODE, Owner},
    fault::{Fault, FaultKind},
    fetch::Fetch,
    look::{Kind, Look},
    prefab::Prefab,
    run::Run,
    settled::Settled,
};

/// A file from elsewhere. Made by [`download`].
#[derive(Debug, Clone)]
#[must_use = "it does nothing until a run ensures it"]
pub struct Download {
    url: String,
    path: PathBuf,
    digest: Option<String>,
    is_unverified: bool,
    max_bytes: u64,
    mode: Option<u32>,
    owner: Owner,
}

/// A file from elsewhere: `download("https://example.org/tool", "/opt/tool").sha256("…").ensure(run)?`.
///
/// It is compared by its digest, so a preview needs no network. It is fetched if that is another one:
/// by `curl`, or by `wget` where the host lacks that, to a temporary name beside its place. It gets
/// its place when its digest is the right one.
///
/// A plan needs `run = "curl wget"` and the grant to write to the folder; the plan's own grants for
/// the network do not matter. The URL can be seen by all accounts of the host while it is fetched.
///
/// ```
/// use wxec_plan::{Run, download};
///
/// # if std::process::Command::new("curl").arg("--version").output().is_err() { return Ok(()); }
/// let place = tempfile::tempdir()?;
/// std::fs::write(place.path().join("from"), "hello")?;
/// let url = format!("file://{}/from", place.path().display());
///
/// let hello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
/// download(url, place.path().join("to")).sha256(hello).ensure(&mut Run::new())?;
/// assert_eq!(std::fs::read(place.path().join("to"))?, b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn download(url: impl Into<String>, path: impl Into<PathBuf>) -> Download {
    Download {
        url: url.into(),
        path: path.into(),
        digest: None,
        is_unverified: false,
        max_bytes: MAX_DOWNLOAD_BYTES,
        mode: None,
        owner: Owner::default(),
    }
}

/// Largest file that is downloaded, if nothing else is said: the images of systems are larger, and
/// most hosts have room for more than this.
pub const MAX_DOWNLOAD_BYTES: u64 = 1 << 30;

impl Download {
    /// Has this digest: the 64 digits that `sha256sum` prints.
    pub fn sha256(mut self, digest: impl Into<String>) -> Self {
        self.digest = Some(digest.into());
        self
    }

    /// Takes what comes. It is fetched if no file is there, and never again.
    pub fn unverified(mut self) -> Self {
        self.is_unverified = true;
        self
    }

    /// Has at most this many bytes, in place of [`MAX_DOWNLOAD_BYTES`].
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Sets the permission bits: [`FILE_MODE`] for a new file, if none are said.
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = Some(mode);
        self
    }

    /// Sets the owner and the group, by their numbers.
    pub fn owner(mut self, uid: u32, gid: u32) -> Self {
        (self.owner.uid, self.owner.gid) = (Some(uid), Some(gid));
        self
    }

    /// Wants the file not to be there.
    pub fn absent(self) -> Absent {
        Absent::new(self.path, Kind::File)
    }

    /// Sees to it in `run`.
    pub fn ensure(&self, run: &mut Run) -> Result<Settled, Fault> {
        run.ensure(self)
    }

    fn wanted(&self) -> Result<Option<Digest>, Fault> {
        let refused = |message: String| Fault::of(FaultKind::Refused, message).at(&self.path);
        let is_url = ["https://", "http://", "file://"];
        let is_plain = |c: char| c.is_ascii_graphic();
        if !is_url.iter().any(|scheme| self.url.starts_with(scheme))
            || !self.url.chars().all(is_plain)
        {
            let message = format!("{:?} is no URL of https, http or file", self.url);
            return Err(refused(message));
        }
        match (&self.digest, self.is_unverified) {
            (Some(digest), false) => {
                let wrong = |error| refused(format!("{digest:?} is no sha256: {error}"));
                digest.parse().map(Some).map_err(wrong)
            }
            (None, true) => Ok(None),
            (None, false) => {
                let message =
                    "a download has a `.sha256(…)` to be verified by, or is `.unverified()`";
                Err(refused(message.into()))
            }
            (Some(_), true) => {
                let message = "a download with a `.sha256(…)` cannot be `.unverified()` as well";
                Err(refused(message.into()))
            }
        }
    }

    fn decide(&self, seen: &SeenFile) -> Result<Change, Fault> {
        let wanted = self.wanted()?;
        let fetch = |mode, owner| {
            Change::of([Action::Fetch(Fetch {
                path: self.path.clone(),
                url: self.url.clone(),
                digest: wanted,
                max_bytes: self.max_bytes,
                mode,
                owner,
            })])
        };
        Ok(match seen {
            SeenFile::Absent => fetch(self.mode.unwrap_or(FILE_MODE), self.owner),
            SeenFile::Other(kind) => Change::refused(kind.instead_of(&self.path, "file")),
            SeenFile::File {
                content,
                mode,
                owner,
            } => {
                if *content != wanted {
                    let owner = self.owner.or(*owner);
                    let kept = mode.unwrap_or(FILE_MODE);
                    return Ok(fetch(self.mode.unwrap_or(kept), owner));
                }
                let mode = self.mode.and(*mode);
                let (seen, wanted) = ((mode, owner.only(self.owner)), (self.mode, self.owner));
                Change::of(attributes(&self.path, seen, wanted))
            }
        })
    }
}

impl Prefab for Download {
    type Seen = SeenFile;

    fn name(&self) -> String {
        format!("download {}", self.path.display())
    }

    fn look(&self, look: &Look<'_>) -> Result<SeenFile, Fault> {
        let wanted = self.wanted()?;
        let entry = match look.entry(&self.path)? {
            None => return Ok(SeenFile::Absent),
            Some(entry) if entry.kind != Kind::File => return Ok(SeenFile::Other(entry.kind)),
            Some(entry) => entry,
        };
        let content = match wanted {
            None => None,
            Some(_) => look.digest(&self.path)?,
        };
        Ok(SeenFile::File {
            content,
            mode: Some(entry.mode),
            owner: entry.owner,
        })
    }

    fn plan(&self, seen: &SeenFile) -> Change {
        self.decide(seen).unwrap_or_else(Change::refused)
    }
}
