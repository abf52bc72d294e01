//! Loaded programs, kept so that a call needs only their digest.

use std::collections::HashMap;

use wxec_engine::Program;
use wxec_protocol::Digest;

/// Total size of the artifacts whose programs are kept: dozens of ordinary programs, or a few
/// interpreters.
const MAX_BYTES: usize = 256 << 20;

/// Loaded programs; the least recently used are dropped first.
#[derive(Default)]
pub(crate) struct Store {
    programs: HashMap<Digest, Entry>,
    bytes: usize,
    uses: u64,
}

struct Entry {
    program: Program,
    bytes: usize,
    last_use: u64,
}

impl Store {
    pub(crate) fn get(&mut self, digest: Digest) -> Option<Program> {
        let entry = self.programs.get_mut(&digest)?;
        self.uses += 1;
        entry.last_use = self.uses;
        Some(entry.program.clone())
    }

    /// Keeps a program whose artifact has `bytes` bytes. Running calls keep their programs alive,
    /// even if the store drops them.
    pub(crate) fn insert(&mut self, digest: Digest, program: Program, bytes: usize) {
        self.uses += 1;
        let entry = Entry {
            program,
            bytes,
            last_use: self.uses,
        };
        self.bytes += bytes;
        if let Some(old) = self.programs.insert(digest, entry) {
            self.bytes -= old.bytes;
        }
        while self.bytes > MAX_BYTES && self.programs.len() > 1 {
            let oldest = self
                .programs
                .iter()
                .min_by_key(|(_, entry)| entry.last_use)
                .map(|(digest, _)| *digest);
            if let Some(entry) = oldest.and_then(|digest| self.programs.remove(&digest)) {
                self.bytes -= entry.bytes;
            }
        }
    }
}
