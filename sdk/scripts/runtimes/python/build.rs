//! Packs the files of Python's standard library into one, and asks for a larger stack.

use std::{env, fs, io::Write, path::Path};

/// What makes no sense in a task: tools, tests, other processes' and threads' machinery, windows, and
/// the sockets that a sandbox does not have.
const LEFT_OUT: [&str; 33] = [
    "_pyrepl",
    "__pycache__",
    "asyncio",
    "concurrent",
    "ctypes",
    "curses",
    "dbm",
    "distutils",
    "ensurepip",
    "ftplib.py",
    "http",
    "idlelib",
    "imaplib.py",
    "lib2to3",
    "multiprocessing",
    "pdb.py",
    "pickletools.py",
    "poplib.py",
    "pydoc.py",
    "pydoc_data",
    "smtplib.py",
    "socketserver.py",
    "sqlite3",
    "ssl.py",
    "subprocess.py",
    "test",
    "tkinter",
    "turtle.py",
    "turtledemo",
    "unittest",
    "venv",
    "wsgiref",
    "xmlrpc",
];

/// The encodings that a task may need; the others are tables for old files.
const ENCODINGS: [&str; 12] = [
    "__init__.py",
    "aliases.py",
    "ascii.py",
    "base64_codec.py",
    "cp1252.py",
    "hex_codec.py",
    "idna.py",
    "latin_1.py",
    "punycode.py",
    "utf_16.py",
    "utf_32.py",
    "utf_8.py",
];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // The frames of RustPython are large.
    println!("cargo:rustc-cdylib-link-arg=-zstack-size=8388608");
    let out = env::var("OUT_DIR").expect("cargo sets it");
    let mut packed = Vec::new();
    pack(Path::new(rustpython_pylib::LIB_PATH), "", &mut packed);
    fs::write(Path::new(&out).join("library"), packed).expect("the directory is there");
}

/// Adds each file: the lengths of its path and of its text, as `u32`, and both.
fn pack(directory: &Path, prefix: &str, packed: &mut Vec<u8>) {
    let entries = fs::read_dir(directory).expect("the library is there");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("it can be read").path())
        .collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().expect("it has a name").to_string_lossy();
        if LEFT_OUT.contains(&&*name) || (prefix == "encodings/" && !ENCODINGS.contains(&&*name)) {
            continue;
        }
        if path.is_dir() {
            pack(&path, &format!("{prefix}{name}/"), packed);
        } else if name.ends_with(".py") {
            let name = format!("{prefix}{name}");
            let text = fs::read(&path).expect("it can be read");
            for length in [name.len(), text.len()] {
                let length = u32::try_from(length).expect("files of source are short");
                packed.extend_from_slice(&length.to_le_bytes());
            }
            packed.write_all(name.as_bytes()).expect("memory takes it");
            packed.write_all(&text).expect("memory takes it");
        }
    }
}
