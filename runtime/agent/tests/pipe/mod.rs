//! The agent's event loop over an in-memory pipe, with a scripted controller at the other end.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    task::JoinHandle,
    time::timeout,
};
use wxec_agent::{ServeError, serve};
use wxec_engine::Sandbox;
use wxec_protocol::{ControllerConnection, ControllerEvent};

/// Generous: only a hang takes this long.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) type Agent = JoinHandle<Result<(), ServeError>>;

/// A controller without a runtime of its own: the state machine and a pipe.
pub(crate) struct Peer {
    pub(crate) connection: ControllerConnection,
    pub(crate) pipe: DuplexStream,
}

pub(crate) fn start() -> (Peer, Agent) {
    let (ours, theirs) = tokio::io::duplex(64 << 10);
    let (reader, writer) = tokio::io::split(theirs);
    let sandbox = Sandbox::new().expect("this machine can run guests");
    let agent = tokio::spawn(serve(sandbox, reader, writer));
    (
        Peer {
            connection: ControllerConnection::new(),
            pipe: ours,
        },
        agent,
    )
}

impl Peer {
    /// Sends everything queued, and returns the agent's next event.
    pub(crate) async fn event(&mut self) -> ControllerEvent {
        self.event_within(DEADLINE).await.expect("the agent hangs")
    }

    /// Does the same, but returns `None` if the agent sends nothing for this long.
    pub(crate) async fn event_within(&mut self, limit: Duration) -> Option<ControllerEvent> {
        let mut input = vec![0; 64 << 10];
        loop {
            if let Some(event) = self.connection.poll_event() {
                return Some(event);
            }
            self.send().await;
            let length = timeout(limit, self.pipe.read(&mut input))
                .await
                .ok()?
                .unwrap();
            assert_ne!(length, 0, "the agent is gone");
            self.connection.handle_input(&input[..length]).unwrap();
        }
    }

    /// Sends everything queued.
    pub(crate) async fn send(&mut self) {
        let mut wire = Vec::new();
        loop {
            wire.clear();
            assert_eq!(
                self.connection.poll_transmit(&mut wire),
                None,
                "no hop is here"
            );
            if wire.is_empty() {
                return;
            }
            timeout(DEADLINE, self.pipe.write_all(&wire))
                .await
                .expect("the agent does not listen")
                .unwrap();
        }
    }
}

/// Waits until the agent has ended.
pub(crate) async fn ended(agent: Agent) -> Result<(), ServeError> {
    timeout(DEADLINE, agent)
        .await
        .expect("the agent goes on")
        .unwrap()
}
