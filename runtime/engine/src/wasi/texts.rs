//! A guest's arguments and environment. Neither need be text: both are bytes on any system, but
//! wasmtime-wasi's own lists hold text.

use serde_bytes::ByteBuf;
use wasmtime_wasi::p1::types::{Errno, Error, Size};
use wiggle::{GuestMemory, GuestPtr};

/// A list in the layout that preview 1 gives to guests.
#[derive(Debug, Default)]
pub(super) struct Texts {
    /// The items one after the other, each with a NUL behind it.
    bytes: Vec<u8>,
    /// Offset of each item in `bytes`.
    starts: Vec<usize>,
}

/// Both lists of a guest.
#[derive(Debug, Default)]
pub(crate) struct Given {
    pub(super) arguments: Texts,
    /// `NAME=VALUE` each.
    pub(super) environment: Texts,
}

impl Given {
    pub(super) fn add_variables(&mut self, variables: &[(ByteBuf, ByteBuf)]) {
        variables
            .iter()
            .for_each(|(name, value)| self.environment.push(&[name, b"=", value]));
    }
}

impl Texts {
    /// Adds one item that consists of `parts`.
    pub(super) fn push(&mut self, parts: &[&[u8]]) {
        self.starts.push(self.bytes.len());
        parts
            .iter()
            .for_each(|part| self.bytes.extend_from_slice(part));
        self.bytes.push(0);
    }

    /// Returns the number of items, and the bytes that all of them take.
    pub(super) fn sizes(&self) -> Result<(Size, Size), Error> {
        Ok((size(self.starts.len())?, size(self.bytes.len())?))
    }

    /// Writes all items to `to`, and a pointer to each of them to `pointers`.
    pub(super) fn write(
        &self,
        memory: &mut GuestMemory<'_>,
        pointers: GuestPtr<GuestPtr<u8>>,
        to: GuestPtr<u8>,
    ) -> Result<(), Error> {
        let (count, length) = self.sizes()?;
        for (pointer, start) in (0..count).zip(&self.starts) {
            memory.write(pointers.add(pointer)?, to.add(size(*start)?)?)?;
        }
        Ok(memory.copy_from_slice(&self.bytes, to.as_array(length))?)
    }
}

/// Converts a length to the type that guests use.
fn size(length: usize) -> Result<Size, Error> {
    Size::try_from(length).map_err(|_| Errno::Overflow.into())
}
