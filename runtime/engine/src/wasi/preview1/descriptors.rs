//! Functions of descriptors that change them, or that wait for stdin.

use wasmtime_wasi::p1::{
    types::{self, Errno, Fd, Size},
    wasi_snapshot_preview1::WasiSnapshotPreview1,
};
use wiggle::GuestMemory;

use super::access::Result;
use crate::call::guest::Guest;

pub(super) async fn stat(
    guest: &mut Guest,
    memory: &mut GuestMemory<'_>,
    fd: Fd,
) -> Result<types::Fdstat> {
    guest.check(fd)?;
    let mut stat = guest.wasi.ctx.fd_fdstat_get(memory, fd).await?;
    if guest.wasi.stdin.is_at(fd.into()) && !guest.wasi.stdin.waits {
        stat.fs_flags |= types::Fdflags::NONBLOCK;
    }
    Ok(stat)
}

pub(super) fn set_flags(
    guest: &mut Guest,
    memory: &mut GuestMemory<'_>,
    fd: Fd,
    flags: types::Fdflags,
) -> Result<()> {
    guest.check(fd)?;
    if !guest.wasi.stdin.is_at(fd.into()) {
        return guest.wasi.ctx.fd_fdstat_set_flags(memory, fd, flags);
    }
    if !types::Fdflags::NONBLOCK.contains(flags) {
        return Err(Errno::Inval.into());
    }
    guest.wasi.stdin.waits = flags.is_empty();
    Ok(())
}

pub(super) async fn read(
    guest: &mut Guest,
    memory: &mut GuestMemory<'_>,
    fd: Fd,
    iovs: types::IovecArray,
) -> Result<Size> {
    guest.check(fd)?;
    if guest.wasi.stdin.is_at(fd.into())
        && !guest.wasi.stdin.waits
        && !guest.is_stdin_ready(fd).await?
    {
        return Err(Errno::Again.into());
    }
    guest.wasi.ctx.fd_read(memory, fd, iovs).await
}

pub(super) async fn close(guest: &mut Guest, memory: &mut GuestMemory<'_>, fd: Fd) -> Result<()> {
    guest.check(fd)?;
    guest.wasi.stdin.closed(fd.into());
    if guest.wasi.places.is_root(fd.into()) {
        guest.wasi.places.close_root();
        return Ok(());
    }
    let number = fd.into();
    guest.wasi.ctx.fd_close(memory, fd).await?;
    guest.wasi.open_files.remove(&number);
    guest.wasi.listings.remove(&number);
    Ok(())
}

pub(super) async fn renumber(
    guest: &mut Guest,
    memory: &mut GuestMemory<'_>,
    from: Fd,
    to: Fd,
) -> Result<()> {
    for fd in [from, to] {
        guest.check(fd)?;
        // At another number, the placeholder would be taken for a directory that may be
        // looked into.
        if guest.wasi.places.is_root(fd.into()) {
            return Err(Errno::Notsup.into());
        }
    }
    let (from_number, to_number) = (from.into(), to.into());
    guest.wasi.ctx.fd_renumber(memory, from, to).await?;
    guest.wasi.stdin.renumbered(from_number, to_number);
    // The old `to` is closed. Preopens and stdio have no share.
    let share = guest.wasi.open_files.remove(&from_number);
    let listing = guest.wasi.listings.remove(&from_number);
    if from_number != to_number {
        guest.wasi.open_files.remove(&to_number);
        guest.wasi.listings.remove(&to_number);
    }
    if let Some(share) = share {
        guest.wasi.open_files.insert(to_number, share);
    }
    if let Some(listing) = listing {
        guest.wasi.listings.insert(to_number, listing);
    }
    Ok(())
}
