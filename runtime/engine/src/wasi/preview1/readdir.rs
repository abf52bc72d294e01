//! Reading of directories.

use std::{fs::File, sync::Arc};

use wasmtime_wasi::{
    WasiView,
    filesystem::Descriptor,
    p1::{
        types::{self, Errno, Error, Fd, Size},
        wasi_snapshot_preview1::WasiSnapshotPreview1,
    },
};
use wiggle::{GuestMemory, GuestPtr};
use wxec_protocol::Need;

use super::{access::Result, memory::Paths};
use crate::{
    call::guest::Guest,
    limits::budget::Portion,
    limits::refusal::Refusal,
    sync::blocking,
    wasi::listing::{ListError, Listed, Listing},
};

/// Writes the entries behind `cookie` to the guest's memory.
pub(super) async fn readdir(
    guest: &mut Guest,
    memory: &mut GuestMemory<'_>,
    fd: Fd,
    buf: GuestPtr<u8>,
    length: Size,
    cookie: types::Dircookie,
) -> Result<Size> {
    guest.check(fd)?;
    if guest.wasi.places.is_root(fd.into()) {
        return Err(guest.deny(Need::Read("/".into())));
    }
    let number = fd.into();
    // An error leaves no listing: a guest that asks again begins again.
    let mut listing = match guest.wasi.listings.remove(&number) {
        Some(listing) if cookie != 0 && !listing.is_past(cookie) => listing,
        _ => guest.list(fd).await?,
    };
    let mut page = Page {
        buf,
        length,
        written: 0,
    };
    let mut at = cookie;
    while page.written < length {
        if listing.wants_more(at) {
            let more = blocking(move || listing.go_on().map(|()| listing)).await;
            listing = more.map_err(|why| guest.no_listing(why))?;
        } else if let Some(entry) = listing.entry(at) {
            page.write(memory, &entry)?;
            at = entry.next_cookie;
        } else {
            break;
        }
    }
    guest.wasi.listings.insert(number, listing);
    Ok(page.written)
}

/// The part of the guest's memory that takes entries of a listing. The last entry may be cut: a
/// full page tells the guest that there is more.
struct Page {
    buf: GuestPtr<u8>,
    length: Size,
    written: Size,
}

impl Page {
    fn write(&mut self, memory: &mut GuestMemory<'_>, entry: &Listed<'_>) -> Result<()> {
        // The layout of a `dirent`, with the padding that C has behind the type.
        let mut head = [0; 24];
        head[..8].copy_from_slice(&entry.next_cookie.to_le_bytes());
        head[8..16].copy_from_slice(&entry.inode.to_le_bytes());
        let name_length = u32::try_from(entry.name.len()).expect("names are short");
        head[16..20].copy_from_slice(&name_length.to_le_bytes());
        head[20] = entry.kind.into();
        for bytes in [&head, entry.name] {
            let room = self.length - self.written;
            let taken = room.min(u32::try_from(bytes.len()).expect("names are short"));
            let to = self.buf.add(self.written)?.as_array(taken);
            memory.copy_from_slice(&bytes[..taken as usize], to)?;
            self.written += taken;
        }
        Ok(())
    }
}

impl Guest {
    /// Creates a listing of an open directory, as it is now.
    async fn list(&mut self, fd: Fd) -> Result<Listing> {
        let directory = self.open_again(fd).await?;
        let portion = Portion::new(self.budget.clone());
        let listing = blocking(move || Listing::of(&directory, portion)).await;
        let mut listing = listing.map_err(|why| self.no_listing(why))?;
        if listing.is_open() {
            listing.count_as_open(self.take_file()?);
        }
        Ok(listing)
    }

    /// Returns the directory behind a guest's file descriptor. Only wasmtime-wasi knows that
    /// directory, and does not tell; so open `.` in it, and look for the file that is new among all
    /// that are open.
    async fn open_again(&mut self, fd: Fd) -> Result<Arc<File>> {
        let (mut paths, none) = (Paths::new(), types::Fdflags::empty());
        // The first call of all makes wasmtime-wasi open the preopens.
        let _ = self.wasi.ctx.fd_prestat_get(&mut paths.memory(), fd);
        let known: Vec<_> = self
            .open_directories()
            .map(Arc::as_ptr)
            .map(|it| it.addr())
            .collect();
        let path = paths.add(".");
        let (flags, how) = (types::Lookupflags::empty(), types::Oflags::DIRECTORY);
        let (rights, inheriting) = (types::Rights::FD_READDIR, types::Rights::empty());
        let memory = &mut paths.memory();
        let opened = self
            .wasi
            .ctx
            .path_open(memory, fd, flags, path, how, rights, inheriting, none)
            .await?;
        let directory = self
            .open_directories()
            .find(|it| !known.contains(&Arc::as_ptr(it).addr()))
            .cloned();
        self.wasi.ctx.fd_close(memory, opened).await?;
        directory.ok_or_else(|| Errno::Io.into())
    }

    /// Returns all directories that wasmtime-wasi has open.
    fn open_directories(&mut self) -> impl Iterator<Item = &Arc<File>> {
        self.wasi
            .ctx
            .ctx()
            .table
            .iter_mut()
            .filter_map(|it| match it.downcast_ref() {
                Some(Descriptor::Dir(directory)) => Some(&directory.dir),
                _ => None,
            })
    }

    fn no_listing(&mut self, why: ListError) -> Error {
        match why {
            ListError::Failed(errno) => errno.into(),
            ListError::Memory(hit) => {
                self.refused = Some(Refusal::Limit(hit));
                Errno::Nomem.into()
            }
        }
    }
}
