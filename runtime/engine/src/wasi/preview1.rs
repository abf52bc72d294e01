//! The functions of `wasi_snapshot_preview1`, which check what was granted and leave the work to
//! wasmtime-wasi.

use std::{fs::File, future::poll_fn, ops::Range, pin::pin, sync::Arc, task::Poll};

use wasmtime_wasi::{
    I32Exit, WasiView,
    filesystem::Descriptor,
    p1::{
        types::{self, Errno, Error, Fd, Size},
        wasi_snapshot_preview1::WasiSnapshotPreview1,
    },
};
use wiggle::{GuestMemory, GuestPtr};
use wxec_protocol::Need;

use super::{
    listing::{ListError, Listed, Listing},
    places::{NoSpot, Spot},
};
use crate::{
    call::guest::Guest, limits::budget::Portion, limits::quota::Share, limits::refusal::Refusal,
};

/// Length of the longest path that Linux accepts.
const MAX_PATH_BYTES: u32 = 4096;

type Result<T> = std::result::Result<T, Error>;

/// Sizes of preview 1's types.
const SUBSCRIPTION_BYTES: usize = 48;
const EVENT_BYTES: usize = 32;

/// Access that a guest wants to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
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

/// Memory from which wasmtime-wasi reads paths: they may differ from those that the guest wrote.
struct Paths {
    bytes: Vec<u8>,
    end: u32,
}

impl Paths {
    fn new() -> Self {
        Self {
            bytes: Vec::new(),
            end: 0,
        }
    }

    fn add(&mut self, path: &str) -> GuestPtr<str> {
        let start = self.end;
        let length = u32::try_from(path.len()).expect("paths are short");
        self.bytes.extend_from_slice(path.as_bytes());
        self.end += length;
        GuestPtr::new((start, length))
    }

    /// Makes room for `length` bytes behind the paths.
    fn room(&mut self, length: u32) -> (GuestPtr<u8>, Range<usize>) {
        let start = self.bytes.len();
        self.bytes.resize(start + length as usize, 0);
        (GuestPtr::new(self.end), start..start + length as usize)
    }

    fn memory(&mut self) -> GuestMemory<'_> {
        GuestMemory::Unshared(&mut self.bytes)
    }
}

impl Guest {
    /// Refuses file descriptors that the guest may not use.
    fn check(&self, fd: Fd) -> Result<()> {
        if self.places.may_name(fd.into()) {
            Ok(())
        } else {
            Err(Errno::Badf.into())
        }
    }

    /// Like `check`, but refuses the placeholder for `/` as well: a program that was granted
    /// nothing has nothing open.
    fn check_opened(&self, fd: Fd) -> Result<()> {
        if self.places.is_root(fd.into()) {
            Err(Errno::Badf.into())
        } else {
            self.check(fd)
        }
    }

    /// Returns the place where to look up a path that the guest wrote.
    fn find(
        &mut self,
        memory: &GuestMemory<'_>,
        fd: Fd,
        path: GuestPtr<str>,
        access: Access,
    ) -> Result<Spot> {
        self.check(fd)?;
        if path.len() > MAX_PATH_BYTES {
            return Err(Errno::Nametoolong.into());
        }
        let path = memory.as_cow_str(path)?;
        if !self.places.is_root(fd.into()) {
            return Ok(Spot {
                fd: fd.into(),
                path: path.into_owned(),
                is_named: false,
            });
        }
        self.places.find(&path).map_err(|why| match why {
            NoSpot::Failed(errno) => errno.into(),
            NoSpot::Denied(path) => self.deny(access.need(path)),
        })
    }

    /// Finds both names of a file that gets another name. The guest can write through either, so
    /// both have to be writable.
    fn find_both(
        &mut self,
        memory: &GuestMemory<'_>,
        (from_fd, from): (Fd, GuestPtr<str>),
        (to_fd, to): (Fd, GuestPtr<str>),
    ) -> Result<(Spot, Spot)> {
        let from = self.find(memory, from_fd, from, Access::Write)?;
        let to = self.find(memory, to_fd, to, Access::Write)?;
        no_name_for_others(&to)?;
        Ok((from, to))
    }

