//! Frames: a `u32` length, little endian, then one message in postcard's encoding.

use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize};

use crate::{wire::bounds::MAX_FRAME_BYTES, wire::error::ProtocolError};

const HEAD: usize = 4;

/// Appends `message` to `wire` as one frame.
pub fn write<M: Serialize>(message: &M, wire: &mut Vec<u8>) {
    let start = wire.len();
    wire.extend([0; HEAD]);
    *wire = postcard::serialize_with_flavor(message, Wire(std::mem::take(wire)))
        .expect("our own messages encode");
    let length = u32::try_from(wire.len() - start - HEAD).expect("our own frames are short");
    debug_assert!(length as usize <= MAX_FRAME_BYTES);
    wire[start..start + HEAD].copy_from_slice(&length.to_le_bytes());
}

/// Appends payloads in one piece; postcard's own vector writer goes byte by byte.
struct Wire(Vec<u8>);

impl Flavor for Wire {
    type Output = Vec<u8>;

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<Vec<u8>> {
        Ok(self.0)
    }
}

/// Reads the message in a frame, given without its length.
pub fn read<'a, M: Deserialize<'a>>(frame: &'a [u8]) -> Result<M, ProtocolError> {
    match postcard::take_from_bytes(frame) {
        Ok((message, [])) => Ok(message),
        _ => Err(ProtocolError::Malformed),
    }
}

/// Cuts received bytes into frames. Holds at most one incomplete frame.
#[derive(Debug, Default)]
pub(crate) struct Splitter {
    incomplete: Vec<u8>,
}

impl Splitter {
    /// Calls `each` with every complete frame, in order; stops at the first error.
    pub(crate) fn split(
        &mut self,
        mut input: &[u8],
        mut each: impl FnMut(&[u8]) -> Result<(), ProtocolError>,
    ) -> Result<(), ProtocolError> {
        while !self.incomplete.is_empty() {
            let wanted = match frame_length(&self.incomplete)? {
                Some(length) => HEAD + length,
                None => HEAD,
            };
            let (taken, rest) = input.split_at(input.len().min(wanted - self.incomplete.len()));
            self.incomplete.extend_from_slice(taken);
            input = rest;
            if self.incomplete.len() < wanted {
                return Ok(());
            }
            if frame_length(&self.incomplete)?
                .is_some_and(|length| self.incomplete.len() == HEAD + length)
            {
                let frame = std::mem::take(&mut self.incomplete);
                each(&frame[HEAD..])?;
            }
        }
        while let Some(length) = frame_length(input)? {
            let Some((frame, rest)) = input.split_at_checked(HEAD + length) else {
                break;
            };
            each(&frame[HEAD..])?;
            input = rest;
        }
        self.incomplete.extend_from_slice(input);
        Ok(())
    }
}

/// Returns the length that the head of `bytes` announces, if the head is complete.
fn frame_length(bytes: &[u8]) -> Result<Option<usize>, ProtocolError> {
    let Some(head) = bytes.first_chunk::<HEAD>() else {
        return Ok(None);
    };
    match u32::from_le_bytes(*head) as usize {
        length if length > MAX_FRAME_BYTES => Err(ProtocolError::FrameTooLong(length)),
        length => Ok(Some(length)),
    }
}
