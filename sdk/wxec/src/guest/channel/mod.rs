//! Channels with the interface of the controlling side. The ends that a task was given lead to its
//! caller.
//!
//! A task has one thread, which waits in `send` and `recv`. A channel that a task makes itself is a
//! queue in its memory.

mod end;
mod local;
mod items;
mod sender;
mod receiver;
mod arguments;
mod returned;

use std::sync::Arc;

pub use self::{
    end::{ChannelEnd, RecvError, SendError},
    receiver::Receiver,
    sender::Sender,
};

pub(super) use self::returned::{ReturnedStream, Unsent};

use self::{local::Local, receiver::In, sender::Out};

/// Makes a channel within this task.
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let local = Arc::new(Local::new());
    (Sender(Out::Here(local.clone())), Receiver(In::Here(local)))
}
