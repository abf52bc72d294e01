//! Checks of descriptors and paths against what was granted.

use wasmtime_wasi::p1::{
    types::{self, Errno, Error, Fd},
    wasi_snapshot_preview1::WasiSnapshotPreview1,
};
use wiggle::{GuestMemory, GuestPtr};
use wxec_protocol::Need;

use super::memory::Paths;
use crate::{
    call::guest::Guest,
    limits::quota::Share,
    limits::refusal::Refusal,
    wasi::places::{NoSpot, Spot},
};

/// Length of the longest path that Linux accepts.
pub(super) const MAX_PATH_BYTES: u32 = 4096;

/// Result of a function of preview 1.
pub(super) type Result<T> = std::result::Result<T, Error>;

/// A path that a guest wrote, behind the descriptor of the directory where it begins.
pub(super) type Name = (Fd, GuestPtr<str>);

/// Access that a guest wants to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

impl Access {
    fn need(self, path: String) -> Need {
        match self {
            Self::Read => Need::Read(path),
            Self::Write => Need::Write(path),
        }
    }
}

impl Guest {
    /// Refuses file descriptors that the guest may not use.
    pub(super) fn check(&self, fd: Fd) -> Result<()> {
        if self.wasi.places.may_name(fd.into()) {
            Ok(())
        } else {
            Err(Errno::Badf.into())
        }
    }

    /// Like `check`, but refuses the placeholder for `/` as well: a program that was granted
    /// nothing has nothing open.
    pub(super) fn check_opened(&self, fd: Fd) -> Result<()> {
        if self.wasi.places.is_root(fd.into()) {
            Err(Errno::Badf.into())
        } else {
            self.check(fd)
        }
    }

    /// Returns the place where to look up a path that the guest wrote.
    pub(super) fn find(
        &mut self,
        memory: &GuestMemory<'_>,
        (fd, path): Name,
        access: Access,
    ) -> Result<Spot> {
        self.check(fd)?;
        if path.len() > MAX_PATH_BYTES {
            return Err(Errno::Nametoolong.into());
        }
        let path = memory.as_cow_str(path)?;
        if !self.wasi.places.is_root(fd.into()) {
            return Ok(Spot {
                fd: fd.into(),
                path: path.into_owned(),
                is_named: false,
            });
        }
        self.wasi.places.find(&path).map_err(|why| match why {
            NoSpot::Failed(errno) => errno.into(),
            NoSpot::Denied(path) => self.deny(access.need(path)),
        })
    }

    /// Finds both names of a file that gets another name. The guest can write through either, so
    /// both have to be writable.
    pub(super) fn find_both(
        &mut self,
        memory: &GuestMemory<'_>,
        from: Name,
        to: Name,
    ) -> Result<(Spot, Spot)> {
        let from = self.find(memory, from, Access::Write)?;
        let to = self.find(memory, to, Access::Write)?;
        no_name_for_others(&to)?;
        Ok((from, to))
    }

    /// Notes that `need` is not granted. Returns the error for the guest: for paths the one of
    /// every host of WASI.
    pub(super) fn deny(&mut self, need: Need) -> Error {
        let errno = match need {
            Need::Read(_) | Need::Write(_) => Errno::Notcapable,
            _ => Errno::Acces,
        };
        self.refused = Some(Refusal::Denied(need));
        errno.into()
    }

    /// Notes how an attempt to change something at `spot` ended.
    pub(super) fn changed<T>(&mut self, spot: &Spot, result: Result<T>) -> Result<T> {
        match &result {
            // wasmtime-wasi says so where only reading was granted, and for paths that lead out of
            // what was granted.
            Err(error) if error.downcast_ref() == Some(&Errno::Perm) => {
                let need = Need::Write(self.wasi.places.spell(spot.fd, &spot.path));
                if !self.grants.covers(&need) {
                    self.refused = Some(Refusal::Denied(need));
                }
            }
            Ok(_) => self.refused = None,
            Err(_) => {}
        }
        result
    }

    /// Refuses files that could be waited for without end, such as pipes: a thread that waits in
    /// the kernel outlives the call.
    pub(super) async fn check_kind(
        &mut self,
        spot: &Spot,
        flags: types::Lookupflags,
    ) -> Result<()> {
        let (mut paths, path) = Paths::of(&spot.path);
        let found = self
            .wasi
            .ctx
            .path_filestat_get(&mut paths.memory(), spot.fd.into(), flags, path)
            .await;
        // A missing file may be created, and other errors will come up again.
        let Ok(found) = found else { return Ok(()) };
        match found.filetype {
            types::Filetype::RegularFile
            | types::Filetype::Directory
            | types::Filetype::SymbolicLink => Ok(()),
            types::Filetype::CharacterDevice | types::Filetype::BlockDevice if spot.is_named => {
                Ok(())
            }
            _ => Err(Errno::Notsup.into()),
        }
    }

    /// Counts one more open file.
    pub(super) fn take_file(&mut self) -> Result<Share> {
        self.resources.files.take().map_err(|refusal| {
            self.refused = Some(refusal);
            Errno::Mfile.into()
        })
    }
}

/// Returns the lookup flags for `spot`. Links are followed only inside what was granted: a file
/// granted by name was no link when the call began.
pub(super) fn follow(spot: &Spot, flags: types::Lookupflags) -> types::Lookupflags {
    if spot.is_named {
        types::Lookupflags::empty()
    } else {
        flags
    }
}

/// Keeps a file granted by name from becoming another one, above all a link: the next call would be
/// granted what the link leads to.
pub(super) fn no_name_for_others(spot: &Spot) -> Result<()> {
    if spot.is_named {
        Err(Errno::Notsup.into())
    } else {
        Ok(())
    }
}
