//! Guests that make one WASI call after another, written as a list of calls: hand-written ones
//! would be hard to read.

use std::{fmt::Write, sync::Arc};

use wxec_engine::{Request, Sandbox};
use wxec_protocol::{Fault, Grants, Limits, Terms};

use crate::{Recorder, load};

/// Address of the descriptors that were opened, by the order of the calls.
const OPENED: usize = 1024;
/// Address of the answers of all calls.
const ANSWERS: usize = 8 << 10;
/// Address of results that are ignored.
const SCRATCH: usize = 16 << 10;
/// Address of paths.
const TEXTS: usize = 32 << 10;

/// Error numbers of preview 1.
pub(crate) mod errno {
    pub(crate) const OK: u8 = 0;
    pub(crate) const ACCES: u8 = 2;
    pub(crate) const BADF: u8 = 8;
    pub(crate) const ISDIR: u8 = 31;
    pub(crate) const LOOP: u8 = 32;
    pub(crate) const MFILE: u8 = 33;
    pub(crate) const NAMETOOLONG: u8 = 37;
    pub(crate) const NOENT: u8 = 44;
    pub(crate) const NOTDIR: u8 = 54;
    pub(crate) const NOTEMPTY: u8 = 55;
    pub(crate) const NOTSOCK: u8 = 57;
    pub(crate) const NOTSUP: u8 = 58;
    pub(crate) const NOTCAPABLE: u8 = 76;
    pub(crate) const PERM: u8 = 63;
}

/// Purpose of opening a path.
#[derive(Clone, Copy)]
pub(crate) enum Open {
    Read,
    Directory,
    Write,
    Create,
    Truncate,
    /// Reading, without following a link at the end.
    NoFollow,
}

/// A descriptor: a number, or what the call with this index opened.
#[derive(Clone, Copy)]
pub(crate) enum Fd {
    Number(u32),
    OpenedBy(usize),
}

impl std::fmt::Display for Fd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(fd) => write!(f, "(i32.const {fd})"),
            Self::OpenedBy(call) => write!(f, "(i32.load (i32.const {}))", OPENED + 4 * call),
        }
    }
}

/// The first preopen.
pub(crate) const FIRST: Fd = Fd::Number(3);

#[derive(Default)]
pub(crate) struct Script {
    calls: usize,
    code: String,
    texts: Vec<u8>,
}

impl Script {
    pub(crate) fn open(self, fd: Fd, path: &str, how: Open) -> Self {
        // Lookup and open flags; rights to read (2), to write (64), and to read directories.
        let (follow, flags, rights) = match how {
            Open::Read => (1, 0, 2),
            Open::Directory => (1, 2, 1 << 14),
            Open::Write => (1, 0, 2 | 64),
            Open::Create => (1, 1, 2 | 64),
            Open::Truncate => (1, 8, 2),
            Open::NoFollow => (0, 0, 2),
        };
        let slot = OPENED + 4 * self.calls;
        let (script, path) = self.text(path);
        script.call(
            "path_open",
            &format!(
                "{fd} (i32.const {follow}) {path} (i32.const {flags}) (i64.const {rights}) (i64.const 0) (i32.const 0) \
                 (i32.const {slot})"
            ),
        )
    }

    pub(crate) fn stat(self, fd: Fd, path: &str) -> Self {
        let (script, path) = self.text(path);
        script.call(
            "path_filestat_get",
            &format!("{fd} (i32.const 1) {path} (i32.const {SCRATCH})"),
        )
    }

    pub(crate) fn read_link(self, fd: Fd, path: &str) -> Self {
        let (script, path) = self.text(path);
        script.call(
            "path_readlink",
            &format!("{fd} {path} (i32.const {SCRATCH}) (i32.const 64) (i32.const 8)"),
        )
    }

    pub(crate) fn list(self, fd: Fd) -> Self {
        self.call(
            "fd_readdir",
            &format!("{fd} (i32.const {SCRATCH}) (i32.const 4096) (i64.const 0) (i32.const 8)"),
        )
    }

    /// Lists from the beginning, into a buffer of this size.
    pub(crate) fn list_into(self, fd: Fd, size: u32) -> Self {
        self.call(
            "fd_readdir",
            &format!("{fd} (i32.const {SCRATCH}) (i32.const {size}) (i64.const 0) (i32.const 8)"),
        )
    }

    /// Lists from a cookie on.
    pub(crate) fn list_from(self, fd: Fd, cookie: u64) -> Self {
        let rest =
            format!("(i32.const {SCRATCH}) (i32.const 4096) (i64.const {cookie}) (i32.const 8)");
        self.call("fd_readdir", &format!("{fd} {rest}"))
    }

    /// Looks at a file. The number that is read is the lower half of its inode number.
    pub(crate) fn inode(self, fd: Fd, path: &str) -> Self {
        let (script, path) = self.text(path);
        // The inode number is the second field of a `filestat`.
        script.call(
            "path_filestat_get",
            &format!("{fd} (i32.const 0) {path} (i32.const 0)"),
        )
    }

    pub(crate) fn close(self, fd: Fd) -> Self {
        self.call("fd_close", &fd.to_string())
    }

    pub(crate) fn renumber(self, from: Fd, to: Fd) -> Self {
        self.call("fd_renumber", &format!("{from} {to}"))
    }

    pub(crate) fn create_directory(self, fd: Fd, path: &str) -> Self {
        let (script, path) = self.text(path);
        script.call("path_create_directory", &format!("{fd} {path}"))
    }

    pub(crate) fn remove_directory(self, fd: Fd, path: &str) -> Self {
        let (script, path) = self.text(path);
        script.call("path_remove_directory", &format!("{fd} {path}"))
    }

