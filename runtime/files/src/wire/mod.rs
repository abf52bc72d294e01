//! The wire: messages between the two roles, in frames.

mod frames;
mod message;

pub(crate) use self::{
    frames::{FrameReader, FrameWriter},
    message::{
        BATCH_BYTES, BATCH_ENTRIES, Entry, Item, Kind, MAX_AHEAD, MAX_HOLE_BYTES, PART_BYTES, Part,
        Request, Time, ToReceiver, ToSender, Want,
    },
};
