//! The guest's side: how a task runs in its module.

#[macro_use]
mod absent;
mod ask;
mod calls;
mod channel;
mod executor;
pub mod fs;
pub mod here;
mod imports;
mod logger;
pub mod net;
pub mod process;
mod run;
mod stream;

pub use calls::{AddressError, Call, CallFuture, CallTarget, Error, Host, Result};
pub use channel::{ChannelEnd, Receiver, RecvError, SendError, Sender, channel};

pub(crate) mod for_macros {
    pub use super::{
        calls::{Brought, CallArguments, ChannelEnds, Planned, Task, call, origin},
        executor::block_on,
        run::{Answer, answer, run},
    };
}
