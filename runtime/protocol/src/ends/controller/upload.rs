//! Payloads that leave the controller in parts.

use super::traffic::Traffic;
use crate::{
    CallId, Digest, ids::StreamId, wire::bounds::CHUNK_BYTES, wire::frame, wire::message::ToAgent,
    wire::outbox::Part, wire::stream::Splice,
};

/// A payload on its way to the agent.
#[derive(Debug, PartialEq)]
pub(super) enum Upload {
    Input(CallId),
    Module { digest: Digest, length: u64 },
    Blob { digest: Digest, length: u64 },
    Stream(StreamId),
}

/// Placeholder for the bytes of a part that the hop fills in.
static ABSENT: [u8; CHUNK_BYTES] = [0; CHUNK_BYTES];

impl Upload {
    /// Frames one part of the payload. For a part that the hop puts in, frames only the head and
    /// returns the splice.
    pub(super) fn write(
        &self,
        part: Part,
        wire: &mut Vec<u8>,
        traffic: &mut Traffic,
    ) -> Option<Splice> {
        match (self, part) {
            (&Self::Input(id), Part::Bytes { bytes, .. }) => {
                frame::write(&ToAgent::Input { id, bytes: &bytes }, wire);
            }
            (&Self::Module { digest, length }, Part::Bytes { bytes, .. }) => {
                traffic.module_bytes += bytes.len() as u64;
                write_module(digest, length, &bytes, wire);
            }
            (&Self::Module { digest, length }, Part::Splice(splice)) => {
                traffic.hop_bytes += splice.length;
                write_module_head(digest, length, splice.length, wire);
                return Some(splice);
            }
            (&Self::Blob { digest, length }, Part::Bytes { bytes, .. }) => {
                let bytes = &bytes;
                frame::write(
                    &ToAgent::Blob {
                        digest,
                        length,
                        bytes,
                    },
                    wire,
                );
            }
            (&Self::Stream(id), Part::Bytes { bytes, .. }) => {
                frame::write(&ToAgent::Data { id, bytes: &bytes }, wire);
            }
            (&Self::Stream(id), Part::Splice(splice)) => write_splice(id, splice, wire),
            (&Self::Stream(id), Part::Finish) => frame::write(&ToAgent::Finish { id }, wire),
            (Self::Input(_) | Self::Blob { .. }, Part::Splice(_))
            | (_, Part::Finish | Part::End(_)) => {
                debug_assert!(false, "{self:?} does not consist of that");
            }
        }
        None
    }
}

fn write_module(digest: Digest, length: u64, bytes: &[u8], wire: &mut Vec<u8>) {
    frame::write(
        &ToAgent::Module {
            digest,
            length,
            bytes,
        },
        wire,
    );
}

/// Frames a part of a module, but for its `absent` bytes.
fn write_module_head(digest: Digest, length: u64, absent: u64, wire: &mut Vec<u8>) {
    let absent = usize::try_from(absent)
        .unwrap_or(CHUNK_BYTES)
        .min(CHUNK_BYTES);
    write_module(digest, length, &ABSENT[..absent], wire);
    wire.truncate(wire.len() - absent);
}

fn write_splice(id: StreamId, splice: Splice, wire: &mut Vec<u8>) {
    let Splice {
        blob,
        offset,
        length,
    } = splice;
    frame::write(
        &ToAgent::Splice {
            id,
            blob,
            offset,
            length,
        },
        wire,
    );
}
