//! The functions of `wasi_snapshot_preview1`, which check what was granted and leave the work to
//! wasmtime-wasi.

mod access;
mod memory;
mod descriptors;
mod poll;
mod readdir;
mod paths;

use wasmtime_wasi::{
    I32Exit,
    p1::{
        types::{self, Fd, Size},
        wasi_snapshot_preview1::WasiSnapshotPreview1,
    },
};
use wiggle::{GuestMemory, GuestPtr};
use wxec_protocol::Need;

use self::{
    access::{Access, Result},
    memory::Paths,
};
use crate::call::guest::Guest;

/// Generates the functions that only pass their arguments on: those that take a descriptor check it
/// first. Those of `elsewhere` are async functions of other modules, with the arguments behind `=>`.
macro_rules! preview1 {
    (
        passed on { $(fn $plain:ident($($plain_arg:ident: $plain_ty:ty),*) -> $plain_ret:ty;)* }
        checked { $(fn $sync:ident($($sync_arg:ident: $sync_ty:ty),*) -> $sync_ret:ty;)* }
        checked, async { $(fn $asy:ident($($asy_arg:ident: $asy_ty:ty),*) -> $asy_ret:ty;)* }
        checked, of sockets { $(fn $socket:ident($($socket_arg:ident: $socket_ty:ty),*) -> $socket_ret:ty;)* }
        changing a path { $(fn $change:ident();)* }
        elsewhere { $(fn $other:ident($($other_arg:ident: $other_ty:ty),*) -> $other_ret:ty => $to:path, $($given:expr),*;)* }
        by hand { $($by_hand:tt)* }
    ) => {
        impl WasiSnapshotPreview1 for Guest {
            $(fn $plain(&mut self, memory: &mut GuestMemory<'_>, $($plain_arg: $plain_ty),*) -> $plain_ret {
                self.wasi.ctx.$plain(memory, $($plain_arg),*)
            })*
            $(fn $sync(&mut self, memory: &mut GuestMemory<'_>, fd: Fd, $($sync_arg: $sync_ty),*) -> Result<$sync_ret> {
                self.check(fd)?;
                self.wasi.ctx.$sync(memory, fd, $($sync_arg),*)
            })*
            $(fn $socket(
                &mut self, memory: &mut GuestMemory<'_>, fd: Fd, $($socket_arg: $socket_ty),*
            ) -> Result<$socket_ret> {
                self.check_opened(fd)?;
                self.wasi.ctx.$socket(memory, fd, $($socket_arg),*)
            })*
            $(async fn $asy(&mut self, memory: &mut GuestMemory<'_>, fd: Fd, $($asy_arg: $asy_ty),*) -> Result<$asy_ret> {
                self.check(fd)?;
                self.wasi.ctx.$asy(memory, fd, $($asy_arg),*).await
            })*
            $(async fn $change(&mut self, memory: &mut GuestMemory<'_>, fd: Fd, path: GuestPtr<str>) -> Result<()> {
                let spot = self.find(memory, (fd, path), Access::Write)?;
                let (mut paths, path) = Paths::of(&spot.path);
                let done = self.wasi.ctx.$change(&mut paths.memory(), spot.fd.into(), path).await;
                self.changed(&spot, done)
            })*
            $(fn $other(
                &mut self, memory: &mut GuestMemory<'_>, $($other_arg: $other_ty),*
            ) -> impl Future<Output = Result<$other_ret>> + Send {
                $to(self, memory, $($given),*)
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
    elsewhere {
        fn poll_oneoff(subscriptions: GuestPtr<types::Subscription>, events: GuestPtr<types::Event>, count: Size) -> Size
            => poll::poll_oneoff, subscriptions, events, count;
        fn fd_fdstat_get(fd: Fd) -> types::Fdstat => descriptors::stat, fd;
        fn fd_read(fd: Fd, iovs: types::IovecArray) -> Size => descriptors::read, fd, iovs;
        fn fd_close(fd: Fd) -> () => descriptors::close, fd;
        fn fd_renumber(from: Fd, to: Fd) -> () => descriptors::renumber, from, to;
        fn fd_readdir(fd: Fd, buf: GuestPtr<u8>, length: Size, cookie: types::Dircookie) -> Size
            => readdir::readdir, fd, buf, length, cookie;
        fn path_open(
            fd: Fd, dirflags: types::Lookupflags, path: GuestPtr<str>, oflags: types::Oflags,
            rights: types::Rights, inheriting: types::Rights, fdflags: types::Fdflags
        ) -> Fd => paths::open, (fd, path), dirflags, oflags, (rights, inheriting), fdflags;
        fn path_filestat_get(fd: Fd, flags: types::Lookupflags, path: GuestPtr<str>) -> types::Filestat
            => paths::filestat_get, (fd, path), flags;
        fn path_filestat_set_times(
            fd: Fd, flags: types::Lookupflags, path: GuestPtr<str>,
            atim: types::Timestamp, mtim: types::Timestamp, times: types::Fstflags
        ) -> () => paths::filestat_set_times, (fd, path), flags, (atim, mtim), times;
        fn path_readlink(fd: Fd, path: GuestPtr<str>, buf: GuestPtr<u8>, length: Size) -> Size
            => paths::readlink, (fd, path), buf, length;
        fn path_remove_directory(fd: Fd, path: GuestPtr<str>) -> () => paths::remove_directory, (fd, path);
        fn path_symlink(leads_to: GuestPtr<str>, fd: Fd, path: GuestPtr<str>) -> ()
            => paths::symlink, leads_to, (fd, path);
        fn path_link(
            from_fd: Fd, flags: types::Lookupflags, from: GuestPtr<str>, to_fd: Fd, to: GuestPtr<str>
        ) -> () => paths::link, flags, (from_fd, from), (to_fd, to);
        fn path_rename(from_fd: Fd, from: GuestPtr<str>, to_fd: Fd, to: GuestPtr<str>) -> ()
            => paths::rename, (from_fd, from), (to_fd, to);
    }
    by hand {
        fn set_hostcall_fuel(&mut self, fuel: usize) {
            self.wasi.ctx.set_hostcall_fuel(fuel);
        }

        fn args_sizes_get(&mut self, _: &mut GuestMemory<'_>) -> Result<(Size, Size)> {
            self.wasi.given.arguments.sizes()
        }

        fn args_get(
            &mut self,
            memory: &mut GuestMemory<'_>,
            pointers: GuestPtr<GuestPtr<u8>>,
            to: GuestPtr<u8>,
        ) -> Result<()> {
            self.wasi.given.arguments.write(memory, pointers, to)
        }

        fn environ_sizes_get(&mut self, _: &mut GuestMemory<'_>) -> Result<(Size, Size)> {
            self.wasi.given.environment.sizes()
        }

        fn environ_get(
            &mut self,
            memory: &mut GuestMemory<'_>,
            pointers: GuestPtr<GuestPtr<u8>>,
            to: GuestPtr<u8>,
        ) -> Result<()> {
            self.wasi.given.environment.write(memory, pointers, to)
        }

        /// Accepts exit codes from 126 on, as systems do; wasmtime-wasi does not.
        fn proc_exit(&mut self, _: &mut GuestMemory<'_>, status: types::Exitcode) -> wasmtime::Error {
            I32Exit(status.cast_signed()).into()
        }

        fn clock_res_get(&mut self, memory: &mut GuestMemory<'_>, id: types::Clockid) -> Result<types::Timestamp> {
            if self.grants.clock { self.wasi.ctx.clock_res_get(memory, id) } else { Err(self.deny(Need::Clock)) }
        }

        fn clock_time_get(
            &mut self,
            memory: &mut GuestMemory<'_>,
            id: types::Clockid,
            precision: types::Timestamp,
        ) -> Result<types::Timestamp> {
            if self.grants.clock { self.wasi.ctx.clock_time_get(memory, id, precision) } else { Err(self.deny(Need::Clock)) }
        }

        fn random_get(&mut self, memory: &mut GuestMemory<'_>, buf: GuestPtr<u8>, length: Size) -> Result<()> {
            if self.grants.random { self.wasi.ctx.random_get(memory, buf, length) } else { Err(self.deny(Need::Random)) }
        }

        fn fd_fdstat_set_flags(&mut self, memory: &mut GuestMemory<'_>, fd: Fd, flags: types::Fdflags) -> Result<()> {
            descriptors::set_flags(self, memory, fd, flags)
        }
    }
}

impl types::UserErrorConversion for Guest {}
