//! The greeting at the start of a session.

use tokio::io::AsyncReadExt;
use wxec_protocol::{ControllerConnection, ControllerEvent, Target};

use super::transport::Transport;
use crate::error::{Phase, Unreachable};

/// Exchanges greetings. The agent speaks first: this end sends nothing before it knows that the
/// agent is up, but for what may go behind the agent's image.
pub(super) async fn greet(
    transport: &mut Transport,
    connection: &mut ControllerConnection,
    received: &[u8],
) -> Result<Target, Unreachable> {
    let mut part = [0; 4096];
    connection
        .handle_input(received)
        .map_err(|error| broken(&error.to_string()))?;
    loop {
        if let Some(event) = connection.poll_event() {
            return greeted(event);
        }
        match transport.reader.read(&mut part).await {
            Ok(0) => return Err(silent()),
            Ok(length) => connection
                .handle_input(&part[..length])
                .map_err(|error| broken(&error.to_string()))?,
            Err(error) => return Err(broken(&error.to_string())),
        }
    }
}

/// Returns the agent's target from the first event of a session.
fn greeted(event: ControllerEvent) -> Result<Target, Unreachable> {
    match event {
        ControllerEvent::Ready { target } if target.platform.has_agent() => Ok(target),
        // Does not repeat the name: the host chose it, of any length.
        ControllerEvent::Ready { .. } => {
            Err(broken("the agent says it runs on an unknown architecture"))
        }
        _ => Err(broken("the agent did not greet first")),
    }
}

fn broken(reason: &str) -> Unreachable {
    Unreachable::new(Phase::Protocol, reason)
}

fn silent() -> Unreachable {
    Unreachable::new(Phase::Exec, "the agent ended before it said a word").hint(
        "something there may forbid programs it does not know, or leave them too little memory or \
         address space",
    )
}
