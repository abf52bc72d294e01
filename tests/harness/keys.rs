//! Keys for ssh, and the files that hold them.

use std::{
    fs,
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
    process::Command,
    sync::OnceLock,
};

pub(super) struct Keys {
    pub(super) host: KeyPair,
    pub(super) client: KeyPair,
    pub(super) stranger: KeyPair,
}

pub(super) struct KeyPair {
    pub(super) private: String,
    pub(super) public: String,
}

/// Making keys takes longer than starting sshd, so all tests of a process have the same ones.
pub(super) fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let make = |name| {
            let path = directory.path().join(name);
            let arguments = ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"];
            let status = Command::new("ssh-keygen")
                .args(arguments)
                .arg(&path)
                .status()
                .expect("it comes with sshd");
            assert!(status.success(), "ssh-keygen: {status}");
            let read = |path| fs::read_to_string(path).expect("it was made");
            KeyPair {
                public: read(path.with_extension("pub")),
                private: read(path),
            }
        };
        Keys {
            host: make("host"),
            client: make("client"),
            stranger: make("stranger"),
        }
    })
}

/// Writes a file that only its owner may read, as ssh requires of keys.
pub(super) fn write_private(directory: &Path, name: &str, text: &str) {
    write(&directory.join(name), text, 0o600);
}

/// Writes a new file, or replaces one.
pub(super) fn write(path: &Path, text: impl AsRef<[u8]>, mode: u32) {
    let file = fs::File::options()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(mode)
        .open(path);
    let written = file.and_then(|mut file| {
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.write_all(text.as_ref())
    });
    written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
