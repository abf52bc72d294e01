//! Streams that a task returns.

use serde::{Serialize, de::DeserializeOwned};
use wxec_protocol::abi;

use super::super::{ask, imports, stream::Stream};
use super::{
    end::{ChannelEnd, RecvError},
    items::write,
    receiver::Receiver,
};

/// A stream that a task returns, which sends after the function has returned: a [`Receiver`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no stream that a function returns",
    note = "it is a `wxec::Receiver<T>`, and what it brings implements `serde::Serialize` and `serde::Deserialize`"
)]
pub trait ReturnedStream {
    /// Sends all its items to the task's caller, after a first item that says that the function has
    /// returned.
    #[doc(hidden)]
    fn send_to_caller(self) -> Result<(), Unsent>;
}

/// The reason why not everything was sent.
#[doc(hidden)]
#[derive(Debug)]
pub enum Unsent {
    NoStream,
    Broken(String),
}

impl<T: Serialize + DeserializeOwned + 'static> ReturnedStream for Receiver<T> {
    fn send_to_caller(self) -> Result<(), Unsent> {
        let stream =
            ask::done(imports::call_stream(abi::LAST_STREAM)).map_err(|_| Unsent::NoStream)?;
        let stream = Stream::of(stream);
        let sent = write(&stream, &()).and_then(|()| {
            loop {
                match self.recv() {
                    Ok(item) => write(&stream, &item)?,
                    Err(RecvError::Ended(ChannelEnd::Broken(reason))) => {
                        break Err(ChannelEnd::Broken(reason));
                    }
                    Err(_) => break Ok(()),
                }
            }
        });
        // Leaves the stream open, so that its end tells the caller how the call ended, not that the
        // task closed the stream.
        std::mem::forget(stream);
        match sent {
            Err(ChannelEnd::Broken(reason)) => Err(Unsent::Broken(reason)),
            // A receiver that is gone is no failure.
            Ok(()) | Err(ChannelEnd::Closed) => Ok(()),
        }
    }
}
