//! The agent's event loop over an in-memory pipe, with real guests: no process, no shell, no ssh.

use std::{collections::HashMap, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    task::JoinHandle,
};
use wxec_agent::{ServeError, serve};
use wxec_engine::{Sandbox, compile};
use wxec_protocol::{CallId, CallRequest, ControllerConnection, ControllerEvent, Digest, Fault, Limits, OutputStream};

/// Generous: only a hang takes so long.
const DEADLINE: Duration = Duration::from_secs(30);

const GUEST: &str = r#"(module
    (import "wxec_v1" "input_len" (func $input_len (result i32)))
    (import "wxec_v1" "input_read" (func $input_read (param i32 i32 i32) (result i32)))
    (import "wxec_v1" "output_write" (func $output_write (param i32 i32)))
    (import "wxec_v1" "log" (func $log (param i32 i32 i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "line")
    (func (export "wx1_echo") (result i32)
        (local $length i32)
        (local.set $length (call $input_read (i32.const 0) (i32.const 1024) (call $input_len)))
        (call $output_write (i32.const 1024) (local.get $length))
        (i32.const 0))
    (func (export "wx1_spin") (result i32) (loop $forever (br $forever)) (i32.const 0))
    (func (export "wx1_chatter") (result i32)
        (loop $forever (call $log (i32.const 3) (i32.const 0) (i32.const 4)) (br $forever))
        (i32.const 0)))"#;

/// A controller without a runtime of its own: the state machine and a pipe.
struct Controller {
    connection: ControllerConnection,
    pipe: DuplexStream,
    artifact: Vec<u8>,
    asked: usize,
    output: Vec<(CallId, OutputStream, Vec<u8>)>,
}

type Agent = JoinHandle<Result<(), ServeError>>;

fn start() -> (Controller, Agent) {
    let (ours, theirs) = tokio::io::duplex(64 << 10);
    let (reader, writer) = tokio::io::split(theirs);
    let sandbox = Sandbox::new().expect("this machine can run guests");
    let artifact = compile(&wat::parse_str(GUEST).unwrap(), sandbox.target()).unwrap();
    let agent = tokio::spawn(serve(sandbox, reader, writer));
    let connection = ControllerConnection::new();
    (Controller { connection, pipe: ours, artifact, asked: 0, output: Vec::new() }, agent)
}

impl Controller {
    fn call(&mut self, function: &str, input: &[u8], limits: Limits) -> CallId {
        let module = Digest::of(&self.artifact);
        let input = input.to_vec().into();
        self.connection.call(CallRequest { module, function: function.into(), limits, input })
    }

    /// Sends, receives and serves artifacts until `calls` calls have returned.
    async fn returned(&mut self, calls: usize) -> HashMap<CallId, Result<Vec<u8>, Fault>> {
        let mut outcomes = HashMap::new();
        while outcomes.len() < calls {
            if let ControllerEvent::Returned { id, outcome, .. } = self.event().await {
                outcomes.insert(id, outcome.map(|bytes| bytes.to_vec()));
            }
        }
        outcomes
    }

    async fn one(&mut self, function: &str, input: &[u8], limits: Limits) -> Result<Vec<u8>, Fault> {
        let id = self.call(function, input, limits);
        self.returned(1).await.remove(&id).expect("the call just made")
    }

    async fn event(&mut self) -> ControllerEvent {
        tokio::time::timeout(DEADLINE, self.next_event()).await.expect("the agent hangs")
    }

    async fn next_event(&mut self) -> ControllerEvent {
        let mut input = vec![0; 64 << 10];
        loop {
            match self.connection.poll_event() {
                Some(ControllerEvent::Need { module }) => {
                    self.asked += 1;
                    self.connection.provide(module, self.artifact.clone().into());
                }
                Some(ControllerEvent::Output { id, stream, bytes }) => self.output.push((id, stream, bytes.to_vec())),
                Some(event) => return event,
                None => {
                    self.send().await;
                    let length = self.pipe.read(&mut input).await.unwrap();
                    assert_ne!(length, 0, "the agent is gone");
                    self.connection.handle_input(&input[..length]).unwrap();
                }
            }
        }
    }

    async fn send(&mut self) {
        let mut wire = Vec::new();
        self.connection.poll_transmit(&mut wire);
        self.pipe.write_all(&wire).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_call_sends_no_module_bytes() {
    let (mut controller, _agent) = start();
    assert_eq!(controller.one("echo", b"first", Limits::default()).await, Ok(b"first".to_vec()));
    let cold = controller.connection.traffic();
    assert_eq!(cold.module_bytes, controller.artifact.len() as u64);
    assert_eq!(controller.one("echo", b"second", Limits::default()).await, Ok(b"second".to_vec()));
    let warm = controller.connection.traffic();
    assert_eq!(warm.module_bytes, cold.module_bytes);
    assert_eq!(warm.round_trips, cold.round_trips + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_calls_at_once_ask_once() {
    let (mut controller, _agent) = start();
    let ids: Vec<_> =
        (0..1000_u32).map(|n| (controller.call("echo", &n.to_le_bytes(), Limits::default()), n)).collect();
    let outcomes = controller.returned(1000).await;
    for (id, n) in ids {
        assert_eq!(outcomes[&id], Ok(n.to_le_bytes().to_vec()));
    }
    assert_eq!(controller.asked, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_that_spin_hold_up_no_one() {
    let (mut controller, _agent) = start();
    let spinning: Vec<_> = (0..8).map(|_| controller.call("spin", b"", Limits::default())).collect();
    assert_eq!(controller.one("echo", b"hello", Limits::default()).await, Ok(b"hello".to_vec()));
    for id in spinning {
        controller.connection.cancel(id);
    }
    assert_eq!(controller.one("echo", b"again", Limits::default()).await, Ok(b"again".to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_ends_the_guest_and_not_the_session() {
    let (mut controller, _agent) = start();
    let limits = Limits { deadline_ms: Some(50), ..Limits::default() };
    assert_eq!(controller.one("spin", b"", limits).await, Err(Fault::Deadline { after_ms: 50 }));
    assert_eq!(controller.one("echo", b"alive", Limits::default()).await, Ok(b"alive".to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn output_arrives_before_the_return_and_within_its_limit() {
    let (mut controller, _agent) = start();
    let limits = Limits { deadline_ms: Some(100), stdio_bytes: 1000, ..Limits::default() };
    let id = controller.call("chatter", b"", limits);
    assert_eq!(controller.returned(1).await[&id], Err(Fault::Deadline { after_ms: 100 }));
    let printed: usize = controller.output.iter().map(|(_, _, bytes)| bytes.len()).sum();
    assert!(controller.output.iter().all(|(from, stream, _)| (*from, *stream) == (id, OutputStream::Log(3))));
    assert!((1..=1000).contains(&printed), "{printed} bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_that_does_not_load_fails_its_calls_only() {
    let (mut controller, _agent) = start();
    let good = std::mem::replace(&mut controller.artifact, b"no artifact".to_vec());
    let outcome = controller.one("echo", b"", Limits::default()).await;
    assert!(matches!(outcome, Err(Fault::BadModule(_))), "{outcome:?}");
    controller.artifact = good;
    assert_eq!(controller.one("echo", b"fine", Limits::default()).await, Ok(b"fine".to_vec()));
    assert_eq!(
        controller.one("nothing", b"", Limits::default()).await,
        Err(Fault::NoSuchFunction { function: "nothing".into() })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn goodbye_waits_for_open_calls() {
    let (mut controller, agent) = start();
    let limits = Limits { deadline_ms: Some(50), ..Limits::default() };
    let id = controller.call("spin", b"", limits);
    controller.connection.close();
    assert_eq!(controller.returned(1).await[&id], Err(Fault::Deadline { after_ms: 50 }));
    assert_eq!(controller.event().await, ControllerEvent::Closed);
    assert!(agent.await.unwrap().is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_pipe_ends_the_agent_whatever_runs() {
    let (mut controller, agent) = start();
    controller.one("echo", b"", Limits::default()).await.unwrap();
    controller.call("spin", b"", Limits::default());
    controller.send().await;
    drop(controller);
    let ended = tokio::time::timeout(DEADLINE, agent).await.expect("the agent goes on without a controller");
    assert!(ended.unwrap().is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_ends_the_conversation() {
    let (mut controller, agent) = start();
    controller.pipe.write_all(b"SSH-2.0-OpenSSH_9.2p1\r\n").await.unwrap();
    let ended = tokio::time::timeout(DEADLINE, agent).await.expect("the agent waits for sense");
    assert!(matches!(ended.unwrap(), Err(ServeError::Protocol(_))));
}
