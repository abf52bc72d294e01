//! Functions of paths. wasmtime-wasi gets them from a memory of their own: a path may differ from
//! the one that the guest wrote.

use wasmtime_wasi::p1::{
    types::{self, Errno, Fd, Size},
    wasi_snapshot_preview1::WasiSnapshotPreview1,
};
use wiggle::{GuestMemory, GuestPtr};

use super::{
    access::{Access, MAX_PATH_BYTES, Name, Result, follow, no_name_for_others},
    memory::Paths,
};
use crate::call::guest::Guest;

pub(super) async fn open(
    guest: &mut Guest,
    memory: &mut GuestMemory<'_>,
    name: Name,
    dirflags: types::Lookupflags,
    oflags: types::Oflags,
    (rights, inheriting): (types::Rights, types::Rights),
    fdflags: types::Fdflags,
) -> Result<Fd> {
    let creates = oflags.intersects(types::Oflags::CREAT | types::Oflags::TRUNC);
    let writes = creates || rights.contains(types::Rights::FD_WRITE);
    let access = if writes { Access::Write } else { Access::Read };
    let spot = guest.find(memory, name, access)?;
    let dirflags = follow(&spot, dirflags);
    guest.check_kind(&spot, dirflags).await?;

    let share = guest.take_file()?;
    let (mut paths, path) = Paths::of(&spot.path);
    let memory = &mut paths.memory();
    let opened = guest
        .wasi
        .ctx
        .path_open(
            memory,
            spot.fd.into(),
            dirflags,
            path,
            oflags,
            rights,
            inheriting,
            fdflags,
        )
        .await;
    if let Ok(fd) = &opened {
        guest.wasi.open_files.insert((*fd).into(), share);
    }
    match access {
        Access::Write => guest.changed(&spot, opened),
        Access::Read => {
            if opened.is_ok() {
                guest.refused = None;
            }
            opened
        }
    }
}

pub(super) async fn filestat_get(
    guest: &mut Guest,
    memory: &mut GuestMemory<'_>,
    name: Name,
    flags: types::Lookupflags,
) -> Result<types::Filestat> {
    let spot = guest.find(memory, name, Access::Read)?;
    let (mut paths, path) = Paths::of(&spot.path);
    guest
        .wasi
        .ctx
        .path_filestat_get(
            &mut paths.memory(),
            spot.fd.into(),
            follow(&spot, flags),
            path,
        )
        .await
}

pub(super) async fn filestat_set_times(
    guest: &mut Guest,
    memory: &mut GuestMemory<'_>,
    name: Name,
    flags: types::Lookupflags,
    (atim, mtim): (types::Timestamp, types::Timestamp),
    times: types::Fstflags,
) -> Result<()> {
    let spot = guest.find(memory, name, Access::Write)?;
    let (mut paths, path) = Paths::of(&spot.path);
    let (flags, memory) = (follow(&spot, flags), &mut paths.memory());
    let set = guest
        .wasi
        .ctx
        .path_filestat_set_times(memory, spot.fd.into(), flags, path, atim, mtim, times)
        .await;
    guest.changed(&spot, set)
}

pub(super) async fn readlink(
    guest: &mut Guest,
    memory: &mut GuestMemory<'_>,
    name: Name,
    buf: GuestPtr<u8>,
    length: Size,
) -> Result<Size> {
    let spot = guest.find(memory, name, Access::Read)?;
    let (mut paths, path) = Paths::of(&spot.path);
    let length = length.min(MAX_PATH_BYTES);
    let (room, range) = paths.room(length);
    let read = guest
        .wasi
        .ctx
        .path_readlink(&mut paths.memory(), spot.fd.into(), path, room, length)
        .await?;
    let link = &paths.bytes[range][..read as usize];
    memory.copy_from_slice(link, buf.as_array(read))?;
    Ok(read)
}

/// Removes `/` behind a directory's name: systems take it, and wasmtime-wasi does not.
pub(super) async fn remove_directory(
    guest: &mut Guest,
    memory: &mut GuestMemory<'_>,
    name: Name,
) -> Result<()> {
    let spot = guest.find(memory, name, Access::Write)?;
    let name = Some(spot.path.trim_end_matches('/')).filter(|name| !name.is_empty());
    let mut paths = Paths::new();
    let path = paths.add(name.unwrap_or(&spot.path));
    let done = guest
        .wasi
        .ctx
        .path_remove_directory(&mut paths.memory(), spot.fd.into(), path)
        .await;
    guest.changed(&spot, done)
}

pub(super) async fn symlink(
    guest: &mut Guest,
    memory: &mut GuestMemory<'_>,
    leads_to: GuestPtr<str>,
    name: Name,
) -> Result<()> {
    let spot = guest.find(memory, name, Access::Write)?;
    no_name_for_others(&spot)?;
    if leads_to.len() > MAX_PATH_BYTES {
        return Err(Errno::Nametoolong.into());
    }
    let mut paths = Paths::new();
    let leads_to = paths.add(&memory.as_cow_str(leads_to)?);
    let path = paths.add(&spot.path);
    let linked = guest
        .wasi
        .ctx
        .path_symlink(&mut paths.memory(), leads_to, spot.fd.into(), path)
        .await;
    guest.changed(&spot, linked)
}

pub(super) async fn link(
    guest: &mut Guest,
    memory: &mut GuestMemory<'_>,
    flags: types::Lookupflags,
    from: Name,
    to: Name,
) -> Result<()> {
    let (from_spot, to_spot) = guest.find_both(memory, from, to)?;
    let mut paths = Paths::new();
    let (from, to) = (paths.add(&from_spot.path), paths.add(&to_spot.path));
    let (from_fd, to_fd, memory) = (from_spot.fd.into(), to_spot.fd.into(), &mut paths.memory());
    let linked = guest
        .wasi
        .ctx
        .path_link(memory, from_fd, follow(&from_spot, flags), from, to_fd, to)
        .await;
    guest.changed(&to_spot, linked)
}

pub(super) async fn rename(
    guest: &mut Guest,
    memory: &mut GuestMemory<'_>,
    from: Name,
    to: Name,
) -> Result<()> {
    let (from_spot, to_spot) = guest.find_both(memory, from, to)?;
    let mut paths = Paths::new();
    let (from, to) = (paths.add(&from_spot.path), paths.add(&to_spot.path));
    let (from_fd, to_fd, memory) = (from_spot.fd.into(), to_spot.fd.into(), &mut paths.memory());
    let renamed = guest
        .wasi
        .ctx
        .path_rename(memory, from_fd, from, to_fd, to)
        .await;
    guest.changed(&to_spot, renamed)
}