    pub(crate) fn shut_down(self, fd: Fd) -> Self {
        self.call("sock_shutdown", &format!("{fd} (i32.const 1)"))
    }

    pub(crate) fn unlink(self, fd: Fd, path: &str) -> Self {
        let (script, path) = self.text(path);
        script.call("path_unlink_file", &format!("{fd} {path}"))
    }

    pub(crate) fn set_times(self, fd: Fd, path: &str) -> Self {
        let (script, path) = self.text(path);
        script.call(
            "path_filestat_set_times",
            &format!("{fd} (i32.const 1) {path} (i64.const 0) (i64.const 0) (i32.const 5)"),
        )
    }

    pub(crate) fn symlink(self, leads_to: &str, fd: Fd, path: &str) -> Self {
        let (script, leads_to) = self.text(leads_to);
        let (script, path) = script.text(path);
        script.call("path_symlink", &format!("{leads_to} {fd} {path}"))
    }

    pub(crate) fn link(self, from: Fd, old: &str, to: Fd, new: &str) -> Self {
        let (script, old) = self.text(old);
        let (script, new) = script.text(new);
        script.call(
            "path_link",
            &format!("{from} (i32.const 0) {old} {to} {new}"),
        )
    }

    pub(crate) fn rename(self, from: Fd, old: &str, to: Fd, new: &str) -> Self {
        let (script, old) = self.text(old);
        let (script, new) = script.text(new);
        script.call("path_rename", &format!("{from} {old} {to} {new}"))
    }

    pub(crate) fn time(self) -> Self {
        self.call(
            "clock_time_get",
            &format!("(i32.const 0) (i64.const 1) (i32.const {SCRATCH})"),
        )
    }

    pub(crate) fn random(self) -> Self {
        self.call(
            "random_get",
            &format!("(i32.const {SCRATCH}) (i32.const 8)"),
        )
    }

    pub(crate) fn prestat(self, fd: Fd) -> Self {
        self.call("fd_prestat_get", &format!("{fd} (i32.const {SCRATCH})"))
    }

    fn text(mut self, text: &str) -> (Self, String) {
        let argument = format!(
            "(i32.const {}) (i32.const {})",
            TEXTS + self.texts.len(),
            text.len()
        );
        self.texts.extend(text.bytes());
        (self, argument)
    }

    fn call(mut self, function: &str, arguments: &str) -> Self {
        let _ = writeln!(
            self.code,
            "(i32.store8 (i32.const {}) (call ${function} {arguments}))",
            ANSWERS + self.calls
        );
        self.calls += 1;
        self
    }

    /// A task that makes the calls and ends with `status`.
    fn module(&self, status: u8) -> String {
        let texts: String = self.texts.iter().fold(String::new(), |mut texts, byte| {
            let _ = write!(texts, "\\{byte:02x}");
            texts
        });
        let Self { code, calls, .. } = self;
        format!(
            r#"(module
            (import "wxec_v1" "output_write" (func $output_write (param i32 i32)))
            (import "wxec_v1" "error_write" (func $error_write (param i32 i32)))
            (import "wasi_snapshot_preview1" "path_open"
                (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "path_filestat_get"
                (func $path_filestat_get (param i32 i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "path_filestat_set_times"
                (func $path_filestat_set_times (param i32 i32 i32 i32 i64 i64 i32) (result i32)))
            (import "wasi_snapshot_preview1" "path_readlink"
                (func $path_readlink (param i32 i32 i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "path_create_directory"
                (func $path_create_directory (param i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "path_remove_directory"
                (func $path_remove_directory (param i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "path_unlink_file"
                (func $path_unlink_file (param i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "path_symlink"
                (func $path_symlink (param i32 i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "path_link"
                (func $path_link (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "path_rename"
                (func $path_rename (param i32 i32 i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_readdir"
                (func $fd_readdir (param i32 i32 i32 i64 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_renumber" (func $fd_renumber (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_prestat_get" (func $fd_prestat_get (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "sock_shutdown" (func $sock_shutdown (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
            (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const {TEXTS}) "{texts}")
            (func (export "wx1_task") (result i32)
                {code}
                (call $output_write (i32.const {ANSWERS}) (i32.const {calls}))
                (i32.const {status})))"#
        )
    }

    /// Makes the calls. Returns the answer of each.
    pub(crate) async fn run(self, grants: Grants) -> Vec<u8> {
        self.end(grants, Limits::default(), 0)
            .await
            .expect("the guest itself does nothing wrong")
            .to_vec()
    }

    /// Makes the calls. Also returns the number that the last one left at its place, such as the
    /// length of a listing.
    pub(crate) async fn run_and_read(mut self, grants: Grants) -> (Vec<u8>, u32) {
        let number = ANSWERS + self.calls;
        let _ = writeln!(
            self.code,
            "(i32.store (i32.const {number}) (i32.load (i32.const 8)))"
        );
        self.calls += 4;
        let mut answers = self.run(grants).await;
        let number = answers.split_off(answers.len() - 4);
        (
            answers,
            u32::from_le_bytes(number.try_into().expect("four bytes")),
        )
    }

    /// Makes the calls, and then fails. Returns the fault of the call.
    pub(crate) async fn give_up(self, grants: Grants, limits: Limits) -> Fault {
        self.end(grants, limits, 1)
            .await
            .expect_err("the guest says that it failed")
    }

    async fn end(self, grants: Grants, limits: Limits, status: u8) -> Result<bytes::Bytes, Fault> {
        let sandbox = Sandbox::new().unwrap();
        let program = load(&sandbox, &self.module(status)).unwrap();
        let request = Request {
            terms: Terms {
                grants,
                limits,
                ..Terms::default()
            },
            ..Request::new("task", "")
        };
        sandbox
            .run(&program, request, Arc::default() as Arc<Recorder>)
            .await
            .outcome
    }
}
