//! `local:`: the agent as a child process of this program.

use std::os::unix::ffi::OsStrExt;

use wxec_build::AgentImage;
use wxec_protocol::Command;

use super::Runner;
use crate::{error::Unreachable, session::transport::Transport};

/// Starts the agent on this machine. It needs no bootstrap, because the image is a local file.
pub(crate) async fn connect(image: &AgentImage, title: &str) -> Result<Transport, Unreachable> {
    let command = Command::new([image.path.as_os_str().as_bytes(), title.as_bytes()]);
    let started = Runner::Here.start(&command, false).await;
    started.map_err(|error| {
        error.hint(
            "the agent lies in wxec's cache: name a directory that allows execution by WXEC_CACHE",
        )
    })
}
