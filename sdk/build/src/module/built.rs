//! The module of a crate, once it is built.

use std::{fmt, path::PathBuf};

use wxec_protocol::Digest;

use crate::PackageSource;

/// A crate, compiled for [`MODULE_TARGET`](crate::MODULE_TARGET).
#[derive(Clone, PartialEq, Eq)]
pub struct BuiltModule {
    /// The file that cargo left, which the next build replaces; `None` if the module was embedded
    /// in this program.
    pub path: Option<PathBuf>,
    /// The module.
    pub bytes: Vec<u8>,
    /// Its digest.
    pub digest: Digest,
    /// Number of crates that cargo compiled for it: 0 if nothing had changed, and cargo perhaps not
    /// run.
    pub compiled: usize,
    /// The package it was built from, which tells why a task is not in it.
    pub source: Option<PackageSource>,
}

impl fmt::Debug for BuiltModule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BuiltModule")
            .field("path", &self.path)
            .field("bytes", &self.bytes.len())
            .field("digest", &self.digest)
            .field("compiled", &self.compiled)
            .finish()
    }
}
