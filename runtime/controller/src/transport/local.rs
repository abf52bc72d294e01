//! `local:`: the agent as a child process of this program.

use std::process::Stdio;

use tokio::process::Command;
use wxec_build::AgentImage;

use super::{StderrTail, Transport};

/// Starts the agent here. It needs no bootstrap: the image is a file of ours.
pub(crate) fn connect(image: &AgentImage) -> std::io::Result<Transport> {
    let mut child = Command::new(&image.path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A Ctrl-C on the terminal is for the controller, which then ends the agent properly.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    let missing = || std::io::Error::other("a pipe of the agent is missing");
    Ok(Transport {
        reader: Box::new(child.stdout.take().ok_or_else(missing)?),
        writer: Box::new(child.stdin.take().ok_or_else(missing)?),
        stderr: StderrTail::collect(child.stderr.take().ok_or_else(missing)?),
        process: Box::new(child),
    })
}
