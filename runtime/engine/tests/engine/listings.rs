//! Listing directories: each entry comes once, whatever is done to the directory meanwhile.

use std::{collections::BTreeSet, fs, os::unix::net::UnixListener, path::Path, sync::Arc};

use bytes::Bytes;
use tempfile::TempDir;
use wxec_engine::{Request, Sandbox};
use wxec_protocol::Grants;

use crate::{
    Recorder, load,
    script::{FIRST, Fd, Open, Script, errno},
};

/// Change that the guest makes to each entry but `.` and `..`, before it reads on.
#[derive(Clone, Copy)]
enum Then {
    Nothing = 0,
    Unlink = 1,
    /// Renames it to the same name with `~` for its first letter.
    Rename = 2,
    /// Makes a directory of that name.
    Create = 3,
    /// Reads all again from the beginning, with the first entry that is not a dot.
    Rewind = 4,
    /// Reads on with another descriptor of the same directory.
    Alternate = 5,
}

/// Lists its first directory as libraries do: it reads a buffer, takes the whole entries in it, and
/// goes on with the cookie of the last of those. Returns the entries in the layout of preview 1.
const LISTER: &str = r#"(module
    (import "wxec_v1" "input_read" (func $input_read (param i32 i32 i32) (result i32)))
    (import "wxec_v1" "output_write" (func $output_write (param i32 i32)))
    ;; It needs none, but who imports this looks for files.
    (import "wasi_snapshot_preview1" "fd_prestat_get" (func (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_readdir" (func $fd_readdir (param i32 i32 i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_open"
        (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_unlink_file" (func $unlink (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_create_directory" (func $create (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_rename" (func $rename (param i32 i32 i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
    (memory (export "memory") 32)
    (data (i32.const 16) ".")
    ;; What is to be done, the size of the buffer, the descriptor, another one, and how much was read.
    (global $then (mut i32) (i32.const 0))
    (global $size (mut i32) (i32.const 0))
    (global $fd (mut i32) (i32.const 3))
    (global $other (mut i32) (i32.const 3))
    (global $rewound (mut i32) (i32.const 0))

    (func $check (param $errno i32) (if (local.get $errno) (then (call $proc_exit (local.get $errno)))))

    (func $handle (param $name i32) (param $length i32)
        ;; A copy of the name that begins with `~`.
        (memory.copy (i32.const 1024) (local.get $name) (local.get $length))
        (i32.store8 (i32.const 1024) (i32.const 126))
        (if (i32.eq (global.get $then) (i32.const 1))
            (then (call $check (call $unlink (i32.const 3) (local.get $name) (local.get $length)))))
        (if (i32.eq (global.get $then) (i32.const 2))
            (then (call $check (call $rename (i32.const 3) (local.get $name) (local.get $length)
                (i32.const 3) (i32.const 1024) (local.get $length)))))
        (if (i32.eq (global.get $then) (i32.const 3))
            (then (call $check (call $create (i32.const 3) (i32.const 1024) (local.get $length))))))

    (func (export "wx1_list") (result i32)
        (local $at i32) (local $end i32) (local $read i32) (local $next i32) (local $swap i32) (local $cookie i64)
        (drop (call $input_read (i32.const 0) (i32.const 0) (i32.const 8)))
        (global.set $then (i32.load (i32.const 0)))
        (global.set $size (i32.load (i32.const 4)))
        (call $check (call $path_open (i32.const 3) (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 2)
            (i64.const 16384) (i64.const 0) (i32.const 0) (i32.const 12)))
        (if (i32.eq (global.get $then) (i32.const 5)) (then (global.set $other (i32.load (i32.const 12)))))
        (loop $more
            (call $check (call $fd_readdir (global.get $fd) (i32.const 65536) (global.get $size)
                (local.get $cookie) (i32.const 8)))
            (local.set $read (i32.load (i32.const 8)))
            (local.set $at (i32.const 65536))
            (local.set $end (i32.add (i32.const 65536) (local.get $read)))
            (block $cut (loop $entry
                (br_if $cut (i32.gt_u (i32.add (local.get $at) (i32.const 24)) (local.get $end)))
                (local.set $next
                    (i32.add (i32.add (local.get $at) (i32.const 24)) (i32.load offset=16 (local.get $at))))
                (br_if $cut (i32.gt_u (local.get $next) (local.get $end)))
                (call $output_write (local.get $at) (i32.sub (local.get $next) (local.get $at)))
                (local.set $cookie (i64.load (local.get $at)))
                (if (i64.gt_u (local.get $cookie) (i64.const 2))
                    (then
                        (if (i32.and (i32.eq (global.get $then) (i32.const 4)) (i32.eqz (global.get $rewound)))
                            (then
                                (global.set $rewound (i32.const 1))
                                (local.set $cookie (i64.const 0))
                                (local.set $read (global.get $size))
                                (br $cut)))
                        (call $handle (i32.add (local.get $at) (i32.const 24)) (i32.load offset=16 (local.get $at)))))
                (local.set $at (local.get $next))
                (br $entry)))
            ;; The other one next time, which has read less, or nothing.
            (local.set $swap (global.get $fd))
            (global.set $fd (global.get $other))
            (global.set $other (local.get $swap))
            (if (i32.ne (global.get $then) (i32.const 5)) (then (global.set $fd (i32.const 3))))
            (br_if $more (i32.eq (local.get $read) (global.get $size))))
        (i32.const 0)))"#;

#[derive(Debug)]
struct Entry {
    cookie: u64,
    inode: u64,
    kind: u8,
    name: Vec<u8>,
}

/// Returns the entries that a guest sees when it reads with a buffer of `size` bytes.
async fn list(directory: &Path, then: Then, size: u32) -> Vec<Entry> {
    let sandbox = Sandbox::new().unwrap();
    let program = load(&sandbox, LISTER).unwrap();
    let input: Vec<u8> = [then as u32, size]
        .into_iter()
        .flat_map(u32::to_le_bytes)
        .collect();
    let grants = Grants::none().write(directory.to_str().unwrap());
    let request = Request {
        terms: grants.into(),
        ..Request::new("list", Bytes::from(input))
    };
    let completion = sandbox
        .run(&program, request, Arc::default() as Arc<Recorder>)
        .await;
    let mut bytes = &completion.outcome.unwrap()[..];
    let mut entries = Vec::new();
    while let Some((head, rest)) = bytes.split_at_checked(24) {
        let number = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().unwrap());
        let length = u32::from_le_bytes(head[16..20].try_into().unwrap()) as usize;
        let (name, rest) = rest.split_at(length);
        entries.push(Entry {
            cookie: number(0),
            inode: number(8),
            kind: head[20],
            name: name.to_vec(),
        });
        bytes = rest;
    }
    entries
}

/// Returns their names, but for `.` and `..`, which come first.
fn names(entries: &[Entry]) -> Vec<String> {
    assert_eq!(
        (&entries[0].name[..], &entries[1].name[..]),
        (&b"."[..], &b".."[..])
    );
    entries[2..]
        .iter()
        .map(|entry| String::from_utf8(entry.name.clone()).unwrap())
        .collect()
}

fn filled(names: impl IntoIterator<Item = String>) -> (TempDir, BTreeSet<String>) {
    let directory = tempfile::tempdir().unwrap();
    let names: BTreeSet<_> = names.into_iter().collect();
    for name in &names {
        fs::write(directory.path().join(name), "").unwrap();
    }
    (directory, names)
}

fn numbered(count: usize) -> (TempDir, BTreeSet<String>) {
    filled((0..count).map(|at| format!("entry-{at:07}")))
}

/// Asserts that `listed` are `expected`, each once.
#[track_caller]
fn each_once(listed: &[String], expected: &BTreeSet<String>) {
    assert_eq!(listed.len(), expected.len());
    assert_eq!(&listed.iter().cloned().collect::<BTreeSet<_>>(), expected);
}

#[tokio::test]
async fn a_directory_that_is_emptied_as_it_is_listed_ends_empty() {
    for count in [0, 1, 300, 2_000] {
        let (directory, expected) = numbered(count);
        each_once(
            &names(&list(directory.path(), Then::Unlink, 4096).await),
            &expected,
        );
        assert_eq!(
            fs::read_dir(directory.path()).unwrap().count(),
            0,
            "of {count}"
        );
    }
}

#[tokio::test]
async fn what_is_renamed_or_created_as_it_is_listed_comes_once() {
    for then in [Then::Rename, Then::Create] {
        let (directory, expected) = numbered(2_000);
        each_once(&names(&list(directory.path(), then, 4096).await), &expected);
    }
}

#[tokio::test]
async fn buffers_may_have_any_size_and_names_any_length() {
    let (directory, expected) = filled((1..=255).map(|length| "n".repeat(length)));
    // The longest entry fits exactly.
    for size in [24 + 255, 24 + 256, 1000, 4096, 1 << 20] {
        each_once(
            &names(&list(directory.path(), Then::Nothing, size).await),
            &expected,
        );
    }
}

#[tokio::test]
async fn a_page_is_full_unless_the_directory_ends_in_it() {
    let (directory, _) = numbered(10);
    // `.` and `..`, and ten entries of 13 letters.
    let all = 25 + 26 + 10 * (24 + 13);
    let script = |size| Script::default().list_into(FIRST, size);
    for (size, read) in [
        (0, 0),
        (10, 10),
        (25, 25),
        (30, 30),
        (all, all),
        (all + 1, all),
        (9_000, all),
    ] {
        let (answers, bytes) = script(size)
            .run_and_read(Grants::none().read(directory.path().to_str().unwrap()))
            .await;
        assert_eq!((&answers[..], bytes), (&[errno::OK][..], read), "{size}");
    }
}

#[tokio::test]
async fn rewinding_begins_anew() {
    let (directory, expected) = numbered(500);
    let listed = names(&list(directory.path(), Then::Rewind, 4096).await);
    let again = listed
        .iter()
        .position(|name| name == "..")
        .expect("it began again")
        + 1;
    each_once(&listed[again..], &expected);
}

#[tokio::test]
async fn descriptors_of_one_directory_keep_their_places() {
    let (directory, expected) = numbered(500);
    // Each descriptor goes on by the cookie where the other left off, though it read nothing before
    // that.
    each_once(
        &names(&list(directory.path(), Then::Alternate, 4096).await),
        &expected,
    );
}

#[tokio::test]
async fn a_directory_beyond_what_is_held_at_once_is_listed_whole() {
    // 1.2 MB of names, where a listing holds one MiB.
    let (directory, expected) = filled((0..5_000).map(|at| format!("{at:04}{}", "x".repeat(240))));
    for size in [4096, 1 << 20] {
        each_once(
            &names(&list(directory.path(), Then::Nothing, size).await),
            &expected,
        );
    }
    each_once(
        &names(&list(directory.path(), Then::Unlink, 4096).await),
        &expected,
    );
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn entries_say_what_they_are() {
    let (directory, _) = filled(["file".into()]);
    let at = |name: &str| directory.path().join(name);
    fs::create_dir(at("directory")).unwrap();
    std::os::unix::fs::symlink("file", at("link")).unwrap();
    let _socket = UnixListener::bind(at("socket")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        at("pipe"),
        rustix::fs::FileType::Fifo,
        0o600.into(),
        0,
    )
    .unwrap();
    fs::hard_link(at("file"), at("same")).unwrap();
    let entries = list(directory.path(), Then::Nothing, 4096).await;
    let find = |name: &str| {
        entries
            .iter()
            .find(|entry| entry.name == name.as_bytes())
            .unwrap()
    };
    // Numbers of preview 1, which has none for a pipe, and none for a socket whose kind is unknown.
    for (name, kind) in [
        (".", 3),
        ("..", 3),
        ("file", 4),
        ("directory", 3),
        ("link", 7),
        ("socket", 0),
        ("pipe", 0),
    ] {
        assert_eq!(find(name).kind, kind, "{name}");
    }
    assert_eq!(find("file").inode, find("same").inode);
    assert_ne!(find("file").inode, find("directory").inode);
    let cookies: Vec<_> = entries.iter().map(|entry| entry.cookie).collect();
    assert_eq!(cookies, (1..=entries.len() as u64).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_name_that_is_no_text_is_listed() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    let (directory, _) = filled(["text".into()]);
    fs::write(directory.path().join(OsStr::from_bytes(b"\xff\xfe")), "").unwrap();
    let entries = list(directory.path(), Then::Nothing, 4096).await;
    let listed: BTreeSet<_> = entries[2..].iter().map(|entry| &entry.name[..]).collect();
    assert_eq!(listed, BTreeSet::from([&b"text"[..], b"\xff\xfe"]));
}

#[tokio::test]
async fn a_listed_file_has_the_inode_it_has_when_looked_at() {
    let (directory, _) = filled(["file".into()]);
    let grants = Grants::none().read(directory.path().to_str().unwrap());
    let (_, looked_at) = Script::default()
        .inode(FIRST, "file")
        .run_and_read(grants)
        .await;
    let entries = list(directory.path(), Then::Nothing, 4096).await;
    let listed = entries
        .iter()
        .find(|entry| entry.name == b"file")
        .unwrap()
        .inode;
    assert_eq!(listed & u64::from(u32::MAX), looked_at.into());
}

#[tokio::test]
async fn a_listing_belongs_to_its_descriptor() {
    let (directory, _) = numbered(3);
    fs::create_dir(directory.path().join("sub")).unwrap();
    let grants = || Grants::none().read(directory.path().to_str().unwrap());
    // The number of a closed directory is given to another one, which has entries of its own.
    let script = Script::default()
        .open(FIRST, ".", Open::Directory)
        .list(Fd::OpenedBy(0))
        .close(Fd::OpenedBy(0))
        .open(FIRST, "sub", Open::Directory)
        .list_from(Fd::OpenedBy(3), 2);
    let (answers, bytes) = script.run_and_read(grants()).await;
    assert_eq!((&answers[..], bytes), (&[errno::OK; 5][..], 0));
    // The listing follows a directory to its new number.
    let script = Script::default()
        .open(FIRST, ".", Open::Directory)
        .open(FIRST, "sub", Open::Directory)
        .list(Fd::OpenedBy(0))
        .renumber(Fd::OpenedBy(0), Fd::OpenedBy(1))
        .list_from(Fd::OpenedBy(1), 5);
    let (answers, bytes) = script.run_and_read(grants()).await;
    assert_eq!(answers, [errno::OK; 5]);
    assert!(bytes > 24, "{bytes}");
}

#[tokio::test]
async fn a_file_cannot_be_listed_and_a_directory_that_is_gone_has_no_entries() {
    let (directory, _) = filled(["file".into()]);
    fs::create_dir(directory.path().join("sub")).unwrap();
    let script = Script::default()
        .open(FIRST, "file", Open::Read)
        .list(Fd::OpenedBy(0))
        .open(FIRST, "sub", Open::Directory)
        .remove_directory(FIRST, "sub")
        .list(Fd::OpenedBy(2));
    let (answers, _) = script
        .run_and_read(Grants::none().write(directory.path().to_str().unwrap()))
        .await;
    assert_eq!(answers[0], errno::OK);
    assert_ne!(answers[1], errno::OK);
    assert_eq!(answers[2..], [errno::OK; 3]);
}
