//! The place where a task was compiled.

use std::fmt;

/// The place where a task was compiled: enough to build the module that holds it. `#[remote]` fills
/// it in, in the user's crate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The package, `CARGO_PKG_NAME`.
    pub package: &'static str,
    /// Its version, `CARGO_PKG_VERSION`.
    pub version: &'static str,
    /// The directory of its `Cargo.toml`, `CARGO_MANIFEST_DIR`.
    pub manifest_dir: &'static str,
    /// The program or example the task is part of, `CARGO_BIN_NAME`; none in a library.
    pub binary: Option<&'static str>,
    /// The crate, `CARGO_CRATE_NAME`: the first segment of `module_path!()`.
    pub crate_name: &'static str,
    /// The source file, `file!()`.
    pub file: &'static str,
    /// The module that [`embed`](crate::embed) put into the program, if any.
    pub embedded: Option<&'static [u8]>,
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origin")
            .field("package", &self.package)
            .field("version", &self.version)
            .field("manifest_dir", &self.manifest_dir)
            .field("binary", &self.binary)
            .field("crate_name", &self.crate_name)
            .field("file", &self.file)
            .field("embedded_bytes", &self.embedded.map(<[u8]>::len))
            .finish()
    }
}
