//! The agent: runs calls on the host it was sent to.
//!
//! [`serve`] drives one conversation over any byte pipe; the program gives it stdin and stdout. It does as it is told by
//! its controller, who has this account anyway, and trusts no guest.

mod calls;
mod event_loop;
pub mod stdio;
mod store;

pub use event_loop::{ServeError, serve};
