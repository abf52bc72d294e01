//! The agent: runs calls on the host it was sent to.
//!
//! [`serve`] drives one conversation over any byte pipe; the program passes stdin and stdout. The
//! agent obeys its controller, who has this account anyway, and trusts no guest. For chains it
//! starts the next hop as a process and passes bytes on without interpreting them.

// From the bottom up: a module uses only those above it in this list.
/// The allocator of the whole program.
pub mod heap;
/// Futures of one type for tokio.
mod tasks;
/// stdin and stdout as the conversation's pipe.
pub mod stdio;
/// The memory of this host, and the share that calls get.
pub mod memory;
/// Streams beside calls, and the guests that hold one end of them.
mod streams;
/// Processes of the controller, their terminals, and the watcher of all process groups.
mod processes;
/// Calls of guests, from arrival to return, and the output of guests.
mod calls;
/// Answers to the controller and to guests: files, blobs, facts, other hosts.
mod services;
/// The task that reads from the controller, hands out the work, and writes.
mod event_loop;

pub use event_loop::{ServeError, serve};
pub use processes::{terminal, watcher};

/// This program, even if its file was removed.
pub const ITSELF: &str = "/proc/self/exe";