    /// Notes that `need` is not granted. Returns the error for the guest: for paths the one of
    /// every host of WASI.
    fn deny(&mut self, need: Need) -> Error {
        let errno = match need {
            Need::Read(_) | Need::Write(_) => Errno::Notcapable,
            _ => Errno::Acces,
        };
        self.refused = Some(Refusal::Denied(need));
        errno.into()
    }

    /// Returns true if stdin has something to read now, or is at its end. Does not wait.
    async fn is_stdin_ready(&mut self, fd: Fd) -> Result<bool> {
        // One subscription and one event, in a memory of their own that is aligned to 8 bytes.
        let mut room = [0; SUBSCRIPTION_BYTES + EVENT_BYTES + 8];
        let start = room.as_ptr().align_offset(8).min(8);
        let memory = &mut GuestMemory::Unshared(&mut room[start..]);
        let subscription = GuestPtr::new(0);
        let stdin = types::SubscriptionFdReadwrite {
            file_descriptor: fd,
        };
        let stdin = types::SubscriptionU::FdRead(stdin);
        memory.write(
            subscription,
            types::Subscription {
                userdata: 0,
                u: stdin,
            },
        )?;
        let event = GuestPtr::new(u32::try_from(SUBSCRIPTION_BYTES).expect("it is 48"));
        let mut poll = pin!(self.wasi.poll_oneoff(memory, subscription, event, 1));
        let asked = poll_fn(|context| Poll::Ready(poll.as_mut().poll(context))).await;
        match asked {
            Poll::Ready(answer) => answer.map(|_| true),
            Poll::Pending => Ok(false),
        }
    }

