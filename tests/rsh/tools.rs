//! Third-party tools, run as their users run them, with `wxec rsh` in place of ssh; and trees of
//! files for them.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

use crate::harness::{Machine, Sshd, needs, program};

/// A machine with an sshd, and a directory here where tools work.
pub(super) struct Place {
    // The first field, so that its processes end before those of the machine.
    pub(super) sshd: Sshd,
    pub(super) machine: Machine,
    pub(super) here: TempDir,
}

/// Ways to accounts of the machine: an address as it is, the same in brackets, and the account's
/// home.
pub(super) const WAYS: [(&str, &str, &str); 2] = [
    ("ssh:login", "[ssh:login]", "/home/login"),
    ("ssh:login/sudo:app", "[ssh:login,sudo:app]", "/home/app"),
];

impl Place {
    /// A place where `tool` can be tried; skips the test if it cannot.
    pub(super) fn with(tool: &str) -> Option<Self> {
        if !needs(&[tool, "ssh", "sudo"]) {
            return None;
        }
        let machine = Machine::start()?;
        Self::of(machine)
    }

    pub(super) fn of(machine: Machine) -> Option<Self> {
        let here = tempfile::Builder::new()
            .prefix("rsh-")
            .tempdir()
            .expect("a temporary directory");
        symlink(program(), here.path().join("wxec-rsh")).expect("it is new");
        Some(Self {
            sshd: machine.sshd()?,
            machine,
            here,
        })
    }

    /// A command that runs a tool in the directory here, with its arguments as they are.
    pub(super) fn tool<A: AsRef<std::ffi::OsStr>>(
        &self,
        name: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Command {
        let mut command = Command::new(name);
        command
            .args(arguments)
            .current_dir(self.here.path())
            .stdin(Stdio::null());
        command
            .envs(self.sshd.client_environment())
            .env("LC_ALL", "C.UTF-8");
        command.env("RSYNC_RSH", format!("{} rsh", program().display()));
        command.env("GIT_SSH_COMMAND", format!("{} rsh", program().display()));
        command
    }

    /// `wxec rsh` itself.
    pub(super) fn rsh<A: AsRef<std::ffi::OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Command {
        self.tool(self.link().to_str().expect("it is plain"), arguments)
    }

    /// The link whose name makes `wxec` act as `wxec rsh`.
    pub(super) fn link(&self) -> PathBuf {
        self.here.path().join("wxec-rsh")
    }

    /// A path in the directory here.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.here.path().join(path)
    }

    /// A path in the home of an account.
    pub(super) fn there(&self, home: &str, path: &str) -> PathBuf {
        self.machine.path(home).join(path)
    }

    /// Returns true if all processes but the machine's sshd are gone.
    pub(super) fn is_quiet(&self) -> bool {
        self.machine
            .processes()
            .iter()
            .all(|pid| *pid == self.machine.pid() || *pid == self.sshd.pid())
    }
}

/// Runs a tool that ends with `code`, and returns its stdout and stderr.
#[track_caller]
pub(super) fn ends(mut tool: Command, code: i32) -> (String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = tool
        .output()
        .unwrap_or_else(|error| panic!("{tool:?}: {error}"));
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let (stdout, stderr) = (text(stdout), text(stderr));
    assert_eq!(
        status.code(),
        Some(code),
        "{tool:?}\nstdout: {stdout}\nstderr: {stderr}"
    );
    (stdout, stderr)
}

/// Runs a tool that fails, and returns its stderr. Its exit code depends on which of its processes
/// notices first.
#[track_caller]
pub(super) fn fails(mut tool: Command) -> String {
    let output = tool
        .output()
        .unwrap_or_else(|error| panic!("{tool:?}: {error}"));
    assert!(!output.status.success(), "{tool:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs a tool that succeeds and leaves stderr empty, and returns its stdout.
#[track_caller]
pub(super) fn works(tool: Command) -> String {
    let (stdout, stderr) = ends(tool, 0);
    assert_eq!(stderr, "");
    stdout
}

/// Writes files of all sorts, and with names of all sorts.
pub(super) fn write_tree(root: &Path) {
    let names = [
        "plain",
        "with  spaces",
        "it's \"quoted\"",
        "$HOME `id` \\ *",
        "ünïcode 日本",
        "co:lon:s",
        "-dash",
        "a\nb",
    ];
    for directory in ["", "deep/er", "a dir's [name]"] {
        let directory = root.join(directory);
        fs::create_dir_all(&directory).expect("it is new");
        for (number, name) in names.iter().enumerate() {
            fs::write(directory.join(name), noise(number * 1000, number as u64))
                .expect("it is new");
        }
    }
    fs::set_permissions(root.join("plain"), fs::Permissions::from_mode(0o755)).expect("it is ours");
    fs::create_dir(root.join("empty")).expect("it is new");
    fs::write(root.join("large"), noise(20 << 20, 7)).expect("it is new");
}

/// Returns bytes that cannot be compressed, the same for the same `seed`.
pub(super) fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut noise: Vec<u8> = (0..bytes.div_ceil(8))
        .flat_map(|_| next().to_le_bytes())
        .collect();
    noise.truncate(bytes);
    noise
}

/// Everything below `root`: names, modes and contents.
pub(super) fn tree(root: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory)
            .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        {
            let path = entry.expect("it can be read").path();
            let metadata = fs::symlink_metadata(&path).expect("it is there");
            let bytes = if metadata.is_file() {
                fs::read(&path).expect("it can be read")
            } else {
                Vec::new()
            };
            found.insert(
                path.strip_prefix(root).expect("it is below").to_owned(),
                (metadata.mode(), bytes),
            );
            if metadata.is_dir() {
                directories.push(path);
            }
        }
    }
    found
}

/// Asserts that both trees are the same. They are too large to be printed.
#[track_caller]
pub(super) fn assert_same(one: &Path, other: &Path) {
    let (one, other) = (tree(one), tree(other));
    let names = |tree: &BTreeMap<PathBuf, (u32, Vec<u8>)>| tree.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&one), names(&other));
    for (path, (mode, bytes)) in &one {
        assert!(
            other[path].1 == *bytes,
            "{} has other bytes",
            path.display()
        );
        assert_eq!(other[path].0, *mode, "mode of {}", path.display());
    }
}
