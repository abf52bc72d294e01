//! The agent from outside: mostly its event loop over an in-memory pipe, with a scripted controller
//! at the other end.

/// Calls of guests: artifacts, instances, output, and the ends of a conversation.
mod calls;
/// The description of the place that an agent runs in.
mod description;
/// Programs and connections that guests start, and how they end with the conversation.
mod guest_processes;
/// Agents with little memory, as processes of their own: they survive any request.
mod memory;
/// Processes of the controller: data, ends, blobs, and that none is left behind.
mod processes;
/// Items that tasks send and receive.
mod task_streams;

use std::{sync::Once, time::Duration};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    runtime::{Builder, Handle, Runtime},
    task::JoinHandle,
    time::timeout,
};
use wxec_agent::{ServeError, serve};
use wxec_engine::Sandbox;
use wxec_protocol::{ControllerConnection, ControllerEvent};

/// Generous: only a hang takes this long.
const DEADLINE: Duration = Duration::from_secs(30);

type Agent = JoinHandle<Result<(), ServeError>>;

/// A controller without a runtime of its own: the state machine and a pipe.
struct Peer {
    connection: ControllerConnection,
    pipe: DuplexStream,
}

/// Starts an agent. It shares this process' limit on open files with those of other tests, so the
/// first one raises the limit.
fn start() -> (Peer, Agent) {
    let (peer, serving) = prepare(Handle::current());
    (peer, tokio::spawn(serving))
}

/// Starts an agent whose conversation has a runtime of its own, as in the program.
fn start_apart() -> (Peer, Runtime) {
    let (peer, serving) = prepare(Handle::current());
    let conversation = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    conversation.spawn(serving);
    (peer, conversation)
}

fn prepare(workers: Handle) -> (Peer, impl Future<Output = Result<(), ServeError>> + Send) {
    static MANY_FILES: Once = Once::new();
    MANY_FILES.call_once(|| {
        let maximum = getrlimit(Resource::Nofile).maximum;
        let limit = Rlimit {
            current: maximum,
            maximum,
        };
        setrlimit(Resource::Nofile, limit).unwrap();
    });
    let (ours, theirs) = tokio::io::duplex(64 << 10);
    let (reader, writer) = tokio::io::split(theirs);
    let sandbox = Sandbox::new().expect("this machine can run guests");
    let peer = Peer {
        connection: ControllerConnection::new(),
        pipe: ours,
    };
    (peer, serve(sandbox, workers, reader, writer))
}

impl Peer {
    /// Sends everything queued, and returns the agent's next event.
    async fn event(&mut self) -> ControllerEvent {
        self.event_within(DEADLINE).await.expect("the agent hangs")
    }

    /// Does the same, but returns `None` if the agent sends nothing for this long.
    async fn event_within(&mut self, limit: Duration) -> Option<ControllerEvent> {
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
    async fn send(&mut self) {
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
async fn ended(agent: Agent) -> Result<(), ServeError> {
    timeout(DEADLINE, agent)
        .await
        .expect("the agent goes on")
        .unwrap()
}