    /// Notes how an attempt to change something at `spot` ended.
    fn changed<T>(&mut self, spot: &Spot, result: Result<T>) -> Result<T> {
        match &result {
            // wasmtime-wasi says so where only reading was granted, and for paths that lead out of
            // what was granted.
            Err(error) if error.downcast_ref() == Some(&Errno::Perm) => {
                let need = Need::Write(self.places.spell(spot.fd, &spot.path));
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
    async fn check_kind(&mut self, spot: &Spot, flags: types::Lookupflags) -> Result<()> {
        let mut paths = Paths::new();
        let path = paths.add(&spot.path);
        let found = self
            .wasi
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
}

/// Listings.
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
        let _ = self.wasi.fd_prestat_get(&mut paths.memory(), fd);
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
            .path_open(memory, fd, flags, path, how, rights, inheriting, none)
            .await?;
        let directory = self
            .open_directories()
            .find(|it| !known.contains(&Arc::as_ptr(it).addr()))
            .cloned();
        self.wasi.fd_close(memory, opened).await?;
        directory.ok_or_else(|| Errno::Io.into())
    }

    /// Returns all directories that wasmtime-wasi has open.
    fn open_directories(&mut self) -> impl Iterator<Item = &Arc<File>> {
        self.wasi
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

    /// Counts one more open file.
    fn take_file(&mut self) -> Result<Share> {
        self.resources.files.take().map_err(|refusal| {
            self.refused = Some(refusal);
            Errno::Mfile.into()
        })
    }
}

/// Runs work that may wait for a disk on another thread.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()))
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

/// Returns the lookup flags for `spot`. Links are followed only inside what was granted: a file
/// granted by name was no link when the call began.
fn follow(spot: &Spot, flags: types::Lookupflags) -> types::Lookupflags {
    if spot.is_named {
        types::Lookupflags::empty()
    } else {
        flags
    }
}

/// Keeps a file granted by name from becoming another one, above all a link: the next call would be
/// granted what the link leads to.
fn no_name_for_others(spot: &Spot) -> Result<()> {
    if spot.is_named {
        Err(Errno::Notsup.into())
    } else {
        Ok(())
    }
}

/// Generates the functions that only pass their arguments on: those that take a descriptor check it
/// first.
macro_rules! preview1 {
    (
        passed on { $(fn $plain:ident($($plain_arg:ident: $plain_ty:ty),*) -> $plain_ret:ty;)* }
        checked { $(fn $sync:ident($($sync_arg:ident: $sync_ty:ty),*) -> $sync_ret:ty;)* }
        checked, async { $(fn $asy:ident($($asy_arg:ident: $asy_ty:ty),*) -> $asy_ret:ty;)* }
        checked, of sockets { $(fn $socket:ident($($socket_arg:ident: $socket_ty:ty),*) -> $socket_ret:ty;)* }
        changing a path { $(fn $change:ident();)* }
        by hand { $($by_hand:tt)* }
    ) => {
        impl WasiSnapshotPreview1 for Guest {
            $(fn $plain(&mut self, memory: &mut GuestMemory<'_>, $($plain_arg: $plain_ty),*) -> $plain_ret {
                self.wasi.$plain(memory, $($plain_arg),*)
            })*
            $(fn $sync(&mut self, memory: &mut GuestMemory<'_>, fd: Fd, $($sync_arg: $sync_ty),*) -> Result<$sync_ret> {
                self.check(fd)?;
                self.wasi.$sync(memory, fd, $($sync_arg),*)
            })*
            $(fn $socket(
                &mut self, memory: &mut GuestMemory<'_>, fd: Fd, $($socket_arg: $socket_ty),*
            ) -> Result<$socket_ret> {
                self.check_opened(fd)?;
                self.wasi.$socket(memory, fd, $($socket_arg),*)
            })*
            $(async fn $asy(&mut self, memory: &mut GuestMemory<'_>, fd: Fd, $($asy_arg: $asy_ty),*) -> Result<$asy_ret> {
                self.check(fd)?;
                self.wasi.$asy(memory, fd, $($asy_arg),*).await
            })*
            $(async fn $change(&mut self, memory: &mut GuestMemory<'_>, fd: Fd, path: GuestPtr<str>) -> Result<()> {
                let spot = self.find(memory, fd, path, Access::Write)?;
                let mut paths = Paths::new();
                let path = paths.add(&spot.path);
                let done = self.wasi.$change(&mut paths.memory(), spot.fd.into(), path).await;
                self.changed(&spot, done)
            })*
            $($by_hand)*
        }
    };
}

preview1! {
    passed on {
        fn proc_raise(signal: types::Signal) -> Result<()>;
        fn sched_yield() -> Result<()>;
    }
    checked {
        fn fd_allocate(offset: types::Filesize, len: types::Filesize) -> ();
        fn fd_fdstat_set_rights(base: types::Rights, inheriting: types::Rights) -> ();
        fn fd_prestat_get() -> types::Prestat;
        fn fd_prestat_dir_name(path: GuestPtr<u8>, path_max_len: Size) -> ();
        fn fd_tell() -> types::Filesize;
    }
    checked, async {
        fn fd_advise(offset: types::Filesize, len: types::Filesize, advice: types::Advice) -> ();
        fn fd_datasync() -> ();
        fn fd_filestat_get() -> types::Filestat;
        fn fd_filestat_set_size(size: types::Filesize) -> ();
        fn fd_filestat_set_times(atim: types::Timestamp, mtim: types::Timestamp, flags: types::Fstflags) -> ();
        fn fd_pread(iovs: types::IovecArray, offset: types::Filesize) -> Size;
        fn fd_write(ciovs: types::CiovecArray) -> Size;
        fn fd_pwrite(ciovs: types::CiovecArray, offset: types::Filesize) -> Size;
        fn fd_seek(offset: types::Filedelta, whence: types::Whence) -> types::Filesize;
        fn fd_sync() -> ();
    }
    checked, of sockets {
        fn sock_accept(flags: types::Fdflags) -> Fd;
        fn sock_recv(data: types::IovecArray, flags: types::Riflags) -> (Size, types::Roflags);
        fn sock_send(data: types::CiovecArray, flags: types::Siflags) -> Size;
        fn sock_shutdown(how: types::Sdflags) -> ();
    }
    changing a path {
        fn path_create_directory();
        fn path_unlink_file();
    }
    by hand {
        fn set_hostcall_fuel(&mut self, fuel: usize) {
            self.wasi.set_hostcall_fuel(fuel);
        }

        fn args_sizes_get(&mut self, _: &mut GuestMemory<'_>) -> Result<(Size, Size)> {
            self.given.arguments.sizes()
        }

        fn args_get(
            &mut self,
            memory: &mut GuestMemory<'_>,
            pointers: GuestPtr<GuestPtr<u8>>,
            to: GuestPtr<u8>,
        ) -> Result<()> {
            self.given.arguments.write(memory, pointers, to)
        }

        fn environ_sizes_get(&mut self, _: &mut GuestMemory<'_>) -> Result<(Size, Size)> {
            self.given.environment.sizes()
        }

        fn environ_get(
            &mut self,
            memory: &mut GuestMemory<'_>,
            pointers: GuestPtr<GuestPtr<u8>>,
            to: GuestPtr<u8>,
        ) -> Result<()> {
            self.given.environment.write(memory, pointers, to)
        }

        /// Accepts exit codes from 126 on, as systems do; wasmtime-wasi does not.
        fn proc_exit(&mut self, _: &mut GuestMemory<'_>, status: types::Exitcode) -> wasmtime::Error {
            I32Exit(status.cast_signed()).into()
        }

        fn clock_res_get(&mut self, memory: &mut GuestMemory<'_>, id: types::Clockid) -> Result<types::Timestamp> {
            if self.grants.clock { self.wasi.clock_res_get(memory, id) } else { Err(self.deny(Need::Clock)) }
        }

        fn clock_time_get(
            &mut self,
            memory: &mut GuestMemory<'_>,
            id: types::Clockid,
            precision: types::Timestamp,
        ) -> Result<types::Timestamp> {
            if self.grants.clock { self.wasi.clock_time_get(memory, id, precision) } else { Err(self.deny(Need::Clock)) }
        }

        fn random_get(&mut self, memory: &mut GuestMemory<'_>, buf: GuestPtr<u8>, length: Size) -> Result<()> {
            if self.grants.random { self.wasi.random_get(memory, buf, length) } else { Err(self.deny(Need::Random)) }
        }

        async fn poll_oneoff(
            &mut self,
            memory: &mut GuestMemory<'_>,
            subscriptions: GuestPtr<types::Subscription>,
            events: GuestPtr<types::Event>,
            count: Size,
        ) -> Result<Size> {
            if let (Some(clock), 1) = (&self.clock, count)
                && let types::Subscription { userdata, u: types::SubscriptionU::Clock(sleep) } =
                    memory.read(subscriptions)?
                && !sleep.flags.contains(types::Subclockflags::SUBSCRIPTION_CLOCK_ABSTIME)
            {
                // A guest that sleeps by a made-up clock need not wait.
                clock.pass(sleep.timeout);
                memory.write(events, slept(userdata))?;
                return Ok(1);
            }
            self.wasi.poll_oneoff(memory, subscriptions, events, count).await
        }

        async fn fd_fdstat_get(&mut self, memory: &mut GuestMemory<'_>, fd: Fd) -> Result<types::Fdstat> {
            self.check(fd)?;
            let mut stat = self.wasi.fd_fdstat_get(memory, fd).await?;
            if self.stdin.is_at(fd.into()) && !self.stdin.waits {
                stat.fs_flags |= types::Fdflags::NONBLOCK;
            }
            Ok(stat)
        }

        fn fd_fdstat_set_flags(&mut self, memory: &mut GuestMemory<'_>, fd: Fd, flags: types::Fdflags) -> Result<()> {
            self.check(fd)?;
            if !self.stdin.is_at(fd.into()) {
                return self.wasi.fd_fdstat_set_flags(memory, fd, flags);
            }
            if !types::Fdflags::NONBLOCK.contains(flags) {
                return Err(Errno::Inval.into());
            }
            self.stdin.waits = flags.is_empty();
            Ok(())
        }

        async fn fd_read(&mut self, memory: &mut GuestMemory<'_>, fd: Fd, iovs: types::IovecArray) -> Result<Size> {
            self.check(fd)?;
            if self.stdin.is_at(fd.into()) && !self.stdin.waits && !self.is_stdin_ready(fd).await? {
                return Err(Errno::Again.into());
            }
            self.wasi.fd_read(memory, fd, iovs).await
        }

        async fn fd_close(&mut self, memory: &mut GuestMemory<'_>, fd: Fd) -> Result<()> {
            self.check(fd)?;
            self.stdin.closed(fd.into());
            if self.places.is_root(fd.into()) {
                self.places.close_root();
                return Ok(());
            }
            let number = fd.into();
            self.wasi.fd_close(memory, fd).await?;
            self.open_files.remove(&number);
            self.listings.remove(&number);
            Ok(())
        }

        async fn fd_renumber(&mut self, memory: &mut GuestMemory<'_>, from: Fd, to: Fd) -> Result<()> {
            for fd in [from, to] {
                self.check(fd)?;
                // At another number, the placeholder would be taken for a directory that may be
                // looked into.
                if self.places.is_root(fd.into()) {
                    return Err(Errno::Notsup.into());
                }
            }
            let (from_number, to_number) = (from.into(), to.into());
            self.wasi.fd_renumber(memory, from, to).await?;
            self.stdin.renumbered(from_number, to_number);
            // The old `to` is closed. Preopens and stdio have no share.
            let share = self.open_files.remove(&from_number);
            let listing = self.listings.remove(&from_number);
            if from_number != to_number {
                self.open_files.remove(&to_number);
                self.listings.remove(&to_number);
            }
            if let Some(share) = share {
                self.open_files.insert(to_number, share);
            }
            if let Some(listing) = listing {
                self.listings.insert(to_number, listing);
            }
            Ok(())
        }

        async fn fd_readdir(
            &mut self,
            memory: &mut GuestMemory<'_>,
            fd: Fd,
            buf: GuestPtr<u8>,
            length: Size,
            cookie: types::Dircookie,
        ) -> Result<Size> {
            self.check(fd)?;
            if self.places.is_root(fd.into()) {
                return Err(self.deny(Need::Read("/".into())));
            }
            let number = fd.into();
            // An error leaves no listing: a guest that asks again begins again.
            let mut listing = match self.listings.remove(&number) {
                Some(listing) if cookie != 0 && !listing.is_past(cookie) => listing,
                _ => self.list(fd).await?,
            };
            let mut page = Page { buf, length, written: 0 };
            let mut at = cookie;
            while page.written < length {
                if listing.wants_more(at) {
                    let more = blocking(move || listing.go_on().map(|()| listing)).await;
                    listing = more.map_err(|why| self.no_listing(why))?;
                } else if let Some(entry) = listing.entry(at) {
                    page.write(memory, &entry)?;
                    at = entry.next_cookie;
                } else {
                    break;
                }
            }
            self.listings.insert(number, listing);
            Ok(page.written)
        }

        /// Removes `/` behind a directory's name: systems take it, and wasmtime-wasi does not.
        async fn path_remove_directory(
            &mut self,
            memory: &mut GuestMemory<'_>,
            fd: Fd,
            path: GuestPtr<str>,
        ) -> Result<()> {
            let spot = self.find(memory, fd, path, Access::Write)?;
            let name = Some(spot.path.trim_end_matches('/')).filter(|name| !name.is_empty());
            let mut paths = Paths::new();
            let path = paths.add(name.unwrap_or(&spot.path));
            let done = self.wasi.path_remove_directory(&mut paths.memory(), spot.fd.into(), path).await;
            self.changed(&spot, done)
        }

        async fn path_open(
            &mut self,
            memory: &mut GuestMemory<'_>,
            fd: Fd,
            dirflags: types::Lookupflags,
            path: GuestPtr<str>,
            oflags: types::Oflags,
            rights: types::Rights,
            inheriting: types::Rights,
            fdflags: types::Fdflags,
        ) -> Result<Fd> {
            let creates = oflags.intersects(types::Oflags::CREAT | types::Oflags::TRUNC);
            let writes = creates || rights.contains(types::Rights::FD_WRITE);
            let access = if writes { Access::Write } else { Access::Read };
            let spot = self.find(memory, fd, path, access)?;
            let dirflags = follow(&spot, dirflags);
            self.check_kind(&spot, dirflags).await?;

            let share = self.take_file()?;
            let mut paths = Paths::new();
            let path = paths.add(&spot.path);
            let memory = &mut paths.memory();
            let opened =
                self.wasi.path_open(memory, spot.fd.into(), dirflags, path, oflags, rights, inheriting, fdflags).await;
            if let Ok(fd) = &opened {
                self.open_files.insert((*fd).into(), share);
            }
            match access {
                Access::Write => self.changed(&spot, opened),
                Access::Read => {
                    if opened.is_ok() {
                        self.refused = None;
                    }
                    opened
                }
            }
        }

        async fn path_filestat_get(
            &mut self,
            memory: &mut GuestMemory<'_>,
            fd: Fd,
            flags: types::Lookupflags,
            path: GuestPtr<str>,
        ) -> Result<types::Filestat> {
            let spot = self.find(memory, fd, path, Access::Read)?;
            let mut paths = Paths::new();
            let path = paths.add(&spot.path);
            self.wasi.path_filestat_get(&mut paths.memory(), spot.fd.into(), follow(&spot, flags), path).await
        }

        async fn path_readlink(
            &mut self,
            memory: &mut GuestMemory<'_>,
            fd: Fd,
            path: GuestPtr<str>,
            buf: GuestPtr<u8>,
            length: Size,
        ) -> Result<Size> {
            let spot = self.find(memory, fd, path, Access::Read)?;
            let mut paths = Paths::new();
            let path = paths.add(&spot.path);
            let (room, range) = paths.room(length.min(MAX_PATH_BYTES));
            let length = length.min(MAX_PATH_BYTES);
            let read = self.wasi.path_readlink(&mut paths.memory(), spot.fd.into(), path, room, length).await?;
            let link = &paths.bytes[range][..read as usize];
            memory.copy_from_slice(link, buf.as_array(read))?;
            Ok(read)
        }

        async fn path_filestat_set_times(
            &mut self,
            memory: &mut GuestMemory<'_>,
            fd: Fd,
            flags: types::Lookupflags,
            path: GuestPtr<str>,
            atim: types::Timestamp,
            mtim: types::Timestamp,
            times: types::Fstflags,
        ) -> Result<()> {
            let spot = self.find(memory, fd, path, Access::Write)?;
            let mut paths = Paths::new();
            let path = paths.add(&spot.path);
            let (flags, memory) = (follow(&spot, flags), &mut paths.memory());
            let set = self.wasi.path_filestat_set_times(memory, spot.fd.into(), flags, path, atim, mtim, times).await;
            self.changed(&spot, set)
        }

        async fn path_symlink(
            &mut self,
            memory: &mut GuestMemory<'_>,
            leads_to: GuestPtr<str>,
            fd: Fd,
            path: GuestPtr<str>,
        ) -> Result<()> {
            let spot = self.find(memory, fd, path, Access::Write)?;
            no_name_for_others(&spot)?;
            if leads_to.len() > MAX_PATH_BYTES {
                return Err(Errno::Nametoolong.into());
            }
            let mut paths = Paths::new();
            let leads_to = paths.add(&memory.as_cow_str(leads_to)?);
            let path = paths.add(&spot.path);
            let linked = self.wasi.path_symlink(&mut paths.memory(), leads_to, spot.fd.into(), path).await;
            self.changed(&spot, linked)
        }

        async fn path_link(
            &mut self,
            memory: &mut GuestMemory<'_>,
            from_fd: Fd,
            flags: types::Lookupflags,
            from: GuestPtr<str>,
            to_fd: Fd,
            to: GuestPtr<str>,
        ) -> Result<()> {
            let (from_spot, to_spot) = self.find_both(memory, (from_fd, from), (to_fd, to))?;
            let mut paths = Paths::new();
            let (from, to) = (paths.add(&from_spot.path), paths.add(&to_spot.path));
            let (from_fd, to_fd, memory) = (from_spot.fd.into(), to_spot.fd.into(), &mut paths.memory());
            let linked = self.wasi.path_link(memory, from_fd, follow(&from_spot, flags), from, to_fd, to).await;
            self.changed(&to_spot, linked)
        }

        async fn path_rename(
            &mut self,
            memory: &mut GuestMemory<'_>,
            from_fd: Fd,
            from: GuestPtr<str>,
            to_fd: Fd,
            to: GuestPtr<str>,
        ) -> Result<()> {
            let (from_spot, to_spot) = self.find_both(memory, (from_fd, from), (to_fd, to))?;
            let mut paths = Paths::new();
            let (from, to) = (paths.add(&from_spot.path), paths.add(&to_spot.path));
            let (from_fd, to_fd, memory) = (from_spot.fd.into(), to_spot.fd.into(), &mut paths.memory());
            let renamed = self.wasi.path_rename(memory, from_fd, from, to_fd, to).await;
            self.changed(&to_spot, renamed)
        }
    }
}

impl types::UserErrorConversion for Guest {}

/// Returns the event for a guest that slept.
fn slept(userdata: types::Userdata) -> types::Event {
    let fd_readwrite = types::EventFdReadwrite {
        nbytes: 0,
        flags: types::Eventrwflags::empty(),
    };
    types::Event {
        userdata,
        error: Errno::Success,
        type_: types::Eventtype::Clock,
        fd_readwrite,
    }
}
