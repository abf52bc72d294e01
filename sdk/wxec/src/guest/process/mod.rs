//! Programs of the host, in the shape of `std::process`.

mod child;
mod command;
mod pipes;
mod status;

pub use self::{
    child::{Child, Output},
    command::{Command, Stdio},
    pipes::{ChildStderr, ChildStdin, ChildStdout},
    status::{ExitStatus, ExitStatusExt},
};
