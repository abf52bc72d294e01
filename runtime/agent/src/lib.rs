//! The agent: runs calls on the host it was sent to.
//!
//! [`serve`] drives one conversation over any byte pipe; the program passes stdin and stdout. The
//! agent obeys its controller, who has this account anyway, and trusts no guest. For chains it
//! starts the next hop as a process and passes bytes on without interpreting them.

mod backlog;
mod blobs;
mod calls;
mod description;
mod event_loop;
mod files;
mod guests;
mod held;
pub mod memory;
mod processes;
pub mod stdio;
mod store;
mod streams;
mod surroundings;
mod task_streams;
pub mod terminal;
pub mod watcher;

pub use event_loop::{ServeError, serve};
