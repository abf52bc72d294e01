//! Memory for wasmtime-wasi, which reads what it is asked from the memory of a guest.

use std::ops::Range;

use wiggle::{GuestMemory, GuestPtr};

/// Memory from which wasmtime-wasi reads paths: they may differ from those that the guest wrote.
pub(super) struct Paths {
    pub(super) bytes: Vec<u8>,
    end: u32,
}

impl Paths {
    /// Creates a memory with nothing in it.
    pub(super) fn new() -> Self {
        Self {
            bytes: Vec::new(),
            end: 0,
        }
    }

    /// Creates a memory with one path in it.
    pub(super) fn of(path: &str) -> (Self, GuestPtr<str>) {
        let mut paths = Self::new();
        let path = paths.add(path);
        (paths, path)
    }

    /// Adds a path. Returns its place.
    pub(super) fn add(&mut self, path: &str) -> GuestPtr<str> {
        let start = self.end;
        let length = u32::try_from(path.len()).expect("paths are short");
        self.bytes.extend_from_slice(path.as_bytes());
        self.end += length;
        GuestPtr::new((start, length))
    }

    /// Makes room for `length` bytes behind the paths.
    pub(super) fn room(&mut self, length: u32) -> (GuestPtr<u8>, Range<usize>) {
        let start = self.bytes.len();
        self.bytes.resize(start + length as usize, 0);
        (GuestPtr::new(self.end), start..start + length as usize)
    }

    /// Returns it as wasmtime-wasi takes it.
    pub(super) fn memory(&mut self) -> GuestMemory<'_> {
        GuestMemory::Unshared(&mut self.bytes)
    }
}
